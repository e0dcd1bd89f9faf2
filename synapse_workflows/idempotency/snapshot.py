"""Snapshots of tables and views, created once per task instance.

A request may succeed although its response is lost, and its job may still run when the next try
starts. All tries of a task therefore request the same label. Labels are unique, so at most one
snapshot is created. The Activity of the snapshot identifies the task that created the snapshot;
without an Activity, the comment identifies the task.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import snapshots, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConflictError,
    SynapseHTTPError,
    SynapseJobError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import ENTITY_TYPES, TABLE, VIEWS
from synapse_workflows.idempotency.snapshot_lookup import SnapshotLookup
from synapse_workflows.idempotency.snapshot_state import (
    SnapshotPlan,
    SnapshotRequest,
    SnapshotState,
)
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient


class SynapseSnapshot(TypedDict):
    """A snapshot of a table or view, as JSON.

    `created` is False if the snapshot existed before and is used again. `activity_id` is the
    Activity of the snapshot; None without an Activity, for example if lineage is off.
    """

    id: str
    version: int
    name: str
    concrete_type: str
    parent_id: str | None
    label: str
    comment: str | None
    created: bool
    activity_id: str | None
    synapse_conn_id: str


class SnapshotMaker:
    """Creator of one snapshot of one table or view for one task instance.

    Args:
        client: Sends the requests.
        task: The state of the task.
        table_id: A table or any type of view, as `syn123`.
        request: The requested snapshot.

    Raises:
        SynapseNotFoundError: The table does not exist.
        AirflowFailException: The entity is of another type.
    """

    def __init__(
        self, client: LineageClient, task: TaskState, table_id: str, request: SnapshotRequest
    ) -> None:
        self.client = client
        self.request = request
        self.entity = client.call("GET", f"/entity/{table_id}").json
        concrete_type = self.entity["concreteType"]
        if concrete_type not in {TABLE} | VIEWS:
            raise AirflowFailException(
                f"Cannot create a snapshot of {table_id}, which is a "
                f"{ENTITY_TYPES.get(concrete_type, concrete_type)}: only tables, views, "
                "datasets, dataset collections and materialized views have snapshots"
            )
        self.is_view = concrete_type in VIEWS
        self.table_id = str(self.entity["id"])
        self._lookup = SnapshotLookup(client, self.table_id, request, concrete_type)
        self._state = SnapshotState(task, self.table_id)

    @property
    def job_path(self) -> str:
        """Path of the jobs that change the table."""
        return table_transactions.job_path(self.table_id)

    @property
    def job(self) -> str | None:
        """Token of a job that a try of this task started; None without a job."""
        plan = self._state.load()
        return None if plan is None else plan.job

    @property
    def is_created(self) -> bool:
        """Whether this task created the snapshot, and did not find it."""
        return self._state.load() is not None

    def find_existing(self) -> int | None:
        """Return the version of a snapshot that makes another one unnecessary; else None.

        This is the snapshot that an earlier try created, or according to `if_unchanged` the
        requested snapshot of an unchanged table.

        Raises:
            AirflowFailException: The requested label is used, and the table has changed since.
        """
        plan = self._state.load()
        if plan is not None:
            return self._find_created(plan)
        unchanged = (
            None if self.request.if_unchanged == "snapshot" else self._lookup.find_unchanged()
        )
        return None if unchanged is None else int(unchanged["versionNumber"])

    def get_or_create(self) -> int:
        """Return the version of the existing snapshot, or create a snapshot; see `create`."""
        version = self.find_existing()
        if version is not None:
            return version
        return self.create() if self.job is None else self.wait_for_job()

    def create(self) -> int:
        """Store the Activity, create the snapshot and return the version of the snapshot.

        Raises:
            AirflowFailException: Another version has the label.
            SynapseHTTPError: Synapse rejected the request.
        """
        if self.is_view:  # only a job can create a snapshot of a view
            self.start_job()
            return self.wait_for_job()
        plan = self._save_plan()
        try:
            with self._clear_on_final_error(plan):
                response = snapshots.create_table_snapshot(
                    self.client, self.table_id, _options(plan)
                )
        except SynapseConflictError as conflict:
            return self._resolve_conflict(plan, conflict)
        return int(response["snapshotVersionNumber"])

    def start_job(self) -> str:
        """Start a job that creates the snapshot; return its token."""
        plan = self._save_plan()
        with self._clear_on_final_error(plan):
            token = table_transactions.start_transaction(
                self.client, self.table_id, [], _options(plan)
            )
        self._state.save(replace(plan, job=token))
        return token

    def wait_for_job(self) -> int:
        """Wait for the job that was started; return the version of the snapshot.

        Raises:
            SynapseHTTPError: The job failed; the next try starts another job.
            SynapseJobError: The job failed; the next try starts another job.
            SynapseTimeoutError: The job makes no progress; the next try continues to wait.
        """
        plan = self._state.load()
        if plan is None or plan.job is None:
            raise AirflowFailException(
                "The task state has no job to wait for. Clear the task to start a new one"
            )
        try:
            with self._clear_on_final_error(plan):
                response = table_transactions.wait_for_transaction(
                    self.client, self.table_id, plan.job
                )
        except SynapseConflictError as conflict:
            return self._resolve_conflict(plan, conflict)
        return int(response["snapshotVersionNumber"])

    def finish(self, version: int) -> SynapseSnapshot:
        """Record the snapshot in the task's lineage and return its reference.

        The snapshot is recorded as stored, even if it is used again: the tasks downstream use this
        version. Its Activity is not changed.
        """
        plan, collector = self._state.load(), current_collector()
        activity_id = self._get_activity_id(version) if plan is None else plan.activity_id
        if collector is not None:
            if plan is not None and activity_id is not None:
                collector.attach_activity(self.table_id, activity_id, self.client)
            # called only if the task succeeds: a failed task that is cleared continues this work
            collector.add_finish_callback(self._state.mark_done)
        entity = self.client.call("GET", f"/entity/{self.table_id}/version/{version}").json
        self.client.emit(
            Wrote.from_entity(
                entity,
                changed=plan is not None,
                activity_given=True,
                activity_id=activity_id,
                is_open=False,
                is_reused=plan is None,
            )
        )
        return {
            "id": entity["id"],
            "version": version,
            "name": entity["name"],
            "concrete_type": entity["concreteType"],
            "parent_id": entity.get("parentId"),
            "label": entity.get("versionLabel") or str(version),
            "comment": entity.get("versionComment"),
            "created": plan is not None,
            "activity_id": activity_id,
            "synapse_conn_id": self.client.synapse_conn_id,
        }

    def delete_old(self, retain: int, version: int) -> list[int]:
        """Delete the snapshots of the series, except the newest ones.

        Args:
            retain: Number of newest snapshots to keep.
            version: Version of the snapshot of this task, which is kept.

        Returns:
            The versions that were deleted.
        """
        series = self._lookup.list_series()
        old = [number for number in series[retain:] if number != version]
        for number in old:
            try:
                self.client.call("DELETE", f"/entity/{self.table_id}/version/{number}")
            except SynapseNotFoundError:
                continue  # deleted by another task
        return old

    def _find_created(self, plan: SnapshotPlan) -> int | None:
        """Return the version of the snapshot that a try of this task created; else None."""
        own = (
            one["versionNumber"]
            for one in self._lookup.iter_snapshots()
            if self._is_own(one, plan)
        )
        return next(own, None)

    def _get_activity_id(self, version: int) -> str | None:
        """Return the ID of the Activity of a version; None without an Activity."""
        path = f"/entity/{self.table_id}/version/{version}/generatedBy"
        try:
            return str(self.client.call("GET", path).json["id"])
        except SynapseNotFoundError:
            return None

    def _save_plan(self) -> SnapshotPlan:
        """Store the Activity in Synapse, and the plan in the task state.

        This try requests the same label as an earlier try, whose request may still be running.
        """
        activity_id = self.client.create_snapshot_activity(self.table_id, known=self.entity)
        label, comment = self.request.label, self.request.comment
        version = self.entity["versionNumber"]
        plan = self._state.load()
        # if another task created that version, a request with the version as label has ended
        if plan is None or (plan.numbered and plan.version != version):
            plan = SnapshotPlan(version, label or str(version), numbered=not label)
        own_id = activity_id if isinstance(activity_id, str) else None
        plan = replace(
            plan,
            # without an Activity, a retry recognizes the snapshot of the task by its comment
            comment=comment if comment or own_id else _describe_task(),
            activity_id=own_id,
            job=None,
        )
        self._state.save(plan)
        return plan

    @contextmanager
    def _clear_on_final_error(self, plan: SnapshotPlan) -> Iterator[None]:
        """Delete the plan if its request cannot succeed; else keep the plan without its job."""
        try:
            yield
        except SynapseJobError:
            self._state.clear()
            raise
        except SynapseHTTPError as error:
            if error.retry_category is RetryCategory.PERMANENT:
                self._state.clear()
            else:
                self._state.save(replace(plan, job=None))
            raise

    def _resolve_conflict(self, plan: SnapshotPlan, conflict: SynapseConflictError) -> int:
        """Return the task's own or the requested snapshot, or use the next version as label.

        Raises:
            AirflowFailException: Another version has the label.
            SynapseConflictError: The conflict has another cause; a retry may succeed.
        """
        version = self._find_created(plan)
        if version is not None:
            return version
        labelled = next(
            (
                one
                for one in self._lookup.iter_snapshots()
                if one.get("versionLabel") == plan.label
            ),
            None,
        )
        if labelled is None:
            raise conflict
        self._state.clear()
        self.entity = self.client.call("GET", f"/entity/{self.table_id}").json
        if not plan.numbered:
            return self._use_labelled(labelled, conflict)
        if self.entity["versionNumber"] == plan.version:
            raise conflict
        return self.create()

    def _use_labelled(self, labelled: Mapping[str, Any], conflict: SynapseConflictError) -> int:
        """Return the version of a snapshot that another task created with the same label.

        Raises:
            AirflowFailException: The policy does not allow that, or the table has changed since.
        """
        version, label = labelled["versionNumber"], labelled["versionLabel"]
        if self.request.if_unchanged == "snapshot":
            raise AirflowFailException(
                f"{self.table_id} already has a version labelled {label!r}, "
                f"{self.table_id}.{version}. To use that version while the table is unchanged, "
                "set if_unchanged='reuse'. To create another one, use a label that is unique for "
                f"the run, for example version_label='{{{{ ts }}}}'. {conflict}"
            ) from conflict
        if not self._lookup.is_unchanged_since(version):
            raise self._lookup.changed_error(labelled) from conflict
        return int(version)

    def _is_own(self, snapshot: Mapping[str, Any], plan: SnapshotPlan) -> bool:
        """Return whether a snapshot has the label and the Activity of the plan.

        Without an Activity, the account and the comment identify the task.
        """
        version = snapshot["versionNumber"]
        if version < plan.version or snapshot.get("versionLabel") != plan.label:
            return False
        if plan.activity_id is None:
            account = self.client.call("GET", "/userProfile").json["ownerId"]
            is_by_account = str(snapshot.get("modifiedByPrincipalId")) == str(account)
            return is_by_account and snapshot.get("versionComment") == plan.comment
        return self._get_activity_id(version) == plan.activity_id


def _describe_task() -> str | None:
    """Return a text that is unique to the running task instance; None outside a task."""
    collector = current_collector()
    return None if collector is None else collector.description.signature


def _options(plan: SnapshotPlan) -> dict[str, str]:
    return snapshots.snapshot_options(plan.comment, plan.label, plan.activity_id)
