"""The tree of the pages of a wiki, the history of a page, and the order of sub-pages."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import entities, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.wikis import pages
from synapse_workflows.local.domain.wikis.owners import WikiOwner
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.wiki_models import WikiOrderHint, WikiPage, WikiVersion

#: Default and maximum number of headers in one response.
MAX_HEADERS: Final = 50


def list_headers(
    session: Session, caller: Caller, owner: WikiOwner, page: Page
) -> list[dict[str, Any]]:
    """List the pages of a wiki (WikiHeader): the root page, then by parent ID and title.

    As in Synapse, titles are compared without regard to case.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such owner, or it has no wiki.
    """
    pages.require_page(session, caller, owner, None)
    query = (
        select(WikiPage.id, WikiVersion.title, WikiPage.parent_id)
        .join(
            WikiVersion,
            (WikiVersion.page_id == WikiPage.id) & (WikiVersion.number == WikiPage.version),
        )
        .where(WikiPage.owner_type == owner.type, WikiPage.owner_id == owner.id)
        .order_by(
            WikiPage.parent_id.nulls_first(),
            func.unicode_lower(WikiVersion.title),
            WikiPage.id,
        )
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {
            "id": str(page_id),
            "title": title,
            "parentId": None if parent_id is None else str(parent_id),
        }
        for page_id, title, parent_id in session.execute(query)
    ]


def list_history(
    session: Session, caller: Caller, owner: WikiOwner, page_id: int, page: Page
) -> list[dict[str, Any]]:
    """List the versions of a page (V2WikiHistorySnapshot), newest first.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such owner or page.
    """
    wiki_page = pages.require_page(session, caller, owner, page_id)
    query = (
        select(WikiVersion)
        .where(WikiVersion.page_id == wiki_page.id)
        .order_by(WikiVersion.number.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return [
        {
            "version": str(each.number),
            "modifiedOn": to_iso(each.modified_on),
            "modifiedBy": str(each.modified_by),
        }
        for each in session.scalars(query)
    ]


def get_order_hint(session: Session, caller: Caller, owner: WikiOwner) -> dict[str, Any]:
    """Return the order of the pages of a wiki (V2WikiOrderHint).

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such owner, or it has no wiki.
    """
    root = pages.require_page(session, caller, owner, None)
    return _serialize_hint(owner, session.get_one(WikiOrderHint, root.id))


def update_order_hint(
    session: Session, caller: Caller, owner: WikiOwner, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the order of the pages of a wiki.

    Raises:
        BadRequest: The list has other values than IDs.
        Forbidden: The caller lacks UPDATE.
        NotFound: No such owner, or it has no wiki.
        StaleEtag: The etag is not the current one.
    """
    root = pages.require_page(session, caller, owner, None, AccessType.UPDATE)
    hint = session.get_one(WikiOrderHint, root.id)
    entities.check_etag(owner.formatted_id, hint.etag, body)
    id_list = request_fields.get_list(body, "idList")
    if id_list is not None:
        id_list = [request_fields.parse_text(each, "idList") for each in id_list]
        if len(set(id_list)) != len(id_list):
            raise BadRequest("idList has an ID more than once.")
    hint.id_list, hint.etag = id_list, generate_etag()
    return _serialize_hint(owner, hint)


def _serialize_hint(owner: WikiOwner, hint: WikiOrderHint) -> dict[str, Any]:
    return {
        "ownerId": owner.formatted_id,
        "ownerObjectType": owner.type.value,
        "idList": hint.id_list,
        "etag": hint.etag,
    }
