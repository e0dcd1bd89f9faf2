"""Rows of tables: whole ones, parts of them, and sets of both as Synapse takes and gives them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.constants import MODEL

ROW_SET: Final = f"{MODEL}.table.RowSet"
PARTIAL_ROW_SET: Final = f"{MODEL}.table.PartialRowSet"


class RowMetadata(NamedTuple):
    """Which row of a table it is, in which state, and the etag of the row of a view."""

    row_id: int
    row_version: int | None
    row_etag: str | None


class Row(DictObject):
    """One row of a table.

    Args:
        values: One for each column of the header; None is null.
        rowId: Which row it is; None for a new one.
        versionNumber: In which state it was read.
        etag: Likewise, of the row of a view.
        **kwargs: Whatever else Synapse says of it.
    """

    def __init__(
        self,
        values: Sequence[Any],
        rowId: int | None = None,
        versionNumber: int | None = None,
        etag: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__({"values": values, **kwargs})
        known = {"rowId": rowId, "versionNumber": versionNumber, "etag": etag}
        self.update({key: value for key, value in known.items() if value is not None})


class PartialRow(DictObject):
    """Some cells of one row; the others stay as they are.

    Args:
        values: By id of column, or by name where `nameToColumnId` knows it.
        rowId: Which row it is; None for a new one.
        etag: In which state it was read, of the row of a view.
        nameToColumnId: Ids of columns by their names.

    Raises:
        ValueError: A name that is not known, or a value that no table holds.
    """

    def __init__(
        self,
        values: Mapping[Any, Any],
        rowId: int | str | None = None,
        etag: str | None = None,
        nameToColumnId: Mapping[str, str] | None = None,
    ) -> None:
        ids = None if nameToColumnId is None else dict(nameToColumnId)
        write = cell_codec.create_writer({})
        listed = [
            {"key": _get_column_id(name, ids), "value": write(value)}
            for name, value in values.items()
        ]
        super().__init__({"values": listed})
        if rowId is not None:
            self["rowId"] = int(rowId)
        if etag is not None:
            self["etag"] = etag


class RowSet(DictObject):
    """Rows with their header.

    Args:
        columns: What the header is made of: `Column` or `SelectColumn`.
        schema: The table: a `Schema` that was stored, whose columns are the header where
            nothing else says.
        **kwargs: ``headers`` (of `SelectColumn`), ``rows`` (of `Row`), ``tableId``, ``etag``.

    Raises:
        ValueError: Nothing says what the header is.
    """

    def __init__(
        self,
        columns: Iterable[Mapping[str, Any]] | None = None,
        schema: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__({"concreteType": ROW_SET, **kwargs})
        if not self.get("headers"):
            self["headers"] = _create_headers(columns, schema)
        self.setdefault("rows", [])
        if schema is not None and not self.get("tableId"):
            self["tableId"] = id_of(schema)

    def copy(self) -> "RowSet":
        """Copy the items, one level deep."""
        return type(self)(**self)

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> "RowSet":
        """Read what Synapse answered; the cells become values by the types of the header."""
        headers = [SelectColumn(**one) for one in json.get("headers") or ()]
        readers = [cell_codec.create_reader(one) for one in headers]
        rows = [_parse_row(row, readers) for row in json.get("rows") or ()]
        facts = {key: value for key, value in json.items() if key not in {"headers", "rows"}}
        return cls(headers, rows=rows, **facts)

    def to_json(self) -> dict[str, Any]:
        """Write it as Synapse takes it, every cell as text.

        Raises:
            ValueError: A row does not fit the header; the message names row and column.
        """
        writers = [cell_codec.create_writer(column) for column in self["headers"]]
        names = [column.get("name") or f"#{column.get('id')}" for column in self["headers"]]
        rows = []
        for number, row in enumerate(self["rows"], 1):
            known = dict(row) if isinstance(row, Mapping) else {"values": row}
            values = known.get("values") or []
            if values:  # a row without any is to be deleted
                validate_width(number, len(values), len(writers))
                values = serialize_cells(number, values, writers, names)
            rows.append({**known, "values": values})
        said = {key: value for key, value in self.items() if value is not None}
        return {**said, "headers": [dict(one) for one in self["headers"]], "rows": rows}


class PartialRowset(DictObject):
    """Parts of rows of one table.

    Args:
        schema: The table, or its id.
        rows: `PartialRow`, one or many.
    """

    def __init__(self, schema: Any, rows: Any) -> None:
        listed = [rows] if isinstance(rows, Mapping) else list(rows)
        super().__init__(concreteType=PARTIAL_ROW_SET, tableId=id_of(schema), rows=listed)

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[Any, Mapping[str, Any]], originalQueryResult: Any
    ) -> "PartialRowset":
        """Make parts of rows that a query answered.

        Args:
            mapping: New values by name of column, by the id of their row.
            originalQueryResult: What `tableQuery` returned: says the ids of the columns, and the
                etags of the rows of a view.

        Raises:
            ValueError: A column or a row is not in the result, or a value does not fit.
        """
        columns = {one["name"]: one for one in originalQueryResult.headers if one.get("id")}
        etags = originalQueryResult.row_etags()
        rows = []
        for row_id, values in mapping.items():
            if etags and int(row_id) not in etags:
                raise ValueError(f"Row {row_id} is not in the result of the query")
            written = {}
            for name, value in values.items():
                if name not in columns:
                    raise ValueError(
                        f"{name!r} is no column of the result: {', '.join(map(str, columns))}"
                    )
                (text,) = serialize_cells(
                    row_id, [value], [cell_codec.create_writer(columns[name])], [name]
                )
                written[columns[name]["id"]] = text
            rows.append(PartialRow(written, row_id, etags.get(int(row_id))))
        return cls(originalQueryResult.tableId, rows)


def get_row_metadata(row: Mapping[str, Any]) -> RowMetadata | None:
    """Tell which row it is; None when it is not one of the table."""
    if row.get("rowId") is None:
        return None
    version = row.get("versionNumber")
    return RowMetadata(
        int(row["rowId"]), None if version is None else int(version), row.get("etag")
    )


def require_row_metadata(found: RowMetadata | None) -> RowMetadata:
    """Check that a row is one of the table.

    Raises:
        ValueError: It is not.
    """
    if found is None:
        raise ValueError(
            "These rows do not say which rows of the table they are: they are new, or the result "
            "of a query with aggregates, or of one without row ids and versions."
        )
    return found


def validate_width(row: object, found: int, wanted: int) -> None:
    """Check that a row has a value for each column.

    Raises:
        ValueError: It has more or fewer.
    """
    if found != wanted:
        raise ValueError(
            f"Row {row} has {found} values for {wanted} columns. Give a value for each, None "
            "where there is none; or rows as mappings by name of column."
        )


def serialize_cells(
    row: object,
    values: Iterable[Any],
    writers: Sequence[cell_codec.CellWriter],
    names: Sequence[str],
) -> list[str | None]:
    """Write the cells of a row as text.

    Args:
        row: What to call it in an error: its number, counted from 1.
        values: One for each writer.
        writers: Of `cells.writer`.
        names: Of the columns.

    Raises:
        ValueError: A cell does not fit its column; the message names both.
    """
    written: list[str | None] = []
    try:
        for value, write in zip(values, writers, strict=True):
            written.append(write(value))
    except ValueError as error:
        at = len(written)
        value = _truncate(list(values)[at])
        raise ValueError(f"Row {row}, column {names[at]!r}: {value} {error}") from None
    return written


def _truncate(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - as much as reads well


def _parse_row(row: Mapping[str, Any], readers: Sequence[Callable[[str | None], Any]]) -> Row:
    facts = {key: value for key, value in row.items() if key != "values"}
    texts = row.get("values") or ()
    return Row([read(text) for text, read in zip(texts, readers, strict=True)], **facts)


def _get_column_id(name: Any, ids: Mapping[str, str] | None) -> str:
    if ids is None:
        return id_of(name)
    if name not in ids:
        raise ValueError(f"{name!r} is not among the columns: {', '.join(ids)}")
    return str(ids[name])


def _create_headers(
    columns: Iterable[Mapping[str, Any]] | None, schema: Any
) -> list[SelectColumn]:
    if columns is not None:
        return [
            one if isinstance(one, SelectColumn) else SelectColumn.from_column(one)
            for one in columns
        ]
    if schema is not None and hasattr(schema, "headers") and schema.headers():
        return list(schema.headers())
    raise ValueError(
        "Column headers must be defined: give columns, headers, or a Schema that has columns"
    )
