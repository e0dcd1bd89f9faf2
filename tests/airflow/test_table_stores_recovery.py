"""Rows are stored once, wherever the worker of a task stops."""

import threading
from time import monotonic, sleep

import pytest
from airflow.sdk import DAG
from support.execution_api import Run, fire_trigger
from support.fault_injection import FaultInjector
from support.killable_worker import Worker
from support.prepared_entities import append_rows
from support.waiting import wait_until

from synapse_workflows import File, Row, RowSet, SynapseTableStoreOperator
from synapse_workflows.local.settings import utc_now
from synapse_workflows.testing import over_socket

GIVEN = [["a", 1], ["b", 2], ["a", 1], ["b", 2], ["e", 5]]


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


class StoppingApi:
    """Wrapper of the Execution API that stops the worker before or after its n-th save."""

    def __init__(self, api, nth, *, after):
        self.remaining, self.after = nth, after
        self.save = api._store
        api._store = self.answer

    def answer(self, request, parts, body):
        if request.method == "PUT" and parts[2].startswith("synapse_rows"):
            self.remaining -= 1
            if self.remaining == 0:
                if self.after:
                    self.save(request, parts, body)
                raise WorkerStoppedError
        return self.save(request, parts, body)


#: Arguments of the operator, the rows at the end, and the counts for a table of three rows.
MODES = {
    "append": ({}, [["a", 1], ["b", 2], ["c", 3], *GIVEN], (5, 0, 0)),
    "replace": ({"mode": "replace"}, GIVEN, (5, 0, 3)),
    "upsert": (
        {"mode": "upsert", "key": "n"},
        [["a", 1], ["z", 2], ["c", 3], ["d", 4], ["e", 5]],
        (2, 1, 0),
    ),
}
UPSERTED = [["a", 1], ["z", 2], ["d", 4], ["e", 5]]


def given(mode):
    return UPSERTED if mode == "upsert" else GIVEN


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", MODES)
def test_worker_stopped_at_any_save_stores_rows_once(
    store_rows, filled, rows_of, write_csv, api, mode, nth, after
):
    """The task saves its call, the pending transaction, the job's token and the result."""
    stopping = StoppingApi(api, nth, after=after)
    arguments, expected, counts = MODES[mode]
    rows = write_csv(*given(mode))
    result, run = store_rows(2, table_id=filled, rows=rows, chunk_rows=2, **arguments)
    assert stopping.remaining <= 0
    assert result.state == "success", result.error
    assert rows_of(filled) == expected
    value = run.value("store")
    assert (value["added"], value["changed"], value["deleted"]) == counts


def fail_once(context, result=None):
    if context["ti"].try_number == 1:
        raise WorkerStoppedError


@pytest.mark.parametrize("mode", MODES)
def test_retry_after_a_late_failure_stores_no_row_again(
    store_rows, filled, rows_of, write_csv, mode
):
    arguments, expected, counts = MODES[mode]
    rows = write_csv(*given(mode))
    result, run = store_rows(2, table_id=filled, rows=rows, post_execute=fail_once, **arguments)
    assert result.state == "success"
    value = run.value("store")
    assert (value["added"], value["changed"], value["deleted"]) == counts
    assert rows_of(filled) == expected


def test_cleared_task_adds_its_rows_again(store_rows, table, rows_of, write_csv):
    """Airflow raises `max_tries` of a task that is cleared."""
    _, run = store_rows(table_id=table, rows=write_csv(["a", 1]))
    assert run.task("store", max_tries=1 + 5).state == "success"
    assert rows_of(table) == [["a", 1], ["a", 1]]


@pytest.mark.parametrize("mode", MODES)
def test_retry_after_lost_success_stores_no_row_again(
    store_rows, filled, rows_of, write_csv, api, mode
):
    """The worker stops before it reports success to Airflow."""
    handle = api._task_instances

    def stop(request, parts, body):
        if parts[1:] == ["state"]:
            raise WorkerStoppedError
        return handle(request, parts, body)

    api._task_instances = stop
    arguments, expected, counts = MODES[mode]
    _, run = store_rows(table_id=filled, rows=write_csv(*given(mode)), **arguments)
    api._task_instances = handle
    assert run.task("store", max_tries=5).state == "success"
    assert rows_of(filled) == expected
    value = run.value("store")
    assert (value["added"], value["changed"], value["deleted"]) == counts


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
    bodies = [body for _, url, body in api.requests if "/synapse_rows" in url and body]
    assert bodies
    assert max(map(len, bodies)) < 1000


