"""Lineage inherited from upstream tasks and their instances."""

import json
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


class NoDataOperator(BaseOperator):
    """Operator without XCom arguments and without return value, such as BashOperator."""

    def execute(self, context):  # noqa: ARG002 - defined by Airflow
        return None


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


def test_data_dependency_takes_precedence_over_order(api, project, put, write, sources_of):
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


def test_task_without_data_dependency_inherits_from_all_upstream_tasks(
    api, project, put, write, sources_of
):
    one, two = put("one.txt"), put("two.txt")
    with DAG("order", schedule=None) as dag:
        gets = [
            SynapseGetOperator(task_id=f"get_{number}", entity_id=entity)
            for number, entity in enumerate((one, two))
        ]
        bash = NoDataOperator(task_id="bash")
        store = SynapseStoreOperator(task_id="store", path=write("o.txt"), parent_id=project)
        gets >> bash >> store
    used, executed = sources_of(Run(api, dag).all().value("store")["id"])
    assert sorted(used) == sorted([one, two])
    assert len(executed) == 1


def test_stored_entity_hides_its_own_sources(api, project, put, write, sources_of):
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


def test_skipped_task_contributes_nothing(api, project, put, write, sources_of):
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
    assert run.record("choose")["used"][0]["id"] == without_version(good)


def test_failed_task_contributes_nothing(api, project, put, write, sources_of):
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


def test_mapped_instance_inherits_from_instance_with_same_index(
    api, project, put, write, sources_of
):
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


def test_activity_name_of_mapped_task_has_map_index(api, project, alice, write):
    with DAG("indexed", schedule=None) as dag:
        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=[write("m0.txt", 0), write("m1.txt", 1)]
        )
    run = Run(api, dag).all(store=2)
    activity = alice.getProvenance(run.value("store", map_index=1)["id"])
    assert activity["name"] == "indexed.store[1]"


def test_task_with_list_argument_inherits_from_all_instances(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(3)]
    with DAG("collect", schedule=None) as dag:
        parts = SynapseGetOperator.partial(task_id="get").expand(entity_id=entities)

        @task
        def join(files):
            return write("all.txt", "".join(Path(local_path(f)).read_text() for f in files))

        SynapseStoreOperator(task_id="store", path=join(parts.output), parent_id=project)
    run = Run(api, dag).all(get=3)
    assert sorted(sources_of(run.value("store")["id"])[0]) == sorted(entities)


def test_skipped_instances_do_not_count_for_mapped_position(api, project, put, write, sources_of):
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


@pytest.mark.parametrize("empty", [{0}, {1}, {1, 2}, set()])
def test_instances_without_a_result_are_no_lost_sources(
    api, project, put, write, sources_of, alice, empty
):
    """Airflow leaves out the instances that return None, and does not tell which they are."""
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(4)]
    with DAG("empty", schedule=None) as dag:

        @task
        def get(entity):
            file = SynapseHook().client.get(entity)
            number = entities.index(entity)
            return None if number in empty else write(f"{number}.txt", Path(file.path).read_text())

        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=get.expand(entity=entities)
        )
    left = [number for number in range(4) if number not in empty]
    run = Run(api, dag).all(get=4, store=len(left))
    for index, number in enumerate(left):
        stored = run.value("store", map_index=index)
        assert stored["name"] == f"{number}.txt"
        used = sources_of(stored["id"])[0]
        assert entities[number] in used
        assert len(used) == 1 + len(empty)
        description = alice.getProvenance(stored["id"])["description"]
        assert ("some instances of task get returned no value" in description) == bool(empty)


def test_tasks_of_mapped_group_inherit_within_their_instance(api, project, put, write, sources_of):
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


def test_mapped_group_inherits_from_items_of_its_argument(api, project, put, write, sources_of):
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


def test_entity_of_other_synapse_is_recorded_as_url(
    api, project, put, write, sources_of, connection, socket_service
):
    entity = put("far.txt")
    far = json.loads(connection)
    far["host"] = far["host"].replace("127.0.0.1", "localhost")
    api.connections["far"] = json.dumps(far)
    with DAG("far", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=entity, synapse_conn_id="far")
        store = SynapseStoreOperator(task_id="store", path=write("far.out"), parent_id=project)
        get >> store
    used = sources_of(Run(api, dag).all().value("store")["id"])[0]
    assert used == [f"{far['host']}/entity/{without_version(entity)}/version/1"]


def test_lookup_counts_for_the_task_but_is_not_handed_on(
    api, project, put, write, sources_of, table
):
    data, looked_up = put("data.txt"), put("looked_up.txt", "looked up")
    with DAG("lookup", schedule=None) as dag:

        @task
        def work():
            syn = SynapseHook().client
            syn.get(data)
            syn.get(looked_up, downloadFile=False)
            syn.get(table)
            list(syn.getChildren(project))
            return write("worked.txt")

        @task
        def look_up_and_store():
            syn = SynapseHook().client
            syn.get(looked_up, downloadFile=False)
            return syn.store(File(write("own.txt", "own"), parent=project)).id

        SynapseStoreOperator(task_id="store", path=work(), parent_id=project)
        look_up_and_store()
    run = Run(api, dag).all()
    assert sources_of(run.value("store")["id"])[0] == [data]
    assert sources_of(run.value("look_up_and_store"))[0] == [looked_up]


def test_reference_without_content_is_read_where_it_is_downloaded(
    api, project, put, write, sources_of
):
    raw, other = put("raw.txt", "raw"), put("other.txt", "other")
    with DAG("deferred", schedule=None) as dag:
        gets = [
            SynapseGetOperator(task_id=f"get_{n}", entity_id=entity, download_file=False)
            for n, entity in enumerate((raw, other))
        ]

        @task
        def work(first, second):
            return write("worked.txt", Path(local_path(first)).read_text())

        worked = work(gets[0].output, gets[1].output)
        SynapseStoreOperator(task_id="store", path=worked, parent_id=project)
    assert sources_of(Run(api, dag).all().value("store")["id"])[0] == [raw]
