"""Tests of storing CSV files in several dialects, with and without headers."""

from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Column, CsvFileTable, Project, Schema, Table, build_table
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseStaleError

COLUMNS = [Column(name="a name", columnType="STRING"), Column(name="n", columnType="INTEGER")]
ROWS = [["ant", 6], ["bee", None]]


@pytest.fixture
def table(syn, project):
    """A table with two rows."""
    return syn.store(Table(Schema(f"t {uuid4()}", COLUMNS, parent=project), ROWS))


@pytest.fixture
def write_csv(tmp_path):
    """Return a function that writes a CSV file."""

    def write(text):
        path = tmp_path / f"{uuid4()}.csv"
        path.write_bytes(text.encode())
        return path

    return write


def get_rows(syn, table):
    found = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    return [[row[0], *row[2:]] for row in found]


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a name,n\ncow,4\n,\n", {}),
        ("n,a name\n4,cow\n,\n", {}),
        ("cow,4\n,\n", {"header": False}),
        ("cow,4\r\n,\r\n", {"header": False, "lineEnd": "\r\n"}),
        ("# made by\n\na name,n\ncow,4\n,\n", {"linesToSkip": 2}),
        ("skip;me\ncow;4\n;\n", {"linesToSkip": 1, "header": False, "separator": ";"}),
        ("a name\tn\n'cow'\t'4'\n\t\n", {"separator": "\t", "quoteCharacter": "'"}),
        ("\ufeffa name,n\ncow,4\n,", {}),
    ],
    ids=[
        "header",
        "reordered",
        "no header",
        "crlf",
        "skipped",
        "skipped without header",
        "tabs",
        "bom",
    ],
)
def test_store_appends_rows_of_any_dialect(syn, table, write_csv, text, dialect):
    """The table is given by its schema, and by its ID."""
    for target in (table.schema, table.tableId):
        syn.store(CsvFileTable(target, write_csv(text), **dialect))
    assert [row[1:] for row in get_rows(syn, table)] == [*ROWS, *[["cow", 4], [None, None]] * 2]


def test_file_is_parsed_as_synapse_parses_it(syn, table, write_csv):
    """Including escaped and doubled quotes, line breaks and backslashes."""
    text = 'a name,n\n"say \\"hi\\"",1\n"a ""b""",2\n"two\nlines",3\n"C:\\\\dir",4\n"",5\n'
    given = CsvFileTable(table.schema, write_csv(text))
    parsed = list(given)
    syn.store(given)
    assert [row[1:] for row in get_rows(syn, table)[2:]] == parsed
    assert [row[0] for row in parsed] == ['say "hi"', 'a "b"', "two\nlines", "C:\\dir", ""]


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("ROW_ID,ROW_VERSION,a name,n\n1,1,wasp,60\n,,new,0\n", {}),
        ("n,ROW_VERSION,a name,ROW_ID\n60,1,wasp,1\n0,,new,\n", {}),
        ("1,1,wasp,60\n,,new,0\n", {"header": False}),
    ],
    ids=["header", "reordered", "no header"],
)
def test_file_with_row_ids_updates_rows(syn, table, write_csv, text, dialect):
    syn.store(CsvFileTable(table.tableId, write_csv(text), **dialect))
    assert get_rows(syn, table) == [["1", "wasp", 60], ["2", "bee", None], ["3", "new", 0]]


def test_update_keeps_columns_missing_in_file(syn, table, write_csv):
    syn.store(CsvFileTable(table.schema, write_csv("ROW_ID,ROW_VERSION,n\n1,1,\n2,1,2\n")))
    assert get_rows(syn, table) == [["1", "ant", None], ["2", "bee", 2]]


def test_edited_result_file_can_be_stored_repeatedly(syn, table):
    result = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    path = Path(result.filepath)
    for old, new in (("ant", "wasp"), ("wasp", "queen")):
        path.write_text(path.read_text().replace(old, new))
        stored = syn.store(result)
        assert (stored, bool(stored.etag)) == (result, True)
    assert get_rows(syn, table) == [["1", "queen", 6], ["2", "bee", None]]
    other = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    syn.store(result)
    other.filepath = result.filepath
    with pytest.raises(SynapseStaleError):
        syn.store(other)


def test_delete_accepts_result_of_any_dialect(syn, table):
    sql = f"select * from {table.tableId} where n = 6"
    syn.delete(syn.tableQuery(sql, header=False, separator=";", quoteCharacter="'"))
    assert get_rows(syn, table) == [["2", "bee", None]]
    without_ids = syn.tableQuery(f"select * from {table.tableId}", includeRowIdAndRowVersion=False)
    with pytest.raises(ValueError, match="have no row IDs"):
        syn.delete(without_ids)
    syn.delete(syn.tableQuery(f"select n from {table.tableId}"))
    assert get_rows(syn, table) == []
    syn.store(Table(table.tableId, [["next", 1]]))
    assert get_rows(syn, table) == [["3", "next", 1]]


def test_build_table_from_file(syn, project, write_csv):
    pytest.importorskip("pandas")
    path = write_csv("name,n,x,yes\nant,6,0.5,True\nbee,,1.5,False\n")
    table = syn.store(build_table(f"b {uuid4()}", project, str(path)))
    types = [one["columnType"] for one in syn.getTableColumns(table.tableId)]
    assert types == ["STRING", "DOUBLE", "DOUBLE", "BOOLEAN"]
    assert get_rows(syn, table) == [["1", "ant", 6.0, 0.5, True], ["2", "bee", None, 1.5, False]]


def test_file_without_rows_sends_no_request(in_process_client, calls, write_csv):
    project = in_process_client.store(Project(f"project {uuid4()}"))
    schema = in_process_client.store(Schema(f"t {uuid4()}", COLUMNS, parent=project))
    calls()
    for text in ("a name,n\n", "a name,n"):
        in_process_client.store(CsvFileTable(schema, write_csv(text)))
    assert calls() == []
    with pytest.raises((ValueError, SynapseBadRequestError)):
        in_process_client.store(CsvFileTable(schema, write_csv("name,n\n")))


def test_uploads_and_downloads_are_logged(verbose_client, log_messages, project, write_csv):
    """One message for the upload of the rows, and one for the download of the result."""
    path = write_csv("a name,n\ncow,4\n")
    table = verbose_client.store(
        CsvFileTable(Schema(f"t {uuid4()}", COLUMNS, parent=project), path)
    )
    verbose_client.tableQuery(f"select * from {table.tableId}")
    assert [line.partition(":")[0].split()[0] for line in log_messages] == [
        "Uploaded",
        "Downloaded",
    ]
    assert path.name in log_messages[0]
    assert "SYNAPSE_TABLE_QUERY_" in log_messages[1]
