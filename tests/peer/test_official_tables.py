"""Tables: the official client works against the service, and the two clients agree."""

from uuid import uuid4

import pytest

from synapse_workflows import Activity, Column, Project, Schema, Table


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(f"peer tables {uuid4()}"))


def test_we_read_the_table_that_it_made(official, project, socket_client):
    """Made from a data frame, one row updated after a snapshot: now and then both read right."""
    made = official("make_table", name="counts", parent=project.id)
    table = made["id"]

    def rows(source):
        result = socket_client.tableQuery(
            f'select "gene name", count, score, coding from {source} order by count',
            includeRowIdAndRowVersion=False,
        )
        return [list(row) for row in result]

    assert rows(table) == [
        ["Mgmt", 3, -3.0, True],
        ['BR"CA,1', 7, 1.25, False],
        ["TP53", 13, 0.5, True],
    ]
    assert rows(f"{table}.{made['snapshot']}")[-1] == ["TP53", 12, 0.5, True]


def test_it_reads_the_table_that_we_made(official, project, socket_client):
    """Rows of ours, and the Activity that we bound to a snapshot."""
    columns = [
        Column(name="sample id", columnType="STRING", maximumSize=20),
        Column(name="age", columnType="INTEGER"),
        Column(name="tags", columnType="STRING_LIST"),
    ]
    schema = socket_client.store(Schema("samples", columns, project))
    socket_client.store(
        Table(schema, [["s,1", 34, '["a", "b"]'], ["s 2", None, None], ["", 36, '["c"]']])
    )
    version = socket_client.create_snapshot_version(
        schema.id,
        label="for the paper",
        activity=Activity("collect", executed="https://example.org/collect.py"),
    )
    seen = official(
        "read_table", id=schema.id, sql=f"select * from {schema.id}.{version}", version=version
    )
    assert seen["columns"] == ["sample id", "age", "tags"]
    assert seen["rows"][0][0] == "s,1"
    assert [row[1] for row in seen["rows"]] == [34, None, 36]
    assert seen["rows"][0][2] == ["a", "b"]
    assert seen["activity"]["name"] == "collect"
    assert seen["activity"]["executed"] == [["https://example.org/collect.py"] * 2]
