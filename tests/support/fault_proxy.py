"""Reverse proxy that injects faults on request, over real sockets.

The proxy runs between a client and a local Synapse. Pre-signed URLs in responses are rewritten, so
that transfers use the proxy as well. `FaultyProxy.fail` sets a fault.
"""

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from synapse_workflows.testing import SynapseService

#: Path patterns of the transfers of parts.
UPLOADS = r"/storage/upload/"
DOWNLOADS = r"/storage/download/"

ALWAYS = -1
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@dataclass
class Response:
    """Response of the service."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Exchange:
    """One request that passes through the proxy."""

    def __init__(self, handler: "Handler") -> None:
        self._handler = handler
        self._proxy = handler.server.proxy
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self._length = int(self.headers.get("Content-Length", 0))

    def body(self) -> bytes:
        """Read the whole body of the request."""
        return self._handler.rfile.read(self._length)

    def read_some(self, size: int) -> None:
        """Read only the first `size` bytes of the body."""
        self._handler.rfile.read(size)

    def forward(self, body: bytes | None = None) -> Response:
        """Forward the request to the service and return its response."""
        body = self.body() if body is None else body
        upstream = urlsplit(self._proxy.upstream)
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"host"}}
        try:
            connection.request(self.method, self.path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if "json" in response.headers.get("Content-Type", ""):
            upstream_url = self._proxy.upstream.encode()
            content = content.replace(upstream_url, self._proxy.base_url.encode())
        return Response(response.status, response.getheaders(), content)

    def respond(self, response: Response, *, send: int | None = None) -> None:
        """Send a response to the client.

        Args:
            response: The response.
            send: Number of bytes of the body to send; the whole body by default.
        """
        handler = self._handler
        handler.send_response_only(response.status)
        for name, value in response.headers:
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        handler.wfile.write(response.body[:send])
        handler.wfile.flush()

    def disconnect(self) -> None:
        """Close the connection immediately."""
        self._handler.close_connection = True
        with suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Do nothing until the proxy is stopped, at most 30 seconds."""
        self._handler.close_connection = True
        self._proxy.stopped.wait(30)


Action = Callable[[Exchange], None]


def forward(exchange: Exchange) -> None:
    """Forward the request and send the response of the service."""
    exchange.respond(exchange.forward())


def respond(status: int, text: str = "injected", **headers: str) -> Action:
    """Respond without forwarding the request.

    Args:
        status: HTTP status.
        text: Body of the response.
        headers: Response headers, with underscores instead of dashes in their names.
    """

    def act(exchange: Exchange) -> None:
        exchange.body()
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        exchange.respond(Response(status, [("Content-Type", "text/plain"), *pairs], text.encode()))

    return act


def reject_early(exchange: Exchange) -> None:
    """Respond, before the whole body is read, that the URL has expired; then disconnect."""
    exchange.read_some(1000)
    exchange.respond(Response(403, [("Content-Type", "text/plain")], b"Request has expired"))
    exchange.disconnect()


def cut_upload(after: int) -> Action:
    """Disconnect after reading a part of the request body."""

    def act(exchange: Exchange) -> None:
        exchange.read_some(after)
        exchange.disconnect()

    return act


def stall_upload(after: int) -> Action:
    """Stop reading after a part of the request body."""

    def act(exchange: Exchange) -> None:
        exchange.read_some(after)
        exchange.hang()

    return act


def cut_download(after: int) -> Action:
    """Disconnect after sending a part of the response body."""

    def act(exchange: Exchange) -> None:
        exchange.respond(exchange.forward(), send=after)
        exchange.disconnect()

    return act


def stall_download(after: int) -> Action:
    """Stop sending after a part of the response body."""

    def act(exchange: Exchange) -> None:
        exchange.respond(exchange.forward(), send=after)
        exchange.hang()

    return act


def truncate(by: int) -> Action:
    """Remove the end of the response body, and set the Content-Length accordingly."""

    def act(exchange: Exchange) -> None:
        response = exchange.forward()
        exchange.respond(Response(response.status, response.headers, response.body[:-by]))

    return act


def corrupt_download(exchange: Exchange) -> None:
    """Change one byte of the response body."""
    response = exchange.forward()
    exchange.respond(Response(response.status, response.headers, _flip(response.body)))


def corrupt_upload(exchange: Exchange) -> None:
    """Change one byte of the request body."""
    exchange.respond(exchange.forward(_flip(exchange.body())))


def ignore_ranges(exchange: Exchange) -> None:
    """Respond like a server without support for ranges."""
    exchange.headers.pop("Range", None)
    exchange.respond(exchange.forward())


def never_respond(exchange: Exchange) -> None:
    """Read the request, but send no response."""
    exchange.body()
    exchange.hang()


def lose_response(exchange: Exchange) -> None:
    """Forward the request, but disconnect instead of sending the response."""
    exchange.forward()
    exchange.disconnect()


def call_first(function: Callable[[], Any]) -> Action:
    """Call a function of the test before the request is forwarded."""

    def act(exchange: Exchange) -> None:
        function()
        forward(exchange)

    return act


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@dataclass
class Rule:
    """A fault to inject.

    Attributes:
        method: Method of the affected requests.
        path: Pattern to search in path and query of the affected requests.
        action: Action to perform instead of forwarding.
        times: Number of affected requests; ALWAYS for all requests.
        skip: Number of matching requests to forward first.
    """

    method: str
    path: str
    action: Action
    times: int
    skip: int


class Handler(BaseHTTPRequestHandler):
    """Handler of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self) -> None:
        exchange = Exchange(self)
        action = self.server.proxy.choose(exchange)
        try:
            action(exchange)
        except OSError:  # the client has disconnected
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """HTTP server with a thread per connection."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Ignore interrupted connections."""


class FaultyProxy:
    """Reverse proxy that injects faults.

    Args:
        upstream: Base URL of the service.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.stopped = threading.Event()
        self.requests: list[tuple[str, str]] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"

    def endpoints(self, upstream_endpoints: Mapping[str, str]) -> dict[str, str]:
        """Return the endpoints of the service with the base URL of the proxy."""
        return {
            key: url.replace(self.upstream, self.base_url)
            for key, url in upstream_endpoints.items()
        }

    def fail(self, method: str, path: str, action: Action, *, times: int = 1, skip: int = 0):
        """Inject a fault into requests; see `Rule`."""
        with self._lock:
            self._rules.append(Rule(method, path, action, times, skip))

    def reset(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._rules.clear()

    def choose(self, exchange: Exchange) -> Action:
        """Return the action for a request."""
        with self._lock:
            self.requests.append((exchange.method, exchange.path.partition("?")[0]))
            for rule in self._rules:
                if rule.method != exchange.method or not re.search(rule.path, exchange.path):
                    continue
                if rule.skip:
                    rule.skip -= 1
                elif rule.times:
                    rule.times -= 1
                    return rule.action
        return forward

    def count(self, method: str, path: str) -> int:
        """Return the number of received requests that match."""
        return sum(m == method and bool(re.search(path, p)) for m, p in self.requests)

    @property
    def exhausted(self) -> bool:
        """Whether all faults with a limited number were injected."""
        return not any(rule.times > 0 for rule in self._rules)

    def start(self) -> None:
        """Start the server."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Stop the server."""
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def faulty_proxy(service: SynapseService) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a service with a socket."""
    proxy = FaultyProxy(service.endpoints["repoEndpoint"].removesuffix("/repo/v1"))
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
