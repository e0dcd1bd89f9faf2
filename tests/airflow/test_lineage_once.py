"""Work is recorded once: retries, reruns, and what somebody declares."""

from pathlib import Path

import pytest
from airflow.sdk import DAG, get_current_context, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
)
from synapse_workflows.client.errors import SynapseProvenanceError


class StumbleError(RuntimeError):
    """What goes wrong after the work was done."""


def stumble_once(context, result=None):
    if context["ti"].try_number == 1:
        raise StumbleError


@pytest.fixture
def result(tmp_path):
    """A file that a task could have made."""
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


def versions(alice, entity):
    return alice.restGET(f"/entity/{entity}/version")["totalNumberOfResults"]


def child(alice, project, name="result.txt"):
    return alice.findEntityId(name, project)


def test_a_retry_of_the_operator_stores_and_records_nothing_twice(
    api, project, put, result, alice, sources_of
):
    raw_id = put()
    with DAG("again", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            retries=1,
            post_execute=stumble_once,
        )
        raw >> store
    run = Run(api, dag)
    run.task("raw")
    assert run.task("store", max_tries=1).state == "up_for_retry"
    entity = child(alice, project)
    before = alice.getProvenance(entity)
    etag = alice.get(entity, downloadFile=False).etag
    assert run.task("store", max_tries=1).state == "success"

    assert versions(alice, entity) == 1
    assert alice.getProvenance(entity) == before
    assert alice.get(entity, downloadFile=False).etag == etag
    assert run.value("store")["activity_id"] == before["id"]
    assert sources_of(entity)[0] == [raw_id]


def test_a_retry_of_a_plain_task_makes_no_second_version_and_no_second_activity(
    api, project, put, result, alice, sources_of
):
    one, two = put("one.txt"), put("two.txt")
    with DAG("plain_again", schedule=None) as dag:

        @task(retries=1)
        def work():
            syn = SynapseHook().client
            syn.get(one)
            if get_current_context()["ti"].try_number > 1:
                syn.get(two)
            syn.store(File(str(result), parent=project), used=["https://host/more"])
            stumble_once(get_current_context())

        work()
    run = Run(api, dag)
    assert run.task("work", max_tries=1).state == "up_for_retry"
    entity = child(alice, project)
    before = alice.getProvenance(entity)
    assert run.task("work", max_tries=1).state == "success"
    after = alice.getProvenance(entity)
    assert versions(alice, entity) == 1
    assert after["id"] == before["id"]
    assert sorted(sources_of(entity)[0]) == sorted([one, two, "https://host/more"])


def test_a_retry_that_makes_something_else_updates_the_same_activity(api, project, result, alice):
    with DAG("other", schedule=None) as dag:

        @task(retries=1)
        def work():
            attempt = get_current_context()["ti"].try_number
            result.write_text(f"result of try {attempt}")
            SynapseHook().client.store(File(str(result), parent=project))
            stumble_once(get_current_context())

        work()
    run = Run(api, dag)
    run.task("work", max_tries=1)
    entity = child(alice, project)
    first = alice.getProvenance(entity)["id"]
    run.task("work", max_tries=1)
    assert versions(alice, entity) == 2
    assert alice.getProvenance(entity)["id"] == first


def test_a_task_that_is_cleared_and_makes_something_else_starts_a_new_activity(
    api, project, result, alice
):
    with DAG("cleared", schedule=None) as dag:

        @task
        def work():
            result.write_text(f"try {get_current_context()['ti'].try_number}")
            SynapseHook().client.store(File(str(result), parent=project))

        work()
    run = Run(api, dag)
    run.task("work")
    entity = child(alice, project)
    run.task("work")
    one, two = (alice.getProvenance(entity, version)["id"] for version in (1, 2))
    assert one != two


