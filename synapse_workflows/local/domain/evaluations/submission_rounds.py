"""Submission rounds: the periods in which an evaluation accepts submissions, and its limits.

The quota of an evaluation sets the start of the first round, the duration and number of the
rounds, and the limit of submissions per submitter and round. Each part is optional. Without a
start, there is a single round without start and end. Without a duration, the first round has no
end. Without a number, the number of rounds is unlimited.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    EvaluationRound,
)

OUTSIDE_OF_ROUNDS: Final = "It is currently outside of the time range allowed for submissions."
_MAX_TIME: Final = 2**63 - 1


@dataclass(frozen=True)
class Round:
    """A round in milliseconds since the epoch. `end` is exclusive; None means unlimited."""

    start: int | None
    end: int | None


def parse_quota(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse and normalize the SubmissionQuota of an evaluation.

    Raises:
        BadRequest: A property has the wrong type or is not positive.
    """
    body = request_fields.get_object(evaluation, "quota")
    if body is None:
        return None
    start = request_fields.get_date(body, "firstRoundStart")
    quota = {
        "firstRoundStart": None if start is None else to_iso(start),
        "roundDurationMillis": _parse_positive(body, "roundDurationMillis"),
        "numberOfRounds": _parse_positive(body, "numberOfRounds"),
        "submissionLimit": _parse_positive(body, "submissionLimit"),
    }
    return {key: value for key, value in quota.items() if value is not None}


def _parse_positive(body: Mapping[str, Any], key: str) -> int | None:
    value = request_fields.get_integer(body, key)
    if value is not None and value < 1:
        raise BadRequest(f"Invalid quota.{key} {value}: expected 1 or more.")
    return value


def _get_quota(evaluation: Evaluation) -> Mapping[str, Any]:
    return evaluation.properties.get("quota") or {}


def get_current_round(evaluation: Evaluation, now: int) -> Round | None:
    """Return the current round; None if there is none."""
    quota = _get_quota(evaluation)
    start = request_fields.get_date(quota, "firstRoundStart")
    duration = quota.get("roundDurationMillis")
    if start is None:
        return Round(None, None)
    if now < start:
        return None
    if duration is None:
        return Round(start, None)
    number = (now - start) // duration
    if number >= quota.get("numberOfRounds", number + 1):
        return None
    begin = start + number * duration
    return Round(begin, min(begin + duration, _MAX_TIME))


def is_active(evaluation: Evaluation, now: int) -> bool:
    """Return whether the evaluation has rounds and is in one of them."""
    current = get_current_round(evaluation, now)
    return current is not None and current.start is not None


def require_current_round(evaluation: Evaluation, now: int) -> Round:
    """Return the current round.

    Raises:
        Forbidden: There is no current round.
    """
    current = get_current_round(evaluation, now)
    if current is None:
        raise Forbidden(OUTSIDE_OF_ROUNDS)
    return current


def get_submission_limit(evaluation: Evaluation) -> int | None:
    """Return the limit of submissions per submitter and round; None if there is no limit."""
    limit: int | None = _get_quota(evaluation).get("submissionLimit")
    return limit


def get_or_create_round_id(session: Session, evaluation: Evaluation, period: Round) -> int | None:
    """Return the ID of a round. The first submission in a round creates the ID.

    Returns:
        None if the evaluation has no rounds.
    """
    if period.start is None:
        return None
    query = select(EvaluationRound.id).where(
        EvaluationRound.evaluation_id == evaluation.id,
        EvaluationRound.start == period.start,
        EvaluationRound.end.is_(None) if period.end is None else EvaluationRound.end == period.end,
    )
    round_id = session.scalar(query)
    if round_id is not None:
        return round_id
    number = next_id(session, "evaluation_round")
    session.add(
        EvaluationRound(id=number, evaluation_id=evaluation.id, start=period.start, end=period.end)
    )
    session.flush()
    return number
