"""Wiki pages whose JSON contains the markdown (WikiPage), as views of V2WikiPage."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.wikis import markdown, pages
from synapse_workflows.local.domain.wikis.owners import WikiOwner


def get(
    service: Service,
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int | None,
    number: int | None,
) -> dict[str, Any]:
    """Return a page or one of its versions, see `pages.get`.

    Raises:
        BadRequest: The markdown is too large or damaged.
        Forbidden: The caller lacks READ.
        NotFound: No such owner, page or version.
    """
    page = pages.get(session, caller, owner, page_id, number)
    text = markdown.read(service, session, int(page["markdownFileHandleId"]))
    return _replace_handle(page, text)


def create(
    service: Service, session: Session, caller: Caller, owner: WikiOwner, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create a page, see `pages.create`.

    Raises:
        BadRequest: A property is invalid.
        Conflict: The page is a second root page.
        Forbidden: The caller lacks CREATE, or does not own a file handle.
        NotFound: No such owner, parent page or file handle.
    """
    text = request_fields.get_text(body, "markdown") or ""
    return _replace_handle(pages.create(service, session, caller, owner, body, text), text)


def update(
    service: Service,
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Replace the properties of a page, and create a version; see `pages.update`.

    Raises:
        BadRequest: A property is invalid, or the parents would not form a tree.
        Forbidden: The caller lacks UPDATE, or does not own a new file handle.
        NotFound: No such owner, page, parent page or file handle.
        StaleEtag: The etag is not the current one.
    """
    text = request_fields.get_text(body, "markdown") or ""
    page = pages.update(service, session, caller, owner, page_id, body, text)
    return _replace_handle(page, text)


def _replace_handle(page: dict[str, Any], text: str) -> dict[str, Any]:
    """Convert a V2WikiPage to a WikiPage."""
    return {**page, "markdownFileHandleId": None, "markdown": text}
