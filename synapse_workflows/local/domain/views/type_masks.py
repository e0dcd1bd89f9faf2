"""Type masks: the types of entities that a view shows, as a bit mask."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.constants import ENTITY_TYPES
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

FILES: Final = 0x01
PROJECTS: Final = 0x02
#: EntityType -> bit of the type in a viewTypeMask.
BITS: Final[Mapping[str, int]] = {
    "file": FILES,
    "project": PROJECTS,
    "table": 0x04,
    "folder": 0x08,
    "entityview": 0x10,
    "dockerrepo": 0x20,
    "submissionview": 0x40,
    "dataset": 0x80,
    "datasetcollection": 0x100,
    "materializedview": 0x200,
}
_ALL: Final = sum(BITS.values())
#: Deprecated view type -> mask.
_VIEW_TYPES: Final[Mapping[str, int]] = {
    "file": FILES,
    "project": PROJECTS,
    "file_and_table": FILES | BITS["table"],
}


def check_mask(mask: int) -> int:
    """Check that a mask has at least one bit and no unknown bit.

    Raises:
        BadRequest: The mask is invalid.
    """
    if mask <= 0 or mask & ~_ALL:
        raise BadRequest(f"Invalid viewTypeMask {mask}: expected a combination of 0x{_ALL:x}.")
    return mask


def parse_mask(body: Mapping[str, Any]) -> int:
    """Parse the viewTypeMask of a view or ViewScope.

    Raises:
        BadRequest: The mask is missing or invalid.
    """
    mask = request_fields.get_integer(body, "viewTypeMask")
    if mask is None:
        raise BadRequest("viewTypeMask is required.")
    return check_mask(mask)


def parse_view_type(name: str) -> int:
    """Return the mask of a deprecated view type.

    Raises:
        BadRequest: The view type is unknown.
    """
    return _VIEW_TYPES[request_fields.parse_choice(_VIEW_TYPES, name, "viewtype")]


def check_combination(mask: int) -> None:
    """Check that a mask does not combine projects with other types.

    Raises:
        BadRequest: The mask combines projects with other types.
    """
    if mask & PROJECTS and mask != PROJECTS:
        raise BadRequest("'Project' (0x02) cannot be combined with other types in a viewTypeMask.")


def list_concrete_types(mask: int) -> list[str]:
    """Return the concrete types in a mask."""
    return [name for name, word in ENTITY_TYPES.items() if BITS.get(word, 0) & mask]
