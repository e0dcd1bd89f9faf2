"""Upload of a file to the storage of Synapse."""

import mimetypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseUploadAbortedException
from synapse_workflows.client.transfer import part_plan, progress
from synapse_workflows.client.transfer.content_hashes import compute_hashes
from synapse_workflows.client.transfer.multipart import MultipartUpload
from synapse_workflows.client.transfer.multipart_content import LocalFileContent
from synapse_workflows.client.transfer.upload_source import UploadSource

_DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Result of an upload.

    Attributes:
        file_handle_id: ID of the file handle.
        md5: MD5 of the content in hex.
    """

    file_handle_id: str
    md5: str


def upload_file(
    syn: Session,
    path: str | os.PathLike[str],
    *,
    storage_location_id: int | None = None,
    content_type: str | None = None,
    part_size: int | None = None,
    file_name: str | None = None,
) -> Uploaded:
    """Upload a file unless the service already has it.

    Args:
        syn: Session of the upload.
        path: Path of the file.
        storage_location_id: Storage location; None for the default storage of Synapse.
        content_type: MIME type; guessed from the name by default.
        part_size: Part size in bytes, within the limits of Synapse; 8 MiB by default.
        file_name: Name of the file in Synapse; None for the name of `path`.

    Raises:
        SynapseUploadFailedException: The upload could not be completed, or the file changed.
        SynapseUploadAbortedException: Ctrl-C. The next upload of the same file resumes this one.
        OSError: The file cannot be read.
        ValueError: The file is empty, or its name is invalid in Synapse.

    Source:
        POST /file/multipart of the file service, and the requests below this path
    """
    source = UploadSource.of(path, file_name)
    mime_type = content_type or mimetypes.guess_type(source.path.name)[0]
    size = part_plan.choose_part_size(source.size, part_size)
    request = {
        "concreteType": constants.MULTIPART_UPLOAD_REQUEST,
        "contentType": mime_type or _DEFAULT_CONTENT_TYPE,
        "fileName": file_name or source.path.name,
        "fileSizeBytes": source.size,
        "generatePreview": True,
        "partSizeBytes": size,
        "storageLocationId": storage_location_id,
    }
    name = source.path.name
    with raising_aborted(source):
        parts = part_plan.split_into_parts(source.size, size)
        hashes = compute_hashes(source, parts)
        request["contentMD5Hex"] = hashes.md5
        with progress.show_progress(
            syn, f"Uploading {name}", f"Uploaded {name}", source.size
        ) as shown:
            content = LocalFileContent(source, parts, hashes)
            return Uploaded(MultipartUpload(syn, content, request, shown).run(), hashes.md5)


@contextmanager
def raising_aborted(source: UploadSource) -> Generator[None]:
    """Convert Ctrl-C to SynapseUploadAbortedException."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise SynapseUploadAbortedException(
            f"The upload of {source.path} was interrupted. Upload it again to resume."
        ) from interrupt
