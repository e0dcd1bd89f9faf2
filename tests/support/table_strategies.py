"""Generators of table changes: the request bodies and their effect on the reference model."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from support.cell_strategies import CELLS, INVALID, unchanged
from support.table_api import M
from support.table_model import Cells, ModelColumn, ModelTable, RejectedError

#: Types for which empty text is a value.
TEXT_TYPES = {"STRING", "LINK", "MEDIUMTEXT", "LARGETEXT"}


@dataclass
class GeneratedChange:
    """A change of a table.

    Args:
        body: The request body.
        apply: Function that applies the change to a model.
        is_invalid: Whether a cell is invalid, so that the service must reject the change.
    """

    body: dict[str, Any]
    apply: Any
    is_invalid: bool = False


class InvalidText(str):
    """A text that is not a valid value for its column."""

    __slots__ = ()


def has_invalid(rows: Any) -> bool:
    return any(isinstance(cell, InvalidText) for row in rows for cell in row)


class ChangeGenerator:
    """Generates changes of one table.

    Args:
        data: Data object of hypothesis.
        columns: All columns that a table may have.
        handles: IDs of file handles that cells may contain.
        upload: Function that uploads the bytes of a CSV file and returns its file handle ID.
    """

    def __init__(self, data: Any, columns: list[ModelColumn], handles: Any, upload: Any) -> None:
        self.draw = data.draw
        self.columns = columns
        self.handles = handles
        self.upload = upload

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == one_in

    def cell(self, column: ModelColumn) -> tuple[str | None, str | None]:
        """Return the text of a cell as sent to the service, and as read from the service."""
        if self.chance(6):
            return None, None
        if self.chance(60) and column.kind in INVALID:
            return InvalidText(INVALID[column.kind]), None
        if column.enum_values:
            return self.draw(st.sampled_from(column.enum_values).map(unchanged))
        if column.kind == "FILEHANDLEID":
            return self.draw(st.sampled_from(self.handles).map(unchanged))
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
        existing = sorted(table.rows) or [1]
        if self.chance(12):
            return self.draw(st.sampled_from([*sorted(table.deleted), table.next_row_id, 0]))
        return self.draw(st.sampled_from(existing))

    def version(self, table: ModelTable, row_id: int) -> int | None:
        valid = table.rows[row_id].version if row_id in table.rows else table.last_version
        if self.chance(12):
            return self.draw(st.sampled_from([None, valid - 1, valid + 1, 0]))
        return valid

    def cells(self, columns: list[ModelColumn]) -> tuple[list[str | None], Cells]:
        """Return the cells of a row as sent, and as read: a dictionary by column ID."""
        drawn = [self.cell(each) for each in columns]
        read = {each.id: text for each, (_, text) in zip(columns, drawn, strict=True)}
        return [text for text, _ in drawn], read

    def etag(self, etags: dict[int, str]) -> int | None:
        """Return the table version of an earlier etag, or None for a request without etag."""
        if etags and self.chance(5):
            return self.draw(st.sampled_from(sorted(etags)))
        return None

    # Changes.

    def rows(self, table: ModelTable, etags: dict[int, str]) -> GeneratedChange:
        columns = self.some_columns(table)
        sent, changes = [], []
        for _ in range(self.draw(st.integers(1, 4))):
            action = self.draw(st.sampled_from(["insert", "insert", "update", "delete"]))
            texts, cells = self.cells(columns)
            if action == "insert":
                sent.append({"values": texts})
                changes.append((None, None, cells))
                continue
            row_id = self.row_id(table)
            version = self.version(table, row_id)
            row = {"rowId": row_id, "values": texts if action == "update" else []}
            sent.append(row if version is None else {**row, "versionNumber": version})
            changes.append((row_id, version, cells if action == "update" else None))
        row_set = {
            "concreteType": f"{M}.RowSet",
            "headers": [{"id": each.id, "name": each.name} for each in columns],
            "rows": sent,
        }
        etag_version = self.etag(etags)
        if etag_version is not None:
            row_set["etag"] = etags[etag_version]
        body = {"concreteType": f"{M}.AppendableRowSetRequest", "toAppend": row_set}
        is_invalid = has_invalid(row["values"] for row in sent)
        return GeneratedChange(
            body, lambda model: model.apply_rows(changes, etag_version), is_invalid
        )

    def partial(self, table: ModelTable, _etags: dict[int, str]) -> GeneratedChange:
        sent, changes = [], []
        for _ in range(self.draw(st.integers(1, 3))):
            columns = self.some_columns(table)
            texts, cells = self.cells(columns)
            row_id = None if self.chance(4) else self.row_id(table)
            pairs = [
                {"key": each.id, "value": text} for each, text in zip(columns, texts, strict=True)
            ]
            sent.append({"rowId": row_id, "values": pairs})
            changes.append((row_id, cells))
        row_set = {"concreteType": f"{M}.PartialRowSet", "rows": sent}
        body = {"concreteType": f"{M}.AppendableRowSetRequest", "toAppend": row_set}
        is_invalid = has_invalid([pair["value"] for pair in row["values"]] for row in sent)
        return GeneratedChange(body, lambda model: model.apply_partial(changes), is_invalid)

    def schema(self, table: ModelTable, _etags: dict[int, str]) -> GeneratedChange:
        by_id = {each.id: each for each in self.columns}
        ids = [each.id for each in table.columns]
        origin = {each: each for each in ids}
        changes = []
        for _ in range(self.draw(st.integers(1, 3))):
            old = self.draw(st.sampled_from([None, *ids]))
            free = [
                each
                for each in self.columns
                if each.id not in ids and is_convertible(by_id, old, each)
            ]
            new = None if not free else self.draw(st.sampled_from([None, *free]))
            if old is None and new is None:
                continue
            changes.append({"oldColumnId": old, "newColumnId": None if new is None else new.id})
            source = None if old is None else origin.pop(old)
            if old is None:
                ids.append(new.id)
            elif new is None:
                ids.remove(old)
            else:
                ids[ids.index(old)] = new.id
                if source is not None:
                    origin[new.id] = source
            if new is not None:
                origin.setdefault(new.id, "")
        body: dict[str, Any] = {
            "concreteType": f"{M}.TableSchemaChangeRequest",
            "changes": changes,
        }
        if self.chance(2):
            ids = self.draw(st.permutations(ids))
            body["orderedColumnIds"] = ids
        columns = [by_id[each] for each in ids]

        def apply(model: ModelTable) -> None:
            require_valid_schema(columns)
            model.change_columns(columns, origin)

        return GeneratedChange(body, apply)

    def change(self, table: ModelTable, etags: dict[int, str]) -> GeneratedChange:
        generators = [self.rows, self.rows, self.partial, self.csv, self.csv, self.schema]
        return self.draw(st.sampled_from(generators))(table, etags)

    # CSV.

    def csv(self, table: ModelTable, etags: dict[int, str]) -> GeneratedChange:
        columns = self.some_columns(table)
        action = self.draw(st.sampled_from(["append", "append", "update", "delete"]))
        may_be_empty = action == "append" or self.chance(3) or not columns
        has_header = len(columns) < 2 or self.chance(3) or columns != table.columns
        file = CsvGenerator(self, has_header=has_header or action == "delete")
        if action == "delete":
            columns = []
        has_ids = action != "append"
        metadata = ["ROW_ID", "ROW_VERSION"] if has_ids else []
        header = [*metadata, *(each.name for each in columns)]
        lines, changes = [], []
        for _ in range(self.draw(st.integers(0 if file.has_header and may_be_empty else 1, 5))):
            texts, cells = self.cells(columns)
            row_id: int | None = None
            version = None
            if has_ids and not (columns and self.chance(6)):
                row_id = self.row_id(table)
                version = self.version(table, row_id)
            if len(columns) > 1 and has_header and self.chance(5):
                size = self.draw(st.integers(0 if has_ids else 1, len(columns) - 1))
                texts = texts[:size]
                cells = {each.id: cells[each.id] for each in columns[:size]}
            ids = [None if n is None else str(n) for n in (row_id, version)] if has_ids else []
            lines.append((ids, texts, columns))
            changes.append((row_id, version, cells or None))
        body: dict[str, Any] = {
            "concreteType": f"{M}.UploadToTableRequest",
            "uploadFileHandleId": self.upload(file.write(header, lines).encode("utf-8")),
            **file.properties,
        }
        etag_version = self.etag(etags)
        if etag_version is not None:
            body["updateEtag"] = etags[etag_version]
        return GeneratedChange(
            body,
            lambda model: apply_csv(model, changes, columns, etag_version),
            has_invalid(texts for _, texts, _ in lines),
        )


def apply_csv(
    model: ModelTable, changes: list[Any], columns: list[ModelColumn], etag_version: int | None
) -> int:
    """Apply the rows of a CSV file to a model; rows without cells (None) are deletions.

    If the table is empty, the IDs of rows with cells are ignored.
    """
    if not model.rows and columns:
        changes = [(None, None, each[2]) if each[2] else each for each in changes]
    model.apply_rows(changes, etag_version)
    return len(changes)


def is_convertible(by_id: dict[str, ModelColumn], old: str | None, new: ModelColumn) -> bool:
    """Return whether the model can convert the cells of a column."""
    if old is None:
        return True
    kind = by_id[old].kind
    if kind.endswith("_LIST") or kind == "JSON":
        return False
    is_text = new.kind in {"STRING", "LARGETEXT", "INTEGER", "BOOLEAN"}
    return is_text or (kind, new.kind) == ("INTEGER", "DOUBLE")


def require_valid_schema(columns: list[ModelColumn]) -> None:
    names = [each.name for each in columns]
    if len(set(names)) < len(names):
        raise RejectedError(400, "Duplicate column name")
    if sum(each.width for each in columns) > 64000:
        raise RejectedError(400, "Too much data per column")


class CsvGenerator:
    """Writes CSV files with generated characters, skipped lines and optional quotes."""

    def __init__(self, generator: ChangeGenerator, *, has_header: bool) -> None:
        self.generator = generator
        self.has_header = has_header
        draw = generator.draw
        self.separator, self.quote, self.escape = draw(
            st.sampled_from([(",", '"', "\\"), ("\t", "'", "\\"), (";", '"', "^")])
        )
        self.end = draw(st.sampled_from(["\n", "\r\n"]))
        self.skipped = draw(st.sampled_from([0, 0, 2]))
        self.properties: dict[str, Any] = {
            "csvTableDescriptor": {
                "separator": self.separator,
                "quoteCharacter": self.quote,
                "escapeCharacter": self.escape,
                "lineEnd": self.end,
                "isFirstLineHeader": has_header,
            },
        }
        if self.skipped:
            self.properties["linesToSkip"] = self.skipped

    def field(self, text: str | None, *, is_text: bool = True) -> str:
        if text is None:
            return ""
        needs_no_quotes = not any(
            each in text
            for each in (self.separator, self.quote, self.escape, "\r", "\n", "\ufeff")
        )
        if needs_no_quotes and text and self.generator.chance(2):
            return text
        if not text and not is_text and self.generator.chance(2):
            return ""
        prefix = self.quote if self.generator.chance(2) else self.escape
        text = text.replace(self.escape, self.escape * 2)
        return f"{self.quote}{text.replace(self.quote, prefix + self.quote)}{self.quote}"

    def write(self, header: list[str], lines: list[Any]) -> str:
        parts = ["\ufeff"] if self.generator.chance(6) else []
        parts += [f'junk, "{self.end}'] * self.skipped
        if self.has_header:
            parts.append(self.separator.join(self.field(name) for name in header) + self.end)
        for ids, texts, columns in lines:
            fields = [self.field(text) for text in ids]
            fields += [
                self.field(text, is_text=each.kind in TEXT_TYPES)
                for text, each in zip(texts, columns, strict=False)
            ]
            parts.append(self.separator.join(fields) + self.end)
        return "".join(parts)
