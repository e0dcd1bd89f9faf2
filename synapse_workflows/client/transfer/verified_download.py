"""Download of a whole file with resume and verification of its MD5."""

from pathlib import Path

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseDownloadError, SynapseMd5MismatchError
from synapse_workflows.client.transfer import download_request, part_plan, progress
from synapse_workflows.client.transfer.download_parts import (
    PartDownloader,
    RangesNotSupportedError,
)
from synapse_workflows.client.transfer.download_request import DownloadRequest, DownloadUrl
from synapse_workflows.client.transfer.executor import REQUEST_ERRORS
from synapse_workflows.client.transfer.partial_file import ExpectedContent, PartialFile
from synapse_workflows.client.transfer.prefix_md5 import PrefixMd5
from synapse_workflows.client.transfer.presigned_urls import RenewableUrl
from synapse_workflows.client.transfer.progress import Progress


def download_verified(
    syn: Session, request: DownloadRequest, source: DownloadUrl, partial: PartialFile
) -> str:
    """Download a file, resume an interrupted download, and verify the MD5.

    If the MD5 of a resumed download is wrong, the whole file is downloaded again, once.

    Returns:
        The MD5 of the file in hex.

    Raises:
        SynapseMd5MismatchError: The MD5 is wrong. The downloaded bytes were deleted.
        SynapseDownloadError: The file could not be downloaded, or the disk is full.
    """
    if source.size is not None:
        partial.require_space(source.size)
    url = RenewableUrl(lambda: download_request.request_download_url(syn, request).url, source.url)
    name = partial.target.name
    with progress.show_progress(
        syn, f"Downloading {name}", f"Downloaded {name}", source.size
    ) as shown:
        md5 = _download(syn, url, source, partial, shown)
        if partial.is_resumed and md5 != source.md5:
            syn.logger.warning(
                "The resumed download of %s is corrupt. Downloading it again.", name
            )
            partial.discard()
            shown.advance(-(source.size or 0))
            md5 = _download(syn, url, source, partial, shown)
        if source.md5 not in {None, md5}:
            partial.discard()
            raise md5_mismatch_error(partial.target, source, md5)
    return md5


def md5_mismatch_error(path: Path, source: DownloadUrl, md5: str) -> SynapseMd5MismatchError:
    """Create the error for a downloaded file with a wrong MD5."""
    return SynapseMd5MismatchError(
        f"The MD5 of {path} is {md5}, but {source.md5} was expected: the downloaded content "
        "differs from the stored content.",
        expected=source.md5,
        found=md5,
        path=str(path),
    )


def _download(
    syn: Session, url: RenewableUrl, source: DownloadUrl, partial: PartialFile, shown: Progress
) -> str:
    try:
        if source.is_external:
            partial.open(None)
            limit = None if source.md5 is None else source.size
            PartDownloader(syn, url, partial, shown).download_whole(None, limit)
        elif source.size is None or source.size <= part_plan.DEFAULT_PART_SIZE:
            partial.open(None)
            PartDownloader(syn, url, partial, shown).download_whole(source.size)
        else:
            return _download_parts(syn, url, source.size, source.md5, partial, shown)
    except REQUEST_ERRORS as error:
        raise SynapseDownloadError(f"Could not download {partial.target.name}: {error}") from error
    return partial.md5()


def _download_parts(
    syn: Session,
    url: RenewableUrl,
    size: int,
    md5: str | None,
    partial: PartialFile,
    shown: Progress,
) -> str:
    """Download a file in parts, and return its MD5 in hex."""
    part_size = part_plan.choose_part_size(size)
    complete = partial.open(ExpectedContent(size, md5, part_size) if md5 else None)
    parts = part_plan.split_into_parts(size, part_size)
    missing = tuple(part for part in parts if part.number not in complete)
    shown.advance(size - sum(part.size for part in missing))
    md5_so_far = PrefixMd5(partial.path, (part for part in parts if part.number in complete))
    try:
        PartDownloader(syn, url, partial, shown).download_parts(missing, md5_so_far)
    except RangesNotSupportedError:
        PartDownloader(syn, url, partial, shown).download_whole(size)
        return partial.md5()
    return md5_so_far.hexdigest()
