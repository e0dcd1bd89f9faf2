"""Timeouts and outages of the table sensors and triggers."""

import asyncio
import gc
import json
import time
from itertools import count

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout
from support.execution_api import ExecutionApi, Run, fire_trigger
from support.prepared_entities import append_rows, create_project, create_table

from synapse_workflows import (
    Column,
    SynapseTableChangeSensor,
    SynapseTableRowsSensor,
)
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers.tables import SynapseTableChangeTrigger, SynapseTableRowsTrigger

RUNS = count(1)
PROJECTS = count(1)


class Outage:
    """ASGI middleware that rejects a number of table queries.

    Args:
        app: The service.
    """

    def __init__(self, app):
        self.app = app
        self.status = None
        self.remaining = 0
        self.queries = 0

    def begin(self, queries, status=503):
        """Reject the given number of queries with a status."""
        self.remaining, self.status, self.queries = queries, status, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/table/query/async/start"):
            self.queries += 1
            if self.remaining > 0:
                self.remaining -= 1
                await self._reject(send)
                return
        await self.app(scope, receive, send)

    async def _reject(self, send):
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = json.dumps({"reason": "unavailable"}).encode()
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def outage_service(tmp_path_factory, recording):
    """Service whose queries can be rejected."""
    middleware = []

    def wrap(app):
        middleware.append(Outage(recording(app)))
        return middleware[0]

    with over_socket(tmp_path_factory.mktemp("outage"), wrap=wrap) as service:
        yield service, middleware[0]


@pytest.fixture
def outage(outage_service):
    """Simulated outage of the service that ends with the test."""
    yield outage_service[1]
    outage_service[1].begin(0)


@pytest.fixture
def client(outage_service, tmp_path):
    with outage_service[0].client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def table(client):
    """Table with one row."""
    project = create_project(client, f"Outage {next(PROJECTS)}")
    columns = [Column(name="n", columnType="INTEGER")]
    table = create_table(client, project, "Watched", columns)
    append_rows(client, table, [[1]])
    return table


@pytest.fixture
def wait(outage_service, tmp_path, monkeypatch):
    """Create a run of a single sensor; the triggerer has the same connection."""
    connection = json.loads(outage_service[0].airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "worker")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    api = ExecutionApi({"synapse_default": json.dumps(connection)})

    def make(kind=SynapseTableRowsSensor, **arguments):
        defaults = {"poke_interval": 0.02, "timeout": 60}
        with DAG("wait", schedule=None) as dag:
            kind(task_id="wait", retries=5, **(defaults | arguments))
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def no_rows(table):
    return f"select * from {table} where n > 5"


def select_all(table):
    return f"select * from {table}"


MODES = [{"mode": "poke"}, {"mode": "reschedule"}]


@pytest.mark.parametrize("mode", MODES)
def test_sensor_fails_after_its_timeout(wait, table, mode):
    run = wait(sql=no_rows(table), timeout=0.05, **mode)
    result = run.task("wait", max_tries=5)
    while result.state == "up_for_reschedule":
        result = run.task("wait", max_tries=5)
    assert result.state == "failed"
    assert isinstance(result.error, AirflowSensorTimeout)


@pytest.mark.parametrize("mode", MODES)
def test_sensor_with_soft_fail_is_skipped_after_its_timeout(wait, table, mode):
    run = wait(sql=no_rows(table), timeout=0.05, soft_fail=True, **mode)
    result = run.task("wait", max_tries=5)
    while result.state == "up_for_reschedule":
        result = run.task("wait", max_tries=5)
    assert result.state == "skipped"


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("kind", [SynapseTableRowsSensor, SynapseTableChangeSensor])
def test_trigger_timeout_is_that_of_the_sensor(wait, table, kind, soft_fail, state):
    arguments = {"sql": no_rows(table)} if kind is SynapseTableRowsSensor else {"table_id": table}
    run = wait(kind, deferrable=True, timeout=100, soft_fail=soft_fail, **arguments)
    deferred = run.task("wait", max_tries=5)
    assert 90 < deferred.msg.trigger_timeout.total_seconds() <= 100
    result = run.task("wait", max_tries=5, timed_out=True)
    assert result.state == state
    if not soft_fail:
        assert isinstance(result.error, AirflowSensorTimeout)


