"""Submit an entity to an evaluation, alone or for a team.

Source: https://rest-docs.synapse.org (EvaluationController)
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.api import entities, evaluations
from synapse_workflows.client.api.entities import GetOptions
from synapse_workflows.client.api.teams import getTeam
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
    SynapseStaleError,
)
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.submissions import Submission
from synapse_workflows.client.model.teams import Team
from synapse_workflows.constants import DOCKER_REPOSITORY, ZERO_ETAG

#: Reasons of the service: the etag of the entity, or the eligibility of the team, is outdated.
_STALE_ETAG: Final = "eTag is out of date"
_STALE_ELIGIBILITY: Final = "Please try again"
#: Properties of an entity that was read; others are read first.
_TARGET_KEYS: Final = ("id", "etag", "versionNumber")


def submit(
    syn: Session,
    evaluation: Any,
    entity: Any,
    name: str | None = None,
    team: Any = None,
    silent: bool = False,
    submitterAlias: str | None = None,
    teamName: str | None = None,
    dockerTag: str | None = "latest",
) -> Submission:
    """Submit a version of an entity to an evaluation.

    Args:
        syn: The session that sends the requests.
        evaluation: An evaluation, or its ID.
        entity: An entity, whose version is submitted if it did not change since it was read; or
            an ID (``syn123``, or ``syn123.4`` for version 4), or a mapping with ``id`` and
            ``versionNumber`` or ``version``.
        name: Name of the submission; None for the name of the entity.
        team: A team, its ID, or its name; None to submit alone. The contributors are the members
            who are eligible and did not submit otherwise in this round.
        silent: Whether not to log the receipt message of the evaluation.
        submitterAlias: Name of the submitter on leaderboards; None for the name of the team.
        teamName: Deprecated; use `submitterAlias`.
        dockerTag: Tag of the submitted image of a Docker repository.

    Returns:
        The submission, with ``id``, ``contributors``, and ``dockerDigest`` of an image.

    Raises:
        ValueError: `evaluation` or `entity` is missing, `dockerTag` is None or unknown, or no
            team has this name.
        SynapseError: The team is not eligible.
        SynapseBadRequestError: The entity was changed after it was read.
        SynapseForbiddenError: The caller may not submit or read the entity, the quota is used
            up, or the evaluation is not open.

    Source:
        POST /evaluation/submission, GET /evaluation/{id}/team/{teamId}/submissionEligibility,
        GET /entity/{id}/dockerTag
        https://rest-docs.synapse.org/rest/POST/evaluation/submission.html
    """
    if evaluation is None or entity is None:
        raise ValueError(
            "Must specify both evaluation and entity: evaluation="
            f"{evaluation!r:.80}, entity={entity!r:.80}."
        )
    if teamName is not None:
        warnings.warn("teamName is deprecated: use submitterAlias", DeprecationWarning, 2)
    evaluation_id = evaluations.parse_evaluation_id(evaluation)
    found = None if team is None else getTeam(syn, team)
    alias = submitterAlias or teamName or (None if found is None else found.name)

    def send() -> Submission:
        target = _get_target(syn, entity)
        body = {
            "evaluationId": evaluation_id,
            "name": target["name"] if name is None else name,
            "entityId": target["id"],
            "versionNumber": target.get("versionNumber") or 1,
            "submitterAlias": alias,
            **_describe_image(syn, target, dockerTag),
            "teamId": None,
            "contributors": None,
        }
        query = {"etag": target["etag"]}
        if found is not None:
            eligibility = _get_eligibility(syn, evaluation_id, found)
            body |= {"teamId": found.id, "contributors": _list_contributors(eligibility)}
            query["submissionEligibilityHash"] = eligibility["eligibilityStateHash"]
        return _create(syn, body, query, is_fetched=target is not entity)

    submission = retry_stale(send)
    if not silent:
        _log_receipt(syn, evaluation, evaluation_id)
    return submission


def _get_target(syn: Session, entity: Any) -> Mapping[str, Any]:
    """Return the version to submit, with the etag of the current version."""
    is_known = isinstance(entity, Mapping) and all(entity.get(key) for key in _TARGET_KEYS)
    target: Mapping[str, Any] = entity
    if not is_known:
        options = GetOptions(_get_version(entity), download=False)
        target = entities.get_unannounced(syn, entity, options)
    if target["etag"] != ZERO_ETAG:
        return target
    current = syn.call("GET", f"/entity/{parse_entity_id(target['id']).id}").object
    return {**target, "etag": current["etag"]}


def _get_version(entity: Any) -> int | None:
    """Return the version in an entity, or in the reference that a task returned."""
    if not isinstance(entity, Mapping):
        return None
    number = entity.get("versionNumber")
    return entity.get("version") if number is None and type(entity) is dict else number


def _describe_image(
    syn: Session, entity: Mapping[str, Any], tag: str | None
) -> dict[str, str | None]:
    """Return the repository and the digest of a Docker image; None for other entities.

    Raises:
        ValueError: The tag is None, or the repository has no such tag.
    """
    if entity.get("concreteType") != DOCKER_REPOSITORY:
        return {"dockerRepositoryName": None, "dockerDigest": None}
    if tag is None:
        raise ValueError(
            "A dockerTag is required to submit a DockerEntity: dockerTag='latest', or the tag of "
            "the image."
        )
    call = flows.Call("GET", f"/entity/{entity['id']}/dockerTag")
    commits = syn.run(flows.collect_items(flows.with_offset(call)))
    digests = [one["digest"] for one in commits if one["tag"] == tag]
    if not digests:
        known = ", ".join(sorted({str(one["tag"]) for one in commits})) or "none"
        raise ValueError(
            f"Docker tag {tag} not found. Please specify a docker tag of {entity['id']} as "
            f"dockerTag; there are: {known}."
        )
    return {"dockerRepositoryName": entity["repositoryName"], "dockerDigest": digests[-1]}


def _get_eligibility(syn: Session, evaluation_id: str, team: Team) -> dict[str, Any]:
    """Return the eligibility of a team (TeamSubmissionEligibility).

    Raises:
        SynapseError: The team is not eligible.
    """
    path = f"/evaluation/{evaluation_id}/team/{team.id}/submissionEligibility"
    eligibility = syn.call("GET", path).object
    state = eligibility["teamEligibility"]
    if state["isEligible"]:
        return eligibility
    # Synapse omits isRegistered if the project has no challenge.
    if not state.get("isRegistered", True):
        raise SynapseError(f'Team "{team.name}" is not registered.')
    if state.get("isQuotaFilled", False):
        raise SynapseError(
            f'Team "{team.name}" has already submitted the full quota of submissions.'
        )
    raise SynapseError(f'Team "{team.name}" is not eligible.')


def _list_contributors(eligibility: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"principalId": str(one["principalId"])}
        for one in eligibility.get("membersEligibility") or ()
        if one["isEligible"] and not one.get("hasConflictingSubmission", False)
    ]


def _create(
    syn: Session, body: Mapping[str, Any], query: Mapping[str, Any], *, is_fetched: bool
) -> Submission:
    """Create a submission.

    Raises:
        SynapseStaleError: The entity, which was fetched for this request, or the team has changed
            meanwhile.
    """
    try:
        reply = syn.call("POST", "/evaluation/submission", params=query, json=body)
    except (SynapseBadRequestError, SynapseForbiddenError) as error:
        is_stale = is_fetched and _STALE_ETAG in error.reason
        if is_stale or (body["teamId"] is not None and _STALE_ELIGIBILITY in error.reason):
            raise SynapseStaleError(
                error.status, error.reason, error.call, error.response
            ) from error
        raise
    return Submission(**reply.object)


def _log_receipt(syn: Session, evaluation: Any, evaluation_id: str) -> None:
    """Log the receipt message of an evaluation. A failure is logged: the submission was made."""
    try:
        is_known = isinstance(evaluation, Mapping)
        source = evaluation if is_known else evaluations.getEvaluation(syn, evaluation_id)
    except SynapseError as error:
        syn.logger.warning("Cannot read the receipt message of %s: %s", evaluation_id, error)
        return
    message = source.get("submissionReceiptMessage")
    if message:
        syn.logger.info("%s", message)
