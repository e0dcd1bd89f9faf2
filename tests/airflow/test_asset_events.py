"""Asset events of stored entities."""

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, ObjectStoragePath, task
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
        "name": "result.txt",
    }


def test_only_declared_outlets_have_events(api, project, result):
    with DAG("undeclared", schedule=None) as dag:
        SynapseStoreOperator(task_id="plain", path=str(result), parent_id=project)
        SynapseStoreOperator(
            task_id="other",
            path=str(result),
            name="other.txt",
            parent_id=project,
            outlets=[Asset("s3://bucket/other")],
        )
    run = Run(api, dag).all()
    (event,) = api.events
    assert event["asset"]["uri"] == "s3://bucket/other"
    assert event["extra"] == {}
    reported = [instance.outlet_events for instance in api.instances.values()]
    assert reported[0] == []
    assert run.value("plain")["version"] == 1


def test_declared_alias_has_an_event_for_each_stored_entity(api, project, result, tmp_path):
    (tmp_path / "second.txt").write_text("second")
    with DAG("dynamic", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=[str(result), str(tmp_path / "second.txt")],
            parent_id=project,
            outlets=[AssetAlias("results"), AssetAlias("everything")],
        )
    stored = Run(api, dag).all().value("store")
    expected = {
        (alias, f"syn://{one['id']}"): {
            "version": 1,
            "md5": one["md5"],
            "activity_id": one["activity_id"],
            "name": one["name"],
        }
        for one in stored
        for alias in ("results", "everything")
    }
    found = {
        (alias, event["asset"]["uri"]): event["extra"]
        for event in api.events
        for alias in event["aliases"]
    }
    assert found == expected
    assert len(api.events) == 4


def test_an_asset_of_an_alias_has_the_name_of_the_entity_and_the_task_that_produced_it(
    api, project, result
):
    with DAG("dynamic", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, outlets=[AssetAlias("results")]
        )
    (event,) = Run(api, dag).task("store").msg.outlet_events
    assert event["dest_asset_extra"] == {
        "entity_name": result.name,
        "produced_by": "dynamic.store",
    }


def test_event_that_the_task_added_to_the_alias_keeps_its_extra(api, project, result):
    alias = AssetAlias("results")
    with DAG("own", schedule=None) as dag:

        @task(outlets=[alias])
        def work(*, outlet_events):
            stored = SynapseHook().client.store(File(str(result), parent=project))
            asset = synapse_asset(stored.id)
            outlet_events[alias].add(asset, extra={"rows": 3})
            result.write_text("better")
            SynapseHook().client.store(File(str(result), parent=project))

        work()
    Run(api, dag).all()
    extras = [event["extra"] for event in api.events]
    assert [one["version"] for one in extras] == [2] * len(extras)
    assert any(one.get("rows") == 3 for one in extras)


def test_entity_stored_twice_has_one_event(api, project, result):
    with DAG("twice", schedule=None) as dag:

        @task(outlets=[AssetAlias("results")])
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
            outlets=[AssetAlias("results")],
            post_execute=lambda context, result: 1 / (context["ti"].try_number - 1),  # noqa: ARG005
        )
    run = Run(api, dag, "r1")
    assert run.task("store", max_tries=1).state == "up_for_retry"
    assert api.events == []
    assert run.task("store", max_tries=1).state == "success"
    assert len(api.events) == 1
    with DAG("news", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, outlets=[AssetAlias("results")]
        )
    Run(api, dag, "r2").all()
    assert len(api.events) == 1


def test_dag_scheduled_on_entity_uses_version_of_event(api, project, result, sources_of, tmp_path):
    with DAG("producer", schedule=None) as producer:
        SynapseStoreOperator(
            task_id="store", path=str(result), parent_id=project, outlets=[AssetAlias("results")]
        )
    stored = Run(api, producer).all().value("store")
    (event,) = api.events
    (tmp_path / "next.txt").write_text("next")
    with DAG("consumer", schedule=[synapse_asset(stored["id"])]) as consumer:
        SynapseStoreOperator(task_id="store", path=str(tmp_path / "next.txt"), parent_id=project)
    run = Run(api, consumer, events=(event,)).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{stored['id']}.1"]


def test_path_as_an_outlet_has_the_id_of_the_stored_entity(api, alice, project):
    path = f"syn://{project}/out/result.txt"
    with DAG("path_outlet", schedule=None) as dag:

        @task(outlets=[Asset(path), Asset(f"syn://{project}/other.txt")])
        def work():
            ObjectStoragePath(path).write_text("result")

        work()
    Run(api, dag).all()
    stored, other = api.events
    entity_id = alice.findEntityId("result.txt", alice.findEntityId("out", project))
    assert (stored["extra"]["id"], stored["extra"]["version"]) == (entity_id, 1)
    assert stored["extra"]["activity_id"] == alice.getProvenance(entity_id)["id"]
    assert other["extra"] == {}


def test_an_outlet_can_be_a_reference_by_name_or_uri(api, alice, project):
    uri = f"syn://{project}/a.txt"
    for reference in (Asset.ref(name=uri), Asset.ref(uri=uri)):
        with DAG("reference", schedule=None) as dag:

            @task(outlets=[reference])
            def write():
                ObjectStoragePath(uri).write_text("x")

            write()
        Run(api, dag).all()
        (event,) = api.instances["reference", "run_1", "write", -1].outlet_events
        assert event["extra"]["id"] == alice.findEntityId("a.txt", project)
        assert event["extra"]["version"] == 1


def test_outlet_of_another_version_has_no_properties(api, put, tmp_path):
    entity_id = put("result.txt", "old").partition(".")[0]
    (tmp_path / "result.txt").write_text("new")
    with DAG("version_outlet", schedule=None) as dag:

        @task(outlets=[Asset(f"syn://{entity_id}.7"), Asset(f"syn://{entity_id}.2")])
        def work():
            ObjectStoragePath(f"syn://{entity_id}").write_text("new")

        work()
    Run(api, dag).all()
    other, stored = api.events
    assert other["extra"] == {}
    assert stored["extra"]["version"] == 2


def test_a_run_of_another_dag_uses_the_version_of_the_event(api, alice, put, project, sources_of):
    entity_id = put("shared.txt", "1").partition(".")[0]
    asset = synapse_asset(entity_id)
    with DAG("producer", schedule=None) as producer:

        @task(outlets=[asset])
        def write():
            ObjectStoragePath(f"syn://{entity_id}").write_text("2")

        write()
    Run(api, producer).all()
    put("shared.txt", "3")
    with DAG("consumer", schedule=[asset]) as consumer:

        @task
        def work():
            ObjectStoragePath(f"syn://{project}/made.txt").write_text("made")

        work()
    Run(api, consumer, "run_2", events=tuple(api.events)).all()
    extra = api.events[0]["extra"]
    assert (extra["version"], extra["name"]) == (2, "shared.txt")
    assert sources_of(alice.findEntityId("made.txt", project))[0] == [f"{entity_id}.2"]
