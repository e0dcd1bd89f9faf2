"""ASGI middleware that records requests, and answers chosen ones with 403 or another status."""

import json
import re


class RejectingApp:
    """ASGI middleware that records requests, and answers those of a pattern with an error.

    Args:
        app: the ASGI application of the service.
    """

    def __init__(self, app):
        self.app = app
        self.pattern = None
        self.status = 403
        self.requests = []

    def clear(self):
        self.pattern = None
        self.status = 403

    async def __call__(self, scope, receive, send):
        request = f"{scope.get('method')} {scope.get('path')}"
        self.requests.append(request)
        if self.pattern is None or re.fullmatch(self.pattern, request) is None:
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = json.dumps({"reason": "no Activities today"}).encode()
        await send({"type": "http.response.body", "body": body})
