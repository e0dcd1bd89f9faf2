"""The example of nightly snapshots, run as Airflow would run it."""

import importlib.util
import re

import pytest
from execution_api import Run

from synapse_workflows import Column, Schema, Table
from synapse_workflows.examples_dir import examples_dir


@pytest.fixture
def tables(alice, project):
    """Two tables of a row."""
    made = []
    for name in ("One", "Two"):
        columns = [Column(name="n", columnType="INTEGER")]
        schema = alice.store(Schema(name, columns, parent=project))
        alice.store(Table(schema, [[1]]))
        made.append(schema.id)
    return made


@pytest.fixture
def example(tables, project):
    """The two DAGs, about tables that are there."""
    path = examples_dir() / "03_nightly_snapshots.py"
    ids = dict(zip(("syn10000006", "syn10000007", "syn10000005"), [*tables, project], strict=True))
    text = re.sub(r"syn\d{8}", lambda found: ids[found[0]], path.read_text())
    spec = importlib.util.spec_from_loader("nightly_snapshots", loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - our own example
    return module.synapse_03_nightly_snapshots(), module.synapse_03_publish_snapshot()


def freeze(api, dag, run_id, count):
    run = Run(api, dag, run_id)
    assert run.task("tables").state == "success"
    results = [run.task("freeze", index) for index in range(count)]
    return [result.state for result in results]


def test_one_bad_table_fails_its_own_instance_only(api, example, tables, alice):
    alice.delete(tables[0])
    assert freeze(api, example[0], "run_1", 2) == ["failed", "success"]
    assert alice.get(tables[1], version=1).versionLabel == "nightly run_1"


def test_the_second_dag_reads_the_snapshot_that_woke_it(
    api, example, tables, project, alice, sources_of
):
    """A night later there is another snapshot; the run that was woken by the first reads that."""
    nightly, publish = example
    assert freeze(api, nightly, "run_1", 2) == ["success", "success"]
    woke = next(event for event in api.events if event["asset"]["uri"] == f"syn://{tables[0]}")
    alice.store(Table(tables[0], [[2]]))
    assert freeze(api, nightly, "run_2", 2) == ["success", "skipped"]

    run = Run(api, publish, "woken", events=(woke,)).all()
    assert run.value("rows")["version"] == 1
    assert run.value("rows")["rows"] == 1
    stored = run.value("publish")["id"]
    assert stored == alice.findEntityId("latest.csv", project)
    assert sources_of(stored)[0] == [f"{tables[0]}.1"]
