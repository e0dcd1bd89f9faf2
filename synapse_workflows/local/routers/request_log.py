"""ASGI middleware that logs requests and converts unexpected errors to responses."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synapse_workflows.local.errors import ServiceError
from synapse_workflows.local.routers.responses import error_response

log = logging.getLogger("synapse_workflows.local")


class RequestLog:
    """ASGI middleware that logs method, path, status and duration of every request.

    Query strings are not logged: those of pre-signed URLs are secret. An unexpected exception is
    logged with its traceback and returned as an error with status 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_and_record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_record_status)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if status:
                raise
            response = error_response(ServiceError("Internal error; see the service log."))
            await response(scope, receive, send_and_record_status)
        finally:
            duration = (time.perf_counter() - start) * 1000
            log.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, duration)
