"""Entities: get, delete, move and show projects, folders, files and links."""

import json
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self, TypedDict, Unpack, get_args
from urllib.parse import quote

from synapse_workflows.client.api import bundles, entity_lookup, store_object, table_rows
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Read, has_open_version
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseUnmetAccessRestrictions
from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.entity import Entity, File, set_local_path
from synapse_workflows.client.model.ids import (
    id_of,
    is_synapse_id,
    parse_entity_id,
    parse_numeric_id,
    parse_version_number,
)
from synapse_workflows.client.model.paths import is_local_file
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.client.transfer import download

_NOT_DOWNLOADABLE: Final = frozenset({"project", "folder"})


class GetKeywords(TypedDict, total=False):
    """Keyword arguments of `get`."""

    version: int | str | None
    downloadFile: bool
    downloadLocation: str | None
    followLink: bool
    ifcollision: CollisionPolicy
    limitSearch: Any


@dataclass(frozen=True)
class GetOptions:
    """Validated keyword arguments of `get`.

    Args:
        version: Version number; None for the version in the ID, or else the current version.
        download: Whether to download the content of a file.
        location: Download directory; None for the cache.
        follow_link: Whether to get the target of a link instead of the link.
        if_collision: What to do with an existing file in the download directory.
        limit_search: Project or folder in which to look up local files; None to look them up in
            all projects.
    """

    version: int | str | None = None
    download: bool = True
    location: str | None = None
    follow_link: bool = False
    if_collision: CollisionPolicy = "keep.both"
    limit_search: Any = None

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any]) -> Self:
        """Parse and validate the keyword arguments of `get`.

        Raises:
            TypeError: Unknown keyword.
            ValueError: Unknown value of `ifcollision`, or `downloadLocation` is not a local
                directory.
        """
        unknown = {key: value for key, value in keywords.items() if key not in _KEYWORDS}
        if unknown:
            raise TypeError(f"Unexpected **kwargs: {unknown}; known are {', '.join(_KEYWORDS)}")
        options = cls(**{_KEYWORDS[key]: value for key, value in keywords.items()})
        policies = get_args(CollisionPolicy)
        if options.if_collision not in policies:
            raise ValueError(
                f'Invalid parameter: "{options.if_collision}" is not a valid value for '
                f'"ifcollision"; expected one of {", ".join(policies)}'
            )
        if options.location is not None:
            download.parse_directory(options.location)
        return options


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


