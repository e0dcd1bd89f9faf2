"""One line in the log per request, and an answer for what nobody foresaw."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synapse_workflows.local.errors import ServiceError
from synapse_workflows.local.routers.responses import error_response

log = logging.getLogger("synapse_workflows.local")


class RequestLog:
    """ASGI middleware: logs method, path, status and milliseconds of every request.

    Queries are left out: that of a pre-signed URL is a secret. An exception that no rule
    raised is logged with its traceback and answered with a 500 in JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if status:
                raise
            fault = error_response(ServiceError("The service made a mistake; its log tells more."))
            await fault(scope, receive, watched)
        finally:
            spent = (time.perf_counter() - began) * 1000
            log.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, spent)
