"""Column models: made once, the same for everybody, known by their content."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    DEFAULT_CELL_SIZE,
    DEFAULT_LIST_LENGTH,
    MODEL,
    ColumnType,
)
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import decimal, next_id
from synapse_workflows.local.domain.paging import Window
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import cell_values, column_types
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, Column
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.table_models import ColumnModel

RESERVED_NAMES: Final = frozenset(
    {
        "ROW_ID", "ROW_VERSION", "ROW_ETAG", "ROW_BENEFACTOR", "ROW_SEARCH_CONTENT",
        "ROW_HASH_CODE",
    }
)  # fmt: skip
CONCRETE_TYPE: Final = f"{MODEL}.table.ColumnModel"
MAX_NAME: Final = 256
MAX_ENUM_VALUES: Final = 100
_SIZES: Final = (1, 1000)
_LENGTHS: Final = (2, 100)


def _name(body: request_fields.Body) -> str:
    name = (request_fields.text(body, "name") or "").strip()
    if not name:
        raise BadRequest("Column name cannot be null or empty.")
    if len(name) > MAX_NAME:
        raise BadRequest(f"Column name must be: {MAX_NAME} characters or less.")
    if name.upper() in RESERVED_NAMES:
        raise BadRequest(f"The column name: {name} is a system reserved column name.")
    return name


def _within(body: request_fields.Body, key: str, bounds: tuple[int, int], default: int) -> int:
    value = request_fields.integer(body, key)
    value = default if value is None else value
    if not bounds[0] <= value <= bounds[1]:
        raise BadRequest(f"ColumnModel.{key} must be between {bounds[0]} and {bounds[1]}.")
    return value


def _facet(body: request_fields.Body, kind: ColumnType) -> str | None:
    given = body.get("facetType")
    if given is None:
        return None
    facet = request_fields.one_of(column_types.FACET_TYPES, given, "facetType")
    if kind not in column_types.FACET_TYPES[facet]:
        raise BadRequest(f"A {kind} column cannot have a facetType of {facet}.")
    return facet


def _words(body: request_fields.Body) -> list[str]:
    given = request_fields.items(body, "enumValues") or []
    if len(given) > MAX_ENUM_VALUES:
        raise BadRequest(f"A column may have {MAX_ENUM_VALUES} enumValues; it has {len(given)}.")
    return sorted({request_fields.as_text(word, "enumValues") for word in given})


def _sub_columns(body: request_fields.Body, kind: ColumnType) -> list[dict[str, Any]] | None:
    given = request_fields.items(body, "jsonSubColumns")
    if not given:
        return None
    if kind is not ColumnType.JSON:
        raise BadRequest("jsonSubColumns are only allowed on columns of type JSON.")
    return [_sub_column(each) for each in given]


def _sub_column(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("jsonSubColumns must be an array of objects.")
    kind = request_fields.word(ColumnType, body.get("columnType"), "columnType")
    found = {
        "name": _name(body),
        "columnType": kind,
        "jsonPath": request_fields.required(body, "jsonPath"),
        "facetType": _facet(body, kind),
    }
    return {key: value for key, value in found.items() if value is not None}


def _checked(column: Column) -> str | None:
    """Check default and enumeration; give the default in canonical form.

    Raises:
        BadRequest: one of them is no value of the column.
    """
    single = cell_values.get_item_column(column) if column.type in LIST_TYPES else column
    parse = cell_values.get_type_parser(single)
    what = "enumValues"
    try:
        for word in column.words:
            parse(word)
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
    """Read a ColumnModel from a request, with its defaults and without what does not apply.

    Raises:
        BadRequest: it breaks a rule.
    """
    if not isinstance(body, dict):
        raise BadRequest("A ColumnModel must be an object.")
    name = _name(body)
    kind = request_fields.word(ColumnType, body.get("columnType"), "columnType")
    sized, listed = kind in column_types.SIZED_TYPES, kind in LIST_TYPES
    found: dict[str, Any] = {
        "name": name,
        "columnType": kind.value,
        "maximumSize": _within(body, "maximumSize", _SIZES, DEFAULT_CELL_SIZE) if sized else None,
        "maximumListLength": _within(body, "maximumListLength", _LENGTHS, DEFAULT_LIST_LENGTH)
        if listed
        else None,
        "defaultValue": request_fields.text(body, "defaultValue"),
        "enumValues": _words(body) or None,
        "facetType": _facet(body, kind),
        "jsonSubColumns": _sub_columns(body, kind),
    }
    if found["defaultValue"] and kind in column_types.TYPES_WITHOUT_DEFAULT:
        raise BadRequest(f"Columns of type {kind} cannot have a default value.")
    if kind in column_types.TYPES_WITHOUT_DEFAULT:
        found["defaultValue"] = None
    found["defaultValue"] = _checked(column_types.parse_column(0, found))
    return {key: value for key, value in found.items() if value is not None}


def create(session: Session, caller: Caller, bodies: Iterable[Any]) -> list[dict[str, Any]]:
    """Create columns; one that exists already is given as it is.

    Args:
        session: writes the tables.
        caller: who asks.
        bodies: ColumnModels.

    Returns:
        The columns in the same order.

    Raises:
        BadRequest: one breaks a rule.
        Forbidden: the caller is anonymous.
    """
    if caller.is_anonymous:
        raise Forbidden("You must login to create a ColumnModel")
    return get_or_create(session, [parse(body) for body in bodies])


def get_or_create(session: Session, bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give columns with their ids, whether they are there already or not.

    Args:
        session: writes the tables.
        bodies: ColumnModels as `read` gives them.
    """
    return [_one(session, body) for body in bodies]


def _one(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(body, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(content.encode()).hexdigest()
    found = session.scalar(select(ColumnModel).where(ColumnModel.digest == digest))
    if found is None:
        found = ColumnModel(
            id=next_id(session, "column"), digest=digest, name=body["name"], body=body
        )
        session.add(found)
        session.flush()
    return serialize(found)


def serialize(model: ColumnModel) -> dict[str, Any]:
    """Write a ColumnModel."""
    return {**model.body, "id": str(model.id)}


def get(session: Session, column_id: int) -> dict[str, Any]:
    """Give a column.

    Raises:
        NotFound: there is none.
    """
    return serialize(_find(session, column_id))


def _find(session: Session, column_id: int) -> ColumnModel:
    model = session.get(ColumnModel, column_id)
    if model is None:
        raise NotFound(f"A column model with id: {column_id} does not exist.")
    return model


def list_columns(session: Session, prefix: str | None, asked: Window) -> dict[str, Any]:
    """List the columns whose names begin with a prefix, whatever its case, by name."""
    start = func.lower(ColumnModel.name).startswith((prefix or "").lower(), autoescape=True)
    filters = [start] if prefix else []
    total = session.scalar(select(func.count()).select_from(ColumnModel).where(*filters))
    found = session.scalars(
        select(ColumnModel)
        .where(*filters)
        .order_by(ColumnModel.name, ColumnModel.id)
        .limit(asked.limit)
        .offset(asked.offset)
    )
    return {"totalNumberOfResults": total or 0, "results": [serialize(each) for each in found]}


def load(session: Session, column_ids: Iterable[int]) -> tuple[Column, ...]:
    """Give columns, in the order of their ids.

    Raises:
        NotFound: there is no such column.
    """
    return tuple(
        column_types.parse_column(number, _find(session, number).body) for number in column_ids
    )


def parse_ids(body: Mapping[str, Any], key: str) -> list[int]:
    """Read an array of column ids.

    Raises:
        BadRequest: it is none.
    """
    return [decimal(each, key) for each in request_fields.items(body, key) or []]
