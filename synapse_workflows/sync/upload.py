"""Upload of the new and changed files of a plan."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from synapse_workflows.client.api import children, provenance
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.entity import File
from synapse_workflows.constants import FILE
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.entity_tree import (
    ALL_TYPES,
    FileVersion,
    create_folders,
    find_version,
)
from synapse_workflows.sync.manifest import get_flag
from synapse_workflows.sync.manifest_sources import (
    build_activity,
    has_same_sources,
    has_sources,
    resolve_sources,
)
from synapse_workflows.sync.plan import SyncItem, SyncPlan, list_dependencies
from synapse_workflows.sync.results import FileResult, ItemError, ItemRunner
from synapse_workflows.sync.upload_plan import decode_annotations, list_annotations


class StoringClient(Protocol):
    """Client that stores entities, such as `Synapse`."""

    def store(self, obj: Any, **options: Any) -> Any:
        """Create or update an entity; see `Synapse.store`."""


@dataclass
class Uploader:
    """Uploads files. Its methods may be called by several threads.

    Args:
        syn: Sends the requests.
        store: The same client, which stores the files.
        directory: The source.
        plan: The plan.
        provenance: Arguments of `store` for files whose row of the manifest names no sources.
    """

    syn: Session
    store: StoringClient
    directory: Directory
    plan: SyncPlan
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folder_ids = {"": self.plan.target}
        self._failed_folders: Mapping[str, Exception] = {}
        self._stored: dict[str, str | None] = {
            one.path: f"{one.entity_id}.{one.version}" if one.action == "same" else None
            for one in self.plan.items
            if one.kind == "file" and one.action != "extra"
        }

    def run(self, runner: ItemRunner) -> Iterator[FileResult]:
        """Create the folders, then upload the files; yield the results.

        Files that use each other are uploaded one after the other.
        """
        folders = self.plan.select("new", "changed", kind="folder")
        items = self.plan.select("new", "changed", kind="file")
        self._failed_folders = create_folders(
            self.syn, self._folder_ids, {one.folder for one in (*folders, *items)}
        )
        for one in folders:
            if one.folder in self._failed_folders:
                yield FileResult.of_error(one, self._failed_folders[one.folder])
            else:
                yield FileResult(one, "new", self._folder_ids[one.folder])
        for wave in _sort_by_dependency(items):
            yield from runner.run(self._upload, wave)

    def _upload(self, item: SyncItem) -> FileResult:
        if item.folder in self._failed_folders:
            error = self._failed_folders[item.folder]
            raise ItemError(f"its folder could not be created: {error}")
        current = self._find_current(item)
        with self._open(item) as path:
            md5 = self._check_source(item)
            self._check_target(item, current, md5)
            stored = self._store(item, path, current)
        self._stored[item.path] = f"{stored.id}.{stored.versionNumber}"
        self.syn.logger.info(
            "Stored %s as %s.%s: %s", item.path, stored.id, stored.versionNumber, item.reason
        )
        return FileResult(item, item.outcome, stored.id, stored.versionNumber)

    def _open(self, item: SyncItem) -> Any:
        """Provide the file, or the URL of an external file."""
        if item.is_external:
            return nullcontext(item.path)
        return self._open_file(item)

    @contextmanager
    def _open_file(self, item: SyncItem) -> Iterator[Path]:
        try:
            with self.directory.as_local_file(item.path, item.name) as path:
                yield path
        except FileNotFoundError as error:
            if isinstance(error, SynapseError):
                raise
            raise ItemError("the file was deleted during the run") from error

    def _check_source(self, item: SyncItem) -> str | None:
        """Check that the file is the planned one; return its MD5 if it was computed."""
        if item.is_external:
            return None
        entry = self.directory.find(item.path)
        if entry is None:
            raise ItemError("the file was deleted after it was compared")
        if (entry.size, entry.modified) == (item.size, item.modified):
            return item.md5
        md5 = self.directory.compute_md5(item.path)
        # copies of a directory on several workers have other times, and new files no known MD5
        is_copy = item.md5 is None and isinstance(item.modified, int) and entry.size == item.size
        if item.md5 != md5 and not is_copy:
            raise ItemError(
                "the file was changed after it was compared. Run the synchronization again when "
                "no process writes to it"
            )
        return md5

    def _find_current(self, item: SyncItem) -> FileVersion | None:
        """Return the current version of the file in Synapse."""
        entity_id = item.entity_id
        if entity_id is None:
            entity_id = children.findEntityId(self.syn, item.name, self._parent_of(item))
        found = None if entity_id is None else find_version(self.syn, entity_id)
        if found is not None and found.entity["concreteType"] != FILE:
            raise ItemError(
                f"{entity_id} with this name is no file. Run the synchronization again"
            )
        return found

    def _check_target(self, item: SyncItem, current: FileVersion | None, md5: str | None) -> None:
        """Check that the stored content has not changed since the plan was made."""
        planned = item.version if item.entity_id else None
        found = None if current is None else current.version
        if found is None or found == planned or item.is_external:
            return
        md5 = md5 or self.directory.compute_md5(item.path)
        if current is not None and current.md5 != md5:
            raise ItemError(
                f"{current.entity['id']} was stored by another client after it was compared: it "
                f"has version {found} now. Run the synchronization again"
            )

    def _store(self, item: SyncItem, path: Path | str, current: FileVersion | None) -> Any:
        annotations = {} if current is None else decode_annotations(current)
        changed = list_annotations(item.row, current)
        known = {} if current is None else {"id": current.entity["id"]}
        stores = get_flag(item.row, "synapseStore", repr(item.path)) is not False
        file = File(
            str(path),
            parent=self._parent_of(item),
            synapseStore=stores and not item.is_external,
            name=item.name,
            annotations=annotations | changed,
            **known,
        )
        if item.row.get("contentType"):
            file.contentType = item.row["contentType"].strip()
        forces = bool(get_flag(item.row, "forceVersion", repr(item.path))) and bool(changed)
        if not has_sources(item.row):
            return self.store.store(file, forceVersion=forces, **self.provenance)
        return self._store_with_sources(item, file, current, forces=forces)

    def _store_with_sources(
        self, item: SyncItem, file: File, current: FileVersion | None, *, forces: bool
    ) -> Any:
        """Store a file with an Activity of its own."""
        activity = None if current is None else provenance.find_activity(self.syn, current.entity)
        sources = resolve_sources(item.row, activity, self._stored, item.path)
        missing = [one for one in list_dependencies(item, self._stored) if not self._stored[one]]
        if missing:
            raise ItemError(f"it uses {missing[0]!r}, which could not be stored")
        is_same = has_same_sources(sources, item.row, activity)
        if is_same and activity is not None and current is not None:
            return self.store.store(file, forceVersion=forces, activity={"id": activity["id"]})
        saved = provenance.store_activity(self.syn, build_activity(sources, item.row))
        try:
            return self.store.store(
                file, forceVersion=forces or current is not None, activity={"id": saved["id"]}
            )
        except SynapseError:
            provenance.delete_unlinked(self.syn, saved["id"])
            raise

    def _parent_of(self, item: SyncItem) -> str:
        return item.parent_id or self._folder_ids[item.folder]


def delete_entity(syn: Any, item: SyncItem) -> FileResult:
    """Delete an extra entity, unless it was changed since the plan was made.

    Source:
        DELETE /entity/{id}
        https://rest-docs.synapse.org/rest/DELETE/entity/id.html
    """
    entity_id = str(item.entity_id)
    current = find_version(syn, entity_id)
    if current is not None:
        if item.kind == "folder":
            if next(children.getChildren(syn, entity_id, ALL_TYPES), None) is not None:
                raise ItemError(f"the folder {entity_id} is not empty", is_permanent=True)
        elif current.version != item.version:
            raise ItemError(f"{entity_id} has a newer version than when it was compared")
        syn.delete(entity_id)
        syn.logger.info("Deleted %s (%s)", item.path, entity_id)
    return FileResult(item, "deleted", entity_id, item.version)


def _sort_by_dependency(items: Sequence[SyncItem]) -> Iterator[list[SyncItem]]:
    """Yield the files in groups; a file only uses files of earlier groups."""
    remaining = {one.path: one for one in items}
    while remaining:
        wave = [one for one in remaining.values() if not list_dependencies(one, remaining)]
        if not wave:
            raise ItemError("files of the manifest use each other", is_permanent=True)
        yield wave
        for one in wave:
            del remaining[one.path]
