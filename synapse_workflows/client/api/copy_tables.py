"""Copies of tables with their rows.

The rows of a table are stored in several steps. Until they are complete, the copy has a temporary
name, so that an interrupted copy is not mistaken for a complete one. The next copy of the same
table deletes it.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final
from uuid import uuid4

from synapse_workflows.client.api import children, copy_files, queries, table_rows
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.entity_names import MAX_LENGTH

_FILE_HANDLE: Final = "FILEHANDLEID"
_BY_ANOTHER_COPY: Final = (
    "during the copy: another copy of the same table has started. Copy again after it, or run one "
    "copy at a time."
)


def copy_table(
    syn: Session,
    source: Mapping[str, Any],
    version: int | None,
    target: Mapping[str, str],
    create: Callable[[str], str],
) -> str:
    """Copy a table with its rows, and return the ID of the copy.

    Args:
        syn: The session that sends the requests.
        source: Properties of the table.
        version: Version whose rows are copied; None for the current rows.
        target: ``parentId`` and ``name`` of the copy.
        create: Creates the copy, without rows, under the given name; returns its ID.

    Raises:
        SynapseConflictError: The name is used in the container.
        SynapseError: Another copy of the same table has started. A retry completes the copy.
        ValueError: The rows have more than 1 GiB.

    Source:
        POST /entity, POST /entity/{id}/table/download/csv/async/start,
        POST /entity/{id}/table/transaction/async/start, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
    """
    parent, name = target["parentId"], target["name"]
    suffix = f" (copy of {source['id']} in progress)"
    temporary = name[: MAX_LENGTH - len(suffix)] + suffix
    _delete_interrupted(syn, temporary, parent)
    try:
        copy_id = create(temporary)
    except SynapseConflictError as error:
        raise SynapseError(f"{temporary!r} was created {_BY_ANOTHER_COPY}") from error
    try:
        if source.get("columnIds"):
            rows = _read_rows(syn, str(source["id"]), version)
            table_rows.append_unannounced(syn, _as_new_rows(syn, source, rows, copy_id))
        rename(syn, copy_id, temporary, name)
    except (SynapseError, ValueError) as error:
        if not _exists(syn, copy_id):
            raise SynapseError(f"{copy_id} was deleted {_BY_ANOTHER_COPY}") from error
        _delete(syn, copy_id)
        raise
    return copy_id


def has_same_rows(syn: Session, source_id: str, version: int | None, copy_id: str) -> bool:
    """Return whether two tables with the same columns have the same rows in the same order.

    IDs of file handles are not compared, because a copy has its own.

    Args:
        syn: The session that sends the requests.
        source_id: ID of a table.
        version: Version of that table; None for the current rows.
        copy_id: ID of the other table.
    """
    first, second = _read_rows(syn, source_id, version), _read_rows(syn, copy_id, None)
    files = _file_columns(first)

    def normalize(row: list[Any]) -> list[Any]:
        # as text, because NaN differs from itself
        return [
            None if cell is None else "" if index in files else repr(cell)
            for index, cell in enumerate(row)
        ]

    pairs = zip_longest(map(normalize, first), map(normalize, second))
    return all(one == other for one, other in pairs)


def rename(syn: Session, entity_id: str, current: str, name: str) -> None:
    """Rename an entity that has a temporary name.

    Raises:
        SynapseError: The entity has neither the temporary nor the new name.
        SynapseConflictError: The name is used in the container.

    Source:
        GET /entity/{id}, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """

    def update() -> None:
        entity = syn.call("GET", f"/entity/{entity_id}").object
        if entity["name"] == name:
            return
        if entity["name"] != current:
            raise SynapseError(f"{entity_id} was renamed to {entity['name']!r} {_BY_ANOTHER_COPY}")
        syn.call("PUT", f"/entity/{entity_id}", json={**entity, "name": name})

    retry_stale(update)


def _delete_interrupted(syn: Session, name: str, parent: str) -> None:
    """Delete the table that an interrupted copy left.

    It is renamed first: the rename fails if the other copy is still running and completes it.
    """
    found = children.findEntityId(syn, name, parent)
    if found is None:
        return
    syn.logger.warning("Deleting %s, which an interrupted copy left: %r", found, name)
    try:
        rename(syn, found, name, f"interrupted copy {uuid4()}")
        syn.call("DELETE", f"/entity/{found}")
    except SynapseNotFoundError:  # another copy has deleted it
        return


def _exists(syn: Session, entity_id: str) -> bool:
    try:
        syn.call("GET", f"/entity/{entity_id}/type")
    except SynapseNotFoundError:
        return False
    except SynapseError:  # the caller raises the first error
        return True
    return True


def _delete(syn: Session, entity_id: str) -> None:
    try:
        syn.call("DELETE", f"/entity/{entity_id}")
    except SynapseNotFoundError:
        return
    except SynapseError as error:
        syn.logger.warning("Cannot delete the incomplete copy %s: %s", entity_id, error)


def _read_rows(syn: Session, table_id: str, version: int | None) -> CsvFileTable:
    suffix = "" if version is None else f".{version}"
    sql = f"select * from {table_id}{suffix}"  # noqa: S608 - an ID and a number
    return queries.tableQuery(syn, sql, includeRowIdAndRowVersion=False)


def _file_columns(rows: CsvFileTable) -> set[int]:
    """Return the positions of the columns of file handles."""
    headers = rows.headers or ()
    return {index for index, one in enumerate(headers) if one["columnType"] == _FILE_HANDLE}


def _as_new_rows(
    syn: Session, source: Mapping[str, Any], rows: CsvFileTable, copy_id: str
) -> CsvFileTable:
    """Return the rows for another table, with copies of their files."""
    columns = _file_columns(rows)
    if not columns:
        return CsvFileTable(copy_id, rows.filepath, lineEnd=rows.dialect.line_end)
    used = {str(row[index]) for row in rows for index in columns if row[index] is not None}
    originals = sorted(used, key=int)
    copies = dict(
        zip(
            originals,
            copy_files.copy_file_handles(syn, originals, "TableEntity", str(source["id"])),
            strict=True,
        )
    )

    def translate() -> Iterator[list[Any]]:
        for row in rows:
            yield [
                copies[str(cell)] if index in columns and cell is not None else cell
                for index, cell in enumerate(row)
            ]

    return CsvFileTable.from_list_of_rows(copy_id, translate())
