"""Data dependencies: fields and templates of a task that reference its upstream tasks."""

import pytest
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath, task, task_group
from support.execution_api import Run

from synapse_workflows import (
    File,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableStoreOperator,
    local_path,
)


class CommandOperator(BaseOperator):
    """Operator with template fields, such as BashOperator."""

    template_fields = ("command", "env")
    template_ext = (".sh",)

    def __init__(self, *, command, env=None, **kwargs):
        super().__init__(**kwargs)
        self.command = command
        self.env = env

    def execute(self, context):  # noqa: ARG002 - defined by Airflow
        return self.command


@pytest.fixture
def write(tmp_path):
    """Function that writes a file and returns its path."""

    def make(name, text="text"):
        path = tmp_path / name
        path.write_text(str(text))
        return str(path)

    return make


@pytest.fixture
def sources(put):
    """Versioned ids of three stored files: a, b and c."""
    return {name: put(f"{name}.txt", f"content {name}") for name in "abc"}


@pytest.fixture
def read_tasks(sources, write):
    """Function that adds the tasks a, b and c to a DAG, each of which reads one file."""

    def add():
        @task
        def read(entity, name):
            SynapseHook().client.get(entity)
            return write(f"made from {name}.txt", f"made from {name}")

        return {
            name: read.override(task_id=name)(entity, name) for name, entity in sources.items()
        }

    return add


def used_by_store(api, dag, sources_of, **instances):
    return sorted(sources_of(Run(api, dag).all(**instances).value("store")["id"])[0])


@pytest.mark.parametrize("field", ["parent_id", "annotations", "folder", "name"])
def test_reference_in_other_field_hides_no_upstream_task(
    api, project, sources, read_tasks, write, sources_of, field
):
    with DAG("target", schedule=None) as dag:
        reads = read_tasks()

        @task
        def choose():
            value = {"parent_id": project, "folder": "2026", "name": "n.txt", "annotations": "x"}
            return value[field]

        chosen = choose()
        given = {"annotations": {"x": chosen}} if field == "annotations" else {field: chosen}
        store = SynapseStoreOperator(
            task_id="store", path=write("out.txt"), **({"parent_id": project} | given)
        )
        [reads["a"], reads["b"]] >> store
        reads["c"] >> chosen
    assert used_by_store(api, dag, sources_of) == sorted(
        [sources["a"], sources["b"], sources["c"]]
    )


def test_reference_in_other_field_is_no_data_dependency(
    api, project, sources, read_tasks, sources_of
):
    with DAG("target", schedule=None) as dag:
        reads = read_tasks()
        SynapseStoreOperator(
            task_id="store",
            path=[reads["a"], "{{ ti.xcom_pull('b') }}"],
            parent_id=project,
            annotations={"x": reads["c"]},
        )
        reads["b"] >> dag.get_task("store")
    stored = Run(api, dag).all().value("store")
    assert [one["name"] for one in stored] == ["made from a.txt", "made from b.txt"]
    expected = sorted([sources["a"], sources["b"]])
    assert [sorted(sources_of(one["id"])[0]) for one in stored] == [expected, expected]


@pytest.mark.parametrize(
    "template",
    [
        "{{ ti.xcom_pull('b') }}",
        "{{ task_instance.xcom_pull('b') }}",
        "{{ ti.xcom_pull(task_ids='b') }}",
        "{{ ti.xcom_pull(key='return_value', task_ids='b') }}",
        "{{ ti.xcom_pull(task_ids=['b'])[0] }}",
        "{{ ti.xcom_pull(('b',))[0] }}",
        "{{ ti.xcom_pull('b', dag_id='forms') }}",
        "{{ ti.xcom_pull('b', 'forms', 'return_value') }}",
        "{{ ti.xcom_pull('b', run_id=run_id) }}",
        "{{ ti.xcom_pull(task_ids='b', map_indexes=-1) }}",
        "{{ ti['xcom_pull']('b') }}",
        "{{ (ti|attr('xcom_pull'))('b') }}",
        "{% set t = ti %}{{ t.xcom_pull('b') }}",
        "{% if true %}{{ ti.xcom_pull(\n    task_ids='b') | trim }}{% endif %}",
        "{{ ti.xcom_pull('' ~ 'b') }}",
        "{# ti.xcom_pull('a') #}{{ ti.xcom_pull('b') }}",
        "{% raw %}{% endraw %}{{ ti.xcom_pull('b').replace('xcom_pull', '') }}",
        "{% macro m(t) %}{{ t.xcom_pull('b') }}{% endmacro %}{{ m(ti) }}",
    ],
)
def test_template_names_the_task_it_pulls_from(
    api, project, sources, read_tasks, sources_of, template
):
    with DAG("forms", schedule=None) as dag:
        reads = read_tasks()
        store = SynapseStoreOperator(task_id="store", path=template, parent_id=project)
        list(reads.values()) >> store
    run = Run(api, dag).all()
    assert run.value("store")["name"] == "made from b.txt"
    assert sources_of(run.value("store")["id"])[0] == [sources["b"]]


