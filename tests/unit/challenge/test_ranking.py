"""Tests of the ranking of scored submissions."""

import math
from itertools import count

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.challenge.ranking import (
    ScoredSubmission,
    UnrankedSubmission,
    parse_rank_by,
    rank_submissions,
)

AUC = {"auc": "descending"}


def submission(number, participant=None, day=1, **values):
    """A submission; each is of another participant, unless the participant is given."""
    return ScoredSubmission(
        str(number), participant or str(number), f"2026-01-{day:02}T00:00:00.000Z", values
    )


def ranks(ranking):
    return [(one.rank, one.submission.submission_id) for one in ranking.ranked]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("descending", [(1, "2"), (2, "3"), (3, "1")]),
        ("ascending", [(1, "1"), (2, "3"), (3, "2")]),
    ],
)
def test_direction_of_a_score(direction, expected):
    submissions = [submission(1, x=[0.1]), submission(2, x=0.9), submission(3, x=[0.5])]
    assert ranks(rank_submissions(submissions, {"x": direction})) == expected


def test_equal_scores_share_a_rank_and_the_next_is_skipped():
    scores = [0.5, 0.9, 0.5, 0.1, 0.9]
    submissions = [submission(n, day=9 - n, auc=one) for n, one in enumerate(scores, 1)]
    assert ranks(rank_submissions(submissions, AUC)) == [
        (1, "5"), (1, "2"), (3, "3"), (3, "1"), (5, "4"),
    ]  # fmt: skip


def test_next_score_decides_between_equal_first_scores():
    submissions = [
        submission(1, auc=0.9, loss=3),
        submission(2, auc=0.9, loss=1),
        submission(3, auc=0.8, loss=0),
        submission(4, auc=0.9, loss=1.0),
    ]
    rank_by = {"auc": "descending", "loss": "ascending"}
    assert ranks(rank_submissions(submissions, rank_by)) == [
        (1, "2"), (1, "4"), (3, "1"), (4, "3"),
    ]  # fmt: skip


def test_best_submission_of_each_participant_is_ranked():
    submissions = [
        submission(1, "red", auc=0.5),
        submission(2, "blue", auc=0.7),
        submission(3, "red", auc=0.9),
        submission(4, "red", day=2, auc=0.9),
        submission(5, "blue", auc=math.nan),
    ]
    ranking = rank_submissions(submissions, AUC)
    assert ranks(ranking) == [(1, "3"), (2, "2")]
    assert ranking.superseded == 2
    assert [one.submission_id for one in ranking.unranked] == ["5"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "'auc' is missing"),
        ({"auc": None}, "'auc' is missing"),
        ({"auc": []}, "'auc' is missing"),
        ({"auc": [0.1, 0.2]}, "'auc' has 2 values"),
        ({"auc": math.nan}, "'auc' is not finite: nan"),
        ({"auc": [math.inf]}, "'auc' is not finite: inf"),
        ({"auc": -math.inf}, "'auc' is not finite: -inf"),
        ({"auc": "0.5"}, "'auc' is not a number: '0.5' (str)"),
        ({"auc": True}, "'auc' is not a number: True (bool)"),
        ({"AUC": 0.5}, "'auc' is missing"),
    ],
)
def test_submission_without_a_score_is_listed(values, reason):
    ranking = rank_submissions([submission(1, **values), submission(2, auc=0.5)], AUC)
    assert ranks(ranking) == [(1, "2")]
    assert ranking.unranked == [UnrankedSubmission("1", reason)]


def test_all_reasons_are_listed():
    rank_by = {"auc": "descending", "loss": "ascending"}
    ranking = rank_submissions([submission(1, auc="x")], rank_by)
    assert ranking.unranked[0].reason == ("'auc' is not a number: 'x' (str); 'loss' is missing")


def test_huge_and_tiny_scores_are_ranked():
    scores = [1e308, -1e308, 2**63 - 1, 5e-324, 0]
    submissions = [submission(n, auc=one) for n, one in enumerate(scores)]
    assert [int(name) for _, name in ranks(rank_submissions(submissions, AUC))] == [0, 2, 3, 4, 1]


def test_no_submissions():
    ranking = rank_submissions([], AUC)
    assert (ranking.ranked, ranking.unranked, ranking.superseded) == ([], [], 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "expected a dictionary"),
        ({}, "expected a dictionary"),
        ("auc", "expected a dictionary"),
        (["auc"], "expected a dictionary"),
        ({"auc": "desc"}, "Invalid direction 'desc' of the score 'auc'"),
        ({"auc": None}, "Invalid direction None of the score 'auc'"),
        ({"": "ascending"}, "'' is not the name of a score"),
        ({1: "ascending"}, "1 is not the name of a score"),
    ],
)
def test_invalid_rank_by_is_rejected(value, message):
    with pytest.raises(ValueError, match=message):
        parse_rank_by(value)


NUMBERS = st.one_of(st.integers(-5, 5), st.floats(allow_nan=True, allow_infinity=True))


@given(st.lists(st.tuples(st.sampled_from("abcd"), NUMBERS, NUMBERS)))
def test_ranking_is_complete_and_ordered(items):
    numbers = count(1)
    submissions = [submission(next(numbers), who, auc=x, loss=y) for who, x, y in items]
    ranking = rank_submissions(submissions, {"auc": "descending", "loss": "ascending"})
    placed = len(ranking.ranked) + len(ranking.unranked) + ranking.superseded
    assert placed == len(submissions)
    participants = [one.submission.participant for one in ranking.ranked]
    assert len(set(participants)) == len(participants)
    keys = [(-one.scores[0], one.scores[1]) for one in ranking.ranked]
    assert keys == sorted(keys)
    for place, one in enumerate(ranking.ranked, 1):
        assert one.rank == 1 + sum(key < keys[place - 1] for key in keys)
