"""Reads of entity versions and Activities for a walk: many at a time, in few requests."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from synapse_workflows.client.api import bundles, provenance
from synapse_workflows.client.core.events import has_open_version
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseHTTPError
from synapse_workflows.constants import TRASH_ENTITY
from synapse_workflows.provenance.activity import redact_activity
from synapse_workflows.provenance.provenance_graph import (
    Availability,
    EntityVersion,
    FileContent,
)
from synapse_workflows.provenance.record import EntityRef

T = TypeVar("T")
R = TypeVar("R")
#: Called with the number of completed requests, and the number of requests known so far.
Progress = Callable[[int, int], None]

#: References in one request for entity headers.
_BATCH: Final = 50
_FORBIDDEN: Final = frozenset({401, 403})
_MISSING: Final = frozenset({404, 410})
_TRASH: Final = int(TRASH_ENTITY.removeprefix("syn"))


class ProvenanceReader:
    """Reader of entity versions and their Activities.

    A version that is missing or not readable is a result, not an error. Reading emits no events,
    so that a walk in a task is not recorded as lineage of the task.

    Args:
        syn: Client with permission to read the entities.
        details: Whether to read the MD5 and size of files: one more request for each file.
        progress: Called after each request.
    """

    def __init__(
        self, syn: Session, *, details: bool = False, progress: Progress | None = None
    ) -> None:
        self.syn = syn
        self.details = details
        self._progress = progress
        self._completed = 0
        self._known = 0
        self._activities: dict[EntityRef, dict[str, Any] | None] = {}

    def resolve(self, ref: EntityRef) -> EntityRef:
        """Return the reference with the number of its version, the current one if it has none.

        Raises:
            SynapseNotFoundError: The entity or the version does not exist, or is in the trash can.
            SynapseForbiddenError: The caller may not read the entity.

        Source:
            GET /entity/{id}, GET /entity/{id}/version/{versionNumber}
        """
        entity = self.syn.call("GET", _path(ref)).object
        number = ref.version or entity.get("versionNumber")
        return EntityRef(str(entity["id"]), None if number is None else int(number))

    def read_entities(self, refs: Iterable[EntityRef]) -> dict[EntityRef, EntityVersion]:
        """Read entity versions, in batches.

        Source:
            POST /entity/header; GET /entity/{id}/version/{versionNumber} for versions without a
            header; POST /entity/{id}/version/{versionNumber}/bundle2 for files, with `details`
        """
        wanted = list(dict.fromkeys(refs))
        batches = [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]
        found: dict[EntityRef, EntityVersion] = {}
        for _, headers in self.map(self._read_headers, batches):
            found.update(headers)
        missing = [ref for ref in wanted if ref not in found]
        found.update(self.map(self._read_entity, missing))
        if self.details:
            files = [ref for ref in wanted if found[ref].type_name == "file"]
            for ref, bundle in self.map(self._read_bundle, files):
                if bundle is not None:
                    found[ref] = _build_version(ref, bundle["entity"], _read_content(bundle))
        return {ref: found[ref] for ref in wanted}

    def read_activities(self, refs: Iterable[EntityRef]) -> dict[EntityRef, dict[str, Any]]:
        """Read the Activities of versions, without credentials; versions without one are omitted.

        Source:
            GET /entity/{id}/version/{versionNumber}/generatedBy
        """
        wanted = list(dict.fromkeys(refs))
        unread = [ref for ref in wanted if ref not in self._activities]
        self._activities.update(self.map(self._read_activity, unread))
        found = ((ref, self._activities[ref]) for ref in wanted)
        return {ref: activity for ref, activity in found if activity is not None}

    def map(self, function: Callable[[T], R], items: list[T]) -> Iterator[tuple[T, R]]:
        """Yield each item with the result of a function that sends one request."""
        self._known += len(items)
        for item, result in map_parallel(function, items, self.syn.max_threads):
            self._completed += 1
            if self._progress is not None:
                self._progress(self._completed, self._known)
            yield item, result

    def _read_headers(self, refs: list[EntityRef]) -> dict[EntityRef, EntityVersion]:
        """Return the versions of a batch that can be read."""
        body = {"references": [_to_reference(ref) for ref in refs]}
        reply = self.syn.call("POST", "/entity/header", json=body, repeatable=True)
        headers: list[dict[str, Any]] = reply.object.get("results") or []
        by_version = {(str(one["id"]), one.get("versionNumber")): one for one in headers}
        by_id = {str(one["id"]): one for one in headers}
        found = {}
        for ref in refs:
            exact = ref.version is not None
            header = by_version.get((ref.id, ref.version)) if exact else by_id.get(ref.id)
            if header is not None and header.get("benefactorId") != _TRASH:
                found[ref] = _build_version(ref, header)
        return found

    def _read_entity(self, ref: EntityRef) -> EntityVersion:
        """Read a version that has no header, to find out why."""
        try:
            return _build_version(ref, self.syn.call("GET", _path(ref)).object)
        except SynapseError as error:
            availability = _classify(error)
        if availability == "deleted" and ref.version is not None:
            whole = self._read_entity(EntityRef(ref.id))
            if whole.is_available:
                return EntityVersion(ref, "version_deleted", name=whole.name)
            availability = whole.availability
        return EntityVersion(ref, availability)

    def _read_bundle(self, ref: EntityRef) -> dict[str, Any] | None:
        try:
            return bundles.get_bundle(self.syn, ref.id, ref.version)
        except SynapseError as error:
            _classify(error)
            return None

    def _read_activity(self, ref: EntityRef) -> dict[str, Any] | None:
        try:
            return redact_activity(provenance.getProvenance(self.syn, ref.id, ref.version))
        except SynapseError as error:
            _classify(error)
            return None


def _to_reference(ref: EntityRef) -> dict[str, Any]:
    version = {} if ref.version is None else {"targetVersionNumber": ref.version}
    return {"targetId": ref.id} | version


def _path(ref: EntityRef) -> str:
    return f"/entity/{ref.id}" + ("" if ref.version is None else f"/version/{ref.version}")


def _classify(error: SynapseError) -> Availability:
    """Return why an object cannot be read; raise any other error."""
    # an error of an anonymous client has the HTTP error as its cause
    refusal = error if isinstance(error, SynapseHTTPError) else error.__cause__
    if isinstance(refusal, SynapseHTTPError):
        if refusal.status in _FORBIDDEN:
            return "unreadable"
        if refusal.status in _MISSING:
            return "trashed" if "trash can" in refusal.reason else "deleted"
    raise error


def _build_version(
    ref: EntityRef, properties: Mapping[str, Any], content: FileContent | None = None
) -> EntityVersion:
    """Create a version from an entity or its header."""
    concrete_type = properties.get("concreteType") or properties.get("type")
    number = properties.get("versionNumber")
    return EntityVersion(
        ref,
        name=properties.get("name"),
        concrete_type=concrete_type,
        current_version=number if ref.version is None else None,
        is_open=has_open_version({**properties, "concreteType": concrete_type}),
        created_on=properties.get("createdOn"),
        created_by=properties.get("createdBy"),
        modified_on=properties.get("modifiedOn"),
        modified_by=properties.get("modifiedBy"),
        content=content,
    )


def _read_content(bundle: Mapping[str, Any]) -> FileContent | None:
    handle = bundles.get_file_handle(bundle)
    if handle is None:
        return None
    return FileContent(
        handle.get("contentMd5"),
        handle.get("contentSize"),
        handle.get("contentType"),
        handle.get("fileName"),
    )
