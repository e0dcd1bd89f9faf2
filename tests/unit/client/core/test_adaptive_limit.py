"""Adaptive limit: parsed refusals, decrease, blocks, single tests, bursts, growth, end."""

from dataclasses import asdict, replace

import pytest

from synapse_workflows.client.core import adaptive_limit
from synapse_workflows.client.core.adaptive_limit import (
    BURST_SECONDS,
    FIRST_PAUSE,
    MAX_BLOCK_SECONDS,
    MAX_PAUSE,
    RECOVERY_SECONDS,
    AdaptiveLimit,
    Refusal,
)

RATE = Refusal.parse("Requests are too frequent. User 1 may send 600 every 60 seconds.")
CONCURRENCY = Refusal.parse("Too many concurrent requests. User 1 may have 3 at a time.")


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch):
    monkeypatch.setattr(adaptive_limit, "_random_factor", lambda: 1.0)


def delay(failures: int) -> float:
    return float(2**failures)


def refused(limit: AdaptiveLimit, refusal: Refusal, now: float, sent_at: float | None = None):
    return limit.after_refusal(refusal, now if sent_at is None else sent_at, now, delay)


@pytest.mark.parametrize(
    ("reason", "text", "is_route"),
    [
        (str(RATE), "600 requests in 60 seconds", False),
        ("User 1 may send 600 every 60 seconds", "600 requests in 60 seconds", False),
        (
            "Too many concurrent requests. User 1 may have 5 at a time",
            "5 requests at a time",
            False,
        ),
        ("Allowed 4 concurrent connections at any time.", "4 requests at a time", False),
        ("Requests are too frequent", "600 requests in 60 seconds", False),
        ("0 requests every 0 seconds", "600 requests in 60 seconds", False),
        ("", "600 requests in 60 seconds", False),
        (f"{'9' * 5000} every 60 seconds", "600 requests in 60 seconds", False),
        (f"Too many concurrent requests: {'9' * 5000} at a time", "3 requests at a time", False),
        (
            "Requests are too frequent for API call: /entity/#/column. 6 every 60 seconds.",
            "6 requests in 60 seconds",
            True,
        ),
        (
            "Please slow down.  You may send a maximum of 10 message(s) every 60 second(s)",
            "10 requests in 60 seconds",
            True,
        ),
    ],
)
def test_reason_of_a_refusal_is_parsed(reason, text, is_route):
    refusal = Refusal.parse(reason)
    assert (str(refusal), refusal.is_route) == (text, is_route)


def test_first_refusal_of_the_rate_starts_with_half_of_the_limit():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    assert (limit.rate, limit.description) == (5.0, "600 requests in 60 seconds")
    assert limit.next_start(100) == 102


def test_refusals_of_requests_in_flight_decrease_the_limit_once():
    first = refused(AdaptiveLimit(), RATE, now=100)
    assert refused(first, RATE, now=101, sent_at=99.5) == first


def test_consecutive_refusals_grow_the_delay_and_not_the_decrease():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    limit = refused(limit, RATE, now=102)
    limit = refused(limit, RATE, now=106)
    assert (limit.rate, limit.failures, limit.blocked_until) == (5.0, 3, 114)


def test_single_requests_test_the_limit_until_one_succeeds():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    limit = limit.reserve(102, limit.next_start(102))
    assert limit.next_start(102) == 104
    limit = limit.after_success(102, 102.5, waited=False)
    assert (limit.failures, limit.next_start(102.5)) == (0, 102.7)
    assert refused(limit, RATE, now=110).rate == 3.75


def test_success_of_an_earlier_request_does_not_end_a_block():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    assert limit.after_success(99, 101, waited=False) == limit


def test_requests_that_wait_increase_the_rate():
    limit = replace(AdaptiveLimit(), rate=5.0, first_rate=5.0)
    for _ in range(50):
        limit = limit.reserve(0, limit.next_start(0))
    assert 5.8 < limit.rate < 6.0
    idle = replace(AdaptiveLimit(), rate=5.0, first_rate=5.0)
    assert idle.reserve(10, idle.next_start(10)).rate == 5.0


