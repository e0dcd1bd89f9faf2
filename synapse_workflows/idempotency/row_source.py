"""Rows on their way into a table: the file they come in, and what it says of them."""

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

#: How files are written for Synapse, and how it writes them.
SYNAPSE_CSV: Final = CsvDialect()
#: How everybody else writes them: a backslash means nothing.
STANDARD_CSV: Final = CsvDialect(escape='"')
TSV: Final = CsvDialect(separator="\t", escape='"')

_OTHER_SEPARATORS: Final = (";", "\t", "|")


class RowSource(ABC):
    """A file of rows, to be stored in a table.

    Args:
        path: the file.
        columns: of the table.
        called: what people know it by; else that is its path.

    Raises:
        AirflowFailException: It has other columns than the table, or says which rows of a table
            they are, or cannot be read.
    """

    def __init__(
        self, path: Path, columns: Sequence[Mapping[str, Any]], called: str | None = None
    ) -> None:
        self.path = path
        self.called = called or str(path)
        with self._readable():
            self.names = tuple(name.strip() for name in self._header())
        self.fit(columns)

    @abstractmethod
    def _header(self) -> Sequence[str]:
        """Read the names of the columns."""

    @abstractmethod
    def _lines(self) -> Iterator[CsvRow]:
        """Read the rows, as text."""

    def fit(self, columns: Sequence[Mapping[str, Any]]) -> None:
        """Take a table's columns for those that the rows are stored in.

        Raises:
            AirflowFailException: There are others in the file.
        """
        known = {str(column["name"]): column for column in columns}
        if any(name.upper() in ROW_METADATA for name in self.names):
            raise AirflowFailException(
                f"{self.called} has row ids: what to do with its rows is said by the mode; query "
                "without include_row_ids, or leave these columns out"
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise AirflowFailException(f"{self.called} has columns more than once: {twice}")
        strange = [name for name in self.names if name not in known]
        if strange or not self.names:
            raise AirflowFailException(
                f"{self.called} has columns that the table has not: {strange}. The table has "
                f"{list(known)}{_hint(strange)}"
            )
        self.missing = [name for name in known if name not in self.names]
        self.columns = [known[name] for name in self.names]
        self.cells = CellNormalizer(self.columns)

    def lines(self) -> Iterator[CsvRow]:
        """Read the rows, as text.

        Raises:
            AirflowFailException: A row has more or fewer cells than there are columns, or a
                longer one than its column holds; or the file cannot be read.
        """
        width = len(self.names)
        with self._readable():
            for number, line in enumerate(self._lines(), 1):
                if len(line) != width:
                    raise AirflowFailException(
                        f"Row {number} of {self.called} has {len(line)} cells for {width} columns"
                    )
                self.cells.check(number, line)
                yield line

    def digest(self) -> str:
        """Tell one content from another, by reading all of it."""
        found = md5(usedforsecurity=False)
        _, write = row_serializer(self.names)
        for line in self.lines():
            found.update(write(line))
        return found.hexdigest()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as wrong:
            raise AirflowFailException(
                f"{self.called} is not UTF-8 ({wrong}): write it with encoding='utf-8'"
            ) from wrong
        except ValueError as wrong:
            raise AirflowFailException(f"{self.called} cannot be read: {wrong}") from wrong


class CsvRowSource(RowSource):
    """A CSV file with a header.

    Args:
        path: the file.
        columns: of the table.
        form: how it is written.
        called: what people know it by; else that is its path.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Mapping[str, Any]],
        form: CsvDialect,
        called: str | None = None,
    ) -> None:
        self.form = form
        super().__init__(path, columns, called)

    def _header(self) -> Sequence[str]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            return [name or "" for name in next(self.form.parse_rows(file), None) or ()]

    def _lines(self) -> Iterator[CsvRow]:
        alone = len(self.names) == 1
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = self.form.parse_rows(file)
            next(lines, None)
            # an empty line is a null where there is one column, else nothing
            yield from (line for line in lines if alone or line != [None])


def row_serializer(names: Sequence[str]) -> tuple[bytes, Callable[[CsvRow], bytes]]:
    """Give the header of a file for Synapse, and what writes its rows.

    Synapse passes over empty lines, as a null alone would be one: such a row gets an empty id.
    """
    if len(names) > 1:
        return SYNAPSE_CSV.format_row(list(names)).encode(), lambda line: SYNAPSE_CSV.format_row(
            line
        ).encode()
    header = SYNAPSE_CSV.format_row([ROW_ID, ROW_VERSION, *names]).encode()
    return header, lambda line: SYNAPSE_CSV.format_row([None, None, *line]).encode()


def _hint(strange: Sequence[str]) -> str:
    """Say what else may be wrong with a header."""
    if len(strange) != 1:
        return ""
    found = next((one for one in _OTHER_SEPARATORS if one in strange[0]), None)
    return f". Cells have to be separated by commas, not by {found!r}" if found else ""
