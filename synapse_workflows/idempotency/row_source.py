"""Sources of rows to store in a table, and the match between their columns and the table's."""

import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from gzip import BadGzipFile
from hashlib import md5
from itertools import chain, islice
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model import cell_values
from synapse_workflows.client.model.column_inference import (
    ColumnInference,
    TextColumnInference,
    ValueColumnInference,
)
from synapse_workflows.client.model.column_mapping import suggest_names
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.constants import ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType
from synapse_workflows.idempotency.cell_normalization import CellNormalizer

#: Dialects of the files that Synapse writes.
SYNAPSE_CSV: Final = CsvDialect()
SYNAPSE_TSV: Final = CsvDialect("\t")
#: Dialect of all other CSV files: a backslash is an ordinary character.
STANDARD_CSV: Final = CsvDialect(escape='"')
TSV: Final = CsvDialect(separator="\t", escape='"')

_OTHER_SEPARATORS: Final = (";", "\t", "|")


class IncompleteRow(list[str | None]):
    """Cells of a row that has no value for some of the columns of its source.

    Args:
        cells: Cells of all columns; the absent ones are None.
        absent: Indexes of the columns without a value.
    """

    def __init__(self, cells: CsvRow, absent: Collection[int]) -> None:
        super().__init__(cells)
        self.absent = absent


