"""Missing permissions are reported before an upload."""

from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import File, Project, SynapseHook, SynapseStoreOperator
from synapse_workflows.client.errors import SynapseForbiddenError

RUNS = count(1)
NAMES = count(1)


@pytest.fixture
def of_bob(socket_service, tmp_path):
    """Project of bob that alice may read, with a file."""
    path = tmp_path / "bob.txt"
    path.write_text("bob")
    with socket_service.client("bob", cache_root_dir=str(tmp_path / "bob")) as bob:
        project = bob.store(Project(f"Of bob {next(NAMES)}"))
        bob.store(File(str(path), name="there.txt", parent=project))
        bob.setPermissions(project, "alice", ["READ", "DOWNLOAD"])
        yield bob, project.id


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result" * 1000)
    return str(path)


def run_one(api, **arguments):
    with DAG("store", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", retries=3, **arguments)
    run = Run(api, dag, f"run_{next(RUNS)}")
    return run.task("store", max_tries=3), run


@pytest.mark.parametrize("name", ["new.txt", "there.txt"])
def test_a_missing_permission_is_reported_before_the_upload(api, of_bob, result, name, capfd):
    failed, run = run_one(api, path=result, parent_id=of_bob[1], name=name)
    assert failed.state == "failed"
    assert isinstance(failed.error, SynapseForbiddenError)
    assert "Nothing was uploaded" in str(failed.error)
    assert of_bob[1] in str(failed.error) or "change syn" in str(failed.error)
    assert "Uploaded" not in "".join(capfd.readouterr())
    assert run.value("store", "synapse_entity_link").endswith(f"/Synapse:{of_bob[1]}")


def test_the_permission_to_create_is_enough_for_a_new_file(api, of_bob, result):
    bob, project = of_bob
    bob.setPermissions(project, "alice", ["READ", "DOWNLOAD", "CREATE"])
    stored, _ = run_one(api, path=result, parent_id=project, name="new.txt")
    assert stored.state == "success", stored.error
    failed, _ = run_one(api, path=result, parent_id=project, name="there.txt")
    assert "No permission to change" in str(failed.error)


def test_a_file_with_its_own_permissions_is_reported_before_the_upload(api, of_bob, result, capfd):
    """The project permits all changes, and the file found by its name permits none."""
    bob, project = of_bob
    there = bob.findEntityId("there.txt", project)
    bob.setPermissions(there, "alice", ["READ", "DOWNLOAD"], warn_if_inherits=False)
    bob.setPermissions(project, "alice", ["READ", "DOWNLOAD", "CREATE", "UPDATE"])
    failed, _ = run_one(api, path=result, parent_id=project, name="there.txt")
    assert failed.state == "failed"
    assert f"No permission to change {there}" in str(failed.error)
    assert "Nothing was uploaded" in str(failed.error)
    assert "Uploaded" not in "".join(capfd.readouterr())
    stored, _ = run_one(api, path=result, parent_id=project, name="new.txt")
    assert stored.state == "success", stored.error


def test_a_client_in_a_task_checks_as_well(api, of_bob, result):
    with DAG("store", schedule=None) as dag:

        @task
        def store():
            SynapseHook().client.store(File(result, parent=of_bob[1]))

        store()
    failed = Run(api, dag, f"run_{next(RUNS)}").task("store")
    assert isinstance(failed.error, SynapseForbiddenError)
    assert "Nothing was uploaded" in str(failed.error)
