"""Synchronization of folders, for the Synapse hook."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.file_references import local_path
from synapse_workflows.hooks.s3_prefixes import parse_filter, parse_positive
from synapse_workflows.hooks.storage import StorageHook
from synapse_workflows.idempotency.folder_sync import (
    FolderSync,
    SynapseSyncPlan,
    SynapseSyncResult,
    SyncRequest,
    open_directory,
    to_result,
)
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_choice,
    check_flags,
    is_file_reference,
    optional_text,
    parse_provenance,
    parse_reference_text,
)
from synapse_workflows.sync.options import PlanOptions, UnsupportedFiles
from synapse_workflows.sync.plan import SyncDirection, SyncPlan

#: `plan` compares both sides, `apply` also transfers what differs.
SyncMode = Literal["plan", "apply"]


class SyncHook(StorageHook):
    """Synapse hook for synchronizations."""

    def sync_folder(
        self,
        direction: SyncDirection,
        source: Any,
        target: Any,
        mode: SyncMode = "apply",
        *,
        plan: Mapping[str, Any] | str | None = None,
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
        activity: Mapping[str, Any] | str | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
    ) -> SynapseSyncResult | SynapseSyncPlan | list[SynapseSyncPlan]:
        """Synchronize a folder, as `SynapseSyncOperator` does.

        Args:
            direction: `to_synapse` or `from_synapse`.
            source: Directory or object-store path, or the ID of a project or folder.
            target: ID of a project or folder, or directory or object-store path.
            mode: `plan` to compare both sides only, `apply` to transfer what differs.
            plan: A plan, or a part of one, to apply, also as JSON text; None to compare now.
            shards: For `plan`, the maximum number of parts to return, as a list.
            delete_extra: Whether to delete what is only in the target.
            allow_empty: Whether it is valid that no file is selected in the source.
            include: Glob pattern, or list of patterns, for paths below the directory.
            exclude: Glob pattern, or list of patterns, of paths that are left alone.
            unsupported: `fail` or `skip`: what to do about files that cannot be synchronized.
            follow_symlinks: Whether symbolic links in a local source are followed.
            manifest_path: Manifest to read, or to write.
            write_manifest: Whether a download writes a manifest.
            used: Additional inputs, in any form that the client's Activity accepts.
            executed: Additional code that was executed.
            activity: Inputs, code, name and description as one `Activity` or its JSON.
            activity_name: Name of the Activity; the default is the name of the task.
            activity_description: Text before the description of the task.

        Returns:
            The result, or the plan with `mode="plan"`: a list of plans with `shards`.

        Raises:
            AirflowFailException: An argument, the source or the manifest is invalid; or some
                files failed and a retry cannot succeed.
            AirflowException: Some files failed; a retry may succeed.
            SynapseNotFoundError: The container does not exist.
        """
        check_choice(direction, "direction", SyncDirection)
        check_choice(mode, "mode", SyncMode)
        check_choice(unsupported, "unsupported", UnsupportedFiles)
        check_flags(
            delete_extra=delete_extra,
            allow_empty=allow_empty,
            follow_symlinks=follow_symlinks,
            write_manifest=write_manifest,
        )
        is_upload = direction == "to_synapse"
        ends = {"source": source, "target": target}
        container, directory = ("target", "source") if is_upload else ("source", "target")
        selected = parse_filter(include, exclude)
        request = SyncRequest(
            direction,
            parse_unversioned_id(ends[container], container),
            open_directory(ends[directory], directory),
            PlanOptions(
                selected.matches, include is not None or exclude is not None, follow_symlinks
            ),
            delete_extra=delete_extra,
            allow_empty=allow_empty,
            unsupported=unsupported,
            manifest=_find_manifest(manifest_path, direction),
            write_manifest=write_manifest,
            provenance=parse_provenance(
                used, executed, activity, activity_name, activity_description
            ),
        )
        given = _parse_plan(plan)
        if mode == "apply":
            if shards is not None:
                raise InvalidArgumentError("shards requires mode='plan'; pass the parts as plan")
            return FolderSync(self.client, request).apply(given)
        if given is not None:
            raise InvalidArgumentError("plan requires mode='apply'")
        number = None if shards is None else parse_positive(shards, "shards")
        made = FolderSync(self.client, request).plan()
        self.log.info("Plan: %s", ", ".join(f"{n} {name}" for name, n in made.counts.items()))
        if number is None:
            return to_result(made)
        return [to_result(one) for one in made.split(number)]


def _find_manifest(value: Any, direction: SyncDirection) -> str | None:
    """Return the path or URL of the manifest.

    Raises:
        InvalidArgumentError: The manifest is written, and the value is a reference.
    """
    value = parse_reference_text(value)
    if not is_file_reference(value):
        return optional_text(None if value is None else str(value), "manifest_path")
    if direction != "to_synapse":
        raise InvalidArgumentError(
            f"Invalid manifest_path {dict(value)!r:.100}: the manifest is written there. Pass a "
            "path or a URL"
        )
    return local_path(value)


def _parse_plan(value: Any) -> SyncPlan | None:
    try:
        if isinstance(value, str):  # a template is rendered as text
            text = optional_text(value, "plan")
            return None if text is None else SyncPlan.from_json(json.loads(text))
        return None if value is None else SyncPlan.from_json(value)
    except ValueError as error:
        raise InvalidArgumentError(f"Invalid plan: {error}") from error
