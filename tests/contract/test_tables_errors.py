"""What goes wrong with tables is said with the way out, and changes nothing."""

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
    """A table of two rows."""
    return syn.store(Table(Schema(f"t {uuid4()}", COLUMNS, parent=project), ROWS))


def state_of(syn, table):
    """All that is in a table: ids, versions, and values of its rows."""
    return [list(row) for row in syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")]


@pytest.fixture
def unchanged(syn, table):
    """The table is the same after the test as before."""
    before = state_of(syn, table)
    yield
    assert state_of(syn, table) == before


@pytest.fixture
def file_of(tmp_path):
    """Write a CSV file."""

    def write(text):
        path = tmp_path / f"{uuid4()}.csv"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,how many,colour\nx,1,red\n", r"columns it has not: 'colour'.*store the schema"),
        ("name\nx\n", r"missing columns: 'how many'.*Name them as the table does"),
        ("name,how many\nx,1\n", None),
        ("how many,name\n1,x\n", None),
        ("ROW_ID,ROW_VERSION,name\n1,1,ant\n", None),
    ],
    ids=["extra", "missing", "right", "other order", "update of some"],
)
def test_a_file_must_have_the_columns_of_the_table(syn, table, file_of, text, said):
    rows = CsvFileTable(table.schema, file_of(text))
    if said is None:
        rows.validate()
    else:
        with pytest.raises(ValueError, match=said):
            syn.store(rows)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("name,how many,colour\nx,1,red\n", {}, r"'colour'(.|\n)*getTableColumns lists"),
        ("x,1\ny,2,3\n", {"header": False}, "Row 1 has 3 fields, the first line 2"),
        ("name,how many\nx,1\ny,2,3\n", {}, "Row 1 has 3 fields, the first line 2"),
        ("name,how many\nx,1\nabcdef,2\n", {}, "maximum length of 5(.|\n)*larger maximumSize"),
        ("name,how many\nx,1\ny,2.5\n", {}, "not a valid INTEGER"),
        ('name,how many\nx,1\n"y,2\n', {}, "ends within a quoted field"),
        ("ROW_ID,ROW_VERSION,name\n1,1,x\n99,1,y\n", {}, "99"),
        ("ROW_ID,name\n1,x\n", {}, "Row version number cannot be null"),
    ],
    ids=["extra", "wide", "one wide", "long", "type", "quote", "no such row", "no version"],
)
def test_a_file_that_cannot_be_stored_changes_nothing(syn, table, file_of, text, options, said):
    """Of a table known by its id, so that Synapse has to tell."""
    with pytest.raises((SynapseBadRequestError, ValueError), match=said):
        syn.store(CsvFileTable(table.tableId, file_of(text), lineEnd="\n", **options))


@pytest.mark.usefixtures("unchanged")
def test_a_cell_longer_than_its_column_is_told(syn, table):
    """Before anything is sent where the columns are known, else by Synapse."""
    with pytest.raises(
        ValueError, match=r"Row 2, column 'name'.*limited to 5: shorten it, or .*LARGE"
    ):
        syn.store(Table(table.schema, [["x", 1], ["abcdef", 2]]))
    with pytest.raises(SynapseBadRequestError, match="larger maximumSize or a LARGETEXT"):
        syn.store(Table(table.tableId, [["x", 1], ["abcdef", 2]]))
    ids = [column.id for column in syn.getTableColumns(table.tableId)]
    with pytest.raises(SynapseBadRequestError, match="larger maximumSize or a LARGETEXT"):
        syn.store(PartialRowset(table.tableId, [
            PartialRow({ids[0]: "x"}, 1), PartialRow({ids[0]: "abcdef"}, 2),
        ]))  # fmt: skip


def test_a_table_without_columns_is_told(syn, project):
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


def test_of_two_who_change_one_row_the_second_is_told(syn, client_of, table):
    """All of its rows stay behind: also those that nobody else touched."""
    other = client_of("alice", cache_root_dir=f"{syn.cache.cache_root_dir}-other")
    sql = f"select * from {table.tableId} order by ROW_ID"
    mine, theirs = syn.tableQuery(sql).asRowSet(), other.tableQuery(sql).asRowSet()
    theirs.rows = [theirs.rows[1]]
    theirs.rows[0]["values"] = ["their", 1]
    other.store(theirs)
    now = state_of(syn, table)
    for row in mine.rows:
        row["values"] = ["mine", 2]
    for attempt in (syn.store, syn.delete):
        with pytest.raises(SynapseStaleError, match=r"Row id: 2 has been changed since") as caught:
            attempt(mine)
        assert "get it again" in str(caught.value)
    assert state_of(syn, table) == now


