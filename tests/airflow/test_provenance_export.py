"""SynapseExportProvenanceOperator: stored and written exports, retries, lineage and errors."""

import json
from itertools import count
from pathlib import Path

import fsspec
import pytest
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from support.execution_api import Run
from support.kill_matrix import Scenario, select_kill_points
from support.killable_worker import Worker
from support.provenance_story import store_story

from synapse_workflows import (
    Activity,
    Folder,
    SynapseExportProvenanceOperator,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
)

RUNS = count(1)


@pytest.fixture(scope="module")
def story(socket_service, tmp_path_factory):
    with socket_service.client("alice") as syn:
        return store_story(syn, tmp_path_factory.mktemp("story"))


@pytest.fixture
def export(api):
    """Return a function that runs the operator, and returns the state and the result."""

    def run(**arguments):
        with DAG("export", schedule=None) as dag:
            SynapseExportProvenanceOperator(task_id="export", **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        done = one.task("export")
        return done, one.value("export") if done.state == "success" else None

    return run


def test_an_export_is_stored_with_the_exported_version_as_its_source(
    alice, export, story, sources_of, tmp_path
):
    done, result = export(
        entity_id=story.report.split(".")[0],
        export_format="svg",
        parent_id=story.parent,
        folder="exports",
        output_path=str(tmp_path / "{{ run_id }}.svg"),
    )
    assert done.state == "success", done.error
    assert f"{result['entity_id']}.{result['version']}" == story.report
    file = alice.get(result["file"]["id"])
    assert file.name == f"provenance_{result['entity_id']}.svg"
    assert alice.get(file.parentId, downloadFile=False).name == "exports"
    used, executed = sources_of(file.id)
    assert used == [story.report]
    assert executed  # the code of the DAG
    assert Path(result["path"]).read_bytes() == Path(file.path).read_bytes()
    assert result["file"]["path"] is None


def test_killed_worker_leaves_one_version_of_the_export(
    alice, story, sources_of, connection, tmp_path
):
    def prepare(number):
        folder = tmp_path / f"state {number}"
        folder.mkdir()
        return Worker(
            connection,
            folder,
            SynapseExportProvenanceOperator,
            entity_id=story.report,
            export_format="mermaid",
            parent_id=story.parent,
            folder=f"killed {number}",
        )

    def run(worker, point=None):
        worker.begin(point)
        return worker.end()

    complete = run(prepare(0))
    assert complete["state"] == "success", complete["error"]
    scenario = Scenario("export", SynapseExportProvenanceOperator, lambda _: {}, is_variant=True)
    points = select_kill_points(scenario, complete["trace"], "sample")
    assert points
    for number, point in enumerate(points, start=1):
        worker = prepare(number)
        assert run(worker, point) is None, f"{point} was not reached"
        result = run(worker)
        assert result["state"] == "success", result["error"]
        file = result["value"]["file"]
        assert [each["id"] for each in alice.getChildren(parent_of(alice, file))] == [file["id"]]
        assert file["version"] == 1
        assert sources_of(file["id"])[0] == [story.report]


def parent_of(syn, file):
    return syn.get(file["id"], downloadFile=False).parentId


@pytest.mark.parametrize("export_format", ["prov-json", "ro-crate"])
def test_unchanged_provenance_creates_no_version(alice, export, tmp_path, export_format):
    story = store_story(alice, tmp_path)
    arguments = {
        "entity_id": story.report,
        "export_format": export_format,
        "parent_id": story.parent,
        "include_files": export_format == "ro-crate",
    }
    _, first = export(**arguments)
    _, second = export(**arguments)
    assert second["file"] == first["file"]
    assert second["file"]["version"] == 1
    activity = alice.getProvenance(first["file"]["id"])
    alice.setProvenance(story.report.split(".")[0], Activity("other", used=[story.raw]))
    _, third = export(**arguments)
    assert (third["file"]["id"], third["file"]["version"]) == (first["file"]["id"], 2)
    assert alice.getProvenance(first["file"]["id"], 1) == activity


def test_a_retry_accepts_what_the_earlier_try_has_written(api, story, tmp_path):
    path = tmp_path / "a.provn"
    with DAG("export", schedule=None) as dag:
        SynapseExportProvenanceOperator(
            task_id="export",
            entity_id=story.report,
            output_path=str(path),
            parent_id=story.parent,
            retries=2,
        )
    run = Run(api, dag, f"run_{next(RUNS)}")
    states = [run.task("export", max_tries=2).state for _ in range(2)]
    assert states == ["success", "success"]
    assert run.value("export")["file"]["version"] == 1


def test_the_stored_result_of_an_upstream_task_is_exported(api, alice, project, put, sources_of):
    raw = put("raw.csv")
    with DAG("pipeline", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        store = SynapseStoreOperator(
            task_id="store", path=get.output, parent_id=project, name="copy.csv"
        )
        SynapseExportProvenanceOperator(
            task_id="export",
            entity_id=store.output,
            export_format="mermaid",
            parent_id=project,
        )
    run = Run(api, dag, f"run_{next(RUNS)}")
    for task_id in ("get", "store", "export"):
        assert run.task(task_id).state == "success"
    stored, exported = run.value("store"), run.value("export")
    assert exported["version"] == stored["version"]
    assert sources_of(exported["file"]["id"])[0] == [f"{stored['id']}.{stored['version']}"]
    assert "pipeline.store" in Path(alice.get(exported["file"]["id"]).path).read_text()


def test_an_export_that_is_only_written_is_an_input_of_what_is_made_from_it(
    api, story, project, sources_of, tmp_path
):
    with DAG("written", schedule=None) as dag:
        export = SynapseExportProvenanceOperator(
            task_id="export", entity_id=story.report, output_path=str(tmp_path / "a.html")
        )
        SynapseStoreOperator(task_id="store", path=export.output["path"], parent_id=project)
    run = Run(api, dag, f"run_{next(RUNS)}")
    assert [run.task(name).state for name in ("export", "store")] == ["success", "success"]
    assert sources_of(run.value("store")["id"])[0] == [story.report]


def test_a_task_exports_with_the_client_of_the_hook(api, story, project, sources_of, tmp_path):
    @task
    def draw():
        from synapse_workflows.provenance import export_provenance

        hook = SynapseHook()
        path = tmp_path / "a.svg"
        export_provenance(hook.client, story.report, path=path)
        return hook.store_file(str(path), project)["id"]

    with DAG("taskflow", schedule=None) as dag:
        draw()
    run = Run(api, dag, f"run_{next(RUNS)}")
    done = run.task("draw")
    assert done.state == "success", done.error
    assert sources_of(run.value("draw"))[0] == [story.report]


def test_an_export_is_written_to_object_storage_and_replaced_only_on_request(export, story):
    storage = fsspec.filesystem("memory")
    url = f"memory://bucket/{story.parent}/a.provn"
    done, result = export(entity_id=story.report, output_path=url)
    assert done.state == "success", done.error
    assert result["path"] == url
    assert storage.cat(url).startswith(b"document\n")
    assert export(entity_id=story.report, output_path=url)[0].state == "success"
    other = export(entity_id=story.cleaned, output_path=url)[0]
    assert other.state == "failed"
    assert "overwrite=True" in str(other.error)
    assert export(entity_id=story.cleaned, output_path=url, overwrite=True)[0].state == "success"
    assert story.report.encode() not in storage.cat(url)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "output_path and parent_id are missing"),
        ({"output_path": "a.json"}, "The format is missing"),
        ({"export_format": "pdf", "parent_id": "syn1"}, "Invalid format 'pdf'"),
        ({"output_path": "memory://b/crate", "export_format": "ro-crate"}, "ends with '.zip'"),
        ({"output_path": "a.svg", "license": "MIT"}, "license is an option"),
        ({"output_path": "/missing/a.svg"}, "does not exist"),
        ({"output_path": "/", "export_format": "svg"}, "Cannot write '/'"),
        ({"export_format": "svg", "parent_id": "nonsense"}, "parent_id"),
        ({"entity_id": "syn999999", "output_path": "a.svg"}, "syn999999"),
        ({"entity_id": "nonsense", "output_path": "a.svg"}, "entity_id"),
    ],
)
def test_what_a_retry_cannot_mend_fails_the_task_at_once(
    export, story, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    done, _ = export(**{"entity_id": story.report, "retries": 3} | arguments)
    assert done.state == "failed"
    assert message in str(done.error)


def test_invalid_numbers_and_flags_are_errors_in_the_dag_file():
    for arguments in ({"depth": 0}, {"max_total_size": "1 GB"}, {"include_files": "yes"}):
        with pytest.raises((ValueError, TypeError), match=next(iter(arguments))):
            SynapseExportProvenanceOperator(task_id="e", entity_id="syn1", **arguments)


def test_the_operator_is_serializable():
    with DAG("serialized", schedule=None) as dag:
        SynapseExportProvenanceOperator(
            task_id="export", entity_id="syn1.2", output_path="{{ run_id }}.svg", parent_id="syn3"
        )
    data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    assert DagSerialization.from_dict(data).has_task("export")


def test_a_parent_without_permission_fails_and_stores_nothing(alice, export, story):
    folder = alice.store(Folder("empty", parent=story.parent))
    done, _ = export(entity_id=story.report, export_format="svg", parent_id=f"{folder.id}9999")
    assert done.state == "failed"
    assert list(alice.getChildren(folder)) == []
