"""The walk upstream: from which tasks, and which of their instances, inputs are taken."""

from pathlib import Path

import pytest
from airflow.sdk import DAG, BaseOperator, task, task_group
from support.execution_api import Run

from synapse_workflows import (
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    local_path,
)


class Plain(BaseOperator):
    """An operator that takes no values and leaves a file somewhere, as BashOperator does."""

    def execute(self, context):  # noqa: ARG002 - Airflow's words
        return None


@pytest.fixture
def write(tmp_path):
    """Write a file of a run; give its path."""

    def make(name, text="text"):
        path = tmp_path / name
        path.write_text(str(text))
        return str(path)

    return make


def base(entity):
    return entity.split(".")[0]


def test_data_edges_come_before_order_edges(api, project, put, write, sources_of):
    data, other = put("data.txt"), put("other.txt")
    with DAG("edges", schedule=None) as dag:
        get_data = SynapseGetOperator(task_id="data", entity_id=data)
        get_other = SynapseGetOperator(task_id="other", entity_id=other)

        @task
        def make(file):
            return write("made.txt")

        store = SynapseStoreOperator(
            task_id="store", path=make(get_data.output), parent_id=project
        )
        get_other >> store
    assert sources_of(Run(api, dag).all().value("store")["id"])[0] == [data]


def test_a_task_that_takes_no_values_takes_from_all_before_it(
    api, project, put, write, sources_of
):
    one, two = put("one.txt"), put("two.txt")
    with DAG("order", schedule=None) as dag:
        gets = [
            SynapseGetOperator(task_id=f"get_{place}", entity_id=entity)
            for place, entity in enumerate((one, two))
        ]
        bash = Plain(task_id="bash")
        store = SynapseStoreOperator(task_id="store", path=write("o.txt"), parent_id=project)
        gets >> bash >> store
    used, executed = sources_of(Run(api, dag).all().value("store")["id"])
    assert sorted(used) == sorted([one, two])
    assert len(executed) == 1


def test_the_walk_ends_at_what_was_stored(api, project, put, write, sources_of):
    raw = put()
    with DAG("chain", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=raw)

        @task
        def first(file):
            path = write("first.txt", Path(local_path(file)).read_text())
            return SynapseHook().client.store(File(path, parent=project)).id

        @task
        def second(entity):
            return write("second.txt")

        entity = first(get.output)
        SynapseStoreOperator(task_id="store", path=second(entity), parent_id=project)
    run = Run(api, dag).all()
    assert sources_of(run.value("first"))[0] == [raw]
    assert sources_of(run.value("store")["id"])[0] == [run.value("first") + ".1"]


def test_what_did_not_run_contributes_nothing(api, project, put, write, sources_of):
    good, bad = put("good.txt"), put("bad.txt")
    with DAG("branches", schedule=None) as dag:

        @task.branch
        def choose():
            SynapseHook().client.get(good)
            return "left"

        left = SynapseGetOperator(task_id="left", entity_id=good)
        right = SynapseGetOperator(task_id="right", entity_id=bad)
        store = SynapseStoreOperator(
            task_id="store",
            path=write("b.txt"),
            parent_id=project,
            trigger_rule="none_failed_min_one_success",
        )
        choose() >> [left, right] >> store
    run = Run(api, dag).all()
    assert run.record("right") is None
    assert sources_of(run.value("store")["id"])[0] == [good]
    assert run.record("choose")["used"][0]["id"] == base(good)


def test_a_task_that_failed_after_it_read_contributes_nothing(
    api, project, put, write, sources_of
):
    good, bad = put("good.txt"), put("bad.txt")
    with DAG("failing", schedule=None) as dag:

        @task
        def breaks():
            syn = SynapseHook().client
            syn.get(bad)
            syn.store(File(write("half.txt"), parent=project))
            raise RuntimeError("broken")

        get = SynapseGetOperator(task_id="get", entity_id=good)
        store = SynapseStoreOperator(
            task_id="store", path=write("f.txt"), parent_id=project, trigger_rule="all_done"
        )
        [breaks(), get] >> store
    run = Run(api, dag)
    assert run.task("breaks").state == "failed"
    assert run.record("breaks")["wrote"]
    run.task("get")
    run.task("store")
    assert sources_of(run.value("store")["id"])[0] == [good]


