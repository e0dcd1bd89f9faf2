"""URLs of databases and their tables, without secrets."""

import json
from types import SimpleNamespace

import pytest
from airflow.sdk import Connection

from synapse_workflows.lineage.database_urls import find_database
from synapse_workflows.lineage.sql_tables import TableName

SECRET = "hunter2-secret"


def table_url(hook=None, table=("", "", "t"), *, extra=None, **fields):
    connection = Connection(conn_id="db", extra=json.dumps(extra or {}), **fields)
    found = find_database(SimpleNamespace(connection=connection, **(hook or {})), None, None)
    return found and found.get_table_url(TableName(*table))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"conn_type": "postgres", "host": "db.org", "port": 5432, "schema": "sales"},
            "postgres://db.org:5432/sales/t",
        ),
        (
            {"conn_type": "postgres", "host": "db.org", "login": "u", "password": SECRET},
            "postgres://db.org/t",
        ),
        (
            {"conn_type": "mysql", "host": f"u:{SECRET}@db.org", "schema": f"d?password={SECRET}"},
            "mysql://db.org/d/t",
        ),
        (
            {"conn_type": "jdbc", "host": f"jdbc:postgresql://u:{SECRET}@db.org:1/d?x={SECRET}"},
            "postgresql://db.org:1/d/t",
        ),
        (
            {"conn_type": "jdbc", "host": f"jdbc:sqlserver://db.org:1433;password={SECRET}"},
            "sqlserver://db.org:1433/t",
        ),
        (
            {
                "conn_type": "snowflake",
                "schema": "PUBLIC",
                "extra": {"account": "ab1", "database": "DB", "private_key_content": SECRET},
            },
            "snowflake://ab1/DB/PUBLIC/t",
        ),
        (
            {"conn_type": "trino", "host": "t", "schema": "s", "extra": {"catalog": "hive"}},
            "trino://t/hive/s/t",
        ),
        ({"conn_type": "sqlite", "host": "/srv/a b.db"}, "sqlite:///srv/a%20b.db/t"),
        (
            {"conn_type": "sqlite", "host": f"file:/tmp/x.db?key={SECRET}"},
            "sqlite:///tmp/x.db/t",
        ),
        ({"conn_type": "sqlite", "host": ":memory:"}, None),
    ],
)
def test_urls_of_connections(fields, url):
    found = table_url(**fields)
    assert found == url
    assert SECRET not in str(found)


def test_names_in_a_statement_and_in_the_hook_win():
    postgres = {"conn_type": "postgres", "host": "h", "schema": "d"}
    assert table_url(table=("", "s", "t"), **postgres) == "postgres://h/d/s/t"
    assert table_url(table=("c", "s", "a/b?c"), **postgres) == "postgres://h/c/s/a%2Fb%3Fc"
    assert table_url({"database": "other"}, **postgres) == "postgres://h/other/t"
    mysql = {"conn_type": "mysql", "host": "h", "schema": "d"}
    assert table_url(table=("", "other", "t"), **mysql) == "mysql://h/other/t"
    assert table_url({"schema": "other"}, **mysql) == "mysql://h/other/t"


def test_databases_of_aws_services():
    athena = SimpleNamespace(client_type="athena", region_name="eu-west-1")
    found = find_database(athena, "sales", None)
    assert found.get_table_url(TableName("", "", "t")) == "athena://eu-west-1/sales/t"
    assert find_database(SimpleNamespace(), None, None) is None
