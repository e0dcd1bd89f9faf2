"""Tests of the claim while a submission is scored: lease, cancellation, loss, retries, kills."""

import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG
from support.challenge import Challenge
from support.execution_api import Run
from support.killable_worker import KillPoint, Worker
from support.waiting import is_running, wait_until

from synapse_workflows import SynapseClaimSubmissionsOperator, SynapseScoreSubmissionOperator
from synapse_workflows.challenge.claim_errors import ClaimHeldError, ClaimLostError
from synapse_workflows.challenge.claims import take_claim

GOOD = "id,1\n"


def create_scorer(folder: Path, seconds: float):
    """Return a scorer that notes its process ID, waits, and notes its end.

    It waits some seconds, or until the file `finish` exists.
    """
    names = ("started", "calls", "ended", "finish")
    started, calls, ended, finish = (str(folder / name) for name in names)

    def score(predictions):
        import os
        import time
        from pathlib import Path

        with Path(calls).open("a") as file:
            file.write("call\n")
        Path(started).write_text(str(os.getpid()))
        end = time.monotonic() + seconds
        while time.monotonic() < end and not Path(finish).exists():
            time.sleep(0.02)
        Path(ended).touch()
        return {"auc": 0.5}

    return score


def is_scoring(folder: Path) -> bool:
    return is_running(int((folder / "started").read_text()))


def count_calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_lease_is_renewed_while_the_scorer_runs(score, challenge, alice, tmp_path):
    submission = challenge.submit_text(GOOD)
    errors = []

    def take_over():
        """Try it when the first lease has run out."""
        expires_on = int(challenge.annotations(submission)["claim_expires_on"]) / 1000
        wait_until(lambda: time.time() > expires_on)
        try:
            take_claim(alice, submission, "other task", 60)
        except ClaimHeldError as error:
            errors.append(error)
        (tmp_path / "finish").touch()

    with challenge.in_background(tmp_path / "started", take_over):
        result, _ = score(submission, scorer=create_scorer(tmp_path, 60), lease=6)
    assert result.state == "success", result.error
    assert len(errors) == 1


