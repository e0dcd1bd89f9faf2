"""Activity: the provenance of an entity version."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.errors import SynapseError, SynapseMalformedEntityError
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import is_synapse_id, parse_entity_id, split_version
from synapse_workflows.client.model.paths import is_url
from synapse_workflows.constants import ENTITY_TYPES, USED_ENTITY, USED_URL

_REFERENCE_KEYS: Final = frozenset({"targetId", "targetVersionNumber"})
#: Alternative keys of a reference, as in the documentation of synapseclient.
_REFERENCE_ALIASES: Final = {"target": "targetId", "targetVersion": "targetVersionNumber"}
_USED_ENTITY_KEYS: Final = frozenset({"reference", "wasExecuted", "concreteType"})
_USED_URL_KEYS: Final = frozenset({"url", "name", "wasExecuted", "concreteType"})


class Activity(dict[str, Any]):
    """Sources and code that produced an entity.

    The items are the fields of the REST type Activity; ``used`` is always a list.

    Args:
        name: Title of the activity.
        description: Description of the activity.
        used: Used sources, in any form that `used()` accepts, or a list of them.
        executed: Executed code, in any form that `executed()` accepts, or a list of them.
        data: Initial items, for example an Activity returned by Synapse; they are copied.
    """

    def __init__(
        self,
        name: str | None = None,
        description: str | None = None,
        used: Any = None,
        executed: Any = None,
        data: Mapping[str, Any] = {},
    ) -> None:
        super().__init__(data)
        self["used"] = list(self.get("used") or [])
        if name is not None:
            self["name"] = name
        if description is not None:
            self["description"] = description
        if used is not None:
            self.used(used)
        if executed is not None:
            self.executed(executed)

    def used(
        self,
        target: Any = None,
        targetVersion: int | str | None = None,
        wasExecuted: bool | None = None,
        url: str | None = None,
        name: str | None = None,
    ) -> None:
        """Add one or more used sources.

        Args:
            target: An entity, its ID (``syn123``, ``syn123.4``), a URL, a UsedEntity or UsedURL
                as a dictionary, or a list of these.
            targetVersion: Version of the entity, if `target` does not include it.
            wasExecuted: Whether the source was executed; None to use the value of a dictionary
                `target`, or False.
            url: A URL; mutually exclusive with `target`.
            name: Display name of a URL.

        Raises:
            SynapseMalformedEntityError: The arguments are mutually exclusive, an entity was not
                stored, or a reference has unknown keys.
            ValueError: A string is neither a URL nor a Synapse ID, or `targetVersion` differs
                from the version in the ID.
            SynapseError: The target is of an unsupported type.
        """
        if isinstance(target, (list, tuple)):
            _reject_arguments("a list", targetVersion=targetVersion, url=url, name=name)
            for item in target:
                self.used(item, wasExecuted=wasExecuted)
            return
        entry = _create_entry(target, targetVersion, url, name)
        executed = entry.get("wasExecuted", False) if wasExecuted is None else wasExecuted
        self["used"].append({**entry, "wasExecuted": bool(executed)})

    def executed(
        self,
        target: Any = None,
        targetVersion: int | str | None = None,
        url: str | None = None,
        name: str | None = None,
    ) -> None:
        """Add one or more executed sources: `used` with ``wasExecuted=True``."""
        self.used(target, targetVersion=targetVersion, url=url, name=name, wasExecuted=True)

    def __str__(self) -> str:
        lines = [str(self["name"])] if self.get("name") else []
        for title, executed in (("Executed:", True), ("Used:", False)):
            entries = [e for e in self["used"] if bool(e.get("wasExecuted")) is executed]
            if entries:
                lines += [title, *(f"  {_format_entry(entry)}" for entry in entries)]
        return "\n".join(lines)


def _create_entry(target: Any, version: Any, url: str | None, name: str | None) -> dict[str, Any]:
    """Create an item of ``used`` by the form of the arguments; the first match applies."""
    if _is_used_entity(target):
        _reject_arguments("a UsedEntity", targetVersion=version, url=url, name=name)
        return _entry_from_used_entity(target)
    if isinstance(target, Mapping) and "url" in target and target.keys() <= _USED_URL_KEYS:
        _reject_arguments("a UsedURL", targetVersion=version, url=url, name=name)
        return {**target, "concreteType": USED_URL}
    if _is_entity(target):
        _reject_arguments("an entity", url=url, name=name)
        return _create_reference_entry(target["id"], version or target.get("versionNumber"))
    if url:
        _reject_arguments("a url", target=target, targetVersion=version)
        return {"url": url, "name": name, "concreteType": USED_URL}
    if is_url(target):
        _reject_arguments("a URL", targetVersion=version)
        return {"url": target, "name": name or target, "concreteType": USED_URL}
    if isinstance(target, str):
        _reject_arguments("a Synapse id", url=url, name=name)
        return _entry_from_id(target, version)
    raise SynapseError(
        "Unexpected parameters in call to Activity.used(): expected an entity, a Synapse ID, a "
        f"URL, or a list of these, not {type(target).__name__}."
    )


def _entry_from_id(target: str, version: Any) -> dict[str, Any]:
    if not is_synapse_id(target):
        raise ValueError(
            f"Invalid Synapse ID {target!r}: expected 'syn' followed by digits, for example "
            "'syn123' or 'syn123.4', or a URL."
        )
    parsed = split_version(target)
    if parsed.version and version and int(version) != parsed.version:
        raise ValueError(
            f"Conflicting versions of {parsed.id}: {parsed.version} in the ID, {version} in "
            "targetVersion. Pass only one of them."
        )
    return _create_reference_entry(parsed.id, version or parsed.version)


def _create_reference_entry(target: Any, version: Any) -> dict[str, Any]:
    reference: dict[str, Any] = {"targetId": str(target)}
    if version:
        reference["targetVersionNumber"] = int(version)
    return {"reference": reference, "concreteType": USED_ENTITY}


def _is_used_entity(target: Any) -> bool:
    if not isinstance(target, Mapping) or not target.keys() <= _USED_ENTITY_KEYS:
        return False
    reference = target.get("reference")
    return isinstance(reference, Mapping) and "targetId" in _normalize_reference(reference)


def _entry_from_used_entity(target: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a UsedEntity and replace alternative keys of its reference."""
    reference = _normalize_reference(target["reference"])
    unknown = sorted(reference.keys() - _REFERENCE_KEYS)
    if unknown:
        raise SynapseMalformedEntityError(
            f"Invalid keys {', '.join(unknown)} in a reference: expected targetId and "
            "targetVersionNumber."
        )
    parsed = parse_entity_id(reference["targetId"])
    version = reference.get("targetVersionNumber") or parsed.version
    return {**target, **_create_reference_entry(parsed.id, version)}


def _normalize_reference(reference: Mapping[str, Any]) -> dict[str, Any]:
    return {_REFERENCE_ALIASES.get(key, key): value for key, value in reference.items()}


def _is_entity(target: Any) -> bool:
    """Return whether a target is an entity or a dictionary with the type of an entity."""
    is_entity = isinstance(target, Entity) or (
        isinstance(target, Mapping) and target.get("concreteType") in ENTITY_TYPES
    )
    if is_entity and not target.get("id"):
        raise SynapseMalformedEntityError(
            f"The entity {target.get('name')!r} has no ID. Store it before using it as a source."
        )
    return is_entity


def _reject_arguments(target_type: str, **arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise SynapseMalformedEntityError(
            f"The arguments {', '.join(given)} cannot be combined with {target_type}."
        )


def _format_entry(entry: Mapping[str, Any]) -> str:
    reference = entry.get("reference")
    if reference is None:
        return str(entry.get("name") or entry.get("url"))
    version = reference.get("targetVersionNumber")
    return f"{reference['targetId']}.{version}" if version else str(reference["targetId"])
