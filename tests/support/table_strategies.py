"""Random cells, rows, CSV files and changes of columns, as requests and as what they mean."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from support.cell_strategies import BAD, CELLS, same
from support.table_api import M
from support.table_model import Cells, ModelColumn, ModelTable, RefusedError


@dataclass
class Draft:
    """A change as it is sent, as (request body, what it does to the model)."""

    body: dict[str, Any]
    apply: Any
    #: Whether a cell is no value, or not the caller's to use: then it is refused for that.
    is_bad: bool = False


#: Types whose empty text is a value.
TEXTS = {"STRING", "LINK", "MEDIUMTEXT", "LARGETEXT"}


class BadText(str):
    """A text that is no value of its column."""

    __slots__ = ()


def has_bad(rows: Any) -> bool:
    return any(isinstance(cell, BadText) for row in rows for cell in row)


class Drafter:
    """Draws changes of one table for one transaction.

    Args:
        data: what hypothesis draws from.
        columns: all columns that a table may have.
        handles: file handles that may stand in cells.
        upload: gives the id of a new file handle for the bytes of a CSV file.
    """

    def __init__(self, data: Any, columns: list[ModelColumn], handles: Any, upload: Any) -> None:
        self.draw = data.draw
        self.columns = columns
        self.handles = handles
        self.upload = upload

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == one_in

    def cell(self, column: ModelColumn) -> tuple[str | None, str | None]:
        """A cell as it goes in, and as it comes out."""
        if self.chance(6):
            return None, None
        if self.chance(60) and column.kind in BAD:
            return BadText(BAD[column.kind]), None
        if column.words:
            return self.draw(st.sampled_from(column.words).map(same))
        if column.kind == "FILEHANDLEID":
            return self.draw(st.sampled_from(self.handles).map(same))
        return self.draw(CELLS[column.kind])

    def some_columns(self, table: ModelTable) -> list[ModelColumn]:
        if not table.columns:
            return []
        if self.chance(2):
            return list(table.columns)
        return self.draw(
            st.lists(st.sampled_from(table.columns), min_size=1, unique_by=lambda each: each.id)
        )

    def row_id(self, table: ModelTable) -> int:
        there = sorted(table.rows) or [1]
        if self.chance(12):
            return self.draw(st.sampled_from([*sorted(table.gone), table.next_row, 0]))
        return self.draw(st.sampled_from(there))

    def version(self, table: ModelTable, row_id: int) -> int | None:
        right = table.rows[row_id].version if row_id in table.rows else table.last_version
        if self.chance(12):
            return self.draw(st.sampled_from([None, right - 1, right + 1, 0]))
        return right

    def cells(self, columns: list[ModelColumn]) -> tuple[list[str | None], Cells]:
        drawn = [self.cell(each) for each in columns]
        after = {each.id: then for each, (_, then) in zip(columns, drawn, strict=True)}
        return [given for given, _ in drawn], after

    # Changes.

    def rows(self, table: ModelTable, etags: dict[int, str]) -> Draft:
        used = self.some_columns(table)
        sent, meant = [], []
        for _ in range(self.draw(st.integers(1, 4))):
            kind = self.draw(st.sampled_from(["insert", "insert", "update", "delete"]))
            given, after = self.cells(used)
            if kind == "insert":
                sent.append({"values": given})
                meant.append((None, None, after))
                continue
            row_id = self.row_id(table)
            version = self.version(table, row_id)
            row = {"rowId": row_id, "values": given if kind == "update" else []}
            sent.append(row if version is None else {**row, "versionNumber": version})
            meant.append((row_id, version, after if kind == "update" else None))
        to_append = {
            "concreteType": f"{M}.RowSet",
            "headers": [{"id": each.id, "name": each.name} for each in used],
            "rows": sent,
        }
        seen = None
        if etags and self.chance(5):
            seen = self.draw(st.sampled_from(sorted(etags)))
            to_append["etag"] = etags[seen]
        body = {"concreteType": f"{M}.AppendableRowSetRequest", "toAppend": to_append}
        is_bad = has_bad(row["values"] for row in sent)
        return Draft(body, lambda trial: trial.apply_rows(meant, seen), is_bad)

    def partial(self, table: ModelTable, _etags: dict[int, str]) -> Draft:
        sent, meant = [], []
        for _ in range(self.draw(st.integers(1, 3))):
            used = self.some_columns(table)
            given, after = self.cells(used)
            row_id = None if self.chance(4) else self.row_id(table)
            pairs = [
                {"key": each.id, "value": text} for each, text in zip(used, given, strict=True)
            ]
            sent.append({"rowId": row_id, "values": pairs})
            meant.append((row_id, after))
        to_append = {"concreteType": f"{M}.PartialRowSet", "rows": sent}
        body = {"concreteType": f"{M}.AppendableRowSetRequest", "toAppend": to_append}
        is_bad = has_bad([pair["value"] for pair in row["values"]] for row in sent)
        return Draft(body, lambda trial: trial.apply_partial(meant), is_bad)

    def schema(self, table: ModelTable, _etags: dict[int, str]) -> Draft:
        by_id = {each.id: each for each in self.columns}
        ids = [each.id for each in table.columns]
        origin = {each: each for each in ids}
        changes = []
        for _ in range(self.draw(st.integers(1, 3))):
            old = self.draw(st.sampled_from([None, *ids]))
            free = [each for each in self.columns if each.id not in ids and fits(by_id, old, each)]
            new = None if not free else self.draw(st.sampled_from([None, *free]))
            if old is None and new is None:
                continue
            changes.append({"oldColumnId": old, "newColumnId": None if new is None else new.id})
            come_from = None if old is None else origin.pop(old)
            if old is None:
                ids.append(new.id)
            elif new is None:
                ids.remove(old)
            else:
                ids[ids.index(old)] = new.id
                if come_from is not None:
                    origin[new.id] = come_from
            if new is not None:
                origin.setdefault(new.id, "")
        body: dict[str, Any] = {
            "concreteType": f"{M}.TableSchemaChangeRequest",
            "changes": changes,
        }
        if self.chance(2):
            ids = self.draw(st.permutations(ids))
            body["orderedColumnIds"] = ids
        wanted = [by_id[each] for each in ids]

        def apply(trial: ModelTable) -> None:
            require_schema(wanted)
            trial.change_columns(wanted, origin)

        return Draft(body, apply)

    def change(self, table: ModelTable, etags: dict[int, str]) -> Draft:
        kinds = [self.rows, self.rows, self.partial, self.csv, self.csv, self.schema]
        return self.draw(st.sampled_from(kinds))(table, etags)

    # CSV.

    def csv(self, table: ModelTable, etags: dict[int, str]) -> Draft:
        used = self.some_columns(table)
        kind = self.draw(st.sampled_from(["append", "append", "update", "delete"]))
        named = kind == "append" or self.chance(3) or not used
        has_header = len(used) < 2 or self.chance(3) or used != table.columns
        form = CsvDraft(self, has_header=has_header or kind == "delete")
        if kind == "delete":
            used = []
        with_ids = kind != "append"
        head = [*(["ROW_ID", "ROW_VERSION"] if with_ids else []), *(each.name for each in used)]
        lines, meant = [], []
        for _ in range(self.draw(st.integers(0 if form.has_header and named else 1, 5))):
            given, after = self.cells(used)
            row_id: int | None = None
            version = None
            if with_ids and not (used and self.chance(6)):
                row_id = self.row_id(table)
                version = self.version(table, row_id)
            if len(used) > 1 and has_header and self.chance(5):
                size = self.draw(st.integers(0 if with_ids else 1, len(used) - 1))
                given = given[:size]
                after = {each.id: after[each.id] for each in used[:size]}
            front = [None if n is None else str(n) for n in (row_id, version)] if with_ids else []
            lines.append((front, given, used))
            meant.append((row_id, version, after if used else None))
        text = form.write(head, lines)
        body: dict[str, Any] = {
            "concreteType": f"{M}.UploadToTableRequest",
            "uploadFileHandleId": self.upload(text.encode("utf-8")),
            **form.more,
        }
        seen = None
        if etags and self.chance(5):
            seen = self.draw(st.sampled_from(sorted(etags)))
            body["updateEtag"] = etags[seen]
        is_bad = has_bad(given for _, given, _ in lines)
        return Draft(body, lambda trial: csv_rows(trial, meant, used, seen), is_bad)


def csv_rows(
    trial: ModelTable, meant: list[Any], used: list[ModelColumn], seen: int | None
) -> int:
    """Into an empty table the row ids are ignored."""
    if not trial.rows and used:
        meant = [(None, None, after) for _, _, after in meant]
    trial.apply_rows(meant, seen)
    return len(meant)


def fits(by_id: dict[str, ModelColumn], old: str | None, new: ModelColumn) -> bool:
    """Tell whether the model knows what becomes of the cells."""
    if old is None:
        return True
    was = by_id[old]
    if was.kind.endswith("_LIST") or was.kind == "JSON":
        return False
    texts = new.kind in {"STRING", "LARGETEXT", "INTEGER", "BOOLEAN"}
    return texts or (was.kind, new.kind) == ("INTEGER", "DOUBLE")


def require_schema(wanted: list[ModelColumn]) -> None:
    names = [each.name for each in wanted]
    if len(set(names)) < len(names):
        raise RefusedError(400, "Duplicate column name")
    if sum(each.width for each in wanted) > 64000:
        raise RefusedError(400, "Too much data per column")


class CsvDraft:
    """A CSV file with characters of its own, lines to skip and quotes where it likes."""

    def __init__(self, drafter: Drafter, *, has_header: bool) -> None:
        self.drafter = drafter
        self.has_header = has_header
        draw = drafter.draw
        self.separator, self.quote, self.escape = draw(
            st.sampled_from([(",", '"', "\\"), ("\t", "'", "\\"), (";", '"', "^")])
        )
        self.end = draw(st.sampled_from(["\n", "\r\n"]))
        self.skipped = draw(st.sampled_from([0, 0, 2]))
        self.more: dict[str, Any] = {
            "csvTableDescriptor": {
                "separator": self.separator,
                "quoteCharacter": self.quote,
                "escapeCharacter": self.escape,
                "lineEnd": self.end,
                "isFirstLineHeader": has_header,
            },
        }
        if self.skipped:
            self.more["linesToSkip"] = self.skipped

    def field(self, text: str | None, *, is_text: bool = True) -> str:
        if text is None:
            return ""
        plain = not any(
            each in text
            for each in (self.separator, self.quote, self.escape, "\r", "\n", "\ufeff")
        )
        if plain and text and self.drafter.chance(2):
            return text
        if not text and not is_text and self.drafter.chance(2):
            return ""
        doubled = self.quote if self.drafter.chance(2) else self.escape
        text = text.replace(self.escape, self.escape * 2)
        return f"{self.quote}{text.replace(self.quote, doubled + self.quote)}{self.quote}"

    def write(self, head: list[str], lines: list[Any]) -> str:
        found = ["\ufeff"] if self.drafter.chance(6) else []
        found += [f'junk, "{self.end}'] * self.skipped
        if self.has_header:
            found.append(self.separator.join(self.field(name) for name in head) + self.end)
        for front, given, used in lines:
            fields = [self.field(text) for text in front]
            fields += [
                self.field(text, is_text=each.kind in TEXTS)
                for text, each in zip(given, used, strict=False)
            ]
            found.append(self.separator.join(fields) + self.end)
        return "".join(found)
