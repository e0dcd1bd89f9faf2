"""The one Activity of a task: found again whatever happened in between."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from synapse_workflows import Activity, File, Synapse
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import SynapseBadRequestError
from synapse_workflows.lineage.activity_description import ActivityDescription
from synapse_workflows.lineage.activity_writer import ActivityWriter
from synapse_workflows.provenance.activity import parse_declared

DESCRIPTION = ActivityDescription("flow.store", "Airflow run r1 of flow.store")


class StateStore(dict):
    """A task state store."""

    def set(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


class Breaking(Synapse):
    """A client that loses the connection when it is about to link an Activity."""

    def call(self, method, path, **options):
        if method == "PUT" and path.endswith("/generatedBy"):
            raise ConnectionError("lost")
        return super().call(method, path, **options)


@pytest.fixture
def stored(alice, project, tmp_path):
    path = tmp_path / "stored.txt"
    path.write_text("x")
    file = alice.store(File(str(path), parent=project))
    return Wrote(file.id, file.versionNumber, file.name, file.concreteType)


def test_a_task_that_broke_off_before_the_link_finds_its_activity_again(
    socket_service, alice, stored
):
    state_store = StateStore()
    breaking = Breaking(**socket_service.endpoints, skip_checks=True, silent=True)
    breaking.login(authToken=socket_service.token("alice"), silent=True)
    with pytest.raises(ConnectionError):
        ActivityWriter(breaking, DESCRIPTION, state_store, "k").link(
            stored, parse_declared("https://a")
        )
    breaking.close()
    made = state_store["k"]
    again = ActivityWriter(alice, DESCRIPTION, state_store, "k")
    assert again.link(stored, parse_declared("https://b")) == made
    assert alice.getProvenance(stored.entity_id)["used"][0]["url"] == "https://b"


def test_without_state_store_the_linked_activity_is_recognised_by_its_words(alice, stored):
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


def test_what_somebody_else_changed_meanwhile_is_no_hindrance(alice, stored):
    activity = ActivityWriter(alice, DESCRIPTION, StateStore(), "k")
    made = activity.link(stored, parse_declared("https://a"))
    seen = alice.getProvenance(stored.entity_id)
    alice.updateActivity(seen)
    assert activity.link(stored, parse_declared("https://b")) == made
    assert alice.getProvenance(stored.entity_id)["used"][0]["url"] == "https://b"


def test_an_activity_of_another_person_is_not_changed(socket_service, alice, stored, project):
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


def test_a_state_store_of_something_else_is_not_believed(alice, stored, put):
    foreign = alice.setProvenance(put().split(".")[0], Activity("mine", "not of Airflow"))
    state_store = StateStore(k=foreign["id"])
    made = ActivityWriter(alice, DESCRIPTION, state_store, "k").link(
        stored, parse_declared("https://a")
    )
    assert made != foreign["id"]
    assert state_store["k"] == made


class Strict(Synapse):
    """A client of a Synapse that takes web addresses only."""

    def call(self, method, path, **options):
        if path.startswith("/activity") and "s3://" in str(options.get("json", {}).get("used")):
            raise SynapseBadRequestError(400, "malformed URL", f"{method} {path}")
        return super().call(method, path, **options)


def test_an_address_that_synapse_refuses_goes_into_the_description(socket_service, alice, stored):
    strict = Strict(**socket_service.endpoints, skip_checks=True, silent=True)
    strict.login(authToken=socket_service.token("alice"), silent=True)
    activity = ActivityWriter(strict, DESCRIPTION, StateStore(), "k")
    first = activity.link(stored, parse_declared(["s3://bucket/key", "https://a"]))
    assert activity.link(stored, parse_declared(["s3://bucket/key", "https://b"])) == first
    strict.close()
    found = alice.getProvenance(stored.entity_id)
    assert [item["url"] for item in found["used"]] == ["https://b"]
    assert found["description"].splitlines() == [DESCRIPTION.signature, "Used: s3://bucket/key"]


def test_a_refusal_for_another_reason_is_an_error(socket_service, stored):
    class Refusing(Synapse):
        def call(self, method, path, **options):
            if (method, path) == ("POST", "/activity"):
                raise SynapseBadRequestError(400, "no", "POST /activity")
            return super().call(method, path, **options)

    with Refusing(**socket_service.endpoints, skip_checks=True, silent=True) as refusing:
        refusing.login(authToken=socket_service.token("alice"), silent=True)
        with pytest.raises(SynapseBadRequestError):
            ActivityWriter(refusing, DESCRIPTION, StateStore(), "k").link(
                stored, parse_declared("https://a")
            )


def context(**more):
    ti = SimpleNamespace(dag_id="d", task_id="g.t", run_id="manual__2026-01-01T00:00:00+00:00")
    ti.map_index = more.pop("map_index", -1)
    ti.try_number = more.pop("try_number", 1)
    return {"ti": ti} | more


def test_the_words_are_the_same_for_every_try():
    assert ActivityDescription.from_context(
        context(try_number=1)
    ) == ActivityDescription.from_context(context(try_number=2))


def test_the_description_names_run_date_instance_and_page(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    found = ActivityDescription.from_context(
        context(map_index=3, logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert found.name == "d.g.t[3]"
    assert found.to_text("Why.", ("a gap",)).splitlines() == [
        "Why.",
        "Airflow run manual__2026-01-01T00:00:00+00:00 of d.g.t[3]",
        "Logical date 2026-01-01T00:00:00+00:00",
        (
            "https://airflow.example.org/dags/d/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
            "/tasks/g.t/mapped/3"
        ),
        "Not pinned: a gap",
    ]


def test_without_a_configured_address_there_is_no_link():
    found = ActivityDescription.from_context(context())
    assert found.to_text() == "Airflow run manual__2026-01-01T00:00:00+00:00 of d.g.t"
