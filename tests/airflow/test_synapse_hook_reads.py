"""Task code reads tables and files, and stores files, with methods of SynapseHook."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import Run
from support.prepared_entities import append_rows, create_table

from synapse_workflows import Column, SynapseHook

DAY = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def typed(alice, project):
    """Id of a table with values and nulls of several types."""
    types = {"s": "STRING", "n": "INTEGER", "x": "DOUBLE", "b": "BOOLEAN", "d": "DATE"}
    columns = [Column(name=name, columnType=kind) for name, kind in types.items()]
    columns.append(Column(name="l", columnType="STRING_LIST"))
    table = create_table(alice, project, "Typed", columns)
    append_rows(alice, table, [["a", 1, 1.5, True, DAY, ["x", "y"]], [None] * 6])
    return table


@pytest.fixture
def hook(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return SynapseHook()


@pytest.fixture
def run_code(api):
    """Function that runs a function as a task with two tries; returns the last result."""

    def run(code, tries=1):
        with DAG("code", schedule=None) as dag:

            @task(task_id="code", retries=5)
            def call(ti=None):
                return code(SynapseHook(), ti.try_number)

            call()
        dag_run = Run(api, dag)
        results = [dag_run.task("code", max_tries=5) for _ in range(tries)]
        return results[-1], dag_run

    return run


def test_records_have_the_types_of_the_columns(hook, typed):
    assert hook.get_records(f"select * from {typed} order by n desc;") == [
        ("a", 1, 1.5, True, DAY, ["x", "y"]),
        (None,) * 6,
    ]
    assert hook.get_first(f"select s, n from {typed} where n = %s", [1]) == ("a", 1)
    assert hook.get_first(f"select s from {typed} where n = %s", [2]) is None
    assert hook.get_records(f"select s from {typed} where n = 2") == []


def test_dataframe_has_the_types_of_the_columns(hook, typed):
    frame = hook.get_df(f"select * from {typed} order by n desc")
    assert list(frame.columns) == ["s", "n", "x", "b", "d", "l"]
    assert str(frame["n"].dtype) == "Int64"
    assert str(frame["b"].dtype) == "boolean"
    assert frame["d"][0] == DAY
    assert frame["n"].isna().tolist() == [False, True]
    millis = hook.get_df(f"select d from {typed}", convert_to_datetime=False)
    assert millis["d"].dropna().tolist() == [int(DAY.timestamp() * 1000)]
    with pytest.raises(ValueError, match="Invalid df_type 'arrow'"):
        hook.get_df(f"select * from {typed}", df_type="arrow")


@pytest.mark.parametrize(
    "code",
    [
        lambda hook, table: hook.get_records(f"select s from {table} where n = %s", [None]),
        lambda hook, table: hook.get_first(f"select s from {table} where n = %s", 1),
        lambda hook, table: hook.get_df(f"select s from {table} where n = %(n)s", {"m": 1}),
        lambda hook, table: hook.get_df(f"select s from {table}", df_type="arrow"),
        lambda hook, table: hook.get_df(f"select s from {table}", index=False),
        lambda hook, _: hook.get_records("select 1"),
        lambda hook, _: hook.get_first("select * from a_table"),
        lambda hook, _: hook.get_file("a_table"),
        lambda hook, table: hook.get_file(table, download_file="no"),
        lambda hook, table: hook.store_file("a.csv", table, force_version="no"),
        lambda hook, table: hook.store_file("a.csv", table, version_label=""),
        lambda hook, table: hook.store_file("a.csv", table, if_unchanged="skip"),
        lambda hook, _: hook.store_rows("a_table", [{"a": 1}]),
        lambda hook, _: hook.annotate("a_table", {"a": 1}),
    ],
)
def test_invalid_argument_fails_the_task_at_once(run_code, typed, code):
    result, _ = run_code(lambda hook, _: code(hook, typed))
    assert result.state == "failed", result.error
    assert isinstance(result.error, AirflowFailException)
    assert isinstance(result.error, ValueError)


def test_polars_dataframe(hook, typed):
    polars = pytest.importorskip("polars")
    frame = hook.get_df(f"select * from {typed} order by n desc", df_type="polars")
    assert frame.schema["n"] == polars.Int64
    assert frame.row(0) == ("a", 1, 1.5, True, DAY, ["x", "y"])


def test_reads_are_inputs_of_stored_files(
    run_code, typed, put, project, sources_of, tmp_path, alice
):
    source = put()
    snapshot = alice.create_snapshot_version(typed)

    def code(hook, _):
        hook.get_df(f"select * from {typed}.{snapshot}")
        reference = hook.get_file(source, download_dir=tmp_path / "down")
        assert Path(reference["path"]).parent == tmp_path / "down"
        (tmp_path / "out.txt").write_text("result")
        return hook.store_file(
            tmp_path / "out.txt", project, folder="results", annotations={"assay": "rnaSeq"}
        )

    result, run = run_code(code)
    assert result.state == "success", result.error
    value = run.value("code")
    assert (value["name"], value["version"]) == ("out.txt", 1)
    assert sorted(sources_of(value["id"])[0]) == sorted([source, f"{typed}.{snapshot}"])


def test_retry_creates_no_second_version(run_code, project, tmp_path, alice):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]

    def code(hook, try_number):
        references = hook.store_file(paths, project, force_version=True)
        if try_number == 1:
            raise RuntimeError
        return [one["id"] for one in references]

    result, run = run_code(code, 2)
    assert result.state == "success", result.error
    assert [alice.get(one, downloadFile=False).versionNumber for one in run.value("code")] == [
        1,
        1,
    ]


def test_invalid_arguments_fail_at_once(hook, project, tmp_path, alice):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(AirflowFailException, match="cannot have one name"):
        hook.store_file([tmp_path / "a.txt"] * 2, project, name="b.txt", folder="new")
    with pytest.raises(AirflowFailException, match="Invalid annotations"):
        hook.store_file(tmp_path / "a.txt", project, annotations=5)
    with pytest.raises(AirflowFailException, match="Invalid version"):
        hook.get_file("syn123", "latest")
    assert not list(alice.getChildren(project))
