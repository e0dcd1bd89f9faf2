"""Access control lists of evaluations. Every evaluation has an ACL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AUTHENTICATED_USERS, AccessType
from synapse_workflows.local.domain import access_lists, entities, ids, request_fields
from synapse_workflows.local.domain.evaluations import access
from synapse_workflows.local.domain.evaluations.access import get_acl_owner
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.evaluation_models import Evaluation
from synapse_workflows.local.storage.models import Acl


def create(session: Session, caller: Caller, evaluation_id: int) -> None:
    """Create the ACL of a new evaluation, which grants all rights to the caller."""
    grants = {caller.id: access.ALL_RIGHTS}
    access_lists.create(session, get_acl_owner(evaluation_id), grants, caller.now)


def delete(session: Session, evaluation_id: int) -> None:
    """Delete the ACL of an evaluation. Call this function when the evaluation is deleted."""
    access_lists.delete(session, _get_acl(session, evaluation_id))


def _get_acl(session: Session, evaluation_id: int) -> Acl:
    acl = access_lists.find_acl(session, get_acl_owner(evaluation_id))
    if acl is None:
        raise NotFound(f"The ACL of the evaluation {evaluation_id} does not exist.")
    return acl


def get(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Return the ACL of an evaluation.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such evaluation.
    """
    access.require(session, caller, evaluation_id, AccessType.READ)
    return access_lists.serialize(session, _get_acl(session, evaluation_id), str(evaluation_id))


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the entries of the ACL of an evaluation. The body contains the ID of the evaluation.

    Raises:
        BadRequest: The ACL is invalid.
        Forbidden: The caller lacks CHANGE_PERMISSIONS.
        NotFound: No such evaluation.
        StaleEtag: The etag is not the current one.
    """
    evaluation_id = ids.parse_id(request_fields.get_required_text(body, "id"), "id")
    right = AccessType.CHANGE_PERMISSIONS
    evaluation = access.require(session, caller, evaluation_id, right)
    grants = access_lists.parse(session, body)
    _check_grants(caller, evaluation, grants)
    acl = _get_acl(session, evaluation_id)
    entities.check_etag(str(evaluation_id), acl.etag, body)
    access_lists.replace(session, acl, grants)
    return access_lists.serialize(session, acl, str(evaluation_id))


def _check_grants(caller: Caller, evaluation: Evaluation, grants: access_lists.Grants) -> None:
    access_lists.check_public_grants(grants)
    if set(grants.get(AUTHENTICATED_USERS, ())) - {AccessType.READ}:
        raise BadRequest(
            "Only READ permissions can be assigned to the group of all authenticated users"
        )
    access_lists.check_caller_keeps_access(caller, evaluation.owner_id, grants)
