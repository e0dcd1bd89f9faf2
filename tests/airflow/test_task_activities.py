"""Activities that Synapse does not accept: the task succeeds, and the Activity is added later."""

import json
import re

import pytest
from airflow.sdk import DAG
from support.execution_api import ExecutionApi, Run

from synapse_workflows import (
    Project,
    SynapseGetOperator,
    SynapseStoreOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.provenance.pending_activity import PENDING_KEY, PendingActivity
from synapse_workflows.provenance.repair import repair_activities
from synapse_workflows.testing import over_socket


class RejectingApp:
    """ASGI middleware that answers requests with 403.

    Args:
        app: the ASGI application of the service.
    """

    def __init__(self, app):
        self.app = app
        self.pattern = None

    def clear(self):
        self.pattern = None

    async def __call__(self, scope, receive, send):
        request = f"{scope.get('method')} {scope.get('path')}"
        if self.pattern is None or re.fullmatch(self.pattern, request) is None:
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        body = json.dumps({"reason": "no Activities today"}).encode()
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def rejecting(tmp_path_factory):
    """A service, and its middleware."""
    apps = []

    def wrap(app):
        apps.append(RejectingApp(app))
        return apps[0]

    with over_socket(tmp_path_factory.mktemp("rejecting"), wrap=wrap) as service:
        yield service, apps[0]


@pytest.fixture
def socket_service(rejecting):
    """Service that rejects Activities after `reject`."""
    service, app = rejecting
    yield service
    app.clear()


@pytest.fixture
def reject(rejecting):
    """Function that lets the service reject requests for Activities."""

    def start(pattern="POST /repo/v1/activity"):
        rejecting[1].pattern = pattern

    return start


@pytest.fixture
def store(api, project, put, tmp_path):
    """Function that creates the run of a DAG that stores a file."""
    raw = put()
    path = tmp_path / "out.txt"
    path.write_text("out")

    def create(**options):
        with DAG("rejected", schedule=None) as dag:
            get = SynapseGetOperator(task_id="raw", entity_id=raw)
            get >> SynapseStoreOperator(
                task_id="store", path=str(path), parent_id=project, retries=3, **options
            )
        run = Run(api, dag)
        run.task("raw")
        return run, raw

    return create


def read_pending(run, task_id="store"):
    return [PendingActivity.from_json(one) for one in run.value(task_id, PENDING_KEY)]


def test_task_succeeds_without_its_activity_and_repair_adds_it(
    store, reject, rejecting, alice, sources_of, caplog
):
    run, raw = store()
    reject()
    assert run.task("store").state == "success"
    stored = run.value("store")
    assert "activity_id" not in stored
    assert "was stored without its Activity" in caplog.text
    assert "no Activities today" in caplog.text
    (pending,) = read_pending(run)
    assert pending.versions == ((stored["id"], 1),)
    assert "no Activities today" in pending.reason
    assert [one.state for one in repair_activities(alice, [pending])] == ["failed"]
    rejecting[1].clear()
    (repair,) = repair_activities(alice, [pending])
    assert repair.state == "repaired"
    assert sources_of(stored["id"])[0] == [raw]
    assert alice.getProvenance(stored["id"])["name"] == "rejected.store"
    assert [one.state for one in repair_activities(alice, [pending])] == ["present"]


def test_repair_leaves_activity_of_somebody_else(store, reject, rejecting, alice):
    from synapse_workflows import Activity

    run, _ = store()
    reject()
    run.task("store")
    rejecting[1].clear()
    entity = run.value("store")["id"]
    by_hand = alice.setProvenance(entity, Activity("By hand", used="https://example.org"))
    (repair,) = repair_activities(alice, read_pending(run))
    assert (repair.state, repair.activity_id) == ("present", by_hand["id"])
    assert alice.getProvenance(entity)["name"] == "By hand"


def test_repair_leaves_later_version(store, reject, rejecting, alice, put, project):
    run, _ = store()
    reject()
    run.task("store")
    rejecting[1].clear()
    put("out.txt", "newer")
    (repair,) = repair_activities(alice, read_pending(run))
    assert repair.state == "superseded"
    assert (
        alice.restGET(f"/entity/{run.value('store')['id']}/version")["totalNumberOfResults"] == 2
    )


@pytest.mark.parametrize("max_tries", [3, 4])
def test_next_try_adds_the_activity(store, reject, rejecting, alice, sources_of, max_tries):
    """Also after the task was cleared, which increases `max_tries`."""
    run, raw = store()
    reject()
    assert run.task("store", max_tries=3).state == "success"
    rejecting[1].clear()
    assert run.task("store", max_tries=max_tries).state == "success"
    stored = run.value("store")
    assert stored["version"] == 1
    assert sources_of(stored["id"])[0] == [raw]
    assert stored["activity_id"] == alice.getProvenance(stored["id"])["id"]


def test_required_lineage_fails_the_task_and_stores_nothing(store, reject, alice, project):
    run, _ = store(lineage_required=True)
    reject()
    assert run.task("store").state == "failed"
    assert alice.findEntityId("out.txt", project) is None


def test_configuration_requires_lineage(store, reject, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LINEAGE_REQUIRED", "True")
    run, _ = store()
    reject()
    assert run.task("store").state == "failed"


def test_unknown_declared_source_is_an_error(store):
    run, _ = store(used="syn999999999")
    assert run.task("store").state == "failed"


@pytest.mark.parametrize("pattern", ["POST /repo/v1/activity", "PUT /repo/v1/entity/[^/]+"])
def test_rows_are_stored_without_the_activity(
    api, reject, rejecting, table, put, write_csv, alice, rows_of, sources_of, pattern
):
    raw = put()
    with DAG("rejected_rows", schedule=None) as dag:
        get = SynapseGetOperator(task_id="raw", entity_id=raw)
        store = SynapseTableStoreOperator(
            task_id="store", table_id=table, rows=write_csv(["a", 1]), retries=3
        )
        get >> store
    run = Run(api, dag)
    run.task("raw")
    reject(pattern)
    assert run.task("store").state == "success"
    rejecting[1].clear()
    assert len(rows_of(table)) == 1
    (repair,) = repair_activities(alice, read_pending(run))
    assert repair.state == "repaired"
    assert sources_of(table)[0] == [raw]


def test_repair_of_deleted_entity(alice, socket_service):
    entity = alice.store(Project("Deleted before the repair"))
    body, site = {"name": "n", "used": []}, alice.repoEndpoint
    pending = PendingActivity(((entity.id, 1),), body, "reason", "synapse_default", site)
    alice.delete(entity)
    assert [one.state for one in repair_activities(alice, [pending])] == ["missing"]


def test_connection_is_not_in_the_pending_activity(store, reject, connection):
    run, _ = store()
    reject()
    run.task("store")
    token = ExecutionApi({"c": connection}).connections["c"]
    assert token[60:90] not in str(run.value("store", PENDING_KEY))
