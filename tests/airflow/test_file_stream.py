"""Announcements of new files, through Airflow's manager of shared streams."""

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import count

import pytest
import structlog
from airflow.triggers.shared_stream import AckTimeout, SharedStreamManager
from support.waiting import wait_until_async

from synapse_workflows import File, Folder, Project, SynapseFilesTrigger
from synapse_workflows.testing import over_socket
from synapse_workflows.triggers import file_stream

INTERVAL = 0.1
NUMBERS = count(1)


class PollRecorder:
    """ASGI middleware that counts listings of containers, and can reject them."""

    def __init__(self, app):
        self.app = app
        self.number = 0
        self.status = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/entity/children"):
            self.number += 1
            if self.status is not None:
                headers = [(b"content-type", b"application/json")]
                start = {"type": "http.response.start", "status": self.status}
                await send(start | {"headers": headers})
                await send({"type": "http.response.body", "body": b'{"reason": "closed"}'})
                return
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def recorded_service(tmp_path_factory):
    recorders = []

    def wrap(app):
        recorders.append(PollRecorder(app))
        return recorders[0]

    with over_socket(tmp_path_factory.mktemp("service"), wrap=wrap) as service:
        yield service, recorders[0]


@pytest.fixture
def polls(recorded_service):
    yield recorded_service[1]
    recorded_service[1].status = None


class Inbox:
    """A new project, whose files are watched."""

    def __init__(self, syn, folder):
        self.syn, self.folder = syn, folder
        self.id = self.create_project()

    def create_project(self):
        return self.syn.store(Project(f"Inbox {next(NUMBERS)}")).id

    def create_folder(self, name, parent=None):
        return self.syn.store(Folder(name, parent=parent or self.id)).id

    def put(self, name="a.csv", parent=None, text=""):
        path = self.folder / name
        path.write_text(f"{text} {next(NUMBERS)}")
        return self.syn.store(File(str(path), parent=parent or self.id)).id


@pytest.fixture
def inbox(recorded_service, tmp_path, monkeypatch):
    service = recorded_service[0]
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", service.airflow_connection)
    with service.client(cache_root_dir=str(tmp_path / "cache")) as syn:
        folder = tmp_path / "files"
        folder.mkdir()
        yield Inbox(syn, folder)


@pytest.fixture
def store(monkeypatch):
    """The state store of all assets, as Airflow's API server keeps it."""
    values, errors = {}, []

    class Accessor:
        def __init__(self, name):
            self.name = name

        async def aget(self, key, default):
            if errors:
                raise errors.pop()
            return json.loads(values.get((self.name, key), json.dumps(default)))

        async def aset(self, key, value):
            if errors:
                raise errors.pop()
            values[self.name, key] = json.dumps(value)

    monkeypatch.setattr(file_stream, "AssetStateStoreAccessor", Accessor)
    return values, errors


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
    async def watch(self, inbox, *, is_stored=True, **arguments):
        """Run a watcher during the block; yield the growing list of announced files."""
        options = {"container_id": inbox.id, "poll_interval": INTERVAL} | arguments
        files = []
        task = asyncio.create_task(self.run(SynapseFilesTrigger(**options), files, is_stored))
        self.tasks.append(task)
        try:
            yield files
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def run(self, trigger, files, is_stored):
        key, number = trigger.shared_stream_key(), next(self.ids)
        stream = self.manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                assert json.loads(json.dumps(event.payload)) == event.payload
                assert event.payload["container_id"] == trigger.container_id
                sequence = self.manager.bind_pending_event(trigger_id=number, key=key)
                files += event.payload["files"]
                if is_stored:
                    self.manager.confirm_persisted([sequence])
        finally:
            await self.manager.unsubscribe(number, key)


async def wait_for_polls(polls, number=3):
    start = polls.number
    await wait_until_async(lambda: polls.number >= start + number)


def ids_of(files):
    return [file["id"] for file in files]


