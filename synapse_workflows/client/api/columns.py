"""Columns of tables: create, get and list column models."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.argument_types import ColumnTypeName
from synapse_workflows.client.model.columns import Column, validate_columns
from synapse_workflows.client.model.ids import id_of, is_synapse_id, parse_entity_id
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.constants import MATERIALIZED_VIEW, MODEL, TABLE, ColumnType

_LIST: Final = f"{MODEL}.ListWrapper"


def createColumn(
    syn: Session,
    name: str,
    columnType: ColumnType | ColumnTypeName,
    maximumSize: int | None = None,
    defaultValue: str | None = None,
    enumValues: Iterable[str] | None = None,
) -> Column:
    """Create a column, or get the existing column with the same properties.

    Args:
        syn: The session that sends the request.
        name: Name of the column.
        columnType: One of `ColumnType`, for example ``STRING``.
        maximumSize: Maximum number of characters in a STRING or LINK cell, 1 to 1000.
        defaultValue: Value of cells that are stored without a value.
        enumValues: Allowed values; None for any value.

    Returns:
        The column, with its ``id``.

    Raises:
        ValueError: `name` is empty, or `columnType` is unknown.
        SynapseBadRequestError: Synapse rejected the column.

    Source:
        POST /column
        https://rest-docs.synapse.org/rest/POST/column.html
    """
    properties: dict[str, Any] = {
        "name": name,
        "columnType": columnType,
        "maximumSize": maximumSize,
        "defaultValue": defaultValue,
        "enumValues": None if enumValues is None else list(enumValues),
    }
    column = Column(**{key: value for key, value in properties.items() if value is not None})
    validate_columns([column])
    return Column(**syn.call("POST", "/column", json=column, repeatable=True).json)


def createColumns(syn: Session, columns: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Create columns, or get the existing columns with the same properties.

    Args:
        syn: The session that sends the request.
        columns: `Column` objects.

    Returns:
        The columns in the same order, with their ``id``.

    Raises:
        ValueError: A column has no name, or an unknown type.
        TypeError: `columns` is not an iterable of columns.
        SynapseBadRequestError: Synapse rejected a column.

    Source:
        POST /column/batch
        https://rest-docs.synapse.org/rest/POST/column/batch.html
    """
    listed = _parse_columns(columns)
    validate_columns(listed)
    body = {"concreteType": _LIST, "list": listed}
    reply = syn.call("POST", "/column/batch", json=body, repeatable=True)
    return [Column(**one) for one in reply.json["list"]]


def _parse_columns(columns: object) -> list[dict[str, Any]]:
    """Return the properties of columns, after a check of the types."""
    is_list = isinstance(columns, Iterable) and not isinstance(columns, str | Mapping)
    listed = list(columns) if isinstance(columns, Iterable) else []
    wrong = [one for one in listed if not isinstance(one, Mapping)] if is_list else [columns]
    if wrong:
        raise TypeError(
            "createColumns takes a list of columns, for example "
            f"[Column(name='age', columnType='INTEGER')], not {wrong[0]!r:.100}."
        )
    return [dict(one) for one in listed]


def getColumn(syn: Session, id: Any) -> Column:
    """Get a column by its ID.

    Args:
        syn: The session that sends the request.
        id: The ID of the column, or an object with an ``id``.

    Returns:
        The column.

    Raises:
        ValueError: `id` has no ID.
        SynapseNotFoundError: The column does not exist.

    Source:
        GET /column/{columnId}
        https://rest-docs.synapse.org/rest/GET/column/columnId.html
    """
    return Column(**syn.call("GET", Column.getURI(id_of(id))).json)


def getColumns(syn: Session, x: Any, limit: int = 100, offset: int = 0) -> Iterator[Column]:
    """Iterate over the columns of a table, with given IDs, or with a name prefix.

    Args:
        syn: The session that sends the requests.
        x: A `Schema` or the ID of a table; a list of column IDs or headers (headers without an
            ID, such as aggregates, are skipped); a prefix of column names; or None for all
            columns in Synapse.
        limit: Page size, 1 to 100; only used if `x` is a name prefix or None.
        offset: Number of columns to skip; only used if `x` is a name prefix or None.

    Returns:
        An iterator over columns. The iterator sends its first request when the first column is
        read.

    Raises:
        ValueError: `x` has an unsupported type or value.
        SynapseNotFoundError: The table or a column does not exist.

    Source:
        GET /column, GET /column/{columnId}, GET /entity/{id}/column
        https://rest-docs.synapse.org/rest/GET/column.html
    """
    if isinstance(x, SchemaBase) or is_synapse_id(x):
        return getTableColumns(syn, x)
    if isinstance(x, list | tuple):
        ids = [str(one.get("id") if isinstance(one, Mapping) else one).strip() for one in x]
        return (getColumn(syn, one) for one in ids if one.isascii() and one.isdecimal())
    if x is not None and not isinstance(x, str):
        raise ValueError(
            f"Can't get columns for a {type(x).__name__}: pass a Schema, the ID of a table, a "
            "list of column IDs, or a prefix of column names."
        )
    call = flows.with_offset(Call("GET", "/column", params={"prefix": x or None}), limit, offset)
    return (Column(**one) for one in syn.iter_items(call))


