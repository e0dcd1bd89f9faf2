"""Entities and rows that tests prepare or check, with as few requests as possible.

A third of the requests of a small test would prepare its entities if it stored them with
`Synapse.store`, which returns all properties of an entity and uploads the rows of a `Table`.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from synapse_workflows import Column, RowSet
from synapse_workflows.constants import FILE, PROJECT, TABLE


def create_project(syn: Any, name: str) -> str:
    """Create a project; return its ID."""
    return _create(syn, PROJECT, name)


def create_file(syn: Any, parent: str, name: str, file_handle: str) -> str:
    """Create a file with the content of a file handle; return its ID."""
    return _create(syn, FILE, name, parentId=parent, dataFileHandleId=file_handle)


def create_table(syn: Any, parent: str, name: str, columns: Iterable[Column]) -> str:
    """Create a table without rows; return its ID."""
    ids = [column.id for column in syn.createColumns(columns)]
    return _create(syn, TABLE, name, parentId=parent, columnIds=ids)


def append_rows(syn: Any, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows, which have a value for each column of the table."""
    columns = [Column(**one) for one in syn.restGET(f"/entity/{table}/column")["results"]]
    syn.store(RowSet(columns, tableId=table, rows=[list(row) for row in rows]))


def read_rows(syn: Any, table: str, *, ids: bool = False) -> list[list[Any]]:
    """Return the values of all rows of a table in the order of their IDs.

    Args:
        syn: the client that sends the requests.
        table: ID of the table.
        ids: whether each row starts with its ID and its version, as text.
    """
    result = syn.tableQuery(f"select * from {table} order by ROW_ID", resultsAs="rowset")
    return [
        [str(row["rowId"]), str(row["versionNumber"]), *row["values"]] if ids else row["values"]
        for row in result
    ]


def _create(syn: Any, kind: str, name: str, **fields: Any) -> str:
    body = {"concreteType": kind, "name": name, **fields}
    return str(syn.restPOST("/entity", json.dumps(body))["id"])
