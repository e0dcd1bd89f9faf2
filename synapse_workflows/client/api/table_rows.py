"""Rows of tables: store and delete. A call stores or deletes all of its rows, or none."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api import columns, provenance, table_transactions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseError, SynapseHTTPError
from synapse_workflows.client.model import entity_names
from synapse_workflows.client.model.column_mapping import suggest_names
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rows import PartialRowset, Row, RowSet, get_row_metadata
from synapse_workflows.client.model.schemas import MaterializedView, SchemaBase
from synapse_workflows.client.model.tables import AbstractTable, RowSetTable
from synapse_workflows.client.transfer import upload
from synapse_workflows.constants import ROW_ID, ROW_METADATA, ROW_VERSION, GiB, MiB

#: Types that `store` and `delete` accept as rows of a table.
ROW_TYPES: Final = (AbstractTable, RowSet, PartialRowset)
#: Maximum size of a row set in one request, in bytes.
MAX_REQUEST_SIZE: Final = 2 * MiB
#: Maximum size of a CSV file of rows, in bytes.
MAX_FILE_SIZE: Final = GiB

#: Name in Synapse of a file of rows whose own name is invalid there. The name has no meaning.
_CSV_NAME: Final = "rows.csv"

Rows = AbstractTable | RowSet | PartialRowset


def store_rows(
    syn: Session,
    rows: Rows,
    made_by: Mapping[str, Any] | None,
    store_schema: Callable[[SchemaBase], SchemaBase],
) -> Any:
    """Append rows to a table, and update rows that have a row ID.

    Args:
        syn: The session that sends the requests.
        rows: A `Table`, a `RowSet` or a `PartialRowset`.
        made_by: The Activity of the current version of the table; None to leave it unchanged. It
            is saved before the rows are stored.
        store_schema: Callback that stores a schema that is new or has new columns.

    Returns:
        For a `Table`, a table with the current schema and etag. For a row set, a RowReferenceSet
        with the ID and version of every row.

    Raises:
        ValueError: The rows do not match the columns of the table, or are too large.
        SynapseError: The rows are the result of a query with ``resultsAs='rowset'``, or some rows
            of a view were not updated.
        SynapseBadRequestError: Synapse rejected a cell; nothing was stored.
        SynapseStaleError: A row was changed since it was read; nothing was stored.
        SynapseForbiddenError: The caller may not change the table.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    if isinstance(rows, AbstractTable):
        _require_columns(rows)
    activity = StoreProvenance(syn, made_by)
    with activity.discard_if_rejected():
        activity.save({}, None, new_version=False)
        if isinstance(rows, AbstractTable):
            _store_schema(syn, rows, store_schema)
        if isinstance(rows, CsvFileTable):
            _bind_columns(syn, rows)
            _require_file_size(rows)
        stored, changed = _store_by_type(syn, rows)
    _finish_write(syn, rows, activity.activity_id, changed=changed)
    return stored


def append_unannounced(syn: Session, rows: CsvFileTable) -> None:
    """Append the rows of a CSV file to a table, as `store_rows` does, without a `Wrote` event.

    Args:
        syn: The session that sends the requests.
        rows: The rows; the table has their columns.
    """
    _require_columns(rows)
    _bind_columns(syn, rows)
    _require_file_size(rows)
    _store_by_type(syn, rows)


