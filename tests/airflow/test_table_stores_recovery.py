"""Rows are stored once, whenever a worker dies: between its files, its job and its notes."""

import threading
from time import monotonic, sleep

import pytest
from support.fault_injection import FaultInjector
from support.killable_worker import Worker

from synapse_workflows import File, Row, RowSet, Table
from synapse_workflows.local.settings import utc_now
from synapse_workflows.testing import over_socket

GIVEN = [["a", 1], ["b", 2], ["a", 1], ["b", 2], ["e", 5]]


class WorkerStoppedError(RuntimeError):
    """The worker is no more."""


class StoppingApi:
    """Lets the worker die when it notes something for the n-th time: before or after that."""

    def __init__(self, api, nth, *, noted):
        self.left, self.noted = nth, noted
        self.note = api._store
        api._store = self.answer

    def answer(self, request, parts, body):
        if request.method == "PUT" and parts[2] == "synapse_rows":
            self.left -= 1
            if self.left == 0:
                if self.noted:
                    self.note(request, parts, body)
                raise WorkerStoppedError
        return self.note(request, parts, body)


#: Arguments of the operator, what is in the table at the end, and what was done to the three rows.
WAYS = {
    "append": ({}, [["a", 1], ["b", 2], ["c", 3], *GIVEN], (5, 0, 0)),
    "replace": ({"mode": "replace"}, GIVEN, (5, 0, 3)),
    "upsert": (
        {"mode": "upsert", "key": "n"},
        [["a", 1], ["z", 2], ["c", 3], ["d", 4], ["e", 5]],
        (2, 1, 0),
    ),
}
UPSERTED = [["a", 1], ["z", 2], ["d", 4], ["e", 5]]


def given(way):
    return UPSERTED if way == "upsert" else GIVEN


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_worker_stopped_at_any_save_stores_rows_once(
    store_rows, filled, rows_of, write_csv, api, way, nth, noted
):
    """It notes that it is about to begin, the job that it began, and that this is done."""
    deaths = StoppingApi(api, nth, noted=noted)
    arguments, expected, counts = WAYS[way]
    rows = write_csv(*given(way))
    result, run = store_rows(2, table_id=filled, rows=rows, chunk_rows=2, **arguments)
    assert deaths.left <= 0
    assert result.state == "success", result.error
    assert rows_of(filled) == expected
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == counts


def fail_once(context, result=None):
    if context["ti"].try_number == 1:
        raise WorkerStoppedError


@pytest.mark.parametrize("way", WAYS)
def test_retry_after_a_late_failure_stores_no_row_again(
    store_rows, filled, rows_of, write_csv, way
):
    arguments, expected, counts = WAYS[way]
    rows = write_csv(*given(way))
    result, run = store_rows(2, table_id=filled, rows=rows, post_execute=fail_once, **arguments)
    assert result.state == "success"
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == counts
    assert rows_of(filled) == expected


def test_cleared_task_adds_its_rows_again(store_rows, table, rows_of, write_csv):
    """Airflow gives a task that is cleared as many tries as it had, after those it has used."""
    _, run = store_rows(table_id=table, rows=write_csv(["a", 1]))
    assert run.task("store", max_tries=1 + 5).state == "success"
    assert rows_of(table) == [["a", 1], ["a", 1]]


@pytest.mark.parametrize("way", WAYS)
def test_retry_after_lost_success_stores_no_row_again(
    store_rows, filled, rows_of, write_csv, api, way
):
    """The work is done; of that Airflow does not hear. The next try tells what was done."""
    tell = api._task_instances

    def die(request, parts, body):
        if parts[1:] == ["state"]:
            raise WorkerStoppedError
        return tell(request, parts, body)

    api._task_instances = die
    arguments, expected, counts = WAYS[way]
    _, run = store_rows(table_id=filled, rows=write_csv(*given(way)), **arguments)
    api._task_instances = tell
    assert run.task("store", max_tries=5).state == "success"
    assert rows_of(filled) == expected
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == counts


def test_retry_with_other_rows_fails(store_rows, filled, rows_of, write_csv):
    def change(context, result=None):
        write_csv(["e", 5])
        fail_once(context)

    result, run = store_rows(2, table_id=filled, rows=write_csv(["d", 4]), post_execute=change)
    assert result.state == "failed"
    assert "added 1 rows to" in str(result.error)
    assert "ROW_ID above 3" in str(result.error)
    assert rows_of(filled)[3:] == [["d", 4]]
    assert run.task("store").state == "success"
    assert rows_of(filled)[3:] == [["d", 4], ["e", 5]]


