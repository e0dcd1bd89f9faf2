"""Asset events of stored entities."""

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import File, SynapseHook, SynapseStoreOperator, synapse_asset


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


def test_event_of_declared_outlet_has_version_md5_and_activity(api, alice, put, tmp_path):
    entity = put("result.txt", "old").split(".")[0]
    with DAG("out", schedule=None) as dag:

        @task(outlets=[synapse_asset(entity)])
        def work():
            syn = SynapseHook().client
            file = syn.get(entity, downloadFile=False)
            file.path = str(tmp_path / "new.txt")
            (tmp_path / "new.txt").write_text("new")
            syn.store(file)

        work()
    Run(api, dag).all()
    (event,) = api.events
    stored = alice.get(entity)
    assert event["asset"]["uri"] == f"syn://{entity}"
    assert event["aliases"] == []
    assert event["extra"] == {
        "version": 2,
        "md5": stored.md5,
        "activity_id": alice.getProvenance(entity)["id"],
    }


def test_entity_without_outlet_is_emitted_through_alias(api, project, result):
    with DAG("dynamic", schedule=None) as dag:
        store = SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
    stored = Run(api, dag).all().value("store")
    (event,) = api.events
    assert event["asset"]["uri"] == f"syn://{stored['id']}"
    assert event["aliases"] == ["synapse"]
    assert event["extra"] == {
        "version": 1,
        "md5": stored["md5"],
        "activity_id": stored["activity_id"],
    }
    assert store.outlets == []


def test_entity_stored_twice_has_one_event(api, project, result):
    with DAG("twice", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.store(File(str(result), parent=project))
            result.write_text("better")
            syn.store(File(str(result), parent=project))

        work()
    Run(api, dag).all()
    (event,) = api.events
    assert event["extra"]["version"] == 2


def test_unchanged_entity_has_event_only_after_retry(api, project, result):
    with DAG("news", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=str(result),
            parent_id=project,
            post_execute=lambda context, result: 1 / (context["ti"].try_number - 1),  # noqa: ARG005
        )
    run = Run(api, dag, "r1")
    assert run.task("store", max_tries=1).state == "up_for_retry"
    assert api.events == []
    assert run.task("store", max_tries=1).state == "success"
    assert len(api.events) == 1
    with DAG("news", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
    Run(api, dag, "r2").all()
    assert len(api.events) == 1


def test_dag_scheduled_on_entity_uses_version_of_event(api, project, result, sources_of, tmp_path):
    with DAG("producer", schedule=None) as producer:
        SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
    stored = Run(api, producer).all().value("store")
    (event,) = api.events
    (tmp_path / "next.txt").write_text("next")
    with DAG("consumer", schedule=[synapse_asset(stored["id"])]) as consumer:
        SynapseStoreOperator(task_id="store", path=str(tmp_path / "next.txt"), parent_id=project)
    run = Run(api, consumer, events=(event,)).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{stored['id']}.1"]