def getTableColumns(syn: Session, table: Any) -> Iterator[Column]:
    """Iterate over the columns of a table, in their order.

    Synapse limits this request to six calls per minute. If the limit is exceeded, the client
    waits and retries.

    Args:
        syn: The session that sends the request.
        table: A table, or its ID (``syn123``, or ``syn123.4`` for the columns of a snapshot).

    Yields:
        The columns.

    Raises:
        SynapseNotFoundError: The table does not exist.
        SynapseForbiddenError: The caller may not read the table.

    Source:
        GET /entity/{id}/column
        https://rest-docs.synapse.org/rest/GET/entity/id/column.html
    """
    target = parse_entity_id(table)
    versioned = target.id if target.version is None else f"{target.id}.{target.version}"
    for one in syn.call("GET", f"/entity/{versioned}/column").json.get("results") or ():
        yield Column(**one)


def get_columns_for_rows(syn: Session, table: str, *, adds_rows: bool) -> list[Column]:
    """Get the columns of a table or view, to store rows in it.

    Args:
        syn: The session that sends the request.
        table: ``syn123``.
        adds_rows: Whether some of the rows are new; a view takes updates only.

    Returns:
        The columns, in their order.

    Raises:
        ValueError: The entity is not a table or view, is a view and some rows are new, or is a
            materialized view.
        SynapseNotFoundError: The table does not exist.
        SynapseForbiddenError: The caller may not read the table.

    Source:
        POST /entity/{id}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    request = {"includeEntity": True, "includeTableBundle": True}
    bundle = syn.call("POST", f"/entity/{table}/bundle2", json=request, repeatable=True).json
    concrete_type = bundle["entity"]["concreteType"]
    name = concrete_type.rpartition(".")[2]
    if "tableBundle" not in bundle:
        raise ValueError(
            f"Cannot store rows in {table}: it is of type {name}, which has no rows. Pass the ID "
            "of a table."
        )
    if concrete_type == MATERIALIZED_VIEW:
        raise build_read_only_error(table)
    if adds_rows and concrete_type != TABLE:
        raise ValueError(
            f"Cannot add rows to {table}: it is of type {name}, whose rows follow from other "
            "entities. Pass the ID of a table; or, to change annotations through a view, pass "
            "the rows of a query of it, which have row IDs and etags."
        )
    return [Column(**one) for one in bundle["tableBundle"].get("columnModels") or ()]


def build_read_only_error(view: Any) -> ValueError:
    """Return the error for rows to store in a materialized view."""
    return ValueError(
        f"Cannot store rows in {view}: it is a materialized view, whose rows follow from its "
        "definingSQL. Change the tables that it selects from, or its definingSQL."
    )


def create_missing_columns(syn: Session, schema: SchemaBase) -> None:
    """Create the columns of a schema that are not in Synapse yet, in one request.

    Args:
        syn: The session that sends the request.
        schema: The schema; its new columns are replaced by the created ones.

    Raises:
        ValueError: The schema has too many columns, or a column has no name or an unknown type.
        SynapseMalformedEntityError: Two columns have the same name.
        SynapseBadRequestError: Synapse rejected a column.

    Source:
        POST /column/batch
        https://rest-docs.synapse.org/rest/POST/column/batch.html
    """
    schema.validate_column_count()
    new_columns = schema.columns_to_store
    if not new_columns:
        return
    _require_unique_names([str(one.get("name")) for one in schema.headers() if one.get("name")])
    created = createColumns(syn, new_columns)
    schema.columns_to_store = []
    schema.addColumns(created)


def _require_unique_names(names: list[str]) -> None:
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise SynapseMalformedEntityError(
            f"Duplicate column names {', '.join(map(repr, duplicates))}: rename all but one of "
            "the columns with the same name."
        )
