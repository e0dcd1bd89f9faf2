"""Comparison of an entity with its copy: an interrupted copy finds what it made before."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, provenance
from synapse_workflows.client.api.store_properties import SET_BY_SYNAPSE
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.argument_types import (
    CopyProvenance,
    CopyStorage,
    EntityTypeName,
)

#: Properties that a copy does not take from its source.
_NOT_COPIED: Final = SET_BY_SYNAPSE | {
    "name", "parentId", "dataFileHandleId", "alias", "size", "checksum", "count",
}  # fmt: skip
#: Properties that contain IDs, which a copy translates.
REFERENCES: Final = frozenset({"linksTo", "scopeIds", "items", "definingSQL"})
#: Properties of a file handle that identify content without a known MD5.
_LOCATION_KEYS: Final = ("concreteType", "externalURL", "endpointUrl", "bucket", "fileKey")


class Match(Enum):
    """How an entity in the destination compares to the copy to make."""

    MISSING = "missing"
    SAME = "same"
    #: The same, except for annotations that have not been stored yet or have to be updated.
    ANNOTATE = "annotate"
    #: A file that gets a new version.
    UPDATE = "update"
    OTHER = "other"


@dataclass(frozen=True)
class CopyOptions:
    """Options of a copy, as the arguments of `copy`."""

    update_existing: bool = False
    exclude_types: tuple[EntityTypeName, ...] = ()
    provenance: CopyProvenance = "source"
    storage: CopyStorage = "destination"
    annotations: bool = True
    wikis: bool = True
    activity: Mapping[str, Any] | None = None


class Comparison:
    """Compares entities with the copies to make.

    Args:
        syn: The session that sends the requests.
        options: Options of the copy.
    """

    def __init__(self, syn: Session, options: CopyOptions) -> None:
        self.syn = syn
        self.options = options

    def match(self, source: Mapping[str, Any], existing: Mapping[str, Any]) -> Match:
        """Compare an entity in the destination to the copy of an entity.

        Properties that contain IDs are not compared here.

        Args:
            source: The bundle of the entity to copy.
            existing: The bundle of the entity in the destination, which has the name of the copy.
        """
        concrete_type = source["entity"]["concreteType"]
        if existing["entity"]["concreteType"] != concrete_type:
            return Match.OTHER
        is_file, updates = concrete_type == constants.FILE, self.options.update_existing
        if not self._has_same_content(source, existing):
            return Match.UPDATE if updates and is_file else Match.OTHER
        stored = existing["annotations"]["annotations"]
        if annotations.have_same_values(self.get_annotations(source, existing), stored):
            return Match.SAME
        is_incomplete = not any(one.get("value") for one in stored.values())
        return Match.ANNOTATE if is_incomplete or updates else Match.OTHER

    def get_annotations(
        self, source: Mapping[str, Any], existing: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the annotations of the copy, in the form of the REST API."""
        bundle = source if self.options.annotations else existing
        found: Mapping[str, Any] = {} if bundle is None else bundle["annotations"]["annotations"]
        return found

    def _has_same_content(self, source: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        wanted, stored = get_properties(source), get_properties(existing)
        keys = (wanted.keys() | stored.keys()) - REFERENCES
        if any((wanted.get(key) or None) != (stored.get(key) or None) for key in keys):
            return False
        if source["entity"]["concreteType"] != constants.FILE:
            return True
        first, second = bundles.get_file_handle(source), bundles.get_file_handle(existing)
        return _is_same_file(first or {}, second or {}) and self.has_provenance(
            source["entity"], existing["entity"]
        )

    def has_provenance(self, source: Mapping[str, Any], copy: Mapping[str, Any]) -> bool:
        """Return whether a version has the Activity that a copy of another version gets.

        If the copy gets no Activity, any Activity is accepted, for example that of a task which
        records its writes.

        Args:
            source: Properties of the version to copy.
            copy: Properties of the other version.
        """
        if self.options.provenance == "none":
            return True
        activity = get_activity(self.syn, copy)
        if self.options.provenance == "existing":
            wanted = get_activity(self.syn, source)
            return wanted is None or _get_id(activity) == _get_id(wanted)
        reference = {
            "targetId": source["id"],
            "targetVersionNumber": source.get("versionNumber"),
        }
        used: list[Mapping[str, Any]] = [] if activity is None else activity["used"]
        return any(one.get("reference") == reference for one in used)


def get_properties(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that a copy takes from its source."""
    return {key: value for key, value in bundle["entity"].items() if key not in _NOT_COPIED}


def get_activity(syn: Session, entity: Mapping[str, Any]) -> Activity | None:
    """Return the Activity of a version; None without one.

    Raises:
        SynapseForbiddenError: The caller may not read the Activity.
    """
    try:
        return provenance.getProvenance(syn, entity)
    except SynapseNotFoundError:
        return None


def _get_id(activity: Activity | None) -> str | None:
    return None if activity is None else str(activity["id"])


def _is_same_file(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    keys = ["fileName", "contentType"]
    if first.get("contentMd5") and second.get("contentMd5"):
        keys += ["contentMd5", "contentSize"]
    else:
        keys += _LOCATION_KEYS
    return bool(first and second) and all(first.get(key) == second.get(key) for key in keys)
