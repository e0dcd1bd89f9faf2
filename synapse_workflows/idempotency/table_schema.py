"""Creation of tables, and of missing columns, with the columns of the rows to store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import columns as table_columns
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.errors import (
    RetryCategory,
    SynapseConflictError,
    SynapseError,
    SynapseJobError,
)
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.constants import TABLE
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.table_reader import TableReader
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import check_flags, require_text

#: What happens to columns of the rows that the table does not have: `fail` raises an error, `add`
#: adds them to the table.
NewColumns = Literal["fail", "add"]

#: Minimum size of new text columns, in characters: later rows often have longer text.
_MIN_TEXT_SIZE: Final = 250
#: Maximum size of all text columns of a table that are widened to the minimum, in characters:
#: half of what Synapse allows in a row.
_MAX_WIDENED_SIZE: Final = 8000


@dataclass(frozen=True)
class TableLocation:
    """Parent and name of a table.

    Args:
        parent_id: ID of a project or folder.
        name: Name of the table.
    """

    parent_id: str
    name: str

    @classmethod
    def from_arguments(
        cls, parent_id: str | None, name: str | None, *, create: bool
    ) -> Self | None:
        """Check the arguments of an operator; return None unless `create`.

        Raises:
            AirflowFailException: `create` is set without parent and name, or they are given
                without `create`, or `create` is not a boolean.
        """
        check_flags(create=create)
        for argument, value in (("parent_id", parent_id), ("name", name)):
            if create and value is None:
                raise AirflowFailException(
                    f"create=True requires {argument}: the table is created in parent_id with the "
                    f"name, unless it exists. Set {argument} or remove create"
                )
            if not create and value is not None:
                raise AirflowFailException(
                    f"{argument}={value!r} requires create=True. Remove {argument} or set "
                    "create=True"
                )
        if not create:
            return None
        return cls(require_text(parent_id, "parent_id"), require_text(name, "name"))


@dataclass(frozen=True)
class CreatedTable:
    """A table for the rows to store.

    Args:
        table_id: `syn123`.
        etag: Etag of the new table; None if the table existed before.
    """

    table_id: str
    etag: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether the table was created for the rows."""
        return self.etag is not None


