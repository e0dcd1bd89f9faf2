"""SynapseCopyOperator: copies, their provenance, and retries."""

from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    Folder,
    Link,
    Project,
    SynapseCopyOperator,
    SynapseHook,
)
from synapse_workflows.provenance.record import Record

NUMBERS = count(1)


@pytest.fixture
def folders(alice, project):
    """IDs of two folders."""
    return [alice.store(Folder(name, parent=project)).id for name in ("source", "release")]


@pytest.fixture
def copy(api):
    """Function that runs a SynapseCopyOperator; returns its last result and its run."""

    def run(tries=1, **arguments):
        with DAG("copy", schedule=None) as dag:
            SynapseCopyOperator(task_id="copy", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(NUMBERS)}")
        for _ in range(tries):
            result = dag_run.task("copy", max_tries=5)
        return result, dag_run

    return run


@pytest.mark.parametrize("tries", [1, 2])
def test_folder_is_copied_once(copy, alice, folders, put, sources_of, tries):
    source, release = folders
    first = put("a.txt", parent=source)
    put("a.txt", text="second", parent=source)
    inner = alice.store(Folder("inner", parent=source, kind="raw")).id
    below = put("b.txt", parent=inner).partition(".")[0]
    file = first.partition(".")[0]
    link = alice.store(Link(file, parent=inner, name="link")).id
    result, run = copy(entity_id=source, parent_id=release, name="2026", tries=tries)
    assert result.state == "success", result.error
    value = run.value("copy")
    copies = value.pop("copies")
    assert set(copies) == {source, inner, file, below, link}
    assert value == {
        "id": copies[source],
        "version": None,
        "name": "2026",
        "parent_id": release,
    }
    assert run.value("copy", "synapse_entity_link").endswith(copies[source])
    found = alice.get(copies[file], downloadFile=False)
    assert (found.versionNumber, found.parentId) == (1, copies[source])
    assert alice.restGET(f"/entity/{copies[link]}")["linksTo"]["targetId"] == copies[file]
    used, executed = sources_of(copies[file])
    assert used == [f"{file}.2"]
    assert len(executed) == 1
    activity = alice.getProvenance(copies[file])
    assert activity["name"] == f"Copy of {file}.2"
    assert "Airflow run run_" in activity["description"]
    record = Record.from_json(run.record("copy"))
    read = {(one.ref.id, one.ref.version) for one in record.used}
    assert read == {(file, 2), (below, 1)}
    wrote = {(one.id, one.version) for one in record.stored_entities}
    assert {(copies[file], 1), (copies[below], 1)} <= wrote
    assert len(list(alice.getChildren(copies[source]))) == 2


def test_version_and_provenance_of_a_file(copy, alice, folders, put, sources_of):
    source, release = folders
    file = put("a.txt", parent=source).partition(".")[0]
    alice.setProvenance(file, Activity(name="made", used="https://example.org/raw"))
    put("a.txt", text="second", parent=source)
    reference = {"id": file, "version": 1, "name": "a.txt"}
    for name, options, used in (
        ("source.txt", {}, [f"{file}.1"]),
        ("existing.txt", {"provenance": "existing"}, ["https://example.org/raw"]),
        (
            "more.txt",
            {"used": [f"{file}.2"], "executed": "https://example.org/code"},
            [f"{file}.1", f"{file}.2"],
        ),
        ("none.txt", {"provenance": "none"}, None),
    ):
        result, run = copy(entity_id=reference, parent_id=release, name=name, tries=2, **options)
        assert result.state == "success", result.error
        copied = run.value("copy")
        assert (copied["version"], copied["name"]) == (1, name)
        if used is None:
            with pytest.raises(Exception, match="404"):
                alice.getProvenance(copied["id"])
        else:
            assert sources_of(copied["id"])[0] == used
        if name == "more.txt":
            assert "https://example.org/code" in sources_of(copied["id"])[1]


def test_project_is_copied_into_the_destination(copy, alice, project, folders, put):
    other = alice.store(Project(f"Other {project}")).id
    file = put("a.txt", parent=other).partition(".")[0]
    result, run = copy(entity_id=other, parent_id=folders[1], exclude_types=["table"])
    assert result.state == "success", result.error
    value = run.value("copy")
    assert value["id"] == folders[1]
    assert set(value["copies"]) == {other, file}


def test_other_content_is_not_overwritten(copy, alice, folders, put):
    source, release = folders
    file = put("a.txt", parent=source)
    taken = put("a.txt", text="other", parent=release).partition(".")[0]
    failed, _ = copy(entity_id=file, parent_id=release)
    assert failed.state == "failed"
    assert taken in str(failed.error)
    assert "update_existing=True" in str(failed.error)
    result, run = copy(entity_id=file, parent_id=release, update_existing=True, tries=2)
    assert result.state == "success", result.error
    assert (run.value("copy", "id"), run.value("copy", "version")) == (taken, 2)


def test_downstream_tasks_inherit_the_copy(
    api, alice, project, folders, put, sources_of, tmp_path
):
    file = put("a.txt", parent=folders[0])
    with DAG("copies", schedule=None) as dag:
        copied = SynapseCopyOperator(task_id="copy", entity_id=file, parent_id=folders[1])

        @task
        def report(reference):
            path = tmp_path / "report.txt"
            path.write_text(reference["id"])
            return SynapseHook().store_file(str(path), project)["id"]

        report(copied.output)
    run = Run(api, dag)
    run.all()
    copy_id = run.value("copy", "id")
    assert sources_of(run.value("report"))[0] == [f"{copy_id}.1"]


def test_invalid_copies_fail_without_retry(copy, alice, project, folders, put):
    source, release = folders
    file = put("a.txt", parent=source).partition(".")[0]
    for arguments, named in (
        ({"entity_id": "syn1999999999"}, "404"),
        ({"entity_id": None}, "Invalid entity_id"),
        ({"parent_id": file}, "cannot contain other entities"),
        ({"parent_id": f"{release}.1"}, "Invalid parent_id"),
        ({"entity_id": source, "parent_id": source}, "it is inside"),
        ({"version": "{{ None }}"}, "Invalid version None: it is empty"),
        ({"version": 9}, "404"),
        ({"entity_id": source, "version": 1}, "only a version of a file or table"),
        ({"name": ""}, "Invalid name ''"),
        ({"name": "a/b"}, "name"),
        ({"used": "nothing"}, "Invalid used"),
        ({"used": "syn1999999999"}, "syn1999999999"),
    ):
        defaults = {"entity_id": file, "parent_id": release}
        failed, _ = copy(**(defaults | arguments))
        assert failed.state == "failed", arguments
        assert named in str(failed.error), arguments
    assert list(alice.getChildren(release)) == []
    for types, named in ((["files"], "'files'"), ("file", "'file'"), (None, "None")):
        with pytest.raises(ValueError, match=f"Invalid exclude_types {named}: expected a list"):
            SynapseCopyOperator(
                task_id="copy", entity_id="syn1", parent_id="syn2", exclude_types=types
            )
    for argument in ("used", "executed", "activity_name", "activity_description"):
        with pytest.raises(ValueError, match=f"Invalid {argument} with provenance='none'"):
            SynapseCopyOperator(
                task_id="copy",
                entity_id="syn1",
                parent_id="syn2",
                provenance="none",
                **{argument: "syn3"},
            )
    with pytest.raises(ValueError, match="Invalid provenance"):
        SynapseCopyOperator(task_id="copy", entity_id="syn1", parent_id="syn2", provenance="no")
