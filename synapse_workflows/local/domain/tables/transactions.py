"""What changes a table: transactions of several changes, single uploads, snapshots."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import activities, async_jobs, request_fields
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.ids import decimal
from synapse_workflows.local.domain.tables import csv_import, outbox, row_sets, schema_changes
from synapse_workflows.local.domain.tables.outbox import Snapshot
from synapse_workflows.local.domain.tables.table_update import TableUpdate, open_update
from synapse_workflows.local.domain.views import transactions as view_changes
from synapse_workflows.local.errors import BadRequest, ServiceError
from synapse_workflows.local.storage.job_models import Job

_M: Final = f"{MODEL}.table"
#: Seconds that a snapshot, which is no job, waits for whoever changes the table.
_LOCK_TIMEOUT: Final = 30

Change = Callable[[TableUpdate, Mapping[str, Any]], dict[str, Any]]

#: Class of a change -> what carries it out.
CHANGES: Final[Mapping[str, Change]] = {
    f"{_M}.AppendableRowSetRequest": row_sets.append_rows,
    f"{_M}.UploadToTableRequest": csv_import.import_csv,
    f"{_M}.TableSchemaChangeRequest": schema_changes.change_schema,
}


def _run_or_recover(run: Run, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work; when it was committed in the file but not in the database, make up for it."""
    try:
        return work()
    except ServiceError:
        raise
    except Exception:
        with run.service.database.reading() as session:
            job = session.get_one(Job, run.job_id)
        found = outbox.apply_committed(run.service, job)
        if found is None:
            raise
        return found


def run_transaction(run: Run) -> dict[str, Any]:
    """Carry out a TableUpdateTransactionRequest, all of it or nothing.

    Raises:
        BadRequest: there is nothing to do, or a change breaks a rule.
        Conflict: the columns were changed meanwhile, or the snapshot's label is taken.
        Forbidden: the caller may not UPDATE the table, or use the activity.
        NotFound: no such table, column, file handle or activity.
        ServiceError: 412, somebody changed one of the rows.
    """
    changes = request_fields.items(run.request, "changes") or []
    wants_snapshot = request_fields.flag(run.request, "createSnapshot")
    options = request_fields.mapping(run.request, "snapshotOptions")
    if options is not None and run.request.get("createSnapshot") is None:
        raise BadRequest("createSnapshot must be set when snapshotOptions are given.")
    if not changes and not wants_snapshot:
        raise BadRequest("A transaction needs at least one change, or createSnapshot: true.")
    snapshot = parse_snapshot(run, options or {}) if wants_snapshot else None
    if view_changes.concerns(run):
        return view_changes.transact(run, changes, snapshot)

    def work() -> dict[str, Any]:
        with open_update(run) as update:
            results = [_change(update, each) for each in changes]
            response = {
                "concreteType": f"{_M}.TableUpdateTransactionResponse",
                "results": results,
            }
            return update.commit(response, snapshot)

    return _run_or_recover(run, work)


def _change(update: TableUpdate, request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise BadRequest("changes must be an array of objects.")
    kind = request_fields.one_of(
        CHANGES, request_fields.required(request, "concreteType"), "concreteType"
    )
    return CHANGES[kind](update, request)


def run_upload(run: Run) -> dict[str, Any]:
    """Carry out a single UploadToTableRequest.

    Raises:
        ServiceError: as for `transact`.
    """

    def work() -> dict[str, Any]:
        with open_update(run) as update:
            return update.commit(csv_import.import_csv(update, run.request))

    return _run_or_recover(run, work)


def parse_snapshot(run: Run, request: Mapping[str, Any]) -> Snapshot:
    """Read a SnapshotRequest.

    Raises:
        BadRequest: a field is ill-typed.
        Forbidden: the caller may not use the activity.
        NotFound: there is no such activity.
    """
    given = request.get("snapshotActivityId")
    activity_id = None if given is None else decimal(given, "snapshotActivityId")
    if activity_id is not None:
        with run.service.database.reading() as session:
            activities.require_access(session, run.caller, activity_id)
    return Snapshot(
        number=0,
        label=request_fields.text(request, "snapshotLabel"),
        comment=request_fields.text(request, "snapshotComment"),
        activity_id=activity_id,
    )


def run_snapshot(run: Run) -> dict[str, Any]:
    """Freeze a table (SnapshotRequest).

    Raises:
        ServiceError: as for `transact`.
        Unavailable: somebody else changes the table and does not end.
    """
    asked = parse_snapshot(run, run.request)

    def work() -> dict[str, Any]:
        with open_update(run, wait=_LOCK_TIMEOUT) as update:
            return update.commit({}, asked)

    return _run_or_recover(run, work)


TRANSACTION: Final = async_jobs.Kind(
    f"{_M}.TableUpdateTransactionRequest", run_transaction, takes_turns=True
)
UPLOAD: Final = async_jobs.Kind(f"{_M}.UploadToTableRequest", run_upload, takes_turns=True)
SNAPSHOT: Final = async_jobs.Kind(f"{_M}.SnapshotRequest", run_snapshot)
