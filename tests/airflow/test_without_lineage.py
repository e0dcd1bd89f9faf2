"""Blocks without lineage."""

import threading

import pytest
from airflow.sdk import DAG, AssetAlias, task
from support.execution_api import Run

from synapse_workflows import (
    Activity,
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    local_path,
)
from synapse_workflows.client.errors import SynapseNotFoundError


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return str(path)


@pytest.mark.parametrize("block", [SynapseHook, lambda: SynapseHook().client])
def test_nothing_is_recorded_inside_the_block(api, project, put, result, sources_of, block):
    inside, outside = put("inside.txt", "inside"), put("outside.txt", "outside")
    with DAG("blocks", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            with block().without_lineage():
                syn.get(inside)
            syn.get(outside)
            return syn.store(File(result, parent=project)).id

        work()
    run = Run(api, dag).all()
    assert sources_of(run.value("work"))[0] == [outside]


def test_reference_that_is_read_inside_the_block_is_not_recorded(
    api, project, put, result, sources_of
):
    entity = put("inside.txt", "inside")
    with DAG("reference", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=entity)

        @task
        def work(file):
            with SynapseHook().without_lineage():
                local_path(file)
            return result

        work(get.output)
    run = Run(api, dag).all()
    assert not (run.record("work") or {}).get("used")


def test_entity_stored_inside_the_block_has_no_activity_and_no_event(
    api, project, alice, put, result
):
    source = put()
    with DAG("stored", schedule=None) as dag:

        @task(outlets=[AssetAlias("results")])
        def work():
            hook = SynapseHook()
            with hook.without_lineage():
                hook.client.get(source)
                plain = hook.client.store(File(result, parent=project))
                declared = hook.client.store(
                    File(result, name="declared.txt", parent=project), used=source
                )
            return [plain.id, declared.id]

        work()
    plain, declared = Run(api, dag).all().value("work")
    with pytest.raises(SynapseNotFoundError):
        alice.getProvenance(plain)
    (item,) = alice.getProvenance(declared)["used"]
    assert item["reference"] == {"targetId": source.split(".")[0], "targetVersionNumber": 1}
    assert api.events == []


def test_snapshot_inside_the_block_has_no_task_activity(api, alice, filled, put):
    source = put()
    with DAG("snapshots", schedule=None) as dag:

        @task
        def work():
            hook = SynapseHook()
            hook.client.get(source)
            with hook.without_lineage():
                return hook.client.create_snapshot_version(
                    filled, activity=Activity(name="by hand")
                )

        work()
    version = Run(api, dag).all().value("work")
    assert alice.getProvenance(filled, version)["name"] == "by hand"


def test_overlapping_blocks_in_threads_do_not_affect_each_other(
    api, project, put, result, sources_of
):
    first, second, recorded = (put(f"{n}.txt", n) for n in ("first", "second", "recorded"))
    with DAG("threads", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            first_entered, second_entered, first_left = (threading.Event() for _ in range(3))

            def enter_first():
                with syn.without_lineage():
                    first_entered.set()
                    second_entered.wait(60)
                    syn.get(first)
                first_left.set()

            def enter_second():
                first_entered.wait(60)
                with syn.without_lineage():
                    second_entered.set()
                    first_left.wait(60)
                    syn.get(second)

            threads = [threading.Thread(target=one) for one in (enter_first, enter_second)]
            for thread in threads:
                thread.start()
            second_entered.wait(60)
            syn.get(recorded)
            for thread in threads:
                thread.join()
            return syn.store(File(result, parent=project)).id

        work()
    run = Run(api, dag).all()
    assert sources_of(run.value("work"))[0] == [recorded]


def test_block_ends_with_an_error(api, project, put, result, sources_of):
    source = put()
    with DAG("errors", schedule=None) as dag:

        @task
        def work():
            hook = SynapseHook()
            with pytest.raises(SynapseNotFoundError), hook.without_lineage():
                hook.client.get("syn99999999")
            hook.client.get(source)
            return result

        SynapseStoreOperator(task_id="store", path=work(), parent_id=project)
    run = Run(api, dag).all()
    assert sources_of(run.value("store")["id"])[0] == [source]
