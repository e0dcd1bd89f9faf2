"""Entity IDs in the arguments of operators and sensors."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model import ids
from synapse_workflows.client.model.ids import VersionedId


def parse_entity_id(value: Any, argument: str) -> VersionedId:
    """Parse an entity ID, or the ID of a reference that another task returned.

    Args:
        value: `syn123`, `syn123.4`, or a reference.
        argument: name of the argument, for the error message.

    Raises:
        SynapseMalformedEntityError: The value is not an entity ID.
    """
    if isinstance(value, Mapping) and "id" in value:
        return VersionedId(str(value["id"]), value.get("version"))
    try:
        return ids.parse_entity_id(value)
    except ValueError as error:
        raise SynapseMalformedEntityError(f"Invalid {argument}: {error}") from error


def parse_unversioned_id(value: Any, argument: str) -> str:
    """Parse the ID of an entity whose current state is meant.

    Args:
        value: `syn123`, or a reference, whose version is ignored.
        argument: name of the argument, for the error message.

    Raises:
        SynapseMalformedEntityError: The value is not an entity ID, or is text with a version.
    """
    parsed = parse_entity_id(value, argument)
    if isinstance(value, str) and parsed.version is not None:
        raise SynapseMalformedEntityError(
            f"Invalid {argument} {value!r}: this is an immutable version. Pass {parsed.id!r} to "
            "use the current state"
        )
    return parsed.id
