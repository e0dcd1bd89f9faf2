"""Plain HTTP requests to Synapse, for what has no method of its own.

Source: https://rest-docs.synapse.org/rest/
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from synapse_workflows.client.core.http_request import OWN
from synapse_workflows.client.core.session import Session

if TYPE_CHECKING:
    import requests

_DEFAULT_RETRY: Mapping[str, Any] = MappingProxyType({})
_CALL_OPTIONS = frozenset({"params", "auth", "timeout"})


def restGET(
    syn: Session,
    uri: str,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    retryPolicy: Mapping[str, Any] = _DEFAULT_RETRY,
    requests_session: "requests.Session | None" = None,
    **kwargs: Any,
) -> Any:
    """Send a GET and return what came.

    Args:
        syn: The session that makes the call.
        uri: Path below the endpoint, ``/entity/syn123``, or a whole URL. The credentials go to
            the endpoints only, never to another host.
        endpoint: Base URL; the repo endpoint when None.
        headers: Sent instead of the usual ones.
        retryPolicy: Changes to the client's: ``retries``, ``wait``, ``back_off``, ``max_wait``.
        requests_session: Used instead of the client's own.
        kwargs: ``params``, ``auth`` (None for nobody), ``timeout`` in seconds, and others for
            requests.

    Returns:
        Parsed JSON when the answer is ``application/json``, else its text.

    Raises:
        SynapseHTTPError: Synapse said no.

    Source:
        GET <uri>
    """
    return _send(syn, "GET", uri, None, endpoint, headers, retryPolicy, requests_session, kwargs)


def restPOST(
    syn: Session,
    uri: str,
    body: Any,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    retryPolicy: Mapping[str, Any] = _DEFAULT_RETRY,
    requests_session: "requests.Session | None" = None,
    **kwargs: Any,
) -> Any:
    """Send a POST and return what came; arguments as for `restGET`.

    It is repeated only when it surely did not happen (no connection, 429, 503).

    Args:
        syn: The session that makes the call.
        uri: Path below the endpoint, or a whole URL.
        body: Text or bytes, sent as they are; anything else is written as JSON.
        endpoint: Base URL; the repo endpoint when None.
        headers: Sent instead of the usual ones.
        retryPolicy: Changes to the client's.
        requests_session: Used instead of the client's own.
        kwargs: For the transport.

    Raises:
        SynapseHTTPError: Synapse said no.

    Source:
        POST <uri>
    """
    return _send(syn, "POST", uri, body, endpoint, headers, retryPolicy, requests_session, kwargs)


def restPUT(
    syn: Session,
    uri: str,
    body: Any = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    retryPolicy: Mapping[str, Any] = _DEFAULT_RETRY,
    requests_session: "requests.Session | None" = None,
    **kwargs: Any,
) -> Any:
    """Send a PUT and return what came; arguments as for `restPOST`.

    It is repeated even when it may have happened: the etag in its body guards it, so that a
    second execution answers 412 and changes nothing.

    Args:
        syn: The session that makes the call.
        uri: Path below the endpoint, or a whole URL.
        body: Text or bytes, sent as they are; anything else is written as JSON.
        endpoint: Base URL; the repo endpoint when None.
        headers: Sent instead of the usual ones.
        retryPolicy: Changes to the client's.
        requests_session: Used instead of the client's own.
        kwargs: For the transport.

    Raises:
        SynapseHTTPError: Synapse said no.

    Source:
        PUT <uri>
    """
    return _send(syn, "PUT", uri, body, endpoint, headers, retryPolicy, requests_session, kwargs)


def restDELETE(
    syn: Session,
    uri: str,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    retryPolicy: Mapping[str, Any] = _DEFAULT_RETRY,
    requests_session: "requests.Session | None" = None,
    **kwargs: Any,
) -> None:
    """Send a DELETE; arguments as for `restGET`.

    Raises:
        SynapseHTTPError: Synapse said no.

    Source:
        DELETE <uri>
    """
    _send(syn, "DELETE", uri, None, endpoint, headers, retryPolicy, requests_session, kwargs)


def _send(
    syn: Session,
    method: str,
    uri: str,
    body: Any,
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    changes: Mapping[str, Any],
    requests_session: "requests.Session | None",
    kwargs: dict[str, Any],
) -> Any:
    reply = syn.call(
        method,
        uri,
        endpoint=endpoint or "repo",
        params=kwargs.get("params"),
        json=body,
        headers=headers,
        auth=kwargs.get("auth", OWN),
        timeout=kwargs.get("timeout"),
        retry=syn.retry.with_overrides(changes),
        requests_session=requests_session,
        # The answer is read whole in any case, so `stream` would change nothing.
        options={k: v for k, v in kwargs.items() if k not in {*_CALL_OPTIONS, "stream"}},
    )
    return reply.value
