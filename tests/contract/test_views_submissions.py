"""Tests of submission views: columns, rows, updates of annotations and snapshots."""

import json
from uuid import uuid4

import pytest

from synapse_workflows import (
    Activity,
    Column,
    File,
    PartialRowset,
    Project,
    SubmissionViewSchema,
    Table,
)
from synapse_workflows.client.core.events import Read, Wrote
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
)
from synapse_workflows.constants import SUBMISSION_VIEW

NO_AUTOMATIC_COLUMNS = {"addDefaultViewColumns": False, "addAnnotationColumns": False}
COLUMNS = [
    Column(name="name", columnType="STRING", maximumSize=256),
    Column(name="status", columnType="STRING", maximumSize=40),
    Column(name="auc", columnType="DOUBLE"),
    Column(name="comment", columnType="STRING", maximumSize=50),
]


@pytest.fixture
def evaluation(syn, project):
    """A new evaluation of alice."""
    body = {
        "name": f"evaluation {uuid4()}",
        "contentSource": project.id,
        "submissionInstructionsMessage": "Submit.",
    }
    return syn.restPOST("/evaluation", json.dumps(body))


def submit(syn, evaluation, entity, name):
    body = {
        "evaluationId": evaluation["id"],
        "entityId": entity.id,
        "versionNumber": entity.versionNumber,
        "name": name,
        "userId": syn.getUserProfile()["ownerId"],
    }
    made = syn.restPOST(f"/evaluation/submission?etag={entity.etag}", json.dumps(body))
    return made["id"]


def get_status(syn, submission):
    return syn.restGET(f"/evaluation/submission/{submission}/status")


def annotate(syn, submission, status=None, **values):
    """Set the status and the annotations of a submission."""
    types = {float: "DOUBLE", int: "LONG", str: "STRING", bool: "BOOLEAN"}
    status_body = get_status(syn, submission)
    annotations = {
        key: {"type": types[type(value)], "value": [str(value)]} for key, value in values.items()
    }
    status_body["submissionAnnotations"] = {
        "id": status_body["id"], "etag": status_body["etag"], "annotations": annotations,
    }  # fmt: skip
    status_body["status"] = status or status_body["status"]
    return syn.restPUT(f"/evaluation/submission/{submission}/status", json.dumps(status_body))


@pytest.fixture
def submissions(syn, project, evaluation, make_file):
    """Two submissions to the evaluation; the first is scored."""
    made = []
    for name in ("ant", "bee"):
        file = syn.store(File(str(make_file(f"{name}.txt")), parent=project))
        made.append(submit(syn, evaluation, file, name))
    annotate(syn, made[0], "SCORED", auc=0.75, comment="fine")
    return made


@pytest.fixture
def view(syn, project, evaluation, submissions):
    """A view of the two submissions."""
    return syn.store(
        SubmissionViewSchema(
            "v", COLUMNS, parent=project, scopes=evaluation, **NO_AUTOMATIC_COLUMNS
        )
    )


def get_rows(syn, source, **options):
    sql = f"select name, status, auc, comment from {source} order by name"
    return [row[-4:] for row in syn.tableQuery(sql, **options)]


ROWS = [["ant", "SCORED", 0.75, "fine"], ["bee", "RECEIVED", None, None]]


def test_store_adds_default_and_annotation_columns(syn, project, evaluation, submissions):
    view = SubmissionViewSchema("v", parent=project)
    view.add_scope(evaluation)
    view = syn.store(view)
    assert (view.concreteType, view.scopeIds) == (SUBMISSION_VIEW, [evaluation["id"]])
    assert "viewTypeMask" not in view
    columns = {one["name"]: one["columnType"] for one in syn.getTableColumns(view)}
    assert list(columns)[:5] == ["id", "name", "createdOn", "createdBy", "etag"]
    assert len(columns) == 16 + 2
    assert (columns["id"], columns["evaluationid"], columns["auc"], columns["comment"]) == (
        "SUBMISSIONID", "EVALUATIONID", "DOUBLE", "STRING",
    )  # fmt: skip
    found = syn.tableQuery(f"select id, evaluationid, auc from {view.id} order by name")
    assert [row[-3:] for row in found] == [
        [submissions[0], evaluation["id"], 0.75], [submissions[1], evaluation["id"], None],
    ]  # fmt: skip
    fetched = syn.get(view.id)
    assert isinstance(fetched, SubmissionViewSchema)
    again = syn.store(fetched)
    assert again.columnIds == view.columnIds


