"""Annotations stored through the rows of a view, with a report of the refused rows."""

import json

import pytest
from airflow.sdk import DAG
from support.execution_api import Run
from support.fault_injection import FaultInjector

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    Folder,
    Project,
    SynapseHook,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.testing import over_socket

COLUMNS = {
    "id": "ENTITYID",
    "name": "STRING",
    "etag": "STRING",
    "n": "INTEGER",
    "kind": "STRING",
    "when": "DATE",
    "ok": "BOOLEAN",
    "score": "DOUBLE",
    "tags": "STRING_LIST",
}
DEFAULT_SIZES = {"name": 256, "etag": 36}


@pytest.fixture(scope="module")
def service_and_injector(tmp_path_factory, recording):
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(recording(app)))
        return injectors[0]

    with over_socket(tmp_path_factory.mktemp("views"), wrap=wrap) as service:
        yield service, injectors[0]


@pytest.fixture
def socket_service(service_and_injector):
    service_and_injector[1].clear()
    return service_and_injector[0]


@pytest.fixture
def injector(service_and_injector):
    return service_and_injector[1]


@pytest.fixture
def hook(connection, monkeypatch):
    """A hook outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return SynapseHook()


@pytest.fixture
def folders(alice, project):
    """IDs of four folders with the annotation `n`, and `kind` of the first."""
    for number in range(4):
        alice.store(Folder(f"f{number}", parent=project, n=number))
    alice.store(Folder("f0", parent=project, kind="a"))
    return [alice.findEntityId(f"f{number}", project) for number in range(4)]


@pytest.fixture
def view(alice, project, folders):
    columns = [
        Column(name=name, columnType=kind, maximumSize=DEFAULT_SIZES.get(name, 50))
        if kind.startswith("STRING")
        else Column(name=name, columnType=kind)
        for name, kind in COLUMNS.items()
    ]
    schema = EntityViewSchema(
        "View",
        columns,
        parent=project,
        scopes=[project],
        includeEntityTypes=[EntityViewType.FOLDER],
        addDefaultViewColumns=False,
        addAnnotationColumns=False,
    )
    return alice.store(schema).id


@pytest.fixture
def etags(alice, folders):
    return lambda: [alice.get_annotations(one).etag for one in folders]


def test_only_cells_that_differ_are_written(store_rows, alice, view, folders, etags):
    before = etags()
    rows = [
        {"id": folders[0], "n": 0, "kind": "a"},
        {"id": folders[1], "n": 10, "when": "2026-01-02", "ok": True, "score": 0.5},
        {"id": folders[2], "n": None, "tags": ["x", "y"]},
    ]
    for expected in (2, 0):
        result, run = store_rows(table_id=view, rows=rows, mode="upsert")
        assert result.state == "success", result.error
        assert run.value("store") == {
            "id": view,
            "version": 1,
            "added": 0,
            "changed": expected,
            "deleted": 0,
            "synapse_conn_id": "synapse_default",
            "activity_id": None,
        }
    assert [one == two for one, two in zip(before, etags(), strict=True)] == [
        True, False, False, True,
    ]  # fmt: skip
    stored = alice.restGET(f"/entity/{folders[1]}/annotations2")["annotations"]
    assert stored == {
        "n": {"type": "LONG", "value": ["10"]},
        "when": {"type": "TIMESTAMP_MS", "value": ["1767312000000"]},
        "ok": {"type": "BOOLEAN", "value": ["true"]},
        "score": {"type": "DOUBLE", "value": ["0.5"]},
    }
    assert dict(alice.get_annotations(folders[2])) == {"tags": ["x", "y"]}
    assert run.record("store") is None


def test_upper_case_names_and_deferrable_tasks(store_rows, alice, view, folders):
    rows = [{"ID": folders[0], "N": 5}]
    result, run = store_rows(
        table_id=view, rows=rows, mode="upsert", key="ID", match_case=False, deferrable=True
    )
    assert result.state == "success", result.error
    assert run.value("store", "changed") == 1
    assert alice.get_annotations(folders[0])["n"] == [5]


def test_result_of_a_query_is_stored(api, alice, view, folders):
    """A query with row IDs and default columns identifies rows, and detects other changes."""
    with DAG("round_trip", schedule=None) as dag:
        query = SynapseTableQueryOperator(
            task_id="query", sql=f"select * from {view}", include_row_ids=True
        )
        SynapseTableStoreOperator(
            task_id="store", table_id=view, rows=query.output, mode="upsert", key="id"
        )
    run = Run(api, dag).all()
    assert run.value("store")["changed"] == 0
    alice.restPUT(
        f"/entity/{folders[1]}/annotations2",
        json.dumps(
            alice.restGET(f"/entity/{folders[1]}/annotations2")
            | {"annotations": {"n": {"type": "LONG", "value": ["99"]}}}
        ),
    )
    result = run.task("store")
    assert result.state == "failed"
    assert f"{folders[1]}: changed since the rows were read" in str(result.error)
    assert alice.get_annotations(folders[1])["n"] == [99]


def test_rows_are_identified_by_row_id(hook, alice, view, folders):
    number = folders[0].removeprefix("syn")
    assert hook.store_rows(view, [{"ROW_ID": number, "n": 5}], "upsert")["changed"] == 1
    rows = [("SYN" + number, number, 6)]
    columns = ["id", "ROW_ID", "n"]
    assert hook.store_rows(view, rows, "upsert", columns=columns)["changed"] == 1
    assert alice.get_annotations(folders[0])["n"] == [6]
    frame = hook.get_df(f"select id, n, kind from {view} order by id")
    frame["kind"] = "z"
    assert hook.store_rows(view, frame, "upsert")["changed"] == 4
    assert [alice.get_annotations(one)["kind"] for one in folders] == [["z"]] * 4
    assert alice.get_annotations(folders[0])["n"] == [6]


def test_refused_rows_are_listed_and_the_others_are_stored(
    store_rows, write_csv, alice, view, folders, project, socket_service
):
    outside = alice.store(Folder("outside", parent=alice.store(Project(f"Other {view}")).id)).id
    with socket_service.client("bob") as bob:
        owner = bob.store(Project(f"Bob {view}")).id
        shared = bob.store(Folder("shared", parent=owner)).id
        bob.setPermissions(owner, alice.getUserProfile()["ownerId"], ["READ"])
        schema = alice.get(view)
        schema.add_scope(owner)
        alice.store(schema)
    rows = write_csv(
        [folders[0], "f0", "text", "a"],
        [folders[1], "other", "7", ""],
        [folders[2], "f2", "7", ""],
        [shared, "shared", "7", ""],
        ["syn999999", "x", "7", ""],
        [folders[3], "f3", "7", "k"],
        names=("id", "name", "n", "kind"),
    )
    result, run = store_rows(table_id=view, rows=rows, mode="upsert")
    assert result.state == "failed"
    assert "4 of 6 were not annotated" in str(result.error)
    refused = {one["id"]: one["reason"] for one in run.value("store", "refused")}
    assert refused.keys() == {folders[0], folders[1], shared, "syn999999"}
    assert "ILLEGAL_ARGUMENT" in refused[folders[0]]
    assert "'name' is 'f1' and cannot be changed to 'other'" in refused[folders[1]]
    assert "UNAUTHORIZED" in refused[shared]
    assert "404" in refused["syn999999"]
    assert alice.get_annotations(folders[2])["n"] == [7]
    assert alice.get_annotations(folders[3])["kind"] == ["k"]
    assert alice.get_annotations(folders[0])["n"] == [0]
    result, run = store_rows(table_id=view, rows=[{"id": outside, "n": 1}], mode="upsert")
    assert result.state == "up_for_retry"
    assert f"not in the view {view}" in run.value("store", "refused")[0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "append"}, "mode='append' is not possible"),
        ({"mode": "replace"}, "mode='replace' is not possible"),
        ({"key": "n"}, "key=['n'] is not possible"),
        ({"key": ["id", "n"]}, "key=['id', 'n'] is not possible"),
        ({"delete_missing": True}, "delete_missing=True is not possible"),
        ({"where": "n = 1"}, "is not possible, remove it"),
        ({"new_columns": "add"}, "new_columns='add' is not possible"),
        ({"used": "https://example.com"}, "used='https://example.com' is not possible"),
        ({"activity_name": "x"}, "activityName='x' is not possible"),
        ({"rows": [{"n": 1}]}, "has no column 'id'"),
        ({"rows": [{"id": "syn1"}]}, "has no columns with annotations"),
        ({"rows": [{"id": "syn1", "name": "x"}]}, "has no columns with annotations"),
        ({"rows": [{"id": "syn1", "missing": 1}]}, "does not have: ['missing']"),
        ({"rows": [{"id": "x", "n": 1}]}, "'x' is not a Synapse ID"),
        ({"rows": [{"id": None, "n": 1}]}, "Row 1 of rows has the ID []"),
        ({"rows": [{"id": "syn1", "ROW_ID": 2, "n": 1}]}, "expected one ID"),
        ({"rows": [{"id": "syn1", "n": 1}, {"id": "1", "n": 1}]}, "The rows 1 and 2 of rows"),
        ({"rows": [{"id": "syn1", "kind": "x" * 51}]}, "limited to 50"),
    ],
)
def test_invalid_arguments_fail_at_once(store_rows, view, folders, etags, arguments, message):
    before = etags()
    given = {"rows": [{"id": folders[0], "n": 5}], "mode": "upsert"} | arguments
    result, _ = store_rows(table_id=view, **given)
    assert result.state == "failed"
    assert message in str(result.error)
    assert etags() == before


def change(alice, entity, **values):
    found = alice.get_annotations(entity)
    found.update(values)
    alice.set_annotations(found)


def test_concurrent_changes_of_other_annotations_are_kept(hook, alice, view, folders, injector):
    injector.at(
        f"POST .*/{view}/table/transaction/async/start",
        lambda: [change(alice, one, other=1) for one in folders[:2]],
    )
    rows = [{"id": one, "n": 50} for one in folders]
    assert hook.store_rows(view, rows, "upsert")["changed"] == 4
    assert [alice.get_annotations(one)["n"] for one in folders] == [[50]] * 4
    assert alice.get_annotations(folders[0])["other"] == [1]


@pytest.mark.parametrize("value", [1, 77])
def test_a_view_that_lags_behind(hook, alice, view, folders, injector, value):
    """The entity changes after the view was read, to the given value or to another value."""
    injector.at(
        f"GET .*/{view}/table/download/csv/async/get/.*",
        lambda: change(alice, folders[1], n=70),
        nth=1,
        after=True,
    )
    rows = [{"id": folders[0], "n": 0}, {"id": folders[1], "n": value}]
    assert hook.store_rows(view, rows, "upsert")["changed"] == 1
    assert alice.get_annotations(folders[1])["n"] == [value]


def test_annotations_that_the_view_does_not_show_are_kept(hook, alice, view, folders):
    change(alice, folders[0], n="text", kind=["a", "b"])
    rows = [{"id": folders[0], "n": None, "kind": "a", "score": 1}]
    assert hook.store_rows(view, rows, "upsert")["changed"] == 1
    found = alice.get_annotations(folders[0])
    assert (found["n"], found["kind"], found["score"]) == (["text"], ["a", "b"], [1.0])


def test_many_rows_are_sent_in_several_transactions(hook, alice, view, folders, monkeypatch):
    monkeypatch.setattr("synapse_workflows.idempotency.view_store._MAX_SIZE", 100)
    monkeypatch.setattr("synapse_workflows.idempotency.view_store._MAX_IDS", 2)
    rows = [{"id": one, "n": 5} for one in folders]
    assert hook.store_rows(view, rows, "upsert")["changed"] == 4
    assert [alice.get_annotations(one)["n"] for one in folders] == [[5]] * 4
    assert hook.store_rows(view, [], "upsert")["changed"] == 0


def test_status_annotations_of_submissions(hook, alice, table_factory):
    view = table_factory.create("submissionview")
    (row,) = hook.get_records(f"select ROW_ID, n from {view}")
    assert row[1] == 1
    submission = row[0]
    for expected in (1, 0):
        result = hook.store_rows(view, [{"id": submission, "n": 5}], "upsert")
        assert result["changed"] == expected
    status = alice.restGET(f"/evaluation/submission/{submission}/status")
    assert status["submissionAnnotations"]["annotations"]["n"]["value"] == ["5"]


def test_items_of_datasets(hook, alice, table_factory, put):
    view = table_factory.create("dataset")
    (row,) = hook.get_records(f"select ROW_ID, name from {view}")
    entity = f"syn{row[0]}"
    assert hook.store_rows(view, [{"id": entity, "n": 5}], "upsert")["changed"] == 1
    assert alice.get_annotations(entity)["n"] == [5]
    file = alice.get(entity, downloadFile=False)
    file.versionLabel = "new"
    assert alice.store(file, forceVersion=True).versionNumber == 2
    for value in (5, 6):
        with pytest.raises(Exception, match="version 1"):
            hook.store_rows(view, [{"id": entity, "n": value}], "upsert")


def test_materialized_views_are_read_only(store_rows, table_factory):
    view = table_factory.create("materializedview")
    result, _ = store_rows(table_id=view, rows=[{"id": "syn1", "n": 5}], mode="upsert")
    assert result.state == "failed"
    assert "is a MaterializedView, which is read only" in str(result.error)
