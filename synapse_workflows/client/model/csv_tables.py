"""Tables whose rows are a CSV file: read from the disk row by row, never held in memory."""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, TextIO

from synapse_workflows.client.model import cell_text, column_mapping, csv_io
from synapse_workflows.client.model.column_mapping import Layout
from synapse_workflows.client.model.columns import SelectColumn, type_of
from synapse_workflows.client.model.csv_dialect import CsvForm, Line
from synapse_workflows.client.model.rows import Row, RowSet
from synapse_workflows.client.model.tables import AbstractTable, RowMetadata, require_metadata
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType

#: Reads milliseconds, where pandas makes the moments.
_NUMBER = SelectColumn(columnType=ColumnType.INTEGER)


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
        given = None if headers is None else [column_mapping.select(one) for one in headers]
        super().__init__(schema, given, etag)
        self.filepath = os.fspath(filepath)
        self.form = CsvForm(separator, quoteCharacter, escapeCharacter, lineEnd)
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
        names = list(first[0]) if first and column_mapping.is_named(first[0]) else None
        plan = Layout.of(
            made, names, headers, row_ids=bool(includeRowIdAndRowVersion), first=first
        )
        made.write(plan, column_mapping.chained(first, rows))
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
        names, rows = dataframes.labelled(df, row_ids=includeRowIdAndRowVersion is not False)
        if made.schema is not None and not made.schema.has_columns():
            made.schema.addColumns(dataframes.as_table_columns(df))
        made.write(Layout.of(made, names, None), rows)
        return made

    def write(self, plan: Layout, rows: Iterable[Any]) -> None:
        """Fill the file with rows, one at a time.

        Raises:
            ValueError: A row does not fit; the message names row and column.
        """
        with Path(self.filepath).open("w", encoding="utf-8", newline="") as file:
            if plan.names is not None:
                file.write(self.form.write(plan.names))
            csv_io.write_lines(file, self.form, plan.lines(rows), plan.names)
        self._is_own = True
        self.header = plan.names is not None
        self.includeRowIdAndRowVersion = plan.names is not None and ROW_ID in plan.names
        self.headers = plan.columns

    @property
    def has_row_etags(self) -> bool:
        """Whether the rows carry etags of their own."""
        return any(column.get("name") == ROW_ETAG for column in self.columns())

    def setColumnHeaders(self, headers: Iterable[Mapping[str, Any]]) -> None:
        """Say what the columns are; those of ids and versions are put before them if need be."""
        listed = [column_mapping.select(one) for one in headers]
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
        known = self.headers or column_mapping.selects(self.known_columns()) or []
        if first is None:
            return known
        if self.header:
            return column_mapping.named(first, known)
        return column_mapping.positioned(len(first), known)

    def check(self) -> None:
        """Check a file that was given: its text, and its columns against what the table has.

        Raises:
            ValueError: It is not UTF-8, or columns are missing or not known; the message says
                where and which.
            FileNotFoundError: There is no file.
        """
        if not self._is_own:
            csv_io.require_utf8(self.filepath)
        known = self.known_columns()
        if known is not None and self.header:
            column_mapping.require_fit([str(name) for name in self._first() or ()], known)
        elif known is not None:
            self.columns()

    def sendable(self) -> "CsvFileTable":
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
            csv_io.opened(self.filepath, self.linesToSkip) as file,
            Path(made.filepath).open("w", encoding="utf-8", newline="") as to,
        ):
            if self.header:
                to.write(made.form.write([ROW_ID, ROW_VERSION, self.columns()[0]["name"]]))
            to.writelines(made.form.write([None, None, *line]) for line in self._lines(file))
        return made

    def _has_empty_lines(self) -> bool:
        with csv_io.opened(self.filepath, self.linesToSkip) as file:
            return any(line == [None] for line in self._lines(file))

    def is_empty(self) -> bool:
        """Tell whether there is no row."""
        with csv_io.opened(self.filepath, self.linesToSkip) as file:
            return next(self._lines(file), None) is None

    def __iter__(self) -> Iterator[list[Any]]:
        """Go through the rows, each a list of values: first the row's id and version, if any."""
        return self._values(self.columns())

    def __len__(self) -> int:
        """Count the rows, by going through the file."""
        with csv_io.opened(self.filepath, self.linesToSkip) as file:
            return sum(1 for _ in self._lines(file))

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """See `AbstractTable`."""
        columns = self.columns()
        for row in self._values(columns):
            yield require_metadata(column_mapping.split(columns, row)[0])

    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""
        columns = self.columns()
        rows = []
        for values in self._values(columns):
            found, rest = column_mapping.split(columns, values)
            rows.append(Row(rest, *(found or ())))
        return RowSet(
            column_mapping.data(columns), rows=rows, tableId=self.tableId, etag=self.etag
        )

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """See `AbstractTable`."""
        from synapse_workflows.client.model import dataframes

        columns = self.columns()
        counted = [_NUMBER if type_of(one) is ColumnType.DATE else one for one in columns]
        rows = (column_mapping.split(columns, values) for values in self._values(columns, counted))
        return dataframes.frame(
            column_mapping.data(columns),
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
            cell_text.reader({} if column.get("name") in ROW_METADATA else kind)
            for column, kind in zip(columns, types or columns, strict=True)
        ]
        with csv_io.opened(self.filepath, self.linesToSkip) as file:
            for number, line in enumerate(self._lines(file), 1):
                missing = len(readers) - len(line)
                if missing < 0:
                    raise ValueError(
                        f"Row {number} of {self.filepath} has {len(line)} cells for "
                        f"{len(readers)} columns"
                    )
                whole = [*line, *([None] * missing)] if missing else line
                yield [read(cell) for read, cell in zip(readers, whole, strict=True)]

    def _first(self) -> Line | None:
        """Read the first line; None where there is none."""
        with csv_io.opened(self.filepath, self.linesToSkip) as file:
            return next(self.form.read(file), None)

    def _lines(self, file: TextIO) -> Iterator[Line]:
        lines = self.form.read(file)
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
