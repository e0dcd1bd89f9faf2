"""`requests` talks to an ASGI application in this process: streams both ways, many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
import requests

from synapse_workflows.local import asgi_adapter

URL = "http://synapse.local"


async def echo(scope, receive, send):
    """Answer with what was asked: method, path, query and the length of every piece."""
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = [
        (
            b"x-asked",
            f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}".encode(),
        ),
        (b"x-length", dict(scope["headers"]).get(b"content-length", b"none")),
        (b"x-pieces", str(len([piece for piece in pieces if piece])).encode()),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


@pytest.fixture
def talk():
    opened = []

    def open_session(app):
        opened.append(asgi_adapter.create_session(app))
        return opened[-1]

    yield open_session
    for each in opened:
        each.close()


@pytest.mark.parametrize(
    "body",
    [b"hello", "hello", BytesIO(b"hello"), iter([b"he", b"llo"])],
    ids=["bytes", "text", "file", "iterator"],
)
def test_a_body_of_every_kind_arrives(talk, body):
    response = talk(echo).put(f"{URL}/a%20b?q=1&r=%2F", data=body)
    assert response.status_code == 201
    assert response.reason == "Created"
    assert response.headers["x-asked"] == "PUT /a b?q=1&r=%2F"
    assert response.content == b"hello!"


def test_an_empty_body_is_one_empty_message(talk):
    assert talk(echo).get(URL).content == b"!"


def test_a_file_is_sent_in_pieces(talk):
    response = talk(echo).put(URL, data=BytesIO(bytes(200_000)))
    assert response.headers["x-length"] == "200000"
    assert int(response.headers["x-pieces"]) > 2
    assert len(response.content) == 200_001


def test_a_download_is_produced_as_it_is_read(talk):
    produced = []

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            produced.append(1)
            await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})

    with talk(endless).get(URL, stream=True) as response:
        pieces = response.iter_content(1000)
        assert len(next(pieces)) == 1000
        assert len(next(pieces)) == 1000
    assert len(produced) < 10


def test_many_threads_share_one_session(talk):
    session = talk(echo)
    together = threading.Barrier(8, timeout=10)

    async def wait_for_all(scope, receive, send):
        await asgi_adapter.to_thread.run_sync(together.wait)
        await echo(scope, receive, send)

    session.mount("http://all.local", asgi_adapter.ASGIAdapter(wait_for_all))
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda i: session.post("http://all.local", data=str(i)).content, range(8)
        )
    assert list(answers) == [b"%d!" % i for i in range(8)]


def test_the_callers_own_error_while_uploading_comes_back_unchanged(talk):
    def broken():
        yield b"half"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        talk(echo).put(URL, data=broken())


def test_an_application_that_fails_is_a_connection_error(talk):
    async def failing(scope, receive, send):
        raise KeyError("oops")

    with pytest.raises(requests.ConnectionError) as caught:
        talk(failing).get(URL)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_answer_that_breaks_off_is_noticed(talk):
    async def failing(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("oops")

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        talk(failing).get(URL)


def test_an_answer_shorter_than_announced_is_noticed(talk):
    async def short(scope, receive, send):
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half"})

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        talk(short).get(URL)


def test_the_read_timeout_is_kept(talk):
    async def silent(scope, receive, send):
        await receive()
        await receive()

    with pytest.raises(requests.ReadTimeout):
        talk(silent).get(URL, timeout=(1, 0.05))


def test_closing_ends_the_event_loop_even_under_an_unread_answer():
    before = set(threading.enumerate())  # other services of this test run
    session = asgi_adapter.create_session(echo)
    response = session.get(URL, data=b"x", stream=True)
    assert set(threading.enumerate()) - before
    session.close()
    response.close()
    ours = set(threading.enumerate()) - before
    assert not [t for t in ours if "portal" in t.name.lower()]


def test_a_closed_session_opens_again(talk):
    session = talk(echo)
    session.get(URL)
    session.close()
    assert session.get(URL).status_code == 201
