"""Conversion of CSV query results to files of other formats."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Called with the number of CSV bytes read since the last call.
ProgressCallback = Callable[[int], object]


class ConversionError(ValueError):
    """Error: rows cannot be converted to another format."""


def validate_unique_names(columns: Sequence[Mapping[str, Any]], format_name: str) -> None:
    """Reject duplicate column names, which few readers of the format support.

    Args:
        columns: The columns.
        format_name: Name of the format, for the error message.

    Raises:
        ConversionError: Several columns have the same name.
    """
    counts = Counter(str(column.get("name")) for column in columns)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ConversionError(
            f"Duplicate column names {repeated}: the columns of a {format_name} file must have "
            "unique names. Use aliases in the query, for example 'n * 2 AS doubled'; if the name "
            "is also a column of *, list the columns instead of *."
        )