def delete_rows(syn: Session, rows: Rows) -> None:
    """Delete rows of a table.

    Args:
        syn: The session that sends the requests.
        rows: The result of a query, or a row set whose rows have IDs and versions.

    Raises:
        ValueError: The rows have no IDs.
        SynapseError: The rows are partial rows, or a query result that was partly read.
        SynapseStaleError: A row was changed since it was read; nothing was deleted.
        SynapseForbiddenError: The caller may not change the table.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    row_ids = ({ROW_ID: row_id, ROW_VERSION: version} for row_id, version in _row_ids(rows))
    deletions = CsvFileTable.from_list_of_rows(_table_id(rows), row_ids)
    if not deletions.is_empty():
        _upload_csv(syn, deletions)
        _finish_write(syn, rows, None, changed=True)


def _require_columns(rows: AbstractTable) -> None:
    """Check that a table takes rows and has columns, and that a CSV file matches them."""
    if isinstance(rows.schema, MaterializedView):
        raise columns.build_read_only_error(rows.schema.get("id") or rows.schema.get("name"))
    if rows.schema is not None and not rows.schema.has_columns():
        raise ValueError(
            f"Table {rows.schema.get('name')!r} has no columns to store rows in: add columns, for "
            "example schema.addColumn(Column(name='age', columnType='INTEGER'))."
        )
    if isinstance(rows, CsvFileTable):
        rows.validate()


def _require_file_size(rows: CsvFileTable) -> None:
    size = Path(rows.filepath).stat().st_size
    if size > MAX_FILE_SIZE:
        raise ValueError(
            f"{rows.filepath} has {size} bytes; the maximum size of a CSV file is "
            f"{MAX_FILE_SIZE} bytes. Store the rows in several files."
        )


def _bind_columns(syn: Session, rows: CsvFileTable) -> None:
    """Look up the columns of the table, if the caller passed rows without columns.

    With the columns, the rows are validated and serialized by column type, like the rows of a
    schema with columns. If the caller passed a CSV file, only Synapse validates the rows.
    """
    if rows.pending is not None:
        adds_rows = not rows.pending.has_row_ids
        found = columns.get_columns_for_rows(syn, _table_id(rows), adds_rows=adds_rows)
        if found:  # otherwise Synapse rejects the rows
            rows.bind_columns(found)
    names = {column.get("name") for column in rows.columns()}
    if ROW_ID in names and names <= set(ROW_METADATA):
        raise ValueError(
            "The rows have no columns other than row IDs and versions, and storing them would "
            "delete the rows: use syn.delete to do that, or add columns."
        )


def _store_schema(
    syn: Session, rows: AbstractTable, store_schema: Callable[[SchemaBase], SchemaBase]
) -> None:
    """Store the schema of rows if it is new or has new columns."""
    schema = rows.schema
    if schema is None:
        return
    if not schema.get("id") or schema.columns_to_store:
        rows.bind_schema(store_schema(schema))
    elif isinstance(rows, CsvFileTable) and not rows.header:
        _require_column_order(syn, schema)


def _require_column_order(syn: Session, schema: SchemaBase) -> None:
    """Check that a table still has the columns of its schema, in the same order.

    Rows without column names are matched to columns by position only.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    current = syn.call("GET", f"/entity/{schema.id}").json.get("columnIds") or ()
    if [str(one) for one in current] != list(schema.properties["columnIds"]):
        raise ValueError(
            f"The columns of {schema.id} were changed since its schema was read, and the rows "
            f"have no column names. Get the schema again with syn.get({schema.id!r}), and create "
            "the table from it."
        )


def _store_by_type(syn: Session, rows: Rows) -> tuple[Any, bool]:
    """Store rows; return the result for `store_rows`, and whether there were any rows."""
    if isinstance(rows, CsvFileTable):
        is_empty = rows.is_empty()
        if not is_empty:
            rows.etag = _upload_csv(syn, rows.to_uploadable()) or rows.etag
        return rows, not is_empty
    if isinstance(rows, RowSetTable):
        return _append_table(syn, rows), bool(len(rows))
    if isinstance(rows, AbstractTable):
        raise SynapseError(
            "The result of a query with resultsAs='rowset' cannot be stored: convert it to a "
            "DataFrame or a RowSet, or query with resultsAs='csv'."
        )
    return DictObject(_append_rows(syn, rows)), bool(rows["rows"])


def _upload_csv(syn: Session, table: CsvFileTable) -> str | None:
    """Upload a CSV file, store its rows in its table, and return the etag of the change."""
    has_valid_name = entity_names.is_valid_name(Path(table.filepath).name)
    uploaded = upload.upload_file(
        syn,
        table.filepath,
        content_type="text/csv",
        file_name=None if has_valid_name else _CSV_NAME,
    )
    table_id = _table_id(table)
    change = table_transactions.upload_request(
        table_id,
        uploaded.file_handle_id,
        table.dialect.to_descriptor(header=table.header),
        lines_to_skip=table.linesToSkip,
        etag=table.etag,
    )
    try:
        return _run_change(syn, table_id, change).get("etag")
    except SynapseBadRequestError as error:
        advice = _explain_header(syn, table)
        if advice is None:
            raise
        details = {"error_code": error.error_code, "advice": advice}
        raise SynapseHTTPError.of(
            error.status, error.reason, error.call, error.response, **details
        ) from error


