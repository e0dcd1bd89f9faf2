"""`execution_timeout` and `timeout` of sensors and operators that wait in the triggerer."""

import time
from datetime import timedelta
from itertools import count

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowTaskTimeout
from support.execution_api import Run

from synapse_workflows import (
    SynapseTableChangeSensor,
    SynapseTableQueryOperator,
    SynapseTableRowsSensor,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.client.errors import SynapseTimeoutError

RUNS = count(1)
LIMIT = timedelta(seconds=30)


@pytest.fixture(params=["rows", "change", "snapshot", "query", "store"])
def wait(request, api, filled):
    """Create a run of one deferrable task with an execution_timeout, by kind of task."""
    rows = [{"a name": "x", "n": 1}]
    kinds = {
        "rows": (SynapseTableRowsSensor, {"sql": f"select * from {filled} where n > 99"}),
        "change": (SynapseTableChangeSensor, {"table_id": filled}),
        "snapshot": (SynapseTableSnapshotOperator, {"table_id": filled}),
        "query": (SynapseTableQueryOperator, {"sql": f"select * from {filled}"}),
        "store": (
            SynapseTableStoreOperator,
            {"table_id": filled, "rows": rows},
        ),
    }
    kind, arguments = kinds[request.param]

    def make(**options):
        with DAG("wait", schedule=None) as dag:
            kind(task_id="wait", deferrable=True, retries=3, **arguments, **options)
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def test_the_deferral_ends_with_the_execution_timeout(wait):
    deferred = wait(execution_timeout=LIMIT).task("wait", max_tries=3)
    assert deferred.state == "deferred"
    assert timedelta() < deferred.msg.trigger_timeout <= LIMIT


def test_the_end_of_the_execution_timeout_is_that_of_a_running_task(wait):
    """The task can be retried after the execution_timeout."""
    run = wait(execution_timeout=LIMIT)
    run.task("wait", max_tries=3)
    ended = run.task("wait", max_tries=3, timed_out=True)
    assert ended.state == "up_for_retry"
    assert isinstance(ended.error, AirflowTaskTimeout)
    assert "execution_timeout of 30 s" in str(ended.error)


def test_a_resumed_task_has_the_remaining_time_only(wait):
    run = wait(execution_timeout=LIMIT)
    deferred = run.task("wait", max_tries=3)
    deadline = deferred.msg.next_kwargs["execution_deadline"]
    assert 0 < deadline - time.time() <= LIMIT.total_seconds()
    deferred.msg.next_kwargs["execution_deadline"] = time.time() - 1
    ended = run.task("wait", max_tries=3, event={"etag": "x", "version": 1, "job": "1"})
    assert isinstance(ended.error, AirflowTaskTimeout)


def test_the_deferral_ends_with_the_timeout(wait):
    """The timeout is the same for operators and sensors; only operators are retried."""
    run = wait(timeout=100)
    deferred = run.task("wait", max_tries=3)
    assert timedelta() < deferred.msg.trigger_timeout <= timedelta(seconds=100)
    ended = run.task("wait", max_tries=3, timed_out=True)
    assert isinstance(ended.error, AirflowSensorTimeout | SynapseTimeoutError)
    is_sensor = isinstance(ended.error, AirflowSensorTimeout)
    assert ended.state == ("failed" if is_sensor else "up_for_retry")


def test_the_default_timeout_is_that_of_sensors(wait):
    deferred = wait().task("wait", max_tries=3)
    assert deferred.msg.trigger_timeout.total_seconds() == pytest.approx(604_800, abs=60)


@pytest.mark.parametrize(
    ("timeout", "execution_timeout", "error", "state"),
    [(100, 200, AirflowSensorTimeout, "failed"), (200, 100, AirflowTaskTimeout, "up_for_retry")],
)
def test_the_shorter_timeout_of_a_sensor_counts(
    api, filled, timeout, execution_timeout, error, state
):
    with DAG("wait", schedule=None) as dag:
        SynapseTableRowsSensor(
            task_id="wait",
            sql=f"select * from {filled} where n > 99",
            deferrable=True,
            timeout=timeout,
            execution_timeout=timedelta(seconds=execution_timeout),
        )
    run = Run(api, dag, f"run_{next(RUNS)}")
    deferred = run.task("wait", max_tries=3)
    assert deferred.msg.trigger_timeout <= timedelta(seconds=100)
    again = run.task("wait", max_tries=3, event={"error": "SynapseUnauthorizedError: 401"})
    assert again.msg.trigger_timeout < deferred.msg.trigger_timeout
    ended = run.task("wait", max_tries=3, timed_out=True)
    assert isinstance(ended.error, error)
    assert ended.state == state
