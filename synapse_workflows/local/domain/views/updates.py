"""Rows of views that are updated: annotations of their entities, one entity after the other."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, annotations, entities
from synapse_workflows.local.domain.caller import Caller
from synapse_workflows.local.domain.ids import entity_text
from synapse_workflows.local.domain.kinds import KINDS
from synapse_workflows.local.domain.tables import values
from synapse_workflows.local.domain.tables.column_types import ITEMS, LISTS, Column
from synapse_workflows.local.domain.views import defaults
from synapse_workflows.local.domain.views.edits import Edit
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound, ServiceError, Stale
from synapse_workflows.vocabulary import MODEL, AccessType, AnnotationType, ColumnType

RESULT: Final = f"{MODEL}.table.EntityUpdateResults"
#: Types of columns -> types of annotations that are made of them; text is made of the others.
_TYPES: Final[Mapping[ColumnType, AnnotationType]] = {
    ColumnType.INTEGER: AnnotationType.LONG,
    ColumnType.DOUBLE: AnnotationType.DOUBLE,
    ColumnType.BOOLEAN: AnnotationType.BOOLEAN,
    ColumnType.DATE: AnnotationType.TIMESTAMP_MS,
}
_CODES: Final[tuple[tuple[type[ServiceError], str], ...]] = (
    (NotFound, "NOT_FOUND"),
    (Forbidden, "UNAUTHORIZED"),
    (Stale, "CONCURRENT_UPDATE"),
    (BadRequest, "ILLEGAL_ARGUMENT"),
)


def apply(session: Session, caller: Caller, edits: Iterable[Edit]) -> dict[str, Any]:
    """Update entities; what refuses one does not keep the others from being updated.

    Returns:
        EntityUpdateResults, in the order of the rows.
    """
    results = [_result(session, caller, edit) for edit in edits]
    return {"concreteType": RESULT, "updateResults": results}


def _result(session: Session, caller: Caller, edit: Edit) -> dict[str, Any]:
    found = {"entityId": entity_text(edit.row_id)}
    try:
        _update(session, caller, edit)
    except ServiceError as refused:
        code = next((code for kind, code in _CODES if isinstance(refused, kind)), "UNKNOWN")
        return {**found, "failureCode": code, "failureMessage": refused.reason}
    return found


def _update(session: Session, caller: Caller, edit: Edit) -> None:
    """Write the annotations of one entity; nothing is written when it is refused."""
    entity = access.require(session, caller, edit.row_id, AccessType.UPDATE)
    if edit.etag is None:
        raise BadRequest(f"The row of {entity_text(entity.id)} must carry its etag.")
    entities.require_etag(entity_text(entity.id), entity.etag, {"etag": edit.etag})
    version = entities.version_of(session, entity, None)
    wanted = dict(version.annotations)
    for column, cell in edit.cells.values():
        if defaults.field_of(column) is not None:
            continue
        made = annotation(column, cell)
        if made is None:
            wanted.pop(column.name, None)
        elif made != version.annotations.get(column.name):
            wanted[column.name] = made
    if wanted == version.annotations:
        return
    taken = KINDS[entity.concrete_type].fields
    version.annotations = annotations.validated({"annotations": wanted}, taken)
    entities.changed(entity, version, caller)
    session.flush()


def annotation(column: Column, cell: str | None) -> dict[str, Any] | None:
    """Make the annotation that a cell means; None for null.

    Raises:
        BadRequest: the cell is no value of its column.
    """
    if cell is None:
        return None
    try:
        stored = values.parser(column)(cell)
    except values.CellError as error:
        raise BadRequest(
            f"The value of '{column.name}' was not a valid {column.type}. {error}"
        ) from None
    if stored is None:
        return None
    kind = _TYPES.get(ITEMS.get(column.type, column.type), AnnotationType.STRING)
    if column.type in LISTS:
        items = [_text(item) for item in json.loads(str(stored))]
    else:
        items = [values.writer(column.type)(stored)]
    return {"type": kind.value, "value": items}


def _text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)
