"""Wiki pages and their versions (V2WikiPage): create, read, update, restore and delete."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete as sql_delete, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import entities, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import generate_etag, next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.wikis import attachments, markdown, owners
from synapse_workflows.local.domain.wikis.owners import WikiOwner
from synapse_workflows.local.errors import BadRequest, Conflict, Forbidden, NotFound
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.wiki_models import WikiOrderHint, WikiPage, WikiVersion

#: Number of versions of a page that are kept.
MAX_VERSIONS: Final = 100
#: Maximum length of a title, in UTF-16 units.
MAX_TITLE_LENGTH: Final = 256


def find_root(session: Session, owner: WikiOwner) -> WikiPage | None:
    """Return the root page of an owner; None if the owner has no wiki."""
    return session.scalar(
        select(WikiPage).where(
            WikiPage.owner_type == owner.type,
            WikiPage.owner_id == owner.id,
            WikiPage.parent_id.is_(None),
        )
    )


def get_root(session: Session, owner: WikiOwner) -> WikiPage:
    """Return the root page of an owner.

    Raises:
        NotFound: The owner has no wiki.
    """
    root = find_root(session, owner)
    if root is None:
        raise NotFound(f"A root wiki does not exist for {owner.label}")
    return root


def get_page(session: Session, owner: WikiOwner, page_id: int | None) -> WikiPage:
    """Return a page of an owner; the root page if `page_id` is None.

    Raises:
        NotFound: The owner has no wiki or no such page.
    """
    if page_id is None:
        return get_root(session, owner)
    page = session.get(WikiPage, page_id)
    if page is None or owners.get_owner(page) != owner:
        get_root(session, owner)
        raise NotFound(f"A wiki page with id: {page_id} does not exist for {owner.label}")
    return page


def get_version(session: Session, page: WikiPage, number: int | None = None) -> WikiVersion:
    """Return a version of a page; the current version if `number` is None.

    Raises:
        NotFound: The page has no such version, or it is no longer kept.
    """
    version = session.get(WikiVersion, (page.id, page.version if number is None else number))
    if version is None:
        raise NotFound(f"Wiki page {page.id} has no version {number}.")
    return version


def require_page(
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int | None,
    right: AccessType = AccessType.READ,
) -> WikiPage:
    """Return a page of an owner on which the caller has a right; None for the root page.

    Raises:
        Forbidden: The caller lacks the right.
        NotFound: No such owner or page.
    """
    owners.require(session, caller, owner, right)
    return get_page(session, owner, page_id)


def serialize(session: Session, page: WikiPage, version: WikiVersion) -> dict[str, Any]:
    """Serialize a version of a page as a V2WikiPage."""
    return {
        "id": str(page.id),
        "etag": page.etag,
        "createdOn": to_iso(page.created_on),
        "createdBy": str(page.created_by),
        "modifiedOn": to_iso(version.modified_on),
        "modifiedBy": str(version.modified_by),
        "parentWikiId": None if page.parent_id is None else str(page.parent_id),
        "title": version.title,
        "markdownFileHandleId": str(version.markdown_handle_id),
        "attachmentFileHandleIds": [
            str(each) for each in attachments.list_ids(session, page.id, version.number)
        ],
    }


def get(
    session: Session, caller: Caller, owner: WikiOwner, page_id: int | None, number: int | None
) -> dict[str, Any]:
    """Return a page, or one of its versions.

    Args:
        session: Database session.
        caller: User of the request; needs READ on the owner.
        owner: Owner of the wiki.
        page_id: ID of the page; None for the root page.
        number: Version; None for the current version.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such owner, page or version.
    """
    page = require_page(session, caller, owner, page_id)
    return serialize(session, page, get_version(session, page, number))


def create(
    service: Service,
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    body: Mapping[str, Any],
    text: str | None = None,
) -> dict[str, Any]:
    """Create a page.

    Args:
        service: The service.
        session: Database session with write access.
        caller: User of the request; needs CREATE on the owner and owns the file handles.
        owner: Owner of the wiki.
        body: V2WikiPage; a page without a file handle of the markdown is empty.
        text: The markdown, instead of its file handle.

    Raises:
        BadRequest: A property is invalid.
        Conflict: The page is a second root page.
        Forbidden: The caller lacks CREATE, or does not own a file handle.
        NotFound: No such owner, parent page or file handle.
    """
    owners.require(session, caller, owner, AccessType.CREATE)
    parent = _parse_parent(body)
    if parent is not None:
        get_page(session, owner, parent)
    elif find_root(session, owner) is not None:
        raise Conflict(f"An owner already exists with the {owner.label}")
    page = WikiPage(
        id=next_id(session, "wiki_page"),
        owner_type=owner.type,
        owner_id=owner.id,
        parent_id=parent,
        etag=generate_etag(),
        version=0,
        created_on=caller.now,
        created_by=caller.id,
    )
    insert_row(session, page)
    if parent is None:
        session.add(WikiOrderHint(root_id=page.id, etag=generate_etag(), id_list=None))
    return _add_version(service, session, caller, page, body, text)


def update(
    service: Service,
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int,
    body: Mapping[str, Any],
    text: str | None = None,
) -> dict[str, Any]:
    """Replace the properties of a page, and create a version.

    Args:
        service: The service.
        session: Database session with write access.
        caller: User of the request; needs UPDATE on the owner and owns the new file handles.
        owner: Owner of the wiki.
        page_id: ID of the page.
        body: V2WikiPage with the current etag.
        text: The markdown, instead of its file handle.

    Raises:
        BadRequest: A property is invalid, the parents would form a cycle, or the wiki would have
            no root page or a second root page.
        Forbidden: The caller lacks UPDATE, or does not own a new file handle.
        NotFound: No such owner, page, parent page or file handle.
        StaleEtag: The etag is not the current one.
    """
    page = require_page(session, caller, owner, page_id, AccessType.UPDATE)
    body_id = body.get("id")
    if body_id is not None and ids.parse_id(body_id, "id") != page.id:
        raise BadRequest(f"The id {body_id} of the body is not the id {page.id} of the path.")
    entities.check_etag(str(page.id), page.etag, body)
    _move(session, owner, page, _parse_parent(body))
    page.version += 1
    page.etag = generate_etag()
    return _add_version(service, session, caller, page, body, text)


def restore(
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int,
    number: int,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Create a version with the title, the markdown and the attachments of an older version.

    Args:
        session: Database session with write access.
        caller: User of the request; needs UPDATE on the owner.
        owner: Owner of the wiki.
        page_id: ID of the page.
        number: The older version.
        body: Empty, or a V2WikiPage whose etag must be current.

    Raises:
        Forbidden: The caller lacks UPDATE.
        NotFound: No such owner, page or version.
        StaleEtag: The body has an etag that is not the current one.
    """
    page = require_page(session, caller, owner, page_id, AccessType.UPDATE)
    old = get_version(session, page, number)
    if body.get("etag") is not None:
        entities.check_etag(str(page.id), page.etag, body)
    handles = attachments.list_ids(session, page.id, old.number)
    page.version += 1
    page.etag = generate_etag()
    return _save_version(session, caller, page, old.title, old.markdown_handle_id, handles)


