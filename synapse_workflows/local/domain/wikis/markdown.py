"""The markdown of wiki pages: compressed files, and the text in them."""

import gzip
import zlib
from typing import Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import file_handles, generated_files
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.file_models import FileHandle

CONTENT_TYPE: Final = "application/x-gzip; charset=UTF-8"
#: Maximum size of a markdown in bytes, when it is read as text.
MAX_BYTES: Final = 10 * MiB
_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS


def store(
    service: Service, session: Session, caller: Caller, page_id: int, text: str
) -> FileHandle:
    """Compress a markdown and create its file handle, owned by the caller."""
    return generated_files.store_bytes(
        service,
        session,
        caller,
        gzip.compress(text.encode(), mtime=0),
        f"{page_id}_markdown.txt.gz",
        CONTENT_TYPE,
    )


def read(service: Service, session: Session, handle_id: int) -> str:
    """Read a markdown. The file may be compressed; invalid UTF-8 is replaced.

    Raises:
        BadRequest: The markdown is too large, damaged, or not stored by the service.
    """
    handle = file_handles.get_handle(session, handle_id)
    data = _read_bytes(service, session, handle)
    if data.startswith(b"\x1f\x8b"):
        data = _decompress(handle_id, data)
    return data.decode("utf-8", "replace")


def _read_bytes(service: Service, session: Session, handle: FileHandle) -> bytes:
    if (handle.content_size or 0) > MAX_BYTES:
        raise _too_large(handle.id)
    if handle.blob_id is not None:
        return b"".join(service.blobs.read(file_handles.list_stored_files(session, handle)))
    found = buckets.find_object(service, session, handle)
    if found is None:
        raise BadRequest(f"The markdown of file handle {handle.id} is not stored in Synapse.")
    store_, bucket, key = found
    return b"".join(store_.read(bucket, key))


def _decompress(handle_id: int, data: bytes) -> bytes:
    decompressor = zlib.decompressobj(_GZIP_WBITS)
    try:
        text = decompressor.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise BadRequest(f"The markdown of file handle {handle_id} is damaged: {error}") from None
    if decompressor.unconsumed_tail:
        raise _too_large(handle_id)
    if not decompressor.eof:
        raise BadRequest(f"The markdown of file handle {handle_id} is truncated.")
    return text


def _too_large(handle_id: int) -> BadRequest:
    return BadRequest(f"The markdown of file handle {handle_id} has more than {MAX_BYTES} bytes.")
