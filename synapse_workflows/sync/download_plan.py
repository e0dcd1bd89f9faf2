"""Plan of a synchronization from Synapse."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.constants import FILE
from synapse_workflows.sync.directory import Directory, FileEntry, Listing
from synapse_workflows.sync.entity_tree import Child, EntityTree, FileVersion, find_version
from synapse_workflows.sync.manifest import is_manifest, is_manifest_of
from synapse_workflows.sync.options import PlanOptions, find_extra_folders, list_parents
from synapse_workflows.sync.plan import SyncItem, SyncPlan
from synapse_workflows.sync.results import SyncProgress

#: Schemes of external URLs that are downloaded.
_DOWNLOADED_SCHEMES: Final = frozenset({"http", "https", "sftp", "ftp"})


def plan_download(
    syn: Session, root_id: str, directory: Directory, options: PlanOptions
) -> SyncPlan:
    """Compare a container in Synapse with a directory. Nothing is changed.

    Args:
        syn: Sends the requests.
        root_id: ID of the source, a project or folder.
        directory: The target, which may not exist yet.
        options: Options.

    Raises:
        ItemError: The source is no container.
        NotADirectoryError: The target is a file.
    """
    tree = EntityTree.read(syn, root_id)
    listing = directory.list_files(symlinks="files", must_exist=False)
    return _DownloadPlanner(syn, directory, tree, options, listing).plan()


class _DownloadPlanner:
    def __init__(
        self,
        syn: Session,
        directory: Directory,
        tree: EntityTree,
        options: PlanOptions,
        listing: Listing,
    ) -> None:
        self._syn = syn
        self._directory = directory
        self._tree = tree
        self._options = options
        self._listing = listing
        self._local = tree.map_to_local()
        self._use_names_of_source()
        self._skipped: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    def plan(self) -> SyncPlan:
        items = [*self._compare_all(self._select()), *self._plan_folders()]
        items += self._plan_extra()
        return SyncPlan(
            "from_synapse",
            self._tree.root_id,
            self._directory.url,
            sorted(items, key=lambda one: one.path),
            self._skipped,
            self._refused,
        )

    def _use_names_of_source(self) -> None:
        """Rename files and folders of the listing that differ from the source in case only."""
        files = {self._local[path] for path in self._tree.others}
        folders = {self._local[path] for path in self._tree.folders}
        ordered = [*sorted(files, reverse=True), *sorted(folders, reverse=True)]
        wanted = {path.casefold(): path for path in ordered}
        listing, find = self._listing, self._directory.find_case_conflict
        known = {path.casefold(): path for path in listing.folders}
        listing.files = {find(path, wanted) or path: one for path, one in listing.files.items()}
        listing.folders = {find(path, wanted) or path for path in listing.folders}
        listing.folders |= {path for path in folders if find(path, known)}

    def _select(self) -> list[Child]:
        """Return the files; skip other entities."""
        selected: list[Child] = []
        folders = {self._local[path] for path in self._tree.folders}
        folded = {path.casefold(): path for path in sorted(folders)}
        for path, child in sorted(self._tree.others.items()):
            local = self._local[path]
            if not self._options.selects(local):
                continue
            if child.concrete_type != FILE:
                self._skipped[local] = f"{child.id} is a {child.type_name}"
            elif is_manifest(local.rpartition("/")[2]):
                self._skipped[local] = f"{child.id} has the name of a manifest"
            elif is_manifest_of(local, self._options.manifest):
                self._refused[local] = f"{child.id} has the path of the manifest (manifest_path)"
            elif other := self._directory.find_case_conflict(local, folded):
                self._refused[local] = (
                    f"{child.id} and {other!r} would have the same path, because the file system "
                    "ignores the case of names"
                )
            else:
                folded[local.casefold()] = local
                selected.append(child)
        return selected

    def _compare_all(self, files: list[Child]) -> Iterator[SyncItem]:
        """Yield the items of the files; skip or refuse files that cannot be downloaded."""
        progress = SyncProgress(self._syn.logger, f"Comparing {self._tree.root_id}", len(files))

        def compare(child: Child) -> SyncItem | None:
            item = find(child)
            progress.count(None if item is None else item.size)
            return item

        def find(child: Child) -> SyncItem | None:
            current = find_version(self._syn, child.id)
            return None if current is None else self._compare(child, current)

        for _, item in map_parallel(compare, files, self._syn.max_threads):
            if item is not None:
                yield item

    def _compare(self, child: Child, current: FileVersion) -> SyncItem | None:
        path = self._local[child.path]
        if current.handle is None:
            self._refused[path] = (
                f"no permission to download {child.id}. Ask its owner for DOWNLOAD access"
            )
            return None
        reason = _describe_external(current)
        if reason is not None:
            self._skipped[path] = f"{child.id} {reason}"
            return None
        entry = self._listing.files.get(path)
        item = SyncItem(
            "new",
            "file",
            path,
            "it is not in the directory",
            name=child.name,
            parent_id=child.parent_id,
            entity_id=child.id,
            version=current.version,
            size=current.size,
            md5=current.md5,
            file_handle_id=str(current.handle["id"]),
            modified=None if entry is None else entry.modified,
        )
        if entry is None:
            obstacle = self._find_obstacle(path)
            if obstacle is not None:
                self._refused[path] = obstacle
                return None
            return item
        return self._with_action(item, entry)

    def _with_action(self, item: SyncItem, entry: FileEntry) -> SyncItem:
        """Return the item of a file that exists, after comparing the content."""
        if item.md5 is None:
            return replace(item, action="changed", reason="the MD5 in Synapse is not known")
        if item.size not in (None, entry.size):
            return replace(item, action="changed", reason="the size differs")
        try:
            is_same = entry.etag == item.md5 or self._directory.compute_md5(item.path) == item.md5
        except SynapseError:
            raise
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror or error}"
            return replace(item, action="changed", reason=reason)
        if is_same:
            return replace(item, action="same", reason="the MD5 is equal")
        return replace(item, action="changed", reason="the MD5 differs")

    def _find_obstacle(self, path: str) -> str | None:
        """Return why a new file cannot be written."""
        if path in self._listing.folders:
            return "a directory with this name exists. Move it away"
        for above in list_parents(path):
            if above in self._listing.files:
                return f"{above!r} is a file, not a directory. Move it away"
            if above in self._listing.skipped or above in self._listing.refused:
                return f"{above!r} is a symbolic link or a device, not a directory. Move it away"
        return None

    def _plan_folders(self) -> Iterator[SyncItem]:
        """Yield the folders that are missing in the directory."""
        if self._options.is_filtered:
            return
        for path, child in sorted(self._tree.folders.items()):
            local = self._local[path]
            if local in self._listing.folders:
                continue
            if local in self._listing.files or local in self._listing.skipped:
                self._refused[local] = (
                    f"{child.id} is a folder, and a file or link with this name exists. Move it "
                    "away"
                )
                continue
            reason = "it is not in the directory"
            yield SyncItem("new", "folder", local, reason, entity_id=child.id)

    def _plan_extra(self) -> Iterator[SyncItem]:
        """Yield the files, then the folders, that are only in the directory."""
        present = set(self._local.values())
        for path, entry in sorted(self._listing.files.items()):
            if path in present or not self._options.selects(path):
                continue
            if is_manifest_of(path, self._options.manifest):
                self._listing.ignored.add(path)
                continue
            yield SyncItem(
                "extra",
                "file",
                path,
                "it is not in the source",
                size=entry.size,
                modified=entry.modified,
            )
        if self._options.is_filtered:
            return
        listing = self._listing
        kept = {*present, *listing.skipped, *listing.refused, *listing.ignored}
        for path in find_extra_folders(self._listing.folders, kept):
            yield SyncItem("extra", "folder", path, "it is not in the source")


def _describe_external(current: FileVersion) -> str | None:
    """Return why a file with external content is skipped; None if it can be compared."""
    if current.url is None:
        return None
    if current.md5 is None:
        return f"is a link to {current.url} without an MD5, which cannot be compared"
    if urlsplit(current.url).scheme.lower() not in _DOWNLOADED_SCHEMES:
        return f"is a link to {current.url}, which cannot be downloaded"
    return None
