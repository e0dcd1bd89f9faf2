"""Column models: validation, creation and listing. Equal column models share one ID."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    DEFAULT_CELL_SIZE,
    DEFAULT_LIST_LENGTH,
    MODEL,
    ColumnType,
)
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import next_id, parse_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import cell_values, column_types
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, Column
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.database import execute, fetch_rows
from synapse_workflows.local.storage.table_models import ColumnModel

RESERVED_NAMES: Final = frozenset(
    {
        "ROW_ID", "ROW_VERSION", "ROW_ETAG", "ROW_BENEFACTOR", "ROW_SEARCH_CONTENT",
        "ROW_HASH_CODE",
    }
)  # fmt: skip
CONCRETE_TYPE: Final = f"{MODEL}.table.ColumnModel"
MAX_NAME_LENGTH: Final = 256
_BODIES = select(ColumnModel.id, ColumnModel.body).where(
    ColumnModel.id.in_(bindparam("column_ids", expanding=True))
)
_ID_BY_DIGEST = select(ColumnModel.id).where(ColumnModel.digest == bindparam("digest"))
_INSERT = insert(ColumnModel)
MAX_ENUM_VALUES: Final = 100
_SIZE_BOUNDS: Final = (1, 1000)
_LIST_LENGTH_BOUNDS: Final = (2, 100)


def _parse_name(body: request_fields.Body) -> str:
    name = (request_fields.get_text(body, "name") or "").strip()
    if not name:
        raise BadRequest("Column name cannot be null or empty.")
    if request_fields.utf16_length(name) > MAX_NAME_LENGTH:
        raise BadRequest(f"Column name must be: {MAX_NAME_LENGTH} characters or less.")
    if name.upper() in RESERVED_NAMES:
        raise BadRequest(f"The column name: {name} is a system reserved column name.")
    return name


def _parse_bounded(
    body: request_fields.Body, key: str, bounds: tuple[int, int], default: int
) -> int:
    value = request_fields.get_integer(body, key)
    value = default if value is None else value
    if not bounds[0] <= value <= bounds[1]:
        raise BadRequest(f"ColumnModel.{key} must be between {bounds[0]} and {bounds[1]}.")
    return value


def _parse_size(body: request_fields.Body, kind: ColumnType) -> int | None:
    if kind not in column_types.SIZED_TYPES:
        return None
    size = request_fields.get_integer(body, "maximumSize")
    if size is not None and size > _SIZE_BOUNDS[1]:
        raise BadRequest(f"ColumnModel.maxSize for a {kind} cannot exceed: {_SIZE_BOUNDS[1]}")
    return _parse_bounded(body, "maximumSize", _SIZE_BOUNDS, DEFAULT_CELL_SIZE)


def _parse_list_length(body: request_fields.Body, kind: ColumnType) -> int | None:
    if kind not in LIST_TYPES:
        return None
    return _parse_bounded(body, "maximumListLength", _LIST_LENGTH_BOUNDS, DEFAULT_LIST_LENGTH)


def _parse_facet(body: request_fields.Body, kind: ColumnType) -> str | None:
    value = body.get("facetType")
    if value is None:
        return None
    facet = request_fields.parse_choice(column_types.FACET_TYPES, value, "facetType")
    if kind not in column_types.FACET_TYPES[facet]:
        raise BadRequest(f"A {kind} column cannot have a facetType of {facet}.")
    return facet


def _parse_enum_values(body: request_fields.Body) -> list[str]:
    values = request_fields.get_list(body, "enumValues") or []
    if len(values) > MAX_ENUM_VALUES:
        raise BadRequest(
            f"A column may have at most {MAX_ENUM_VALUES} enumValues; this one has {len(values)}."
        )
    return sorted({request_fields.parse_text(each, "enumValues") for each in values})


def _parse_sub_columns(body: request_fields.Body, kind: ColumnType) -> list[dict[str, Any]] | None:
    sub_columns = request_fields.get_objects(body, "jsonSubColumns")
    if sub_columns and kind is not ColumnType.JSON:
        raise BadRequest("jsonSubColumns are only allowed on columns of type JSON.")
    return [_parse_sub_column(each) for each in sub_columns] or None


def _parse_sub_column(body: request_fields.Body) -> dict[str, Any]:
    kind = request_fields.parse_enum(ColumnType, body.get("columnType"), "columnType")
    found = {
        "name": _parse_name(body),
        "columnType": kind,
        "jsonPath": request_fields.get_required_text(body, "jsonPath"),
        "facetType": _parse_facet(body, kind),
    }
    return {key: value for key, value in found.items() if value is not None}


def _normalize_default(column: Column) -> str | None:
    """Validate the enumeration and the default; return the default in canonical form.

    Raises:
        BadRequest: A value of the enumeration, or the default, is not valid for the column.
    """
    is_list = column.type in LIST_TYPES
    parse_item = cell_values.get_type_parser(
        cell_values.get_item_column(column) if is_list else column
    )
    what = "enumValues"
    try:
        for value in column.enum_values:
            parse_item(value)
        if not column.default and column.type not in column_types.TEXT_TYPES:
            return None
        what = "defaultValue"
        stored = (
            None if column.default is None else cell_values.get_enum_parser(column)(column.default)
        )
    except cell_values.CellError as error:
        raise BadRequest(f"{what} was not a valid {column.type}. {error}") from None
    return None if stored is None else cell_values.get_serializer(column.type)(stored)


def parse(body: Any) -> dict[str, Any]:
    """Parse a ColumnModel. Add defaults, and drop properties that its column type does not have.

    Raises:
        BadRequest: The ColumnModel is invalid.
    """
    if not isinstance(body, dict):
        raise BadRequest("A ColumnModel must be an object.")
    name = _parse_name(body)
    kind = request_fields.parse_enum(ColumnType, body.get("columnType"), "columnType")
    found: dict[str, Any] = {
        "name": name,
        "columnType": kind.value,
        "maximumSize": _parse_size(body, kind),
        "maximumListLength": _parse_list_length(body, kind),
        "defaultValue": request_fields.get_text(body, "defaultValue"),
        "enumValues": _parse_enum_values(body) or None,
        "facetType": _parse_facet(body, kind),
        "jsonSubColumns": _parse_sub_columns(body, kind),
    }
    if found["defaultValue"] and kind in column_types.TYPES_WITHOUT_DEFAULT:
        raise BadRequest(f"Columns of type {kind} cannot have a default value.")
    if kind in column_types.TYPES_WITHOUT_DEFAULT:
        found["defaultValue"] = None
    found["defaultValue"] = _normalize_default(column_types.parse_column(0, found))
    return {key: value for key, value in found.items() if value is not None}


def create(session: Session, caller: Caller, bodies: Iterable[Any]) -> list[dict[str, Any]]:
    """Create columns. If an equal column exists already, return the existing column.

    Args:
        session: Database session.
        caller: The caller.
        bodies: ColumnModels.

    Returns:
        The columns with their IDs, in the same order.

    Raises:
        BadRequest: A ColumnModel is invalid.
        Forbidden: The caller is anonymous.
    """
    if caller.is_anonymous:
        raise Forbidden("You must login to create a ColumnModel")
    return get_or_create(session, [parse(body) for body in bodies])


def get_or_create(session: Session, bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return columns with their IDs. Create the columns that do not exist.

    Args:
        session: Database session.
        bodies: ColumnModels as returned by `parse`.
    """
    return [_get_or_create_one(session, body) for body in bodies]


