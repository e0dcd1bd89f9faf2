"""The leaderboard ranks each scored submission, also if the queue changes while it is read."""

import csv

import pytest
from support.fault_injection import FaultInjector
from support.submission_queue import SubmissionQueue

from synapse_workflows.challenge.leaderboard import Leaderboard, LeaderboardOptions, write_csv
from synapse_workflows.testing import over_socket

LIST = r"GET /repo/v1/evaluation/\d+/submission/bundle/all"


@pytest.fixture
def faulty(tmp_path):
    """A service on a socket whose requests trigger actions, and a queue in it."""
    injector = FaultInjector(None)

    def wrap(app):
        injector.app = app
        return injector

    with over_socket(tmp_path, wrap=wrap) as service, service.client() as syn:
        folder = tmp_path / "files"
        folder.mkdir()
        yield injector, syn, SubmissionQueue(syn, folder)


@pytest.mark.parametrize("withdrawn", [0, 98, 99, 100, 101])
def test_submissions_that_are_withdrawn_meanwhile_hide_no_others(faulty, withdrawn):
    injector, syn, queue = faulty
    submissions = queue.submit(102)
    scored = [submissions[index] for index in (1, 97, 99, 100, 101)]
    for submission in scored:
        queue.update(submission, status="SCORED", score=0.5)
    target = submissions[withdrawn]
    injector.at(LIST, lambda: syn.restDELETE(f"/evaluation/submission/{target}"), nth=2)
    options = LeaderboardOptions({"score": "descending"}, best_per="all")
    rows = Leaderboard(syn, queue.id, options).build_rows()
    expected = {one for one in scored if one != target}
    # a submission that was read before its withdrawal may be ranked
    assert {one["submission_id"] for one in rows} - {target} == expected


def test_texts_are_not_formulas_in_a_spreadsheet(tmp_path):
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "good", "a=1", ""]
    rows = [{"submitter": text, "auc": -0.5} for text in texts]
    path = tmp_path / "board.csv"
    write_csv(path, ["submitter", "auc"], rows)
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    expected = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "good", "a=1", ""]
    assert [row["submitter"] for row in found] == expected
    assert {row["auc"] for row in found} == {"-0.5"}
