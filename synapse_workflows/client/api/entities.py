"""Entities: get, delete, move and look at projects, folders, files and links."""

import json
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from synapse_workflows.client.api import bundles, entity_lookup, table_rows
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseUnmetAccessRestrictions
from synapse_workflows.client.model.entity import Entity, File, set_local_path
from synapse_workflows.client.model.ids import (
    id_of,
    is_synapse_id,
    parse_entity_id,
    parse_version_number,
)
from synapse_workflows.client.model.paths import expand_path
from synapse_workflows.client.transfer import download

_COLLISIONS: Final = ("overwrite.local", "keep.local", "keep.both")
_NOT_DOWNLOADED: Final = frozenset({"project", "folder"})


@dataclass(frozen=True)
class GetOptions:
    """How an entity is wanted: the keywords of `get`."""

    version: int | str | None = None
    download: bool = True
    location: str | None = None
    follow_link: bool = False
    if_collision: str = "keep.both"
    limit_search: Any = None

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> Self:
        """Read the keywords of `get`; what cannot be is refused before anything is asked.

        Raises:
            TypeError: A keyword that is not known.
            ValueError: A way to treat collisions that is not known, or a file as the directory.
        """
        unknown = {key: value for key, value in keywords.items() if key not in _KEYWORDS}
        if unknown:
            raise TypeError(f"Unexpected **kwargs: {unknown}; known are {', '.join(_KEYWORDS)}")
        wishes = cls(**{_KEYWORDS[key]: value for key, value in keywords.items()})
        if wishes.if_collision not in _COLLISIONS:
            raise ValueError(
                f'Invalid parameter: "{wishes.if_collision}" is not a valid value for '
                f'"ifcollision"; it is one of {", ".join(_COLLISIONS)}'
            )
        if wishes.location is not None and Path(expand_path(wishes.location)).is_file():
            raise ValueError(
                f"downloadLocation should be a directory; {wishes.location} is a file"
            )
        return wishes


_KEYWORDS: Final = MappingProxyType(
    {
        "version": "version",
        "downloadFile": "download",
        "downloadLocation": "location",
        "followLink": "follow_link",
        "ifcollision": "if_collision",
        "limitSearch": "limit_search",
    }
)


def get(syn: Session, entity: Any, **kwargs: Any) -> Entity:
    """Get an entity, and the content of a file.

    Args:
        syn: The session that makes the calls.
        entity: An id (``syn123``, or ``syn123.4`` for version 4), an entity, a mapping with
            ``id`` or with ``name`` and ``parentId``, or the path of a local file, which is
            looked up by its MD5 and not downloaded again.
        **kwargs: ``version`` (a number), ``downloadFile`` (True), ``downloadLocation`` (a
            directory; else the cache), ``followLink`` (False), ``ifcollision``
            (``keep.both``, ``keep.local``, ``overwrite.local``), ``limitSearch`` (a project or
            folder to look up local files in).

    Returns:
        The entity, of the class of its type. A downloaded file has its ``path``.

    Raises:
        TypeError: A keyword that is not known.
        ValueError: Not an entity, or a keyword's value that cannot be.
        SynapseNotFoundError: No such entity or version, or it lies in the trash can.
        SynapseForbiddenError: The caller may not read it.
        SynapseFileNotFoundError: The argument is neither a file here nor an id; or no entity
            has that name, or the content of that file.
        SynapseUnmetAccessRestrictions: There are conditions to be met before the download.

    Source:
        POST /entity/{id}/bundle2, POST /entity/{id}/version/{versionNumber}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    found = get_unannounced(syn, entity, GetOptions.of(kwargs))
    syn.announce(
        Read(found.id, found.get("versionNumber"), found.name, found.concreteType, how="get")
    )
    return found


def get_unannounced(syn: Session, entity: Any, wishes: GetOptions) -> Entity:
    """Get an entity as `get` does, and tell nobody."""
    found = entity_lookup.resolve_entity(syn, entity, wishes.version, wishes.limit_search)
    bundle = bundles.get_bundle(syn, found.entity_id, found.version)
    target = bundle["entity"].get("linksTo")
    if wishes.follow_link and target:
        bundle = bundles.get_bundle(syn, target["targetId"], target.get("targetVersionNumber"))
    wanted = wishes.download and found.path is None
    _check_restrictions(syn, bundle, download=wanted)
    result = bundles.build_entity(bundle, found.local_state)
    if isinstance(result, File) and found.path:
        _record_local_copy(syn, result, found.path)
    elif isinstance(result, File) and wanted:
        _download_content(syn, result, bundle, wishes)
    return result


def delete(syn: Session, obj: Any, version: int | str | None = None) -> None:
    """Delete an entity, one version of a file or table, or rows of a table.

    Entities go to the trash can.

    Args:
        syn: The session that makes the call.
        obj: An id (``syn123``; ``syn123.4`` for version 4), or an entity. Or rows: what a
            query answered, or a `RowSet`.
        version: A number. Entities that have no versions are deleted whole.

    Raises:
        SynapseError: Something that cannot be deleted.
        SynapseForbiddenError: The caller may not delete it.
        SynapseBadRequestError: The last version that is left.

    Source:
        DELETE /entity/{id}, DELETE /entity/{id}/version/{versionNumber}
        https://rest-docs.synapse.org/rest/DELETE/entity/id.html
    """
    number = None if version is None else parse_version_number(version)
    if isinstance(obj, table_rows.ROW_TYPES):
        table_rows.delete_rows(syn, obj)
    elif isinstance(obj, str):
        named = parse_entity_id(obj)
        number = number or named.version
        at = "" if number is None else f"/version/{number}"
        syn.call("DELETE", f"/entity/{named.id}{at}")
    elif isinstance(obj, Entity):
        id_of(obj)
        address = obj.deleteURI(number)
        if number is not None and address == obj.deleteURI():
            syn.logger.warning("%s has no versions of its own; it is deleted whole.", obj.id)
        syn.call("DELETE", address)
    else:
        raise SynapseError(f"Can't delete a {type(obj)}. Please specify a Synapse object or id")


def move(syn: Session, entity: Any, new_parent: Any) -> Entity:
    """Move an entity into another container; its versions and annotations go with it.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.
        new_parent: A project or folder, or its id.

    Returns:
        The entity where it lies now.

    Raises:
        SynapseForbiddenError: The caller may not change the entity, or add to `new_parent`.
        SynapseConflictError: The name is taken there.
        SynapseBadRequestError: `new_parent` cannot hold it, or lies in it.

    Source:
        POST /entity/{id}/bundle2, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    parent = parse_entity_id(new_parent).id
    moved = get_unannounced(syn, entity, GetOptions(download=False))
    syn.call("PUT", f"/entity/{moved.id}", json={**moved.properties, "parentId": parent})
    return bundles.build_entity(bundles.get_bundle(syn, moved.id), moved.local_state())


