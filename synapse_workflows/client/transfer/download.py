"""Download of files from Synapse through the local cache."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.core import cache_map, file_names
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseError,
    SynapseFileNotFoundError,
)
from synapse_workflows.client.model.paths import expand_path, is_local_file, is_url, looks_like_url
from synapse_workflows.client.transfer import (
    download_request,
    executor,
    external_download,
    verified_download,
)
from synapse_workflows.client.transfer.download_request import DownloadRequest, DownloadUrl
from synapse_workflows.client.transfer.partial_file import PartialFile
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE

OVERWRITE_LOCAL: Final = "overwrite.local"
KEEP_LOCAL: Final = "keep.local"
KEEP_BOTH: Final = "keep.both"
#: Maximum number of attempts to download a file if another process deletes the directory.
_MAX_ATTEMPTS: Final = 3
COLLISIONS: Final = (OVERWRITE_LOCAL, KEEP_LOCAL, KEEP_BOTH)


@dataclass(frozen=True, slots=True)
class Destination:
    """Target path of a download, and a cached copy of the file.

    Attributes:
        target: Target path; None if an existing file is kept and nothing is downloaded.
        cached: Path of an unmodified copy. Equal to `target` if no copying is needed; None
            without a copy.
        overwrite: Whether to replace an existing file.
    """

    target: Path | None
    cached: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file at its target path.

    Attributes:
        path: Path of the file.
        md5: MD5 of its content in hex, if it was computed.
    """

    path: Path
    md5: str | None


def download_file(
    syn: Session,
    *,
    file_handle: Mapping[str, Any],
    associate_type: str,
    associate_id: str,
    directory: str | os.PathLike[str] | None = None,
    if_collision: str | None = None,
    file_name: str | None = None,
) -> Path | None:
    """Download a file, or copy it from the cache.

    Args:
        syn: Session of the download.
        file_handle: The file handle: `id`, and if known `fileName`, `contentMd5`, `contentSize`.
        associate_type: Type of the object to which the file belongs: `FileEntity`,
            `SubmissionAttachment`, ...
        associate_id: ID of the object to which the file belongs.
        directory: Target directory. By default, a cached copy is returned at its location, and
            a new file is downloaded to the cache.
        if_collision: `keep.both` (default), `keep.local` or `overwrite.local`.
        file_name: Name of the file in `directory`, instead of its name in the file handle.

    Returns:
        Path of the file; None if `keep.local` kept an existing file. A file in the cache is pinned
        by this process, so that it is not evicted.

    Raises:
        ValueError: `directory` is a file or a URL, or `if_collision` is invalid.
        SynapseFileNotFoundError: The file handle does not exist.
        SynapseForbiddenError: The user may not download the file.
        SynapseMd5MismatchError: The MD5 is wrong. The downloaded bytes were deleted.
        SynapseDownloadError: The file cannot be downloaded, or the disk is full.

    Source:
        POST /fileHandle/batch of the file service
    """
    if if_collision is not None and if_collision not in COLLISIONS:
        raise ValueError(
            f'Invalid parameter: "{if_collision}" is not a valid value for "ifcollision". '
            f"Allowed values: {', '.join(COLLISIONS)}."
        )
    folder = None if directory is None else parse_directory(directory)
    request = _with_md5(
        syn,
        DownloadRequest(
            file_handle, associate_type, associate_id, folder, if_collision, file_name
        ),
    )
    url = str(request.handle.get("externalURL") or "")
    if url.lower().startswith("file:"):
        _require_own(syn, request.handle, url)
    for attempt in itertools.count(1):
        try:
            outcome = _try_download(syn, request)
        except SynapseError:
            raise
        except OSError as error:
            # Another process may delete files of the cache at any time.
            if isinstance(error, FileNotFoundError) and attempt < _MAX_ATTEMPTS:
                continue
            place = request.directory or syn.cache.cache_root_dir
            raise SynapseDownloadError(
                f"Cannot write file handle {request.handle_id} to {place}: {error}. Choose "
                "another download location or cache directory."
            ) from error
        if isinstance(outcome, Destination):
            return outcome.target
        if outcome is not None:
            return outcome.path
    raise AssertionError("unreachable: the attempts are endless")


