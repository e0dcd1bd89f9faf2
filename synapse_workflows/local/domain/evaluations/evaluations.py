"""Evaluations: create, read, update, delete and list."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT, AccessType
from synapse_workflows.local.domain import access as entity_access, entities, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import parse_name
from synapse_workflows.local.domain.evaluations import access, evaluation_acl, submission_rounds
from synapse_workflows.local.domain.ids import format_entity_id, generate_etag, next_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Conflict, NotFound
from synapse_workflows.local.storage.database import insert_row
from synapse_workflows.local.storage.evaluation_models import Evaluation


def serialize(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation in the format of the REST API."""
    return {
        "id": str(evaluation.id),
        "etag": evaluation.etag,
        "name": evaluation.name,
        "description": evaluation.description,
        "ownerId": str(evaluation.owner_id),
        "createdOn": to_iso(evaluation.created_on),
        "contentSource": format_entity_id(evaluation.content_source),
        **evaluation.properties,
    }


def _parse_properties(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the properties that are stored together, not in separate database columns."""
    properties = {
        "submissionInstructionsMessage": request_fields.get_text(
            body, "submissionInstructionsMessage"
        ),
        "submissionReceiptMessage": request_fields.get_text(body, "submissionReceiptMessage"),
        "quota": submission_rounds.parse_quota(body),
    }
    return {key: value for key, value in properties.items() if value is not None}


def _check_name_available(session: Session, name: str) -> None:
    if session.scalar(select(exists().where(Evaluation.name == name))):
        raise Conflict(f"An Evaluation already exists with the name '{name}'")


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create an evaluation and grant all rights on it to the caller.

    Raises:
        BadRequest: A property is missing or invalid, or the content source is not a project.
        Conflict: Another evaluation has the name.
        Forbidden: The caller lacks CREATE on the content source.
        NotFound: No such content source.
    """
    name = parse_name(request_fields.get_required_text(body, "name"))
    source = ids.parse_entity_id(request_fields.get_required_text(body, "contentSource"))
    properties = _parse_properties(body)
    project = entity_access.require(session, caller, source, AccessType.CREATE)
    if project.concrete_type != PROJECT:
        raise BadRequest(
            f"Evaluation ContentSource: {format_entity_id(source)} must be a project."
        )
    _check_name_available(session, name)
    evaluation = Evaluation(
        id=next_id(session, "evaluation"),
        name=name,
        description=request_fields.get_text(body, "description"),
        content_source=source,
        owner_id=caller.id,
        created_on=caller.now,
        etag=generate_etag(),
        properties=properties,
    )
    insert_row(session, evaluation)
    evaluation_acl.create(session, caller, evaluation.id)
    return serialize(evaluation)


def get(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Return an evaluation.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such evaluation.
    """
    return serialize(access.require(session, caller, evaluation_id, AccessType.READ))


def get_by_name(session: Session, caller: Caller, name: str) -> dict[str, Any]:
    """Return the evaluation with a name.

    Raises:
        NotFound: No such evaluation, or the caller lacks READ.
    """
    evaluation = session.scalar(select(Evaluation).where(Evaluation.name == name.strip()))
    if evaluation is None or access.get_denial(session, caller, evaluation.id, AccessType.READ):
        raise NotFound(f"Evaluation with name '{name}' does not exist")
    return serialize(evaluation)


def update(
    session: Session, caller: Caller, evaluation_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the properties of an evaluation. The content source cannot be changed.

    Raises:
        BadRequest: A property is missing or invalid, or the content source differs.
        Conflict: Another evaluation has the name.
        Forbidden: The caller lacks UPDATE.
        NotFound: No such evaluation.
        StaleEtag: The etag is not the current one.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.UPDATE)
    name = parse_name(request_fields.get_required_text(body, "name"))
    source = request_fields.get_text(body, "contentSource")
    if source is not None and ids.parse_entity_id(source) != evaluation.content_source:
        raise BadRequest("The contentSource of an Evaluation cannot be changed.")
    properties = _parse_properties(body)
    entities.check_etag(str(evaluation_id), evaluation.etag, body)
    if name != evaluation.name:
        _check_name_available(session, name)
    evaluation.name = name
    evaluation.description = request_fields.get_text(body, "description")
    evaluation.properties = properties
    evaluation.etag = generate_etag()
    return serialize(evaluation)


def delete(session: Session, caller: Caller, evaluation_id: int) -> None:
    """Delete an evaluation with its submissions.

    Raises:
        Forbidden: The caller lacks DELETE.
        NotFound: No such evaluation.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.DELETE)
    evaluation_acl.delete(session, evaluation_id)
    session.delete(evaluation)


def list_evaluations(
    session: Session,
    caller: Caller,
    right: AccessType,
    page: Page,
    *,
    content_source: int | None = None,
    only: frozenset[int] | None = None,
    active_only: bool = False,
) -> list[dict[str, Any]]:
    """List the evaluations on which the caller has a right, oldest first.

    Args:
        session: Database session.
        caller: The caller.
        right: Required right.
        page: Page of the list.
        content_source: ID of the project that contains the evaluations; None for any project.
        only: IDs of the evaluations to list; None for all.
        active_only: Only list evaluations that are in a round.
    """
    query = select(Evaluation).where(Evaluation.id.in_(access.select_evaluations(caller, right)))
    if content_source is not None:
        query = query.where(Evaluation.content_source == content_source)
    if only is not None:
        query = query.where(Evaluation.id.in_(only))
    query = query.order_by(Evaluation.id)
    if not active_only:
        query = query.limit(page.limit).offset(page.offset)
        return [serialize(each) for each in session.scalars(query)]
    active = [
        each for each in session.scalars(query) if submission_rounds.is_active(each, caller.now)
    ]
    return [serialize(each) for each in active[page.offset : page.offset + page.limit]]
