"""Creation and update of entities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import entity_lookup
from synapse_workflows.client.api.store_request import UNTYPED, StoreRequest
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
)
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import get_entity_type

#: Properties that Synapse sets; they are ignored when an entity is checked for changes.
_SET_BY_SYNAPSE: Final = frozenset(
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
        label: Label of the new version; None for its number.
    """

    create_or_update: bool = True
    force: bool = True
    label: str | int | None = None


@dataclass(frozen=True)
class StoreResult:
    """Result of creating or updating an entity.

    Args:
        properties: The properties that Synapse returned.
        annotations: The annotations to store, as AnnotationsValue by key.
        existing: The bundle of the entity before the update, if it was fetched.
        created: Whether the entity is new.
        changed: Whether the entity differs from the existing one.
    """

    properties: Mapping[str, Any]
    annotations: Mapping[str, Any]
    existing: Mapping[str, Any] | None = None
    created: bool = False
    changed: bool = True

    @property
    def id(self) -> str:
        """The ID of the entity, ``syn123``."""
        return str(self.properties["id"])


def create_or_update(
    syn: Session,
    request: StoreRequest,
    existing: Mapping[str, Any] | None,
    options: VersionOptions,
    *,
    uploaded: bool = False,
) -> StoreResult:
    """Create an entity, or update the existing one.

    Args:
        syn: The session that sends the requests.
        request: What to store; its content is uploaded already.
        existing: The result of `entity_lookup.find_existing`.
        options: How to handle an existing entity.
        uploaded: Whether the content was uploaded for this request.

    Raises:
        SynapseConflictError: The version label is used already; or the name is used by an entity
            that cannot be updated.
        SynapseStaleError: The entity was changed since it was read.
        SynapseMalformedEntityError: The parent is not a container.
        SynapseForbiddenError: The caller may not change the entity or its parent.

    Source:
        POST /entity, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    if existing is not None:
        return _update(syn, _fill_properties(request, existing), existing, options)
    if request.id:
        return _update(syn, request, None, options)
    prepared = _prepare_create(syn, request, options)
    try:
        reply = syn.call("POST", "/entity", json=dict(prepared.properties))
    except SynapseConflictError as conflict:
        if not options.create_or_update:
            raise
        found = entity_lookup.find_by_name(syn, prepared, conflict)
        if found is None:
            raise
        options = _options_after_lost_reply(options, prepared, found, uploaded=uploaded)
        return _update(syn, _fill_annotations(prepared, found), found, options)
    except SynapseBadRequestError as error:
        entity_lookup.validate_parent(syn, prepared, error)
        raise
    return StoreResult(reply.json, request.annotations, created=True)


def _update(
    syn: Session,
    request: StoreRequest,
    existing: Mapping[str, Any] | None,
    options: VersionOptions,
) -> StoreResult:
    is_kept = existing is not None and _is_unchanged(request, existing, options)
    is_same = is_kept and _has_same_annotations(request, existing)
    if existing is not None and is_kept and syn.skip_unchanged:
        # An earlier attempt may have failed before it stored the annotations.
        return StoreResult(existing["entity"], request.annotations, existing, changed=not is_same)
    properties, new_version = _apply_version(request, options)
    params = {"newVersion": "true"} if new_version else None
    reply = syn.call("PUT", f"/entity/{request.id}", params=params, json=properties)
    changed = new_version or not is_same
    return StoreResult(reply.json, request.annotations, existing, changed=changed)


def _apply_version(request: StoreRequest, options: VersionOptions) -> tuple[dict[str, Any], bool]:
    """Return the properties with their version label, and whether to create a new version.

    Only files get new versions when they are stored.
    """
    properties = dict(request.properties)
    new_version = request.entity_type.is_versionable and (
        options.label is not None or options.force
    )
    if options.label is not None and "versionLabel" in request.entity_type.property_keys:
        properties["versionLabel"] = str(options.label)
    elif new_version and "versionNumber" in properties:
        properties["versionLabel"] = str(int(properties["versionNumber"]) + 1)
    return properties, new_version


def _is_unchanged(
    request: StoreRequest, existing: Mapping[str, Any], options: VersionOptions
) -> bool:
    """Whether content, properties and version label are the same as those in Synapse."""
    stored = existing["entity"]
    if options.label is not None and str(options.label) != stored.get("versionLabel"):
        return False
    keys = request.properties.keys() - _SET_BY_SYNAPSE
    return all((request.properties[key] or None) == (stored.get(key) or None) for key in keys)


def _has_same_annotations(request: StoreRequest, existing: Mapping[str, Any] | None) -> bool:
    stored = {} if existing is None else existing["annotations"]["annotations"]
    return annotations.have_same_values(request.annotations, stored)


def _prepare_create(syn: Session, request: StoreRequest, options: VersionOptions) -> StoreRequest:
    properties = dict(request.properties)
    if options.label is not None and "versionLabel" in request.entity_type.property_keys:
        properties["versionLabel"] = str(options.label)
    if properties["concreteType"] == constants.LINK:
        properties |= _get_link_properties(syn, properties)
    return replace(request, properties=properties)


def _get_link_properties(syn: Session, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the name and the target type of a new link, which are those of its target.

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


def _fill_properties(request: StoreRequest, existing: Mapping[str, Any]) -> StoreRequest:
    """Add the properties of the existing entity that the request does not set."""
    given = dict(request.properties)
    if given["concreteType"] == UNTYPED:
        del given["concreteType"]
    properties = {**existing["entity"], **given}
    entity_type = get_entity_type(properties["concreteType"])
    return replace(request, entity_type=entity_type, properties=properties)


def _fill_annotations(request: StoreRequest, existing: Mapping[str, Any]) -> StoreRequest:
    """Add the properties and annotations of the existing entity that the request does not set."""
    stored = existing["annotations"]["annotations"]
    filled = _fill_properties(request, existing)
    return replace(filled, annotations={**stored, **request.annotations})


def _options_after_lost_reply(
    options: VersionOptions, request: StoreRequest, existing: Mapping[str, Any], *, uploaded: bool
) -> VersionOptions:
    """Return options that create no second version of an entity created by a lost request.

    If the reply to a create request is lost, its repetition conflicts with the created entity,
    which has the file handle that was just uploaded.
    """
    handle = request.properties.get("dataFileHandleId")
    is_own = uploaded and handle == existing["entity"].get("dataFileHandleId")
    return replace(options, force=False, label=None) if is_own else options
