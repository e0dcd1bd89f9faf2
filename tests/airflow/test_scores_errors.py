"""Tests of submissions that cannot be scored: the state of the task and of the submission."""

import json
import time
from datetime import timedelta

import pytest
from support.failing_scorers import (
    crash,
    delete_folder,
    end_process,
    exceed_memory,
    exceed_time,
    return_bad_name,
    return_huge,
    return_infinity,
    return_invalid,
    return_nan,
    return_nested,
    return_none,
    return_object,
    return_repeated_key,
    return_text,
    score_one,
)

from synapse_workflows import SynapseScoreSubmissionOperator
from synapse_workflows.challenge.claim_errors import (
    ClaimHeldError,
    ClaimLimitError,
    ClaimLostError,
)

GOOD = "id,1\n"


TEMPORARY = [crash, exceed_time, exceed_memory, return_invalid, delete_folder]
PERMANENT = [
    return_repeated_key,
    *(end_process, return_none, return_nan, return_huge, return_infinity, return_text),
    *(return_nested, return_bad_name, return_object),
]
LIMITS = {"time_limit": 5, "memory_limit": 300_000_000}


@pytest.mark.parametrize("scorer", [*TEMPORARY, *PERMANENT])
def test_failing_scorer_releases_the_submission(score, challenge, scorer):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, scorer=scorer, **LIMITS)
    assert result.state == "failed"
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "RECEIVED"
    assert annotations.keys() == {"scoring_error", "claim_attempts"}
    reason = annotations["scoring_error"][1][0]
    assert any(text in reason for text in (scorer.__name__, "limit", "scratch directory"))
    assert challenge.list_files(submission) == {}


@pytest.mark.parametrize("scorer", [*TEMPORARY, *PERMANENT])
def test_failing_validator_makes_no_submission_invalid(score, challenge, scorer):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, validator=scorer, scorer=score_one, on_error="mark", **LIMITS)
    assert result.state == "failed"
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "OPEN"
    assert "scoring_error" in annotations
    assert "auc" not in annotations


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print('0.5')",
        "open('results.json', 'w').write('not json')",
        "open('results.json', 'w').write('[1]')",
        "open('results.json', 'w').write('{\"auc\": NaN}')",
        "open('results.json', 'w').write('{\"auc\": 0.5')",
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 11)",
    ],
)
def test_failing_command_releases_the_submission(score, challenge, script, text):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, scorer=script("score.py", text))
    assert result.state == "failed"
    assert "score.py" in str(result.error)
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({}, "RECEIVED"),
        ({"on_error": "mark"}, "OPEN"),
        ({"error_status": "REJECTED"}, "REJECTED"),
        ({"on_error": "mark", "error_status": "VALIDATED"}, "VALIDATED"),
        ({"error_status": "RECEIVED"}, "RECEIVED"),
        ({"status": "OPEN"}, "OPEN"),
        ({"status": "OPEN", "on_error": "mark"}, "CLOSED"),
    ],
)
def test_status_after_an_error(score, challenge, arguments, status):
    submission = challenge.submit_text(GOOD)
    challenge.update(submission, status=arguments.get("status", "RECEIVED"))
    score(submission, scorer=crash, **arguments)
    assert challenge.get_status(submission)[0]["status"] == status


def test_submission_that_fails_in_each_run_is_marked_for_the_organizers(score, challenge):
    submission = challenge.submit_text(GOOD)
    states = []
    for tries in (2, 2, 1):
        result, _ = score(submission, scorer=crash, max_attempts=2, max_tries=1, tries=tries)
        states.append(challenge.get_status(submission)[0]["status"])
        assert result.state == "failed"
    assert states == ["RECEIVED", "RECEIVED", "OPEN"]
    assert isinstance(result.error, ClaimLimitError)
    annotations = challenge.get_status(submission)[1]
    assert "2 claims have ended" in annotations["claim_error"][1][0]
    challenge.update(submission, status="RECEIVED")
    result, _ = score(submission, scorer=score_one, max_attempts=2)
    assert result.state == "success"
    assert not {"claim_error", "scoring_error"} & challenge.get_status(submission)[1].keys()


