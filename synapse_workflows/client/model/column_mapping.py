"""Which cell of a line belongs to which column, when rows are written and when they are read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.rows import Row, RowMetadata, serialize_cells, validate_width
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType

METADATA_COLUMNS: Final = tuple(
    SelectColumn(name=name, columnType=ColumnType.STRING) for name in ROW_METADATA
)


class _TableRows(Protocol):
    """Rows that are of a table."""

    @property
    def schema(self) -> SchemaBase | None: ...
    def known_columns(self) -> list[Column] | None: ...


@dataclass(frozen=True)
class RowSerializer:
    """How rows are written as lines of text.

    Args:
        names: Of the columns; None when they are not known, and the order has to do.
        columns: Headers, as far as they are known.
        writers: Of the cells, one for each column.
    """

    names: list[str] | None
    columns: list[SelectColumn] | None
    writers: Sequence[cell_codec.CellWriter]

    @classmethod
    def create(
        cls,
        table: _TableRows,
        names: Sequence[str] | None,
        headers: Iterable[Mapping[str, Any]] | None,
        *,
        row_ids: bool = False,
        first: Sequence[Any] = (),
    ) -> Self:
        """Decide on it, by what is known of the table, of the rows, or said of them.

        Args:
            table: What the rows are of.
            names: Of the columns of the rows, where they say.
            headers: Of the rows, where the caller says.
            row_ids: Whether lists of values begin with the row's id and version.
            first: The first row.

        Raises:
            ValueError: The columns do not fit the table.
        """
        known = table.known_columns()
        said = (
            [to_select_column(one) for one in headers]
            if headers is not None
            else to_select_columns(known)
        )
        if names is None and said is not None:
            names = [str(one["name"]) for one in said]
            names = [ROW_ID, ROW_VERSION, *names] if row_ids else names
        if names is None:
            return cls(
                None,
                None,
                [cell_codec.create_writer({})] * _infer_width(table, first, row_ids=row_ids),
            )
        by_name: dict[str, Mapping[str, Any]] = {str(one["name"]): one for one in said or ()}
        by_name |= {str(one["name"]): one for one in known or ()}
        if known is not None:
            validate_column_names(names, known)
        validate_unique_names(names)
        columns = [by_name.get(name, {"name": name}) for name in names]
        writers = [
            cell_codec.create_writer({} if one["name"] in ROW_METADATA else one) for one in columns
        ]
        return cls(list(names), [to_select_column(one) for one in columns], writers)

    def serialize(self, rows: Iterable[Any]) -> Iterator[list[str | None]]:
        """Write rows, one at a time.

        Raises:
            ValueError: One does not fit; the message names row and column.
        """
        shown = self.names or [f"number {at}" for at, _ in enumerate(self.writers, 1)]
        for number, row in enumerate(rows, 1):
            values = self._ordered(number, row)
            validate_width(number, len(values), len(self.writers))
            yield serialize_cells(number, values, self.writers, shown)

    def _ordered(self, number: int, row: Any) -> Sequence[Any]:
        if isinstance(row, Row):
            values: Sequence[Any] = row["values"]
            return values
        if not isinstance(row, Mapping):
            if isinstance(row, str | bytes) or not isinstance(row, Iterable):
                raise ValueError(  # noqa: TRY004 - what is wrong is the value in the table
                    f"Row {number} is no list of values: {row!r:.60}"
                )
            return row if isinstance(row, Sequence) else list(row)
        strange = [name for name in row if name not in (self.names or ())]
        if strange:
            raise ValueError(
                f"Row {number} has values for columns that others have not: {strange}"
            )
        return [row.get(name) for name in self.names or ()]


def validate_column_names(names: Sequence[str], known: Sequence[Column]) -> None:
    """Check names of columns against those of a table. Updates may leave columns out.

    Raises:
        ValueError: Some are missing or not known; the message names them.
    """
    validate_unique_names(names)
    there = [str(column["name"]) for column in known]
    extra = [name for name in names if name not in there and name not in ROW_METADATA]
    missing = [] if ROW_ID in names else [name for name in there if name not in names]
    said = [
        f"{what}: {', '.join(map(repr, found))}"
        for what, found in (("missing columns", missing), ("columns it has not", extra))
        if found
    ]
    if said:
        raise ValueError(
            f"The rows do not fit the table: {'; '.join(said)}. Name them as the table does "
            f"({', '.join(map(repr, there)):.200}), or change its columns and store the schema."
        )


def validate_unique_names(names: Sequence[str]) -> None:
    """Check that no name comes twice.

    Raises:
        ValueError: One does.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"Columns that come more than once: {', '.join(map(repr, twice))}")


