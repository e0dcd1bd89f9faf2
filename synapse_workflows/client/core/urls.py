"""Building, comparing and redirecting URLs."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import SynapseConfigError, SynapseResponseError
from synapse_workflows.constants import PRODUCTION_ENDPOINTS

MAX_REDIRECTS: Final = 5
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

Origin = tuple[str, str, int | None]


def build_url(base: str, path: str, params: Any = None) -> str:
    """Join endpoint, path and query. A path that is an absolute URL replaces the endpoint.

    Args:
        base: Base URL of the endpoint.
        path: Path to append, already encoded.
        params: Mapping, list of pairs, or text. Parameters whose value is None are left out,
            booleans become ``true`` or ``false``, and a list repeats its key for each element. A
            text is used unchanged as an encoded query.
    """
    whole = path if is_absolute(path) else base.rstrip("/") + path
    query = params if isinstance(params, str) else urlencode(_pairs(params), doseq=True)
    if not query:
        return whole
    return f"{whole}{'&' if '?' in whole else '?'}{query}"


def is_absolute(path: str) -> bool:
    """Return whether a text is a URL with scheme and host, in contrast to a path."""
    parts = urlsplit(path)
    return bool(parts.scheme and parts.netloc)


def origin(url: str) -> Origin:
    """Return scheme, host and port of a URL; a missing port is the default port of the scheme."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default_port


def validate_endpoint(name: str, url: str) -> str:
    """Return the base URL of an endpoint after checking it.

    Args:
        name: ``repoEndpoint``, ``authEndpoint``, ``fileHandleEndpoint`` or ``portalEndpoint``.
        url: Base URL.

    Raises:
        SynapseConfigError: It is not a URL, or it contains a user name or password, which would
            replace the credentials of the user in some requests.
    """
    url = str(url)
    try:
        scheme, host, _ = origin(url)
        has_user_info = "@" in urlsplit(url).netloc
    except ValueError:
        scheme, host, has_user_info = "", "", False
    if scheme not in {"http", "https"} or not host:
        raise SynapseConfigError(
            f"{name} {redact_url(url)!r} is not a URL: "
            f"expected for example {PRODUCTION_ENDPOINTS[name]}"
        )
    if has_user_info:
        raise SynapseConfigError(
            f"{name} {redact_url(url)!r} contains a user name or password before the host: "
            "remove it, and log in with a personal access token."
        )
    return url


def redirect_target(status: int, headers: Mapping[str, str], url: str) -> str | None:
    """Return the absolute URL that a response to `url` redirects to; None without a redirect.

    Raises:
        SynapseResponseError: The response redirects to an invalid URL.
    """
    target = headers.get("Location")
    if status not in _REDIRECT_STATUSES or not target:
        return None
    try:
        absolute = urljoin(url, target)
        origin(absolute)
    except ValueError as error:
        raise SynapseResponseError(
            f"{redact_url(url)} redirects to an invalid URL ({error})."
        ) from None
    return absolute


def _pairs(params: Any) -> list[tuple[str, Any]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [(key, _query_value(value)) for key, value in items if value is not None]


def _query_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
