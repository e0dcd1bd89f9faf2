"""Permissions of a caller on an entity (UserEntityPermissions)."""

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access, access_lists
from synapse_workflows.local.domain.principal import Caller, create_anonymous
from synapse_workflows.local.storage.models import Entity


def get_permissions(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Return the UserEntityPermissions of the caller on an entity."""
    owner = access.get_acl_owner(entity.benefactor_id)
    granted = access_lists.list_granted(session, caller, owner)

    def can(right: AccessType, user: Caller = caller) -> bool:
        return access.get_denial(session, user, entity, right, granted=granted) is None

    anonymous = create_anonymous(caller.now)
    certified = replace(caller, is_certified=True)
    can_edit, can_change = can(AccessType.UPDATE), can(AccessType.CHANGE_PERMISSIONS)
    return {
        "canView": can(AccessType.READ),
        "canDownload": can(AccessType.DOWNLOAD),
        "canEdit": can_edit,
        "canAddChild": can(AccessType.CREATE),
        "canDelete": can(AccessType.DELETE),
        "canChangePermissions": can_change,
        "canChangeSettings": can(AccessType.CHANGE_SETTINGS),
        "canMove": can_edit and can_change,
        "canModerate": can(AccessType.MODERATE),
        "canEnableInheritance": access.can_delete_acl(session, caller, entity),
        "canUpload": not caller.is_anonymous,
        "canPublicRead": access.get_denial(session, anonymous, entity, AccessType.READ) is None,
        "canCertifiedUserEdit": can(AccessType.UPDATE, certified),
        "canCertifiedUserAddChild": can(AccessType.CREATE, certified),
        "isCertifiedUser": caller.is_certified,
        "isCertificationRequired": True,
        "isEntityOpenData": False,
        "isDataContributor": can_edit and can(AccessType.DELETE),
        "ownerPrincipalId": entity.created_by,
    }


def get(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Return the caller's permissions on an entity. The caller needs no access.

    Raises:
        NotFound: No such entity, or it is in the trash can.
    """
    return get_permissions(session, caller, access.get_not_trashed(session, entity_id))


def has_access(session: Session, caller: Caller, entity_id: int, right: AccessType) -> bool:
    """Return whether the caller has an access type on an entity.

    Raises:
        NotFound: No such entity, or it is in the trash can.
    """
    entity = access.get_not_trashed(session, entity_id)
    return access.get_denial(session, caller, entity, right) is None
