"""What every route starts from: the service, the caller, one transaction, the JSON body.

A route takes a `Call` and opens its transaction with a `with` statement:

    @router.put("/entity/{entity_id}")
    def put_entity(call: Call, entity_id: str) -> Answer:
        with call.writing("view", "modify") as work:
            body = call.json_object()
            return Answer(entities.update(work.session, work.caller, entity_id, body))

The transaction is committed when the `with` ends, so before anything is answered, and begins and
ends in one thread. (A generator dependency would hop threads and could, with many callers
waiting for their turn to write, leave the one whose turn it is without a thread.)
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from synapse_workflows.constants import MiB
from synapse_workflows.local.domain import auth, stack_status
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.errors import (
    BadRequest,
    ContentTooLarge,
    NotAcceptable,
    UnsupportedMediaType,
)

#: Bytes of a request body.
MAX_BODY = 2 * MiB
#: An escape in JSON that may be half a character.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Work:
    """One transaction on behalf of one caller."""

    service: Service
    session: Session
    caller: Caller


@dataclass(frozen=True)
class RequestCall:
    """One request: the service it came to, what it presented, what it brought.

    Args:
        service: the service.
        token: the credential that was presented.
        body: the request body as it came.
        is_throttled: whether the request counts against the bounds of its caller.
    """

    service: Service
    token: str | None = field(repr=False)
    body: bytes = field(repr=False)
    is_throttled: bool = True

    def _work(self, session: Session) -> Work:
        stack_status.check_available(session)
        caller = auth.authenticate(session, self.token, self.service.now())
        return Work(self.service, session, caller)

    @contextmanager
    def _admitted(self, caller: Caller, scopes: tuple[str, ...]) -> Iterator[None]:
        """Count the request, then look at the scopes: in this order."""
        limit = self.service.rate_limiter.limit(caller) if self.is_throttled else nullcontext()
        with limit:
            auth.check_scopes(caller, scopes)
            yield

    @contextmanager
    def reading(self, *scopes: str) -> Iterator[Work]:
        """Work on one consistent state without changing it.

        Args:
            scopes: OAuth scopes that the caller's token must hold, all of them.

        Raises:
            Unauthorized: bad credentials.
            InsufficientScope: a scope is missing.
            TooManyRequests: the caller is throttled.
            Unavailable: the service was switched off.
        """
        with self.service.database.reading() as session:
            work = self._work(session)
            with self._admitted(work.caller, scopes):
                yield work
        if work.caller.token_id is not None and work.caller.is_last_use_outdated:
            with self.service.database.transaction() as session:
                auth.update_last_use(session, work.caller)

    @contextmanager
    def writing(self, *scopes: str) -> Iterator[Work]:
        """Work in a transaction: all of it is kept, or on an error none.

        Args:
            scopes: as for `reading`.

        Raises:
            Unauthorized: bad credentials.
            InsufficientScope: a scope is missing.
            TooManyRequests: the caller is throttled.
            Unavailable: the service was switched off.
        """
        with self.service.database.transaction() as session:
            work = self._work(session)
            if work.caller.is_last_use_outdated:
                auth.update_last_use(session, work.caller)
            with self._admitted(work.caller, scopes):
                yield work

    def json_object(self, *, not_finite: bool = False) -> dict[str, Any]:
        """Read the body as a JSON object.

        Args:
            not_finite: take NaN and Infinity as numbers, which JSON does not know.

        Raises:
            BadRequest: it is none.
        """
        constant = float if not_finite else _refuse_constant
        try:
            value = json.loads(self.body.decode(), parse_constant=constant)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"The request body is not valid JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadRequest("The request body must be a JSON object.")
        if _SURROGATE.search(self.body) and not _is_unicode(value):
            raise BadRequest("The request body holds half a surrogate pair, which is no text.")
        return value


def _refuse_constant(word: str) -> None:
    """Refuse NaN and Infinity, which Python's parser would take."""
    raise ValueError(f"{word} is no JSON")


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def service_of(request: Request) -> Service:
    """Give the service that the request came to."""
    service: Service = request.app.state.service
    return service


def token_of(request: Request) -> str | None:
    """Give the credential that the request presents: a bearer or a legacy session token."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return request.headers.get("sessiontoken")
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == "bearer" else authorization


async def read_body(request: Request) -> bytes:
    """Read the body of a JSON route, within bounds.

    Raises:
        TooLarge: the body is above 2 MB.
        UnsupportedMediaType: it is declared to be something else than JSON.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ContentTooLarge(f"Request size exceeded maximum: {MAX_BODY} bytes.")
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if body and media.lower() != "application/json":
        raise UnsupportedMediaType(f"Content type '{media}' not supported")
    return bytes(body)


def _accepts(header: str, answer: str) -> bool:
    kinds = {each.partition(";")[0].strip().lower() for each in header.split(",")}
    return bool(kinds & {"", "*/*", answer, answer.partition("/")[0] + "/*"})


async def call_of(request: Request) -> RequestCall:
    """Make the call of a request that is answered in JSON.

    Raises:
        NotAcceptable: the caller wants no JSON.
    """
    if not _accepts(request.headers.get("accept", ""), "application/json"):
        raise NotAcceptable("Could not find acceptable representation")
    return await _call(request)


async def _call(request: Request) -> RequestCall:
    return RequestCall(
        service=service_of(request),
        token=token_of(request),
        body=await read_body(request),
        is_throttled=not request.url.path.startswith("/auth/"),
    )


async def redirect_call_of(request: Request) -> RequestCall:
    """Make the call of a request that is answered by a redirect, whatever it accepts."""
    return await _call(request)


Call = Annotated[RequestCall, Depends(call_of)]
RedirectCall = Annotated[RequestCall, Depends(redirect_call_of)]
