"""One task makes one snapshot, whenever its worker dies and however late its request comes."""

import json

import pytest
from airflow.sdk import DAG
from support.execution_api import ExecutionApi, Run, fire_trigger

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    Project,
    Schema,
    SynapseTableSnapshotOperator,
    Table,
)
from synapse_workflows.testing import over_socket

STARTS = ("/table/transaction/async/start", "/table/snapshot")


class WorkerStoppedError(RuntimeError):
    """The worker is no more."""


class Late:
    """Stands before a service; keeps a request to freeze back, and lets it in later.

    Args:
        app: the service.
    """

    def __init__(self, app):
        self.app = app
        self.status = None
        self.held = []
        self.starts = 0

    def keep_back(self, status):
        """Keep the next request back, and answer it with a status."""
        self.status = status

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or not scope["path"].endswith(STARTS):
            await self.app(scope, receive, send)
            return
        self.starts += 1
        body = (await receive())["body"]
        if self.status is not None:
            self.held.append((scope, body))
            status, self.status = self.status, None
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"token": "1"}'})
            return
        while self.held:
            await self._pass(*self.held.pop(), _nobody)
        await self._pass(scope, body, send)

    async def _pass(self, scope, body, send):
        said = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            return said.pop() if said else {"type": "http.disconnect"}

        await self.app(scope, receive, send)


async def _nobody(_):
    """Hear an answer that nobody waits for."""


@pytest.fixture(scope="module")
def late_service(tmp_path_factory, recording):
    """A service to which requests can come late: one job at a time, in order."""
    before = []

    def wrap(app):
        before.append(Late(recording(app)))
        return before[0]

    with over_socket(tmp_path_factory.mktemp("late"), wrap=wrap, job_workers=1) as service:
        yield service, before[0]


@pytest.fixture
def late(late_service):
    return late_service[1]


@pytest.fixture
def person(late_service, tmp_path):
    with late_service[0].client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def place(person, request):
    return person.store(Project(request.node.name[:200].replace("[", " ").replace("]", ""))).id


@pytest.fixture
def table(person, place):
    schema = person.store(Schema("Table", [Column(name="n", columnType="INTEGER")], parent=place))
    person.store(Table(schema, [[1]]))
    return schema.id


@pytest.fixture
def view(person, place, table):
    types = [EntityViewType.TABLE]
    schema = EntityViewSchema("View", parent=place, scopes=[place], includeEntityTypes=types)
    return person.store(schema).id


@pytest.fixture
def airflow(late_service, tmp_path, monkeypatch):
    """What the tasks ask of Airflow; the triggerer has the same connection."""
    connection = json.loads(late_service[0].airflow_connection)
    connection["extra"]["cache_dir"] = str(tmp_path / "worker")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", json.dumps(connection))
    return ExecutionApi({"synapse_default": json.dumps(connection)})


@pytest.fixture
def run_of(airflow):
    def make(**arguments):
        with DAG("freeze_once", schedule=None) as dag:
            SynapseTableSnapshotOperator(
                task_id="freeze", retries=5, poll_interval=0.05, **arguments
            )
        return Run(airflow, dag)

    return make


def run_to_end(run):
    """Go on until the task has ended, through the triggerer if need be."""
    result = run.task("freeze", max_tries=5)
    if result.state == "deferred":
        result = run.task("freeze", max_tries=5, event=fire_trigger(result))
    return result


def dying(api, when, *, noted=False):
    """Let the worker die when it notes something for which `when` holds; before that, or after."""
    note = api._store

    def answer(request, parts, body):
        if request.method == "PUT" and when(parts[2], json.loads(body)["value"]):
            api._store = note
            if noted:
                note(request, parts, body)
            raise WorkerStoppedError
        return note(request, parts, body)

    api._store = answer


def labels(syn, table):
    found = syn.restGET(f"/entity/{table}/version")["results"]
    return [one["versionLabel"] for one in reversed(found)]


