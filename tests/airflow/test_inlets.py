"""Inlets and triggering asset events as inputs of a task."""

import json

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, task
from airflow.sdk.definitions.asset import AssetNameRef
from support.execution_api import Run

from synapse_workflows import (
    File,
    SynapseHook,
    SynapseStoreOperator,
    synapse_asset,
    synapse_submissions_asset,
)


@pytest.fixture
def write(tmp_path):
    """Function that writes a file and returns its path."""

    def make(name, text="text"):
        path = tmp_path / name
        path.write_text(str(text))
        return str(path)

    return make


def without_version(entity):
    return entity.split(".")[0]


def test_inlet_has_version_of_newest_event(api, project, put, write, sources_of):
    entity = put("in.txt", "1")
    put("in.txt", "2")
    asset = synapse_asset(entity)
    api.emit(asset.uri, version=1)
    with DAG("inlets", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=write("i.txt"),
            parent_id=project,
            inlets=[asset, Asset("s3://bucket/key")],
        )
    used = sources_of(Run(api, dag).all().value("store")["id"])[0]
    assert used == [f"{without_version(entity)}.1", "s3://bucket/key"]


def test_inlet_without_event_has_current_version(api, project, put, write, sources_of):
    put("in.txt", "1")
    newest = put("in.txt", "2")
    with DAG("unpinned", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=write("u.txt"),
            parent_id=project,
            inlets=[synapse_asset(newest)],
        )
    assert sources_of(Run(api, dag).all().value("store")["id"])[0] == [newest]


def test_missing_inlet_is_a_gap(api, project, write, alice):
    with DAG("gone", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=write("g.txt"),
            parent_id=project,
            inlets=[synapse_asset("syn999999999")],
        )
    activity = alice.getProvenance(Run(api, dag).all().value("store")["id"])
    gap = "Not pinned: syn999999999 was not found, or is not readable by this account"
    assert gap in activity["description"].splitlines()


def test_inlets_by_alias_and_name_are_resolved_by_events(api, project, put, write, sources_of):
    one, two = put("one.txt"), put("two.txt")
    api.emit(synapse_asset(one).uri, aliases=("found",), version=1)
    api.emit(synapse_asset(two).uri, version=1)
    with DAG("named", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=write("n.txt"),
            parent_id=project,
            inlets=[AssetAlias("found"), AssetNameRef(synapse_asset(two).name)],
        )
    used = sources_of(Run(api, dag).all().value("store")["id"])[0]
    assert sorted(used) == sorted([one, two])


def test_inlets_of_upstream_task_are_inherited(api, project, put, write, sources_of):
    entity = put("in.txt")
    with DAG("through", schedule=None) as dag:

        @task(inlets=[synapse_asset(entity)])
        def work():
            return write("t.txt")

        SynapseStoreOperator(task_id="store", path=work(), parent_id=project)
    assert sources_of(Run(api, dag).all().value("store")["id"])[0] == [entity]


def test_read_version_takes_precedence_over_inlet(api, project, put, write, sources_of):
    old = put("in.txt", "1")
    put("in.txt", "2")
    api.emit(synapse_asset(old).uri, version=2)
    with DAG("wins", schedule=None) as dag:

        @task(inlets=[synapse_asset(old)])
        def work():
            syn = SynapseHook().client
            syn.get(old)
            return syn.store(File(write("w.txt"), parent=project)).id

        work()
    assert sources_of(Run(api, dag).all().value("work"))[0] == [old]


def test_newest_triggering_event_is_input_of_root_task(api, project, put, write, sources_of):
    entity = put("in.txt", "1")
    put("in.txt", "2")
    asset = synapse_asset(entity)
    events = (api.emit(asset.uri, version=1), api.emit(asset.uri, version=2))
    with DAG("triggered_by_events", schedule=[asset]) as dag:

        @task
        def root():
            return write("e.txt")

        SynapseStoreOperator(task_id="store", path=root(), parent_id=project)
    run = Run(api, dag, events=events[::-1]).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{without_version(entity)}.2"]


def test_version_in_trigger_payload_is_used(api, project, put, write, sources_of):
    entity = put("in.txt", "1")
    put("in.txt", "2")
    asset = synapse_asset(entity)
    event = api.emit(asset.uri, from_trigger=True, payload={"version": 1})
    with DAG("triggered", schedule=[asset]) as dag:
        SynapseStoreOperator(task_id="store", path=write("p.txt"), parent_id=project)
    run = Run(api, dag, events=(event,)).all()
    assert sources_of(run.value("store")["id"])[0] == [entity]


