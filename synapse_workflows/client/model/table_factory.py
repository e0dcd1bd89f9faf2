"""Tables made of whatever holds rows."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.rows import RowSet
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.client.model.tables import AbstractTable, RowSetTable


def Table(schema: Any, values: Any, **kwargs: Any) -> AbstractTable:
    """Make a table of rows, to be stored.

    Args:
        schema: The table: a `Schema`, stored or not, or the id of one.
        values: A list or generator of rows (lists of values, or mappings by name of column), a
            DataFrame of pandas, a mapping of columns by name, the path of a CSV file, or a
            `RowSet`.
        **kwargs: As for `CsvFileTable`: ``headers``, ``etag``, ``separator``, ...

    Raises:
        ValueError: Rows do not fit the table, or `values` holds none.
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
    raise ValueError(f"Don't know how to make a table of values of type {type(values).__name__}.")


def build_table(name: str, parent: Any, values: Any) -> AbstractTable:
    """Make a new table of rows, whose columns are inferred from them.

    Args:
        name: Unique in its parent.
        parent: A project or folder, or its id.
        values: A DataFrame of pandas, a mapping of columns by name, or the path of a CSV file.

    Raises:
        ImportError: pandas is not installed.
    """
    from synapse_workflows.client.model import dataframes

    columns = dataframes.as_table_columns(values)
    return Table(Schema(name=name, columns=columns, parent=parent), values)


def _from_columns(schema: Any, values: Mapping[str, Any], **kwargs: Any) -> AbstractTable:
    names, columns = [str(name) for name in values], [list(one) for one in values.values()]
    if isinstance(schema, Schema) and not schema.has_columns():
        from synapse_workflows.client.model import dataframes

        schema.addColumns(dataframes.as_table_columns(values))
    try:
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    except ValueError:
        sizes = {name: len(column) for name, column in zip(names, columns, strict=True)}
        raise ValueError(f"The columns have different numbers of values: {sizes}") from None
    return CsvFileTable.from_list_of_rows(schema, rows, **kwargs)


def _is_dataframe(values: Any) -> bool:
    """Tell a DataFrame of pandas without importing pandas."""
    kind = type(values)
    return kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"
