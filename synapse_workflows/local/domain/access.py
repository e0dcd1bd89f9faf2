"""Who may do what to an entity, in the order in which the rules apply."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT, AccessType
from synapse_workflows.local.domain import access_lists
from synapse_workflows.local.domain.access_lists import Owner
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import (
    CertificationRequired,
    EntityInTrash,
    Forbidden,
    NotFound,
    ServiceError,
)
from synapse_workflows.local.storage.models import AccessRequirement, Entity

ENTITY_ACL = "ENTITY"

#: Rights of a creator on a new project.
ALL_RIGHTS = (
    AccessType.READ,
    AccessType.DOWNLOAD,
    AccessType.UPDATE,
    AccessType.DELETE,
    AccessType.CREATE,
    AccessType.CHANGE_PERMISSIONS,
    AccessType.CHANGE_SETTINGS,
    AccessType.MODERATE,
)

#: The one right that the anonymous caller may hold.
_ANONYMOUS_RIGHTS = frozenset({AccessType.READ})


def is_trashed(entity: Entity) -> bool:
    """Tell whether the entity lies in the trash can, itself or with a container."""
    return entity.benefactor_id == TRASH and entity.id != TRASH


def get_entity(session: Session, entity_id: int) -> Entity:
    """Give the entity, trashed or not.

    Raises:
        NotFound: there is none.
    """
    entity = session.get(Entity, entity_id)
    if entity is None:
        raise NotFound(f"Resource: '{format_entity_id(entity_id)}' does not exist")
    return entity


def get_not_trashed(session: Session, entity_id: int) -> Entity:
    """Give the entity when it is not in the trash can.

    Raises:
        NotFound: there is none.
        InTrash: it was deleted.
    """
    entity = get_entity(session, entity_id)
    if is_trashed(entity):
        raise EntityInTrash(format_entity_id(entity_id))
    return entity


def iter_ancestors(session: Session, entity: Entity) -> Iterator[Entity]:
    """Walk from the entity up to the root folder, both included."""
    here: Entity | None = entity
    while here is not None:
        yield here
        here = None if here.parent_id is None else session.get(Entity, here.parent_id)


def list_requirements(session: Session, entity: Entity) -> list[AccessRequirement]:
    """List the access requirements on the entity and on its ancestors, oldest first."""
    ids = [each.id for each in iter_ancestors(session, entity)]
    found = select(AccessRequirement).where(AccessRequirement.entity_id.in_(ids))
    return list(session.scalars(found.order_by(AccessRequirement.id)))


def get_acl_owner(entity_id: int) -> Owner:
    """Name the ACL of an entity's own."""
    return Owner(ENTITY_ACL, entity_id)


def _is_granted(session: Session, caller: Caller, benefactor_id: int, access: AccessType) -> bool:
    """Tell whether an entry of the benefactor's ACL gives the right to one of the groups."""
    return access_lists.is_granted(session, caller, get_acl_owner(benefactor_id), access)


def _lacks_certification(
    caller: Caller, access: AccessType, entity: Entity, new_type: str | None
) -> bool:
    """Tell whether the missing certification stands in the way."""
    if caller.is_certified:
        return False
    if access is AccessType.CREATE:  # only the root holds projects, so its children need none
        return (new_type or (PROJECT if entity.id == ROOT else None)) != PROJECT
    if access is AccessType.UPDATE:
        return entity.concrete_type != PROJECT
    return access is AccessType.CHANGE_SETTINGS


def _get_denial_before_acl(
    session: Session,
    caller: Caller,
    entity: Entity,
    access: AccessType,
    new_type: str | None,
) -> ServiceError | None:
    """Find what stands in the way whatever the ACL says."""
    if access is AccessType.DOWNLOAD and list_requirements(session, entity):
        return Forbidden(
            "There are unmet access requirements that must be met to read content in the "
            "requested container."
        )
    if caller.is_anonymous and access not in _ANONYMOUS_RIGHTS:
        return Forbidden("Anonymous users have only READ access permission.")
    if _lacks_certification(caller, access, entity, new_type):
        return CertificationRequired()
    return None


def get_denial(
    session: Session,
    caller: Caller,
    entity: Entity,
    access: AccessType,
    *,
    new_type: str | None = None,
) -> ServiceError | None:
    """Decide on a right to an entity that exists; the first rule that applies decides.

    Args:
        session: reads the ACLs.
        caller: who asks.
        entity: what the right is asked on; the parent-to-be for CREATE.
        access: the right.
        new_type: for CREATE, the concreteType of what is to be created.

    Returns:
        The error to raise, or None when the caller may.
    """
    if access is AccessType.DELETE and caller.is_admin:
        return None
    if is_trashed(entity):
        return EntityInTrash(format_entity_id(entity.id))
    if caller.is_admin:
        return None
    barrier = _get_denial_before_acl(session, caller, entity, access, new_type)
    if barrier is not None:
        return barrier
    owns_settings = access is AccessType.CHANGE_SETTINGS and entity.created_by == caller.id
    if owns_settings or _is_granted(session, caller, entity.benefactor_id, access):
        return None
    return Forbidden(f"You lack {access} access to the requested entity.")


def require(
    session: Session,
    caller: Caller,
    entity_id: int,
    access: AccessType,
    *,
    new_type: str | None = None,
) -> Entity:
    """Give the entity when the caller holds the right on it.

    Raises:
        NotFound: there is no such entity, or it is in the trash can.
        Forbidden: the caller lacks the right.
    """
    entity = get_entity(session, entity_id)
    refused = get_denial(session, caller, entity, access, new_type=new_type)
    if refused is not None:
        raise refused
    return entity


def is_allowed(
    session: Session,
    caller: Caller,
    entity_id: int,
    access: AccessType,
    *,
    new_type: str | None = None,
) -> bool:
    """Tell whether the caller holds the right; on what is missing or trashed nobody does."""
    entity = session.get(Entity, entity_id)
    if entity is None or is_trashed(entity):
        return False
    return get_denial(session, caller, entity, access, new_type=new_type) is None


def can_delete_acl(session: Session, caller: Caller, entity: Entity) -> bool:
    """Tell whether the caller may make the entity inherit again."""
    if is_trashed(entity) or entity.parent_id in {None, ROOT}:
        return False
    if caller.is_admin or caller.is_anonymous:
        return caller.is_admin
    return _is_granted(session, caller, entity.benefactor_id, AccessType.CHANGE_PERMISSIONS)
