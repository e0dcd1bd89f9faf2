"""Polls that triggers share: number of requests, changes of the connection, errors and ends."""

import asyncio
import gc
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from itertools import count

import pytest
from airflow.sdk import BaseHook
from support.prepared_entities import append_rows, create_table
from support.waiting import wait_until_async

from synapse_workflows import Column, Project
from synapse_workflows.client.core import shared_session
from synapse_workflows.client.core.async_job_flow import Polling
from synapse_workflows.client.core.table_state import fetch_state
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers import shared_polls
from synapse_workflows.triggers.tables import SynapseTableChangeTrigger, SynapseTableRowsTrigger

INTERVAL = 0.2
TABLES = count(1)


class Gate:
    """ASGI middleware that records and rejects table queries, and can hold back a result.

    Args:
        app: the service.
    """

    def __init__(self, app):
        self.app = app
        self.reset()

    def reset(self):
        self.polls = []
        self.tokens = Counter()
        self.rejected = 0
        self.status = 503
        self.holds_next = False
        self.is_holding = False

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if path.endswith("/table/query/async/start"):
            self.polls.append(time.monotonic())
            self.tokens[dict(scope["headers"])[b"authorization"].decode()] += 1
            if self.rejected:
                await self._reject(send)
                return

        async def hold(message):
            if self.holds_next and "/table/query/async/get/" in path:
                self.holds_next, self.is_holding = False, True
                while self.is_holding:  # noqa: ASYNC110 - set by the thread of the test
                    await asyncio.sleep(0.01)
            await send(message)

        await self.app(scope, receive, hold)

    async def _reject(self, send):
        self.rejected -= 1
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"reason": "closed"}'})


@pytest.fixture(scope="module")
def gated_service(tmp_path_factory, recording):
    gates = []

    def wrap(app):
        gates.append(Gate(recording(app)))
        return gates[0]

    with over_socket(tmp_path_factory.mktemp("gate"), wrap=wrap) as service:
        yield service, gates[0]


@pytest.fixture
def gate(gated_service):
    yield gated_service[1]
    gated_service[1].reset()


@pytest.fixture(scope="module")
def client(gated_service):
    with gated_service[0].client() as syn:
        yield syn


@pytest.fixture(scope="module")
def project(client, gated_service):
    """Id of a project that bob may read."""
    project = client.store(Project("Shared polls")).id
    bob = gated_service[0].owner_id("bob")
    client.setPermissions(project, bob, ["READ", "DOWNLOAD"], warn_if_inherits=False)
    return project


@pytest.fixture
def table(client, project):
    columns = [Column(name="n", columnType="INTEGER")]
    table = create_table(client, project, f"Table {next(TABLES)}", columns)
    append_rows(client, table, [[1]])
    return table


@pytest.fixture
def connect(gated_service, monkeypatch):
    """Function that sets a connection with the token of a user, or without a token.

    Before, the default connection has the token of alice.
    """

    def set_connection(user="alice", name="SYNAPSE_DEFAULT"):
        connection = json.loads(gated_service[0].airflow_connection)
        connection["password"] = gated_service[0].token(user) if user else None
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))

    set_connection()
    return set_connection


def rows_trigger(table, min_rows=2, **arguments):
    defaults = {
        "synapse_conn_id": "synapse_default",
        "poll_interval": INTERVAL,
        "sql": f"select * from {table}",
    }
    return SynapseTableRowsTrigger(table_id=table, min_rows=min_rows, **(defaults | arguments))


def change_trigger(table, known):
    return SynapseTableChangeTrigger(
        table_id=table, known=known, synapse_conn_id="synapse_default", poll_interval=INTERVAL
    )


async def collect_events(trigger):
    return [event.payload async for event in trigger.run()]


