"""Arguments of operators: values of templates, wrong types, and results as arguments."""

import inspect
import math
import re
from itertools import count
from typing import Literal, get_origin

import numpy as np
import pandas as pd
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from support.execution_api import Run
from support.prepared_entities import create_table

import synapse_workflows
from synapse_workflows import (
    Column,
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableChangeSensor,
    SynapseTableQueryOperator,
    SynapseTableRowsSensor,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    local_path,
)

RUNS = count(1)
OPERATORS = [
    getattr(synapse_workflows, name)
    for name in synapse_workflows.__all__
    if re.fullmatch(r"Synapse\w+(Operator|Sensor)", name)
]


@pytest.fixture
def run_one(api):
    """Function that runs one operator with retries and returns its result and its run."""

    def run(operator, **arguments):
        with DAG("one", schedule=None, params={"nothing": None, "version": 1}) as dag:
            operator(task_id="one", retries=3, **arguments)
        one = Run(api, dag, f"run_{next(RUNS)}")
        return one.task("one", max_tries=3), one

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("a name,n\nx,1\n")
    return str(path)


@pytest.mark.parametrize("version", ["{{ params.nothing }}", "None", "", " ", None])
def test_an_empty_version_is_the_current_one(run_one, put, version):
    put("v.txt", "1")
    entity = put("v.txt", "2").split(".")[0]
    result, run = run_one(SynapseGetOperator, entity_id=entity, version=version)
    assert result.state == "success", result.error
    assert run.value("one")["version"] == 2


@pytest.mark.parametrize("version", ["{{ params.version }}", "1", 1])
def test_a_version_is_a_number_or_its_text(run_one, put, version):
    put("v.txt", "1")
    entity = put("v.txt", "2").split(".")[0]
    assert (
        run_one(SynapseGetOperator, entity_id=entity, version=version)[1].value("one")["version"]
        == 1
    )


def test_templates_of_text_that_render_to_none_leave_the_default(run_one, file, project):
    nothing = "{{ params.nothing }}"
    result, run = run_one(
        SynapseStoreOperator,
        path=file,
        parent_id=project,
        **dict.fromkeys(
            ("folder", "name", "version_label", "version_comment", "activity_name"), nothing
        ),
        annotations={"empty": nothing},
    )
    assert result.state == "success", result.error
    assert run.value("one")["name"] == "result.csv"
    assert run.value("one")["parent_id"] == project


@pytest.mark.parametrize(
    "form", ["{{ ti.xcom_pull('get') }}", "{{ ti.xcom_pull('get') | tojson }}"]
)
def test_references_arrive_as_text(api, put, project, table, form):
    with DAG("text", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=put("rows.csv", "a name,n\nx,1\n"))
        again = SynapseGetOperator(task_id="again", entity_id=form)
        store = SynapseStoreOperator(task_id="store", path=form, parent_id=project, name="copy")
        rows = SynapseTableStoreOperator(task_id="rows", table_id=table, rows=form)

        @task
        def read(reference):
            return local_path(reference)

        get >> [again, store, rows, read(form)]
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    assert run.value("again")["md5"] == run.value("get")["md5"] == run.value("store")["md5"]
    assert run.value("rows")["added"] == 1
    assert run.value("read") == run.value("get")["path"]


def test_a_list_of_references_arrives_as_text(api, put, project):
    with DAG("text", schedule=None) as dag:
        gets = [
            SynapseGetOperator(task_id=f"get_{name}", entity_id=put(f"{name}.csv", name))
            for name in ("a", "b")
        ]
        store = SynapseStoreOperator(
            task_id="store",
            path="{{ ti.xcom_pull(['get_a', 'get_b']) }}",
            parent_id=project,
            folder="copies",
        )
        gets >> store
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    assert [one["name"] for one in run.value("store")] == ["a.csv", "b.csv"]


