"""Rows on their way into a table: the file they come in, and pieces of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.csv_form import CsvForm, Line
from synapse_workflows.vocabulary import ROW_METADATA

#: How files are written for Synapse, and how it writes them.
SYNAPSE_FORM: Final = CsvForm()
#: How everybody else writes them: a backslash means nothing.
COMMON_FORM: Final = CsvForm(escape='"')


@dataclass(frozen=True)
class Source:
    """A CSV file with a header, to be stored in a table.

    Args:
        path: the file.
        form: how it is written.
        names: of its columns.
    """

    path: Path
    form: CsvForm
    names: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, form: CsvForm, columns: Sequence[Mapping[str, Any]]) -> "Source":
        """Look at a file's header.

        Raises:
            AirflowFailException: It names columns that the table has not, or says which rows of
                a table they are.
        """
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(form.read(file), None)
        names = tuple(name or "" for name in first or ())
        known = [str(column["name"]) for column in columns]
        if any(name.upper() in ROW_METADATA for name in names):
            raise AirflowFailException(
                f"{path} has row ids: what to do with its rows is said by the mode; query without "
                "include_row_ids, or leave these columns out"
            )
        strange = [name for name in names if name not in known]
        if strange or not names:
            raise AirflowFailException(
                f"{path} has columns that the table has not: {strange}. The table has {known}"
            )
        return cls(path, form, names)

    def lines(self) -> Iterator[Line]:
        """Read the rows, as text.

        Raises:
            AirflowFailException: A row has more cells than there are columns.
        """
        width = len(self.names)
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = self.form.read(file)
            next(lines, None)
            for number, line in enumerate(lines, 1):
                if line == [None] and width > 1:
                    continue
                if len(line) > width:
                    raise AirflowFailException(
                        f"Row {number} of {self.path} has {len(line)} cells for {width} columns"
                    )
                yield [*line, *([None] * (width - len(line)))]


@dataclass(frozen=True)
class Chunk:
    """Some rows in a file of their own.

    Args:
        key: what it is known by: its number, and the MD5 of its content.
        path: the file, as Synapse reads it.
        rows: how many.
    """

    key: str
    path: Path
    rows: int


@contextmanager
def written(names: Sequence[str], lines: Iterator[Line], number: int = 0) -> Iterator[Chunk]:
    """Write rows into a file that goes at the end."""
    digest, count = md5(usedforsecurity=False), 0
    with TemporaryDirectory(prefix="synapse-") as folder:
        path = Path(folder) / "rows.csv"
        with path.open("wb") as file:
            file.write(SYNAPSE_FORM.write(list(names)).encode())
            for line in lines:
                text = SYNAPSE_FORM.write(line).encode()
                digest.update(text)
                file.write(text)
                count += 1
        yield Chunk(f"{number}:{digest.hexdigest()}", path, count)
