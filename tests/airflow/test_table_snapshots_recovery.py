"""One snapshot per task, after stopped workers and delayed requests."""

import json

import pytest
from airflow.sdk import DAG
from support.execution_api import ExecutionApi, Run, fire_trigger
from support.prepared_entities import append_rows, create_table

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    Project,
    Schema,
    SynapseTableSnapshotOperator,
)
from synapse_workflows.testing import over_socket

STARTS = ("/table/transaction/async/start", "/table/snapshot")


class WorkerStoppedError(RuntimeError):
    """Simulated stop of the worker."""


class RequestDelay:
    """ASGI middleware that delays a request for a snapshot until the next such request.

    Args:
        app: The service.
    """

    def __init__(self, app):
        self.app = app
        self.status = None
        self.delayed = []
        self.starts = 0

    def delay_next(self, status):
        """Delay the next request for a snapshot, and respond at once with a status."""
        self.status = status

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or not scope["path"].endswith(STARTS):
            await self.app(scope, receive, send)
            return
        self.starts += 1
        body = (await receive())["body"]
        if self.status is not None:
            self.delayed.append((scope, body))
            status, self.status = self.status, None
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"token": "1"}'})
            return
        while self.delayed:
            await self._forward(*self.delayed.pop(), _discard)
        await self._forward(scope, body, send)

    async def _forward(self, scope, body, send):
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            return messages.pop() if messages else {"type": "http.disconnect"}

        await self.app(scope, receive, send)


async def _discard(_):
    """Discard a response."""


@pytest.fixture(scope="module")
def delay_service(tmp_path_factory, recording):
    """Service with delayed requests; it runs one job at a time, in order."""
    middleware = []

    def wrap(app):
        middleware.append(RequestDelay(recording(app)))
        return middleware[0]

    with over_socket(tmp_path_factory.mktemp("late"), wrap=wrap, job_workers=1) as service:
        yield service, middleware[0]


@pytest.fixture
def delay(delay_service):
    return delay_service[1]


@pytest.fixture
def client(delay_service, tmp_path):
    with delay_service[0].client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def project(client, request):
    return client.store(Project(request.node.name[:200].replace("[", " ").replace("]", ""))).id


@pytest.fixture
def table(client, project):
    columns = [Column(name="n", columnType="INTEGER")]
    table = create_table(client, project, "Table", columns)
    append_rows(client, table, [[1]])
    return table


@pytest.fixture
def view(client, project, table):
    types = [EntityViewType.TABLE]
    schema = EntityViewSchema("View", parent=project, scopes=[project], includeEntityTypes=types)
    return client.store(schema).id


@pytest.fixture
def airflow(delay_service, tmp_path, monkeypatch):
    """Execution API of the tasks; the triggerer has the same connection."""
    connection = json.loads(delay_service[0].airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "worker")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    return ExecutionApi({"synapse_default": json.dumps(connection)})


@pytest.fixture
def run_of(airflow):
    def make(**arguments):
        with DAG("snapshot_once", schedule=None) as dag:
            SynapseTableSnapshotOperator(
                task_id="freeze", retries=5, poll_interval=0.05, **arguments
            )
        return Run(airflow, dag)

    return make


def run_to_end(run):
    """Run the task to its end, with its trigger if it defers."""
    result = run.task("freeze", max_tries=5)
    if result.state == "deferred":
        result = run.task("freeze", max_tries=5, event=fire_trigger(result))
    return result


def stop_at_save(api, when, *, after=False):
    """Stop the worker before or after it saves state for which `when` is true."""
    save = api._store

    def answer(request, parts, body):
        if request.method == "PUT" and when(parts[2], json.loads(body)["value"]):
            api._store = save
            if after:
                save(request, parts, body)
            raise WorkerStoppedError
        return save(request, parts, body)

    api._store = answer


def labels(syn, table):
    versions = syn.restGET(f"/entity/{table}/version")["results"]
    return [one["versionLabel"] for one in reversed(versions)]


@pytest.mark.parametrize("label", [None, "nightly"])
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("first", ["before", "after"])
def test_unsaved_job_that_runs_late_creates_no_second_snapshot(
    run_of, airflow, delay, view, client, label, deferrable, first
):
    """The worker stops between the start of the job and the save of its token.

    The job of the first try runs before or after the job of the second try.
    """
    run = run_of(table_id=view, version_label=label, deferrable=deferrable)
    delay.delay_next(201)
    stop_at_save(airflow, lambda key, value: key == "synapse_snapshot" and value["job"])
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    assert labels(client, view) == ["1"]
    remaining = [] if first == "before" else [delay.delayed.pop()]

    result = run_to_end(run)
    assert result.state == "success", result.error
    if remaining:
        delay.delayed.extend(remaining)
        # the delayed request runs before the request of this snapshot
        client.create_snapshot_version(view, label="another")
    expected = [label or "1", "another"] if remaining else [label or "1"]
    assert labels(client, view) == [*expected, "in progress"]
    assert run.value("freeze")["version"] == 1
    assert client.getProvenance(view, 1)["id"] == run.value("freeze")["activity_id"]


