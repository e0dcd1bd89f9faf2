"""Rows of tables: stored and deleted, all of one call or none of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api import provenance, table_transactions
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.model.rows import PartialRowset, Row, RowSet
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.client.model.tables import AbstractTable, RowSetTable
from synapse_workflows.client.transfer import upload
from synapse_workflows.constants import ROW_ID, ROW_VERSION, GiB, MiB

#: What `store` and `delete` take for rows of a table.
ROW_TYPES: Final = (AbstractTable, RowSet, PartialRowset)
#: Bytes of rows that Synapse takes in one request.
MAX_REQUEST_SIZE: Final = 2 * MiB
#: Bytes of a CSV file of rows.
MAX_FILE_SIZE: Final = GiB

Rows = AbstractTable | RowSet | PartialRowset


def store_rows(
    syn: Session,
    rows: Rows,
    made_by: Mapping[str, Any] | None,
    store_schema: Callable[[SchemaBase], SchemaBase],
) -> Any:
    """Add rows to a table, or change those that name their row id.

    Args:
        syn: The session that makes the calls.
        rows: A `Table`, a `RowSet` or a `PartialRowset`.
        made_by: The Activity for the present version of the table; None for none.
        store_schema: Stores a schema that is not in Synapse yet, or has new columns.

    Returns:
        For a `Table` the same, with its schema and etag as they are now; for a row set the
        ``rowReferenceSet``, which says the id and version of every row.

    Raises:
        ValueError: Rows do not fit the table, or are too many for one row set.
        SynapseError: The rows are the result of a query page by page, or not all were updated.
        SynapseBadRequestError: Synapse cannot take a cell; nothing was stored.
        SynapseStaleError: A row was changed since it was read; nothing was stored.
        SynapseForbiddenError: The caller may not change the table.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    if isinstance(rows, AbstractTable):
        _require_columns(rows)
        _store_schema(syn, rows, store_schema)
    stored, changed = _store_by_type(syn, rows)
    _finish_write(syn, rows, made_by, changed=changed)
    return stored


def delete_rows(syn: Session, rows: Rows) -> None:
    """Delete rows of a table.

    Args:
        syn: The session that makes the calls.
        rows: The result of a query, or a row set whose rows have ids and versions.

    Raises:
        ValueError: They do not say which rows they are.
        SynapseStaleError: A row was changed since it was read; nothing was deleted.
        SynapseForbiddenError: The caller may not change the table.

    Source:
        POST /entity/{id}/table/transaction/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    named = ({ROW_ID: row_id, ROW_VERSION: version} for row_id, version in _row_ids(rows))
    doomed = CsvFileTable.from_list_of_rows(_table_id(rows), named)
    if not doomed.is_empty():
        _upload_csv(syn, doomed)
        _finish_write(syn, rows, None, changed=True)


def _require_columns(rows: AbstractTable) -> None:
    """Check that a table has columns, and those that the rows have."""
    if rows.schema is not None and not rows.schema.has_columns():
        raise ValueError(
            f"Table {rows.schema.get('name')!r} has no columns to store rows in: give it some, "
            "schema.addColumn(Column(name='age', columnType='INTEGER'))."
        )
    if isinstance(rows, CsvFileTable):
        rows.validate()
        size = Path(rows.filepath).stat().st_size
        if size > MAX_FILE_SIZE:
            raise ValueError(
                f"{rows.filepath} has {size} bytes, and Synapse reads CSV files of at most "
                f"{MAX_FILE_SIZE}. Store the rows in several pieces."
            )


def _store_schema(
    syn: Session, rows: AbstractTable, store_schema: Callable[[SchemaBase], SchemaBase]
) -> None:
    """Have the table of some rows in Synapse, with all of its columns."""
    schema = rows.schema
    if schema is None:
        return
    if not schema.get("id") or schema.columns_to_store:
        rows.bind_schema(store_schema(schema))
    elif isinstance(rows, CsvFileTable) and not rows.header:
        _require_column_order(syn, schema)


def _require_column_order(syn: Session, schema: SchemaBase) -> None:
    """Check that a table has the columns still that its schema says, in their order.

    That is all that tells where rows belong that do not name their columns.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    now = syn.call("GET", f"/entity/{schema.id}").json.get("columnIds") or ()
    if [str(one) for one in now] != list(schema.properties["columnIds"]):
        raise ValueError(
            f"The columns of {schema.id} were changed since its schema was read, and the rows do "
            f"not name theirs. Get it again, syn.get({schema.id!r}), and make the table of that."
        )


