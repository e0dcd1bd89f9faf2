"""The example DAGs on two workers, three times; Synapse then contains what `dag.test` stores."""

import pytest
from distributed.comparison import find_differences
from distributed.example_runs import COMPARED, DAYS, NO_DAG_TEST, OTHERS, QUEUES, ROUNDS

from synapse_workflows.demo.paths import examples_dir

TIMEOUT = 600
pytestmark = pytest.mark.timeout(1500)


def test_each_example_is_run():
    numbers = {int(path.name[:2]) for path in examples_dir().glob("[0-9]*.py")}
    compared = {int(dag_id[8:10]) for dag_id in COMPARED}
    assert numbers == {*compared, *OTHERS}


def test_events_start_runs(examples, events, daemon):
    """The asset watchers of the triggerer start runs for new files, submissions and images."""
    world, images = examples.inbox, events.result()
    for image in images:
        examples.images.check(image, daemon)
    moved = list(world.syn.getChildren(examples.folders["quarantine"]))
    assert {one["name"] for one in moved} == {f"new{one}.csv" for one in range(1, ROUNDS + 1)}
    for child in moved:
        annotations = world.syn.get_annotations(child["id"])
        assert (annotations["quality"], annotations["problems"]) == (["failed"], ["line 3"])
    for task_id, worker in QUEUES.items():
        logs = examples.cluster.disk(worker).glob(
            f"airflow/logs/dag_id=synapse_05*/*/task_id=*{task_id}"
        )
        assert len(list(logs)) >= ROUNDS


def test_examples_store_on_two_machines_what_they_store_on_one(examples, subtests):
    examples.cluster.wait_for_runs(examples.runs, TIMEOUT)
    examples.tests.wait()
    for dag_id in set(COMPARED) - set(NO_DAG_TEST):
        expected = examples.describe(dag_id, DAYS[0])
        for day in DAYS[1:]:
            with subtests.test(dag_id=dag_id, day=day):
                assert find_differences(examples.describe(dag_id, day), expected) == []


def test_cleaned_files_trigger_the_model(examples):
    """Assets of example 7 trigger example 8; `wait_for_runs` fails unless its runs succeed."""
    cluster = examples.cluster

    def find_runs():
        sql = "select dag_id, run_id from dag_run where dag_id = 'synapse_08_model'"
        return cluster.query(sql)

    cluster.wait_until(lambda: len(find_runs()) >= 1, TIMEOUT)
    cluster.wait_for_runs(find_runs(), TIMEOUT)


def test_release_is_public_after_the_approval(examples):
    """Three releases of the same tables at the same time."""
    cluster, runs = examples.cluster, examples.releases
    for dag_id, run_id in runs:
        cluster.wait_until(
            lambda: cluster.tasks(dag_id, run_id)["approve", -1]["state"] == "awaiting_input",  # noqa: B023
            TIMEOUT,
        )
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        cluster.request("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
    cluster.wait_for_runs(runs, TIMEOUT)
    for run in runs:
        assert examples.client.getPermissions(cluster.xcom(*run, "copy")["id"]) == ["READ"]


def test_tasks_ran_on_both_workers(examples):
    for worker in "ab":
        logs = examples.cluster.disk(worker).glob("airflow/logs/dag_id=synapse_*")
        assert len(list(logs)) > 1
