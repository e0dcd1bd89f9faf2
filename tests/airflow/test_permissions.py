"""SynapseSetPermissionsOperator: grants, dry runs, refusals and concurrent changes."""

import json
import threading
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run

from synapse_workflows import (
    Folder,
    SynapseHook,
    SynapseSetPermissionsOperator,
    Team,
)
from synapse_workflows.idempotency.permission_grants import Grants
from synapse_workflows.idempotency.permission_writer import PermissionOptions, PermissionWriter

NUMBERS = count(1)
PUBLIC, AUTHENTICATED = "273949", "273948"


@pytest.fixture
def folder(alice, project):
    """ID of a folder that inherits the permissions of the project."""
    return alice.store(Folder(f"folder {next(NUMBERS)}", parent=project)).id


@pytest.fixture
def bob(socket_service):
    """Principal ID of the user bob."""
    return str(socket_service.owner_id("bob"))


@pytest.fixture
def team(alice):
    """A team of alice."""
    return alice.store(Team(name=f"Reviewers {next(NUMBERS)}"))


@pytest.fixture
def set_permissions(api):
    """Function that runs a SynapseSetPermissionsOperator; returns its last result and its run."""

    def run(api=api, tries=1, **arguments):
        with DAG("share", schedule=None) as dag:
            SynapseSetPermissionsOperator(task_id="share", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(NUMBERS)}")
        for _ in range(tries):
            result = dag_run.task("share", max_tries=5)
        return result, dag_run

    return run


def read_acl(alice, entity):
    entries = alice.restGET(f"/entity/{entity}/acl")["resourceAccess"]
    return {str(one["principalId"]): one["accessType"] for one in entries}


def test_several_grants_are_set_in_one_request(set_permissions, alice, project, bob, team, api):
    before = read_acl(alice, project)
    grants = {
        "bob": ["DOWNLOAD", "READ"],
        f"team:{team['name']}": "READ, UPDATE",
        "authenticated": ["READ"],
    }
    etag = alice.restGET(f"/entity/{project}/acl")["etag"]
    result, run = set_permissions(entity_id=project, grants=grants)
    assert result.state == "success", result.error
    assert read_acl(alice, project) == before | {
        bob: ["READ", "DOWNLOAD"],
        team["id"]: ["READ", "UPDATE"],
        AUTHENTICATED: ["READ"],
    }
    value = run.value("share")
    assert value == {
        "id": project,
        "acl_id": project,
        "action": "update",
        "dry_run": False,
        "changes": sorted(
            [
                {
                    "principal_id": bob,
                    "principal": "user:bob",
                    "before": [],
                    "after": ["READ", "DOWNLOAD"],
                },
                {
                    "principal_id": team["id"],
                    "principal": f"team:{team['name']}",
                    "before": [],
                    "after": ["READ", "UPDATE"],
                },
                {
                    "principal_id": AUTHENTICATED,
                    "principal": "authenticated",
                    "before": [],
                    "after": ["READ"],
                },
            ],
            key=lambda one: int(one["principal_id"]),
        ),
    }
    assert run.record("share") is None
    stored = alice.restGET(f"/entity/{project}/acl")["etag"]
    again, run = set_permissions(entity_id=project, grants=grants)
    assert again.state == "success"
    assert run.value("share") == value | {"action": "none", "changes": []}
    assert alice.restGET(f"/entity/{project}/acl")["etag"] == stored != etag


def test_modes(set_permissions, alice, project, bob):
    own = str(alice.getUserProfile()["ownerId"])
    set_permissions(entity_id=project, grants={"bob": ["READ", "UPDATE"]})
    set_permissions(entity_id=project, grants={bob: ["DOWNLOAD"]}, mode="add")
    assert read_acl(alice, project)[bob] == ["READ", "DOWNLOAD", "UPDATE"]
    set_permissions(entity_id=project, grants={int(bob): ["READ"]})
    assert read_acl(alice, project)[bob] == ["READ"]
    mine = ["READ", "CHANGE_PERMISSIONS"]
    grants = [{"principal": own, "access": mine}, {"principal": "authenticated", "access": "READ"}]
    result, run = set_permissions(entity_id=project, grants=grants, mode="replace")
    assert result.state == "success", result.error
    assert read_acl(alice, project) == {own: mine, AUTHENTICATED: ["READ"]}
    removed = next(one for one in run.value("share")["changes"] if one["principal_id"] == bob)
    assert removed["before"] == ["READ"]
    assert removed["after"] == []
    set_permissions(entity_id=project, grants={"authenticated": []})
    assert read_acl(alice, project) == {own: mine}


