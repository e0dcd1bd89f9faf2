"""Something that happens on the way to a service, at one moment of a conversation with it."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class FaultPoint:
    """When something happens; see `Interposed.at`."""

    pattern: str
    act: Callable[[], object]
    nth: int | None
    after: bool
    answering: bool
    count: int = 0

    def has_come(self, asked: str) -> bool:
        if re.search(self.pattern, asked) is None:
            return False
        self.count += 1
        return self.nth in (None, self.count)


class FaultInjector:
    """Stands in front of a service; at requests of some kind, does something.

    Args:
        app: the service's application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.clear()

    def clear(self) -> None:
        """Let everything pass from now on."""
        self._moments: list[FaultPoint] = []

    def at(
        self,
        pattern: str,
        act: Callable[[], object],
        *,
        nth: int | None = 1,
        after: bool = False,
        answering: bool = True,
    ) -> None:
        """Say what is to happen.

        Args:
            pattern: of the request, as `POST /repo/v1/entity/.*/start`.
            act: what happens.
            nth: at which of those requests; None for all.
            after: when the service has done what it was asked, else before.
            answering: whether whoever asked hears of it.
        """
        self._moments.append(FaultPoint(pattern, act, nth, after, answering))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = f"{scope.get('method')} {scope.get('path')}"
        moment = next((one for one in list(self._moments) if one.has_come(asked)), None)
        if moment is None:
            await self.app(scope, receive, send)
            return
        if not moment.after:
            await asyncio.to_thread(moment.act)
        if moment.after or moment.answering:
            await self.app(scope, receive, send if moment.answering else _nowhere)
        if moment.after:
            await asyncio.to_thread(moment.act)


async def _nowhere(_message: Any) -> None:
    """Say it to anonymous."""
