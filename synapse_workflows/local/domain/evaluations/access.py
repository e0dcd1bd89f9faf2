"""Access checks on evaluations and their submissions."""

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

#: Access types of the creator of an evaluation.
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

#: Access types that a change of a submission status requires.
SCORER_RIGHTS: Final = (AccessType.READ_PRIVATE_SUBMISSION, AccessType.UPDATE_SUBMISSION)


def get_acl_owner(evaluation_id: int) -> Owner:
    """Return the owner key of the ACL of an evaluation."""
    return Owner(EVALUATION_ACL, evaluation_id)


def get_evaluation(session: Session, evaluation_id: int) -> Evaluation:
    """Return an evaluation.

    Raises:
        NotFound: No such evaluation.
    """
    message = f"Evaluation with id {evaluation_id} does not exist"
    return get_or_404(session, Evaluation, evaluation_id, message)


def get_denial(
    session: Session, caller: Caller, evaluation_id: int, *rights: AccessType
) -> Forbidden | None:
    """Check whether the caller has all of several rights on an existing evaluation.

    Returns:
        The error to raise; None if the caller has the rights.
    """
    if caller.is_admin:
        return None
    if caller.is_anonymous and set(rights) != {AccessType.READ}:
        return Forbidden("Anonymous users have only READ access permission.")
    granted = access_lists.list_granted(session, caller, get_acl_owner(evaluation_id))
    missing = next((each for each in rights if each not in granted), None)
    if missing is None:
        return None
    return Forbidden(f"You lack {missing} access to the requested evaluation.")


def check(session: Session, caller: Caller, evaluation_id: int, *rights: AccessType) -> None:
    """Check that the caller has all of several rights on an existing evaluation.

    Raises:
        Forbidden: The caller lacks a right.
    """
    denial = get_denial(session, caller, evaluation_id, *rights)
    if denial is not None:
        raise denial


def require(
    session: Session, caller: Caller, evaluation_id: int, *rights: AccessType
) -> Evaluation:
    """Return an evaluation on which the caller has all of several rights.

    Raises:
        NotFound: No such evaluation.
        Forbidden: The caller lacks a right.
    """
    evaluation = get_evaluation(session, evaluation_id)
    check(session, caller, evaluation_id, *rights)
    return evaluation


def select_evaluations(caller: Caller, right: AccessType) -> Select[int]:
    """Return the query of the IDs of all evaluations on which the caller has a right."""
    if caller.is_admin:
        return select(Evaluation.id)
    if caller.is_anonymous and right is not AccessType.READ:
        return select(Evaluation.id).where(false())
    return access_lists.select_owners_granting(caller, EVALUATION_ACL, right)


def get_permissions(session: Session, caller: Caller, evaluation_id: int) -> dict[str, Any]:
    """Return the permissions of the caller on an evaluation (UserEvaluationPermissions).

    The caller needs no right.

    Raises:
        NotFound: No such evaluation.
    """
    evaluation = get_evaluation(session, evaluation_id)

    def has(right: AccessType, principal: Caller = caller) -> bool:
        return get_denial(session, principal, evaluation_id, right) is None

    return {
        "canView": has(AccessType.READ),
        "canPublicRead": has(AccessType.READ, create_anonymous(caller.now)),
        "canEdit": has(AccessType.UPDATE),
        "canDelete": has(AccessType.DELETE),
        "canChangePermissions": has(AccessType.CHANGE_PERMISSIONS),
        "canParticipate": has(AccessType.PARTICIPATE),
        "canSubmit": has(AccessType.SUBMIT),
        "canViewPrivateSubmissionStatusAnnotations": has(AccessType.READ_PRIVATE_SUBMISSION),
        "canEditSubmissionStatuses": has(AccessType.UPDATE_SUBMISSION),
        "canDeleteSubmissions": has(AccessType.DELETE_SUBMISSION),
        "ownerPrincipalId": evaluation.owner_id,
    }
