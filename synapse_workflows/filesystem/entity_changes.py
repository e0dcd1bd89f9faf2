"""Changes of entities by path: folders, copies, moves and deletions."""

from collections.abc import Mapping
from typing import Any

from synapse_workflows.client.api import bundles
from synapse_workflows.client.api.copy_files import copy_file_handles
from synapse_workflows.client.api.entity_paths import find_by_path, find_deepest
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseUnsupportedStorageError,
)
from synapse_workflows.client.model.entity import Folder
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.entity_paths import EntityPath
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.client.transfer.download_request import (
    DownloadRequest,
    request_download_url,
)
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.filesystem.write_target import WriteTarget, create_folders


def create_directory(
    syn: Synapse, path: EntityPath, *, create_parents: bool, exist_ok: bool
) -> None:
    """Create a folder.

    Raises:
        FileExistsError: There is a container at this path, unless `exist_ok`; or another entity.
        FileNotFoundError: A parent is missing, and `create_parents` is False.
        SynapseMalformedEntityError: A name is invalid; no folder was created.
    """
    entity_id, missing = find_deepest(syn, path)
    is_container = _get_entity(syn, entity_id)["concreteType"] in CONTAINERS
    if not missing:
        if exist_ok and is_container:
            return
        raise FileExistsError(f"{path} exists ({entity_id})")
    if not is_container:
        raise NotADirectoryError(
            f"Cannot create {path}: {entity_id} is neither a project nor a folder"
        )
    if len(missing) > 1 and not create_parents:
        raise FileNotFoundError(
            f"Cannot create {path}: there is no folder {missing[0]!r} in {entity_id}. Create it "
            "first, or use makedirs"
        )
    for name in missing:
        require_valid_name(name, f"a folder on the path {path}", "Use a name")
    parent = create_folders(syn, entity_id, tuple(missing[:-1]))
    try:
        syn.store(Folder(missing[-1], parent=parent), createOrUpdate=exist_ok)
    except SynapseConflictError as error:
        raise FileExistsError(f"{path} exists: {error}") from error


def delete_directory(syn: Synapse, path: EntityPath) -> None:
    """Delete an empty container.

    Raises:
        NotADirectoryError: The entity is no container.
        OSError: The container is not empty.
    """
    entity_id = find_by_path(syn, path)
    if _get_entity(syn, entity_id)["concreteType"] not in CONTAINERS:
        raise NotADirectoryError(f"{path} ({entity_id}) is neither a project nor a folder")
    if next(iter(syn.getChildren(entity_id)), None) is not None:
        raise OSError(f"{path} ({entity_id}) is not empty. Use rm with recursive=True")
    syn.delete(entity_id)


def delete_entity(syn: Synapse, path: EntityPath, *, recursive: bool) -> None:
    """Delete an entity, with everything in it, or one version of a file.

    Raises:
        FileNotFoundError: There is no such entity.
        IsADirectoryError: The entity is a container, and `recursive` is False.
    """
    entity_id = find_by_path(syn, path)
    if not recursive and _get_entity(syn, entity_id)["concreteType"] in CONTAINERS:
        raise IsADirectoryError(
            f"{path} ({entity_id}) is a project or folder. Use recursive=True to delete it with "
            "everything in it"
        )
    syn.delete(entity_id, version=path.version)


def copy_file(syn: Synapse, source: Mapping[str, Any], target: WriteTarget) -> None:
    """Copy a version of a file to another file, without a download.

    Args:
        syn: Sends the requests, and emits the read of the source.
        source: Information about the version.
        target: The file to write.

    Raises:
        SynapseUnsupportedStorageError: The source is not a file.
        PermissionError: The caller may not download the source.
    """
    bundle = _get_file_bundle(syn, source)
    handle = bundles.get_file_handle(bundle) or {}
    syn.emit(Read(source["id"], source["version"], bundle["entity"]["name"], FILE, how="copy"))
    current = None if target.existing is None else bundles.get_file_handle(target.existing)
    is_same = current is not None and current.get("contentMd5") == handle.get("contentMd5")
    if current is not None and is_same and handle.get("contentMd5"):
        target.store_handle(syn, current["id"])
    else:
        (copied,) = copy_file_handles(
            syn, [str(handle["id"])], "FileEntity", source["id"], target.name
        )
        target.store_handle(syn, copied)


def move_entity(syn: Synapse, source: EntityPath, target: EntityPath) -> dict[str, Any]:
    """Move an entity to another container, or rename it; return its properties.

    Args:
        syn: Sends the requests.
        source: The entity.
        target: An existing container for the entity, or its new path.

    Raises:
        FileExistsError: There is an entity at the new path.
        FileNotFoundError: There is no such entity, or no container for the new path.
        ValueError: A path names a version.
    """
    for path in (source, target):
        if path.version is not None:
            raise ValueError(f"Cannot move {source} to {target}: {path} is a version")
    entity_id = find_by_path(syn, source)
    parent_id, missing = find_deepest(syn, target)
    if entity_id == parent_id and not missing:
        return _get_entity(syn, entity_id)
    if len(missing) > 1:
        raise FileNotFoundError(
            f"Cannot move {source} to {target}: there is no folder {missing[0]!r} in {parent_id}. "
            "Create it first"
        )
    if not missing and _get_entity(syn, parent_id)["concreteType"] not in CONTAINERS:
        raise FileExistsError(
            f"Cannot move {source} to {target}: {target} exists ({parent_id}). Delete it first, "
            "or choose another name"
        )
    changes = {"parentId": parent_id, **({"name": missing[0]} if missing else {})}

    def update() -> dict[str, Any]:
        properties = {**_get_entity(syn, entity_id), **changes}
        return syn.call("PUT", f"/entity/{entity_id}", json=properties).object

    try:
        return retry_stale(update)
    except SynapseConflictError as error:
        raise FileExistsError(f"Cannot move {source} to {target}: {error}") from error


def sign_url(syn: Synapse, source: Mapping[str, Any]) -> str:
    """Return a pre-signed URL of a version of a file, and emit that the version was read."""
    bundle = _get_file_bundle(syn, source)
    handle = bundles.get_file_handle(bundle) or {}
    request = DownloadRequest(handle, "FileEntity", source["id"], None, None)
    url = request_download_url(syn, request).url
    syn.emit(Read(source["id"], source["version"], bundle["entity"]["name"], FILE, how="sign"))
    return url


def _get_file_bundle(syn: Synapse, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bundle of a version of a file, with its file handle."""
    if source["concrete_type"] != FILE:
        kind = source["concrete_type"].rpartition(".")[2]
        raise SynapseUnsupportedStorageError(
            f"syn://{source['name']} ({source['id']}) is a {kind}, not a file"
        )
    bundle = bundles.get_bundle(syn, source["id"], source["version"])
    if bundles.get_file_handle(bundle) is None:
        raise PermissionError(
            f"No permission to download syn://{source['name']} ({source['id']}). Ask its owner "
            "for DOWNLOAD access"
        )
    return bundle


def _get_entity(syn: Synapse, entity_id: str) -> dict[str, Any]:
    entity: dict[str, Any] = syn.call("GET", f"/entity/{entity_id}").json
    return entity
