"""Operator that creates snapshots of tables and views."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.idempotency.snapshot import SnapshotMaker, SynapseSnapshot
from synapse_workflows.idempotency.snapshot_state import SnapshotRequest, UnchangedPolicy
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.operator_arguments import check_choice, optional_text
from synapse_workflows.operators.deferrable import DeferrableSynapseOperator
from synapse_workflows.triggers.execution_deadline import get_execution_deadline

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseTableSnapshotOperator(DeferrableSynapseOperator):
    """Create a snapshot of a table or view: an immutable version of its current state.

    Tables and all types of views have snapshots; "table" below means any of them.

    The Activity of the snapshot lists the inputs and code of this task, of the upstream tasks from
    which this task takes data, and of every task that stored rows since the last snapshot. A retry
    creates no second snapshot: the retry finds the first snapshot, or the job that creates the
    snapshot. The asset event of the table has the version of the snapshot, `{"version": 7}`.
    Returns a reference (`SynapseSnapshot`).

    Args:
        table_id: The table, or a reference to it, without a version such as `syn123.4`
            (templated).
        version_label: Label of the snapshot, unique for the table; the default is its version
            (templated).
        label_prefix: Text before the label that identifies the snapshots of this task as a series
            (templated). Requires `version_label`.
        version_comment: Comment of the snapshot. If lineage is off, the default identifies the
            task instance (templated).
        if_unchanged: What to do if neither rows nor columns have changed since the requested
            snapshot; for a view, if its content has not changed. `snapshot` creates another
            snapshot; `reuse` returns the existing one, with `created: False`, and changes nothing;
            `skip` skips the task. The requested snapshot is the one with the label, or the newest
            one with `label_prefix`; without label and prefix, it is the newest snapshot. With
            `reuse` and `skip`, the task fails if the label is used and the table has changed
            since.
        retain: Number of the newest snapshots with `label_prefix` to keep; older ones are deleted.
            None keeps all. Nothing is deleted if no snapshot is created.
        kwargs: `deferrable`, `poll_interval`, `timeout` (see `DeferrableSynapseOperator`),
            `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: `retain` is less than 1, or given without label and prefix; or
            `if_unchanged` is unknown.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "version_label",
        "label_prefix",
        "version_comment",
        *DeferrableSynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("table_id",)

    def __init__(
        self,
        *,
        table_id: Any,
        version_label: str | None = None,
        label_prefix: str | None = None,
        version_comment: str | None = None,
        if_unchanged: UnchangedPolicy = "snapshot",
        retain: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        is_count = isinstance(retain, int) and not isinstance(retain, bool) and retain > 0
        if retain is not None and not (is_count and label_prefix and version_label):
            raise ValueError(
                f"Invalid retain={retain!r}: it must be at least 1 and requires version_label and "
                "label_prefix, which identifies the snapshots to delete. Example: "
                "label_prefix='nightly ', version_label='{{ ts }}'"
            )
        check_choice(if_unchanged, "if_unchanged", UnchangedPolicy)
        self.table_id = table_id
        self.version_label = version_label
        self.label_prefix = label_prefix
        self.version_comment = version_comment
        self.if_unchanged: UnchangedPolicy = if_unchanged
        self.retain = retain

    def execute(self, context: "Context") -> SynapseSnapshot:
        """Create the snapshot and return its reference."""
        deadline = get_execution_deadline(self)
        maker = self._snapshot_maker(context)
        version = maker.find_existing() if self.deferrable else maker.get_or_create()
        if version is None:
            self.defer_until_done(maker.job_path, maker.job or maker.start_job(), deadline)
        return self._finish(context, maker, version)

    def execute_complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        execution_deadline: float | None = None,
    ) -> SynapseSnapshot:
        """Return the reference of the snapshot, after the trigger fired.

        Args:
            context: Context of the task.
            event: Event of the trigger.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.

        Raises:
            SynapseTimeoutError: The triggerer stopped waiting; a retry continues to wait.
            AirflowTaskTimeout: The execution_timeout has passed; a retry continues to wait.
        """
        with self.resumed(event, execution_deadline):
            maker = self._snapshot_maker(context)
            return self._finish(context, maker, maker.wait_for_job())

    @property
    def _request(self) -> SnapshotRequest:
        label = optional_text(self.version_label, "version_label", allow_empty=False)
        prefix = optional_text(self.label_prefix, "label_prefix", allow_empty=False)
        comment = optional_text(self.version_comment, "version_comment")
        if prefix and not label:
            raise AirflowFailException(
                f"label_prefix={prefix!r} requires version_label, for example '{{{{ ts }}}}'; "
                f"version_label is {self.version_label!r}"
            )
        return SnapshotRequest(
            f"{prefix or ''}{label}" if label else None,
            prefix or None,
            comment,
            self.if_unchanged,
        )

    def _snapshot_maker(self, context: "Context") -> SnapshotMaker:
        table_id = parse_unversioned_id(self.table_id, "table_id")
        with self.entity_link(table_id):
            task = TaskState.from_context(context)
            maker = SnapshotMaker(self.client, task, table_id, self._request)
        self.set_map_index_name(context, maker.entity["name"])
        return maker

    def _finish(self, context: "Context", maker: SnapshotMaker, version: int) -> SynapseSnapshot:
        is_created = maker.is_created
        if not is_created and self.if_unchanged == "skip":
            raise AirflowSkipException(
                f"{maker.table_id} has not changed since its snapshot {maker.table_id}.{version}"
            )
        snapshot = maker.finish(version)
        self.set_entity_url(snapshot["id"], version)
        self.log.info(
            "%s the snapshot %s.%s (%s)",
            "Created" if is_created else "Used again:",
            snapshot["id"],
            version,
            snapshot["label"],
        )
        if self.retain is not None and is_created:
            deleted = maker.delete_old(self.retain, version)
            if deleted:
                self.log.info("Deleted older snapshots of %s: %s", snapshot["id"], deleted)
        self.push_items(context, snapshot)
        return snapshot
