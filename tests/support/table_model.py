"""A table as the rules say it behaves (semantics 4.3, 9.1 to 9.3), beside which the service runs.

It knows nothing of HTTP and nothing of the service. Cells are texts as a query gives them back.
"""

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Cells = dict[str, str | None]


class RefusedError(Exception):
    """A change that the rules forbid."""

    def __init__(self, status: int, words: str = "") -> None:
        super().__init__(status, words)
        self.status = status
        self.words = words


@dataclass(frozen=True)
class ModelColumn:
    """A column: `size` bounds text, `length` lists; null becomes `default`."""

    id: str
    name: str
    kind: str
    default: str | None = None
    size: int | None = None
    words: tuple[str, ...] = ()
    length: int = 1

    @property
    def width(self) -> int:
        item = self.kind.removesuffix("_LIST")
        fixed = {
            "MEDIUMTEXT": 421,
            "LARGETEXT": 2133,
            "JSON": 2133,
            "DOUBLE": 23,
            "BOOLEAN": 5,
            "ENTITYID": 44,
        }
        each = 4 * self.size if self.size is not None else fixed.get(item, 20)
        return each * self.length


def comparable(kind: str, cell: str | None) -> Any:
    """What two equal cells have in common: JSON may be written in several ways."""
    if cell is not None and (kind.endswith("_LIST") or kind == "JSON"):
        return json.dumps(json.loads(cell), sort_keys=True)
    return cell


def converted(cell: str | None, old: ModelColumn, new: ModelColumn) -> str | None:
    """What a cell of one column is in another."""
    if cell is None:
        return new.default
    if new.kind in {"STRING", "LARGETEXT"}:
        if len(cell) > (new.size or len(cell)) or (new.words and cell not in new.words):
            raise RefusedError(400, "was not a valid STRING")
        return cell
    if not cell:
        return new.default
    whole = re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", cell, re.ASCII)
    if new.kind == "INTEGER" and whole and -(2**63) <= int(cell) < 2**63:
        return str(int(cell))
    if new.kind == "DOUBLE" and old.kind == "INTEGER":
        return repr(float(cell))
    if new.kind == "BOOLEAN" and cell.strip().lower() in {"true", "false"}:
        return cell.strip().lower()
    raise RefusedError(400, f"was not a valid {new.kind}")


@dataclass
class ModelRow:
    version: int
    cells: Cells


@dataclass
class Frozen:
    columns: list[ModelColumn]
    rows: dict[int, ModelRow]