def test_who_reads_again_may_change_the_row(syn, table):
    sql = f"select * from {table.tableId} order by ROW_ID"
    for number in (1, 2):
        rows = syn.tableQuery(sql).asRowSet()
        rows.rows[0]["values"] = ["mine", number]
        syn.store(rows)
    assert [row[2:] for row in state_of(syn, table)] == [["mine", 2], ["bee", None]]


def test_of_many_who_change_one_row_at_once_one_is_first(syn, client_of, table):
    """Whoever comes later than the first is told; no change is lost in silence."""
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
    assert state_of(syn, table)[0][2:] == [f"by {winners[0]}", winners[0]]


def test_a_row_that_was_changed_is_not_deleted(syn, table):
    old = syn.tableQuery(f"select * from {table.tableId}", resultsAs="rowset")
    syn.store(PartialRowset(table.schema, PartialRow({table.schema.columnIds[1]: 7}, 1)))
    with pytest.raises(SynapseStaleError, match="Row id: 1"):
        syn.delete(old)
    assert [row[2:] for row in state_of(syn, table)] == [["ant", 7], ["bee", None]]


def test_a_row_that_is_gone_cannot_be_changed(syn, table):
    rows = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID").asRowSet()
    syn.delete(RowSet(schema=table.schema, rows=[Row([], 1, 1)]))
    now = state_of(syn, table)
    with pytest.raises((SynapseBadRequestError, SynapseConflictError), match=r"Row id: 1|\b1\b"):
        syn.store(rows)
    assert state_of(syn, table) == now


def test_a_column_that_went_meanwhile_is_told(syn, table):
    read = syn.tableQuery(f"select * from {table.tableId}")
    pages = syn.tableQuery(f"select * from {table.tableId}", resultsAs="rowset").asRowSet()
    schema = syn.get(table.tableId)
    schema.removeColumn(schema.columnIds[1])
    schema.addColumn(syn.createColumn("how much", "INTEGER"))
    syn.store(schema)
    now = state_of(syn, table)
    with pytest.raises(SynapseBadRequestError, match=r"'how many, \d+'(.|\n)*getTableColumns"):
        syn.store(pages)
    with pytest.raises(SynapseBadRequestError, match=r"'how many'(.|\n)*getTableColumns"):
        syn.store(read)
    with pytest.raises(SynapseBadRequestError, match=r"how many(.|\n)*getTableColumns lists"):
        syn.tableQuery(f'select "how many" from {table.tableId}')
    assert state_of(syn, table) == now


def test_rows_without_names_do_not_go_into_other_columns(syn, table, file_of):
    """Somebody gave the columns another order since the schema was read."""
    schema = syn.get(table.tableId)
    rows = Table(schema, [["cow", 4]])
    assert not rows.header
    changed = syn.get(table.tableId)
    changed.columnIds = changed.columnIds[::-1]
    changed = syn.store(changed)
    now = state_of(syn, table)
    given = CsvFileTable(table.schema, file_of("1,2\n"), header=False)
    for stale in (rows, given):
        with pytest.raises(ValueError, match=r"were changed since its schema was read.*syn.get"):
            syn.store(stale)
    assert state_of(syn, table) == now
    syn.store(Table(syn.get(table.tableId), [[4, "cow"]]))
    assert state_of(syn, table)[-1][2:] == [4, "cow"]


def test_rows_of_a_result_that_was_gone_through_are_not_forgotten(syn, table):
    sql = f"select * from {table.tableId}"
    result = syn.tableQuery(sql, resultsAs="rowset")
    next(result)
    with pytest.raises(SynapseError, match="Query again"):
        syn.delete(result)
    assert len(state_of(syn, table)) == 2
    syn.delete(syn.tableQuery(sql, resultsAs="rowset"))
    assert state_of(syn, table) == []


@pytest.mark.usefixtures("unchanged")
def test_a_query_longer_than_a_request_is_told(syn, table):
    """Synapse takes 2 MiB at once."""
    sql = f"select * from {table.tableId} where name = '{'x' * 3_000_000}'"
    for kind in ("csv", "rowset"):
        with pytest.raises(SynapseHTTPError, match=r"413 .*\n.*send less at a time") as caught:
            syn.tableQuery(sql, resultsAs=kind)
        assert len(str(caught.value)) < 1000


def test_a_query_that_takes_longer_than_the_limit_is_told(tmp_path, recording):
    """By a service that does not wait for its jobs, and a client that does not either."""
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