def test_store_sends_expected_requests(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    body = {"name": f"evaluation {uuid4()}", "contentSource": project.id}
    evaluation = in_process_client.restPOST("/evaluation", json.dumps(body))
    calls()
    view = SubmissionViewSchema("v", parent=project, scopes=[evaluation["id"]])
    in_process_client.store(view)
    requests = [call for call in calls() if "/get/" not in call]
    assert [call.rpartition(" ")[0] for call in requests[:3]] == [
        "GET /column/tableview/defaults", "POST /column/view/scope/async/start", "POST /entity",
    ]  # fmt: skip


def test_store_adds_requested_columns_only(syn, project, evaluation, submissions):
    assert submissions
    view = SubmissionViewSchema(
        "v", [COLUMNS[3]], parent=project, scopes=[int(evaluation["id"])],
        addDefaultViewColumns=False, ignoredAnnotationColumnNames=["auc"],
    )  # fmt: skip
    assert [one["name"] for one in syn.getTableColumns(syn.store(view))] == ["comment"]


def test_view_shows_current_submissions(syn, view, submissions):
    assert get_rows(syn, view.id) == ROWS
    annotate(syn, submissions[1], "INVALID", comment="no")
    syn.restDELETE(f"/evaluation/submission/{submissions[0]}")
    assert get_rows(syn, view.id) == [["bee", "INVALID", None, "no"]]


def test_row_ids_versions_and_etags_are_those_of_statuses(syn, view, submissions):
    states = [get_status(syn, one) for one in submissions]
    for results_as in ("csv", "rowset"):
        result = syn.tableQuery(f"select * from {view.id} order by name", resultsAs=results_as)
        assert [tuple(row) for row in result.iter_row_metadata()] == [
            (int(one["id"]), one["statusVersion"], one["etag"]) for one in states
        ]


def test_other_users_see_no_rows(syn, bob, project, view):
    signed_in = 273948
    syn.setPermissions(project, principalId=signed_in, accessType=["READ", "DOWNLOAD"])
    assert get_rows(bob, view.id) == []
    assert len(get_rows(syn, view.id)) == 2


def test_storing_dataframe_updates_annotations(syn, view, submissions):
    pytest.importorskip("pandas")
    frame = syn.tableQuery(f"select * from {view.id} order by name").asDataFrame()
    frame["auc"] = [0.5, 0.25]
    frame["comment"] = [None, "late"]
    frame["status"] = "ACCEPTED"
    syn.store(Table(view.id, frame))
    assert get_rows(syn, view.id) == [
        ["ant", "SCORED", 0.5, None], ["bee", "RECEIVED", 0.25, "late"],
    ]  # fmt: skip
    stored = get_status(syn, submissions[1])["submissionAnnotations"]["annotations"]
    assert stored["auc"] == {"type": "DOUBLE", "value": ["0.25"]}


def test_storing_partial_rows_updates_annotations(syn, view, submissions):
    result = syn.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    changes = {row["rowId"]: {"comment": "seen"} for row in result}
    syn.store(PartialRowset.from_mapping(changes, result))
    assert [row[3] for row in get_rows(syn, view.id)] == ["seen", "seen"]
    assert get_status(syn, submissions[0])["status"] == "SCORED"


def test_stale_rows_are_reported(syn, view, submissions):
    pytest.importorskip("pandas")
    frame = syn.tableQuery(f"select * from {view.id} order by name").asDataFrame()
    frame["comment"] = "mine"
    annotate(syn, submissions[0], comment="theirs")
    with pytest.raises(SynapseError, match="Not all of the entities were updated") as caught:
        syn.store(Table(view.id, frame))
    assert submissions[0] in str(caught.value).partition("Failed updates")[2]
    assert [row[3] for row in get_rows(syn, view.id)] == ["theirs", "mine"]


def test_snapshot_is_immutable(syn, view, project, submissions, events):
    made_by = Activity(name="score", used=project.id)
    number = syn.create_snapshot_version(view, "all scored", "round 1", made_by)
    annotate(syn, submissions[0], comment="changed")
    syn.restDELETE(f"/evaluation/submission/{submissions[1]}")
    assert number == 1
    assert get_rows(syn, f"{view.id}.1") == ROWS
    assert get_rows(syn, view.id) == [["ant", "SCORED", None, "changed"]]
    assert syn.getProvenance(view.id, version=1)["name"] == "score"
    assert [one.version for one in events if isinstance(one, Wrote)][-1] == 1
    reads = [(one.entity_id, one.version, one.how) for one in events if isinstance(one, Read)]
    assert (view.id, 1, "tableQuery") in reads
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(view.id, label="round 1")
    assert syn.create_snapshot_version(view.id, wait=False) is None
