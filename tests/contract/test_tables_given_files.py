"""CSV files that people have: in their own form, with and without names, to add and to change."""

from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Column, CsvFileTable, Project, Schema, Table, build_table
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseStaleError

COLUMNS = [Column(name="a name", columnType="STRING"), Column(name="n", columnType="INTEGER")]
ROWS = [["ant", 6], ["bee", None]]


@pytest.fixture
def table(syn, project):
    """A table of two rows."""
    return syn.store(Table(Schema(f"t {uuid4()}", COLUMNS, parent=project), ROWS))


@pytest.fixture
def file_of(tmp_path):
    """Write a file."""

    def write(text):
        path = tmp_path / f"{uuid4()}.csv"
        path.write_bytes(text.encode())
        return path

    return write


def state_of(syn, table):
    found = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    return [[row[0], *row[2:]] for row in found]


@pytest.mark.parametrize(
    ("text", "form"),
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
    ids=["names", "other order", "no names", "crlf", "skipped", "skipped unnamed", "tabs", "bom"],
)
def test_a_file_of_any_form_is_added(syn, table, file_of, text, form):
    """Through the schema, and through the id of the table."""
    for of in (table.schema, table.tableId):
        syn.store(CsvFileTable(of, file_of(text), **form))
    assert [row[1:] for row in state_of(syn, table)] == [*ROWS, *[["cow", 4], [None, None]] * 2]


def test_what_a_file_holds_is_read_as_it_is_stored(syn, table, file_of):
    r"""With `\"` and `""` in it, with line ends, with a lone escape, which vanishes."""
    text = 'a name,n\n"say \\"hi\\"",1\n"a ""b""",2\n"two\nlines",3\n"C:\\\\dir",4\n"",5\n'
    given = CsvFileTable(table.schema, file_of(text))
    here = list(given)
    syn.store(given)
    assert [row[1:] for row in state_of(syn, table)[2:]] == here
    assert [row[0] for row in here] == ['say "hi"', 'a "b"', "two\nlines", "C:\\dir", ""]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ROW_ID,ROW_VERSION,a name,n\n1,1,wasp,60\n,,new,0\n", {}),
        ("n,ROW_VERSION,a name,ROW_ID\n60,1,wasp,1\n0,,new,\n", {}),
        ("1,1,wasp,60\n,,new,0\n", {"header": False}),
    ],
    ids=["names", "other order", "no names"],
)
def test_a_file_with_row_ids_changes_rows(syn, table, file_of, text, form):
    syn.store(CsvFileTable(table.tableId, file_of(text), **form))
    assert state_of(syn, table) == [["1", "wasp", 60], ["2", "bee", None], ["3", "new", 0]]


def test_columns_that_a_file_leaves_out_stay_as_they_are(syn, table, file_of):
    syn.store(CsvFileTable(table.schema, file_of("ROW_ID,ROW_VERSION,n\n1,1,\n2,1,2\n")))
    assert state_of(syn, table) == [["1", "ant", None], ["2", "bee", 2]]


def test_a_result_is_changed_on_the_disk_and_stored_again_and_again(syn, table):
    result = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    path = Path(result.filepath)
    for old, new in (("ant", "wasp"), ("wasp", "queen")):
        path.write_text(path.read_text().replace(old, new))
        stored = syn.store(result)
        assert (stored, bool(stored.etag)) == (result, True)
    assert state_of(syn, table) == [["1", "queen", 6], ["2", "bee", None]]
    other = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    syn.store(result)
    other.filepath = result.filepath
    with pytest.raises(SynapseStaleError):
        syn.store(other)


def test_rows_are_deleted_by_a_result_of_any_form(syn, table):
    sql = f"select * from {table.tableId} where n = 6"
    syn.delete(syn.tableQuery(sql, header=False, separator=";", quoteCharacter="'"))
    assert state_of(syn, table) == [["2", "bee", None]]
    nameless = syn.tableQuery(f"select * from {table.tableId}", includeRowIdAndRowVersion=False)
    with pytest.raises(ValueError, match="without row ids"):
        syn.delete(nameless)
    syn.delete(syn.tableQuery(f"select n from {table.tableId}"))
    assert state_of(syn, table) == []
    syn.store(Table(table.tableId, [["next", 1]]))
    assert state_of(syn, table) == [["3", "next", 1]]


def test_a_table_is_built_of_a_file(syn, project, file_of):
    pytest.importorskip("pandas")
    path = file_of("name,n,x,yes\nant,6,0.5,True\nbee,,1.5,False\n")
    table = syn.store(build_table(f"b {uuid4()}", project, str(path)))
    kinds = [one["columnType"] for one in syn.getTableColumns(table.tableId)]
    assert kinds == ["STRING", "DOUBLE", "DOUBLE", "BOOLEAN"]
    assert state_of(syn, table) == [["1", "ant", 6.0, 0.5, True], ["2", "bee", None, 1.5, False]]


def test_an_empty_file_and_one_of_names_alone_add_nothing(in_process_client, calls, file_of):
    project = in_process_client.store(Project(f"project {uuid4()}"))
    schema = in_process_client.store(Schema(f"t {uuid4()}", COLUMNS, parent=project))
    calls()
    for text in ("a name,n\n", "a name,n"):
        in_process_client.store(CsvFileTable(schema, file_of(text)))
    assert calls() == []
    with pytest.raises((ValueError, SynapseBadRequestError)):
        in_process_client.store(CsvFileTable(schema, file_of("name,n\n")))


def test_progress_is_shown_while_files_move(verbose_client, log_messages, project, file_of):
    """A line when a file of rows went up, and one when an answer came down."""
    path = file_of("a name,n\ncow,4\n")
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
