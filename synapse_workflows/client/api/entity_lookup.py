"""Entity lookup: resolve the argument of `get`, and find the entity that `store` will update."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, children
from synapse_workflows.client.api.store_request import UNTYPED, StoreRequest
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseFileNotFoundError,
    SynapseForbiddenError,
    SynapseMalformedEntityError,
)
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import is_synapse_id, parse_entity_id, parse_version_number
from synapse_workflows.client.model.paths import expand_path, is_local_file


@dataclass(frozen=True)
class ResolvedEntity:
    """ID and version of an entity that the caller referred to.

    Args:
        entity_id: ``syn123``.
        version: Version number; None for the current version.
        path: The local file by which the entity was found; None otherwise.
        local_state: Local properties of the entity that the caller passed.
    """

    entity_id: str
    version: int | None = None
    path: str | None = None
    local_state: Mapping[str, Any] | None = None


def resolve_entity(
    syn: Session, entity: Any, version: int | str | None = None, limit_search: Any = None
) -> ResolvedEntity:
    """Resolve the ID and version of an entity.

    Args:
        syn: The session that sends the requests; none are sent when `entity` has an ID.
        entity: An ID (``syn123`` or ``syn123.4``), the path of a local file, an entity, a
            mapping with ``id``, or a mapping with ``name`` and ``parentId``. A text in the form
            of an ID is always an ID, even if a file of the same name exists. To refer to such a
            file, pass ``./syn123``.
        version: Version number, which takes precedence over a version in the ID.
        limit_search: A project or folder; files found by MD5 must be inside it.

    Raises:
        SynapseFileNotFoundError: A string is neither a local file nor an ID, or no entity
            has this name or content.
        ValueError: The entity was not stored, or the argument is not an entity.
    """
    # A local file with the name syn123 must not change the meaning of the ID syn123.
    if isinstance(entity, (str, Path)) and not is_synapse_id(entity):
        if is_local_file(entity):
            return _resolve_file(syn, Path(expand_path(entity)), limit_search)
        raise SynapseFileNotFoundError(
            f"{entity!s} is neither a local file path  or a valid entity id. "
            "Pass an ID such as 'syn123', or the path of an existing local file."
        )
    if isinstance(entity, Mapping) and not entity.get("id"):
        return ResolvedEntity(_resolve_name(syn, entity), _parse_version(version))
    target = parse_entity_id(entity)
    state = entity.local_state() if isinstance(entity, Entity) else None
    return ResolvedEntity(target.id, _parse_version(version) or target.version, local_state=state)


def find_existing(
    syn: Session, request: StoreRequest, *, create_or_update: bool, always: bool
) -> dict[str, Any] | None:
    """Fetch the entity that a store request updates, if storing needs its current state.

    Files are looked up by name and parent before their content is uploaded. Other entities are
    looked up later, when Synapse reports that the name is already used.

    Args:
        syn: The session that sends the requests.
        request: What to store.
        create_or_update: Whether an entity with the same name may be updated.
        always: Whether to fetch an entity with an ID even if the request is complete.

    Returns:
        The bundle of the existing entity; None for a new entity, or if the bundle is not needed.

    Raises:
        SynapseConflictError: The name is used by an entity of another type, or by any entity
            if `create_or_update` is false.
        SynapseMalformedEntityError: The entity with this ID is of another type.
        SynapseNotFoundError: There is no entity with this ID.

    Source:
        POST /entity/child, POST /entity/{id}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    if request.id:
        if request.content is None and not always and not _is_incomplete(request):
            return None
        return _require_same_type(_get_bundle(syn, request.id), request, None)
    name, parent = request.properties.get("name"), request.properties.get("parentId")
    if request.content is None or not name:
        return None
    reason = f"An entity with the name: {name} already exists with a parentId: {parent}"
    conflict = SynapseConflictError(409, reason, "POST /entity")
    found = find_by_name(syn, request, conflict)
    if found is not None and not create_or_update:
        raise _with_advice(
            conflict,
            f"It is {found['entity']['id']}: choose another name, or createOrUpdate=True.",
        )
    return found


