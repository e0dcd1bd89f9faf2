"""Tests of the file formats of SynapseTableQueryOperator: CSV, TSV, JSON lines, gzip."""

import csv
import gzip
import hashlib
import json
import shutil
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
    SynapseTableStoreOperator,
    local_path,
)

RUNS = count(1)
ROWS = [["a", 1], ['b "quoted", \\ ü', 2], ["tab\there", 3], ["two\nlines", None], ["", 4]]
OBJECTS = [{"a name": name, "n": n} for name, n in ROWS]


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

    def run(**arguments):
        with DAG("query_format", schedule=None) as dag:
            SynapseTableQueryOperator(task_id="query", retries=5, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("query", max_tries=5), one

    return run


def parse(text, separator):
    rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator, escapechar="\\"))
    return [[name, int(n) if n else None] for name, n in rows[1:]]


def read(path, file_format, *, compressed):
    data = Path(path).read_bytes()
    text = (gzip.decompress(data) if compressed else data).decode()
    if file_format == "jsonl":
        return [list(json.loads(line).values()) for line in text.split("\n")[:-1]]
    return parse(text, "\t" if file_format == "tsv" else ",")


@pytest.mark.parametrize(
    ("name", "file_format", "compressed"),
    [
        ("rows.csv", "csv", False),
        ("rows.CSV.gz", "csv", True),
        ("rows.tsv", "tsv", False),
        ("rows.tab", "tsv", False),
        ("rows.tsv.gz", "tsv", True),
        ("rows.jsonl", "jsonl", False),
        ("rows.ndjson", "jsonl", False),
        ("rows.jsonl.gz", "jsonl", True),
        ("rows.txt", "csv", False),
        ("rows.gz", "csv", True),
    ],
)
def test_suffix_of_the_output_path_sets_the_format(
    query, table, tmp_path, name, file_format, compressed
):
    target = tmp_path / "out" / name
    result, run = query(sql=f"select * from {table}", output_path=str(target))
    assert result.state == "success", result.error
    reference = run.value("query")
    assert (reference["path"], reference["name"]) == (str(target), name)
    assert (reference["file_format"], reference["rows"]) == (file_format, len(ROWS))
    assert reference["compression"] == ("gzip" if compressed else None)
    assert reference["md5"] == hashlib.md5(target.read_bytes()).hexdigest()
    assert reference["size"] == target.stat().st_size
    assert read(target, file_format, compressed=compressed) == ROWS
    assert [path.name for path in target.parent.iterdir()] == [name]


@pytest.mark.parametrize("file_format", ["csv", "tsv", "jsonl"])
def test_output_format_sets_the_format(query, table, tmp_path, file_format):
    """Of a file in the cache, of a file with a generated name, and of a file of any name."""
    sql = f"select * from {table}"
    for number, target in enumerate(
        (
            {},
            {"download_dir": str(tmp_path / "new")},
            {"output_path": str(tmp_path / "rows.dat")},
            {"output_path": str(tmp_path / "rows.dat.gz")},
        )
    ):
        result, run = query(sql=sql, output_format=file_format, **target)
        assert result.state == "success", result.error
        reference = run.value("query")
        assert reference["file_format"] == file_format
        assert read(reference["path"], file_format, compressed=number == 3) == ROWS
        if number < 2:
            assert Path(reference["path"]).suffix == f".{file_format}"
            assert reference["name"] == f"query.{file_format}" or number == 1


@pytest.mark.parametrize(("file_format", "suffix"), [("tsv", ""), ("jsonl", ""), ("csv", ".gz")])
def test_object_storage_gets_the_format(query, table, tmp_path, file_format, suffix):
    url = f"file://{tmp_path}/bucket/rows.{file_format}{suffix}"
    result, run = query(sql=f"select * from {table}", output_path=url)
    assert result.state == "success", result.error
    memory = f"memory://formats/{tmp_path.name}/rows.{file_format}{suffix}"
    stored, other = query(sql=f"select * from {table}", output_path=memory)
    assert stored.state == "success", stored.error
    import fsspec

    with fsspec.open(memory, "rb") as file:
        assert file.read() == Path(run.value("query")["path"]).read_bytes()
    assert other.value("query")["path"] == memory
    assert other.value("query")["compression"] == ("gzip" if suffix else None)


@pytest.mark.parametrize("name", ["rows.tsv", "rows.jsonl", "rows.csv.gz", "rows.jsonl.gz"])
def test_other_worker_gets_the_same_file(api, table, tmp_path, worker, alice, project, name):
    """The file is not on the worker of the second task, which runs the query again."""
    alice.create_snapshot_version(table)
    target = tmp_path / "first worker" / name
    with DAG("query_then_store", schedule=None) as dag:
        rows = SynapseTableQueryOperator(
            task_id="query", sql=f"select * from {table}.1", output_path=str(target)
        )

        @task
        def get_content(reference: dict):
            return hashlib.md5(Path(local_path(reference)).read_bytes()).hexdigest()

        get_content(rows.output)
        SynapseStoreOperator(task_id="store", path=rows.output, parent_id=project)
    run = Run(api, dag)
    assert run.task("query").state == "success"
    md5 = run.value("query")["md5"]
    for folder in (target.parent, worker):
        shutil.rmtree(folder, ignore_errors=True)
    assert run.task("get_content").state == "success"
    assert run.value("get_content") == md5
    shutil.rmtree(worker, ignore_errors=True)
    assert run.task("store").state == "success"
    stored = run.value("store")
    assert (stored["name"], stored["md5"]) == (name, md5)


@pytest.mark.parametrize(
    "target", ["rows.tsv", "rows.jsonl", "rows.csv.gz", "rows.tsv.gz", "rows.jsonl.gz"]
)
def test_result_is_stored_in_another_table(api, table, alice, project, rows_of, tmp_path, target):
    copy = create_table(alice, project, "Copy", list(alice.getTableColumns(table)))
    with DAG("copy_rows", schedule=None) as dag:
        rows = SynapseTableQueryOperator(
            task_id="query", sql=f"select * from {table}", output_path=str(tmp_path / target)
        )
        SynapseTableStoreOperator(task_id="store", table_id=copy, rows=rows.output)
    run = Run(api, dag).all()
    assert run.value("store")["added"] == len(ROWS)
    assert rows_of(copy) == rows_of(table)


def test_equal_rows_have_equal_bytes(query, table, tmp_path):
    digests = set()
    for folder in "ab":
        target = tmp_path / folder / f"{folder}.jsonl.gz"
        result, _ = query(sql=f"select * from {table}", output_path=str(target))
        assert result.state == "success", result.error
        digests.add(hashlib.md5(target.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_path": "rows.parquet.gz"}, "Remove '.gz'"),
        ({"output_path": "rows.gz", "output_format": "parquet"}, "Remove '.gz'"),
        ({"output_path": "rows.csv.zst"}, "the only compression is gzip"),
    ],
)
def test_unsupported_compression_fails_at_once(query, table, arguments, message):
    result, _ = query(sql=f"select * from {table}", **arguments)
    assert result.state == "failed"
    assert message in str(result.error)


def test_duplicate_columns_in_json_lines_fail_at_once(query, table):
    result, _ = query(sql=f"select n, n + 1 as n from {table}", output_format="jsonl")
    assert result.state == "failed"
    assert "n" in str(result.error)
