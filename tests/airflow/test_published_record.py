"""The XCom with the lineage of a task instance."""

import json

from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import SynapseGetOperator, SynapseHook, SynapseStoreOperator
from synapse_workflows.lineage.published_record import DataFlow, PublishedRecord
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef


def read(run, task_id, map_index=-1):
    return PublishedRecord.from_json(run.record(task_id, map_index))


def test_a_record_keeps_its_parts_in_json():
    record = Record.from_refs(
        Origin.READ, used=[EntityRef("syn1", 2, "https://repo")], gaps=["g"]
    ) | Record.from_stored(EntityRef("syn3", 1, "https://repo"))
    published = PublishedRecord(
        record,
        0,
        Record.from_refs(Origin.READ, used=[UrlRef("https://a.org/x")], gaps=["h"]),
        (DataFlow("a", None, "b", 3),),
        {"syn1": "one"},
        {"syn3": "9"},
        {"https://repo": "https://portal"},
        ("syn3",),
    )
    value = json.loads(json.dumps(published.to_json()))
    assert PublishedRecord.from_json(value) == published
    assert Record.from_json(value) == record | published.upstream


def test_a_record_of_an_earlier_version_is_read_as_the_record_of_the_task():
    record = Record.from_refs(Origin.READ, used=[EntityRef("syn1", 2)], gaps=["g"])
    assert PublishedRecord.from_json(record.to_json()) == PublishedRecord(record)


def test_secrets_in_names_are_not_published():
    record = Record.from_refs(Origin.READ, used=[EntityRef("syn1", 2)])
    names = {"syn1": "copy of https://user:q7Zx@a.org/x?token=q7Zx", "syn2": "other"}
    value = PublishedRecord(record, names=names).to_json()
    assert list(value["names"]) == ["syn1"]
    assert "q7Zx" not in json.dumps(value)


def test_a_storing_task_publishes_what_it_inherited_and_from_where(
    api, put, project, tmp_path, socket_service
):
    raw = put("raw.csv")
    (tmp_path / "out.txt").write_text("out")
    with DAG("flows", schedule=None) as dag:
        get = SynapseGetOperator.partial(task_id="get").expand(entity_id=[raw, put("b.csv")])

        @task
        def join(files):
            return len(list(files))

        store = SynapseStoreOperator(
            task_id="store", path=str(tmp_path / "out.txt"), parent_id=project
        )
        join(get.output) >> store
    run = Run(api, dag).all(get=2)
    stored, published = run.value("store"), read(run, "store")
    assert set(published.flows) == {
        DataFlow("join", None, "store", None),
        DataFlow("get", None, "join", None),
    }
    assert [entry.ref.id for entry in published.record.used] == []
    assert len(published.upstream.used) == 2
    assert published.names == {stored["id"]: "out.txt"}
    assert published.activities == {stored["id"]: stored["activity_id"]}
    (site,) = {ref.site for ref in published.record.wrote}
    assert published.portals == {site: socket_service.endpoints["portalEndpoint"]}
    first = read(run, "get", 0)
    assert first.map_index == 0
    assert first.names == {raw.partition(".")[0]: "raw.csv"}
    assert first.upstream == Record()


def test_a_failed_task_publishes_what_it_read_and_contributes_nothing(
    api, put, project, tmp_path, sources_of
):
    raw = put("raw.csv")
    (tmp_path / "out.txt").write_text("out")
    with DAG("failed", schedule=None) as dag:

        @task
        def read_and_fail():
            SynapseHook().client.get(raw)
            raise ValueError("after the read")

        store = SynapseStoreOperator(
            task_id="store",
            path=str(tmp_path / "out.txt"),
            parent_id=project,
            trigger_rule="all_done",
        )
        read_and_fail() >> store
    run = Run(api, dag)
    assert run.task("read_and_fail").state == "failed"
    assert [str(entry.ref) for entry in read(run, "read_and_fail").record.used] == [raw]
    assert run.task("store").state == "success"
    assert sources_of(run.value("store")["id"])[0] == []
