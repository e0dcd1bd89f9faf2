"""Rights to store files in storage locations."""

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, PROXY_LOCATION, AccessType
from synapse_workflows.local.domain import access, access_lists
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.storage import storage_locations
from synapse_workflows.local.errors import Forbidden
from synapse_workflows.local.storage.models import Entity
from synapse_workflows.local.storage.storage_models import ProjectSetting, StorageLocation


def check_upload(session: Session, caller: Caller, location: StorageLocation) -> None:
    """Check that the caller may store files in a storage location.

    All users may use the default location and their own locations. They may also use a location if
    they have CREATE on a container that uploads to it, or on the benefactor of a proxy.

    Raises:
        Forbidden: The caller may not use the storage location.
    """
    is_allowed = (
        location.id == DEFAULT_STORAGE_LOCATION
        or caller.is_admin
        or storage_locations.is_owner(caller, location)
        or _can_use_proxy(session, caller, location)
        or _can_create_below_setting(session, caller, location)
    )
    if not is_allowed:
        raise Forbidden(
            f"The storage location {location.id} belongs to another user, and you lack CREATE "
            "access to the projects and folders that use it."
        )


def _can_use_proxy(session: Session, caller: Caller, location: StorageLocation) -> bool:
    benefactor = location.properties.get("benefactorId")
    if location.concrete_type != PROXY_LOCATION or benefactor is None:
        return False
    return access.is_allowed(session, caller, parse_entity_id(benefactor), AccessType.CREATE)


def _can_create_below_setting(session: Session, caller: Caller, location: StorageLocation) -> bool:
    """Return whether the caller has CREATE on a container with the location, or anywhere below.

    Folders below a project can have their own ACL.
    """
    entry = func.json_each(ProjectSetting.locations).table_valued("value")
    is_listed = exists(select(entry.c.value).where(entry.c.value == location.id))
    tree = select(ProjectSetting.container_id.label("id")).where(is_listed).cte(recursive=True)
    tree = tree.union(select(Entity.id).join(tree, Entity.parent_id == tree.c.id))
    granting = access_lists.select_owners_granting(caller, access.ENTITY_ACL, AccessType.CREATE)
    query = select(Entity.id).where(
        Entity.id.in_(select(tree.c.id)), Entity.benefactor_id.in_(granting)
    )
    found = session.scalar(query.limit(1))
    return found is not None and access.is_allowed(session, caller, found, AccessType.CREATE)