def test_new_files_are_announced_once(inbox, polls):
    """Files that are created, moved there alone or in a folder, and restored from the trash."""
    other = inbox.create_project()
    inbox.put("existing.csv")
    old = inbox.put("old.csv", other)
    moved_folder = inbox.create_folder("moved", other)
    below = inbox.put("below.csv", inbox.create_folder("deep", moved_folder))
    trashed = inbox.put("trashed.csv")
    inbox.syn.delete(trashed)
    syn, expected = inbox.syn, []

    async def main():
        async with Triggerer().watch(inbox) as files:
            await wait_for_polls(polls)
            for action in (
                lambda: inbox.put("new.csv"),
                lambda: inbox.put("in folder.csv", inbox.create_folder("results")),
                lambda: syn.move(old, inbox.id) and old,
                lambda: syn.move(moved_folder, inbox.id) and below,
                lambda: syn.restPUT(f"/trashcan/restore/{trashed}") or trashed,
            ):
                expected.append(action())
                await wait_until_async(lambda: ids_of(files) == expected)
            await wait_for_polls(polls, 6)
            return files

    files = asyncio.run(main())
    assert ids_of(files) == expected
    assert files[0] == {
        "id": expected[0],
        "version": 1,
        "name": "new.csv",
        "parent_id": inbox.id,
    }


def test_a_burst_is_announced_in_batches(inbox, polls, monkeypatch):
    monkeypatch.setattr(file_stream, "MAX_FILES", 3)

    async def main():
        async with Triggerer().watch(inbox) as files:
            await wait_for_polls(polls)
            added = [inbox.put(f"{number}.csv") for number in range(8)]
            await wait_until_async(lambda: len(files) >= 8)
            await wait_for_polls(polls)
            assert sorted(ids_of(files)) == sorted(added)

    asyncio.run(main())


def test_names_versions_and_depth(inbox, polls):
    kept = inbox.put("kept.csv")
    folder = inbox.create_folder("folder")

    async def main():
        triggerer = Triggerer()
        watch = triggerer.watch
        async with (
            watch(inbox, name_pattern="*.csv") as names,
            watch(inbox, new_versions=True) as versions,
            watch(inbox, recursive=False) as children,
        ):
            await wait_for_polls(polls, 6)
            added = [inbox.put("a.csv"), inbox.put("b.tmp"), inbox.put("c.csv", folder)]
            assert inbox.put("kept.csv") == kept
            await wait_until_async(lambda: len(versions) >= 4 and len(children) >= 2)
            renamed = inbox.syn.restGET(f"/entity/{added[1]}")
            inbox.syn.restPUT(f"/entity/{added[1]}", renamed | {"name": "b.csv"})
            await wait_until_async(lambda: len(names) >= 3)
            await wait_for_polls(polls, 6)
        assert sorted(ids_of(names)) == sorted(added)
        found = sorted((file["id"], file["version"]) for file in versions)
        assert found == sorted([(kept, 2), *((one, 1) for one in added)])
        assert sorted(ids_of(children)) == sorted(added[:2])

    asyncio.run(main())


def test_a_restart_loses_and_repeats_nothing(inbox, polls, store):
    """The state of the asset survives: also the files that exist at the first start."""
    inbox.put("existing.csv")

    async def main():
        async with Triggerer().watch(inbox, asset_name="files") as files:
            await wait_for_polls(polls)
        assert files == []
        added = [inbox.put("added.csv")]
        async with Triggerer().watch(inbox, asset_name="files") as files:
            await wait_until_async(lambda: ids_of(files) == added)
            await wait_until_async(lambda: len(store[0]) == 1)
            await wait_for_polls(polls)
        async with Triggerer().watch(inbox, asset_name="files") as files:
            await wait_for_polls(polls)
            assert files == []
            inbox.syn.delete(added[0])
            await wait_for_polls(polls)
            inbox.syn.restPUT(f"/trashcan/restore/{added[0]}")
            await wait_until_async(lambda: ids_of(files) == added)

    asyncio.run(main())


def test_a_store_that_fails_delays_the_start(inbox, polls, store):
    """Without the known files, files that were added meanwhile would be lost."""
    store[1][:] = [RuntimeError("read"), RuntimeError("save"), RuntimeError("save")]
    store[1].reverse()

    async def main():
        inbox.put("existing.csv")
        async with Triggerer().watch(inbox, asset_name="files") as files:
            await wait_until_async(lambda: store[0])
            added = inbox.put("added.csv")
            await wait_until_async(lambda: ids_of(files) == [added])

    asyncio.run(main())
    assert store[1] == []


