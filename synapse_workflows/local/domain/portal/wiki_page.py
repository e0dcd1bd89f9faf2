"""Content of a wiki page in the portal."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from sqlalchemy.orm import Session

from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.portal.entity_page import get_user_name
from synapse_workflows.local.domain.portal.wiki_markdown import render_markdown
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.wikis import attachments, header_tree, markdown, pages
from synapse_workflows.local.domain.wikis.owners import WikiOwner
from synapse_workflows.local.errors import BadRequest

#: Maximum number of pages in the tree.
_MAX_PAGES: Final = 1000


@dataclass(frozen=True)
class WikiTreeNode:
    """A page in the tree of a wiki. `depth` is 0 for the root page."""

    id: str
    title: str
    depth: int


@dataclass(frozen=True)
class WikiPageContent:
    """Content of a wiki page.

    Args:
        owner: Owner of the wiki.
        page: The page, as a V2WikiPage.
        url: Path of the page in the portal.
        html: The text; None if it cannot be shown.
        problem: Why the text cannot be shown.
        modified_by: Name of the author of the version.
        attachments: Names of the attachments.
        versions: The newest versions of the page, as V2WikiHistorySnapshot.
        tree: The root page with all sub-pages; each page is followed by those below it.
    """

    owner: WikiOwner
    page: dict[str, Any]
    url: str
    html: Markup | None
    problem: str | None
    modified_by: str
    attachments: Sequence[str]
    versions: Sequence[dict[str, Any]]
    tree: Sequence[WikiTreeNode]


def get_page_url(owner: WikiOwner, page_id: int | str) -> str:
    """Return the path of a page in the portal."""
    return f"/Wiki:{owner.formatted_id}/{owner.type}/{page_id}"


def read_wiki_page(
    service: Service,
    session: Session,
    caller: Caller,
    owner: WikiOwner,
    page_id: int | None = None,
    number: int | None = None,
) -> WikiPageContent:
    """Read the content of a wiki page.

    Args:
        service: The service.
        session: Database session.
        caller: User of the request; needs READ.
        owner: Owner of the wiki.
        page_id: ID of the page; None for the root page.
        number: Version; None for the current version.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such owner, page or version.
    """
    page = pages.require_page(session, caller, owner, page_id)
    version = pages.get_version(session, page, number)
    url = get_page_url(owner, page.id)
    query = "" if number is None else f"wikiVersion={number}&"
    html, problem = None, None
    try:
        text = markdown.read(service, session, version.markdown_handle_id)
        html = render_markdown(text, f"{url}/attachment?{query}fileName=")
    except BadRequest as error:
        problem = error.reason
    return WikiPageContent(
        owner=owner,
        page=pages.serialize(session, page, version),
        url=url,
        html=html,
        problem=problem,
        modified_by=get_user_name(session, version.modified_by),
        attachments=[each.file_name for each in attachments.list_attachments(session, version)],
        versions=header_tree.list_history(session, caller, owner, page.id, Page(20, 0)),
        tree=_read_tree(session, caller, owner),
    )


def _read_tree(session: Session, caller: Caller, owner: WikiOwner) -> list[WikiTreeNode]:
    headers = header_tree.list_headers(session, caller, owner, Page(_MAX_PAGES, 0))
    hint = header_tree.get_order_hint(session, caller, owner).get("idList") or []
    ranks = {page_id: rank for rank, page_id in enumerate(hint)}
    children = defaultdict(list)
    for header in sorted(headers, key=lambda each: ranks.get(each["id"], len(ranks))):
        children[header["parentId"]].append(header)

    nodes = []
    pending = [(children[None][0], 0)]
    while pending:
        header, depth = pending.pop()
        nodes.append(WikiTreeNode(header["id"], header["title"] or "Wiki", depth))
        pending += [(each, depth + 1) for each in reversed(children[header["id"]])]
    return nodes
