"""Jobs that change a table: transactions, single uploads and snapshots."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import async_jobs, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.tables import csv_import, outbox, row_sets, schema_changes
from synapse_workflows.local.domain.tables.snapshots import parse_snapshot
from synapse_workflows.local.domain.tables.table_update import TableUpdate, open_update
from synapse_workflows.local.domain.views import transactions as view_transactions
from synapse_workflows.local.errors import BadRequest, ServiceError
from synapse_workflows.local.storage.job_models import Job

_M: Final = f"{MODEL}.table"
#: Maximum time that a snapshot request waits for other updates of the table, in seconds.
_LOCK_TIMEOUT: Final = 30

Change = Callable[[TableUpdate, Mapping[str, Any]], dict[str, Any]]

#: Concrete type of a change -> function that applies it.
CHANGES: Final[Mapping[str, Change]] = {
    f"{_M}.AppendableRowSetRequest": row_sets.append_rows,
    f"{_M}.UploadToTableRequest": csv_import.import_csv,
    f"{_M}.TableSchemaChangeRequest": schema_changes.change_schema,
}


def _run_or_recover(run: JobRun, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a function that updates a table.

    If the function fails after the commit of the table's file, apply the outbox.
    """
    try:
        return work()
    except ServiceError:
        raise
    except Exception:
        with run.service.database.read_transaction() as session:
            job = session.get_one(Job, run.job_id)
        response = outbox.apply_committed(run.service, job)
        if response is None:
            raise
        return response


def run_transaction(run: JobRun) -> dict[str, Any]:
    """Execute a TableUpdateTransactionRequest atomically.

    Raises:
        BadRequest: There is nothing to do, or a change is invalid.
        Conflict: Another request changed the columns, or the label of the snapshot is not unique.
        Forbidden: The caller may not UPDATE the table or use the activity.
        NotFound: The table, a column, a file handle or the activity does not exist.
        PreconditionFailed: A row was changed after the caller read it.
    """
    changes = request_fields.get_list(run.request, "changes") or []
    has_snapshot = request_fields.get_boolean(run.request, "createSnapshot")
    options = request_fields.get_object(run.request, "snapshotOptions")
    if options is not None and run.request.get("createSnapshot") is None:
        raise BadRequest("createSnapshot must be set when snapshotOptions are given.")
    if not changes and not has_snapshot:
        raise BadRequest("A transaction needs at least one change, or createSnapshot: true.")
    snapshot = parse_snapshot(run, options or {}) if has_snapshot else None
    if view_transactions.is_view_update(run):
        return view_transactions.update_view(run, changes, snapshot)

    def work() -> dict[str, Any]:
        with open_update(run) as update:
            results = [_apply_change(update, each) for each in changes]
            response = {
                "concreteType": f"{_M}.TableUpdateTransactionResponse",
                "results": results,
            }
            return update.commit(response, snapshot)

    return _run_or_recover(run, work)


def _apply_change(update: TableUpdate, request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise BadRequest("changes must be an array of objects.")
    kind = request_fields.parse_choice(
        CHANGES, request_fields.get_required_text(request, "concreteType"), "concreteType"
    )
    return CHANGES[kind](update, request)


def run_upload(run: JobRun) -> dict[str, Any]:
    """Execute a single UploadToTableRequest.

    Raises:
        ServiceError: As for `run_transaction`.
    """

    def work() -> dict[str, Any]:
        with open_update(run) as update:
            return update.commit(csv_import.import_csv(update, run.request))

    return _run_or_recover(run, work)


def run_snapshot(run: JobRun) -> dict[str, Any]:
    """Create a snapshot of a table (SnapshotRequest).

    Raises:
        ServiceError: As for `run_transaction`.
        Unavailable: Another update of the table did not end in time.
    """
    snapshot = parse_snapshot(run, run.request)

    def work() -> dict[str, Any]:
        with open_update(run, wait=_LOCK_TIMEOUT) as update:
            return update.commit({}, snapshot)

    return _run_or_recover(run, work)


TRANSACTION: Final = async_jobs.JobType(
    f"{_M}.TableUpdateTransactionRequest", run_transaction, is_sequential=True
)
UPLOAD: Final = async_jobs.JobType(f"{_M}.UploadToTableRequest", run_upload, is_sequential=True)
SNAPSHOT: Final = async_jobs.JobType(f"{_M}.SnapshotRequest", run_snapshot)
