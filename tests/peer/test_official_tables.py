"""Tables of the official client and of this client read the same in both."""

from uuid import uuid4

import pytest

from synapse_workflows import Activity, Column, Project, Schema, Table
from synapse_workflows.testing import over_socket


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(f"peer tables {uuid4()}"))


def test_table_of_the_official_client_is_read(official_tables, project, socket_client):
    """Created from a data frame; a row is updated after a snapshot; both versions are read."""
    made = official_tables("make_table", name="counts", parent=project.id)
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


def test_official_client_reads_a_table(official_tables, project, socket_client):
    """Its rows, and the Activity of a snapshot."""
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
    seen = official_tables(
        "read_table", id=schema.id, sql=f"select * from {schema.id}.{version}", version=version
    )
    assert seen["columns"] == ["sample id", "age", "tags"]
    assert seen["rows"][0][0] == "s,1"
    assert [row[1] for row in seen["rows"]] == [34, None, 36]
    assert seen["rows"][0][2] == ["a", "b"]
    assert seen["activity"]["name"] == "collect"
    assert seen["activity"]["executed"] == [["https://example.org/collect.py"] * 2]


def test_table_of_the_2_x_functions_is_read(official_tables, project, socket_client):
    """Created from a frame, updated by a frame and by partial rows, rows deleted, snapshot."""
    made = official_tables("flat_table", parent=project.id, used=project.id)
    assert made["columns"] == [
        ["gene name", "STRING"], ["count", "INTEGER"], ["score", "DOUBLE"], ["coding", "BOOLEAN"],
        ["note", "STRING"],
    ]  # fmt: skip
    kept = [
        ["TP53", 13, 0.5, True],
        ['BR"CA,1', 7, 1.25, False],
        ["Mgmt", 3, None, True],
    ]
    for source, last in ((made["id"], [["late", 1, 0.1, True]]), (f"{made['id']}.1", [])):
        rows = socket_client.tableQuery(f"select * from {source} order by ROW_ID")
        assert [row[2:6] for row in rows] == kept + last
    assert made["snapshot"] == 1
    assert [row[:4] for row in made["now"]["rows"]] == [*kept, ["late", 1, 0.1, True]]
    assert [row[:4] for row in made["snapshot_rows"]["rows"]] == kept
    notes = socket_client.tableQuery(f"select note from {made['id']} order by ROW_ID limit 3")
    assert [row[2] or "" for row in notes] == ["", "é😀", "\\"]
    activity = socket_client.getProvenance(made["id"], version=1)
    assert activity["name"] == made["activity"] == "freeze"
    assert {one.get("url") or one["reference"]["targetId"] for one in activity["used"]} == {
        project.id, "https://x.org/c",
    }  # fmt: skip


TYPES = [
    ("text in it", "STRING", 'a "b", ü'), ("n", "INTEGER", 2**53 + 1), ("x", "DOUBLE", 0.1),
    ("b", "BOOLEAN", True), ("d", "DATE", 1577880000123), ("e", "ENTITYID", "syn123"),
    ("u", "USERID", "1"), ("l", "LINK", "https://x.org"), ("m", "MEDIUMTEXT", "m" * 2000),
    ("large", "LARGETEXT", "line\n" * 500), ("sl", "STRING_LIST", ["a,b", '"']),
    ("il", "INTEGER_LIST", [1, -2]), ("bl", "BOOLEAN_LIST", [True, False]),
    ("dl", "DATE_LIST", [1577880000123]), ("el", "ENTITYID_LIST", ["syn1"]),
    ("ul", "USERID_LIST", [1, 2]), ("j", "JSON", {"a": [1, None]}),
]  # fmt: skip


def test_official_client_reads_every_column_type(official_tables, project, socket_client):
    """With null values, as CSV and page by page."""
    columns = [Column(name=name, columnType=kind) for name, kind, _ in TYPES]
    values = [value for _, _, value in TYPES]
    schema = Schema("all types", columns, parent=project)
    table = socket_client.store(Table(schema, [values, [None] * len(values)]))
    seen = official_tables("flat_read", sql=f"select * from {table.tableId} order by ROW_ID")
    assert seen["labels"] == ["1_1", "2_1"]
    assert seen["types"] == [kind for _, kind, _ in TYPES]
    found = dict(zip(seen["columns"], seen["rows"][0], strict=True))
    for name, kind, value in TYPES:
        if kind == "JSON":
            assert found[name] in (value, '{"a":[1,null]}')
        elif kind == "DATE_LIST":
            assert found[name] == value or "2020-01-01" in str(found[name])
        elif kind in {
            "USERID",
            "INTEGER",
        }:  # its frames convert integer columns with nulls to floats
            assert float(found[name]) == float(value)
        else:
            assert found[name] == value, name
    assert seen["pages"][0][:4] == values[:4]
    assert all(value is None for value in seen["pages"][1])


def test_official_client_upserts_rows_by_key(official_tables, project, socket_client):
    columns = [Column(name="key", columnType="STRING"), Column(name="n", columnType="INTEGER")]
    schema = Schema("upserts", columns, parent=project)
    table = socket_client.store(Table(schema, [["a", 1], ["b", 2], ["gone", 3]])).tableId
    official_tables(
        "upsert", id=table, key="key", values={"key": ["b", "c"], "n": [20, 30]},
        gone=f"select ROW_ID, ROW_VERSION from {table} where key = 'gone'",
    )  # fmt: skip
    rows = socket_client.tableQuery(f"select * from {table} order by key")
    assert [row[2:] for row in rows] == [["a", 1], ["b", 20], ["c", 30]]


def test_official_client_waits_for_slow_jobs(driven, tmp_path, recording):
    """The service answers first that the job is in progress."""
    with over_socket(tmp_path / "slow", wrap=recording, job_wait_seconds=0) as service:
        syn = service.client("alice", cache_root_dir=str(tmp_path / "cache"))
        syn.table_query_sleep = 0.01
        project = syn.store(Project("slow"))
        table = driven("official_tables.py", service)("make_table", name="t", parent=project.id)
        rows = syn.tableQuery(f"select count from {table['id']} order by count")
        assert [row[2:] for row in rows] == [[3], [7], [13]]
        syn.close()


def test_official_client_changes_columns(official_tables, project, socket_client):
    """A renamed column keeps its values."""
    columns = [Column(name=name, columnType="INTEGER") for name in ("n", "gone", "kept")]
    schema = Schema("changes", columns, parent=project)
    table = socket_client.store(Table(schema, [[1, 2, 3], [None, 5, 6]])).tableId
    seen = official_tables("change_columns", id=table)
    assert (seen["count"], seen["updated"]) == (2, True)
    assert sorted(seen["columns"]) == ["kept", "new", "renamed"]
    rows = socket_client.tableQuery(f"select renamed, kept, new from {table} order by ROW_ID")
    assert [row[2:] for row in rows] == [[1, 3, None], [None, 6, None]]
    assert sorted(map(str, seen["rows"]["columns"])) == ["kept", "new", "renamed"]


def test_official_client_downloads_files_of_cells(
    official_tables, project, socket_client, tmp_path
):
    contents = {}
    for name in ("a", "b"):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"{name} {uuid4()}")
        handle = socket_client.uploadFileHandle(str(path), project)["id"]
        contents[handle] = path.read_text()
    schema = Schema("files", [Column(name="f", columnType="FILEHANDLEID")], parent=project)
    table = socket_client.store(Table(schema, [[h] for h in [*contents, None]])).tableId
    seen = official_tables("download_files", sql=f"select * from {table}", columns=["f"])
    assert seen["contents"] == contents
