"""Tests of the results that validators and scorers may return."""

import json
import os

import pytest

from synapse_workflows.challenge.score_contract import (
    parse_scores,
    parse_validation,
    read_json,
    to_text_annotation,
    to_validation_results,
)
from synapse_workflows.challenge.scorer_process import ScorerError


@pytest.mark.parametrize("prefix", ["validation", "prediction_file", "submission"])
@pytest.mark.parametrize(
    ("status", "errors", "reasons"),
    [
        ("VALIDATED", "", None),
        ("validated", [], None),
        ("INVALID", "no header", ["no header"]),
        ("INVALID", ["a", " ", "b"], ["a", "b"]),
        ("INVALID", None, ["The submission is invalid"]),
    ],
)
def test_validation_results(prefix, status, errors, reasons):
    results = {f"{prefix}_status": status, f"{prefix}_errors": errors}
    assert parse_validation(results, "validate.py") == reasons


@pytest.mark.parametrize(
    "results",
    [
        {},
        {"validation_status": "SCORED"},
        {"validation_status": None},
        {"validation_status": "VALIDATED", "validation_errors": "no header"},
        {"validation_status": "INVALID", "validation_errors": {"a": 1}},
        {"validation_status": "INVALID", "validation_errors": [1]},
    ],
)
def test_other_validation_results_are_errors(results):
    with pytest.raises(ScorerError, match=r"validate\.py"):
        parse_validation(results, "validate.py")


@pytest.mark.parametrize("returned", [None, True, False, 0, ["a", 1]])
def test_other_values_of_validators_are_errors(returned):
    with pytest.raises(ScorerError, match="validate"):
        to_validation_results(returned, "validate")


def test_values_of_validators():
    assert to_validation_results([], "validate")["validation_status"] == "VALIDATED"
    assert to_validation_results("bad", "validate")["validation_errors"] == ["bad"]


def test_numbers_and_texts_keep_their_type():
    scores = {"auc": 0.5, "n": 3, "method": "x", "folds": [1, 2.5]}
    parsed = parse_scores({"score_status": "SCORED", "score_errors": "", **scores}, "s", None)
    assert parsed == scores
    assert [type(one) for one in parsed.values()] == [float, int, str, list]
    assert all(type(one) is float for one in parsed["folds"])


@pytest.mark.parametrize(
    "scores",
    [
        {"auc": float("nan")},
        {"auc": float("inf")},
        {"auc": 2**63},
        {"auc": 1, "other": None},
        {"auc": 1, "other": {"nested": 1}},
        {"auc": 1, "other": [[1]]},
        {"auc": 1, "other": [float("nan")]},
        {"auc": 1, "other": "x" * 501},
        {"auc": 1, "other": "a\0b"},
        {"auc": 1, "other": ["a", "\ud800"]},
        {"auc": 1, "claim_attempts": 1},
        {"auc": 1, "not allowed!": 1},
        {"auc": 1, "": 1},
        {"auc": 1, "claim_id": "x"},
        {"auc": 1, "results_version": 3},
        {f"auc{number}": 1 for number in range(101)},
        {"auc": 1, "score_status": "INVALID", "score_errors": "no"},
        {"auc": 1, "score_status": "RUNNING"},
        {"auc": "0.5"},
        {"auc": True},
        {},
    ],
)
def test_scores_that_synapse_does_not_store_are_errors(scores):
    with pytest.raises(ScorerError, match=r"score\.py"):
        parse_scores(scores, "score.py", None)


def test_metrics_must_be_numbers():
    assert parse_scores({"auc": 1}, "s", ["auc"]) == {"auc": 1}
    for scores in ({"rmse": 1}, {"rmse": 1, "auc": "1"}, {"rmse": 1, "auc": False}):
        with pytest.raises(ScorerError, match="metric 'auc'"):
            parse_scores(scores, "s", ["auc"])


@pytest.mark.parametrize(
    "text",
    ["", "{", "not json", "[" * 100_000, "\udcff", '{"auc": 1, "auc": 2}', '[{"": 1, "": 1}]'],
)
def test_results_that_are_not_json_are_errors(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ScorerError, match="are not JSON"):
        read_json(path, "score.py")


def test_missing_and_too_large_results_are_errors(tmp_path):
    with pytest.raises(ScorerError, match="wrote no results"):
        read_json(tmp_path / "results.json", "score.py")
    (tmp_path / "large.json").write_text(json.dumps("x" * 17_000_000))
    with pytest.raises(ScorerError, match="the limit is"):
        read_json(tmp_path / "large.json", "score.py")


def test_results_that_are_not_a_regular_file_are_errors(tmp_path):
    (tmp_path / "directory.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("other.json")
    (tmp_path / "broken.json").symlink_to("missing.json")
    for name in ("directory", "pipe", "link", "broken"):
        with pytest.raises(ScorerError, match="wrote no regular file as its results"):
            read_json(tmp_path / f"{name}.json", "score.py")


def test_reasons_are_cleaned_of_what_databases_do_not_store():
    results = {"validation_status": "INVALID", "validation_errors": "a\0b \udc00"}
    assert parse_validation(results, "v") == ["a\ufffdb ?"]


def test_texts_are_cut_to_the_size_of_an_annotation():
    assert to_text_annotation(["a" * 300, "b" * 300, "c"]) == ["a" * 300, "b" * 200]
    assert to_text_annotation(["\U0001f600" * 300]) == ["\U0001f600" * 250]
    assert to_text_annotation(["\u00e4" * 600, "x"]) == ["\u00e4" * 500]
