"""Tests of SynapseTableQueryOperator with Parquet files."""

import json
import shutil
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from airflow.sdk import DAG, task
from pyarrow import parquet as pq
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    Table,
    local_path,
)
from synapse_workflows.client.errors import SynapseMd5MismatchError

RUNS = count(1)
TIMESTAMP = datetime(2026, 11, 22, 4, 30, 0, 123000, tzinfo=UTC)
#: Name, type, and values of three rows.
CELLS = [
    ("a text, ü", "STRING", ["", None, 'two\nlines, \\ and "quotes"']),
    ("whole", "INTEGER", [2**60, None, -1]),
    ("real", "DOUBLE", [float("inf"), None, 0.1]),
    ("flag", "BOOLEAN", [True, None, False]),
    ("day", "DATE", [TIMESTAMP, None, datetime(1969, 1, 1, tzinfo=UTC)]),
    ("entity", "ENTITYID", ["syn1", None, "syn22"]),
    ("person", "USERID", ["3300001", None, "1"]),
    ("words", "STRING_LIST", [["a", ""], None, ["b"]]),
    ("numbers", "INTEGER_LIST", [[1, 2], None, [2**60]]),
    ("days", "DATE_LIST", [[TIMESTAMP], None, [TIMESTAMP, TIMESTAMP]]),
]
EXPECTED = [dict(zip((name for name, _, _ in CELLS), row, strict=True)) for row in zip(
    *(values for _, _, values in CELLS), strict=True
)]  # fmt: skip


@pytest.fixture
def table(alice, project):
    columns = [Column(name=name, columnType=kind) for name, kind, _ in CELLS]
    table = create_table(alice, project, "Of all types", columns)
    append_rows(alice, table, [list(row.values()) for row in EXPECTED])
    return table


