"""Access checks on entities."""

from collections.abc import Iterator

from sqlalchemy import CTE, bindparam, literal, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT, AccessType
from synapse_workflows.local.domain import access_lists
from synapse_workflows.local.domain.access_lists import Owner
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import (
    CertificationRequired,
    EntityInTrash,
    Forbidden,
    ServiceError,
)
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import AccessRequirement, Entity

ENTITY_ACL = "ENTITY"


def _build_path() -> CTE:
    """Build the query for an entity and its ancestors: `id`, `parent_id` and `distance`."""
    columns = Entity.id, Entity.parent_id
    start = select(*columns, literal(0).label("distance"))
    path = start.where(Entity.id == bindparam("entity_id")).cte(recursive=True)
    parents = select(*columns, path.c.distance + 1).where(Entity.id == path.c.parent_id)
    return path.union_all(parents)


#: The entity `entity_id` and its ancestors, for queries that are built once.
PATH = _build_path()
_IS_IN_PATH = AccessRequirement.entity_id.in_(select(PATH.c.id))
_REQUIREMENTS = select(AccessRequirement).where(_IS_IN_PATH).order_by(AccessRequirement.id)
_REQUIREMENT_IDS = select(AccessRequirement.id).where(_IS_IN_PATH)

#: Access types of the creator of a project.
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

#: Access types that anonymous callers can have.
_ANONYMOUS_RIGHTS = frozenset({AccessType.READ})


def is_trashed(entity: Entity) -> bool:
    """Return whether the entity or one of its ancestors was moved to the trash can."""
    return entity.benefactor_id == TRASH and entity.id != TRASH


def get_entity(session: Session, entity_id: int) -> Entity:
    """Return an entity, even if it is in the trash can.

    Raises:
        NotFound: No such entity.
    """
    message = f"Resource: '{format_entity_id(entity_id)}' does not exist"
    return get_or_404(session, Entity, entity_id, message)


def get_not_trashed(session: Session, entity_id: int) -> Entity:
    """Return an entity that is not in the trash can.

    Raises:
        NotFound: No such entity.
        EntityInTrash: The entity is in the trash can.
    """
    entity = get_entity(session, entity_id)
    if is_trashed(entity):
        raise EntityInTrash(format_entity_id(entity_id))
    return entity


def iter_ancestors(session: Session, entity: Entity) -> Iterator[Entity]:
    """Iterate over the entity and its ancestors up to the root folder."""
    current: Entity | None = entity
    while current is not None:
        yield current
        parent_id = current.parent_id
        current = None if parent_id is None else session.get(Entity, parent_id)


def list_requirements(session: Session, entity: Entity) -> list[AccessRequirement]:
    """List the access requirements of the entity and its ancestors, oldest first."""
    return list(session.scalars(_REQUIREMENTS, {"entity_id": entity.id}))


def is_restricted(session: Session, entity: Entity) -> bool:
    """Return whether the entity or one of its ancestors has an access requirement."""
    return bool(fetch_rows(session, _REQUIREMENT_IDS, entity_id=entity.id))


def get_acl_owner(entity_id: int) -> Owner:
    """Return the owner key of the ACL of an entity."""
    return Owner(ENTITY_ACL, entity_id)


def _is_granted(session: Session, caller: Caller, benefactor_id: int, access: AccessType) -> bool:
    """Return whether the ACL of the benefactor grants the access type to the caller."""
    return access_lists.is_granted(session, caller, get_acl_owner(benefactor_id), access)


def _lacks_certification(
    caller: Caller, access: AccessType, entity: Entity, new_type: str | None
) -> bool:
    """Return whether access is denied because the caller is not certified."""
    if caller.is_certified:
        return False
    if access is AccessType.CREATE:  # children of the root are projects
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
    """Check the rules that precede the ACL check.

    Returns:
        The error of the first rule that denies access; None if no rule denies access.
    """
    if access is AccessType.DOWNLOAD and is_restricted(session, entity):
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
    granted: frozenset[str] | None = None,
) -> ServiceError | None:
    """Check access to an existing entity.

    Args:
        session: Database session.
        caller: User of the request.
        entity: Entity to access; the parent if `access` is CREATE.
        access: Access type.
        new_type: Concrete type of the entity to create, if `access` is CREATE.
        granted: Access types that the ACL of the benefactor grants to the caller; None if they
            have not been read.

    Returns:
        The error of the first rule that denies access; None if access is allowed.
    """
    if access is AccessType.DELETE and caller.is_admin:
        return None
    if is_trashed(entity):
        return EntityInTrash(format_entity_id(entity.id))
    if caller.is_admin:
        return None
    denial = _get_denial_before_acl(session, caller, entity, access, new_type)
    if denial is not None:
        return denial
    is_settings_owner = access is AccessType.CHANGE_SETTINGS and entity.created_by == caller.id
    is_granted = is_settings_owner or (
        _is_granted(session, caller, entity.benefactor_id, access)
        if granted is None
        else access in granted
    )
    if is_granted:
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
    """Return an entity if the caller has access to it.

    Raises:
        NotFound: No such entity, or it is in the trash can.
        Forbidden: The caller has no access.
    """
    entity = get_entity(session, entity_id)
    denial = get_denial(session, caller, entity, access, new_type=new_type)
    if denial is not None:
        raise denial
    return entity


def is_allowed(
    session: Session,
    caller: Caller,
    entity_id: int,
    access: AccessType,
    *,
    new_type: str | None = None,
) -> bool:
    """Return whether the caller has access to an entity.

    Entities that do not exist or are in the trash can are not accessible.
    """
    entity = session.get(Entity, entity_id)
    if entity is None or is_trashed(entity):
        return False
    return get_denial(session, caller, entity, access, new_type=new_type) is None


def can_delete_acl(session: Session, caller: Caller, entity: Entity) -> bool:
    """Return whether the caller can delete the ACL of the entity."""
    if is_trashed(entity) or entity.parent_id in {None, ROOT}:
        return False
    if caller.is_admin or caller.is_anonymous:
        return caller.is_admin
    return _is_granted(session, caller, entity.benefactor_id, AccessType.CHANGE_PERMISSIONS)
