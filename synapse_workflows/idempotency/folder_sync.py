"""Synchronization of a Synapse folder with a directory, for the hook and the operator."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.idempotency.object_storage import (
    get_file_system,
    parse_target,
)
from synapse_workflows.idempotency.refusals import Refusal, Refusals
from synapse_workflows.idempotency.sync_manifest import SyncManifest
from synapse_workflows.idempotency.task_state import SavedState, get_call_state
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import InvalidArgumentError
from synapse_workflows.sync.apply import ApplyOptions, apply_plan
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.download_plan import plan_download
from synapse_workflows.sync.local_directory import LocalDirectory
from synapse_workflows.sync.manifest import ManifestError
from synapse_workflows.sync.object_directory import ObjectDirectory
from synapse_workflows.sync.options import PlanOptions, UnsupportedFiles
from synapse_workflows.sync.plan import SyncAction, SyncDirection, SyncItem, SyncPlan
from synapse_workflows.sync.results import FileResult, ItemError
from synapse_workflows.sync.upload_plan import plan_upload

#: Maximum number of files in the result, and in error messages.
_MAX_FILES: Final = 1000
_MAX_SHOWN: Final = 10


class SynapseSyncPlan(TypedDict):
    """Plan of a synchronization, as JSON.

    `counts` are numbers of files: `new`, `changed`, `same`, `extra`, `skipped`, `refused`. `items`
    lists files and folders with `action`, `kind`, `path` and `reason`. `skipped` and `refused` are
    reasons by path. `shard` is the number of this part of a plan, and the number of parts.
    """

    direction: str
    source: str
    target: str
    counts: dict[str, int]
    items: list[dict[str, Any]]
    skipped: dict[str, str]
    refused: dict[str, str]
    shard: NotRequired[list[int]]


class SynapseSyncResult(TypedDict):
    """Result of a synchronization, as JSON.

    `new`, `changed`, `same`, `extra`, `deleted` and `skipped` are numbers of files; `bytes` is the
    size of the transferred files. `files` lists the changed files with `path`, `outcome`, `id` and
    `version`, at most 1000. `manifest` is the path or URL of the written manifest.
    """

    direction: str
    source: str
    target: str
    new: int
    changed: int
    same: int
    extra: int
    deleted: int
    skipped: int
    bytes: int
    files: list[dict[str, Any]]
    manifest: str | None


@dataclass(frozen=True)
class SyncRequest:
    """Arguments of a synchronization.

    Args:
        direction: `to_synapse` or `from_synapse`.
        container_id: ID of the project or folder.
        directory: The directory.
        plan_options: Options of the plan.
        delete_extra: Whether to delete extra files and folders.
        allow_empty: Whether it is valid that the source has no files.
        unsupported: What to do about files that cannot be synchronized.
        manifest: Path or URL of the manifest to read, or to write; None for none or the default.
        write_manifest: Whether a download writes a manifest.
        provenance: Declared provenance, as arguments of `store`.
    """

    direction: SyncDirection
    container_id: str
    directory: Directory
    plan_options: PlanOptions
    delete_extra: bool = False
    allow_empty: bool = False
    unsupported: UnsupportedFiles = "fail"
    manifest: str | None = None
    write_manifest: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def writes_manifest(self) -> bool:
        """Whether the synchronization writes a manifest."""
        return self.direction == "from_synapse" and self.write_manifest

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target, for messages."""
        ends = (self.container_id, self.directory.url)
        return ends if self.direction == "from_synapse" else (ends[1], ends[0])


def open_directory(value: Any, argument: str) -> Directory:
    """Return the directory of an argument: a path, a URL or an `ObjectStoragePath`.

    Raises:
        InvalidArgumentError: The value is none of these.
    """
    try:
        target = parse_target(value, argument)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(str(error)) from error
    if isinstance(target, Path):
        return LocalDirectory(target)
    file_system, path = get_file_system(target.url)
    if not path.strip("/") and not target.url.startswith("memory:"):
        raise InvalidArgumentError(
            f"Invalid {argument} {redact_url(target.url)!r}: it names no bucket. Expected for "
            "example 's3://bucket/key'"
        )
    return ObjectDirectory(file_system, path, redact_url(target.url), target.url)


