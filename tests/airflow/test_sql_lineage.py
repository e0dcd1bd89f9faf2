"""Lineage of the statements that hooks report."""

from types import SimpleNamespace

import pytest
from airflow.sdk import Connection

from synapse_workflows.lineage.sql_lineage import collect_sql


@pytest.fixture
def hook():
    connection = Connection(conn_id="db", conn_type="postgres", host="h", schema="d")
    return SimpleNamespace(connection=connection)


def collect(hook, *statements, **report):
    record = collect_sql([(hook, {"sql": sql, **report}) for sql in statements])
    return [str(ref) for ref in record.inputs()], [str(ref) for ref in record.wrote], record.gaps


@pytest.mark.parametrize(
    ("statements", "read", "written"),
    [
        (["insert into t select * from s", "select * from t"], ["s"], ["t"]),
        (["select * from t", "insert into t values (1)"], ["t"], ["t"]),
        (
            ["create temp table x as select * from s", "insert into t select * from x"],
            ["s"],
            ["t"],
        ),
        (
            ["create table x as select * from s", "insert into t select * from x", "drop table x"],
            ["s"],
            ["t"],
        ),
        (["create table if not exists t (a int)", "select * from t"], ["t"], []),
    ],
)
def test_what_a_task_wrote_itself_is_no_input(hook, statements, read, written):
    expected = [[f"postgres://h/d/{name}" for name in names] for names in (read, written)]
    assert list(collect(hook, *statements)[:2]) == expected


def test_the_default_database_and_schema_of_a_report(hook):
    assert collect(hook, "select * from t", default_db="other", default_schema="s")[0] == [
        "postgres://h/other/s/t"
    ]


def test_unknown_tables_are_a_gap(hook):
    read, written, gaps = collect(hook, "call p()", "insert into t values )")
    assert read == written == ["postgres://h/d"]
    assert gaps == (
        "the tables that an SQL statement read in postgres://h/d are not known",
        "the tables that an SQL statement wrote in postgres://h/d are not known",
    )


def test_literals_and_parameters_are_not_recorded(hook):
    secret = "hunter2-secret"
    sql = f"insert into t select '{secret}' from s where a = '{secret}'"
    assert secret not in str(collect(hook, sql, sql_parameters=[secret]))
