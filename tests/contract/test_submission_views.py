"""Views of submissions: what columns they get, what they show, what is written through them."""

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

BARE = {"addDefaultViewColumns": False, "addAnnotationColumns": False}
COLUMNS = [
    Column(name="name", columnType="STRING", maximumSize=256),
    Column(name="status", columnType="STRING", maximumSize=40),
    Column(name="auc", columnType="DOUBLE"),
    Column(name="comment", columnType="STRING", maximumSize=50),
]


@pytest.fixture
def evaluation(syn, project):
    """An evaluation of alice's own."""
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


def status_of(syn, submission):
    return syn.restGET(f"/evaluation/submission/{submission}/status")


def annotate(syn, submission, status=None, **values):
    """Set the status of a submission and its annotations; each value with its type."""
    kinds = {float: "DOUBLE", int: "LONG", str: "STRING", bool: "BOOLEAN"}
    known = status_of(syn, submission)
    annotations = {
        key: {"type": kinds[type(value)], "value": [str(value)]} for key, value in values.items()
    }
    known["submissionAnnotations"] = {
        "id": known["id"], "etag": known["etag"], "annotations": annotations,
    }  # fmt: skip
    known["status"] = status or known["status"]
    return syn.restPUT(f"/evaluation/submission/{submission}/status", json.dumps(known))


@pytest.fixture
def submissions(syn, project, evaluation, make_file):
    """Two submissions to it, the first of them scored."""
    made = []
    for name in ("ant", "bee"):
        file = syn.store(File(str(make_file(f"{name}.txt")), parent=project))
        made.append(submit(syn, evaluation, file, name))
    annotate(syn, made[0], "SCORED", auc=0.75, comment="fine")
    return made


@pytest.fixture
def view(syn, project, evaluation, submissions):
    """A view of the two."""
    return syn.store(SubmissionViewSchema("v", COLUMNS, parent=project, scopes=evaluation, **BARE))


def rows_of(syn, source, **options):
    sql = f"select name, status, auc, comment from {source} order by name"
    return [row[-4:] for row in syn.tableQuery(sql, **options)]


SHOWN = [["ant", "SCORED", 0.75, "fine"], ["bee", "RECEIVED", None, None]]


def test_a_new_view_gets_its_columns(syn, project, evaluation, submissions):
    view = syn.store(SubmissionViewSchema("v", parent=project, scopes=[evaluation]))
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


def test_storing_a_view_asks_what_the_reference_asks(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    body = {"name": f"evaluation {uuid4()}", "contentSource": project.id}
    evaluation = in_process_client.restPOST("/evaluation", json.dumps(body))
    calls()
    view = SubmissionViewSchema("v", parent=project, scopes=[evaluation["id"]])
    in_process_client.store(view)
    asked = [call for call in calls() if "/get/" not in call]
    assert [call.rpartition(" ")[0] for call in asked[:3]] == [
        "GET /column/tableview/defaults", "POST /column/view/scope/async/start", "POST /entity",
    ]  # fmt: skip


def test_only_columns_that_were_asked_for_are_added(syn, project, evaluation, submissions):
    assert submissions
    view = SubmissionViewSchema(
        "v", [COLUMNS[3]], parent=project, scopes=[int(evaluation["id"])],
        addDefaultViewColumns=False, ignoredAnnotationColumnNames=["auc"],
    )  # fmt: skip
    assert [one["name"] for one in syn.getTableColumns(syn.store(view))] == ["comment"]


def test_a_view_shows_what_is_there_now(syn, view, submissions):
    assert rows_of(syn, view.id) == SHOWN
    annotate(syn, submissions[1], "INVALID", comment="no")
    syn.restDELETE(f"/evaluation/submission/{submissions[0]}")
    assert rows_of(syn, view.id) == [["bee", "INVALID", None, "no"]]


def test_rows_are_those_of_statuses(syn, view, submissions):
    states = [status_of(syn, one) for one in submissions]
    for kind in ("csv", "rowset"):
        result = syn.tableQuery(f"select * from {view.id} order by name", resultsAs=kind)
        assert [tuple(row) for row in result.iter_row_metadata()] == [
            (int(one["id"]), one["statusVersion"], one["etag"]) for one in states
        ]


def test_others_see_nothing_of_it(syn, bob, project, view):
    signed_in = 273948
    syn.setPermissions(project, principalId=signed_in, accessType=["READ", "DOWNLOAD"])
    assert rows_of(bob, view.id) == []
    assert len(rows_of(syn, view.id)) == 2


def test_annotations_are_written_by_a_frame(syn, view, submissions):
    pytest.importorskip("pandas")
    frame = syn.tableQuery(f"select * from {view.id} order by name").asDataFrame()
    frame["auc"] = [0.5, 0.25]
    frame["comment"] = [None, "late"]
    frame["status"] = "ACCEPTED"
    syn.store(Table(view.id, frame))
    assert rows_of(syn, view.id) == [
        ["ant", "SCORED", 0.5, None], ["bee", "RECEIVED", 0.25, "late"],
    ]  # fmt: skip
    said = status_of(syn, submissions[1])["submissionAnnotations"]["annotations"]
    assert said["auc"] == {"type": "DOUBLE", "value": ["0.25"]}


def test_annotations_are_written_by_partial_rows(syn, view, submissions):
    result = syn.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    changes = {row["rowId"]: {"comment": "seen"} for row in result}
    syn.store(PartialRowset.from_mapping(changes, result))
    assert [row[3] for row in rows_of(syn, view.id)] == ["seen", "seen"]
    assert status_of(syn, submissions[0])["status"] == "SCORED"


def test_rows_that_were_not_updated_are_told(syn, view, submissions):
    pytest.importorskip("pandas")
    frame = syn.tableQuery(f"select * from {view.id} order by name").asDataFrame()
    frame["comment"] = "mine"
    annotate(syn, submissions[0], comment="theirs")
    with pytest.raises(SynapseError, match="Not all of the entities were updated") as caught:
        syn.store(Table(view.id, frame))
    assert submissions[0] in str(caught.value).partition("Failed updates")[2]
    assert [row[3] for row in rows_of(syn, view.id)] == ["theirs", "mine"]


def test_a_snapshot_stays_as_it_is(syn, view, project, submissions, events):
    made_by = Activity(name="score", used=project.id)
    number = syn.create_snapshot_version(view, "all scored", "round 1", made_by)
    annotate(syn, submissions[0], comment="changed")
    syn.restDELETE(f"/evaluation/submission/{submissions[1]}")
    assert number == 1
    assert rows_of(syn, f"{view.id}.1") == SHOWN
    assert rows_of(syn, view.id) == [["ant", "SCORED", None, "changed"]]
    assert syn.getProvenance(view.id, version=1)["name"] == "score"
    assert [one.version for one in events if isinstance(one, Wrote)][-1] == 1
    assert Read(view.id, 1, how="tableQuery") in events
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(view.id, label="round 1")
    assert syn.create_snapshot_version(view.id, wait=False) is None
