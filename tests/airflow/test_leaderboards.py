"""SynapseLeaderboardOperator: rows, provenance, unranked submissions and unchanged boards."""

import csv
import io
import math
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from support.execution_api import Run

from synapse_workflows import (
    Evaluation,
    File,
    Folder,
    SynapseLeaderboardOperator,
    Team,
    to_submission_status_annotations,
)

AUC = {"auc": "descending"}
RUNS = count(1)


@pytest.fixture
def users(socket_service, tmp_path):
    """Clients of bob and carol."""
    made = {
        name: socket_service.client(name, cache_root_dir=str(tmp_path / name))
        for name in ("bob", "carol")
    }
    yield made
    for syn in made.values():
        syn.close()


@pytest.fixture
def queue(alice, project):
    """An evaluation of alice, to which bob and carol may submit."""
    evaluation = alice.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))
    for name in ("bob", "carol"):
        alice.setPermissions(evaluation, name, ["READ", "SUBMIT"])
    return evaluation


@pytest.fixture
def submit(alice, users, queue, project, tmp_path):
    """Return a function that submits a new file of a user and sets its score."""
    for name in users:
        alice.setPermissions(project, name, ["READ", "DOWNLOAD", "CREATE"], overwrite=False)

    def submit_file(user="alice", status="SCORED", legacy=None, **values):
        client = users.get(user, alice)
        path = tmp_path / f"{uuid4()}.csv"
        path.write_text(f"{uuid4()}\n")
        options = {key: values.pop(key) for key in ("team", "submitterAlias") if key in values}
        entity = client.store(File(str(path), parent=project))
        submission = client.submit(queue, entity, silent=True, **options)
        current = alice.getSubmissionStatus(submission)
        current.status = status
        current.submissionAnnotations = values
        current.annotations = legacy and to_submission_status_annotations(legacy)
        alice.store(current)
        return submission

    return submit_file


@pytest.fixture
def folder(alice, project):
    """An empty folder for the board."""
    return alice.store(Folder("board", parent=project)).id


@pytest.fixture
def rank(api, queue, folder):
    """Return a function that runs the operator and returns the result of the task and its XCom."""

    def run(**arguments):
        with DAG("board", schedule=None) as dag:
            SynapseLeaderboardOperator(
                task_id="rank",
                **({"evaluation_id": queue.id, "rank_by": AUC, "parent_id": folder} | arguments),
            )
        one = Run(api, dag, f"run_{next(RUNS)}")
        result = one.task("rank")
        return result, one.value("rank") if result.state == "success" else None

    return run


def read_board(alice, result):
    text = Path(alice.get(result["file"]["id"]).path).read_text()
    return list(csv.DictReader(io.StringIO(text)))


def reference(submission):
    return f"{submission.entityId}.{submission.versionNumber}"


def test_board_is_stored_with_provenance(alice, rank, submit, sources_of):
    second = submit("bob", auc=0.7, f1=0.5, note="good")
    first = submit("carol", auc=0.9, f1=0.6, submitterAlias="The owls")
    submit("alice", "VALIDATED", auc=1.0)
    state, result = rank(columns=["note"])
    assert state.state == "success", state.error
    assert read_board(alice, result) == [
        {
            "rank": "1",
            "submission_id": first.id,
            "submitter_id": first.userId,
            "submitter": "The owls",
            "submission_name": first.name,
            "submitted_on": first.createdOn,
            "auc": "0.9",
            "note": "",
        },
        {
            "rank": "2",
            "submission_id": second.id,
            "submitter_id": second.userId,
            "submitter": "bob",
            "submission_name": second.name,
            "submitted_on": second.createdOn,
            "auc": "0.7",
            "note": "good",
        },
    ]
    assert sorted(sources_of(result["file"]["id"])[0]) == sorted(map(reference, (first, second)))
    assert (result["ranked"], result["unranked"], result["table"]) == (2, [], None)
    assert result["file"]["name"] == "leaderboard.csv"
    assert result["file"]["path"] is None


def test_unchanged_board_creates_no_version(alice, rank, submit):
    submit("bob", auc=0.7)
    _, first = rank(table_name="Board")
    table = alice.get(first["table"]["id"])
    _, second = rank(table_name="Board")
    assert second["file"]["version"] == first["file"]["version"] == 1
    assert (second["table"]["added"], second["table"]["deleted"]) == (0, 0)
    assert alice.get(table.id).etag == table.etag
    submit("carol", auc=0.8)
    _, third = rank(table_name="Board")
    assert third["file"]["version"] == 2


