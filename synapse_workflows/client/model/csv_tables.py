"""Tables whose rows are a CSV file: read from the disk row by row, never held in memory."""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self, TextIO

from synapse_workflows.client.model import cell_codec, column_mapping, csv_io
from synapse_workflows.client.model.column_mapping import RowSerializer
from synapse_workflows.client.model.columns import SelectColumn, get_column_type
from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.client.model.rows import Row, RowMetadata, RowSet, require_row_metadata
from synapse_workflows.client.model.tables import AbstractTable
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType

#: Reads milliseconds, where pandas makes the moments.
_MILLIS_COLUMN = SelectColumn(columnType=ColumnType.INTEGER)


class CsvFileTable(AbstractTable):
    """A table whose rows are a CSV file: to be stored, or what a query answered.

    Args:
        schema: The table: a `Schema`, or an id.
        filepath: The file, in UTF-8.
        etag: The state of the table in which the rows were read.
        quoteCharacter: See `CsvForm`, as the next three.
        escapeCharacter: Before a quote inside a cell.
        lineEnd: Of every line.
        separator: Between cells.
        header: Whether the first line names the columns.
        linesToSkip: Lines before that.
        includeRowIdAndRowVersion: Whether rows begin with ROW_ID and ROW_VERSION, where no
            header says so.
        headers: The columns, where the file does not name them, and their types.

    Raises:
        ValueError: No table, or a form of CSV that Synapse does not take.
    """

    def __init__(
        self,
        schema: Any,
        filepath: str | os.PathLike[str],
        etag: str | None = None,
        quoteCharacter: str = '"',
        escapeCharacter: str = "\\",
        lineEnd: str = os.linesep,
        separator: str = ",",
        header: bool = True,
        linesToSkip: int = 0,
        includeRowIdAndRowVersion: bool | None = None,
        headers: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        given = (
            None if headers is None else [column_mapping.to_select_column(one) for one in headers]
        )
        super().__init__(schema, given, etag)
        self.filepath = os.fspath(filepath)
        self.dialect = CsvDialect(separator, quoteCharacter, escapeCharacter, lineEnd)
        self.quoteCharacter, self.escapeCharacter = quoteCharacter, escapeCharacter
        self.lineEnd, self.separator = lineEnd, separator
        self.header = header
        self.linesToSkip = linesToSkip
        self.includeRowIdAndRowVersion = includeRowIdAndRowVersion
        self._is_own = False
        if given is not None:
            self.setColumnHeaders(given)

    @classmethod
    def from_list_of_rows(
        cls,
        schema: Any,
        values: Iterable[Any],
        filepath: str | os.PathLike[str] | None = None,
        headers: Iterable[Mapping[str, Any]] | None = None,
        includeRowIdAndRowVersion: bool | None = None,
        **form: Any,
    ) -> Self:
        """Write rows to a CSV file, one by one, checking each against what is known of the table.

        Args:
            schema: The table, or its id.
            values: Rows: lists of values in the order of the columns, or mappings by name of
                column. A generator is gone through once, and its rows are not kept.
            filepath: Where to write; a temporary file that goes with this object when None.
            headers: The columns of the rows, where they are not all of the table's in order.
            includeRowIdAndRowVersion: Whether the first two values of a row are its id and
                version.
            **form: As for the class: ``etag``, ``separator``, ...

        Raises:
            ValueError: A row does not fit; the message names row, column and what is wrong.
        """
        made = cls._empty(schema, filepath, form)
        rows = iter(values)
        first = list(islice(rows, 1))
        names = list(first[0]) if first and column_mapping.is_row_mapping(first[0]) else None
        serializer = RowSerializer.create(
            made, names, headers, row_ids=bool(includeRowIdAndRowVersion), first=first
        )
        made.write_rows(serializer, chain(first, rows))
        return made

    @classmethod
    def from_data_frame(
        cls,
        schema: Any,
        df: Any,
        filepath: str | os.PathLike[str] | None = None,
        includeRowIdAndRowVersion: bool | None = None,
        **form: Any,
    ) -> Self:
        """Write a DataFrame to a CSV file; a schema without columns gets those of the frame.

        Args:
            schema: The table, or its id.
            df: The frame. Labels such as ``1_2``, as `asDataFrame` makes them, say which rows
                of the table to update.
            filepath: Where to write; a temporary file that goes with this object when None.
            includeRowIdAndRowVersion: False to add all rows as new ones, whatever their labels.
            **form: As for the class: ``etag``, ``separator``, ...

        Raises:
            ValueError: Columns or cells do not fit the table.
            SynapseError: The labels contradict columns ROW_ID and ROW_VERSION of the frame.
        """
        from synapse_workflows.client.model import dataframes

        made = cls._empty(schema, filepath, form)
        names, rows = dataframes.split_dataframe(
            df, row_ids=includeRowIdAndRowVersion is not False
        )
        if made.schema is not None and not made.schema.has_columns():
            made.schema.addColumns(dataframes.as_table_columns(df))
        made.write_rows(RowSerializer.create(made, names, None), rows)
        return made

    def write_rows(self, serializer: RowSerializer, rows: Iterable[Any]) -> None:
        """Fill the file with rows, one at a time.

        Raises:
            ValueError: A row does not fit; the message names row and column.
        """
        with Path(self.filepath).open("w", encoding="utf-8", newline="") as file:
            if serializer.names is not None:
                file.write(self.dialect.format_row(serializer.names))
            csv_io.write_rows(file, self.dialect, serializer.serialize(rows), serializer.names)
        self._is_own = True
        self.header = serializer.names is not None
        self.includeRowIdAndRowVersion = (
            serializer.names is not None and ROW_ID in serializer.names
        )
        self.headers = serializer.columns

    @property
    def has_row_etags(self) -> bool:
        """Whether the rows carry etags of their own."""
        return any(column.get("name") == ROW_ETAG for column in self.columns())

    def setColumnHeaders(self, headers: Iterable[Mapping[str, Any]]) -> None:
        """Say what the columns are; those of ids and versions are put before them if need be."""
        listed = [column_mapping.to_select_column(one) for one in headers]
        if self.includeRowIdAndRowVersion and ROW_ID not in [one.get("name") for one in listed]:
            listed = [*(column_mapping.METADATA_COLUMNS[:2]), *listed]
        self.headers = listed

    def columns(self) -> list[SelectColumn]:
        """List the columns of the file in their order, those of row ids and versions included.

        Raises:
            ValueError: The file has no columns that are known.
            OSError: It cannot be read.
        """
        first = self._first()
        known = self.headers or column_mapping.to_select_columns(self.known_columns()) or []
        if first is None:
            return known
        if self.header:
            return column_mapping.match_by_name(first, known)
        return column_mapping.match_by_position(len(first), known)

    def validate(self) -> None:
        """Check a file that was given: its text, and its columns against what the table has.

        Raises:
            ValueError: It is not UTF-8, or columns are missing or not known; the message says
                where and which.
            FileNotFoundError: There is no file.
        """
        if not self._is_own:
            csv_io.validate_utf8(self.filepath)
        known = self.known_columns()
        if known is not None and self.header:
            column_mapping.validate_column_names(
                [str(name) for name in self._first() or ()], known
            )
        elif known is not None:
            self.columns()

    def to_uploadable(self) -> "CsvFileTable":
        """Give the table as a file in which no row is an empty line: Synapse passes over those.

        That is another file where rows of one column were written here, and one of them is
        null. Files that were given are sent as they are.
        """
        if not self._is_own or len(self.columns()) != 1 or not self._has_empty_lines():
            return self
        made = CsvFileTable._empty(
            self.schema or self.tableId, None, {"etag": self.etag, "header": self.header}
        )
        with (
            csv_io.open_csv(self.filepath, self.linesToSkip) as file,
            Path(made.filepath).open("w", encoding="utf-8", newline="") as to,
        ):
            if self.header:
                to.write(made.dialect.format_row([ROW_ID, ROW_VERSION, self.columns()[0]["name"]]))
            to.writelines(
                made.dialect.format_row([None, None, *line]) for line in self._lines(file)
            )
        return made

    def _has_empty_lines(self) -> bool:
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return any(line == [None] for line in self._lines(file))

    def is_empty(self) -> bool:
        """Tell whether there is no row."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return next(self._lines(file), None) is None

    def __iter__(self) -> Iterator[list[Any]]:
        """Go through the rows, each a list of values: first the row's id and version, if any."""
        return self._values(self.columns())

    def __len__(self) -> int:
        """Count the rows, by going through the file."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return sum(1 for _ in self._lines(file))

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """See `AbstractTable`."""
        columns = self.columns()
        for row in self._values(columns):
            yield require_row_metadata(column_mapping.split_row(columns, row)[0])

    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""
        columns = self.columns()
        rows = []
        for values in self._values(columns):
            found, rest = column_mapping.split_row(columns, values)
            rows.append(Row(rest, *(found or ())))
        return RowSet(
            column_mapping.drop_metadata_columns(columns),
            rows=rows,
            tableId=self.tableId,
            etag=self.etag,
        )

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """See `AbstractTable`."""
        from synapse_workflows.client.model import dataframes

        columns = self.columns()
        counted = [
            _MILLIS_COLUMN if get_column_type(one) is ColumnType.DATE else one for one in columns
        ]
        rows = (
            column_mapping.split_row(columns, values) for values in self._values(columns, counted)
        )
        return dataframes.create_dataframe(
            column_mapping.drop_metadata_columns(columns),
            rows,
            in_index=rowIdAndVersionInIndex,
            dates=convert_to_datetime,
        )

    def asInteger(self) -> int:
        """Read the first cell as an integer, as of ``select count(*)``.

        Raises:
            ValueError: There is no row, or no integer in it.
        """
        row = next(iter(self), None)
        if row is None:
            raise ValueError("There is no row to read an integer from")
        return int(row[0])

    def _values(
        self, columns: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[list[Any]]:
        """Read the rows; `types` are used for reading instead of those of the columns."""
        readers = [
            cell_codec.create_reader({} if column.get("name") in ROW_METADATA else kind)
            for column, kind in zip(columns, types or columns, strict=True)
        ]
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            for number, line in enumerate(self._lines(file), 1):
                missing = len(readers) - len(line)
                if missing < 0:
                    raise ValueError(
                        f"Row {number} of {self.filepath} has {len(line)} cells for "
                        f"{len(readers)} columns"
                    )
                whole = [*line, *([None] * missing)] if missing else line
                yield [read(cell) for read, cell in zip(readers, whole, strict=True)]

    def _first(self) -> CsvRow | None:
        """Read the first line; None where there is none."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return next(self.dialect.parse_rows(file), None)

    def _lines(self, file: TextIO) -> Iterator[CsvRow]:
        lines = self.dialect.parse_rows(file)
        first = next(lines, None) if self.header else None
        # What separates no cells is a null where there is one column, else an empty line.
        alone = not self.header or first is None or len(first) == 1
        return (line for line in lines if alone or len(line) > 1 or line[0] is not None)

    @classmethod
    def _empty(
        cls, schema: Any, filepath: str | os.PathLike[str] | None, form: Mapping[str, Any]
    ) -> Self:
        """Make a table for a file that is to be written."""
        if filepath is not None:
            return cls(schema, filepath, **form)
        made = cls(schema, "", **form)
        handle, made.filepath = tempfile.mkstemp(prefix="synapse_table_", suffix=".csv")
        os.close(handle)
        weakref.finalize(made, Path(made.filepath).unlink, missing_ok=True)
        return made
