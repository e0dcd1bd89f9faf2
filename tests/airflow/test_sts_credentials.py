"""Scope checks before the work, and renewal of credentials."""

from datetime import timedelta

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows import File, Folder, SynapseHook
from synapse_workflows.hooks.sts_credentials import StsScopeError
from synapse_workflows.operator_arguments import InvalidArgumentError
from synapse_workflows.testing import over_socket


@pytest.fixture
def fail(sts, tmp_path):
    """Function that runs a task with STS credentials and returns its error."""

    def run(folder_id, permission="read_only"):
        with DAG("scope", schedule=None) as dag:

            @task(retries=3)
            def work():
                with SynapseHook().sts_environment(folder_id, permission):
                    pytest.fail("the work has started")

            work()
        result = sts.start(dag).task("work", max_tries=3)
        assert result.state == "failed"
        assert isinstance(result.error, AirflowFailException)
        return str(result.error)

    return run


def test_a_folder_without_sts(sts, fail):
    folder = sts.alice.store(Folder("plain", parent=sts.project))
    message = fail(folder.id)
    assert f"{folder.id} ('plain')" in message
    assert "create_s3_storage_location" in message


def test_write_access_to_synapse_storage(sts, fail):
    folder = sts.folder(own_bucket=False)
    message = fail(folder.id, "read_write")
    assert folder.id in message
    assert "permission='read_only'" in message
    assert "bucket_name" in message


def test_a_file_instead_of_a_folder(sts, fail, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a")
    file = sts.alice.store(File(str(path), parent=sts.project))
    message = fail(file.id)
    assert "not a folder but a FileEntity" in message
    assert f"pass its folder {sts.project}" in message


def test_a_project_instead_of_a_folder(sts, fail):
    assert "not a folder but a Project" in fail(sts.project)


def test_an_unknown_folder(fail):
    message = str(fail("syn99999999"))
    assert "'syn99999999' does not exist. Correct the ID" in message


def test_an_id_that_is_out_of_range(fail):
    assert "is not a valid Synapse ID. Correct the ID" in fail("syn" + "9" * 40)


def test_a_trashed_folder(sts, fail):
    folder = sts.folder()
    sts.alice.delete(folder.id)
    message = fail(folder.id)
    assert folder.id in message
    assert "restore the folder from the trash can" in message


def test_no_such_folder(fail):
    message = fail("syn999999999")
    assert "syn999999999" in message
    assert "Correct the ID" in message


@pytest.mark.parametrize("folder_id", ["", "my folder", "syn12x", None, 1.5, "syn1.2"])
def test_an_invalid_folder_id(fail, folder_id):
    assert "folder_id" in fail(folder_id)


@pytest.mark.parametrize("life", [3600, "1h", timedelta(hours=-1)])
def test_an_invalid_minimum_life(sts, monkeypatch, life):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", sts.api.connections["synapse_default"])
    folder = sts.folder()
    with (
        pytest.raises(InvalidArgumentError, match="min_remaining_life"),
        SynapseHook().sts_environment(folder.id, min_remaining_life=life),
    ):
        pass


def test_a_service_without_an_s3_server(sts_setup, tmp_path, monkeypatch):
    with over_socket(tmp_path / "plain") as service:
        sts = next(sts_setup(service))
        monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", service.airflow_connection)
        folder = sts.alice.store(Folder("sts", parent=sts.project))
        sts.alice.create_s3_storage_location(
            folder=folder, bucket_name="b", base_key="k", sts_enabled=True
        )
        with pytest.raises(StsScopeError, match="no S3 server"):
            SynapseHook().sts_session(folder.id)


@pytest.mark.parametrize("permission", ["write", "READ_ONLY", "", None])
def test_an_invalid_permission(fail, permission):
    message = fail("syn1", permission)
    assert "permission" in message
    assert "read_only, read_write" in message


def test_a_folder_of_somebody_else(sts, fail):
    folder = sts.folder()
    bob = sts.service.owner_id("bob")
    connection = sts.api.connections["synapse_default"]
    sts.api.connections["synapse_default"] = connection.replace(
        sts.service.token("alice"), sts.service.token("bob")
    )
    message = fail(folder.id)
    assert folder.id in message
    assert "Ask an administrator" in message
    sts.alice.setPermissions(sts.project, bob, ["READ", "DOWNLOAD"])
    message = fail(folder.id, "read_write")
    assert "the permissions to download, edit, create and delete" in message
