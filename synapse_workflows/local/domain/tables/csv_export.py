"""Export of a query result as a CSV file (DownloadFromTableRequest)."""

import hashlib
import json
from itertools import islice
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, ROW_ETAG, ROW_ID, ROW_VERSION
from synapse_workflows.local.domain import async_jobs, generated_files, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.tables import column_cells, csv_dialect
from synapse_workflows.local.domain.tables.queries import QueryExecution, open_query
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.blobs import FileWriter
from synapse_workflows.local.storage.database import execute, fetch_rows
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.table_models import TableResult

_M: Final = f"{MODEL}.table"
_BATCH_ROWS: Final = 500
_RESULT: Final = select(TableResult.handle_id).where(TableResult.key == bindparam("key"))
_INSERT: Final = insert(TableResult)
_RECORD_RESULT: Final = _INSERT.on_conflict_do_update(
    set_={"handle_id": _INSERT.excluded.handle_id}
)


def export_csv(run: JobRun) -> dict[str, Any]:
    """Write the result of a query to a file that belongs to the caller.

    The same query on unchanged data returns the same file handle.

    Raises:
        BadRequest: The table has no columns, or the query is invalid.
        ServiceError: As for `queries.open_query`.
    """
    with open_query(run, run.request) as execution:
        if execution.statement is None:
            raise BadRequest(f"Schema for {execution.queryable.table_id} is empty.")
        key = _compute_key(execution)
        handle_id = None if execution.statement.is_volatile else _find_result(run, key)
        if handle_id is None:
            handle_id = _create_result(execution, key)
        return {
            "concreteType": f"{_M}.DownloadFromTableResult",
            "headers": [each.as_select_column() for each in execution.statement.columns],
            "resultsFileHandleId": str(handle_id),
            "etag": execution.queryable.etag,
            "tableId": execution.queryable.table_id,
        }


def _compute_key(execution: QueryExecution) -> str:
    """Return a digest of everything that the content of the file depends on."""
    queryable, run = execution.queryable, execution.run
    request = {key: value for key, value in run.request.items() if value is not None}
    request |= {"entityId": queryable.table_id}
    column_ids = [each.id for each in queryable.schema]
    content = [run.caller.id, queryable.etag, column_ids, request]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _find_result(run: JobRun, key: str) -> int | None:
    with run.service.database.read_transaction() as session:
        results = fetch_rows(session, _RESULT, key=key)
        return next((handle_id for (handle_id,) in results), None)


def _create_result(execution: QueryExecution, key: str) -> int:
    """Write the file and return the ID of its file handle."""
    run, request = execution.run, execution.run.request
    name = request_fields.get_text(request, "fileName") or f"{execution.queryable.table_id}.csv"
    with run.service.blobs.create() as draft:
        _write(execution, draft)

        def record_result(session: Session, handle: FileHandle) -> None:
            execute(session, _RECORD_RESULT, {"key": key, "handle_id": handle.id})

        return generated_files.store(
            run.service, run.caller, draft, name, "text/csv", record_result
        )


def _write(execution: QueryExecution, draft: FileWriter) -> None:
    request = execution.run.request
    dialect = csv_dialect.parse_dialect(request_fields.get_object(request, "csvTableDescriptor"))
    format_records = csv_dialect.get_record_writer(dialect)
    metadata = _get_metadata_names(execution)
    columns = execution.statement.columns if execution.statement else ()
    if request_fields.get_boolean(request, "writeHeader", default=True):
        names = [*metadata, *(each.name for each in columns)]
        draft.write(format_records([[name] for name in names]).encode())
    serializers = [column_cells.get_column_serializer(each.type) for each in columns]
    serializers = [column_cells.serialize_integers_and_text] * len(metadata) + serializers
    rows = execution.iter_rows(execution.query.limit, execution.query.offset)
    written = 0
    while batch := list(islice(rows, _BATCH_ROWS)):
        cells = list(zip(*batch, strict=True))
        del cells[len(metadata) : execution.metadata_width]
        texts = [serialize(each) for serialize, each in zip(serializers, cells, strict=True)]
        draft.write(format_records(texts).encode())
        written += len(batch)
        execution.run.progress.report(written, 0, f"Wrote {written} rows")


def _get_metadata_names(execution: QueryExecution) -> list[str]:
    """Return the names of the metadata columns of the file."""
    request = execution.run.request
    if not execution.metadata_width or not request_fields.get_boolean(
        request, "includeRowIdAndRowVersion", default=True
    ):
        return []
    names = [ROW_ID, ROW_VERSION]
    has_etags = execution.metadata_width > len(names) and execution.includes_etags
    return [*names, ROW_ETAG] if has_etags else names


DOWNLOAD: Final = async_jobs.JobType(f"{_M}.DownloadFromTableRequest", export_csv)
