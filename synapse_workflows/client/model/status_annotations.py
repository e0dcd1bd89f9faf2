"""Legacy annotations of submission statuses, each of which is private or public.

New code uses ``SubmissionStatus.submissionAnnotations``, which are always private.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from synapse_workflows.client.model.cell_values import to_builtin, to_epoch_millis

_LONG: Final = 2**63
_META_KEYS: Final = ("objectId", "scopeId")
_LISTS: Final = ("stringAnnos", "longAnnos", "doubleAnnos")
_KEYS: Final = frozenset({*_META_KEYS, *_LISTS})

StatusAnnotationList = Literal["stringAnnos", "longAnnos", "doubleAnnos"]


def to_submission_status_annotations(
    annotations: Mapping[str, Any], is_private: bool = True
) -> dict[str, Any]:
    """Convert values by key to the legacy annotations of a submission status.

    Args:
        annotations: One value by key. Booleans become text, dates become milliseconds since
            1970-01-01 UTC, and values of other types text. Annotations that are already converted
            are returned unchanged.
        is_private: Whether the annotations are visible only with READ_PRIVATE_SUBMISSION on the
            evaluation; False to show them to everyone who may read the evaluation.

    Returns:
        Lists of ``{"key", "value", "isPrivate"}`` under the keys `stringAnnos`, `longAnnos` and
        `doubleAnnos`; empty lists are omitted.
    """
    if _has_status_form(annotations):
        return dict(annotations)
    converted: dict[str, Any] = {}
    for key, value in annotations.items():
        if key in _KEYS:
            converted[key] = value
            continue
        name, encoded = _encode(value)
        entry = {"key": key, "value": encoded, "isPrivate": is_private}
        converted.setdefault(name, []).append(entry)
    return converted


def from_submission_status_annotations(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the legacy annotations of a submission status to values by key.

    Args:
        annotations: The result of `to_submission_status_annotations`, or ``status.annotations``.

    Returns:
        Text, int or float by key; ``objectId`` and ``scopeId`` are kept.
    """
    values: dict[str, Any] = {}
    for name, entries in annotations.items():
        if name not in _LISTS:
            values[name] = entries
            continue
        # NaN and infinity are text in JSON.
        convert = float if name == "doubleAnnos" else _identity
        values |= {
            entry["key"]: None if entry.get("value") is None else convert(entry["value"])
            for entry in entries or ()
        }
    return values


def set_privacy(
    annotations: Mapping[str, Any],
    key: str,
    is_private: bool = True,
    value_types: Sequence[StatusAnnotationList] = ["longAnnos", "doubleAnnos", "stringAnnos"],
) -> dict[str, Any]:
    """Make one legacy annotation of a submission status private or public.

    Args:
        annotations: The result of `to_submission_status_annotations`, which is changed.
        key: Name of the annotation.
        is_private: As for `to_submission_status_annotations`.
        value_types: The lists in which the annotation is looked up.

    Returns:
        The changed entry: ``key``, ``value``, ``isPrivate``.

    Raises:
        KeyError: There is no annotation with this name.
    """
    for name in value_types:
        for entry in annotations.get(name) or ():
            if entry["key"] == key:
                entry["isPrivate"] = is_private
                changed: dict[str, Any] = entry
                return changed
    raise KeyError(f'The key "{key}" couldn\'t be found in your annotations.')


def require_status_form(annotations: Any) -> None:
    """Validate that annotations have the legacy form, because Synapse ignores all other keys.

    Raises:
        ValueError: They were not converted, or an integer has more than 64 bits.
    """
    if annotations is not None and not _has_status_form(annotations):
        raise ValueError(
            f"Invalid annotations of a submission status {annotations!r:.200}: expected only "
            f"{', '.join(_LISTS)}. Set submissionAnnotations instead, or convert the values with "
            "to_submission_status_annotations(values, is_private=...)."
        )
    for entry in (annotations or {}).get("longAnnos") or ():
        value = entry.get("value") if isinstance(entry, Mapping) else None
        if isinstance(value, int) and not -_LONG <= value < _LONG:
            raise ValueError(
                f"Invalid value {value} of annotation {entry.get('key')!r}. Integers are limited "
                "to 64 bits; store larger numbers as strings."
            )


def _has_status_form(annotations: Any) -> bool:
    return isinstance(annotations, Mapping) and _KEYS.issuperset(annotations)


def _encode(value: Any) -> tuple[StatusAnnotationList, Any]:
    """Return the list to which a value belongs, and its JSON form."""
    value = to_builtin(value)
    match value:
        case bool():
            return "stringAnnos", str(value).lower()
        case int():
            return "longAnnos", value
        case float():
            return "doubleAnnos", value
        case date():
            return "longAnnos", to_epoch_millis(value)
    return "stringAnnos", str(value)


def _identity(value: Any) -> Any:
    return value
