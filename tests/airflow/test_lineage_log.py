"""Log lines about what tasks read and what their Activities record."""

import logging
from itertools import count
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import File, SynapseGetOperator, SynapseHook, SynapseStoreOperator

RUNS = count(1)


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return str(path)


def lines(caplog, task_run):
    caplog.clear()
    with caplog.at_level(logging.INFO, "synapse_workflows.lineage"):
        assert task_run().state == "success"
    return [record.getMessage() for record in caplog.records if "lineage" in record.name]


def test_each_read_and_each_store_is_one_line(api, put, project, result, caplog):
    raw = put("raw.csv")
    with DAG("logged", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        get >> SynapseStoreOperator(task_id="store", path=result, parent_id=project)
    run = Run(api, dag, f"run_{next(RUNS)}")
    assert lines(caplog, lambda: run.task("get")) == [f"Recorded as used: {raw} (read)"]
    (line,) = lines(caplog, lambda: run.task("store"))
    stored = run.value("store")
    assert line.startswith(
        f"Stored {stored['id']}.1: Activity {stored['activity_id']}: used {raw}; executed "
    )
    assert "test_lineage_log.py" in line
    assert "sha256" in line


def test_an_entity_that_is_read_twice_is_logged_once(api, put, caplog):
    raw = put("raw.csv")
    with DAG("logged", schedule=None) as dag:

        @task
        def read():
            client = SynapseHook().client
            client.get(raw)
            client.get(raw)

        read()
    run = Run(api, dag, f"run_{next(RUNS)}")
    assert lines(caplog, lambda: run.task("read")) == [f"Recorded as used: {raw} (read)"]


def test_unchanged_content_is_said_to_be_kept(api, project, result, caplog):
    with DAG("logged", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=result, parent_id=project)
    Run(api, dag, f"run_{next(RUNS)}").all()
    run = Run(api, dag, f"run_{next(RUNS)}")
    assert any(
        line.startswith("Kept unchanged syn") for line in lines(caplog, lambda: run.task("store"))
    )


def test_the_record_of_a_storing_task_has_its_sources(api, put, project, result):
    raw = put("raw.csv")
    with DAG("logged", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        store = SynapseStoreOperator(task_id="store", path=result, parent_id=project)
        again = SynapseStoreOperator(
            task_id="again", path=result, parent_id=project, folder="again"
        )
        get >> store >> again
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    record = run.record("store")
    assert [f"{one['id']}.{one['version']}" for one in record["used"]] == [raw]
    stored = run.value("store")
    assert [one["id"] for one in run.record("again")["used"]] == [stored["id"]]


def test_an_upstream_instance_without_a_record_is_not_an_error(
    api, put, project, tmp_path, sources_of
):
    """One instance of the upstream task reads from Synapse, the other ones do not."""
    raw = put("raw.csv")
    with DAG("partly", schedule=None) as dag:

        @task
        def write(index):
            text = str(index)
            if index == 1:
                text = Path(SynapseHook().client.get(raw).path).read_text()
            path = tmp_path / f"{index}.txt"
            path.write_text(text)
            return str(path)

        store = SynapseStoreOperator.partial(task_id="store", parent_id=project)
        store.expand(path=write.expand(index=[0, 1, 2]))
    run = Run(api, dag, f"run_{next(RUNS)}").all(write=3, store=3)
    used = [sources_of(run.value("store", map_index=index)["id"])[0] for index in range(3)]
    assert used == [[], [raw], []]
    pulled = [url for method, url, _ in api.requests if method == "GET" and "/write/" in url]
    # Airflow logs an error if the XCom of one instance is missing
    assert not [url for url in pulled if "/synapse_lineage" in url and "map_index=" in url]


def test_an_upstream_task_without_a_record_is_not_an_error(api, project, result):
    with DAG("mapped", schedule=None) as dag:

        @task
        def name(index):
            return result

        store = SynapseStoreOperator.partial(task_id="store", parent_id=project)
        store.expand(path=name.expand(index=[0, 1]))
    Run(api, dag, f"run_{next(RUNS)}").all(name=2, store=2)
    pulled = [url for method, url, _ in api.requests if method == "GET" and "/name/" in url]
    # Airflow logs an error if the XCom of one instance is missing
    assert not [url for url in pulled if "/synapse_lineage" in url and "map_index=" in url]


def test_a_gap_is_one_line_of_the_log_and_of_the_description(
    api, alice, filled, project, result, caplog
):
    with DAG("logged", schedule=None) as dag:

        @task
        def read_and_store():
            client = SynapseHook().client
            client.tableQuery(f"select * from {filled}")
            client.tableQuery(f"select n from {filled}")
            first = client.store(File(result, parent=project, name="first.txt"))
            client.store(File(result, parent=project, name="second.txt"))
            return first.id

        read_and_store()
    run = Run(api, dag, f"run_{next(RUNS)}")
    logged = lines(caplog, lambda: run.task("read_and_store"))
    gaps = [line for line in logged if line.startswith("Not pinned: ")]
    assert len(gaps) == 1
    assert f"{filled}.1 is an open version, not a snapshot: read at " in gaps[0]
    description = alice.getProvenance(run.value("read_and_store"))["description"]
    assert description.splitlines().count(gaps[0]) == 1