def test_dry_run_returns_the_plan(set_permissions, alice, project, bob):
    etag = alice.restGET(f"/entity/{project}/acl")["etag"]
    result, run = set_permissions(entity_id=project, grants={"bob": ["READ"]}, dry_run=True)
    assert result.state == "success", result.error
    plan = run.value("share")
    assert plan["dry_run"] is True
    assert alice.restGET(f"/entity/{project}/acl")["etag"] == etag
    _, run = set_permissions(entity_id=project, grants={"bob": ["READ"]})
    assert run.value("share") == plan | {"dry_run": False}


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("grants", "named"),
    [
        ({"public": ["READ"]}, "everyone READ"),
        ({PUBLIC: ["READ"]}, "everyone READ"),
        ({"authenticated": ["READ", "DOWNLOAD"]}, "all signed-in users DOWNLOAD"),
        ({"Authenticated Users": "UPDATE"}, "all signed-in users UPDATE"),
    ],
)
def test_public_access_is_refused(set_permissions, alice, project, grants, named, dry_run):
    before = alice.restGET(f"/entity/{project}/acl")
    failed, _ = set_permissions(entity_id=project, grants=grants, dry_run=dry_run)
    assert failed.state == "failed"
    assert f"Refused to give {named} on {project}" in str(failed.error)
    assert "allow_public=True" in str(failed.error)
    assert alice.restGET(f"/entity/{project}/acl") == before


def test_public_access_is_allowed_by_the_argument(set_permissions, alice, project):
    grants = {"public": ["READ"], "authenticated": ["READ", "DOWNLOAD"]}
    result, _ = set_permissions(entity_id=project, grants=grants, allow_public=True)
    assert result.state == "success", result.error
    # access that exists already is not refused, and may be revoked
    for kept in (grants, {"bob": ["READ"]}, {"public": [], "authenticated": ["READ"]}):
        result, _ = set_permissions(entity_id=project, grants=kept)
        assert result.state == "success", result.error
    assert PUBLIC not in read_acl(alice, project)


@pytest.mark.parametrize("mode", ["set", "replace"])
def test_own_change_permissions_is_not_removed(set_permissions, alice, project, mode):
    before = alice.restGET(f"/entity/{project}/acl")
    grants = {"alice": ["READ"]} if mode == "set" else {"bob": ["READ"]}
    for dry_run in (False, True):
        failed, _ = set_permissions(entity_id=project, grants=grants, mode=mode, dry_run=dry_run)
        assert failed.state == "failed"
        assert "Refused to remove CHANGE_PERMISSIONS" in str(failed.error)
    assert alice.restGET(f"/entity/{project}/acl") == before


def test_own_change_permissions_may_come_from_a_team(set_permissions, alice, project, team):
    grants = {"alice": [], f"team:{team['id']}": ["READ", "CHANGE_PERMISSIONS"]}
    result, _ = set_permissions(entity_id=project, grants=grants)
    assert result.state == "success", result.error
    assert read_acl(alice, project) == {team["id"]: ["READ", "CHANGE_PERMISSIONS"]}
    failed, _ = set_permissions(entity_id=project, grants={team["id"]: ["READ"]})
    assert "Refused to remove CHANGE_PERMISSIONS" in str(failed.error)


def test_inherited_permissions_need_a_decision(set_permissions, alice, project, folder, bob):
    grants = {"bob": ["READ"]}
    failed, _ = set_permissions(entity_id=folder, grants=grants)
    assert failed.state == "failed"
    assert f"{folder} inherits its permissions from {project}" in str(failed.error)
    result, run = set_permissions(
        entity_id=folder, grants=grants, if_inherited="benefactor", tries=1
    )
    assert result.state == "success", result.error
    assert run.value("share", "acl_id") == project
    assert read_acl(alice, project)[bob] == ["READ"]

    plan = {"entity_id": folder, "grants": {"bob": ["READ", "UPDATE"]}, "if_inherited": "create"}
    _, run = set_permissions(**plan, dry_run=True)
    assert run.value("share", "action") == "create"
    result, run = set_permissions(**plan, tries=2)
    assert result.state == "success", result.error
    assert run.value("share") == {
        "id": folder,
        "acl_id": folder,
        "action": "create",
        "dry_run": False,
        "changes": [
            {
                "principal_id": bob,
                "principal": "user:bob",
                "before": ["READ"],
                "after": ["READ", "UPDATE"],
            }
        ],
    }
    assert read_acl(alice, folder) == read_acl(alice, project) | {bob: ["READ", "UPDATE"]}
    assert read_acl(alice, project)[bob] == ["READ"]
    _, run = set_permissions(entity_id=folder, grants=grants)  # it has its own list now
    assert run.value("share", "action") == "update"


