"""Announcements of submissions, through Airflow's manager of shared streams."""

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import count

import pytest
import structlog
from airflow.triggers.shared_stream import AckTimeout, SharedStreamManager
from support.submission_queue import SubmissionQueue
from support.waiting import wait_until_async

from synapse_workflows import SynapseSubmissionTrigger
from synapse_workflows.client.core.submission_lists import MAX_IDS
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers.submission_stream import AnnouncedSubmissions, Announcement
from synapse_workflows.triggers.submissions import SynapseSubmissionCountTrigger

INTERVAL = 0.2
FOLDERS = count(1)


class PollRecorder:
    """ASGI middleware that records polls of queues, and can reject them.

    Args:
        app: the service.
    """

    def __init__(self, app):
        self.app = app
        self.reset()

    def reset(self):
        self.times = []
        self.status = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/submission/status/all"):
            self.times.append(asyncio.get_running_loop().time())
            if self.status is not None:
                headers = [(b"content-type", b"application/json")]
                start = {"type": "http.response.start", "status": self.status}
                await send(start | {"headers": headers})
                await send({"type": "http.response.body", "body": b'{"reason": "closed"}'})
                return
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def recorded_service(tmp_path_factory, recording):
    recorders = []

    def wrap(app):
        recorders.append(PollRecorder(recording(app)))
        return recorders[0]

    with over_socket(tmp_path_factory.mktemp("service"), wrap=wrap) as service:
        yield service, recorders[0]


@pytest.fixture
def polls(recorded_service):
    yield recorded_service[1]
    recorded_service[1].reset()


@pytest.fixture
def queue(recorded_service, tmp_path, monkeypatch):
    service = recorded_service[0]
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", service.airflow_connection)
    with service.client(cache_root_dir=str(tmp_path / "cache")) as syn:
        folder = tmp_path / f"queue {next(FOLDERS)}"
        folder.mkdir()
        yield SubmissionQueue(syn, folder)


def create_trigger(queue, **arguments):
    defaults = {"evaluation_id": queue.id, "poll_interval": INTERVAL}
    return SynapseSubmissionTrigger(**(defaults | arguments))


class Triggerer:
    """Runs watchers as Airflow's triggerer does.

    Args:
        ack_timeout: time in seconds in which an event has to be stored.
    """

    def __init__(self, ack_timeout=300.0):
        self.manager = SharedStreamManager(
            log=structlog.get_logger(), max_subscriber_queue=1024, ack_timeout=ack_timeout
        )
        self.ids = count(1)
        self.tasks = []

    @asynccontextmanager
    async def watch(self, trigger, *, is_stored=True):
        """Run a watcher during the block; yield the growing list of its payloads."""
        payloads = []
        task = asyncio.create_task(self.run(trigger, payloads, is_stored))
        self.tasks.append(task)
        try:
            yield payloads
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def run(self, trigger, payloads, is_stored):
        key, number = trigger.shared_stream_key(), next(self.ids)
        stream = self.manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                sequence = self.manager.bind_pending_event(trigger_id=number, key=key)
                payloads.append(event.payload)
                if is_stored:
                    self.manager.confirm_persisted([sequence])
        finally:
            await self.manager.unsubscribe(number, key)


def announced_ids(payloads):
    return [one for payload in payloads for one in payload["submission_ids"]]


async def wait_for_polls(polls, number):
    start = len(polls.times)
    await wait_until_async(lambda: len(polls.times) >= start + number)


def test_new_submissions_are_announced_in_one_event(queue, polls):
    async def main():
        first = queue.submit(3)
        async with Triggerer().watch(create_trigger(queue)) as payloads:
            await wait_until_async(lambda: payloads)
            await wait_for_polls(polls, 2)
            second = queue.submit(1)
            await wait_until_async(lambda: len(payloads) == 2)
            await wait_for_polls(polls, 2)
        return first, second, payloads

    first, second, payloads = asyncio.run(main())
    facts = {"evaluation_id": queue.id, "status": "RECEIVED"}
    assert payloads == [
        facts | {"submissions": 3, "submission_ids": first},
        facts | {"submissions": 4, "submission_ids": second},
    ]
    assert json.loads(json.dumps(payloads)) == payloads


def test_an_empty_queue_has_no_event(queue, polls):
    async def main():
        async with Triggerer().watch(create_trigger(queue)) as payloads:
            await wait_for_polls(polls, 3)
            return payloads

    assert asyncio.run(main()) == []


def test_a_submission_that_returns_is_announced_again(queue, polls):
    """For example, a claim was released."""

    async def main():
        (one,) = queue.submit()
        async with Triggerer().watch(create_trigger(queue)) as payloads:
            await wait_until_async(lambda: payloads)
            queue.update(one, status="EVALUATION_IN_PROGRESS")
            await wait_for_polls(polls, 2)
            queue.update(one, status="RECEIVED")
            await wait_until_async(lambda: len(payloads) == 2)
            return one, payloads

    one, payloads = asyncio.run(main())
    assert [each["submission_ids"] for each in payloads] == [[one], [one]]


