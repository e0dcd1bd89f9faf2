"""Operator that synchronizes a folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.sync import SyncMode
from synapse_workflows.idempotency.folder_sync import SynapseSyncPlan, SynapseSyncResult
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_choice,
    check_flags,
)
from synapse_workflows.operators.base import SynapseOperator
from synapse_workflows.sync.options import UnsupportedFiles
from synapse_workflows.sync.plan import SyncDirection

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseSyncOperator(SynapseOperator):
    """Synchronize a Synapse project or folder with a directory or an object-store path.

    Only files whose content differs by MD5 are transferred, several at a time. A file that fails
    does not stop the others; then the task fails and lists the failed files, which are also the
    XCom `refused`. A retry compares again and continues with what is missing. Concurrent runs
    create each folder and version once. Files that change during the run fail, and are not
    overwritten.

    A file in Synapse has the path of its folders and its name; names that are no file names, such
    as `..`, are replaced in the directory. Tables, links and other entities are skipped and named
    in the log, and so are external files without an MD5.

    Returns the numbers of files (`SynapseSyncResult`). With `mode="plan"`, nothing is changed, and
    the result is the plan (`SynapseSyncPlan`) for the argument `plan` of another task; with
    `shards`, a list of plans, for mapped tasks.

    Args:
        direction: `to_synapse` or `from_synapse`.
        source: What is copied. To Synapse: a local directory, the URL of a directory in object
            storage (`s3://conn@bucket/key`), or an `ObjectStoragePath`. From Synapse: the ID of a
            project or folder (templated).
        target: Where it is copied to: the ID of a project or folder, or a directory as for
            `source` (templated).
        mode: `apply`, or `plan` to compare both sides only.
        plan: A plan to apply, the result of another task with the same arguments; None to compare
            now (templated).
        shards: For `mode="plan"`: return a list of at most this many plans that can be applied in
            parallel, with `expand(plan=...)`. Parts delete nothing.
        delete_extra: Whether to delete files and folders that are only in the target, after all
            others succeeded. Otherwise they are only reported. Tables and other entities are never
            deleted.
        allow_empty: Whether it is valid that no file is selected in the source. Otherwise the task
            fails, and nothing is deleted.
        include: Glob pattern, or list of patterns, for paths below the directory. `*` also matches
            `/`. Other files are left alone on both sides (templated).
        exclude: Glob pattern, or list of patterns, of files that are left alone (templated).
        unsupported: What to do about files that cannot be synchronized, such as empty files,
            invalid names, and files without DOWNLOAD access: `fail` before anything is changed, or
            `skip` them.
        follow_symlinks: Whether symbolic links in a local source are followed, or skipped.
        manifest_path: To Synapse: a manifest (TSV) that selects the files and gives their parents,
            names, annotations and sources; also a reference of another task. From Synapse: where
            the manifest is written; None for `SYNAPSE_METADATA_MANIFEST.tsv` in the target. A
            path, relative to the directory, or a URL (templated).
        write_manifest: Whether a download writes a manifest.
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity: Inputs, code, name and description as one `Activity` or its JSON. An Activity
            with an ID is linked unchanged (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "source",
        "target",
        "plan",
        "include",
        "exclude",
        "manifest_path",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = (
        "source",
        "plan",
        "manifest_path",
        "used",
        "executed",
        "activity",
    )
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "plan": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        direction: SyncDirection,
        source: Any,
        target: Any,
        mode: SyncMode = "apply",
        plan: Any = None,
        shards: int | None = None,
        delete_extra: bool = False,
        allow_empty: bool = False,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        unsupported: UnsupportedFiles = "fail",
        follow_symlinks: bool = True,
        manifest_path: Any = None,
        write_manifest: bool = True,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice(direction, "direction", SyncDirection)
        check_choice(mode, "mode", SyncMode)
        check_choice(unsupported, "unsupported", UnsupportedFiles)
        check_flags(
            delete_extra=delete_extra,
            allow_empty=allow_empty,
            follow_symlinks=follow_symlinks,
            write_manifest=write_manifest,
        )
        if shards is not None and mode == "apply":
            raise InvalidArgumentError(
                f"Invalid shards={shards!r}: it requires mode='plan'. Pass the parts as plan"
            )
        super().__init__(**kwargs)
        self.direction = direction
        self.source = source
        self.target = target
        self.mode = mode
        self.plan = plan
        self.shards = shards
        self.delete_extra = delete_extra
        self.allow_empty = allow_empty
        self.include = include
        self.exclude = exclude
        self.unsupported = unsupported
        self.follow_symlinks = follow_symlinks
        self.manifest_path = manifest_path
        self.write_manifest = write_manifest
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(
        self, context: "Context"
    ) -> SynapseSyncResult | SynapseSyncPlan | list[SynapseSyncPlan]:
        """Synchronize, or compare only; return the numbers, or the plan."""
        argument = "target" if self.direction == "to_synapse" else "source"
        container = parse_unversioned_id(getattr(self, argument), argument)
        with self.entity_link(container):
            result = self.hook.sync_folder(
                self.direction,
                self.source,
                self.target,
                self.mode,
                plan=self.plan,
                shards=self.shards,
                delete_extra=self.delete_extra,
                allow_empty=self.allow_empty,
                include=self.include,
                exclude=self.exclude,
                unsupported=self.unsupported,
                follow_symlinks=self.follow_symlinks,
                manifest_path=self.manifest_path,
                write_manifest=self.write_manifest,
                used=self.used,
                executed=self.executed,
                activity=self.activity,
                activity_name=self.activity_name,
                activity_description=self.activity_description,
            )
        if isinstance(result, list):
            self.multiple_outputs = False  # multiple outputs require a dictionary
            return result
        self.set_map_index_name(context, f"{result['source']} to {result['target']}")
        if self.mode == "apply":
            self.push_items(context, result)
        self.multiple_outputs = False
        return result
