"""The form of requests and answers: URLs, JSON, reasons, advice, and what is never shown. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from synapse_workflows import __version__

JSON_TYPE: Final = "application/json; charset=UTF-8"
USER_AGENT: Final = f"synapse-workflows/{__version__}"
#: Never sent on to another host than the one they were meant for.
PRIVATE_HEADERS: Final = frozenset({"authorization", "cookie", "sessiontoken", "signature"})
REDACTED: Final = "<redacted>"
MAX_REDIRECTS: Final = 5

_SIGNED_QUERY = re.compile(
    r"\?[^\s'\"<>()]*(?:x-amz-|signature=|awsaccesskeyid=)[^\s'\"<>()]*", re.IGNORECASE
)
_SIGNED_FIELD = re.compile(
    r"((?:x-amz-(?:signature|credential|security-token)|signature|awsaccesskeyid)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer)\s+[^\s'\",;]+", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?")
_USER_INFO = re.compile(r"(?<=://)[^/@\s'\"]+@")
_TAGS = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_MAX_REASON = 600

ADVICE: Final = MappingProxyType(
    {
        401: "The token is not accepted: it may be revoked, or unused for 180 days. Make a new "
        "personal access token in your Synapse account settings, and log in with it.",
        403: "Ask the owner for access, or log in as somebody who has it.",
        404: "Check the id, and that what it names does not lie in the trash can.",
        412: "Somebody changed it since it was read: get it again, apply the change, store again.",
        413: "The request is too large: send less at a time.",
        429: "Too many requests at a time for this account: wait, or use fewer threads.",
        503: "Synapse may be down for maintenance: see https://status.synapse.org.",
    }
)
_NO_COLUMNS_ADVICE = (
    "The table has no columns: give it some, as "
    "schema.addColumn(Column(name='age', columnType='INTEGER')), and store the schema."
)
_COLUMNS_ADVICE = (
    "getTableColumns lists the columns that there are; in SQL, names with spaces or other signs "
    "stand in double quotes."
)
#: What the server says, and what to do about it.
_ADVICE_BY_REASON: Final = (
    (re.compile(r"^Schema for \S+ is empty"), _NO_COLUMNS_ADVICE),
    (re.compile(r"expected to be a header|^Unknown column\b"), _COLUMNS_ADVICE),
    (re.compile(r"does not match a column\b|^The CSV has \d+ column"), _COLUMNS_ADVICE),
)
_SCOPE_ADVICE = (
    "The token lacks a scope for this: make one with view, download and modify in your "
    "Synapse account settings."
)
_CERTIFICATION_ADVICE = (
    "Only certified users may do this: take the quiz at "
    "https://www.synapse.org/#!Quiz:Certification."
)


def url(base: str, path: str, params: Any = None) -> str:
    """Join endpoint, path and query; a path that is a whole URL stands for itself.

    Args:
        base: Base URL of the endpoint.
        path: Appended as it is.
        params: Mapping or pairs; None entries are left out, booleans become ``true``/``false``,
            lists repeat their key. Text is taken as a query that is encoded already.
    """
    whole = path if is_whole(path) else base.rstrip("/") + path
    query = params if isinstance(params, str) else urlencode(_pairs(params), doseq=True)
    if not query:
        return whole
    return f"{whole}{'&' if '?' in whole else '?'}{query}"


def is_whole(path: str) -> bool:
    """Whether it is a URL with a host, and not a path below an endpoint."""
    parts = urlsplit(path)
    return bool(parts.scheme and parts.netloc)


def origin(address: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL: who gets what is sent there."""
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or usual


def is_success(status: int) -> bool:
    """Whether a status is one of 2xx."""
    return 200 <= status < 300  # noqa: PLR2004 - the class of statuses


def headers_for(target: str, source: str, sent: Mapping[str, str]) -> dict[str, str]:
    """Headers to take along from one URL to another: to another host, none that is private."""
    if origin(target) == origin(source):
        return dict(sent)
    return {name: value for name, value in sent.items() if name.lower() not in PRIVATE_HEADERS}


def redirected(status: int, headers: Mapping[str, str], address: str) -> str | None:
    """Where an answer sends one instead; None when it does not."""
    target = headers.get("Location")
    if status not in {301, 302, 303, 307, 308} or not target:
        return None
    return urljoin(address, target)


def headers(given: Mapping[str, str] | None, *, ours: bool) -> dict[str, str]:
    """Choose the headers: those given and no others; else JSON for Synapse, few for strangers."""
    if given is not None:
        return dict(given)
    return {"content-type": JSON_TYPE, "Accept": JSON_TYPE} if ours else {"Accept": "*/*"}


def encode(value: Any) -> bytes | str | None:
    """Write a body: text, bytes and None as they are, anything else as JSON.

    Datetimes become ISO 8601 in UTC with milliseconds and ``Z``; naive ones are taken for UTC.

    Raises:
        TypeError: Something that JSON cannot hold.
        ValueError: NaN or infinity, which JSON cannot hold either.
    """
    if value is None or isinstance(value, str | bytes):
        return value
    return json.dumps(value, default=_default, allow_nan=False).encode()


def instant(moment: datetime) -> str:
    """Write a datetime as Synapse does: ``2021-07-05T12:34:56.789Z``; a naive one is UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def reason(status: int, content_type: str, content: bytes) -> tuple[str, str | None]:
    """Read an answer that is no success: what the server said, and its error code if any."""
    text = content.decode("utf-8", "replace").strip()
    body = _json_object(text)
    if body is not None:
        said = body.get("reason") or body.get("error_description") or body.get("error")
        code = body.get("errorCode") or body.get("error")
        return _short(str(said or text)), None if code is None else str(code)
    if "<" in text and ("html" in content_type or "xml" in content_type or text.startswith("<")):
        text = " ".join(_TAGS.sub(" ", text).split())
    return _short(text) or _phrase(status), None


def advice(status: int, said: str, code: str | None = None) -> str | None:
    """One line that says what to do about an error; None where there is nothing to say."""
    if code == "USER_CERTIFICATION_REQUIRED":
        return _CERTIFICATION_ADVICE
    if status == HTTPStatus.FORBIDDEN and "scope" in said.lower():
        return _SCOPE_ADVICE
    found = (what for pattern, what in _ADVICE_BY_REASON if pattern.search(said))
    return next(found, None) or ADVICE.get(status)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, from a number or a date; None without one."""
    asked = headers.get("Retry-After")
    if not asked:
        return None
    if asked.strip().isdigit():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(0.0, (until - now).total_seconds()) if until.tzinfo else None


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Take tokens and the queries of pre-signed URLs out of a text that people will read.

    Args:
        text: Anything meant for a log or an error.
        secrets: Tokens known to be in use; others are recognised by their form.
    """
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    text = _SIGNED_QUERY.sub(f"?{REDACTED}", text)
    text = _SIGNED_FIELD.sub(rf"\1{REDACTED}", text)
    text = _USER_INFO.sub(f"{REDACTED}@", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return _JWT.sub(REDACTED, text)


def dump(method: str, address: str, headers: Mapping[str, str], content: bytes) -> str:
    """Write request line, headers and body of an exchange for a debugging reader."""
    shown = "\n".join(
        f"{name}: {REDACTED if name.lower() in PRIVATE_HEADERS else value}"
        for name, value in headers.items()
    )
    return f"{method} {address}\n{shown}\n\n{content[:2000].decode('utf-8', 'replace')}"


def _pairs(params: Any) -> list[tuple[str, Any]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [(key, _query_value(value)) for key, value in items if value is not None]


def _query_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r:.80}")


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _short(text: str) -> str:
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
