"""Recorder of HTTP exchanges that validates each against the facts of the Synapse REST API.

The recorder is an ASGI application in front of the local service. It validates the requests of all
clients (this package and the official client) and the responses of the service, over a socket and
in-process. Requests are validated leniently, by the rules of the service. Responses are
validated strictly: a property that is missing in the table is an error of the service.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from support.wire_facts import Route, WireFacts

BASES = ("/repo/v1", "/file/v1", "/auth/v1")
#: The response while an asynchronous job is being processed.
JOB_STATUS = "asynch.AsynchronousJobStatus"
#: The response of a request that fails.
ERROR = "ErrorResponse"
ACCEPTED, BAD_REQUEST = 202, 400
#: Start of a URL; external files have URLs of any scheme.
URL = re.compile(rb"[a-z0-9+.-]+://?")
#: HTTP statuses of the service for unknown routes.
NO_SUCH_ROUTE = frozenset({404, 405})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Recorder:
    """ASGI application that forwards each exchange and collects contract violations.

    Args:
        app: The application to forward to.
        facts: The table to validate against.
    """

    def __init__(self, app: Application, facts: WireFacts) -> None:
        self.app = app
        self.facts = facts
        self.exchanges: list[tuple[str, str, int]] = []
        self.validated = 0
        self.problems: list[str] = []

    @property
    def state(self) -> Any:
        """The state of the wrapped application (FastAPI's `app.state`)."""
        return self.app.state  # type: ignore[attr-defined]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Forward the exchange, and validate it when the response is complete."""
        if scope["type"] != "http" or not scope["path"].startswith(BASES):
            await self.app(scope, receive, send)
            return
        request, response = bytearray(), bytearray()
        status = 0

        async def record_request() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def record_response(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            response.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                # validate before the client has the response, so that its test gets the problems
                self.check(scope["method"], scope["path"], bytes(request), status, bytes(response))
            await send(message)

        await self.app(scope, record_request, record_response)

    def check(self, method: str, path: str, request: bytes, status: int, response: bytes) -> None:
        """Validate one exchange, and add its problems to `problems`."""
        self.exchanges.append((method, path, status))
        route = self.facts.route(method, path)
        where = f"{method} {path} {status}"
        if route is None:
            if status not in NO_SUCH_ROUTE:
                self.problems.append(f"{where}: the table of facts has no such route")
        elif status < BAD_REQUEST:
            self._check_success(route, where, request, status, response)
        if status >= BAD_REQUEST and method != "HEAD":
            self._check_error(where, response)

    def _check_success(
        self, route: Route, where: str, request: bytes, status: int, response: bytes
    ) -> None:
        if status not in route.statuses:
            expected = sorted(route.statuses)
            self.problems.append(f"{where}: the status of success is one of {expected}")
        if route.request is not None:
            self._check_body(f"request of {where}", route.request, request, lenient=True)
        if route.response == "redirect":
            if status == min(route.statuses) and not URL.match(response):
                self.problems.append(f"response of {where}: not a URL: {response[:80]!r}")
        else:
            expected_type = JOB_STATUS if status == ACCEPTED else route.response
            self._check_body(f"response of {where}", expected_type, response)

    def _check_body(
        self, where: str, name: str | None, body: bytes, *, lenient: bool = False
    ) -> None:
        """Validate a body. The type None means an empty body, `X?` an X or an empty body."""
        if name is None or (name.endswith("?") and not body):
            if body:
                self.problems.append(f"{where}: not empty: {body[:80]!r}")
            return
        try:
            value = json.loads(body)
        except ValueError:
            self.problems.append(f"{where}: not JSON: {body[:80]!r}")
            return
        self.validated += 1
        found = self.facts.validate(name.removesuffix("?"), value, lenient=lenient)
        self.problems += [f"{where}: {problem}" for problem in found]

    def _check_error(self, where: str, body: bytes) -> None:
        """Validate an error body: an ErrorResponse with a `reason`."""
        try:
            value = json.loads(body)
        except ValueError:
            self.problems.append(f"error of {where}: not JSON: {body[:80]!r}")
            return
        if not (isinstance(value, dict) and value.get("reason")):
            self.problems.append(f"error of {where}: no reason in {value!r}")
            return
        self.validated += 1
        found = self.facts.validate(ERROR, value)
        self.problems += [f"error of {where}: {problem}" for problem in found]
