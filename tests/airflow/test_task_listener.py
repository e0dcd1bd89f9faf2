"""Tasks of other providers leave a record, which becomes part of Activities downstream."""

import json
import sqlite3
from datetime import timedelta

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.providers.standard.operators.python import (
    BranchPythonOperator,
    PythonOperator,
    ShortCircuitOperator,
)
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, task, task_group
from airflow.sdk.lineage import get_hook_lineage_collector
from support.execution_api import Run

from synapse_workflows import SynapseStoreOperator
from synapse_workflows.lineage.lineage_mode import without_lineage

SECRET = "hunter2-secret"
pytestmark = pytest.mark.filterwarnings("ignore:The `airflow.utils.operator_helpers")


@pytest.fixture
def database(tmp_path):
    """Path of an SQLite database with two tables."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table orders (n int)")
        connection.execute("create table totals (n int)")
    connection.close()
    return path


@pytest.fixture
def api(api, web, database):
    """Execution API with connections to a database and to an HTTP server."""
    api.connections |= {
        "sqlite_default": json.dumps({"conn_type": "sqlite", "host": str(database)}),
        "http_default": json.dumps(
            {
                "conn_type": "http",
                "host": f"http://user:{SECRET}@127.0.0.1:{web}",
                "password": SECRET,
            }
        ),
    }
    return api


def read(uri="gs://bucket/key"):
    """Report an object as hooks of other providers do."""
    get_hook_lineage_collector().add_input_asset(SqliteHook(), uri=uri)


def write(uri):
    get_hook_lineage_collector().add_output_asset(SqliteHook(), uri=uri)


def run_before_store(api, project, tmp_path, create, **instances):
    """Run a task, and one that stores a file downstream; return the run."""
    (tmp_path / "result.txt").write_text("1")
    with DAG("others", schedule=None) as dag:
        first = create()
        first >> SynapseStoreOperator(
            task_id="store", path=str(tmp_path / "result.txt"), parent_id=project
        )
    return Run(api, dag).all(**instances)


def sql(text, **arguments):
    return lambda: SQLExecuteQueryOperator(
        task_id="first", conn_id="sqlite_default", sql=text, **arguments
    )


def http(method, endpoint):
    return lambda: HttpOperator(
        task_id="first", method=method, endpoint=f"{endpoint}?token={SECRET}"
    )


CASES = {
    "select": (sql("select * from orders"), ["sqlite://{db}/orders"]),
    "several statements": (
        sql(["insert into totals select n from orders", "select * from totals"]),
        ["sqlite://{db}/orders", "sqlite://{db}/totals"],
    ),
    "insert values": (sql(f"insert into totals values ('{SECRET}')"), ["sqlite://{db}/totals"]),
    "no table": (sql("select 1"), []),
    "get": (http("GET", "v1/data"), ["http://127.0.0.1:{port}/v1/data"]),
    "post": (http("POST", "v1/search"), ["http://127.0.0.1:{port}/v1/search"]),
    "put": (http("PUT", "v1/item"), ["http://127.0.0.1:{port}/v1/item"]),
    "python operator": (
        lambda: PythonOperator(task_id="first", python_callable=read),
        ["gs://bucket/key"],
    ),
    "short circuit": (
        lambda: ShortCircuitOperator(task_id="first", python_callable=lambda: read() or True),
        ["gs://bucket/key"],
    ),
    "branch": (
        lambda: BranchPythonOperator(task_id="first", python_callable=lambda: read() or "store"),
        ["gs://bucket/key"],
    ),
    "task": (task(read).override(task_id="first"), ["gs://bucket/key"]),
    "teardown": (
        lambda: task(read).override(task_id="first")().as_setup(),
        ["gs://bucket/key"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_hooks_reported_is_used_downstream(
    api, project, sources_of, tmp_path, database, web, name
):
    create, expected = CASES[name]
    one = run_before_store(api, project, tmp_path, create)
    used, executed = sources_of(one.value("store")["id"])
    urls = [url.format(db=database, port=web) for url in expected]
    assert sorted(used) == sorted(urls)
    assert len(executed) == len(set(executed))
    assert SECRET not in json.dumps(one.record("first"))


def test_reads_and_writes_are_told_apart(api, project, tmp_path, database):
    text = "insert into totals select n from orders"
    record = run_before_store(api, project, tmp_path, sql(text)).record("first")
    assert [entry["url"] for entry in record["used"]] == [f"sqlite://{database}/orders"]
    assert record["wrote"] == [{"url": f"sqlite://{database}/totals"}]


def test_a_task_without_reports_has_no_record(api, project, tmp_path):
    def nothing():
        with without_lineage():
            read()
            SqliteHook().get_records("select * from orders")

    create = lambda: PythonOperator(task_id="first", python_callable=nothing)  # noqa: E731
    assert run_before_store(api, project, tmp_path, create).record("first") is None


def test_a_skipped_task_and_an_earlier_try_leave_no_record(api):
    from airflow.sdk.exceptions import AirflowSkipException

    tries = []
    with DAG("skips", schedule=None) as dag:

        @task(retries=1)
        def flaky():
            tries.append(1)
            read(f"gs://bucket/try{len(tries)}")
            if len(tries) == 1:
                raise ValueError

        @task
        def skipped():
            read()
            raise AirflowSkipException

        flaky()
        skipped()
    one = Run(api, dag)
    one.task("flaky", max_tries=1)
    assert one.task("flaky", max_tries=1).state == "success"
    assert [entry["url"] for entry in one.record("flaky")["used"]] == ["gs://bucket/try2"]
    assert one.task("skipped").state == "skipped"
    assert one.record("skipped") is None


class Deferring(BaseOperator):
    """Operator that reads before and after its deferral, and overrides `post_execute`."""

    def execute(self, context):  # noqa: ARG002
        read("gs://bucket/before")
        self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="execute_complete")

    def execute_complete(self, context, event=None):  # noqa: ARG002
        read("gs://bucket/after")

    def post_execute(self, context, result=None):  # noqa: ARG002
        yield from ()
        write("gs://bucket/written")


def test_a_deferred_task_keeps_its_record(api):
    with DAG("defers", schedule=None) as dag:
        Deferring(task_id="first", retries=1)
    one = Run(api, dag)
    assert one.task("first").state == "deferred"
    assert one.task("first", event={}).state == "success"
    record = one.record("first")
    assert [e["url"] for e in record["used"]] == ["gs://bucket/before", "gs://bucket/after"]
    assert record["wrote"] == [{"url": "gs://bucket/written"}]


def test_each_instance_of_a_mapped_task_in_a_group_has_its_record(
    api, project, sources_of, tmp_path
):
    (tmp_path / "result.txt").write_text("1")
    with DAG("mapped", schedule=None) as dag:

        @task_group
        def each(name):
            @task
            def first(name):
                read(f"gs://bucket/{name}")
                return name

            first(name) >> SynapseStoreOperator(
                task_id="store",
                path=str(tmp_path / "result.txt"),
                name="{{ ti.map_index }}.txt",
                parent_id=project,
            )

        each.expand(name=["a", "b"])
    one = Run(api, dag).all(each_first=2, each_store=2)
    for index, name in enumerate("ab"):
        used, _ = sources_of(one.value("each.store", map_index=index)["id"])
        assert used == [f"gs://bucket/{name}"]