def printEntity(syn: Session, entity: Any, ensure_ascii: bool = True) -> None:
    """Log an entity as JSON, its keys sorted.

    Args:
        syn: The session that makes the call, and whose logger is used.
        entity: An id, which is fetched; or anything else, as it is.
        ensure_ascii: Escape what is not ASCII.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    shown = entity
    if is_synapse_id(entity):
        named = parse_entity_id(entity)
        at = "" if named.version is None else f"/version/{named.version}"
        shown = syn.call("GET", f"/entity/{named.id}{at}").json
    try:
        text = json.dumps(shown, sort_keys=True, indent=2, ensure_ascii=ensure_ascii)
    except TypeError:
        text = str(shown)
    syn.logger.info("%s", text)


def onweb(syn: Session, entity: Any, subpageId: Any = None) -> None:
    """Open the page of an entity, or one of its wiki pages, in the web browser.

    Args:
        syn: The session that knows the portal.
        entity: An id, anything that carries one, or a local file that is in Synapse.
        subpageId: The number of a wiki page.

    Source:
        No call; local files are found as by `get`.
    """
    if isinstance(entity, str) and Path(expand_path(entity)).is_file():
        entity = entity_lookup.resolve_entity(syn, entity).entity_id
    page = f"Synapse:{id_of(entity)}"
    if subpageId is not None:
        page = f"Wiki:{id_of(entity)}/ENTITY/{id_of(subpageId)}"
    webbrowser.open(f"{syn.portalEndpoint}#!{page}")


def _check_restrictions(syn: Session, bundle: Mapping[str, Any], *, download: bool) -> None:
    """Refuse, or warn of, data behind conditions that the caller has not met."""
    if not bundles.has_unmet_requirements(bundle):
        return
    entity = bundle["entity"]["id"]
    said = (
        f"There are unmet access requirements on {entity}: "
        f"see {syn.portalEndpoint}#!Synapse:{entity}"
    )
    if download and bundle.get("entityType") not in _NOT_DOWNLOADED:
        raise SynapseUnmetAccessRestrictions(
            f"{said}. Agree to them there, or get it with downloadFile=False."
        )
    syn.logger.warning("%s", said)


def _record_local_copy(syn: Session, file: File, path: str) -> None:
    """Note that a local file is the content of an entity."""
    if file.get("dataFileHandleId"):
        syn.cache.add(file.dataFileHandleId, path)
    set_local_path(file, path)


def _download_content(
    syn: Session, file: File, bundle: Mapping[str, Any], wishes: GetOptions
) -> None:
    handle = bundles.get_file_handle(bundle)
    if handle is None:
        syn.logger.warning(
            "You may read %s but not download it; ask its owner for DOWNLOAD access.", file.id
        )
        return
    path = download.download_file(
        syn,
        file_handle=handle,
        associate_type="FileEntity",
        associate_id=file.id,
        directory=None if wishes.location is None else expand_path(wishes.location),
        if_collision=wishes.if_collision,
    )
    set_local_path(file, None if path is None else str(path))