def parse_directory(location: str | os.PathLike[str]) -> Path:
    """Return a download directory as an absolute path, with `~` and variables expanded.

    Raises:
        ValueError: `location` is a file, or is not a path on this machine.
    """
    is_path = not isinstance(location, bytes | int | float)
    if not is_path:
        raise ValueError(
            f"Invalid downloadLocation {location!r}: expected the path of a directory."
        )
    text = str(location)
    if text.startswith("file:///"):
        text = url2pathname(urlsplit(text).path)
    if is_url(text) or looks_like_url(text):
        raise ValueError(
            f"Invalid downloadLocation {redact_url(text)!r}: the client downloads to "
            "directories of this machine. Download without it and copy the file, or use "
            "SynapseGetOperator(download_dir=...) or "
            "SynapseTableQueryOperator(output_path=...), which write to object storage."
        )
    directory = Path(cache_map.path_key(expand_path(text)))
    if is_local_file(directory):
        raise ValueError(f"downloadLocation should be a directory; {directory} is a file")
    return directory


def _with_md5(syn: Session, request: DownloadRequest) -> DownloadRequest:
    """Add the expected MD5 to a request, if it is needed to check a copy in the cache."""
    if request.md5 is not None or not syn.cache.has_copies(request.handle_id):
        return request
    known = known_md5s(syn).get((syn.fileHandleEndpoint, request.handle_id))
    if known is not None:
        return replace(request, handle={**request.handle, "contentMd5": known})
    return replace(request, handle=download_request.request_file_handle(syn, request))


def known_md5s(syn: Session) -> dict[tuple[str, str], str]:
    """Return the known MD5s of downloaded files whose file handle was passed without an MD5.

    The content of a file handle never changes. Therefore, a repeated download of the same file
    handle needs no further request for the MD5.
    """
    return syn.get_or_create("MD5s of file handles", dict)


def _try_download(syn: Session, request: DownloadRequest) -> Destination | Downloaded | None:
    """Download a file unless the target path already contains the file.

    Returns:
        The downloaded file; or the destination if nothing is downloaded. None if another process
        has just downloaded the same file to the same path: the caller has to resolve the
        destination again.
    """
    destination = resolve_destination(syn, request)
    if destination.target is None or destination.target == destination.cached:
        return destination
    partial = PartialFile(destination.target, request.handle_id)
    with partial.locked() as was_free, partial:
        if not was_free:
            return None
        downloaded = _obtain(syn, request, destination, partial)
        _add_to_cache(syn, request, downloaded)
        return downloaded


def resolve_destination(syn: Session, request: DownloadRequest) -> Destination:
    """Determine the target path of a download from existing files and the collision setting."""
    cached = _pin_cached_copy(syn, request)
    cache_directory = Path(syn.cache.get_cache_dir(request.handle_id))
    directory = request.directory or (cached.parent if cached else cache_directory)
    target = directory / (cached.name if cached and not request.file_name else _file_name(request))
    if directory == cache_directory:
        if request.if_collision not in {None, KEEP_BOTH}:
            syn.logger.warning(
                "ifcollision=%s is ignored: %s is stored in the cache, where files are "
                "overwritten. Pass a downloadLocation to keep several files.",
                request.if_collision,
                target.name,
            )
        return Destination(target, cached, overwrite=True)
    if not os.path.lexists(target) or request.if_collision == OVERWRITE_LOCAL:
        return Destination(target, cached, overwrite=request.if_collision == OVERWRITE_LOCAL)
    if request.if_collision == KEEP_LOCAL:
        return Destination(None)
    if not syn.cache.external_copies and _has_content(target, request):
        # an earlier try of the task may have written the file on another machine
        return Destination(target, target)
    return Destination(target, cached)


def _has_content(path: Path, request: DownloadRequest) -> bool:
    """Return whether a file has the size and the MD5 of the requested file."""
    size = request.handle.get("contentSize")
    if request.md5 is None or not path.is_file() or size not in (None, path.stat().st_size):
        return False
    return cache_map.file_md5(path) == request.md5


def _pin_cached_copy(syn: Session, request: DownloadRequest) -> Path | None:
    """Find a copy in the cache and pin it."""
    if request.md5 is None:  # without an MD5, a copy cannot be verified
        return None
    found = syn.cache.get(request.handle_id, request.directory, request.md5)
    if found is None:
        return None
    try:
        syn.cache.pin(found)
    except FileNotFoundError:  # evicted in the meantime
        return None
    return Path(found)