def _store_by_type(syn: Session, rows: Rows) -> tuple[Any, bool]:
    """Store rows; tell what to return for them, and whether there was anything to store."""
    if isinstance(rows, CsvFileTable):
        empty = rows.is_empty()
        if not empty:
            rows.etag = _upload_csv(syn, rows.to_uploadable()) or rows.etag
        return rows, not empty
    if isinstance(rows, RowSetTable):
        return _append_table(syn, rows), bool(len(rows))
    if isinstance(rows, AbstractTable):
        raise SynapseError(
            "The result of a query that comes page by page cannot be stored: make a DataFrame or "
            "a RowSet of it, or query with resultsAs='csv'."
        )
    return DictObject(_append_rows(syn, rows)), bool(rows["rows"])


def _upload_csv(syn: Session, table: CsvFileTable) -> str | None:
    """Upload a CSV file and have it read into its table; return the etag of the change."""
    uploaded = upload.upload_file(syn, table.filepath, content_type="text/csv")
    table_id = _table_id(table)
    change = table_transactions.upload_request(
        table_id,
        uploaded.file_handle_id,
        table.dialect.to_descriptor(header=table.header),
        lines_to_skip=table.linesToSkip,
        etag=table.etag,
    )
    return _run_change(syn, table_id, change).get("etag")


def _append_rows(syn: Session, rows: RowSet | PartialRowset) -> dict[str, Any]:
    table_id = _table_id(rows)
    said = rows.to_json() if isinstance(rows, RowSet) else dict(rows)
    size = len(json.dumps(said).encode())
    if size > MAX_REQUEST_SIZE:
        raise ValueError(
            f"Cannot append {len(rows['rows'])} rows of {size} bytes: Synapse accepts at most "
            f"{MAX_REQUEST_SIZE} bytes in one request. Store them as Table(schema, rows), which "
            "uploads a file."
        )
    result = _run_change(syn, table_id, table_transactions.append_request(table_id, said))
    return dict(result.get("rowReferenceSet") or {})


def _run_change(syn: Session, table_id: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run a transaction of one change and return the result of that change."""
    response = table_transactions.run_transaction(syn, table_id, [change])
    results: list[Mapping[str, Any]] = response.get("results") or [{}]
    return results[0]


def _append_table(syn: Session, table: RowSetTable) -> RowSetTable:
    """Store the row set of a table; its rows then say which ones they are."""
    columns = {one["name"]: one for one in table.known_columns() or ()}
    headers = [
        one if one.get("id") else SelectColumn.from_column(columns.get(one.get("name"), one))
        for one in table.headers or ()
    ]
    rowset = RowSet(**{**table.asRowSet(), "headers": headers})
    rowset["tableId"] = _table_id(table)
    reference = _append_rows(syn, rowset)
    rows = [
        Row(list(row["values"] if isinstance(row, Mapping) else row), **where)
        for row, where in zip(rowset["rows"], reference.get("rows") or (), strict=False)
    ]
    facts = {"tableId": rowset["tableId"], "etag": reference.get("etag")}
    made = RowSet(headers=rowset["headers"], rows=rows, **facts)
    return RowSetTable(table.schema if table.schema is not None else table.tableId, made)


def _finish_write(
    syn: Session, rows: Rows, made_by: Mapping[str, Any] | None, *, changed: bool
) -> None:
    """Say what made the present version of a table, and announce that it was written.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    table_id = _table_id(rows)
    if made_by is not None:
        provenance.setProvenance(syn, table_id, made_by)
    if not syn.is_heard:
        return
    entity = syn.call("GET", f"/entity/{table_id}").json
    syn.announce(
        Wrote(
            entity_id=table_id,
            version=entity.get("versionNumber"),
            name=entity.get("name"),
            concrete_type=entity.get("concreteType"),
            parent_id=entity.get("parentId"),
            changed=changed,
            activity_given=made_by is not None,
        )
    )


def _row_ids(rows: Rows) -> Iterator[tuple[int, int | None]]:
    """Go through the ids of rows and the versions in which they were read."""
    if isinstance(rows, PartialRowset):
        raise SynapseError("Can't delete parts of rows. Give a RowSet, or the result of a query.")
    if isinstance(rows, TableQueryResult) and rows.is_partly_read:
        raise SynapseError(
            "Can't delete what is left of a result whose rows were taken out already. Query again."
        )
    table = RowSetTable(rows.get("tableId"), rows) if isinstance(rows, RowSet) else rows
    return ((row.row_id, row.row_version) for row in table.iter_row_metadata())


def _table_id(rows: Rows) -> str:
    found = rows.tableId if isinstance(rows, AbstractTable) else rows.get("tableId")
    if found is None:
        raise ValueError("The rows do not say of which table they are: store the Schema first")
    return parse_entity_id(found).id