@pytest.mark.parametrize("version", [-3, 0, 1.5, True, "x", [1]])
def test_an_invalid_version_in_an_event_is_not_recorded(
    api, project, put, write, sources_of, version
):
    raw = put().partition(".")[0]
    event = api.emit(synapse_asset(raw).uri, version=version)
    with DAG("invalid", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=write("x"), parent_id=project)
    run = Run(api, dag, events=(event,)).all()
    assert sources_of(run.value("store")["id"])[0] == [f"{raw}.1"]


def test_queue_that_triggered_the_run_is_not_an_input(api, project, write, sources_of):
    queue = synapse_submissions_asset("9600001")
    payload = {"evaluation_id": "9600001", "submission_ids": ["9700001"]}
    event = api.emit(queue.uri, from_trigger=True, payload=payload)
    with DAG("watch", schedule=[queue]) as dag:
        SynapseStoreOperator(
            task_id="store", path=write("out.txt"), parent_id=project, inlets=[queue]
        )
    stored = Run(api, dag, events=(event,)).all().value("store")
    assert sources_of(stored["id"])[0] == []


def test_triggering_event_is_no_input_of_later_tasks(api, project, put, write, sources_of):
    asset = synapse_asset(put("in.txt"))
    with DAG("roots", schedule=[asset]) as dag:

        @task
        def root():
            return SynapseHook().client.store(File(write("root.txt"), parent=project)).id

        @task
        def later(entity):
            path = write("later.txt")
            return SynapseHook().client.store(File(path, parent=project)).id

        later(root())
    run = Run(api, dag, events=(api.emit(asset.uri, version=1),)).all()
    assert sources_of(run.value("later"))[0] == [f"{run.value('root')}.1"]


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://user:q7Zx@host:5432/db/schema/table",
        "https://user:q7Zx@host/path",
        "https://host/path?X-Amz-Signature=q7Zx&X-Amz-Date=1",
        "https://host/path?token=q7Zx",
        "s3://AKIA:q7Zx@bucket/key",
        "custom://user:q7Zx@host/a",
    ],
)
@pytest.mark.filterwarnings("ignore:An Asset URI should not contain a password")
@pytest.mark.parametrize("role", ["inlet", "used", "executed", "activity", "separate"])
def test_no_secret_of_a_url_is_recorded(api, project, alice, tmp_path, uri, role):
    (tmp_path / "out.txt").write_text("out")
    declared = {
        "inlet": {"inlets": [Asset(uri)]},
        "used": {"used": [{"url": uri, "name": f"see {uri}"}]},
        "executed": {"executed": uri},
        "activity": {"activity": {"name": f"from {uri}", "used": [{"url": uri, "name": uri}]}},
        "separate": {"used": uri, "lineage_mode": "off"},
    }
    with DAG("secrets", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=str(tmp_path / "out.txt"), parent_id=project, **declared[role]
        )
    run = Run(api, dag).all()
    activity = dict(alice.getProvenance(run.value("store")["id"]))
    assert "q7Zx" not in json.dumps(activity)
    assert "q7Zx" not in json.dumps(run.record("store"))
    assert [one for one in activity["used"] if uri.partition(":")[0] in json.dumps(one)]


def test_alias_has_the_newest_event_of_each_of_its_assets(api, project, put, write, sources_of):
    one, two = put("one.txt", "1"), put("two.txt")
    newer = put("one.txt", "2")
    for entity, version in ((one, 1), (two, 1), (newer, 2)):
        api.emit(synapse_asset(entity).uri, aliases=("found",), version=version)
    with DAG("alias", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=write("a.txt"), parent_id=project, inlets=[AssetAlias("found")]
        )
    used = sources_of(Run(api, dag).all().value("store")["id"])[0]
    assert sorted(used) == sorted([newer, two])


def test_declared_version_takes_precedence_over_events(api, project, put, write, sources_of):
    old = put("in.txt", "1")
    put("in.txt", "2")
    asset = Asset(f"syn://{old}")
    events = (api.emit(asset.uri, version=2),)
    with DAG("partial", schedule=[asset]) as dag:
        SynapseStoreOperator(
            task_id="store", path=write("v.txt"), parent_id=project, inlets=[asset]
        )
    run = Run(api, dag, events=events).all()
    assert sources_of(run.value("store")["id"])[0] == [old]


def test_path_is_the_entity_of_its_event(api, project, put, write, sources_of):
    raw = put("in.txt")
    asset = Asset(f"syn://{project}/in.txt")
    other = Asset(f"syn://{project}/other.txt")
    api.emit(asset.uri, id=raw.partition(".")[0], version=1)
    with DAG("paths", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path=write("p.txt"), parent_id=project, inlets=[asset, other]
        )
    run = Run(api, dag).all()
    assert sources_of(run.value("store")["id"])[0] == [raw]
    assert f"asset syn://{project}/other.txt: it has no event" in run.record("store")["gaps"][0]