def test_another_run_that_makes_the_same_of_the_same_changes_nothing(
    api, project, put, result, alice
):
    raw_id = put()
    with DAG("nightly", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
        raw >> store
    first = Run(api, dag, "night_1").all().value("store")
    before = alice.getProvenance(first["id"])
    second = Run(api, dag, "night_2").all().value("store")
    assert second["version"] == first["version"] == 1
    assert second["activity_id"] == first["activity_id"]
    assert alice.getProvenance(first["id"]) == before


def test_another_run_that_makes_the_same_of_something_else_is_told_of(
    api, project, put, result, alice, sources_of
):
    with DAG("moved", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id="{{ dag_run.conf['raw'] }}")
        store = SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
        raw >> store
    one, two = put("one.txt"), put("two.txt")
    first = Run(api, dag, "r1", conf={"raw": one}).all().value("store")
    second = Run(api, dag, "r2", conf={"raw": two}).all().value("store")
    assert second["version"] == 1
    assert second["activity_id"] != first["activity_id"]
    assert sources_of(second["id"])[0] == [two]


def test_declared_sources_are_added_to_the_gathered_ones(
    api, project, put, result, alice, sources_of
):
    raw_id, extra, script = put("raw.txt"), put("extra.txt"), put("script.py", "print()")
    with DAG("declared", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            used=[extra, "https://host/page"],
            executed=script,
            activity_name="By hand",
            activity_description="What it is for.",
        )
        raw >> store
    stored = Run(api, dag).all().value("store")
    used, executed = sources_of(stored["id"])
    assert sorted(used) == sorted([raw_id, extra, "https://host/page"])
    assert script in executed
    assert len(executed) == 2
    activity = alice.getProvenance(stored["id"])
    assert activity["name"] == "By hand"
    assert activity["description"].splitlines() == [
        "What it is for.",
        "Airflow run run_1 of declared.store",
    ]


def test_declared_alone_means_declared_alone(api, project, put, result, sources_of):
    raw_id, extra = put("raw.txt"), put("extra.txt")
    with DAG("only", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            used=extra,
            lineage_mode="declared",
        )
        raw >> store
    stored = Run(api, dag).all().value("store")
    assert sources_of(stored["id"]) == ([extra], [])


@pytest.mark.parametrize(("mode", "gathered"), [("auto", True), ("declared", False)])
def test_an_activity_goes_on_top_of_what_was_gathered_or_instead_of_it(
    api, project, put, result, alice, sources_of, mode, gathered
):
    raw_id, extra = put("raw.txt"), put("extra.txt")
    with DAG(f"activity_{mode}", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id)
        store = SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            activity=Activity("By hand", used=[extra], executed="https://host/{{ run_id }}"),
            lineage_mode=mode,
        )
        raw >> store
    stored = Run(api, dag).all().value("store")
    used, executed = sources_of(stored["id"])
    assert sorted(used) == sorted([raw_id, extra] if gathered else [extra])
    assert "https://host/run_1" in executed
    assert len(executed) == 1 + gathered
    assert alice.getProvenance(stored["id"])["name"] == "By hand"


def test_an_activity_beside_used_fails_at_once_and_stores_nothing(api, project, result, alice):
    with DAG("both", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            activity={"name": "a"},
            used="https://host/page",
            retries=5,
        )
    outcome = Run(api, dag).task("store", max_tries=5)
    assert outcome.state == "failed"
    assert isinstance(outcome.error, SynapseProvenanceError)
    assert list(alice.getChildren(project)) == []


@pytest.mark.parametrize("mode", ["declared", "off"])
def test_without_declarations_there_is_no_activity(api, project, put, result, alice, mode):
    raw_id = put()
    with DAG(f"none_{mode}", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=raw_id, lineage_mode=mode)
        store = SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, lineage_mode=mode
        )
        raw >> store
    run = Run(api, dag).all()
    stored = run.value("store")
    assert "activity_id" not in stored
    with pytest.raises(FileNotFoundError):
        alice.getProvenance(stored["id"])
    assert run.record("raw") is None


def test_off_leaves_the_client_to_do_what_it_is_told(api, project, put, result, alice):
    raw_id = put()
    with DAG("off", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook(lineage_mode="off").client
            syn.get(raw_id)
            stored = syn.store(
                File(str(result), parent=project), used="https://host/x", activityName="mine"
            )
            return stored.id

        work()
    run = Run(api, dag).all()
    activity = alice.getProvenance(run.value("work"))
    assert activity["name"] == "mine"
    assert [item.get("url") for item in activity["used"]] == ["https://host/x"]
    assert run.record("work") is None


def test_a_new_activity_given_to_store_is_laid_over_the_gathered_one(
    api, project, put, result, alice, sources_of
):
    raw_id, extra = put("raw.txt"), put("extra.txt")
    with DAG("given", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(raw_id)
            activity = Activity("Mine", "In my words.", used=[extra])
            return syn.store(File(str(result), parent=project), activity=activity).id

        work()
    entity = Run(api, dag).all().value("work")
    assert sorted(sources_of(entity)[0]) == sorted([raw_id, extra])
    assert alice.getProvenance(entity)["name"] == "Mine"
    assert alice.getProvenance(entity)["description"].startswith("In my words.\n")


def test_a_stored_activity_given_to_store_is_linked_as_it_is(api, project, put, result, alice):
    raw_id = put()
    mine = alice.setProvenance(raw_id.split(".")[0], Activity("Mine"))
    with DAG("shared", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(raw_id)
            activity = syn.getProvenance(raw_id)
            return syn.store(File(str(result), parent=project), activity=activity).id

        work()
    entity = Run(api, dag).all().value("work")
    found = alice.getProvenance(entity)
    assert found["id"] == mine["id"]
    assert found["used"] == []


def test_one_task_with_two_identities_writes_an_activity_for_each(
    api, project, result, alice, socket_service, connection
):
    import json

    other = json.loads(connection) | {"password": socket_service.token("bob")}
    api.connections["bobs"] = json.dumps(other)
    alice.setPermissions(
        project,
        socket_service.owner_id("bob"),
        ["READ", "DOWNLOAD", "CREATE", "UPDATE"],
        warn_if_inherits=False,
    )
    with DAG("two", schedule=None) as dag:

        @task
        def work():
            ids = []
            for conn_id, name in (("synapse_default", "a.txt"), ("bobs", "b.txt")):
                path = Path(result).with_name(name)
                path.write_text(name)
                syn = SynapseHook(conn_id).client
                ids.append(syn.store(File(str(path), parent=project)).id)
            return ids

        work()
    first, second = (alice.getProvenance(i) for i in Run(api, dag).all().value("work"))
    assert first["createdBy"] == socket_service.owner_id("alice")
    assert second["createdBy"] == socket_service.owner_id("bob")
