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

from synapse_workflows.client.api import async_jobs, snapshots, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.table_state import VIEWS, fetch_fingerprint
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConflictError,
    SynapseHTTPError,
    SynapseJobError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import ENTITY_TYPES, TABLE
from synapse_workflows.idempotency.snapshot_state import SnapshotPlan, SnapshotState
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient


class SynapseSnapshot(TypedDict):
    """A snapshot of a table or view, as JSON.

    `activity_id` is None if lineage is off.
    """

    id: str
    version: int
    name: str
    concrete_type: str
    parent_id: str | None
    label: str
    comment: str | None
    activity_id: str | None
    synapse_conn_id: str


class SnapshotMaker:
    """Creator of one snapshot of one table or view for one task instance.

    Args:
        client: Sends the requests.
        task: The state of the task.
        table_id: A table, view, submission view or dataset, as `syn123`.

    Raises:
        SynapseNotFoundError: The table does not exist.
        AirflowFailException: The entity is of another type.
    """

    def __init__(self, client: LineageClient, task: TaskState, table_id: str) -> None:
        self.client = client
        self.entity = client.call("GET", f"/entity/{table_id}").json
        concrete_type = self.entity["concreteType"]
        if concrete_type not in {TABLE} | VIEWS:
            raise AirflowFailException(
                f"Cannot create a snapshot of {table_id}, which is a "
                f"{ENTITY_TYPES.get(concrete_type, concrete_type)}: only tables, views, "
                "submission views and datasets have snapshots"
            )
        self.is_view = concrete_type in VIEWS
        self.table_id = str(self.entity["id"])
        self._state = SnapshotState(task, self.table_id)

    @property
    def job_path(self) -> str:
        """Path of the jobs that change the table."""
        return table_transactions.job_path(self.table_id)

    @property
    def is_requested(self) -> bool:
        """Whether any try of this task may have requested a snapshot."""
        return self._state.load() is not None

    @property
    def job(self) -> str | None:
        """Token of a job that a try of this task started; None without a job."""
        plan = self._state.load()
        return None if plan is None else plan.job

    def find_created(self) -> int | None:
        """Return the version of the snapshot that an earlier try created; None if none exists."""
        plan = self._state.load()
        if plan is None:
            return None
        own = (one["versionNumber"] for one in self.iter_snapshots() if self._is_own(one, plan))
        return next(own, None)

    def find_unchanged(self) -> Mapping[str, Any] | None:
        """Return the newest snapshot if the table has not changed since then; else None."""
        newest = next(self.iter_snapshots(), None)
        if newest is None:
            return None
        polling = async_jobs.polling_settings(self.client)
        current, snapshot = (
            self.client.run(
                fetch_fingerprint(self.table_id, version, polling, is_view=self.is_view)
            )
            for version in (None, newest["versionNumber"])
        )
        return newest if current.is_known_to_equal(snapshot) else None

    def create(self, label: str | None, comment: str | None) -> int:
        """Store the Activity, create the snapshot and return the version of the snapshot.

        Args:
            label: Label of the snapshot; None for its version number.
            comment: Comment of the snapshot.

        Raises:
            AirflowFailException: Another version has the label.
            SynapseHTTPError: Synapse rejected the request.
        """
        if self.is_view:  # only a job can create a snapshot of a view
            self.start_job(label, comment)
            return self.wait_for_job()
        plan = self._save_plan(label, comment)
        try:
            with self._clear_on_final_error(plan):
                response = snapshots.create_table_snapshot(
                    self.client, self.table_id, _options(plan)
                )
        except SynapseConflictError as conflict:
            return self._resolve_conflict(plan, conflict)
        return int(response["snapshotVersionNumber"])

    def start_job(self, label: str | None, comment: str | None) -> str:
        """Start a job that creates the snapshot; return its token."""
        plan = self._save_plan(label, comment)
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
        """Record the snapshot in the task's lineage and return its reference."""
        plan = self._state.load()
        activity_id = None if plan is None else plan.activity_id
        collector = current_collector()
        if collector is not None:
            if activity_id is not None:
                collector.attach_activity(self.table_id, activity_id, self.client)
            # called only if the task succeeds: a failed task that is cleared continues this work
            collector.add_finish_callback(self._state.mark_done)
        entity = self.client.call("GET", f"/entity/{self.table_id}/version/{version}").json
        self.client.emit(Wrote.from_entity(entity, activity_given=True, is_open=False))
        return {
            "id": entity["id"],
            "version": version,
            "name": entity["name"],
            "concrete_type": entity["concreteType"],
            "parent_id": entity.get("parentId"),
            "label": entity.get("versionLabel") or str(version),
            "comment": entity.get("versionComment"),
            "activity_id": activity_id,
            "synapse_conn_id": self.client.synapse_conn_id,
        }

    def delete_old(self, retain: int, label_prefix: str) -> list[int]:
        """Delete the snapshots whose label has a prefix, except the newest ones.

        Args:
            retain: Number of newest snapshots to keep.
            label_prefix: Prefix of the labels.

        Returns:
            The versions that were deleted.
        """
        versions = [
            snapshot["versionNumber"]
            for snapshot in self.iter_snapshots()
            if (snapshot.get("versionLabel") or "").startswith(label_prefix)
        ]
        for version in versions[retain:]:
            try:
                self.client.call("DELETE", f"/entity/{self.table_id}/version/{version}")
            except SynapseNotFoundError:
                continue  # deleted by another task
        return versions[retain:]

    def iter_snapshots(self) -> Iterator[Mapping[str, Any]]:
        """Yield the snapshots, newest first, as VersionInfo."""
        current = self.client.call("GET", f"/entity/{self.table_id}").json["versionNumber"]
        for version in self.client.iter_items(Call("GET", f"/entity/{self.table_id}/version")):
            if version["versionNumber"] < current:
                yield version

    def _save_plan(self, label: str | None, comment: str | None) -> SnapshotPlan:
        """Store the Activity in Synapse, and the plan in the task state.

        This try requests the same label as an earlier try, whose request may still be running.
        """
        activity_id = self.client.create_snapshot_activity(self.table_id)
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
        """Return the task's own snapshot, or create one with the next version as label.

        Raises:
            AirflowFailException: Another version has the label.
            SynapseConflictError: The conflict has another cause; a retry may succeed.
        """
        version = self.find_created()
        if version is not None:
            return version
        if all(one.get("versionLabel") != plan.label for one in self.iter_snapshots()):
            raise conflict
        self._state.clear()
        if not plan.numbered:
            raise AirflowFailException(
                f"{self.table_id} already has a version labelled {plan.label!r}. Use a label that "
                f"is unique for the run, for example version_label='{{{{ ts }}}}'. {conflict}"
            ) from conflict
        self.entity = self.client.call("GET", f"/entity/{self.table_id}").json
        if self.entity["versionNumber"] == plan.version:
            raise conflict
        return self.create(None, plan.comment)

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
        path = f"/entity/{self.table_id}/version/{version}/generatedBy"
        try:
            activity = self.client.call("GET", path).json
        except SynapseNotFoundError:
            return False
        return bool(activity["id"] == plan.activity_id)


def _describe_task() -> str | None:
    """Return a text that is unique to the running task instance; None outside a task."""
    collector = current_collector()
    return None if collector is None else collector.description.signature


def _options(plan: SnapshotPlan) -> dict[str, str]:
    return snapshots.snapshot_options(plan.comment, plan.label, plan.activity_id)