class RowSource(ABC):
    """Rows to store in a table. `bind_columns` must be called before rows are read.

    Args:
        label: Name of the source in error messages.
    """

    #: Whether upper and lower case of column names must match.
    match_case: bool = True
    #: Whether columns without a value in any row can be missing in the header.
    has_optional_columns: bool = False
    #: Whether the cells are text of any type, as in a CSV file.
    has_text_cells: bool = True

    def __init__(self, label: str) -> None:
        self.label = label
        #: Whether `iter_rows` computes the MD5 that `content_md5` returns.
        self.is_hashed = False
        #: The columns of the table that the source has, in its order.
        self.columns: list[Mapping[str, Any]] = []
        self._header: tuple[str, ...] | None = None
        #: Rows of which `has_rows` has read the first.
        self._peeked: Iterator[CsvRow] | None = None
        self._content_md5: str | None = None

    @abstractmethod
    def _read_header(self) -> Sequence[Any] | None:
        """Return the column names; None if there are neither rows nor column names."""

    @abstractmethod
    def _read_rows(self) -> Iterator[CsvRow]:
        """Yield the rows as text."""

    @abstractmethod
    def _read_cells(self) -> Iterator[Sequence[Any]]:
        """Yield the cells of each row before they are converted to the types of the table."""

    def read_types(self) -> Sequence[ColumnType | None]:
        """Return the declared types of the columns, in the order of the header."""
        return ()

    def read_header(self) -> tuple[str, ...] | None:
        """Return the column names; None if there are neither rows nor column names.

        Raises:
            AirflowFailException: The source cannot be read.
        """
        if self._header is None:
            with self.read_errors():
                names = self._read_header()
            if any(map(cell_values.is_missing, names or ())):
                raise AirflowFailException(
                    f"{self.label} has a column without a name: {names!r:.200}. Name or remove it"
                )
            self._header = None if names is None else tuple(str(one).strip() for one in names)
        return self._header

    def bind_columns(self, columns: Sequence[Mapping[str, Any]]) -> None:
        """Set the columns of the table.

        Args:
            columns: The columns; for views, also the columns with the IDs of the rows.

        Raises:
            AirflowFailException: The source has columns that the table does not have, or row IDs
                that are not among `columns`, or cannot be read.
        """
        by_name = {str(column["name"]): column for column in columns}
        header = self.read_header()
        if header is None:
            header = tuple(by_name)
        self._check_header([name for name in header if name not in by_name])
        names = self.match_names(header, by_name)
        if not names:
            raise AirflowFailException(
                f"{self.label} has no column names: expected columns of the table, {list(by_name)}"
            )
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise AirflowFailException(
                f"{self.label} has columns that the table does not have: {unknown}. The columns "
                f"of the table are {list(by_name)}{_hint(unknown, by_name)}"
            )
        self._require_unique(header, names)
        self.names = tuple(names)
        self.missing = [name for name in by_name if name not in names]
        bound = [by_name[name] for name in names]
        if bound != self.columns:
            self._peeked = self._content_md5 = None
        self.columns = bound
        self.normalizer = CellNormalizer(self.columns)

    def find_unknown(self, columns: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return the names of the columns that are not among the columns of a table.

        Args:
            columns: Columns of the table.

        Raises:
            AirflowFailException: The source cannot be read.
        """
        known = {str(column["name"]) for column in columns}
        header = self.read_header() or ()
        names = self.match_names(header, known)
        return [given for given, name in zip(header, names, strict=True) if name not in known]

    def infer_columns(self) -> list[Column]:
        """Infer the columns of a table for the rows; return no columns if there are no rows.

        All rows are read, and are read again to be stored: a type must fit all values before the
        table can have the column, and before the first row can be stored.

        Raises:
            AirflowFailException: The source cannot be read, has row IDs or duplicate columns, or
                the values of a column have no common type.
        """
        header = self.read_header() or ()
        self._check_header(header)
        self._check_separator(header)
        self._require_unique(header, self._fold(header))
        kind = TextColumnInference if self.has_text_cells else ValueColumnInference
        inferences = {name: kind(name) for name in header}
        with self.read_errors():
            count = self.add_cells(inferences, as_text=self.has_text_cells)
            if not count:
                return []
            types = dict(zip(header, self.read_types(), strict=False))
            return [one.create_column(types.get(name)) for name, one in inferences.items()]

    def add_cells(self, inferences: Mapping[str, ColumnInference], *, as_text: bool) -> int:
        """Add all cells to the inferences of their columns; return the number of rows.

        Args:
            inferences: The inferences by the names in the header.
            as_text: Whether the inferences expect text.
        """
        targets = [inferences[name] for name in self.read_header() or ()]
        count = 0
        for cells in self._read_cells():
            count += 1
            for target, cell in zip(targets, cells, strict=False):  # `iter_rows` checks the length
                is_value = as_text and not self.has_text_cells
                target.add(_to_text(cell) if is_value else cell)
        return count

    def match_names(self, names: Sequence[str], known: Iterable[str]) -> list[str]:
        """Replace names by known names that differ only in case, unless `match_case` is set.

        Raises:
            AirflowFailException: A name matches several known names.
        """
        if self.match_case:
            return list(names)
        expected, matched = list(known), []
        for name in names:
            similar = [one for one in expected if one.casefold() == name.casefold()]
            if len(similar) > 1 and name not in similar:
                raise AirflowFailException(
                    f"Column {name!r} of {self.label} is ambiguous with match_case=False: the "
                    f"table has the columns {similar}. Use one of these names"
                )
            matched.append(similar[0] if len(similar) == 1 else name)
        return matched

    def has_rows(self) -> bool:
        """Return whether there are rows. The next call of `iter_rows` does not start again.

        Raises:
            AirflowFailException: See `iter_rows`.
        """
        rows = self.iter_rows()
        first = [*islice(rows, 1)]
        self._peeked = chain(first, rows)
        return bool(first)

    def iter_rows(self) -> Iterator[CsvRow]:
        """Yield the rows as text; a row without a value for a column is an `IncompleteRow`.

        Raises:
            AirflowFailException: A row has the wrong number of cells, or a cell is too long for
                its column, or the source cannot be read.
        """
        peeked, self._peeked = self._peeked, None
        if peeked is not None:
            return peeked
        return self._hash_rows() if self.is_hashed else self._iter_rows()

    def _iter_rows(self) -> Iterator[CsvRow]:
        width = len(self.names)
        with self.read_errors():
            for number, line in enumerate(self._read_rows(), 1):
                if len(line) != width:
                    raise AirflowFailException(
                        f"Row {number} of {self.label} has {len(line)} cells for {width} columns. "
                        "Check the row, the separator and the quotes"
                    )
                self.normalizer.check_sizes(number, line)
                yield line

    def content_md5(self) -> str:
        """Return the MD5 of all rows, as they are uploaded.

        The rows are read, unless `is_hashed` was set when they were read to the end.
        """
        if self._content_md5 is None:
            deque(self._hash_rows(), maxlen=0)
        return str(self._content_md5)

    def _hash_rows(self) -> Iterator[CsvRow]:
        """Yield the rows, and keep their MD5 after the last one."""
        digest = md5(usedforsecurity=False)
        _, serialize = row_serializer(self.names)
        for line in self._iter_rows():
            digest.update(serialize(line))
            yield line
        self._content_md5 = digest.hexdigest()

    @contextmanager
    def read_errors(self) -> Iterator[None]:
        """Convert errors of an invalid or damaged file to AirflowFailException."""
        try:
            yield
        except (ValueError, EOFError, zlib.error, BadGzipFile) as error:
            raise AirflowFailException(f"{self.label} cannot be read: {error}") from error

    def _check_header(self, header: Sequence[str]) -> None:
        if any(name.upper() in ROW_METADATA for name in header):
            raise AirflowFailException(
                f"{self.label} has row IDs, which cannot be stored: the mode decides which rows "
                "change. Query without include_row_ids, or remove these columns"
            )

    def _check_separator(self, header: Sequence[str]) -> None:
        """Check that a file that a new table gets its columns from is separated by commas."""
        separator = _find_separator(header)
        if self.has_text_cells and separator:
            raise AirflowFailException(
                f"{self.label} has one column, {header[0]!r}. Separate cells with commas, not "
                f"with {separator!r}; or, if {separator!r} is part of the name, create the table "
                "or the column before this task"
            )

    def _fold(self, header: Sequence[str]) -> list[str]:
        """Return names that are equal if the columns cannot be told apart."""
        return list(header) if self.match_case else [name.casefold() for name in header]

    def _require_unique(self, header: Sequence[str], names: Sequence[str]) -> None:
        duplicates = sorted(
            {given for given, name in zip(header, names, strict=True) if names.count(name) > 1}
        )
        if duplicates:
            raise AirflowFailException(
                f"{self.label} has duplicate columns: {duplicates}. Rename all but one of each"
            )


def _to_text(value: Any) -> str | None:
    return None if cell_values.is_missing(value) else cell_values.to_text(value)


def row_serializer(names: Sequence[str]) -> tuple[bytes, Callable[[CsvRow], bytes]]:
    """Return the header of a file to upload, and the function that serializes its rows.

    Synapse ignores empty lines. In a file with one column, a null would be an empty line, so such
    a file gets the additional, empty columns ROW_ID and ROW_VERSION.
    """
    if len(names) > 1:
        header = SYNAPSE_CSV.format_row(list(names)).encode()
        return header, lambda line: SYNAPSE_CSV.format_row(line).encode()
    header = SYNAPSE_CSV.format_row([ROW_ID, ROW_VERSION, *names]).encode()
    return header, lambda line: SYNAPSE_CSV.format_row([None, None, *line]).encode()


def _find_separator(names: Sequence[str]) -> str | None:
    """Return the separator in a single name that probably consists of several names."""
    if len(names) != 1:
        return None
    return next((one for one in _OTHER_SEPARATORS if one in names[0]), None)


def _hint(unknown: Sequence[str], known: Iterable[str]) -> str:
    """Return the end of an error message: the probable causes of unknown column names."""
    separator = _find_separator(unknown)
    if separator:
        return f". Separate cells with commas, not with {separator!r}"
    names = list(known)
    folded = {name.casefold() for name in names}
    is_case = any(name.casefold() in folded for name in unknown)
    case_hint = " Set match_case=False to ignore upper and lower case" if is_case else ""
    return f"{suggest_names(unknown, names)}{case_hint}".removesuffix(".")