class Clock:
    """Clock of the service that can block a job when it reads the time.

    A job reads the time when it starts, and again when it has found its file and starts to read
    the file.
    """

    def __init__(self):
        self.nth = 0
        self.released = threading.Event()
        self.blocked = threading.Event()
        self._job = None

    def block(self, nth):
        """Block the next job when it reads the time for the n-th time."""
        self.nth, self._job, self._count = nth, None, 0
        self.blocked.clear()
        self.released.clear()

    def __call__(self):
        name = threading.current_thread().name
        if self.nth and name.startswith("local-synapse-"):
            self._job = self._job or name
            if name == self._job:
                self._count += 1
                if self._count == self.nth:
                    self.nth = 0
                    self.blocked.set()
                    self.released.wait(30)
        return utc_now()


@pytest.fixture(scope="module")
def slow(tmp_path_factory, recording):
    """Service of this module, its fault injector and its clock."""
    injector, clock = [], Clock()

    def wrap(app):
        injector.append(FaultInjector(recording(app)))
        return injector[0]

    with over_socket(tmp_path_factory.mktemp("slow"), wrap=wrap, clock=clock) as service:
        yield service, injector[0], clock
        clock.released.set()


class WithSlowService:
    """Base class of tests with this service."""

    @pytest.fixture
    def socket_service(self, slow):
        slow[1].clear()
        return slow[0]

    @pytest.fixture
    def injector(self, slow):
        return slow[1]

    @pytest.fixture
    def clock(self, slow):
        slow[2].nth = 0
        return slow[2]


class TestUnsavedJobs(WithSlowService):
    """The worker stopped after it started a job and before it saved the job's token."""

    @pytest.fixture
    def stop_first_try(self, api, injector, clock):
        """Stop the first try, and block its job when the job reads the time for the n-th time."""

        def begin(nth):
            injector.at("transaction/async/start", lambda: clock.block(nth))
            return StoppingApi(api, 3, after=False)

        return begin

    @pytest.fixture
    def keep_content(self, alice, project):
        def keep(handle):
            """Create another file handle for the same content, which keeps the content."""
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

    @pytest.mark.parametrize("kind", MODES)
    def test_job_that_has_not_started_is_prevented(
        self, store_rows, filled, rows_of, write_csv, stop_first_try, injector, clock, kind
    ):
        stop_first_try(1)
        arguments, expected, _ = MODES[kind]
        rows = write_csv(*given(kind))
        _, run = store_rows(table_id=filled, rows=rows, **arguments)
        assert clock.blocked.wait(60)
        injector.at("transaction/async/start", clock.released.set, after=True)
        result = run.task("store", max_tries=5)
        assert result.state == "success", result.error
        assert rows_of(filled) == expected

    @pytest.mark.parametrize("kind", MODES)
    @pytest.mark.parametrize("shared", [True, False])
    def test_job_that_has_started_is_waited_for(
        self,
        store_rows,
        filled,
        keep_content,
        rows_of,
        write_csv,
        api,
        stop_first_try,
        injector,
        clock,
        kind,
        shared,
        caplog,
    ):
        """If the file has another file handle, the job can read the file and succeeds."""
        stop_first_try(2)
        arguments, expected, counts = MODES[kind]
        rows = write_csv(*given(kind))
        _, run = store_rows(table_id=filled, rows=rows, **arguments)
        assert clock.blocked.wait(60)
        injector.at("transaction/async/start", clock.released.set, after=True)
        if shared:
            (state,) = next(iter(api.instances.values())).store.values()
            keep_content(state["pending"]["file_handle_id"])
        result = run.task("store", max_tries=5)
        assert result.state == "success", result.error
        assert rows_of(filled) == expected
        value = run.value("store")
        assert (value["added"], value["changed"], value["deleted"]) == counts
        starts = [line for line in caplog.messages if "transaction/async/start 201" in line]
        # the job of the first try, the job queued behind it, and the job of the retry if needed
        assert len(starts) == (2 if shared else 3)

    def test_rows_of_other_tasks_do_not_count_as_applied(
        self, store_rows, filled, alice, rows_of, write_csv, api
    ):
        """The worker stopped just before the start of the job."""
        StoppingApi(api, 2, after=True)
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
        StoppingApi(api, 3, after=False)
        add(alice, filled, ["d", 4])
        _, run = store_rows(table_id=filled, rows=write_csv(["d", 4], ["e", 5]))
        wait_until(lambda: len(rows_of(filled)) == 6)
        add(alice, filled, ["d", 4], ["e", 5], ["g", 7])
        assert run.task("store", max_tries=5).state == "success"
        assert run.value("store")["added"] == 2
        assert len(rows_of(filled)) == 9

    def test_changed_own_rows_fail_the_task(
        self, store_rows, filled, alice, rows_of, write_csv, api
    ):
        StoppingApi(api, 3, after=False)
        _, run = store_rows(table_id=filled, rows=write_csv(["d", 4], ["e", 5]))
        wait_until(lambda: len(rows_of(filled)) == 5)
        row = next(iter(alice.tableQuery(f"select * from {filled} where n = 4")))
        columns = list(alice.getColumns(filled))
        changed = [Row(["d", 40], rowId=int(row[0]), versionNumber=int(row[1]))]
        alice.store(RowSet(columns=columns, rows=changed, tableId=filled))
        result = run.task("store", max_tries=5)
        assert result.state == "failed"
        assert "rows with ROW_ID above 3" in str(result.error)
        assert len(rows_of(filled)) == 5


