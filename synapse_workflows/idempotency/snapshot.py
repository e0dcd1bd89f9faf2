"""Freezing a table or view once, however often it is tried: what a task remembers and finds.

A request may go through although nobody heard the answer, and may still be at work when the next
try asks again. So every request names the label of its snapshot, and all tries name the same one:
labels are unique, hence one snapshot at most comes of them, and the Activity tells whose it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import async_jobs, snapshots, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.table_state import VIEWS, content_of
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseHTTPError,
    SynapseJobError,
    SynapseNotFoundError,
    SynapseServerError,
    SynapseTooManyRequestsError,
)
from synapse_workflows.constants import ENTITY_TYPES, TABLE
from synapse_workflows.idempotency.snapshot_state import SnapshotPlan, SnapshotState
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: Failures that say of the answer, and nothing of what was asked for.
_UNCERTAIN: Final = (SynapseServerError, SynapseTooManyRequestsError)


class SynapseSnapshot(TypedDict):
    """A snapshot of a table or view, as JSON.

    `activity_id` is None where lineage is off.
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
    """Makes one snapshot of one table or view for one task instance.

    Args:
        client: makes the calls.
        context: of the running task.
        table: a table, view, submission view or dataset, as `syn123`.

    Raises:
        SynapseNotFoundError: There is no such table.
        AirflowFailException: It is something else.
    """

    def __init__(self, client: LineageClient, context: Mapping[str, Any], table: str) -> None:
        self.client = client
        self.entity = client.call("GET", f"/entity/{table}").json
        kind = self.entity["concreteType"]
        if kind not in {TABLE} | VIEWS:
            raise AirflowFailException(
                f"{table} is a {ENTITY_TYPES.get(kind, kind)}; there are snapshots of tables, "
                "views, submission views and datasets"
            )
        self.is_view = kind in VIEWS
        self.plans = SnapshotState(context, self.entity["id"])

    @property
    def path(self) -> str:
        """Where the jobs that change the table are started and asked for."""
        return table_transactions.job_path(self.entity["id"])

    @property
    def has_begun(self) -> bool:
        """Whether this task, or an earlier try of it, has asked for a snapshot, or may have."""
        return self.plans.current() is not None

    @property
    def job(self) -> str | None:
        """Token of a job that this task, or an earlier try of it, left running."""
        plan = self.plans.current()
        return None if plan is None else plan.job

    def found(self) -> int | None:
        """Find the snapshot that an earlier try made, by what only that one carries."""
        plan = self.plans.current()
        if plan is None:
            return None
        return next((n["versionNumber"] for n in self.history() if self._is_ours(n, plan)), None)

    def unchanged_since(self) -> Mapping[str, Any] | None:
        """Give the newest snapshot when there is now what that one holds; else None."""
        newest = next(self.history(), None)
        if newest is None:
            return None
        now, frozen = (
            self.client.run(
                content_of(
                    self.entity["id"],
                    number,
                    async_jobs.polling_settings(self.client),
                    is_view=self.is_view,
                )
            )
            for number in (None, newest["versionNumber"])
        )
        return newest if now.is_known_to_equal(frozen) else None

    def make(self, label: str | None, comment: str | None) -> int:
        """Freeze it now; the Activity is there first.

        Views are put together by Synapse before they are frozen, which only a job does.
        """
        if self.is_view:
            self.start(label, comment)
            return self.await_job()
        plan = self._begin(label, comment)
        try:
            with self._settling(plan):
                answer = snapshots.create_table_snapshot(self.client, plan.table, _options(plan))
        except SynapseConflictError as conflict:
            return self._own_or_next(plan, conflict)
        return int(answer["snapshotVersionNumber"])

    def start(self, label: str | None, comment: str | None) -> str:
        """Start a job that freezes it; return its token."""
        plan = self._begin(label, comment)
        with self._settling(plan):
            token = table_transactions.start_transaction(
                self.client, plan.table, [], _options(plan)
            )
        self.plans.keep(replace(plan, job=token))
        return token

    def await_job(self) -> int:
        """Wait for the job that was started, and give the number of the snapshot.

        Raises:
            SynapseHTTPError: The job failed; the next try starts another one.
            SynapseJobError: Likewise.
            SynapseTimeoutError: It makes no progress; the next try waits on.
        """
        plan = self.plans.current()
        if plan is None or plan.job is None:
            raise AirflowFailException("The task has lost the job it was waiting for; clear it")
        try:
            with self._settling(plan):
                done = table_transactions.wait_for_transaction(self.client, plan.table, plan.job)
        except SynapseConflictError as conflict:
            return self._own_or_next(plan, conflict)
        return int(done["snapshotVersionNumber"])

    def finish(self, number: int) -> SynapseSnapshot:
        """Say in the task's lineage what was made, and describe it for other tasks."""
        plan = self.plans.current()
        activity_id = None if plan is None else plan.activity_id
        collector = current_collector()
        if collector is not None:
            if activity_id is not None:
                collector.attach_activity(self.entity["id"], activity_id, self.client)
            # not at once: should the task still fail, it may be cleared and go on
            collector.add_finish_callback(self.plans.end)
        entity = self.client.call("GET", f"/entity/{self.entity['id']}/version/{number}").json
        self.client.announce(_wrote(entity))
        return {
            "id": entity["id"],
            "version": number,
            "name": entity["name"],
            "concrete_type": entity["concreteType"],
            "parent_id": entity.get("parentId"),
            "label": entity.get("versionLabel") or str(number),
            "comment": entity.get("versionComment"),
            "activity_id": activity_id,
            "synapse_conn_id": self.client.synapse_conn_id,
        }

    def retain(self, newest: int, prefix: str) -> list[int]:
        """Delete snapshots whose label begins with `prefix`, all but the newest of them."""
        own = [
            version["versionNumber"]
            for version in self.history()
            if (version.get("versionLabel") or "").startswith(prefix)
        ]
        for number in own[newest:]:
            try:
                self.client.call("DELETE", f"/entity/{self.entity['id']}/version/{number}")
            except SynapseNotFoundError:
                continue  # somebody was faster
        return own[newest:]

    def history(self) -> Iterator[Mapping[str, Any]]:
        """List the snapshots, newest first."""
        table = self.entity["id"]
        current = self.client.call("GET", f"/entity/{table}").json["versionNumber"]
        for version in self.client.each(Call("GET", f"/entity/{table}/version")):
            if version["versionNumber"] < current:
                yield version

    def _begin(self, label: str | None, comment: str | None) -> SnapshotPlan:
        """Have the Activity in Synapse, and remember what is about to be done.

        What an earlier try asked for may still be at work: this try asks for the same.
        """
        activity_id = self.client.create_snapshot_activity(self.entity["id"])
        number = self.entity["versionNumber"]
        plan = self.plans.current()
        # where somebody else took the number, what was asked for under it is at work no more
        if plan is None or (plan.numbered and plan.version != number):
            plan = SnapshotPlan(
                self.entity["id"], number, label or str(number), numbered=not label
            )
        plan = replace(
            plan,
            comment=comment,
            activity_id=activity_id if isinstance(activity_id, str) else None,
            job=None,
        )
        self.plans.keep(plan)
        return plan

    @contextmanager
    def _settling(self, plan: SnapshotPlan) -> Iterator[None]:
        """Forget, of a request that failed, what nothing can come of any longer."""
        try:
            yield
        except (SynapseConflictError, *_UNCERTAIN):
            self.plans.keep(replace(plan, job=None))
            raise
        except (SynapseHTTPError, SynapseJobError):
            self.plans.forget()
            raise

    def _own_or_next(self, plan: SnapshotPlan, conflict: SynapseConflictError) -> int:
        """Find one's own snapshot where the label is taken; or freeze under the next number.

        Raises:
            AirflowFailException: The label is that of somebody else, and will be tomorrow.
            SynapseConflictError: It is another conflict: a retry may mend it.
        """
        found = self.found()
        if found is not None:
            return found
        if all(version.get("versionLabel") != plan.label for version in self.history()):
            raise conflict
        self.plans.forget()
        if not plan.numbered:
            raise AirflowFailException(
                f"{plan.table} has a version labelled {plan.label!r} already: put something of "
                f"the run into version_label, as {{{{ ts }}}}. {conflict}"
            ) from conflict
        self.entity = self.client.call("GET", f"/entity/{plan.table}").json
        if self.entity["versionNumber"] == plan.version:
            raise conflict
        return self.make(None, plan.comment)

    def _is_ours(self, version: Mapping[str, Any], plan: SnapshotPlan) -> bool:
        number = version["versionNumber"]
        if number < plan.version or version.get("versionLabel") != plan.label:
            return False
        if plan.activity_id is None:
            return True
        try:
            made_by = self.client.call(
                "GET", f"/entity/{plan.table}/version/{number}/generatedBy"
            ).json
        except SynapseNotFoundError:
            return False
        return bool(made_by["id"] == plan.activity_id)


def _options(plan: SnapshotPlan) -> dict[str, str]:
    return snapshots.snapshot_options(plan.comment, plan.label, plan.activity_id)


def _wrote(entity: Mapping[str, Any]) -> Wrote:
    return Wrote(
        entity_id=entity["id"],
        version=entity["versionNumber"],
        name=entity["name"],
        concrete_type=entity["concreteType"],
        parent_id=entity.get("parentId"),
        activity_given=True,
    )
