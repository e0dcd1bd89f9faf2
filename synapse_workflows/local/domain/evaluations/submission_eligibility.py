"""Eligibility of individuals, teams and team members to submit in a round.

The service has no challenges. The REST API omits `isRegistered` for evaluations outside of
challenges, so it is always missing here, and every user counts as registered.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain.evaluations import (
    access,
    submission_counts,
    submission_rounds,
)
from synapse_workflows.local.domain.evaluations.submission_rounds import Round
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import membership
from synapse_workflows.local.domain.teams.access import get_team
from synapse_workflows.local.errors import BadRequest, Forbidden
from synapse_workflows.local.storage.evaluation_models import Evaluation

#: Number of bytes of an eligibility hash: every JSON parser reads a number of 48 bits exactly.
_HASH_BYTES: Final = 6


def check_individual(
    session: Session, caller: Caller, evaluation: Evaluation, period: Round
) -> None:
    """Check that the caller may submit as an individual in a round.

    Raises:
        Forbidden: The submission limit is reached, or the caller contributed to a submission of a
            team.
    """
    counted = (session, evaluation, period, caller.id)
    limit = submission_rounds.get_submission_limit(evaluation)
    if limit is not None and submission_counts.count_individual(*counted) >= limit:
        raise Forbidden(f"Submitter has reached the limit of {limit} submissions in this round.")
    if submission_counts.has_contributed_to_a_team(*counted):
        raise Forbidden(
            "Submitter may not submit as an individual when having submitted as part of a Team in "
            "this round."
        )


def get_team_eligibility(
    session: Session, caller: Caller, evaluation_id: int, team_id: int
) -> dict[str, Any]:
    """Return the eligibility of a team and its members in the current round.

    Returns:
        A TeamSubmissionEligibility. A member is eligible if the limit is not reached and the
        member did not submit as an individual or with another team.

    Raises:
        BadRequest: There is no current round.
        Forbidden: The caller lacks SUBMIT or is not a member of the team.
        NotFound: No such evaluation or team.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.SUBMIT)
    get_team(session, team_id)
    if team_id not in caller.groups:
        raise Forbidden(f"User {caller.id} is not a member of the team {team_id}.")
    period = submission_rounds.get_current_round(evaluation, caller.now)
    if period is None:
        raise BadRequest(submission_rounds.OUTSIDE_OF_ROUNDS)
    return _build_eligibility(session, evaluation, period, team_id)


def _build_eligibility(
    session: Session, evaluation: Evaluation, period: Round, team_id: int
) -> dict[str, Any]:
    """Return the TeamSubmissionEligibility of a team in a round.

    The hash covers the members, the limit, the round, and the submissions of the team and of
    its members.
    """
    limit = submission_rounds.get_submission_limit(evaluation)
    user_ids = sorted(membership.list_member_ids(session, team_id))
    counts = submission_counts.list_of_users(session, evaluation, period, user_ids)
    totals: Counter[int] = Counter()
    for each in counts:
        totals[each.user_id] += each.number
    conflicting = {each.user_id for each in counts if each.team_id != team_id}
    team_count = submission_counts.count_of_team(session, evaluation, period, team_id)

    def is_filled(number: int) -> bool:
        return limit is not None and number >= limit

    eligibility = {
        "teamId": str(team_id),
        "evaluationId": str(evaluation.id),
        "teamEligibility": {
            "isEligible": not is_filled(team_count),
            "isQuotaFilled": is_filled(team_count),
        },
        "membersEligibility": [
            {
                "principalId": user_id,
                "isEligible": not is_filled(totals[user_id]) and user_id not in conflicting,
                "isQuotaFilled": is_filled(totals[user_id]),
                "hasConflictingSubmission": user_id in conflicting,
            }
            for user_id in user_ids
        ],
    }
    state = [eligibility, team_count, [vars(each) for each in counts], vars(period), limit]
    return {**eligibility, "eligibilityStateHash": _hash(state)}


def _hash(state: Any) -> int:
    """Return a positive hash of a JSON value. Clients treat 0 as a missing hash."""
    digest = hashlib.sha256(json.dumps(state).encode()).digest()
    return int.from_bytes(digest[:_HASH_BYTES]) + 1


def check_team(
    session: Session,
    evaluation: Evaluation,
    period: Round,
    team_id: int,
    contributors: Collection[int],
    eligibility_hash: int,
) -> None:
    """Check that a team and all contributors to its submission are eligible in a round.

    Args:
        session: Database session.
        evaluation: The evaluation.
        period: The round.
        team_id: Principal ID of the team.
        contributors: Principal IDs of the contributors, including the submitter.
        eligibility_hash: Hash of the eligibility when the submitter last read it.

    Raises:
        Forbidden: The eligibility has changed, or the team or a contributor is not eligible.
        NotFound: No such team.
    """
    get_team(session, team_id)
    eligibility = _build_eligibility(session, evaluation, period, team_id)
    if eligibility["eligibilityStateHash"] != eligibility_hash:
        raise Forbidden("Submissions or Team composition have changed.  Please try again.")
    if not eligibility["teamEligibility"]["isEligible"]:
        raise Forbidden(
            f"The team {team_id} has reached the limit of "
            f"{submission_rounds.get_submission_limit(evaluation)} submissions in this round."
        )
    members = {each["principalId"]: each for each in eligibility["membersEligibility"]}
    for user_id in contributors:
        _check_contributor(team_id, user_id, members.get(user_id))


def _check_contributor(team_id: int, user_id: int, member: dict[str, Any] | None) -> None:
    if member is None:
        raise Forbidden(f"Contributor {user_id} is not a member of the team {team_id}.")
    if member["hasConflictingSubmission"]:
        raise Forbidden(
            f"Contributor {user_id} has submitted as an individual or with another team in this "
            "round."
        )
    if not member["isEligible"]:
        raise Forbidden(f"Contributor {user_id} has reached the submission limit of this round.")