@asynccontextmanager
async def running(*triggers):
    """Run triggers during the block; cancel the remaining ones after it."""
    tasks = [asyncio.create_task(collect_events(trigger)) for trigger in triggers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_polls(gate, count):
    await wait_until_async(lambda: len(gate.polls) >= count)


@pytest.mark.usefixtures("connect")
def test_triggers_with_the_same_query_share_a_poll(client, table, gate):
    """Triggers that wait for different numbers of rows need the same request."""

    async def main():
        triggers = [rows_trigger(table, n) for n in (2, 2, 3, *[9] * 47)]
        async with running(*triggers) as tasks:
            await wait_for_polls(gate, 3)
            append_rows(client, table, [[2]])
            assert await asyncio.gather(*tasks[:2]) == [[{"rows": 2}]] * 2
            append_rows(client, table, [[3]])
            assert await tasks[2] == [{"rows": 3}]
            assert not any(task.done() for task in tasks[3:])
            return tasks

    start = time.monotonic()
    asyncio.run(main())
    assert len(gate.polls) <= (time.monotonic() - start) / INTERVAL + 1


@pytest.mark.parametrize("other", [{"sql": "select n from {}"}, {"poll_interval": 0.1}])
@pytest.mark.usefixtures("connect")
def test_another_query_or_interval_is_a_poll_of_its_own(table, gate, other):
    arguments = {
        name: value.format(table) if name == "sql" else value for name, value in other.items()
    }

    async def main():
        async with running(rows_trigger(table), rows_trigger(table, **arguments)):
            await wait_for_polls(gate, 2)
            return len(shared_polls._polls[asyncio.get_running_loop()])

    assert asyncio.run(main()) == 2


@pytest.mark.usefixtures("connect")
def test_change_triggers_with_other_known_states_share_the_requests(client, table, gate):
    async def main():
        first = change_trigger(table, None)
        (state,) = await collect_events(first)
        gate.reset()
        old = state | {"etag": "old"}
        async with running(*[change_trigger(table, known) for known in (state, old)]) as tasks:
            assert await tasks[1] == [state]
            polls = len(gate.polls)
            assert not tasks[0].done()
            append_rows(client, table, [[2]])
            (changed,) = await tasks[0]
            return polls, state, changed

    polls, state, changed = asyncio.run(main())
    assert polls == 1
    assert changed["etag"] != state["etag"]


@pytest.mark.usefixtures("connect")
def test_a_poll_that_already_runs_does_not_answer_a_later_subscriber(client, table, gate):
    """Its result is older than the state that the subscriber knows."""

    async def main():
        (first,) = await collect_events(change_trigger(table, None))
        gate.holds_next = True
        async with running(change_trigger(table, first)) as early:
            await wait_until_async(lambda: gate.is_holding)
            append_rows(client, table, [[2]])
            second = client.run(fetch_state(table, Polling())).to_json()
            async with running(change_trigger(table, second)) as late:
                await asyncio.sleep(0.1)
                gate.is_holding = False  # the result is the first state
                assert await early[0] == [second]
                assert not late[0].done()

    asyncio.run(main())


@pytest.mark.usefixtures("connect")
def test_triggers_do_not_block_the_event_loop(client, table, gate):
    """The response to the first of four triggers is held until another coroutine runs."""

    async def main():
        gate.holds_next = True
        triggers = [rows_trigger(table, poll_interval=INTERVAL * n) for n in range(1, 5)]
        async with running(*triggers) as tasks:
            await wait_until_async(lambda: gate.is_holding)
            gate.is_holding = False
            append_rows(client, table, [[2]])
            assert await asyncio.gather(*tasks) == [[{"rows": 2}]] * 4

    asyncio.run(main())


@pytest.mark.usefixtures("connect")
def test_a_poll_ends_with_its_last_subscriber(table, gate):
    async def main():
        async with running(rows_trigger(table), rows_trigger(table)) as tasks:
            await wait_for_polls(gate, 1)
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            await wait_for_polls(gate, 2)
        assert len(asyncio.all_tasks()) == 1
        ended = len(gate.polls)
        await asyncio.sleep(3 * INTERVAL)
        assert len(gate.polls) == ended
        assert await collect_events(rows_trigger(table, 1)) == [{"rows": 1}]  # a new poll

    asyncio.run(main())
    gc.collect()  # an open connection causes a ResourceWarning, which fails the test


@pytest.mark.usefixtures("connect")
def test_a_permanent_error_reaches_every_subscriber(table, gate):
    async def main():
        triggers = [rows_trigger(table) for _ in range(3)]
        async with running(*triggers) as tasks:
            gate.status, gate.rejected = 403, 1
            return await asyncio.gather(*tasks)

    for (event,) in asyncio.run(main()):
        assert event["error"].startswith("SynapseForbiddenError: 403")
    assert len(gate.polls) == 1


@pytest.mark.usefixtures("connect")
def test_an_undefined_connection_is_an_error_of_every_subscriber(table):
    async def main():
        triggers = [rows_trigger(table, synapse_conn_id="undefined") for _ in range(2)]
        return await asyncio.gather(*map(collect_events, triggers))

    for (event,) in asyncio.run(main()):
        assert "undefined" in event["error"]


@pytest.mark.usefixtures("connect")
def test_repeated_errors_increase_the_delay(table, gate):
    async def main():
        gate.status, gate.rejected = 409, 3  # the session does not repeat the request
        return await collect_events(rows_trigger(table, 1, poll_interval=0.1))

    assert asyncio.run(main()) == [{"rows": 1}]
    delays = [later - earlier for earlier, later in zip(gate.polls, gate.polls[1:], strict=False)]
    assert all(delay >= least for delay, least in zip(delays, (0.2, 0.4, 0.8), strict=True))


@pytest.mark.usefixtures("connect")
def test_an_interval_of_zero_does_not_flood_the_service(table, gate):
    async def main():
        async with running(rows_trigger(table, 1000, poll_interval=0.0)):
            await wait_for_polls(gate, 5)

    start = time.monotonic()
    asyncio.run(main())
    assert len(gate.polls) <= (time.monotonic() - start) / 0.1 + 1


def test_a_new_token_applies_to_the_next_poll(gated_service, connect, table, gate):
    """The poll goes on with the new token, for old and new subscribers."""
    service = gated_service[0]

    async def main():
        async with running(rows_trigger(table)):
            await wait_for_polls(gate, 1)
            connect("bob")
            gate.tokens.clear()
            async with running(rows_trigger(table)):
                await wait_for_polls(gate, len(gate.polls) + 2)
            return shared_session._clients[asyncio.get_running_loop()]

    asyncio.run(main())
    # one poll may have started before the change
    assert gate.tokens[f"Bearer {service.token('bob')}"] >= 1
    assert gate.tokens[f"Bearer {service.token('alice')}"] <= 1


def test_a_token_that_was_removed_is_not_used_again(connect, table, gate):
    async def main():
        async with running(rows_trigger(table), rows_trigger(table)) as tasks:
            await wait_for_polls(gate, 1)
            connect(None)
            return await asyncio.gather(*tasks)

    for (event,) in asyncio.run(main()):
        assert event["error"].startswith("SynapseNoCredentialsError")
    assert len(gate.polls) <= 2  # one poll may have started before the change


def test_connections_with_other_tokens_share_neither_client_nor_poll(
    gated_service, connect, table, gate
):
    service = gated_service[0]
    connect("bob", "OTHER")

    async def main():
        other = rows_trigger(table, synapse_conn_id="other")
        async with running(rows_trigger(table), other):
            await wait_for_polls(gate, 4)

    asyncio.run(main())
    assert set(gate.tokens) == {f"Bearer {service.token(user)}" for user in ("alice", "bob")}


def test_a_poll_goes_on_while_airflow_cannot_return_the_connection(
    connect, table, gate, client, monkeypatch
):
    """The API server of Airflow may restart."""

    async def main():
        async with running(rows_trigger(table)) as tasks:
            await wait_for_polls(gate, 1)
            monkeypatch.delenv("AIRFLOW_CONN_SYNAPSE_DEFAULT")
            await wait_for_polls(gate, 3)
            append_rows(client, table, [[2]])
            return await tasks[0]

    assert asyncio.run(main()) == [{"rows": 2}]


@pytest.mark.usefixtures("connect")
def test_polls_of_a_connection_share_an_http_client(table, gate):
    async def main():
        async with running(rows_trigger(table), rows_trigger(table, poll_interval=0.19)):
            await wait_for_polls(gate, 4)
            clients = shared_session._clients[asyncio.get_running_loop()]
            return [client.sessions for client in clients.values()]

    assert asyncio.run(main()) == [2]


@pytest.mark.usefixtures("connect")
def test_polls_of_different_questions_share_the_settings_of_their_connection(
    table, gate, monkeypatch
):
    """A trigger reads a connection in several messages to another process of Airflow."""
    reads = []
    read = BaseHook.aget_connection

    async def count_reads(conn_id):
        reads.append(conn_id)
        return await read(conn_id)

    monkeypatch.setattr(BaseHook, "aget_connection", count_reads)

    async def main():
        triggers = [rows_trigger(table, sql=f"select * from {table} limit {n}") for n in range(9)]
        async with running(*triggers):
            await wait_for_polls(gate, 27)

    asyncio.run(main())
    assert len(reads) <= len(gate.polls) / 2


@pytest.mark.usefixtures("connect")
def test_a_rejected_token_is_read_again_at_once(client, table, gate):
    """Another poll may have read the connection just before its token was replaced."""

    async def main():
        async with running(rows_trigger(table)) as tasks:
            await wait_for_polls(gate, 1)
            gate.status, gate.rejected = 401, 1
            await wait_for_polls(gate, 4)
            assert not tasks[0].done()
            append_rows(client, table, [[2]])
            return await tasks[0]

    assert asyncio.run(main()) == [{"rows": 2}]


@pytest.mark.usefixtures("connect")
def test_a_token_that_stays_rejected_is_an_error(table, gate):
    async def main():
        async with running(rows_trigger(table)) as tasks:
            gate.status, gate.rejected = 401, 2
            return await tasks[0]

    (event,) = asyncio.run(main())
    assert event["error"].startswith("SynapseUnauthorizedError: 401")
    assert len(gate.polls) == 2
