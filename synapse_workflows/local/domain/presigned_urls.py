"""URLs that carry their own permission: signed, for one verb and path, and only for a while.

They look as those of Amazon S3 do, because clients read the date and the life from them:

    <base>/storage/download/<file handle>?X-Amz-Algorithm=...&X-Amz-Date=...&X-Amz-Expires=30
                                          &X-Amz-SignedHeaders=host&X-Amz-Signature=...
    <base>/storage/upload/<upload>/<part>?...
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from synapse_workflows.local.domain.service import Service

STORAGE: Final = "/storage"
_PURPOSE: Final = "storage"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE: Final = "%Y%m%dT%H%M%SZ"
_SIGNATURE: Final = "X-Amz-Signature"


class PresignedUrlError(Exception):
    """A pre-signed URL that is not, or no longer, good.

    Args:
        code: S3's word for it.
        reason: one sentence.
        status: HTTP status.
        headers: HTTP headers that go with the answer.
    """

    def __init__(
        self, code: str, reason: str, status: int = 403, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class SignedRequest:
    """A request on a URL that should be pre-signed.

    Args:
        method: GET or PUT.
        path: decoded path, from the root of the service.
        query: query string as it came.
        content_type: the header; None when there was none.
    """

    method: str
    path: str
    query: str
    content_type: str | None = None


def create_download_url(service: Service, handle_id: int) -> str:
    """Sign a URL that gives the bytes of a file handle."""
    path = f"{STORAGE}/download/{handle_id}"
    return _create_url(service, "GET", path, service.settings.download_url_seconds)


def create_upload_url(
    service: Service, upload_id: int, number: int, content_type: str | None
) -> str:
    """Sign a URL that takes the bytes of one part.

    Args:
        service: knows the secret, the time and its own address.
        upload_id: the upload.
        number: the part, from 1.
        content_type: when given, the PUT must carry exactly this Content-Type.
    """
    path = f"{STORAGE}/upload/{upload_id}/{number}"
    return _create_url(service, "PUT", path, service.settings.upload_url_seconds, content_type)


def _create_url(
    service: Service, method: str, path: str, seconds: int, content_type: str | None = None
) -> str:
    now = datetime.fromtimestamp(service.now() // 1000, tz=UTC)
    query = [
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Date", now.strftime(_DATE)),
        ("X-Amz-Expires", str(seconds)),
        ("X-Amz-SignedHeaders", "host" if content_type is None else "content-type;host"),
    ]
    text = _build_string_to_sign(method, path, query, content_type)
    query.append((_SIGNATURE, service.signer.sign(_PURPOSE, text)))
    return f"{service.settings.base_url}{path}?{urlencode(query)}"


def _build_string_to_sign(
    method: str, path: str, query: list[tuple[str, str]], content_type: str | None
) -> str:
    return "\n".join([method, path, urlencode(sorted(query)), content_type or ""])


def verify(service: Service, presented: SignedRequest) -> None:
    """Check that the service signed exactly this, and not too long ago.

    Raises:
        UrlRefusedError: it did not, or the URL has expired.
    """
    query = parse_qsl(presented.query, keep_blank_values=True)
    fields = dict(query)
    signed = [(name, value) for name, value in query if name != _SIGNATURE]
    binds_type = "content-type" in fields.get("X-Amz-SignedHeaders", "").split(";")
    text = _build_string_to_sign(
        presented.method,
        presented.path,
        signed,
        presented.content_type if binds_type else None,
    )
    signature = fields.get(_SIGNATURE)
    if signature is None:
        raise PresignedUrlError("AccessDenied", "The URL is not signed.")
    if not service.signer.verify(_PURPOSE, text, signature):
        raise PresignedUrlError(
            "SignatureDoesNotMatch",
            "The signature does not belong to this request. Check verb, URL and signed headers.",
        )
    signed_on = datetime.strptime(fields["X-Amz-Date"], _DATE).replace(tzinfo=UTC)
    life = timedelta(seconds=int(fields["X-Amz-Expires"]))
    if service.now() >= int((signed_on + life).timestamp() * 1000):
        raise PresignedUrlError("AccessDenied", "Request has expired")
