"""Saving: create an entity, or update the one that is there."""

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

#: What Synapse sets itself, and what says nothing of whether an entity changed.
_SET_BY_SYNAPSE: Final = frozenset(
    {
        "id", "etag", "createdOn", "createdBy", "modifiedOn", "modifiedBy", "uri", "entityType",
        "annotations", "accessControlList", "versionNumber", "versionLabel", "versionUrl",
        "versions", "isLatestVersion",
    }
)  # fmt: skip


@dataclass(frozen=True)
class VersionOptions:
    """What to do with an entity that is there already.

    Args:
        create_or_update: Update it; else that is an error.
        force: Make a new version even if nothing changed.
        label: Name of the new version; None: its number.
    """

    create_or_update: bool = True
    force: bool = True
    label: str | int | None = None


@dataclass(frozen=True)
class StoreResult:
    """An entity that was created or updated.

    Args:
        properties: As Synapse answered them.
        annotations: As they should be, in Synapse's form.
        known: The bundle of what was there before, when it was fetched.
        created: Whether it was not there before.
        changed: False when everything was as it is already.
    """

    properties: Mapping[str, Any]
    annotations: Mapping[str, Any]
    known: Mapping[str, Any] | None = None
    created: bool = False
    changed: bool = True

    @property
    def id(self) -> str:
        """``syn123``."""
        return str(self.properties["id"])


def create_or_update(
    syn: Session,
    draft: StoreRequest,
    known: Mapping[str, Any] | None,
    how: VersionOptions,
    *,
    uploaded: bool = False,
) -> StoreResult:
    """Create an entity, or update the one that is there.

    Args:
        syn: The session that makes the calls.
        draft: What is to be stored; its content is in Synapse.
        known: What `existing.find_known` found.
        how: What to do with an entity that is there already.
        uploaded: Whether the content was uploaded just now.

    Raises:
        SynapseConflictError: The name is taken and cannot be had, or the version label is taken.
        SynapseStaleError: Somebody changed the entity since it was read.
        SynapseMalformedEntityError: The parent can hold nothing.
        SynapseForbiddenError: The caller may not write there.

    Source:
        POST /entity, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    if known is not None:
        return _update(syn, _fill_properties(draft, known), known, how)
    if draft.id:
        return _update(syn, draft, None, how)
    ready = _prepare_create(syn, draft, how)
    try:
        reply = syn.call("POST", "/entity", json=dict(ready.properties))
    except SynapseConflictError as taken:
        holder = entity_lookup.find_by_name(syn, ready, taken) if how.create_or_update else None
        if holder is None:
            raise
        return _update(
            syn,
            _fill_annotations(ready, holder),
            holder,
            _versioning_after_lost_reply(how, ready, holder, uploaded),
        )
    except SynapseBadRequestError as refused:
        entity_lookup.validate_parent(syn, ready, refused)
        raise
    return StoreResult(reply.json, draft.annotations, created=True)


def _update(
    syn: Session, draft: StoreRequest, known: Mapping[str, Any] | None, how: VersionOptions
) -> StoreResult:
    kept = known is not None and _is_unchanged(draft, known, how)
    same = kept and _has_same_annotations(draft, known)
    if known is not None and kept and syn.skip_unchanged:
        # an earlier try may have died before the annotations: they need no version of their own
        return StoreResult(known["entity"], draft.annotations, known, changed=not same)
    properties, new_version = _versioned(draft, how)
    params = {"newVersion": "true"} if new_version else None
    reply = syn.call("PUT", f"/entity/{draft.id}", params=params, json=properties)
    return StoreResult(reply.json, draft.annotations, known, changed=new_version or not same)


def _versioned(draft: StoreRequest, how: VersionOptions) -> tuple[dict[str, Any], bool]:
    """Decide on a new version and its label; only files make versions by being stored."""
    properties = dict(draft.properties)
    new_version = draft.kind.is_versionable and (how.label is not None or how.force)
    if how.label is not None and "versionLabel" in draft.kind.property_keys:
        properties["versionLabel"] = str(how.label)
    elif new_version and "versionNumber" in properties:
        properties["versionLabel"] = str(int(properties["versionNumber"]) + 1)
    return properties, new_version


def _is_unchanged(draft: StoreRequest, known: Mapping[str, Any], how: VersionOptions) -> bool:
    """Tell whether storing a draft would leave content, properties and label as they are."""
    there = known["entity"]
    if how.label is not None and str(how.label) != there.get("versionLabel"):
        return False
    ours = {key: draft.properties[key] for key in draft.properties.keys() - _SET_BY_SYNAPSE}
    return all((value or None) == (there.get(key) or None) for key, value in ours.items())


def _has_same_annotations(draft: StoreRequest, known: Mapping[str, Any] | None) -> bool:
    there = {} if known is None else known["annotations"]["annotations"]
    return annotations.have_same_values(draft.annotations, there)


def _prepare_create(syn: Session, draft: StoreRequest, how: VersionOptions) -> StoreRequest:
    properties = dict(draft.properties)
    if how.label is not None and "versionLabel" in draft.kind.property_keys:
        properties["versionLabel"] = str(how.label)
    if properties["concreteType"] == constants.LINK:
        properties |= _link_properties(syn, properties)
    return replace(draft, properties=properties)


def _link_properties(syn: Session, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Name a link, and say what it leads to, as its target does.

    Source:
        GET /entity/{id}, GET /entity/{id}/version/{versionNumber}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    link = properties["linksTo"]
    version = link.get("targetVersionNumber")
    at = "" if version is None else f"/version/{version}"
    target = syn.call("GET", f"/entity/{link['targetId']}{at}").json
    if target.get("parentId") == properties.get("parentId"):
        raise ValueError("Cannot create a Link to an entity under the same parent.")
    return {"name": target["name"], "linksToClassName": target["concreteType"]}


def _fill_properties(draft: StoreRequest, known: Mapping[str, Any]) -> StoreRequest:
    """Fill up a draft with the properties that are there already."""
    ours = dict(draft.properties)
    if ours["concreteType"] == UNTYPED:
        del ours["concreteType"]
    properties = {**known["entity"], **ours}
    return replace(draft, kind=get_entity_type(properties["concreteType"]), properties=properties)


def _fill_annotations(draft: StoreRequest, holder: Mapping[str, Any]) -> StoreRequest:
    """Fill up a draft with the properties and the annotations of the entity of its name."""
    filled = _fill_properties(draft, holder)
    return replace(
        filled, annotations={**holder["annotations"]["annotations"], **draft.annotations}
    )


def _versioning_after_lost_reply(
    how: VersionOptions, draft: StoreRequest, holder: Mapping[str, Any], uploaded: bool
) -> VersionOptions:
    """Make no second version of what an earlier try of the same request created.

    Its answer got lost, and the name is taken now: by the very file that was just uploaded.
    """
    handle = draft.properties.get("dataFileHandleId")
    ours = uploaded and handle == holder["entity"].get("dataFileHandleId")
    return replace(how, force=False, label=None) if ours else how
