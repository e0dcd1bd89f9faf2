"""Properties of a store request: comparison with an existing entity, and missing properties."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api.store_request import (
    UNTYPED,
    StoreRequest,
    require_valid_annotations,
)
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import get_entity_type

#: Properties that Synapse sets. These properties are ignored in the check for changes.
SET_BY_SYNAPSE: Final = frozenset(
    {
        "id", "etag", "createdOn", "createdBy", "modifiedOn", "modifiedBy", "uri", "entityType",
        "annotations", "accessControlList", "versionNumber", "versionLabel", "versionUrl",
        "versions", "isLatestVersion",
    }
)  # fmt: skip


@dataclass(frozen=True)
class VersionOptions:
    """How to handle an existing entity.

    Args:
        create_or_update: Whether to update an existing entity with the same name.
        force: Whether to create a new version if nothing changed.
        label: Label of the new version; None to use the version number as label.
    """

    create_or_update: bool = True
    force: bool = True
    label: str | int | None = None


def apply_version(
    properties: dict[str, Any],
    given: StoreRequest,
    options: VersionOptions,
    existing: Mapping[str, Any] | None,
    *,
    new_version: bool,
) -> None:
    """Set the label and the comment of the version in the properties to send.

    Storing some types of entities, for example tables, creates no new version. For such an entity,
    the label is set on the current version.

    Args:
        properties: The properties to send. This dictionary is changed.
        given: The store request of the caller.
        options: How to handle an existing entity.
        existing: The bundle of the existing entity, if it was fetched.
        new_version: Whether the request creates a version.
    """
    entity_type = get_entity_type(properties["concreteType"])
    if options.label is not None and "versionLabel" in entity_type.property_keys:
        properties["versionLabel"] = str(options.label)
    if not entity_type.is_versionable:
        return
    if new_version or existing is None:
        # Without this property, Synapse copies the comment of the last version to the new version.
        properties["versionComment"] = given.properties.get("versionComment")
    if options.label is None and new_version:
        if options.force and "versionNumber" in properties:
            properties["versionLabel"] = str(int(properties["versionNumber"]) + 1)
        else:
            properties.pop("versionLabel", None)


def is_unchanged(
    request: StoreRequest, existing: Mapping[str, Any], options: VersionOptions
) -> bool:
    """Return whether the properties and the version label are equal to those in Synapse.

    Args:
        request: What to store.
        existing: The bundle of the existing entity.
        options: How to handle the existing entity.
    """
    stored = existing["entity"]
    if options.label is not None and str(options.label) != stored.get("versionLabel"):
        return False
    keys = request.properties.keys() - SET_BY_SYNAPSE
    return all(
        _normalize(key, request.properties[key]) == _normalize(key, stored.get(key))
        for key in keys
    )


def _normalize(key: str, value: Any) -> Any:
    """Normalize a property value for comparison. Synapse returns scope IDs without `syn`."""
    if key == "scopeIds":
        return [str(one).lower().removeprefix("syn") for one in value or ()]
    return value or None


def has_same_annotations(request: StoreRequest, existing: Mapping[str, Any] | None) -> bool:
    """Return whether the annotations equal those of a bundle; no bundle means no annotations."""
    stored = {} if existing is None else existing["annotations"]["annotations"]
    return annotations.have_same_values(request.annotations, stored)


def prepare_create(syn: Session, request: StoreRequest, options: VersionOptions) -> StoreRequest:
    """Add the properties that only a new entity needs: version label, and target of a link."""
    properties = dict(request.properties)
    if options.label is not None and "versionLabel" in request.entity_type.property_keys:
        properties["versionLabel"] = str(options.label)
    if properties["concreteType"] == constants.LINK and not properties.get("linksToClassName"):
        properties |= _get_link_properties(syn, properties)
    return replace(request, properties=properties)


def _get_link_properties(syn: Session, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the name and the target type of a new link, read from the target of the link.

    Source:
        GET /entity/{id}, GET /entity/{id}/version/{versionNumber}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    link = properties["linksTo"]
    version = link.get("targetVersionNumber")
    suffix = "" if version is None else f"/version/{version}"
    target = syn.call("GET", f"/entity/{link['targetId']}{suffix}").json
    if target.get("parentId") == properties.get("parentId"):
        raise ValueError(
            "Cannot create a Link to an entity under the same parent. The parent of "
            f"{link['targetId']} is {target.get('parentId')}: choose another parent."
        )
    return {"name": target["name"], "linksToClassName": target["concreteType"]}


def fill_properties(request: StoreRequest, existing: Mapping[str, Any]) -> StoreRequest:
    """Add the properties of the existing entity that the request does not set."""
    given = dict(request.properties)
    if given["concreteType"] == UNTYPED:
        del given["concreteType"]
    properties = {**existing["entity"], **given}
    entity_type = get_entity_type(properties["concreteType"])
    require_valid_annotations(request.annotations, entity_type)
    return replace(request, entity_type=entity_type, properties=properties)


def fill_annotations(request: StoreRequest, existing: Mapping[str, Any]) -> StoreRequest:
    """Add the properties and annotations of the existing entity that the request does not set."""
    stored = existing["annotations"]["annotations"]
    filled = fill_properties(request, existing)
    return replace(filled, annotations={**stored, **request.annotations})