@pytest.mark.parametrize("label", [None, "nightly"])
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("first", ["before", "after"])
def test_unsaved_job_that_runs_late_creates_no_second_snapshot(
    run_of, airflow, late, view, person, label, deferrable, first
):
    """The worker dies between the start of the job and noting its token; then it is tried again.

    The job of the first try runs before that of the second, or after it.
    """
    run = run_of(table_id=view, version_label=label, deferrable=deferrable)
    late.keep_back(201)
    dying(airflow, lambda key, value: key == "synapse_snapshot" and value["job"])
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    assert labels(person, view) == ["1"]
    left = [] if first == "before" else [late.held.pop()]

    result = run_to_end(run)
    assert result.state == "success", result.error
    if left:
        late.held.extend(left)
        person.create_snapshot_version(view, label="another")  # and the late one before it
    expected = [label or "1", "another"] if left else [label or "1"]
    assert labels(person, view) == [*expected, "in progress"]
    assert run.value("freeze")["version"] == 1
    assert person.getProvenance(view, 1)["id"] == run.value("freeze")["activity_id"]


@pytest.mark.parametrize("lineage_mode", ["auto", "off"])
def test_lost_response_creates_no_second_snapshot(run_of, late, table, person, lineage_mode):
    """Tables are frozen by a request, not a job; it goes through after the try has failed."""
    run = run_of(table_id=table, lineage_mode=lineage_mode, version_label="{{ run_id }}")
    late.keep_back(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run.task("freeze", max_tries=5)
    assert result.state == "success", result.error
    assert labels(person, table) == ["run_1", "in progress"]
    assert run.value("freeze")["version"] == 1


@pytest.mark.parametrize("label", [None, "nightly"])
def test_conflict_with_a_free_label_is_retried(run_of, late, table, person, label):
    """As when somebody changes the table just now: the label is free, and stays the task's."""
    run = run_of(table_id=table, version_label=label)
    late.keep_back(409)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    late.held.clear()
    assert run.task("freeze", max_tries=5).state == "success"
    assert labels(person, table) == [label or "1", "in progress"]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("nth", range(1, 4))
def test_worker_stopped_at_any_save_creates_one_snapshot(
    run_of, airflow, view, person, deferrable, nth
):
    """It notes its Activity, what it is about to do, and the job."""
    noted = iter(range(1, 10))
    run = run_of(table_id=view, deferrable=deferrable)
    dying(airflow, lambda _key, _value: next(noted) == nth)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run_to_end(run)
    assert result.state == "success", result.error
    assert labels(person, view) == ["1", "in progress"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_retry_waits_for_the_job_of_a_stopped_worker(
    run_of, airflow, late, view, person, deferrable
):
    run = run_of(table_id=view, deferrable=deferrable)
    dying(airflow, lambda key, value: key == "synapse_snapshot" and value["job"], noted=True)
    before = late.starts
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    result = run_to_end(run)
    assert result.state == "success", result.error
    assert late.starts == before + 1
    assert labels(person, view) == ["1", "in progress"]


def test_own_late_snapshot_does_not_skip_the_task(run_of, late, airflow, view, person):
    """What the first try began, the second ends: it was changed when the task looked."""
    run = run_of(table_id=view, skip_if_unchanged=True, deferrable=True)
    dying(airflow, lambda key, value: key == "synapse_snapshot" and value["job"])
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    assert run_to_end(run).state == "success"
    assert labels(person, view) == ["1", "in progress"]


def test_two_concurrent_tasks_create_two_snapshots(run_of, late, table, person):
    """The number that the first one was to have is taken by then; it gets the next one."""
    run = run_of(table_id=table)
    late.keep_back(500)
    assert run.task("freeze", max_tries=5).state == "up_for_retry"
    late.held.clear()
    assert person.create_snapshot_version(table) == 1
    assert run.task("freeze", max_tries=5).state == "success"
    assert run.value("freeze")["version"] == 2
    assert labels(person, table) == ["1", "2", "in progress"]


def test_taken_version_number_uses_the_next_number(run_of, late, table, person):
    """Somebody else is faster between the look at the table and the request."""
    run = run_of(table_id=table)
    theirs = {"snapshotLabel": "1"}
    late.keep_back(500)
    with pytest.raises(Exception, match="500"):
        person.restPOST(f"/entity/{table}/table/snapshot", json.dumps(theirs))
    result = run.task("freeze")
    assert result.state == "success", result.error
    assert run.value("freeze")["version"] == 2
    assert labels(person, table) == ["1", "2", "in progress"]