def require_columns(client: LineageClient, table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the columns of a table.

    Args:
        client: Sends the requests.
        table: JSON of the table.

    Raises:
        AirflowFailException: The entity is not a table or has no columns.
    """
    table_id, concrete_type = table["id"], table["concreteType"]
    if concrete_type != TABLE:
        raise AirflowFailException(
            f"Invalid table_id {table_id!r}: it is a {concrete_type.rpartition('.')[2]}, not a "
            "table"
        )
    columns: list[Mapping[str, Any]] = [*table_columns.getTableColumns(client, table_id)]
    if not columns:
        raise AirflowFailException(
            f"{table_id} has no columns to store rows in. Add some: "
            "schema.addColumn(Column(name='age', columnType='INTEGER')), then store the schema"
        )
    return columns


def get_or_create_table(
    client: LineageClient, location: TableLocation, source: RowSource
) -> CreatedTable:
    """Return the table with a name in a parent; create it with the columns of the rows.

    If another task creates the table at the same time, its table is returned.

    Args:
        client: Sends the requests.
        location: Parent and name of the table.
        source: The rows.

    Raises:
        AirflowFailException: The table does not exist, and there are no rows to infer the types of
            its columns from.
        SynapseForbiddenError: The caller may not create the table.
        SynapseNotFoundError: The parent does not exist.
        SynapseBadRequestError: The name or the columns are invalid.
    """
    name, parent_id = location.name, location.parent_id
    table_id = client.findEntityId(name, parent_id)
    if table_id is not None:
        return CreatedTable(table_id)
    columns = _widen_text(source.infer_columns())
    if not columns:
        raise AirflowFailException(
            f"{source.label} has no rows, so the types of the columns of the new table {name!r} "
            "are unknown. Pass rows, or create the table before this task: "
            "store(Schema(name, columns, parent))"
        )
    try:
        with (
            _explained(f"Cannot create the table {name!r} in {parent_id} for {source.label}"),
            client.without_lineage(),
        ):  # the Activity is recorded when the rows are stored
            schema = Schema(name, columns, parent=parent_id)
            created = client.store(schema, createOrUpdate=False)
    except SynapseConflictError:
        table_id = client.findEntityId(name, parent_id)
        if table_id is None:
            raise
        return CreatedTable(table_id)
    client.logger.info("Created table %s (%s) in %s", created.id, name, parent_id)
    return CreatedTable(created.id, created["etag"])


@contextmanager
def _explained(problem: str) -> Iterator[None]:
    """Convert the errors of the client for invalid arguments to AirflowFailException."""
    try:
        yield
    except ValueError as error:
        raise AirflowFailException(f"{problem}: {error}") from error


@contextmanager
def removed_on_refusal(client: LineageClient, table: CreatedTable) -> Iterator[None]:
    """Delete a new table if Synapse or a check rejects the rows in the block.

    A table that was changed meanwhile is kept.

    Args:
        client: Sends the requests.
        table: The table.
    """
    try:
        yield
    except (AirflowFailException, SynapseError) as error:
        if table.etag is not None and _is_refusal(error):
            _delete_unchanged(client, table)
        raise


def _is_refusal(error: Exception) -> bool:
    """Return whether no transaction can be running after an error."""
    is_permanent = (
        isinstance(error, SynapseError) and error.retry_category is RetryCategory.PERMANENT
    )
    return is_permanent or isinstance(error, AirflowFailException | SynapseJobError)


def _delete_unchanged(client: LineageClient, table: CreatedTable) -> None:
    try:
        entity = client.call("GET", f"/entity/{table.table_id}").json
        if entity["etag"] != table.etag or TableReader(client, table.table_id).max_row_id():
            return
        client.call("DELETE", f"/entity/{table.table_id}")
    except SynapseError as error:
        client.logger.warning("Cannot delete the new table %s: %s", table.table_id, error)
    else:
        client.logger.info("Deleted the new table %s, which has no rows", table.table_id)


def infer_new_columns(
    columns: list[Mapping[str, Any]], source: RowSource
) -> list[Mapping[str, Any]]:
    """Infer the columns of the rows that a table does not have.

    Args:
        columns: Columns of the table.
        source: The rows.

    Raises:
        AirflowFailException: The source cannot be read, the values of a column have no common
            type, or the name of a column differs only in case from a column of the table.
    """
    unknown = source.find_unknown(columns)
    if not unknown:
        return []
    _require_other_names(unknown, columns, source.label)
    inferred = [one for one in source.infer_columns() if one["name"] in unknown]
    return [*_widen_text(inferred, existing=columns)]


def _require_other_names(
    unknown: Sequence[str], columns: Sequence[Mapping[str, Any]], label: str
) -> None:
    """Check that no new column has the name of an existing column in another case."""
    existing = {str(column["name"]).casefold(): column["name"] for column in columns}
    similar = {name: existing[key] for name in unknown if (key := name.casefold()) in existing}
    if similar:
        raise AirflowFailException(
            f"new_columns='add' would add columns of {label} whose names differ only in upper and "
            f"lower case from columns of the table: {similar}. Set match_case=False to store them "
            "in the existing columns; or rename them, or add the columns before this task"
        )


def _widen_text(columns: list[Column], existing: Sequence[Mapping[str, Any]] = ()) -> list[Column]:
    """Widen new text columns to the minimum size, if the table then fits into the row limit."""
    text = [one for one in columns if one["columnType"] == "STRING"]
    sizes = [max(one["maximumSize"], _MIN_TEXT_SIZE) for one in text]
    used = [int(one.get("maximumSize") or 0) for one in existing if one["columnType"] == "STRING"]
    if sum(sizes) + sum(used) <= _MAX_WIDENED_SIZE:
        for column, size in zip(text, sizes, strict=True):
            column["maximumSize"] = size
    return columns


def add_columns(
    client: LineageClient, table_id: str, inferred: list[Mapping[str, Any]], source: RowSource
) -> list[Mapping[str, Any]]:
    """Add columns to a table; return all its columns.

    If another task adds a column with the same name at the same time, its column is used.

    Args:
        client: Sends the requests.
        table_id: `syn123`.
        inferred: The columns to add.
        source: The rows.

    Raises:
        SynapseForbiddenError: The caller may not change the table.
        SynapseBadRequestError: Synapse rejected the columns.
    """

    def add() -> list[Mapping[str, Any]]:
        entity = client.call("GET", f"/entity/{table_id}").json
        current: list[Mapping[str, Any]] = [*table_columns.getTableColumns(client, table_id)]
        unknown = source.find_unknown(current)
        new = [column for column in inferred if column["name"] in unknown]
        if not new:
            return current
        with _explained(f"Cannot add the columns {unknown} of {source.label} to {table_id}"):
            created = table_columns.createColumns(client, new)
        column_ids = [str(column["id"]) for column in (*current, *created)]
        client.call("PUT", f"/entity/{table_id}", json={**entity, "columnIds": column_ids})
        client.logger.info("%s: added the columns %s", table_id, unknown)
        return [*current, *created]

    return retry_stale(add)
