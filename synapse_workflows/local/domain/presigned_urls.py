"""Pre-signed URLs for one method and path, with an expiration time.

The URLs have the query parameters of Amazon S3, because clients read the date and the lifetime of
a URL from these parameters:

    <base>/storage/download/<file handle>?X-Amz-Algorithm=...&X-Amz-Date=...&X-Amz-Expires=30
                                          &X-Amz-SignedHeaders=host&X-Amz-Signature=...
    <base>/storage/upload/<upload>/<part>?...
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlencode

from synapse_workflows.local.domain.service import Service

STORAGE: Final = "/storage"
_KEY_PURPOSE: Final = "storage"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_SIGNATURE_PARAMETER: Final = "X-Amz-Signature"


class PresignedUrlError(Exception):
    """A pre-signed URL is invalid or expired.

    Args:
        code: Error code of S3.
        reason: Error message.
        status: HTTP status.
        headers: HTTP headers of the response.
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
    """A request to a pre-signed URL.

    Args:
        method: GET or PUT.
        path: Decoded path below the root of the service.
        query: Query string.
        headers: Headers, with names in lower case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def create_download_url(service: Service, handle_id: int) -> str:
    """Return a URL that downloads the bytes of a file handle."""
    path = f"{STORAGE}/download/{handle_id}"
    return _create_url(service, "GET", path, service.settings.download_url_seconds)


def create_upload_url(
    service: Service, upload_id: int, number: int, headers: Mapping[str, str]
) -> str:
    """Return a URL that uploads one part.

    Args:
        service: The service.
        upload_id: ID of the upload.
        number: Part number, from 1.
        headers: Headers that the PUT must have.
    """
    path = f"{STORAGE}/upload/{upload_id}/{number}"
    return _create_url(service, "PUT", path, service.settings.upload_url_seconds, headers)


def _create_url(
    service: Service,
    method: str,
    path: str,
    seconds: int,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> str:
    now = datetime.fromtimestamp(service.now() // 1000, tz=UTC)
    signed_headers = {name.lower(): value for name, value in headers.items()}
    query = [
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Date", now.strftime(_DATE_FORMAT)),
        ("X-Amz-Expires", str(seconds)),
        ("X-Amz-SignedHeaders", ";".join(sorted({*signed_headers, "host"}))),
    ]
    text = _build_string_to_sign(method, path, query, signed_headers)
    query.append((_SIGNATURE_PARAMETER, service.signer.sign(_KEY_PURPOSE, text)))
    return f"{service.settings.base_url}{path}?{urlencode(query)}"


def _build_string_to_sign(
    method: str, path: str, query: list[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    lines = [f"{name}:{value}" for name, value in sorted(headers.items())]
    return "\n".join([method, path, urlencode(sorted(query)), *lines])


def verify(service: Service, request: SignedRequest) -> None:
    """Check the signature and the expiration time of a request.

    Raises:
        PresignedUrlError: The signature is missing or invalid, or the URL has expired.
    """
    query = parse_qsl(request.query, keep_blank_values=True)
    fields = dict(query)
    signed_query = [(name, value) for name, value in query if name != _SIGNATURE_PARAMETER]
    signed_headers = set(fields.get("X-Amz-SignedHeaders", "").split(";")) - {"host"}
    headers = {name: request.headers.get(name, "") for name in signed_headers}
    text = _build_string_to_sign(request.method, request.path, signed_query, headers)
    signature = fields.get(_SIGNATURE_PARAMETER)
    if signature is None:
        raise PresignedUrlError("AccessDenied", "The URL is not signed.")
    if not service.signer.verify(_KEY_PURPOSE, text, signature):
        raise PresignedUrlError(
            "SignatureDoesNotMatch",
            "The signature does not match the request. Check the HTTP method, the URL and the "
            "signed headers.",
        )
    signed_on = datetime.strptime(fields["X-Amz-Date"], _DATE_FORMAT).replace(tzinfo=UTC)
    lifetime = timedelta(seconds=int(fields["X-Amz-Expires"]))
    if service.now() >= int((signed_on + lifetime).timestamp() * 1000):
        raise PresignedUrlError("AccessDenied", "Request has expired")
