"""Evaluations themselves: making, reading, changing, deleting and listing them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT, AccessType
from synapse_workflows.local.domain import access as entity_access, entities, ids, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.entity_types import parse_name
from synapse_workflows.local.domain.evaluations import access, evaluation_acl, submission_rounds
from synapse_workflows.local.domain.ids import format_entity_id, next_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, Conflict, NotFound
from synapse_workflows.local.storage.evaluation_models import Evaluation


def serialize(evaluation: Evaluation) -> dict[str, Any]:
    """Write an Evaluation."""
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
    """Read the fields that have no column of their own."""
    found = {
        "submissionInstructionsMessage": request_fields.get_text(
            body, "submissionInstructionsMessage"
        ),
        "submissionReceiptMessage": request_fields.get_text(body, "submissionReceiptMessage"),
        "quota": submission_rounds.parse_quota(body),
    }
    return {key: value for key, value in found.items() if value is not None}


def _check_name_available(session: Session, name: str) -> None:
    if session.scalar(select(exists().where(Evaluation.name == name))):
        raise Conflict(f"An Evaluation already exists with the name '{name}'")


def create(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make an evaluation; its maker holds all rights on it.

    Raises:
        BadRequest: a field is missing or ill-typed, or the content source is no project.
        Conflict: the name is taken.
        Forbidden: the caller lacks CREATE on the content source.
        NotFound: no such content source.
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
        etag=entities.generate_etag(),
        properties=properties,
    )
    session.add(evaluation)
    evaluation_acl.create(session, caller, evaluation.id)
    return serialize(evaluation)


def get(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Give an evaluation.

    Raises:
        Forbidden: the caller may not READ it.
        NotFound: no such evaluation.
    """
    return serialize(access.require(session, caller, evaluation_id, AccessType.READ))


def get_by_name(session: Session, caller: Caller, name: str) -> dict[str, Any]:
    """Find an evaluation by its name.

    Raises:
        NotFound: there is none, or the caller may not READ it.
    """
    found = session.scalar(select(Evaluation).where(Evaluation.name == name.strip()))
    if found is None or access.get_denial(session, caller, found, AccessType.READ):
        raise NotFound(f"Evaluation with name '{name}' does not exist")
    return serialize(found)


def update(
    session: Session, caller: Caller, evaluation_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace what an evaluation says; its content source stays.

    Raises:
        BadRequest: a field is missing or ill-typed, or names another content source.
        Conflict: the name is taken.
        Forbidden: the caller lacks UPDATE.
        NotFound: no such evaluation.
        Stale: the etag is not the current one.
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
    evaluation.etag = entities.generate_etag()
    return serialize(evaluation)


def delete(session: Session, caller: Caller, evaluation_id: int) -> None:
    """Remove an evaluation with all that was submitted to it.

    Raises:
        Forbidden: the caller lacks DELETE.
        NotFound: no such evaluation.
    """
    evaluation = access.require(session, caller, evaluation_id, AccessType.DELETE)
    evaluation_acl.delete(session, evaluation_id)
    session.delete(evaluation)


def list_evaluations(
    session: Session,
    caller: Caller,
    right: AccessType,
    asked: Page,
    *,
    content_source: int | None = None,
    only: frozenset[int] | None = None,
    active_only: bool = False,
) -> list[dict[str, Any]]:
    """List the evaluations on which the caller holds a right, in the order they were made.

    Args:
        session: reads the tables.
        caller: who asks.
        right: the right.
        asked: which of them.
        content_source: the project that they belong to; None for any.
        only: ids among which to look; None for all.
        active_only: leave out those that have no round now.
    """
    found = select(Evaluation).where(Evaluation.id.in_(access.select_evaluations(caller, right)))
    if content_source is not None:
        found = found.where(Evaluation.content_source == content_source)
    if only is not None:
        found = found.where(Evaluation.id.in_(only))
    found = found.order_by(Evaluation.id)
    if not active_only:
        return [
            serialize(each)
            for each in session.scalars(found.limit(asked.limit).offset(asked.offset))
        ]
    active = [
        each for each in session.scalars(found) if submission_rounds.is_active(each, caller.now)
    ]
    return [serialize(each) for each in active[asked.offset : asked.offset + asked.limit]]
