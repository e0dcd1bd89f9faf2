"""Store: create or update an entity with its content, annotations and provenance."""

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, Unpack, overload

from synapse_workflows.client.api import (
    bundles,
    columns,
    store_entity,
    store_object,
    table_rows,
    views,
    wikis,
)
from synapse_workflows.client.api.store_entity import StoreResult
from synapse_workflows.client.api.store_properties import VersionOptions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.api.store_request import StoreRequest, parse_store_request
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseProvenanceError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.datasets import Dataset
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.client.model.entity import Entity, File, set_local_path
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.client.model.rows import PartialRowset, RowSet
from synapse_workflows.client.model.schemas import SchemaBase
from synapse_workflows.client.model.tables import AbstractTable
from synapse_workflows.client.model.views import ViewBase
from synapse_workflows.client.model.wikis import Wiki

_Stored = TypeVar("_Stored", bound=Column | Entity | AbstractTable | RestObject)


class StoreKeywords(TypedDict, total=False):
    """Keyword arguments of `store`."""

    createOrUpdate: bool
    forceVersion: bool
    versionLabel: str | int | None
    isRestricted: bool
    activity: Mapping[str, Any] | None
    used: Any
    executed: Any
    activityName: str | None
    activityDescription: str | None


@overload
def store(
    syn: Session, obj: RowSet | PartialRowset, **options: Unpack[StoreKeywords]
) -> DictObject: ...


@overload
def store(syn: Session, obj: _Stored, **options: Unpack[StoreKeywords]) -> _Stored: ...


@overload
def store(syn: Session, obj: Mapping[str, Any], **options: Unpack[StoreKeywords]) -> Any: ...


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
    """Create or update an entity or another object, or store rows of a table.

    The content of a file is uploaded only if it differs from the content in Synapse. The given
    annotations replace all annotations of the entity. Exception: if an existing project, folder
    or link is found by its name, its annotations with other keys are kept.

    Args:
        syn: The session that sends the requests. With ``syn.skip_unchanged``, a file whose
            content and properties are unchanged gets no new version; its annotations are updated.
        obj: A project, folder, file, link, table or other entity, or a mapping with the same
            keys; rows of a table: a `Table`, a `RowSet` or a `PartialRowset`; or an
            `Evaluation`, a `SubmissionStatus`, a `Team`, a `UserProfile` or a `Wiki`.
        createOrUpdate: Whether to update an existing entity with the same name, type and parent,
            an existing evaluation with the same name, or the existing root page of the owner of a
            wiki; False to raise an error.
        forceVersion: Whether to create a new version of a file whose content is unchanged.
        versionLabel: Label of the version, unique for the entity; creates a new version of a
            file.
        isRestricted: Whether to lock the entity until its conditions for use are set.
        activity: The Activity that generated the version. It cannot be combined with `used` or
            `executed`.
        used: Sources, in any form that `Activity.used` accepts.
        executed: Code, in any form that `Activity.executed` accepts.
        activityName: Name of the Activity that is created from `used` and `executed`.
        activityDescription: Description of that Activity.

    Returns:
        The stored entity, with its local path; or the stored object, of the same class. For rows,
        see `table_rows.store_rows`.

    Raises:
        SynapseProvenanceError: `activity` was passed together with `used` or `executed`, or for
            an object that has no provenance.
        SynapseFileNotFoundError: The local file does not exist.
        SynapseMalformedEntityError: The type or the parent is missing, or the parent is not a
            container.
        ValueError: An ID or an annotation is invalid.
        SynapseConflictError: The version label is already used; or the name is already used by
            an entity of another type or by an entity that the caller may not read; or
            `createOrUpdate` is False and the name is already used by any entity.
        SynapseStaleError: The entity was changed since its etag was read. If `obj` has no etag,
            this error is not raised: the update is applied to the new state of the entity.
        SynapseForbiddenError: The caller may not change the entity or its parent.

    Source:
        POST /entity, PUT /entity/{id}, POST /entity/child, POST /entity/{id}/bundle2,
        PUT /entity/{id}/annotations2, POST /activity; for other objects see
        `store_object.store_object` and `wikis.store_wiki`
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
    if isinstance(obj, RestObject):
        if made_by is not None or isRestricted:
            raise SynapseProvenanceError(
                f"A {type(obj).__name__} has neither provenance nor restrictions: omit activity, "
                "used, executed and isRestricted."
            )
        if isinstance(obj, Wiki):
            return wikis.store_wiki(syn, obj, create_or_update=createOrUpdate)
        return store_object.store_object(syn, obj, create_or_update=createOrUpdate)
    if isinstance(obj, Column):
        return columns.createColumns(syn, [obj])[0]
    options = VersionOptions(createOrUpdate, forceVersion, versionLabel)
    provenance = StoreProvenance(syn, made_by)
    return store_entity_with(syn, obj, options, provenance, is_restricted=isRestricted)


def store_entity_with(
    syn: Session,
    obj: Any,
    options: VersionOptions,
    provenance: StoreProvenance,
    *,
    is_restricted: bool = False,
) -> Entity:
    """Create or update an entity, as `store` does, with a given `StoreProvenance` object.

    Args:
        syn: The session that sends the requests.
        obj: An entity, or a mapping with the same keys.
        options: How to handle an existing entity.
        provenance: The Activity of the stored version.
        is_restricted: As for `store`.

    Raises:
        SynapseError: As `store`.
        ValueError: As `store`.

    Source:
        As `store`.
    """
    request = parse_store_request(obj)
    if isinstance(obj, SchemaBase):
        if isinstance(obj, ViewBase):
            if isinstance(obj, Dataset):
                views.add_folder_files(syn, obj)
            views.add_view_columns(syn, obj)
        columns.create_missing_columns(syn, obj)
        request = parse_store_request(obj)
    result = store_entity.create_or_update(syn, request, options, provenance)
    if is_restricted:
        _restrict(syn, result.id)
    _announce_write(syn, result, provenance)
    return _reload(syn, request, result)


def build_activity(
    activity: Mapping[str, Any] | None,
    used: Any,
    executed: Any,
    name: str | None,
    description: str | None,
) -> Mapping[str, Any] | None:
    """Build the Activity from the provenance arguments of `store`.

    Returns:
        `activity`, or a new Activity with `used` and `executed`; None if no argument is given.

    Raises:
        SynapseProvenanceError: `activity` is not an Activity, or was passed together with
            `used` or `executed`.
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


