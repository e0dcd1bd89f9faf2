"""Stored entities as events of assets."""

import pytest
from airflow.sdk import DAG, Asset, task
from support.execution_api import Run

from synapse_workflows import File, SynapseHook, SynapseStoreOperator, synapse_asset
from synapse_workflows.assets import create_asset, entity_id_from_uri


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return path


@pytest.mark.parametrize("written", ["syn://syn12", "SYN://syn12/", "syn://conn@syn12"])
def test_an_entity_has_one_uri_however_it_is_written(written):
    assert Asset(written).uri == "syn://syn12"


def test_the_version_is_no_part_of_the_identity():
    assert synapse_asset("syn12.3") == synapse_asset("syn12") == Asset("syn://syn12")
    assert create_asset(entity_id="syn12", version=3).extra == {"version": 3}


@pytest.mark.parametrize(
    "path", ["syn://conn@syn1/a.txt", "syn://x@", "syn:///", "syn://not-an-id/b"]
)
def test_no_uri_breaks_the_code_of_a_task(path):
    assert Asset("named", path).uri.startswith("syn:")


def test_an_asset_tells_its_entity():
    assert entity_id_from_uri("syn://syn12") == "syn12"
    assert entity_id_from_uri("syn://syn12.3") == "syn12.3"
    assert entity_id_from_uri("syn://syn12/a.txt") is None
    assert entity_id_from_uri("s3://syn12") is None
    with pytest.raises(ValueError, match="not a valid Synapse id"):
        synapse_asset("nonsense")


def test_a_declared_outlet_says_version_md5_and_activity(api, alice, put, tmp_path):
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


def test_what_nobody_declared_is_announced_by_an_alias(api, project, result):
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


def test_an_entity_stored_twice_by_a_task_is_announced_once(api, project, result):
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


def test_no_news_is_not_announced_but_a_retry_says_what_the_first_try_could_not(
    api, project, result
):
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


def test_a_dag_that_waits_for_an_entity_knows_the_version_that_woke_it(
    api, project, result, sources_of, tmp_path
):
    with DAG("producer", schedule=None) as producer:
        SynapseStoreOperator(task_id="store", path=str(result), parent_id=project)
    stored = Run(api, producer).all().value("store")
    (event,) = api.events
    (tmp_path / "next.txt").write_text("next")
    with DAG("consumer", schedule=[synapse_asset(stored["id"])]) as consumer:
        SynapseStoreOperator(task_id="store", path=str(tmp_path / "next.txt"), parent_id=project)
    run = Run(api, consumer, events=(event,)).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{stored['id']}.1"]