def _file_name(request: DownloadRequest) -> str:
    name = request.file_name or request.handle.get("fileName")
    return file_names.safe_file_name(name, request.handle_id)


def _add_to_cache(syn: Session, request: DownloadRequest, downloaded: Downloaded) -> None:
    """Pin the file, add it to the cache, and evict other files if the cache is too large."""
    is_external = request.handle.get("concreteType") == EXTERNAL_FILE_HANDLE
    if request.md5 is None and downloaded.md5 is not None and not is_external:
        known_md5s(syn)[syn.fileHandleEndpoint, request.handle_id] = downloaded.md5
    syn.cache.pin(downloaded.path)
    syn.cache.add(request.handle_id, downloaded.path, downloaded.md5)
    _make_room(syn, 0)


def _make_room(syn: Session, size: int) -> None:
    excess = syn.cache.make_room(size)
    if excess:
        syn.logger.warning(
            "The cache %s exceeds its limit by %s because files in use cannot be evicted.",
            syn.cache.cache_root_dir,
            format_size(excess),
        )


def _obtain(
    syn: Session, request: DownloadRequest, destination: Destination, partial: PartialFile
) -> Downloaded:
    """Copy the file from the cache, use a local file, or download it."""
    if destination.cached is not None:
        return _copy(destination.cached, destination, partial)
    source = download_request.request_download_url(syn, request)
    scheme = urlsplit(source.url).scheme
    if scheme == "file":
        _require_own(syn, source.handle, source.url)
        return _use_local_file(source)
    if scheme not in {"http", "https"} and not external_download.is_supported(scheme):
        raise SynapseDownloadError(
            f"Cannot download file handle {request.handle_id}: URLs with the scheme {scheme}: are "
            "not supported."
        )
    if partial.path.is_relative_to(syn.cache.cache_root_dir):
        _make_room(syn, source.size or 0)
    if external_download.is_supported(scheme):
        md5 = external_download.download_external(syn, source, partial)
    else:
        md5 = verified_download.download_verified(syn, request, source, partial)
    return Downloaded(partial.move_to_target(overwrite=destination.overwrite), md5)


def _copy(cached: Path, destination: Destination, partial: PartialFile) -> Downloaded:
    partial.require_space(cached.stat().st_size)
    partial.open(None)
    with cached.open("rb") as file:
        offset = 0
        while data := file.read(executor.BLOCK_SIZE):
            partial.write(data, offset)
            offset += len(data)
    return Downloaded(partial.move_to_target(overwrite=destination.overwrite), None)


def _require_own(syn: Session, handle: Mapping[str, Any], url: str) -> None:
    """Check that the caller created the external file handle of a `file:` URL.

    The URL contains a path on the machine of its creator. Another user could choose the path of
    any file on this machine.

    Raises:
        SynapseDownloadError: Another user created the file handle, or the file is stored in
            Synapse.

    Source:
        GET /userProfile
    """
    if handle.get("concreteType") == EXTERNAL_FILE_HANDLE and handle.get("createdBy"):
        user = syn.call("GET", "/userProfile").object
        if str(user.get("ownerId")) == str(handle["createdBy"]):
            return
    raise SynapseDownloadError(
        f"Refused to read {redact_url(url)} for file handle {handle.get('id')}: a path of this "
        "machine is only read if you created the file handle yourself. Ask its owner to upload "
        "the file, or get the entity with downloadFile=False."
    )


def _use_local_file(source: DownloadUrl) -> Downloaded:
    """Return the local file of a `file:` URL, without copying the file."""
    host, url_path = urlsplit(source.url)[1:3]
    if host not in {"", "localhost"}:
        raise SynapseFileNotFoundError(f"{redact_url(source.url)} is a file of another machine.")
    path = Path(url_path) if Path(url_path).exists() else Path(url2pathname(url_path))
    if not path.is_file():
        raise SynapseFileNotFoundError(f"{redact_url(source.url)} does not exist on this machine.")
    md5 = cache_map.file_md5(path)
    if source.md5 not in {None, md5}:
        raise verified_download.md5_mismatch_error(path, source, md5)
    return Downloaded(path, md5)
