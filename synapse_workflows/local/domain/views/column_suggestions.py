"""The columns that the annotations in a scope would need (ViewColumnModelRequest)."""

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
from synapse_workflows.local.domain.views.view_types import ViewScope, ViewType
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
#: Type of an annotation -> of the column for one value, and of that for several.
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
    """What was seen of the annotations of one key and type."""

    longest: int = 1
    most: int = 1

    def note(self, given: list[str]) -> None:
        self.longest = max(self.longest, *map(len, given))
        self.most = max(self.most, len(given))

    def column(self, name: str, kind: str) -> dict[str, Any]:
        found = _COLUMN_TYPES[kind][self.most > 1]
        body: dict[str, Any] = {
            "concreteType": CONCRETE_TYPE,
            "name": name,
            "columnType": found.value,
        }
        if found in _SIZED_TYPES:
            body["maximumSize"] = self.longest
        if self.most > 1:
            body["maximumListLength"] = self.most
        return body


def _parse_scope(body: Mapping[str, Any]) -> tuple[ViewType, ViewScope]:
    given = request_fields.get_object(body, "viewScope")
    if given is None:
        raise BadRequest("ViewColumnModelRequest.viewScope is required.")
    kind = get_view_type(given.get("viewEntityType"))
    return kind, kind.asked_scope(given)


def _iter_columns(
    session: Session, caller: Caller, kind: ViewType, scope: ViewScope
) -> Iterator[dict[str, Any]]:
    seen: dict[tuple[str, str], _ValueSizes] = {}
    for item in scope.items(session, kind.visible_to(caller)):
        for key, annotation in item.annotations.items():
            found = seen.setdefault((key, annotation["type"]), _ValueSizes())
            found.note(annotation["value"])
    for (key, word), found in sorted(seen.items()):
        yield found.column(key, word)


def suggest_columns(run: JobRun) -> dict[str, Any]:
    """Give a page of columns for the annotations in a scope, by name.

    Raises:
        BadRequest: there is no scope, or it is too large.
    """
    kind, scope = _parse_scope(run.request)
    asked = paging.parse_token(request_fields.get_text(run.request, "nextPageToken"))
    with run.service.database.reading() as session:
        scope.require_size(session)
        found = list(_iter_columns(session, run.caller, kind, scope))
    rest = found[asked.offset :]
    return {
        "concreteType": f"{_M}.ViewColumnModelResponse",
        "results": rest[: asked.limit],
        "nextPageToken": paging.build_next_token(asked, len(rest)),
    }


SUGGEST_COLUMNS: Final = async_jobs.JobType(f"{_M}.ViewColumnModelRequest", suggest_columns)
