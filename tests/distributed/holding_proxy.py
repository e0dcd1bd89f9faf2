"""A proxy that holds one request of a task, or its response, until the test releases it."""

import threading
from collections import Counter

from support.fault_proxy import Action, Exchange, FaultyProxy, Response
from support.killable_worker import KillPoint, normalize_path

#: Maximum time for which a request is held, in seconds.
TIMEOUT = 1200


class RecordingProxy(FaultyProxy):
    """Proxy that records the requests of tasks that run one after the other.

    Attributes:
        events: for each task, its requests and responses as `killable_worker.Trace` records them.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.events: dict[str, list[str]] = {}
        self._task = ""

    def announce(self, task: str) -> str:
        """Return the URL to request before a task runs."""
        return f"{self.base_url}/begin/{task}"

    def choose(self, exchange: Exchange) -> Action:
        return self._begin if exchange.path.startswith("/begin/") else self._record

    def _begin(self, exchange: Exchange) -> None:
        self._task = exchange.path.rpartition("/")[2]
        exchange.respond(Response(200))

    def _record(self, exchange: Exchange) -> None:
        events = self.events.setdefault(self._task, [])
        event = f"{exchange.method} {normalize_path(exchange.path)}"
        events.append(event)
        response = exchange.forward()
        events.append(f"{event} {response.status}")
        exchange.respond(response)


class HoldingProxy(FaultyProxy):
    """Proxy of the requests of one task.

    Args:
        upstream: Base URL of the service.
        point: the event at which to hold. See `KillPoint`.

    Attributes:
        events: the requests and responses, as `killable_worker.Trace` records them.
        held: set when the request or its response is held.
    """

    def __init__(self, upstream: str, point: KillPoint) -> None:
        super().__init__(upstream)
        self.point = point
        self.events: list[str] = []
        self.held = threading.Event()
        self._released = threading.Event()
        self._is_late = False
        self._counts: Counter[str] = Counter()
        self._events_lock = threading.Lock()

    def release(self, *, late: bool = False) -> None:
        """Release what is held.

        Args:
            late: whether to forward a held request now, instead of dropping it.
        """
        self._is_late = late
        self._released.set()

    def stop(self) -> None:
        self.release()
        super().stop()

    def choose(self, exchange: Exchange) -> Action:  # noqa: ARG002
        return self._pass

    def _pass(self, exchange: Exchange) -> None:
        event = f"{exchange.method} {normalize_path(exchange.path)}"
        is_point = self._record(event)
        body = exchange.body()
        if is_point and not self._hold():
            exchange.disconnect()
            return
        response = exchange.forward(body)
        if self._record(f"{event} {response.status}") and not self._hold():
            exchange.disconnect()
            return
        exchange.respond(response)

    def _record(self, event: str) -> bool:
        """Record an event; return whether to hold it."""
        with self._events_lock:
            self.events.append(event)
            self._counts[event] += 1
            return (event, self._counts[event]) == self.point

    def _hold(self) -> bool:
        """Wait for the release; return whether to go on."""
        self.held.set()
        self._released.wait(TIMEOUT)
        return self._is_late
