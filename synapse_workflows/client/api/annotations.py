"""Annotations: typed values by key that people and queries find entities by."""

import warnings
from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model import annotations as model
from synapse_workflows.client.model.annotations import Annotations
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number


def get_annotations(syn: Session, entity: Any, version: str | int | None = None) -> Annotations:
    """Get the annotations of an entity.

    Args:
        syn: The session that makes the call.
        entity: An entity, or its id (``syn123``, ``syn123.4``).
        version: A number; None for the current one. Those of a numbered version cannot be
            stored back: they carry no real etag.

    Returns:
        Lists of values by key (text, bool, int, float, datetime in UTC), with ``id``, ``etag``.

    Raises:
        SynapseNotFoundError: No such entity or version.
        SynapseForbiddenError: The caller may not read it.

    Source:
        GET /entity/{id}/annotations2, GET /entity/{id}/version/{versionNumber}/annotations2
        https://rest-docs.synapse.org/rest/GET/entity/id/annotations2.html
    """
    found = parse_entity_id(entity)
    wanted = found.version if version is None else version
    at = "" if wanted is None else f"/version/{parse_version_number(wanted)}"
    return model.from_synapse_annotations(
        syn.call("GET", f"/entity/{found.id}{at}/annotations2").json
    )


def set_annotations(syn: Session, annotations: Annotations) -> Annotations:
    """Store the annotations of an entity; keys left out are deleted.

    Args:
        syn: The session that makes the call.
        annotations: As `get_annotations` returned them, changed.

    Returns:
        The annotations as they are stored, with the new etag.

    Raises:
        TypeError: Something else than `Annotations`.
        ValueError: A key or a value that Synapse cannot hold.
        SynapseStaleError: The entity was changed since they were read.

    Source:
        PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id/annotations2.html
    """
    if not isinstance(annotations, Annotations):
        raise TypeError("Expected a synapseclient.Annotations object")
    return put_annotations(
        syn, annotations.id, annotations.etag, model.to_synapse_annotations(annotations)
    )


def put_annotations(syn: Session, entity: str, etag: str, wire: Mapping[str, Any]) -> Annotations:
    """Store annotations that are in Synapse's own form; see `set_annotations`.

    Source:
        PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id/annotations2.html
    """
    body = {"id": entity, "etag": etag, "annotations": wire}
    return model.from_synapse_annotations(
        syn.call("PUT", f"/entity/{entity}/annotations2", json=body).json
    )


def getAnnotations(syn: Session, entity: Any, version: str | int | None = None) -> Annotations:
    """Get the annotations of an entity; deprecated name of `get_annotations`.

    Source:
        GET /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/GET/entity/id/annotations2.html
    """
    _deprecated("getAnnotations", "get_annotations")
    return get_annotations(syn, entity, version)


def setAnnotations(
    syn: Session, entity: Any, annotations: Mapping[str, Any] | None = None, **kwargs: Any
) -> Annotations:
    """Replace the annotations of an entity, without asking who changed them; deprecated.

    Read them with `get_annotations`, change them, and store them with `set_annotations`.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.
        annotations: Values, or lists of values, by key.
        **kwargs: Further keys.

    Source:
        PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id/annotations2.html
    """
    _deprecated("setAnnotations", "set_annotations")
    values = {**(annotations or {}), **kwargs}
    target = parse_entity_id(entity).id
    etag = getattr(annotations, "etag", None) or values.pop("etag", None)
    if etag is None and isinstance(entity, Mapping):
        etag = entity.get("etag")
    if etag is None:
        etag = get_annotations(syn, target).etag
    return set_annotations(syn, Annotations(target, etag, values))


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)
