"""Tests of SynapseScoreSubmissionOperator: status, scores, results and provenance."""

import json
from pathlib import Path

import pytest

VALIDATE = """
    import argparse, json
    parser = argparse.ArgumentParser()
    for name in "pgo":
        parser.add_argument(f"-{name}")
    args = parser.parse_args()
    errors = [] if open(args.p).read().startswith("id,") else ["The header is missing"]
    status = "INVALID" if errors else "VALIDATED"
    results = {"validation_status": status, "validation_errors": ";".join(errors)}
    json.dump(results, open(args.o, "w"))
    print(status)
"""
SCORE = """
    import argparse, json
    parser = argparse.ArgumentParser()
    for name in "pgo":
        parser.add_argument(f"-{name}")
    args = parser.parse_args()
    results = json.load(open(args.o))
    lines = open(args.p).read().splitlines()
    right = sum(a == b for a, b in zip(lines, open(args.g).read().splitlines()))
    results |= {"score_status": "SCORED", "score_errors": "", "right": right, "accuracy": 0.5}
    json.dump(results, open(args.o, "w"))
    print("SCORED")
"""


def score_lines(predictions: Path, goldstandard: Path) -> dict:
    right = set(predictions.read_text().splitlines()) & set(goldstandard.read_text().splitlines())
    return {"right": len(right), "accuracy": len(right) / 4, "method": "lines"}


def require_header(predictions: Path) -> list:
    return [] if predictions.read_text().startswith("id,") else ["The header is missing"]


def test_function_scores_a_submission(score, challenge, sources_of):
    submission = challenge.submit("id,1\na,1\nb,2\n")
    result, run = score(submission, scorer=score_lines, validator=require_header)
    assert result.state == "success", result.error
    value = run.value("score")
    assert value["status"] == "SCORED"
    assert value["scores"] == {"right": 3, "accuracy": 0.75, "method": "lines"}
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "SCORED"
    assert annotations["right"] == ("LONG", ["3"])
    assert annotations["accuracy"] == ("DOUBLE", ["0.75"])
    assert annotations["method"] == ("STRING", ["lines"])
    assert annotations["results_id"] == ("STRING", [value["results_id"]])
    assert annotations["results_version"] == ("LONG", ["1"])
    used, executed = sources_of(value["results_id"])
    assert sorted(used) == sorted([challenge.entity_of(submission), challenge.goldstandard])
    assert any("test_scores.py" in one for one in executed)


def test_command_scores_a_submission(score, challenge, script, sources_of):
    submission = challenge.submit("id,1\na,1\n")
    result, run = score(
        submission,
        validator=["python", script("validate.py", VALIDATE)],
        scorer=script("score.py", SCORE),
    )
    assert result.state == "success", result.error
    value = run.value("score")
    assert value["scores"] == {"right": 2, "accuracy": 0.5}
    stored = challenge.read(value["results_id"])
    assert json.loads(stored)["score_status"] == "SCORED"
    _, executed = sources_of(value["results_id"])
    assert sum("score.py#sha256=" in one or "validate.py#sha256=" in one for one in executed) == 2


@pytest.mark.parametrize("form", ["function", "command"])
def test_validator_makes_a_submission_invalid(score, challenge, script, form):
    submission = challenge.submit("nonsense")
    validator = require_header if form == "function" else script("validate.py", VALIDATE)
    result, run = score(submission, scorer=score_lines, validator=validator)
    assert result.state == "success", result.error
    value = run.value("score")
    assert (value["status"], value["scores"]) == ("INVALID", {})
    assert value["errors"] == ["The header is missing"]
    status, annotations = challenge.get_status(submission)
    assert status["status"] == "INVALID"
    assert annotations["validation_errors"] == ("STRING", ["The header is missing"])
    assert "INVALID" in challenge.read(value["results_id"])
