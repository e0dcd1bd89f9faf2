"""What a caller may do to an entity, told in advance (UserEntityPermissions)."""

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.principal import Caller, create_anonymous
from synapse_workflows.local.storage.models import Entity


def get_permissions(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Tell what the caller may do to the entity."""

    def may(right: AccessType, who: Caller = caller) -> bool:
        return access.get_denial(session, who, entity, right) is None

    certified = replace(caller, is_certified=True)
    can_edit, can_change = may(AccessType.UPDATE), may(AccessType.CHANGE_PERMISSIONS)
    return {
        "canView": may(AccessType.READ),
        "canDownload": may(AccessType.DOWNLOAD),
        "canEdit": can_edit,
        "canAddChild": may(AccessType.CREATE),
        "canDelete": may(AccessType.DELETE),
        "canChangePermissions": can_change,
        "canChangeSettings": may(AccessType.CHANGE_SETTINGS),
        "canMove": can_edit and can_change,
        "canModerate": may(AccessType.MODERATE),
        "canEnableInheritance": access.can_delete_acl(session, caller, entity),
        "canUpload": not caller.is_anonymous,
        "canPublicRead": may(AccessType.READ, create_anonymous(caller.now)),
        "canCertifiedUserEdit": may(AccessType.UPDATE, certified),
        "canCertifiedUserAddChild": may(AccessType.CREATE, certified),
        "isCertifiedUser": caller.is_certified,
        "isCertificationRequired": True,
        "isEntityOpenData": False,
        "isDataContributor": can_edit and may(AccessType.DELETE),
        "ownerPrincipalId": entity.created_by,
    }


def get(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Tell what the caller may do to an entity; no right is needed to ask.

    Raises:
        NotFound: there is no such entity, or it is in the trash can.
    """
    return get_permissions(session, caller, access.get_not_trashed(session, entity_id))


def has_access(session: Session, caller: Caller, entity_id: int, right: AccessType) -> bool:
    """Tell whether the caller holds one right.

    Raises:
        NotFound: there is no such entity, or it is in the trash can.
    """
    entity = access.get_not_trashed(session, entity_id)
    return access.get_denial(session, caller, entity, right) is None
