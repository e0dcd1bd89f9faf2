"""From an answer that is no success to the error that says so."""

from collections.abc import Iterable

import requests

from synapse_workflows.client.core import wire
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.retry import Failure, Outcome
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConnectionError,
    SynapseError,
    SynapseHTTPError,
    SynapseTimeoutError,
)

NOT_LOGGED_IN = "You are not logged in and do not have access to a requested resource."


def error(
    call: Call,
    outcome: Outcome,
    *,
    secrets: Iterable[str] = (),
    anonymous: bool = False,
    debug: bool = False,
) -> SynapseError:
    """Make the error for the last try of a call; no secret is in it.

    Args:
        call: What was asked.
        outcome: What came of it: no success.
        secrets: Tokens in use.
        anonymous: Nobody is logged in, and the answer is Synapse's.
        debug: Add request and response.
    """
    shown = wire.redact(str(call), secrets)
    said = wire.redact(outcome.reason, secrets)
    if outcome.reply is None:
        return _unanswered(shown, outcome.failure, said)
    status, response = outcome.reply.status, _without_headers(outcome.reply.response)
    kind = outcome.reply.headers.get("Content-Type", "")
    _, code = wire.reason(status, kind, outcome.reply.content)
    advice = wire.advice(status, said, code)
    if debug and response is not None:
        advice = wire.redact("\n".join([*filter(None, [advice]), _dump(response)]), secrets)
    failed = SynapseHTTPError.of(
        status,
        said,
        shown,
        response,
        error_code=code and wire.redact(code, secrets),
        retry_after=outcome.retry_after,
        advice=advice,
    )
    if anonymous and status in {401, 403}:
        stranger = SynapseAuthenticationError(f"{NOT_LOGGED_IN}\n{status} {shown}: {said}")
        stranger.__cause__ = failed
        return stranger
    return failed


def _unanswered(shown: str, failure: Failure | None, said: str) -> SynapseError:
    if failure is Failure.TIMED_OUT:
        return SynapseTimeoutError(f"{shown}: no answer in time ({said})")
    if failure is Failure.NOT_SENT:
        return SynapseConnectionError(
            f"{shown}: no connection ({said})\nCheck the network, the proxy, and the endpoint."
        )
    if failure is Failure.BROKEN:
        return SynapseConnectionError(
            f"{shown}: {said}\nCheck the address; and if the server's certificate is not trusted "
            "here, the clock and REQUESTS_CA_BUNDLE."
        )
    return SynapseConnectionError(f"{shown}: the connection broke off ({said})")


def _without_headers(response: requests.Response | None) -> requests.Response | None:
    """Take the Authorization header out of the request that an error's response holds."""
    if response is not None and response.request is not None:
        response.request = response.request.copy()
        for name in list(response.request.headers):
            if name.lower() in wire.PRIVATE_HEADERS:
                response.request.headers[name] = wire.REDACTED
    return response


def _dump(response: requests.Response) -> str:
    sent = response.request
    body = sent.body if isinstance(sent.body, bytes) else str(sent.body or "").encode()
    asked = wire.dump(str(sent.method), str(sent.url), sent.headers, body)
    answered = wire.dump("HTTP", str(response.status_code), response.headers, response.content)
    return f">>>>>> request\n{asked}\n<<<<<< response\n{answered}"
