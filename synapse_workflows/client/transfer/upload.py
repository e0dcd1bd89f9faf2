"""A file into Synapse's storage."""

import mimetypes
import os
from dataclasses import dataclass
from typing import Final

from synapse_workflows import constants
from synapse_workflows.client.core import cache_map
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseUploadAbortedException
from synapse_workflows.client.transfer import part_plan, progress
from synapse_workflows.client.transfer.multipart import MultipartUpload
from synapse_workflows.client.transfer.upload_source import Source

_DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file in Synapse's storage.

    Attributes:
        file_handle_id: Its file handle.
        md5: MD5 of its content in hex.
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
) -> Uploaded:
    """Upload a file, or find that the service has it already.

    Args:
        syn: Whose upload it is.
        path: The file.
        storage_location_id: Where to; None for Synapse's own storage.
        content_type: Guessed from the name when not given.
        part_size: Bytes per part, within what Synapse accepts; 8 MiB when not given.

    Raises:
        SynapseUploadFailedException: It could not be completed, or the file changed meanwhile.
        SynapseUploadAbortedException: Ctrl-C; the next upload of the same file goes on from here.
        OSError: The file cannot be read.
        ValueError: It is empty.

    Source:
        POST /file/multipart of the file service, and what is below it
    """
    source = Source.of(path)
    md5 = cache_map.file_md5(source.path)
    source.require_unchanged()
    guessed = content_type or mimetypes.guess_type(source.path.name)[0]
    size = part_plan.part_size(source.size, part_size)
    request = {
        "concreteType": constants.MULTIPART_UPLOAD_REQUEST,
        "contentType": guessed or _DEFAULT_CONTENT_TYPE,
        "contentMD5Hex": md5,
        "fileName": source.path.name,
        "fileSizeBytes": source.size,
        "generatePreview": True,
        "partSizeBytes": size,
        "storageLocationId": storage_location_id,
    }
    name = source.path.name
    try:
        with progress.shown(syn, f"Uploading {name}", f"Uploaded {name}", source.size) as shown:
            return Uploaded(MultipartUpload(syn, source, request, shown).run(), md5)
    except KeyboardInterrupt as interrupt:
        raise SynapseUploadAbortedException(
            f"The upload of {source.path} was interrupted. Uploading it again goes on from here."
        ) from interrupt
