"""Scope of an upsert: the rows of the table that are compared with the source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.cell_values import is_missing, to_builtin
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.idempotency.local_files import is_list
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.sql_condition import SYNTAX, ConditionParser
from synapse_workflows.idempotency.table_reader import quote_columns
from synapse_workflows.operator_arguments import invalid_type

#: Number of different rows, reduced to the columns of the condition, to evaluate only once.
_CACHED_ROWS: Final = 10_000


@dataclass(frozen=True)
class RowScope:
    """A condition for the rows of a table.

    Args:
        sql: The condition as SQL, in parentheses.
        columns: Names of the columns that the condition uses.
        label: Name of the source in error messages.
        indexes: Indexes of these columns in the source.
        contains: Returns whether the cells of these columns, given as a tuple, meet the condition.
    """

    sql: str
    columns: tuple[str, ...]
    label: str
    indexes: tuple[int, ...]
    contains: Callable[[tuple[str | None, ...]], bool]

    @classmethod
    def parse(cls, where: str | Mapping[str, Any], source: RowSource) -> "RowScope":
        """Parse a condition.

        Args:
            where: The condition as SQL; or a dictionary of column names and values, all of which
                must be equal. A value may be a list of allowed values, or None for null.
            source: The rows to store.

        Raises:
            AirflowFailException: The condition is empty, not supported, or uses a column that the
                source does not have.
        """
        if not isinstance(where, str | Mapping):
            raise invalid_type(where, "where", "a condition as text, or a dictionary")
        text = where if isinstance(where, str) else _to_sql(where, source)
        if not text.strip():
            raise AirflowFailException(
                f"Invalid where={where!r}: it is empty. {SYNTAX}. Omit where to compare all rows"
            )
        parser = ConditionParser(text, source)
        condition = parser.parse()

        @lru_cache(maxsize=_CACHED_ROWS)
        def contains(cells: tuple[str | None, ...]) -> bool:
            return condition(cells) is True

        indexes = tuple(parser.indexes)
        names = tuple(source.names[index] for index in indexes)
        return cls(f"({text.strip()})", names, source.label, indexes, contains)

    def require(self, number: int, line: CsvRow) -> None:
        """Check that a row of the source is in the scope.

        Args:
            number: Number of the row, for the error message.
            line: Cells of the row.

        Raises:
            AirflowFailException: The row is not in the scope.
        """
        cells = tuple(line[index] for index in self.indexes)
        if not self.contains(cells):
            raise AirflowFailException(
                f"Row {number} of {self.label} is not in the scope where={self.sql}: it has "
                f"{dict(zip(self.columns, cells, strict=True))}. A second run would not find it "
                "and store it again. Remove the row, or change where. No row was stored"
            )


def _to_sql(where: Mapping[str, Any], source: RowSource) -> str:
    """Return the condition that columns equal values."""
    for name in where:
        if not isinstance(name, str):
            raise invalid_type(name, "where", "a dictionary of column names and values")
    names = source.match_names(list(where), source.names)
    return " and ".join(map(_equality, names, where.values()))


def _equality(name: str, value: Any) -> str:
    column = quote_columns([name])
    if is_missing(value):
        return f"{column} is null"
    if is_list(value):
        if not value:
            raise AirflowFailException(
                f"Invalid where: the list of allowed values for {name!r} is empty. List the "
                "values, or omit where to compare all rows"
            )
        return f"{column} in ({', '.join(_quote(item) for item in value)})"
    return f"{column} = {_quote(value)}"


def _quote(value: Any) -> str:
    value = to_builtin(value)
    if is_missing(value):
        raise AirflowFailException(
            "Invalid where: a list of allowed values contains None or NaN. Write the condition as "
            "SQL: centre is null or centre in ('X', 'Y')"
        )
    if isinstance(value, bool):
        return str(value).lower()
    text = value.isoformat() if isinstance(value, date) else str(value)
    return "'" + text.replace("'", "''") + "'"
