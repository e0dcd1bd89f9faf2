"""Manifest of a synchronization: a TSV file with one row for each file.

Columns: `path`, `parent`, `name`, `id`, `synapseStore`, `contentType`, `used`, `executed`,
`activityName`, `activityDescription`, `forceVersion`; all others are annotations. The file has the
same form as the manifests of `syncToSynapse` and `syncFromSynapse` of the official client.
"""

import csv
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from synapse_workflows.client.core.file_names import append_to_stem
from synapse_workflows.client.core.redaction import redact
from synapse_workflows.client.model.ids import is_synapse_id
from synapse_workflows.sync.manifest_cells import format_cell

MANIFEST_NAME: Final = "SYNAPSE_METADATA_MANIFEST.tsv"
_STEM: Final = MANIFEST_NAME.removesuffix(".tsv")
_SHARD: Final = re.compile(r"\.([0-9]{1,9})-of-([0-9]{1,9})(?=\.|$)")
REQUIRED: Final = ("path", "parent")
#: Columns that a manifest is written with, before the annotations.
WRITTEN: Final = (
    "path", "parent", "name", "id", "synapseStore", "contentType", "used", "executed",
    "activityName", "activityDescription",
)  # fmt: skip
#: Columns that are no annotations.
RESERVED: Final = frozenset({*WRITTEN, "forceVersion"})
_FLAGS: Final = {"": None, "true": True, "false": False, "1": True, "0": False}
#: Maximum characters of a cell: annotations, and lists of sources, can be long.
_MAX_CELL: Final = 10_000_000


class ManifestError(ValueError):
    """A manifest is invalid. The message names the row and the column, without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


def is_manifest(name: str) -> bool:
    """Return whether a file name is that of a manifest that a synchronization wrote."""
    return name.startswith(_STEM) and name.endswith(".tsv")


def get_manifest_path(path: str, shard: Sequence[int] | None) -> str:
    """Return the path or URL of the manifest of a plan, or of a part of a plan."""
    if shard is None:
        return path
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{append_to_stem(name, f'.{shard[0]}-of-{shard[1]}')}"


def is_manifest_of(path: str, manifest: str | None) -> bool:
    """Return whether a path is a manifest with a given path, or that of a part of a plan."""
    if manifest is None:
        return False
    found = _SHARD.search(path)
    return path == manifest or (
        found is not None and path == get_manifest_path(manifest, (int(found[1]), int(found[2])))
    )


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A row of a manifest.

    Args:
        number: Number of the line, for messages.
        path: Path or URL of the file.
        parent: ID of the folder in Synapse; empty for the folder of the synchronization.
        name: Name of the entity; empty for the name of the file.
        cells: Text by column, of the other columns, without empty cells.
    """

    number: int
    path: str
    parent: str
    name: str
    cells: Mapping[str, str]

    def get_flag(self, column: str) -> bool | None:
        """Return a cell that is true or false; None if it is empty.

        Raises:
            ManifestError: The cell has another value.
        """
        return get_flag(self.cells, column, f"line {self.number}")


def get_flag(cells: Mapping[str, str], column: str, where: str) -> bool | None:
    """Return a cell that is true or false; None if it is empty.

    Raises:
        ManifestError: The cell has another value.
    """
    text = cells.get(column, "").strip().lower()
    if text not in _FLAGS:
        raise ManifestError(
            f"Invalid {column} {text!r:.40} in {where} of the manifest: expected True or False"
        )
    return _FLAGS[text]


def read_manifest(stream: IO[str], name: str) -> list[ManifestRow]:
    """Read the rows of a manifest, and check what can be checked without a request.

    Args:
        stream: The open file, in text mode with `newline=""`.
        name: Path of the manifest, for messages.

    Raises:
        ManifestError: A column is missing, or a row is invalid.
    """
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(stream, delimiter="\t")
    try:
        header = [one.strip() for one in next(reader, [])]
        if header:
            header[0] = header[0].removeprefix("\ufeff")
        missing = [one for one in REQUIRED if one not in header]
        if missing:
            raise ManifestError(
                f"Invalid manifest {name}: it has no column {' and no column '.join(missing)}. "
                "Expected a file with tabs between the columns, and the columns path and parent"
            )
        doubled = sorted({one for one in header if one and header.count(one) > 1})
        if doubled:
            raise ManifestError(f"Invalid manifest {name}: two columns are named {doubled[0]!r}")
        return list(_parse_rows(reader, header, name))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(
            f"Invalid manifest {name}, line {reader.line_num}: {error}. Expected UTF-8 text with "
            "tabs between the columns"
        ) from error


