"""The access control list that every evaluation has: who may read and set it, what it may say."""

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
    """Give a new evaluation its ACL: every right to the caller."""
    wanted = {caller.id: access.ALL_RIGHTS}
    access_lists.create(session, get_acl_owner(evaluation_id), wanted, caller.now)


def delete(session: Session, evaluation_id: int) -> None:
    """Remove the ACL of an evaluation that goes."""
    access_lists.delete(session, _get_acl(session, evaluation_id))


def _get_acl(session: Session, evaluation_id: int) -> Acl:
    acl = access_lists.find_acl(session, get_acl_owner(evaluation_id))
    if acl is None:
        raise NotFound(f"The ACL of the evaluation {evaluation_id} does not exist.")
    return acl


def get(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Give the ACL of an evaluation.

    Raises:
        Forbidden: the caller may not READ the evaluation.
        NotFound: no such evaluation.
    """
    access.require(session, caller, evaluation_id, AccessType.READ)
    return access_lists.serialize(session, _get_acl(session, evaluation_id), str(evaluation_id))


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what the ACL of an evaluation says; the body names the evaluation.

    Raises:
        BadRequest: the ACL breaks a rule.
        Forbidden: the caller lacks CHANGE_PERMISSIONS.
        NotFound: no such evaluation.
        Stale: the etag is not the ACL's.
    """
    evaluation_id = ids.parse_id(request_fields.get_required_text(body, "id"), "id")
    right = AccessType.CHANGE_PERMISSIONS
    evaluation = access.require(session, caller, evaluation_id, right)
    wanted = access_lists.parse(session, body)
    _check_grants(caller, evaluation, wanted)
    acl = _get_acl(session, evaluation_id)
    entities.check_etag(str(evaluation_id), acl.etag, body)
    access_lists.replace(session, acl, wanted)
    return access_lists.serialize(session, acl, str(evaluation_id))


def _check_grants(caller: Caller, evaluation: Evaluation, wanted: access_lists.Grants) -> None:
    """Check the rules for ACLs of evaluations."""
    access_lists.check_public_grants(wanted)
    if set(wanted.get(AUTHENTICATED_USERS, ())) - {AccessType.READ}:
        raise BadRequest(
            "Only READ permissions can be assigned to the group of all authenticated users"
        )
    access_lists.check_caller_keeps_access(caller, evaluation.owner_id, wanted)
