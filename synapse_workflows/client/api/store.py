"""Store: create or update an entity with its content, annotations and provenance."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synapse_workflows.client.api import (
    bundles,
    columns,
    entity_lookup,
    provenance,
    store_content,
    store_entity,
    table_rows,
    views,
)
from synapse_workflows.client.api.annotations import put_annotations
from synapse_workflows.client.api.store_entity import StoreResult, VersionOptions
from synapse_workflows.client.api.store_request import StoreRequest, parse_store_request
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseProvenanceError
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.entity import Entity, File, set_local_path
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.client.model.views import ViewBase


def store(
    syn: Session,
    obj: Any,
    *,
    createOrUpdate: bool = True,
    forceVersion: bool = True,
    versionLabel: str | int | None = None,
    isRestricted: bool = False,
    activity: Mapping[str, Any] | None = None,
    used: Any = None,
    executed: Any = None,
    activityName: str | None = None,
    activityDescription: str | None = None,
) -> Any:
    """Create an entity, or update the one that is there; or store rows of a table.

    A file whose content Synapse has already is not uploaded again. Annotations replace those
    that are there; a project, folder or link that is found by its name keeps what it has besides.

    Args:
        syn: The session that makes the calls. With ``syn.skip_unchanged``, a file whose content
            and properties are stored already gets no new version; its annotations are updated.
        obj: A project, folder, file, link, table or other entity; or a mapping with the same
            keys. Or rows of a table: a `Table`, a `RowSet`, a `PartialRowset`; see
            `tables.store`.
        createOrUpdate: Update an entity of the same name, type and parent; else that is an error.
        forceVersion: Make a new version of a file even if its content is the same.
        versionLabel: Names the version, uniquely for the entity; implies a new version of a file.
        isRestricted: Lock a human data set until Synapse's data officers set its conditions.
        activity: What made it; or `used` and `executed`.
        used: What was used, in any form that `Activity.used` takes.
        executed: What was executed, likewise.
        activityName: The title of the activity made of `used` and `executed`.
        activityDescription: Its description.

    Returns:
        The entity as it is stored, with the local path it was given. For rows, see
        `tables.store`.

    Raises:
        SynapseProvenanceError: `activity` besides `used` or `executed`.
        SynapseFileNotFoundError: The local file is not there.
        SynapseMalformedEntityError: No type, no parent, or a parent that can hold nothing.
        ValueError: An annotation that Synapse cannot hold, an id that is none.
        SynapseConflictError: The name is taken: by an entity of another type, by one the caller
            may not read, or by any without `createOrUpdate`. Or the version label is.
        SynapseStaleError: Somebody changed the entity since it was read.
        SynapseForbiddenError: The caller may not write there.

    Source:
        POST /entity, PUT /entity/{id}, POST /entity/child, POST /entity/{id}/bundle2,
        PUT /entity/{id}/annotations2, PUT /entity/{id}/generatedBy
        https://rest-docs.synapse.org/rest/POST/entity.html
    """
    made_by = build_activity(activity, used, executed, activityName, activityDescription)
    if isinstance(obj, table_rows.ROW_TYPES):
        return table_rows.store_rows(
            syn,
            obj,
            made_by,
            lambda one: store(syn, one, createOrUpdate=createOrUpdate, isRestricted=isRestricted),
        )
    if isinstance(obj, Column):
        return columns.createColumns(syn, [obj])[0]
    if isinstance(obj, ViewBase):
        views.add_view_columns(syn, obj)
    if isinstance(obj, SchemaBase):
        columns.create_missing_columns(syn, obj)
    given = parse_store_request(obj)
    how = VersionOptions(createOrUpdate, forceVersion, versionLabel)
    known = entity_lookup.find_existing(syn, given, create_or_update=createOrUpdate)
    handle = store_content.upload_content(syn, given, known)
    saved = store_entity.create_or_update(
        syn, _with_file_handle(given, handle), known, how, uploaded=handle is not None
    )
    if isRestricted:
        _restrict(syn, saved.id)
    _annotate(syn, saved)
    if made_by is not None:
        provenance.setProvenance(syn, saved.id, made_by)
    _announce(syn, saved, handle, activity_given=made_by is not None)
    return _reload(syn, given, saved, uploaded=handle is not None)


def build_activity(
    activity: Mapping[str, Any] | None,
    used: Any,
    executed: Any,
    name: str | None,
    description: str | None,
) -> Mapping[str, Any] | None:
    """Make one Activity of what the caller said of provenance; None when nothing was.

    Raises:
        SynapseProvenanceError: `activity` besides `used` or `executed`, or it is no Activity.
    """
    if activity is not None and not isinstance(activity, Mapping):
        raise SynapseProvenanceError(
            f"activity= takes an Activity, not {type(activity).__name__}: Activity(used=[...])."
        )
    if not used and not executed:
        return activity
    if activity is not None:
        raise SynapseProvenanceError(
            "Provenance can be specified as an Activity object or as used/executed item(s), but "
            "not both. Add them to the activity: activity.used(...), activity.executed(...)."
        )
    return Activity(name=name, description=description, used=used, executed=executed)


def _with_file_handle(draft: StoreRequest, handle: Mapping[str, Any] | None) -> StoreRequest:
    """Let a draft name the file handle of its content."""
    if handle is None:
        return draft
    return replace(draft, properties={**draft.properties, "dataFileHandleId": handle["id"]})


def _restrict(syn: Session, entity: str) -> None:
    """Lock an entity, unless something restricts it already.

    Source:
        GET /entity/{id}/accessRequirement, POST /entity/{id}/lockAccessRequirement
        https://rest-docs.synapse.org/rest/POST/entity/id/lockAccessRequirement.html
    """
    page = {"offset": 0, "limit": 1}
    there = syn.call("GET", f"/entity/{entity}/accessRequirement", params=page).json
    if not there.get("results"):
        syn.call("POST", f"/entity/{entity}/lockAccessRequirement", data="")


def _annotate(syn: Session, saved: StoreResult) -> None:
    """Store the annotations, unless they are stored already."""
    if saved.known is None:
        there: Mapping[str, Any] | None = {} if saved.created else None
    else:
        there = saved.known["annotations"]["annotations"]
    if there is None or not annotations.have_same_values(saved.annotations, there):
        put_annotations(syn, saved.id, saved.properties["etag"], saved.annotations)


def _announce(
    syn: Session, saved: StoreResult, handle: Mapping[str, Any] | None, *, activity_given: bool
) -> None:
    there = handle or (bundles.get_file_handle(saved.known) if saved.known else None) or {}
    stored = saved.properties
    held = there if there.get("id") == stored.get("dataFileHandleId") else {}
    syn.announce(
        Wrote(
            entity_id=saved.id,
            version=stored.get("versionNumber"),
            name=stored.get("name"),
            concrete_type=stored.get("concreteType"),
            md5=held.get("contentMd5"),
            parent_id=stored.get("parentId"),
            changed=saved.changed,
            activity_given=activity_given,
        )
    )


def _reload(syn: Session, draft: StoreRequest, saved: StoreResult, *, uploaded: bool) -> Entity:
    """Get the entity as it is now, with what was known here."""
    state = dict(draft.local_state)
    before = (state.pop("_file_handle", None) or {}).get("id")
    result = bundles.build_entity(bundles.get_bundle(syn, saved.id), state)
    if isinstance(result, File):
        now = str(result.get("dataFileHandleId"))
        replaced = before is not None and str(before) != now and not uploaded
        set_local_path(result, syn.cache.get(now) if replaced else state.get("path"))
    return result
