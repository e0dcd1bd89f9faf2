"""ASGI middleware that runs an action at chosen requests, to inject faults into a service."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class FaultPoint:
    """Request at which an action runs; see `FaultInjector.at`."""

    pattern: str
    action: Callable[[], object]
    nth: int | None
    after: bool
    respond: bool
    count: int = 0

    def matches(self, request: str) -> bool:
        if re.search(self.pattern, request) is None:
            return False
        self.count += 1
        return self.nth in (None, self.count)


class FaultInjector:
    """ASGI middleware that runs actions at chosen requests.

    Args:
        app: the ASGI application of the service.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.clear()

    def clear(self) -> None:
        """Remove all actions."""
        self._points: list[FaultPoint] = []

    def at(
        self,
        pattern: str,
        action: Callable[[], object],
        *,
        nth: int | None = 1,
        after: bool = False,
        respond: bool = True,
    ) -> None:
        """Add an action.

        Args:
            pattern: pattern of the request, for example `POST /repo/v1/entity/.*/start`.
            action: the function to call.
            nth: number of the matching request; None for all matching requests.
            after: True to call `action` after the service has handled the request and before
                the client receives the response; False to call it before the request is handled.
            respond: whether the client receives the response. If both `respond` and `after` are
                False, the service does not receive the request.
        """
        self._points.append(FaultPoint(pattern, action, nth, after, respond))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = f"{scope.get('method')} {scope.get('path')}"
        point = next((one for one in list(self._points) if one.matches(request)), None)
        if point is None:
            await self.app(scope, receive, send)
            return
        if not point.after:
            await asyncio.to_thread(point.action)
            if point.respond:
                await self.app(scope, receive, send)
            return
        response: list[Any] = []

        async def keep(message: Any) -> None:
            response.append(message)

        await self.app(scope, receive, keep)
        await asyncio.to_thread(point.action)
        for message in response if point.respond else ():
            await send(message)
