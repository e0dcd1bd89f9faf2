"""Activities that Synapse does not accept: the task succeeds, and the Activity is added later."""

import json
from dataclasses import replace
from http import HTTPStatus

import pytest
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run
from support.fault_proxy import ALWAYS, Exchange, faulty_proxy

from synapse_workflows import (
    Activity,
    File,
    Project,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    Table,
)
from synapse_workflows.client.core.events import Read
from synapse_workflows.provenance.pending_activity import PENDING_KEY, PendingActivity
from synapse_workflows.provenance.repair import repair_activities
from synapse_workflows.testing import FAST_RETRY


@pytest.fixture
def socket_service(rejecting):
    """Service that rejects Activities after `reject`."""
    service, app = rejecting
    yield service
    app.clear()


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


def store_rows(api, dag_id, table, source, rows):
    """Run a DAG that reads an entity and stores rows."""
    with DAG(dag_id, schedule=None) as dag:
        get = SynapseGetOperator(task_id="raw", entity_id=source)
        get >> SynapseTableStoreOperator(task_id="store", table_id=table, rows=rows)
    return Run(api, dag).all()


def test_repair_adds_sources_to_the_activity_of_an_open_table(
    api, reject, rejecting, table, put, write_csv, alice, sources_of
):
    raw, later = put("raw.csv", "1"), put("later.csv", "2")
    reject()
    run = store_rows(api, "rejected", table, raw, write_csv(["a", 1]))
    rejecting[1].clear()
    store_rows(api, "last", table, later, write_csv(["a", 2]))
    before = alice.getProvenance(table)
    assert sources_of(table)[0] == [later]
    (repair,) = repair_activities(alice, read_pending(run))
    assert repair.state == "repaired"
    assert set(sources_of(table)[0]) == {raw, later}
    repaired = alice.getProvenance(table)
    assert repaired["name"] == "last.store"
    assert "Sources added later: rejected.store" in repaired["description"].splitlines()
    assert alice.restGET(f"/activity/{before['id']}")["used"] == before["used"]
    (repair,) = repair_activities(alice, read_pending(run))
    assert (repair.state, repair.activity_id) == ("present", repaired["id"])
    assert alice.getProvenance(table) == repaired


def test_rejected_declared_activity_of_a_file_is_repaired(
    store, reject, rejecting, alice, sources_of, caplog
):
    run, _ = store(lineage_mode="off", used=["https://example.org/a"])
    reject()
    assert run.task("store").state == "success"
    stored = run.value("store")["id"]
    assert f"{stored}.1 was stored without its Activity" in caplog.text
    (pending,) = read_pending(run)
    rejecting[1].clear()
    (repair,) = repair_activities(alice, [pending])
    assert (repair.state, sources_of(stored)[0]) == ("repaired", ["https://example.org/a"])


@pytest.mark.parametrize("pattern", ["POST /repo/v1/activity", "PUT /repo/v1/.*/generatedBy"])
def test_rejected_declared_activity_of_rows_is_repaired(
    api, reject, rejecting, table, alice, rows_of, sources_of, pattern
):
    with DAG("rows", schedule=None) as dag:
        SynapseTableStoreOperator(
            task_id="store",
            table_id=table,
            rows=[["a", 1]],
            columns=["a name", "n"],
            lineage_mode="off",
            used=["https://example.org/a"],
        )
    reject(pattern)
    run = Run(api, dag).all()
    rejecting[1].clear()
    assert rows_of(table) == [["a", 1]]
    (repair,) = repair_activities(alice, read_pending(run))
    assert (repair.state, sources_of(table)[0]) == ("repaired", ["https://example.org/a"])


def test_rejected_declared_activity_of_rows_of_code_is_repaired(
    api, reject, rejecting, table, alice, rows_of, sources_of
):
    with DAG("rows", schedule=None) as dag:

        @task
        def store():
            syn = SynapseHook(lineage_mode="off").client
            syn.store(Table(table, [["a", 1]]), used="https://example.org/a")

        store()
    reject()
    run = Run(api, dag).all()
    rejecting[1].clear()
    assert rows_of(table) == [["a", 1]]
    (repair,) = repair_activities(alice, read_pending(run))
    assert (repair.state, sources_of(table)[0]) == ("repaired", ["https://example.org/a"])


@pytest.mark.parametrize("status", [500, 503])
def test_server_error_while_recording_is_repaired(
    api, project, reject, rejecting, put, alice, sources_of, tmp_path, status
):
    raw = put()
    path = tmp_path / "out.txt"
    path.write_text("out")
    with DAG("errors", schedule=None) as dag:

        @task
        def store():
            syn = SynapseHook(retry=FAST_RETRY).client
            syn.get(raw)
            return syn.store(File(str(path), parent=project)).id

        store()
    reject()
    rejecting[1].status = status
    run = Run(api, dag).all()
    rejecting[1].clear()
    (pending,) = read_pending(run, "store")
    assert str(status) in pending.reason
    assert [one.state for one in repair_activities(alice, [pending])] == ["repaired"]
    assert sources_of(run.value("store"))[0] == [raw]


def test_required_declared_activity_fails_the_task(store, reject):
    run, _ = store(lineage_mode="off", used=["https://example.org/a"], lineage_required=True)
    reject()
    assert run.task("store").state == "failed"


def read_and_snapshot(table):
    @task
    def read():
        SynapseHook().client.emit(Read(None, url="https://example.org/read"))

    read() >> SynapseTableSnapshotOperator(task_id="store", table_id=table)