@pytest.mark.parametrize(
    "template",
    [
        "{{ ti.xcom_pull(params.task) }}",
        "{{ ti.xcom_pull(task_ids=[params.task])[0] }}",
        "{{ ti.xcom_pull(**{'task_ids': params.task}) }}",
        "{% set pull = ti.xcom_pull %}{{ pull('b') }}",
        "{% for one in ['b'] %}{{ ti.xcom_pull(one) }}{% endfor %}",
    ],
)
def test_pull_from_computed_task_is_a_gap(
    api, project, alice, sources, read_tasks, sources_of, template
):
    with DAG("computed", schedule=None, params={"task": "b"}) as dag:
        reads = read_tasks()
        store = SynapseStoreOperator(task_id="store", path=template, parent_id=project)
        [reads["a"], reads["b"], reads["c"]] >> store
    stored = Run(api, dag).all().value("store")
    assert stored["name"] == "made from b.txt"
    assert sorted(sources_of(stored["id"])[0]) == sorted(sources.values())
    assert "xcom_pull" in alice.getProvenance(stored["id"])["description"]


def test_gap_is_recorded_beside_known_data_dependency(
    api, project, alice, sources, read_tasks, sources_of
):
    with DAG("beside", schedule=None, params={"task": "b"}) as dag:
        reads = read_tasks()
        store = SynapseStoreOperator(
            task_id="store",
            path=[reads["a"], "{{ ti.xcom_pull(params.task) }}"],
            parent_id=project,
        )
        reads["b"] >> store
    stored = Run(api, dag).all().value("store")[1]
    assert sources_of(stored["id"])[0] == [sources["a"]]
    description = alice.getProvenance(stored["id"])["description"]
    assert "Not pinned: inputs of task store: xcom_pull in line 1 of a template" in description


def test_template_fields_of_other_operator_name_its_tasks(
    api, project, sources, read_tasks, write, sources_of
):
    with DAG("other", schedule=None) as dag:
        reads = read_tasks()
        command = CommandOperator(
            task_id="command",
            command="cat {{ ti.xcom_pull('a') }}",
            env={"nested": [{"x": "{{ ti.xcom_pull(task_ids=['b']) }}"}]},
        )
        store = SynapseStoreOperator(task_id="store", path=write("out.txt"), parent_id=project)
        list(reads.values()) >> command >> store
    assert used_by_store(api, dag, sources_of) == sorted([sources["a"], sources["b"]])


def test_template_file_names_its_tasks(
    api, project, sources, read_tasks, write, sources_of, tmp_path
):
    write("included.sh", "{{ ti.xcom_pull('b') }}")
    write("run.sh", "cat {{ ti.xcom_pull('a') }} {% include 'included.sh' %}")
    with DAG("files", schedule=None, template_searchpath=[str(tmp_path)]) as dag:
        reads = read_tasks()
        command = CommandOperator(task_id="command", command="run.sh")
        store = SynapseStoreOperator(task_id="store", path=write("out.txt"), parent_id=project)
        list(reads.values()) >> command >> store
    assert used_by_store(api, dag, sources_of) == sorted([sources["a"], sources["b"]])


def test_argument_of_taskflow_function_is_a_template(
    api, project, sources, read_tasks, write, sources_of
):
    with DAG("function", schedule=None) as dag:
        reads = read_tasks()

        @task
        def work(first, second):
            return write("worked.txt", f"{first} {second}")

        worked = work(reads["a"], "{{ ti.xcom_pull('b') }}")
        [reads["b"], reads["c"]] >> worked
        SynapseStoreOperator(task_id="store", path=worked, parent_id=project)
    assert used_by_store(api, dag, sources_of) == sorted([sources["a"], sources["b"]])


def test_template_in_object_storage_path_names_its_task(
    api, project, sources, read_tasks, write, sources_of
):
    with DAG("object_path", schedule=None) as dag:
        reads = read_tasks()
        path = ObjectStoragePath("file:///tmp/{{ ti.xcom_pull('a') }}")
        command = CommandOperator(task_id="command", command="cat", env={"path": path})
        store = SynapseStoreOperator(task_id="store", path=write("out.txt"), parent_id=project)
        list(reads.values()) >> command >> store
    assert used_by_store(api, dag, sources_of) == [sources["a"]]


