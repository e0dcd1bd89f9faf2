"""Request limiter: what processes of a machine share, waits, deadlines, damaged files, kills."""

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest
from filelock import FileLock

from synapse_workflows.client.core import adaptive_limit, interruption, request_limiter
from synapse_workflows.client.core.async_session import AsyncSession
from synapse_workflows.client.core.cache_lock import PRIVATE_NAME
from synapse_workflows.client.core.credentials import ApiKey, Password, SessionToken, Token
from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.request_limiter import RequestLimiter, route_of, run_blocking
from synapse_workflows.client.core.retry import Outcome, RetryPolicy, RetryState
from synapse_workflows.client.errors import SynapseTooManyRequestsError

REPO = "https://repo.example.org/repo/v1"
TOKEN = Token("secret-token-of-alice", "alice")
FREQUENT = "Requests are too frequent. User 1 may send 100 every 1 seconds."
CONCURRENT = "Too many concurrent requests. User 1 may have 2 at a time."
MESSAGES = "You may send a maximum of 10 message(s) every 60 second(s)"
POLICY = RetryPolicy(attempts=1, total=20, wait=0.2, jitter=0)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(adaptive_limit, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(adaptive_limit, "MAX_PAUSE", 0.02)


@pytest.fixture
def limiter(tmp_path):
    return RequestLimiter(str(tmp_path), REPO, TOKEN)


def files(root: Path, suffix: str = ".json") -> list[Path]:
    return sorted((root / PRIVATE_NAME / "limits").glob(f"*{suffix}"))


def refusal(reason: str, retry_after: float | None = None) -> Outcome:
    return Outcome(Reply(429), reason=reason, retry_after=retry_after)


def send(
    limiter, outcome=None, *, call=None, policy=POLICY, sleep=time.sleep, log=None
) -> Outcome:
    """Send one request that has this outcome."""
    state = RetryState(call or Call("GET", "/entity/syn1"), policy, log or (lambda *_: None))
    answer = outcome if callable(outcome) else lambda: outcome or Outcome(Reply(200))
    return run_blocking(limiter.attempt(state), answer, sleep)


def waits_of(limiter, **options) -> float:
    """Return the seconds that a successful request waited."""
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    assert send(limiter, sleep=sleep, **options).status == 200
    return sum(waited)


def test_requests_of_an_unlimited_account_leave_no_files(limiter, tmp_path):
    assert waits_of(limiter) == 0
    assert not any(tmp_path.iterdir())


def test_retry_after_of_one_request_delays_those_of_other_clients(limiter, tmp_path):
    since = time.monotonic()
    assert send(limiter, refusal(FREQUENT, retry_after=0.3)).status == 429
    assert waits_of(RequestLimiter(str(tmp_path), REPO, TOKEN)) < 1
    assert time.monotonic() - since > 0.25


def test_other_accounts_endpoints_and_caches_have_limits_of_their_own(limiter, tmp_path):
    send(limiter, refusal(FREQUENT, retry_after=5))
    for root, repo, credentials in (
        (tmp_path, REPO, Token("secret-token-of-bob")),
        (tmp_path, REPO, SessionToken("session")),
        (tmp_path, REPO, ApiKey("YWxpY2U=", "alice")),
        (tmp_path, "https://other.example.org/repo/v1", TOKEN),
        (tmp_path / "other", REPO, TOKEN),
    ):
        assert waits_of(RequestLimiter(str(root), repo, credentials)) == 0


def test_tokens_of_one_account_share_a_limit():
    tokens = [Token(f"e30.eyJzdWIiOiAiNDIifQ.signature-{n}") for n in range(2)]
    other = Token("e30.eyJzdWIiOiAiNDMifQ.signature-0")
    digests = [each.account_digest for each in (*tokens, other)]
    assert digests[0] == digests[1] != digests[2]


def test_digest_of_a_password_depends_on_the_user_name():
    digests = {Password(secret, "alice").account_digest for secret in ("secret-1", "secret-2")}
    assert len(digests) == 1


def test_files_contain_no_secret(limiter, tmp_path):
    send(limiter, refusal(f"{FREQUENT} {TOKEN.secret}"))
    found = list((tmp_path / PRIVATE_NAME).rglob("*"))
    assert not any(TOKEN.secret in str(path) for path in found)
    assert not any(TOKEN.secret in path.read_text() for path in found if path.is_file())


def test_limit_of_a_route_does_not_delay_other_routes(limiter):
    message = Call("POST", "/message")
    since = time.monotonic()
    send(limiter, refusal(MESSAGES, retry_after=0.3), call=message)
    assert waits_of(limiter) == 0
    assert waits_of(limiter, call=message) < 1
    assert time.monotonic() - since > 0.25


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/entity/syn12/column?limit=5", "GET /entity/#/column"),
        ("/entity/syn12/version/3", "GET /entity/#/version/#"),
        ("/message", "GET /message"),
    ],
)
def test_route_has_no_ids(path, route):
    assert route_of(Call("GET", path)) == route