def test_saved_state_is_small(store_rows, table, api, write_csv):
    rows = write_csv(*([f"row {n}", n] for n in range(30)))
    store_rows(table_id=table, rows=rows, chunk_rows=1)
    notes = [body for _, url, body in api.requests if url.endswith("/synapse_rows") and body]
    assert notes
    assert max(map(len, notes)) < 1000


class Clock:
    """The service's clock. It can hold up a job where that asks for the time.

    A job asks when it begins, and again when it has found its file and begins to read it.
    """

    def __init__(self):
        self.ask = 0
        self.freed = threading.Event()
        self.held = threading.Event()
        self._job = None

    def hold(self, ask):
        """Hold the next job where it asks for the time so often."""
        self.ask, self._job, self._count = ask, None, 0
        self.held.clear()
        self.freed.clear()

    def __call__(self):
        name = threading.current_thread().name
        if self.ask and name.startswith("local-synapse-"):
            self._job = self._job or name
            if name == self._job:
                self._count += 1
                if self._count == self.ask:
                    self.ask = 0
                    self.held.set()
                    self.freed.wait(30)
        return utc_now()


@pytest.fixture(scope="module")
def slow(tmp_path_factory, recording):
    """A service of this module's, what stands in front of it, and its clock."""
    way, clock = [], Clock()

    def wrap(app):
        way.append(FaultInjector(recording(app)))
        return way[0]

    with over_socket(tmp_path_factory.mktemp("slow"), wrap=wrap, clock=clock) as service:
        yield service, way[0], clock
        clock.freed.set()


class WithSlowService:
    """Tests that share it."""

    @pytest.fixture
    def socket_service(self, slow):
        slow[1].clear()
        return slow[0]

    @pytest.fixture
    def way(self, slow):
        return slow[1]

    @pytest.fixture
    def clock(self, slow):
        slow[2].ask = 0
        return slow[2]


class TestUnsavedJobs(WithSlowService):
    """The worker died after it started a job, and before it noted which."""

    @pytest.fixture
    def dies(self, api, way, clock):
        """Let the task's first try die, with its job held up where it asks for the time."""

        def begin(ask):
            way.at("transaction/async/start", lambda: clock.hold(ask))
            return StoppingApi(api, 2, noted=False)

        return begin

    @pytest.fixture
    def keep_bytes(self, alice, project):
        def keep(handle):
            """Make another handle for the same bytes, so that deleting the first leaves them."""
            holder = alice.store(File(dataFileHandleId=handle, parent=project, name="rows"))
            original = {
                "fileHandleId": handle,
                "associateObjectType": "FileEntity",
                "associateObjectId": holder.id,
            }
            (copied,) = alice.call(
                "POST",
                "/filehandles/copy",
                endpoint="file",
                json={"copyRequests": [{"originalFile": original}]},
            ).json["copyResults"]
            assert "newFileHandle" in copied
            alice.call("DELETE", f"/entity/{holder.id}", params={"skipTrashCan": "true"})

        return keep

    @pytest.mark.parametrize("kind", WAYS)
    def test_job_that_has_not_started_is_prevented(
        self, store_rows, filled, rows_of, write_csv, dies, way, clock, kind
    ):
        dies(1)
        arguments, expected, _ = WAYS[kind]
        rows = write_csv(*given(kind))
        _, run = store_rows(table_id=filled, rows=rows, **arguments)
        assert clock.held.wait(10)
        way.at("transaction/async/start", clock.freed.set, after=True)
        result = run.task("store", max_tries=5)
        assert result.state == "success", result.error
        assert rows_of(filled) == expected

    @pytest.mark.parametrize("kind", WAYS)
    @pytest.mark.parametrize("shared", [True, False])
    def test_job_that_has_started_is_waited_for(
        self,
        store_rows,
        filled,
        keep_bytes,
        rows_of,
        write_csv,
        api,
        dies,
        way,
        clock,
        kind,
        shared,
        caplog,
    ):
        """Where its file has another handle, too, it can read it to the end and succeeds."""
        dies(2)
        arguments, expected, counts = WAYS[kind]
        rows = write_csv(*given(kind))
        _, run = store_rows(table_id=filled, rows=rows, **arguments)
        assert clock.held.wait(10)
        way.at("transaction/async/start", clock.freed.set, after=True)
        if shared:
            (noted,) = (one.store["synapse_rows"] for one in api.instances.values())
            keep_bytes(noted["pending"]["file_handle_id"])
        result = run.task("store", max_tries=5)
        assert result.state == "success", result.error
        assert rows_of(filled) == expected
        done = run.value("store")
        assert (done["added"], done["changed"], done["deleted"]) == counts
        begun = [said for said in caplog.messages if "transaction/async/start 201" in said]
        # the first try's, the one that waited for it, and then the retry's own or not
        assert len(begun) == (2 if shared else 3)

    def test_rows_of_other_tasks_do_not_count_as_applied(
        self, store_rows, filled, alice, rows_of, write_csv, api
    ):
        """The worker died just before it would have started the job."""
        StoppingApi(api, 1, noted=True)
        own = [["d", 4], ["e", 5], ["e", 5]]
        _, run = store_rows(table_id=filled, rows=write_csv(*own))
        add(alice, filled, ["d", 4], ["f", 6], ["g", 7])
        add(alice, filled, ["h", 4], ["i", 6])
        assert run.task("store", max_tries=5).state == "success"
        others = [["d", 4], ["f", 6], ["g", 7], ["h", 4], ["i", 6]]
        assert rows_of(filled)[3:] == others + own

    def test_own_rows_are_found_among_others(
        self, store_rows, filled, alice, rows_of, write_csv, api
    ):
        StoppingApi(api, 2, noted=False)
        add(alice, filled, ["d", 4])
        _, run = store_rows(table_id=filled, rows=write_csv(["d", 4], ["e", 5]))
        until(lambda: len(rows_of(filled)) == 6)
        add(alice, filled, ["d", 4], ["e", 5], ["g", 7])
        assert run.task("store", max_tries=5).state == "success"
        assert run.value("store")["added"] == 2
        assert len(rows_of(filled)) == 9

    def test_changed_own_rows_fail_the_task(
        self, store_rows, filled, alice, rows_of, write_csv, api
    ):
        StoppingApi(api, 2, noted=False)
        _, run = store_rows(table_id=filled, rows=write_csv(["d", 4], ["e", 5]))
        until(lambda: len(rows_of(filled)) == 5)
        found = next(iter(alice.tableQuery(f"select * from {filled} where n = 4")))
        columns = list(alice.getColumns(filled))
        changed = [Row(["d", 40], rowId=int(found[0]), versionNumber=int(found[1]))]
        alice.store(RowSet(columns=columns, rows=changed, tableId=filled))
        result = run.task("store", max_tries=5)
        assert result.state == "failed"
        assert "rows with ROW_ID above 3" in str(result.error)
        assert len(rows_of(filled)) == 5


