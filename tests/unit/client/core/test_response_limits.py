"""Limits of the time and the memory of responses, from a server that does not keep them."""

import asyncio
import gzip
import socket
import threading
import time
from contextlib import suppress

import pytest

from synapse_workflows.client.api import login
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.response_limits import MAX_BODY
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseError,
    SynapseHTTPError,
    SynapseResponseError,
    SynapseTimeoutError,
)
from synapse_workflows.client.transfer import download
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE

ONCE = RetryPolicy(attempts=1)
TIMEOUT = (5.0, 0.3)
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def drip(text: bytes):
    """Yield bytes one by one, each within the timeout of a read."""
    for byte in text:
        yield bytes([byte])
        time.sleep(0.1)


def dripped_headers():
    yield from drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)


def dripped_body():
    yield JSON + b"Content-Length: 1000\r\n\r\n"
    yield from drip(b"1" * 1000)


def dripped_chunks():
    yield JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from drip(b"1\r\n7\r\n" * 1000)


def endless_body(status: bytes = b"200 OK"):
    yield b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield b"1" * 65536


def gzip_bomb():
    data = gzip.compress(b"1" * (MAX_BODY + 10_000_000), 1)
    size = str(len(data)).encode()
    yield JSON + b"Content-Encoding: gzip\r\nContent-Length: " + size + b"\r\n\r\n" + data


@pytest.fixture
def server():
    """Function that serves one kind of response to all requests; returns the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def answer(connection, blocks):
        with connection, suppress(OSError):
            connection.recv(65536)
            for block in blocks():
                connection.sendall(block)

    def serve(blocks):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection, blocks)))
            threads[-1].start()

    def start(blocks) -> str:
        threads.append(threading.Thread(target=serve, args=(blocks,)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(30)


@pytest.fixture
def connect(tmp_path):
    """Function that creates a session for a URL."""

    def make(url: str, **options) -> Session:
        endpoints = {f"{each}Endpoint": url for each in ("repo", "auth", "fileHandle")}
        options = {"retry": ONCE, "timeout": TIMEOUT, "silent": True} | options
        return Session(endpoints=endpoints, cache_root=str(tmp_path / "cache"), **options)

    return make


@pytest.mark.parametrize("blocks", [dripped_headers, dripped_body, dripped_chunks])
def test_dripped_response_ends_in_bounded_time(server, connect, blocks):
    started = time.monotonic()
    with connect(server(blocks)) as syn, pytest.raises(SynapseTimeoutError):
        syn.call("GET", "/x")
    assert time.monotonic() - started < 40


@pytest.mark.parametrize("blocks", [endless_body, gzip_bomb])
def test_endless_response_ends_with_a_clear_error(server, connect, blocks):
    with (
        connect(server(blocks), timeout=(5.0, 10.0)) as syn,
        pytest.raises(SynapseResponseError, match=r"GET /x: .*more than 64 MiB"),
    ):
        syn.call("GET", "/x")


def test_endless_error_response_is_truncated(server, connect):
    url = server(lambda: endless_body(b"404 Not Found"))
    with connect(url) as syn, pytest.raises(SynapseHTTPError) as caught:
        syn.call("GET", "/x")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("blocks", "error"),
    [(dripped_headers, SynapseTimeoutError), (endless_body, SynapseResponseError)],
)
def test_asynchronous_session_has_the_same_limits(server, blocks, error):
    url = server(blocks)

    async def call():
        timeout = TIMEOUT if blocks is dripped_headers else (5.0, 10.0)
        async with AsyncSession(Endpoints(url, url, url), retry=ONCE, timeout=timeout) as session:
            await session.call(Call("GET", "/x"))

    with pytest.raises(error):
        asyncio.run(call())


@pytest.mark.parametrize(
    ("properties", "blocks", "message"),
    [
        ({"contentSize": 10}, dripped_body, "No more data within the timeout"),
        ({"contentSize": 10, "contentMd5": "0" * 32}, endless_body, "more than the 10 bytes"),
    ],
)
def test_download_ends_in_bounded_time(
    server, connect, tmp_path, monkeypatch, properties, blocks, message
):
    url = server(blocks)
    policy = RetryPolicy(attempts=3, total=3, wait=0.1, max_wait=0.1)
    with connect(url, retry=policy) as syn:
        handle = {"id": "7", "fileName": "x", "concreteType": EXTERNAL_FILE_HANDLE} | properties
        result = {"requestedFiles": [{"fileHandle": handle, "preSignedURL": url}]}
        call = syn.call

        def answer(method, path, **options):
            return (
                Reply.of(result) if path == "/fileHandle/batch" else call(method, path, **options)
            )

        from synapse_workflows.client.core.flows import Reply

        monkeypatch.setattr(syn, "call", answer)
        started = time.monotonic()
        with pytest.raises(SynapseDownloadError, match=message):
            download.download_file(
                syn,
                file_handle=handle,
                associate_type="FileEntity",
                associate_id="syn1",
                directory=tmp_path / "here",
            )
    assert time.monotonic() - started < 40
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[1]", b'"text"', b"{}", b"", b"<html>", b"9" * 5000, b"null"],
)
def test_odd_response_is_an_error_of_the_client(server, connect, body):
    size = str(len(body)).encode()
    blocks = [JSON + b"Content-Length: " + size + b"\r\n\r\n" + body]
    with connect(server(lambda: blocks)) as syn, pytest.raises(SynapseError):
        login.login(syn, authToken="a-token", silent=True)


@pytest.mark.parametrize("target", [b"http://[::1", b"http://x:99999999/", b"http://" + b"a" * 70])
def test_redirect_to_an_invalid_url_is_an_error_of_the_client(server, connect, target):
    blocks = [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n"]
    with connect(server(lambda: blocks)) as syn, pytest.raises(SynapseError):
        syn.call("GET", "/x")
