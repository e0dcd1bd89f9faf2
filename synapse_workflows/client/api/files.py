"""Files: their way into Synapse's storage, and handles for those that stay elsewhere.

Source: the chapter "File Services" of https://rest-docs.synapse.org
"""

import mimetypes
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows import constants
from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMd5MismatchError
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.transfer import destinations, upload


def uploadFileHandle(
    syn: Session,
    path: str | os.PathLike[str],
    parent: Any,
    synapseStore: bool = True,
    mimetype: str | None = None,
    md5: str | None = None,
    file_size: int | None = None,
) -> dict[str, Any]:
    """Upload a file to where its parent wants it, and make a file handle of it.

    Args:
        syn: Who does it.
        path: A local file; with `synapseStore=False` also a URL.
        parent: The project or folder (or its id) whose storage is used.
        synapseStore: False: upload nothing, make a handle that says where the file is.
        mimetype: Content type; guessed from the name when not given.
        md5: MD5 of a file that is not uploaded, in hex; of one on this machine it is checked.
        file_size: Bytes of a file that is neither uploaded nor on this machine.

    Returns:
        The file handle.

    Raises:
        ValueError: No path, an empty file, or what is no URL.
        OSError: There is no such file, or it is a directory.
        SynapseMd5MismatchError: `md5` is not that of the file.
        SynapseUploadFailedException: The upload could not be completed.
        SynapseTransferError: The parent's files go to a storage that cannot be written to.

    Source:
        GET /entity/{id}/uploadDestination, POST /file/multipart, GET /fileHandle/{id},
        POST /externalFileHandle of the file service
    """
    if path is None:
        raise ValueError("path can not be None")
    if not synapseStore:
        return _create_external_file_handle(syn, os.fspath(path), mimetype, md5, file_size)
    destination = destinations.of_container(syn, id_of(parent))
    uploaded = upload.upload_file(
        syn,
        path,
        storage_location_id=destination.storage_location_id,
        content_type=mimetype,
    )
    syn.cache.add(uploaded.file_handle_id, Path(path).expanduser(), uploaded.md5)
    return _get_file_handle(syn, uploaded.file_handle_id)


def _get_file_handle(syn: Session, file_handle_id: str) -> dict[str, Any]:
    """Read a file handle, as only its creator can.

    Source:
        GET /fileHandle/{id} of the file service
    """
    handle: dict[str, Any] = syn.call("GET", f"/fileHandle/{file_handle_id}", endpoint="file").json
    return handle


def _create_external_file_handle(
    syn: Session, place: str, mimetype: str | None, md5: str | None, size: int | None
) -> dict[str, Any]:
    """Make a handle for a file that stays where it is.

    Source:
        POST /externalFileHandle of the file service
    """
    url = _to_url(place)
    local = _find_local_file(url)
    if local is not None:
        found = cache_map.file_md5(local)
        if md5 is not None and md5.lower() != found:
            raise SynapseMd5MismatchError(
                f"The MD5 of {local} is {found}, not {md5}",
                expected=md5,
                found=found,
                path=str(local),
            )
        md5, size = found, local.stat().st_size
    name = urlsplit(url).path.rpartition("/")[2]
    facts = {
        "concreteType": constants.EXTERNAL_FILE_HANDLE,
        "fileName": name,
        "externalURL": url,
        "contentMd5": md5,
        "contentSize": size,
        "contentType": mimetype or mimetypes.guess_type(name)[0],
    }
    handle: dict[str, Any] = syn.call(
        "POST",
        "/externalFileHandle",
        endpoint="file",
        json={key: value for key, value in facts.items() if value is not None},
    ).json
    if local is not None:
        syn.cache.add(handle["id"], local, md5)
    return handle


def _to_url(place: str) -> str:
    """Take a URL as it is; a path becomes `file://` and its absolute form.

    Raises:
        ValueError: It is neither.
    """
    parts = urlsplit(place)
    if not parts.scheme:
        return f"file://{cache_map.key_of(Path(place).expanduser())}"
    if not parts.netloc and not parts.path.strip("/"):
        raise ValueError(f'externalURL "{place}" is not a valid URL')
    return place


def _find_local_file(url: str) -> Path | None:
    """Find the file of a `file:` URL on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    candidates = (Path(parts.path), Path(url2pathname(parts.path)))
    return next((path for path in candidates if path.is_file()), None)
