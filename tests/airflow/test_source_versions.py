"""Requests that lineage adds to a storing task, whatever the number of its inputs."""

import json
import time
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run

from synapse_workflows import File, SynapseHook
from synapse_workflows.lineage.source_versions import SourceVersions
from synapse_workflows.provenance.record import EntityRef, Origin, Record

COUNT = 100
_numbers = count(1)


@pytest.fixture(scope="module")
def inputs(socket_service, tmp_path_factory):
    """Ids of many files that share one content."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "a.txt").write_text("a")
    with socket_service.client(cache_root_dir=str(folder / "cache")) as syn:
        from synapse_workflows import Project

        project = syn.store(Project("Many inputs")).id
        first = syn.store(File(str(folder / "a.txt"), parent=project))
        ids = [first.id]
        for number in range(1, COUNT):
            body = {
                "concreteType": first.concreteType,
                "name": f"{number}.txt",
                "parentId": project,
                "dataFileHandleId": first.dataFileHandleId,
            }
            ids.append(syn.restPOST("/entity", json.dumps(body))["id"])
    return ids


@pytest.fixture
def count_requests(api, project, tmp_path, monkeypatch):
    """Function that stores a file with some sources; returns the number of requests."""
    import requests

    sent = []
    send = requests.adapters.HTTPAdapter.send

    def send_counted(adapter, request, *args, **options):
        sent.append(f"{request.method} {request.path_url}")
        return send(adapter, request, *args, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_counted)

    def send_and_count(name, mode, used=None):
        path = tmp_path / name
        path.write_text(f"{name} {next(_numbers)}")
        with DAG(name, schedule=None) as dag:

            @task
            def work():
                syn = SynapseHook(lineage_mode=mode).client
                sent.clear()
                syn.store(File(str(path), parent=project), used=used)

            work()
        Run(api, dag).all()
        return list(sent)

    return send_and_count


@pytest.mark.parametrize("suffix", ["", ".1"])
def test_lineage_adds_two_requests_for_a_hundred_inputs(
    count_requests, inputs, suffix, alice, project
):
    without = count_requests("off", "off")
    used = [f"{entity_id}{suffix}" for entity_id in inputs]
    requests = count_requests("merge", "merge", used)
    assert len(requests) <= len(without) + 2, requests
    activity = alice.getProvenance(alice.findEntityId("merge", project))
    references = [item["reference"] for item in activity["used"] if not item["wasExecuted"]]
    assert {one["targetId"]: one["targetVersionNumber"] for one in references} == dict.fromkeys(
        inputs, 1
    )


def test_inputs_that_were_read_add_one_request(count_requests):
    assert len(count_requests("alone", "merge")) == len(count_requests("off", "off")) + 1


def test_unreadable_and_deleted_inputs_are_gaps(lineage_client_of_alice, alice, put, project):
    deleted = put().split(".")[0]
    alice.delete(deleted)
    refs = [EntityRef(deleted), EntityRef("syn999999999"), EntityRef(project)]
    pinned = SourceVersions(lineage_client_of_alice).pin(Record.from_refs(Origin.INLET, used=refs))
    assert pinned.inputs() == (EntityRef(project),)
    assert len(pinned.gaps) == 2


@pytest.fixture
def lineage_client_of_alice(alice):
    return alice


@pytest.mark.parametrize("number", [1000, 10_000])
def test_many_inputs_are_stored_or_summarized(api, project, tmp_path, alice, inputs, number):
    """1000 sources are listed in full; of 10 000, the Activity says how many are left out."""
    path = tmp_path / "many.txt"
    path.write_text(str(number))
    with DAG("many", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            from synapse_workflows.lineage.collector import current_collector

            collector = current_collector()
            for one in range(number):
                ref = EntityRef(f"syn{10**8 + one}", 1, syn.repoEndpoint)
                collector.add(Record.from_refs(Origin.READ, used=[ref]))
            syn.store(File(str(path), parent=project))

        work()
    start = time.process_time()
    run = Run(api, dag).all()
    assert time.process_time() - start < 20
    activity = alice.getProvenance(alice.findEntityId("many.txt", project))
    if number == 1000:
        assert len(activity["used"]) == number + 1
        assert "Left out" not in activity["description"]
    else:
        assert len(activity["used"]) == 2000
        assert "Left out: 8001 sources" in activity["description"]
    assert len(json.dumps(run.record("work"))) < 1_000_000
