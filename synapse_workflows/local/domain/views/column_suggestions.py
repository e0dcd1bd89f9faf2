"""Column suggestions: the columns for all annotations in a scope (ViewColumnModelRequest)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MODEL, AnnotationType, ColumnType
from synapse_workflows.local.domain import async_jobs, paging, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables.columns import CONCRETE_TYPE
from synapse_workflows.local.domain.views.registry import get_view_type
from synapse_workflows.local.domain.views.view_types import ItemScope, ViewType
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
#: Annotation type -> column type for single values, column type for lists.
_COLUMN_TYPES: Final[Mapping[str, tuple[ColumnType, ColumnType]]] = {
    AnnotationType.STRING: (ColumnType.STRING, ColumnType.STRING_LIST),
    AnnotationType.LONG: (ColumnType.INTEGER, ColumnType.INTEGER_LIST),
    AnnotationType.DOUBLE: (ColumnType.DOUBLE, ColumnType.STRING_LIST),
    AnnotationType.BOOLEAN: (ColumnType.BOOLEAN, ColumnType.BOOLEAN_LIST),
    AnnotationType.TIMESTAMP_MS: (ColumnType.DATE, ColumnType.DATE_LIST),
}
_SIZED_TYPES: Final = frozenset({ColumnType.STRING, ColumnType.STRING_LIST})


@dataclass
class _ValueSizes:
    """Sizes of the annotations with one key and type."""

    max_size: int = 1
    max_length: int = 1

    def add(self, values: list[str]) -> None:
        self.max_size = max(self.max_size, *map(request_fields.utf16_length, values))
        self.max_length = max(self.max_length, len(values))

    def build_column(self, name: str, annotation_type: str) -> dict[str, Any]:
        column_type = _COLUMN_TYPES[annotation_type][self.max_length > 1]
        body: dict[str, Any] = {
            "concreteType": CONCRETE_TYPE,
            "name": name,
            "columnType": column_type.value,
        }
        if column_type in _SIZED_TYPES:
            body["maximumSize"] = self.max_size
        if self.max_length > 1:
            body["maximumListLength"] = self.max_length
        return body


def _parse_scope(body: Mapping[str, Any]) -> tuple[ViewType, ItemScope]:
    scope = request_fields.get_object(body, "viewScope")
    if scope is None:
        raise BadRequest("ViewColumnModelRequest.viewScope is required.")
    view_type = get_view_type(scope.get("viewEntityType"))
    return view_type, view_type.parse_scope(scope)


def _iter_columns(
    session: Session, caller: Caller, view_type: ViewType, scope: ItemScope
) -> Iterator[dict[str, Any]]:
    sizes: dict[tuple[str, str], _ValueSizes] = {}
    for item in scope.iter_items(session, view_type.is_visible_to(caller)):
        for key, annotation in item.annotations.items():
            present = sizes.setdefault((key, annotation["type"]), _ValueSizes())
            present.add(annotation["value"])
    for (key, annotation_type), present in sorted(sizes.items()):
        yield present.build_column(key, annotation_type)


def suggest_columns(run: JobRun) -> dict[str, Any]:
    """Return a page of the columns for the annotations in a scope, sorted by name.

    Raises:
        BadRequest: The scope is missing or too large.
    """
    view_type, scope = _parse_scope(run.request)
    page = paging.parse_token(request_fields.get_text(run.request, "nextPageToken"))
    with run.service.database.read_transaction() as session:
        scope.check_size(session)
        columns = list(_iter_columns(session, run.caller, view_type, scope))
    remaining = columns[page.offset :]
    return {
        "concreteType": f"{_M}.ViewColumnModelResponse",
        "results": remaining[: page.limit],
        "nextPageToken": paging.build_next_token(page, len(remaining)),
    }


SUGGEST_COLUMNS: Final = async_jobs.JobType(f"{_M}.ViewColumnModelRequest", suggest_columns)