class FolderSync:
    """One synchronization.

    Args:
        client: Sends the requests.
        request: The arguments.
    """

    def __init__(self, client: LineageClient, request: SyncRequest) -> None:
        self._client = client
        self._request = request
        self._manifest = SyncManifest(request.directory, request.manifest)

    def plan(self) -> SyncPlan:
        """Compare both sides, and check that the plan can be applied.

        Raises:
            AirflowFailException: The source is missing, empty or no directory, or has files that
                cannot be synchronized; or the manifest is invalid.
        """
        request = self._request
        try:
            plan = self._create_plan()
        except (ManifestError, ItemError, FileNotFoundError, NotADirectoryError) as error:
            if isinstance(error, ItemError) and not error.is_permanent:
                raise
            if not isinstance(error, ItemError) and hasattr(error, "retry_category"):
                raise
            raise AirflowFailException(str(error)) from error
        for path, reason in plan.skipped.items():
            self._client.logger.info("Skipped %s: %s", path, reason)
        if plan.refused:
            self._refuse(plan)
            plan = replace(plan, skipped={**plan.skipped, **plan.refused}, refused={})
        has_files = any(one.action != "extra" and one.kind == "file" for one in plan.items)
        if not has_files and not request.allow_empty:
            raise AirflowFailException(
                f"No file is selected in {plan.source}. Check source, include, exclude and the "
                "manifest, or set allow_empty=True if this is valid. Nothing was changed"
            )
        return plan

    def apply(self, given: SyncPlan | None) -> SynapseSyncResult:
        """Apply a plan, or a new one.

        Args:
            given: The plan; None to compare now. A retry compares again.

        Raises:
            AirflowFailException: Some files failed, and a retry cannot succeed.
            AirflowException: Some files failed; a retry continues with them.
        """
        request = self._request
        plan = given or self._restore(self.plan())
        if given is not None:
            self._check_given(given)
        if request.writes_manifest:
            self._manifest.require_writable(plan)
        self._client.require_sources(**request.provenance)
        if request.direction == "to_synapse" and "://" in request.directory.url:
            self._client.emit(Read(None, url=request.directory.url, name=request.directory.url))
        options = ApplyOptions(request.delete_extra, request.provenance)
        results = apply_plan(self._client, request.directory, plan, options)
        self._report(plan, results)
        manifest = None
        if request.writes_manifest:
            manifest = self._manifest.write(self._client, plan)
        return _summarize(plan, results, manifest)

    def _create_plan(self) -> SyncPlan:
        request = self._request
        if request.direction == "to_synapse":
            rows = None if request.manifest is None else self._manifest.read()
            return plan_upload(
                self._client, request.directory, request.container_id, request.plan_options, rows
            )
        options = request.plan_options
        if request.writes_manifest:
            options = replace(options, manifest=self._manifest.path)
        return plan_download(self._client, request.container_id, request.directory, options)

    def _refuse(self, plan: SyncPlan) -> None:
        for path, reason in plan.refused.items():
            self._client.logger.warning("%s cannot be synchronized: %s", path, reason)
        if self._request.unsupported == "skip":
            return
        shown = [f"{path}: {reason}" for path, reason in plan.refused.items()][:_MAX_SHOWN]
        more = len(plan.refused) - len(shown)
        raise AirflowFailException(
            f"{len(plan.refused)} files of {plan.source} cannot be synchronized to {plan.target}: "
            f"{'; '.join(shown)}{f'; and {more} more, see the log' if more else ''}. Nothing was "
            "changed. Mend or exclude these files, or set unsupported='skip'"
        )

    def _check_given(self, plan: SyncPlan) -> None:
        request = self._request
        if (plan.direction, plan.source, plan.target) != (request.direction, *request.ends):
            raise AirflowFailException(
                f"The plan is {plan.direction} from {plan.source} to {plan.target}, but the task "
                f"is {request.direction} from {' to '.join(request.ends)}. Make the plan with the "
                "same arguments"
            )
        if plan.shard is not None and request.delete_extra:
            raise AirflowFailException(
                "delete_extra=True cannot be used with a part of a plan, because the other parts "
                "may fail. Add a task after all parts that has the same arguments and no plan"
            )
        if plan.refused and request.unsupported == "fail":
            self._refuse(plan)
        has_files = any(one.action != "extra" for one in plan.items)
        if not has_files and plan.shard is None and not request.allow_empty:
            raise AirflowFailException(
                "The plan has no file of the source. Set allow_empty=True if this is valid"
            )

    def _restore(self, plan: SyncPlan) -> SyncPlan:
        """Add what an earlier try of the task has done, so that the result tells all of it."""
        request = self._request
        signature = f"sync {request.direction} {' '.join(request.ends)}"
        state = get_call_state(self._client.synapse_conn_id, signature)
        plan = _add_earlier(plan, _load(state))
        changes = [one.to_json() for one in plan.items if one.action == "extra"]
        paths = {
            action: [one.path for one in plan.select(action, kind="file")]
            for action in ("new", "changed")
        }
        _save(state, {**paths, "extra": changes if request.delete_extra else []})
        return plan

    def _report(self, plan: SyncPlan, results: Sequence[FileResult]) -> None:
        """Push the results as an XCom if some failed, and raise an error that lists these."""
        failed = [one for one in results if one.error]
        if not failed:
            return
        collector = current_collector()
        if collector is not None:
            files = [one.to_json() for one in results if one.item.kind == "file"]
            collector.ti.xcom_push("files", files[:_MAX_FILES])
        refusals = Refusals(
            self._client, len(results), "synchronized", f"are the same in {plan.target}"
        )
        for one in failed:
            refusals.add(one.item.path, Refusal(one.error, one.is_permanent))
        refusals.raise_if_any()


