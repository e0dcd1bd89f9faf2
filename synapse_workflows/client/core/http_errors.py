"""Creation of errors from HTTP responses: reason, advice, redaction.

The class for each status is in `client.errors`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import requests

from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.http_headers import PRIVATE_HEADERS
from synapse_workflows.client.core.redaction import REDACTED, redact
from synapse_workflows.client.core.retry import Failure, Outcome
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConnectionError,
    SynapseError,
    SynapseHTTPError,
    SynapseResponseError,
    SynapseTimeoutError,
)

NOT_LOGGED_IN = "You are not logged in and do not have access to a requested resource."

ADVICE: Final = MappingProxyType(
    {
        401: "The credentials are not accepted. A token may be revoked, or expired after 180 days "
        "without use. Create a new personal access token in your Synapse account settings, and "
        "log in with it.",
        403: "Ask the owner for access, or log in as a user who has access.",
        404: "Check the ID, and that the object is not in the trash can.",
        412: "It was changed after it was read. Get it again, apply the change, and store it.",
        413: "The request is too large. Send less data per request.",
        429: "Too many requests at a time for this account. Wait, or use fewer threads.",
        503: "Synapse may be down for maintenance: see https://status.synapse.org.",
    }
)
_MISSING_FILE_ADVICE = (
    "The file is not in its storage: it was deleted or moved there, or the URL is wrong. Ask the "
    "owner of the file to upload it again."
)
#: Advice for responses of storages and other servers that do not belong to Synapse.
STORAGE_ADVICE: Final = MappingProxyType(
    {
        403: "The storage denies access, or the URL has expired. Ask the owner of the file for "
        "access.",
        404: _MISSING_FILE_ADVICE,
        410: _MISSING_FILE_ADVICE,
    }
)
_NO_COLUMNS_ADVICE = (
    "The table has no columns. Add columns, for example with "
    "schema.addColumn(Column(name='age', columnType='INTEGER')), and store the schema."
)
_COLUMNS_ADVICE = (
    "getTableColumns lists the columns of the table. In SQL, enclose names with spaces or special "
    "characters in double quotes."
)
_TERMS_ADVICE = (
    "This account has not agreed to the terms of use. Log in to the web portal "
    "(https://www.synapse.org) with this account, agree to them, and try again."
)
_SIGNATURE_ADVICE = (
    "The API key is not the current API key of this user. Log in with a personal access token, "
    "which has replaced API keys: create one in your Synapse account settings."
)
_STS_ADVICE = (
    "Pass the ID of a folder that create_s3_storage_location(..., sts_enabled=True) has set up, "
    "or of a file in it."
)
_CLOCK_ADVICE = "Set the clock of this machine: a signed request contains the time."
#: Patterns in the reason of the server, and the advice for each pattern.
_ADVICE_BY_REASON: Final = (
    (re.compile(r"^Activity for: .* does not exist"), "This version has no Activity."),
    (re.compile(r"^Schema for \S+ is empty"), _NO_COLUMNS_ADVICE),
    (re.compile(r"expected to be a header|^Unknown column\b"), _COLUMNS_ADVICE),
    (re.compile(r"does not match a column\b|^The CSV has \d+ column"), _COLUMNS_ADVICE),
    (re.compile(r"^Terms of use have not been signed", re.IGNORECASE), _TERMS_ADVICE),
    (re.compile(r"^Invalid digital signature", re.IGNORECASE), _SIGNATURE_ADVICE),
    (re.compile(r"must have an STS-enabled storage location"), _STS_ADVICE),
    (re.compile(r"^Timestamp in request\b.* out of date", re.IGNORECASE), _CLOCK_ADVICE),
)
_SCOPE_ADVICE = (
    "The token lacks a scope. Create a token with the scopes view, download and modify in your "
    "Synapse account settings."
)
_CERTIFICATION_ADVICE = (
    "Only certified users may do this. Take the quiz at "
    "https://www.synapse.org/#!Quiz:Certification."
)
#: Part of the URLs of the authentication service.
_AUTH_PATH = "/auth/v1/"
_TAGS = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
#: The connection of urllib3 at the beginning of its errors; the request names the host.
_CONNECTION = re.compile(r"\A<?\w+\(host='[^']*', port=\d+\)>?: ")
_MAX_REASON = 600
_MAX_DUMPED_BODY = 2000


def error_of(
    call: Call,
    outcome: Outcome,
    *,
    secrets: Iterable[str] = (),
    is_anonymous: bool = False,
    is_storage: bool = False,
    debug: bool = False,
) -> SynapseError:
    """Create the error for the final outcome of a call. It contains no secret.

    Args:
        call: The call that failed.
        outcome: An outcome that is not a success.
        secrets: Tokens in use.
        is_anonymous: Whether the call was sent to Synapse without credentials.
        is_storage: Whether the call was sent to a server that does not belong to Synapse.
        debug: Whether to append request and response to the message.
    """
    call_text = redact(str(call), secrets)
    reason = redact(outcome.reason, secrets)
    if outcome.reply is None:
        return _connection_error(call_text, outcome.failure, reason)
    status, response = outcome.reply.status, _without_secrets(outcome.reply.response)
    content_type = outcome.reply.headers.get("Content-Type", "")
    _, code = parse_reason(status, content_type, outcome.reply.content)
    advice = STORAGE_ADVICE.get(status) if is_storage else advice_for(status, reason, code)
    if debug and response is not None:
        advice = redact("\n".join([*filter(None, [advice]), _dump(response)]), secrets)
    error = SynapseHTTPError.of(
        status,
        reason,
        call_text,
        response,
        error_code=code and redact(code, secrets),
        retry_after=outcome.retry_after,
        advice=advice,
    )
    if is_anonymous and status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        login_error = SynapseAuthenticationError(
            f"{NOT_LOGGED_IN}\n{status} {call_text}: {reason}"
        )
        login_error.__cause__ = error
        return login_error
    return error


def parse_reason(status: int, content_type: str, content: bytes) -> tuple[str, str | None]:
    """Read the reason and Synapse's error code from the body of an error response.

    Returns:
        The reason, or the standard phrase of the status for an empty body; and the error code,
        None if there is none.
    """
    text = content.decode("utf-8", "replace").strip()
    body = _json_object(text)
    if body is not None:
        reason = body.get("reason") or body.get("error_description") or body.get("error")
        code = body.get("errorCode") or body.get("error")
        return _shortened(str(reason or text)), None if code is None else str(code)
    if "<" in text and ("html" in content_type or "xml" in content_type or text.startswith("<")):
        text = " ".join(_TAGS.sub(" ", text).split())
    return _shortened(text) or _standard_phrase(status), None


def advice_for(status: int, reason: str, code: str | None = None) -> str | None:
    """Return one line that describes how to resolve an error; None if there is no advice."""
    if code == "USER_CERTIFICATION_REQUIRED":
        return _CERTIFICATION_ADVICE
    if status == HTTPStatus.FORBIDDEN and "scope" in reason.lower():
        return _SCOPE_ADVICE
    matching = (advice for pattern, advice in _ADVICE_BY_REASON if pattern.search(reason))
    return next(matching, None) or ADVICE.get(status)


def _connection_error(call_text: str, failure: Failure | None, reason: str) -> SynapseError:
    if failure is Failure.TIMED_OUT:
        return SynapseTimeoutError(f"{call_text}: no response within the timeout ({reason})")
    if failure is Failure.NOT_CONNECTED:
        cause = _CONNECTION.sub("", reason)
        message = f"no connection ({cause})\nCheck the network, the proxy, and the endpoint."
    elif failure is Failure.TOO_LARGE:
        return SynapseResponseError(f"{call_text}: {reason} Request fewer items at a time.")
    elif failure is Failure.INVALID:
        message = (
            f"{reason}\nCheck the URL. If the certificate of the server is not trusted, check the "
            "clock of this machine and REQUESTS_CA_BUNDLE."
        )
    else:
        message = f"the connection was interrupted ({reason})"
    category = (failure or Failure.INTERRUPTED).retry_category
    return SynapseConnectionError(f"{call_text}: {message}", retry_category=category)


def _without_secrets(response: requests.Response | None) -> requests.Response | None:
    """Redact private headers, for example Authorization, in the request of a response.

    The bodies of requests to the authentication service, which contain passwords, are redacted.
    """
    if response is not None and response.request is not None:
        response.request = response.request.copy()
        if response.request.body and _is_authentication(response):
            response.request.body = REDACTED
        for name in list(response.request.headers):
            if name.lower() in PRIVATE_HEADERS:
                response.request.headers[name] = REDACTED
    return response


def _is_authentication(response: requests.Response) -> bool:
    """Return whether a response is from the authentication service."""
    return _AUTH_PATH in (response.request.url or "")


def _dump(response: requests.Response) -> str:
    """Format request and response for debugging, without bodies of the authentication service."""
    request = response.request
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    sent = _dump_message(f"{request.method} {request.url}", request.headers, body)
    content = REDACTED.encode() if _is_authentication(response) else response.content
    received = _dump_message(f"HTTP {response.status_code}", response.headers, content)
    return f">>>>>> request\n{sent}\n<<<<<< response\n{received}"


def _dump_message(first_line: str, headers: Mapping[str, str], body: bytes) -> str:
    lines = "\n".join(
        f"{name}: {REDACTED if name.lower() in PRIVATE_HEADERS else text}"
        for name, text in headers.items()
    )
    return f"{first_line}\n{lines}\n\n{body[:_MAX_DUMPED_BODY].decode('utf-8', 'replace')}"


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."


def _standard_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
