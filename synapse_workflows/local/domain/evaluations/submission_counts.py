"""Numbers of submissions of individuals, teams and team members in a round.

Submissions whose status is INVALID or REJECTED are not counted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import SubmissionStatusEnum
from synapse_workflows.local.domain.evaluations.submission_rounds import Round
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionStatus,
    TeamContribution,
)

_UNCOUNTED_STATUSES: Final = (
    SubmissionStatusEnum.INVALID.value,
    SubmissionStatusEnum.REJECTED.value,
)


@dataclass(frozen=True)
class SubmissionCount:
    """Number of submissions to which a user contributed.

    Args:
        user_id: Principal ID of the contributor.
        team_id: The submitting team; None for submissions as an individual.
        number: Number of submissions.
        last_id: ID of the last of these submissions.
    """

    user_id: int
    team_id: int | None
    number: int
    last_id: int


def _is_counted(evaluation: Evaluation, period: Round) -> list[ColumnElement[bool]]:
    """Return the SQL conditions that a submission counts in a round of an evaluation."""
    conditions = [
        Submission.evaluation_id == evaluation.id,
        SubmissionStatus.submission_id == Submission.id,
        SubmissionStatus.status.not_in(_UNCOUNTED_STATUSES),
    ]
    if period.start is not None:
        conditions.append(Submission.created_on >= period.start)
    if period.end is not None:
        conditions.append(Submission.created_on < period.end)
    return conditions


def count_individual(session: Session, evaluation: Evaluation, period: Round, user_id: int) -> int:
    """Return the number of submissions of a user as an individual."""
    query = select(func.count(Submission.id)).where(
        Submission.user_id == user_id,
        Submission.team_id.is_(None),
        *_is_counted(evaluation, period),
    )
    return session.scalar(query) or 0


def has_contributed_to_a_team(
    session: Session, evaluation: Evaluation, period: Round, user_id: int
) -> bool:
    """Return whether a user contributed to a submission of a team."""
    query = exists().where(
        TeamContribution.user_id == user_id,
        TeamContribution.submission_id == Submission.id,
        *_is_counted(evaluation, period),
    )
    return bool(session.scalar(select(query)))


def count_of_team(session: Session, evaluation: Evaluation, period: Round, team_id: int) -> int:
    """Return the number of submissions of a team."""
    query = select(func.count(Submission.id)).where(
        Submission.team_id == team_id, *_is_counted(evaluation, period)
    )
    return session.scalar(query) or 0


def list_of_users(
    session: Session, evaluation: Evaluation, period: Round, user_ids: Collection[int]
) -> list[SubmissionCount]:
    """List the numbers of submissions of users, for each user and team.

    The submissions as an individual come first. The order is stable.
    """
    columns = (func.count(Submission.id), func.max(Submission.id))
    individual = select(Submission.user_id, Submission.team_id, *columns).where(
        Submission.user_id.in_(user_ids), Submission.team_id.is_(None)
    )
    of_teams = select(TeamContribution.user_id, Submission.team_id, *columns).where(
        TeamContribution.user_id.in_(user_ids), TeamContribution.submission_id == Submission.id
    )
    counted = _is_counted(evaluation, period)
    queries = (
        individual.group_by(Submission.user_id, Submission.team_id),
        of_teams.group_by(TeamContribution.user_id, Submission.team_id),
    )
    return [
        SubmissionCount(user_id, team_id, number, last_id)
        for query in queries
        for user_id, team_id, number, last_id in sorted(
            session.execute(query.where(*counted)), key=lambda row: (row[0], row[1] or 0)
        )
    ]
