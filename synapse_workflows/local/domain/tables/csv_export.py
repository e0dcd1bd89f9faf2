"""The result of a query as a CSV file (DownloadFromTableRequest)."""

import hashlib
import json
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, ROW_ETAG, ROW_ID, ROW_VERSION
from synapse_workflows.local.domain import async_jobs, generated_files, request_fields
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.tables import csv_dialect, queries
from synapse_workflows.local.domain.tables.queries import Answering
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.blobs import Draft
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.table_models import TableResult

_M: Final = f"{MODEL}.table"
_AT_A_TIME: Final = 500


def download(run: Run) -> dict[str, Any]:
    """Write the result of a query into a file of the caller's.

    The same query on unchanged data gives the same file again.

    Raises:
        BadRequest: the table has no columns, or the query cannot be answered.
        ServiceError: as for `queries.answering`.
    """
    with queries.answering(run, run.request) as work:
        if work.statement is None:
            raise BadRequest(f"Schema for {work.source.table_id} is empty.")
        key = _key(work)
        handle_id = None if work.statement.is_volatile else _known(run, key)
        if handle_id is None:
            handle_id = _written(work, key)
        return {
            "concreteType": f"{_M}.DownloadFromTableResult",
            "headers": [each.wire() for each in work.statement.columns],
            "resultsFileHandleId": str(handle_id),
            "etag": work.source.etag,
            "tableId": work.source.table_id,
        }


def _key(work: Answering) -> str:
    """Give what two requests have in common when their answers are the same file."""
    source = work.source
    told = {key: value for key, value in work.run.request.items() if value is not None}
    told |= {"entityId": source.table_id}
    same = [work.run.caller.id, source.etag, [each.id for each in source.schema], told]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def _known(run: Run, key: str) -> int | None:
    with run.service.database.reading() as session:
        found = session.get(TableResult, key)
        return None if found is None else found.handle_id


def _written(work: Answering, key: str) -> int:
    """Write the file, and make a file handle for it."""
    run, request = work.run, work.run.request
    name = request_fields.text(request, "fileName") or f"{work.source.table_id}.csv"
    with run.service.blobs.draft() as draft:
        _write(work, draft)

        def remember(session: Session, handle: FileHandle) -> None:
            session.execute(delete(TableResult).where(TableResult.key == key))
            session.add(TableResult(key=key, handle_id=handle.id))

        return generated_files.keep(run.service, run.caller, draft, name, "text/csv", remember)


def _write(work: Answering, draft: Draft) -> None:
    form = csv_dialect.read_form(request_fields.mapping(work.run.request, "csvTableDescriptor"))
    line = csv_dialect.line_writer(form)
    leading = _metadata(work)
    columns = work.statement.columns if work.statement else ()
    if request_fields.flag(work.run.request, "writeHeader", default=True):
        draft.write(line([*leading, *(each.name for each in columns)]).encode())
    skipped = work.leading - len(leading)
    writers = [str] * len(leading) + work.writers()
    rows = work.rows(work.query.limit, work.query.offset)
    done = 0
    while some := list(islice(rows, _AT_A_TIME)):
        text = "".join(
            [
                line(
                    [
                        None if cell is None else write(cell)
                        for write, cell in zip(writers, _shown(row, skipped, work), strict=True)
                    ]
                )
                for row in some
            ]
        )
        draft.write(text.encode())
        done += len(some)
        work.run.progress.report(done, 0, f"Wrote {done} rows")


def _metadata(work: Answering) -> list[str]:
    """Name the columns that say which row a line is."""
    request = work.run.request
    if not work.leading or not request_fields.flag(
        request, "includeRowIdAndRowVersion", default=True
    ):
        return []
    etag = work.leading > len((ROW_ID, ROW_VERSION)) and work.wants_etags
    return [ROW_ID, ROW_VERSION, *([ROW_ETAG] if etag else [])]


def _shown(row: tuple[Any, ...], skipped: int, work: Answering) -> tuple[Any, ...]:
    """Leave out the last of the cells that come before the columns."""
    if not skipped:
        return row
    leading = work.leading
    return row[: leading - skipped] + row[leading:]


DOWNLOAD: Final = async_jobs.Kind(f"{_M}.DownloadFromTableRequest", download)
