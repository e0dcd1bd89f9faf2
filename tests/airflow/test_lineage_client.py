"""Declared provenance and lineage modes."""

import json
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
)
from synapse_workflows.client.errors import SynapseProvenanceError


@pytest.fixture
def result(tmp_path):
    """Path of a file to store."""
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


def test_declared_sources_are_added_to_recorded_sources(
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


def test_declared_mode_uses_only_declared_sources(api, project, put, result, sources_of):
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


@pytest.mark.parametrize(("mode", "is_merged"), [("auto", True), ("declared", False)])
def test_activity_argument_is_merged_in_auto_mode_and_alone_in_declared_mode(
    api, project, put, result, alice, sources_of, mode, is_merged
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
    assert sorted(used) == sorted([raw_id, extra] if is_merged else [extra])
    assert "https://host/run_1" in executed
    assert len(executed) == 1 + is_merged
    assert alice.getProvenance(stored["id"])["name"] == "By hand"


def test_activity_together_with_used_fails_without_retry(api, project, result, alice):
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
def test_declared_and_off_mode_create_no_activity_without_declaration(
    api, project, put, result, alice, mode
):
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


def test_off_mode_stores_declared_activity_of_the_call(api, project, put, result, alice):
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


def test_new_activity_is_merged_into_activity_of_task(
    api, project, put, result, alice, sources_of
):
    raw_id, extra = put("raw.txt"), put("extra.txt")
    with DAG("given", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(raw_id)
            activity = Activity("Mine", "Declared text.", used=[extra])
            return syn.store(File(str(result), parent=project), activity=activity).id

        work()
    entity = Run(api, dag).all().value("work")
    assert sorted(sources_of(entity)[0]) == sorted([raw_id, extra])
    assert alice.getProvenance(entity)["name"] == "Mine"
    assert alice.getProvenance(entity)["description"].startswith("Declared text.\n")


def test_existing_activity_is_linked_unchanged(api, project, put, result, alice):
    raw_id = put()
    existing = alice.setProvenance(raw_id.split(".")[0], Activity("Mine"))
    with DAG("shared", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(raw_id)
            activity = syn.getProvenance(raw_id)
            return syn.store(File(str(result), parent=project), activity=activity).id

        work()
    entity = Run(api, dag).all().value("work")
    linked = alice.getProvenance(entity)
    assert linked["id"] == existing["id"]
    assert linked["used"] == []


def test_task_with_two_connections_writes_one_activity_per_connection(
    api, project, result, alice, socket_service, connection
):
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
