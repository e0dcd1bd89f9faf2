"""Legacy annotations of submission statuses. Each annotation is private or public."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

#: Property with a list of annotations -> parser of the values.
_VALUE_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Any]]] = {
    "stringAnnos": request_fields.get_text,
    "longAnnos": request_fields.get_integer,
    "doubleAnnos": request_fields.get_number,
}


def parse(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse the legacy annotations of a SubmissionStatus.

    Raises:
        BadRequest: A list, key, value or flag is invalid, or a key is not unique.
    """
    annotations = request_fields.get_object(body, "annotations")
    if annotations is None:
        return None
    keys: set[str] = set()
    lists: dict[str, Any] = {}
    for name, parse_value in _VALUE_PARSERS.items():
        entries = request_fields.get_list(annotations, name)
        if entries is not None:
            lists[name] = [_parse_entry(each, parse_value, keys) for each in entries]
    return lists


def _parse_entry(
    entry: object, parse_value: Callable[[Mapping[str, Any], str], Any], keys: set[str]
) -> dict[str, Any]:
    """Parse an annotation and add its key to `keys`."""
    if not isinstance(entry, dict):
        raise BadRequest("An annotation must have a key and a value.")
    key = request_fields.get_required_text(entry, "key")
    if key in keys:
        raise BadRequest(f"Duplicate annotations found for key: {key}")
    keys.add(key)
    is_private = request_fields.get_boolean(entry, "isPrivate", default=True)
    return {"key": key, "value": parse_value(entry, "value"), "isPrivate": is_private}


def serialize(
    annotations: Mapping[str, Any] | None, object_id: int, scope_id: int, *, with_private: bool
) -> dict[str, Any] | None:
    """Return legacy annotations in the format of the REST API.

    Args:
        annotations: Result of `parse`.
        object_id: ID of the submission.
        scope_id: ID of the evaluation.
        with_private: Include private annotations.
    """
    if annotations is None:
        return None
    lists = {
        name: [each for each in entries if with_private or not each["isPrivate"]]
        for name, entries in annotations.items()
    }
    return {"objectId": str(object_id), "scopeId": str(scope_id), **lists}
