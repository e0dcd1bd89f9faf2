"""Adaptive limit: parsed refusals, decrease, blocks, single tests of the limit, growth, end."""

from dataclasses import replace

import pytest

from synapse_workflows.client.core.adaptive_limit import (
    MAX_BLOCK_SECONDS,
    RECOVERY_SECONDS,
    AdaptiveLimit,
    Refusal,
)

RATE = Refusal.parse("Requests are too frequent. User 1 may send 600 every 60 seconds.")
CONCURRENCY = Refusal.parse("Too many concurrent requests. User 1 may have 3 at a time.")


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
    for refusal in (RATE, CONCURRENCY):
        limit = refused(AdaptiveLimit(), replace(refusal, retry_after=30), now=100)
        assert limit.next_start(101) == 130
        later = refused(limit, replace(refusal, retry_after=40), now=101, sent_at=99)
        assert later.next_start(101) == 141
        assert later.generation > limit.generation


def test_retry_after_is_bounded():
    limit = refused(AdaptiveLimit(), replace(RATE, retry_after=1e9), now=100)
    assert limit.next_start(100) == 100 + MAX_BLOCK_SECONDS


def test_concurrency_decreases_and_grows():
    limit = refused(AdaptiveLimit(), CONCURRENCY, now=100)
    assert (limit.concurrency, limit.next_start(100)) == (2, 100)
    for _ in range(100):
        limit = limit.after_success(101, 101, waited=True)
    assert 3 <= limit.concurrency < 4
    assert limit.after_success(101, 101, waited=False) == limit
    limit = refused(replace(limit, concurrency=4.0), CONCURRENCY, now=102)
    assert (limit.concurrency, limit.ceiling) == (3.0, 4.0)


def test_refusal_at_one_request_at_a_time_delays_the_next_request():
    limit = replace(AdaptiveLimit(), concurrency=1.2, refused_at=100)
    limit = refused(limit, CONCURRENCY, now=101)
    assert (limit.concurrency, limit.next_start(101)) == (1.2, 103)


def test_limit_ends_without_refusals():
    limit = refused(AdaptiveLimit(), RATE, now=100)
    assert limit.is_valid(100 + RECOVERY_SECONDS)
    assert not limit.is_valid(101 + RECOVERY_SECONDS)


def test_limit_lasts_as_long_as_a_block():
    limit = refused(AdaptiveLimit(), replace(RATE, retry_after=1000), now=100)
    assert limit.is_valid(1099)
    assert not limit.is_valid(1101)


def test_times_of_another_clock_are_invalid():
    limit = refused(AdaptiveLimit(), RATE, now=1_000_000)
    assert not limit.is_valid(50)
    assert not replace(limit, refused_at=0.0, blocked_until=1e9).is_valid(50)
