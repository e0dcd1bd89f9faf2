"""When an evaluation takes submissions, and how many of one submitter: its quota.

A quota says when the first round begins, how long each lasts, how many there are, and how many
submissions a submitter has in each. Each part is optional: without a start there is one round that
always was; without a duration the first round never ends; without a number there is always a next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import SubmissionStatusEnum
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    EvaluationRound,
    Submission,
    SubmissionStatus,
)

#: Submissions that stand so do not count against a limit.
UNCOUNTED_STATUSES: Final = (
    SubmissionStatusEnum.INVALID.value,
    SubmissionStatusEnum.REJECTED.value,
)
_MAX_TIME: Final = 2**63 - 1


@dataclass(frozen=True)
class Round:
    """A span of time, in milliseconds since the epoch: from `start` to before `end`."""

    start: int | None
    end: int | None


def parse_quota(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the SubmissionQuota of an evaluation, and write it as it is kept.

    Raises:
        BadRequest: a part is ill-typed, or not above zero.
    """
    given = request_fields.get_object(body, "quota")
    if given is None:
        return None
    start = request_fields.get_date(given, "firstRoundStart")
    quota = {
        "firstRoundStart": None if start is None else to_iso(start),
        "roundDurationMillis": _parse_positive(given, "roundDurationMillis"),
        "numberOfRounds": _parse_positive(given, "numberOfRounds"),
        "submissionLimit": _parse_positive(given, "submissionLimit"),
    }
    return {key: value for key, value in quota.items() if value is not None}


def _parse_positive(body: Mapping[str, Any], key: str) -> int | None:
    value = request_fields.get_integer(body, key)
    if value is not None and value < 1:
        raise BadRequest(f"quota: {key} must be 1 or more; it is {value}.")
    return value


def _get_quota(evaluation: Evaluation) -> Mapping[str, Any]:
    return evaluation.properties.get("quota") or {}


def get_current_round(evaluation: Evaluation, now: int) -> Round | None:
    """Give the round that is on; None outside of all."""
    quota = _get_quota(evaluation)
    start, duration = (
        request_fields.get_date(quota, "firstRoundStart"),
        quota.get("roundDurationMillis"),
    )
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
    """Tell whether the evaluation has rounds and is in one of them."""
    found = get_current_round(evaluation, now)
    return found is not None and found.start is not None


def check_limits(session: Session, caller: Caller, evaluation: Evaluation) -> int | None:
    """Check that an individual may submit now.

    Returns:
        Id of the round that the submission belongs to; None when the evaluation has no rounds.

    Raises:
        Forbidden: it is outside of all rounds, or the limit is reached.
    """
    found = get_current_round(evaluation, caller.now)
    if found is None:
        raise Forbidden("It is currently outside of the time range allowed for submissions.")
    limit = _get_quota(evaluation).get("submissionLimit")
    if limit is not None and _count_submissions(session, caller, evaluation, found) >= limit:
        raise Forbidden(f"Submitter has reached the limit of {limit} submissions in this round.")
    return None if found.start is None else _get_or_create_round_id(session, evaluation, found)


def _count_submissions(
    session: Session, caller: Caller, evaluation: Evaluation, within: Round
) -> int:
    """Count what the caller submitted alone within a round."""
    counted = (
        select(func.count())
        .select_from(Submission)
        .join(SubmissionStatus, SubmissionStatus.submission_id == Submission.id)
        .where(
            Submission.evaluation_id == evaluation.id,
            Submission.user_id == caller.id,
            Submission.team_id.is_(None),
            SubmissionStatus.status.not_in(UNCOUNTED_STATUSES),
        )
    )
    if within.start is not None:
        counted = counted.where(Submission.created_on >= within.start)
    if within.end is not None:
        counted = counted.where(Submission.created_on < within.end)
    return session.scalar(counted) or 0


def _get_or_create_round_id(session: Session, evaluation: Evaluation, of: Round) -> int:
    """Give the id of a round; it gets one with its first submission."""
    known = select(EvaluationRound.id).where(
        EvaluationRound.evaluation_id == evaluation.id,
        EvaluationRound.start == of.start,
        EvaluationRound.end.is_(None) if of.end is None else EvaluationRound.end == of.end,
    )
    found = session.scalar(known)
    if found is not None:
        return found
    number = next_id(session, "evaluation_round")
    session.add(
        EvaluationRound(id=number, evaluation_id=evaluation.id, start=of.start, end=of.end)
    )
    session.flush()
    return number
