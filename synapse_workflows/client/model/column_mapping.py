"""Mapping between the cells of CSV lines and the columns of a table."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.cell_values import is_missing
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.row_batches import encode_rows
from synapse_workflows.client.model.rows import (
    RowMetadata,
    serialize_cells,
    to_row_values,
    validate_width,
)
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType

METADATA_COLUMNS: Final = tuple(
    SelectColumn(name=name, columnType=ColumnType.STRING) for name in ROW_METADATA
)
#: Column names that pandas uses for an index without a name.
_INDEX_NAME: Final = re.compile(r"|__index_level_\d+__|Unnamed: \d+")


class TableRows(Protocol):
    """Rows that belong to a table."""

    @property
    def schema(self) -> SchemaBase | None:
        """The table."""

    def known_columns(self) -> list[Column] | None:
        """Return the columns of the table in order; None if they are unknown."""


@dataclass(frozen=True)
class RowSerializer:
    """Serializer of rows as CSV lines.

    Args:
        names: Names of the columns; None if they are unknown and cells are matched by position.
        headers: Headers of the columns; None if they are unknown.
        columns: The columns; without `columnType` if their cells are written by Python type.
    """

    names: list[str] | None
    headers: list[SelectColumn] | None
    columns: Sequence[Mapping[str, Any]]

    @classmethod
    def create(
        cls,
        table: TableRows,
        names: Sequence[str] | None,
        headers: Iterable[Mapping[str, Any]] | None,
        *,
        row_ids: bool = False,
        first: Sequence[Any] = (),
        optional: bool = False,
    ) -> Self:
        """Create a serializer from the columns of the table and of the rows.

        Args:
            table: The table that the rows belong to.
            names: Names of the columns, if the rows have them.
            headers: Headers of the rows, if specified by the caller.
            row_ids: Whether lists of values start with the ID and version of the row.
            first: A list with the first row, or an empty list.
            optional: Whether rows may also have values for columns of the table not in `names`.

        Raises:
            ValueError: The columns do not match the table.
        """
        table_columns = table.known_columns()
        known = to_select_columns(table_columns if headers is None else headers)
        if names is None and known is not None:
            names = [str(column["name"]) for column in known]
            names = [ROW_ID, ROW_VERSION, *names] if row_ids else names
        elif names is not None and table_columns is not None and optional:
            validate_column_names(names, table_columns)
            names = [*dict.fromkeys([*names, *(str(one["name"]) for one in table_columns)])]
        if names is None:
            width = _infer_width(table, first, row_ids=row_ids)
            return cls(None, None, [{}] * width)
        if table_columns is not None:
            validate_column_names(names, table_columns)
        validate_unique_names(names)
        described = [*(known or ()), *(table_columns or ())]
        by_name: dict[str, Mapping[str, Any]] = {str(one["name"]): one for one in described}
        columns = [by_name.get(name, {"name": name}) for name in names]
        typed = [{} if column["name"] in ROW_METADATA else column for column in columns]
        return cls(list(names), [to_select_column(column) for column in columns], typed)

    def serialize(self, rows: Iterable[Any]) -> Iterator[list[str | None]]:
        """Serialize rows one at a time.

        Raises:
            ValueError: A row does not match the columns; the message contains row and column.
        """
        width = len(self.columns)
        labels = self.names or [f"number {position}" for position in range(1, width + 1)]
        writers = [*map(cell_codec.create_writer, self.columns)]

        def serialize_row(number: int, values: Sequence[Any]) -> list[str | None]:
            validate_width(number, len(values), width)
            return serialize_cells(number, values, writers, labels)

        values = (
            row if type(row) is list else self._to_values(number, row)
            for number, row in enumerate(rows, 1)
        )
        yield from encode_rows(values, self.columns, writers, serialize_row)

    def _to_values(self, number: int, row: Any) -> list[Any]:
        """Return the values of a row in the order of the columns."""
        values = to_row_values(number, row)
        if isinstance(values, list):
            return values
        names = self.names or []
        unexpected = [name for name in values if name not in names]
        if unexpected:
            raise ValueError(
                f"Row {number} has values for unknown columns: {unexpected}. The columns are "
                f"{', '.join(map(repr, names)):.200}{suggest_names(unexpected, names)}"
            )
        if not is_missing(values.get(ROW_ID)):
            self._require_all_values(number, values)
        return [values.get(name) for name in names]

    def _require_all_values(self, number: int, values: Mapping[str, Any]) -> None:
        """Check that an update has all columns, because a missing value would clear the cell."""
        missing = [
            name for name in self.names or () if name not in values and name not in ROW_METADATA
        ]
        if missing:
            raise ValueError(
                f"Row {number} updates row {values[ROW_ID]} without values for {missing}, which "
                "would delete them: pass the current values, None for null, or store the rows "
                "that have the same columns together."
            )


def validate_column_names(names: Sequence[str], table_columns: Sequence[Column]) -> None:
    """Validate column names against a table. Columns may be missing.

    Raises:
        ValueError: Columns are unknown or repeated.
    """
    validate_unique_names(names)
    expected = [str(column["name"]) for column in table_columns]
    unknown = [name for name in names if name not in expected and name not in ROW_METADATA]
    if not unknown:
        return
    missing = [name for name in expected if name not in names and ROW_ID not in names]
    problems = [
        f"{problem}: {', '.join(map(repr, found))}"
        for problem, found in (("missing columns", missing), ("unknown columns", unknown))
        if found
    ]
    raise ValueError(
        f"The columns of the rows do not match the table: {'; '.join(problems)}. Use the "
        f"column names of the table ({', '.join(map(repr, expected)):.200}), or change its "
        f"columns and store the schema{suggest_names(unknown, expected)}"
    )


def suggest_names(unknown: Sequence[str], expected: Sequence[str]) -> str:
    """Return the end of an error message: the probable causes of unknown column names.

    Args:
        unknown: Names that are not columns of the table.
        expected: Names of the columns of the table.
    """
    by_key = {name.strip().casefold(): name for name in (*expected, *ROW_METADATA)}
    hints = []
    for name in map(str, unknown):
        similar = by_key.get(name.strip().casefold())
        if similar is not None:
            hints.append(f"{name!r} differs from {similar!r} in upper and lower case or spaces")
        elif _INDEX_NAME.fullmatch(name):
            hints.append(
                f"{name!r} is the index of a DataFrame, written without index=False: drop it"
            )
    return f". {'; '.join(hints)}." if hints else "."


def validate_unique_names(names: Sequence[str]) -> None:
    """Validate that no name is repeated.

    Raises:
        ValueError: A name is repeated.
    """
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(
            f"Duplicate column names: {', '.join(map(repr, repeated))}. "
            "Rename all but one of each."
        )


def to_select_column(column: Mapping[str, Any]) -> SelectColumn:
    """Convert a mapping that describes a column to a header."""
    return column if isinstance(column, SelectColumn) else SelectColumn.from_column(column)


def to_select_columns(columns: Iterable[Mapping[str, Any]] | None) -> list[SelectColumn] | None:
    """Convert columns to headers; return None for None."""
    return None if columns is None else [to_select_column(column) for column in columns]


def match_by_name(
    names: Sequence[str | None], known: Sequence[SelectColumn]
) -> list[SelectColumn]:
    """Match the column names of a header line to known columns.

    If the names differ from the known columns but the number of columns is equal, columns are
    matched by position. A query result can have two columns of the same name, or a different
    name for an expression.
    """
    metadata = {str(column["name"]): column for column in METADATA_COLUMNS}
    data_columns = [column for column in known if column.get("name") not in metadata]
    by_name = {str(column.get("name") or ""): column for column in data_columns}
    header = [name or "" for name in names]
    data_names = [name for name in header if name not in metadata]
    is_unique = len(set(data_names)) == len(data_names)
    is_known = by_name.keys() >= set(data_names)
    if not (is_unique and is_known) and len(data_names) == len(data_columns):
        ordered = iter(data_columns)
        return [metadata[name] if name in metadata else next(ordered) for name in header]
    by_name |= metadata
    return [by_name.get(name, SelectColumn(name=name)) for name in header]


def match_by_position(width: int, known: Sequence[SelectColumn]) -> list[SelectColumn]:
    """Match the cells of lines without a header to known columns.

    Row ID, row version and etag may precede the known columns.

    Args:
        width: Number of cells in a line.
        known: Known columns; if empty, columns without name and type are returned.

    Raises:
        ValueError: The number of cells does not match the number of columns.
    """
    data_columns = drop_metadata_columns(known)
    metadata_count = width - len(data_columns)
    if not known:
        return [SelectColumn() for _ in range(width)]
    if metadata_count not in {0, 2, 3}:
        raise ValueError(
            f"The lines have {width} cells for {len(data_columns)} columns. Expected one cell for "
            "each column, optionally preceded by row ID, row version and etag."
        )
    return [*METADATA_COLUMNS[:metadata_count], *data_columns]


def drop_metadata_columns(columns: Sequence[SelectColumn]) -> list[SelectColumn]:
    """Return the columns without row ID, row version and etag."""
    return [column for column in columns if column.get("name") not in ROW_METADATA]


def split_row(
    columns: Sequence[Mapping[str, Any]], row: Sequence[Any]
) -> tuple[RowMetadata | None, list[Any]]:
    """Split the cells of a line into row metadata and values.

    Returns:
        The metadata (None if the line has no row ID), and the values of the other columns.
    """
    metadata: dict[str, Any] = {}
    values = []
    for column, value in zip(columns, row, strict=True):
        name = column.get("name")
        if name in ROW_METADATA:
            metadata[name] = value
        else:
            values.append(value)
    if not metadata.get(ROW_ID):
        return None, values
    version = metadata.get(ROW_VERSION)
    number = int(version) if version else None
    return RowMetadata(int(metadata[ROW_ID]), number, metadata.get(ROW_ETAG)), values


def _infer_width(table: TableRows, first: Sequence[Any], *, row_ids: bool) -> int:
    """Return the number of cells of a row if the names of the columns are unknown."""
    headers = table.schema.headers() if table.schema is not None else []
    if headers:
        return len(headers) + (2 if row_ids else 0)
    return max((len(to_row_values(1, one)) for one in first), default=0)
