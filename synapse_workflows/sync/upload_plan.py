"""Plan of a synchronization to Synapse."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.annotations import from_synapse_annotations
from synapse_workflows.client.model.paths import to_url
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.sync import manifest_cells
from synapse_workflows.sync.candidates import (
    Candidate,
    Candidates,
    check_unique,
    list_candidates,
    select_rows,
)
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.entity_tree import (
    Child,
    EntityTree,
    FileVersion,
    find_version,
    list_children,
)
from synapse_workflows.sync.manifest import RESERVED, ManifestError, ManifestRow, get_flag
from synapse_workflows.sync.manifest_sources import (
    has_same_sources,
    has_sources,
    resolve_sources,
)
from synapse_workflows.sync.options import PlanOptions, find_extra_folders, list_parents
from synapse_workflows.sync.plan import SyncItem, SyncPlan, list_dependencies
from synapse_workflows.sync.results import SyncProgress


def plan_upload(
    syn: Session,
    directory: Directory,
    root_id: str,
    options: PlanOptions,
    rows: Sequence[ManifestRow] | None = None,
) -> SyncPlan:
    """Compare a directory with a container in Synapse. Nothing is changed.

    Args:
        syn: Sends the requests.
        directory: The source.
        root_id: ID of the target, a project or folder.
        options: Options.
        rows: Rows of a manifest, which selects the files; None for all files.

    Raises:
        FileNotFoundError: The directory does not exist.
        ItemError: The target is no container.
        ManifestError: The manifest does not fit the directory or Synapse.
    """
    listing = directory.list_files(
        symlinks="follow" if options.follow_symlinks else "skip", must_exist=True
    )
    tree = EntityTree.read(syn, root_id)
    if rows is None:
        found = list_candidates(listing, options)
    else:
        found = select_rows(rows, listing, directory.url, options)
    return _UploadPlanner(syn, directory, tree, options, found, has_rows=rows is not None).plan()


class _UploadPlanner:
    def __init__(
        self,
        syn: Session,
        directory: Directory,
        tree: EntityTree,
        options: PlanOptions,
        found: Candidates,
        *,
        has_rows: bool,
    ) -> None:
        self._syn = syn
        self._directory = directory
        self._tree = tree
        self._options = options
        self._found = found
        self._has_rows = has_rows
        self._ids = {"": tree.root_id, **{path: one.id for path, one in tree.folders.items()}}
        #: Children by folder ID and name.
        self._children = {
            (one.parent_id, one.name): one
            for one in (*tree.folders.values(), *tree.others.values())
        }

    def plan(self) -> SyncPlan:
        self._list_other_parents()
        self._found.refused |= check_unique(
            list(self._found.files.values()), self._found.folders, self._ids
        )
        existing = dict(self._match())
        items = self._compare_sources(list(self._compare_all(existing)))
        items += [*self._plan_folders(), *self._plan_extra()]
        skipped = dict(self._found.skipped)
        for path, other in self._tree.others.items():
            if other.concrete_type != FILE and self._options.selects(path):
                skipped.setdefault(path, f"{other.id} is a {other.type_name}")
        return SyncPlan(
            "to_synapse",
            self._directory.url,
            self._tree.root_id,
            sorted(items, key=lambda one: one.path),
            skipped,
            dict(self._found.refused),
        )

    def _list_other_parents(self) -> None:
        """List the folders that a manifest names and that are not below the container."""
        known = set(self._ids.values())
        needed = {one.parent_id for one in self._found.files.values() if one.parent_id} - known
        for parent in sorted(needed):
            try:
                entity = self._syn.call("GET", f"/entity/{parent}").json
            except (SynapseForbiddenError, SynapseNotFoundError) as error:
                raise ManifestError(f"Invalid parent {parent} in the manifest: {error}") from error
            if entity["concreteType"] not in CONTAINERS:
                raise ManifestError(
                    f"The parent {parent} in the manifest is no project or folder, but a "
                    f"{entity['concreteType'].rpartition('.')[2]}"
                )
            for one in list_children(self._syn, "", parent):
                self._children[parent, one.name] = one

    def _match(self) -> Iterator[tuple[str, Child]]:
        """Yield the existing file of each candidate; refuse those whose place is taken."""
        for path, one in self._found.files.items():
            reason = self._find_conflict(one)
            parent = one.parent_id or self._ids.get(one.folder)
            child = None if parent is None else self._children.get((parent, one.name))
            if child is not None and child.concrete_type != FILE:
                reason = f"{child.id} with this name is a {child.type_name}, not a file"
            wanted = one.row.get("id", "").strip().lower()
            if reason is None and wanted and wanted != (child.id if child else None):
                reason = (
                    f"the manifest says that it is {wanted}, which has another name or folder. "
                    "Move or rename the entity in Synapse, or clear the column id"
                )
            if reason is not None:
                self._found.refused[path] = reason
            elif child is not None:
                yield path, child

    def _find_conflict(self, one: Candidate) -> str | None:
        """Return why a folder above a file cannot be created."""
        for above in (*list_parents(one.folder), one.folder):
            other = self._tree.others.get(above)
            if other is not None:
                return f"{above!r} is a {other.type_name} ({other.id}) in Synapse, not a folder"
        return None

    def _compare_all(self, existing: Mapping[str, Child]) -> Iterator[SyncItem]:
        """Yield the items of the files; refuse files that cannot be read."""
        files = [one for path, one in self._found.files.items() if path not in self._found.refused]
        progress = SyncProgress(self._syn.logger, f"Comparing {self._directory.url}", len(files))

        def compare(one: Candidate) -> SyncItem | OSError:
            try:
                return self._compare(one, existing.get(one.path))
            except SynapseError:
                raise
            except OSError as error:
                return error
            finally:
                progress.count(None if one.entry is None else one.entry.size)

        for one, result in map_parallel(compare, files, self._syn.max_threads):
            if isinstance(result, SyncItem):
                yield result
            else:
                self._found.refused[one.path] = f"it cannot be read: {result.strerror or result}"

    def _compare(self, one: Candidate, child: Child | None) -> SyncItem:
        """Return the item of a file, without a look at its sources."""
        entry = one.entry
        item = SyncItem(
            "new",
            "file",
            one.path,
            "it is not in Synapse",
            name=one.name,
            folder=one.folder,
            parent_id=one.parent_id,
            size=None if entry is None else entry.size,
            modified=None if entry is None else entry.modified,
            row=one.row,
        )
        current = None if child is None else find_version(self._syn, child.id)
        if child is None or current is None:
            return item
        item = replace(item, entity_id=child.id, version=current.version)
        reason, md5 = self._compare_content(one, current)
        if reason is None and not has_same_annotations(one.row, current):
            reason = "the annotations differ"
        if reason is None:
            why = "the MD5 is equal" if entry is not None else "the URL is equal"
            return replace(item, action="same", reason=why, md5=md5)
        return replace(item, action="changed", reason=reason, md5=md5)

    def _compare_content(
        self, one: Candidate, current: FileVersion
    ) -> tuple[str | None, str | None]:
        """Return why the content differs, None for the same content; and the MD5 if known."""
        external = (current.handle or {}).get("externalURL")
        is_stored = get_flag(one.row, "synapseStore", repr(one.path))
        if external and one.entry and not is_stored and self._has_md5(one, current):
            return None, None
        if one.entry is None or is_stored is False:
            url = one.path if one.entry is None else to_url(f"{self._directory.url}/{one.path}")
            return (None if external == url else "the URL differs"), None
        if external and not str(external).startswith("sftp:"):
            return f"the content in Synapse is at the external URL {current.url}", None
        if current.md5 is None or current.size not in (None, one.entry.size):
            return "the size differs" if current.md5 else "the MD5 in Synapse is not known", None
        if one.entry.etag == current.md5:
            return None, current.md5
        md5 = self._directory.compute_md5(one.path)
        return (None if md5 == current.md5 else "the MD5 differs"), md5

    def _has_md5(self, one: Candidate, current: FileVersion) -> bool:
        """Return whether a file is the downloaded content of the current version."""
        return current.md5 is not None and self._directory.compute_md5(one.path) == current.md5

    def _compare_sources(self, items: Sequence[SyncItem]) -> list[SyncItem]:
        """Compare the sources of the rows of a manifest with the Activities, in their order."""
        by_path = {one.path: one for one in items}
        graph = {one.path: list_dependencies(one, by_path) for one in items}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ManifestError(
                f"Files of the manifest use each other: {' -> '.join(error.args[1])}"
            ) from None
        named = [by_path[path] for path in order if has_sources(by_path[path].row)]
        known = [one for one in named if one.entity_id is not None]
        found = map_parallel(self._find_activity, known, self._syn.max_threads)
        activities = {item.path: activity for item, activity in found}
        stored: dict[str, str | None] = {
            one.path: f"{one.entity_id}.{one.version}" if one.action == "same" else None
            for one in items
        }
        for one in named:
            activity = activities.get(one.path)
            sources = resolve_sources(one.row, activity, stored, one.path)
            if one.action == "same" and not has_same_sources(sources, one.row, activity):
                reason = "the sources in the manifest differ from the Activity"
                by_path[one.path] = replace(one, action="changed", reason=reason)
                stored[one.path] = None
        return list(by_path.values())

    def _find_activity(self, item: SyncItem) -> Mapping[str, object] | None:
        version = {"id": item.entity_id, "versionNumber": item.version}
        return provenance.find_activity(self._syn, version)

    def _plan_folders(self) -> Iterator[SyncItem]:
        """Yield the folders that are missing in Synapse."""
        files = [one for path, one in self._found.files.items() if path not in self._found.refused]
        needed = {above for one in files for above in (*list_parents(one.folder), one.folder)}
        for path in sorted((needed | self._found.folders) - {""}):
            if path in self._ids:
                continue
            other = self._tree.others.get(path)
            if other is None:
                yield SyncItem("new", "folder", path, "it is not in Synapse", folder=path)
            elif path in self._found.folders:
                reason = f"{other.id} with this name is a {other.type_name}, not a folder"
                self._found.refused[path] = reason

    def _list_present(self) -> Iterator[str]:
        """Yield the IDs of the entities of all files of the source, also of refused files."""
        for one in self._found.files.values():
            yield one.row.get("id", "").strip().lower()
            yield self._find_id(one.parent_id, one.folder, one.name)
        for place in self._found.refused_places:
            yield self._find_id(*place)

    def _find_id(self, parent_id: str | None, folder: str, name: str) -> str:
        child = self._children.get((parent_id or self._ids.get(folder, ""), name))
        return "" if child is None else child.id

    def _plan_extra(self) -> Iterator[SyncItem]:
        """Yield the files, then the folders, that are only in Synapse."""
        present = set(self._list_present())
        kept = {*self._found.refused, *self._found.skipped, *self._found.unselected}
        deleted = set()
        for path, child in sorted(self._tree.files.items()):
            if child.id in present or path in kept or not self._options.selects(path):
                continue
            if any(above in kept for above in list_parents(path)):
                continue
            deleted.add(path)
            yield SyncItem(
                "extra",
                "file",
                path,
                "it is not in the source",
                name=child.name,
                entity_id=child.id,
                version=child.version,
            )
        if self._options.is_filtered or self._has_rows:
            return
        folders = {*self._found.folders, *(one.folder for one in self._found.files.values())}
        folders |= kept | (self._tree.others.keys() - deleted)
        for path in find_extra_folders(self._tree.folders, folders - {""}):
            folder = self._tree.folders[path]
            yield SyncItem("extra", "folder", path, "it is not in the source", entity_id=folder.id)


def has_same_annotations(row: Mapping[str, str], current: FileVersion) -> bool:
    """Return whether a file has the annotations of a row; it may have others as well."""
    return not list_annotations(row, current)


def list_annotations(row: Mapping[str, str], current: FileVersion | None) -> dict[str, list[Any]]:
    """Return the annotations of a row that a file does not have, as values by key."""
    existing = {} if current is None else decode_annotations(current)
    return {
        key: manifest_cells.parse_cell(cell)
        for key, cell in row.items()
        if key not in RESERVED and not manifest_cells.has_same_values(cell, existing.get(key, []))
    }


def decode_annotations(current: FileVersion) -> dict[str, list[Any]]:
    """Return the annotations of a file as lists of values by key."""
    body = {"id": "", "etag": "", "annotations": current.annotations}
    return dict(from_synapse_annotations(body))
