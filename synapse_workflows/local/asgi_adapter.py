"""Transport adapter of `requests` that calls an ASGI application without a socket.

    thread of the caller                       event loop in a background thread
    requests.Session -> ASGIAdapter.send   ->  application(scope, receive, send)
                        body of the response <- memory stream without a buffer

Bodies are streamed in both directions: an upload is read when the application receives it, and a
download is produced when the caller reads it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future
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
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

BASE_URL: Final = "http://synapse.local"
#: Number of bytes that are read at once from a request body that is a file.
_CHUNK_BYTES: Final = 1 << 16


def create_session(app: Application, base_url: str = BASE_URL) -> requests.Session:
    """Create a session that sends requests for `base_url` to `app`. Close it after use."""
    session = requests.Session()
    session.trust_env = False
    session.mount(base_url, ASGIAdapter(app))
    return session


class ASGIAdapter(BaseAdapter):
    """Transport adapter of `requests` that calls an ASGI application. It is thread-safe.

    The first request starts the event loop, and `close()` stops it. The adapter sends no lifespan
    events.

    Args:
        app: The ASGI application.
    """

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app
        self._lock = Lock()
        self._exit_stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._http_adapter = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,  # noqa: ARG002 - the signature is that of requests
        cert: Any = None,  # noqa: ARG002
        proxies: Any = None,  # noqa: ARG002
    ) -> requests.Response:
        """Send a request to the application.

        Args:
            request: The request.
            stream: Do not read the body of the response before returning the response.
            timeout: Read timeout in seconds, or a tuple of connect and read timeout.
            verify: Ignored.
            cert: Ignored.
            proxies: Ignored.

        Raises:
            requests.ReadTimeout: The response did not start within the read timeout.
            requests.ConnectionError: The application failed before the response started.
        """
        exchange = _Exchange(self._app, request, self._get_portal())
        try:
            status, headers = exchange.start(timeout[1] if isinstance(timeout, tuple) else timeout)
        except TimeoutError:
            raise requests.ReadTimeout("Read timed out.", request=request) from None
        except _NoResponseError as error:
            raise requests.ConnectionError(error, request=request) from error.__cause__
        raw = HTTPResponse(
            body=exchange,
            headers=headers,
            status=status,
            reason=_get_reason_phrase(status),
            preload_content=False,
            request_method=request.method,
        )
        response = self._http_adapter.build_response(request, raw)
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        """Stop the event loop and cancel running requests. The next request starts a new loop."""
        with self._lock:
            if self._portal is not None:
                self._portal.call(self._portal.stop, True)
            self._portal = None
            self._exit_stack.close()

    def _get_portal(self) -> "BlockingPortal":
        with self._lock:
            if self._portal is None:
                self._portal = self._exit_stack.enter_context(from_thread.start_blocking_portal())
            return self._portal


class _NoResponseError(Exception):
    """The application ended without a response. `__cause__` is the error of the application."""


class _Exchange(RawIOBase):
    """One request and its response, and a file object that reads the body of the response."""

    def __init__(
        self, app: Application, request: requests.PreparedRequest, portal: "BlockingPortal"
    ) -> None:
        self._app = app
        self._scope = _build_scope(request)
        self._portal = portal
        self._upload: Iterator[bytes] | None = _iter_chunks(request.body)
        self._is_upload_in_memory = isinstance(request.body, bytes | str | None)
        self._upload_error: Exception | None = None
        self._started: Future[tuple[int, HTTPHeaderDict]] = Future()
        self._head = (0, HTTPHeaderDict())
        self._streaming: asyncio.Handle | None = None
        #: Stream of the body; None if the body is sent at once, and is in the buffer.
        self._to_body: MemoryObjectSendStream[bytes] | None = None
        self._body: MemoryObjectReceiveStream[bytes] | None = None
        self._complete = anyio.Event()
        self._buffer = b""
        self._task: Future[None] = Future()

    def start(self, timeout: float | None) -> tuple[int, HTTPHeaderDict]:
        """Start the application and wait for the start of the response.

        Args:
            timeout: Maximum time in seconds; None for no limit.

        Returns:
            Status and headers.

        Raises:
            TimeoutError: The response did not start in time.
            Exception: Reading the body of the request failed.
        """
        self._task = self._portal.start_task_soon(self._run)
        try:
            response = self._started.result(timeout)
        except TimeoutError:
            self._task.cancel()
            raise
        if self._upload_error is not None:
            self.close()
            raise self._upload_error
        return response

    async def _run(self) -> None:
        error: Exception = _NoResponseError("The application ended without a response.")
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as cause:
            error.__cause__ = cause
            raise
        finally:
            if self._streaming is not None:
                self._start_stream()
            if self._to_body is not None:
                self._to_body.close()
            if self._complete.is_set() and not self._started.done():
                self._started.set_result(self._head)
            if not self._started.done():
                self._started.set_exception(self._upload_error or error)

    async def _receive(self) -> Message:
        if self._upload is None:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        if self._is_upload_in_memory:
            content, self._upload = next(self._upload, b""), None
            return {"type": "http.request", "body": content, "more_body": False}
        try:
            chunk = await to_thread.run_sync(next, self._upload, None)
        except Exception as error:  # noqa: BLE001 - an error of the caller: `start` raises it
            self._upload, self._upload_error = None, error
            return {"type": "http.disconnect"}
        if chunk is None:
            self._upload = None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = HTTPHeaderDict()
            for name, value in message["headers"]:
                headers.add(name.decode("latin-1"), value.decode("latin-1"))
            self._head = (message["status"], headers)
            # A whole body follows before the event loop goes on, and needs no stream.
            self._streaming = asyncio.get_running_loop().call_soon(self._start_stream)
        elif message["type"] == "http.response.body":
            content, is_last = bytes(message.get("body", b"")), not message.get("more_body", False)
            if is_last and self._to_body is None:
                self._cancel_stream()
                self._buffer = content
                self._complete.set()  # the response starts when the application returns
                return
            to_body = self._to_body or self._start_stream()
            if content:
                await to_body.send(content)
            if is_last:
                self._complete.set()
                to_body.close()

    def _start_stream(self) -> "MemoryObjectSendStream[bytes]":
        """Start the response and return the stream of its body."""
        self._cancel_stream()
        self._to_body, self._body = anyio.create_memory_object_stream[bytes](0)
        self._started.set_result(self._head)
        return self._to_body

    def _cancel_stream(self) -> None:
        if self._streaming is not None:
            self._streaming.cancel()
            self._streaming = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes of the response into `buffer`.

        Returns:
            Number of bytes; 0 at the end of the response.

        Raises:
            ProtocolError: The application failed during the response.
        """
        if not self._buffer and self._body is not None:
            self._buffer = self._receive_chunk(self._body)
        chunk = self._buffer[: len(buffer)]
        buffer[: len(chunk)] = chunk
        self._buffer = self._buffer[len(chunk) :]
        return len(chunk)

    def _receive_chunk(self, body: "MemoryObjectReceiveStream[bytes]") -> bytes:
        try:
            return self._portal.call(body.receive)
        except anyio.EndOfStream:
            if self._complete.is_set():
                return b""
        except RuntimeError as error:  # the event loop has stopped
            raise ProtocolError("The response is incomplete.", error) from error
        raise ProtocolError("The response is incomplete.")

    def close(self) -> None:
        """Cancel the application if the response is not complete."""
        if not self.closed:
            super().close()
            if not self._complete.is_set():
                self._task.cancel()
            if self._body is not None:
                self._body.close()


def _iter_chunks(body: Any) -> Iterator[bytes]:
    """Yield the chunks of a request body of any type that `requests` accepts."""
    if body is None:
        return iter(())
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes | bytearray):
        return iter([bytes(body)])
    if hasattr(body, "read"):
        return _iter_file(body)
    return (chunk.encode() if isinstance(chunk, str) else bytes(chunk) for chunk in body)


def _iter_file(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk.encode() if isinstance(chunk, str) else chunk


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
