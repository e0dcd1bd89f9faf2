"""Repeated listing of the files below a container, which reads only what has changed."""

import base64
import json
import zlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Self

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow, Page, PageGuard
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseMalformedEntityError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import CONTAINERS, ENTITY_TYPES, FILE

#: Number of listings after which all is read again, because a file may become visible without
#: having been modified: another user grants READ on it.
_FULL_READ_INTERVAL: Final = 30
#: Number of reads of a folder whose content changes while it is read.
_MAX_READS: Final = 3


@dataclass(frozen=True)
class ListedFile:
    """The current version of a file.

    Args:
        id: ``syn123``.
        version: Version number.
        name: Name; empty in a listing that `FileListing.from_text` restored.
        parent_id: The folder or project of the file.
        created_on: Time at which the entity was created, in ISO 8601.
    """

    id: str
    version: int
    name: str = ""
    parent_id: str = ""
    created_on: str = ""

    @property
    def number(self) -> int:
        """The ID as a number, for the order of files."""
        return int(self.id[3:])

    def to_reference(self) -> dict[str, Any]:
        """Return a reference as JSON, which operators accept as ``entity_id``."""
        return {
            "id": self.id,
            "version": self.version,
            "name": self.name,
            "parent_id": self.parent_id,
        }


@dataclass(frozen=True)
class _Folder:
    """Content of one container.

    Args:
        files: The files by ID.
        folders: IDs of the folders.
        newest: Latest ``modifiedOn`` of them; empty without content.
    """

    files: Mapping[str, ListedFile] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    newest: str = ""

    def merge(self, parent_id: str, headers: Iterable[Mapping[str, Any]]) -> "_Folder":
        """Return the content with new headers, which replace those of the same ID."""
        files, folders, newest = dict(self.files), set(self.folders), self.newest
        for header in headers:
            newest = max(newest, str(header.get("modifiedOn") or ""))
            if header["type"] == FILE:
                files[header["id"]] = _to_file(header, parent_id)
            else:
                folders.add(header["id"])
        return _Folder(files, frozenset(folders), newest)

    def __len__(self) -> int:
        return len(self.files) + len(self.folders)


class FileListing:
    """Listing of the files below a container, which is fetched again and again.

    The first fetch reads all. Later ones read the children of each folder from the last modified
    one backwards, until they reach those that did not change since the last fetch. If the number
    of children differs from the known ones then, for example because some were deleted or moved
    away, the folder is read again as a whole. New folders are read as a whole, because the files
    of a folder that was moved were not modified.

    Args:
        container_id: A project or folder, ``syn123``.
        recursive: Whether to include the files in its folders, at any depth.
    """

    def __init__(self, container_id: str, recursive: bool) -> None:
        self._container_id = container_id
        self._recursive = recursive
        self._folders: dict[str, _Folder] = {}
        self._number = 0

    @property
    def files(self) -> dict[str, ListedFile]:
        """The files of the last fetch, by ID."""
        folders = self._folders.values()
        return {key: file for folder in folders for key, file in folder.files.items()}

    def fetch(self) -> Flow[dict[str, ListedFile]]:
        """Fetch the listing; return the files by ID.

        A file that is missing for the first time is still included: a file that is moved from one
        folder to another one while they are read may appear in neither.

        Raises:
            SynapseNotFoundError: The container does not exist.
            SynapseForbiddenError: The user lacks READ on the container.
            SynapseMalformedEntityError: The entity is neither a project nor a folder.

        Source:
            GET /entity/{id}/type, POST /entity/children
            https://rest-docs.synapse.org/rest/POST/entity/children.html
        """
        earlier, is_full = self.files, self._number % _FULL_READ_INTERVAL == 0 and self._number
        found: dict[str, _Folder] = {}
        pending = [self._container_id]
        while pending:
            folder_id = pending.pop()
            if folder_id not in found:
                known = None if is_full else self._folders.get(folder_id)
                found[folder_id] = yield from self._fetch_folder(folder_id, known)
                pending += sorted(found[folder_id].folders)
        if not self._folders and not found[self._container_id]:
            yield from self._check_container()
        self._folders = found
        self._number += 1
        return earlier | self.files

    def _check_container(self) -> Flow[None]:
        """Check the type: Synapse lists no children of a file, without an error."""
        header = (yield from flows.send(Call("GET", f"/entity/{self._container_id}/type"))).object
        kind = header["type"]
        if kind not in CONTAINERS:
            raise SynapseMalformedEntityError(
                f"Invalid container {self._container_id}: it is a {ENTITY_TYPES.get(kind, kind)}, "
                "which contains no files. Pass a project or a folder."
            )

    def _fetch_folder(self, folder_id: str, known: _Folder | None) -> Flow[_Folder]:
        try:
            if known is not None and known.newest:
                changed = yield from self._fetch_changes(folder_id, known)
                if changed is not None:
                    return changed
            return (yield from self._fetch_all(folder_id))
        except (SynapseForbiddenError, SynapseNotFoundError) as error:
            if folder_id == self._container_id:
                raise
            # deleted, or READ was revoked, after the listing of its parent was read
            is_hidden = isinstance(error, SynapseForbiddenError)
            return self._folders.get(folder_id, _Folder()) if is_hidden else _Folder()

    def _fetch_changes(self, folder_id: str, known: _Folder) -> Flow[_Folder | None]:
        """Fetch what was modified since the last fetch; None if that does not explain the total.

        Children that were modified at the time of the last known modification are read again.
        """
        call: Call | None = self._create_call(folder_id)
        merged, totals, guard = known, set(), PageGuard()
        while call is not None:
            items, total, call = yield from _fetch_page(call, guard)
            merged = merged.merge(folder_id, items)
            totals.add(total)
            if items and str(items[-1].get("modifiedOn") or "") < known.newest:
                break
        return merged if totals == {len(merged)} else None

    def _fetch_all(self, folder_id: str) -> Flow[_Folder]:
        """Fetch all children, again if some were added or removed meanwhile.

        A child that is removed while the pages are read moves another one to a page that was read.
        """
        folder = _Folder()
        for _ in range(_MAX_READS):
            call: Call | None = self._create_call(folder_id)
            folder, totals, guard = _Folder(), set(), PageGuard()
            while call is not None:
                items, total, call = yield from _fetch_page(call, guard)
                folder = folder.merge(folder_id, items)
                totals.add(total)
            if totals in ({None}, {len(folder)}):
                break
        return folder

    def _create_call(self, folder_id: str) -> Call:
        body = {
            "parentId": folder_id,
            "includeTypes": ["file", "folder"] if self._recursive else ["file"],
            "sortBy": "MODIFIED_ON",
            "sortDirection": "DESC",
            "includeTotalChildCount": True,
        }
        return Call("POST", "/entity/children", body=body, repeatable=True)

    def to_text(self, without: Iterable[str] = ()) -> str:
        """Return the listing as compressed text, about 3 bytes per file.

        Args:
            without: IDs of files to leave out, which a restored listing reads again. The text has
                no names.
        """
        left_out = set(without)
        folders = [
            [key, one.newest, sorted(one.folders), _pack(_omit(one.files, left_out))]
            for key, one in self._folders.items()
        ]
        return compress_json(folders)

    @classmethod
    def from_text(cls, container_id: str, recursive: bool, text: str) -> Self:
        """Restore a listing from the result of `to_text`."""
        listing = cls(container_id, recursive)
        for key, newest, folders, packed in decompress_json(text):
            files = {file.id: file for file in _unpack(packed)}
            listing._folders[key] = _Folder(files, frozenset(folders), newest)
        return listing


