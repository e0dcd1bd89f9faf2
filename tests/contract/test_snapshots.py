"""Tests of snapshots of tables."""

import pytest

from synapse_workflows import Activity, Column, Schema, Table
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import SynapseConflictError, SynapseNotFoundError


@pytest.fixture
def numbers(syn, project):
    """The ID of a table with the numbers 0 to 9."""
    column = Column(name="n", columnType="INTEGER")
    return syn.store(
        Table(Schema("n", [column], parent=project), [[n] for n in range(10)])
    ).tableId


def test_snapshot_is_immutable(syn, numbers, events):
    schema = syn.get(numbers)
    first = syn.create_snapshot_version(schema, comment="before", label="one")
    syn.store(Table(numbers, [[10]]))
    syn.delete(syn.tableQuery(f"select * from {numbers} where n < 5"))
    second = syn.create_snapshot_version(numbers)
    assert (first, second) == (1, 2)
    assert len(syn.tableQuery(f"select * from {numbers}.1")) == 10
    assert len(syn.tableQuery(f"select * from {numbers}.2")) == 6
    snapshot = syn.get(numbers, version=1)
    assert (snapshot.versionLabel, snapshot.versionComment) == ("one", "before")
    assert syn.get(numbers).versionNumber == 3
    wrote = [event for event in events if isinstance(event, Wrote)]
    assert [one.version for one in wrote if one.name == "n"][-1] == 2
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(numbers, label="one")


def test_snapshot_of_a_version_is_rejected(syn, numbers):
    syn.create_snapshot_version(numbers)
    with pytest.raises(ValueError, match=f"pass '{numbers}' to snapshot the current state$"):
        syn.create_snapshot_version(f"{numbers}.1")
    assert syn.create_snapshot_version(syn.get(numbers, version=1)) == 2


def test_snapshot_has_activity(syn, numbers, project):
    new = syn.create_snapshot_version(numbers, activity=Activity(name="new", used=project.id))
    made_by = syn.getProvenance(numbers, version=new)
    assert (made_by["name"], made_by["used"][0]["reference"]["targetId"]) == ("new", project.id)
    again = syn.create_snapshot_version(numbers, activity=made_by)
    other = syn.create_snapshot_version(numbers, activity=made_by["id"])
    plain = syn.create_snapshot_version(numbers, activity=dict(made_by))
    for version in (again, other, plain):
        assert syn.getProvenance(numbers, version=version)["id"] == made_by["id"]
    unsaved = {"name": "a mapping", "used": []}
    last = syn.create_snapshot_version(numbers, activity=unsaved)
    assert syn.getProvenance(numbers, version=last)["name"] == "a mapping"


def test_table_snapshot_without_wait_is_created(syn, numbers):
    assert syn.create_snapshot_version(numbers, label="at once", wait=False) is None
    assert syn.get(numbers, version=1).versionLabel == "at once"


def test_missing_activity_creates_no_snapshot(syn, numbers):
    with pytest.raises(SynapseNotFoundError):
        syn.create_snapshot_version(numbers, activity="999999999")
    assert syn.get(numbers).versionNumber == 1


def test_delete_snapshot(syn, numbers):
    first = syn.create_snapshot_version(numbers)
    syn.delete(syn.get(numbers), version=first)
    with pytest.raises(SynapseNotFoundError):
        syn.tableQuery(f"select * from {numbers}.{first}")
    second = syn.create_snapshot_version(numbers)
    syn.delete(f"{numbers}.{second}")
    with pytest.raises(SynapseNotFoundError):
        syn.get(numbers, version=second)
    assert len(syn.tableQuery(f"select * from {numbers}")) == 10


def test_snapshot_of_other_entity_is_rejected(syn, project):
    with pytest.raises(ValueError, match="only accepts Synapse ids of Tables"):
        syn.create_snapshot_version(project)
