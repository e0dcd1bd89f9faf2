"""Factory functions that create tables from rows, DataFrames and files."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Unpack, overload

from synapse_workflows.client.model.argument_types import CsvOptions
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.rows import RowSet
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.tables import AbstractTable, RowSetTable


class TableOptions(CsvOptions, total=False):
    """Optional arguments of `Table`; see `CsvFileTable`."""

    filepath: str | os.PathLike[str] | None
    headers: Iterable[Mapping[str, Any]] | None
    includeRowIdAndRowVersion: bool | None  # noqa: N815 - name of the compatibility surface


@overload
def Table(schema: Any, values: RowSet) -> RowSetTable: ...
@overload
def Table(schema: Any, values: Any, **kwargs: Unpack[TableOptions]) -> CsvFileTable: ...
def Table(schema: Any, values: Any, **kwargs: Any) -> AbstractTable:
    """Create a table with rows to store.

    Args:
        schema: The table: a new or stored `Schema`, or the ID of a table.
        values: A list or generator of rows (lists of values, or mappings of column names to
            values), a pandas DataFrame, a mapping of column names to lists of values, the path of
            a CSV file, or a `RowSet`.
        **kwargs: Further arguments of `CsvFileTable`: ``headers``, ``etag``, ``separator``, ...

    Raises:
        ValueError: Rows do not match the table, or `values` is of an unsupported type.
    """
    if isinstance(values, RowSet):
        return RowSetTable(schema, values, **kwargs)
    if isinstance(values, str | os.PathLike):
        return CsvFileTable(schema, filepath=values, **kwargs)
    if _is_dataframe(values):
        return CsvFileTable.from_data_frame(schema, values, **kwargs)
    if isinstance(values, Mapping):
        return _from_columns(schema, values, **kwargs)
    if isinstance(values, Iterable) and not isinstance(values, bytes):
        return CsvFileTable.from_list_of_rows(schema, values, **kwargs)
    raise ValueError(
        f"Cannot create a table from values of type {type(values).__name__}: pass rows, a "
        "DataFrame, a mapping of columns, the path of a CSV file, or a RowSet."
    )


def build_table(name: str, parent: Any, values: Any) -> AbstractTable:
    """Create a new table whose columns are inferred from its rows.

    Args:
        name: Name of the table, unique within the parent.
        parent: A project or folder, or its ID.
        values: A pandas DataFrame, a mapping of column names to lists of values, or the path of
            a CSV file.

    Raises:
        ImportError: pandas is not installed.
    """
    from synapse_workflows.client.model import column_inference

    columns = column_inference.as_table_columns(values)
    table: AbstractTable = Table(Schema(name=name, columns=columns, parent=parent), values)
    return table


def _from_columns(schema: Any, values: Mapping[str, Any], **kwargs: Any) -> AbstractTable:
    names, columns = [str(name) for name in values], [list(one) for one in values.values()]
    if isinstance(schema, Schema) and not schema.has_columns():
        from synapse_workflows.client.model import column_inference

        schema.addColumns(column_inference.as_table_columns(values))
    try:
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    except ValueError:
        sizes = {name: len(column) for name, column in zip(names, columns, strict=True)}
        raise ValueError(f"The columns have different numbers of values: {sizes}.") from None
    return CsvFileTable.from_list_of_rows(schema, rows, **kwargs)


def _is_dataframe(values: Any) -> bool:
    """Return whether a value is a pandas DataFrame, without importing pandas."""
    python_type = type(values)
    return (
        python_type.__name__ == "DataFrame"
        and python_type.__module__.partition(".")[0] == "pandas"
    )