def get(syn: Session, entity: Any, **kwargs: Unpack[GetKeywords]) -> Entity:
    """Get an entity, and download the content of a file.

    Args:
        syn: The session that sends the requests.
        entity: An ID (``syn123``, or ``syn123.4`` for version 4), an entity, a mapping with
            ``id``, a mapping with ``name`` and ``parentId``, or the path of a local file. A
            local file is looked up by its MD5 and not downloaded again.
        **kwargs: ``version`` (version number), ``downloadFile`` (default True),
            ``downloadLocation`` (a directory; default: the cache), ``followLink`` (default
            False), ``ifcollision`` (``keep.both``, the default, ``keep.local`` or
            ``overwrite.local``), ``limitSearch`` (a project or folder in which to look up local
            files).

    Returns:
        The entity, as the class of its type. A downloaded file has its ``path``.

    Raises:
        TypeError: Unknown keyword.
        ValueError: `entity` is not an entity, or a keyword has an invalid value.
        SynapseNotFoundError: The entity or version does not exist, or is in the trash can.
        SynapseForbiddenError: The caller may not read the entity.
        SynapseFileNotFoundError: `entity` is neither a local file nor an ID, or no entity has
            this name or content.
        SynapseUnmetAccessRestrictions: The caller has to meet access requirements first.

    Source:
        POST /entity/{id}/bundle2, POST /entity/{id}/version/{versionNumber}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    options = GetOptions.from_keywords(kwargs)
    found = get_unannounced(syn, entity, options)
    has_content = options.download and getattr(found, "path", None) is not None
    syn.emit(
        Read(
            found.id,
            found.get("versionNumber"),
            found.name,
            found.concreteType,
            is_lookup=not has_content,
            is_open=has_open_version(found),
        )
    )
    url = getattr(found, "externalURL", None)
    if has_content and url and not getattr(found, "md5", None):
        # the version does not determine the content: the server may have another file today
        syn.emit(Read(None, name=found.name, url=str(url)))
    return found


def get_unannounced(syn: Session, entity: Any, options: GetOptions) -> Entity:
    """Get an entity, as `get` does, but without emitting a `Read` event.

    Args:
        syn: The session that sends the requests.
        entity: As for `get`.
        options: The keyword arguments of `get`.
    """
    found = entity_lookup.resolve_entity(syn, entity, options.version, options.limit_search)
    bundle = bundles.get_bundle(syn, found.entity_id, found.version)
    target = bundle["entity"].get("linksTo")
    if options.follow_link and target:
        bundle = bundles.get_bundle(syn, target["targetId"], target.get("targetVersionNumber"))
    downloads = options.download and found.path is None
    _check_restrictions(syn, bundle, download=downloads)
    result = bundles.build_entity(bundle, found.local_state)
    if isinstance(result, File) and found.path:
        _record_local_copy(syn, result, found.path)
    elif isinstance(result, File) and downloads:
        download_content(syn, result, bundle, options, "FileEntity", result.id)
    return result


def delete(syn: Session, obj: Any, version: int | str | None = None) -> None:
    """Delete an entity, one version of a file or table, rows of a table, or another object.

    Deleted entities are moved to the trash can. An evaluation is deleted with its submissions, a
    wiki page with its sub-pages.

    Args:
        syn: The session that sends the requests.
        obj: An ID (``syn123``, or ``syn123.4`` for version 4), an entity, or rows of a table:
            the result of a query, or a `RowSet`; or an `Evaluation`, a `Submission`, a `Team` or
            a `Wiki`.
        version: Version number. Other objects than files and tables are deleted as a whole.

    Raises:
        SynapseError: `obj` cannot be deleted.
        SynapseForbiddenError: The caller may not delete `obj`.
        SynapseBadRequestError: The version is the only remaining version of the entity.

    Source:
        DELETE /entity/{id}, DELETE /entity/{id}/version/{versionNumber}; for other objects see
        `store_object.delete_object`
        https://rest-docs.synapse.org/rest/DELETE/entity/id.html
    """
    number = None if version is None else parse_version_number(version)
    if isinstance(obj, table_rows.ROW_TYPES):
        table_rows.delete_rows(syn, obj)
    elif isinstance(obj, str):
        target = parse_entity_id(obj)
        number = number or target.version
        suffix = "" if number is None else f"/version/{number}"
        syn.call("DELETE", f"/entity/{target.id}{suffix}")
    elif isinstance(obj, RestObject):
        store_object.delete_object(syn, obj)
    elif isinstance(obj, Entity):
        id_of(obj)
        uri = obj.deleteURI(number)
        if number is not None and uri == obj.deleteURI():
            syn.logger.warning("%s has no versions; deleting the whole entity.", obj.id)
        syn.call("DELETE", uri)
    else:
        raise SynapseError(
            f"Can't delete a {type(obj)}. Please specify a Synapse object or id: pass an entity "
            "or a Synapse ID."
        )


def move(syn: Session, entity: Any, new_parent: Any) -> Entity:
    """Move an entity into another container, with its versions and annotations.

    If another client changes the entity at the same time, its change is kept.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID.
        new_parent: A project or folder, or its ID.

    Returns:
        The moved entity.

    Raises:
        SynapseForbiddenError: The caller may not change the entity, or add to `new_parent`.
        SynapseConflictError: `new_parent` already contains an entity with this name.
        SynapseBadRequestError: `new_parent` is not a container, or is inside the entity.

    Source:
        POST /entity/{id}/bundle2, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    parent = parse_entity_id(new_parent).id
    found = entity_lookup.resolve_entity(syn, entity)

    def update_parent() -> None:
        current = bundles.get_bundle(syn, found.entity_id)["entity"]
        syn.call("PUT", f"/entity/{found.entity_id}", json={**current, "parentId": parent})

    retry_stale(update_parent)
    moved = bundles.build_entity(bundles.get_bundle(syn, found.entity_id), found.local_state)
    if isinstance(moved, File) and found.path:
        _record_local_copy(syn, moved, found.path)
    return moved


