"""Operators are recorded although their hooks report nothing in the process of the task."""

import json

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.sdk import DAG
from support.execution_api import Run, fire_trigger

pytestmark = pytest.mark.filterwarnings("ignore:The `airflow.utils.operator_helpers")


class SilentHook(SqliteHook):
    def run(self, *_, **__):
        return [[1]]


class SilentOperator(SQLExecuteQueryOperator):
    def get_db_hook(self):
        return SilentHook()


def test_the_statements_of_an_operator_whose_hook_reports_nothing(api):
    connection = {"conn_type": "sqlite", "host": "/srv/shop.db"}
    api.connections["sqlite_default"] = json.dumps(connection)
    with DAG("silent", schedule=None) as dag:
        SilentOperator(
            task_id="first",
            conn_id="sqlite_default",
            sql=["insert into totals select n from {{ params.table }}", "select 1"],
            params={"table": "orders"},
        )
    record = Run(api, dag).all().record("first")
    assert [entry["url"] for entry in record["used"]] == ["sqlite:///srv/shop.db/orders"]
    assert record["wrote"] == [{"url": "sqlite:///srv/shop.db/totals"}]


def test_the_request_of_a_deferred_operator(api, web, monkeypatch):
    connection = json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{web}"})
    api.connections["http_default"] = connection
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", connection)
    with DAG("deferred", schedule=None) as dag:
        HttpOperator(task_id="first", method="GET", endpoint="data?token=hunter2", deferrable=True)
    one = Run(api, dag)
    event = fire_trigger(one.task("first"))
    assert one.task("first", event=event).state == "success"
    assert [entry["url"] for entry in one.record("first")["used"]] == [
        f"http://127.0.0.1:{web}/data"
    ]
