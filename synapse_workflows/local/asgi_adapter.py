"""The service without a socket: `requests` on one side, the ASGI application on the other.

    thread of the caller                         one event loop in the background
    requests.Session -> ASGIAdapter.send -> application(scope, receive, send)
                        body of the answer    <- a channel that holds one chunk at a time

Bytes go both ways as streams: an upload is read as the application asks for it, a download is
produced as the caller reads it.
"""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future, TimeoutError as WaitedTooLong
from contextlib import ExitStack
from http import HTTPStatus
from io import RawIOBase
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import anyio
import requests
from anyio import from_thread, to_thread
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

BASE_URL: Final = "http://synapse.local"
_CHUNK_BYTES: Final = 1 << 16  # bytes taken at a time from an upload that is a file


def create_session(app: Application, base_url: str = BASE_URL) -> requests.Session:
    """Give a session that finds `app` at `base_url`; closing it ends the event loop."""
    opened = requests.Session()
    opened.trust_env = False
    opened.mount(base_url, ASGIAdapter(app))
    return opened


class ASGIAdapter(BaseAdapter):
    """Transport of `requests` that calls an ASGI application; safe among threads.

    The event loop starts with the first request and ends with `close()`. The application's
    lifespan events are not sent.
    """

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app
        self._lock = Lock()
        self._open = ExitStack()
        self._portal: BlockingPortal | None = None
        self._answers = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,  # noqa: ARG002 - the signature is that of requests
        cert: Any = None,  # noqa: ARG002
        proxies: Any = None,  # noqa: ARG002
    ) -> requests.Response:
        """Answer one request.

        Raises:
            requests.ReadTimeout: No answer began within the read timeout (seconds).
            requests.ConnectionError: The application failed before it answered.
        """
        exchange = _Exchange(self._app, request, self._started())
        try:
            status, headers = exchange.begin(timeout[1] if isinstance(timeout, tuple) else timeout)
        except WaitedTooLong:
            raise requests.ReadTimeout("no answer in time", request=request) from None
        except _NoResponseError as failure:
            raise requests.ConnectionError(failure, request=request) from failure.__cause__
        raw = HTTPResponse(
            body=exchange,
            headers=headers,
            status=status,
            reason=_get_reason_phrase(status),
            preload_content=False,
            request_method=request.method,
        )
        response = self._answers.build_response(request, raw)
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        """End the event loop and what still runs in it; the next request starts another."""
        with self._lock:
            if self._portal is not None:
                self._portal.call(self._portal.stop, True)
            self._portal = None
            self._open.close()

    def _started(self) -> "BlockingPortal":
        with self._lock:
            if self._portal is None:
                self._portal = self._open.enter_context(from_thread.start_blocking_portal())
            return self._portal


class _NoResponseError(Exception):
    """The application ended before it answered; its own error is the cause."""


class _Exchange(RawIOBase):
    """One request on its way through the application; as a file, the body of its answer."""

    def __init__(
        self, app: Application, request: requests.PreparedRequest, portal: "BlockingPortal"
    ) -> None:
        self._app = app
        self._scope = _build_scope(request)
        self._portal = portal
        self._upload: Iterator[bytes] | None = _iter_chunks(request.body)
        self._upload_failure: Exception | None = None
        self._began: Future[tuple[int, HTTPHeaderDict]] = Future()
        self._to_body, self._body = anyio.create_memory_object_stream[bytes](0)
        self._complete = anyio.Event()
        self._rest = b""
        self._task: Future[None] = Future()

    def begin(self, timeout: float | None) -> tuple[int, HTTPHeaderDict]:
        """Start the application and give status and headers once it has sent them."""
        self._task = self._portal.start_task_soon(self._run)
        try:
            answer = self._began.result(timeout)
        except WaitedTooLong:
            self._task.cancel()
            raise
        if self._upload_failure is not None:
            self.close()
            raise self._upload_failure
        return answer

    async def _run(self) -> None:
        failure: Exception = _NoResponseError("the application ended without an answer")
        try:
            async with self._to_body:
                await self._app(self._scope, self._receive, self._send)
        except Exception as raised:
            failure.__cause__ = raised
            raise
        finally:
            if not self._began.done():
                self._began.set_exception(self._upload_failure or failure)

    async def _receive(self) -> Message:
        if self._upload is None:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        try:
            chunk = await to_thread.run_sync(next, self._upload, None)
        except Exception as failure:  # noqa: BLE001 - the caller's own: `begin` raises it again
            self._upload, self._upload_failure = None, failure
            return {"type": "http.disconnect"}
        if chunk is None:
            self._upload = None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = HTTPHeaderDict()
            for name, value in message["headers"]:
                headers.add(name.decode("latin-1"), value.decode("latin-1"))
            self._began.set_result((message["status"], headers))
        elif message["type"] == "http.response.body":
            if message.get("body"):
                await self._to_body.send(bytes(message["body"]))
            if not message.get("more_body", False):
                self._complete.set()
                await self._to_body.aclose()

    def readable(self) -> bool:
        """Say yes: this is the body of an answer."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what the application sent next; 0 at the end.

        Raises:
            ProtocolError: The application failed in the middle of its answer.
        """
        if not self._rest:
            self._rest = self._next_chunk()
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def _next_chunk(self) -> bytes:
        try:
            return self._portal.call(self._body.receive)
        except anyio.EndOfStream:
            if self._complete.is_set():
                return b""
        except RuntimeError as failure:  # the event loop has ended
            raise ProtocolError("the answer broke off", failure) from failure
        raise ProtocolError("the answer broke off")

    def close(self) -> None:
        """Stop the application if the caller has read enough."""
        if not self.closed:
            super().close()
            self._task.cancel()
            self._body.close()


def _iter_chunks(body: Any) -> Iterator[bytes]:
    """Cut a body of any kind `requests` allows into pieces; no piece where there is none."""
    if body is None:
        return iter(())
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes | bytearray):
        return iter([bytes(body)])
    if hasattr(body, "read"):
        return _iter_file(body)
    return (piece.encode() if isinstance(piece, str) else bytes(piece) for piece in body)


def _iter_file(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK_BYTES):
        yield piece.encode() if isinstance(piece, str) else piece


def _build_scope(request: requests.PreparedRequest) -> Message:
    url = urlsplit(str(request.url))
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.setdefault("host", url.netloc)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method or "GET",
        "scheme": url.scheme,
        "path": unquote(url.path) or "/",
        "raw_path": url.path.encode("ascii"),
        "root_path": "",
        "query_string": url.query.encode("ascii"),
        "headers": [(_to_bytes(name), _to_bytes(value)) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": (url.hostname or "synapse.local", url.port or 80),
    }


def _to_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _get_reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