def test_a_submission_that_stays_is_announced_again_after_a_while(queue, polls):
    async def main():
        queue.submit()
        async with Triggerer().watch(create_trigger(queue, repeat_interval=0.5)) as payloads:
            await wait_until_async(lambda: len(payloads) == 2)
        async with Triggerer().watch(create_trigger(queue, repeat_interval=None)) as others:
            await wait_for_polls(polls, 4)
        return payloads, others

    payloads, others = asyncio.run(main())
    assert payloads[0] == payloads[1] == others[0]
    assert len(others) == 1


def test_a_restart_without_state_announces_what_still_has_the_status(queue):
    async def main():
        gone, stays = queue.submit(2)
        async with Triggerer().watch(create_trigger(queue)) as payloads:
            await wait_until_async(lambda: payloads)
        queue.update(gone, status="SCORED")
        async with Triggerer().watch(create_trigger(queue)) as payloads:
            await wait_until_async(lambda: payloads)
        return stays, payloads

    stays, payloads = asyncio.run(main())
    assert [each["submission_ids"] for each in payloads] == [[stays]]


def test_an_event_that_is_not_stored_is_announced_again(queue):
    """Airflow fails a watcher whose event is not stored in time, and starts it again."""

    async def main():
        ids = queue.submit(2)
        triggerer = Triggerer(ack_timeout=0.3)
        async with triggerer.watch(create_trigger(queue), is_stored=False) as payloads:
            await wait_until_async(lambda: payloads)
            await wait_until_async(triggerer.tasks[0].done)
        async with triggerer.watch(create_trigger(queue)) as again:
            await wait_until_async(lambda: again)
        return ids, triggerer.tasks[0], again

    ids, task, again = asyncio.run(main())
    assert isinstance(task.exception(), AckTimeout)
    assert again[0]["submission_ids"] == ids


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_errors_are_polled_again(queue, polls, status):
    async def main():
        polls.status = status
        async with Triggerer().watch(create_trigger(queue, poll_interval=0.1)) as payloads:
            await wait_until_async(lambda: len(polls.times) >= 3)
            assert not payloads
            polls.status = None
            queue.submit()
            await wait_until_async(lambda: payloads)

    asyncio.run(main())
    assert len(polls.times) >= 4


def test_an_undefined_connection_is_read_again(queue, recorded_service, monkeypatch):
    async def main():
        queue.submit()
        trigger = create_trigger(queue, synapse_conn_id="later")
        async with Triggerer().watch(trigger) as payloads:
            await asyncio.sleep(2 * INTERVAL)
            connection = recorded_service[0].airflow_connection
            monkeypatch.setenv("AIRFLOW_CONN_LATER", connection)
            await wait_until_async(lambda: payloads)
            assert len(payloads) == 1

    asyncio.run(main())


def test_watchers_and_sensors_of_a_queue_share_the_requests(queue, polls):
    """Two assets with a watcher each, and twenty deferred sensors."""

    async def wait_in_triggerer(ids):
        sensor = SynapseSubmissionCountTrigger(
            synapse_conn_id="synapse_default",
            evaluation_id=queue.id,
            status="RECEIVED",
            min_submissions=1,
            poll_interval=INTERVAL,
        )
        return [event.payload async for event in sensor.run()]

    async def main():
        triggerer = Triggerer()
        left, right = (create_trigger(queue, asset_name=name) for name in ("left", "right"))
        async with triggerer.watch(left) as one, triggerer.watch(right) as two:
            sensors = [asyncio.create_task(wait_in_triggerer(n)) for n in range(20)]
            await wait_for_polls(polls, 4)
            ids = queue.submit(2)
            results = await asyncio.gather(*sensors)
            await wait_until_async(lambda: announced_ids(one) == announced_ids(two) == ids)
        return results

    results = asyncio.run(main())
    assert results == [results[0]] * 20
    intervals = (polls.times[-1] - polls.times[0]) / INTERVAL
    assert len(polls.times) <= 1.5 * intervals + 2


def test_run_announces_without_a_shared_stream(queue, polls):
    async def main():
        ids = queue.submit(2)
        events = create_trigger(queue).run()
        first = await anext(events)
        assert first.payload["submission_ids"] == ids
        third = queue.submit(1)
        assert (await anext(events)).payload["submission_ids"] == third
        await events.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_announcements_are_kept_as_json():
    announced = AnnouncedSubmissions(60)
    assert announced.select_due(["1", "2"], 1000) == ["1", "2"]
    announced.add(Announcement(("1", "2"), 1000))
    assert announced.to_json() == {"1": 1000, "2": 1000}
    restored = AnnouncedSubmissions(60)
    restored.load(json.loads(json.dumps(announced.to_json())), 1010)
    assert restored.select_due(["1", "2", "3"], 1010) == ["3"]
    assert restored.select_due(["1", "3"], 1060) == ["1", "3"]
    assert restored.to_json() == {"1": 1000}


def test_an_announcement_in_the_future_counts_from_now():
    """The clock of another triggerer was wrong."""
    announced = AnnouncedSubmissions(60)
    announced.load({"1": 9_000_000_000}, 1000)
    assert announced.select_due(["1"], 1059) == []
    assert announced.select_due(["1"], 1060) == ["1"]


def test_the_state_is_bounded():
    announced = AnnouncedSubmissions(60)
    for time in range(10):
        ids = tuple(str(1000 * time + n) for n in range(MAX_IDS))
        announced.add(Announcement(ids, time))
    assert len(announced.to_json()) == 1000
    assert set(announced.to_json().values()) == {8, 9}
