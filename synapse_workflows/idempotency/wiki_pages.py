"""Wiki pages that a task writes: one page for each title, and no version without a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import wikis
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.errors import SynapseConflictError, SynapseNotFoundError
from synapse_workflows.client.model.wikis import Wiki, WikiAttachment
from synapse_workflows.client.transfer.upload import upload_file
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.lineage.lineage_client import LineageClient

_KEY: Final = "synapse_wiki_page"


class SynapseWikiPage(TypedDict):
    """A stored wiki page, as JSON.

    `entity_id` is the owner of the wiki, `title` is None for a root page without a title, and
    `attachments` are the file names of all attachments of the page.
    """

    entity_id: str
    wiki_id: str
    title: str | None
    url: str
    attachments: list[str]


@dataclass(frozen=True)
class WikiLocation:
    """The place of a page in a wiki.

    Args:
        entity_id: Owner of the wiki.
        title: Title of a sub-page; None for the root page.
        parent_title: Title of the page above the sub-page; None for the root page.
    """

    entity_id: str
    title: str | None = None
    parent_title: str | None = None


@dataclass(frozen=True)
class WikiContent:
    """The content of a page.

    Args:
        markdown: The text.
        attachments: Files to attach, by their names on the page.
        keep_attachments: Whether to keep attachments of the page with other names.
    """

    markdown: str
    attachments: Mapping[str, Path]
    keep_attachments: bool = True


def store_page(
    client: LineageClient, location: WikiLocation, content: WikiContent, task: TaskState
) -> Wiki:
    """Create or update a page.

    An unchanged page gets no new version. A retry creates no second page of a title, even if the
    worker stopped before the response arrived, and neither do tasks that run at the same time:
    the page with the lowest ID is kept.

    Args:
        client: Client of the author.
        location: The place of the page; missing root pages are created.
        content: The content.
        task: The state of the running task.

    Raises:
        AirflowFailException: The parent page is missing, or its title is ambiguous.
        SynapseHTTPError: Synapse refused the page.
        ValueError: An attachment is empty, or its name is invalid.
    """
    with client.without_lineage():
        return _PageWriter(client, location, content, task).store()


class _PageWriter:
    """Writer of one page."""

    def __init__(
        self,
        client: LineageClient,
        location: WikiLocation,
        content: WikiContent,
        task: TaskState,
    ) -> None:
        self._client = client
        self._location = location
        self._content = content
        target = "\n".join(map(str, (client.synapse_conn_id, *_to_tuple(location))))
        self._state = SavedState(task, _KEY, target)
        self._uploads: dict[str, str] = {}

    def store(self) -> Wiki:
        """Create or update the page."""
        page_id = self._find_root() if self._location.title is None else self._get_sub_page()
        stored = retry_stale(lambda: self._update(page_id))
        self._state.mark_done()
        return stored

    def _find_root(self) -> str:
        """Return the ID of the root page, which is created if it is missing."""
        try:
            return str(self._call("GET", "wiki2")["id"])
        except SynapseNotFoundError:
            return self._create_root(**self._get_new_content())

    def _create_root(self, **content: Any) -> str:
        page = Wiki(owner=self._location.entity_id, **content)
        try:
            return str(wikis.store_wiki(self._client, page, create_or_update=False).id)
        except SynapseConflictError:  # another task has created the page meanwhile
            return str(self._call("GET", "wiki2")["id"])

    def _get_sub_page(self) -> str:
        """Return the ID of the sub-page, which is created if it is missing."""
        headers = self._list_headers()
        parent_id = self._resolve_parent(headers)
        found = self._select(headers, parent_id)
        state = self._state.load()
        if not found:
            state = {"pages_before": max(int(each["id"]) for each in headers)}
            self._state.save(state)
            self._create_sub_page(parent_id)
        if state is not None:
            headers = self._list_headers()
            found = self._select(headers, parent_id)
            found = self._delete_duplicates(found, headers, state["pages_before"])
        if not found:
            raise RuntimeError(
                f"The wiki page {self._location.title!r} of {self._location.entity_id} was "
                "deleted while it was written. Run the task again."
            )
        if len(found) > 1:
            self._client.logger.warning(
                "%s has several wiki pages with the title %r below page %s; updating the first of "
                "the pages %s",
                self._location.entity_id,
                self._location.title,
                parent_id,
                ", ".join(found),
            )
        return found[0]

    def _list_headers(self) -> list[Any]:
        try:
            return wikis.getWikiHeaders(self._client, self._location.entity_id)
        except SynapseNotFoundError:
            self._create_root(markdown="")
            return wikis.getWikiHeaders(self._client, self._location.entity_id)

    def _resolve_parent(self, headers: list[Any]) -> str:
        """Return the ID of the parent page.

        Raises:
            AirflowFailException: No page, or more than one page, has the title.
        """
        title = self._location.parent_title
        if title is None:
            return next(str(each["id"]) for each in headers if each.get("parentId") is None)
        found = [str(each["id"]) for each in headers if each.get("title") == title]
        if len(found) == 1:
            return found[0]
        known = ", ".join(repr(each.get("title")) for each in headers)
        problem = f"the pages {', '.join(found)} have" if found else "no page has"
        raise AirflowFailException(
            f"Invalid parent_title {title!r}: {problem} this title in the wiki of "
            f"{self._location.entity_id}. Titles of its pages: {known}. Pass the title of one "
            "page, or create the page first."
        )

    def _select(self, headers: list[Any], parent_id: str) -> list[str]:
        """Return the IDs of the pages with the title below the parent, oldest first."""
        found = [
            str(each["id"])
            for each in headers
            if each.get("title") == self._location.title and str(each.get("parentId")) == parent_id
        ]
        return sorted(found, key=int)

    def _create_sub_page(self, parent_id: str) -> None:
        page = Wiki(
            owner=self._location.entity_id,
            title=self._location.title,
            parentWikiId=parent_id,
            **self._get_new_content(),
        )
        wikis.store_wiki(self._client, page, create_or_update=False)

    def _get_new_content(self) -> dict[str, Any]:
        """Upload the attachments of a new page, and return its content."""
        handles = [self._upload(name) for name in self._content.attachments]
        return {"markdown": self._content.markdown, "attachmentFileHandleIds": handles}

    def _delete_duplicates(
        self, found: list[str], headers: list[Any], pages_before: int
    ) -> list[str]:
        """Delete all but the first of the pages that this task created; return the others.

        Pages of other users, pages that were changed, and pages with sub-pages are kept.
        """
        parents = {str(each.get("parentId")) for each in headers}
        kept = found[:1]
        for page_id in found[1:]:
            is_new = int(page_id) > pages_before and page_id not in parents
            if is_new and self._is_unchanged_own(page_id):
                self._client.logger.info("Deleting the duplicate wiki page %s", page_id)
                self._delete(page_id)
            else:
                kept.append(page_id)
        return kept

    def _is_unchanged_own(self, page_id: str) -> bool:
        try:
            page = self._call("GET", f"wiki2/{page_id}")
            path = f"wiki2/{page_id}/wikihistory"
            versions = self._call("GET", path, params={"limit": 2, "offset": 0})["results"]
        except SynapseNotFoundError:  # another task has deleted the duplicate
            return False
        return len(versions) == 1 and str(page["createdBy"]) == self._user_id

    def _delete(self, page_id: str) -> None:
        try:
            self._client.call("DELETE", f"/entity/{self._location.entity_id}/wiki2/{page_id}")
        except SynapseNotFoundError:  # another task has deleted the duplicate
            return

    @cached_property
    def _user_id(self) -> str:
        return str(self._client.getUserProfile()["ownerId"])

    def _update(self, page_id: str) -> Wiki:
        """Update the page if its markdown or its attachments differ."""
        current = wikis.getWiki(self._client, self._location.entity_id, page_id)
        attached = [
            each
            for each in wikis.getWikiAttachments(self._client, current)
            if each.id in current.attachmentFileHandleIds
        ]
        handles = self._list_handles(attached)
        is_same = set(handles) == set(current.attachmentFileHandleIds)
        if is_same and current.markdown == self._content.markdown:
            self._client.logger.info("The wiki page %s is unchanged", page_id)
            return current
        changes = {"markdown": self._content.markdown, "attachmentFileHandleIds": handles}
        stored = wikis.store_wiki(
            self._client, Wiki(**{**current, **changes}), create_or_update=False
        )
        self._client.logger.info("Stored a new version of the wiki page %s", page_id)
        return stored

    def _list_handles(self, attached: list[WikiAttachment]) -> list[str]:
        """Return the file handles of the page: kept ones, and those of new attachments."""
        current = {each.fileName: each for each in attached}
        new = self._content.attachments
        handles = [each.id for each in attached if each.fileName not in new]
        if not self._content.keep_attachments:
            handles = []
        for name, path in new.items():
            is_same = name in current and current[name].get("contentMd5") == file_md5(path)
            handles.append(current[name].id if is_same else self._upload(name))
        return handles

    def _upload(self, name: str) -> str:
        if name not in self._uploads:
            path = self._content.attachments[name]
            result = upload_file(self._client, path, file_name=name)
            self._uploads[name] = result.file_handle_id
        return self._uploads[name]

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        url = f"/entity/{self._location.entity_id}/{path}"
        return self._client.call(method, url, **options).object


def _to_tuple(location: WikiLocation) -> tuple[str | None, ...]:
    return location.entity_id, location.title, location.parent_title
