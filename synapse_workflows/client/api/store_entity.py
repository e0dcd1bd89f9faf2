"""Creation and update of entities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from synapse_workflows.client.api import (
    bundles,
    entity_lookup,
    provenance as provenance_api,
    store_content,
    store_properties,
)
from synapse_workflows.client.api.annotations import put_annotations
from synapse_workflows.client.api.store_properties import VersionOptions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.api.store_request import StoreRequest
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseForbiddenError,
    SynapseStaleError,
)
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import get_entity_type

#: Properties that a request sets on a new version.
_VERSION_CONTENT: Final = frozenset({"dataFileHandleId", "versionLabel", "versionComment"})


@dataclass(frozen=True)
class StoreResult:
    """Result of creating or updating an entity.

    Args:
        properties: The properties that Synapse returned.
        annotations: The annotations to store, as AnnotationsValue by key.
        existing: The bundle of the entity before the update, if it was fetched.
        created: Whether the entity is new.
        changed: Whether the entity differs from the existing one.
        new_version: Whether the request created a new version.
        file_handle: The file handle of the content, if the content was uploaded.
    """

    properties: Mapping[str, Any]
    annotations: Mapping[str, Any]
    existing: Mapping[str, Any] | None = None
    created: bool = False
    changed: bool = True
    new_version: bool = False
    file_handle: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The ID of the entity, ``syn123``."""
        return str(self.properties["id"])


