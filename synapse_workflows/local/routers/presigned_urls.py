"""Routes of pre-signed URLs (storage): downloads and uploads of content.

The routes need no Synapse credentials and return errors in the XML format of S3.
"""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import (
    bucket_uploads,
    file_handles,
    presigned_urls,
    upload_parts,
)
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.presigned_urls import PresignedUrlError, SignedRequest
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import InsufficientStorage, NotFound
from synapse_workflows.local.routers.dependencies import get_service
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.storage.blobs import FileWriter, StoredFile
from synapse_workflows.local.storage.disk_space import is_disk_full
from synapse_workflows.local.storage.file_models import FileHandle

#: Number of bytes of an upload that are buffered in memory before they are written.
_BUFFER_BYTES: Final = MiB
_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


class S3Route(LazyRoute):
    """Route that verifies the signature and returns errors as XML, like S3."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that verifies the signature before it calls the route."""
        handle = super().get_route_handler()

        async def verify_and_handle(request: Request) -> Response:
            try:
                presigned_urls.verify(get_service(request), _to_signed_request(request))
                return await handle(request)
            except PresignedUrlError as error:
                response = _error_response(error.code, error.reason, error.status, error.headers)
            except NotFound as error:
                response = _error_response("NoSuchKey", error.reason, error.status)
            except OSError as error:
                if not is_disk_full(error):
                    raise
                full = InsufficientStorage()
                response = _error_response("InsufficientStorage", full.reason, full.status)
            except ClientDisconnect:
                return _error_response("RequestTimeout", "The upload was interrupted.", 400)
            await _drain(request)
            return response

        return verify_and_handle


async def _drain(request: Request) -> None:
    """Read the rest of a rejected upload.

    Many clients read the response only after they have sent the whole body.
    """
    try:
        async for _ in request.stream():
            pass
    except (ClientDisconnect, RuntimeError):  # disconnected, or the body was read already
        return


router = APIRouter(prefix=presigned_urls.STORAGE, route_class=S3Route)


def _to_signed_request(request: Request) -> SignedRequest:
    return SignedRequest(
        method=request.method,
        path=request.url.path,
        query=request.url.query,
        headers=request.headers,
    )


def _error_response(
    code: str, reason: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(reason)}</Message></Error>"
    )
    return Response(text, status_code=status, headers=headers, media_type="application/xml")


@router.get("/download/{handle_id}")
def download_file(request: Request, handle_id: int) -> Response:
    """Return the content of a file or a range of it.

    Source: GET of a pre-signed URL of POST /file/v1/fileHandle/batch
    """
    service = get_service(request)
    with service.database.read_transaction() as session:
        handle = file_handles.get_handle(session, handle_id)
        files = file_handles.list_stored_files(session, handle)
    _check_complete(service, handle_id, files)
    size = handle.content_size or 0
    headers = _build_headers(handle)
    byte_range = parse_byte_range(request.headers.get("range"), size)
    if byte_range is None:
        first, last, status = 0, size - 1, 200
    else:
        first, last = byte_range
        headers["Content-Range"], status = f"bytes {first}-{last}/{size}", 206
    headers["Content-Length"] = str(last - first + 1)
    body = service.blobs.read(files, first, last)
    return StreamingResponse(body, status, headers, media_type=None)


def _check_complete(service: Service, handle_id: int, files: Sequence[StoredFile]) -> None:
    if (lost := service.blobs.find_incomplete(files)) is not None:
        raise PresignedUrlError(
            "NoSuchKey",
            f"The content of file handle {handle_id} is lost: {lost.name} of the data directory "
            "is missing or incomplete. Restore it from a backup.",
            HTTPStatus.GONE,
        )


