"""Tables whose rows are stored in a CSV file and read one at a time."""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self, TextIO, Unpack

from synapse_workflows.client.model import column_mapping, csv_io
from synapse_workflows.client.model.argument_types import CsvOptions
from synapse_workflows.client.model.column_mapping import RowSerializer
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.csv_dialect import CsvBlock, CsvDialect, CsvRow
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.client.model.row_batches import read_rows
from synapse_workflows.client.model.row_spool import PendingRows, RowSpool
from synapse_workflows.client.model.rows import (
    Row,
    RowMetadata,
    RowSet,
    require_row_metadata,
    to_row_values,
)
from synapse_workflows.client.model.tables import AbstractTable
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION


class CsvFileTable(AbstractTable):
    r"""Table with rows in a CSV file: rows to store, or the result of a query.

    Args:
        schema: The table: a `Schema`, or an ID.
        filepath: Path of the file, in UTF-8.
        etag: Etag of the table when the rows were read.
        quoteCharacter: Quote around cells.
        escapeCharacter: Escape character inside quoted cells.
        lineEnd: Line ending: ``\n``, ``\r\n`` or ``\r``.
        separator: Separator of cells.
        header: Whether the first line contains the names of the columns.
        linesToSkip: Number of lines to skip before the header.
        includeRowIdAndRowVersion: For a file without header: whether rows start with ROW_ID
            and ROW_VERSION.
        headers: For a file without header: names and types of the columns.

    Raises:
        ValueError: `schema` is missing, or Synapse does not support the CSV dialect.
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
        select_columns = column_mapping.to_select_columns(headers)
        super().__init__(schema, select_columns, etag)
        self.filepath = os.fspath(filepath)
        self.permanent_path = str(expand_home(self.filepath).absolute())
        self.dialect = CsvDialect(separator, quoteCharacter, escapeCharacter, lineEnd)
        self.quoteCharacter, self.escapeCharacter = quoteCharacter, escapeCharacter
        self.lineEnd, self.separator = lineEnd, separator
        self.header = header
        self.linesToSkip = linesToSkip
        self.includeRowIdAndRowVersion = includeRowIdAndRowVersion
        self._is_generated = False
        #: Rows that are written again as soon as the columns of the table are known.
        self.pending: PendingRows | None = None
        if select_columns is not None:
            self.setColumnHeaders(select_columns)

    @classmethod
    def from_list_of_rows(
        cls,
        schema: Any,
        values: Iterable[Any],
        filepath: str | os.PathLike[str] | None = None,
        headers: Iterable[Mapping[str, Any]] | None = None,
        includeRowIdAndRowVersion: bool | None = None,
        **options: Unpack[CsvOptions],
    ) -> Self:
        """Validate rows and write them to a CSV file.

        Args:
            schema: The table, or its ID.
            values: Rows: lists of values in the order of the columns, or mappings of column
                names to values. A generator is consumed in small batches.
            filepath: Path of the file to write; None for a temporary file, which is deleted
                together with this object.
            headers: Columns of the rows, if they differ from the columns of the table.
            includeRowIdAndRowVersion: Whether the first two values of a row are its ID and
                version.
            **options: Further arguments of the class: ``etag``, ``separator``, ...

        Raises:
            ValueError: A row does not match the columns; the message contains row, column and
                reason.
        """
        table = cls._create_empty(schema, filepath, options)
        row_ids = bool(includeRowIdAndRowVersion)
        if table.known_columns() is None:
            spool = RowSpool(values)
            table.write_pending(PendingRows(spool, spool.names, headers, row_ids))
            return table
        rows = iter(values)
        first = [to_row_values(1, one) for one in islice(rows, 1)]
        names = list(first[0]) if first and isinstance(first[0], dict) else None
        serializer = RowSerializer.create(
            table,
            names,
            headers,
            row_ids=row_ids,
            first=first,
            optional=headers is None and ROW_ID not in (names or ()),
        )
        table.write_rows(serializer, chain(first, rows))
        return table

    @classmethod
    def from_data_frame(
        cls,
        schema: Any,
        df: Any,
        filepath: str | os.PathLike[str] | None = None,
        includeRowIdAndRowVersion: bool | None = None,
        **options: Unpack[CsvOptions],
    ) -> Self:
        """Write a DataFrame to a CSV file.

        The columns of the DataFrame are added to a schema without columns.

        Args:
            schema: The table, or its ID.
            df: The DataFrame. Index labels such as ``1_2``, as created by `asDataFrame`, identify
                the rows of the table to update.
            filepath: Path of the file to write; None for a temporary file, which is deleted
                together with this object.
            includeRowIdAndRowVersion: False to add all rows as new rows and ignore index labels.
            **options: Further arguments of the class: ``etag``, ``separator``, ...

        Raises:
            ValueError: Columns or cells do not match the table.
            SynapseError: The labels differ from the columns ROW_ID and ROW_VERSION.
        """
        from synapse_workflows.client.model import column_inference, dataframes

        table = cls._create_empty(schema, filepath, options)
        names, rows = dataframes.split_dataframe(
            df, row_ids=includeRowIdAndRowVersion is not False
        )
        if table.schema is not None and not table.schema.has_columns():
            table.schema.addColumns(column_inference.as_table_columns(df))
        if table.known_columns() is None:
            table.write_pending(PendingRows(RowSpool(rows), names, None))
        else:
            table.write_rows(RowSerializer.create(table, names, None), rows)
        return table

    def write_pending(self, pending: PendingRows) -> None:
        """Write rows by their Python types, and keep the rows for `bind_columns`."""
        self.pending = pending
        self.write_rows(pending.create_serializer(self), pending.rows)

    def bind_columns(self, columns: Sequence[Column]) -> None:
        """Set the columns of the table, and write pending rows again by column type.

        Raises:
            ValueError: The rows do not match the columns; the message contains row and column.
        """
        self.table_columns = list(columns)
        if self.pending is not None:
            self.write_rows(self.pending.create_serializer(self), self.pending.rows)
            self.pending = None

    def write_rows(self, serializer: RowSerializer, rows: Iterable[Any]) -> None:
        """Replace the content of the file with rows.

        Raises:
            ValueError: A row does not match the columns; the message contains row and column.
        """
        with (
            explain_full_disk(self.filepath),
            Path(self.filepath).open("w", encoding="utf-8", newline="") as file,
        ):
            if serializer.names is not None:
                file.write(self.dialect.format_row(serializer.names))
            csv_io.write_rows(file, self.dialect, serializer.serialize(rows), serializer.names)
        self._is_generated, self.permanent_path = True, None
        self.header = serializer.names is not None
        self.includeRowIdAndRowVersion = (
            serializer.names is not None and ROW_ID in serializer.names
        )
        self.headers = serializer.headers

    @property
    def has_row_etags(self) -> bool:
        """Whether each row has an etag, as in views."""
        return any(column.get("name") == ROW_ETAG for column in self.columns())

    def setColumnHeaders(self, headers: Iterable[Mapping[str, Any]]) -> None:
        """Set the columns; ROW_ID and ROW_VERSION are prepended if the rows include them."""
        columns = [column_mapping.to_select_column(one) for one in headers]
        if self.includeRowIdAndRowVersion and ROW_ID not in [one.get("name") for one in columns]:
            columns = [*(column_mapping.METADATA_COLUMNS[:2]), *columns]
        self.headers = columns

    def columns(self) -> list[SelectColumn]:
        """Return the columns of the file in order, including row ID and row version.

        Raises:
            ValueError: The number of cells does not match the known columns.
            OSError: The file cannot be read.
        """
        first = self._read_first_row()
        known = self.headers or column_mapping.to_select_columns(self.known_columns()) or []
        if first is None:
            return known
        if self.header:
            return column_mapping.match_by_name(first, known)
        return column_mapping.match_by_position(len(first), known)

    def validate(self) -> None:
        """Validate the encoding of the file, and its columns against the table.

        If a file of the caller has unknown escapes (`CsvDialect.has_unknown_escapes`), its escape
        character is then read as an ordinary character.

        Raises:
            ValueError: The file is not UTF-8, or columns are unknown or have no name.
            FileNotFoundError: The file does not exist.
        """
        if not self._is_generated and csv_io.has_unknown_escapes(self.filepath, self.dialect):
            self.escapeCharacter = self.quoteCharacter
            self.dialect = replace(self.dialect, escape=self.quoteCharacter)
        known = self.known_columns()
        if known is not None and self.header:
            column_mapping.validate_column_names(
                [name or "" for name in self._read_first_row() or ()], known
            )
        elif known is not None:
            self.columns()

    def to_uploadable(self) -> "CsvFileTable":
        """Return a table that can be uploaded without losing rows.

        Synapse ignores empty lines, but a null in a table with one column is an empty line. If a
        file written by this class has empty lines, the result is a copy with additional empty
        cells ROW_ID and ROW_VERSION. A compressed file of the caller is decompressed to a new
        file. Other tables are returned unchanged.
        """
        if not self._is_generated and csv_io.is_compressed(expand_home(self.filepath)):
            return self._decompress()
        if not self._is_generated or len(self.columns()) != 1 or not self._has_empty_lines():
            return self
        options: CsvOptions = {"etag": self.etag, "header": self.header}
        padded = CsvFileTable._create_empty(self.schema or self.tableId, None, options)
        with (
            csv_io.open_csv(self.filepath, self.linesToSkip) as file,
            explain_full_disk(padded.filepath),
            Path(padded.filepath).open("w", encoding="utf-8", newline="") as target,
        ):
            if self.header:
                names = [ROW_ID, ROW_VERSION, self.columns()[0]["name"]]
                target.write(padded.dialect.format_row(names))
            target.writelines(
                padded.dialect.format_row([None, None, *row]) for row in self._parse_rows(file)
            )
        return padded

    def _decompress(self) -> "CsvFileTable":
        plain = copy(self)
        plain._use_temporary_file()  # noqa: SLF001 - of the same class
        csv_io.decompress(self.filepath, plain.filepath)
        return plain

    def _has_empty_lines(self) -> bool:
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return any(row == [None] for row in self._parse_rows(file))

    def is_empty(self) -> bool:
        """Return whether there are no rows."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return next(self._parse_rows(file), None) is None

    def __iter__(self) -> Iterator[list[Any]]:
        """Iterate over the rows as lists of values, including row ID and version if present."""
        return self._iter_values(self.columns())

    def __len__(self) -> int:
        """Count the rows by reading the file."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return sum(1 for _ in self._parse_rows(file))

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Iterate over the metadata of the rows."""
        columns = self.columns()
        for row in self._iter_values(columns):
            yield require_row_metadata(column_mapping.split_row(columns, row)[0])

    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""
        columns = self.columns()
        rows = []
        for cells in self._iter_values(columns):
            metadata, values = column_mapping.split_row(columns, cells)
            rows.append(Row(values, *(metadata or ())))
        return RowSet(
            column_mapping.drop_metadata_columns(columns),
            rows=rows,
            tableId=self.tableId,
            etag=self.etag,
        )

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Return the rows as a pandas DataFrame; see `AbstractTable`."""
        from synapse_workflows.client.model import arrow_dataframes, dataframes

        columns = self.columns()
        file = csv_io.CsvFile(self.filepath, self.dialect, self.header, self.linesToSkip)
        frame = arrow_dataframes.read_dataframe(
            file, columns, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )
        if frame is not None:
            return frame
        counted = [dataframes.get_cell_column(one) for one in columns]
        rows = (
            column_mapping.split_row(columns, values)
            for values in self._iter_values(columns, counted)
        )
        return dataframes.create_dataframe(
            column_mapping.drop_metadata_columns(columns),
            rows,
            in_index=rowIdAndVersionInIndex,
            dates=convert_to_datetime,
        )

    def _iter_values(
        self, columns: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[list[Any]]:
        """Read the rows; `types` override the types of the columns."""
        typed = [
            {} if column.get("name") in ROW_METADATA else kind
            for column, kind in zip(columns, types or columns, strict=True)
        ]
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            yield from read_rows(self._parse_blocks(file), typed, self.filepath)

    def _read_first_row(self) -> CsvRow | None:
        """Return the cells of the first row; None if the file is empty."""
        with csv_io.open_csv(self.filepath, self.linesToSkip) as file:
            return next(self.dialect.parse_rows(file), None)

    def _parse_rows(self, file: TextIO) -> Iterator[CsvRow]:
        return chain.from_iterable(block.iter_rows() for block in self._parse_blocks(file))

    def _parse_blocks(self, file: TextIO) -> Iterator[CsvBlock]:
        blocks = self.dialect.parse_blocks(file)
        first = next(blocks, None) if self.header else None
        # In a table with one column, an empty line is a null; in other tables it is ignored.
        has_one_column = first is None or len(next(first.iter_rows())) == 1
        return blocks if has_one_column else (block.without_empty_lines() for block in blocks)

    @classmethod
    def _create_empty(
        cls, schema: Any, filepath: str | os.PathLike[str] | None, options: CsvOptions
    ) -> Self:
        """Create a table whose file is written later; a temporary file if the path is None."""
        table = cls(schema, filepath or "", **options)
        if filepath is None:
            table._use_temporary_file()
        return table

    def _use_temporary_file(self) -> None:
        """Set the path to a new file, which is deleted together with this object."""
        handle, self.filepath = tempfile.mkstemp(prefix="synapse_table_", suffix=".csv")
        os.close(handle)
        weakref.finalize(self, Path(self.filepath).unlink, missing_ok=True)