def create_file_listing(
    container_id: str, recursive: bool
) -> Callable[[], Flow[dict[str, ListedFile]]]:
    """Return the function that fetches the files below a container again and again."""
    return FileListing(container_id, recursive).fetch


def _fetch_page(
    call: Call, guard: PageGuard
) -> Flow[tuple[list[dict[str, Any]], int | None, Call | None]]:
    """Fetch a page of children; return them, their total number, and the call of the next page."""
    body = (yield from flows.send(call)).object
    items: list[dict[str, Any]] = body["page"]
    token, total = body.get("nextPageToken"), body.get("totalChildCount")
    following = {**call.body, "nextPageToken": token}
    next_call = None if token is None else replace(call, body=following)
    guard.check(Page(items, next_call))
    return items, total, next_call


def _to_file(header: Mapping[str, Any], parent_id: str) -> ListedFile:
    return ListedFile(
        header["id"],
        int(header.get("versionNumber") or 1),
        header["name"],
        parent_id,
        str(header.get("createdOn") or ""),
    )


def _pack(files: Iterable[ListedFile]) -> list[list[int]]:
    """Return the versions, and the IDs as differences, in the order of the IDs."""
    ordered = sorted((file.number, file.version) for file in files)
    numbers = [0, *(number for number, _ in ordered)]
    return [
        [number - before for before, number in pairwise(numbers)],
        [version for _, version in ordered],
    ]


def _omit(files: Mapping[str, ListedFile], left_out: Container[str]) -> list[ListedFile]:
    return [file for key, file in files.items() if key not in left_out]


def _unpack(packed: Sequence[Sequence[int]]) -> Iterable[ListedFile]:
    number = 0
    for difference, version in zip(*packed, strict=True):
        number += difference
        yield ListedFile(f"syn{number}", version)


def pack_versions(versions: Mapping[str, int]) -> str:
    """Return version numbers by file ID as compressed text, about 3 bytes per file."""
    return compress_json(_pack(ListedFile(key, version) for key, version in versions.items()))


def unpack_versions(text: str) -> dict[str, int]:
    """Return version numbers by file ID from the result of `pack_versions`."""
    return {file.id: file.version for file in _unpack(decompress_json(text))}


def compress_json(value: Any) -> str:
    """Return JSON as compressed ASCII text."""
    content = json.dumps(value, separators=(",", ":")).encode()
    return base64.b85encode(zlib.compress(content, 9)).decode()


def decompress_json(text: str) -> Any:
    """Return the value of the result of `compress_json`."""
    return json.loads(zlib.decompress(base64.b85decode(text)))