def create_or_update(
    syn: Session, request: StoreRequest, options: VersionOptions, provenance: StoreProvenance
) -> StoreResult:
    """Create an entity, or update the existing one, with its content and annotations.

    If another client changes the entity at the same time, the new state of the entity is read and
    the update is repeated. If the request has an etag, an error is raised instead.

    Args:
        syn: The session that sends the requests.
        request: What to store.
        options: How to handle an existing entity.
        provenance: The Activity of the version.

    Raises:
        SynapseConflictError: The version label is already used; or the name is already used by
            an entity that cannot be updated.
        SynapseStaleError: The entity was changed since the etag of the request was read.
        SynapseMalformedEntityError: The parent is not a container.
        SynapseForbiddenError: The caller may not change the entity or its parent.

    Source:
        POST /entity, PUT /entity/{id}, PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    existing = entity_lookup.find_existing(
        syn,
        request,
        create_or_update=options.create_or_update,
        always=provenance.requires_existing,
    )
    writer = _EntityWriter(syn, request, options, provenance)
    with provenance.discard_if_rejected():
        try:
            return writer.write(existing)
        except SynapseStaleError as stale:
            if request.properties.get("etag") or writer.entity_id is None:
                raise
            syn.logger.debug("%s; reading the entity again", stale)
        return retry_stale(writer.write_current)


@dataclass(frozen=True)
class _SentUpdate:
    """Version that a sent request creates, used to recognize the version if the response is lost.

    Args:
        version: Version number before the request; 0 for a new entity.
        properties: The sent properties.
        activity_id: ID of the linked Activity; None without an Activity.
    """

    version: int
    properties: Mapping[str, Any]
    activity_id: str | None


class _EntityWriter:
    """Writer of one entity. If a write is repeated, the content is not uploaded again."""

    def __init__(
        self,
        syn: Session,
        request: StoreRequest,
        options: VersionOptions,
        provenance: StoreProvenance,
    ) -> None:
        self.syn = syn
        self.request = request
        self.options = options
        self.provenance = provenance
        self.entity_id: str | None = request.id
        self._handle: dict[str, Any] | None = None
        self._sent: _SentUpdate | None = None
        self._uploads: dict[str | None, bool] = {}
        self._merges_annotations = False

    def write(self, existing: Mapping[str, Any] | None) -> StoreResult:
        """Create the entity, or update it from its current state."""
        if existing is not None:
            self.entity_id = existing["entity"]["id"]
        if self.entity_id is not None:
            result = self._update(self.request, existing)
        else:
            result = self._create()
        self.entity_id = result.id
        self._store_annotations(result)
        return replace(result, file_handle=self._handle)

    def write_current(self) -> StoreResult:
        """Read the current state of the entity, and update it."""
        return self.write(bundles.get_bundle(self.syn, str(self.entity_id), permissions=True))

    def _create(self) -> StoreResult:
        request = store_properties.prepare_create(self.syn, self.request, self.options)
        # If the name of a project, folder or link is already used, its annotations are merged.
        # Existing files were looked up by name earlier, and their annotations are replaced.
        self._merges_annotations = request.content is None
        self._check_upload(None)
        activity_id = self.provenance.save(request.properties, None, new_version=True)
        properties = self._add_content(request, None)
        self._sent = _SentUpdate(0, properties, activity_id)
        try:
            reply = self.syn.call(
                "POST", "/entity", params=_link_params(activity_id), json=properties
            )
        except SynapseConflictError as conflict:
            return self._update_conflicting(request, conflict)
        except SynapseBadRequestError as error:
            entity_lookup.validate_parent(self.syn, request, error)
            raise
        self.provenance.mark_linked()
        return StoreResult(reply.json, request.annotations, created=True, new_version=True)

    def _update_conflicting(
        self, request: StoreRequest, conflict: SynapseConflictError
    ) -> StoreResult:
        """Update the existing entity whose name caused the conflict."""
        if not self.options.create_or_update and self._handle is None:
            raise conflict
        found = entity_lookup.find_by_name(self.syn, request, conflict)
        if found is None or not (self.options.create_or_update or self._is_own_write(found)):
            raise conflict
        self.entity_id = found["entity"]["id"]
        return self._update(request, found)

    def _update(self, request: StoreRequest, existing: Mapping[str, Any] | None) -> StoreResult:
        if existing is None:
            return self._put(request, None, is_same=False, new_version=self._wants_version(None))
        if self._merges_annotations:
            request = store_properties.fill_annotations(request, existing)
        else:
            request = store_properties.fill_properties(request, existing)
        if self._is_own_write(existing):
            self.provenance.mark_linked()
            return StoreResult(existing["entity"], request.annotations, existing, new_version=True)
        for own in self.provenance.iter_own(existing):
            as_own = store_properties.fill_properties(self.request, own)
            if self._is_result(as_own, own, existing):
                self.provenance.keep(own)
                return self._unchanged(as_own, own)
        is_kept = self._is_unchanged(request, existing)
        if is_kept and self.provenance.keeps_unchanged():
            # An earlier attempt may have failed before it stored the annotations.
            self.provenance.keep(existing)
            return self._unchanged(request, existing)
        new_version = self._wants_version(existing) and not (is_kept and self.syn.skip_unchanged)
        is_same = is_kept and store_properties.has_same_annotations(request, existing)
        is_needed = new_version or self.provenance.activity or self.request.properties.get("etag")
        if is_same and not is_needed:
            return self._unchanged(request, existing)
        return self._put(request, existing, is_same=is_same, new_version=new_version)

    def _put(
        self,
        request: StoreRequest,
        existing: Mapping[str, Any] | None,
        *,
        is_same: bool,
        new_version: bool,
    ) -> StoreResult:
        self._check_upload(existing)
        activity_id = self.provenance.save(request.properties, existing, new_version=new_version)
        properties = self._add_content(request, existing)
        store_properties.apply_version(
            properties, self.request, self.options, existing, new_version=new_version
        )
        number = int(((existing or {}).get("entity") or properties).get("versionNumber") or 0)
        self._sent = _SentUpdate(number, properties, activity_id) if new_version else None
        params = _link_params(activity_id) | ({"newVersion": "true"} if new_version else {})
        reply = self.syn.call("PUT", f"/entity/{request.id}", params=params, json=properties)
        self.provenance.mark_linked()
        changed = new_version or not is_same
        return StoreResult(
            reply.json, request.annotations, existing, changed=changed, new_version=new_version
        )

    def _check_upload(self, existing: Mapping[str, Any] | None) -> None:
        """Check the upload before the Activity is saved, so that a refusal leaves nothing."""
        content = self.request.content
        if content is not None and self._handle is None and self._needs_upload(existing):
            store_content.check_upload(content, existing)

    def _add_content(
        self, request: StoreRequest, existing: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the properties with the ID of the file handle; upload the content if needed."""
        properties = dict(request.properties)
        if request.content is None or not self._needs_upload(existing):
            return properties
        if self._handle is None:
            parent = str(properties.get("parentId"))
            self._handle = store_content.upload_content(self.syn, request.content, parent)
        return {**properties, "dataFileHandleId": self._handle["id"]}

    def _needs_upload(self, existing: Mapping[str, Any] | None) -> bool:
        handle_id = None if existing is None else existing["entity"].get("dataFileHandleId")
        if handle_id not in self._uploads:  # a local file is hashed once per handle
            self._uploads[handle_id] = store_content.needs_upload(self.syn, self.request, existing)
        return self._uploads[handle_id]

    def _wants_version(self, existing: Mapping[str, Any] | None) -> bool:
        """Return whether an update creates a version. Only storing a file creates versions."""
        concrete_type = (existing or {}).get("entity", self.request.properties)["concreteType"]
        if not get_entity_type(concrete_type).is_versionable:
            return False
        if self.options.force or self.options.label is not None:
            return True
        if existing is None:
            return False
        comment = self.request.properties.get("versionComment")
        has_other_comment = comment and comment != existing["entity"].get("versionComment")
        return bool(
            self._needs_upload(existing)
            or (has_other_comment and not self.provenance.edits_comment)
        )

    def _is_result(
        self, request: StoreRequest, own: Mapping[str, Any], existing: Mapping[str, Any]
    ) -> bool:
        """Return whether the request would create the same version as `own`."""
        is_current = own["entity"]["versionNumber"] == existing["entity"]["versionNumber"]
        return self._is_unchanged(request, own) and (
            is_current or store_properties.has_same_annotations(request, own)
        )

    def _is_unchanged(self, request: StoreRequest, bundle: Mapping[str, Any]) -> bool:
        if self._needs_upload(bundle):
            return False
        if request.content is not None:
            handle = {"dataFileHandleId": bundle["entity"]["dataFileHandleId"]}
            request = replace(request, properties={**request.properties, **handle})
        return store_properties.is_unchanged(request, bundle, self.options)

    def _unchanged(self, request: StoreRequest, bundle: Mapping[str, Any]) -> StoreResult:
        is_same = store_properties.has_same_annotations(request, bundle)
        return StoreResult(bundle["entity"], request.annotations, bundle, changed=not is_same)

    def _is_own_write(self, existing: Mapping[str, Any]) -> bool:
        """Return whether the current version was created by an earlier request of this writer.

        A request whose response is lost is sent again. The repeated request then conflicts with
        the result of the first one.
        """
        sent, stored = self._sent, existing["entity"]
        if sent is None or int(stored.get("versionNumber") or 0) <= sent.version:
            return False
        keys = _VERSION_CONTENT & sent.properties.keys()
        if any(sent.properties[key] != stored.get(key) for key in keys):
            return False
        if sent.activity_id is not None:
            activity = provenance_api.find_activity(self.syn, stored)
            return activity is not None and activity["id"] == sent.activity_id
        # Without these properties, the request cannot be distinguished from a request of another
        # client.
        return bool(keys) and stored["versionNumber"] == sent.version + 1

    def _store_annotations(self, result: StoreResult) -> None:
        """Store the annotations of an entity, unless they are unchanged.

        Raises:
            SynapseStaleError: Another client changed the entity. If the other client created a
                newer version, a version created by this request is deleted, because annotations
                can only be stored on the current version.
        """
        current: Mapping[str, Any] | None = {} if result.created else None
        if result.existing is not None:
            current = result.existing["annotations"]["annotations"]
        if current is not None and annotations.have_same_values(result.annotations, current):
            return
        try:
            put_annotations(self.syn, result.id, result.properties["etag"], result.annotations)
        except SynapseStaleError:
            if result.new_version:
                self._delete_if_superseded(result)
            raise

    def _delete_if_superseded(self, result: StoreResult) -> None:
        number, path = result.properties.get("versionNumber"), f"/entity/{result.id}"
        if self.syn.call("GET", path).json.get("versionNumber") == number:
            return
        self._sent = None
        try:
            self.syn.call("DELETE", f"{path}/version/{number}")
        except SynapseForbiddenError as error:
            self.syn.logger.warning(
                "%s.%s has the annotations of the version before it: %s", result.id, number, error
            )


def _link_params(activity_id: str | None) -> dict[str, str]:
    return {} if activity_id is None else {"generatedBy": activity_id}
