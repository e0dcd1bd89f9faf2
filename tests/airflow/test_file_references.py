"""References: the right bytes on whichever worker a task runs."""

import json
import shutil
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import SynapseGetOperator, SynapseHook, local_path
from synapse_workflows.client.errors import SynapseFileNotFoundError, SynapseMd5MismatchError


@pytest.fixture
def reference(api, put):
    """What a task got and handed on, and the run."""

    def make(text="raw text", **options):
        entity = put("raw.txt", text)
        with DAG("given", schedule=None) as dag:
            SynapseGetOperator(task_id="get", entity_id=entity, **options)
        return Run(api, dag).all().value("get")

    return make


@pytest.fixture
def default(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


def test_reference_is_small_json(reference, worker):
    found = reference()
    assert json.loads(json.dumps(found)) == found
    path = Path(found.pop("path"))
    assert path.is_relative_to(worker)
    assert found.keys() == {
        "id", "version", "name", "concrete_type", "parent_id", "md5", "size", "content_type",
        "file_handle_id", "synapse_conn_id",
    }  # fmt: skip
    assert found["version"] == 1
    assert found["size"] == len("raw text")
    assert found["synapse_conn_id"] == "synapse_default"


def test_local_path_returns_the_existing_file(reference):
    """No connection is defined here: nobody has to be asked."""
    found = reference()
    assert local_path(found) == found["path"]


def test_local_path_downloads_on_another_worker(reference, worker, default):
    found = reference()
    shutil.rmtree(worker)
    assert Path(local_path(found)).read_text() == "raw text"


def test_local_path_downloads_a_changed_file_again(reference, default):
    found = reference()
    Path(found["path"]).write_text("spoiled")
    assert Path(local_path(found)).read_text() == "raw text"


def test_local_path_downloads_the_referenced_version(reference, worker, put, default):
    found = reference("old")
    put("raw.txt", "new")
    shutil.rmtree(worker)
    assert Path(local_path(found)).read_text() == "old"


def test_local_path_rejects_other_content(reference, worker, default):
    found = reference() | {"md5": "0" * 32}
    with pytest.raises(SynapseMd5MismatchError, match=found["id"]):
        local_path(found)


def test_local_path_of_a_folder_fails(api, project, default):
    with DAG("folderish", schedule=None) as dag:
        SynapseGetOperator(task_id="get", entity_id=project)
    found = Run(api, dag).all().value("get")
    assert found["path"] is None
    with pytest.raises(SynapseFileNotFoundError, match=project):
        local_path(found)


@pytest.mark.parametrize("nonsense", ["/tmp/file", None, {"path": "x"}])  # noqa: S108
def test_local_path_rejects_other_values(nonsense):
    with pytest.raises(TypeError, match="SynapseGetOperator"):
        local_path(nonsense)


def test_local_path_records_a_read(api, put):
    """Also where the bytes are there already, and wherever the reference came from."""
    entity = put("raw.txt")
    with DAG("counts", schedule=None) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=entity)

        @task
        def use(file):
            return Path(local_path(file)).read_text()

        use(got.output)
    run = Run(api, dag).all()
    (used,) = run.record("use")["used"]
    assert f"{used['id']}.{used['version']}" == entity


def limited(connection, limit):
    found = json.loads(connection)
    found["extra"]["cache_limit"] = limit
    return json.dumps(found)


def test_worker_cache_stays_within_its_limit(api, put, connection, worker):
    api.connections["synapse_default"] = limited(connection, "1 KB")
    entities = [put(f"big_{n}.txt", str(n) * 600) for n in range(4)]
    with DAG("full", schedule=None) as dag:
        for place, entity in enumerate(entities):
            SynapseGetOperator(task_id=f"get_{place}", entity_id=entity)
    run = Run(api, dag)
    for place in range(4):
        run.task(f"get_{place}")
    assert [path.name for path in worker.rglob("big_*.txt")] == ["big_3.txt"]


def test_files_of_a_running_task_are_not_evicted(api, put, connection, worker):
    api.connections["synapse_default"] = limited(connection, "1 KB")
    entities = [put(f"big_{n}.txt", str(n) * 600) for n in range(3)]
    with DAG("held", schedule=None) as dag:
        got = SynapseGetOperator(task_id="get", entity_id=entities[0])

        @task
        def use(file):
            here = Path(local_path(file))
            client = SynapseHook().client
            there = Path(client.get(entities[1]).path)
            SynapseHook().client.get(entities[2])
            return here.is_file() and there.is_file()

        after = SynapseGetOperator(task_id="after", entity_id=put("big_9.txt", "9" * 600))
        use(got.output) >> after
    run = Run(api, dag).all()
    assert run.value("use") is True
    assert [path.name for path in worker.rglob("big_*.txt")] == ["big_9.txt"]


def test_task_with_many_downloads_logs_in_once(api, put, worker):
    entities = [put(f"{n}.txt", str(n)) for n in range(3)]
    with DAG("fetching", schedule=None) as dag:
        got = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task
        def use(files):
            shutil.rmtree(worker)
            return [Path(local_path(file)).read_text() for file in files]

        use(got.output)
    run = Run(api, dag)
    for index in range(3):
        run.task("get", index)
    api.requests.clear()
    run.task("use")
    assert run.value("use") == ["0", "1", "2"]
    asked = [url for method, url, _ in api.requests if method == "GET" and "/connections/" in url]
    assert len(asked) == 1
