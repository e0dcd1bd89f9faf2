"""Tests of SynapseTableStoreOperator: sources, columns, errors and provenance of rows."""

from datetime import UTC, datetime

import pytest
from airflow.sdk import DAG
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table

from synapse_workflows import (
    Activity,
    Column,
    Schema,
    SynapseGetOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
    synapse_asset,
)
from synapse_workflows.client.errors import SynapseBadRequestError


def test_rows_of_a_file_are_appended(store_rows, filled, rows_of, write_csv):
    given = [["d", 4], ['x "y", \\z', ""], ["ü\n\n", -1]]
    result, run = store_rows(table_id=filled, rows=write_csv(*given))
    assert result.state == "success", result.error
    done = run.value("store")
    assert (done["added"], done["changed"], done["deleted"]) == (3, 0, 0)
    assert rows_of(filled)[3:] == [["d", 4], ['x "y", \\z', None], ["ü\n\n", -1]]


def test_rows_can_be_a_list_of_dictionaries(store_rows, table, rows_of):
    given = [{"a name": "a", "n": 1}, {"n": None}, {"a name": "", "n": -2}]
    store_rows(table_id=table, rows=given)
    assert rows_of(table) == [["a", 1], [None, None], ["", -2]]


def test_empty_list_changes_nothing(store_rows, filled, rows_of):
    result, run = store_rows(table_id=filled, rows=[])
    assert result.state == "success", result.error
    assert run.value("store")["added"] == 0
    assert len(rows_of(filled)) == 3


def test_columns_can_be_in_another_order(store_rows, table, rows_of, write_csv):
    store_rows(table_id=table, rows=write_csv([4, "a"], names=("n", " a name ")))
    assert rows_of(table) == [["a", 4]]


def test_missing_columns_require_the_argument(store_rows, table, rows_of, write_csv):
    file = write_csv([4], [""], names=("n",))
    result, _ = store_rows(table_id=table, rows=file)
    assert "['a name']" in str(result.error)
    assert "missing_columns=True" in str(result.error)
    assert rows_of(table) == []
    store_rows(table_id=table, rows=file, missing_columns=True)
    assert rows_of(table) == [[None, 4], [None, None]]


def test_tsv_file_is_tab_separated(store_rows, table, rows_of, write_csv):
    file = write_csv(["a,b", 1], name="rows.tsv", delimiter="\t")
    result, _ = store_rows(table_id=table, rows=file)
    assert result.state == "success", result.error
    assert rows_of(table) == [["a,b", 1]]


def test_parquet_values_keep_their_types(store_rows, alice, project, rows_of, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kinds = {
        "word": "STRING",
        "n": "INTEGER",
        "x": "DOUBLE",
        "on": "BOOLEAN",
        "at": "DATE",
        "words": "STRING_LIST",
    }
    columns = [Column(name=name, columnType=kind) for name, kind in kinds.items()]
    table = create_table(alice, project, "Typed", columns)
    moment = datetime(2026, 11, 22, 4, 5, 6, 789000, tzinfo=UTC)
    given = [
        {"word": "", "n": 2**60, "x": 0.1, "on": True, "at": moment, "words": ["a", 'b"']},
        dict.fromkeys(kinds),
    ]
    file = tmp_path / "any name"
    parquet.write_table(arrow.Table.from_pylist(given), file)
    result, _ = store_rows(table_id=table, rows=str(file))
    assert result.state == "success", result.error
    assert rows_of(table) == [list(row.values()) for row in given]


def test_invalid_parquet_value_is_reported(store_rows, filled, rows_of, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"a name": ["d", "e"], "n": [4.0, 4.5]}), file)
    result, _ = store_rows(table_id=filled, rows=str(file))
    assert "Row 2" in str(result.error)
    assert "column 'n'" in str(result.error)
    assert len(rows_of(filled)) == 3


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_query_result_is_stored_and_used(api, filled, alice, project, rows_of, file_format):
    pytest.importorskip("pyarrow")
    copy = create_table(alice, project, "Copy", list(alice.getColumns(filled)))
    sql = f"select * from {filled} where n > 1"
    with DAG("copy", schedule=None) as dag:
        found = SynapseTableQueryOperator(task_id="query", sql=sql, output_format=file_format)
        SynapseTableStoreOperator(task_id="store", table_id=copy, rows=found.output)
    run = Run(api, dag).all()
    assert rows_of(copy) == [["b", 2], ["c", 3]]
    activity = alice.getProvenance(copy)
    assert activity["id"] == run.value("store")["activity_id"]
    used = [one["reference"] for one in activity["used"] if not one["wasExecuted"]]
    assert used == [{"targetId": filled, "targetVersionNumber": 1}]