def test_table_has_the_rows_of_the_board(alice, rank, submit, sources_of):
    one, other = submit("bob", auc=1), submit("carol", auc=0.5)
    _, result = rank(table_name="Board", rank_by={"auc": "ascending"})
    table_id = result["table"]["id"]
    query = f"select rank, submission_id, submitter, auc from {table_id} order by rank"
    rows = alice.tableQuery(query).asDataFrame().values.tolist()
    assert [[row[0], str(row[1]), *row[2:]] for row in rows] == [
        [1, other.id, "carol", 0.5],
        [2, one.id, "bob", 1.0],
    ]
    assert sorted(sources_of(table_id)[0]) == sorted(map(reference, (one, other)))
    better = submit("carol", auc=0.1)
    _, result = rank(parent_id=None, table_id=table_id, rank_by={"auc": "ascending"})
    assert result["file"] is None
    assert alice.tableQuery(query).asDataFrame()["submission_id"].astype(str).tolist() == [
        better.id,
        one.id,
    ]
    assert sorted(sources_of(table_id)[0]) == sorted(map(reference, (one, better)))


def test_types_of_table_columns_do_not_depend_on_the_first_scores(alice, rank, submit):
    submit("bob", auc=1, n=3)
    _, first = rank(table_name="Board", columns=["n"])
    assert [(row["auc"], row["n"]) for row in read_board(alice, first)] == [("1", "3")]
    submit("carol", auc=0.5, n=2.5)
    state, second = rank(table_name="Board", columns=["n"])
    assert state.state == "success", state.error
    rows = alice.tableQuery(f"select auc, n from {second['table']['id']} order by rank")
    assert rows.asDataFrame().values.tolist() == [[1.0, 3.0], [0.5, 2.5]]


def test_submitted_version_is_used(alice, rank, submit, sources_of):
    submission = submit("alice", auc=0.7)
    alice.store(alice.get(submission.entityId), forceVersion=True)
    _, result = rank()
    assert sources_of(result["file"]["id"])[0] == [f"{submission.entityId}.1"]


def test_ranked_entities_that_were_deleted(alice, rank, submit, sources_of):
    deleted, purged, kept = submit(auc=0.7), submit("carol", auc=0.6), submit("bob", auc=0.5)
    for submission in (deleted, purged):
        alice.delete(submission.entityId)
    alice.restPUT(f"/trashcan/purge/{purged.entityId}")
    state, result = rank(table_name="board", best_per="all")
    assert state.state == "success", state.error
    expected = sorted(map(reference, (deleted, purged, kept)))
    assert sorted(sources_of(result["file"]["id"])[0]) == expected
    assert sorted(sources_of(result["table"]["id"])[0]) == expected


@pytest.mark.parametrize(
    ("best_per", "expected"), [("submitter", "234"), ("team", "24"), ("all", "2341")]
)
def test_best_submission_of_each_submitter_or_team(
    alice, users, queue, rank, submit, best_per, expected
):
    team = alice.store(Team(name=f"team {uuid4()}"))
    alice.invite_to_team(team, "bob")
    bob = users["bob"].getUserProfile().ownerId
    users["bob"].restPUT(f"/team/{team.id}/member/{bob}")
    made = {
        "1": submit("bob", auc=0.1, team=team),
        "2": submit("bob", auc=0.9, team=team),
        "3": submit("alice", auc=0.8, team=team),
        "4": submit("carol", auc=0.5),
    }
    _, result = rank(best_per=best_per)
    board = read_board(alice, result)
    names = {one.id: name for name, one in made.items()}
    assert [names[row["submission_id"]] for row in board] == list(expected)
    assert (board[0]["submitter_id"], board[0]["submitter"]) == (team.id, team.name)
    assert board[-1]["submitter"] == (team.name if best_per == "all" else "carol")


def test_ties_share_a_rank(alice, rank, submit):
    for user, auc, loss in (("bob", 0.9, 2), ("carol", 0.9, 1), ("alice", 0.9, 1)):
        submit(user, auc=auc, loss=loss)
    _, result = rank(rank_by={"auc": "descending", "loss": "ascending"})
    board = read_board(alice, result)
    assert [(row["rank"], row["submitter"]) for row in board] == [
        ("1", "carol"),
        ("1", "alice"),
        ("3", "bob"),
    ]