def is_row_mapping(row: Any) -> bool:
    """Tell whether a row has its values by name of column."""
    return isinstance(row, Mapping) and not isinstance(row, Row)


def to_select_column(column: Mapping[str, Any]) -> SelectColumn:
    """Make a header of anything that describes a column."""
    return column if isinstance(column, SelectColumn) else SelectColumn.from_column(column)


def to_select_columns(columns: Iterable[Mapping[str, Any]] | None) -> list[SelectColumn] | None:
    """Make headers of columns, if they are known."""
    return None if columns is None else [to_select_column(one) for one in columns]


def match_by_name(
    names: Sequence[str | None], known: Sequence[SelectColumn]
) -> list[SelectColumn]:
    """Find the columns that a line names.

    Where names do not tell, but as many columns are known as are named, they come in the same
    order: a query may answer two of one name, or write that of an expression in its own way.
    """
    metadata = {str(one["name"]): one for one in METADATA_COLUMNS}
    others = [one for one in known if one.get("name") not in metadata]
    by_name = {str(one.get("name")): one for one in others}
    wanted = [str(name) for name in names]
    data_names = [name for name in wanted if name not in metadata]
    told = len(set(data_names)) == len(data_names) and by_name.keys() >= set(data_names)
    if not told and len(data_names) == len(others):
        ordered = iter(others)
        return [metadata[name] if name in metadata else next(ordered) for name in wanted]
    by_name |= metadata
    return [by_name.get(name, SelectColumn(name=name)) for name in wanted]


def match_by_position(width: int, known: Sequence[SelectColumn]) -> list[SelectColumn]:
    """Find the columns of lines that do not name them: ids and versions may come before.

    Raises:
        ValueError: There are more or fewer cells than columns.
    """
    data = [one for one in known if one.get("name") not in ROW_METADATA]
    before = width - len(data)
    if not known:
        return [SelectColumn() for _ in range(width)]
    if before not in {0, 2, 3}:
        raise ValueError(f"The lines have {width} cells for {len(data)} columns")
    return [*METADATA_COLUMNS[:before], *data]


def drop_metadata_columns(columns: Sequence[SelectColumn]) -> list[SelectColumn]:
    """Leave out the columns that say which row it is."""
    return [column for column in columns if column.get("name") not in ROW_METADATA]


def split_row(
    columns: Sequence[Mapping[str, Any]], row: Sequence[Any]
) -> tuple[RowMetadata | None, list[Any]]:
    """Take apart which row it is, and what is in it."""
    said: dict[str, Any] = {}
    rest = []
    for column, value in zip(columns, row, strict=True):
        name = column.get("name")
        if name in ROW_METADATA:
            said[name] = value
        else:
            rest.append(value)
    if not said.get(ROW_ID):
        return None, rest
    version = said.get(ROW_VERSION)
    number = int(version) if version else None
    return RowMetadata(int(said[ROW_ID]), number, said.get(ROW_ETAG)), rest


def _infer_width(table: _TableRows, first: Sequence[Any], *, row_ids: bool) -> int:
    """Count the columns of which nothing else is known."""
    headers = table.schema.headers() if table.schema is not None else []
    if headers:
        return len(headers) + (2 if row_ids else 0)
    return max((len(one["values"] if isinstance(one, Row) else one) for one in first), default=0)
