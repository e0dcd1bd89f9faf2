"""Entity bundles: an entity with its annotations and file handles, fetched in one request."""

from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model import annotations
from synapse_workflows.client.model.entity import Entity

_BUNDLE_REQUEST: Final = {
    "includeEntity": True,
    "includeAnnotations": True,
    "includeFileHandles": True,
    "includeRestrictionInformation": True,
}


def get_bundle(
    syn: Session,
    entity_id: str,
    version: int | None = None,
    *,
    permissions: bool = False,
    root_wiki: bool = False,
) -> dict[str, Any]:
    """Fetch an entity with its annotations, file handles and restrictions.

    Args:
        syn: The session that sends the request.
        entity_id: ``syn123``.
        version: Version number; None for the current version.
        permissions: Whether to include the permissions of the caller.
        root_wiki: Whether to include the ID of the root page of the wiki.

    Returns:
        EntityBundle: ``entity``, ``entityType`` (``file``), ``annotations``, ``fileHandles``
        (empty without DOWNLOAD access), ``restrictionInformation``; ``permissions`` and
        ``rootWikiId`` if requested (``rootWikiId`` is missing without a wiki).

    Raises:
        SynapseNotFoundError: The entity or version does not exist, or is in the trash can.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        POST /entity/{id}/bundle2, POST /entity/{id}/version/{versionNumber}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    suffix = "" if version is None else f"/version/{version}"
    request = {
        **_BUNDLE_REQUEST,
        **({"includePermissions": True} if permissions else {}),
        **({"includeRootWikiId": True} if root_wiki else {}),
    }
    reply = syn.call("POST", f"/entity/{entity_id}{suffix}/bundle2", json=request, repeatable=True)
    return reply.object


def get_file_handle(bundle: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the file handle of the content of a file; previews are ignored.

    Returns:
        The FileHandle; None if the entity has no content, or the caller may not download it.
    """
    handle_id = bundle["entity"].get("dataFileHandleId")
    if not handle_id:
        return None
    handles: list[dict[str, Any]] = bundle.get("fileHandles") or []
    return next((one for one in handles if str(one.get("id")) == str(handle_id)), None)


def has_unmet_requirements(bundle: Mapping[str, Any]) -> bool:
    """Return whether the caller has to meet access requirements before downloading the content."""
    return bool((bundle.get("restrictionInformation") or {}).get("hasUnmetAccessRequirement"))


def build_entity(
    bundle: Mapping[str, Any], local_state: Mapping[str, Any] | None = None
) -> Entity:
    """Create the entity of a bundle, as the class of its type.

    Args:
        bundle: The result of `get_bundle`.
        local_state: Local properties of the entity, such as the path of a file.
    """
    handle = get_file_handle(bundle)
    state = {**(local_state or {}), **({"_file_handle": handle} if handle else {})}
    stored = bundle.get("annotations")
    values = annotations.from_synapse_annotations(stored) if stored else None
    return Entity.create(bundle["entity"], values, state)
