"""A file out of Synapse: found in the cache, or fetched; under its name when its MD5 is proven."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError, SynapseFileNotFoundError
from synapse_workflows.client.transfer import download_request, executor, verified_download
from synapse_workflows.client.transfer.download_request import Grant, Wish
from synapse_workflows.client.transfer.partial_file import Partial
from synapse_workflows.client.transfer.progress import human

OVERWRITE_LOCAL: Final = "overwrite.local"
KEEP_LOCAL: Final = "keep.local"
KEEP_BOTH: Final = "keep.both"
COLLISIONS: Final = (OVERWRITE_LOCAL, KEEP_LOCAL, KEEP_BOTH)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a file goes, and from where.

    Attributes:
        target: Its path; None when the file that is there stays and nothing is downloaded.
        cached: An unmodified copy; the target itself when all is done already.
        overwrite: Take the place of what is there.
    """

    target: Path | None
    cached: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Got:
    """A file that is where it should be.

    Attributes:
        path: Where.
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
    """Get a file: from the cache where it is, else from where Synapse keeps it.

    Args:
        syn: Whose download it is.
        file_handle: The handle: `id`, and where known `fileName`, `contentMd5`, `contentSize`.
        associate_type: What kind of thing holds it: `FileEntity`, `SubmissionAttachment`, ...
        associate_id: The id of that thing.
        directory: Where to put it; where a copy is, else the cache, when None.
        if_collision: `keep.both` (the default), `keep.local` or `overwrite.local`.

    Returns:
        Where the file is; None when `keep.local` kept another one. A file in the cache is held
        for this process, so that it is not evicted.

    Raises:
        ValueError: `directory` is a file, or `if_collision` is none of the three.
        SynapseFileNotFoundError: There is no such file handle.
        SynapseForbiddenError: The caller may not download it.
        SynapseMd5MismatchError: What came is not what was promised; it was deleted.
        SynapseDownloadError: It cannot be fetched, or the disk is full.

    Source:
        POST /fileHandle/batch of the file service
    """
    if if_collision is not None and if_collision not in COLLISIONS:
        raise ValueError(
            f'Invalid parameter: "{if_collision}" is not a valid value for "ifcollision": '
            f"it is one of {', '.join(COLLISIONS)}"
        )
    place = Path(cache_map.key_of(Path(directory).expanduser())) if directory is not None else None
    if place is not None and place.is_file():
        raise ValueError(
            f"Parameter 'downloadLocation' should be a directory, not a file: {place}"
        )
    wish = Wish(file_handle, associate_type, associate_id, place, if_collision)
    while True:
        spot = find_spot(syn, wish)
        if spot.target is None or spot.target == spot.cached:
            return spot.target
        partial = Partial(spot.target, wish.handle_id)
        with partial.locked() as free, partial:
            if free:
                return _keep(syn, wish, _obtain(syn, wish, spot, partial))
        # Another process has just downloaded the same file to the same place: look again.


def find_spot(syn: Session, wish: Wish) -> Spot:
    """Decide where a file goes, by what is there."""
    cached = _cached(syn, wish)
    own = Path(syn.cache.get_cache_dir(wish.handle_id))
    place = wish.directory or (cached.parent if cached else own)
    target = place / (cached.name if cached else _safe_name(wish))
    if place == own:
        if wish.if_collision not in {None, KEEP_BOTH}:  # what it would be anyway needs no word
            syn.logger.warning(
                "ifcollision=%s is ignored: %s goes to the cache, where files are overwritten. "
                "Give a downloadLocation to keep several.",
                wish.if_collision,
                target.name,
            )
        return Spot(target, cached, overwrite=True)
    if not os.path.lexists(target) or wish.if_collision == OVERWRITE_LOCAL:
        return Spot(target, cached, overwrite=wish.if_collision == OVERWRITE_LOCAL)
    if wish.if_collision == KEEP_LOCAL:
        return Spot(None)
    return Spot(target, cached)


def _cached(syn: Session, wish: Wish) -> Path | None:
    """Find a copy, and keep it from eviction."""
    found = syn.cache.get(wish.handle_id, wish.directory)
    if found is None:
        return None
    try:
        syn.cache.hold(found)
    except FileNotFoundError:  # evicted in this moment
        return None
    return Path(found)


def _safe_name(wish: Wish) -> str:
    """Take the handle's file name, but nothing that leads out of the directory."""
    name = str(wish.handle.get("fileName") or "").replace("\0", "")
    name = Path(name.replace(os.altsep or os.sep, os.sep)).name
    return name if name not in {"", ".", ".."} else wish.handle_id


def _keep(syn: Session, wish: Wish, got: Got) -> Path:
    """Record a file, hold it, and bring the cache back below its limit."""
    syn.cache.hold(got.path)
    syn.cache.add(wish.handle_id, got.path, got.md5)
    _make_room(syn, 0)
    return got.path


def _make_room(syn: Session, size: int) -> None:
    excess = syn.cache.make_room(size)
    if excess:
        syn.logger.warning(
            "The cache %s is %s above its limit: what is in use cannot be evicted.",
            syn.cache.cache_root_dir,
            human(excess),
        )


def _obtain(syn: Session, wish: Wish, spot: Spot, partial: Partial) -> Got:
    """Get the bytes to their place: from a copy, from this machine, or from the network."""
    if spot.cached is not None:
        return _copy(spot.cached, spot, partial)
    grant = download_request.ask(syn, wish)
    scheme = urlsplit(grant.url).scheme
    if scheme == "file":
        return _local(grant)
    if scheme not in {"http", "https"}:
        raise SynapseDownloadError(
            f"File handle {wish.handle_id} is at an address of type {scheme}:, which this client "
            "cannot read"
        )
    if partial.path.is_relative_to(syn.cache.cache_root_dir):
        _make_room(syn, grant.size or 0)
    md5 = verified_download.receive(syn, wish, grant, partial)
    return Got(partial.place(overwrite=spot.overwrite), md5)


def _copy(cached: Path, spot: Spot, partial: Partial) -> Got:
    partial.require_room(cached.stat().st_size)
    partial.open(None)
    with cached.open("rb") as file:
        offset = 0
        while data := file.read(executor.BLOCK):
            partial.write(data, offset)
            offset += len(data)
    return Got(partial.place(overwrite=spot.overwrite), None)


def _local(grant: Grant) -> Got:
    """Take a file of this machine as it is, where it is."""
    raw = urlsplit(grant.url).path
    path = Path(raw) if Path(raw).exists() else Path(url2pathname(raw))
    if not path.is_file():
        raise SynapseFileNotFoundError(f"{grant.url} is not on this machine")
    found = cache_map.file_md5(path)
    if grant.md5 not in {None, found}:
        raise verified_download.mismatch(path, grant, found)
    return Got(path, found)