def test_claim_is_kept_while_retries_remain(score, challenge):
    submission = challenge.submit_text(GOOD)
    result, run = score(submission, scorer=crash, max_tries=1)
    assert result.state == "up_for_retry"
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "EVALUATION_IN_PROGRESS"
    assert "claim_expires_on" in annotations
    assert run.task("score", max_tries=1).state == "failed"
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_retry_scores_after_a_failure(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    marker = str(tmp_path / "second try")

    def fail_once(predictions):
        from pathlib import Path

        if not Path(marker).exists():
            Path(marker).touch()
            raise ConnectionError("database")
        return {"auc": 0.5}

    result, run = score(submission, scorer=fail_once, tries=2, max_tries=2)
    assert result.state == "success", result.error
    assert run.value("score")["scores"] == {"auc": 0.5}
    annotations = challenge.get_status(submission)[1]
    assert "scoring_error" not in annotations
    assert "claim_expires_on" not in annotations


def test_permanent_error_uses_no_retry(score, challenge):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, scorer=return_nan, max_tries=3)
    assert result.state == "failed"
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_failed_task_scores_after_it_was_cleared(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    values = tmp_path / "values.json"
    values.write_text('{"bad name!": 1}')
    path = str(values)

    def read(predictions):
        import json
        from pathlib import Path

        return json.loads(Path(path).read_text())

    result, run = score(submission, scorer=read, on_error="mark")
    assert result.state == "failed"
    values.write_text(json.dumps({"auc": 0.5}))
    assert run.task("score", max_tries=1).state == "success"
    assert challenge.get_status(submission)[0]["status"] == "SCORED"


def test_withdrawn_submission(score, challenge, alice):
    submission = challenge.submit_text(GOOD)
    alice.restDELETE(f"/evaluation/submission/{submission}")
    result, _ = score(submission, scorer=score_one, max_tries=3)
    assert result.state == "failed"
    assert f"submission {submission} does not exist. It was withdrawn" in str(result.error)


def test_submission_that_is_withdrawn_while_it_is_scored(score, challenge, alice, tmp_path):
    submission = challenge.submit_text(GOOD)
    started, withdrawn = str(tmp_path / "started"), str(tmp_path / "withdrawn")

    def wait(predictions):
        import time
        from pathlib import Path

        Path(started).touch()
        while not Path(withdrawn).exists():
            time.sleep(0.02)
        return {"auc": 0.5}

    def withdraw():
        alice.restDELETE(f"/evaluation/submission/{submission}")
        (tmp_path / "withdrawn").touch()

    with challenge.in_background(started, withdraw):
        result, _ = score(submission, scorer=wait, max_tries=3)
    assert result.state == "failed"
    assert "was withdrawn" in str(result.error)


def test_submission_that_is_withdrawn_is_noticed_by_the_next_renewal(
    score, challenge, alice, tmp_path
):
    submission = challenge.submit_text(GOOD)
    started = str(tmp_path / "started")

    def wait(predictions):
        import time
        from pathlib import Path

        Path(started).touch()
        time.sleep(600)

    with challenge.in_background(
        started, lambda: alice.restDELETE(f"/evaluation/submission/{submission}")
    ):
        result, _ = score(submission, scorer=wait, max_tries=3, lease=4)
    assert result.state == "failed"
    assert "was withdrawn" in str(result.error)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"retry_delay": timedelta(hours=2)}, 7200),
        ({"retry_delay": timedelta(hours=1), "retry_exponential_backoff": 2}, 7200),
        (
            {
                "retry_delay": timedelta(hours=5),
                "retry_exponential_backoff": 2,
                "max_retry_delay": timedelta(hours=3),
            },
            10800,
        ),
    ],
)
def test_claim_lasts_until_the_next_try(score, challenge, arguments, expected):
    submission = challenge.submit_text(GOOD)
    score(submission, scorer=crash, max_tries=1, lease=100, **arguments)
    expires = int(challenge.annotations(submission)["claim_expires_on"]) / 1000
    assert abs(expires - time.time() - expected - 100) < 30