def add(alice, table, *rows):
    append_rows(alice, table, [list(row) for row in rows])


#: When to terminate the worker: pattern of a request, and whether after the request.
TERMINATION_POINTS = {
    "before the job": ("transaction/async/start", False),
    "when the job was started": ("transaction/async/start", True),
    "when the job's token is saved": ("transaction/async/get", False),
}


class TestTerminatedWorkers(WithSlowService):
    """Worker processes are terminated with SIGTERM; see test_kill_matrix.py for SIGKILL."""

    @pytest.mark.parametrize("kind", MODES)
    @pytest.mark.parametrize("point", TERMINATION_POINTS)
    def test_terminated_task_ends_its_work_and_is_retried(
        self, connection, filled, rows_of, write_csv, tmp_path, injector, kind, point
    ):
        """Airflow sends SIGTERM and calls `on_kill`; the task must not continue."""
        arguments, expected, counts = MODES[kind]
        rows = write_csv(*given(kind))
        arguments = {"table_id": filled, "rows": rows, "chunk_rows": 2, **arguments}
        worker = Worker(connection, tmp_path, **arguments)
        pattern, after = TERMINATION_POINTS[point]

        def terminate():
            worker.terminate()
            sleep(0.5)  # the response arrives after the signal

        injector.at(pattern, terminate, after=after)
        worker.begin()
        result = worker.end()
        assert result["state"] == "up_for_retry", result["error"]
        worker.begin()
        result = worker.end()
        assert result["state"] == "success", result["error"]
        assert rows_of(filled) == expected
        value = result["value"]
        assert (value["added"], value["changed"], value["deleted"]) == counts


class TestTimeout(WithSlowService):
    """`timeout` limits the wait for a job; a retry waits for the same job."""

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_timeout_ends_the_wait_and_not_the_job(
        self, api, filled, rows_of, injector, clock, connection, monkeypatch, deferrable
    ):
        monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
        with DAG("store_slowly", schedule=None) as dag:
            SynapseTableStoreOperator(
                task_id="store",
                table_id=filled,
                rows=[{"a name": "d", "n": 4}],
                timeout=1.5,
                deferrable=deferrable,
                poll_interval=0.2,
                retries=5,
            )
        run = Run(api, dag, "run_1")
        injector.at("transaction/async/start", lambda: clock.block(1))
        begin = monotonic()
        result = run.task("store", max_tries=5)
        if deferrable:
            event = fire_trigger(result)
            assert "Increase timeout" in event["error"]
            result = run.task("store", max_tries=5, event=event)
        assert monotonic() - begin < 20
        assert result.state == "up_for_retry"
        assert "Increase timeout" in str(result.error)
        assert len(rows_of(filled)) == 3
        clock.released.set()
        result = run.task("store", max_tries=5)
        if result.state == "deferred":
            result = run.task("store", max_tries=5, event=fire_trigger(result))
        assert result.state == "success", result.error
        assert rows_of(filled)[3:] == [["d", 4]]
        assert run.value("store")["added"] == 1