@dataclass
class ModelTable:
    """A table with its versions; `apply` methods change it or raise, `trial` gives a copy."""

    columns: list[ModelColumn]
    rows: dict[int, ModelRow] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    last_version: int = 0
    next_row: int = 1
    frozen: dict[int, Frozen] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=lambda: {1: "1"})
    comments: dict[int, str | None] = field(default_factory=lambda: {1: None})
    current: int = 1
    highest: int = 1

    def trial(self) -> "ModelTable":
        return deepcopy(self)

    def _need_columns(self) -> None:
        if not self.columns:
            raise RefusedError(400, "is empty.")

    def refuse(self, status: int) -> None:
        raise RefusedError(status)

    def named(self, column_id: str) -> ModelColumn:
        return next(each for each in self.columns if each.id == column_id)

    # Rows.

    def begin(self) -> int:
        self._need_columns()
        self.last_version += 1
        return self.last_version

    def insert(self, cells: Cells) -> int:
        full = {each.id: each.default for each in self.columns} | {
            key: self.named(key).default if cell is None else cell for key, cell in cells.items()
        }
        row_id, self.next_row = self.next_row, self.next_row + 1
        self.rows[row_id] = ModelRow(self.last_version, full)
        return row_id

    def update(self, row_id: int, cells: Cells) -> None:
        row = self.rows[row_id]
        for key, cell in cells.items():
            row.cells[key] = self.named(key).default if cell is None else cell
        row.version = self.last_version

    def delete(self, row_id: int) -> None:
        self.rows.pop(row_id, None)
        self.gone[row_id] = self.last_version

    def require_unchanged(self, read: list[tuple[int, int | None]], seen: int | None) -> None:
        """Check what the author of changes read: (row, version of it) and the state seen."""
        unknown = any(each not in self.rows and each not in self.gone for each, _ in read)
        if any(version is None for _, version in read):
            raise RefusedError(400, "" if unknown else "Row version number cannot be null")
        if unknown:
            raise RefusedError(400, "does not exist")
        latest = max([-1 if seen is None else seen, *(version or 0 for _, version in read)])
        for row_id, _ in read:
            touched = self.rows[row_id].version if row_id in self.rows else self.gone[row_id]
            if touched > latest:
                raise RefusedError(412, "has been changed since last read.  Please get the latest")
        if any(row_id in self.gone for row_id, _ in read):
            raise RefusedError(400, "does not exist")

    def apply_rows(
        self, rows: list[tuple[int | None, int | None, Cells | None]], seen: int | None = None
    ) -> list[int]:
        """Insert (no id), update and delete (no cells) as one change; give the ids."""
        self._need_columns()
        read = [(row_id, version) for row_id, version, _ in rows if row_id is not None]
        self.require_unchanged(read, seen)
        self.begin()
        ids = []
        for row_id, _, cells in rows:
            if row_id is None:
                ids.append(self.insert(cells or {}))
                continue
            if row_id not in self.rows and cells is not None:
                raise RefusedError(400, "does not exist")
            if cells is None:
                self.delete(row_id)
            else:
                self.update(row_id, cells)
            ids.append(row_id)
        return ids

    def apply_partial(self, rows: list[tuple[int | None, Cells]]) -> list[int]:
        self._need_columns()
        self.begin()
        for row_id, _ in rows:
            if row_id is not None and row_id not in self.rows:
                raise RefusedError(400, "does not exist")
        ids = []
        for row_id, cells in rows:
            if row_id is None:
                ids.append(self.insert(cells))
            else:
                self.update(row_id, cells)
                ids.append(row_id)
        return ids

    # Columns.

    def set_columns(self, wanted: list[ModelColumn]) -> None:
        """PUT of the entity: columns that go lose their cells, columns that come have none."""
        if [each.id for each in wanted] != [each.id for each in self.columns]:
            self.change_columns(wanted, {each.id: each.id for each in self.columns})

    def change_columns(self, wanted: list[ModelColumn], origin: dict[str, str]) -> None:
        """Take other columns; `origin` tells which old one gives a new one its cells."""
        before = {each.id: each for each in self.columns}
        made: dict[int, Cells] = {}
        for row_id, row in self.rows.items():
            cells: Cells = {}
            for each in wanted:
                old = before.get(origin.get(each.id, ""))
                if old is None:
                    cells[each.id] = each.default
                elif old.id == each.id:
                    cells[each.id] = row.cells[old.id]
                else:
                    cells[each.id] = converted(row.cells[old.id], old, each)
            made[row_id] = cells
        for row_id, cells in made.items():
            self.rows[row_id].cells = cells
        self.columns = list(wanted)
        self.last_version += 1

    # Versions.

    def snapshot(self, label: str | None = None, comment: str | None = None) -> int:
        number = self.current
        label = label or str(number)
        if label == "in progress" or label in {
            text for other, text in self.labels.items() if other != number
        }:
            raise RefusedError(409)
        self.labels[number], self.comments[number] = label, comment
        self.frozen[number] = deepcopy(Frozen(self.columns, self.rows))
        self.current = self.highest = self.highest + 1
        self.labels[self.current], self.comments[self.current] = "in progress", None
        return number

    def delete_version(self, number: int) -> None:
        if number not in self.labels:
            raise RefusedError(404)
        if len(self.labels) == 1:
            raise RefusedError(400)
        del self.labels[number], self.comments[number]
        self.frozen.pop(number, None)
        self.current = max(self.labels)
        self.frozen.pop(self.current, None)

    def shown(self, number: int | None) -> Frozen:
        """What a query of a version gives."""
        return self.frozen.get(number or 0) or Frozen(self.columns, self.rows)