def test_retry_after_blocks_all_requests_of_either_kind():
    # Machines do not come back at the same time.
    for refusal, spread in ((RATE, delay(1)), (CONCURRENCY, FIRST_PAUSE)):
        limit = refused(AdaptiveLimit(), replace(refusal, retry_after=30), now=100)
        assert limit.next_start(101) == 130 + spread
        later = refused(limit, replace(refusal, retry_after=40), now=101, sent_at=99)
        assert later.next_start(101) >= 141
        assert later.generation > limit.generation


def test_retry_after_is_bounded():
    limit = refused(AdaptiveLimit(), replace(RATE, retry_after=1e9), now=100)
    assert limit.next_start(100) == 100 + MAX_BLOCK_SECONDS + delay(1)


def test_concurrency_decreases_and_grows():
    limit = refused(AdaptiveLimit(), CONCURRENCY, now=100)
    assert (limit.concurrency, limit.next_start(100)) == (1, 100 + FIRST_PAUSE)
    for _ in range(100):
        limit = limit.after_success(101, 101, waited=True)
    assert limit.pause == 0
    assert 3 <= limit.concurrency < 4
    assert limit.after_success(101, 101, waited=False) == limit
    limit = refused(replace(limit, concurrency=4.0), CONCURRENCY, now=102)
    assert (limit.concurrency, limit.ceiling) == (3.0, 4.0)


def test_process_with_several_requests_sends_fewer_at_a_time_without_a_pause():
    limit = AdaptiveLimit().after_refusal(CONCURRENCY, 100, 100, delay, is_single=False)
    assert (limit.concurrency, limit.pause, limit.next_start(100)) == (2, 0, 100)


def test_refusals_at_one_request_at_a_time_double_the_pause():
    limit = replace(AdaptiveLimit(), concurrency=1.2, refused_at=100)
    pauses = []
    for now in range(101, 105):
        limit = refused(limit, CONCURRENCY, now=now)
        pauses.append(limit.next_start(now) - now)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, MAX_PAUSE]
    assert limit.concurrency == 1.2


def test_requests_of_a_burst_follow_each_other():
    limit = refused(AdaptiveLimit(), CONCURRENCY, now=100)
    start = limit.next_start(100)
    limit = limit.reserve(start, start)
    inside = start + BURST_SECONDS - 0.1
    assert limit.next_start(inside) == inside
    end = start + BURST_SECONDS
    assert limit.next_start(end) == end + FIRST_PAUSE
    assert limit.next_start(end + 60) == end + 60


def test_rate_delays_the_next_burst_only():
    limit = replace(AdaptiveLimit(), rate=0.5, first_rate=5.0, pause=1.0, concurrency=1.0)
    for now in (100, 101, 102, 103):
        assert limit.next_start(now) == now
        limit = limit.reserve(now, now)
    assert limit.next_start(106) > 106


def test_accepted_requests_shorten_the_pause():
    limit = refused(AdaptiveLimit(), CONCURRENCY, now=100)
    accepted = limit.after_success(105, 105, waited=False)
    assert accepted.pause < limit.pause


def test_fields_of_a_file_are_validated():
    limit = refused(refused(AdaptiveLimit(), CONCURRENCY, now=100), RATE, now=101)
    assert AdaptiveLimit.parse(asdict(limit)) == limit
    for name, value in (
        *((name, "text") for name in asdict(limit) if name != "description"),
        *((name, float("nan")) for name in asdict(limit)),
        *((name, None) for name in asdict(limit) if name not in {"rate", "concurrency"}),
        ("rate", 0),
        ("first_rate", 0),
        ("concurrency", 0.5),
        ("pause", 1e9),
        ("pause", -1),
        ("unknown", 1),
    ):
        with pytest.raises((TypeError, ValueError)):
            AdaptiveLimit.parse({**asdict(limit), name: value})


def test_limit_ends_without_refusals():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    assert limit.is_valid(100 + RECOVERY_SECONDS)
    assert not limit.is_valid(101 + RECOVERY_SECONDS)


def test_limit_lasts_as_long_as_a_block():
    limit = refused(AdaptiveLimit(), replace(RATE, retry_after=500), now=100)
    assert limit.is_valid(599)
    assert not limit.is_valid(601)


def test_times_of_another_clock_are_invalid():
    limit = refused(AdaptiveLimit(), RATE, now=1_000_000)
    assert not limit.is_valid(50)
    for name in ("blocked_until", "next_at", "burst_end"):
        assert not replace(limit, refused_at=0.0, **{name: 1e9}).is_valid(50)
