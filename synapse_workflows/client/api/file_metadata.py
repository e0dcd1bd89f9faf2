"""Change of the names and the content type of a file, without a transfer of its content."""

from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, copy_files, store as store_api
from synapse_workflows.client.api.store_properties import VersionOptions
from synapse_workflows.client.api.store_provenance import StoreProvenance
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.ids import parse_entity_id

#: Characters that separate folders in paths.
_SEPARATORS: Final = "/\\"


def change_file_metadata(
    syn: Session,
    entity: Any,
    *,
    download_name: str | None = None,
    content_type: str | None = None,
    name: str | None = None,
    force_version: bool = True,
) -> Entity:
    """Change the names and the content type of a file, without a transfer of its content.

    If the file already has these names and this content type, nothing is changed. If another
    client changes the file at the same time, the change is repeated.

    Args:
        syn: The session that sends the requests.
        entity: The file, or its ID; its current version is changed.
        download_name: Name of the downloaded file; None to keep it.
        content_type: MIME type; None to keep it.
        name: Name of the entity; None to keep it.
        force_version: Whether the change creates a version of the file; False to change the
            current version.

    Returns:
        The file.

    Raises:
        ValueError: `entity` is not a file, or the ID of a version; or a name or the content type
            is invalid.
        SynapseForbiddenError: The caller may not download or change the file.
        SynapseConflictError: The container has another entity with this name.

    Source:
        POST /entity/{id}/bundle2, POST /filehandles/copy, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/POST/filehandles/copy.html
    """
    entity_id, version = parse_entity_id(entity)
    if version is not None:
        raise ValueError(
            f"Invalid ID {entity_id}.{version}: only the current version of a file can be "
            f"changed. Pass {entity_id!r}."
        )
    _require_text("download_name", download_name, _SEPARATORS)
    _require_text("content_type", content_type)
    if name is not None:
        require_valid_name(name, "the file", "Pass another name")
    return retry_stale(
        lambda: _change(syn, entity_id, download_name, content_type, name, force=force_version)
    )


def _change(
    syn: Session,
    entity_id: str,
    download_name: str | None,
    content_type: str | None,
    name: str | None,
    *,
    force: bool,
) -> Entity:
    """Read the file and change it."""
    bundle = bundles.get_bundle(syn, entity_id)
    found, handle = bundles.build_entity(bundle), bundles.get_file_handle(bundle)
    if found.concreteType != constants.FILE:
        kind = constants.ENTITY_TYPES.get(found.concreteType, found.concreteType)
        raise ValueError(f"Cannot change the file of {entity_id}: it is a {kind}. Pass a file.")
    if handle is None:
        raise SynapseForbiddenError(
            403,
            f"No permission to download {entity_id}; it was not changed",
            f"POST /entity/{entity_id}/bundle2",
            advice="Ask the owner for DOWNLOAD access.",
        )
    wanted = {"fileName": download_name, "contentType": content_type}
    given = {key: value for key, value in wanted.items() if value is not None}
    is_same_file = all(handle.get(key) == value for key, value in given.items())
    if is_same_file and name in {None, found.name}:
        return found
    changes: dict[str, Any] = {} if name is None else {"name": name}
    if not is_same_file:
        (changes["dataFileHandleId"],) = copy_files.copy_file_handles(
            syn, [str(handle["id"])], "FileEntity", entity_id, download_name, content_type
        )
    changed = Entity.create({**found.properties, **changes}, found.annotations, {"path": None})
    options = VersionOptions(force=force)
    return store_api.store_entity_with(syn, changed, options, StoreProvenance(syn, None))


def _require_text(argument: str, value: str | None, forbidden: str = "") -> None:
    """Validate a text for the header of a download.

    Raises:
        ValueError: It is no text or empty, or contains a control character or a forbidden one.
    """
    is_text = isinstance(value, str) and bool(value.strip()) and value.isprintable()
    if value is not None and not (is_text and set(forbidden).isdisjoint(value)):
        without = f", without {' and '.join(forbidden)}" if forbidden else ""
        raise ValueError(
            f"Invalid {argument} {value!r}: expected text, not empty, in one line{without}; or "
            "None to keep it."
        )