def test_synapse_file_is_stored_and_used(api, table, put, rows_of, sources_of):
    file = put("rows.csv", "n,a name\n7,\n")
    with DAG("from_file", schedule=None) as dag:
        get_task = SynapseGetOperator(task_id="get", entity_id=file)
        SynapseTableStoreOperator(task_id="store", table_id=table, rows=get_task.output)
    Run(api, dag).all()
    assert rows_of(table) == [[None, 7]]
    assert sources_of(table)[0] == [file]


def test_declared_provenance_is_added_to_the_activity(
    store_rows, table, alice, put, sources_of, write_csv
):
    file = put()
    _, run = store_rows(
        table_id=table,
        rows=write_csv(["a", 1]),
        used=[file, "https://example.org/raw"],
        executed="https://example.org/code.py",
        activity_name="Counting",
    )
    used, executed = sources_of(table)
    assert used == [file, "https://example.org/raw"]
    assert "https://example.org/code.py" in executed
    activity = alice.getProvenance(table)
    assert activity["name"] == "Counting"
    assert activity["id"] == run.value("store")["activity_id"]


def test_activity_argument_is_recorded(store_rows, table, alice, put, sources_of, write_csv):
    file = put()
    store_rows(table_id=table, rows=write_csv(["a", 1]), activity=Activity("Mine", used=file))
    assert sources_of(table)[0] == [file]
    assert alice.getProvenance(table)["name"] == "Mine"


def test_stored_activity_is_linked_unchanged(store_rows, table, alice, put, write_csv):
    other = put()
    stored = alice.setProvenance(other, Activity("Theirs", used="https://example.org/raw"))
    result, run = store_rows(table_id=table, rows=write_csv(["a", 1]), activity=dict(stored))
    assert result.state == "success", result.error
    assert alice.getProvenance(table)["id"] == stored["id"]
    assert run.value("store")["activity_id"] == stored["id"]


def test_declared_provenance_is_recorded_with_lineage_mode_off(
    store_rows, table, put, sources_of, write_csv
):
    file = put()
    _, run = store_rows(table_id=table, rows=write_csv(["a", 1]), used=file, lineage_mode="off")
    assert sources_of(table) == ([file], [])
    assert run.value("store")["activity_id"] is not None


def test_lineage_mode_off_without_declaration_records_nothing(store_rows, table, write_csv):
    _, run = store_rows(table_id=table, rows=write_csv(["a", 1]), lineage_mode="off")
    assert run.value("store")["activity_id"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "overwrite"}, "append, upsert, replace"),
        ({"mode": "upsert"}, "mode='upsert' requires key=..."),
        ({"key": "n"}, "key='n' requires mode='upsert', but mode is 'append'"),
        ({"mode": "upsert", "key": "other"}, "other"),
    ],
)
def test_invalid_arguments_fail_without_retry(
    store_rows, filled, rows_of, write_csv, arguments, message
):
    result, _ = store_rows(table_id=filled, rows=write_csv(["x", 8]), **arguments)
    assert result.state == "failed"
    assert message in str(result.error)
    assert len(rows_of(filled)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a name,m\nx,8\n", "'m'"),
        ("a name;n\nx;8\n", "Separate cells with commas"),
        ("ROW_ID,n\n1,8\n", "row IDs"),
        ("n,a name,n\n1,x,2\n", "duplicate columns: ['n']"),
        ("", "columns"),
        ("a name,n\nx,8,9\n", "Row 1 of"),
        ("a name,n\nx,8\ny\n", "Row 2 of"),
        ("a name,n\nx,8\n" + "y" * 51 + ",9\n", "Row 2, column 'a name': the cell has 51"),
        ('a name,n\nx,8\n"y,9\n', "cannot be read"),
    ],
)
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_invalid_file_fails_without_retry(
    store_rows, filled, tmp_path, rows_of, text, message, mode
):
    file = tmp_path / "rows.csv"
    file.write_text(text)
    result, _ = store_rows(table_id=filled, rows=str(file), mode=mode, chunk_rows=1)
    assert result.state == "failed"
    assert message in str(result.error)
    assert rows_of(filled) == [["a", 1], ["b", 2], ["c", 3]]


