"""Tests of storing, updating and deleting rows of tables."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import (
    Activity,
    Column,
    CsvFileTable,
    PartialRow,
    PartialRowset,
    Project,
    Row,
    RowSet,
    RowSetTable,
    Schema,
    Table,
    build_table,
)
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
    SynapseProvenanceError,
    SynapseStaleError,
)
from synapse_workflows.client.model.rows import RowMetadata
from synapse_workflows.constants import TABLE

COLUMNS = [
    Column(name="name", columnType="STRING", maximumSize=20),
    Column(name="how many", columnType="INTEGER"),
]
ROWS = [["ant", 6], ["bee", None], ["", 8]]


@pytest.fixture
def schema(syn, project):
    """A stored schema without rows."""
    return syn.store(Schema(f"t {uuid4()}", COLUMNS, parent=project))


@pytest.fixture
def table(syn, schema):
    """A table with three rows."""
    return syn.store(Table(schema, ROWS))


def get_values(syn, table_id):
    found = syn.tableQuery(f'select name, "how many" from {table_id} order by ROW_ID')
    return [row[2:] for row in found]


def query_all(syn, table_id, **options):
    return syn.tableQuery(f"select * from {table_id} order by ROW_ID", **options)


def test_store_creates_schema_and_rows(syn, project, events):
    table = syn.store(Table(Schema("t", COLUMNS, parent=project), ROWS))
    assert table.schema.id == table.tableId
    assert table.etag
    assert get_values(syn, table.tableId) == ROWS
    wrote = [event for event in events if isinstance(event, Wrote)]
    assert [(one.entity_id, one.version, one.concrete_type) for one in wrote] == [
        (table.tableId, 1, TABLE),
        (table.tableId, 1, TABLE),
    ]
    assert wrote[-1].parent_id == project.id


def test_store_sends_expected_requests(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    schema = in_process_client.store(Schema("t", COLUMNS, parent=project))
    table = Table(schema, ROWS)
    calls()
    in_process_client.store(table)
    paths = [call.partition(" ")[2].partition("?")[0].partition(" ")[0] for call in calls()]
    start = f"/entity/{schema.id}/table/transaction/async/start"
    assert paths[0] == "file:/file/multipart"
    assert paths[paths.index(start) - 1].endswith("/complete")
    assert all("/table/transaction/async/get/" in one for one in paths[paths.index(start) + 1 :])
    assert len(paths) >= 6


def test_store_appends_rows_of_every_table_type(syn, schema, tmp_path):
    syn.store(Table(schema, (row for row in ROWS[:1])))
    syn.store(Table(schema.id, [["cat", 4]]))
    syn.store(Table(schema.id, [{"how many": 2}]))
    syn.store(Table(syn.get(schema.id), [["dog", None]]))
    syn.store(Table(schema, {"how many": [1], "name": ["e"]}))
    path = tmp_path / "given.csv"
    path.write_text("how many;name\n5;'f;\\'g'\n")
    syn.store(CsvFileTable(schema, path, separator=";", quoteCharacter="'", lineEnd="\n"))
    syn.store(Table(schema, RowSet(schema=schema, rows=[Row(["h", 7])])))
    assert get_values(syn, schema.id) == [
        ["ant", 6], ["cat", 4], [None, 2], ["dog", None], ["e", 1], ["f;'g", 5], ["h", 7],
    ]  # fmt: skip


def test_row_of_nulls_is_stored(syn, project):
    column = Column(name="only", columnType="STRING", maximumSize=5)
    table = syn.store(Table(Schema("t", [column], parent=project), [["a"], [None], [""]]))
    assert [row[2:] for row in query_all(syn, table.tableId)] == [["a"], [None], [""]]
    syn.store(Table(table.tableId, [[None]]))
    assert len(query_all(syn, table.tableId)) == 4


def test_store_row_set_returns_row_ids(syn, schema):
    reference = syn.store(RowSet(schema=schema, rows=[Row(["ant", 6]), Row([None, None])]))
    assert [row["rowId"] for row in reference.rows] == [1, 2]
    stored = syn.store(RowSetTable(schema, RowSet(schema=schema, rows=[["bee", 1]])))
    assert next(stored.iter_row_metadata()).row_id == 3
    assert get_values(syn, schema.id) == [["ant", 6], [None, None], ["bee", 1]]


def test_store_row_set_with_new_schema(syn, project):
    table = Table(Schema("t", COLUMNS, parent=project), RowSet(COLUMNS, rows=[["ant", 6]]))
    stored = syn.store(table)
    assert get_values(syn, stored.tableId) == [["ant", 6]]
    assert list(stored) == [["ant", 6]]


def test_store_updates_read_rows(syn, table):
    rowset = query_all(syn, table.tableId, resultsAs="rowset").asRowSet()
    rowset.rows[0]["values"] = ["wasp", 60]
    rowset.rows = rowset.rows[:1]
    syn.store(rowset)
    result = query_all(syn, table.tableId)
    path = Path(result.filepath)
    path.write_text(path.read_text().replace("bee", "queen"))
    syn.store(result)
    assert get_values(syn, table.tableId) == [["wasp", 60], ["queen", None], ["", 8]]


def test_store_updates_partial_rows(syn, table):
    result = query_all(syn, table.tableId, resultsAs="rowset")
    syn.store(PartialRowset.from_mapping({1: {"how many": 66}, 2: {"name": None}}, result))
    assert get_values(syn, table.tableId) == [["ant", 66], [None, None], ["", 8]]
    ids = {column.name: column.id for column in syn.getColumns(table.schema)}
    syn.store(PartialRowset(table.schema, PartialRow({"name": "x"}, 3, nameToColumnId=ids)))
    assert get_values(syn, table.tableId)[2] == ["x", 8]


def test_store_creates_new_columns_before_rows(syn, table):
    table.schema.addColumn(Column(name="new", columnType="BOOLEAN"))
    again = syn.store(Table(table.schema, [["cow", 4, True]]))
    assert [column.name for column in again.schema.columns()] == ["name", "how many", "new"]
    assert [row[2:] for row in query_all(syn, table.tableId)] == [
        *([*row, None] for row in ROWS),
        ["cow", 4, True],
    ]


def test_delete_rows(syn, table):
    chosen = f"select * from {table.tableId} where name = "
    syn.delete(syn.tableQuery(f"{chosen}'bee'"))
    syn.delete(syn.tableQuery(f"{chosen}'ant'", resultsAs="rowset"))
    assert get_values(syn, table.tableId) == [["", 8]]
    syn.delete(RowSet(schema=table.schema, rows=[Row([], 3, 1)]))
    assert get_values(syn, table.tableId) == []


def test_empty_rows_send_no_request(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    schema = in_process_client.store(Schema("t", COLUMNS, parent=project))
    calls()
    in_process_client.store(Table(schema, []))
    in_process_client.delete(RowSet(schema=schema, rows=[]))
    assert calls() == []


def test_delete_rejects_rows_without_ids(syn, table):
    counted = syn.tableQuery(f"select count(*) from {table.tableId}")
    with pytest.raises(ValueError, match="have no row IDs"):
        syn.delete(counted)
    with pytest.raises(SynapseError, match="partial rows"):
        syn.delete(PartialRowset(table.tableId, []))
    assert len(get_values(syn, table.tableId)) == 3


def test_store_rejects_rowset_result(syn, table):
    with pytest.raises(SynapseError, match="cannot be stored"):
        syn.store(query_all(syn, table.tableId, resultsAs="rowset"))


def test_invalid_rows_are_rejected_before_any_request(in_process_client, calls, tmp_path):
    calls()
    schema = Schema("t", COLUMNS, parent="syn1")
    path = tmp_path / "given.csv"
    path.write_text("name,number\nx,1\n")
    with pytest.raises(ValueError, match="missing columns: 'how many'; unknown columns: 'number'"):
        in_process_client.store(Table(schema, path))
    with pytest.raises(
        ValueError, match=r"Row 1, column .name.: .* 21 characters, .* limited to 20"
    ):
        in_process_client.store(Table(schema, [["x" * 21, 1]]))
    with pytest.raises(ValueError, match="'t' has no columns"):
        in_process_client.store(Table(Schema("t", parent="syn1"), ROWS))
    with pytest.raises(FileNotFoundError):
        in_process_client.store(Table(schema, tmp_path / "none.csv"))
    assert calls() == []


def test_rejected_rows_change_nothing(syn, table, tmp_path):
    path = tmp_path / "given.csv"
    for text, message in [
        ("name,number\nx,1\n", "number"),
        ("name,how many\nx,1\ny,many\n", "INTEGER"),
        (f"name,how many\nx,1\n{'y' * 21},1\n", "20"),
    ]:
        path.write_text(text)
        with pytest.raises(SynapseBadRequestError, match=message):
            syn.store(Table(table.tableId, path))
    assert get_values(syn, table.tableId) == ROWS


def test_store_of_stale_row_is_rejected(syn, table):
    mine = query_all(syn, table.tableId).asRowSet()
    theirs = query_all(syn, table.tableId).asRowSet()
    theirs.rows[1]["values"] = ["theirs", 1]
    syn.store(theirs)
    mine.rows[0]["values"] = ["mine", 1]
    with pytest.raises(SynapseStaleError, match="has been changed since last read"):
        syn.store(mine)
    with pytest.raises(SynapseStaleError):
        syn.delete(mine)
    assert get_values(syn, table.tableId) == [["ant", 6], ["theirs", 1], ["", 8]]


def test_rows_of_changed_schema_are_rejected(syn, table):
    """Nothing is stored in a wrong column after a concurrent change of the schema."""
    read = query_all(syn, table.tableId)
    schema = syn.get(table.tableId)
    changed = syn.createColumn("how much", "INTEGER")
    schema.removeColumn(schema.columnIds[1])
    schema.addColumn(changed)
    syn.store(schema)
    for rows in (Table(table.schema, ROWS), read):
        with pytest.raises(SynapseBadRequestError, match="how many"):
            syn.store(rows)
    assert [row[2:] for row in query_all(syn, table.tableId)] == [[name, None] for name, _ in ROWS]


def test_concurrent_appends_are_all_stored(syn, client_of, schema):
    tables = [Table(schema.id, ([f"writer {w}", n] for n in range(20))) for w in range(4)]
    clients = [
        client_of("alice", cache_root_dir=f"{syn.cache.cache_root_dir}{w}") for w in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda client, table: client.store(table), clients, tables))
    found = get_values(syn, schema.id)
    assert len(found) == 80
    for w in range(4):
        assert [n for name, n in found if name == f"writer {w}"] == list(range(20))


def test_store_requires_update_access(bob, table):
    with pytest.raises(SynapseForbiddenError):
        bob.store(Table(table.tableId, [["x", 1]]))


def test_store_sets_provenance_of_table(syn, schema, events):
    syn.store(Table(schema, ROWS), used=schema, executed="https://example.org/code.py")
    made_by = syn.getProvenance(schema.id)
    assert [one["wasExecuted"] for one in made_by["used"]] == [False, True]
    assert events[-1].activity_given
    syn.store(RowSet(schema=schema, rows=[["x", 1]]), activity=Activity(name="second"))
    assert syn.getProvenance(schema.id)["name"] == "second"
    with pytest.raises(SynapseProvenanceError):
        syn.store(Table(schema, ROWS), used=schema, activity=made_by)
    assert len(get_values(syn, schema.id)) == 4


def test_frame_is_stored_read_and_updated(syn, project):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"name": ["ant", None], "n": pd.array([6, None], dtype="Int64")})
    table = syn.store(build_table("t", project, frame))
    found = query_all(syn, table.tableId).asDataFrame()
    assert found.index.tolist() == ["1_1", "2_1"]
    assert (found["n"].tolist(), str(found["n"].dtype)) == ([6, pd.NA], "Int64")
    found.loc["2_1", "n"] = 7
    found.loc["new"] = ["cow", 4]
    syn.store(Table(table.tableId, found))
    assert [row[2:] for row in query_all(syn, table.tableId)] == [
        ["ant", 6],
        [None, 7],
        ["cow", 4],
    ]
    pages = query_all(syn, table.tableId, resultsAs="rowset")
    assert pages.asDataFrame()["n"].tolist() == [6, 7, 4]
    assert RowMetadata(3, 2, None) in list(query_all(syn, table.tableId).iter_row_metadata())
