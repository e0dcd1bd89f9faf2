"""A reverse proxy that misbehaves on demand, over real sockets.

It stands between a client and a local Synapse, and rewrites the pre-signed URLs in answers so
that the bytes come through it as well. `fail` says what goes wrong, where, and how often.
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

#: Where parts of uploads go, and where downloads come from.
UPLOADS = r"/storage/upload/"
DOWNLOADS = r"/storage/download/"

ALWAYS = -1
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@dataclass
class Answer:
    """What the service said."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Exchange:
    """One request on its way through the proxy."""

    def __init__(self, handler: "Handler") -> None:
        self._handler = handler
        self._proxy = handler.server.proxy
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self._length = int(self.headers.get("Content-Length", 0))

    def body(self) -> bytes:
        """Read what the client sends, to its end."""
        return self._handler.rfile.read(self._length)

    def read_some(self, size: int) -> None:
        """Read only the beginning of what the client sends."""
        self._handler.rfile.read(size)

    def ask(self, body: bytes | None = None) -> Answer:
        """Hand the request on to the service."""
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
            ours, theirs = self._proxy.base_url.encode(), self._proxy.upstream.encode()
            content = content.replace(theirs, ours)
        return Answer(response.status, response.getheaders(), content)

    def reply(self, answer: Answer, *, send: int | None = None, length: int | None = None) -> None:
        """Answer the client.

        Args:
            answer: What to say.
            send: Bytes of the body after which the connection is left as it is; all when None.
            length: Content-Length that is claimed; the true one when None.
        """
        handler = self._handler
        handler.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(answer.body[:send])
        handler.wfile.flush()

    def hang_up(self) -> None:
        """End the connection, whatever is under way on it."""
        self._handler.close_connection = True
        with suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Do nothing until the test is over, or the client goes away."""
        self._handler.close_connection = True
        self._proxy.over.wait(30)


Action = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """Do what a proxy should."""
    exchange.reply(exchange.ask())


def answer(status: int, text: str = "injected", **headers: str) -> Action:
    """Answer without asking the service; header names with underscores for dashes."""

    def act(exchange: Exchange) -> None:
        exchange.body()
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        exchange.reply(Answer(status, [("Content-Type", "text/plain"), *named], text.encode()))

    return act


def refuse_early(exchange: Exchange) -> None:
    """Say that a URL has expired before the body has come, and hang up."""
    exchange.read_some(1000)
    exchange.reply(Answer(403, [("Content-Type", "text/plain")], b"Request has expired"))
    exchange.hang_up()


def cut_upload(after: int) -> Action:
    """End the connection in the middle of what the client sends."""

    def act(exchange: Exchange) -> None:
        exchange.read_some(after)
        exchange.hang_up()

    return act


def stall_upload(after: int) -> Action:
    """Read no further, in the middle of what the client sends."""

    def act(exchange: Exchange) -> None:
        exchange.read_some(after)
        exchange.hang()

    return act


def cut_download(after: int) -> Action:
    """End the connection in the middle of the answer."""

    def act(exchange: Exchange) -> None:
        exchange.reply(exchange.ask(), send=after)
        exchange.hang_up()

    return act


def stall_download(after: int) -> Action:
    """Send no further, in the middle of the answer."""

    def act(exchange: Exchange) -> None:
        exchange.reply(exchange.ask(), send=after)
        exchange.hang()

    return act


def truncate(by: int) -> Action:
    """Send less than the service gave, and say that this is all."""

    def act(exchange: Exchange) -> None:
        whole = exchange.ask()
        exchange.reply(Answer(whole.status, whole.headers, whole.body[:-by]))

    return act


def corrupt_download(exchange: Exchange) -> None:
    """Change one byte of the answer."""
    whole = exchange.ask()
    exchange.reply(Answer(whole.status, whole.headers, _flip(whole.body)))


def corrupt_upload(exchange: Exchange) -> None:
    """Change one byte of what the client sends."""
    exchange.reply(exchange.ask(_flip(exchange.body())))


def ignore_ranges(exchange: Exchange) -> None:
    """Answer as a server that knows no ranges."""
    exchange.headers.pop("Range", None)
    exchange.reply(exchange.ask())


def never_answer(exchange: Exchange) -> None:
    """Take what the client sends, and say nothing."""
    exchange.body()
    exchange.hang()


def lose_answer(exchange: Exchange) -> None:
    """Have it done, and end the connection instead of saying so."""
    exchange.ask()
    exchange.hang_up()


def first(do: Callable[[], Any]) -> Action:
    """Do something in the test first, then what a proxy should."""

    def act(exchange: Exchange) -> None:
        do()
        pass_on(exchange)

    return act


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@dataclass
class Rule:
    """What goes wrong.

    Attributes:
        method: Of the requests it is about.
        path: Pattern that is found in their path and query.
        action: What happens instead.
        times: How often; ALWAYS for every time.
        skip: How many requests are left alone first.
    """

    method: str
    path: str
    action: Action
    times: int
    skip: int


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self) -> None:
        exchange = Exchange(self)
        action = self.server.proxy.choose(exchange)
        try:
            action(exchange)
        except OSError:  # the client has gone away
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


class Server(ThreadingHTTPServer):
    """Threads for all connections."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Say nothing of connections that broke."""


class FaultyProxy:
    """The proxy.

    Args:
        upstream: Base URL of the service behind it.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.over = threading.Event()
        self.requests: list[tuple[str, str]] = []
        self._rules: list[Rule] = []
        self._guard = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"

    def endpoints(self, behind: Mapping[str, str]) -> dict[str, str]:
        """Turn the endpoints of the service into ours."""
        return {key: url.replace(self.upstream, self.base_url) for key, url in behind.items()}

    def fail(self, method: str, path: str, action: Action, *, times: int = 1, skip: int = 0):
        """Let requests go wrong."""
        with self._guard:
            self._rules.append(Rule(method, path, action, times, skip))

    def choose(self, exchange: Exchange) -> Action:
        """Choose what happens to a request."""
        with self._guard:
            self.requests.append((exchange.method, exchange.path.partition("?")[0]))
            for rule in self._rules:
                if rule.method != exchange.method or not re.search(rule.path, exchange.path):
                    continue
                if rule.skip:
                    rule.skip -= 1
                elif rule.times:
                    rule.times -= 1
                    return rule.action
        return pass_on

    def count(self, method: str, path: str) -> int:
        """Count the requests that came."""
        return sum(m == method and bool(re.search(path, p)) for m, p in self.requests)

    @property
    def exhausted(self) -> bool:
        """Whether all that should go wrong did."""
        return not any(rule.times > 0 for rule in self._rules)

    def start(self) -> None:
        """Answer from now on."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def faulty_proxy(service: SynapseService) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a service that has a socket."""
    proxy = FaultyProxy(service.endpoints["repoEndpoint"].removesuffix("/repo/v1"))
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
