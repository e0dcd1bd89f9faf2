"""Sandbox of the SQLite connection that runs queries."""

import sqlite3

import pytest

from synapse_workflows.local.domain.tables.sql import sqlite_functions
from synapse_workflows.local.storage.query_sandbox import (
    QueryCancelledError,
    QueryTimeoutError,
    sandbox,
)


@pytest.fixture
def connection(tmp_path):
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as writer:
        writer.execute("create table live (row_id integer primary key, version, c1)")
        writer.execute("create table outbox (id, effects)")
        writer.execute("insert into live values (1, 1, 'x')")
    writer.close()
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    sqlite_functions.install(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from outbox",
        "select * from sqlite_master",
        "select name from pragma_table_info('live')",
        "pragma table_info(live)",
        "pragma query_only = 0",
        "attach database ':memory:' as other",
        "select load_extension('x')",
        "select randomblob(10)",
        "select hex(c1) from live",
        "insert into live values (2, 1, 'y')",
        "update live set c1 = 'y'",
        "delete from live",
        "create table other (a)",
        "create temp table other (a)",
        "drop table live",
        "vacuum",
        "begin",
        "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n",
    ],
)
def test_other_statements_are_denied(connection, sql):
    with (
        sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, 5) as safe,
        pytest.raises(sqlite3.DatabaseError),
    ):
        safe.execute(sql).fetchall()


def test_query_is_stopped_after_the_time_limit_and_on_request(connection):
    endless = "select count(*) from live as a" + ", json_each('[1,2,3,4,5,6,7,8,9]')" * 12
    with pytest.raises(QueryCancelledError):
        fetch_all(connection, endless, 60, lambda: True)
    with pytest.raises(QueryTimeoutError):
        fetch_all(connection, endless, 0.05, lambda: False)


def fetch_all(connection, sql, seconds, is_stopped):
    with sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, seconds, is_stopped) as safe:
        safe.execute(sql).fetchall()


def test_rows_of_the_table_are_readable(connection):
    with sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, 5) as safe:
        assert safe.execute("select c1, count(*) from live").fetchall() == [("x", 1)]
        assert safe.execute("select value from live, json_each('[1, 2]')").fetchall() == [
            (1,),
            (2,),
        ]
