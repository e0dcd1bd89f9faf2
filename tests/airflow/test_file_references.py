"""Tests of `local_path`: a referenced file on any worker."""

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
    """Create a reference with SynapseGetOperator."""

    def make(text="raw text", **options):
        entity = put("raw.txt", text)
        with DAG("given", schedule=None) as dag:
            SynapseGetOperator(task_id="get", entity_id=entity, **options)
        return Run(api, dag).all().value("get")

    return make


@pytest.fixture
def default_connection(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


def test_reference_is_small_json(reference, worker):
    result = reference()
    assert json.loads(json.dumps(result)) == result
    path = Path(result.pop("path"))
    assert path.is_relative_to(worker)
    assert result.keys() == {
        "id", "version", "name", "concrete_type", "parent_id", "md5", "size", "content_type",
        "file_handle_id", "synapse_conn_id",
    }  # fmt: skip
    assert result["version"] == 1
    assert result["size"] == len("raw text")
    assert result["synapse_conn_id"] == "synapse_default"


def test_local_path_returns_the_existing_file(reference):
    """No connection is defined: no request is possible."""
    result = reference()
    assert local_path(result) == result["path"]


def test_local_path_downloads_on_another_worker(reference, worker, default_connection):
    result = reference()
    shutil.rmtree(worker)
    assert Path(local_path(result)).read_text() == "raw text"


def test_local_path_names_an_entity_that_is_no_file(project, default_connection):
    value = {"id": project, "version": None, "path": None, "synapse_conn_id": "synapse_default"}
    with pytest.raises(SynapseFileNotFoundError, match=f"{project} .*type project has no file"):
        local_path(value)


def test_local_path_downloads_a_changed_file_again(reference, default_connection):
    result = reference()
    Path(result["path"]).write_text("changed")
    assert Path(local_path(result)).read_text() == "raw text"


def test_local_path_downloads_the_referenced_version(reference, worker, put, default_connection):
    result = reference("old")
    put("raw.txt", "new")
    shutil.rmtree(worker)
    assert Path(local_path(result)).read_text() == "old"


def test_local_path_rejects_other_content(reference, worker, default_connection):
    result = reference() | {"md5": "0" * 32}
    with pytest.raises(SynapseMd5MismatchError, match=result["id"]):
        local_path(result)


def test_local_path_of_a_folder_fails(api, project, default_connection):
    with DAG("folder", schedule=None) as dag:
        SynapseGetOperator(task_id="get", entity_id=project)
    result = Run(api, dag).all().value("get")
    assert result["path"] is None
    with pytest.raises(SynapseFileNotFoundError, match=project):
        local_path(result)


@pytest.mark.parametrize("value", ["/tmp/file", None, {"path": "x"}])  # noqa: S108
def test_local_path_rejects_other_values(value):
    with pytest.raises(TypeError, match="SynapseGetOperator"):
        local_path(value)


def test_local_path_records_a_read(api, put):
    """A file that is already in the cache is also recorded as read."""
    entity = put("raw.txt")
    with DAG("counts", schedule=None) as dag:
        get_task = SynapseGetOperator(task_id="get", entity_id=entity)

        @task
        def use(file):
            return Path(local_path(file)).read_text()

        use(get_task.output)
    run = Run(api, dag).all()
    (used,) = run.record("use")["used"]
    assert f"{used['id']}.{used['version']}" == entity


def with_cache_limit(connection, limit):
    result = json.loads(connection)
    result["extra"]["cache_limit"] = limit
    return json.dumps(result)


def test_worker_cache_stays_within_its_limit(api, put, connection, worker):
    api.connections["synapse_default"] = with_cache_limit(connection, "1 KB")
    entities = [put(f"big_{n}.txt", str(n) * 600) for n in range(4)]
    with DAG("full", schedule=None) as dag:
        for index, entity in enumerate(entities):
            SynapseGetOperator(task_id=f"get_{index}", entity_id=entity)
    run = Run(api, dag)
    for index in range(4):
        run.task(f"get_{index}")
    assert [path.name for path in worker.rglob("big_*.txt")] == ["big_3.txt"]


def test_files_of_a_running_task_are_not_evicted(api, put, connection, worker):
    api.connections["synapse_default"] = with_cache_limit(connection, "1 KB")
    entities = [put(f"big_{n}.txt", str(n) * 600) for n in range(3)]
    with DAG("held", schedule=None) as dag:
        get_task = SynapseGetOperator(task_id="get", entity_id=entities[0])

        @task
        def use(file):
            first = Path(local_path(file))
            client = SynapseHook().client
            second = Path(client.get(entities[1]).path)
            SynapseHook().client.get(entities[2])
            return first.is_file() and second.is_file()

        after = SynapseGetOperator(task_id="after", entity_id=put("big_9.txt", "9" * 600))
        use(get_task.output) >> after
    run = Run(api, dag).all()
    assert run.value("use") is True
    assert [path.name for path in worker.rglob("big_*.txt")] == ["big_9.txt"]


def test_task_with_many_downloads_logs_in_once(api, put, worker):
    entities = [put(f"{n}.txt", str(n)) for n in range(3)]
    with DAG("fetching", schedule=None) as dag:
        get_task = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task
        def use(files):
            shutil.rmtree(worker)
            return [Path(local_path(file)).read_text() for file in files]

        use(get_task.output)
    run = Run(api, dag)
    for index in range(3):
        run.task("get", index)
    api.requests.clear()
    run.task("use")
    assert run.value("use") == ["0", "1", "2"]
    urls = [url for method, url, _ in api.requests if method == "GET" and "/connections/" in url]
    assert len(urls) == 1
