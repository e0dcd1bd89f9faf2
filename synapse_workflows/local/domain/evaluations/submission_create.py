"""Submitting: what a request must hold, and freezing the entity as it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access as entity_access, bundles, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.evaluations import (
    access,
    submission_rounds,
    submission_status,
    submissions,
)
from synapse_workflows.local.domain.ids import format_entity_id, next_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.evaluation_models import (
    Evaluation,
    Submission,
    SubmissionFileHandle,
)
from synapse_workflows.local.storage.models import Entity

MAX_NAME_LENGTH: Final = 256
MAX_ALIAS_LENGTH: Final = 500
#: What of an entity is frozen.
_BUNDLE_PARTS: Final = {
    "includeEntity": True,
    "includeAnnotations": True,
    "includeFileHandles": True,
}


@dataclass(frozen=True)
class _SubmissionRequest:
    """What a request says.

    Args:
        evaluation_id: where to submit to.
        entity_id: what is submitted.
        version_number: which version of it.
        name: title; None for the name of the entity.
        alias: of the submitter.
        contributors: principals, each once, the submitter among them.
    """

    evaluation_id: int
    entity_id: int
    version_number: int
    name: str | None
    alias: str | None
    contributors: tuple[int, ...]


def _parse_request(
    caller: Caller, body: Mapping[str, Any], eligibility_hash: str | None
) -> _SubmissionRequest:
    """Read a Submission.

    The names of Docker things are not read: only a Docker repository may carry them.

    Raises:
        BadRequest: a field is missing, ill-typed or the server's to set, or the form is neither
            that of an individual nor that of a team.
        NotFound: the team is unknown.
    """
    if request_fields.get_text(body, "evaluationRoundId"):
        raise BadRequest("evaluationRoundId is set by the service; please leave it out.")
    number = request_fields.get_integer(body, "versionNumber")
    if number is None:
        raise BadRequest("versionNumber is required.")
    contributors = _parse_contributors(caller, body)
    _check_individual(
        caller, contributors, request_fields.get_text(body, "teamId"), eligibility_hash
    )
    return _SubmissionRequest(
        evaluation_id=ids.parse_id(
            request_fields.get_required_text(body, "evaluationId"), "evaluationId"
        ),
        entity_id=ids.parse_entity_id(request_fields.get_required_text(body, "entityId")),
        version_number=number,
        name=request_fields.get_text(body, "name", limit=MAX_NAME_LENGTH),
        alias=request_fields.get_text(body, "submitterAlias", limit=MAX_ALIAS_LENGTH),
        contributors=contributors,
    )


def _parse_contributors(caller: Caller, body: Mapping[str, Any]) -> tuple[int, ...]:
    found = []
    for each in request_fields.get_list(body, "contributors") or []:
        if not isinstance(each, dict):
            raise BadRequest("contributors must hold objects.")
        found.append(
            ids.parse_id(request_fields.get_required_text(each, "principalId"), "principalId")
        )
    return tuple(dict.fromkeys([*found, caller.id]))


def _check_individual(
    caller: Caller, contributors: tuple[int, ...], team: str | None, eligibility_hash: str | None
) -> None:
    """Check that this is the submission of an individual; there are no teams yet.

    Raises:
        BadRequest: it is neither of the two forms.
        NotFound: it is a team's.
    """
    if team and eligibility_hash:
        raise NotFound(f"Team with id {ids.parse_id(team, 'teamId')} does not exist")
    if team or eligibility_hash or contributors != (caller.id,):
        raise BadRequest("Submission is neither a valid Team or Individual Submission.")


def create(
    session: Session,
    caller: Caller,
    body: Mapping[str, Any],
    etag: str,
    eligibility_hash: str | None = None,
) -> dict[str, Any]:
    """Submit a version of an entity, frozen as it is.

    Args:
        session: writes the tables.
        caller: who submits; needs SUBMIT on the evaluation and READ on the entity. Files that it
            may not DOWNLOAD are not submitted with it.
        body: the Submission.
        etag: of the entity, as the caller knows it.
        eligibility_hash: of the team, for a team's submission.

    Returns:
        The Submission; its status is RECEIVED.

    Raises:
        BadRequest: the body breaks a rule, or the entity has changed meanwhile.
        Forbidden: a right is missing, it is outside of all rounds, or the limit is reached.
        NotFound: no such evaluation, entity, version or team.
    """
    draft = _parse_request(caller, body, eligibility_hash)
    evaluation = access.require(session, caller, draft.evaluation_id, AccessType.SUBMIT)
    entity = entity_access.require(session, caller, draft.entity_id, AccessType.READ)
    if entity.etag != etag:
        raise BadRequest(
            "The supplied eTag is out of date. Please fetch Entity "
            f"{format_entity_id(entity.id)} again."
        )
    bundle = bundles.get(session, caller, entity.id, _BUNDLE_PARTS, draft.version_number)
    submission = _add_submission(session, caller, evaluation, entity, draft, bundle)
    submission_status.create(session, submission)
    return submissions.serialize(submission)


def _add_submission(
    session: Session,
    caller: Caller,
    evaluation: Evaluation,
    entity: Entity,
    draft: _SubmissionRequest,
    bundle: dict[str, Any],
) -> Submission:
    now = to_iso(caller.now)
    submission = Submission(
        id=next_id(session, "submission"),
        evaluation_id=evaluation.id,
        user_id=caller.id,
        entity_id=entity.id,
        version_number=draft.version_number,
        name=draft.name or entity.name,
        submitter_alias=draft.alias,
        created_on=caller.now,
        contributors=[{"principalId": str(each), "createdOn": now} for each in draft.contributors],
        round_id=submission_rounds.check_limits(session, caller, evaluation),
        entity_bundle=json.dumps(request_fields.drop_nulls(bundle), ensure_ascii=False),
    )
    session.add(submission)
    session.flush()
    session.add_all(
        SubmissionFileHandle(submission_id=submission.id, handle_id=int(handle["id"]))
        for handle in bundle["fileHandles"]
    )
    return submission