def test_file_with_another_encoding_fails(store_rows, filled, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes("a name,n\nü,1\n".encode("latin-1"))
    result, _ = store_rows(table_id=filled, rows=str(file))
    assert "is not UTF-8" in str(result.error)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "Invalid rows: expected a file"),
        (7, "Invalid rows of type int"),
        ([{"m": 1}], "'m'"),
        ([{"a name": "x", "n": "many"}], "is not an integer"),
        ([["a", 1]], "columns=["),
        ([{"m": 1}], "rows has columns that the table does not have"),
        ([{"n": 1}, {"n": "x"}], "rows: Row 2, column 'n'"),
        ('[{"n": 1}]', "this is the text of a list"),
        ("[{'n': 1}]", "rows=task.output"),
        ("{'id': 'syn1'}", "this is the text of a dictionary"),
    ],
)
def test_invalid_rows_fail_without_retry(store_rows, filled, rows_of, rows, message):
    result, _ = store_rows(table_id=filled, rows=rows, missing_columns=True)
    assert result.state == "failed"
    assert message in str(result.error)
    assert len(rows_of(filled)) == 3


def test_error_about_a_list_of_rows_names_no_file(store_rows, filled):
    given = [{"a name": "x", "n": 1}, {"a name": "x", "n": 2}]
    errors = [
        str(store_rows(table_id=filled, rows=rows, **more)[0].error)
        for rows, more in [
            (given, {"mode": "upsert", "key": "a name"}),
            (given, {"mode": "upsert", "key": "other"}),
            ([{"n": 1}], {}),
            ([{"n": 1}], {"mode": "replace"}),
            ([{"ROW_ID": 1}], {}),
        ]
    ]
    assert all("rows" in message and ".csv" not in message for message in errors), errors
    assert "in the rows 1 and 2 of rows" in errors[0]


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_rejected_cell_stores_no_row(store_rows, filled, rows_of, write_csv, mode):
    """Valid rows before the invalid one are uploaded in separate files."""
    file = write_csv(["d", 4], ["a", 9], ["e", "no number"])
    key = "a name" if mode == "upsert" else None
    result, _ = store_rows(table_id=filled, rows=file, mode=mode, key=key, chunk_rows=1)
    assert isinstance(result.error, SynapseBadRequestError)
    assert "no number" in str(result.error)
    assert result.state == "failed"
    assert rows_of(filled) == [["a", 1], ["b", 2], ["c", 3]]


def test_table_without_columns_fails(store_rows, alice, project, write_csv):
    table = alice.store(Schema("Empty", parent=project)).id
    result, _ = store_rows(table_id=table, rows=write_csv(["a", 1]))
    assert result.state == "failed"
    assert "has no columns" in str(result.error)


def test_storing_rows_in_a_snapshot_fails(store_rows, filled, alice, write_csv):
    number = alice.create_snapshot_version(filled)
    result, _ = store_rows(table_id=f"{filled}.{number}", rows=write_csv(["a", 1]))
    assert result.state == "failed"
    assert "is an immutable version" in str(result.error)


def test_replace_keeps_file_handles(store_rows, alice, project, put, rows_of, tmp_path):
    """A new row can have a file handle that a replaced row had."""
    kinds = {"word": "STRING", "file": "FILEHANDLEID"}
    columns = [Column(name=name, columnType=kind) for name, kind in kinds.items()]
    table = create_table(alice, project, "Files", columns)
    handle = alice.get(put().partition(".")[0], downloadFile=False).dataFileHandleId
    append_rows(alice, table, [["a", handle]])
    result, _ = store_rows(
        table_id=table, rows=[{"word": "b", "file": int(handle)}], mode="replace"
    )
    assert result.state == "success", result.error
    assert [[str(cell) for cell in row] for row in rows_of(table)] == [["b", str(handle)]]


def test_asset_event_of_the_table(store_rows, table, api, write_csv):
    store_rows(table_id=table, rows=write_csv(["a", 1]), outlets=[synapse_asset(table)])
    (event,) = api.events
    assert event["asset"]["uri"] == f"syn://{table}"
    assert event["extra"]["version"] == 1