@task(task_id="store")
def snapshot_by_code(table):
    activity = Activity(name="Declared", used="https://example.org/declared?token=secret-1")
    SynapseHook(lineage_mode="off").client.create_snapshot_version(table, activity=activity)


@task(task_id="store")
def snapshot_without_lineage(table):
    activity = Activity(name="Declared", used="https://example.org/declared?token=secret-1")
    syn = SynapseHook().client
    with syn.without_lineage():
        syn.create_snapshot_version(table, activity=activity)


@pytest.mark.parametrize(
    ("create", "source"),
    [
        (read_and_snapshot, "https://example.org/read"),
        (snapshot_by_code, "https://example.org/declared"),
        (snapshot_without_lineage, "https://example.org/declared"),
    ],
    ids=["operator", "declared", "without_lineage"],
)
def test_repair_adds_the_sources_of_a_snapshot_without_its_activity(
    api, reject, rejecting, table, put, write_csv, alice, caplog, sources_of, create, source
):
    store_rows(api, "rows", table, put(), write_csv(["a", 0]))
    with DAG("snapshot", schedule=None) as dag:
        create(table)
    reject()
    run = Run(api, dag).all()
    rejecting[1].clear()
    assert f"{table}.1 was stored without its Activity" in caplog.text
    assert "no Activities today" in caplog.text
    assert "Synapse cannot link an Activity to a snapshot later" in caplog.text
    assert "secret-1" not in caplog.text
    (pending,) = read_pending(run)
    assert pending.versions == ((table, 1),)
    before, _ = sources_of(table, 1)
    states = [repair_activities(alice, [pending])[0].state for _ in range(2)]
    assert states == ["repaired", "present"]
    assert alice.getProvenance(table, 1)["name"] == "rows.store"
    assert sources_of(table, 1)[0] == [*before, source]


def test_a_snapshot_of_a_table_without_activity_cannot_be_repaired(
    api, reject, rejecting, table, alice
):
    with DAG("snapshot", schedule=None) as dag:
        SynapseTableSnapshotOperator(task_id="store", table_id=table)
    reject()
    run = Run(api, dag).all()
    rejecting[1].clear()
    (repair,) = repair_activities(alice, read_pending(run))
    assert repair.state == "superseded"


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


@pytest.fixture
def proxy(socket_service):
    with faulty_proxy(socket_service) as running:
        yield running


@pytest.fixture
def proxied(api, connection, proxy):
    """Execution API whose connection leads through the proxy."""
    fields = json.loads(connection)
    fields["host"] = fields["host"].replace(proxy.upstream, proxy.base_url)
    fields["extra"] = {
        key: value.replace(proxy.upstream, proxy.base_url) if isinstance(value, str) else value
        for key, value in fields["extra"].items()
    }
    api.connections["synapse_default"] = json.dumps(fields)
    return api


def disconnect_after(proxy, method, path):
    """Forward the first matching request, and disconnect all requests after its response."""

    def act(exchange):
        response = exchange.forward()
        if response.status == HTTPStatus.ACCEPTED:  # the job is running
            proxy.fail(method, path, act)
        else:
            for each in ("GET", "POST", "PUT", "DELETE"):
                proxy.fail(each, "", Exchange.disconnect, times=ALWAYS)
        exchange.respond(response)

    proxy.fail(method, path, act)


@pytest.mark.parametrize("by", ["store_rows", "store"])
def test_rows_are_stored_once_if_synapse_is_unreachable_after_that(
    proxied, proxy, table, alice, rows_of, sources_of, caplog, by
):
    with DAG("unreachable", schedule=None) as dag:

        @task(retries=3)
        def store():
            hook = SynapseHook(retry=FAST_RETRY)
            hook.client.emit(Read(None, url="https://example.org/read"))
            if by == "store":
                hook.client.store(Table(table, [["a", 1]]))
            else:
                hook.store_rows(table, [["a", 1]], columns=["a name", "n"])

        store()
    disconnect_after(proxy, "GET", "/table/transaction/async/get/")
    run = Run(proxied, dag)
    result = run.task("store", max_tries=3)
    assert result.state == "success", result.error
    assert rows_of(table) == [["a", 1]]
    assert f"{table}.1 was stored without its Activity" in caplog.text
    assert "SynapseConnectionError" in caplog.text
    (pending,) = read_pending(run)  # stored through the proxy
    (repair,) = repair_activities(alice, [replace(pending, site=alice.repoEndpoint)])
    assert repair.state == "repaired"
    assert sources_of(table)[0] == ["https://example.org/read"]


def test_a_retry_completes_a_file_if_synapse_is_unreachable_after_the_store(
    proxied, proxy, project, alice, sources_of, tmp_path
):
    path = tmp_path / "out.txt"
    path.write_text("out")
    with DAG("unreachable_file", schedule=None) as dag:

        @task(retries=3)
        def store():
            syn = SynapseHook(retry=FAST_RETRY).client
            syn.emit(Read(None, url="https://example.org/read"))
            return syn.store(File(str(path), parent=project)).id

        store()
    disconnect_after(proxy, "POST", "/repo/v1/entity[?]")
    run = Run(proxied, dag)
    assert run.task("store", max_tries=3).state == "up_for_retry"
    proxy.reset()
    result = run.task("store", max_tries=3)
    assert result.state == "success", result.error
    entity = alice.get(run.value("store"), downloadFile=False)
    assert entity.versionNumber == 1
    assert sources_of(entity.id)[0] == ["https://example.org/read"]