def test_each_mapped_instance_takes_from_its_own(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(3)]
    with DAG("mapped", schedule=None) as dag:
        parts = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task
        def work(file):
            return write(f"done_{file['name']}", Path(local_path(file)).read_text())

        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=work.expand(file=parts.output)
        )
    run = Run(api, dag).all(get=3, work=3, store=3)
    for index, entity in enumerate(entities):
        stored = run.value("store", map_index=index)
        assert stored["name"] == f"done_part_{index}.txt"
        assert sources_of(stored["id"])[0] == [entity]
    assert len({run.value("store", map_index=i)["activity_id"] for i in range(3)}) == 3


def test_names_of_mapped_activities_tell_the_instance(api, project, alice, write):
    with DAG("indexed", schedule=None) as dag:
        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=[write("m0.txt", 0), write("m1.txt", 1)]
        )
    run = Run(api, dag).all(store=2)
    activity = alice.getProvenance(run.value("store", map_index=1)["id"])
    assert activity["name"] == "indexed.store[1]"


def test_a_task_that_collects_takes_from_all_instances(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(3)]
    with DAG("collect", schedule=None) as dag:
        parts = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task
        def join(files):
            return write("all.txt", "".join(Path(local_path(f)).read_text() for f in files))

        SynapseStoreOperator(task_id="store", path=join(parts.output), parent_id=project)
    run = Run(api, dag).all(get=3)
    assert sorted(sources_of(run.value("store")["id"])[0]) == sorted(entities)


def test_instances_that_were_skipped_are_passed_over(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(3)]
    with DAG("gap", schedule=None) as dag:

        @task
        def get(entity):
            from airflow.sdk.exceptions import AirflowSkipException

            SynapseHook().client.get(entity)
            if entity == entities[1]:
                raise AirflowSkipException
            return entity

        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=get.expand(entity=entities).map(lambda entity: write(f"{entity}.txt", entity))
        )
    run = Run(api, dag)
    states = [run.task("get", index).state for index in range(3)]
    assert states == ["success", "skipped", "success"]
    for index in range(2):
        run.task("store", index)
    assert sources_of(run.value("store", map_index=1)["id"])[0] == [entities[2]]


def test_a_mapped_group_keeps_to_its_instance(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(2)]
    with DAG("grouped", schedule=None) as dag:

        @task_group
        def each(entity):
            get = SynapseGetOperator(task_id="get", entity_id=entity)

            @task
            def work(file):
                return write(f"done_{file['name']}", Path(local_path(file)).read_text())

            SynapseStoreOperator(task_id="store", path=work(get.output), parent_id=project)

        each.expand(entity=entities)
    run = Run(api, dag).all(each_get=2, each_work=2, each_store=2)
    for index, entity in enumerate(entities):
        stored = run.value("each.store", map_index=index)
        assert sources_of(stored["id"])[0] == [entity]


def test_a_mapped_group_takes_items_of_what_it_maps_over(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(2)]
    with DAG("fed", schedule=None) as dag:
        parts = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task_group
        def each(file):
            @task
            def work(file):
                return write(f"done_{file['name']}", Path(local_path(file)).read_text())

            SynapseStoreOperator(task_id="store", path=work(file), parent_id=project)

        each.expand(file=parts.output)
    run = Run(api, dag).all(get=2, each_work=2, each_store=2)
    for index, entity in enumerate(entities):
        assert sources_of(run.value("each.store", map_index=index)["id"])[0] == [entity]


def test_an_entity_of_another_synapse_is_named_by_its_address(
    api, project, put, write, sources_of, connection, socket_service
):
    import json

    entity = put("far.txt")
    far = json.loads(connection)
    far["host"] = far["host"].replace("127.0.0.1", "localhost")
    api.connections["far"] = json.dumps(far)
    with DAG("far", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=entity, synapse_conn_id="far")
        store = SynapseStoreOperator(task_id="store", path=write("far.out"), parent_id=project)
        get >> store
    used = sources_of(Run(api, dag).all().value("store")["id"])[0]
    assert used == [f"{far['host']}/entity/{base(entity)}/version/1"]
