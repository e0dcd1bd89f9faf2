"""The DAGs of the guide on entities, and the lineage of new files that triggered a run."""

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run, fire_trigger
from support.guides import DAGS, replace_ids

from synapse_workflows import (
    File,
    Folder,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    synapse_asset,
    synapse_files_asset,
)


def load(dag_id, **ids):
    values = {}
    text = replace_ids(DAGS[dag_id], ids).replace(f"\n{dag_id}()\n", f"\nfound = {dag_id}()\n")
    exec(text, values)  # noqa: S102
    return values["found"]


@pytest.fixture
def folder(alice, project):
    """Function that creates a folder in the project, and returns its ID."""
    return lambda name: alice.store(Folder(name, parent=project)).id


def test_release_folder(api, alice, folder, put, socket_service):
    source, releases, archive, old = map(folder, ("data", "releases", "archive", "old"))
    file = put("a.csv", parent=source).partition(".")[0]
    put("b.csv", parent=old)
    dag = load("release_folder", syn123=source, syn456=releases, syn321=archive, syn654=old)
    run = Run(api, dag).all()
    copy = run.value("copy")
    acl = alice.restGET(f"/entity/{copy['id']}/acl")["resourceAccess"]
    granted = {str(one["principalId"]): one["accessType"] for one in acl}
    assert granted["273948"] == ["READ", "DOWNLOAD"]
    assert granted[str(socket_service.owner_id("bob"))] == ["READ", "DOWNLOAD", "UPDATE"]
    assert alice.get(source).parentId == archive
    assert run.value("delete", "deleted") is True
    assert alice.get(copy["copies"][file], downloadFile=False).name == "a.csv"


def announce(api, asset, *files):
    return [
        api.emit(asset.uri, from_trigger=True, payload={"container_id": "syn1", "files": each})
        for each in files
    ]


def test_process_new_files(api, folder, put):
    inbox = folder("inbox")
    ids = [put(name, parent=inbox).partition(".")[0] for name in ("a.csv", "b.csv")]
    dag = load("process_new_files", syn123=inbox)
    asset = synapse_files_asset(inbox, name_pattern="*.csv")
    assert asset.uri == f"syn://files/{inbox}/%2A.csv"
    events = announce(api, asset, *([{"id": one, "version": 1}] for one in (*ids, ids[0])))
    run = Run(api, dag, events=tuple(events)).all(get=2)
    assert [run.value("get", map_index=index)["id"] for index in (0, 1)] == ids


def test_wait_for_files(api, folder, put, triggerer):
    inbox = folder("inbox")
    dag = load("wait_for_files", syn123=inbox)
    dag.get_task("wait").poke_interval = 0.1
    run = Run(api, dag)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    file = put("a.csv", parent=inbox).partition(".")[0]
    assert run.task("wait", event=fire_trigger(deferred)).state == "success"
    assert run.task("list_files").state == "success"
    assert run.task("get", map_index=0).state == "success"
    assert run.value("get", map_index=0)["id"] == file


def test_announced_files_are_inputs_of_the_run(api, alice, project, put, sources_of, tmp_path):
    """Also those of several events, and a file that was deleted before the run."""
    first, second = put("a.csv"), put("b.csv")
    gone = put("gone.csv").partition(".")[0]
    alice.delete(gone)
    asset = synapse_files_asset(project)
    files = [
        [{"id": one.partition(".")[0], "version": 1, "name": "x", "parent_id": project}]
        for one in (first, second, gone)
    ]
    events = announce(api, asset, *files)
    path = tmp_path / "report.txt"
    path.write_text("report")
    with DAG("report", schedule=[asset]) as dag:
        SynapseStoreOperator(task_id="store", path=str(path), parent_id=project)
    run = Run(api, dag, events=tuple(events[::-1])).all()
    assert set(sources_of(run.value("store")["id"])[0]) >= {first, second}


def test_an_instance_that_reads_an_announced_file_has_no_other_input(
    api, project, put, sources_of, tmp_path
):
    """An event that announces two files, and mapped tasks for each of them."""
    asset, other = synapse_files_asset(project), synapse_asset(put("table.csv"))
    files = [put(name) for name in ("a.csv", "b.csv")]
    payload = [{"id": one.partition(".")[0], "version": 1} for one in files]
    events = (*announce(api, asset, payload[:1], payload[1:]), api.emit(other.uri, version=1))
    with DAG("each", schedule=[asset, other]) as dag:

        @task
        def list_files(triggering_asset_events):
            return [
                one
                for event in triggering_asset_events[asset]
                for one in event.extra["payload"]["files"]
            ]

        @task
        def work(file):
            path = tmp_path / f"{file['id']}.txt"
            path.write_text(file["id"])
            return str(path)

        @task
        def read_and_store(file):
            syn = SynapseHook().client
            path = work.function({"id": syn.get(file["id"]).id + "x"})
            return syn.store(File(path, parent=project)).id

        listed = list_files()
        got = SynapseGetOperator.partial(task_id="get").expand(entity_id=listed)
        paths = work.expand(file=got.output)
        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(path=paths)
        read_and_store.expand(file=listed)
    run = Run(api, dag, events=events).all(get=2, work=2, store=2, read_and_store=2)
    for index, file in enumerate(files):
        expected = {file, str(other.uri).rpartition("/")[2] + ".1"}
        stored = run.value("store", map_index=index)["id"]
        assert set(sources_of(stored)[0]) == expected
        assert set(sources_of(run.value("read_and_store", map_index=index))[0]) == expected
