"""Download of the new and changed files of a plan."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from synapse_workflows.client.api import provenance
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.transfer import download as transfer
from synapse_workflows.constants import FILE
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.entity_tree import FileVersion
from synapse_workflows.sync.manifest import ManifestWriter, format_sources
from synapse_workflows.sync.plan import SyncItem, SyncPlan
from synapse_workflows.sync.results import FileResult, ItemError, ItemRunner, SyncProgress
from synapse_workflows.sync.upload_plan import decode_annotations

_DELETED: Final = "the file was deleted in Synapse during the run. Run the synchronization again"


class Downloader:
    """Downloads files. Its methods may be called by several threads.

    Args:
        syn: Sends the requests.
        directory: The target.
        plan: The plan.
    """

    def __init__(self, syn: Session, directory: Directory, plan: SyncPlan) -> None:
        self._syn = syn
        self._directory = directory
        self._plan = plan

    def run(self, runner: ItemRunner) -> Iterator[FileResult]:
        """Create the folders, then download the files; yield the results.

        Files that are the same count as read too: the directory contains these versions.

        Raises:
            SynapseDownloadError: The disk has not enough free space; nothing was downloaded.
        """
        items = self._plan.select("new", "changed", kind="file")
        self._directory.require_space(sum(one.size or 0 for one in items))
        yield from runner.run(self._create_folder, self._plan.select("new", kind="folder"))
        for result in runner.run(self._download, items):
            if not result.error:
                self._announce(result.item)
            yield result
        for one in self._plan.select("same", kind="file"):
            self._announce(one)

    def _create_folder(self, item: SyncItem) -> FileResult:
        self._directory.create_folder(item.path)
        return FileResult(item, "new", item.entity_id)

    def _download(self, item: SyncItem) -> FileResult:
        if not self._is_complete(item):
            self._directory.write(item.path, lambda folder, name: self._fetch(item, folder, name))
            self._syn.logger.info(
                "Wrote %s, %s.%s: %s", item.path, item.entity_id, item.version, item.reason
            )
        return FileResult(item, item.outcome, item.entity_id, item.version)

    def _is_complete(self, item: SyncItem) -> bool:
        """Return whether another run or try has written the file.

        Raises:
            ItemError: The file was changed since the plan was made.
        """
        entry = self._directory.find(item.path)
        is_planned = entry is not None and (
            item.action == "changed" and entry.modified == item.modified
        )
        if entry is None or is_planned:
            return False
        if item.md5 is not None and (
            entry.etag == item.md5
            or (entry.size == item.size and self._directory.compute_md5(item.path) == item.md5)
        ):
            return True
        raise ItemError(
            "the file in the directory was changed after it was compared, and is kept. Run the "
            "synchronization again"
        )

    def _fetch(self, item: SyncItem, folder: Path, name: str) -> Path:
        """Download the planned version, whose MD5 is verified."""
        handle = {
            "id": item.file_handle_id,
            "contentMd5": item.md5,
            "contentSize": item.size,
        }
        found = transfer.download_file(
            self._syn,
            file_handle={key: value for key, value in handle.items() if value is not None},
            associate_type="FileEntity",
            associate_id=str(item.entity_id),
            directory=folder,
            if_collision=transfer.OVERWRITE_LOCAL,
            file_name=name,
        )
        if found is None or found != folder.absolute() / name:
            raise ItemError(f"it was downloaded to {found} instead of {folder / name}")
        if item.md5 is not None and file_md5(found) != item.md5:
            raise ItemError("the downloaded content has another MD5")
        return found

    def _announce(self, item: SyncItem) -> None:
        self._syn.emit(Read(item.entity_id, item.version, item.name, FILE))


def delete_file(directory: Directory, item: SyncItem, kept: dict[str, str]) -> FileResult:
    """Delete an extra file or folder, unless it was changed since the plan was made.

    Args:
        directory: The directory.
        item: The file or folder.
        kept: Paths of the files that are kept, by the path in lower case.
    """
    if item.kind == "folder":
        if not directory.delete_folder(item.path):
            raise ItemError("the directory is not empty", is_permanent=True)
        return FileResult(item, "deleted")
    entry = directory.find(item.path)
    if entry is not None and entry.modified != item.modified:
        raise ItemError("the file was changed after it was compared, and is kept")
    if directory.find_case_conflict(item.path, kept) is None:
        directory.delete(item.path)
    return FileResult(item, "deleted")


def write_download_manifest(syn: Session, directory: Directory, plan: SyncPlan, path: Path) -> int:
    """Write the manifest of the files of a plan that are in the directory.

    Args:
        syn: Sends the requests.
        directory: The directory.
        plan: The plan, after it was applied.
        path: The file.

    Returns:
        The number of files in the manifest.
    """
    files = plan.select("new", "changed", "same", kind="file")
    progress = SyncProgress(syn.logger, "Writing the manifest", len(files))

    def read(item: SyncItem) -> tuple[dict[str, str], FileVersion]:
        try:
            version = FileVersion.read(syn, str(item.entity_id), item.version)
        except SynapseNotFoundError as error:
            raise ItemError(f"{item.path}: {_DELETED}") from error
        progress.count(item.size)
        return _describe(syn, directory, item, version), version

    with closing(ManifestWriter()) as writer:
        for _, (cells, version) in map_parallel(read, files, syn.max_threads):
            writer.add(cells, decode_annotations(version))
        for key in sorted(writer.left_out):
            syn.logger.warning(
                "The annotation %r is not in the manifest, because a column of the manifest has "
                "this name",
                key,
            )
        writer.write(path)
    return writer.count


def _describe(
    syn: Session, directory: Directory, item: SyncItem, current: FileVersion
) -> dict[str, str]:
    """Return the cells of a file, by column."""
    activity = provenance.find_activity(syn, current.entity) or Activity()
    return {
        "path": f"{directory.url.rstrip('/')}/{item.path}",
        "parent": str(current.entity["parentId"]),
        "name": str(current.entity["name"]),
        "id": str(item.entity_id),
        "synapseStore": str(current.url is None),
        "contentType": str((current.handle or {}).get("contentType") or ""),
        "used": format_sources(activity.get("used") or (), executed=False),
        "executed": format_sources(activity.get("used") or (), executed=True),
        "activityName": str(activity.get("name") or ""),
        "activityDescription": str(activity.get("description") or ""),
    }
