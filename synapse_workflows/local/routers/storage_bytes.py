"""The bytes behind pre-signed URLs: /storage. Answers as S3 would; no Synapse credentials."""

import re
from collections.abc import Callable, Coroutine, Mapping
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import file_handles, presigned_urls, upload_parts
from synapse_workflows.local.domain.presigned_urls import PresignedUrlError, SignedRequest
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.routers.dependencies import get_service
from synapse_workflows.local.storage.blobs import FileWriter
from synapse_workflows.local.storage.file_models import FileHandle

#: Bytes of an upload that are in memory before they are written.
_BUFFER_BYTES: Final = MiB
_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


class S3Route(APIRoute):
    """A route whose refusals are XML, as those of S3 are."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler: first the signature, then the work."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                presigned_urls.verify(get_service(request), _to_signed_request(request))
                return await handle(request)
            except PresignedUrlError as refused:
                answer = _error_response(
                    refused.code, refused.reason, refused.status, refused.headers
                )
            except NotFound as missing:
                answer = _error_response("NoSuchKey", missing.reason, missing.status)
            except ClientDisconnect:
                return _error_response("RequestTimeout", "The upload broke off.", 400)
            await _drain(request)
            return answer

        return guarded


async def _drain(request: Request) -> None:
    """Read what is left of a refused upload, else the caller never comes to read the answer."""
    try:
        async for _ in request.stream():
            pass
    except (ClientDisconnect, RuntimeError):  # gone, or read to its end already
        return


router = APIRouter(prefix=presigned_urls.STORAGE, route_class=S3Route)


def _to_signed_request(request: Request) -> SignedRequest:
    return SignedRequest(
        method=request.method,
        path=request.url.path,
        query=request.url.query,
        content_type=request.headers.get("content-type"),
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
    """Stream a file or a range of it.

    Source: a pre-signed URL of POST /file/v1/fileHandle/batch
    """
    service = get_service(request)
    with service.database.reading() as session:
        handle = file_handles.get_handle(session, handle_id)
        pieces = file_handles.list_pieces(session, handle)
    size = handle.content_size or 0
    headers = _build_headers(handle)
    asked = parse_byte_range(request.headers.get("range"), size)
    if asked is None:
        first, last, status = 0, size - 1, 200
    else:
        first, last = asked
        headers["Content-Range"], status = f"bytes {first}-{last}/{size}", 206
    headers["Content-Length"] = str(last - first + 1)
    body = service.blobs.read(pieces, first, last)
    return StreamingResponse(body, status, headers, media_type=None)


def parse_byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header for a file of `size` bytes.

    Returns:
        Offsets of the first and the last byte; None for the whole file, which is also the
        answer to several ranges and to headers that make no sense.

    Raises:
        UrlRefusedError: the range begins behind the end; status 416.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    begin, end = match.groups()
    first, last = (int(begin), int(end or size)) if begin else (max(size - int(end), 0), size)
    if begin and end and first > last:
        return None
    if first >= size or (not begin and int(end) == 0):
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
    """Take the bytes of one part; they count once all have arrived and are on the disk.

    Source: a pre-signed URL of POST /file/v1/file/multipart/{uploadId}/presigned/url/batch
    """
    service = get_service(request)
    limit = await to_thread.run_sync(_get_part_size, service, upload_id)
    with service.blobs.draft() as draft:
        await _receive(request, draft, limit)
        await to_thread.run_sync(_record_part, service, upload_id, number, draft)
        return Response(headers={"ETag": f'"{draft.md5}"'})


def _get_part_size(service: Service, upload_id: int) -> int:
    with service.database.reading() as session:
        return upload_parts.get_part_size(session, upload_id)


async def _receive(request: Request, draft: FileWriter, limit: int) -> None:
    announced = request.headers.get("content-length")
    if announced is not None and int(announced) > limit:
        raise PresignedUrlError("EntityTooLarge", f"A part has at most {limit} bytes.", 400)
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        if draft.size + len(buffer) > limit:
            raise PresignedUrlError("EntityTooLarge", f"A part has at most {limit} bytes.", 400)
        if len(buffer) >= _BUFFER_BYTES:
            await to_thread.run_sync(draft.write, bytes(buffer))
            buffer.clear()
    await to_thread.run_sync(draft.write, bytes(buffer))
    if announced is not None and int(announced) != draft.size:
        raise PresignedUrlError("IncompleteBody", "The part has another length than said.", 400)


def _record_part(service: Service, upload_id: int, number: int, draft: FileWriter) -> None:
    draft.keep()
    try:
        with service.database.transaction() as session:
            superfluous = upload_parts.record_part(session, upload_id, number, draft)
    except BaseException:
        service.blobs.remove([draft.name])
        raise
    service.blobs.remove(superfluous)