WRONG = [
    (SynapseGetOperator, "entity_id", None),
    (SynapseGetOperator, "entity_id", ["syn1"]),
    (SynapseGetOperator, "version", "latest"),
    (SynapseGetOperator, "version", 1.5),
    (SynapseStoreOperator, "path", None),
    (SynapseStoreOperator, "path", ""),
    (SynapseStoreOperator, "path", {"path": "x"}),
    (SynapseStoreOperator, "path", pd.DataFrame({"a": [1]})),
    (SynapseStoreOperator, "parent_id", None),
    (SynapseStoreOperator, "folder", ["a"]),
    (SynapseStoreOperator, "name", True),
    (SynapseStoreOperator, "annotations", ["a"]),
    (SynapseStoreOperator, "annotations", "text"),
    (SynapseStoreOperator, "used", 1.5),
    (SynapseTableStoreOperator, "table_id", None),
    (SynapseTableStoreOperator, "rows", None),
    (SynapseTableStoreOperator, "rows", pd.DataFrame({"a": [1]})),
    (SynapseTableStoreOperator, "rows", {"a": 1}),
    (SynapseTableStoreOperator, "rows", [1]),
    (SynapseTableStoreOperator, "mode", None),
    (SynapseTableQueryOperator, "sql", None),
    (SynapseTableQueryOperator, "sql", 7),
    (SynapseTableSnapshotOperator, "table_id", None),
    (SynapseTableSnapshotOperator, "version_label", ["a"]),
    (SynapseTableSnapshotOperator, "version_label", ""),
    (SynapseTableSnapshotOperator, "label_prefix", " "),
    (SynapseStoreOperator, "version_label", ""),
    (SynapseStoreOperator, "name", " "),
    (SynapseTableStoreOperator, "missing_columns", "no"),
    (SynapseTableStoreOperator, "create", "no"),
    (SynapseTableRowsSensor, "sql", None),
    (SynapseTableChangeSensor, "table_id", None),
    (SynapseTableChangeSensor, "since", "yesterday"),
    (SynapseTableChangeSensor, "since", [1]),
]


@pytest.mark.parametrize(
    ("operator", "argument", "value"),
    WRONG,
    ids=[f"{one[0].__name__}-{one[1]}-{type(one[2]).__name__}" for one in WRONG],
)
def test_an_argument_of_the_wrong_type_fails_at_once(
    run_one, operator, argument, value, file, project, table
):
    valid = {
        SynapseGetOperator: {"entity_id": project},
        SynapseStoreOperator: {"path": file, "parent_id": project},
        SynapseTableStoreOperator: {"table_id": table, "rows": file},
        SynapseTableQueryOperator: {"sql": f"select * from {table}"},
        SynapseTableSnapshotOperator: {"table_id": table},
        SynapseTableRowsSensor: {"sql": f"select * from {table}"},
        SynapseTableChangeSensor: {"table_id": table},
    }[operator]
    failed, _ = run_one(operator, **(valid | {argument: value}))
    assert failed.state == "failed", failed.error
    assert argument in str(failed.error)


@pytest.mark.parametrize("number", [math.nan, math.inf, np.float64("nan")])
def test_special_floats_are_stored(run_one, alice, project, table, file, number):
    rows, _ = run_one(SynapseTableStoreOperator, table_id=table, rows=[{"a name": number, "n": 1}])
    assert rows.state == "success", rows.error
    text = "Infinity" if number == math.inf else None
    assert alice.tableQuery(f"select * from {table}").asDataFrame()["a name"].tolist() == [text]
    annotations = {"number": number, "numbers": [0.5, number], "other": 1}
    stored, run = run_one(
        SynapseStoreOperator, path=file, parent_id=project, annotations=annotations
    )
    assert stored.state == "success", stored.error
    found = dict(alice.get_annotations(run.value("one")["id"]))
    special = {"number": [number]} if number == math.inf else {}
    assert found == special | {"numbers": [0.5, *special.get("number", [])], "other": [1]}


def test_special_floats_in_json_are_rejected(run_one, alice, project):
    columns = [Column(name="doc", columnType="JSON")]
    table = create_table(alice, project, "documents", columns)
    failed, _ = run_one(
        SynapseTableStoreOperator, table_id=table, rows=[{"doc": {"a": [math.nan]}}]
    )
    assert failed.state == "failed"
    assert "Row 1, column 'doc'" in str(failed.error)


@pytest.mark.parametrize(
    ("operator", "argument"),
    [
        (SynapseStoreOperator, "force_version"),
        (SynapseGetOperator, "download_file"),
        (SynapseGetOperator, "follow_link"),
        (SynapseTableQueryOperator, "include_row_ids"),
        (SynapseTableQueryOperator, "snapshot_first"),
    ],
)
def test_text_for_a_boolean_is_rejected_when_the_dag_is_parsed(run_one, operator, argument):
    required = {
        SynapseStoreOperator: {"path": "a.csv", "parent_id": "syn1"},
        SynapseGetOperator: {"entity_id": "syn1"},
        SynapseTableQueryOperator: {"sql": "select * from syn1"},
    }[operator]
    message = f"Invalid {argument} of type str: expected True or False, not 'no'"
    with pytest.raises(ValueError, match=message):
        run_one(operator, **required, **{argument: "no"})


def test_unknown_lineage_mode_is_rejected_when_the_dag_is_parsed(run_one):
    with pytest.raises(ValueError, match="Invalid lineage_mode 'full'"):
        run_one(SynapseGetOperator, entity_id="syn1", lineage_mode="full")


