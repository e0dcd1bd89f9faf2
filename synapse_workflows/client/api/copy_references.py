"""IDs in the definitions of links and views: a copy refers to the copies of what was copied."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_ID_IN_TEXT: Final = re.compile(r"\bsyn(\d+)\b(?!\.\d)", re.IGNORECASE)


class CopiedVersion(NamedTuple):
    """A copy: the version of the source, and ID and version of the copy."""

    source_version: int | None
    id: str
    version: int | None


Copies = Mapping[str, CopiedVersion]


def iter_references(entity: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over the IDs in the definition of an entity."""
    if entity.get("linksTo"):
        yield str(entity["linksTo"]["targetId"])
    yield from map(_scope_to_id, entity.get("scopeIds") or ())
    for item in entity.get("items") or ():
        yield str(item["entityId"])
    for number in _ID_IN_TEXT.findall(entity.get("definingSQL") or ""):
        yield f"syn{number}"


def translate(
    properties: Mapping[str, Any], copies: Copies, *, has_entity_scope: bool
) -> dict[str, Any]:
    """Return the properties of a copy.

    A reference to a version that was not copied is kept as it is.

    Args:
        properties: Properties of the source.
        copies: The copies by ID of the source.
        has_entity_scope: Whether ``scopeIds`` are IDs of entities.
    """
    result = dict(properties)
    if result.get("linksTo"):
        result["linksTo"] = _translate_item(
            result["linksTo"], copies, "targetId", "targetVersionNumber"
        )
    if result.get("scopeIds") and has_entity_scope:
        scopes = map(_scope_to_id, result["scopeIds"])
        result["scopeIds"] = [copies[one].id if one in copies else one for one in scopes]
    if result.get("items"):
        result["items"] = [
            _translate_item(one, copies, "entityId", "versionNumber") for one in result["items"]
        ]
    if result.get("definingSQL"):
        ids = {source: copy.id for source, copy in copies.items()}
        result["definingSQL"] = replace_ids(result["definingSQL"], ids)
    return result


def _translate_item(
    item: Mapping[str, Any], copies: Copies, id_key: str, version_key: str
) -> dict[str, Any]:
    copy, version = copies.get(str(item[id_key])), item.get(version_key)
    if copy is None:
        return dict(item)
    if version is None:
        return {**item, id_key: copy.id}
    if version != copy.source_version:
        return dict(item)
    return {**item, id_key: copy.id, version_key: copy.version}


def replace_ids(text: str, ids: Mapping[str, str]) -> str:
    """Replace IDs of entities in a text; IDs of versions, such as ``syn123.4``, are kept.

    Args:
        text: A text or SQL.
        ids: New IDs by old IDs.
    """
    return _ID_IN_TEXT.sub(lambda found: ids.get(found[0].lower(), found[0]), text)


def _scope_to_id(scope: Any) -> str:
    text = str(scope).lower()
    return text if text.startswith("syn") else f"syn{text}"
