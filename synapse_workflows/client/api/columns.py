"""Columns of tables: made, looked up, listed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.columns import Column, validate_columns
from synapse_workflows.client.model.ids import id_of, is_synapse_id, parse_entity_id
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.constants import MODEL

_LIST: Final = f"{MODEL}.ListWrapper"


def createColumn(
    syn: Session,
    name: str,
    columnType: str,
    maximumSize: int | None = None,
    defaultValue: str | None = None,
    enumValues: Iterable[str] | None = None,
) -> Column:
    """Make a column, or get the one that is equal to it.

    Args:
        syn: The session that makes the call.
        name: Of the column.
        columnType: One of `ColumnType`.
        maximumSize: Characters of a cell of a STRING or LINK, 1 to 1000.
        defaultValue: What takes the place of null.
        enumValues: The only values that a cell may have.

    Raises:
        ValueError: No name, or no such type.
        SynapseBadRequestError: Synapse takes no such column.

    Source:
        POST /column
        https://rest-docs.synapse.org/rest/POST/column.html
    """
    facts = {
        "name": name,
        "columnType": columnType,
        "maximumSize": maximumSize,
        "defaultValue": defaultValue,
        "enumValues": None if enumValues is None else list(enumValues),
    }
    column = Column(**{key: value for key, value in facts.items() if value is not None})
    validate_columns([column])
    return Column(**syn.call("POST", "/column", json=column, repeatable=True).json)


def createColumns(syn: Session, columns: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Make columns, or get those that are equal to them.

    Args:
        syn: The session that makes the call.
        columns: `Column` objects.

    Returns:
        The columns in the same order, with their ids.

    Raises:
        ValueError: One has no name, or no such type.
        SynapseBadRequestError: Synapse takes no such column.

    Source:
        POST /column/batch
        https://rest-docs.synapse.org/rest/POST/column/batch.html
    """
    listed = [dict(column) for column in columns]
    validate_columns(listed)
    body = {"concreteType": _LIST, "list": listed}
    reply = syn.call("POST", "/column/batch", json=body, repeatable=True)
    return [Column(**one) for one in reply.json["list"]]


def getColumn(syn: Session, id: Any) -> Column:
    """Get a column.

    Args:
        syn: The session that makes the call.
        id: Its id, or what carries it.

    Raises:
        SynapseNotFoundError: There is none.

    Source:
        GET /column/{columnId}
        https://rest-docs.synapse.org/rest/GET/column/columnId.html
    """
    return Column(**syn.call("GET", Column.getURI(id_of(id))).json)


def getColumns(syn: Session, x: Any, limit: int = 100, offset: int = 0) -> Iterator[Column]:
    """Go through columns: of a table, of given ids, or of all of Synapse.

    Args:
        syn: The session that makes the calls.
        x: A `Schema` or the id of a table; ids or headers of columns, of which those without
            an id (aggregates) are passed over; the beginning of their names; or None for all
            that anybody ever made.
        limit: Columns in a page, 1 to 100.
        offset: Columns to leave out first.

    Raises:
        ValueError: None of these.
        SynapseNotFoundError: No such table or column.

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
            f"Can't get columns for a {type(x).__name__}: give a Schema, the id of a table, ids "
            "of columns, or the beginning of their names."
        )
    call = flows.from_offset(Call("GET", "/column", params={"prefix": x or None}), limit, offset)
    return (Column(**one) for one in syn.each(call))


def getTableColumns(syn: Session, table: Any) -> Iterator[Column]:
    """Go through the columns of a table, in their order.

    Synapse answers this six times a minute, and makes one wait after that.

    Args:
        syn: The session that makes the call.
        table: A table, or its id (``syn123``; ``syn123.4`` for the columns of a snapshot).

    Raises:
        SynapseNotFoundError: No such table.
        SynapseForbiddenError: The caller may not read it.

    Source:
        GET /entity/{id}/column
        https://rest-docs.synapse.org/rest/GET/entity/id/column.html
    """
    found = parse_entity_id(table)
    at = found.id if found.version is None else f"{found.id}.{found.version}"
    for one in syn.call("GET", f"/entity/{at}/column").json.get("results") or ():
        yield Column(**one)


def create_missing_columns(syn: Session, schema: SchemaBase) -> None:
    """Make the columns of a schema that are not in Synapse yet, in one call.

    Raises:
        ValueError: There are more than a table can have; or one has no name, or no type.
        SynapseMalformedEntityError: Two columns have the same name.

    Source:
        POST /column/batch
        https://rest-docs.synapse.org/rest/POST/column/batch.html
    """
    schema.validate_column_count()
    unsaved = schema.columns_to_store
    if not unsaved:
        return
    _require_unique_names([str(one.get("name")) for one in schema.headers() if one.get("name")])
    made = createColumns(syn, unsaved)
    schema.columns_to_store = []
    schema.addColumns(made)


def _require_unique_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SynapseMalformedEntityError(
            f"A table has no two columns of one name: {', '.join(map(repr, twice))}."
        )
