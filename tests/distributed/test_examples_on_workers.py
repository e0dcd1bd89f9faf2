"""The example DAGs on two workers, three times; Synapse then contains what `dag.test` stores."""

import json
from datetime import date, timedelta
from itertools import count

import pytest
from distributed.comparison import find_differences, normalize_activities, sort_versions
from distributed.dag_tests import DagTest, DagTests
from distributed.example_runs import (
    COMPARED,
    DAYS,
    NO_DAG_TEST,
    NOT_RUN,
    OTHERS,
    Inputs,
    create_challenge,
    create_warehouse,
    install_examples,
    serve_catalogue,
)
from support.kill_matrix import World

from synapse_workflows import File, Project
from synapse_workflows.demo.paths import examples_dir

ROUNDS = 3
NUMBERS = count(7000)
pytestmark = pytest.mark.timeout(1200)


def test_each_example_is_run_or_has_a_reason():
    numbers = {int(path.name[:2]) for path in examples_dir().glob("[0-9]*.py")}
    compared = {int(dag_id[8:10]) for dag_id in COMPARED}
    assert numbers == {*compared, *OTHERS, *NOT_RUN}


class Examples:
    """Runs of the examples: on the cluster in rounds, and with `dag.test`."""

    def __init__(self, cluster, client, folder):
        self.cluster, self.client, self.folder = cluster, client, folder
        shared = cluster.folder / "shared"
        self.inputs = Inputs(cluster.synapse.service_info["seed"], shared)
        self.worlds = {}
        self.inbox = self.create_world()
        self.folders = {name: self.inbox.container(name) for name in ("inbox", "quarantine")}
        ids = {"syn10000002": self.folders["inbox"], "syn10000005": self.folders["quarantine"]}
        self.challenge = self.create_world()
        queue, self.predictions = create_challenge(self.challenge)
        install_examples(cluster, {"04": queue, "16": ids})

    def create_world(self) -> World:
        number = next(NUMBERS)
        folder = self.folder / str(number)
        folder.mkdir()
        return World(self.cluster.synapse, self.client, folder, number)

    def start(self, connections):
        for name, connection in connections.items():
            body = {"connection_id": name, **connection}
            self.cluster.request("POST", "/connections", body)
        runs = [self.prepare(dag_id, day) for dag_id in COMPARED for day in DAYS]
        self.tests = DagTests(
            self.folder / "dag.test",
            self.cluster.folder / "dags",
            self.cluster.synapse.airflow_connection,
            self.cluster.process_environment
            | {
                f"AIRFLOW_CONN_{name.upper()}": json.dumps(one)
                for name, one in connections.items()
            },
        )
        self.tests.start(
            DagTest(dag_id, conf, logical_date=f"{day}T00:00:00Z")
            for dag_id, day, conf in runs
            if day == DAYS[0] and dag_id not in NO_DAG_TEST
        )
        self.cluster.wait_for_dags(*COMPARED, "synapse_08_model")
        self.runs = [
            (dag_id, self.cluster.run(dag_id, conf, logical_date=f"{day}T00:00:00Z"))
            for dag_id, day, conf in runs
            if day != DAYS[0]
        ]

    def prepare(self, dag_id, day):
        world = self.worlds[dag_id, day] = self.create_world()
        before = date.fromisoformat(day) - timedelta(days=1)
        world.replace(before.isoformat(), "{day before}")
        world.replace(day, "{day}")
        world.replace(f"world-{world.salt}", "{world}")
        return dag_id, day, COMPARED[dag_id](self.inputs, world)

    def describe(self, dag_id, day):
        world = self.worlds[dag_id, day]
        contents = world.contents()
        entities = sort_versions(normalize_activities(contents.entities))
        return entities | {"wiki": normalize_activities(contents.describe_wiki(world.project))}


@pytest.fixture(scope="module")
def examples(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    with (
        cluster.synapse.client(cache_root_dir=str(folder / "cache")) as client,
        serve_catalogue(folder) as catalogue,
    ):
        examples = Examples(cluster, client, folder)
        warehouse = create_warehouse(cluster.folder / "shared" / "warehouse.db")
        examples.start({"warehouse": warehouse, "catalogue": catalogue})
        yield examples
        examples.tests.stop()


def test_new_files_are_checked_once(examples):
    """The asset watcher of the triggerer starts a run for the new files; they are moved."""
    world, cluster, folders = examples.inbox, examples.cluster, examples.folders
    names = [f"new{number}.csv" for number in range(ROUNDS)]
    for name in names:
        world.put(name, "a,b\n1,2", parent=folders["inbox"])

    def list_moved():
        return sorted(one["name"] for one in world.syn.getChildren(folders["quarantine"]))

    cluster.wait_until(lambda: list_moved() == names, 400)
    for child in world.syn.getChildren(folders["quarantine"]):
        annotations = world.syn.get_annotations(child["id"])
        assert (annotations["quality"], annotations["problems"]) == (["failed"], ["line 3"])


def test_examples_store_on_two_machines_what_they_store_on_one(examples, subtests):
    examples.cluster.wait_for_runs(examples.runs, 600)
    examples.tests.wait()
    for dag_id in set(COMPARED) - set(NO_DAG_TEST):
        expected = examples.describe(dag_id, DAYS[0])
        for day in DAYS[1:]:
            with subtests.test(dag_id=dag_id, day=day):
                assert find_differences(examples.describe(dag_id, day), expected) == []


def test_cleaned_files_trigger_the_model(examples):
    """Each run of example 7 triggers one of example 8."""
    cluster = examples.cluster

    def find_runs():
        sql = "select dag_id, run_id from dag_run where dag_id = 'synapse_08_model'"
        return cluster.query(sql)

    cluster.wait_until(lambda: len(find_runs()) >= 1, 300)
    cluster.wait_for_runs(find_runs(), 400)


def test_release_is_public_after_the_approval(examples):
    """Three releases of the same tables at the same time."""
    world, cluster = examples.create_world(), examples.cluster
    ids = {f"{name}_id": world.container(name) for name in ("staging", "public")}
    cluster.wait_for_dags("synapse_13_release")
    runs = [
        ("synapse_13_release", cluster.run("synapse_13_release", ids | {"release": f"r{number}"}))
        for number in range(ROUNDS)
    ]
    for dag_id, run_id in runs:
        cluster.wait_until(
            lambda: cluster.tasks(dag_id, run_id)["approve", -1]["state"] == "awaiting_input",  # noqa: B023
            400,
        )
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        cluster.request("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
    cluster.wait_for_runs(runs, 400)
    for run in runs:
        assert world.syn.getPermissions(cluster.xcom(*run, "copy")["id"]) == ["READ"]


def test_submissions_are_scored(examples):
    """The asset watcher of the triggerer starts a run for each submission."""
    world, cluster, queue = examples.challenge, examples.cluster, examples.challenge.queue
    with world.service.client("bob", cache_root_dir=str(world.folder / "bob")) as bob:
        project = bob.store(Project(f"Submissions of {world.salt}"))
        file = bob.store(File(examples.predictions, parent=project))
        for number in range(1, ROUNDS + 1):
            bob.submit(queue.id, file)

            def is_scored(number=number):
                scored = world.syn.getSubmissions(queue.id, status="SCORED")
                return len(list(scored)) == number

            cluster.wait_until(is_scored, 400)


def test_tasks_ran_on_both_workers(examples):
    for worker in "ab":
        logs = examples.cluster.disk(worker).glob("airflow/logs/dag_id=synapse_*")
        assert len(list(logs)) > 1
