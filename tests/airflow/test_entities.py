"""SynapseMoveOperator and SynapseDeleteOperator."""

from itertools import count

import pytest
from airflow.sdk import DAG
from support.execution_api import Run

from synapse_workflows import File, Folder, Project, SynapseDeleteOperator, SynapseMoveOperator
from synapse_workflows.client.errors import SynapseNotFoundError

NUMBERS = count(1)


@pytest.fixture
def folders(alice, project):
    """IDs of two folders."""
    return [alice.store(Folder(name, parent=project)).id for name in ("inbox", "archive")]


@pytest.fixture
def run_task(api):
    """Function that runs a task of an operator; returns its last result and its run."""

    def run(operator, tries=1, **arguments):
        with DAG("entities", schedule=None) as dag:
            operator(task_id="task", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(NUMBERS)}")
        for _ in range(tries):
            result = dag_run.task("task", max_tries=5)
        return result, dag_run

    return run


@pytest.fixture
def move(run_task):
    return lambda **arguments: run_task(SynapseMoveOperator, **arguments)


@pytest.fixture
def delete(run_task):
    return lambda **arguments: run_task(SynapseDeleteOperator, **arguments)


def is_gone(alice, entity, version=None):
    suffix = "" if version is None else f"/version/{version}"
    try:
        alice.restGET(f"/entity/{entity}{suffix}")
    except SynapseNotFoundError:
        return True
    return False


@pytest.fixture
def put_versions(alice, folders, tmp_path):
    """Function that stores a file with several versions; returns its ID."""

    def store(number=3, name="a.txt"):
        for version in range(1, number + 1):
            path = tmp_path / name
            path.write_text(f"{folders[0]} {version}")
            stored = alice.store(File(str(path), parent=folders[0], kind="raw"))
        return stored.id

    return store


def test_entity_is_moved_once(move, alice, folders, put_versions):
    inbox, archive = folders
    file = put_versions(2)
    reference = {"id": file, "version": 2, "name": "a.txt"}
    result, run = move(entity_id=reference, parent_id=archive, tries=2)
    assert result.state == "success", result.error
    moved = {
        "id": file,
        "version": 2,
        "name": "a.txt",
        "parent_id": archive,
        "previous_parent_id": inbox,
        "moved": True,
    }
    assert run.value("task") == moved
    assert run.value("task", "synapse_entity_link").endswith(file)
    etag = alice.get(file, downloadFile=False).etag
    _, run = move(entity_id=file, parent_id=archive)
    assert run.value("task") == moved | {"previous_parent_id": archive, "moved": False}
    found = alice.get(file, downloadFile=False)
    assert (found.parentId, found.etag, found.kind) == (archive, etag, ["raw"])
    result, run = move(entity_id=archive, parent_id=inbox)
    assert run.value("task")["version"] is None


def test_invalid_moves_fail_without_retry(move, alice, project, folders, put):
    inbox, archive = folders
    put("a.txt", parent=inbox)
    taken = put("a.txt", text="other", parent=archive).partition(".")[0]
    for arguments, named in (
        ({"entity_id": taken, "parent_id": inbox}, "already exists with a parentId"),
        ({"entity_id": project, "parent_id": inbox}, f"{project} is a project"),
        ({"entity_id": inbox, "parent_id": taken}, "400"),
        ({"entity_id": inbox, "parent_id": inbox}, "400"),
        ({"entity_id": f"{taken}.1", "parent_id": inbox}, "this is an immutable version"),
        ({"entity_id": taken, "parent_id": "syn1999999999"}, "404"),
        ({"entity_id": "syn1999999999", "parent_id": inbox}, "404"),
        ({"entity_id": "{{ None }}", "parent_id": inbox}, "Invalid entity_id"),
        ({"entity_id": taken, "parent_id": ""}, "Invalid parent_id"),
    ):
        failed, _ = move(**arguments)
        assert failed.state == "failed", arguments
        assert named in str(failed.error)


def test_move_warns_if_the_entity_becomes_public(move, alice, folders, put, caplog):
    inbox, archive = folders
    alice.setPermissions(archive, "PUBLIC", ["READ"], warn_if_inherits=False)
    file = put("a.txt", parent=inbox).partition(".")[0]
    move(entity_id=file, parent_id=archive)
    assert f"{file} is public now" in caplog.text


def test_entity_goes_to_the_trash(delete, alice, put_versions):
    file = put_versions()
    result, run = delete(entity_id=file, tries=2)
    assert result.state == "success", result.error
    expected = {"id": file, "version": None, "name": "a.txt", "deleted": True}
    assert run.value("task") == expected
    assert is_gone(alice, file)
    _, run = delete(entity_id=file)
    assert run.value("task") == expected | {"name": None, "deleted": False}
    alice.restPUT(f"/trashcan/restore/{file}")
    assert not is_gone(alice, file)
    _, run = delete(entity_id=file, skip_trash=True, tries=2)
    assert run.value("task") == expected
    assert file not in [one["entityId"] for one in alice.restGET("/trashcan/view")["results"]]