@pytest.fixture
def query(api):
    """Run a single SynapseTableQueryOperator."""

    def run(**arguments):
        with DAG("query_one", schedule=None) as dag:
            SynapseTableQueryOperator(task_id="query", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("query", max_tries=5), one

    return run


def rows_of(path):
    return pq.ParquetFile(path).read().to_pylist()


@pytest.mark.parametrize("columns", ["whole, whole", "*, whole * 2 as whole"])
def test_duplicate_column_names_fail_without_retry(query, table, tmp_path, columns):
    target = tmp_path / "new" / "result.parquet"
    result, _ = query(sql=f"select {columns} from {table}", output_path=str(target))
    assert result.state == "failed"
    assert "Duplicate column names ['whole']" in str(result.error)
    assert list(target.parent.iterdir()) == []


def test_parquet_suffix_selects_the_format(query, table, tmp_path):
    target = tmp_path / "new" / "result.parquet"
    result, run = query(sql=f"select * from {table}", output_path=str(target))
    assert result.state == "success", result.error
    assert rows_of(target) == EXPECTED
    reference = run.value("query")
    assert (reference["file_format"], reference["rows"], reference["path"]) == (
        "parquet",
        3,
        str(target),
    )
    assert reference["columns"] == list(EXPECTED[0])
    assert reference["size"] == target.stat().st_size
    assert reference["md5"] != reference["csv_md5"]
    assert list(target.parent.iterdir()) == [target]


def test_output_format_overrides_the_suffix(query, table, tmp_path):
    target = tmp_path / "result.parquet"
    _, run = query(sql=f"select whole from {table}", output_path=str(target), output_format="csv")
    assert target.read_text().startswith('"whole"')
    assert run.value("query")["file_format"] == "csv"
    query(
        sql=f"select whole from {table}",
        output_path=str(tmp_path / "a.dat"),
        output_format="parquet",
    )
    assert rows_of(tmp_path / "a.dat") == [{"whole": row["whole"]} for row in EXPECTED]


def test_download_dir_contains_only_the_parquet_file(query, table, tmp_path):
    _, run = query(
        sql=f"select * from {table}", download_dir=str(tmp_path / "new"), output_format="parquet"
    )
    (path,) = (tmp_path / "new").iterdir()
    assert run.value("query")["path"] == str(path)
    assert path.suffix == ".parquet"
    assert rows_of(path) == EXPECTED


def test_parquet_file_in_the_cache_is_reused(query, table, worker):
    arguments = {"sql": f"select * from {table}", "output_format": "parquet"}
    _, run = query(**arguments)
    path = Path(run.value("query")["path"])
    assert path.is_relative_to(worker)
    assert rows_of(path) == EXPECTED
    before = path.stat()
    _, again = query(**arguments)
    assert again.value("query") == run.value("query")
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_csv_query_after_a_parquet_query_returns_csv(query, table):
    """The cached Parquet file is not returned for a CSV query."""
    query(sql=f"select * from {table}", output_format="parquet")
    _, run = query(sql=f"select * from {table}")
    assert Path(run.value("query")["path"]).read_text().startswith('"a text, ü"')


def test_parquet_row_ids_are_integers(query, table, tmp_path):
    target = tmp_path / "result.parquet"
    query(sql=f"select whole from {table}", output_path=str(target), include_row_ids=True)
    schema = pq.read_schema(target)
    assert schema.names == ["ROW_ID", "ROW_VERSION", "whole"]
    assert set(schema.types) == {pa.int64()}


def test_parquet_types_of_expressions_are_those_of_synapse(query, table, tmp_path):
    target = tmp_path / "result.parquet"
    sql = f'select count(*) as n, avg(whole) as mean, max("a text, ü") as t from {table}'
    result, _ = query(sql=sql, output_path=str(target))
    assert result.state == "success", result.error
    assert pq.read_schema(target).types == [pa.int64(), pa.float64(), pa.string()]


def test_parquet_file_without_rows_has_columns(query, table, tmp_path):
    target = tmp_path / "result.parquet"
    _, run = query(sql=f"select * from {table} where whole = 5", output_path=str(target))
    assert run.value("query")["rows"] == 0
    assert pq.read_schema(target).names == list(EXPECTED[0])


def test_parquet_file_of_a_view(query, table, alice, project, tmp_path):
    schema = EntityViewSchema(
        "Tables", parent=project, scopes=[project], includeEntityTypes=[EntityViewType.TABLE]
    )
    view = alice.store(schema).id
    target = tmp_path / "result.parquet"
    result, run = query(
        sql=f"select id, currentVersion, createdOn from {view}", output_path=str(target)
    )
    assert result.state == "success", result.error
    (row,) = rows_of(target)
    assert (row["id"], row["currentVersion"]) == (table, 1)
    assert row["createdOn"].tzinfo is not None
    assert run.value("query")["version"] == 1


@pytest.fixture
def on_two_workers(api, worker):
    """Run a query and a task that reads the file on another worker."""

    def run(sql, between=lambda: None):
        with DAG("two_workers", schedule=None) as dag:

            @task
            def read(reference):
                return local_path(reference)

            query_task = SynapseTableQueryOperator(
                task_id="query", sql=sql, output_format="parquet"
            )
            read(query_task.output)
        one = Run(api, dag)
        one.task("query")
        content = Path(one.value("query")["path"]).read_bytes()
        shutil.rmtree(worker)
        between()
        return one, one.task("read"), content

    return run


def test_another_worker_writes_an_identical_file(on_two_workers, table, alice, worker):
    alice.create_snapshot_version(table)
    append_rows(alice, table, [list(EXPECTED[0].values())])
    run, result, content = on_two_workers(f"select * from {table}.1")
    assert result.state == "success", result.error
    path = Path(run.value("read"))
    assert path.is_relative_to(worker)
    assert path.read_bytes() == content
    assert rows_of(path) == EXPECTED


def test_another_worker_rejects_a_changed_result(on_two_workers, table, alice, worker):
    add = [list(EXPECTED[0].values())]
    _, failed, _ = on_two_workers(f"select * from {table}", lambda: alice.store(Table(table, add)))
    assert isinstance(failed.error, SynapseMd5MismatchError)
    assert "snapshot_first=True" in str(failed.error)
    assert not list(worker.rglob("*.parquet"))


def with_cache_limit(connection, limit):
    reference = json.loads(connection)
    reference["extra"]["cache_limit"] = limit
    return json.dumps(reference)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_file_is_not_evicted_while_a_task_reads_it(
    api, table, put, connection, worker, file_format
):
    """The cache is smaller than every file; a downstream task pins the query result."""
    api.connections["synapse_default"] = with_cache_limit(connection, "1 KB")
    others = [put(f"{name}.txt", name * 2000) for name in "ab"]
    with DAG("held", schedule=None) as dag:

        @task
        def read(reference):
            path = Path(local_path(reference))
            for other in others:
                SynapseHook().client.get(other.split(".")[0])
            return path.is_file() and path == Path(reference["path"])

        query_task = SynapseTableQueryOperator(
            task_id="query", sql=f"select * from {table}", output_format=file_format
        )
        read(query_task.output)
    run = Run(api, dag).all()
    assert run.value("read") is True
    with DAG("later", schedule=None) as dag:

        @task
        def fetch():
            SynapseHook().client.get(others[0].split(".")[0])
            SynapseHook().client.get(put("c.txt", "c" * 2000).split(".")[0])

        fetch()
    Run(api, dag).all()
    assert not Path(run.value("query")["path"]).exists()


def test_stored_parquet_file_uses_the_queried_version(api, table, project, alice, sources_of):
    with DAG("query_and_store", schedule=None) as dag:
        query_task = SynapseTableQueryOperator(
            task_id="ask",
            sql=f"select * from {table}",
            output_format="parquet",
            snapshot_first=True,
        )
        SynapseStoreOperator(task_id="store", path=query_task.output, parent_id=project, name="p")
    stored = Run(api, dag).all().value("store")
    assert sources_of(stored["id"])[0] == [f"{table}.1"]
    assert rows_of(alice.get(stored["id"]).path) == EXPECTED


def test_parquet_without_pyarrow_fails_before_any_request(
    query, table, tmp_path, monkeypatch, alice
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result, _ = query(
        sql=f"select * from {table}", output_path=str(tmp_path / "a.parquet"), snapshot_first=True
    )
    assert result.state == "failed"
    assert "pip install 'synapse-workflows[parquet]'" in str(result.error)
    assert alice.get(table).versionNumber == 1


def test_unknown_output_format_fails_at_dag_parsing():
    with pytest.raises(ValueError, match="feather"):
        SynapseTableQueryOperator(task_id="query", sql="", output_format="feather")
