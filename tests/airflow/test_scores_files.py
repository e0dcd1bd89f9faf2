"""Tests of what a scoring task stores: files, logs without secrets, number of annotations.

The processes of the scorers import this module: it does not import Airflow itself.
"""

import json
import os
import sys
from pathlib import Path

import pytest

GOOD = "id,1\n"


def return_two(predictions):
    return {"auc": 0.5, "f1": 0.5}


@pytest.mark.parametrize(("others", "state"), [(94, "success"), (95, "failed")])
def test_number_of_annotations_is_checked_before_results_are_stored(
    score, challenge, others, state
):
    submission = challenge.submit_text(GOOD)
    challenge.annotate(submission, **{f"a{n}": ("STRING", "x") for n in range(others)})
    result, _ = score(submission, scorer=return_two, max_tries=2)
    assert result.state == state, result.error
    annotations = challenge.get_status(submission)[1]
    if state == "failed":
        assert "would have 101 annotations, 2 of them scores" in str(result.error)
        assert "scoring_error" in annotations
        assert challenge.list_files(submission) == {}
    else:
        assert len(annotations) == 100


def test_files_of_a_scorer_do_not_replace_those_of_the_task(score, challenge, tmp_path):
    submission, outside = challenge.submit_text(GOOD), tmp_path / "outside"

    def block(predictions):
        os.mkfifo("results.json")
        Path("log.txt").mkdir()
        return {"auc": 0.5}

    def link(predictions):
        Path("results.json").symlink_to(outside)
        return {"auc": 0.5}

    for number, scorer in enumerate((block, link)):
        submission = challenge.submit_text(f"{GOOD}{number}")
        result, run = score(submission, scorer=scorer)
        assert result.state == "success", result.error
        assert json.loads(challenge.read(run.value("score")["results_id"])) == {"auc": 0.5}
    assert not outside.exists()


def test_masked_values_in_the_output_of_a_scorer_are_not_stored(score, challenge, alice):
    from airflow.sdk.log import mask_secret

    secret = "a masked value of this test"
    mask_secret(secret)
    submission = challenge.submit_text(GOOD)

    def show(predictions):
        sys.stdout.write(os.environ["DATABASE"])
        raise SystemExit(os.environ["DATABASE"])

    result, _ = score(submission, scorer=show, env={"DATABASE": secret})
    assert result.state == "failed"
    assert secret not in str(challenge.get_status(submission)[1])

    def print_only(predictions):
        sys.stdout.write(os.environ["DATABASE"])
        return {"auc": 0.5}

    result, _ = score(submission, scorer=print_only, env={"DATABASE": secret})
    assert result.state == "success", result.error
    folder = alice.findEntityId(submission, challenge.project)
    log = challenge.read(alice.findEntityId("log.txt", folder))
    assert secret not in log
    assert "***" in log
