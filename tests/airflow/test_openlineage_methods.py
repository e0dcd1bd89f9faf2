"""OpenLineage events of tasks, as a file transport receives them from the real listener."""

import json

import pytest
from airflow.sdk import DAG, Asset, ObjectStoragePath, task
from airflow.sdk.io import store
from airflow.sdk.lineage import get_hook_lineage_collector
from support.execution_api import Run

from synapse_workflows import (
    Folder,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
    synapse_asset,
)

pytest.importorskip("airflow.providers.openlineage")


@pytest.fixture(scope="module")
def event_file(tmp_path_factory):
    """File to which the listener of OpenLineage writes its events."""
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener
    from airflow.sdk.listener import get_listener_manager

    manager = get_listener_manager()  # has no listener of OpenLineage without a transport
    path = tmp_path_factory.mktemp("openlineage") / "events.json"
    transport = {"type": "file", "log_file_path": str(path), "append": True}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
        environment.setenv("AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD", "True")
        forget_configuration()
        listener = OpenLineageListener()
        manager.add_listener(listener)
        yield path
        manager.pm.unregister(listener)
    forget_configuration()


@pytest.fixture
def events(event_file):
    """Function that returns the events of a task by type: START, COMPLETE and FAIL."""
    event_file.write_text("")
    store._STORE_CACHE.clear()

    def read(task_id):
        found = [json.loads(line) for line in event_file.read_text().splitlines()]
        return {one["eventType"]: one for one in found if one["job"]["name"].endswith(task_id)}

    return read


def forget_configuration():
    from airflow.providers.openlineage import conf

    for function in vars(conf).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def names(datasets):
    """Return the namespace, name and version of datasets."""
    return [
        (
            one["namespace"],
            one["name"],
            one.get("facets", {}).get("version", {}).get("datasetVersion"),
        )
        for one in datasets
    ]


@pytest.fixture
def namespace(socket_service):
    return "syn://" + socket_service.service_info["portalEndpoint"].split("/")[2]


def test_operators_report_inputs_and_outputs_with_versions(
    api, events, put, project, alice, namespace, tmp_path
):
    raw = put(text="a\n1\n")
    (tmp_path / "out.csv").write_text("a\n2\n")
    with DAG("operators", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)
        SynapseStoreOperator(
            task_id="store", path=str(tmp_path / "out.csv"), parent_id=project, used=get.output
        )
    Run(api, dag).all()
    entity_id = raw.partition(".")[0]
    assert names(events("get")["START"]["inputs"]) == [(namespace, entity_id, "1")]
    (found,) = events("get")["COMPLETE"]["inputs"]
    assert names([found]) == [(namespace, entity_id, "1")]
    facets = found["facets"]
    assert facets["documentation"]["description"] == "raw.csv"
    assert facets["storage"]["fileFormat"] == "csv"
    assert facets["datasetType"]["datasetType"] == "FILE"
    assert facets["symlinks"]["identifiers"][0]["name"] == f"Synapse:{raw}"
    stored = alice.findEntityId("out.csv", project)
    complete = events("store")["COMPLETE"]
    assert names(complete["inputs"]) == [(namespace, entity_id, "1")]
    (written,) = complete["outputs"]
    assert names([written]) == [(namespace, stored, "1")]
    properties = written["facets"]["synapse_entity"]
    assert properties["activityId"] == alice.getProvenance(stored)["id"]
    assert properties["md5"] == alice.get(stored, downloadFile=False).md5
    assert "token" not in json.dumps(complete).lower()


def test_a_query_has_columns_and_column_lineage(api, events, filled, tmp_path, namespace):
    sql = f'select "a name" as label, n from {filled}'
    with DAG("query", schedule=None) as dag:
        SynapseTableQueryOperator(task_id="query", sql=sql, output_path=str(tmp_path / "r.csv"))
        SynapseTableStoreOperator(task_id="rows", table_id=filled, rows=[{"a name": "d", "n": 4}])
    Run(api, dag).all()
    assert names(events("query")["START"]["inputs"]) == [(namespace, filled, None)]
    (table,) = events("query")["COMPLETE"]["inputs"]
    assert names([table]) == [(namespace, filled, "1")]
    assert table["facets"]["synapse_entity"]["isOpenVersion"] is True
    columns = {one["name"]: one["type"] for one in table["facets"]["schema"]["fields"]}
    assert columns["n"] == "INTEGER"
    (file,) = events("query")["COMPLETE"]["outputs"]
    assert (file["namespace"], file["name"]) == ("file", str(tmp_path / "r.csv"))
    lineage = file["facets"]["columnLineage"]["fields"]
    assert {name: one["inputFields"][0]["field"] for name, one in lineage.items()} == {
        "label": "a name",
        "n": "n",
    }
    assert names(events("rows")["COMPLETE"]["outputs"]) == [(namespace, filled, "1")]


