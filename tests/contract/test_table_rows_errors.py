"""Tests of errors of table requests: helpful messages, and unchanged tables."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from synapse_workflows import (
    Column,
    CsvFileTable,
    PartialRow,
    PartialRowset,
    Project,
    Row,
    RowSet,
    Schema,
    Table,
)
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseHTTPError,
    SynapseNotFoundError,
    SynapseStaleError,
    SynapseTimeoutError,
)
from synapse_workflows.testing import in_process

COLUMNS = [
    Column(name="name", columnType="STRING", maximumSize=5),
    Column(name="how many", columnType="INTEGER"),
]
ROWS = [["ant", 6], ["bee", None]]


@pytest.fixture
def table(syn, project):
    """A table with two rows."""
    return syn.store(Table(Schema(f"t {uuid4()}", COLUMNS, parent=project), ROWS))


def get_rows(syn, table):
    """Return the IDs, versions and values of all rows."""
    return [list(row) for row in syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")]


@pytest.fixture
def unchanged(syn, table):
    """Check that the test does not change the table."""
    before = get_rows(syn, table)
    yield
    assert get_rows(syn, table) == before


@pytest.fixture
def write_csv(tmp_path):
    """Return a function that writes a CSV file."""

    def write(text):
        path = tmp_path / f"{uuid4()}.csv"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,how many,colour\nx,1,red\n", r"unknown columns: 'colour'.*store the schema"),
        ("name\nx\n", None),
        ("name,how many\nx,1\n", None),
        ("how many,name\n1,x\n", None),
        ("ROW_ID,ROW_VERSION,name\n1,1,ant\n", None),
    ],
    ids=["extra", "some", "right", "other order", "update of some"],
)
def test_csv_file_must_have_the_columns_of_the_table(syn, table, write_csv, text, message):
    rows = CsvFileTable(table.schema, write_csv(text))
    if message is None:
        rows.validate()
    else:
        with pytest.raises(ValueError, match=message):
            syn.store(rows)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("name,how many,colour\nx,1,red\n", {}, r"\(colour is not(.|\n)*columns of the table are"),
        ("x,1\ny,2,3\n", {"header": False}, "Row 1 has 3 fields, but the first line has 2"),
        ("name,how many\nx,1\ny,2,3\n", {}, "Row 1 has 3 fields, but the first line has 2"),
        ("name,how many\nx,1\nabcdef,2\n", {}, "maximum length of 5(.|\n)*larger maximumSize"),
        ("name,how many\nx,1\ny,2.5\n", {}, "not a valid INTEGER"),
        ('name,how many\nx,1\n"y,2\n', {}, "ends within a quoted field"),
        ("ROW_ID,ROW_VERSION,name\n1,1,x\n99,1,y\n", {}, "99"),
        ("ROW_ID,name\n1,x\n", {}, "Row version number cannot be null"),
    ],
    ids=["extra", "wide", "one wide", "long", "type", "quote", "missing row", "no version"],
)
def test_rejected_csv_file_changes_nothing(syn, table, write_csv, text, options, message):
    """The table is given by its ID, so that Synapse validates the file."""
    with pytest.raises((SynapseBadRequestError, ValueError), match=message):
        syn.store(CsvFileTable(table.tableId, write_csv(text), lineEnd="\n", **options))


@pytest.mark.usefixtures("unchanged")
def test_too_long_cell_is_rejected(syn, table):
    """Cells are validated before rows are sent; text of partial rows by Synapse."""
    for target in (table.schema, table.tableId):
        with pytest.raises(
            ValueError, match=r"Row 2, column 'name'.*limited to 5: shorten it, or .*LARGE"
        ):
            syn.store(Table(target, [["x", 1], ["abcdef", 2]]))
    ids = [column.id for column in syn.getTableColumns(table.tableId)]
    with pytest.raises(SynapseBadRequestError, match="larger maximumSize or a LARGETEXT"):
        syn.store(PartialRowset(table.tableId, [
            PartialRow({ids[0]: "x"}, 1), PartialRow({ids[0]: "abcdef"}, 2),
        ]))  # fmt: skip


def test_table_without_columns_is_rejected(syn, project):
    schema = syn.store(Schema(f"t {uuid4()}", parent=project))
    rows = RowSet(headers=[COLUMNS[0]], rows=[["x"]], tableId=schema.id)
    with pytest.raises(ValueError, match="has no columns to store rows in: add columns"):
        syn.store(Table(schema, [["x"]]))
    for attempt in (
        lambda: syn.store(Table(schema.id, [["x"]])),
        lambda: syn.store(rows),
        lambda: syn.tableQuery(f"select * from {schema.id}"),
    ):
        with pytest.raises(SynapseBadRequestError, match="is empty") as caught:
            attempt()
        assert "schema.addColumn(" in str(caught.value)


def test_concurrent_update_of_a_row_is_rejected(syn, client_of, table):
    """The rejected request changes no row at all."""
    other = client_of("alice", cache_root_dir=f"{syn.cache.cache_root_dir}-other")
    sql = f"select * from {table.tableId} order by ROW_ID"
    mine, theirs = syn.tableQuery(sql).asRowSet(), other.tableQuery(sql).asRowSet()
    theirs.rows = [theirs.rows[1]]
    theirs.rows[0]["values"] = ["their", 1]
    other.store(theirs)
    current = get_rows(syn, table)
    for row in mine.rows:
        row["values"] = ["mine", 2]
    for attempt in (syn.store, syn.delete):
        with pytest.raises(SynapseStaleError, match=r"Row id: 2 has been changed since") as caught:
            attempt(mine)
        assert "Get it again" in str(caught.value)
    assert get_rows(syn, table) == current


def test_update_after_reading_again_succeeds(syn, table):
    sql = f"select * from {table.tableId} order by ROW_ID"
    for number in (1, 2):
        rows = syn.tableQuery(sql).asRowSet()
        rows.rows[0]["values"] = ["mine", number]
        syn.store(rows)
    assert [row[2:] for row in get_rows(syn, table)] == [["mine", 2], ["bee", None]]


def test_one_of_several_concurrent_updates_succeeds(syn, client_of, table):
    """The other updates are rejected; no change is lost silently."""
    sql = f"select * from {table.tableId} where ROW_ID = 1"
    clients = [
        client_of("alice", cache_root_dir=f"{syn.cache.cache_root_dir}-{n}") for n in range(4)
    ]
    read = [client.tableQuery(sql).asRowSet() for client in clients]

    def change(number):
        read[number].rows[0]["values"] = [f"by {number}", number]
        try:
            clients[number].store(read[number])
        except SynapseStaleError:
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        winners = [number for number in pool.map(change, range(4)) if number is not None]
    assert len(winners) == 1
    assert get_rows(syn, table)[0][2:] == [f"by {winners[0]}", winners[0]]


def test_delete_of_changed_row_is_rejected(syn, table):
    old = syn.tableQuery(f"select * from {table.tableId}", resultsAs="rowset")
    syn.store(PartialRowset(table.schema, PartialRow({table.schema.columnIds[1]: 7}, 1)))
    with pytest.raises(SynapseStaleError, match="Row id: 1"):
        syn.delete(old)
    assert [row[2:] for row in get_rows(syn, table)] == [["ant", 7], ["bee", None]]


def test_update_of_deleted_row_is_rejected(syn, table):
    rows = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID").asRowSet()
    syn.delete(RowSet(schema=table.schema, rows=[Row([], 1, 1)]))
    current = get_rows(syn, table)
    with pytest.raises((SynapseBadRequestError, SynapseConflictError), match=r"Row id: 1|\b1\b"):
        syn.store(rows)
    assert get_rows(syn, table) == current


def test_rows_with_removed_column_are_rejected(syn, table):
    read = syn.tableQuery(f"select * from {table.tableId}")
    pages = syn.tableQuery(f"select * from {table.tableId}", resultsAs="rowset").asRowSet()
    schema = syn.get(table.tableId)
    schema.removeColumn(schema.columnIds[1])
    schema.addColumn(syn.createColumn("how much", "INTEGER"))
    syn.store(schema)
    current = get_rows(syn, table)
    with pytest.raises(SynapseBadRequestError, match=r"'how many, \d+'(.|\n)*getTableColumns"):
        syn.store(pages)
    with pytest.raises(
        SynapseBadRequestError, match=r"\(how many is not(.|\n)*columns of the table are"
    ):
        syn.store(read)
    with pytest.raises(SynapseBadRequestError, match=r"how many(.|\n)*getTableColumns lists"):
        syn.tableQuery(f'select "how many" from {table.tableId}')
    assert get_rows(syn, table) == current


def test_rows_without_header_are_rejected_after_column_reorder(syn, table, write_csv):
    """The columns were reordered after the schema was read."""
    schema = syn.get(table.tableId)
    rows = Table(schema, [["cow", 4]])
    assert not rows.header
    changed = syn.get(table.tableId)
    changed.columnIds = changed.columnIds[::-1]
    changed = syn.store(changed)
    current = get_rows(syn, table)
    given = CsvFileTable(table.schema, write_csv("1,2\n"), header=False)
    for stale in (rows, given):
        with pytest.raises(ValueError, match=r"were changed since its schema was read.*syn.get"):
            syn.store(stale)
    assert get_rows(syn, table) == current
    syn.store(Table(syn.get(table.tableId), [[4, "cow"]]))
    assert get_rows(syn, table)[-1][2:] == [4, "cow"]


def test_delete_of_partly_read_result_is_rejected(syn, table):
    sql = f"select * from {table.tableId}"
    result = syn.tableQuery(sql, resultsAs="rowset")
    next(result)
    with pytest.raises(SynapseError, match="Query again"):
        syn.delete(result)
    assert len(get_rows(syn, table)) == 2
    syn.delete(syn.tableQuery(sql, resultsAs="rowset"))
    assert get_rows(syn, table) == []


@pytest.mark.usefixtures("unchanged")
def test_too_long_query_is_rejected(syn, table):
    """The maximum size of a request is 2 MiB."""
    sql = f"select * from {table.tableId} where name = '{'x' * 3_000_000}'"
    for results_as in ("csv", "rowset"):
        with pytest.raises(
            SynapseHTTPError, match=r"413 .*\n.*Send less data per request"
        ) as caught:
            syn.tableQuery(sql, resultsAs=results_as)
        assert len(str(caught.value)) < 1000


def test_query_timeout_is_reported(tmp_path, recording):
    """The service returns before the job is done, and the timeout of the client is 0."""
    with in_process(tmp_path, wrap=recording, job_wait_seconds=0) as service:
        syn = service.client("alice", cache_root_dir=str(tmp_path / "cache"))
        project = syn.store(Project("slow"))
        columns = [Column(name="n", columnType="INTEGER")]
        syn.table_query_sleep = 0.01
        table = syn.store(Table(Schema("t", columns, parent=project), [[n] for n in range(2000)]))
        numbers = ",".join(map(str, range(15_000)))
        sql = f"select * from {table.tableId} where n in ({numbers})"
        syn.table_query_timeout = 0
        with pytest.raises(SynapseTimeoutError, match=r"Timeout waiting .*table_query_timeout"):
            syn.tableQuery(sql)
        syn.table_query_timeout = 60
        assert len(syn.tableQuery(sql)) == 2000
        syn.close()


def test_rejected_provenance_stores_no_rows_and_rejected_rows_leave_no_activity(syn, project):
    schema = syn.store(Schema("Rows", [Column(name="n", columnType="INTEGER")], parent=project))
    with pytest.raises(SynapseNotFoundError):
        syn.store(Table(schema, [[1]]), used="syn999999999")
    assert len(syn.tableQuery(f"select n from {schema.id}").asDataFrame()) == 0
    start = int(syn.restPOST("/activity", "{}")["id"])
    with pytest.raises(SynapseBadRequestError):
        syn.store(RowSet(schema=schema, rows=[Row([1]), Row([2], 99, 1)]), used=project.id)
    with pytest.raises(SynapseNotFoundError):
        syn.restGET(f"/activity/{start + 1}")
    syn.store(Table(schema, [[1]]), used=project.id)
    assert syn.getProvenance(schema.id)["used"][0]["reference"]["targetId"] == project.id