def delete(session: Session, caller: Caller, owner: WikiOwner, page_id: int) -> None:
    """Delete a page with its sub-pages.

    If the owner was deleted permanently, the creator of the page can delete it.

    Raises:
        Forbidden: The caller lacks DELETE.
        NotFound: No such owner or page.
    """
    if owners.owner_exists(session, owner):
        page = require_page(session, caller, owner, page_id, AccessType.DELETE)
    else:
        page = get_page(session, owner, page_id)
        if not (caller.is_admin or page.created_by == caller.id):
            raise Forbidden("You lack DELETE access to the requested wiki.")
    levels = [[page.id]]
    while levels[-1]:
        below = select(WikiPage.id).where(WikiPage.parent_id.in_(levels[-1]))
        levels.append(list(session.scalars(below)))
    for level in reversed(levels):  # SQLite limits the depth of cascades
        session.execute(sql_delete(WikiPage).where(WikiPage.id.in_(level)))
    session.expire_all()


def _parse_parent(body: Mapping[str, Any]) -> int | None:
    parent = body.get("parentWikiId")
    return None if parent is None else ids.parse_id(parent, "parentWikiId")


def _move(session: Session, owner: WikiOwner, page: WikiPage, parent_id: int | None) -> None:
    """Change the parent of a page."""
    if parent_id == page.parent_id:
        return
    if parent_id is None:
        raise BadRequest(f"A root wiki already exists for {owner.label}")
    ancestor: WikiPage | None = get_page(session, owner, parent_id)
    while ancestor is not None:
        if ancestor.id == page.id:
            raise BadRequest(
                f"Wiki page {parent_id} cannot be the parent of {page.id}: it is the same page or "
                "below it."
            )
        ancestor = (
            None if ancestor.parent_id is None else session.get(WikiPage, ancestor.parent_id)
        )
    page.parent_id = parent_id


def _add_version(
    service: Service,
    session: Session,
    caller: Caller,
    page: WikiPage,
    body: Mapping[str, Any],
    text: str | None,
) -> dict[str, Any]:
    """Save a version of a page with the properties of a V2WikiPage."""
    title = request_fields.get_text(body, "title", limit=MAX_TITLE_LENGTH)
    handles = attachments.parse_handles(session, caller, page.id, body)
    handle_id = body.get("markdownFileHandleId")
    if text is not None or handle_id is None:
        markdown_id = markdown.store(service, session, caller, page.id, text or "").id
    else:
        markdown_id = ids.parse_id(handle_id, "markdownFileHandleId")
        attachments.check_usable(session, caller, page.id, markdown_id)
    return _save_version(session, caller, page, title, markdown_id, handles)


def _save_version(
    session: Session,
    caller: Caller,
    page: WikiPage,
    title: str | None,
    markdown_id: int,
    handle_ids: Sequence[int],
) -> dict[str, Any]:
    version = WikiVersion(
        page_id=page.id,
        number=page.version,
        title=title,
        markdown_handle_id=markdown_id,
        modified_on=caller.now,
        modified_by=caller.id,
    )
    insert_row(session, version)
    attachments.add(session, page.id, page.version, handle_ids)
    session.execute(
        sql_delete(WikiVersion).where(
            WikiVersion.page_id == page.id, WikiVersion.number <= page.version - MAX_VERSIONS
        )
    )
    return serialize(session, page, version)