def test_existing_files_are_announced_on_request(inbox, polls, store):
    existing = [inbox.put("a.csv"), inbox.put("b.csv")]

    async def main():
        for _ in range(2):
            async with Triggerer().watch(
                inbox, asset_name="files", announce_existing=True
            ) as files:
                await wait_until_async(lambda: files or (len(store[0]) and polls.number > 4))
                await wait_for_polls(polls)
            yielded.append(ids_of(files))

    yielded = []
    asyncio.run(main())
    assert yielded == [existing, []]


def test_an_event_that_is_not_stored_is_announced_again(inbox, polls, store):
    async def main():
        triggerer = Triggerer(ack_timeout=0.3)
        async with triggerer.watch(inbox, asset_name="files", is_stored=False) as files:
            await wait_for_polls(polls)
            added = inbox.put()
            await wait_until_async(lambda: files)
            await wait_until_async(triggerer.tasks[0].done)
        async with triggerer.watch(inbox, asset_name="files") as again:
            await wait_until_async(lambda: ids_of(again) == [added])
        return triggerer.tasks[0]

    assert isinstance(asyncio.run(main()).exception(), AckTimeout)


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_errors_are_polled_again(inbox, polls, status):
    async def main():
        async with Triggerer().watch(inbox) as files:
            await wait_for_polls(polls)
            polls.status = status
            added = inbox.put()
            await wait_for_polls(polls, 2)
            assert not files
            polls.status = None
            await wait_until_async(lambda: ids_of(files) == [added])

    asyncio.run(main())


def test_a_file_that_becomes_readable_is_new(inbox, polls, recorded_service, monkeypatch):
    """A folder without READ is left out until it can be read; the container must be readable."""
    service, syn = recorded_service[0], inbox.syn
    bob = int(service.owner_id("bob"))
    connection = json.loads(service.airflow_connection) | {"password": service.token("bob")}
    monkeypatch.setenv("AIRFLOW_CONN_BOB", json.dumps(connection))
    hidden = inbox.create_folder("hidden")
    syn.setPermissions(hidden, "PUBLIC", [], warn_if_inherits=False)
    below = inbox.put("below.csv", hidden)

    async def main():
        async with Triggerer().watch(inbox, synapse_conn_id="bob") as files:
            await wait_for_polls(polls, 2)
            syn.setPermissions(inbox.id, bob, ["READ"])
            await wait_for_polls(polls)  # one of them starts with the permission and ends
            visible = inbox.put("visible.csv")
            await wait_until_async(lambda: ids_of(files) == [visible])
            syn.setPermissions(hidden, bob, ["READ"])
            await wait_until_async(lambda: ids_of(files) == [visible, below])

    asyncio.run(main())


def test_watchers_of_a_container_share_the_requests(inbox, polls):
    async def main():
        triggerer = Triggerer()
        async with (
            triggerer.watch(inbox, asset_name=None) as one,
            triggerer.watch(inbox, name_pattern="*.csv") as two,
            triggerer.watch(inbox, new_versions=True) as three,
        ):
            await wait_for_polls(polls)
            start, loop = polls.number, asyncio.get_running_loop()
            began = loop.time()
            added = inbox.put()
            await wait_until_async(lambda: ids_of(one) == ids_of(two) == ids_of(three) == [added])
            await asyncio.sleep(5 * INTERVAL)
            intervals = (loop.time() - began) / INTERVAL
            assert polls.number - start <= 1.5 * intervals + 2

    asyncio.run(main())


def test_run_announces_without_a_shared_stream(inbox, polls):
    async def main():
        trigger = SynapseFilesTrigger(container_id=inbox.id, poll_interval=INTERVAL)
        events = trigger.run()
        first = asyncio.create_task(anext(events))
        await wait_for_polls(polls)
        added = inbox.put()
        assert ids_of((await first).payload["files"]) == [added]
        await events.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("container_id", "syn1.2"),
        ("container_id", None),
        ("recursive", "no"),
        ("name_pattern", ""),
        ("name_pattern", 3),
        ("new_versions", None),
        ("announce_existing", 1),
        ("synapse_conn_id", ""),
        ("poll_interval", 0),
        ("asset_name", " "),
    ],
)
def test_invalid_arguments(argument, value):
    with pytest.raises(ValueError, match=argument):
        SynapseFilesTrigger(**({"container_id": "syn1"} | {argument: value}))
