"""Provenance: what was used and what was executed to make an entity."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.errors import SynapseError, SynapseMalformedEntityError
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import is_synapse_id, parse_entity_id, split_version
from synapse_workflows.client.model.paths import is_url
from synapse_workflows.constants import ENTITY_TYPES, USED_ENTITY, USED_URL

_REFERENCE_KEYS: Final = frozenset({"targetId", "targetVersionNumber"})
#: How the documentation of synapseclient spells the keys of a reference.
_REFERENCE_ALIASES: Final = {"target": "targetId", "targetVersion": "targetVersionNumber"}
_USED_ENTITY_KEYS: Final = frozenset({"reference", "wasExecuted", "concreteType"})
_USED_URL_KEYS: Final = frozenset({"url", "name", "wasExecuted", "concreteType"})


class Activity(dict[str, Any]):
    """What made an entity: a dictionary as Synapse's Activity, with ``used`` always a list.

    Args:
        name: Its title.
        description: What was done.
        used: What was used, in any form that `used()` takes, or a list of them.
        executed: What was executed, likewise.
        data: An Activity as Synapse answers it, to begin with; it is copied.
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
        """Add something that was used.

        Args:
            target: An entity, its id (``syn123``, ``syn123.4``), a URL, a UsedEntity or UsedURL
                as a dictionary, or a list of such things.
            targetVersion: The version of the entity, where `target` does not say it.
            wasExecuted: Whether it was executed; None: as a dictionary says, else no.
            url: A URL instead of a `target`.
            name: What to call a URL.

        Raises:
            SynapseMalformedEntityError: Arguments that exclude each other.
            ValueError: Text that is neither a URL nor a Synapse id, or two versions of one thing.
            SynapseError: A target of another kind.
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
        """Add something that was executed: `used` with ``wasExecuted=True``."""
        self.used(target, targetVersion=targetVersion, url=url, name=name, wasExecuted=True)

    def __str__(self) -> str:
        lines = [str(self["name"])] if self.get("name") else []
        for title, executed in (("Executed:", True), ("Used:", False)):
            entries = [e for e in self["used"] if bool(e.get("wasExecuted")) is executed]
            if entries:
                lines += [title, *(f"  {_format_entry(entry)}" for entry in entries)]
        return "\n".join(lines)


def _create_entry(target: Any, version: Any, url: str | None, name: str | None) -> dict[str, Any]:
    """Find the first rule that fits and make the entry of the list ``used``."""
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
        "Unexpected parameters in call to Activity.used(). Give an entity, a Synapse id, a URL, "
        f"or a list of these, not {type(target).__name__}."
    )


def _entry_from_id(target: str, version: Any) -> dict[str, Any]:
    if not is_synapse_id(target):
        raise ValueError(f"{target} is not a valid Synapse id")
    found = split_version(target)
    if found.version and version and int(version) != found.version:
        raise ValueError(
            f"Two conflicting versions of {found.id}: {found.version} in the id, "
            f"{version} as targetVersion"
        )
    return _create_reference_entry(found.id, version or found.version)


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
    """Copy a UsedEntity with its reference spelled as Synapse does."""
    reference = _normalize_reference(target["reference"])
    unknown = sorted(reference.keys() - _REFERENCE_KEYS)
    if unknown:
        raise SynapseMalformedEntityError(
            f"A reference holds targetId and targetVersionNumber, not {', '.join(unknown)}."
        )
    found = parse_entity_id(reference["targetId"])
    version = reference.get("targetVersionNumber") or found.version
    return {**target, **_create_reference_entry(found.id, version)}


def _normalize_reference(reference: Mapping[str, Any]) -> dict[str, Any]:
    return {_REFERENCE_ALIASES.get(key, key): value for key, value in reference.items()}


def _is_entity(target: Any) -> bool:
    """Tell entities, and dictionaries that say they are one, from anything else."""
    if isinstance(target, Entity):
        known = True
    else:
        known = isinstance(target, Mapping) and target.get("concreteType") in ENTITY_TYPES
    if known and not target.get("id"):
        raise SynapseMalformedEntityError(
            f"{target.get('name') or 'An entity'} has no id yet: store it before naming it here."
        )
    return known


def _reject_arguments(kind: str, **arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise SynapseMalformedEntityError(
            f"The arguments {', '.join(given)} cannot be given together with {kind}."
        )


def _format_entry(entry: Mapping[str, Any]) -> str:
    reference = entry.get("reference")
    if reference is None:
        return str(entry.get("name") or entry.get("url"))
    version = reference.get("targetVersionNumber")
    return f"{reference['targetId']}.{version}" if version else str(reference["targetId"])
