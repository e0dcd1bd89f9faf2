"""ASGI middleware that logs requests and converts unexpected errors to responses."""

import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synapse_workflows.local.errors import InsufficientStorage, ServiceError
from synapse_workflows.local.routers.responses import error_response
from synapse_workflows.local.storage.disk_space import is_disk_full

log = logging.getLogger("synapse_workflows.local")


class RequestLog:
    """ASGI middleware that logs method, path, status and duration of every request.

    Query strings are not logged, because the query strings of pre-signed URLs are secret. Control
    characters in the path are escaped. The status in the log is 0 if the client closed the
    connection before the response. A full disk causes a response with status 507. Any other
    exception is logged with its traceback and causes a response with status 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        line = escape_controls(f"{scope['method']} {scope['path']}")
        status, remark = 0, ""

        async def send_and_record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_record_status)
        except ClientDisconnect:
            remark = ", the client closed the connection"
        except Exception as error:
            reason = _get_reason(error, line)
            if status:
                raise
            await error_response(reason)(scope, receive, send_and_record_status)
        finally:
            duration = (time.perf_counter() - start) * 1000
            log.info("%s %d %.1f ms%s", line, status, duration, remark)


def escape_controls(text: str) -> str:
    """Escape all characters that are not printable, in the syntax of Python strings."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _get_reason(error: Exception, line: str) -> ServiceError:
    """Log an unexpected error and return the error for the client."""
    if is_disk_full(error):
        log.error("%s failed: the disk is full: %s", line, error)
        return InsufficientStorage()
    log.error("%s failed", line, exc_info=error)
    return ServiceError("Internal error; see the service log.")