@pytest.mark.parametrize("status", [409, 500, 503])
@pytest.mark.parametrize("mode", MODES)
def test_sensor_polls_again_after_an_outage(wait, table, outage, client, mode, status):
    run = wait(sql=select_all(table), **mode)
    outage.begin(3, status)
    states = [run.task("wait").state]
    while states[-1] == "up_for_reschedule":
        states.append(run.task("wait").state)
    assert states[-1] == "success"
    assert run.value("wait") == {"id": table, "rows": 1}
    assert outage.queries == 4


def test_sensor_fails_after_its_timeout_during_an_outage(wait, table, outage):
    run = wait(sql=select_all(table), timeout=0.1)
    outage.begin(1000)
    failed = run.task("wait", max_tries=5)
    assert failed.state == "failed"
    assert isinstance(failed.error, AirflowSensorTimeout)


@pytest.mark.parametrize("mode", [*MODES, {"deferrable": True}])
def test_soft_fail_does_not_skip_a_permanent_error(wait, table, mode):
    """An unknown column is a permanent error."""
    run = wait(sql=f"select nothing from {table}", soft_fail=True, **mode)
    failed = run.task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "nothing" in str(failed.error)


@pytest.mark.parametrize("sql", ["select 1", "update syn1 set n = 1", "", None])
def test_soft_fail_does_not_skip_invalid_sql(wait, sql):
    failed = wait(sql=sql, soft_fail=True).task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "Invalid sql" in str(failed.error)


@pytest.mark.parametrize("status", [409, 503])
def test_trigger_polls_again_after_an_outage(wait, table, outage, client, status):
    run = wait(sql=no_rows(table), deferrable=True)
    deferred = run.task("wait")
    append_rows(client, table, [[6]])
    outage.begin(3, status)
    event = fire_trigger(deferred)
    assert outage.queries == 4
    assert run.task("wait", event=event).state == "success"
    assert run.value("wait") == {"id": table, "rows": 1}


def test_first_state_is_read_after_an_outage(wait, table, outage, client):
    """After the outage, the trigger reads the first state."""
    run = wait(SynapseTableChangeSensor, table_id=table, deferrable=True)
    outage.begin(1)
    deferred = run.task("wait")
    assert deferred.state == "deferred", deferred.error
    second = run.task("wait", event=fire_trigger(deferred))
    assert second.state == "deferred", second.error
    append_rows(client, table, [[2]])
    assert run.task("wait", event=fire_trigger(second)).state == "success"
    assert run.value("wait")["version"] == 1


def test_worker_polls_after_an_error_of_the_trigger(wait, table, client, monkeypatch):
    """For example, the triggerer has an old token and the worker has a new token."""
    run = wait(sql=no_rows(table), deferrable=True)
    deferred = run.task("wait")
    timeout = deferred.msg.trigger_timeout
    second = run.task("wait", event={"error": "SynapseUnauthorizedError: 401"})
    assert second.state == "deferred"
    assert second.msg.trigger_timeout < timeout
    append_rows(client, table, [[6]])
    assert run.task("wait", event=fire_trigger(second)).state == "success"


def test_deferral_keeps_the_deadline(wait, table):
    """The deadline is passed to the resumed task."""
    run = wait(sql=no_rows(table), deferrable=True, timeout=100)
    deferred = run.task("wait")
    assert 0 < deferred.msg.next_kwargs["deadline"] - time.time() <= 100
    deferred.msg.next_kwargs["deadline"] = time.time() - 1
    result = run.task("wait", max_tries=5, event={"error": "SynapseUnauthorizedError: 401"})
    assert isinstance(result.error, AirflowSensorTimeout)


def trigger(kind, table, **arguments):
    defaults = {"synapse_conn_id": "synapse_default", "table_id": table, "poll_interval": 0.02}
    return kind(**(defaults | arguments))


async def collect_events(one):
    return [event.payload async for event in one.run()]


@pytest.mark.usefixtures("wait")
def test_trigger_fires_once(table):
    one = trigger(SynapseTableRowsTrigger, table, sql=select_all(table), min_rows=1)
    assert asyncio.run(collect_events(one)) == [{"rows": 1}]
    other = trigger(SynapseTableChangeTrigger, table, known={"version": 9, "etag": "x"})
    (event,) = asyncio.run(collect_events(other))
    assert event.keys() == {"version", "etag"}


@pytest.mark.usefixtures("wait")
def test_cancelled_trigger_closes_its_connection(table):
    """An open connection causes a ResourceWarning, which fails the test."""

    async def main():
        query = no_rows(table)
        one = trigger(SynapseTableRowsTrigger, table, sql=query, min_rows=1)
        waiting = asyncio.create_task(collect_events(one))
        await asyncio.sleep(0.15)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    gc.collect()