def test_submitted_version_counts(score, challenge, alice):
    entity = challenge.put("predictions.csv", "id,1\na,1\n").split(".")[0]
    submission = challenge.submit_entity(alice.get(entity, downloadFile=False))
    challenge.put("predictions.csv", "id,1\na,1\nb,2\nc,3\n")

    def count(predictions):
        return {"n": len(predictions.read_text().splitlines())}

    _, run = score(submission, scorer=count)
    assert run.value("score")["scores"] == {"n": 2}
    submission = challenge.submit_text("id,1\n")
    alice.delete(challenge.entity_of(submission).split(".")[0])
    result, run = score(submission, scorer=count)
    assert result.state == "success", result.error
    assert run.value("score")["scores"] == {"n": 1}


@pytest.mark.parametrize("submission", ["", "abc", "syn123", {"submission_id": "1"}, None, "{}"])
def test_invalid_submission(score, submission):
    result, _ = score(submission, scorer=score_one, max_tries=3)
    assert result.state == "failed"
    assert "Invalid" in str(result.error)


def test_goldstandard_that_does_not_exist(score, challenge):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, scorer=score_one, goldstandard_id="syn999999999", max_tries=3)
    assert result.state == "failed"
    assert "goldstandard_id='syn999999999'" in str(result.error)
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_missing_parent_of_the_results_is_found_before_scoring(score, challenge, tmp_path):
    submission = challenge.submit_text(GOOD)
    marker = tmp_path / "scored"

    def note(predictions):
        marker.touch()
        return {"auc": 0.5}

    result, _ = score(submission, scorer=note, results_parent_id="syn999999999", max_tries=3)
    assert result.state == "failed"
    assert "syn999999999" in str(result.error)
    assert not marker.exists()
    assert challenge.get_status(submission)[0]["status"] == "RECEIVED"


def test_goldstandard_without_a_file(score, challenge):
    submission = challenge.submit_text(GOOD)
    result, _ = score(submission, scorer=score_one, goldstandard_id=challenge.project)
    assert result.state == "failed"
    assert "Invalid goldstandard_id" in str(result.error)


def test_submission_of_another_status(score, challenge):
    submission = challenge.submit_text(GOOD)
    challenge.update(submission, status="SCORED")
    result, _ = score(submission, scorer=score_one, max_tries=3)
    assert result.state == "failed"
    assert isinstance(result.error, ClaimLostError)
    assert challenge.get_status(submission)[0]["status"] == "SCORED"
    challenge.update(submission, status="EVALUATION_IN_PROGRESS")
    result, _ = score(submission, scorer=score_one, max_tries=3)
    assert result.state == "up_for_retry"
    assert isinstance(result.error, ClaimHeldError)


@pytest.mark.parametrize(
    "arguments",
    [
        {"scorer": 3},
        {"validator": lambda other: [other]},
        {"time_limit": 0},
        {"time_limit": -1},
        {"time_limit": float("nan")},
        {"memory_limit": 0},
        {"memory_limit": "1 GB"},
        {"lease": 0},
        {"on_error": "ignore"},
        {"error_status": "BROKEN"},
        {"error_status": "INVALID"},
        {"error_status": "EVALUATION_IN_PROGRESS"},
        {"error_status": "RECEIVED", "on_error": "mark"},
        {"cancelled_status": "SCORED"},
        {"status": "NEW"},
        {"store": ["logs"]},
        {"store": ["results", "everything"]},
    ],
)
def test_invalid_arguments(arguments):
    required = {
        "submission": "1",
        "scorer": score_one,
        "goldstandard_id": "syn1",
        "results_parent_id": "syn2",
    }
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"Invalid {name}"):
        SynapseScoreSubmissionOperator(task_id="score", **(required | arguments))
