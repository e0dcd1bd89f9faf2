"""Row updates of views. An update changes the annotations of the object that the row shows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AnnotationType, ColumnType
from synapse_workflows.local.domain import annotations, entities
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_types import ITEM_TYPES, LIST_TYPES, Column
from synapse_workflows.local.domain.views.registry import VIEW_TYPES
from synapse_workflows.local.domain.views.row_updates import RowUpdate
from synapse_workflows.local.domain.views.view_types import (
    AnnotationTarget,
    AnnotationTargets,
    ViewType,
)
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound, ServiceError, StaleEtag
from synapse_workflows.local.storage.models import Entity

RESULT: Final = f"{MODEL}.table.EntityUpdateResults"
#: Column type -> annotation type; STRING for all other column types.
_ANNOTATION_TYPES: Final[Mapping[ColumnType, AnnotationType]] = {
    ColumnType.INTEGER: AnnotationType.LONG,
    ColumnType.DOUBLE: AnnotationType.DOUBLE,
    ColumnType.BOOLEAN: AnnotationType.BOOLEAN,
    ColumnType.DATE: AnnotationType.TIMESTAMP_MS,
}
_BATCH_SIZE: Final = 500
_NO_LIMITS: Final[Mapping[str, Any]] = {"maximum_size": 1 << 31, "maximum_length": 1 << 31}
_FAILURE_CODES: Final[tuple[tuple[type[ServiceError], str], ...]] = (
    (NotFound, "NOT_FOUND"),
    (Forbidden, "UNAUTHORIZED"),
    (StaleEtag, "CONCURRENT_UPDATE"),
    (BadRequest, "ILLEGAL_ARGUMENT"),
)


def update_annotations(
    session: Session, caller: Caller, view: Entity, updates: Iterable[RowUpdate]
) -> dict[str, Any]:
    """Update rows one by one. The failure of one row does not affect the others.

    Returns:
        EntityUpdateResults in the order of the rows.
    """
    view_type = VIEW_TYPES[view.concrete_type]
    scope = view_type.get_scope(entities.get_version(session, view).properties)
    targets = scope.get_targets(session, caller)
    results: list[dict[str, Any]] = []
    remaining = iter(updates)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        targets.prefetch([each.row_id for each in batch])
        results += [_update_row(view_type, targets, each) for each in batch]
        session.flush()
    return {"concreteType": RESULT, "updateResults": results}


def _update_row(
    view_type: ViewType, targets: AnnotationTargets, update: RowUpdate
) -> dict[str, Any]:
    """Update one row and return its EntityUpdateResult."""
    result = {"entityId": view_type.format_row_id(update.row_id)}
    try:
        _write_annotations(view_type, targets.get(update.row_id), update)
    except ServiceError as error:
        codes = (code for kind, code in _FAILURE_CODES if isinstance(error, kind))
        return {
            **result,
            "failureCode": next(codes, "UNKNOWN"),
            "failureMessage": error.reason,
        }
    return result


def _write_annotations(view_type: ViewType, target: AnnotationTarget, update: RowUpdate) -> None:
    """Write the annotations of one object. If a value is invalid, write no annotation.

    Cells of default columns are ignored.
    """
    if update.etag is None:
        raise BadRequest(f"The row of {target.name} must carry its etag.")
    entities.check_etag(target.name, target.etag, {"etag": update.etag})
    changed = dict(target.annotations)
    for column, cell in update.cells.values():
        if view_type.find_default_column(column) is not None:
            continue
        annotation = build_annotation(column, cell)
        if annotation is None:
            changed.pop(column.name, None)
        elif annotation != target.annotations.get(column.name):
            changed[column.name] = annotation
    if changed != target.annotations:
        target.write(annotations.parse({"annotations": changed}, target.reserved_names))


def build_annotation(column: Column, cell: str | None) -> dict[str, Any] | None:
    """Return the annotation with the value of a cell; None for null.

    The value may exceed the maximum size of the column, because annotations have separate limits.

    Raises:
        BadRequest: The cell is not a value of the column's type.
    """
    if cell is None:
        return None
    try:
        stored = cell_values.get_cell_parser(replace(column, **_NO_LIMITS))(cell)
    except cell_values.CellError as error:
        raise BadRequest(
            f"The value of '{column.name}' was not a valid {column.type}. {error}"
        ) from None
    if stored is None:
        return None
    item_type = ITEM_TYPES.get(column.type, column.type)
    annotation_type = _ANNOTATION_TYPES.get(item_type, AnnotationType.STRING)
    if column.type in LIST_TYPES:
        values = [_to_text(item) for item in json.loads(str(stored))]
    else:
        values = [cell_values.get_serializer(column.type)(stored)]
    return {"type": annotation_type.value, "value": values}


def _to_text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)