def _explain_header(syn: Session, table: CsvFileTable) -> str | None:
    """Return why the header of a rejected file, whose columns were unknown, may be invalid."""
    if not table.header or table.known_columns() is not None:
        return None
    known = list(columns.getTableColumns(syn, _table_id(table)))
    names = [str(one["name"]) for one in known]
    header = [str(one.get("name")) for one in table.columns()]
    valid = {*names, *ROW_METADATA, *(str(one["id"]) for one in known)}
    unknown = [name for name in header if name not in valid]
    if not unknown:
        return None
    return (
        f"The columns of the table are {', '.join(map(repr, names)):.200}"
        f"{suggest_names(unknown, names)}"
    )


def _append_rows(syn: Session, rows: RowSet | PartialRowset) -> dict[str, Any]:
    table_id = _table_id(rows)
    body = _serialize_rows(syn, table_id, rows)
    size = len(json.dumps(body).encode())
    if size > MAX_REQUEST_SIZE:
        raise ValueError(
            f"Cannot append {len(rows['rows'])} rows of {size} bytes: Synapse accepts at most "
            f"{MAX_REQUEST_SIZE} bytes in one request. Store them as Table(schema, rows), which "
            "uploads a file."
        )
    result = _run_change(syn, table_id, table_transactions.append_request(table_id, body))
    return dict(result.get("rowReferenceSet") or {})


def _serialize_rows(syn: Session, table_id: str, rows: RowSet | PartialRowset) -> dict[str, Any]:
    """Convert rows to the JSON of the REST API; look up the types of columns if needed."""
    if rows.is_typed():
        return rows.to_json()
    adds_rows = any(
        not isinstance(row, Mapping) or get_row_metadata(row) is None for row in rows["rows"]
    )
    return rows.to_json(columns.get_columns_for_rows(syn, table_id, adds_rows=adds_rows))


def _run_change(syn: Session, table_id: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run a transaction of one change and return the result of that change."""
    response = table_transactions.run_transaction(syn, table_id, [change])
    results: list[Mapping[str, Any]] = response.get("results") or [{}]
    return results[0]


def _append_table(syn: Session, table: RowSetTable) -> RowSetTable:
    """Append the row set of a table; return a table whose rows have the new row IDs."""
    known = {one["name"]: one for one in table.known_columns() or ()}
    headers = [
        one if one.get("id") else SelectColumn.from_column(known.get(one.get("name"), one))
        for one in table.headers or ()
    ]
    rowset = RowSet(**{**table.asRowSet(), "headers": headers})
    rowset["tableId"] = _table_id(table)
    reference = _append_rows(syn, rowset)
    rows = [
        Row(list(row["values"] if isinstance(row, Mapping) else row), **reference_row)
        for row, reference_row in zip(rowset["rows"], reference.get("rows") or (), strict=False)
    ]
    stored = RowSet(
        headers=rowset["headers"],
        rows=rows,
        tableId=rowset["tableId"],
        etag=reference.get("etag"),
    )
    return RowSetTable(table.schema if table.schema is not None else table.tableId, stored)


def _finish_write(syn: Session, rows: Rows, activity_id: str | None, *, changed: bool) -> None:
    """Link the Activity to the current version of a table, and emit a `Wrote` event."""
    table_id = _table_id(rows)
    if activity_id is not None:
        provenance.link_activity(syn, table_id, activity_id)
    if syn.has_listeners:
        is_given = activity_id is not None
        syn.emit_table_change(table_id, changed=changed, activity_given=is_given)


def _row_ids(rows: Rows) -> Iterator[tuple[int, int | None]]:
    """Iterate over the IDs and versions of rows."""
    if isinstance(rows, PartialRowset):
        raise SynapseError("Can't delete partial rows. Pass a RowSet, or the result of a query.")
    if isinstance(rows, TableQueryResult) and rows.is_partly_read:
        raise SynapseError(
            "Can't delete the rows of a query result that was partly read. Query again."
        )
    table = RowSetTable(rows.get("tableId"), rows) if isinstance(rows, RowSet) else rows
    return ((row.row_id, row.row_version) for row in table.iter_row_metadata())


def _table_id(rows: Rows) -> str:
    found = rows.tableId if isinstance(rows, AbstractTable) else rows.get("tableId")
    if found is None:
        raise ValueError("The rows have no table ID: store the Schema first, or set tableId.")
    return parse_entity_id(found).id
