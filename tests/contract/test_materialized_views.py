"""Tests of materialized views with the client."""

import pytest

from synapse_workflows import Column, MaterializedView, RowSet, Schema, Table
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseHTTPError


@pytest.fixture
def source(syn, project):
    columns = [
        Column(name="name", columnType="STRING", maximumSize=20),
        Column(name="n", columnType="INTEGER"),
    ]
    return syn.store(Table(Schema("source", columns, parent=project), [["a", 1], ["b", 2]])).schema


@pytest.fixture
def view(syn, project, source):
    sql = f"select name, n from {source.id}"
    return syn.store(MaterializedView("joined", parent=project, definingSQL=sql))


def query(syn, source):
    return [row[-2:] for row in syn.tableQuery(f"select name, n from {source}")]


def test_rows_columns_and_snapshot(syn, source, view):
    assert isinstance(view, MaterializedView)
    assert [one.name for one in syn.getTableColumns(view)] == ["name", "n"]
    assert query(syn, view.id) == [["a", 1], ["b", 2]]
    assert syn.create_snapshot_version(view, label="one", comment="c") == 1
    syn.store(Table(source, [["c", 3]]))
    assert query(syn, view.id) == [["a", 1], ["b", 2], ["c", 3]]
    assert query(syn, f"{view.id}.1") == [["a", 1], ["b", 2]]
    rows = syn.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    assert [row["values"] for row in rows] == [["a", 1], ["b", 2], ["c", 3]]
    frame = syn.tableQuery(f"select * from {view.id} where n > 1").asDataFrame()
    assert list(frame["name"]) == ["b", "c"]


def test_definition_can_be_changed(syn, source, view):
    fetched = syn.get(view.id)
    fetched.definingSQL = f"select name, n * 2 as n, n as old from {source.id} order by n desc"
    changed = syn.store(fetched)
    assert [one.name for one in syn.getTableColumns(changed)] == ["name", "n", "old"]
    assert query(syn, view.id) == [["b", 4], ["a", 2]]
    fetched = syn.get(view.id)
    fetched.definingSQL = "select nope from " + source.id
    with pytest.raises(SynapseBadRequestError, match="Unknown column nope"):
        syn.store(fetched)


def test_columns_of_the_schema_are_refused(project, view):
    column = Column(name="n", columnType="INTEGER")
    with pytest.raises(ValueError, match="its columns follow from its definingSQL"):
        MaterializedView("v", [column], parent=project, definingSQL="select * from syn1")
    with pytest.raises(ValueError, match="definingSQL"):
        view.addColumn(column)
    with pytest.raises(ValueError, match="definingSQL"):
        view.removeColumn(view.columnIds[0])


def test_rows_cannot_be_stored_or_deleted(syn, view):
    result = syn.tableQuery(f"select * from {view.id}")
    for rows in (
        Table(view, [["c", 3]]),
        Table(view.id, [["c", 3]]),
        Table(view.id, result.asDataFrame()),
        RowSet(schema=view, rows=[{"values": ["c", 3]}]),
    ):
        with pytest.raises((ValueError, SynapseHTTPError), match="is a materialized view"):
            syn.store(rows)
    with pytest.raises(SynapseHTTPError, match="read only"):
        syn.delete(result)