@pytest.mark.parametrize("if_inherited", ["create", "benefactor"])
def test_concurrent_runs_keep_the_grants_of_each_other(
    connection, monkeypatch, alice, folder, project, if_inherited
):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    teams = [alice.store(Team(name=f"Runs {next(NUMBERS)}"))["id"] for _ in range(5)]
    barrier, results = threading.Barrier(len(teams)), []

    def run(team):
        grants = Grants.parse({team: ["READ"]}, "set")
        options = PermissionOptions(if_inherited, allow_public=False, dry_run=False)
        client = SynapseHook().client
        barrier.wait()
        results.append(PermissionWriter(client, folder, grants, options).write())

    threads = [threading.Thread(target=run, args=[team]) for team in teams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    target = folder if if_inherited == "create" else project
    acl = read_acl(alice, target)
    assert [acl.get(team) for team in teams] == [["READ"]] * len(teams)
    assert sorted(one["changes"][0]["principal_id"] for one in results) == sorted(teams)
    actions = [one["action"] for one in results]
    assert actions.count("create") == (if_inherited == "create")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"grants": {"nobody at all": ["READ"]}}, "Unknown principal 'nobody at all'"),
        ({"grants": {"bob": ["read"]}}, "unknown access type 'read'; expected some of READ, D"),
        ({"grants": {"bob": ["SUBMIT"]}}, "unknown access type 'SUBMIT'"),
        ({"grants": {"bob": None}}, "or [] to revoke all"),
        ({"grants": {"bob": ""}}, "unknown access type ''"),
        ({"grants": {"bob": 7}}, "or [] to revoke all"),
        ({"grants": {"bob": {"READ": False}}}, "expected a list of access types"),
        ({"grants": {"bob": b"READ"}}, "expected a list of access types"),
        ({"grants": {"{{ 'bob' }}": ["READ"], "bob": ["UPDATE"]}}, "'bob' is given more than"),
        ({"grants": {"bob": []}, "mode": "add"}, "with mode='add' there must be access types"),
        ({"grants": {"bob": ["READ"], "user:bob": ["UPDATE"]}}, "'user:bob' is given more than"),
        ({"grants": {"bob, alice": ["READ"]}}, "names several users or teams"),
        ({"grants": {"public": ["DOWNLOAD"]}, "allow_public": True}, "the public can have READ"),
        ({"grants": {273950: ["READ"]}}, "is the anonymous user"),
        ({"grants": {}}, "Invalid grants: there are none"),
        ({"grants": None}, "Invalid grants"),
        ({"grants": [{"principal": "bob"}]}, "is not a dictionary with 'principal' and 'access'"),
        ({"grants": "https://user:SECRET@host/"}, "not 'https://<redacted>@host/'"),
        ({"entity_id": "syn1.2"}, "Invalid entity_id 'syn1.2'"),
        ({"entity_id": "{{ None }}"}, "Invalid entity_id"),
    ],
)
def test_invalid_arguments_fail_without_retry(set_permissions, alice, project, arguments, named):
    before = alice.restGET(f"/entity/{project}/acl")
    defaults = {"entity_id": project, "grants": {"bob": ["READ"]}}
    failed, _ = set_permissions(**(defaults | arguments))
    assert failed.state == "failed"
    assert named in str(failed.error)
    assert alice.restGET(f"/entity/{project}/acl") == before


@pytest.mark.parametrize("argument", ["mode", "if_inherited", "allow_public", "dry_run"])
def test_invalid_options_fail_at_once(argument):
    with pytest.raises(ValueError, match=f"Invalid {argument}"):
        SynapseSetPermissionsOperator(
            task_id="share", entity_id="syn1", grants={}, **{argument: "yes"}
        )


@pytest.mark.parametrize("dry_run", [False, True])
def test_missing_right_fails_without_retry(
    set_permissions, socket_service, alice, project, dry_run
):
    alice.setPermissions(project, "bob", ["READ"])
    connection = json.loads(socket_service.airflow_connection)
    connection["password"] = socket_service.token("bob")
    api = ExecutionApi({"synapse_default": json.dumps(connection)})
    failed, _ = set_permissions(
        api, entity_id=project, grants={"alice": ["READ"]}, dry_run=dry_run
    )
    assert failed.state == "failed"
    assert f"lacks CHANGE_PERMISSIONS on {project}" in str(failed.error)


def test_principals_may_come_from_a_task(api, alice, project, bob):
    with DAG("share", schedule=None) as dag:

        @task
        def find():
            return bob

        found = find()
        SynapseSetPermissionsOperator(
            task_id="keys",
            entity_id=project,
            grants={"{{ ti.xcom_pull('find') }}": ["READ"]},
        ).set_upstream(found)
        SynapseSetPermissionsOperator(
            task_id="items",
            entity_id=project,
            grants=[{"principal": found, "access": ["DOWNLOAD"]}],
            mode="add",
        )
    run = Run(api, dag)
    run.all()
    assert read_acl(alice, project)[bob] == ["READ", "DOWNLOAD"]