def test_failed_tasks_report_what_they_have_read(api, events, put, project, namespace):
    raw = put()
    with DAG("failed", schedule=None) as dag:
        SynapseStoreOperator(task_id="operator", path="missing.csv", parent_id=project, used=[raw])

        @task
        def code():
            SynapseHook().client.get(raw)
            raise RuntimeError

        code()
    run = Run(api, dag)
    for task_id in ("operator", "code"):
        assert run.task(task_id).state == "failed"
    read = (namespace, raw.partition(".")[0], "1")
    assert names(events("operator")["START"]["inputs"]) == [read]
    assert names(events("code")["FAIL"]["inputs"]) == [read]


def test_paths_and_hooks_in_code_are_reported_once(api, events, put, project, alice, namespace):
    raw = put(text="x")
    with DAG("code", schedule=None) as dag:

        @task
        def code():
            text = ObjectStoragePath(f"syn://synapse_default@{raw}").read_text()
            ObjectStoragePath("memory://bucket/other.txt").write_text("x")
            ObjectStoragePath(f"syn://synapse_default@{project}/out.txt").write_text(text * 2)

        code()
    result = Run(api, dag).task("code")
    assert result.state == "success", result.error
    complete = events("code")["COMPLETE"]
    assert names(complete["inputs"]) == [(namespace, raw.partition(".")[0], "1")]
    stored = alice.findEntityId("out.txt", project)
    assert (namespace, stored, "1") in names(complete["outputs"])
    assert len([one for one in complete["outputs"] if one["namespace"] == namespace]) == 1


def test_entities_of_tasks_without_a_client_are_in_the_synapse_of_the_connection(
    api, events, namespace
):
    with DAG("declared", schedule=None) as dag:

        @task(inlets=[Asset("syn://syn12.3")], outlets=[synapse_asset("syn13")])
        def nothing():
            pass

        @task
        def program():
            return {"synapse_lineage": [{"used": "syn14.2"}]}

        nothing()
        program()
    Run(api, dag).all()
    complete = events("nothing")["COMPLETE"]
    assert names(complete["inputs"]) == [(namespace, "syn12", "3")]
    assert names(complete["outputs"]) == [(namespace, "syn13", None)]
    assert names(events("program")["COMPLETE"]["inputs"]) == [(namespace, "syn14", "2")]


def test_objects_outside_synapse_have_their_versions():
    from synapse_workflows.openlineage_datasets import build_url_dataset

    for url, expected in {
        "s3://bucket/a/b.csv?versionId=7": ("s3://bucket", "a/b.csv", "7"),
        "s3://bucket/b.csv#etag=abc": ("s3://bucket", "b.csv", "abc"),
        "https://example.org/data.csv": ("https://example.org", "/data.csv", None),
        "s3://bucket/" + 2000 * "x": ("s3://bucket", "/" + 2000 * "x", None),
    }.items():
        found = build_url_dataset(url)
        version = (found.facets or {}).get("version")
        assert (found.namespace, found.name, version and version.datasetVersion) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from syn1.3", {"a": ["a"], "b": ["b"]}),
        ('select a, b as "c d", count(*) as n from syn1 group by a', {"a": ["a"], "c d": ["b"]}),
        ("select concat(a, b) as x from syn1 where a = 'syn2'", {"x": ["a", "b"]}),
        ("select ((", {}),
    ],
)
def test_source_columns(sql, expected):
    from synapse_workflows.openlineage_columns import find_source_columns

    assert find_source_columns(sql, ["a", "b"]) == expected


def test_events_contain_no_secrets(api, events, alice, project, tmp_path, socket_service):
    folder = alice.store(Folder("secrets", parent=project))
    (tmp_path / "a.txt").write_text("x")
    with DAG("secrets", schedule=None) as dag:

        @task
        def code():
            get_hook_lineage_collector().add_input_asset(
                SynapseHook(), uri="https://example.org/a?token=tok-en-2"
            )
            path = ObjectStoragePath(f"syn://synapse_default@{project}/out.txt")
            path.write_text("x")
            assert "X-Amz-Signature" in path.sign()

        SynapseStoreOperator(
            task_id="operator",
            path=str(tmp_path / "a.txt"),
            parent_id=folder.id,
            used=["https://user:pass-word-1@example.org/b?X-Amz-Signature=tok-en-2"],
        )
        code()
    Run(api, dag).all()
    text = json.dumps([events("code"), events("operator")])
    for secret in ("pass-word-1", "tok-en-2", socket_service.token("alice"), "X-Amz"):
        assert secret not in text
    assert "https://example.org" in text
