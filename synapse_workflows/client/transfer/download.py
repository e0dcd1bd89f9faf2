"""Download of files from Synapse through the local cache."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError, SynapseFileNotFoundError
from synapse_workflows.client.transfer import download_request, executor, verified_download
from synapse_workflows.client.transfer.download_request import DownloadRequest, DownloadUrl
from synapse_workflows.client.transfer.partial_file import PartialFile
from synapse_workflows.client.transfer.progress import format_size

OVERWRITE_LOCAL: Final = "overwrite.local"
KEEP_LOCAL: Final = "keep.local"
KEEP_BOTH: Final = "keep.both"
COLLISIONS: Final = (OVERWRITE_LOCAL, KEEP_LOCAL, KEEP_BOTH)


@dataclass(frozen=True, slots=True)
class Destination:
    """Target path of a download, and a cached copy of the file.

    Attributes:
        target: Target path; None if an existing file is kept and nothing is downloaded.
        cached: An unmodified copy; equal to `target` if the file is already in place.
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
) -> Path | None:
    """Download a file, or copy it from the cache.

    Args:
        syn: Session of the download.
        file_handle: The file handle: `id`, and if known `fileName`, `contentMd5`, `contentSize`.
        associate_type: Type of the object that the file belongs to: `FileEntity`,
            `SubmissionAttachment`, ...
        associate_id: ID of that object.
        directory: Target directory; by default the location of a cached copy, or the cache.
        if_collision: `keep.both` (default), `keep.local` or `overwrite.local`.

    Returns:
        Path of the file; None if `keep.local` kept an existing file. A file in the cache is pinned
        by this process, so that it is not evicted.

    Raises:
        ValueError: `directory` is a file, or `if_collision` is invalid.
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
    folder = None
    if directory is not None:
        folder = Path(cache_map.path_key(Path(directory).expanduser()))
    if folder is not None and folder.is_file():
        raise ValueError(
            f"Parameter 'downloadLocation' should be a directory, not a file: {folder}"
        )
    request = DownloadRequest(file_handle, associate_type, associate_id, folder, if_collision)
    while True:
        destination = resolve_destination(syn, request)
        if destination.target is None or destination.target == destination.cached:
            return destination.target
        partial = PartialFile(destination.target, request.handle_id)
        with partial.locked() as was_free, partial:
            if was_free:
                return _add_to_cache(syn, request, _obtain(syn, request, destination, partial))
        # Another process has just downloaded the same file to the same path: check again.


def resolve_destination(syn: Session, request: DownloadRequest) -> Destination:
    """Determine the target path of a download from existing files and the collision setting."""
    cached = _pin_cached_copy(syn, request)
    cache_directory = Path(syn.cache.get_cache_dir(request.handle_id))
    directory = request.directory or (cached.parent if cached else cache_directory)
    target = directory / (cached.name if cached else _safe_name(request))
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
    return Destination(target, cached)


def _pin_cached_copy(syn: Session, request: DownloadRequest) -> Path | None:
    """Find a copy in the cache and pin it."""
    found = syn.cache.get(request.handle_id, request.directory)
    if found is None:
        return None
    try:
        syn.cache.pin(found)
    except FileNotFoundError:  # evicted in the meantime
        return None
    return Path(found)


def _safe_name(request: DownloadRequest) -> str:
    """Return the file name of the handle, without parts that lead out of the directory."""
    name = str(request.handle.get("fileName") or "").replace("\0", "")
    name = Path(name.replace(os.altsep or os.sep, os.sep)).name
    return name if name not in {"", ".", ".."} else request.handle_id


def _add_to_cache(syn: Session, request: DownloadRequest, downloaded: Downloaded) -> Path:
    """Pin the file, add it to the cache, and evict other files if the cache is too large."""
    syn.cache.pin(downloaded.path)
    syn.cache.add(request.handle_id, downloaded.path, downloaded.md5)
    _make_room(syn, 0)
    return downloaded.path


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
        return _use_local_file(source)
    if scheme not in {"http", "https"}:
        raise SynapseDownloadError(
            f"Cannot download file handle {request.handle_id}: URLs with the scheme {scheme}: are "
            "not supported."
        )
    if partial.path.is_relative_to(syn.cache.cache_root_dir):
        _make_room(syn, source.size or 0)
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


def _use_local_file(source: DownloadUrl) -> Downloaded:
    """Return the file of a `file:` URL in place."""
    url_path = urlsplit(source.url).path
    path = Path(url_path) if Path(url_path).exists() else Path(url2pathname(url_path))
    if not path.is_file():
        raise SynapseFileNotFoundError(f"{redact_url(source.url)} does not exist on this machine.")
    md5 = cache_map.file_md5(path)
    if source.md5 not in {None, md5}:
        raise verified_download.md5_mismatch_error(path, source, md5)
    return Downloaded(path, md5)
