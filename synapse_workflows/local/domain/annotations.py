"""Annotations of entities."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import ZERO_ETAG, AccessType, AnnotationType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion

MAX_KEYS: Final = 100
MAX_VALUES: Final = 100
#: Maximum number of UTF-16 units in all values of a STRING annotation.
MAX_CHARACTERS: Final = 500

_KEY: Final = re.compile(r"[a-zA-Z0-9,_.]+")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = frozenset(
    {"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}
)
_RESERVED: Final = frozenset({"_accessRequirementIds"})
_LONG_LIMIT: Final = 2**63


def _is_long(value: str) -> bool:
    return _WHOLE.fullmatch(value) is not None and -_LONG_LIMIT <= int(value) < _LONG_LIMIT


def _is_double(value: str) -> bool:
    return _DECIMAL.fullmatch(value) is not None or value.lower() in _NOT_FINITE


def _is_boolean(value: str) -> bool:
    return value.lower() in {"true", "false"}


def _is_any_text(_value: str) -> bool:
    return True


_VALIDATORS: Final[Mapping[AnnotationType, Callable[[str], bool]]] = {
    AnnotationType.STRING: _is_any_text,
    AnnotationType.LONG: _is_long,
    AnnotationType.DOUBLE: _is_double,
    AnnotationType.BOOLEAN: _is_boolean,
    AnnotationType.TIMESTAMP_MS: _is_long,
}


def parse(body: Mapping[str, Any], reserved: frozenset[str]) -> dict[str, Any]:
    """Parse and validate annotations.

    Args:
        body: Annotations object (v2).
        reserved: Field names of the entity. They are not allowed as keys of annotations.

    Returns:
        `{key: {"type": ..., "value": [text, ...]}}`.

    Raises:
        BadRequest: A key, type or value is invalid, or a limit is exceeded.
    """
    annotations = request_fields.get_object(body, "annotations") or {}
    if len(annotations) > MAX_KEYS:
        raise BadRequest(f"Exceeded maximum number of annotation keys: {MAX_KEYS}")
    return {key: _parse_annotation(key, value, reserved) for key, value in annotations.items()}


def _parse_annotation(key: str, value: object, reserved: frozenset[str]) -> dict[str, Any]:
    if _KEY.fullmatch(key) is None:
        raise BadRequest(
            f"Invalid annotation key: '{key}'. Keys may only contain: letters, numbers, "
            "underscores, commas, and periods"
        )
    if key in _RESERVED or key in reserved:
        raise BadRequest(f"'{key}' is a reserved name and cannot be an annotation key.")
    if not isinstance(value, dict):
        raise BadRequest(f"The annotation '{key}' must have a type and a value.")
    kind = request_fields.parse_enum(
        AnnotationType, value.get("type"), f"type of the annotation '{key}'"
    )
    values = _parse_values(key, value)
    for each in values:
        if not _VALIDATORS[kind](each):
            raise BadRequest(
                f"Value associated with key={key} is not valid for type={kind}: {each}"
            )
    length = sum(map(request_fields.utf16_length, values))
    if kind is AnnotationType.STRING and length > MAX_CHARACTERS:
        raise BadRequest(
            f"The values of the annotation '{key}' have {length} characters; "
            f"the limit is {MAX_CHARACTERS}."
        )
    return {"type": kind.value, "value": values}


def _parse_values(key: str, value: Mapping[str, Any]) -> list[str]:
    values = request_fields.get_list(value, "value")
    if not values:
        raise BadRequest(f"The annotation '{key}' has no values. To remove it, omit the key.")
    if len(values) > MAX_VALUES:
        raise BadRequest(
            f"The annotation '{key}' has {len(values)} values; the limit is {MAX_VALUES}."
        )
    return [_parse_value(key, each) for each in values]


def _parse_value(key: str, value: object) -> str:
    if value is None:
        raise BadRequest(f"null is not allowed. To remove the annotation '{key}', omit the key.")
    if isinstance(value, bool):
        return str(value).lower()
    return request_fields.parse_text(value, f"Every value of the annotation '{key}'")


def serialize(
    entity: Entity, version: EntityVersion, *, zero_etag: bool = False
) -> dict[str, Any]:
    """Return the Annotations of an entity version."""
    return {
        "id": format_entity_id(entity.id),
        "etag": ZERO_ETAG if zero_etag else entity.etag,
        "annotations": version.annotations,
    }


def get(
    session: Session, caller: Caller, entity_id: int, number: int | None = None
) -> dict[str, Any]:
    """Return the annotations of an entity version; the current version if `number` is None.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity or version.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.get_version(session, entity, number)
    return serialize(entity, version, zero_etag=number is not None)


def replace(
    session: Session, caller: Caller, entity_id: int, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the annotations of the current version of an entity.

    Returns:
        The annotations with the new etag.

    Raises:
        BadRequest: The annotations are invalid.
        Forbidden: The caller lacks UPDATE.
        NotFound: No such entity.
        StaleEtag: The etag is not the current one.
    """
    entity = access.require(session, caller, entity_id, AccessType.UPDATE)
    entities.check_etag(format_entity_id(entity_id), entity.etag, body)
    version = entities.get_version(session, entity)
    parsed = parse(body, CONCRETE_TYPES[entity.concrete_type].fields)
    entities.record_change(session, caller, entity, version, annotations=parsed)
    return serialize(entity, version)
