"""Query condition for entities that a caller can READ."""

from sqlalchemy import ColumnElement, and_, true

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain.access import ENTITY_ACL
from synapse_workflows.local.domain.access_lists import select_owners_granting
from synapse_workflows.local.domain.ids import TRASH
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.storage.models import Entity


def is_readable_by(caller: Caller) -> ColumnElement[bool]:
    """Return the SQL condition that an entity is not in the trash can and the caller has READ."""
    readable = select_owners_granting(caller, ENTITY_ACL, AccessType.READ)
    is_granted = true() if caller.is_admin else Entity.benefactor_id.in_(readable)
    return and_(Entity.benefactor_id != TRASH, is_granted)