def test_skip_trash_also_deletes_from_the_trash(delete, alice, put_versions):
    file = put_versions(1)
    alice.delete(file)
    result, run = delete(entity_id=file, skip_trash=True, tries=2)
    assert result.state == "success", result.error
    assert run.value("task", "deleted") is True
    assert file not in [one["entityId"] for one in alice.restGET("/trashcan/view")["results"]]


def test_version_is_deleted(delete, alice, put_versions):
    file = put_versions(4)
    for arguments in (
        {"entity_id": f"{file}.1"},
        {"entity_id": file, "version": "2"},
        {"entity_id": {"id": file, "version": 4, "name": "a.txt"}},
    ):
        result, run = delete(**arguments, tries=2)
        assert result.state == "success", result.error
        assert run.value("task", "deleted") is True
    assert [is_gone(alice, file, version) for version in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        True,
    ]
    failed, _ = delete(entity_id=f"{file}.4")
    assert failed.state == "failed"
    _, run = delete(entity_id=f"{file}.4", if_missing="ignore")
    assert run.value("task", "deleted") is False
    failed, _ = delete(entity_id=f"{file}.3")  # the only version
    assert failed.state == "failed"
    assert not is_gone(alice, file)


def test_containers_are_protected(delete, alice, project, folders, put, socket_service):
    inbox, archive = folders
    file = put("a.txt", parent=inbox).partition(".")[0]
    # a file that the user of the connection may not read
    for container, named in (
        (inbox, "the folder is not empty. Pass recursive=True"),
        (project, "it is a project. Pass allow_project=True"),
    ):
        failed, _ = delete(entity_id=container)
        assert failed.state == "failed"
        assert named in str(failed.error)
    failed, _ = delete(entity_id=project, recursive=True)
    assert failed.state == "failed"
    failed, _ = delete(entity_id=project, allow_project=True)
    assert "the project is not empty" in str(failed.error)
    assert not is_gone(alice, file)
    assert delete(entity_id=archive)[0].state == "success"
    assert delete(entity_id=inbox, recursive=True, tries=2)[0].state == "success"
    assert is_gone(alice, file)
    other = alice.store(Project(f"Deleted {project}")).id
    assert delete(entity_id=other, allow_project=True)[0].state == "success"
    assert is_gone(alice, other)


def test_folder_with_hidden_files_is_not_empty(
    delete, alice, socket_service, project, folders, tmp_path
):
    """The user of the connection may delete the folder, and not read what bob keeps in it."""
    inbox, _ = folders
    rights = ["READ", "CREATE", "UPDATE", "DELETE", "CHANGE_PERMISSIONS"]
    alice.setPermissions(project, "bob", rights)
    with socket_service.client("bob", cache_root_dir=str(tmp_path / "bob")) as bob:
        hidden = bob.store(Folder("hidden", parent=inbox)).id
        own = str(bob.getUserProfile()["ownerId"])
        entry = {"principalId": int(own), "accessType": rights}
        bob.restPOST(f"/entity/{hidden}/acl", {"id": hidden, "resourceAccess": [entry]})
    assert list(alice.getChildren(inbox)) == []
    failed, _ = delete(entity_id=inbox)
    assert "the folder is not empty" in str(failed.error)


def test_invalid_deletions_fail_without_retry(delete, put_versions):
    file = put_versions(2)
    for arguments, named in (
        ({"entity_id": "syn1999999999"}, "404"),
        ({"entity_id": file, "version": "{{ None }}"}, "Invalid version None: it is empty"),
        ({"entity_id": file, "version": ""}, "Invalid version '': it is empty"),
        ({"entity_id": file, "version": "new"}, "Invalid version"),
        ({"entity_id": f"{file}.1", "version": 2}, "has version 1"),
        ({"entity_id": f"{file}.1", "skip_trash": True}, "Omit skip_trash"),
        ({"entity_id": None}, "Invalid entity_id"),
        ({"entity_id": file, "version": 9}, "404"),
    ):
        failed, _ = delete(**arguments)
        assert failed.state == "failed", arguments
        assert named in str(failed.error)
    with pytest.raises(ValueError, match="Invalid recursive"):
        SynapseDeleteOperator(task_id="task", entity_id="syn1", recursive="no")
    with pytest.raises(ValueError, match="Invalid if_missing"):
        SynapseDeleteOperator(task_id="task", entity_id="syn1", if_missing="skip")
