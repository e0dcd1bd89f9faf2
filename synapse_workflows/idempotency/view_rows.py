"""Rows that set annotations through a view, and their comparison with the current annotations."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.cell_codec import ITEM_TYPES
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, AnnotationType, ColumnType
from synapse_workflows.idempotency.refusals import Refusal
from synapse_workflows.idempotency.row_source import IncompleteRow, RowSource

#: Names of columns of the rows that identify the object of a row.
ID_COLUMNS: Final = ("id", ROW_ID)
#: Names of columns with the etag of an object when its row was read.
_ETAG_COLUMNS: Final = (ROW_ETAG, "etag")
#: Default columns that each change of an object changes.
_VOLATILE_COLUMNS: Final = frozenset({"etag", "modifiedOn", "modifiedBy"})
#: Column type -> annotation types that the column shows. Other columns show all types.
_SHOWN_TYPES: Final[Mapping[ColumnType, frozenset[str]]] = MappingProxyType(
    {
        ColumnType.INTEGER: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
        ColumnType.DATE: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
        ColumnType.DOUBLE: frozenset({AnnotationType.DOUBLE, AnnotationType.LONG}),
        ColumnType.BOOLEAN: frozenset({AnnotationType.BOOLEAN}),
    }
)
_METADATA: Final = MappingProxyType(
    {
        ROW_ID: ColumnType.ENTITYID,
        ROW_VERSION: ColumnType.INTEGER,
        ROW_ETAG: ColumnType.STRING,
    }
)


@dataclass(frozen=True)
class ViewRow:
    """A row of the source.

    Args:
        number: Number of the row in the source, for error messages.
        row_id: Number of the entity or submission.
        cells: Cell by index of its column in the source; absent cells are missing.
        version: Version of the object when the row was read; None if it is unknown.
        etag: Etag of the object when the row was read; None if it is unknown.
    """

    number: int
    row_id: int
    cells: Mapping[int, str | None]
    version: int | None
    etag: str | None


class ViewRows:
    """The rows of a source, by the number of their object.

    Args:
        source: The rows.
        columns: Columns of the view.
        default_columns: Name and type of the default columns, which show no annotations.

    Raises:
        AirflowFailException: The source has no valid ID in each row, or no annotations.
    """

    def __init__(
        self,
        source: RowSource,
        columns: Sequence[Mapping[str, Any]],
        default_columns: Iterable[tuple[str, str]],
    ) -> None:
        names = {str(column["name"]) for column in columns}
        metadata = {**_METADATA, "id": ColumnType.ENTITYID}
        extra = [
            {"name": name, "columnType": kind.value}
            for name, kind in metadata.items()
            if name not in names
        ]
        # a default value is for new rows of a table; it does not apply to annotations
        bound = [{**column, "defaultValue": None} for column in columns]
        source.bind_columns([*bound, *extra])
        self.source = source
        self.names = [name for name in source.names if name in names]
        defaults = set(default_columns)
        kinds = [(str(one["name"]), str(one["columnType"])) for one in source.columns]
        special = {*_METADATA, *ID_COLUMNS, *_ETAG_COLUMNS, *_VOLATILE_COLUMNS}
        self._fixed = [
            index
            for index, kind in enumerate(kinds)
            if kind in defaults and kind[0] not in special
        ]
        self._annotations = [
            index
            for index, kind in enumerate(kinds)
            if kind not in defaults and kind[0] not in special
        ]
        if not any(name in source.names for name in ID_COLUMNS):
            raise AirflowFailException(
                f"{source.label} has no column 'id': each row needs the ID of the entity, or of "
                "the submission, whose annotations it sets"
            )
        if not self._annotations:
            raise AirflowFailException(
                f"{source.label} has no columns with annotations, only {list(source.names)}. Add "
                "columns of the view that show annotations"
            )
        self.by_id = self._read()

    def shown_cells(self, cells: CsvRow) -> dict[int, str | None]:
        """Return the cells of a view row by the index of the column in the source.

        Args:
            cells: The cells of the columns `names`.
        """
        indexes = {name: index for index, name in enumerate(self.source.names)}
        return {indexes[name]: cell for name, cell in zip(self.names, cells, strict=True)}

    def find_fixed_difference(
        self, row: ViewRow, shown: Mapping[int, str | None]
    ) -> Refusal | None:
        """Return a refusal if a row has another value in a default column, which is read only."""
        for index in self._fixed:
            if index in row.cells and self._differ(index, row.cells[index], shown[index]):
                name = self.source.names[index]
                return Refusal(
                    f"{name!r} is {shown[index]!r} and cannot be changed to {row.cells[index]!r} "
                    "through a view: only annotations can. Leave the column out"
                )
        return None

    def find_differences(
        self, row: ViewRow, shown: Mapping[int, str | None]
    ) -> dict[int, str | None]:
        """Return the cells with annotations that differ from those that the view shows."""
        return {
            index: row.cells[index]
            for index in self._annotations
            if index in row.cells and self._differ(index, row.cells[index], shown[index])
        }

    def show(self, annotations: Mapping[str, Any]) -> dict[int, str | None]:
        """Return annotations as the cells that the view shows.

        Args:
            annotations: AnnotationsValue by key.
        """
        return {
            index: _show(annotations.get(self.source.names[index]), self.source.columns[index])
            for index in self._annotations
        }

    def to_values(self, cells: Mapping[int, str | None]) -> list[dict[str, Any]]:
        """Return cells as the values of a PartialRow."""
        return [
            {"key": str(self.source.columns[index]["id"]), "value": self._to_value(index, cell)}
            for index, cell in cells.items()
        ]

    def _to_value(self, index: int, cell: str | None) -> str | None:
        is_date = get_column_type(self.source.columns[index]) is ColumnType.DATE
        return self.source.normalizer.normalize(index, cell) if is_date else cell

    def _differ(self, index: int, cell: str | None, shown: str | None) -> bool:
        normalize = self.source.normalizer.normalize
        return cell != shown and normalize(index, cell) != normalize(index, shown)

    def _read(self) -> dict[int, ViewRow]:
        rows: dict[int, ViewRow] = {}
        for number, line in enumerate(self.source.iter_rows(), 1):
            absent = line.absent if isinstance(line, IncompleteRow) else ()
            cells = {index: cell for index, cell in enumerate(line) if index not in absent}
            by_name = {self.source.names[index]: cell for index, cell in cells.items()}
            row_id = self._parse_id(number, by_name)
            if row_id in rows:
                raise AirflowFailException(
                    f"The rows {rows[row_id].number} and {number} of {self.source.label} have the "
                    f"same ID {row_id}. Remove one of them"
                )
            version = by_name.get(ROW_VERSION)
            etags = (by_name.get(name) for name in _ETAG_COLUMNS)
            rows[row_id] = ViewRow(
                number,
                row_id,
                cells,
                int(version) if version and version.isdecimal() else None,
                next(filter(None, etags), None),
            )
        return rows

    def _parse_id(self, number: int, cells: Mapping[str, str | None]) -> int:
        given = [cells[name] for name in ID_COLUMNS if cells.get(name)]
        texts = {str(text).strip().lower().removeprefix("syn") for text in given}
        if len(texts) != 1 or not all(text.isascii() and text.isdecimal() for text in texts):
            raise AirflowFailException(
                f"Row {number} of {self.source.label} has the ID {given}: expected one ID, such "
                "as 'syn123'"
            )
        return int(texts.pop())


def _show(annotation: Mapping[str, Any] | None, column: Mapping[str, Any]) -> str | None:
    """Return an annotation as the cell of a view; None if the column does not show it."""
    kind = get_column_type(column)
    if annotation is None or kind is None or not annotation.get("value"):
        return None
    accepted = _SHOWN_TYPES.get(ITEM_TYPES.get(kind, kind))
    if accepted is not None and annotation["type"] not in accepted:
        return None
    values = annotation["value"]
    return json.dumps(values) if kind in ITEM_TYPES else str(values[0])
