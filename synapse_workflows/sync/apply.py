"""Application of a plan: transfers what differs, and deletes extra files if wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from synapse_workflows.client.core.session import Session
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.download import Downloader, delete_file
from synapse_workflows.sync.plan import SyncPlan
from synapse_workflows.sync.results import FileResult, ItemRunner, SyncProgress
from synapse_workflows.sync.upload import Uploader, delete_entity


@dataclass(frozen=True)
class ApplyOptions:
    """Options of the application of a plan.

    Args:
        delete_extra: Whether to delete the extra files and folders, after all others succeeded.
        provenance: Arguments of `store` for files whose row of the manifest names no sources.
    """

    delete_extra: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)


def apply_plan(
    syn: Session, directory: Directory, plan: SyncPlan, options: ApplyOptions
) -> list[FileResult]:
    """Transfer the new and changed files of a plan, and delete extra files if wanted.

    A failed file does not stop the others. If one fails, nothing is deleted.

    Args:
        syn: Sends the requests, and stores the files: a `Synapse`.
        directory: The source or target on this side.
        plan: The plan.
        options: Options.

    Returns:
        The results of the items that were to be changed or deleted.

    Raises:
        SynapseDownloadError: The disk has not enough free space; nothing was downloaded.
        SynapseAuthenticationError: The token is invalid.
    """
    pending = plan.select("new", "changed", kind="file")
    title = f"Syncing {plan.source} to {plan.target}"
    syn.logger.info("%s: %s", title, ", ".join(f"{n} {name}" for name, n in plan.counts.items()))
    progress = SyncProgress(syn.logger, title, len(pending))
    runner = ItemRunner(syn.logger, syn.max_threads, progress)
    if plan.direction == "to_synapse":
        store: Any = syn
        transfer = Uploader(syn, store, directory, plan, options.provenance).run(runner)
    else:
        transfer = Downloader(syn, directory, plan).run(runner)
    results = list(transfer)
    if plan.direction != "to_synapse":
        files = plan.select("new", "changed", "same", kind="file")
        directory.remove_leftovers({one.path.rpartition("/")[0] for one in files})
    if options.delete_extra and not any(one.error for one in results):
        results += _delete_extra(syn, directory, plan)
    return results


def _delete_extra(syn: Session, directory: Directory, plan: SyncPlan) -> list[FileResult]:
    """Delete the extra files, then the extra folders, the deepest first."""
    if plan.direction == "to_synapse":
        delete = partial(delete_entity, syn)
    else:
        present = plan.select("new", "changed", "same", kind="file")
        kept = {one.path.casefold(): one.path for one in present}
        delete = partial(delete_file, directory, kept=kept)
    files = plan.select("extra", kind="file")
    folders = plan.select("extra", kind="folder")
    folders.sort(key=lambda one: -one.path.count("/"))
    progress = SyncProgress(syn.logger, f"Deleting from {plan.target}", len(files))
    results = list(ItemRunner(syn.logger, syn.max_threads, progress).run(delete, files))
    if not any(one.error for one in results):
        one_by_one = ItemRunner(syn.logger, 1, progress)
        results += one_by_one.run(delete, folders)
    return results
