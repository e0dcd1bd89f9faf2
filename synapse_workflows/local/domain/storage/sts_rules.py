"""Rules of STS-enabled folders.

Temporary credentials give access to all objects of the storage location of a folder. Therefore the
folder has only this location, everything below it has the same access rules, and the location has
only files of such folders.
"""

from collections.abc import Sequence

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, FILE, FOLDER
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.storage import effective_settings, storage_locations
from synapse_workflows.local.domain.storage.effective_settings import StsFolder
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import (
    AccessRequirement,
    Acl,
    Entity,
    EntityVersion,
    Trashed,
)
from synapse_workflows.local.storage.storage_models import ProjectSetting, StorageLocation


def check_setting(
    session: Session,
    container: Entity,
    *,
    before: Sequence[StorageLocation],
    after: Sequence[StorageLocation],
) -> None:
    """Check a change of the storage locations of a container.

    Args:
        session: Database session.
        container: A project or folder.
        before: Storage locations of the current setting; empty if it has none.
        after: Storage locations of the new setting; empty if the setting is deleted.

    Raises:
        BadRequest: An STS location is set on a project, with other locations or on a folder that
            is not empty; it is removed from such a folder; or the container is below an
            STS-enabled folder.
    """
    check_not_below_sts_folder(
        session, container, "Can't override project settings in an STS-enabled folder path"
    )
    enables = any(storage_locations.is_sts_enabled(each) for each in after)
    if enables and container.concrete_type != FOLDER:
        raise BadRequest("Can only enable STS on a folder")
    if enables and len(after) > 1:
        raise BadRequest("An STS-enabled folder cannot add other upload locations")
    if [each.id for each in before] == [each.id for each in after] or _is_empty(
        session, container
    ):
        return
    if enables:
        raise BadRequest("Can't enable STS in a non-empty folder")
    if any(storage_locations.is_sts_enabled(each) for each in before):
        raise BadRequest("Can't disable STS in a non-empty folder")


def _is_empty(session: Session, container: Entity) -> bool:
    """Return whether a container has no children, not even in the trash can."""
    children = exists().where(Entity.parent_id == container.id)
    trashed = exists().where(Trashed.original_parent_id == container.id)
    return not session.scalar(select(children | trashed))


def check_not_below_sts_folder(session: Session, entity: Entity, reason: str) -> None:
    """Check that an entity is not a descendant of an STS-enabled folder.

    Raises:
        BadRequest: The entity is a descendant; `reason` is the error message.
    """
    folder = effective_settings.find_sts_folder(session, entity)
    if folder is not None and folder.id != entity.id:
        raise BadRequest(f"{reason}: {format_entity_id(folder.id)} is STS-enabled")


def check_new_entity(
    session: Session, parent: Entity, concrete_type: str, handle: FileHandle | None
) -> None:
    """Check that an entity can be created in a container.

    Raises:
        BadRequest: The container is in an STS-enabled folder and the entity is neither a file nor
            a folder; or the file handle is not in the storage location of the container.
    """
    folder = effective_settings.find_sts_folder(session, parent)
    _check_type(folder, concrete_type)
    if handle is not None:
        _check_location(session, folder, handle.storage_location_id)


def check_file_handle(session: Session, entity: Entity, handle: FileHandle) -> None:
    """Check that an entity can have a file handle.

    Raises:
        BadRequest: One of the two is in an STS-enabled storage location, and the other is not.
    """
    folder = effective_settings.find_sts_folder(session, entity)
    _check_location(session, folder, handle.storage_location_id)


def _check_type(folder: StsFolder | None, concrete_type: str) -> None:
    if folder is not None and concrete_type not in {FOLDER, FILE}:
        raise BadRequest("Can only create Files and Folders inside STS-enabled folders")


def _check_location(session: Session, folder: StsFolder | None, location_id: int | None) -> None:
    number = DEFAULT_STORAGE_LOCATION if location_id is None else location_id
    if folder is not None:
        if number != folder.location.id:
            raise BadRequest(
                "Folders with STS-enabled storage locations can only accept files with the same "
                f"storage location: {format_entity_id(folder.id)} has the storage location "
                f"{folder.location.id}, the file has {number}"
            )
    elif number != DEFAULT_STORAGE_LOCATION and storage_locations.is_sts_enabled(
        storage_locations.get_location(session, number)
    ):
        raise BadRequest(
            "Files in STS-enabled storage locations can only be placed in folders with the same "
            f"storage location: the file has the storage location {number}"
        )


def check_placement(session: Session, entity: Entity, parent: Entity) -> None:
    """Check that an entity with its descendants can be moved or restored to a container.

    Raises:
        BadRequest: The container is in an STS-enabled folder, and the subtree has something that
            is not allowed there; or a file would leave its STS-enabled storage location.
    """
    folder = effective_settings.find_sts_folder(session, parent)
    ids = _select_subtree(entity)
    if folder is not None:
        types = select(Entity.concrete_type).where(Entity.id.in_(ids)).distinct()
        for concrete_type in session.scalars(types):
            _check_type(folder, concrete_type)
        _check_no_overrides(session, folder, ids)
    used = (
        select(FileHandle.storage_location_id)
        .join(EntityVersion, EntityVersion.file_handle_id == FileHandle.id)
        .where(EntityVersion.entity_id.in_(ids))
        .distinct()
    )
    for location_id in session.scalars(used):
        _check_location(session, folder, location_id)


def _select_subtree(entity: Entity) -> Select[tuple[int]]:
    """Build a query for the IDs of an entity and its descendants.

    Containers with a setting are included, but not their content, which follows that setting.
    """
    tree = select(Entity.id).where(Entity.id == entity.id).cte(recursive=True)
    has_setting = exists().where(ProjectSetting.container_id == tree.c.id)
    below = select(Entity.id).join(tree, Entity.parent_id == tree.c.id).where(~has_setting)
    return select(tree.union_all(below).c.id)


def _check_no_overrides(session: Session, folder: StsFolder, ids: Select[tuple[int]]) -> None:
    """Check that no entity has its own setting, ACL or access requirement.

    Raises:
        BadRequest: An entity has one.
    """
    for owner, name in (
        (ProjectSetting.container_id.in_(ids), "storage locations"),
        ((Acl.owner_type == access.ENTITY_ACL) & Acl.owner_id.in_(ids), "sharing settings"),
        (AccessRequirement.entity_id.in_(ids), "access requirements"),
    ):
        if session.scalar(select(exists().where(owner))):
            raise BadRequest(
                f"Entities with their own {name} cannot be placed inside the STS-enabled folder "
                f"{format_entity_id(folder.id)}. Remove their {name} first."
            )
