"""Ranking of scored submissions by one or several scores."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

#: Order of a score on the leaderboard: with `descending`, the largest value has rank 1.
RankDirection = Literal["ascending", "descending"]

Number = int | float


@dataclass(frozen=True)
class ScoredSubmission:
    """A submission with its scores.

    Args:
        submission_id: ID of the submission.
        participant: Who is ranked: of each participant, only the best submission is ranked.
        submitted_on: Time of the submission, as ISO 8601 text in UTC.
        values: Values of the annotations by name.
    """

    submission_id: str
    participant: str
    submitted_on: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class RankedSubmission:
    """A place on the leaderboard.

    Args:
        rank: 1 for the best; equal for submissions with equal scores.
        submission: The submission.
        scores: The scores by which it is ranked, in the order of the ranking.
    """

    rank: int
    submission: ScoredSubmission
    scores: tuple[Number, ...]


@dataclass(frozen=True)
class UnrankedSubmission:
    """A submission that cannot be ranked.

    Args:
        submission_id: ID of the submission.
        reason: Which score is missing or is not a finite number.
    """

    submission_id: str
    reason: str


@dataclass(frozen=True)
class Ranking:
    """Result of `rank_submissions`.

    Args:
        ranked: The best submission of each participant, best first.
        unranked: The submissions without valid scores.
        superseded: Number of submissions that are worse than another one of the participant.
    """

    ranked: Sequence[RankedSubmission]
    unranked: Sequence[UnrankedSubmission]
    superseded: int


def parse_rank_by(value: Any) -> dict[str, RankDirection]:
    """Check the names and the directions of the scores.

    Args:
        value: Direction by name of the score, the most important score first.

    Raises:
        ValueError: The value is not such a dictionary.
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            f"Invalid rank_by {value!r:.100}: expected a dictionary with the direction of each "
            "score, for example {'auc': 'descending', 'loss': 'ascending'}"
        )
    choices = get_args(RankDirection)
    for name, direction in value.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(
                f"Invalid rank_by {value!r:.100}: {name!r} is not the name of a score"
            )
        if direction not in choices:
            raise ValueError(
                f"Invalid direction {direction!r} of the score {name!r} in rank_by: expected one "
                f"of {', '.join(choices)}"
            )
    return dict(value)


def rank_submissions(
    submissions: Iterable[ScoredSubmission], rank_by: Mapping[str, RankDirection]
) -> Ranking:
    """Rank the best submission of each participant.

    Submissions are compared by the first score, and if it is equal, by the next one. Submissions
    with equal scores share a rank, and the next rank is skipped: 1, 1, 3. Among equal submissions
    of a participant, the earliest one is ranked; equal ranks are in the order of submission.

    Args:
        submissions: The scored submissions, in any order.
        rank_by: Direction by name of the score, the most important score first.
    """
    candidates: list[tuple[tuple[Number, ...], ScoredSubmission]] = []
    unranked: list[UnrankedSubmission] = []
    for submission in submissions:
        scores = {name: _parse_score(name, submission.values.get(name)) for name in rank_by}
        reasons = [one for one in scores.values() if isinstance(one, str)]
        if reasons:
            unranked.append(UnrankedSubmission(submission.submission_id, "; ".join(reasons)))
        else:
            numbers = tuple(one for one in scores.values() if not isinstance(one, str))
            candidates.append((numbers, submission))
    signs = [_SIGNS[direction] for direction in rank_by.values()]
    candidates.sort(key=lambda one: (_sort_key(one[0], signs), _submission_order(one[1])))
    best: dict[str, tuple[tuple[Number, ...], ScoredSubmission]] = {}
    for candidate in candidates:
        best.setdefault(candidate[1].participant, candidate)
    return Ranking(_assign_ranks(list(best.values())), unranked, len(candidates) - len(best))


_SIGNS: Final[Mapping[str, int]] = {"ascending": 1, "descending": -1}


def _sort_key(scores: tuple[Number, ...], signs: Sequence[int]) -> tuple[Number, ...]:
    return tuple(sign * score for sign, score in zip(signs, scores, strict=True))


def _submission_order(submission: ScoredSubmission) -> tuple[str, int, str]:
    text = submission.submission_id
    return submission.submitted_on, int(text) if text.isdecimal() else 0, text


def _assign_ranks(
    ordered: Sequence[tuple[tuple[Number, ...], ScoredSubmission]],
) -> list[RankedSubmission]:
    ranked: list[RankedSubmission] = []
    for place, (scores, submission) in enumerate(ordered, start=1):
        is_tie = bool(ranked) and ranked[-1].scores == scores
        ranked.append(RankedSubmission(ranked[-1].rank if is_tie else place, submission, scores))
    return ranked


def _parse_score(name: str, value: Any) -> Number | str:
    """Return a score; the reason as text if the value is not one finite number."""
    items = list(value) if isinstance(value, list | tuple) else [value]
    if items in ([], [None]):
        return f"{name!r} is missing"
    if len(items) > 1:
        return f"{name!r} has {len(items)} values"
    score = items[0]
    if isinstance(score, bool) or not isinstance(score, int | float):
        return f"{name!r} is not a number: {score!r:.50} ({type(score).__name__})"
    return score if math.isfinite(score) else f"{name!r} is not finite: {score}"