def add(alice, table, *rows):
    alice.store(Table(table, [list(row) for row in rows]))


def until(true):
    limit = monotonic() + 20
    while not true():
        assert monotonic() < limit
        sleep(0.05)


#: Moments of a conversation at which to kill the worker: a request, whether after it, which one.
MOMENTS = {
    "before a file is complete": ("PUT /file/v1/file/multipart/.*/complete", False, 1),
    "between two files": ("POST /file/v1/file/multipart$", False, 3),
    "before the job": ("transaction/async/start", False, 1),
    "when the job was started": ("transaction/async/start", True, 1),
    "when the job's token is noted": ("transaction/async/get", False, 1),
    "when the job is done": ("transaction/async/get", True, 1),
    "before the Activity": ("POST /repo/v1/activity", False, 1),
    "after the Activity": ("PUT /repo/v1/entity/.*/generatedBy", True, 1),
}


class TestKilledWorkers(WithSlowService):
    """Their processes are killed (SIGKILL), and others take their place."""

    @pytest.mark.parametrize(
        ("kind", "moment"),
        [
            *(("append", moment) for moment in MOMENTS),
            *(
                (kind, moment)
                for kind in ("replace", "upsert")
                for moment in MOMENTS
                if "job" in moment
            ),
        ],
    )
    def test_rows_are_stored_once_after_a_kill(
        self, connection, filled, alice, rows_of, write_csv, tmp_path, way, kind, moment
    ):
        arguments, expected, counts = WAYS[kind]
        rows = write_csv(*given(kind))
        # so that there are two files, and a moment between them
        arguments = {"table_id": filled, "rows": rows, "chunk_rows": 2, **arguments}
        worker = Worker(connection, tmp_path, **arguments)
        pattern, after, nth = MOMENTS[moment]
        way.at(pattern, worker.kill, nth=nth, after=after, respond=False)
        worker.begin()
        assert worker.end() is None
        worker.begin()
        done = worker.end()
        assert done["state"] == "success", done["error"]
        assert rows_of(filled) == expected
        value = done["value"]
        assert (value["added"], value["changed"], value["deleted"]) == counts
        assert alice.getProvenance(filled)["id"] == value["activity_id"]
