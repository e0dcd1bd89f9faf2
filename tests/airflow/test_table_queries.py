"""Tests of SynapseTableQueryOperator with CSV files."""

import csv
import json
import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table

from synapse_workflows import (
    Column,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    Table,
    local_path,
)
from synapse_workflows.client.errors import SynapseMd5MismatchError

RUNS = count(1)
ROWS = [["a", 1], ['b "quoted", \\ ü', 2], ["two\nlines", None], ["", 4]]


class LateFailureError(RuntimeError):
    """Failure of a task after its work is done."""


def fail_once(context, result=None):
    if context["ti"].try_number == 1:
        raise LateFailureError


@pytest.fixture
def table(alice, project):
    """Table whose cells need quoting in a CSV file."""
    columns = [
        Column(name="a name", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    table = create_table(alice, project, "Measurements", columns)
    append_rows(alice, table, ROWS)
    return table


@pytest.fixture
def query(api):
    """Run a single SynapseTableQueryOperator."""

    def run(tries=1, **arguments):
        with DAG("query_one", schedule=None) as dag:
            SynapseTableQueryOperator(task_id="query", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        for _ in range(tries):
            result = one.task("query", max_tries=5)
        return result, one

    return run


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_query_writes_a_file_and_returns_its_reference(query, table, worker):
    result, run = query(sql=f"select * from {table} where n > {{{{ 0 + 1 }}}}")
    assert result.state == "success", result.error
    reference = run.value("query")
    assert reference["id"] == table
    assert reference["version"] == 1
    assert reference["etag"]
    assert reference["rows"] == 2
    assert reference["columns"] == ["a name", "n"]
    assert reference["query"] == f"select * from {table} where n > 1"
    assert reference["synapse_conn_id"] == "synapse_default"
    assert Path(reference["path"]).is_relative_to(worker)
    assert [row["n"] for row in rows_of(reference["path"])] == ["2", "4"]
    assert run.value("query", "synapse_entity_link").endswith(f"/Synapse:{table}.1")


def test_rows_are_never_sent_to_airflow(query, table, api):
    query(sql=f"select * from {table}")
    assert not any("quoted" in body for _, _, body in api.requests)


def test_output_path_is_the_path_of_the_file(query, table, tmp_path):
    target = tmp_path / "new" / "answer.csv"
    _, run = query(sql=f"select * from {table}", output_path=str(target))
    assert run.value("query")["path"] == str(target)
    assert [row["n"] for row in rows_of(target)] == ["1", "2", "", "4"]
    assert list(target.parent.iterdir()) == [target]


def test_download_dir_contains_the_file(query, table, tmp_path):
    _, run = query(sql=f"select n from {table}", download_dir=str(tmp_path / "new"))
    assert Path(run.value("query")["path"]).parent == tmp_path / "new"


def test_include_row_ids_adds_row_id_and_version(query, table):
    _, run = query(sql=f"select n from {table}", include_row_ids=True)
    reference = run.value("query")
    assert reference["columns"] == ["ROW_ID", "ROW_VERSION", "n"]
    assert [row["ROW_ID"] for row in rows_of(reference["path"])] == ["1", "2", "3", "4"]


def test_result_without_rows_is_a_file_with_header(query, table):
    _, run = query(sql=f"select n from {table} where n > 100")
    assert run.value("query")["rows"] == 0
    assert run.value("query")["columns"] == ["n"]


def test_stored_result_uses_the_queried_snapshot(api, table, project, alice, sources_of):
    alice.create_snapshot_version(table)
    append_rows(alice, table, [["late", 9]])
    with DAG("query_and_store", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(task_id="frozen", sql=f"select * from {table}.1")
        SynapseStoreOperator(task_id="store", path=query_task.output, parent_id=project)
    run = Run(api, dag).all()
    stored = run.value("store")
    assert sources_of(stored["id"])[0] == [f"{table}.1"]
    assert run.value("frozen")["rows"] == 4
    assert stored["md5"] == run.value("frozen")["md5"]


def test_stored_result_uses_the_current_version_of_a_table(api, table, project, alice, sources_of):
    alice.create_snapshot_version(table)
    with DAG("query_current", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(task_id="now", sql=f"select * from {table}")
        SynapseStoreOperator(task_id="store", path=query_task.output, parent_id=project)
    run = Run(api, dag).all()
    assert run.value("now")["version"] == 2
    assert sources_of(run.value("store")["id"])[0] == [f"{table}.2"]


def test_snapshot_first_queries_the_new_snapshot(api, table, project, alice, sources_of):
    with DAG("freeze_and_query", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(
            task_id="frozen",
            sql=f"SELECT * FROM {table} WHERE n > 1",
            snapshot_first=True,
            version_label="of {{ run_id }}",
        )
        SynapseStoreOperator(task_id="store", path=query_task.output, parent_id=project)
    run = Run(api, dag).all()
    reference = run.value("frozen")
    assert reference["version"] == 1
    assert reference["query"] == f"SELECT * FROM {table}.1 WHERE n > 1"
    assert alice.get(table, version=1).versionLabel == "of run_1"
    assert sources_of(run.value("store")["id"])[0] == [f"{table}.1"]
    assert alice.getProvenance(table, 1)["name"] == "freeze_and_query.frozen"


def test_retry_queries_the_snapshot_of_the_first_try(query, table, alice):
    result, run = query(
        2, sql=f"select * from {table}", snapshot_first=True, post_execute=fail_once
    )
    assert result.state == "success", result.error
    assert run.value("query")["version"] == 1
    assert alice.get(table).versionNumber == 2


def test_snapshot_first_rejects_a_query_of_a_version(query, table):
    result, _ = query(sql=f"select * from {table}.1", snapshot_first=True)
    assert result.state == "failed"
    assert "version 1" in str(result.error)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select nothing from {table}", "nothing"),
        ("select from where {table}", "synapse ID"),
        ("select * from syn999999999", "404"),
        ("drop from {table}", "Synapse runs queries only"),
        ("select n from {table} order n", "400"),
    ],
)
def test_invalid_sql_fails_without_retry(query, table, sql, message):
    result, _ = query(sql=sql.format(table=table))
    assert result.state == "failed"
    assert message in str(result.error)


def test_missing_permission_fails_without_retry(query, table, api, connection, socket_service):
    bob = json.loads(connection) | {"password": socket_service.token("bob")}
    api.connections["bobs"] = json.dumps(bob)
    result, _ = query(sql=f"select * from {table}", synapse_conn_id="bobs")
    assert result.state == "failed"
    assert result.error.status == 403


@pytest.fixture
def on_two_workers(api, worker):
    """Run a query and a task that reads the file on another worker."""

    def run(sql, between=lambda: None):
        with DAG("two_workers", schedule=None) as dag:

            @task
            def read(reference):
                return Path(local_path(reference)).read_text()

            read(SynapseTableQueryOperator(task_id="query", sql=sql).output)
        one = Run(api, dag)
        one.task("query")
        text = Path(one.value("query")["path"]).read_text()
        shutil.rmtree(worker)
        between()
        return one, text

    return run


def test_another_worker_repeats_the_query(on_two_workers, table, alice):
    alice.create_snapshot_version(table)
    add = [["late", 9]]
    run, text = on_two_workers(f"select * from {table}.1", lambda: alice.store(Table(table, add)))
    assert run.task("read").state == "success"
    assert run.value("read") == text


def test_another_worker_rejects_a_changed_result(on_two_workers, table, alice):
    add = [["late", 9]]
    run, _ = on_two_workers(f"select * from {table}", lambda: alice.store(Table(table, add)))
    failed = run.task("read")
    assert isinstance(failed.error, SynapseMd5MismatchError)


def test_output_path_and_download_dir_exclude_each_other(table):
    with pytest.raises(ValueError, match="download_dir"):
        SynapseTableQueryOperator(task_id="query", sql="", output_path="a", download_dir="b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_path": ""}, "Invalid output_path: the path is empty"),
        ({"output_path": "{folder}"}, "it is a directory"),
        ({"output_path": "s3://bucket"}, "Invalid output_path 's3://bucket': it is a directory"),
        ({"output_path": "memory://bucket/"}, "Add the name of a file, or use download_dir"),
        ({"output_path": "rows.json"}, "Use .csv, .tsv, .jsonl or .parquet, or set output_format"),
        ({"output_path": "rows.xlsx.gz"}, "files with the suffix '.xlsx' are not supported"),
        ({"sql": "update {table} set n = 1"}, "Synapse runs queries only"),
        ({"sql": "select n from {table} where n in (select 1)"}, "does not support subqueries"),
        ({"sql": "-- only a comment"}, "Invalid sql ''"),
    ],
)
def test_invalid_arguments_fail_before_any_request(query, table, tmp_path, arguments, message):
    texts = {"table": table, "folder": tmp_path}
    given = {name: text.format(**texts) for name, text in arguments.items()}
    result, _ = query(**({"sql": f"select * from {table}"} | given))
    assert result.state == "failed"
    assert message in str(result.error)


def test_sql_file_may_have_comments_and_a_semicolon(query, table):
    sql = f"""-- rows of from syn1
        select n, /* not
        this */ "a name" from {table} -- the end
        where "a name" <> '-- no comment' -- and n > 2
        order by n;
        """
    result, run = query(sql=sql)
    assert result.state == "success", result.error
    value = run.value("query")
    assert (value["id"], value["rows"], value["columns"]) == (table, 4, ["n", "a name"])


@pytest.mark.parametrize("value", [0, -1, "5", None, True, timedelta(0)])
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
def test_invalid_times_fail(name, value):
    with pytest.raises(ValueError, match=f"Invalid {name}=.*positive number of seconds"):
        SynapseTableQueryOperator(task_id="query", sql="", **{name: value})


def test_times_may_be_timedeltas():
    operator = SynapseTableQueryOperator(
        task_id="query", sql="", timeout=timedelta(hours=1), poll_interval=timedelta(seconds=2)
    )
    assert (operator.timeout, operator.poll_interval) == (3600, 2)
