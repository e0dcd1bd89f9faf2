"""Who may do what to an evaluation and to what was submitted to it."""

from typing import Any, Final

from sqlalchemy import Select, false, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access_lists
from synapse_workflows.local.domain.access_lists import Owner
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller, create_anonymous
from synapse_workflows.local.errors import Forbidden
from synapse_workflows.local.storage.evaluation_models import Evaluation

EVALUATION_ACL: Final = "EVALUATION"

#: Rights of a creator on a new evaluation.
ALL_RIGHTS: Final = (
    AccessType.CREATE,
    AccessType.READ,
    AccessType.SUBMIT,
    AccessType.READ_PRIVATE_SUBMISSION,
    AccessType.UPDATE_SUBMISSION,
    AccessType.CHANGE_PERMISSIONS,
    AccessType.UPDATE,
    AccessType.DELETE,
    AccessType.DELETE_SUBMISSION,
)


def get_acl_owner(evaluation_id: int) -> Owner:
    """Name the ACL of an evaluation; each has one."""
    return Owner(EVALUATION_ACL, evaluation_id)


def get_evaluation(session: Session, evaluation_id: int) -> Evaluation:
    """Give the evaluation.

    Raises:
        NotFound: there is none.
    """
    message = f"Evaluation with id {evaluation_id} does not exist"
    return get_or_404(session, Evaluation, evaluation_id, message)


def get_denial(
    session: Session, caller: Caller, evaluation: Evaluation, right: AccessType
) -> Forbidden | None:
    """Decide on a right to an evaluation that exists.

    Returns:
        The error to raise, or None when the caller may.
    """
    if caller.is_admin:
        return None
    if caller.is_anonymous and right is not AccessType.READ:
        return Forbidden("Anonymous users have only READ access permission.")
    if access_lists.is_granted(session, caller, get_acl_owner(evaluation.id), right):
        return None
    return Forbidden(f"You lack {right} access to the requested evaluation.")


def require(session: Session, caller: Caller, evaluation_id: int, right: AccessType) -> Evaluation:
    """Give the evaluation when the caller holds the right on it.

    Raises:
        NotFound: there is no such evaluation.
        Forbidden: the caller lacks the right.
    """
    evaluation = get_evaluation(session, evaluation_id)
    refused = get_denial(session, caller, evaluation, right)
    if refused is not None:
        raise refused
    return evaluation


def is_allowed(session: Session, caller: Caller, evaluation_id: int, right: AccessType) -> bool:
    """Tell whether the caller holds the right; on what is missing nobody does."""
    evaluation = session.get(Evaluation, evaluation_id)
    return evaluation is not None and get_denial(session, caller, evaluation, right) is None


def select_evaluations(caller: Caller, right: AccessType) -> Select[int]:
    """Make the query of the ids of all evaluations on which the caller holds the right."""
    if caller.is_admin:
        return select(Evaluation.id)
    if caller.is_anonymous and right is not AccessType.READ:
        return select(Evaluation.id).where(false())
    return access_lists.select_owners_granting(caller, EVALUATION_ACL, right)


def get_permissions(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Tell what the caller may do to an evaluation (UserEvaluationPermissions).

    No right is needed to ask.

    Raises:
        NotFound: there is no such evaluation.
    """
    evaluation = get_evaluation(session, evaluation_id)

    def may(right: AccessType, who: Caller = caller) -> bool:
        return get_denial(session, who, evaluation, right) is None

    return {
        "canView": may(AccessType.READ),
        "canPublicRead": may(AccessType.READ, create_anonymous(caller.now)),
        "canEdit": may(AccessType.UPDATE),
        "canDelete": may(AccessType.DELETE),
        "canChangePermissions": may(AccessType.CHANGE_PERMISSIONS),
        "canParticipate": may(AccessType.PARTICIPATE),
        "canSubmit": may(AccessType.SUBMIT),
        "canViewPrivateSubmissionStatusAnnotations": may(AccessType.READ_PRIVATE_SUBMISSION),
        "canEditSubmissionStatuses": may(AccessType.UPDATE_SUBMISSION),
        "canDeleteSubmissions": may(AccessType.DELETE_SUBMISSION),
        "ownerPrincipalId": evaluation.owner_id,
    }
