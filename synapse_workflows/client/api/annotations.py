"""Annotations of entities: lists of typed values by key."""

import warnings
from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model import annotations as model
from synapse_workflows.client.model.annotations import Annotations
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number


def get_annotations(syn: Session, entity: Any, version: str | int | None = None) -> Annotations:
    """Get the annotations of an entity.

    Args:
        syn: The session that sends the request.
        entity: An entity, or its ID (``syn123``, ``syn123.4``).
        version: Version number; None for the version in the ID, or else the current version.
            Annotations of a numbered version cannot be stored with `set_annotations`, because
            their etag is not valid.

    Returns:
        Lists of values by key (str, bool, int, float, datetime in UTC), with ``id`` and ``etag``.

    Raises:
        SynapseNotFoundError: The entity or version does not exist.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}/annotations2, GET /entity/{id}/version/{versionNumber}/annotations2
        https://rest-docs.synapse.org/rest/GET/entity/id/annotations2.html
    """
    target = parse_entity_id(entity)
    number = target.version if version is None else version
    suffix = "" if number is None else f"/version/{parse_version_number(number)}"
    return model.from_synapse_annotations(
        syn.call("GET", f"/entity/{target.id}{suffix}/annotations2").json
    )


def set_annotations(syn: Session, annotations: Annotations) -> Annotations:
    """Replace the annotations of an entity.

    Args:
        syn: The session that sends the request.
        annotations: The changed result of `get_annotations`. Stored keys that are missing in
            `annotations` are deleted.

    Returns:
        The stored annotations, with the new etag.

    Raises:
        TypeError: `annotations` is not an `Annotations` object.
        ValueError: A key or a value is not valid in Synapse.
        SynapseStaleError: The entity was changed since the annotations were read.
        SynapseForbiddenError: The caller may not change the entity.

    Source:
        PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id/annotations2.html
    """
    if not isinstance(annotations, Annotations):
        raise TypeError(
            "Expected a synapseclient.Annotations object: pass synapse_workflows.Annotations, "
            f"not {type(annotations).__name__}"
        )
    return put_annotations(
        syn, annotations.id, annotations.etag, model.to_synapse_annotations(annotations)
    )


def put_annotations(
    syn: Session, entity: str, etag: str, values: Mapping[str, Any]
) -> Annotations:
    """Store annotations in their JSON form; see `set_annotations`.

    Args:
        syn: The session that sends the request.
        entity: ``syn123``.
        etag: The current etag of the entity.
        values: AnnotationsValue by key.

    Raises:
        SynapseStaleError: The etag of the entity is not `etag`.

    Source:
        PUT /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/PUT/entity/id/annotations2.html
    """
    body = {"id": entity, "etag": etag, "annotations": values}
    return model.from_synapse_annotations(
        syn.call("PUT", f"/entity/{entity}/annotations2", json=body).json
    )


def getAnnotations(syn: Session, entity: Any, version: str | int | None = None) -> Annotations:
    """Get the annotations of an entity; deprecated, use `get_annotations`.

    Args:
        syn: The session that sends the request.
        entity: An entity, or its ID.
        version: Version number; None for the current version.

    Returns:
        As `get_annotations`.

    Raises:
        SynapseNotFoundError: The entity or version does not exist.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}/annotations2
        https://rest-docs.synapse.org/rest/GET/entity/id/annotations2.html
    """
    _deprecated("getAnnotations", "get_annotations")
    return get_annotations(syn, entity, version)


def setAnnotations(
    syn: Session, entity: Any, annotations: Mapping[str, Any] | None = None, **kwargs: Any
) -> Annotations:
    """Replace the annotations of an entity.

    Without an etag, concurrent changes of the annotations are overwritten.

    Deprecated: use `get_annotations` and `set_annotations`.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID.
        annotations: Values, or lists of values, by key. If they, or an entity that is passed as
            `entity`, contain an ``etag``, it must be the current etag of the entity.
        **kwargs: More keys and values.

    Returns:
        The stored annotations, with the new etag.

    Raises:
        ValueError: A key or a value is not valid in Synapse.
        SynapseStaleError: The entity was changed since the given etag was read.
        SynapseForbiddenError: The caller may not change the entity.

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
    if etag is not None:
        return set_annotations(syn, Annotations(target, etag, values))
    return retry_stale(
        lambda: set_annotations(
            syn, Annotations(target, get_annotations(syn, target).etag, values)
        )
    )


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)
