"""Hook of Synapse connections for the operators and sensors of `common.sql`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.hooks import query_reads
from synapse_workflows.hooks.check_queries import CheckQuery, parse_check_queries
from synapse_workflows.hooks.sql_parameters import bind_parameters
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageModeName


class SynapseSqlHook(SynapseHook, DbApiHook):  # type: ignore[misc] # narrower signatures
    """A `SynapseHook` that is also a `DbApiHook`, for example for `SQLCheckOperator`.

    It is the hook of connections of the type `synapse`. It runs queries only, and no subqueries
    except those that `SQLColumnCheckOperator` and `SQLTableCheckOperator` generate.

    Args:
        synapse_conn_id: Id of the connection.
        lineage_mode: `merge`, `replace`, `declared` or `off`; None for `[synapse] lineage_mode`.
        log_sql: Whether to log the queries.
        kwargs: Ignored: `common.sql` passes the items of the connection's `extra`.
    """

    supports_autocommit = True
    strip_semicolon = True

    def __init__(
        self,
        synapse_conn_id: str = SynapseHook.default_conn_name,
        lineage_mode: LineageModeName | None = None,
        *,
        log_sql: bool = True,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        super().__init__(synapse_conn_id, lineage_mode)
        self.log_sql = log_sql

    def get_records(
        self,
        sql: str | list[str],
        parameters: Iterable[Any] | Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Run a query and return its rows; for a list of queries, the rows of each query."""
        if not isinstance(sql, str):
            return [self.get_records(one, parameters) for one in sql]
        checks = parse_check_queries(sql)
        if checks is None:
            return super().get_records(sql, parameters)
        return [self._run_check(check) for check in checks]

    def get_cursor(self) -> "SynapseCursor":
        """Return a cursor that runs queries."""
        return SynapseCursor(self.client)

    def insert_rows(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Reject the call: SQL cannot store rows in Synapse.

        Raises:
            AirflowFailException: Always.
        """
        raise AirflowFailException(
            "Synapse SQL cannot insert rows. Use SynapseTableStoreOperator, or "
            "SynapseHook.store_rows(table_id, rows, columns=[...])"
        )

    @contextmanager
    def _create_autocommit_connection(
        self,
        autocommit: bool = False,  # noqa: ARG002
    ) -> Iterator["SynapseConnection"]:
        """Provide a DB-API connection for `DbApiHook.run`."""
        yield SynapseConnection(self.client)

    def _run_check(self, check: CheckQuery) -> tuple[Any, ...]:
        row = self.get_first(check.sql)
        return (*check.labels, None if row is None else row[0])


class SynapseConnection:
    """DB-API connection of a client. Queries have no transactions.

    Args:
        client: Sends the requests.
    """

    autocommit = True

    def __init__(self, client: LineageClient) -> None:
        self.client = client

    def cursor(self) -> "SynapseCursor":
        """Return a new cursor."""
        return SynapseCursor(self.client)

    def commit(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: the client stays open."""


class SynapseCursor:
    """DB-API cursor that runs queries.

    Args:
        client: Sends the requests.
    """

    def __init__(self, client: LineageClient) -> None:
        self.client = client
        #: Name and type of each column; None before a query.
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def execute(
        self, sql: str, parameters: Iterable[Any] | Mapping[str, Any] | None = None
    ) -> "SynapseCursor":
        """Run a query.

        Raises:
            AirflowFailException: The SQL is not a query.
        """
        table = query_reads.query_csv(self.client, bind_parameters(sql, parameters))
        self.description = [
            (one.get("name"), one.get("columnType"), None, None, None, None, None)
            for one in table.columns()
        ]
        self._rows = (tuple(row) for row in table)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; None after the last row."""
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Return the next rows, `size` at most."""
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the remaining rows."""
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def close(self) -> None:
        """Discard the remaining rows."""
        self._rows = iter(())