@pytest.mark.parametrize("lineage_mode", ["auto", "off"])
def test_lost_response_creates_no_second_snapshot(run_of, delay, table, client, lineage_mode):
    """A table snapshot is a request without a job; the request succeeds after the failed try."""
    run = run_of(table_id=table, lineage_mode=lineage_mode, version_label="{{ run_id }}")
    delay.delay_next(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run.task("freeze", max_tries=5)
    assert result.state == "success", result.error
    assert labels(client, table) == ["run_1", "in progress"]
    assert run.value("freeze")["version"] == 1


@pytest.mark.parametrize("comment", [None, "by run"])
def test_snapshot_of_another_writer_is_not_taken_with_lineage_off(
    run_of, delay, table, client, comment
):
    """The first request of the task is lost; then another writer creates a snapshot."""
    run = run_of(table_id=table, lineage_mode="off", version_comment=comment)
    delay.delay_next(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    delay.delayed.clear()
    client.create_snapshot_version(table)
    result = run.task("freeze", max_tries=5)
    assert result.state == "success", result.error
    assert labels(client, table) == ["1", "2", "in progress"]
    assert run.value("freeze")["version"] == 2


def test_label_of_another_writer_is_not_taken_with_lineage_off(run_of, delay, table, client):
    run = run_of(table_id=table, lineage_mode="off", version_label="nightly")
    delay.delay_next(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    delay.delayed.clear()
    client.create_snapshot_version(table, label="nightly")
    result = run.task("freeze", max_tries=5)
    assert result.state == "failed"
    assert "already has a version labelled 'nightly'" in str(result.error)


@pytest.mark.parametrize("label", [None, "nightly"])
def test_conflict_with_a_free_label_is_retried(run_of, delay, table, client, label):
    """For example, another writer changes the table, so the label remains unused."""
    run = run_of(table_id=table, version_label=label)
    delay.delay_next(409)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    delay.delayed.clear()
    assert run.task("freeze", max_tries=5).state == "success"
    assert labels(client, table) == [label or "1", "in progress"]


@pytest.mark.parametrize("policy", ["snapshot", "reuse", "skip"])
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("nth", range(1, 4))
def test_worker_stopped_at_any_save_creates_one_snapshot(
    run_of, airflow, view, client, deferrable, nth, policy
):
    """The task saves its Activity, its plan and the job's token."""
    saves = iter(range(1, 10))
    run = run_of(table_id=view, deferrable=deferrable, version_label="1", if_unchanged=policy)
    stop_at_save(airflow, lambda _key, _value: next(saves) == nth)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run_to_end(run)
    assert result.state == "success", result.error
    assert labels(client, view) == ["1", "in progress"]
    assert run.value("freeze")["created"] is True


@pytest.mark.parametrize("deferrable", [False, True])
def test_retry_waits_for_the_job_of_a_stopped_worker(
    run_of, airflow, delay, view, client, deferrable
):
    run = run_of(table_id=view, deferrable=deferrable)
    stop_at_save(
        airflow, lambda key, value: key == "synapse_snapshot" and value["job"], after=True
    )
    starts = delay.starts
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run_to_end(run)
    assert result.state == "success", result.error
    assert delay.starts == starts + 1
    assert labels(client, view) == ["1", "in progress"]


def test_own_late_snapshot_does_not_skip_the_task(run_of, delay, airflow, view, client):
    """The retry finishes the snapshot that the first try requested."""
    run = run_of(table_id=view, if_unchanged="skip", deferrable=True)
    stop_at_save(airflow, lambda key, value: key == "synapse_snapshot" and value["job"])
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    assert run_to_end(run).state == "success"
    assert labels(client, view) == ["1", "in progress"]


def test_two_concurrent_tasks_create_two_snapshots(run_of, delay, table, client):
    """Another task uses the version number; the snapshot gets the next version number."""
    run = run_of(table_id=table)
    delay.delay_next(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    delay.delayed.clear()
    assert client.create_snapshot_version(table) == 1
    assert run.task("freeze", max_tries=5).state == "success"
    assert run.value("freeze")["version"] == 2
    assert labels(client, table) == ["1", "2", "in progress"]


def test_taken_version_number_uses_the_next_number(run_of, delay, table, client):
    """Another snapshot request runs between the task's read of the table and its request."""
    run = run_of(table_id=table)
    options = {"snapshotLabel": "1"}
    delay.delay_next(500)
    with pytest.raises(Exception, match="500"):
        client.restPOST(f"/entity/{table}/table/snapshot", json.dumps(options))
    result = run.task("freeze")
    assert result.state == "success", result.error
    assert run.value("freeze")["version"] == 2
    assert labels(client, table) == ["1", "2", "in progress"]


@pytest.mark.parametrize("kind", ["table", "view"])
@pytest.mark.parametrize("policy", ["reuse", "skip"])
@pytest.mark.parametrize("is_changed", [False, True])
def test_snapshot_that_another_task_creates_meanwhile_is_used(
    run_of, delay, request, client, project, table, kind, policy, is_changed
):
    """Another task uses the label after this task has found no snapshot."""
    target = request.getfixturevalue(kind)
    run = run_of(table_id=target, version_label="1.0", if_unchanged=policy)
    delay.delay_next(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    delay.delayed.clear()
    client.create_snapshot_version(target, label="1.0")
    if is_changed:
        append_rows(client, table, [[2]])
        client.store(Schema("A row of the view", parent=project))
    result = run.task("freeze", max_tries=5)
    expected = {"reuse": "success", "skip": "skipped"}[policy]
    assert result.state == ("failed" if is_changed else expected), result.error
    assert labels(client, target) == ["1.0", "in progress"]
    if is_changed:
        assert "has changed since its snapshot" in str(result.error)
    elif policy == "reuse":
        assert run.value("freeze")["created"] is False
        assert run.value("freeze")["activity_id"] is None