def test_request_that_waits_longer_than_its_retries_is_not_sent(limiter):
    send(limiter, refusal(FREQUENT, retry_after=60))
    outcome = send(limiter, lambda: pytest.fail("sent"))
    assert outcome.status == 429
    assert "100 requests in 1 seconds" in outcome.reason
    assert 55 < outcome.retry_after <= 61


def test_wait_is_logged_with_its_reason(limiter):
    send(limiter, refusal(FREQUENT, retry_after=12))
    lines = []

    def stop(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        send(limiter, sleep=stop, log=lambda *line: lines.append(line))
    reason = "GET /entity/syn1: Synapse limits this account to 100 requests in 1 seconds"
    assert lines == [(logging.WARNING, f"{reason}; waiting 12.2 s")]


def test_interruption_ends_a_wait(limiter):
    send(limiter, refusal(FREQUENT, retry_after=15))
    ends = []

    def register(end):
        ends.append(end)
        return threading.Lock()

    def interrupt() -> None:
        while not ends:
            time.sleep(0.01)
        ends[0]()

    threading.Thread(target=interrupt, daemon=True).start()
    with interruption.interruptible(register), pytest.raises(InterruptedError):
        send(limiter, sleep=interruption.sleep)


def test_success_ends_the_tests_of_the_limit(limiter, tmp_path):
    since = time.monotonic()
    send(limiter, refusal(FREQUENT))
    assert waits_of(limiter) < 1
    assert time.monotonic() - since > 0.1
    (limit,) = json.loads(files(tmp_path)[0].read_text()).values()
    assert (limit["failures"], limit["rate"]) == (0, 50.0)
    assert waits_of(limiter) < 0.1


def test_paced_requests_keep_their_distance(limiter):
    send(limiter, refusal(FREQUENT))
    waits_of(limiter)
    since = time.monotonic()
    for _ in range(10):
        waits_of(limiter)
    assert time.monotonic() - since > 9 * 0.015


def test_concurrent_requests_are_limited(limiter):
    send(limiter, refusal(CONCURRENT))  # one request at a time
    running, most = [], []

    def answer() -> Outcome:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return Outcome(Reply(200))

    threads = [threading.Thread(target=send, args=(limiter, answer)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (5, 1)


def test_failed_request_releases_its_slot(limiter):
    send(limiter, refusal(CONCURRENT))

    def fail() -> Outcome:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        send(limiter, fail)
    assert waits_of(limiter) < 0.1


def hold_slot(limiter, pipe) -> None:
    def answer() -> Outcome:
        pipe.send("running")
        time.sleep(60)
        return Outcome(Reply(200))

    send(limiter, answer)


def test_killed_process_releases_its_slot(limiter):
    send(limiter, refusal(CONCURRENT))
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=hold_slot, args=(limiter, there))
    process.start()
    here.recv()

    def sleep(seconds: float) -> None:
        os.kill(process.pid, signal.SIGKILL)
        time.sleep(seconds)

    waited = []
    assert send(limiter, sleep=lambda s: (waited.append(s), sleep(s))).status == 200
    assert waited
    process.join()


def test_slot_that_is_never_released_does_not_stop_requests(limiter, tmp_path, monkeypatch):
    monkeypatch.setattr(request_limiter, "_SLOT_SECONDS", 0.2)
    send(limiter, refusal(CONCURRENT))
    path = files(tmp_path)[0].with_suffix(".0.lock")
    since = time.monotonic()
    with FileLock(path, thread_local=False):
        assert waits_of(limiter) < 5
    assert time.monotonic() - since > 0.2


def test_file_lock_of_a_stopped_process_is_ignored(limiter, tmp_path, monkeypatch):
    monkeypatch.setattr(request_limiter, "_LOCK_SECONDS", 0.1)
    send(limiter, refusal(FREQUENT))
    since = time.monotonic()
    with FileLock(files(tmp_path)[0].with_suffix(".lock"), thread_local=False):
        assert waits_of(limiter) < 5
        assert time.monotonic() - since > 0.1
        assert waits_of(limiter) < 0.1


def test_request_without_a_slot_before_its_deadline_is_not_sent(limiter, tmp_path):
    send(limiter, refusal(CONCURRENT))
    policy = RetryPolicy(attempts=1, total=0.3)
    with FileLock(files(tmp_path)[0].with_suffix(".0.lock"), thread_local=False):
        outcome = send(limiter, lambda: pytest.fail("sent"), policy=policy)
    assert outcome.status == 429
    assert "2 requests at a time" in outcome.reason


def test_refusal_delays_requests_that_wait_for_a_slot(limiter, tmp_path, monkeypatch):
    send(limiter, refusal(CONCURRENT))
    monkeypatch.setattr(adaptive_limit, "FIRST_PAUSE", 0.6)
    monkeypatch.setattr(adaptive_limit, "MAX_PAUSE", 0.6)
    lock = FileLock(files(tmp_path)[0].with_suffix(".0.lock"), thread_local=False)
    lock.acquire()
    refused_at = []

    def sleep(seconds: float) -> None:
        if not refused_at:
            refused_at.append(time.monotonic())
            refuse_while_running(limiter)
            lock.release()
        time.sleep(seconds)

    def answer() -> Outcome:
        assert time.monotonic() - refused_at[0] > 0.25
        return Outcome(Reply(200))

    assert send(limiter, answer, sleep=sleep).status == 200


def refuse_while_running(limiter) -> None:
    """Record the refusal of a request that was sent without a slot."""
    state = RetryState(Call("GET", "/entity/syn1"), POLICY, lambda *_: None)
    admission = request_limiter._Admission()
    for _ in limiter._record_refusal(state, refusal(CONCURRENT), admission):
        time.sleep(0.001)


def test_all_requests_wait_for_the_end_of_a_pause(limiter, monkeypatch):
    monkeypatch.setattr(adaptive_limit, "FIRST_PAUSE", 0.6)
    monkeypatch.setattr(adaptive_limit, "MAX_PAUSE", 0.6)
    since, delays = time.monotonic(), []
    send(limiter, refusal(CONCURRENT))

    def answer() -> Outcome:
        delays.append(time.monotonic() - since)
        return Outcome(Reply(200))

    threads = [threading.Thread(target=send, args=(limiter, answer)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(delays) == 3
    assert min(delays) > 0.25


def test_refusal_of_one_of_several_requests_does_not_stop_the_others(limiter, monkeypatch):
    monkeypatch.setattr(adaptive_limit, "FIRST_PAUSE", 60)
    running, refused = threading.Event(), threading.Event()

    def answer() -> Outcome:
        running.set()
        assert refused.wait(60)
        return Outcome(Reply(200))

    thread = threading.Thread(target=send, args=(limiter, answer))
    thread.start()
    assert running.wait(60)
    assert not send(limiter, refusal(CONCURRENT)).is_planned
    refused.set()
    thread.join()
    assert waits_of(limiter) < 1


def test_refusal_of_another_server_is_no_limit_of_synapse(make, http, tmp_path):
    target = "https://storage.example.org/file"
    http.get(f"{REPO}/x", status=307, headers={"Location": target})
    http.get(target, status=429, headers={"Retry-After": "30"})
    syn = make("token-of-alice", cache_root_dir=str(tmp_path))
    with pytest.raises(SynapseTooManyRequestsError):
        syn.restGET("/x")

    async def get() -> None:
        def answer(request: httpx2.Request) -> httpx2.Response:
            is_storage = request.url.host == "storage.example.org"
            return httpx2.Response(429 if is_storage else 307, headers={"Location": target})

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            endpoints = Endpoints(REPO, REPO, REPO)
            session = AsyncSession(
                endpoints, TOKEN, client=client, retry=POLICY, limiter_root=str(tmp_path)
            )
            await session.call(Call("GET", "/x"))

    with pytest.raises(SynapseTooManyRequestsError):
        asyncio.run(get())
    assert not files(tmp_path)


def test_attempt_after_a_refusal_has_the_delay_of_the_limiter_only(limiter):
    outcome = send(limiter, refusal(CONCURRENT))
    assert outcome.is_planned
    assert 0 < waits_of(limiter) < 0.1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"all": 1}', '{"all": {"unknown": 1}}', "[" * 100_000]
)
def test_damaged_file_is_no_limit(limiter, tmp_path, content):
    send(limiter, refusal(FREQUENT, retry_after=10))
    files(tmp_path)[0].write_text(content)
    assert waits_of(limiter) == 0
    assert not files(tmp_path)


def test_directory_that_cannot_be_created_is_no_limit(tmp_path):
    (tmp_path / "file").write_text("")
    limiter = RequestLimiter(str(tmp_path / "file"), REPO, TOKEN)
    send(limiter, refusal(FREQUENT, retry_after=10))
    assert waits_of(limiter) == 0


def test_unused_files_are_deleted(limiter, tmp_path):
    send(limiter, refusal(FREQUENT))
    old = files(tmp_path)[0].with_name("old.json")
    old.write_text("{}")
    os.utime(old, (0, 0))
    send(RequestLimiter(str(tmp_path), REPO, Token("secret-token-of-bob")), refusal(FREQUENT))
    assert not old.exists()


def test_limiter_can_be_switched_off(make, http, tmp_path):
    http.get(f"{REPO}/x", status=429, json={"reason": FREQUENT})
    for limited in (False, True):
        syn = make("token-of-alice", limit_requests=limited, cache_root_dir=str(tmp_path / "c"))
        with pytest.raises(SynapseTooManyRequestsError):
            syn.restGET("/x")
        assert bool(files(tmp_path / "c")) is limited


def test_async_session_shares_the_limit(limiter, tmp_path):
    async def get(root: str | None) -> float:
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={}))
        async with httpx2.AsyncClient(transport=transport) as client:
            endpoints = Endpoints(REPO, REPO, REPO)
            session = AsyncSession(endpoints, TOKEN, client=client, limiter_root=root)
            since = time.monotonic()
            await session.call(Call("GET", "/entity/syn1"))
            return time.monotonic() - since

    since = time.monotonic()
    send(limiter, refusal(FREQUENT, retry_after=0.3))
    assert asyncio.run(get(str(tmp_path))) < 10
    assert time.monotonic() - since > 0.25
    send(limiter, refusal(FREQUENT, retry_after=60))
    assert asyncio.run(get(None)) < 30


def test_cancelled_task_releases_its_slot(limiter, tmp_path):
    send(limiter, refusal(CONCURRENT))

    async def answer(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return httpx2.Response(200)

    async def cancel() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            session = AsyncSession(
                Endpoints(REPO, REPO, REPO), TOKEN, client=client, limiter_root=str(tmp_path)
            )
            task = asyncio.create_task(session.call(Call("GET", "/entity/syn1")))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    assert waits_of(limiter) < 0.1
