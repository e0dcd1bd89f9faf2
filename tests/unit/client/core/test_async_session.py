"""Asynchronous session: flows, credentials, retries and errors."""

import asyncio
import logging
import ssl

import httpx2
import pytest

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.flows import Call, Pause
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConnectionError,
    SynapseError,
    SynapseNotFoundError,
    SynapseServerError,
    SynapseTimeoutError,
)

REPO = "https://repo.example.org/repo/v1"
AT = Endpoints(REPO, REPO.replace("repo/v1", "auth/v1"), REPO.replace("repo/v1", "file/v1"))
QUICK = RetryPolicy(attempts=3, total=5, wait=0.001, max_wait=0.002)
TOKEN = Token("secret-token-of-alice", "alice")


class Responses:
    """Transport that returns or raises the next of some responses and exceptions."""

    def __init__(self, *responses):
        self.queue = list(responses)
        self.requests = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.queue.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def headers(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.requests]


def run(flow, responses: Responses, credentials: Token | None = TOKEN, retry: RetryPolicy = QUICK):
    """Run one flow with these responses."""

    async def go():
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(responses)) as client:
            session = AsyncSession(AT, credentials, client=client, retry=retry)
            return await session.run(flow)

    return asyncio.run(go())


def get(path: str = "/x", method: str = "GET"):
    reply = yield from flows.send(Call(method, path, body={"a": 1} if method == "POST" else None))
    return reply.value


def response(status: int = 200, **settings) -> httpx2.Response:
    return httpx2.Response(status, **settings)


def test_async_session_runs_a_paged_flow():
    responses = Responses(
        response(json={"results": [1, 2]}),
        response(json={"results": [3]}),
        response(json={"results": []}),
    )
    call = flows.with_offset(Call("GET", "/teams", params={"fragment": "a b"}))
    assert run(flows.collect_items(call), responses) == [1, 2, 3]
    assert [str(request.url) for request in responses.requests] == [
        f"{REPO}/teams?fragment=a+b&limit=20&offset={offset}" for offset in (0, 2, 3)
    ]
    assert responses.headers("Authorization") == ["Bearer secret-token-of-alice"] * 3
    assert responses.headers("Accept") == ["application/json; charset=UTF-8"] * 3


def test_pause_does_not_block_the_event_loop():
    def waiting():
        yield Pause(0.01)
        return "done"

    async def go():
        order = []
        async with AsyncSession(AT) as session:

            async def other():
                order.append("other")

            task = asyncio.create_task(other())
            order.append(await session.run(waiting()))
            await task
        return order

    assert asyncio.run(go()) == ["other", "done"]


@pytest.mark.parametrize(
    "fault",
    [
        response(503),
        response(429, headers={"Retry-After": "0"}),
        response(502),
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.RemoteProtocolError("cut"),
        httpx2.ReadTimeout("slow"),
        httpx2.PoolTimeout("busy"),
    ],
    ids=repr,
)
def test_get_is_retried(fault):
    assert run(get(), Responses(fault, response(json=5))) == 5


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (response(502), SynapseServerError),
        (httpx2.ReadError("reset"), SynapseConnectionError),
        (httpx2.ReadTimeout("slow"), SynapseTimeoutError),
    ],
    ids=repr,
)
def test_post_is_not_retried_after_an_uncertain_failure(fault, error):
    responses = Responses(fault)
    with pytest.raises(error, match="POST /x"):
        run(get(method="POST"), responses)
    assert len(responses.requests) == 1


def test_post_is_retried_after_a_503():
    responses = Responses(
        response(503), httpx2.ConnectTimeout("no"), response(201, json={"id": "syn1"})
    )
    assert run(get(method="POST"), responses) == {"id": "syn1"}
    assert [request.content for request in responses.requests] == [b'{"a": 1}'] * 3


def test_retries_end_after_the_maximum_number_of_attempts():
    responses = Responses(*[response(503, json={"reason": "down"}) for _ in range(3)])
    with pytest.raises(SynapseServerError, match="503 GET /x: down"):
        run(get(), responses)


