"""Entity IDs in the arguments of operators and sensors."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model import ids
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    is_staged,
    parse_reference_text,
)


class InvalidEntityIdError(InvalidArgumentError, SynapseMalformedEntityError):
    """An argument is not the ID of an entity. A task fails at once."""


def parse_entity_id(value: Any, argument: str) -> VersionedId:
    """Parse an entity ID, or the ID of a reference that another task returned.

    Args:
        value: `syn123`, `syn123.4`, a reference, or the text of a reference.
        argument: Name of the argument, for the error message.

    Raises:
        InvalidEntityIdError: The value is not an entity ID.
    """
    value = parse_reference_text(value)
    if is_staged(value):
        raise InvalidEntityIdError(
            f"Invalid {argument}: the staged file {value['name']!r} is not an entity. Store it "
            "with SynapseStoreOperator, and pass the result of that task"
        )
    try:
        if isinstance(value, Mapping) and "id" in value:
            version = value.get("version", value.get("versionNumber"))
            return VersionedId(ids.parse_entity_id(str(value["id"])).id, version)
        return ids.parse_entity_id(value)
    except ValueError as error:
        raise InvalidEntityIdError(f"Invalid {argument}: {error}") from error


def parse_unversioned_id(value: Any, argument: str) -> str:
    """Parse an entity ID that must not have a version.

    Args:
        value: `syn123`, or a reference, whose version is ignored.
        argument: Name of the argument, for the error message.

    Raises:
        InvalidEntityIdError: The value is not an entity ID, or is text with a version.
    """
    parsed = parse_entity_id(value, argument)
    if isinstance(value, str) and parsed.version is not None:
        raise InvalidEntityIdError(
            f"Invalid {argument} {value!r}: this is an immutable version. Pass {parsed.id!r} to "
            "use the current state"
        )
    return parsed.id
