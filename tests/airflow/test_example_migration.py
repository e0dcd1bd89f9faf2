"""The DAGs of the page on migration: those after it run, those before it are valid Python."""

import ast
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from itertools import count

import pytest
from support.execution_api import Run
from support.guides import DAGS, blocks
from support.prepared_entities import append_rows, create_table

from synapse_workflows import Column, create_challenge_dag

YAML = [block.text for block in blocks("yaml") if block.page.name == "migration.md"]
CODE = [block.text for block in blocks("python") if block.page.name == "migration.md"]
#: The pipeline copies the predictions to the results.
NEXTFLOW = """\
#!/bin/sh
test "$1 $3 $5 $7 $9" = "run -r --predictions --goldstandard --outdir"
mkdir -p "${10}"
exec cp "$6" "${10}/results.json"
"""
_runs = count(1)


@pytest.fixture
def new_table(alice, project):
    """Function that creates a table with columns of text and numbers; returns its ID."""

    def create(title, *rows, **types):
        columns = [Column(name=key, columnType=value) for key, value in types.items()]
        table = create_table(alice, project, title, columns)
        append_rows(alice, table, [list(row) for row in rows])
        return table

    return create


@pytest.fixture
def rows_of(alice):
    def get_rows(table):
        result = alice.tableQuery(f"select * from {table}", includeRowIdAndRowVersion=False)
        return sorted(list(row) for row in result)

    return get_rows


@pytest.fixture
def start(api):
    """Function that starts a run of a DAG of the page, with existing IDs and paths."""

    def start_run(name, changes, day=25):
        text = DAGS[name]
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        names = {"__name__": name}
        exec(compile(text, f"{name}.py", "exec"), names)  # noqa: S102 - code of the page
        date = datetime(2026, 11, day, tzinfo=UTC)
        return Run(api, names[name](), f"run_{next(_runs)}", logical_date=date)

    return start_run


def test_dags_before_are_valid():
    """Each is followed by the DAG after it."""
    kinds = [text.partition("\n")[0] for text in CODE if "create_challenge_dag" not in text]
    assert kinds == ["# before", "# after"] * 3
    for text in CODE:
        ast.parse(text)


def test_store_metrics(api, start, new_table, rows_of, tmp_path):
    """A second run for a day adds no row."""
    pytest.importorskip("airflow.providers.sqlite")
    warehouse = tmp_path / "warehouse.db"
    api.connections["warehouse"] = json.dumps({"conn_type": "sqlite", "host": str(warehouse)})
    with closing(sqlite3.connect(warehouse)) as database, database:
        database.execute("create table daily as select '2026-11-25' day, 'a' project, 3 downloads")
    types = {"day": "STRING", "project": "STRING", "downloads": "INTEGER"}
    table = new_table("metrics", ("2026-11-24", "a", 1), **types)
    for _ in range(2):
        start("store_metrics", {"syn456": table}).all()
    assert rows_of(table) == [["2026-11-24", "a", 1], ["2026-11-25", "a", 3]]


def test_replace_table(start, new_table, rows_of, tmp_path):
    """Invalid rows change nothing."""
    table = new_table("patients", ("old",), name="STRING")
    path = tmp_path / "patients.csv"
    changes = {"syn456": table, "/data/patients.csv": str(path)}
    path.write_text("name\none\ntwo\n")
    start("replace_table", changes).all()
    assert rows_of(table) == [["one"], ["two"]]
    path.write_text("name,wrong\nthree,4\n")
    assert start("replace_table", changes).task("replace").state == "failed"
    assert rows_of(table) == [["one"], ["two"]]
    assert rows_of(f"{table}.1") == [["one"], ["two"]]


def test_snapshot_tables(start, new_table, alice):
    """A missing table fails its snapshot only; an unchanged table has one."""
    table = new_table("one", (1,), n="INTEGER")
    missing = new_table("two", (1,), n="INTEGER")
    alice.delete(missing)
    run = start("snapshot_tables", {"syn456": missing, "syn789": table})
    assert [run.task("snapshot", index).state for index in (0, 1)] == ["failed", "success"]
    assert alice.get(table, version=1).versionLabel == f"nightly {run.run_id}"
    run = start("snapshot_tables", {"syn456": missing, "syn789": table})
    assert run.task("snapshot", 1).state == "skipped"


def test_the_scorer_of_the_page_starts_nextflow(tmp_path, monkeypatch):
    (text,) = (block.text for block in blocks("sh") if block.page.name == "migration.md")
    (tmp_path / "score.sh").write_text(text)
    (tmp_path / "predictions.csv").write_text('{"auc": 1}')
    program = tmp_path / "nextflow"
    program.write_text(NEXTFLOW)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command = ["bash", "score.sh", "-p", "predictions.csv", "-g", "gold.csv", "-o", "results.json"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "results.json").read_text() == '{"auc": 1}'
    (tmp_path / "predictions.csv").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(command, cwd=tmp_path, check=True)


def test_the_challenge_of_the_page(tmp_path):
    (text,) = YAML
    path = tmp_path / "challenge_configs.yaml"
    path.write_text(text)
    (tmp_path / "score.py").touch()
    dag = create_challenge_dag(path, "olfactory-2025-task1")
    assert "check_dates" in dag.task_ids
    (code,) = (text for text in CODE if "task1: DAG" in text)
    names = {"__file__": str(tmp_path / "dags.py")}
    exec(compile(code, "dags.py", "exec"), names)  # noqa: S102 - code of the page
    assert names["task1"].dag_id == "olfactory-2025-task1"
