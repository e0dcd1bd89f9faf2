"""Owners of wikis, and access to wikis through their owners."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import ACCESS_AND_COMPLIANCE, AccessType
from synapse_workflows.local.domain import access as entity_access, ids
from synapse_workflows.local.domain.evaluations import access as evaluation_access
from synapse_workflows.local.domain.lookup import get_or_404
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Forbidden, NotFound
from synapse_workflows.local.storage.database import Base
from synapse_workflows.local.storage.evaluation_models import Evaluation
from synapse_workflows.local.storage.models import AccessRequirement, Entity
from synapse_workflows.local.storage.wiki_models import WikiPage


class OwnerType(StrEnum):
    """Types of objects that have a wiki (ObjectType)."""

    ENTITY = "ENTITY"
    EVALUATION = "EVALUATION"
    ACCESS_REQUIREMENT = "ACCESS_REQUIREMENT"


#: First segment of the paths of the REST API -> type of the owner.
PATH_TYPES: Final = {
    "entity": OwnerType.ENTITY,
    "evaluation": OwnerType.EVALUATION,
    "access_requirement": OwnerType.ACCESS_REQUIREMENT,
}
_MODELS: Final[Mapping[OwnerType, type[Base]]] = {
    OwnerType.ENTITY: Entity,
    OwnerType.EVALUATION: Evaluation,
    OwnerType.ACCESS_REQUIREMENT: AccessRequirement,
}


@dataclass(frozen=True)
class WikiOwner:
    """The object that a wiki belongs to."""

    type: OwnerType
    id: int

    @property
    def formatted_id(self) -> str:
        """The ID in the format of the REST API: `syn123` or `9600001`."""
        is_entity = self.type is OwnerType.ENTITY
        return ids.format_entity_id(self.id) if is_entity else str(self.id)

    @property
    def label(self) -> str:
        """The ID and the type, for error messages."""
        return f"ownerId: {self.id} and ownerType: {self.type}"


def parse_owner(path_type: str, text: str) -> WikiOwner:
    """Parse the owner of a path such as `/entity/syn123/wiki`.

    Raises:
        BadRequest: The ID is invalid.
    """
    owner_type = PATH_TYPES[path_type]
    if owner_type is OwnerType.ENTITY:
        return WikiOwner(owner_type, ids.parse_entity_id(text))
    return WikiOwner(owner_type, ids.parse_unprefixed_id(text, "ownerId"))


def get_owner(page: WikiPage) -> WikiOwner:
    """Return the owner of a page."""
    return WikiOwner(OwnerType(page.owner_type), page.owner_id)


def require(session: Session, caller: Caller, owner: WikiOwner, right: AccessType) -> None:
    """Check the access of the caller to the wikis of an owner.

    Everyone can read the wikis of access requirements; members of the ACT can change them.

    Raises:
        Forbidden: The caller lacks the right.
        NotFound: No such owner, or it is in the trash can.
    """
    match owner.type:
        case OwnerType.ENTITY:
            # As for projects, users who are not certified may create wikis of projects.
            concrete_type = entity_access.get_entity(session, owner.id).concrete_type
            entity_access.require(session, caller, owner.id, right, new_type=concrete_type)
        case OwnerType.EVALUATION:
            evaluation_access.require(session, caller, owner.id, right)
        case OwnerType.ACCESS_REQUIREMENT:
            message = f"AccessRequirement with id {owner.id} does not exist"
            get_or_404(session, AccessRequirement, owner.id, message)
            is_member = caller.is_admin or ACCESS_AND_COMPLIANCE in caller.groups
            if right is not AccessType.READ and not is_member:
                raise Forbidden("Only ACT member can change the wiki of an access requirement.")


def can_read(session: Session, caller: Caller, owner: WikiOwner) -> bool:
    """Return whether the caller can read the wikis of an owner."""
    try:
        require(session, caller, owner, AccessType.READ)
    except (Forbidden, NotFound):
        return False
    return True


def owner_exists(session: Session, owner: WikiOwner) -> bool:
    """Return whether the owner was not deleted permanently."""
    return session.get(_MODELS[owner.type], owner.id) is not None
