"""Repair of Activities that are pending in the XComs of Airflow, over its REST API."""

import json
import threading
import time

import pytest
import uvicorn
from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.sdk import DAG
from support.airflow_rows import Instance, add_run, create_tables
from support.execution_api import Run
from typer.testing import CliRunner

from synapse_workflows import Activity, SynapseGetOperator, SynapseStoreOperator
from synapse_workflows.cli import app
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.free_ports import find_free_port
from synapse_workflows.provenance.pending_activity import PENDING_KEY, PendingActivity
from synapse_workflows.provenance.pending_xcoms import PendingXComError, read_pending_xcoms

RUN = "manual__2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """URL of an API server of Airflow with an empty database."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        passwords = folder / "passwords.json"
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{folder}/airflow.db")
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setenv("AIRFLOW__SCHEDULER__ALLOWED_RUN_ID_PATTERN", ".*")
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        create_tables()
        purge_cached_app()
        port = find_free_port()
        config = uvicorn.Config(create_app(apps="core"), port=port, log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()
        purge_cached_app()


@pytest.fixture
def token(airflow, monkeypatch):
    """Token of an administrator of Airflow, also in the environment."""
    user = SimpleAuthManagerUser(username="admin", role="ADMIN")
    value = get_auth_manager().generate_jwt(user)
    monkeypatch.setenv("AIRFLOW_API_TOKEN", value)
    return value


@pytest.fixture
def socket_service(rejecting):
    """Service that rejects Activities after `reject`."""
    service, app = rejecting
    yield service
    app.clear()


@pytest.fixture
def repair(socket_service, tmp_path, monkeypatch):
    """Return a function that runs the command as a user, by default alice."""

    def run(*arguments, status=0, user="alice"):
        home = tmp_path / user
        home.mkdir(exist_ok=True)
        (home / ".synapseConfig").write_text(socket_service.synapse_config(user))
        monkeypatch.setenv("HOME", str(home))
        result = CliRunner().invoke(app, ["provenance", "repair", *arguments])
        assert result.exit_code == status, result.output
        # the API server of this process logs its requests to the same stream
        lines = result.output.splitlines(keepends=True)
        return "".join(line for line in lines if "[http.access]" not in line)

    return run


@pytest.fixture
def pending(socket_service):
    """Return a function that describes a pending Activity of a version."""

    def create(entity, name, site=None):
        body = {"name": name, "description": "", "used": []}
        entity_id, _, version = entity.partition(".")
        site = site or socket_service.endpoints["repoEndpoint"]
        one = PendingActivity(
            ((entity_id, int(version)),), body, "503 down", "synapse_default", site
        )
        return one.to_json()

    return create


def add_pending(dag_id, values):
    """Add a run with mapped task instances whose XComs have pending Activities."""
    instances = [
        Instance("group.store", json.dumps([value]), map_index=number, key=PENDING_KEY)
        for number, value in enumerate(values)
    ]
    add_run(dag_id, RUN, [*instances, Instance("other", json.dumps({"x": 1}))])


def test_pending_activities_of_all_tasks_are_added_once(
    airflow, token, repair, pending, put, alice
):
    one, two, elsewhere = put("one.txt", "1"), put("two.txt", "2"), put("three.txt", "3")
    add_pending("first_dag", [pending(one, "first"), pending(two, "second")])
    add_pending("other dag", [pending(elsewhere, "third")])
    output = repair("--airflow-url", airflow, "--dag-id", "first_dag")
    assert [line.split(":")[0] for line in output.splitlines()] == [
        f"{one}  repaired",
        f"{two}  repaired",
    ]
    assert alice.getProvenance(two)["name"] == "second"
    with pytest.raises(SynapseNotFoundError):
        alice.getProvenance(elsewhere)
    again = json.loads(repair("--airflow-url", f"{airflow}/", "--json"))
    assert [each["state"] for each in again] == ["present", "present", "repaired"]
    assert alice.getProvenance(elsewhere)["name"] == "third"


def test_rejected_activity_of_a_running_task_is_added_by_another_user(
    airflow, token, repair, reject, rejecting, api, put, project, alice, sources_of, tmp_path
):
    """From the task to the command, whose machine has neither the files nor the home of the task.

    The Activity of the repair is that of the task, and is added once. A later Activity stays.
    """
    raw, paths = put(), [tmp_path / name for name in ("first.txt", "second.txt")]
    with DAG("rejected_run", schedule=None) as dag:
        get = SynapseGetOperator(task_id="raw", entity_id=raw)
        for path in paths:
            path.write_text(path.name)
            get >> SynapseStoreOperator(task_id=path.stem, path=str(path), parent_id=project)
    reject()
    run = Run(api, dag).all()
    pending = {path.stem: json.dumps(run.value(path.stem, PENDING_KEY)) for path in paths}
    add_run("rejected_run", RUN, [Instance(*one, key=PENDING_KEY) for one in pending.items()])
    bob = rejecting[0].owner_id("bob")
    alice.setPermissions(project, bob, ["READ", "DOWNLOAD", "CREATE", "UPDATE"])
    first, second = (run.value(path.stem)["id"] for path in paths)
    arguments = ("--airflow-url", airflow, "--dag-id", "rejected_run")
    output = repair(*arguments, user="bob", status=1)
    assert f"{first}.1  failed: Not repaired: 403 POST /activity: no Activities today" in output
    rejecting[1].clear()
    by_hand = alice.setProvenance(second, Activity("By hand", used="https://example.org"))
    output = repair(*arguments, user="bob")
    assert f"{first}.1  repaired" in output
    assert f"{second}.1  present" in output
    activity = alice.getProvenance(first)
    assert (activity["name"], activity["createdBy"]) == ("rejected_run.first", bob)
    assert activity["description"].startswith("Airflow run run_1 of rejected_run.first")
    assert sources_of(first)[0] == [raw]
    assert alice.getProvenance(second) == by_hand
    assert f"{first}.1  present" in repair(*arguments)
    assert alice.getProvenance(first) == activity


def test_pending_activities_of_a_file_and_of_another_synapse(
    repair, pending, put, alice, tmp_path
):
    file, entity = tmp_path / "pending.json", put("one.txt", "1")
    other = pending("syn1.1", "other", site="https://me:q7Zx@other.example.org/repo/v1")
    file.write_text(json.dumps([pending(entity, "mine"), other]))
    output = repair(str(file))
    assert f"{entity}  repaired" in output
    assert "Skipped: the Activities of another Synapse, https://other.example.org" in output
    assert "q7Zx" not in output
    assert alice.getProvenance(entity)["name"] == "mine"
    file.write_text("[]")
    assert repair(str(file)).startswith("Nothing to repair")
    assert json.loads(repair(str(file), "--json")) == []
    for wrong in (
        b'{"a": 1}',
        b"{}",
        b"[1]",
        b"",
        b"\x80",
        json.dumps([other | {"activity": "a"}]),
    ):
        file.write_bytes(wrong if isinstance(wrong, bytes) else wrong.encode())
        assert f"{file} has no pending Activities" in repair(str(file), status=1)
    assert "remove --dag-id" in repair(str(file), "--dag-id", "d", status=2)
    assert "Expected a file, or --airflow-url" in repair(status=2)


def test_token_that_airflow_rejects_is_an_error_without_the_token(airflow, token):
    with pytest.raises(
        PendingXComError, match=r"status 40[13]\. Check the URL, the token"
    ) as error:
        read_pending_xcoms(airflow, "q7Zx-wrong-token")
    assert "q7Zx" not in str(error.value)
    with pytest.raises(PendingXComError, match=r"No response of Airflow from http://127.0.0.1:"):
        read_pending_xcoms(f"http://127.0.0.1:{find_free_port()}", token)