def test_unreachable_server_of_a_source_is_retried(run_one, project):
    result, _ = run_one(
        SynapseStoreOperator, path="http://127.0.0.1:1/a.csv?token=t0psecret", parent_id=project
    )
    assert result.state == "up_for_retry"
    assert "Cannot read http://127.0.0.1:1/a.csv: Client" in str(result.error)
    assert "t0psecret" not in str(result.error)


def test_a_missing_connection_fails_at_once(run_one):
    for operator, arguments in (
        (SynapseGetOperator, {"entity_id": "syn1"}),
        (SynapseTableRowsSensor, {"sql": "select * from syn1"}),
    ):
        failed, _ = run_one(operator, synapse_conn_id="missing", **arguments)
        assert failed.state == "failed"
        assert isinstance(failed.error, AirflowNotFoundException)


def test_a_file_of_another_worker_fails_at_once(run_one, project, table, tmp_path):
    elsewhere = str(tmp_path / "elsewhere.csv")
    for operator, arguments in (
        (SynapseStoreOperator, {"path": elsewhere, "parent_id": project}),
        (SynapseTableStoreOperator, {"rows": elsewhere, "table_id": table}),
    ):
        failed, _ = run_one(operator, **arguments)
        assert failed.state == "failed"
        assert "not found on this worker" in str(failed.error)


def test_items_of_a_result_are_arguments_of_other_tasks(api, put, project):
    with DAG("items", schedule=None) as dag:
        get = SynapseGetOperator(task_id="get", entity_id=put("raw.csv"))
        SynapseStoreOperator(
            task_id="store", path=get.output["path"], name="copy.csv", parent_id=project
        )
        SynapseStoreOperator(
            task_id="several", path=[get.output["path"]], parent_id=project, folder="several"
        )
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    assert run.value("store")["md5"] == run.value("get", "md5") == run.value("get")["md5"]
    assert [one["md5"] for one in run.value("several")] == [run.value("get", "md5")]


def test_entities_that_tasks_return_become_references(api, put, project, file):
    raw = put("raw.csv")
    with DAG("entities", schedule=None) as dag:

        @task
        def get():
            return SynapseHook().client.get(raw)

        @task
        def store():
            from synapse_workflows import File

            return [SynapseHook().client.store(File(file, parent=project))]

        @task
        def read(one, several):
            return [one["id"], one["version"], several[0]["activity_id"], local_path(one)]

        one, several = get(), store()
        SynapseStoreOperator(task_id="copy", path=one, name="copy.csv", parent_id=project)
        read(one, several)
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    entity_id, version, activity_id, path = run.value("read")
    assert f"{entity_id}.{version}" == raw
    assert activity_id
    assert path.endswith("raw.csv")
    reference = run.value("get")["__data__"]
    assert reference["synapse_conn_id"] == "synapse_default"
    assert run.value("copy")["md5"] == reference["md5"]


def test_folders_and_tables_that_tasks_return_become_references(api, project, table, file):
    with DAG("entities", schedule=None) as dag:

        @task
        def folder():
            from synapse_workflows import Folder

            return SynapseHook().client.store(Folder("made", parent=project))

        @task
        def schema():
            return SynapseHook().client.get(table)

        SynapseStoreOperator(task_id="store", path=file, parent_id=folder())
        SynapseTableStoreOperator(task_id="rows", table_id=schema(), rows=file)
    run = Run(api, dag, f"run_{next(RUNS)}").all()
    assert run.value("store")["parent_id"] == run.value("folder")["__data__"]["id"]
    assert run.value("rows")["added"] == 1


def test_a_wrong_argument_is_not_retried_with_another_policy(run_one, project):
    failed, _ = run_one(SynapseStoreOperator, path=3, parent_id=project)
    assert isinstance(failed.error, AirflowFailException)


@pytest.mark.parametrize(
    ("operator", "argument"),
    [
        pytest.param(operator, argument, id=f"{operator.__name__}-{argument}")
        for operator in OPERATORS
        for argument, hint in operator.__init__.__annotations__.items()
        if get_origin(hint) is Literal and argument not in operator.template_fields
    ],
)
def test_an_argument_with_a_fixed_set_of_values_is_checked_when_the_dag_is_parsed(
    operator, argument
):
    required = {
        name: "syn123"
        for name, parameter in inspect.signature(operator.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    }
    required |= {"direction": "to_synapse"} if "direction" in required else {}
    with pytest.raises(ValueError, match=f"Invalid {argument} 'bogus': expected one of"):
        operator(task_id="one", **required | {argument: "bogus"})