def test_untrusted_certificate_is_not_retried():
    failed = httpx2.ConnectError("certificate verify failed")
    failed.__cause__ = ssl.SSLCertVerificationError("certificate verify failed")
    responses = Responses(failed)
    with pytest.raises(SynapseConnectionError, match="certificate of the server is not trusted"):
        run(get(), responses)
    assert len(responses.requests) == 1


def test_delete_succeeds_if_a_retry_finds_nothing():
    responses = Responses(httpx2.ReadError("cut"), response(404, json={"reason": "gone"}))
    assert run(get(method="DELETE"), responses) == ""


def test_errors_are_raised_in_the_flow():
    def existing():
        try:
            yield from flows.send(Call("GET", "/entity/syn1"))
        except SynapseNotFoundError as missing:
            return missing.reason
        return None

    assert run(existing(), Responses(response(404, json={"reason": "none"}))) == "none"


def test_anonymous_request_raises_authentication_error():
    with pytest.raises(SynapseAuthenticationError, match="You are not logged in"):
        run(get(), Responses(response(403, json={"reason": "no"})), credentials=None)


def test_credentials_are_not_sent_to_other_hosts():
    responses = Responses(
        response(302, headers={"Location": "https://elsewhere.example.net/"}),
        response(302, headers={"Location": f"{REPO}/y"}),
        response(json=1),
    )
    assert run(get(), responses) == 1
    assert responses.headers("Authorization")[1] is None
    other = Responses(response(text="hi"))
    assert run(get("https://elsewhere.example.net/"), other) == "hi"
    assert other.headers("Authorization") == [None]


def test_token_is_not_logged(caplog):
    echo = {"reason": f"bad token {TOKEN.secret}"}
    with caplog.at_level(logging.DEBUG), pytest.raises(SynapseError) as caught:
        run(get(), Responses(*[response(503, json=echo) for _ in range(3)]))
    assert TOKEN.secret not in str(caught.value) + caplog.text
    assert "retrying in" in caplog.text


def test_async_session_copies_the_settings_of_a_session(syn):
    responses = Responses(response(json=1))

    async def go():
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(responses)) as client:
            session = AsyncSession.of(syn, client)
            assert session.retry == syn.retry
            return await session.run(get())

    assert asyncio.run(go()) == 1
    assert str(responses.requests[0].url) == f"{REPO}/x"
    assert responses.headers("Authorization") == ["Bearer secret-token-of-alice"]


def test_async_session_with_asgi_transport():
    async def app(scope, receive, send):
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'"%s"' % scope["path"].encode()})

    async def go():
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client:
            return await AsyncSession(AT, client=client).run(get("/entity/syn1"))

    assert asyncio.run(go()) == "/repo/v1/entity/syn1"


def test_async_session_over_a_socket(faulty_server):
    body = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n42"
    repo, received = faulty_server(
        lambda connection: connection.close(), lambda connection: connection.sendall(body)
    )

    async def go():
        async with AsyncSession(Endpoints(repo, repo, repo), TOKEN, retry=QUICK) as session:
            return await session.run(get())

    assert asyncio.run(go()) == 42
    assert b"user-agent: synapse-workflows/" in received[0].lower()


@pytest.fixture
def library_logger():
    """Logger of httpx2 with its default level."""
    logger = logging.getLogger("httpx2")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield logger
    logger.setLevel(before)


def test_requests_are_not_logged_by_default(caplog, library_logger):
    with caplog.at_level(logging.INFO):
        assert run(get(), Responses(response(json=[]))) == []
    assert library_logger.getEffectiveLevel() == logging.WARNING
    assert caplog.messages == []


def test_requests_are_logged_if_the_level_is_set(caplog, library_logger):
    with caplog.at_level(logging.INFO, logger="httpx2"):
        run(get(), Responses(response(json=[])))
    assert any("HTTP Request: GET" in message for message in caplog.messages)
