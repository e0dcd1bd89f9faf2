"""Tables that SQL statements read and write."""

import sys
import time

import pytest

from synapse_workflows.lineage.sql_tables import parse_sql


def access(sql, dialect=None):
    """Return what a text reads, writes, and whether something is unknown."""
    read, written, unknown = [], [], False
    for one in parse_sql(sql, dialect):
        read += [".".join(filter(None, table)) for table in one.read] + list(one.urls_read)
        written += [".".join(filter(None, table)) for table in one.written]
        written += list(one.urls_written)
        unknown |= one.is_unknown
    return sorted(read), sorted(written), unknown


@pytest.mark.parametrize(
    ("sql", "dialect", "read", "written"),
    [
        ("select a from t union all select b from x.u", None, ["t", "x.u"], []),
        ("select 1", None, [], []),
        ("select * from Mixed", "postgres", ["mixed"], []),
        ("select * from Mixed", "snowflake", ["MIXED"], []),
        ('select * from "Mixed"', "snowflake", ["Mixed"], []),
        ("select top 5 * from dbo.t", "tsql", ["dbo.t"], []),
        ("select * from t where a = %s and b = %(b)s", "postgres", ["t"], []),
        ("select * from t where a = ? and b in (select b from u)", "sqlite", ["t", "u"], []),
        ("select * from t, generate_series(1, 3)", "postgres", ["t"], []),
        ("select * from information_schema.tables", "postgres", [], []),
        ("select * from 's3://b/k.parquet'", "duckdb", ["s3://b/k.parquet"], []),
        ("with a as (select * from b) select * from a join c on 1 = 1", None, ["b", "c"], []),
        ("with t as (select * from t) select * from t", None, ["t"], []),
        ("with recursive t as (select 1 union select n from t) select n from t", None, [], []),
        ("with a as (select 1), b as (select * from a) select * from b", None, [], []),
        ("insert into t select * from s", None, ["s"], ["t"]),
        ("insert into t select * from t", None, ["t"], ["t"]),
        ("insert into t (a) values (%s)", "postgres", [], ["t"]),
        ("insert overwrite table t select * from s", "hive", ["s"], ["t"]),
        ("REPLACE INTO t (a) VALUES (?)", "sqlite", [], ["t"]),
        ("with a as (select * from s) insert into t select * from a", None, ["s"], ["t"]),
        ("update t set a = 1 from s where s.a = t.a", "postgres", ["s"], ["t"]),
        ("delete from t using s where s.a = t.a", "postgres", ["s"], ["t"]),
        ("truncate table t", None, [], ["t"]),
        ("create table t as select * from s", None, ["s"], ["t"]),
        ("create table if not exists t (a int)", None, [], []),
        (
            "merge into t using s on t.a = s.a when matched then update set a = 1",
            None,
            ["s"],
            ["t"],
        ),
        ("copy into t from 's3://b/k'", "snowflake", ["s3://b/k"], ["T"]),
        ("copy t from 's3://b/k' iam_role 'r'", "redshift", ["s3://b/k"], ["t"]),
        ("copy (select * from t) to stdout", "postgres", ["t"], []),
        (
            "unload ('select * from t where a = ''x''') to 's3://b/k' iam_role 'r'",
            "redshift",
            ["t"],
            ["s3://b/k"],
        ),
        ("begin; select * from t; commit", None, ["t"], []),
        ("set x = 1", None, [], []),
        ("use database d", "snowflake", [], []),
        ("explain select * from t", None, [], []),
        ("", None, [], []),
    ],
)
def test_tables_of_statements(sql, dialect, read, written):
    assert access(sql, dialect) == (read, written, False)


@pytest.mark.parametrize(
    ("sql", "is_write"),
    [
        ("call p(1)", False),
        ("-- comment\n/* other */ select * from )", False),
        ("insert into t values )", True),
        ("select * from my_function(1)", False),
    ],
)
def test_tables_that_are_not_known(sql, is_write):
    (one,) = parse_sql(sql, "postgres")
    assert (one.is_unknown, one.is_write) == (True, is_write)


def test_a_long_text_is_not_parsed():
    started = time.thread_time()
    sql = "insert into t values " + ", ".join(["(1, 'x')"] * 200_000)
    assert [one.is_write for one in parse_sql(sql, None)] == [True]
    assert time.thread_time() - started < 2


def test_without_a_parser_the_tables_are_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    assert access("select * from without_a_parser") == ([], [], True)
    assert access("set without_a_parser = 1") == ([], [], False)
