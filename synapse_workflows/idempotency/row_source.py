"""Files of rows to store in a table, and their columns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.constants import ROW_ID, ROW_METADATA, ROW_VERSION
from synapse_workflows.idempotency.cell_normalization import CellNormalizer

#: Dialect of the CSV files that Synapse writes.
SYNAPSE_CSV: Final = CsvDialect()
#: Dialect of all other CSV files: a backslash is an ordinary character.
STANDARD_CSV: Final = CsvDialect(escape='"')
TSV: Final = CsvDialect(separator="\t", escape='"')

_OTHER_SEPARATORS: Final = (";", "\t", "|")


class RowSource(ABC):
    """A file of rows to store in a table.

    Args:
        path: The file.
        columns: Columns of the table.
        label: Name of the source in error messages; the default is the path.

    Raises:
        AirflowFailException: The file has columns that the table does not have, or row IDs, or
            cannot be read.
    """

    def __init__(
        self, path: Path, columns: Sequence[Mapping[str, Any]], label: str | None = None
    ) -> None:
        self.path = path
        self.label = label or str(path)
        with self._read_errors():
            self.names = tuple(name.strip() for name in self._read_header())
        self.bind_columns(columns)

    @abstractmethod
    def _read_header(self) -> Sequence[str]:
        """Return the column names."""

    @abstractmethod
    def _read_rows(self) -> Iterator[CsvRow]:
        """Yield the rows as text."""

    def bind_columns(self, columns: Sequence[Mapping[str, Any]]) -> None:
        """Set the columns of the table.

        Raises:
            AirflowFailException: The columns of the file do not fit the table.
        """
        by_name = {str(column["name"]): column for column in columns}
        if any(name.upper() in ROW_METADATA for name in self.names):
            raise AirflowFailException(
                f"{self.label} has row IDs, which cannot be stored: the mode decides which rows "
                "change. Query without include_row_ids, or remove these columns"
            )
        duplicates = sorted({name for name in self.names if self.names.count(name) > 1})
        if duplicates:
            raise AirflowFailException(
                f"{self.label} has duplicate columns: {duplicates}. Rename all but one of each"
            )
        unknown = [name for name in self.names if name not in by_name]
        if unknown or not self.names:
            raise AirflowFailException(
                f"{self.label} has columns that the table does not have: {unknown}. The columns "
                f"of the table are {list(by_name)}{_separator_hint(unknown)}"
            )
        self.missing = [name for name in by_name if name not in self.names]
        self.columns = [by_name[name] for name in self.names]
        self.normalizer = CellNormalizer(self.columns)

    def iter_rows(self) -> Iterator[CsvRow]:
        """Yield the rows as text.

        Raises:
            AirflowFailException: A row has the wrong number of cells, or a cell is too long for
                its column, or the file cannot be read.
        """
        width = len(self.names)
        with self._read_errors():
            for number, line in enumerate(self._read_rows(), 1):
                if len(line) != width:
                    raise AirflowFailException(
                        f"Row {number} of {self.label} has {len(line)} cells for {width} columns. "
                        "Check the row, the separator and the quotes"
                    )
                self.normalizer.check_sizes(number, line)
                yield line

    def content_md5(self) -> str:
        """Return the MD5 of all rows, as they are uploaded."""
        digest = md5(usedforsecurity=False)
        _, serialize = row_serializer(self.names)
        for line in self.iter_rows():
            digest.update(serialize(line))
        return digest.hexdigest()

    @contextmanager
    def _read_errors(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise AirflowFailException(
                f"{self.label} is not UTF-8 ({error}). Write it with encoding='utf-8'"
            ) from error
        except ValueError as error:
            raise AirflowFailException(f"{self.label} cannot be read: {error}") from error


class CsvRowSource(RowSource):
    """A CSV file with a header.

    Args:
        path: The file.
        columns: Columns of the table.
        dialect: CSV dialect of the file.
        label: Name of the source in error messages; the default is the path.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Mapping[str, Any]],
        dialect: CsvDialect,
        label: str | None = None,
    ) -> None:
        self.dialect = dialect
        super().__init__(path, columns, label)

    def _read_header(self) -> Sequence[str]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            return [name or "" for name in next(self.dialect.parse_rows(file), None) or ()]

    def _read_rows(self) -> Iterator[CsvRow]:
        is_single = len(self.names) == 1
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = self.dialect.parse_rows(file)
            next(lines, None)
            # an empty line is a null in a file with one column, and is ignored in other files
            yield from (line for line in lines if is_single or line != [None])


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


def _separator_hint(unknown: Sequence[str]) -> str:
    if len(unknown) != 1:
        return ""
    separator = next((one for one in _OTHER_SEPARATORS if one in unknown[0]), None)
    return f". Separate cells with commas, not with {separator!r}" if separator else ""
