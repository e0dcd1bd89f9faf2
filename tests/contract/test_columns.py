"""Tests of creating and getting columns, and of storing schemas."""

from uuid import uuid4

import pytest

from synapse_workflows import Column, Project, Schema, SelectColumn
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseMalformedEntityError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import TABLE


@pytest.fixture
def name():
    """A unique prefix of names."""
    return f"n{uuid4().hex[:10]}"


def columns(name):
    return [
        Column(name=f"{name} text", columnType="STRING", maximumSize=10),
        Column(name=f"{name} number", columnType="INTEGER"),
    ]


def test_create_columns_returns_existing_equal_columns(syn, bob, name):
    first = syn.createColumns(columns(name))
    assert [column.name for column in first] == [f"{name} text", f"{name} number"]
    assert all(isinstance(column, Column) and column.id for column in first)
    assert bob.createColumns(reversed(columns(name))) == first[::-1]
    assert syn.createColumn(f"{name} text", "STRING", 10) == first[0]
    assert syn.store(columns(name)[0]) == first[0]
    assert syn.createColumn(f"{name} text", "STRING", 11).id != first[0].id


def test_column_with_enumeration_and_default(syn, name):
    made = syn.createColumn(name, "STRING", 5, defaultValue="a", enumValues=("b", "a"))
    assert (sorted(made.enumValues), made.defaultValue) == (["a", "b"], "a")


def test_get_columns_by_id_table_prefix_and_header(syn, name):
    text, number = syn.createColumns(columns(name))
    assert syn.getColumn(text.id) == syn.getColumn(text) == text
    found = list(syn.getColumns(name, limit=1))
    assert sorted(column.id for column in found) == sorted([text.id, number.id])
    mixed = [text.id, int(number.id), "AVG(x)", None, 1.5, "", {"name": "no id"}]
    assert list(syn.getColumns(mixed)) == list(syn.getColumns(tuple(mixed))) == [text, number]
    assert list(syn.getColumns(f"{name} t", offset=0)) == [text]
    assert list(syn.getColumns(f"{name} t", offset=1)) == []
    headers = [SelectColumn(name="COUNT(*)"), SelectColumn.from_column(text)]
    assert list(syn.getColumns(headers)) == [text]
    every = {column.id for column in syn.getColumns(None)}
    assert {text.id, number.id} <= every
    with pytest.raises(ValueError, match="Can't get columns for a float"):
        syn.getColumns(1.5)
    with pytest.raises(SynapseNotFoundError):
        syn.getColumn("999999999")


def test_invalid_column_is_rejected_before_any_request(in_process_client, calls):
    calls()
    for column in ({"columnType": "STRING"}, {"name": "a", "columnType": "TEXT"}):
        with pytest.raises(ValueError, match=r"must have a name|Invalid type"):
            in_process_client.createColumns([column])
    for columns in (None, "STRING", Column(name="a", columnType="STRING"), ["a"]):
        with pytest.raises(TypeError, match="createColumns takes a list of columns"):
            in_process_client.createColumns(columns)
    assert calls() == []
    with pytest.raises(SynapseBadRequestError):
        in_process_client.createColumn("ROW_ID", "STRING")


def test_store_schema_creates_its_columns(syn, project, name, events):
    schema = syn.store(Schema("t", columns(name), parent=project, colour="blue"))
    assert isinstance(schema, Schema)
    assert (schema.concreteType, schema.colour) == (TABLE, ["blue"])
    assert schema.columns_to_store == []
    assert [column.name for column in schema.columns()] == [f"{name} text", f"{name} number"]
    found = syn.get(schema.id)
    assert isinstance(found, Schema)
    assert found.columnIds == schema.columnIds
    assert list(syn.getTableColumns(found)) == list(syn.getColumns(found)) == schema.columns()
    assert list(syn.getColumns(schema.id)) == schema.columns()
    wrote = next(event for event in events if isinstance(event, Wrote))
    assert (wrote.entity_id, wrote.concrete_type, wrote.version) == (schema.id, TABLE, 1)


def test_store_schema_sends_three_requests(in_process_client, calls, name):
    project = in_process_client.store(Project(name))
    calls()
    schema = in_process_client.store(Schema("t", columns(name), parent=project))
    assert calls() == [
        "POST /column/batch 201",
        "POST /entity 201",
        f"POST /entity/{schema.id}/bundle2 200",
    ]


def test_store_schema_changes_columns(syn, project, name):
    text, number = columns(name)
    schema = syn.store(Schema("t", [text], parent=project))
    schema.addColumn(number)
    schema = syn.store(schema)
    assert [column.name for column in schema.columns()] == [f"{name} text", f"{name} number"]
    schema.removeColumn(schema.columns()[0])
    schema = syn.store(schema)
    assert [column.name for column in syn.getTableColumns(schema)] == [f"{name} number"]


def test_invalid_schema_is_rejected_before_any_request(in_process_client, calls, name):
    calls()
    many = [Column(name=f"{name}{n}", columnType="INTEGER") for n in range(153)]
    with pytest.raises(ValueError, match=r"153.*152"):
        in_process_client.store(Schema("t", many, parent="syn1"))
    with pytest.raises(SynapseMalformedEntityError, match="Duplicate column names"):
        in_process_client.store(Schema("t", [many[0], many[0]], parent="syn1"))
    assert calls() == []


def test_store_schema_updates_schema_with_same_name(syn, project, name):
    text, number = columns(name)
    first = syn.store(Schema("t", [text], parent=project, colour="blue"))
    second = syn.store(Schema("t", [text, number], parent=project))
    assert second.id == first.id
    assert second.colour == ["blue"]
    assert len(second.columnIds) == 2


def test_store_schema_sets_label_and_comment_of_current_version(syn, project, name):
    """Storing a schema creates no new version of the table."""
    schema = syn.store(Schema("t", columns(name), parent=project), versionLabel="first")
    assert (schema.versionNumber, schema.versionLabel) == (1, "first")
    schema.versionComment = "as it was"
    schema = syn.store(schema, versionLabel="renamed")
    assert (schema.versionNumber, schema.versionLabel) == (1, "renamed")
    assert schema.versionComment == "as it was"


def test_delete_schema(syn, project, name):
    schema = syn.store(Schema("t", columns(name), parent=project))
    syn.delete(schema)
    with pytest.raises(SynapseNotFoundError):
        syn.get(schema.id)


def test_columns_are_added_to_a_schema_together(syn, project):
    schema = Schema("added", parent=project)
    assert not schema.has_columns()
    schema.addColumns([Column(name="a", columnType="STRING"), Column(name="b", columnType="DATE")])
    assert schema.has_columns()
    stored = syn.store(schema)
    assert [column.name for column in syn.getTableColumns(stored)] == ["a", "b"]
