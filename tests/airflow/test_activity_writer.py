"""Creation, update and reuse of the Activity of a task."""

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from synapse_workflows import Activity, File, Synapse
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseNotFoundError
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.activity_writer import ActivityWriter
from synapse_workflows.lineage.task_state_store import AIRFLOW_LOCK, LockedStateStore
from synapse_workflows.provenance.activity import parse_declared
from synapse_workflows.provenance.record import Record

DESCRIPTION = ActivityDescription("flow.store", "Airflow run r1 of flow.store")


class StateStore(dict):
    """In-memory task state store."""

    def set(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


class DisconnectingClient(Synapse):
    """Client that loses the connection when it links an Activity."""

    def call(self, method, path, **options):
        if method == "PUT" and "generatedBy" in (options.get("params") or {}):
            raise ConnectionError("lost")
        return super().call(method, path, **options)


@pytest.fixture
def stored(alice, project, tmp_path):
    path = tmp_path / "stored.txt"
    path.write_text("x")
    file = alice.store(File(str(path), parent=project))
    return Wrote(file.id, file.versionNumber, file.name, file.concreteType)


def test_retry_reuses_activity_created_before_failed_link(socket_service, alice, stored):
    state_store = StateStore()
    client = DisconnectingClient(**socket_service.endpoints, skip_checks=True, silent=True)
    client.login(authToken=socket_service.token("alice"), silent=True)
    with pytest.raises(ConnectionError):
        ActivityWriter(client, DESCRIPTION, state_store, "k").link(
            stored, parse_declared("https://a")
        )
    client.close()
    activity_id = state_store["k"]
    retried = ActivityWriter(alice, DESCRIPTION, state_store, "k")
    assert retried.link(stored, parse_declared("https://b")) == activity_id
    assert alice.getProvenance(stored.entity_id)["used"][0]["url"] == "https://b"


def test_linked_activity_is_recognized_by_its_description(alice, stored):
    first = ActivityWriter(alice, DESCRIPTION, StateStore(), "k").link(
        stored, parse_declared("https://a")
    )
    second = ActivityWriter(alice, DESCRIPTION, StateStore(), "k").link(
        stored, parse_declared("https://b")
    )
    assert first == second
    other = ActivityDescription("flow.store", "Airflow run r2 of flow.store")
    third = ActivityWriter(alice, other, StateStore(), "k").link(
        stored, parse_declared("https://c")
    )
    assert third != first


def test_activity_changed_by_other_client_is_updated(alice, stored):
    writer = ActivityWriter(alice, DESCRIPTION, StateStore(), "k")
    made = writer.link(stored, parse_declared("https://a"))
    alice.updateActivity(alice.getProvenance(stored.entity_id))
    assert writer.link(stored, parse_declared("https://b")) == made
    assert alice.getProvenance(stored.entity_id)["used"][0]["url"] == "https://b"


def test_activity_of_other_user_is_not_updated(socket_service, alice, stored, project):
    alice.setPermissions(
        project,
        socket_service.owner_id("bob"),
        ["READ", "DOWNLOAD", "UPDATE"],
        warn_if_inherits=False,
    )
    state_store = StateStore()
    first = ActivityWriter(alice, DESCRIPTION, state_store, "k").link(
        stored, parse_declared("https://a")
    )
    with socket_service.client("bob") as bob:
        second = ActivityWriter(bob, DESCRIPTION, state_store, "k").link(
            stored, parse_declared("https://b")
        )
    assert first != second
    assert alice.restGET(f"/activity/{first}")["used"][0]["url"] == "https://a"


def test_stored_id_of_foreign_activity_is_ignored(alice, stored, put):
    foreign = alice.setProvenance(put().split(".")[0], Activity("mine", "not of Airflow"))
    state_store = StateStore(k=foreign["id"])
    made = ActivityWriter(alice, DESCRIPTION, state_store, "k").link(
        stored, parse_declared("https://a")
    )
    assert made != foreign["id"]
    assert state_store["k"] == made


class HttpOnlyClient(Synapse):
    """Client of a Synapse that accepts only http URLs."""

    def call(self, method, path, **options):
        if path.startswith("/activity") and "s3://" in str(options.get("json", {}).get("used")):
            raise SynapseBadRequestError(400, "malformed URL", f"{method} {path}")
        return super().call(method, path, **options)


def test_rejected_url_moves_to_description(socket_service, alice, stored):
    client = HttpOnlyClient(**socket_service.endpoints, skip_checks=True, silent=True)
    client.login(authToken=socket_service.token("alice"), silent=True)
    writer = ActivityWriter(client, DESCRIPTION, StateStore(), "k")
    first = writer.link(stored, parse_declared(["s3://bucket/key", "https://a"]))
    assert writer.link(stored, parse_declared(["s3://bucket/key", "https://b"])) == first
    client.close()
    activity = alice.getProvenance(stored.entity_id)
    assert sorted(item["url"] for item in activity["used"]) == ["https://a", "https://b"]
    assert activity["description"].splitlines() == [DESCRIPTION.signature, "Used: s3://bucket/key"]


def test_other_bad_request_is_raised(socket_service, stored):
    class RejectingClient(Synapse):
        def call(self, method, path, **options):
            if (method, path) == ("POST", "/activity"):
                raise SynapseBadRequestError(400, "no", "POST /activity")
            return super().call(method, path, **options)

    with RejectingClient(**socket_service.endpoints, skip_checks=True, silent=True) as client:
        client.login(authToken=socket_service.token("alice"), silent=True)
        with pytest.raises(SynapseBadRequestError):
            ActivityWriter(client, DESCRIPTION, StateStore(), "k").link(
                stored, parse_declared("https://a")
            )


def context(**more):
    ti = SimpleNamespace(dag_id="d", task_id="g.t", run_id="manual__2026-01-01T00:00:00+00:00")
    ti.map_index = more.pop("map_index", -1)
    ti.try_number = more.pop("try_number", 1)
    return {"ti": ti} | more


def test_activity_that_another_thread_is_about_to_link_is_kept(alice):
    writer = ActivityWriter(alice, DESCRIPTION, StateStore(), "k")
    operations = [object(), object()]
    for one in operations:
        writer.begin(one)
    activity_id = writer.save(Record())
    assert writer.save(Record()) == activity_id
    writer.discard(operations[0])
    assert alice.restGET(f"/activity/{activity_id}")["id"] == activity_id
    writer.discard(operations[1])
    with pytest.raises(SynapseNotFoundError):
        alice.restGET(f"/activity/{activity_id}")


def test_threads_with_and_without_the_lock_do_not_wait_for_each_other():
    """A cached property has a lock of its own in Python 3.11."""
    writer = ActivityWriter(None, DESCRIPTION, LockedStateStore(StateStore()), "k", versions=())
    is_held = threading.Event()

    def read_with_lock():
        with AIRFLOW_LOCK:
            is_held.set()
            time.sleep(0.1)
            assert writer.earlier_versions == {}

    def read():
        is_held.wait()
        assert (writer.earlier_activity_id, writer.earlier_versions) == (None, {})

    threads = [threading.Thread(target=one, daemon=True) for one in (read_with_lock, read)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert not any(one.is_alive() for one in threads)


def test_description_is_the_same_for_every_try():
    assert ActivityDescription.from_context(
        context(try_number=1)
    ) == ActivityDescription.from_context(context(try_number=2))


def test_description_has_run_date_map_index_and_link(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    description = ActivityDescription.from_context(
        context(map_index=3, logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert description.name == "d.g.t[3]"
    assert description.to_text("Declared.", ("a gap",)).splitlines() == [
        "Declared.",
        "Airflow run manual__2026-01-01T00:00:00+00:00 of d.g.t[3]",
        "Logical date 2026-01-01T00:00:00+00:00",
        (
            "https://airflow.example.org/dags/d/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
            "/tasks/g.t/mapped/3"
        ),
        "Not pinned: a gap",
    ]


def test_description_without_base_url_has_no_link():
    description = ActivityDescription.from_context(context())
    assert description.to_text() == "Airflow run manual__2026-01-01T00:00:00+00:00 of d.g.t"
