"""Rows of views that are updated: annotations of what they show, one thing after the other."""

import json
from collections.abc import Iterable, Mapping
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
#: Types of columns -> types of annotations that are made of them; text is made of the others.
_ANNOTATION_TYPES: Final[Mapping[ColumnType, AnnotationType]] = {
    ColumnType.INTEGER: AnnotationType.LONG,
    ColumnType.DOUBLE: AnnotationType.DOUBLE,
    ColumnType.BOOLEAN: AnnotationType.BOOLEAN,
    ColumnType.DATE: AnnotationType.TIMESTAMP_MS,
}
_BATCH_SIZE: Final = 500
_FAILURE_CODES: Final[tuple[tuple[type[ServiceError], str], ...]] = (
    (NotFound, "NOT_FOUND"),
    (Forbidden, "UNAUTHORIZED"),
    (StaleEtag, "CONCURRENT_UPDATE"),
    (BadRequest, "ILLEGAL_ARGUMENT"),
)


def update_annotations(
    session: Session, caller: Caller, view: Entity, edits: Iterable[RowUpdate]
) -> dict[str, Any]:
    """Update what rows show; what refuses one does not keep the others from being updated.

    Returns:
        EntityUpdateResults, in the order of the rows.
    """
    kind = VIEW_TYPES[view.concrete_type]
    scope = kind.scope(entities.get_version(session, view).properties)
    targets = scope.targets(session, caller)
    results: list[dict[str, Any]] = []
    rest = iter(edits)
    while some := list(islice(rest, _BATCH_SIZE)):
        targets.expect([edit.row_id for edit in some])
        results += [_update_row(kind, targets, edit) for edit in some]
        session.flush()
    return {"concreteType": RESULT, "updateResults": results}


def _update_row(kind: ViewType, targets: AnnotationTargets, edit: RowUpdate) -> dict[str, Any]:
    found = {"entityId": kind.row_text(edit.row_id)}
    try:
        _write_annotations(kind, targets.of(edit.row_id), edit)
    except ServiceError as refused:
        code = next(
            (code for kind, code in _FAILURE_CODES if isinstance(refused, kind)), "UNKNOWN"
        )
        return {**found, "failureCode": code, "failureMessage": refused.reason}
    return found


def _write_annotations(kind: ViewType, target: AnnotationTarget, edit: RowUpdate) -> None:
    """Write the annotations of one thing; nothing is written when it is refused."""
    if edit.etag is None:
        raise BadRequest(f"The row of {target.name} must carry its etag.")
    entities.check_etag(target.name, target.etag, {"etag": edit.etag})
    wanted = dict(target.annotations)
    for column, cell in edit.cells.values():
        if kind.field_of(column) is not None:
            continue
        made = build_annotation(column, cell)
        if made is None:
            wanted.pop(column.name, None)
        elif made != target.annotations.get(column.name):
            wanted[column.name] = made
    if wanted != target.annotations:
        target.write(annotations.parse({"annotations": wanted}, target.taken))


def build_annotation(column: Column, cell: str | None) -> dict[str, Any] | None:
    """Make the annotation that a cell means; None for null.

    Raises:
        BadRequest: the cell is no value of its column.
    """
    if cell is None:
        return None
    try:
        stored = cell_values.get_cell_parser(column)(cell)
    except cell_values.CellError as error:
        raise BadRequest(
            f"The value of '{column.name}' was not a valid {column.type}. {error}"
        ) from None
    if stored is None:
        return None
    kind = _ANNOTATION_TYPES.get(ITEM_TYPES.get(column.type, column.type), AnnotationType.STRING)
    if column.type in LIST_TYPES:
        items = [_to_text(item) for item in json.loads(str(stored))]
    else:
        items = [cell_values.get_serializer(column.type)(stored)]
    return {"type": kind.value, "value": items}


def _to_text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)
