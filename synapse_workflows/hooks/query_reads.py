"""Results of queries as Python values and DataFrames."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.queries import parse_table_id
from synapse_workflows.client.model import parquet
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.hooks.check_queries import reject_subqueries
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import InvalidArgumentError, require_text

#: Quoted text, or a comment.
_COMMENT: Final = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|/\*.*?\*/|(?:^[ \t]*--|--(?=\s|$))[^\n]*""",
    re.DOTALL | re.MULTILINE,
)


def get_records(client: LineageClient, sql: str) -> list[tuple[Any, ...]]:
    """Run a query and return all rows, with values of the columns' types.

    Raises:
        AirflowFailException: The SQL is not a query, or has a subquery.
    """
    return [tuple(row) for row in query_csv(client, sql)]


def get_first(client: LineageClient, sql: str) -> tuple[Any, ...] | None:
    """Run a query and return the first row; None if there is no row.

    Raises:
        AirflowFailException: The SQL is not a query, or has a subquery.
    """
    result = client.tableQuery(check_query(sql), resultsAs="rowset", limit=1)
    return next((tuple(row["values"]) for row in result.rowset["rows"]), None)


def query_csv(client: LineageClient, sql: str) -> CsvFileTable:
    """Run a query with a CSV file as result, without row IDs.

    Raises:
        AirflowFailException: The SQL is not a query, or has a subquery.
    """
    return client.tableQuery(check_query(sql), includeRowIdAndRowVersion=False)


def read_pandas(table: CsvFileTable, options: Mapping[str, Any]) -> Any:
    """Read a query result into a pandas DataFrame with the types of the columns.

    Args:
        table: The query result.
        options: Arguments of `asDataFrame`.

    Raises:
        ImportError: pandas is not installed.
        InvalidArgumentError: An option is unknown or invalid.
    """
    try:
        return table.asDataFrame(**{"convert_to_datetime": True, **options})
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"Invalid arguments {dict(options)!r}: {error}") from error


def read_polars(table: CsvFileTable) -> Any:
    """Read a query result into a polars DataFrame with the types of the columns.

    Raises:
        ImportError: polars or pyarrow is not installed.
    """
    try:
        polars = import_module("polars")
    except ImportError:
        raise ImportError(
            "df_type='polars' needs polars, which is not installed: pip install polars"
        ) from None
    with TemporaryDirectory(prefix="synapse-") as folder:
        path = Path(folder, "rows.parquet")
        parquet.write_table(table, path, bool)
        return polars.read_parquet(path, memory_map=False)


def check_query(sql: Any) -> str:
    """Return the text of a query without comments, which Synapse rejects, and final semicolon.

    Raises:
        AirflowFailException: The SQL is not a query, has a subquery, or names no table.
    """
    text = _COMMENT.sub(lambda match: match[1] or " ", require_text(sql, "sql"))
    text = text.strip().rstrip(";").rstrip()
    if not text.lower().startswith("select"):
        raise AirflowFailException(
            f"Invalid sql {text!r:.100}: Synapse runs queries only. To store rows, use "
            "SynapseTableStoreOperator or SynapseHook.store_rows"
        )
    reject_subqueries(text)
    try:
        parse_table_id(text)
    except ValueError as error:
        raise InvalidArgumentError(f"Invalid sql: {error}") from error
    return text
