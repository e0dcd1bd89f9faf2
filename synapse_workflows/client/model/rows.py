"""Rows, partial rows and row sets of tables, as in the REST API."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import SelectColumn, get_column_type
from synapse_workflows.client.model.dict_object import DictObject, check_mapping
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.constants import MODEL

ROW_SET: Final = f"{MODEL}.table.RowSet"
PARTIAL_ROW_SET: Final = f"{MODEL}.table.PartialRowSet"


class RowMetadata(NamedTuple):
    """ID and version of a row and, for views, its etag."""

    row_id: int
    row_version: int | None
    row_etag: str | None


class Row(DictObject):
    """A row of a table.

    Args:
        values: One value for each column of the header; None is null.
        rowId: ID of the row; None for a new row.
        versionNumber: Version of the row when it was read.
        etag: Etag of the row when it was read, for views.
        **kwargs: Further fields returned by Synapse.
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
        metadata = {"rowId": rowId, "versionNumber": versionNumber, "etag": etag}
        self.update({key: value for key, value in metadata.items() if value is not None})


class PartialRow(DictObject):
    """Changes to some cells of one row; all other cells stay unchanged.

    Args:
        values: Values by column ID, or by column name if `nameToColumnId` is given.
        rowId: ID of the row; None for a new row.
        etag: Etag of the row when it was read, for views.
        nameToColumnId: Column IDs by column name.

    Raises:
        ValueError: A column name is unknown, or a value is not supported.
        TypeError: `values` is not a mapping.
    """

    def __init__(
        self,
        values: Mapping[Any, Any],
        rowId: int | str | None = None,
        etag: str | None = None,
        nameToColumnId: Mapping[str, str] | None = None,
    ) -> None:
        check_mapping("values", values, "{'age': 5}")
        ids = None if nameToColumnId is None else dict(nameToColumnId)
        write = cell_codec.create_writer({})
        given = {_get_column_id(name, ids): value for name, value in values.items()}
        cells = [{"key": key, "value": write(value)} for key, value in given.items()]
        super().__init__({"values": cells})
        # Values whose text depends on the column type, with their text for an unknown type.
        self.__dict__["_untyped"] = {
            key: (write(value), value)
            for key, value in given.items()
            if not isinstance(value, str | None)
        }
        if rowId is not None:
            self["rowId"] = int(rowId)
        if etag is not None:
            self["etag"] = etag

    def is_typed(self) -> bool:
        """Return whether the cells are independent of the types of their columns."""
        return not self.__dict__.get("_untyped")

    def to_json(self, columns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Convert to the JSON of the REST API.

        Args:
            columns: Columns of the table by ID.

        Raises:
            ValueError: A value does not match its column; the message contains row and column.
        """
        untyped = self.__dict__.get("_untyped", {})
        cells = []
        for cell in self["values"]:
            text, value = untyped.get(cell["key"], (None, None))
            value = value if text == cell["value"] else cell["value"]
            column = columns.get(cell["key"], {})
            (text,) = serialize_cells(
                self.get("rowId", "(new)"),
                [value],
                [cell_codec.create_writer(column)],
                [str(column.get("name", cell["key"]))],
            )
            cells.append({**cell, "value": text})
        return {**self, "values": cells}


class RowSet(DictObject):
    """A list of rows with a header.

    Args:
        columns: Columns of the header: `Column` or `SelectColumn` objects.
        schema: A stored `Schema`; its columns are used if neither `columns` nor ``headers`` is
            given.
        **kwargs: ``headers`` (`SelectColumn` objects), ``rows`` (`Row` objects), ``tableId``,
            ``etag``.

    Raises:
        ValueError: The header is missing.
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
        """Return a shallow copy."""
        return type(self)(**self)

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> "RowSet":
        """Create a row set from the JSON of the REST API; cells are decoded by column type."""
        headers = [SelectColumn(**one) for one in json.get("headers") or ()]
        readers = [cell_codec.create_reader(one) for one in headers]
        rows = [_parse_row(row, readers) for row in json.get("rows") or ()]
        fields = {key: value for key, value in json.items() if key not in {"headers", "rows"}}
        return cls(headers, rows=rows, **fields)

    def is_typed(self) -> bool:
        """Return whether the types of all columns are known, or all cells are text."""
        if all(get_column_type(column) is not None for column in self["headers"]):
            return True
        return all(
            cell is None or isinstance(cell, str)
            for row in self["rows"]
            for cell in (row.get("values") or () if isinstance(row, Mapping) else row)
        )

    def to_json(self, columns: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Convert to the JSON of the REST API, in which every cell is text.

        Args:
            columns: Columns of the table, for headers without a type.

        Raises:
            ValueError: A row does not match the header; the message contains row and column.
        """
        headers = _add_types(self["headers"], columns)
        writers = [cell_codec.create_writer(column) for column in headers]
        names = [column.get("name") or f"#{column.get('id')}" for column in headers]
        rows = []
        for number, row in enumerate(self["rows"], 1):
            fields = dict(row) if isinstance(row, Mapping) else {"values": row}
            values = fields.get("values") or []
            if values:  # a row without values is a request to delete the row
                validate_width(number, len(values), len(writers))
                values = serialize_cells(number, values, writers, names)
            rows.append({**fields, "values": values})
        fields = {key: value for key, value in self.items() if value is not None}
        return {**fields, "headers": headers, "rows": rows}


class PartialRowset(DictObject):
    """Partial rows of one table.

    Args:
        schema: The table, or its ID.
        rows: One `PartialRow`, or an iterable of them.
    """

    def __init__(self, schema: Any, rows: Any) -> None:
        partial_rows = [rows] if isinstance(rows, Mapping) else list(rows)
        super().__init__(concreteType=PARTIAL_ROW_SET, tableId=id_of(schema), rows=partial_rows)

    def is_typed(self) -> bool:
        """Return whether the cells are independent of the types of their columns."""
        return all(row.is_typed() for row in self["rows"] if isinstance(row, PartialRow))

    def to_json(self, columns: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Convert to the JSON of the REST API.

        Args:
            columns: Columns of the table, for values whose text depends on the column type.

        Raises:
            ValueError: A value does not match its column; the message contains row and column.
        """
        by_id = {str(column["id"]): column for column in columns}
        rows = [
            row.to_json(by_id) if by_id and isinstance(row, PartialRow) else dict(row)
            for row in self["rows"]
        ]
        return {**self, "rows": rows}

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[Any, Mapping[str, Any]], originalQueryResult: Any
    ) -> "PartialRowset":
        """Create partial rows for rows of a query result.

        Args:
            mapping: Row ID -> column name -> new value.
            originalQueryResult: The result of `tableQuery`, which has the column IDs and, for
                views, the etags of the rows.

        Raises:
            ValueError: A column or a row is not in the result, or a value does not match its
                column.
            TypeError: `mapping` or the values of a row are not a mapping.
        """
        check_mapping("mapping", mapping, "{1: {'age': 5}}")
        columns = {one["name"]: one for one in originalQueryResult.headers if one.get("id")}
        etags = originalQueryResult.row_etags()
        rows = []
        for row_id, values in mapping.items():
            if etags and int(row_id) not in etags:
                raise ValueError(f"Row {row_id} is not in the query result.")
            check_mapping(f"values of row {row_id}", values, "{'age': 5}")
            cells = {}
            for name, value in values.items():
                if name not in columns:
                    raise ValueError(
                        f"Unknown column {name!r}: the query result has the columns "
                        f"{', '.join(map(str, columns))}."
                    )
                (text,) = serialize_cells(
                    row_id, [value], [cell_codec.create_writer(columns[name])], [name]
                )
                cells[columns[name]["id"]] = text
            rows.append(PartialRow(cells, row_id, etags.get(int(row_id))))
        return cls(originalQueryResult.tableId, rows)


def get_row_metadata(row: Mapping[str, Any]) -> RowMetadata | None:
    """Return the metadata of a row; None if it has no row ID."""
    if row.get("rowId") is None:
        return None
    version = row.get("versionNumber")
    return RowMetadata(
        int(row["rowId"]), None if version is None else int(version), row.get("etag")
    )


def require_row_metadata(metadata: RowMetadata | None) -> RowMetadata:
    """Return row metadata that is not None.

    Raises:
        ValueError: The row has no row ID.
    """
    if metadata is None:
        raise ValueError(
            "The rows have no row IDs: they are new rows, or the result of a query with "
            "aggregates or without row IDs and versions."
        )
    return metadata


def to_row_values(number: int, row: Any) -> list[Any] | dict[str, Any]:
    """Return a row as a list of values, or as a dictionary of values by column name.

    Args:
        number: Number of the row, starting at 1, for the error message.
        row: The row.

    Raises:
        ValueError: The row is neither a list nor a mapping.
    """
    if isinstance(row, Row):
        return list(row["values"])
    if isinstance(row, Mapping):
        return dict(row)
    if isinstance(row, str | bytes) or not isinstance(row, Iterable):
        raise ValueError(  # noqa: TRY004 - the content of the table is invalid
            f"Row {number} is not a list or mapping of values: {row!r:.60}"
        )
    return list(row)


def validate_width(row: object, found: int, expected: int) -> None:
    """Validate that a row has a value for each column.

    Args:
        row: Label of the row in the error message: its number, starting at 1.
        found: Number of values.
        expected: Number of columns.

    Raises:
        ValueError: The row has more or fewer values than columns.
    """
    if found != expected:
        raise ValueError(
            f"Row {row} has {found} values for {expected} columns. Pass a value for each column "
            "(None for null), or pass rows as mappings of column names to values."
        )


def serialize_cells(
    row: object,
    values: Iterable[Any],
    writers: Sequence[cell_codec.CellWriter],
    names: Sequence[str],
) -> list[str | None]:
    """Encode the cells of a row as text.

    Args:
        row: Label of the row in error messages: its number, starting at 1, or its ID.
        values: One value for each writer.
        writers: Writers created by `cell_codec.create_writer`.
        names: Names of the columns.

    Raises:
        ValueError: A value does not match its column; the message contains row and column.
    """
    try:
        return [write(value) for value, write in zip(values, writers, strict=True)]
    except ValueError:
        for name, value, write in zip(names, values, writers, strict=False):
            try:
                write(value)
            except ValueError as error:
                text = _truncate(value)
                raise ValueError(f"Row {row}, column {name!r}: {text} {error}") from None
        raise


def _truncate(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - limits the message


def _parse_row(row: Mapping[str, Any], readers: Sequence[Callable[[str | None], Any]]) -> Row:
    fields = {key: value for key, value in row.items() if key != "values"}
    cells = row.get("values") or ()
    return Row([read(cell) for cell, read in zip(cells, readers, strict=True)], **fields)


def _get_column_id(name: Any, ids: Mapping[str, str] | None) -> str:
    if ids is None:
        return id_of(name)
    if name not in ids:
        raise ValueError(f"Unknown column {name!r}: expected one of {', '.join(ids)}.")
    return str(ids[name])


def _add_types(
    headers: Iterable[Mapping[str, Any]], columns: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return headers with the ID, name and type of the columns of the table."""
    by_key = {}
    for column in columns:
        by_key[column.get("id")] = by_key[column.get("name")] = SelectColumn.from_column(column)
    return [
        dict(one)
        if get_column_type(one) is not None
        else {**one, **by_key.get(one.get("id") or one.get("name"), {})}
        for one in headers
    ]


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
        "Column headers must be defined: pass columns, headers, or a Schema with columns."
    )
