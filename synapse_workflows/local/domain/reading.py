"""What a caller may READ, as a condition on many entities at once."""

from sqlalchemy import ColumnElement, and_, select, true

from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.caller import Caller
from synapse_workflows.local.domain.ids import TRASH
from synapse_workflows.local.storage.tables import AclEntry, Entity
from synapse_workflows.vocabulary import AccessType


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """Make the condition that an entity is not in the trash can and the caller may READ it."""
    granting = select(AclEntry.owner_id).where(
        AclEntry.owner_type == ENTITY_ACL,
        AclEntry.principal_id.in_(caller.groups),
        AclEntry.access_type == AccessType.READ.value,
    )
    granted = true() if caller.is_admin else Entity.benefactor_id.in_(granting)
    return and_(Entity.benefactor_id != TRASH, granted)