def find_by_name(
    syn: Session, request: StoreRequest, conflict: SynapseConflictError
) -> dict[str, Any] | None:
    """Fetch the entity that has the name and the parent of a store request.

    Args:
        syn: The session that sends the requests.
        request: What to store.
        conflict: The error to raise, with advice added, if the found entity cannot be updated.

    Returns:
        The bundle of the entity; None if no such entity exists.

    Raises:
        SynapseConflictError: The entity is of another type, or the caller may not read it.

    Source:
        POST /entity/child, POST /entity/{id}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    name, parent = request.properties.get("name"), request.properties.get("parentId")
    try:
        found = children.findEntityId(syn, str(name), parent)
        if found is None:
            return None
        return _require_same_type(_get_bundle(syn, found), request, conflict)
    except SynapseForbiddenError as error:
        raise _with_advice(
            conflict, "It belongs to another user, and you may not read it: choose another name."
        ) from error


def validate_parent(syn: Session, request: StoreRequest, error: SynapseBadRequestError) -> None:
    """Raise a specific error if Synapse rejected a request because of its parent.

    Args:
        syn: The session that sends the request.
        request: What to store.
        error: The error with which Synapse rejected the request.

    Raises:
        SynapseMalformedEntityError: The parent is neither a project nor a folder.

    Source:
        GET /entity/{id}/type
        https://rest-docs.synapse.org/rest/GET/entity/id/type.html
    """
    parent = request.properties.get("parentId")
    parent_type = syn.call("GET", f"/entity/{parent}/type").object["type"] if parent else None
    if parent_type is not None and parent_type not in constants.CONTAINERS:
        raise SynapseMalformedEntityError(
            f"{parent} is a {_type_name(parent_type)} and cannot contain other entities. "
            "Pass a project or a folder as the parent."
        ) from error


def _get_bundle(syn: Session, entity_id: str) -> dict[str, Any]:
    """Fetch an entity to update, with the permissions of the caller."""
    return bundles.get_bundle(syn, entity_id, permissions=True)


def _parse_version(version: int | str | None) -> int | None:
    return None if version is None else parse_version_number(version)


def _resolve_name(syn: Session, entity: Mapping[str, Any]) -> str:
    if isinstance(entity, Entity) or not entity.get("name"):
        raise ValueError(
            "Cannot retrieve entity that has not been saved. "
            "Please use syn.store() to save your entity and try again."
        )
    name, parent = entity["name"], entity.get("parentId")
    found = children.findEntityId(syn, name, parent)
    if found is None:
        where = parent or "the projects you can see"
        raise SynapseFileNotFoundError(f"There is no entity named {name!r} in {where}.")
    return found


def _resolve_file(syn: Session, path: Path, limit_search: Any) -> ResolvedEntity:
    """Find the file entity whose content has the MD5 of a local file.

    Source:
        GET /entity/md5/{md5}, GET /entity/{id}/path
        https://rest-docs.synapse.org/rest/GET/entity/md5/md5.html
    """
    headers = children.md5Query(syn, file_md5(path))
    container = None if limit_search is None else parse_entity_id(limit_search).id
    if container is not None:
        headers = [one for one in headers if _is_inside(syn, one["id"], container)]
    if not headers:
        within = "" if container is None else f" in {container}"
        raise SynapseFileNotFoundError(
            f"File {path} not found in Synapse{within}: no readable file has the same content."
        )
    found = [f"{one['id']}.{one['versionNumber']}" for one in headers]
    if len(found) > 1:
        syn.logger.warning(
            "The content of %s is in Synapse more than once (%s); using %s",
            path,
            ", ".join(found),
            found[0],
        )
    return ResolvedEntity(headers[0]["id"], headers[0]["versionNumber"], str(path.absolute()))


def _is_inside(syn: Session, entity: str, container: str) -> bool:
    ancestors = syn.call("GET", f"/entity/{entity}/path").object["path"]
    return any(ancestor["id"] == container for ancestor in ancestors)


def _require_same_type(
    bundle: dict[str, Any], request: StoreRequest, conflict: SynapseConflictError | None
) -> dict[str, Any]:
    """Return the bundle if its entity has the type of the request.

    Raises:
        SynapseMalformedEntityError: The types differ, and `conflict` is None.
        SynapseConflictError: The types differ.
    """
    existing, wanted = bundle["entity"], request.properties["concreteType"]
    if existing["concreteType"] == wanted or (request.id and wanted == UNTYPED):
        return bundle
    found = (
        f"{existing['id']} is a {_type_name(existing['concreteType'])}, not a {_type_name(wanted)}"
    )
    if conflict is None:
        raise SynapseMalformedEntityError(
            f"{found}, and the type of an entity cannot change. "
            "Check the ID, or store this as a new entity without it."
        )
    raise _with_advice(conflict, f"{found}: choose another name, or delete it first.")


def _is_incomplete(request: StoreRequest) -> bool:
    """Return whether an update would clear properties that the request does not include."""
    given = request.properties
    no_parent = request.entity_type.requires_parent and not given.get("parentId")
    return no_parent or not given.get("etag") or given["concreteType"] == UNTYPED


def _with_advice(error: SynapseConflictError, advice: str) -> SynapseConflictError:
    return SynapseConflictError(
        error.status, error.reason, error.call, error.response, advice=advice
    )


def _type_name(concrete_type: str) -> str:
    """Return the short name of an entity type: ``file``, ``folder``."""
    return constants.ENTITY_TYPES.get(concrete_type, concrete_type.rpartition(".")[2])