def _get_or_create_one(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(body, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(content.encode()).hexdigest()
    found = fetch_rows(session, _ID_BY_DIGEST, digest=digest)
    if found:
        column_id = found[0].id
    else:
        column_id = next_id(session, "column")
        model = {"id": column_id, "digest": digest, "name": body["name"], "body": body}
        execute(session, _INSERT, model)
    return {**body, "id": str(column_id)}


def serialize(model: ColumnModel) -> dict[str, Any]:
    """Return a ColumnModel in the format of the REST API."""
    return {**model.body, "id": str(model.id)}


def get(session: Session, column_id: int) -> dict[str, Any]:
    """Return a column.

    Raises:
        NotFound: The column does not exist.
    """
    message = _describe_missing(column_id)
    return serialize(get_or_404(session, ColumnModel, column_id, message))


def _describe_missing(column_id: int) -> str:
    return f"A column model with id: {column_id} does not exist."


def list_columns(session: Session, prefix: str | None, window: Page) -> dict[str, Any]:
    """List the columns whose names start with a prefix, ignoring case, ordered by name."""
    start = func.lower(ColumnModel.name).startswith((prefix or "").lower(), autoescape=True)
    filters = [start] if prefix else []
    total = session.scalar(select(func.count()).select_from(ColumnModel).where(*filters))
    models = session.scalars(
        select(ColumnModel)
        .where(*filters)
        .order_by(ColumnModel.name, ColumnModel.id)
        .limit(window.limit)
        .offset(window.offset)
    )
    return {"totalNumberOfResults": total or 0, "results": [serialize(each) for each in models]}


def load(session: Session, column_ids: Iterable[int]) -> tuple[Column, ...]:
    """Return the columns with the given IDs, in the same order.

    Raises:
        NotFound: A column does not exist.
    """
    numbers = list(column_ids)
    bodies: dict[int, dict[str, Any]] = dict(fetch_rows(session, _BODIES, column_ids=numbers))
    if missing := [each for each in numbers if each not in bodies]:
        raise NotFound(_describe_missing(missing[0]))
    return tuple(column_types.parse_column(each, bodies[each]) for each in numbers)


def parse_ids(body: Mapping[str, Any], key: str) -> list[int]:
    """Return an array of column IDs; empty if the property is missing.

    Raises:
        BadRequest: The value is not an array of IDs.
    """
    return [parse_id(each, key) for each in request_fields.get_list(body, key) or []]
