"""Preview of a CSV file as a table: sample rows and suggested columns."""

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
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.tables import cell_values, csv_import
from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.columns import CONCRETE_TYPE
from synapse_workflows.local.domain.tables.csv_dialect import CsvRecord
from synapse_workflows.local.domain.tables.csv_import import UploadedCsv
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
_SAMPLE_ROWS: Final = 5
#: Number of rows to scan unless the request selects a full file scan.
_SCANNED_ROWS: Final = 1000
_MAX_STRING_SIZE: Final = 1000
#: Types to try, in this order. A column is text if its cells fit none of these types.
_CANDIDATES: Final = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DOUBLE,
    ColumnType.DATE,
    ColumnType.ENTITYID,
)
_PARSERS: Final = {
    kind: cell_values.get_type_parser(parse_column(0, {"name": "", "columnType": kind}))
    for kind in _CANDIDATES
}


@dataclass
class _TypeGuess:
    """Inference of the type of a column from its cells.

    Args:
        max_size: Characters of the longest cell so far.
        candidate: Index of the first candidate type that fits all cells so far.
    """

    max_size: int = 0
    candidate: int = 0

    def add(self, cell: str) -> None:
        """Advance to the next candidate type until the cell is valid."""
        self.max_size = max(self.max_size, len(cell))
        while (
            cell
            and self.candidate < len(_CANDIDATES)
            and not _is_valid(_CANDIDATES[self.candidate], cell)
        ):
            self.candidate += 1

    def to_column_model(self, name: str) -> dict[str, Any]:
        """Return the suggested ColumnModel."""
        body: dict[str, Any] = {"concreteType": CONCRETE_TYPE, "name": name}
        if self.max_size and self.candidate < len(_CANDIDATES):
            return {**body, "columnType": _CANDIDATES[self.candidate].value}
        if self.max_size <= _MAX_STRING_SIZE:
            size = {"maximumSize": self.max_size} if self.max_size else {}
            return {**body, "columnType": ColumnType.STRING.value, **size}
        is_medium = self.max_size <= MAX_CELL_SIZES[ColumnType.MEDIUMTEXT]
        kind = ColumnType.MEDIUMTEXT if is_medium else ColumnType.LARGETEXT
        return {**body, "columnType": kind.value}


def _is_valid(kind: ColumnType, cell: str) -> bool:
    try:
        _PARSERS[kind](cell)
    except cell_values.CellError:
        return False
    return True


def preview_csv(run: JobRun) -> dict[str, Any]:
    """Execute an UploadToTablePreviewRequest.

    Raises:
        BadRequest: The file is empty or not valid CSV, or a record has too many fields.
        Forbidden: The file handle belongs to another user.
        NotFound: The file handle does not exist.
    """
    with csv_import.open_csv(run, run.request) as csv:
        names, records = _read_header(csv)
        guesses = {name: _TypeGuess() for name in names if name not in ROW_METADATA}
        is_full_scan = request_fields.get_boolean(run.request, "doFullFileScan")
        samples: list[dict[str, Any]] = []
        count = 0
        for record in records if is_full_scan else islice(records, _SCANNED_ROWS):
            cells = _name_cells(names, record, count)
            for name, guess in guesses.items():
                guess.add(cells.get(name) or "")
            if count < _SAMPLE_ROWS:
                samples.append(_create_sample(cells, guesses))
            count += 1
            if count % _SCANNED_ROWS == 0:
                run.progress.report(csv.stream.bytes_read, csv.size, f"Read {count} rows")
    return {
        "concreteType": f"{_M}.UploadToTablePreviewResult",
        "suggestedColumns": [guess.to_column_model(name) for name, guess in guesses.items()],
        "sampleRows": samples,
        "rowsScanned": count,
    }


def _read_header(csv: UploadedCsv) -> tuple[Sequence[str], Iterator[CsvRecord]]:
    """Return the names of the fields, and the records without the header."""
    records = csv.records()
    first = next(records, None)
    if first is None:
        raise BadRequest("The CSV is empty.")
    defaults = [f"col{number}" for number in range(1, len(first) + 1)]
    if not csv.dialect.has_header:
        return defaults, chain([first], records)
    names = [
        (name or "").strip() or default for name, default in zip(first, defaults, strict=True)
    ]
    names = [name.upper() if name.upper() in ROW_METADATA else name for name in names]
    for name in names:
        if names.count(name) > 1:
            raise BadRequest(f"The CSV has two columns named '{name}'.")
    return names, records


def _name_cells(names: Sequence[str], record: CsvRecord, number: int) -> dict[str, str | None]:
    if len(record) > len(names):
        raise BadRequest(
            f"Row {number} has {len(record)} fields, but the first line has {len(names)}."
        )
    return dict(zip(names, record, strict=False))


def _create_sample(
    cells: Mapping[str, str | None], names: Mapping[str, _TypeGuess]
) -> dict[str, Any]:
    sample: dict[str, Any] = {"values": [cells.get(name) for name in names]}
    for key, name in (("rowId", ROW_ID), ("versionNumber", ROW_VERSION)):
        if cells.get(name):
            sample[key] = parse_id(cells[name], name)
    return sample


PREVIEW: Final = async_jobs.JobType(f"{_M}.UploadToTablePreviewRequest", preview_csv)
