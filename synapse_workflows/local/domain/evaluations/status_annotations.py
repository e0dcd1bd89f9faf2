"""The legacy annotations of a submission's status, each private or not."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.errors import BadRequest

#: List of annotations -> how a value of its type is read.
_VALUE_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Any]]] = {
    "stringAnnos": request_fields.get_text,
    "longAnnos": request_fields.get_integer,
    "doubleAnnos": request_fields.get_number,
}


def parse(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the legacy annotations of a SubmissionStatus, as they are kept.

    Raises:
        BadRequest: a list, a key, a value or a flag is ill-typed, or a key occurs twice.
    """
    given = request_fields.get_object(body, "annotations")
    if given is None:
        return None
    seen: set[str] = set()
    found: dict[str, Any] = {}
    for name, value_of in _VALUE_PARSERS.items():
        entries = request_fields.get_list(given, name)
        if entries is not None:
            found[name] = [_parse_entry(each, value_of, seen) for each in entries]
    return found


def _parse_entry(
    given: object, value_of: Callable[[Mapping[str, Any], str], Any], seen: set[str]
) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadRequest("An annotation must have a key and a value.")
    key = request_fields.get_required_text(given, "key")
    if key in seen:
        raise BadRequest(f"Duplicate annotations found for key: {key}")
    seen.add(key)
    private = request_fields.get_boolean(given, "isPrivate", default=True)
    return {"key": key, "value": value_of(given, "value"), "isPrivate": private}


def serialize(
    kept: Mapping[str, Any] | None, object_id: int, scope_id: int, *, with_private: bool
) -> dict[str, Any] | None:
    """Write legacy annotations.

    Args:
        kept: as `read` gave them.
        object_id: the submission.
        scope_id: the evaluation.
        with_private: keep those that are private.
    """
    if kept is None:
        return None
    lists = {
        name: [each for each in entries if with_private or not each["isPrivate"]]
        for name, entries in kept.items()
    }
    return {"objectId": str(object_id), "scopeId": str(scope_id), **lists}
