"""Tests of the example DAGs of nightly snapshots."""

import importlib.util
import json
import re

import pytest
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table
from support.table_types import TABLE_TYPES

from synapse_workflows import Column
from synapse_workflows.demo.paths import examples_dir


@pytest.fixture
def tables(alice, project):
    """IDs of two tables with one row."""
    made = []
    for name in ("One", "Two"):
        columns = [Column(name="n", columnType="INTEGER")]
        table = create_table(alice, project, name, columns)
        append_rows(alice, table, [[1]])
        made.append(table)
    return made


@pytest.fixture
def example(tables, project):
    """The two DAGs, with existing tables."""
    path = examples_dir() / "03_nightly_snapshots.py"
    ids = dict(zip(("syn10000006", "syn10000007", "syn10000005"), [*tables, project], strict=True))
    text = re.sub(r"syn\d{8}", lambda found: ids[found[0]], path.read_text())
    spec = importlib.util.spec_from_loader("nightly_snapshots", loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - an example of the package
    return module.synapse_03_nightly_snapshots(), module.synapse_03_publish_snapshot()


def create_snapshot(api, dag, run_id, count, **options):
    run = Run(api, dag, run_id, **options)
    assert run.task("tables").state == "success"
    results = [run.task("create_snapshot", index) for index in range(count)]
    return [result.state for result in results]


def events_of(api, table):
    return [event for event in api.events if event["asset"]["uri"] == f"syn://{table}"]


def delete_table(alice, table, socket_service, api, connection):
    alice.delete(table)


def revoke_update(alice, table, socket_service, api, connection):
    """Run the tasks as bob, who may change the other table but not `table`."""
    bob = socket_service.owner_id("bob")
    permissions = ["READ", "DOWNLOAD", "UPDATE", "CREATE", "DELETE"]
    alice.setPermissions(alice.get(table).parentId, bob, permissions)
    alice.setPermissions(table, bob, ["READ", "DOWNLOAD"])
    bobs = json.loads(connection) | {"password": socket_service.token("bob")}
    api.connections["synapse_default"] = json.dumps(bobs)


@pytest.mark.parametrize("damage", [delete_table, revoke_update])
@pytest.mark.parametrize("bad", [0, 1])
def test_failing_table_does_not_affect_other_instances(
    api, example, tables, alice, socket_service, connection, damage, bad
):
    """The other table gets its snapshot and asset event."""
    damage(alice, tables[bad], socket_service, api, connection)
    known = len(socket_service.inbox("alice"))
    states = create_snapshot(api, example[0], "run_1", 2)
    assert states.pop(bad) == "failed"
    assert states == ["success"]
    good = tables[1 - bad]
    assert alice.get(good, version=1).versionLabel == "nightly run_1"
    (event,) = events_of(api, good)
    assert event["extra"]["version"] == 1
    assert events_of(api, tables[bad]) == []
    message, *_ = socket_service.inbox("alice")
    assert len(socket_service.inbox("alice")) == known + 1
    assert tables[bad] in message.body


def test_schedules_of_the_two_dags(api, example, tables):
    nightly, publish = example
    assert nightly.schedule == "0 3 * * *"
    (asset,) = publish.schedule
    create_snapshot(api, nightly, "run_1", 2)
    assert asset.uri == events_of(api, tables[0])[0]["asset"]["uri"]


def test_each_instance_is_labelled_with_its_table(api, example, tables):
    create_snapshot(api, example[0], "run_1", 2)
    names = [
        json.loads(body)["rendered_map_index"]
        for method, url, body in api.requests
        if url.endswith("/state") and "rendered_map_index" in body
    ]
    assert [name for name in names if name] == tables


def test_tables_parameter_accepts_every_table_type(api, example, table_factory, alice):
    """The parameter can list views, submission views and datasets."""
    shown = [table_factory.create(kind) for kind in TABLE_TYPES]
    states = create_snapshot(api, example[0], "run_1", len(shown), conf={"tables": shown})
    assert states == ["success"] * len(shown)
    labels = [alice.restGET(f"/entity/{one}/version/1")["versionLabel"] for one in shown]
    assert labels == ["nightly run_1"] * len(shown)


def test_publishing_run_without_an_event_fails_without_retry(api, example):
    run = Run(api, example[1], "by_hand")
    result = run.task("snapshot")
    assert result.state == "failed"
    assert "No snapshot triggered this run" in str(result.error)


def test_publishing_run_reads_the_snapshot_of_its_event(
    api, example, tables, project, alice, sources_of
):
    """A run reads the snapshot of its event, even if a newer snapshot exists."""
    nightly, publish = example
    assert create_snapshot(api, nightly, "run_1", 2) == ["success", "success"]
    (first_event,) = events_of(api, tables[0])
    assert first_event["extra"] == {
        "version": 1,
        "activity_id": alice.getProvenance(tables[0], 1)["id"],
        "name": "One",
    }
    append_rows(alice, tables[0], [[2]])
    assert create_snapshot(api, nightly, "run_2", 2) == ["success", "skipped"]
    later = events_of(api, tables[0])[-1]
    assert later["extra"]["version"] == 2

    run = Run(api, publish, "woken", events=(first_event,)).all()
    assert run.value("rows")["version"] == 1
    assert run.value("rows")["rows"] == 1
    stored = run.value("publish")["id"]
    assert stored == alice.findEntityId("latest.csv", project)
    assert sources_of(stored)[0] == [f"{tables[0]}.1"]

    run = Run(api, publish, "woken_later", events=(later, first_event)).all()
    assert run.value("rows")["version"] == 2
    assert sources_of(stored)[0] == [f"{tables[0]}.2"]