def printEntity(syn: Session, entity: Any, ensure_ascii: bool = True) -> None:
    """Log an entity as JSON with sorted keys.

    Args:
        syn: The session that sends the request, and whose logger is used.
        entity: The ID of an entity to fetch and log. Any other object is logged without a request.
        ensure_ascii: Whether to escape non-ASCII characters.

    Raises:
        SynapseNotFoundError: The entity or version does not exist.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    content = entity
    if is_synapse_id(entity):
        target = parse_entity_id(entity)
        suffix = "" if target.version is None else f"/version/{target.version}"
        content = syn.call("GET", f"/entity/{target.id}{suffix}").json
    try:
        text = json.dumps(content, sort_keys=True, indent=2, ensure_ascii=ensure_ascii)
    except TypeError:
        text = str(content)
    syn.logger.info("%s", text)


def onweb(syn: Session, entity: Any, subpageId: Any = None) -> None:
    """Open the page of an entity, or of one of its wiki pages, in the web browser.

    Args:
        syn: The session whose portal endpoint is used.
        entity: An ID, an object with an ID, or the path of a local file that is in Synapse.
        subpageId: ID of a wiki page; None for the page of the entity.

    Raises:
        ValueError: `entity` has no ID, or `subpageId` is not the ID of a wiki page.
        SynapseFileNotFoundError: The local file is not in Synapse.

    Source:
        No call; for local files the calls of `get`.
    """
    if not is_synapse_id(entity) and isinstance(entity, str) and is_local_file(entity):
        entity = entity_lookup.resolve_entity(syn, entity).entity_id
    entity_id = quote(id_of(entity))
    if not entity_id:
        raise ValueError("Invalid entity '': expected an ID such as 'syn123', or an entity.")
    page = f"Synapse:{entity_id}"
    if subpageId is not None:
        page = f"Wiki:{entity_id}/ENTITY/{parse_numeric_id(subpageId, 'wiki page')}"
    webbrowser.open(f"{syn.portalEndpoint}#!{page}")


def _check_restrictions(syn: Session, bundle: Mapping[str, Any], *, download: bool) -> None:
    """Raise an error, or log a warning, if access requirements of an entity are not met."""
    if not bundles.has_unmet_requirements(bundle):
        return
    entity = bundle["entity"]["id"]
    message = (
        f"There are unmet access requirements on {entity}: "
        f"see {syn.portalEndpoint}#!Synapse:{entity}"
    )
    if download and bundle.get("entityType") not in _NOT_DOWNLOADABLE:
        raise SynapseUnmetAccessRestrictions(
            f"{message}. Accept them there, or get the entity with downloadFile=False."
        )
    syn.logger.warning("%s", message)


def _record_local_copy(syn: Session, file: File, path: str) -> None:
    """Set the path of a file entity, and add the local file to the cache."""
    if file.get("dataFileHandleId"):
        syn.cache.add(file.dataFileHandleId, path)
    set_local_path(file, path)


def download_content(
    syn: Session,
    file: File,
    bundle: Mapping[str, Any],
    options: GetOptions,
    associate_type: str,
    associate_id: str,
) -> None:
    """Download the content of a file, and set the path of the entity.

    If the caller may not download the file, a warning is logged.

    Args:
        syn: The session that sends the requests.
        file: The entity of the bundle.
        bundle: The bundle with the file handle.
        options: Download directory and handling of collisions.
        associate_type: Type of the object that gives access to the file: ``FileEntity`` or
            ``SubmissionAttachment``.
        associate_id: ID of that object.
    """
    handle = bundles.get_file_handle(bundle)
    if handle is None:
        syn.logger.warning(
            "You may read %s but not download it; ask its owner for DOWNLOAD access.", file.id
        )
        return
    path = download.download_file(
        syn,
        file_handle=handle,
        associate_type=associate_type,
        associate_id=associate_id,
        directory=options.location,
        if_collision=options.if_collision,
    )
    set_local_path(file, None if path is None else str(path))
