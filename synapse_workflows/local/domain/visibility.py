"""What a caller may READ, as a condition on many entities at once."""

from sqlalchemy import ColumnElement, and_, true

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.access_lists import select_owners_granting
from synapse_workflows.local.domain.ids import TRASH
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.storage.models import Entity


def is_readable_by(caller: Caller) -> ColumnElement[bool]:
    """Make the condition that an entity is not in the trash can and the caller may READ it."""
    open_to_them = select_owners_granting(caller, ENTITY_ACL, AccessType.READ)
    granted = true() if caller.is_admin else Entity.benefactor_id.in_(open_to_them)
    return and_(Entity.benefactor_id != TRASH, granted)
