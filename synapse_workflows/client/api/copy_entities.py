"""Recursive copies of entities."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from synapse_workflows import constants
from synapse_workflows.client.api import bundles
from synapse_workflows.client.api.copy_comparison import CopyOptions
from synapse_workflows.client.api.copy_writer import CopyWriter
from synapse_workflows.client.api.walk import parse_types
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.client.model.argument_types import (
    CopyProvenance,
    CopyStorage,
    EntityTypeName,
)
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number

_VERSIONED: Final = frozenset({constants.FILE, constants.TABLE})
#: Fields of an Activity that was stored.
_SET_BY_SYNAPSE: Final = ("id", "etag", "createdOn", "createdBy", "modifiedOn", "modifiedBy")
_PROVENANCE: Final = get_args(CopyProvenance)
_STORAGE: Final = get_args(CopyStorage)


def copy(
    syn: Session,
    entity: Any,
    destination: Any,
    *,
    version: int | str | None = None,
    name: str | None = None,
    update_existing: bool = False,
    exclude_types: Sequence[EntityTypeName] = (),
    provenance: CopyProvenance = "source",
    storage: CopyStorage = "destination",
    copy_annotations: bool = True,
    copy_wikis: bool = True,
    activity: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Copy an entity, and everything in it, into a container.

    No content passes through this machine except the rows of tables. A copy has one version, and
    the permissions of its container. Links, views, datasets and SQL definitions that refer to
    something copied refer to its copy, and so do links and IDs in wiki pages. Docker repositories
    are skipped with a warning.

    What the destination already has is not copied again: a copy that was interrupted is completed
    by the same call. An entity counts as a copy if its name, type, properties, content,
    annotations and Activity are those of the copy; a folder with the same properties and
    annotations, or without annotations, is completed. Everything is checked before the first
    entity is created.

    Args:
        syn: The session that sends the requests.
        entity: A project, folder, file, link, table or view, or its ID. Of a project, the
            contents are copied, not the project itself.
        destination: A project or folder, or its ID.
        version: Version of a file or table; None for the version in the ID, or else the current
            version.
        name: Name of the copy; None for the name of `entity`.
        update_existing: Whether a file that differs gets a new version, and annotations that
            differ are replaced; False to raise an error.
        exclude_types: Types of entities in a container that are not copied, for example
            ``["table", "link"]``; with ``folder``, nothing inside its folders is copied.
        provenance: Activity of files and tables: ``source`` for an Activity that has used the
            source, ``existing`` for the Activity of the source, ``none`` for no Activity.
        storage: ``destination`` to copy the bytes of files to the storage location that the
            destination requires, if it is another one; ``source`` to leave them where they are.
        copy_annotations: Whether to copy annotations.
        copy_wikis: Whether to copy wikis, after everything else.
        activity: Name, description, and further inputs and code (``name``, ``description``,
            ``used``, ``executed``) of the Activities that ``provenance="source"`` creates.

    Returns:
        IDs of the copies by the IDs of their sources; for a project, the ID of the destination.

    Raises:
        ValueError: An argument is invalid; or the destination is inside the source.
        SynapseNameConflictError: The destination contains another entity with the name of a copy.
        SynapseUnmetAccessRestrictions: The caller has to meet access requirements first.
        SynapseForbiddenError: The caller may not download a file, or not add to the destination.
        SynapseNotFoundError: The entity, the version or the destination does not exist.

    Source:
        POST /entity/{id}/bundle2, POST /entity/children, POST /filehandles/copy, POST /entity,
        PUT /entity/{id}/annotations2, POST /activity
        https://rest-docs.synapse.org/rest/POST/filehandles/copy.html
    """
    _require_choice("provenance", provenance, _PROVENANCE)
    _require_choice("storage", storage, _STORAGE)
    options = CopyOptions(
        update_existing,
        parse_types(exclude_types, "exclude_types"),
        provenance,
        storage,
        copy_annotations,
        copy_wikis,
        None if activity is None else _parse_activity(activity),
    )
    source = _get_source(syn, entity, version)
    target_id = _get_destination(syn, destination, source["entity"])
    writer = CopyWriter(syn, options, _get_version(entity, version))
    return writer.copy(source, target_id, _get_name(source["entity"], name))


def _get_version(entity: Any, version: int | str | None) -> int | None:
    return parse_entity_id(entity).version if version is None else parse_version_number(version)


def _get_source(syn: Session, entity: Any, version: int | str | None) -> dict[str, Any]:
    """Return the bundle of the entity to copy.

    Raises:
        ValueError: The entity cannot be copied, or has no versions.
    """
    number, target = _get_version(entity, version), parse_entity_id(entity)
    if number is not None:
        found = syn.call("GET", f"/entity/{target.id}/type").object["type"]
        if found not in _VERSIONED:
            kind = constants.ENTITY_TYPES.get(found, found)
            raise ValueError(
                f"Invalid version {number} of {target.id}: only a version of a file or table can "
                f"be copied, and this is a {kind}. Omit the version."
            )
    bundle = bundles.get_bundle(syn, target.id, number, permissions=True, root_wiki=True)
    if bundle["entity"]["concreteType"] == constants.DOCKER_REPOSITORY:
        raise ValueError(
            f"Cannot copy {target.id}: it is a Docker repository. Create one in the destination, "
            "and push the images."
        )
    return bundle


def _get_destination(syn: Session, destination: Any, source: Mapping[str, Any]) -> str:
    """Return the ID of the destination, after checking that the source can be copied into it."""
    target_id = parse_entity_id(destination).id
    bundle = bundles.get_bundle(syn, target_id, permissions=True)
    concrete_type = bundle["entity"]["concreteType"]
    if concrete_type not in constants.CONTAINERS:
        kind = constants.ENTITY_TYPES.get(concrete_type, concrete_type)
        raise ValueError(
            f"Invalid destination {target_id}: a {kind} cannot contain other entities. Pass a "
            "project or a folder."
        )
    path = syn.call("GET", f"/entity/{target_id}/path").object["path"]
    if any(one["id"] == source["id"] for one in path):
        raise ValueError(
            f"Invalid destination {target_id}: it is inside {source['id']}, which is copied. Pass "
            "a container outside of it."
        )
    if not (bundle.get("permissions") or {}).get("canAddChild", True):
        raise SynapseForbiddenError(
            403,
            f"No permission to create entities in {target_id}; nothing was copied",
            f"POST /entity/{target_id}/bundle2",
            advice="Ask an administrator of the project for CREATE access.",
        )
    return target_id


def _get_name(source: Mapping[str, Any], name: str | None) -> str:
    if name is None:
        return str(source["name"])
    if source["concreteType"] == constants.PROJECT:
        raise ValueError(
            f"Invalid name {name!r}: the contents of the project {source['id']} are copied, and "
            "keep their names. Omit the name."
        )
    require_valid_name(name, "the copy", "Pass another name")
    return name


def _parse_activity(given: Any) -> Activity:
    """Return additions to the Activities of copies as an Activity.

    Raises:
        ValueError: They are not a mapping, or have an unknown key; or see `Activity.used`.
    """
    known = ("name", "description", "used", "executed")
    is_valid = isinstance(given, Mapping) and given.keys() <= {*known, *_SET_BY_SYNAPSE}
    if not is_valid:
        raise ValueError(
            f"Invalid activity {given!r}: expected an Activity, or a dict of {', '.join(known)}."
        )
    name, description, used, executed = map(given.get, known)
    return Activity(name, description, used, executed)


def _require_choice(argument: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(
            f"Invalid {argument} {value!r}: expected one of {', '.join(map(repr, choices))}."
        )
