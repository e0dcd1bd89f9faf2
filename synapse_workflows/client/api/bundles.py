"""Bundles: an entity with its annotations and file handles, in one answer."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import Entity

_PARTS: Final = {
    "includeEntity": True,
    "includeAnnotations": True,
    "includeFileHandles": True,
    "includeRestrictionInformation": True,
}


def get_bundle(syn: Session, entity_id: str, version: int | None = None) -> dict[str, Any]:
    """Fetch an entity with its annotations, file handles and restrictions.

    Args:
        syn: The session that makes the call.
        entity_id: ``syn123``.
        version: A number; None for the current one.

    Returns:
        ``entity``, ``entityType`` (``file``), ``annotations``, ``fileHandles`` (empty without
        the right to download), ``restrictionInformation``.

    Raises:
        SynapseNotFoundError: No such entity or version, or it lies in the trash can.
        SynapseForbiddenError: The caller may not read it.

    Source:
        POST /entity/{id}/bundle2, POST /entity/{id}/version/{versionNumber}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    at = "" if version is None else f"/version/{version}"
    reply = syn.call("POST", f"/entity/{entity_id}{at}/bundle2", json=_PARTS, repeatable=True)
    bundle: dict[str, Any] = reply.json
    return bundle


def get_file_handle(bundle: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the handle of a file's content; None without one, or without the right to it.

    Previews come in the same list and are passed over.
    """
    wanted = bundle["entity"].get("dataFileHandleId")
    handles: list[dict[str, Any]] = bundle.get("fileHandles") or []
    return next((one for one in handles if wanted and str(one.get("id")) == str(wanted)), None)


def has_unmet_requirements(bundle: Mapping[str, Any]) -> bool:
    """Tell whether the caller has to agree to something before the content may be had."""
    return bool((bundle.get("restrictionInformation") or {}).get("hasUnmetAccessRequirement"))


def build_entity(
    bundle: Mapping[str, Any], local_state: Mapping[str, Any] | None = None
) -> Entity:
    """Make the entity of a bundle, of the class of its type.

    Args:
        bundle: As `fetch` returns it.
        local_state: What is known here of the same entity, as the path of a file.
    """
    handle = get_file_handle(bundle)
    state = {**(local_state or {}), **({"_file_handle": handle} if handle else {})}
    held = bundle.get("annotations")
    values = annotations.from_synapse_annotations(held) if held else None
    return Entity.create(bundle["entity"], values, state)
