"""Creation of submissions: validation of the request and a copy of the submitted entity."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import DOCKER_REPOSITORY, AccessType
from synapse_workflows.local.domain import (
    access as entity_access,
    bundles,
    docker_commits,
    ids,
    request_fields,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.evaluations import (
    access,
    submission_eligibility,
    submission_rounds,
    submission_status,
    submissions,
)
from synapse_workflows.local.domain.evaluations.submission_rounds import Round
from synapse_workflows.local.domain.ids import format_entity_id, next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionFileHandle,
    TeamContribution,
)
from synapse_workflows.local.storage.models import Entity

MAX_NAME_LENGTH: Final = 256
MAX_ALIAS_LENGTH: Final = 500
#: Parts of the EntityBundle in a submission.
_BUNDLE_PARTS: Final = {
    "includeEntity": True,
    "includeAnnotations": True,
    "includeFileHandles": True,
}


@dataclass(frozen=True)
class _SubmittingTeam:
    """The team of a submission.

    Args:
        id: Principal ID of the team.
        eligibility_hash: Hash of the eligibility of the team when the submitter last read it.
    """

    id: int
    eligibility_hash: int


@dataclass(frozen=True)
class _SubmissionRequest:
    """A parsed Submission.

    Args:
        evaluation_id: ID of the evaluation.
        entity_id: ID of the submitted entity.
        version_number: Version of the entity.
        name: Title; None to use the name of the entity.
        alias: Name of the submitter to display.
        contributors: Principal IDs without duplicates, including the submitter.
        team: The submitting team; None for an individual.
        docker_digest: Digest of the image; only for Docker repositories.
    """

    evaluation_id: int
    entity_id: int
    version_number: int
    name: str | None
    alias: str | None
    contributors: tuple[int, ...]
    team: _SubmittingTeam | None
    docker_digest: str | None


def _parse_request(
    caller: Caller, body: Mapping[str, Any], eligibility_hash: str | None
) -> _SubmissionRequest:
    """Parse a Submission.

    Raises:
        BadRequest: A property is missing, invalid or read-only, or the properties fit neither
            an individual nor a team submission.
    """
    if request_fields.get_text(body, "evaluationRoundId"):
        raise BadRequest("evaluationRoundId is set by the service: omit it from the request.")
    number = request_fields.get_integer(body, "versionNumber")
    if number is None:
        raise BadRequest("versionNumber is required.")
    contributors = _parse_contributors(caller, body)
    return _SubmissionRequest(
        evaluation_id=ids.parse_id(
            request_fields.get_required_text(body, "evaluationId"), "evaluationId"
        ),
        entity_id=ids.parse_entity_id(request_fields.get_required_text(body, "entityId")),
        version_number=number,
        name=request_fields.get_text(body, "name", limit=MAX_NAME_LENGTH),
        alias=request_fields.get_text(body, "submitterAlias", limit=MAX_ALIAS_LENGTH),
        contributors=contributors,
        team=_parse_team(caller, body, contributors, eligibility_hash),
        docker_digest=request_fields.get_text(body, "dockerDigest"),
    )


def _parse_contributors(caller: Caller, body: Mapping[str, Any]) -> tuple[int, ...]:
    principal_ids = []
    for each in request_fields.get_list(body, "contributors") or []:
        if not isinstance(each, dict):
            raise BadRequest("contributors must be an array of objects.")
        text = request_fields.get_required_text(each, "principalId")
        principal_ids.append(ids.parse_id(text, "principalId"))
    return tuple(dict.fromkeys([*principal_ids, caller.id]))


def _parse_team(
    caller: Caller,
    body: Mapping[str, Any],
    contributors: tuple[int, ...],
    eligibility_hash: str | None,
) -> _SubmittingTeam | None:
    """Parse the team of a submission; None for the submission of an individual.

    Raises:
        BadRequest: The properties fit neither an individual nor a team submission.
    """
    team = request_fields.get_text(body, "teamId")
    if team and eligibility_hash:
        query = {"submissionEligibilityHash": eligibility_hash}
        number = request_fields.get_integer(query, "submissionEligibilityHash")
        return _SubmittingTeam(ids.parse_id(team, "teamId"), number or 0)
    if team or eligibility_hash or contributors != (caller.id,):
        raise BadRequest("Submission is neither a valid Team or Individual Submission.")
    return None


def create(
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    etag: str,
    eligibility_hash: str | None = None,
) -> dict[str, Any]:
    """Submit a version of an entity. The submission holds a copy of that version.

    Args:
        session: Database session.
        caller: The submitter. Needs SUBMIT on the evaluation and READ on the entity. The
            submission includes only those files for which the caller has DOWNLOAD.
        body: The Submission.
        etag: The etag of the entity when the caller last read it.
        eligibility_hash: Hash of the eligibility of the team; only for submissions of teams.

    Returns:
        The Submission; its status is RECEIVED.

    Raises:
        BadRequest: The body is invalid, or the entity has changed.
        Forbidden: A right is missing, there is no current round, or the submitter is not
            eligible.
        NotFound: No such evaluation, entity, version or team.
    """
    request = _parse_request(caller, body, eligibility_hash)
    evaluation = access.require(session, caller, request.evaluation_id, AccessType.SUBMIT)
    entity = entity_access.require(session, caller, request.entity_id, AccessType.READ)
    if entity.etag != etag:
        raise BadRequest(
            "The supplied eTag is out of date. Please fetch Entity "
            f"{format_entity_id(entity.id)} again."
        )
    if entity.concrete_type == DOCKER_REPOSITORY:
        docker_commits.check_digest(session, entity, request.docker_digest)
    bundle = bundles.build(session, caller, entity, _BUNDLE_PARTS, request.version_number)
    submission = _add_submission(session, caller, evaluation, entity, request, bundle)
    submission_status.create(session, submission)
    return submissions.serialize(submission)


def _add_submission(
    session: Session,
    caller: Caller,
    evaluation: Evaluation,
    entity: Entity,
    request: _SubmissionRequest,
    bundle: dict[str, Any],
) -> Submission:
    now = to_iso(caller.now)
    period = _check_eligible(session, caller, evaluation, request)
    is_docker = entity.concrete_type == DOCKER_REPOSITORY
    submission = Submission(
        id=next_id(session, "submission"),
        evaluation_id=evaluation.id,
        user_id=caller.id,
        team_id=None if request.team is None else request.team.id,
        entity_id=entity.id,
        version_number=request.version_number,
        name=request.name or entity.name,
        submitter_alias=request.alias,
        created_on=caller.now,
        contributors=[
            {"principalId": str(each), "createdOn": now} for each in request.contributors
        ],
        docker_repository_name=bundle["entity"]["repositoryName"] if is_docker else None,
        docker_digest=request.docker_digest if is_docker else None,
        round_id=submission_rounds.get_or_create_round_id(session, evaluation, period),
        entity_bundle=json.dumps(request_fields.drop_nulls(bundle), ensure_ascii=False),
    )
    insert_row(session, submission)
    session.add_all(
        SubmissionFileHandle(submission_id=submission.id, handle_id=int(handle["id"]))
        for handle in bundle["fileHandles"]
    )
    if request.team is not None:
        session.add_all(
            TeamContribution(submission_id=submission.id, user_id=each)
            for each in request.contributors
        )
    return submission


def _check_eligible(
    session: Session, caller: Caller, evaluation: Evaluation, request: _SubmissionRequest
) -> Round:
    """Check that the submitter is eligible.

    Returns:
        The current round.

    Raises:
        Forbidden: There is no current round, or the submitter is not eligible.
        NotFound: No such team.
    """
    period = submission_rounds.require_current_round(evaluation, caller.now)
    if request.team is None:
        submission_eligibility.check_individual(session, caller, evaluation, period)
    else:
        submission_eligibility.check_team(
            session,
            evaluation,
            period,
            request.team.id,
            request.contributors,
            request.team.eligibility_hash,
        )
    return period
