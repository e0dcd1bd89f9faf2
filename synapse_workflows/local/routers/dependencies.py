"""Dependencies of the routes: the request and its transaction.

A route takes a `JsonRequest` and opens a transaction with a `with` statement:

    @router.put("/entity/{entity_id}")
    def update_entity(request: JsonRequest, entity_id: str) -> Response:
        with request.write_transaction("view", "modify") as tx:
            entity, body = parse_entity_id(entity_id), request.json_object()
            return ApiResponse(entity_writes.update(tx.session, tx.caller, entity, body))

The transaction is committed at the end of the `with` block, before the response is sent, and runs
in one thread. (A generator dependency of FastAPI could run in several threads. With many waiting
writers, no thread might be left for the writer that holds the lock.)
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import auth, request_fields, stack_status, terms_of_use
from synapse_workflows.local.domain.api_keys import SignedRequest
from synapse_workflows.local.domain.auth import RequestCredentials
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import (
    BadRequest,
    ContentTooLarge,
    NotAcceptable,
    UnsupportedMediaType,
)
from synapse_workflows.local.storage.disk_space import is_disk_full

#: Maximum size of a request body, in bytes.
MAX_BODY_BYTES = 2 * MiB
#: JSON escape of a UTF-16 surrogate.
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


#: Paths of the authentication service that require agreement to the terms of use.
_AUTH_PATHS_WITH_TERMS = frozenset({"/auth/v1/secretKey"})


@dataclass(frozen=True)
class Transaction:
    """A database transaction of one request.

    Args:
        service: The service.
        session: Database session.
        caller: The authenticated user.
    """

    service: Service
    session: Session
    caller: Caller


@dataclass(frozen=True)
class ApiRequest:
    """A request to the REST API.

    Args:
        service: The service.
        credentials: Token or signature of the request; None for an anonymous request.
        body: Request body.
        is_throttled: Whether the request counts against the rate limits of the caller.
        requires_terms: Whether the caller must have agreed to the terms of use.
    """

    service: Service
    credentials: RequestCredentials = field(repr=False)
    body: bytes = field(repr=False)
    is_throttled: bool = True
    requires_terms: bool = True

    def without_credentials(self) -> "ApiRequest":
        """Return the request of a route that ignores the credentials of the request."""
        return replace(self, credentials=None)

    @contextmanager
    def read_transaction(self, *scopes: str) -> Iterator[Transaction]:
        """Open a read-only transaction on one consistent state of the database.

        Args:
            scopes: OAuth scopes that the token of the caller must have.

        Raises:
            Unauthorized: The credentials are invalid.
            Forbidden: The caller has not agreed to the terms of use.
            InsufficientScope: The token lacks a scope.
            TooManyRequests: The caller exceeds a rate limit.
            ServiceUnavailable: The service is read-only or down.
        """
        with self.service.database.read_transaction() as session:
            tx = self._authenticate(session)
            with self._admit(tx.caller, scopes):
                yield tx
        if tx.caller.token_id is not None and tx.caller.is_last_use_outdated:
            self._update_last_use(tx.caller)

    @contextmanager
    def write_transaction(self, *scopes: str) -> Iterator[Transaction]:
        """Open a transaction. Commit it at the end of the block, roll it back after an error.

        Args:
            scopes: OAuth scopes that the token of the caller must have.

        Raises:
            Unauthorized: The credentials are invalid.
            Forbidden: The caller has not agreed to the terms of use.
            InsufficientScope: The token lacks a scope.
            TooManyRequests: The caller exceeds a rate limit.
            ServiceUnavailable: The service is read-only or down.
        """
        with self.service.database.write_transaction() as session:
            tx = self._authenticate(session)
            if tx.caller.is_last_use_outdated:
                auth.update_last_use(session, tx.caller)
            with self._admit(tx.caller, scopes):
                yield tx

    def _update_last_use(self, caller: Caller) -> None:
        """Record the use of the token. Ignore a full disk, so that read requests still succeed."""
        try:
            with self.service.database.write_transaction() as session:
                auth.update_last_use(session, caller)
        except DBAPIError as error:
            if not is_disk_full(error):
                raise

    def _authenticate(self, session: Session) -> Transaction:
        stack_status.check_available(session)
        caller = auth.authenticate(session, self.credentials, self.service.now())
        if self.requires_terms:
            terms_of_use.check(caller)
        return Transaction(self.service, session, caller)

    @contextmanager
    def _admit(self, caller: Caller, scopes: tuple[str, ...]) -> Iterator[None]:
        """Check the rate limits, then the scopes. A request that lacks a scope counts as well."""
        limit = self.service.rate_limiter.limit(caller) if self.is_throttled else nullcontext()
        with limit:
            auth.check_scopes(caller, scopes)
            yield

    def json_object(self, *, allow_nan: bool = False) -> dict[str, Any]:
        """Parse the body as a JSON object.

        Args:
            allow_nan: Accept NaN and Infinity, which standard JSON does not have.

        Raises:
            BadRequest: The body is not a JSON object, or it is too deeply nested.
        """
        value = request_fields.parse_json(self.body, allow_nan=allow_nan)
        if not isinstance(value, dict):
            raise BadRequest("The request body must be a JSON object.")
        if _SURROGATE_ESCAPE.search(self.body) and not _is_unicode(value):
            raise BadRequest("The request body contains an unpaired surrogate.")
        return value


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def get_service(request: Request) -> Service:
    """Return the service of the application."""
    service: Service = request.app.state.service
    return service


def get_credentials(request: Request) -> RequestCredentials:
    """Return the bearer token, the legacy session token or the signature of a request."""
    headers = request.headers
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else authorization
    if "sessiontoken" in headers:
        return headers["sessiontoken"]
    if "signature" not in headers and "userid" not in headers:
        return None
    return SignedRequest(
        user=headers.get("userid", ""),
        timestamp=headers.get("signaturetimestamp", ""),
        signature=headers.get("signature", ""),
        path=request.scope["raw_path"].decode("latin-1"),
    )


async def read_body(request: Request) -> bytes:
    """Read the body of a request.

    Raises:
        ContentTooLarge: The body has more than `MAX_BODY_BYTES`.
        UnsupportedMediaType: The content type is not JSON.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ContentTooLarge(f"Request size exceeded maximum: {MAX_BODY_BYTES} bytes.")
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if body and media.lower() != "application/json":
        raise UnsupportedMediaType(f"Content type '{media}' not supported")
    return bytes(body)


def _accepts_json(header: str) -> bool:
    types = {each.partition(";")[0].strip().lower() for each in header.split(",")}
    return bool(types & {"", "*/*", "application/json", "application/*"})


async def get_json_request(request: Request) -> ApiRequest:
    """Return the request of a route that responds with JSON.

    Raises:
        NotAcceptable: The Accept header excludes JSON.
    """
    if not _accepts_json(request.headers.get("accept", "")):
        raise NotAcceptable("Could not find acceptable representation")
    return await get_redirect_request(request)


async def get_redirect_request(request: Request) -> ApiRequest:
    """Return the request of a route that redirects. Its Accept header is ignored."""
    path = request.scope["path"]
    is_auth = path.startswith("/auth/")
    return ApiRequest(
        service=get_service(request),
        credentials=get_credentials(request),
        body=await read_body(request),
        is_throttled=not is_auth,
        requires_terms=not is_auth or path in _AUTH_PATHS_WITH_TERMS,
    )


JsonRequest = Annotated[ApiRequest, Depends(get_json_request)]
RedirectRequest = Annotated[ApiRequest, Depends(get_redirect_request)]
