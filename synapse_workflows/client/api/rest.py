"""Plain REST requests to Synapse, for services that the client has no method for.

Source: https://rest-docs.synapse.org/rest/
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from synapse_workflows.client.core.http_request import SESSION_AUTH
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
    """Send a GET request and return the response body.

    Args:
        syn: The session that sends the request.
        uri: Path relative to the endpoint, for example ``/entity/syn123``, or an absolute URL.
            Credentials are sent to the endpoints only, never to another host.
        endpoint: Base URL; None for the repo endpoint.
        headers: Headers that replace the default headers.
        retryPolicy: Overrides of the client's retry policy: ``retries`` (count), ``wait``
            (seconds), ``back_off`` (factor), ``max_wait`` (seconds).
        requests_session: Replaces the requests session of the client.
        **kwargs: ``params``, ``auth`` (None for an anonymous request), ``timeout`` (seconds),
            and other arguments of requests.

    Returns:
        Parsed JSON if the content type of the response is ``application/json``, else its text.

    Raises:
        SynapseHTTPError: The status is not 2xx; the class depends on the status.
        SynapseConnectionError: The connection failed.
        SynapseTimeoutError: No response arrived in time.

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
    """Send a POST request and return the response body.

    The request is retried only if the server has not processed it (no connection, 429, 503).

    Args:
        syn: The session that sends the request.
        uri: Path relative to the endpoint, or an absolute URL.
        body: str or bytes to send unchanged; any other value is serialized to JSON.
        endpoint: Base URL; None for the repo endpoint.
        headers: Headers that replace the default headers.
        retryPolicy: Overrides of the client's retry policy, as for `restGET`.
        requests_session: Replaces the requests session of the client.
        **kwargs: As for `restGET`.

    Returns:
        Parsed JSON if the content type of the response is ``application/json``, else its text.

    Raises:
        SynapseHTTPError: The status is not 2xx; the class depends on the status.
        SynapseConnectionError: The connection failed.
        SynapseTimeoutError: No response arrived in time.

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
    """Send a PUT request and return the response body.

    The request is also retried if the server may have processed it. Because of the etag in the
    body, a second execution fails with 412 and changes nothing.

    Args:
        syn: The session that sends the request.
        uri: Path relative to the endpoint, or an absolute URL.
        body: str or bytes to send unchanged; any other value is serialized to JSON.
        endpoint: Base URL; None for the repo endpoint.
        headers: Headers that replace the default headers.
        retryPolicy: Overrides of the client's retry policy, as for `restGET`.
        requests_session: Replaces the requests session of the client.
        **kwargs: As for `restGET`.

    Returns:
        Parsed JSON if the content type of the response is ``application/json``, else its text.

    Raises:
        SynapseHTTPError: The status is not 2xx; the class depends on the status.
        SynapseConnectionError: The connection failed.
        SynapseTimeoutError: No response arrived in time.

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
    """Send a DELETE request; the response body is ignored.

    Args:
        syn: The session that sends the request.
        uri: Path relative to the endpoint, or an absolute URL.
        endpoint: Base URL; None for the repo endpoint.
        headers: Headers that replace the default headers.
        retryPolicy: Overrides of the client's retry policy, as for `restGET`.
        requests_session: Replaces the requests session of the client.
        **kwargs: As for `restGET`.

    Raises:
        SynapseHTTPError: The status is not 2xx; the class depends on the status.
        SynapseConnectionError: The connection failed.
        SynapseTimeoutError: No response arrived in time.

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
    retry_overrides: Mapping[str, Any] | None,
    requests_session: "requests.Session | None",
    kwargs: dict[str, Any],
) -> Any:
    is_text = isinstance(uri, str)
    if not is_text:
        raise ValueError(
            f"Invalid uri {uri!r}: expected a path such as '/entity/syn123', or a URL."
        )
    reply = syn.call(
        method,
        uri,
        endpoint=endpoint or "repo",
        params=kwargs.get("params"),
        json=body,
        headers=headers,
        auth=kwargs.get("auth", SESSION_AUTH),
        timeout=kwargs.get("timeout"),
        retry=syn.retry.with_overrides(retry_overrides or {}),
        requests_session=requests_session,
        # The response is always read completely, so `stream` has no effect.
        options={k: v for k, v in kwargs.items() if k not in {*_CALL_OPTIONS, "stream"}},
    )
    return reply.value