def _parse_rows(reader: Any, header: Sequence[str], name: str) -> Iterator[ManifestRow]:
    places: dict[str, int] = {}
    for cells in reader:
        number = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise ManifestError(
                f"Invalid manifest {name}, line {number}: it has {len(cells)} cells, and the "
                f"header has {len(header)}"
            )
        values = {
            column: cell
            for column, cell in zip(header, cells, strict=False)
            if column and cell.strip()
        }
        row = _parse_row(values, number, name)
        if row.path in places:
            raise ManifestError(
                f"Invalid manifest {name}: lines {places[row.path]} and {number} have the same "
                f"path {row.path!r}. Remove one of them"
            )
        places[row.path] = number
        yield row


def _parse_row(values: dict[str, str], number: int, name: str) -> ManifestRow:
    where = f"Invalid manifest {name}, line {number}"
    path = values.pop("path", "").strip()
    parent = values.pop("parent", "").strip()
    if not path:
        raise ManifestError(f"{where}: the path is empty")
    for column, text in (("parent", parent), ("id", values.get("id", "").strip())):
        if text and (not is_synapse_id(text) or "." in text):
            raise ManifestError(f"{where}: the {column} {text!r} is no Synapse ID, such as syn123")
    row = ManifestRow(number, path, parent.lower(), values.pop("name", "").strip(), values)
    for column in ("synapseStore", "forceVersion"):
        row.get_flag(column)
    return row


def format_sources(entries: Iterable[Mapping[str, Any]], *, executed: bool) -> str:
    """Return the cell `used` or `executed` for the `used` list of an Activity.

    Args:
        entries: UsedEntity and UsedURL as JSON.
        executed: Whether to select the executed sources.
    """
    found = []
    for entry in entries:
        if bool(entry.get("wasExecuted")) is not executed:
            continue
        reference = entry.get("reference") or {}
        version = reference.get("targetVersionNumber")
        entity = reference.get("targetId", "")
        text = f"{entity}.{version}" if entity and version else entity or entry.get("url") or ""
        found.append(str(text).replace(";", "%3B"))  # a semicolon separates the sources
    return ";".join(filter(None, found))


class ManifestWriter:
    """Writer of a manifest, whose memory does not grow with the number of rows.

    The columns of the annotations are known after the last row; until then, the rows are in a
    temporary file.
    """

    def __init__(self) -> None:
        self._spool = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._columns: dict[str, None] = {}
        #: Keys of annotations that have the name of another column, and are left out.
        self.left_out: set[str] = set()
        self.count = 0

    def add(self, cells: Mapping[str, str], annotations: Mapping[str, Sequence[Any]]) -> None:
        """Add a row.

        Args:
            cells: Text by column, of the columns that are no annotations.
            annotations: Values by key.
        """
        values = dict(cells)
        for key, found in sorted(annotations.items()):
            if key in RESERVED:
                self.left_out.add(key)
            elif found:
                values[key] = format_cell(found)
                self._columns.setdefault(key)
        self._spool.write(json.dumps(values) + "\n")
        self.count += 1

    def write(self, path: Path) -> None:
        """Write the manifest to a file."""
        columns = [*WRITTEN, *sorted(self._columns)]
        with path.open("w", encoding="utf-8", newline="") as file:
            self._spool.seek(0)
            writer = csv.DictWriter(file, columns, restval="", delimiter="\t", lineterminator="\n")
            writer.writeheader()
            for line in self._spool:
                writer.writerow(json.loads(line))

    def close(self) -> None:
        """Delete the temporary file."""
        self._spool.close()
