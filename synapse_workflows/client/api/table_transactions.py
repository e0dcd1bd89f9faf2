"""Table transactions: build the request bodies, start the jobs, and check the results.

A transaction applies all of its changes to a table or view, or none of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.constants import MODEL

_TRANSACTION: Final = f"{MODEL}.table.TableUpdateTransactionRequest"
_UPLOAD: Final = f"{MODEL}.table.UploadToTableRequest"
_APPEND: Final = f"{MODEL}.table.AppendableRowSetRequest"
_ENTITY_UPDATES: Final = f"{MODEL}.table.EntityUpdateResults"
_KNOWN_RESULTS: Final = frozenset(
    f"{MODEL}.table.{name}"
    for name in ("RowReferenceSetResults", "TableSchemaChangeResponse", "UploadToTableResult")
)


def job_path(table_id: str) -> str:
    """Return the path under which transactions of a table are started and polled.

    Args:
        table_id: ``syn123``.
    """
    return f"/entity/{table_id}/table/transaction/async"


def transaction_request(
    table_id: str,
    changes: Sequence[Mapping[str, Any]],
    snapshot: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Build a TableUpdateTransactionRequest.

    Args:
        table_id: ``syn123``.
        changes: TableUpdateRequests, applied in this order.
        snapshot: SnapshotRequest with the options of a snapshot to create after the changes
            (see `snapshots.snapshot_options`); None for no snapshot.
    """
    request: dict[str, Any] = {
        "concreteType": _TRANSACTION,
        "entityId": table_id,
        "changes": list(changes),
    }
    if snapshot is not None:
        request |= {"createSnapshot": True, "snapshotOptions": dict(snapshot)}
    return request


def upload_request(
    table_id: str,
    file_handle_id: str,
    csv_descriptor: Mapping[str, Any],
    *,
    lines_to_skip: int = 0,
    etag: str | None = None,
) -> dict[str, Any]:
    """Build an UploadToTableRequest: a change that stores the rows of an uploaded CSV file.

    Args:
        table_id: ``syn123``.
        file_handle_id: ID of the file handle of the CSV file, which the caller must have created.
        csv_descriptor: CsvTableDescriptor of the file.
        lines_to_skip: Number of lines to skip at the start of the file.
        etag: Etag of the query result from which the rows come. Synapse rejects the rows if the
            table was changed since the query. None to skip this check.
    """
    request: dict[str, Any] = {
        "concreteType": _UPLOAD,
        "tableId": table_id,
        "uploadFileHandleId": file_handle_id,
        "linesToSkip": lines_to_skip,
        "csvTableDescriptor": dict(csv_descriptor),
    }
    if etag:
        request["updateEtag"] = etag
    return request


def append_request(table_id: str, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Build an AppendableRowSetRequest: a change that stores a row set sent in the request.

    Args:
        table_id: ``syn123``.
        rows: RowSet or PartialRowSet as JSON.
    """
    return {
        "concreteType": _APPEND,
        "entityId": table_id,
        "toAppend": {**rows, "tableId": table_id},
    }


def start_transaction(
    syn: Session,
    table_id: str,
    changes: Sequence[Mapping[str, Any]],
    snapshot: Mapping[str, str] | None = None,
) -> str:
    """Start a transaction and return the token of its job.

    Args:
        syn: The session that sends the requests.
        table_id: ``syn123``.
        changes: TableUpdateRequests.
        snapshot: Options of a snapshot to create after the changes; None for no snapshot.

    Returns:
        The token for `wait_for_transaction`, which any process can use.

    Raises:
        SynapseHTTPError: Synapse rejected the request.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    return async_jobs.start(
        syn, job_path(table_id), transaction_request(table_id, changes, snapshot)
    )


def wait_for_transaction(syn: Session, table_id: str, token: str) -> dict[str, Any]:
    """Wait for a transaction that this process or another process has started.

    Args:
        syn: The session that sends the requests.
        table_id: ``syn123``.
        token: The token of the job.

    Returns:
        The TableUpdateTransactionResponse: ``results``, ``snapshotVersionNumber``.

    Raises:
        SynapseJobError: The transaction failed; nothing was changed.
        SynapseHTTPError: The transaction failed with an HTTP status; nothing was changed.
        SynapseTimeoutError: The job made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        GET /entity/{id}/table/transaction/async/get/{asyncToken}
        https://rest-docs.synapse.org/rest/GET/entity/id/table/transaction/async/get/asyncToken.html
    """
    response: dict[str, Any] = async_jobs.wait(syn, job_path(table_id), token)
    return response


def run_transaction(
    syn: Session,
    table_id: str,
    changes: Sequence[Mapping[str, Any]],
    snapshot: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a transaction, wait for it and check its results.

    Args:
        syn: The session that sends the requests.
        table_id: ``syn123``.
        changes: TableUpdateRequests.
        snapshot: Options of a snapshot to create after the changes; None for no snapshot.

    Returns:
        The TableUpdateTransactionResponse: ``results`` with one TableUpdateResponse for each
        change, ``snapshotVersionNumber``.

    Raises:
        SynapseError: Some rows of a view were not updated.
        SynapseJobError: The transaction failed; nothing was changed.
        SynapseHTTPError: The transaction failed with an HTTP status; nothing was changed.
        SynapseTimeoutError: The job made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    request = transaction_request(table_id, changes, snapshot)
    response: dict[str, Any] = async_jobs.run(syn, job_path(table_id), request)
    for result in response.get("results") or ():
        _check_result(syn, result)
    return response


def _check_result(syn: Session, result: Mapping[str, Any]) -> None:
    """Check the result of one change.

    Raises:
        SynapseError: Some rows of a view were not updated.
    """
    result_type = result.get("concreteType")
    if result_type != _ENTITY_UPDATES:
        if result_type not in _KNOWN_RESULTS:
            syn.logger.warning("Unknown result type of a table change: %s", result_type)
        return
    updates = result.get("updateResults") or ()
    failed = [one for one in updates if one.get("failureCode") or one.get("failureMessage")]
    if failed:
        updated = [one["entityId"] for one in updates if one not in failed]
        raise SynapseError(
            f"Not all of the entities were updated. Successful updates: {updated}.  "
            f"Failed updates: {failed}\nQuery the failed rows again, and store those."
        )
