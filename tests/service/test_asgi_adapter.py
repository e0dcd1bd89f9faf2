"""Tests of the ASGI adapter of `requests`: streaming, errors, threads, closing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
import requests

from synapse_workflows.local import asgi_adapter

URL = "http://synapse.local"


async def echo(scope, receive, send):
    """Return the body of the request, and facts about the request in headers."""
    chunks, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = [
        (
            b"x-request",
            f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}".encode(),
        ),
        (b"x-length", dict(scope["headers"]).get(b"content-length", b"none")),
        (b"x-chunks", str(len([chunk for chunk in chunks if chunk])).encode()),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"".join(chunks), "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


@pytest.fixture
def create_session():
    sessions = []

    def create(app):
        sessions.append(asgi_adapter.create_session(app))
        return sessions[-1]

    yield create
    for session in sessions:
        session.close()


@pytest.mark.parametrize(
    "body",
    [b"hello", "hello", BytesIO(b"hello"), iter([b"he", b"llo"])],
    ids=["bytes", "text", "file", "iterator"],
)
def test_body_of_any_type_is_sent(create_session, body):
    response = create_session(echo).put(f"{URL}/a%20b?q=1&r=%2F", data=body)
    assert response.status_code == 201
    assert response.reason == "Created"
    assert response.headers["x-request"] == "PUT /a b?q=1&r=%2F"
    assert response.content == b"hello!"


def test_request_without_body_sends_one_empty_message(create_session):
    assert create_session(echo).get(URL).content == b"!"


def test_file_is_sent_in_chunks(create_session):
    response = create_session(echo).put(URL, data=BytesIO(bytes(200_000)))
    assert response.headers["x-length"] == "200000"
    assert int(response.headers["x-chunks"]) > 2
    assert len(response.content) == 200_001


def test_response_is_produced_while_it_is_read(create_session):
    produced = []

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            produced.append(1)
            await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})

    with create_session(endless).get(URL, stream=True) as response:
        chunks = response.iter_content(1000)
        assert len(next(chunks)) == 1000
        assert len(next(chunks)) == 1000
    assert len(produced) < 10


def test_threads_can_share_a_session(create_session):
    session = create_session(echo)
    barrier = threading.Barrier(8, timeout=60)

    async def wait_for_all(scope, receive, send):
        await asgi_adapter.to_thread.run_sync(barrier.wait)
        await echo(scope, receive, send)

    session.mount("http://all.local", asgi_adapter.ASGIAdapter(wait_for_all))
    with ThreadPoolExecutor(8) as pool:
        bodies = pool.map(
            lambda i: session.post("http://all.local", data=str(i)).content, range(8)
        )
    assert list(bodies) == [b"%d!" % i for i in range(8)]


def test_error_of_the_request_body_is_raised_unchanged(create_session):
    def broken():
        yield b"half"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        create_session(echo).put(URL, data=broken())


def test_application_error_before_the_response_raises_connection_error(create_session):
    async def failing(scope, receive, send):
        raise KeyError("oops")

    with pytest.raises(requests.ConnectionError) as caught:
        create_session(failing).get(URL)
    assert isinstance(caught.value.__cause__, KeyError)


def test_application_error_during_the_response_raises_chunked_encoding_error(create_session):
    async def failing(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("oops")

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        create_session(failing).get(URL)


def test_response_shorter_than_its_content_length_raises_chunked_encoding_error(create_session):
    async def short(scope, receive, send):
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half"})

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        create_session(short).get(URL)


def test_response_that_does_not_start_raises_read_timeout(create_session):
    async def silent(scope, receive, send):
        await receive()
        await receive()

    with pytest.raises(requests.ReadTimeout):
        create_session(silent).get(URL, timeout=(1, 0.05))


def test_close_stops_the_event_loop_with_an_unread_response():
    before = set(threading.enumerate())  # threads of other services
    session = asgi_adapter.create_session(echo)
    response = session.get(URL, data=b"x", stream=True)
    assert set(threading.enumerate()) - before
    session.close()
    response.close()
    remaining = set(threading.enumerate()) - before
    assert not [t for t in remaining if "portal" in t.name.lower()]


def test_closed_session_can_be_used_again(create_session):
    session = create_session(echo)
    session.get(URL)
    session.close()
    assert session.get(URL).status_code == 201
