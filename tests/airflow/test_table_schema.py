"""Tests of SynapseTableStoreOperator with new_columns and create."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from support.parallel_tasks import run_in_parallel
from support.prepared_entities import create_table

from synapse_workflows import Column, Folder, Project, SynapseHook


@pytest.fixture
def types_of(alice):
    """Function that returns the types of the columns of a table by name."""
    return lambda table: {
        column["name"]: column["columnType"] for column in alice.getTableColumns(table)
    }


@pytest.fixture
def create(store_rows, project):
    """Function that stores rows in the table `New` and returns the result and the value."""

    def run(rows, **arguments):
        arguments = {"create": True, "parent_id": project, "name": "New"} | arguments
        result, dag_run = store_rows(rows=rows, **arguments)
        return result, dag_run.value("store") if result.state == "success" else None

    return run


MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS = [
    {"text": "a", "whole": 2**60, "real": 0.5, "flag": True, "when": MOMENT, "items": [1, 2]},
    {"text": "b" * 2000, "whole": None, "real": 1, "flag": None, "document": {"a": 1}},
]
TYPES = {
    "text": "LARGETEXT",
    "whole": "INTEGER",
    "real": "DOUBLE",
    "flag": "BOOLEAN",
    "when": "DATE",
    "items": "INTEGER_LIST",
    "document": "JSON",
}


@pytest.mark.parametrize("form", ["dictionaries", "tuples", "DataFrame", "Parquet", "JSON lines"])
def test_table_is_created_from_the_rows(create, alice, rows_of, types_of, tmp_path, form):
    arguments = {}
    rows = ROWS
    names = list(TYPES)
    if form == "tuples":
        rows = [tuple(row.get(name) for name in names) for row in ROWS]
        arguments = {"columns": names}
    elif form == "DataFrame":
        rows = pd.DataFrame(ROWS, columns=names)
        rows["whole"] = pd.array([2**60, None], dtype="Int64")
    elif form == "Parquet":
        rows = str(tmp_path / "rows.parquet")
        frame = pd.DataFrame(ROWS, columns=names)
        frame["whole"] = pd.array([2**60, None], dtype="Int64")
        frame.to_parquet(rows)
    elif form == "JSON lines":
        rows = str(tmp_path / "rows.jsonl")
        documents = [{k: v for k, v in row.items() if k != "when"} for row in ROWS]
        Path(rows).write_text("\n".join(map(json.dumps, documents)))
    result, value = create(rows, **arguments)
    assert result.state == "success", result.error
    assert (value["added"], value["version"]) == (2, 1)
    table = value["id"]
    if form == "JSON lines":  # JSON has no dates
        assert types_of(table) == {k: v for k, v in TYPES.items() if k != "when"}
        return
    assert types_of(table) == TYPES
    first, second = rows_of(table)
    assert first[:6] == ["a", 2**60, 0.5, True, MOMENT, [1, 2]]
    assert second == ["b" * 2000, None, 1.0, None, None, None, {"a": 1}]


@pytest.mark.parametrize("form", ["pandas", "polars", "Arrow", "Parquet", "frames"])
def test_columns_without_values_have_the_types_of_the_frame(create, types_of, tmp_path, form):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {"key": [1], "n": [None], "x": [None], "b": [None], "d": [None], "t": [None], "s": [None]},
        schema={
            "key": polars.UInt8,
            "n": polars.Int64,
            "x": polars.Float32,
            "b": polars.Boolean,
            "d": polars.Date,
            "t": polars.Datetime("us", "UTC"),
            "s": polars.String,
        },
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    rows = {
        "polars": frame,
        "Arrow": frame.to_arrow(),
        "Parquet": str(tmp_path / "rows.parquet"),
        "frames": [frame, frame],
        "pandas": pd.DataFrame(
            {
                "key": [1],
                "n": pd.array([None], dtype="Int64"),
                "x": pd.array([None], dtype="Float32"),
                "b": pd.array([None], dtype="boolean"),
                "d": pd.to_datetime([None]),
                "t": pd.to_datetime([None], utc=True),
                "s": pd.array([None], dtype="string"),
            }
        ),
    }[form]
    result, value = create(rows)
    assert result.state == "success", result.error
    kinds = ["INTEGER", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "DATE", "STRING"]
    assert list(types_of(value["id"]).values()) == kinds


def test_table_is_created_from_a_csv_file(create, types_of, rows_of, write_csv):
    rows = [["007", 1, 0.5, "true"], ["8", 2, 1e300, "False"]]
    _, value = create(write_csv(*rows, names=("code", "n", "x", "flag")))
    assert types_of(value["id"]) == {
        "code": "STRING",
        "n": "INTEGER",
        "x": "DOUBLE",
        "flag": "BOOLEAN",
    }
    assert rows_of(value["id"]) == [["007", 1, 0.5, True], ["8", 2, 1e300, False]]


def test_types_fit_the_rows_of_all_files(create, types_of, rows_of, write_csv):
    frame = pd.DataFrame({"n": [1.5], "code": [1]})
    files = [write_csv([1, "a"], names=("n", "code"), name="1.csv"), frame]
    _, value = create(files)
    assert types_of(value["id"]) == {"n": "DOUBLE", "code": "STRING"}
    assert rows_of(value["id"]) == [[1.0, "a"], [1.5, "1"]]


def test_created_text_columns_have_room_for_longer_text(create, rows_of):
    assert create([{"a": "short"}])[0].state == "success"
    result, value = create([{"a": "x" * 250, "b": "y"}], new_columns="add")
    assert result.state == "success", result.error
    assert create([{"a": None, "b": "z" * 250}])[0].state == "success"
    assert len(rows_of(value["id"])) == 3


def test_text_columns_of_wide_tables_keep_the_sizes_of_their_values(create, alice):
    _, value = create([{f"c{number}": "x" for number in range(150)}])
    assert {column["maximumSize"] for column in alice.getTableColumns(value["id"])} == {30}


def test_existing_table_is_used(create, alice, project, rows_of):
    _, first = create([{"a": 1}])
    _, again = create([{"a": 2}])
    assert first["id"] == again["id"]
    assert rows_of(first["id"]) == [[1], [2]]
    result, _ = create([{"a": 3, "b": 4}])
    assert "columns that the table does not have: ['b']" in str(result.error)
    _, added = create([{"a": 3, "b": 4}], new_columns="add")
    assert added["id"] == first["id"]
    assert rows_of(first["id"]) == [[1, None], [2, None], [3, 4]]


def test_created_table_has_one_activity(create, alice, project, sources_of):
    _, value = create([{"a": 1}], used=project)
    assert value["activity_id"] == alice.getProvenance(value["id"])["id"]
    used, executed = sources_of(value["id"])
    assert len(used) == len(executed) == 1
    assert alice.get(value["id"], downloadFile=False)["versionNumber"] == 1


def test_created_table_has_the_order_of_the_given_columns(create, types_of):
    _, value = create([{"id": 1, "name": "a"}], columns=["name", "id"])
    assert list(types_of(value["id"])) == ["name", "id"]


def test_link_of_the_task_names_the_created_table(store_rows, project, api):
    _, run = store_rows(rows=[{"a": 1}], create=True, parent_id=project, name="New")
    assert any(
        run.value("store")["id"] in body for _, _, body in api.requests if "synapse" in body
    )


def test_entity_of_another_type_fails(create, alice, project):
    alice.store(Folder("New", parent=project))
    result, _ = create([{"a": 1}])
    assert "it is a Folder, not a table" in str(result.error)


@pytest.mark.parametrize("rows", [[], "empty.csv", "header.csv"])
def test_rows_without_types_create_no_table(create, alice, project, tmp_path, rows):
    if rows:
        (tmp_path / rows).write_text("a,b\n" if rows == "header.csv" else "")
        rows = str(tmp_path / rows)
    result, _ = create(rows)
    assert result.state == "failed"
    assert alice.findEntityId("New", project) is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"rows": [{"a": 1, "k": "x"}, {"a": 2, "k": "x"}], "mode": "upsert", "key": "k"},
        {"rows": [{"a": 1, "k": None}], "mode": "upsert", "key": "k"},
        {"rows": [{"a": 1}], "mode": "upsert", "key": "k"},
        {"rows": [{"k": "x"}], "mode": "upsert", "key": "k", "where": "k = 'y'"},
        {"rows": [{"ROW_ID": 1, "a": 2}]},
        {"rows": [{"": 1}]},
        {"rows": [{"n": object()}, {"n": 1}]},
        {"rows": [{f"c{n}": 1 for n in range(200)}]},
        {"rows": [{"a": 1}], "name": "in:valid/*"},
        {"rows": pd.DataFrame([[1, 2]], columns=[["a", "a"], ["x", "y"]])},
    ],
)
def test_refusal_leaves_no_table(create, alice, project, arguments):
    result, _ = create(**arguments)
    assert result.state == "failed"
    assert list(alice.getChildren(project)) == []


def test_forbidden_parent_fails_before_an_upload(create, socket_service, caplog):
    with socket_service.client("bob") as bob:
        parent = bob.store(Project("Private")).id
        caplog.clear()
        result, _ = create([{"a": 1}], parent_id=parent)
        assert result.state == "failed"
        assert type(result.error).__name__ == "SynapseForbiddenError"
        assert not any("multipart" in message for message in caplog.messages)
        assert list(bob.getChildren(parent)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "create=True requires name"),
        ({"name": " "}, "Invalid name"),
        ({"parent_id": None}, "create=True requires parent_id"),
        ({"table_id": "syn123"}, "table_id='syn123' and create=True exclude each other"),
        ({"create": False}, "parent_id='syn"),
        ({"create": False, "parent_id": None}, "name='New' requires create=True"),
        ({"create": False, "parent_id": None, "name": None}, "table_id is missing"),
    ],
)
def test_invalid_arguments_fail(create, arguments, message):
    result, _ = create([{"a": 1}], **arguments)
    assert result.state == "failed"
    assert message in str(result.error)


def test_new_columns_are_added_with_types_that_fit(filled, store_rows, rows_of, types_of):
    given = [{"a name": "b", "n": 20, "score": 0.5, "tags": ["x"]}, {"a name": "d", "score": 1}]
    for added in (1, 0):
        _, run = store_rows(
            table_id=filled, rows=given, mode="upsert", key="a name", new_columns="add"
        )
        assert run.value("store")["added"] == added
    assert types_of(filled) == {
        "a name": "STRING",
        "n": "INTEGER",
        "score": "DOUBLE",
        "tags": "STRING_LIST",
    }
    assert rows_of(filled) == [
        ["a", 1, None, None],
        ["b", 20, 0.5, ["x"]],
        ["c", 3, None, None],
        ["d", None, 1.0, None],
    ]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_new_columns_are_added_with_each_mode(filled, store_rows, rows_of, write_csv, mode):
    file = write_csv(["z", 9, "true"], names=("a name", "n", "flag"))
    result, _ = store_rows(table_id=filled, rows=file, mode=mode, new_columns="add")
    assert result.state == "success", result.error
    assert rows_of(filled)[-1] == ["z", 9, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": [{"a name": "x", "n": "many", "new": 1}]}, "'many' is not an integer"),
        ({"rows": [{"a name": "x" * 99, "n": 1, "new": 1}]}, "limited to 50"),
        ({"rows": [{"n": 1, "new": 1}]}, "lacks columns of the table: ['a name']"),
        ({"rows": [{"n": 1, "new": b"x"}]}, "Column 'new' has no common type: b'x'"),
        ({"key": "nope"}, "does not have the key columns ['nope']"),
        ({"rows": [{"n": 1, "new": 1}, {"n": 1, "new": 2}], "key": "n"}, "more than once"),
        ({"rows": [{"n": None, "new": 1}], "key": "n"}, "not a valid key value"),
        ({"key": "n", "where": "n = 7"}, "not in the scope"),
        ({"key": "n", "where": "n = "}, "Invalid where"),
        ({"rows": [], "key": "n", "delete_missing": True}, "has no rows"),
        ({"rows": [{"n": 1, "A Name": "x"}], "key": "n"}, "{'A Name': 'a name'}. Set match_case"),
        ({"rows": [{"a name": "x", "n": 1, "N": 1}]}, "{'N': 'n'}. Set match_case=False"),
    ],
)
def test_rows_that_are_refused_add_no_columns(store_rows, filled, types_of, arguments, message):
    mode = "upsert" if "key" in arguments else "append"
    given = {"rows": [{"a name": "x", "n": 1, "new": 1}], "mode": mode} | arguments
    result, _ = store_rows(table_id=filled, new_columns="add", **given)
    assert result.state == "failed"
    assert message in str(result.error)
    assert list(types_of(filled)) == ["a name", "n"]


def test_row_without_a_column_of_the_scope_may_add_columns(store_rows, filled, rows_of):
    result, _ = store_rows(
        table_id=filled,
        rows=[{"n": 1, "new": 1}, {"n": 4, "new": 2, "a name": "a"}],
        mode="upsert",
        key="n",
        where="\"a name\" = 'a'",
        new_columns="add",
    )
    assert result.state == "success", result.error
    assert rows_of(filled)[0] == ["a", 1, 1]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_files_with_other_separators_make_no_columns(
    store_rows, filled, project, alice, types_of, tmp_path, separator
):
    file = tmp_path / "rows.csv"
    file.write_text(f"a{separator}b\n1{separator}2\n")
    targets = (
        {"create": True, "parent_id": project, "name": "New"},
        {"table_id": filled, "new_columns": "add", "missing_columns": True},
    )
    for rows in (str(file), [str(file), str(file)]):
        for target in targets:
            result, _ = store_rows(rows=rows, **target)
            assert result.state == "failed"
            assert f"Separate cells with commas, not with {separator!r}" in str(result.error)
    assert alice.findEntityId("New", project) is None
    assert list(types_of(filled)) == ["a name", "n"]


def test_names_that_differ_in_case_make_no_table(create, alice, project):
    result, _ = create([{"A": 1, "a": 2}], match_case=False)
    assert "duplicate columns: ['A', 'a']" in str(result.error)
    assert alice.findEntityId("New", project) is None


def test_known_columns_with_other_case_are_not_new(filled, store_rows, types_of):
    result, _ = store_rows(
        table_id=filled,
        rows=[{"A NAME": "z", "N": 9, "Extra": 1}],
        match_case=False,
        new_columns="add",
    )
    assert result.state == "success", result.error
    assert list(types_of(filled)) == ["a name", "n", "Extra"]


def test_parallel_tasks_add_a_column_once(filled, connection, tmp_path, types_of, rows_of):
    tasks = [
        {"table_id": filled, "rows": [{"a name": "t", "n": n, "x": n / 2}], "new_columns": "add"}
        for n in range(3)
    ]
    run_in_parallel(connection, tmp_path, "table", tasks)
    assert list(types_of(filled)) == ["a name", "n", "x"]
    assert sorted(row[2] for row in rows_of(filled)[3:]) == [0, 0.5, 1]


def test_parallel_tasks_create_a_table_once(project, connection, alice, tmp_path, rows_of):
    tasks = [
        {"rows": [{"n": n}], "create": True, "parent_id": project, "name": "Shared"}
        for n in range(3)
    ]
    values = run_in_parallel(connection, tmp_path, "table", tasks)
    (table,) = {value["id"] for value in values}
    assert [child["id"] for child in alice.getChildren(project)] == [table]
    assert sorted(row[0] for row in rows_of(table)) == [0, 1, 2]


def test_hook_creates_a_table(api, connection, monkeypatch, project, rows_of):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    hook = SynapseHook()
    for added in (2, 0):
        value = hook.store_rows(
            rows=pd.DataFrame({"k": ["a", "b"], "n": [1, 2]}),
            mode="upsert",
            key="k",
            create=True,
            parent_id=project,
            name="From the hook",
        )
        assert value["added"] == added
    assert rows_of(value["id"]) == [["a", 1], ["b", 2]]


def test_default_of_an_existing_column_is_kept(alice, project, store_rows, rows_of):
    columns = [Column(name="k", columnType="STRING", defaultValue="-")]
    table = create_table(alice, project, "Defaults", columns)
    store_rows(table_id=table, rows=[{"k": None, "n": 1}], new_columns="add")
    assert rows_of(table) == [["-", 1]]
