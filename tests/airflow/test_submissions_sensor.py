"""SynapseSubmissionSensor in workers and in the triggerer."""

import json
from itertools import count

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSensorTimeout
from support.execution_api import ExecutionApi, Run, fire_trigger
from support.submission_queue import SubmissionQueue

from synapse_workflows import SynapseSubmissionSensor
from synapse_workflows.constants import SubmissionStatusEnum

RUNS = count(1)
MODES = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]


@pytest.fixture
def queue(alice, tmp_path):
    return SubmissionQueue(alice, tmp_path)


@pytest.fixture
def wait(api):
    """Create a run of a single sensor."""

    def make(api=api, **arguments):
        defaults = {"mode": "reschedule", "poke_interval": 0.1, "timeout": 60}
        with DAG("wait", schedule=None) as dag:
            SynapseSubmissionSensor(task_id="wait", retries=5, **(defaults | arguments))
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def test_sensor_waits_for_the_number_of_submissions(wait, queue):
    run = wait(evaluation_id=f"{{{{ {queue.id} }}}}", min_submissions=2)
    assert run.task("wait").state == "up_for_reschedule"
    first = queue.submit()
    assert run.task("wait").state == "up_for_reschedule"
    second = queue.submit()
    assert run.task("wait").state == "success"
    assert run.value("wait") == {
        "evaluation_id": queue.id,
        "submissions": 2,
        "submission_ids": first + second,
    }
    assert run.record("wait") is None


@pytest.mark.parametrize("status", ["RECEIVED", SubmissionStatusEnum.RECEIVED])
def test_sensor_waits_in_the_triggerer(wait, queue, triggerer, status):
    run = wait(evaluation_id=queue.id, deferrable=True, status=status)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    ids = queue.submit(3)
    event = fire_trigger(deferred)
    assert event == {"submissions": 3, "submission_ids": ids}
    assert run.task("wait", event=event).state == "success"
    assert run.value("wait") == {"evaluation_id": queue.id} | event
    assert run.value("wait", "synapse_entity_link").endswith("/challenge/")


@pytest.mark.parametrize("mode", MODES)
def test_sensor_does_not_wait_when_there_are_submissions(wait, queue, mode):
    ids = queue.submit(101)  # more than a page
    run = wait(evaluation_id=int(queue.id), **mode)
    assert run.task("wait").state == "success"
    assert run.value("wait") == {
        "evaluation_id": queue.id,
        "submissions": 101,
        "submission_ids": ids,
    }


@pytest.mark.parametrize("status", [one.value for one in SubmissionStatusEnum])
def test_only_the_status_counts(wait, queue, status):
    first, second = queue.submit(2)
    other = "SCORED" if status == "RECEIVED" else "RECEIVED"
    queue.update(first, status=other)
    queue.update(second, status=status)
    run = wait(evaluation_id=queue.id, status=status)
    assert run.task("wait").state == "success"
    assert run.value("wait")["submission_ids"] == [second]


def test_evaluation_may_be_an_object_or_the_result_of_a_task(wait, queue, api, alice):
    queue.submit()
    assert wait(evaluation_id=alice.getEvaluation(queue.id)).task("wait").state == "success"

    with DAG("result", schedule=None) as dag:

        @task
        def find():
            return queue.id

        SynapseSubmissionSensor(task_id="wait", evaluation_id=find())
    Run(api, dag).all()


@pytest.mark.parametrize("mode", [*MODES, {"soft_fail": True}])
def test_unknown_queue_fails_without_retry(wait, mode):
    failed = wait(evaluation_id="1", **mode).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "Evaluation with id 1 does not exist" in str(failed.error)


@pytest.mark.parametrize("mode", MODES)
def test_missing_right_fails_without_retry(wait, queue, socket_service, mode, worker):
    connection = json.loads(socket_service.airflow_connection)
    connection["password"] = socket_service.token("bob")
    queue.share(socket_service.owner_id("bob"), "READ", "SUBMIT")
    api = ExecutionApi({"synapse_default": json.dumps(connection)})
    failed = wait(api, evaluation_id=queue.id, **mode).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "READ_PRIVATE_SUBMISSION" in str(failed.error)


@pytest.mark.parametrize("soft_fail", [False, True])
def test_queue_that_is_deleted_meanwhile_fails_without_retry(
    wait, queue, alice, triggerer, soft_fail
):
    run = wait(evaluation_id=queue.id, deferrable=True, soft_fail=soft_fail)
    deferred = run.task("wait")
    assert deferred.state == "deferred"
    alice.delete(alice.getEvaluation(queue.id))
    event = fire_trigger(deferred)
    assert f"Evaluation with id {queue.id} does not exist" in event["error"]
    failed = run.task("wait", max_tries=5, event=event)
    assert failed.state == "failed"
    assert f"Evaluation with id {queue.id} does not exist" in str(failed.error)


@pytest.mark.parametrize("value", ["", "syn", "queue 7", "9.1", None, True, {"name": "x"}])
@pytest.mark.parametrize("more", [{}, {"soft_fail": True}])
def test_invalid_evaluation_id_fails_without_retry(wait, value, more):
    failed = wait(evaluation_id=value, **more).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "evaluation_id" in str(failed.error)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("status", "received"),
        ("status", None),
        ("status", "DONE"),
        ("min_submissions", 0),
        ("min_submissions", "2"),
        ("min_submissions", True),
    ],
)
def test_invalid_argument_fails_when_the_dag_is_parsed(argument, value):
    with pytest.raises(ValueError, match=argument):
        SynapseSubmissionSensor(task_id="wait", evaluation_id="1", **{argument: value})


def test_sensor_fails_after_its_timeout(wait, queue):
    result = wait(evaluation_id=queue.id, mode="poke", timeout=0.05).task("wait", max_tries=5)
    assert result.state == "failed"
    assert isinstance(result.error, AirflowSensorTimeout)


def test_sensor_polls_again_while_synapse_is_down(wait, socket_service):
    connection = json.loads(socket_service.airflow_connection) | {"host": "http://127.0.0.1:9"}
    run = wait(ExecutionApi({"synapse_default": json.dumps(connection)}), evaluation_id="1")
    result = run.task("wait", max_tries=5)
    assert result.state == "up_for_reschedule", result.error