def test_cancellation_stops_the_scorer(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    with challenge.in_background(tmp_path / "started", lambda: challenge.cancel(submission)):
        began = time.monotonic()
        result, run = score(submission, scorer=create_scorer(tmp_path, 60), lease=4)
    assert result.state == "success", result.error
    assert time.monotonic() - began < 50
    assert not is_scoring(tmp_path)
    value = run.value("score")
    assert (value["status"], value["scores"], value["results_id"]) == ("REJECTED", {}, None)
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "REJECTED"
    assert "claim_expires_on" not in annotations
    assert challenge.list_files(submission) == {}


def test_status_of_cancelled_submissions(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    with challenge.in_background(tmp_path / "started", lambda: challenge.cancel(submission)):
        score(
            submission,
            scorer=create_scorer(tmp_path, 60),
            lease=4,
            cancelled_status="CLOSED",
        )
    assert challenge.get_status(submission)[0]["status"] == "CLOSED"


def test_lost_claim_stops_the_scorer(score, challenge, alice, tmp_path):
    submission = challenge.submit_text(GOOD)

    def take_over():
        challenge.update(submission, status="RECEIVED")
        take_claim(alice, submission, "other task", 600)

    with challenge.in_background(tmp_path / "started", take_over):
        result, _ = score(submission, scorer=create_scorer(tmp_path, 60), lease=4, max_tries=3)
    assert isinstance(result.error, ClaimLostError)
    assert not is_scoring(tmp_path)
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "EVALUATION_IN_PROGRESS"
    assert annotations["claimed_by"] == ("STRING", ["other task"])
    assert challenge.list_files(submission) == {}


def test_claims_are_handed_over_to_mapped_tasks(api, challenge):
    submissions = {challenge.submit_text(f"id,{number}\n"): number for number in range(3)}
    with DAG("mapped", schedule=None) as dag:
        claim = SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=challenge.id)
        SynapseScoreSubmissionOperator.partial(
            task_id="score",
            scorer=lambda predictions: {"n": int(predictions.read_text().split(",")[1])},
            goldstandard_id=challenge.goldstandard,
            results_parent_id=challenge.project,
        ).expand(submission=claim.output)
    run = Run(api, dag, "run_mapped").all(score=3)
    assert len(run.value("claim")) == 3
    for index, claimed in enumerate(run.value("claim")):
        value = run.value("score", map_index=index)
        assert value["submission_id"] == claimed["submission_id"]
        assert value["scores"] == {"n": submissions[claimed["submission_id"]]}
        status, annotations = challenge.get_status(claimed["submission_id"])
        assert status["status"] == "SCORED"
        assert annotations["claimed_by"] == ("STRING", [f"mapped/run_mapped/score[{index}]"])


def test_retry_after_the_end_returns_the_same_result(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    result, run = score(submission, scorer=create_scorer(tmp_path, 0), max_tries=2)
    first, status = run.value("score"), challenge.get_status(submission)
    assert result.state == "success", result.error
    assert run.task("score", max_tries=2).state == "success"
    assert run.value("score") == first
    assert challenge.get_status(submission) == status
    assert count_calls(tmp_path) == 1


def test_cleared_task_scores_again(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    _, run = score(submission, scorer=create_scorer(tmp_path, 0))
    first = run.value("score")
    result = run.task("score", max_tries=1)
    assert result.state == "success", result.error
    second = run.value("score")
    assert second["results_id"] == first["results_id"]
    assert second["results_version"] == first["results_version"] + 1
    assert count_calls(tmp_path) == 2


def test_another_task_does_not_score_a_scored_submission(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    score(submission, scorer=create_scorer(tmp_path, 0))
    result, _ = score(submission, scorer=create_scorer(tmp_path, 0))
    assert isinstance(result.error, ClaimLostError)
    assert count_calls(tmp_path) == 1


def test_killed_worker_leaves_no_process(challenge, connection, tmp_path):
    submission = challenge.submit_text(GOOD)
    worker = create_worker(challenge, connection, tmp_path, submission, seconds=600)
    worker.begin()
    wait_until((tmp_path / "started").exists)
    wait_until(lambda: (tmp_path / "started").read_text() != "")
    worker.kill()
    assert worker.end() is None
    wait_until(lambda: not is_scoring(tmp_path))


def test_terminated_worker_stops_the_scorer(challenge, connection, tmp_path):
    submission = challenge.submit_text(GOOD)
    worker = create_worker(challenge, connection, tmp_path, submission, seconds=600)
    worker.begin()
    wait_until((tmp_path / "started").exists)
    worker.terminate()
    assert worker.end()["state"] == "up_for_retry"
    assert not is_scoring(tmp_path)
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "EVALUATION_IN_PROGRESS"
    assert "claim_expires_on" in annotations


def test_worker_that_is_killed_after_the_results_are_stored(challenge, connection, tmp_path):
    submission = challenge.submit_text(GOOD)
    worker = create_worker(challenge, connection, tmp_path, submission, seconds=0)
    worker.begin(KillPoint("PUT task-state/synapse_score 204"))
    assert worker.end() is None
    assert challenge.get_status(submission)[0]["status"] == "EVALUATION_IN_PROGRESS"
    worker.begin()
    assert worker.end()["state"] == "success"
    assert count_calls(tmp_path) == 1
    assert challenge.get_status(submission)[0]["status"] == "SCORED"
    assert challenge.list_files(submission) == {"results.json": 1, "log.txt": 1}


def create_worker(challenge: Challenge, connection, folder, submission, seconds):
    (folder / "state").mkdir()
    return Worker(
        connection,
        folder / "state",
        create_score_task,
        folder=str(folder),
        seconds=seconds,
        submission=submission,
        goldstandard_id=challenge.goldstandard,
        results_parent_id=challenge.project,
    )


def create_score_task(task_id, retries, folder, seconds, **arguments):
    scorer = create_scorer(Path(folder), seconds)
    return SynapseScoreSubmissionOperator(
        task_id=task_id, retries=retries, scorer=scorer, **arguments
    )


def test_submission_that_was_cancelled_before(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    challenge.cancel(submission)
    _, run = score(submission, scorer=create_scorer(tmp_path, 0))
    assert run.value("score")["status"] == "REJECTED"
    assert not (tmp_path / "calls").exists()


def test_execution_timeout_stops_the_scorer(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    result, _ = score(
        submission,
        scorer=create_scorer(tmp_path, 600),
        execution_timeout=timedelta(seconds=8),
    )
    assert result.state == "failed"
    assert not is_scoring(tmp_path)
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_retry_continues_a_claim_whose_lease_has_run_out(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    marker = tmp_path / "failed"
    scorer = create_scorer(tmp_path, 0)

    def fail_once(predictions):
        if not marker.exists():
            marker.touch()
            raise ConnectionError
        return scorer(predictions)

    result, run = score(submission, scorer=fail_once, max_tries=1)
    assert result.state == "up_for_retry"
    challenge.expire(submission)
    result = run.task("score", max_tries=1)
    assert result.state == "success", result.error
    assert challenge.get_status(submission)[0]["status"] == "SCORED"