def parse_byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Parse a Range header.

    Args:
        header: Value of the header, for example `bytes=0-99`.
        size: Size of the file in bytes.

    Returns:
        Offsets of the first and the last byte, or None for the whole file. A header that is
        invalid or has several ranges is ignored.

    Raises:
        PresignedUrlError: The range starts after the end of the file (status 416).
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    first, last = (int(start), int(end or size)) if start else (max(size - int(end), 0), size)
    if start and end and first > last:
        return None
    if first >= size or (not start and int(end) == 0):
        headers = {"Content-Range": f"bytes */{size}"}
        reason = "The requested range is not satisfiable"
        raise PresignedUrlError("InvalidRange", reason, 416, headers)
    return first, min(last, size - 1)


def _build_headers(handle: FileHandle) -> dict[str, str]:
    plain = re.sub(r'["\\]', "_", _UNPRINTABLE.sub("_", handle.file_name))
    disposition = f'attachment; filename="{plain}"'
    if plain != handle.file_name:
        disposition += f"; filename*=UTF-8''{quote(handle.file_name, safe='')}"
    return {
        "Content-Disposition": disposition,
        "Content-Type": _UNPRINTABLE.sub("_", handle.content_type),
        "ETag": f'"{handle.content_md5}"',
        "Last-Modified": formatdate(handle.created_on / 1000, usegmt=True),
        "Accept-Ranges": "bytes",
    }


@router.put("/upload/{upload_id}/{number}")
async def upload_part(request: Request, upload_id: int, number: int) -> Response:
    """Store the content of one part, or copy it. An incomplete part is discarded.

    Source: PUT of a pre-signed URL of
    POST /file/v1/file/multipart/{uploadId}/presigned/url/batch
    """
    service = get_service(request)
    if "x-amz-copy-source" in request.headers:
        await _drain(request)  # the body is empty
        return await to_thread.run_sync(_copy_part, service, upload_id, number)
    limit = await to_thread.run_sync(_get_part_size, service, upload_id)
    with service.blobs.create() as writer:
        await _receive(request, writer, limit)
        await to_thread.run_sync(_record_part, service, upload_id, number, writer)
        return Response(headers={"ETag": f'"{writer.md5}"'})


def _copy_part(service: Service, upload_id: int, number: int) -> Response:
    with service.database.read_transaction() as session:
        source = upload_parts.get_copy_source(service, session, upload_id, number)
    _check_complete(service, source.handle_id, source.files)
    content = source.read(service.blobs)
    if source.target is not None:
        md5 = bucket_uploads.write_part(service, source.target, number, content)
    else:
        with service.blobs.create() as writer:
            for chunk in content:
                writer.write(chunk)
            _record_part(service, upload_id, number, writer)
        md5 = writer.md5
    modified = to_iso(service.now())
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<CopyPartResult><LastModified>{modified}</LastModified>"
        f"<ETag>&quot;{md5}&quot;</ETag></CopyPartResult>"
    )
    return Response(text, media_type="application/xml")


def _get_part_size(service: Service, upload_id: int) -> int:
    with service.database.read_transaction() as session:
        return upload_parts.get_part_size(session, upload_id)


async def _receive(request: Request, writer: FileWriter, limit: int) -> None:
    content_length = request.headers.get("content-length")
    _check_size(int(content_length or 0), limit)
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        _check_size(writer.size + len(buffer), limit)
        if len(buffer) >= _BUFFER_BYTES:
            await to_thread.run_sync(writer.write, bytes(buffer))
            buffer.clear()
    await to_thread.run_sync(writer.write, bytes(buffer))
    if content_length is not None and int(content_length) != writer.size:
        raise PresignedUrlError(
            "IncompleteBody", f"Expected {content_length} bytes, received {writer.size}.", 400
        )


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise PresignedUrlError(
            "EntityTooLarge", f"The part exceeds the maximum of {limit} bytes.", 400
        )


def _record_part(service: Service, upload_id: int, number: int, writer: FileWriter) -> None:
    writer.commit()
    try:
        with service.database.write_transaction() as session:
            unused = upload_parts.record_part(session, upload_id, number, writer)
    except BaseException:
        service.blobs.delete([writer.name])
        raise
    service.blobs.delete(unused)
