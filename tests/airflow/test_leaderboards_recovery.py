"""SynapseLeaderboardOperator whose worker is killed: the next try stores one board."""

import csv
import io
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from support.kill_matrix import Scenario, select_kill_points
from support.killable_worker import Worker

from synapse_workflows import Evaluation, File, SynapseLeaderboardOperator

NUMBERS = count(1)


@pytest.fixture
def prepare(alice, project, connection, tmp_path):
    """Return a function that creates a scored queue; returns a worker for its leaderboard."""

    def create_worker():
        evaluation = alice.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))
        for score in (0.5, 0.9):
            path = tmp_path / f"{uuid4()}.csv"
            path.write_text(f"{uuid4()}\n")
            file = alice.store(File(str(path), parent=project))
            status = alice.getSubmissionStatus(alice.submit(evaluation, file, silent=True))
            status.status, status.submissionAnnotations = "SCORED", {"auc": score}
            alice.store(status)
        number = next(NUMBERS)
        folder = tmp_path / f"state {number}"
        folder.mkdir()
        return Worker(
            connection,
            folder,
            SynapseLeaderboardOperator,
            evaluation_id=evaluation.id,
            rank_by={"auc": "descending"},
            best_per="all",
            parent_id=project,
            name=f"board {number}.csv",
            table_name=f"Board {number}",
        )

    return create_worker


def run(worker, point=None):
    worker.begin(point)
    return worker.end()


def check_board(alice, sources_of, result):
    """Check the file, the table and the provenance of a board of two submissions."""
    assert result is not None
    assert result["state"] == "success", result["error"]
    value = result["value"]
    file = alice.get(value["file"]["id"])
    assert file.versionNumber == 1
    board = list(csv.DictReader(io.StringIO(Path(file.path).read_text())))
    assert [(row["rank"], row["auc"]) for row in board] == [("1", "0.9"), ("2", "0.5")]
    table = value["table"]["id"]
    query = f"select submission_id from {table} order by rank"
    ids = [str(row[0]) for row in alice.tableQuery(query).asDataFrame().values.tolist()]
    assert ids == [row["submission_id"] for row in board]
    entities = {f"{alice.getSubmission(one).entityId}.1" for one in ids}
    assert set(sources_of(file.id)[0]) == set(sources_of(table)[0]) == entities
    assert (value["table"]["added"], value["table"]["deleted"]) == (2, 0)


def test_killed_worker_leaves_one_board(alice, prepare, sources_of):
    complete = run(prepare())
    check_board(alice, sources_of, complete)
    scenario = Scenario("leaderboard", SynapseLeaderboardOperator, lambda _: {}, is_variant=True)
    points = select_kill_points(scenario, complete["trace"], "sample")
    assert len(points) > 3
    for point in points:
        worker = prepare()
        assert run(worker, point) is None, f"{point} was not reached"
        check_board(alice, sources_of, run(worker))
