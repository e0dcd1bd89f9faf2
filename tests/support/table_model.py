"""Reference model of a table (semantics 4.3, 9.1 to 9.3), independent of the service.

Cells are texts as returned by a query.
"""

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Cells = dict[str, str | None]


class RejectedError(Exception):
    """Error: a change violates the rules. `message` is part of the expected error message."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class ModelColumn:
    """A column; `size` limits the length of text, `length` the number of items of a list."""

    id: str
    name: str
    kind: str
    default: str | None = None
    size: int | None = None
    enum_values: tuple[str, ...] = ()
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


def normalize(kind: str, cell: str | None) -> Any:
    """Normalize a cell, because equal JSON values can have different texts."""
    if cell is not None and (kind.endswith("_LIST") or kind == "JSON"):
        return json.dumps(json.loads(cell), sort_keys=True)
    return cell


def convert(cell: str | None, old: ModelColumn, new: ModelColumn) -> str | None:
    """Convert a cell of one column to a cell of another column."""
    if cell is None:
        return new.default
    if new.kind in {"STRING", "LARGETEXT"}:
        if len(cell) > (new.size or len(cell)) or (
            new.enum_values and cell not in new.enum_values
        ):
            raise RejectedError(400, "was not a valid STRING")
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
    raise RejectedError(400, f"was not a valid {new.kind}")


@dataclass
class ModelRow:
    version: int
    cells: Cells


@dataclass
class TableVersion:
    columns: list[ModelColumn]
    rows: dict[int, ModelRow]


@dataclass
class ModelTable:
    """A table with its versions. `apply` methods change the table or raise RejectedError."""

    columns: list[ModelColumn]
    rows: dict[int, ModelRow] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)
    last_version: int = 0
    next_row_id: int = 1
    snapshots: dict[int, TableVersion] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=lambda: {1: "1"})
    comments: dict[int, str | None] = field(default_factory=lambda: {1: None})
    current: int = 1
    highest: int = 1

    def copy(self) -> "ModelTable":
        return deepcopy(self)

    def _require_columns(self) -> None:
        if not self.columns:
            raise RejectedError(400, "is empty.")

    def reject(self, status: int) -> None:
        raise RejectedError(status)

    def get_column(self, column_id: str) -> ModelColumn:
        return next(each for each in self.columns if each.id == column_id)

    # Rows.

    def begin_change(self) -> int:
        self._require_columns()
        self.last_version += 1
        return self.last_version

    def insert(self, cells: Cells) -> int:
        full = {each.id: each.default for each in self.columns} | {
            key: self.get_column(key).default if cell is None else cell
            for key, cell in cells.items()
        }
        row_id, self.next_row_id = self.next_row_id, self.next_row_id + 1
        self.rows[row_id] = ModelRow(self.last_version, full)
        return row_id

    def update(self, row_id: int, cells: Cells) -> None:
        row = self.rows[row_id]
        for key, cell in cells.items():
            row.cells[key] = self.get_column(key).default if cell is None else cell
        row.version = self.last_version

    def delete(self, row_id: int) -> None:
        self.rows.pop(row_id, None)
        self.deleted[row_id] = self.last_version

    def require_unchanged(
        self, read: list[tuple[int, int | None]], etag_version: int | None
    ) -> None:
        """Check that no row has changed since it was read.

        Args:
            read: Row ID and the version of each row when it was read.
            etag_version: Table version of the etag of the request; None without an etag.
        """
        unknown = any(each not in self.rows and each not in self.deleted for each, _ in read)
        if any(version is None for _, version in read):
            raise RejectedError(400, "" if unknown else "Row version number cannot be null")
        if unknown:
            raise RejectedError(400, "does not exist")
        latest = max(
            [-1 if etag_version is None else etag_version, *(version or 0 for _, version in read)]
        )
        for row_id, _ in read:
            last_change = (
                self.rows[row_id].version if row_id in self.rows else self.deleted[row_id]
            )
            if last_change > latest:
                raise RejectedError(
                    412, "has been changed since last read.  Please get the latest"
                )
        if any(row_id in self.deleted for row_id, _ in read):
            raise RejectedError(400, "does not exist")

    def apply_rows(
        self,
        rows: list[tuple[int | None, int | None, Cells | None]],
        etag_version: int | None = None,
    ) -> list[int]:
        """Insert (ID None), update or delete (cells None) rows as one change; return their IDs."""
        self._require_columns()
        read = [(row_id, version) for row_id, version, _ in rows if row_id is not None]
        self.require_unchanged(read, etag_version)
        self.begin_change()
        ids = []
        for row_id, _, cells in rows:
            if row_id is None:
                ids.append(self.insert(cells or {}))
                continue
            if row_id not in self.rows and cells is not None:
                raise RejectedError(400, "does not exist")
            if cells is None:
                self.delete(row_id)
            else:
                self.update(row_id, cells)
            ids.append(row_id)
        return ids

    def apply_partial(self, rows: list[tuple[int | None, Cells]]) -> list[int]:
        self._require_columns()
        self.begin_change()
        for row_id, _ in rows:
            if row_id is not None and row_id not in self.rows:
                raise RejectedError(400, "does not exist")
        ids = []
        for row_id, cells in rows:
            if row_id is None:
                ids.append(self.insert(cells))
            else:
                self.update(row_id, cells)
                ids.append(row_id)
        return ids

    # Columns.

    def set_columns(self, columns: list[ModelColumn]) -> None:
        """Set the columns of the entity; new columns contain their default value."""
        if [each.id for each in columns] != [each.id for each in self.columns]:
            self.change_columns(columns, {each.id: each.id for each in self.columns})

    def change_columns(self, columns: list[ModelColumn], origin: dict[str, str]) -> None:
        """Change the columns; `origin` maps new column IDs to the IDs of converted columns."""
        before = {each.id: each for each in self.columns}
        converted: dict[int, Cells] = {}
        for row_id, row in self.rows.items():
            cells: Cells = {}
            for each in columns:
                old = before.get(origin.get(each.id, ""))
                if old is None:
                    cells[each.id] = each.default
                elif old.id == each.id:
                    cells[each.id] = row.cells[old.id]
                else:
                    cells[each.id] = convert(row.cells[old.id], old, each)
            converted[row_id] = cells
        for row_id, cells in converted.items():
            self.rows[row_id].cells = cells
        self.columns = list(columns)
        self.last_version += 1

    # Versions.

    def snapshot(self, label: str | None = None, comment: str | None = None) -> int:
        number = self.current
        label = label or str(number)
        if label == "in progress" or label in {
            text for other, text in self.labels.items() if other != number
        }:
            raise RejectedError(409)
        self.labels[number], self.comments[number] = label, comment
        self.snapshots[number] = deepcopy(TableVersion(self.columns, self.rows))
        self.current = self.highest = self.highest + 1
        self.labels[self.current], self.comments[self.current] = "in progress", "in progress"
        return number

    def delete_version(self, number: int) -> None:
        if number not in self.labels:
            raise RejectedError(404)
        if len(self.labels) == 1:
            raise RejectedError(400)
        del self.labels[number], self.comments[number]
        self.snapshots.pop(number, None)
        self.current = max(self.labels)
        self.snapshots.pop(self.current, None)

    def get_version(self, number: int | None) -> TableVersion:
        """Return the columns and rows that a query of a version reads."""
        return self.snapshots.get(number or 0) or TableVersion(self.columns, self.rows)