def test_table_id_from_task_is_no_source_of_stored_rows(
    api, table, sources, read_tasks, write_csv, sources_of
):
    with DAG("table", schedule=None) as dag:
        reads = read_tasks()

        @task
        def choose():
            return table

        store = SynapseTableStoreOperator(
            task_id="store", table_id=choose(), rows=write_csv(["a", 1])
        )
        reads["a"] >> store
    Run(api, dag).all()
    assert sources_of(table)[0] == [sources["a"]]


def test_mapped_instances_take_the_items_of_their_own_combination(
    api, project, sources, write, sources_of
):
    with DAG("product", schedule=None) as dag:
        gets = SynapseGetOperator.partial(task_id="get").expand(entity_id=list(sources.values()))

        @task
        def work(file, kind):
            return write(f"{kind} {file['name']}", local_path(file))

        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=work.expand(file=gets.output, kind=["small", "large"])
        )
    run = Run(api, dag).all(get=3, work=6, store=6)
    used = {}
    for index in range(6):
        stored = run.value("store", map_index=index)
        used[stored["name"]] = sources_of(stored["id"])[0]
    assert used == {
        f"{kind} {name}.txt": [entity]
        for kind in ("small", "large")
        for name, entity in sources.items()
    }


def test_instance_over_concatenated_list_takes_from_its_item(api, project, put, write, sources_of):
    entities = [put(f"part_{n}.txt", f"part {n}") for n in range(4)]
    with DAG("concatenated", schedule=None) as dag:
        first = SynapseGetOperator.partial(task_id="first").expand(entity_id=entities[:2])
        second = SynapseGetOperator.partial(task_id="second").expand(entity_id=entities[2:])

        @task
        def work(file):
            return write(f"done_{file['name']}", local_path(file))

        SynapseStoreOperator.partial(task_id="store", parent_id=project).expand(
            path=work.expand(file=first.output.concat(second.output))
        )
    run = Run(api, dag).all(first=2, second=2, work=4, store=4)
    used = [sources_of(run.value("store", map_index=i)["id"])[0] for i in range(4)]
    assert used == [[entity] for entity in entities]


def test_pull_by_own_map_index_takes_from_instance_with_that_index(
    api, project, sources, write, sources_of
):
    entities = list(sources.values())
    with DAG("own_index", schedule=None) as dag:

        @task_group
        def each(entity):
            @task
            def get(entity):
                SynapseHook().client.get(entity)
                return write(f"{entity}.txt", entity)

            made = get(entity)
            store = SynapseStoreOperator(
                task_id="store",
                path="{{ ti.xcom_pull('each.get', map_indexes=ti.map_index) }}",
                parent_id=project,
            )
            made >> store

        each.expand(entity=entities)
    run = Run(api, dag).all(each_get=3, each_store=3)
    used = [sources_of(run.value("each.store", map_index=i)["id"])[0] for i in range(3)]
    assert used == [[entity] for entity in entities]


def test_mapped_argument_of_other_field_is_no_data_dependency(
    api, project, alice, sources, read_tasks, write, sources_of
):
    with DAG("mapped_target", schedule=None) as dag:
        reads = read_tasks()

        @task
        def names(path):
            return ["one.txt", "two.txt"] if path else []

        stores = SynapseStoreOperator.partial(
            task_id="store", parent_id=project, path="{{ ti.xcom_pull('a') }}"
        ).expand(name=names(reads["b"]))
        reads["a"] >> stores
    run = Run(api, dag).all(store=2)
    assert [run.value("store", map_index=i)["name"] for i in range(2)] == ["one.txt", "two.txt"]
    for index in range(2):
        assert sources_of(run.value("store", map_index=index)["id"])[0] == [sources["a"]]


def test_mapped_upstream_task_of_which_some_instances_stored(
    api, project, sources, write, sources_of
):
    with DAG("some", schedule=None) as dag:
        gets = SynapseGetOperator.partial(task_id="get").expand(entity_id=list(sources.values()))

        @task
        def work(file):
            path = write(f"work {file['name']}", file["name"])
            if file["name"] == "b.txt":
                SynapseHook().client.store(File(path, parent=project))
            return path

        @task
        def join(paths):
            return write("joined.txt", list(paths))

        SynapseStoreOperator(
            task_id="store", path=join(work.expand(file=gets.output)), parent_id=project
        )
    run = Run(api, dag).all(get=3, work=3)
    stored = run.record("work", 1)["wrote"][0]
    expected = [sources["a"], sources["c"], f"{stored['id']}.{stored['version']}"]
    assert sorted(sources_of(run.value("store")["id"])[0]) == sorted(expected)
