"""Copies of wikis: pages, attachments, and the links between the pages."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.client.api import copy_files, wikis
from synapse_workflows.client.api.copy_references import replace_ids
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNameConflictError, SynapseNotFoundError
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import parse_entity_id, parse_numeric_id
from synapse_workflows.client.model.wikis import Wiki

_PAGE_LINK: Final = re.compile(r"\b(syn\d+)/wiki/(\d+)\b", re.IGNORECASE)


@dataclass
class PageCopy:
    """A page and its copy.

    Args:
        source: The page, with its Markdown.
        owner: ID of the entity of the copy.
        parent: The copy of the page that contains it; or ID of a page of the destination; None
            for a root page.
        current: The copy as it is stored, with its Markdown; None before it is created.
        is_new: Whether this object created the copy.
    """

    source: Wiki
    owner: str
    parent: "PageCopy | str | None"
    current: Wiki | None = None
    is_new: bool = False

    @property
    def id(self) -> str | None:
        """ID of the copy; None before it is created."""
        return None if self.current is None else str(self.current.id)

    @property
    def parent_id(self) -> str | None:
        """ID of the page that contains the copy."""
        return self.parent.id if isinstance(self.parent, PageCopy) else self.parent


def copy_wiki(
    syn: Session,
    entity: Any,
    destination: Any,
    *,
    page_id: Any = None,
    parent_page_id: Any = None,
    update_links: bool = True,
    entity_ids: Mapping[str, str] | None = None,
    update_existing: bool = False,
) -> list[DictObject]:
    """Copy the wiki of an entity, or one of its pages with its sub-pages, to another entity.

    Pages of the destination with the same titles below the same page are not created again: a
    copy that was interrupted is completed by the same call.

    Args:
        syn: The session that sends the requests.
        entity: The entity, or its ID.
        destination: Entity that gets the pages, or its ID.
        page_id: ID of the page to copy, with its sub-pages; None for the whole wiki.
        parent_page_id: ID of the page of the destination that contains the copies; None to make
            the first copied page the root page.
        update_links: Whether links to a copied page refer to its copy.
        entity_ids: IDs of entities to replace in the text, for example the result of `copy`.
        update_existing: Whether pages of the destination with other content are replaced; False
            to raise an error.

    Returns:
        ``id``, ``title`` and ``parentId`` of each page of the destination.

    Raises:
        ValueError: An ID is invalid.
        SynapseNotFoundError: The entity has no wiki, or no such page.
        SynapseNameConflictError: The destination has such a page with other content.
        SynapseForbiddenError: The caller may not read the entity, or not change the destination.

    Source:
        GET /entity/{ownerId}/wikiheadertree, GET /entity/{ownerId}/wiki2/{wikiId},
        POST /filehandles/copy, POST /entity/{ownerId}/wiki, PUT /entity/{ownerId}/wiki/{wikiId}
        https://rest-docs.synapse.org/rest/POST/entity/ownerId/wiki.html
    """
    source_id, target_id = parse_entity_id(entity).id, parse_entity_id(destination).id
    first = None if page_id is None else parse_numeric_id(page_id, "wiki page")
    parent = None if parent_page_id is None else parse_numeric_id(parent_page_id, "wiki page")
    copier = WikiCopier(syn, update_existing=update_existing)
    copier.add(source_id, target_id, first, parent)
    copier.copy(entity_ids or {}, update_links=update_links)
    return wikis.getWikiHeaders(syn, target_id)


class WikiCopier:
    """Copies wikis: first all pages, and then the links between them.

    Args:
        syn: The session that sends the requests.
        update_existing: Whether pages of the destination with other content are replaced.
    """

    def __init__(self, syn: Session, *, update_existing: bool) -> None:
        self.syn = syn
        self.update_existing = update_existing
        self._pages: list[PageCopy] = []

    def add(
        self, source_id: str, target_id: str, first: str | None = None, parent: str | None = None
    ) -> None:
        """Add the pages of one wiki, and find those that the destination has.

        Args:
            source_id: ID of the entity with the wiki.
            target_id: ID of the other entity.
            first: ID of the page to copy, with its sub-pages; None for the root page.
            parent: ID of the page that contains the copies; None without one.
        """
        headers = wikis.getWikiHeaders(self.syn, source_id)
        existing = _group_by_title(_list_headers(self.syn, target_id))
        added: dict[str, PageCopy] = {}
        for header in _select(headers, source_id, first):
            source = wikis.get_unannounced(self.syn, source_id, header.id)
            page = PageCopy(source, target_id, added.get(str(header.get("parentId")), parent))
            if page.parent is None:  # an entity has one root page, whatever its title
                found = [
                    one for (above, _), ids in existing.items() if above is None for one in ids
                ]
            elif page.parent_id is None:
                found = []
            else:
                found = existing[page.parent_id, header.get("title")]
            if found:
                page.current = wikis.get_unannounced(self.syn, target_id, found.pop(0))
            added[str(header.id)] = page
            self._pages.append(page)

    def copy(self, entity_ids: Mapping[str, str], *, update_links: bool = True) -> None:
        """Create the missing pages, and translate links and IDs in all pages.

        Args:
            entity_ids: IDs of copies by the IDs of their sources.
            update_links: Whether links to a copied page refer to its copy.

        Raises:
            SynapseNameConflictError: A page of the destination has other content; no page was
                created or changed.
        """
        for page, text in self._translate(entity_ids, update_links=update_links):
            if page.current is not None and not self._may_replace(page, page.current, text):
                raise _build_conflict(page.owner, str(page.id))
        for page in self._pages:
            if page.current is None:
                page.current, page.is_new = self._create(page), True
        for page, text in self._translate(entity_ids, update_links=update_links):
            if page.current is not None:
                self._update(page, page.current, text)

    def _translate(
        self, entity_ids: Mapping[str, str], *, update_links: bool
    ) -> list[tuple[PageCopy, str]]:
        """Return each page with the text of its copy."""
        links = {
            (str(one.source.ownerId), str(one.source.id)): f"{one.owner}/wiki/{one.id}"
            for one in self._pages
            if update_links and one.id is not None
        }
        return [
            (one, replace_ids(_replace_links(one.source.markdown, links), entity_ids))
            for one in self._pages
        ]

    def _create(self, page: PageCopy) -> Wiki:
        copy = Wiki(
            owner=page.owner,
            title=page.source.get("title"),
            markdown=page.source.markdown,
            fileHandles=self._copy_attachments(page.source),
            parentWikiId=page.parent_id,
        )
        return wikis.store_wiki(self.syn, copy, create_or_update=False)

    def _copy_attachments(self, page: Wiki) -> list[str]:
        handles = [str(one) for one in page.attachmentFileHandleIds]
        return copy_files.copy_file_handles(self.syn, handles, "WikiAttachment", str(page.id))

    def _may_replace(self, page: PageCopy, current: Wiki, text: str) -> bool:
        """Return whether a page is a copy, complete or not, or may be replaced."""
        if self.update_existing:
            return True
        is_copy = current.markdown in {page.source.markdown, text}
        has_title = current.get("title") == page.source.get("title")
        return is_copy and has_title and self._has_same_attachments(page.source, current)

    def _has_same_attachments(self, first: Wiki, second: Wiki) -> bool:
        return self._describe_attachments(first) == self._describe_attachments(second)

    def _describe_attachments(self, page: Wiki) -> list[tuple[str, Any, Any]]:
        used = {str(one) for one in page.attachmentFileHandleIds}
        if not used:
            return []
        return sorted(
            (one.fileName, one.get("contentMd5"), one.get("contentSize"))
            for one in wikis.getWikiAttachments(self.syn, page)
            if str(one.id) in used
        )

    def _update(self, page: PageCopy, current: Wiki, text: str) -> None:
        """Store the translated text of a page, its title and its attachments, if they differ."""
        changes: dict[str, Any] = {}
        if current.markdown != text:
            changes["markdown"] = text
        if current.get("title") != page.source.get("title"):
            changes["title"] = page.source.get("title")
        if not page.is_new and not self._has_same_attachments(page.source, current):
            changes["attachmentFileHandleIds"] = self._copy_attachments(page.source)
        if changes:
            updated = Wiki(**{**current, **changes})
            page.current = wikis.store_wiki(self.syn, updated, create_or_update=False)


def _list_headers(syn: Session, owner: str) -> list[DictObject]:
    try:
        return wikis.getWikiHeaders(syn, owner)
    except SynapseNotFoundError:
        return []


def _group_by_title(headers: Sequence[DictObject]) -> dict[tuple[str | None, Any], list[str]]:
    """Return the IDs of pages by the ID of their parent and by their title."""
    found: dict[tuple[str | None, Any], list[str]] = defaultdict(list)
    for one in headers:
        above = one.get("parentId")
        found[None if above is None else str(above), one.get("title")].append(str(one.id))
    return found


def _select(headers: Sequence[DictObject], owner: str, first: str | None) -> list[DictObject]:
    """Return a page with its sub-pages, or all pages; each page after the page that contains it.

    Raises:
        SynapseNotFoundError: There is no such page.
    """
    children: dict[str | None, list[DictObject]] = defaultdict(list)
    for one in headers:
        above = one.get("parentId")
        children[None if above is None else str(above)].append(one)
    pending = [one for one in headers if str(one.id) == first] if first else children[None]
    if not pending:
        raise SynapseNotFoundError(
            404, f"The wiki of {owner} has no page {first}", f"GET /entity/{owner}/wikiheadertree"
        )
    selected: list[DictObject] = []
    while pending:
        selected += pending
        pending = [below for one in pending for below in children[str(one.id)]]
    return selected


def _replace_links(text: str, links: Mapping[tuple[str, str], str]) -> str:
    """Replace links to pages, ``syn123/wiki/456``, given the links by their two IDs."""
    return _PAGE_LINK.sub(lambda found: links.get((found[1].lower(), found[2]), found[0]), text)


def _build_conflict(owner: str, page_id: str) -> SynapseNameConflictError:
    return SynapseNameConflictError(
        409,
        f"{owner} already has the wiki page {page_id}, which is not the copy to make",
        "POST /entity/{ownerId}/wiki",
        advice="Pass update_existing=True to replace it, copy below another page with "
        "parent_page_id, or delete the page first.",
    )