def test_unranked_submissions_are_listed_or_fail(rank, submit):
    submit("bob", auc=0.7)
    invalid = [submit("carol", auc=math.nan), submit("carol", auc="high"), submit("carol", f1=1)]
    state, result = rank()
    assert state.state == "success", state.error
    assert result["ranked"] == 1
    assert result["unranked"] == [
        {"submission_id": invalid[0].id, "reason": "'auc' is not finite: nan"},
        {"submission_id": invalid[1].id, "reason": "'auc' is not a number: 'high' (str)"},
        {"submission_id": invalid[2].id, "reason": "'auc' is missing"},
    ]
    failed, _ = rank(on_unranked="fail", name="other.csv")
    assert failed.state == "failed"
    assert "3 of 4 scored submissions" in str(failed.error)


def test_unknown_score_fails(alice, rank, submit, folder):
    submit("bob", auc=0.7, f1=0.5)
    failed, _ = rank(rank_by={"acu": "descending"})
    assert failed.state == "failed"
    assert "'acu' is missing. Their annotations are: auc, f1" in str(failed.error)
    assert list(alice.getChildren(folder)) == []


def test_legacy_annotations_and_score_are_scores(alice, rank, submit):
    submission = submit("bob", legacy={"auc": 0.7, "rank_note": "x"})
    status = alice.getSubmissionStatus(submission)
    status.score = 0.25
    alice.store(status)
    _, result = rank(rank_by={"auc": "descending", "score": "ascending"})
    (row,) = read_board(alice, result)
    assert (row["auc"], row["score"]) == ("0.7", "0.25")


def test_queue_without_scored_submissions_is_skipped(alice, rank, submit, folder):
    submit("bob", "RECEIVED", auc=0.7)
    skipped, _ = rank()
    assert skipped.state == "skipped"
    assert list(alice.getChildren(folder)) == []
    state, result = rank(allow_empty=True, table_name="Board")
    assert state.state == "success", state.error
    assert read_board(alice, result) == []
    assert result["table"] is None


def test_board_becomes_empty(alice, rank, submit):
    submission = submit("bob", auc=0.7)
    _, first = rank(table_name="Board")
    status = alice.getSubmissionStatus(submission)
    status.status = "REJECTED"
    alice.store(status)
    _, second = rank(table_name="Board", allow_empty=True)
    assert (second["ranked"], second["table"]["deleted"]) == (0, 1)
    assert read_board(alice, first) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank_by": {"auc": "desc"}}, "Invalid direction 'desc'"),
        ({"rank_by": {"rank": "ascending"}}, "Invalid columns rank"),
        ({"columns": ["auc"]}, "Invalid columns auc"),
        ({"best_per": "user"}, "Invalid best_per 'user'"),
        ({"on_unranked": "drop"}, "Invalid on_unranked 'drop'"),
    ],
)
def test_invalid_argument_is_rejected_at_parse_time(arguments, message):
    settings = {"evaluation_id": 1, "rank_by": AUC, "parent_id": "syn1"} | arguments
    with pytest.raises(ValueError, match=message):
        SynapseLeaderboardOperator(task_id="rank", **settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parent_id": None}, "parent_id is missing"),
        ({"parent_id": None, "table_name": "Board"}, "parent_id is missing"),
        ({"table_id": "syn1", "table_name": "Board"}, "exclude each other"),
        ({"evaluation_id": "my queue"}, "Invalid evaluation ID 'my queue'"),
        ({"evaluation_id": 987654321}, "987654321 does not exist"),
        ({"evaluation_id": None}, "evaluation_id"),
    ],
)
def test_invalid_argument_fails_the_task(rank, submit, arguments, message):
    submit("bob", auc=0.7)
    failed, _ = rank(**arguments)
    assert failed.state == "failed"
    assert message in str(failed.error)


def test_boards_of_several_evaluations(api, alice, queue, project, folder, submit):
    """One mapped task for each evaluation; the other one has no scored submissions."""
    submit("bob", auc=0.7)
    other = alice.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))
    with DAG("boards", schedule=None) as dag:
        SynapseLeaderboardOperator.partial(
            task_id="rank", rank_by=AUC, parent_id=folder, name="{{ ti.map_index }}.csv"
        ).expand(evaluation_id=[queue.id, other.id])
    run = Run(api, dag, f"run_{next(RUNS)}")
    assert [run.task("rank", index).state for index in (0, 1)] == ["success", "skipped"]
    assert [one["name"] for one in alice.getChildren(folder)] == ["0.csv"]


def test_dag_with_leaderboard_is_serialized():
    with DAG("board", schedule=None) as dag:
        SynapseLeaderboardOperator(
            task_id="rank", evaluation_id=1, rank_by=AUC, parent_id="syn1", columns=("note",)
        )
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict
