"""What a CSV file would be as a table: its first rows, and columns that would hold all of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from synapse_workflows.constants import (
    MAX_CELL_SIZES,
    MODEL,
    ROW_ID,
    ROW_METADATA,
    ROW_VERSION,
    ColumnType,
)
from synapse_workflows.local.domain import async_jobs, request_fields
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.ids import decimal
from synapse_workflows.local.domain.tables import cell_values, csv_import
from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.columns import CONCRETE_TYPE
from synapse_workflows.local.domain.tables.csv_dialect import CsvRecord
from synapse_workflows.local.domain.tables.csv_import import UploadedCsv
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
#: Rows that are shown, and rows that are looked at when not all of them are.
_SAMPLES: Final = 5
_SCANNED: Final = 1000
_MAX_STRING: Final = 1000
#: Types that a column may be of, the narrowest first; text holds what none of them does.
_NARROW: Final = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DOUBLE,
    ColumnType.DATE,
    ColumnType.ENTITYID,
)
_PARSERS: Final = {
    kind: cell_values.get_type_parser(parse_column(0, {"name": "", "columnType": kind}))
    for kind in _NARROW
}


@dataclass
class _TypeGuess:
    """What the cells of a column were, so far."""

    longest: int = 0
    at: int = 0

    def note(self, cell: str) -> None:
        """Go on to a wider type until the cell fits."""
        self.longest = max(self.longest, len(cell))
        while cell and self.at < len(_NARROW) and not _fits(_NARROW[self.at], cell):
            self.at += 1

    def column(self, name: str) -> dict[str, Any]:
        """Write the column, as a ColumnModel."""
        body: dict[str, Any] = {"concreteType": CONCRETE_TYPE, "name": name}
        if self.longest and self.at < len(_NARROW):
            return {**body, "columnType": _NARROW[self.at].value}
        if self.longest <= _MAX_STRING:
            size = {} if not self.longest else {"maximumSize": self.longest}
            return {**body, "columnType": ColumnType.STRING.value, **size}
        medium = self.longest <= MAX_CELL_SIZES[ColumnType.MEDIUMTEXT]
        wide = ColumnType.MEDIUMTEXT if medium else ColumnType.LARGETEXT
        return {**body, "columnType": wide.value}


def _fits(kind: ColumnType, cell: str) -> bool:
    try:
        _PARSERS[kind](cell)
    except cell_values.CellError:
        return False
    return True


def preview_csv(run: Run) -> dict[str, Any]:
    """Answer an UploadToTablePreviewRequest.

    Raises:
        BadRequest: the file is empty or no CSV, or a line has too many fields.
        Forbidden: the file handle is somebody else's.
        NotFound: there is no such file handle.
    """
    with csv_import.open_csv(run, run.request) as csv:
        names, rows = _named(csv)
        guesses = {name: _TypeGuess() for name in names if name not in ROW_METADATA}
        whole = request_fields.flag(run.request, "doFullFileScan")
        samples: list[dict[str, Any]] = []
        count = 0
        for row in rows if whole else islice(rows, _SCANNED):
            given = _given(names, row, count)
            for name, guess in guesses.items():
                guess.note(given.get(name) or "")
            if count < _SAMPLES:
                samples.append(_sample(given, guesses))
            count += 1
            if count % _SCANNED == 0:
                run.progress.report(csv.stream.done, csv.size, f"Read {count} rows")
    return {
        "concreteType": f"{_M}.UploadToTablePreviewResult",
        "suggestedColumns": [guess.column(name) for name, guess in guesses.items()],
        "sampleRows": samples,
        "rowsScanned": count,
    }


def _named(csv: UploadedCsv) -> tuple[Sequence[str], Iterator[CsvRecord]]:
    """Name the fields; give the rows that hold data, too."""
    rows = csv.records()
    first = next(rows, None)
    if first is None:
        raise BadRequest("The CSV is empty.")
    unnamed = [f"col{number}" for number in range(1, len(first) + 1)]
    if not csv.form.has_header:
        return unnamed, chain([first], rows)
    names = [(name or "").strip() or other for name, other in zip(first, unnamed, strict=True)]
    names = [name.upper() if name.upper() in ROW_METADATA else name for name in names]
    for name in names:
        if names.count(name) > 1:
            raise BadRequest(f"The CSV names the column '{name}' twice.")
    return names, rows


def _given(names: Sequence[str], row: CsvRecord, number: int) -> dict[str, str | None]:
    if len(row) > len(names):
        raise BadRequest(f"Row {number} has {len(row)} fields, the first line {len(names)}.")
    return dict(zip(names, row, strict=False))


def _sample(given: Mapping[str, str | None], names: Mapping[str, _TypeGuess]) -> dict[str, Any]:
    found: dict[str, Any] = {"values": [given.get(name) for name in names]}
    for key, name in (("rowId", ROW_ID), ("versionNumber", ROW_VERSION)):
        if given.get(name):
            found[key] = decimal(given[name], name)
    return found


PREVIEW: Final = async_jobs.Kind(f"{_M}.UploadToTablePreviewRequest", preview_csv)