def to_result(plan: SyncPlan) -> SynapseSyncPlan:
    """Return a plan as JSON."""
    values: Any = plan.to_json()
    result: SynapseSyncPlan = values
    return result


def _add_earlier(plan: SyncPlan, earlier: Mapping[str, Any]) -> SyncPlan:
    """Return a plan with the actions that an earlier try planned."""
    actions = _list_actions(earlier)
    items = [
        replace(one, action=actions[one.path], reason="an earlier try of the task began it")
        if one.action == "same" and one.path in actions
        else replace(one, action="new")
        if one.action == "changed" and actions.get(one.path) == "new"
        else one
        for one in plan.items
    ]
    known = {one.path for one in items}
    extra = [SyncItem.from_json(one) for one in earlier.get("extra", ())]
    items += [one for one in extra if one.path not in known]
    return replace(plan, items=sorted(items, key=lambda one: one.path))


def _list_actions(earlier: Mapping[str, Any]) -> dict[str, SyncAction]:
    """Return the planned actions of an earlier try by path."""
    changed: dict[str, SyncAction] = dict.fromkeys(earlier.get("changed", ()), "changed")
    return changed | dict.fromkeys(earlier.get("new", ()), "new")


def _save(state: SavedState, values: Mapping[str, Any]) -> None:
    """Save what a try plans, compressed: the paths of many files exceed the limit of Airflow."""
    text = json.dumps(values, separators=(",", ":")).encode()
    state.save({"planned": base64.b64encode(zlib.compress(text, 9)).decode()})


def _load(state: SavedState) -> dict[str, Any]:
    saved = state.load() or {}
    if "planned" not in saved:
        return {}
    values: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(saved["planned"])))
    return values


def _summarize(
    plan: SyncPlan, results: Sequence[FileResult], manifest: str | None
) -> SynapseSyncResult:
    files = [one for one in results if one.item.kind == "file"]
    deleted = [one for one in files if one.outcome == "deleted"]
    transferred = [one for one in files if one.outcome in ("new", "changed")]
    counts = plan.counts
    return SynapseSyncResult(
        direction=plan.direction,
        source=plan.source,
        target=plan.target,
        new=counts["new"],
        changed=counts["changed"],
        same=counts["same"],
        extra=counts["extra"],
        deleted=len(deleted),
        skipped=counts["skipped"],
        bytes=sum(one.item.size or 0 for one in transferred),
        files=[one.to_json() for one in files[:_MAX_FILES]],
        manifest=manifest,
    )
