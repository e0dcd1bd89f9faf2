"""A service in a process of its own that records all requests, for benchmarks."""

import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_workflows.testing import SynapseService, over_socket

_context = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Request:
    """A request that the service has answered.

    Args:
        time: time of the response, in seconds since the epoch.
        status: status of the response.
        method: method of the request.
        path: its path.
        is_authorized: whether it had an access token.
    """

    time: float
    status: int
    method: str
    path: str
    is_authorized: bool

    @property
    def route(self) -> str:
        """Method and path, with `#` for each ID."""
        return f"{self.method} {re.sub(r'(syn)?[0-9]{3,}', '#', self.path)}"


class RequestLog:
    """ASGI middleware that writes a line per request to a file.

    Args:
        app: the service.
        path: the file.
    """

    def __init__(self, app: Any, path: Path) -> None:
        self.app = app
        self._file = path.open("a", buffering=1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        authorized = any(name.lower() == b"authorization" for name, _ in scope["headers"])

        async def send_and_record(message: Any) -> None:
            if message["type"] == "http.response.start":
                fields = (time.time(), message["status"], scope["method"], scope["path"])
                self._file.write("\t".join(map(str, (*fields, int(authorized)))) + "\n")
            await send(message)

        await self.app(scope, receive, send_and_record)


class LoggedService(SynapseService):
    """A service and its requests."""

    def requests(self) -> list[Request]:
        """Return all requests so far."""
        found = []
        for line in (self.folder / "requests.log").read_text().splitlines():
            seconds, status, method, path, authorized = line.split("\t")
            found.append(Request(float(seconds), int(status), method, path, authorized == "1"))
        return found


def _serve(folder: Path, settings: dict[str, Any], pipe: Any) -> None:
    def wrap(app: Any) -> RequestLog:
        return RequestLog(app, folder / "requests.log")

    with over_socket(folder, wrap=wrap, **settings) as service:
        pipe.send(service.service_info)
        pipe.recv()


@contextmanager
def run_service(folder: Path, **settings: Any) -> Iterator[LoggedService]:
    """Run a service in a process during the block.

    Args:
        folder: directory for its data.
        settings: fields of the service's `Settings`.
    """
    here, there = _context.Pipe()
    folder.mkdir(exist_ok=True)
    process = _context.Process(target=_serve, args=(folder, settings, there))
    process.start()
    try:
        yield LoggedService(here.recv(), folder)
    finally:
        here.send("stop")
        process.join(30)
        process.kill()
