"""The sensors of tables while they wait: how long, through what, and what they leave behind."""

import asyncio
import gc
import json
import time
from itertools import count

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout
from support.execution_api import ExecutionApi, Run, fire_trigger

from synapse_workflows import (
    Column,
    Project,
    Schema,
    SynapseTableChangeSensor,
    SynapseTableRowsSensor,
    Table,
)
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers.tables import SynapseTableChangeTrigger, SynapseTableRowsTrigger

RUNS = count(1)
PROJECTS = count(1)


class Outage:
    """Stands before a service; answers queries of tables with an error, for a while.

    Args:
        app: the service.
    """

    def __init__(self, app):
        self.app = app
        self.status = None
        self.left = 0
        self.asked = 0

    def begin(self, queries, status=503):
        """Refuse so many queries with a status."""
        self.left, self.status, self.asked = queries, status, 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/table/query/async/start"):
            self.asked += 1
            if self.left > 0:
                self.left -= 1
                await self._refuse(send)
                return
        await self.app(scope, receive, send)

    async def _refuse(self, send):
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = json.dumps({"reason": "not today"}).encode()
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def shaky(tmp_path_factory, recording):
    """A service whose queries can be made to fail."""
    before = []

    def wrap(app):
        before.append(Outage(recording(app)))
        return before[0]

    with over_socket(tmp_path_factory.mktemp("shaky"), wrap=wrap) as service:
        yield service, before[0]


@pytest.fixture
def outage(shaky):
    """None yet; it is over when the test is."""
    yield shaky[1]
    shaky[1].begin(0)


@pytest.fixture
def person(shaky, tmp_path):
    with shaky[0].client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def watched(person):
    """A table of one row."""
    project = person.store(Project(f"Shaky {next(PROJECTS)}")).id
    columns = [Column(name="n", columnType="INTEGER")]
    schema = person.store(Schema("Watched", columns, parent=project))
    person.store(Table(schema, [[1]]))
    return schema.id


@pytest.fixture
def wait(shaky, tmp_path, monkeypatch):
    """Make a run of a single sensor; the triggerer has the same connection."""
    connection = json.loads(shaky[0].airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "worker")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    api = ExecutionApi({"synapse_default": json.dumps(connection)})

    def make(kind=SynapseTableRowsSensor, **arguments):
        usual = {"poke_interval": 0.02, "timeout": 60}
        with DAG("wait", schedule=None) as dag:
            kind(task_id="wait", retries=5, **(usual | arguments))
        return Run(api, dag, f"run_{next(RUNS)}")

    return make


def rows_of(table):
    return f"select * from {table} where n > 5"


def select_all(table):
    return f"select * from {table}"


MODES = [{"mode": "poke"}, {"mode": "reschedule"}]


@pytest.mark.parametrize("mode", MODES)
def test_sensor_fails_after_its_timeout(wait, watched, mode):
    run = wait(sql=rows_of(watched), timeout=0.05, **mode)
    result = run.task("wait", max_tries=5)
    while result.state == "up_for_reschedule":
        result = run.task("wait", max_tries=5)
    assert result.state == "failed"
    assert isinstance(result.error, AirflowSensorTimeout)


@pytest.mark.parametrize("mode", MODES)
def test_sensor_with_soft_fail_is_skipped_after_its_timeout(wait, watched, mode):
    run = wait(sql=rows_of(watched), timeout=0.05, soft_fail=True, **mode)
    result = run.task("wait", max_tries=5)
    while result.state == "up_for_reschedule":
        result = run.task("wait", max_tries=5)
    assert result.state == "skipped"


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("kind", [SynapseTableRowsSensor, SynapseTableChangeSensor])
def test_trigger_timeout_is_that_of_the_sensor(wait, watched, kind, soft_fail, state):
    asked = {"sql": rows_of(watched)} if kind is SynapseTableRowsSensor else {"table_id": watched}
    run = wait(kind, deferrable=True, timeout=100, soft_fail=soft_fail, **asked)
    deferred = run.task("wait", max_tries=5)
    assert 90 < deferred.msg.trigger_timeout.total_seconds() <= 100
    ended = run.task("wait", max_tries=5, timed_out=True)
    assert ended.state == state
    if not soft_fail:
        assert isinstance(ended.error, AirflowSensorTimeout)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("mode", MODES)
def test_sensor_polls_again_after_an_outage(wait, watched, outage, person, mode, status):
    run = wait(sql=select_all(watched), **mode)
    outage.begin(3, status)
    states = [run.task("wait").state]
    while states[-1] == "up_for_reschedule":
        states.append(run.task("wait").state)
    assert states[-1] == "success"
    assert run.value("wait") == {"id": watched, "rows": 1}
    assert outage.asked == 4


