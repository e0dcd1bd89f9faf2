"""Which classes of entities a view shows: its type mask."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.constants import ENTITY_TYPES
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

FILES: Final = 0x01
PROJECTS: Final = 0x02
#: EntityType word -> its bit in a viewTypeMask.
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
#: The deprecated ViewType -> the mask that means the same.
DEPRECATED_TYPES: Final[Mapping[str, int]] = {
    "file": 0x01,
    "project": 0x02,
    "file_and_table": 0x05,
}
_ALL: Final = sum(BITS.values())


def check_mask(mask: int) -> int:
    """Check a mask.

    Raises:
        BadRequest: it has no bit, or one that means nothing.
    """
    if mask <= 0 or mask & ~_ALL:
        raise BadRequest(f"viewTypeMask must combine bits of 0x{_ALL:x}, and is {mask}.")
    return mask


def parse_mask(body: Mapping[str, Any], old_key: str) -> int:
    """Read the mask of a view, from its viewTypeMask or the deprecated type.

    Args:
        body: the view or its scope.
        old_key: where the deprecated type would be.

    Raises:
        BadRequest: there is neither, or one that means nothing.
    """
    given = request_fields.get_integer(body, "viewTypeMask")
    if given is not None:
        return check_mask(given)
    if body.get(old_key) is None:
        raise BadRequest("viewTypeMask is required.")
    return DEPRECATED_TYPES[request_fields.parse_choice(DEPRECATED_TYPES, body[old_key], old_key)]


def check_combination(mask: int) -> None:
    """Check that projects stand alone.

    Raises:
        BadRequest: they are combined with others.
    """
    if mask & PROJECTS and mask != PROJECTS:
        raise BadRequest("'Project' (0x02) cannot be combined with other types in a viewTypeMask.")


def list_concrete_types(mask: int) -> list[str]:
    """List the concrete types that a mask names."""
    return [name for name, word in ENTITY_TYPES.items() if BITS.get(word, 0) & mask]
