"""A file from the network, whole and proven: its parts fetched, its MD5 compared."""

from pathlib import Path

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseHTTPError,
    SynapseMd5MismatchError,
    SynapseTimeoutError,
)
from synapse_workflows.client.transfer import download_request, part_plan, progress
from synapse_workflows.client.transfer.download_parts import Fetch, RangesIgnoredError
from synapse_workflows.client.transfer.download_request import Grant, Wish
from synapse_workflows.client.transfer.partial_file import Content, Partial
from synapse_workflows.client.transfer.presigned_urls import Address
from synapse_workflows.client.transfer.progress import Progress


def receive(syn: Session, wish: Wish, grant: Grant, partial: Partial) -> str:
    """Fetch a file, going on where an earlier download was interrupted, and prove it.

    What an interrupted one left is only trusted if the MD5 says so in the end; if not, all of it
    is fetched again, once.

    Returns:
        Its MD5 in hex.

    Raises:
        SynapseMd5MismatchError: What came is not what was promised; it was deleted.
        SynapseDownloadError: It could not be fetched, or the disk is full.
    """
    if grant.size is not None:
        partial.require_room(grant.size)
    address = Address(lambda: download_request.ask(syn, wish).url, grant.url)
    name = partial.target.name
    with progress.shown(syn, f"Downloading {name}", f"Downloaded {name}", grant.size) as shown:
        found = _fetch(syn, address, grant, partial, shown)
        if partial.resumed and found != grant.md5:
            syn.logger.warning("%s did not resume well: fetching all of it again", name)
            partial.discard()
            shown.moved(-(grant.size or 0))
            found = _fetch(syn, address, grant, partial, shown)
        if grant.md5 not in {None, found}:
            partial.discard()
            raise mismatch(partial.target, grant, found)
    return found


def mismatch(path: Path, grant: Grant, found: str) -> SynapseMd5MismatchError:
    """Say that bytes are not the ones that were promised."""
    return SynapseMd5MismatchError(
        f"The MD5 of {path} is {found}, and should be {grant.md5}: what was downloaded is not "
        "what was stored.",
        expected=grant.md5,
        found=found,
        path=str(path),
    )


def _fetch(syn: Session, address: Address, grant: Grant, partial: Partial, shown: Progress) -> str:
    try:
        if grant.external:
            partial.open(None)
            Fetch(syn, address, partial, shown).whole(None)
        elif grant.size is None or grant.size <= constants.DEFAULT_PART_SIZE:
            partial.open(None)
            Fetch(syn, address, partial, shown).whole(grant.size)
        else:
            _fetch_parts(syn, address, grant.size, grant.md5, partial, shown)
    except (SynapseConnectionError, SynapseTimeoutError, SynapseHTTPError) as error:
        raise SynapseDownloadError(f"Could not download {partial.target.name}: {error}") from error
    return partial.md5()


def _fetch_parts(
    syn: Session,
    address: Address,
    size: int,
    md5: str | None,
    partial: Partial,
    shown: Progress,
) -> None:
    part_size = part_plan.part_size(size)
    there = partial.open(Content(size, md5, part_size) if md5 else None)
    todo = tuple(part for part in part_plan.parts(size, part_size) if part.number not in there)
    shown.moved(size - sum(part.size for part in todo))
    try:
        Fetch(syn, address, partial, shown).parts(todo)
    except RangesIgnoredError:
        Fetch(syn, address, partial, shown).whole(size)