def test_sensor_fails_after_its_timeout_during_an_outage(wait, watched, outage):
    run = wait(sql=select_all(watched), timeout=0.1)
    outage.begin(1000)
    failed = run.task("wait", max_tries=5)
    assert failed.state == "failed"
    assert isinstance(failed.error, AirflowSensorTimeout)


@pytest.mark.parametrize("mode", [*MODES, {"deferrable": True}])
def test_soft_fail_does_not_skip_a_permanent_error(wait, watched, mode):
    """Whoever mistypes a column is told so: that is no news of the table."""
    run = wait(sql=f"select nothing from {watched}", soft_fail=True, **mode)
    failed = run.task("wait", max_tries=5)
    assert failed.state == "failed"
    assert "nothing" in str(failed.error)


def test_soft_fail_does_not_skip_sql_without_a_table(wait, watched):
    run = wait(sql="select 1", soft_fail=True)
    assert run.task("wait", max_tries=5).state == "failed"


def test_trigger_polls_again_after_an_outage(wait, watched, outage, person):
    run = wait(sql=rows_of(watched), deferrable=True)
    deferred = run.task("wait")
    person.store(Table(watched, [[6]]))
    outage.begin(3)
    event = fire_trigger(deferred)
    assert outage.asked == 4
    assert run.task("wait", event=event).state == "success"
    assert run.value("wait") == {"id": watched, "rows": 1}


def test_first_state_is_read_after_an_outage(wait, watched, outage, person):
    """The triggerer sees the first state; what changes after that is news."""
    run = wait(SynapseTableChangeSensor, table_id=watched, deferrable=True)
    outage.begin(1)
    deferred = run.task("wait")
    assert deferred.state == "deferred", deferred.error
    again = run.task("wait", event=fire_trigger(deferred))
    assert again.state == "deferred", again.error
    person.store(Table(watched, [[2]]))
    assert run.task("wait", event=fire_trigger(again)).state == "success"
    assert run.value("wait")["version"] == 1


def test_worker_polls_after_an_error_of_the_trigger(wait, watched, person, monkeypatch):
    """Its token was taken back, for example, and the worker has the new one."""
    run = wait(sql=rows_of(watched), deferrable=True)
    deferred = run.task("wait")
    before = deferred.msg.trigger_timeout
    again = run.task("wait", event={"error": "SynapseUnauthorizedError: 401"})
    assert again.state == "deferred"
    assert again.msg.trigger_timeout < before
    person.store(Table(watched, [[6]]))
    assert run.task("wait", event=fire_trigger(again)).state == "success"


def test_deferral_keeps_the_deadline(wait, watched):
    """The worker said when the time is over; by then it is."""
    run = wait(sql=rows_of(watched), deferrable=True, timeout=100)
    deferred = run.task("wait")
    assert 0 < deferred.msg.next_kwargs["deadline"] - time.time() <= 100
    deferred.msg.next_kwargs["deadline"] = time.time() - 1
    ended = run.task("wait", max_tries=5, event={"error": "SynapseUnauthorizedError: 401"})
    assert isinstance(ended.error, AirflowSensorTimeout)


def trigger(kind, table, **arguments):
    usual = {"synapse_conn_id": "synapse_default", "table_id": table, "poll_interval": 0.02}
    return kind(**(usual | arguments))


async def collect_events(one):
    return [event.payload async for event in one.run()]


@pytest.mark.usefixtures("wait")
def test_trigger_fires_once(watched):
    one = trigger(SynapseTableRowsTrigger, watched, sql=select_all(watched), min_rows=1)
    assert asyncio.run(collect_events(one)) == [{"rows": 1}]
    other = trigger(SynapseTableChangeTrigger, watched, known={"version": 9, "etag": "x"})
    (event,) = asyncio.run(collect_events(other))
    assert event.keys() == {"version", "etag"}


@pytest.mark.usefixtures("wait")
def test_triggers_do_not_block_the_event_loop(watched):
    """While four of them wait, the loop goes on to turn."""
    pauses = []

    async def turn():
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            pauses.append(time.perf_counter() - begun)

    async def main():
        query = rows_of(watched)
        many = [
            asyncio.create_task(
                collect_events(trigger(SynapseTableRowsTrigger, watched, sql=query, min_rows=1))
            )
            for _ in range(4)
        ]
        await asyncio.sleep(0.1)
        turning = asyncio.create_task(turn())
        await asyncio.sleep(0.2)
        for one in [*many, turning]:
            one.cancel()
        return await asyncio.gather(*many, turning, return_exceptions=True)

    ends = asyncio.run(main())
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert len(pauses) > 3


@pytest.mark.usefixtures("wait")
def test_cancelled_trigger_closes_its_connection(watched):
    """What is left open warns when it is collected, and a warning fails the test."""

    async def main():
        query = rows_of(watched)
        one = trigger(SynapseTableRowsTrigger, watched, sql=query, min_rows=1)
        waiting = asyncio.create_task(collect_events(one))
        await asyncio.sleep(0.15)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    gc.collect()