def _restrict(syn: Session, entity: str) -> None:
    """Lock an entity, unless it has an access requirement already.

    Source:
        GET /entity/{id}/accessRequirement, POST /entity/{id}/lockAccessRequirement
        https://rest-docs.synapse.org/rest/POST/entity/id/lockAccessRequirement.html
    """
    page = {"offset": 0, "limit": 1}
    current = syn.call("GET", f"/entity/{entity}/accessRequirement", params=page).json
    if not current.get("results"):
        syn.call("POST", f"/entity/{entity}/lockAccessRequirement", data="")


def _announce_write(syn: Session, result: StoreResult, provenance: StoreProvenance) -> None:
    """Emit a `Wrote` event."""
    existing = bundles.get_file_handle(result.existing) if result.existing else None
    current = result.file_handle or existing or {}
    stored = result.properties
    has_content = current.get("id") == stored.get("dataFileHandleId")
    syn.emit(
        Wrote.from_entity(
            stored,
            md5=current.get("contentMd5") if has_content else None,
            changed=result.changed,
            activity_given=provenance.is_given,
            activity_id=provenance.activity_id,
        )
    )


def _reload(syn: Session, request: StoreRequest, result: StoreResult) -> Entity:
    """Fetch the version that was stored, and set its local properties.

    The version is fetched by its number, because another client may have created a newer version
    meanwhile.
    """
    state = dict(request.local_state)
    old_handle = (state.pop("_file_handle", None) or {}).get("id")
    number = result.properties.get("versionNumber")
    bundle = bundles.get_bundle(syn, result.id)
    if bundle["entity"].get("versionNumber") != number:
        bundle = bundles.get_bundle(syn, result.id, number)
    entity = bundles.build_entity(bundle, state)
    if isinstance(entity, File):
        new_handle = str(entity.get("dataFileHandleId"))
        is_other = old_handle is not None and str(old_handle) != new_handle
        if is_other and result.file_handle is None:
            set_local_path(entity, syn.cache.get(new_handle))
        else:
            set_local_path(entity, state.get("path"))
    return entity
