"""Retries of requests: categories, delays and limits."""

import json
import logging
import socket
import ssl
import struct

import pytest
import requests
import urllib3

from synapse_workflows.client.core.flows import Call, Reply
from synapse_workflows.client.core.retry import (
    Failure,
    Outcome,
    RetryPolicy,
    failure_of_tls_error,
    is_retryable,
)
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseConnectionError,
    SynapseNotFoundError,
    SynapseServerError,
    SynapseStaleError,
    SynapseTimeoutError,
    SynapseTooManyRequestsError,
)

REPO = "https://repo.example.org/repo/v1"
GET = Call("GET", "/x")
POST = Call("POST", "/x")


def outcome_of(status: int, reason: str = "") -> Outcome:
    return Outcome(Reply(status), reason=reason)


@pytest.mark.parametrize(
    ("outcome", "read", "write"),
    [
        (outcome_of(200), False, False),
        (outcome_of(201), False, False),
        (outcome_of(400), False, False),
        (outcome_of(401), False, False),
        (outcome_of(403), False, False),
        (outcome_of(404), False, False),
        (outcome_of(409), False, False),
        (outcome_of(412), False, False),
        (outcome_of(423), False, False),
        (outcome_of(429), True, True),
        (outcome_of(503), True, True),
        (outcome_of(500), True, False),
        (outcome_of(502), True, False),
        (outcome_of(504), True, False),
        (outcome_of(501), False, False),
        (outcome_of(400, "Please slow down."), True, True),
        (outcome_of(400, "SlowDown"), True, True),
        (outcome_of(400, "Try again later"), True, True),
        (outcome_of(400, "RequestTimeout: idle"), True, False),
        (outcome_of(400, "Proxy Error"), True, False),
        (outcome_of(404, "No entity named 'timeout'"), False, False),
        (outcome_of(403, "try again"), False, False),
        (Outcome(failure=Failure.NOT_CONNECTED), True, True),
        (Outcome(failure=Failure.INTERRUPTED), True, False),
        (Outcome(failure=Failure.TIMED_OUT), True, False),
        (Outcome(failure=Failure.INVALID), False, False),
    ],
)
def test_is_retryable_by_category_and_method(outcome, read, write):
    assert is_retryable(GET, outcome) is read
    assert is_retryable(POST, outcome) is write


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_is_retryable_for_repeatable_methods(method):
    assert is_retryable(Call(method, "/x"), outcome_of(502))


def test_repeatable_argument_overrides_the_method():
    assert is_retryable(Call("POST", "/x", repeatable=True), outcome_of(502))
    assert not is_retryable(Call("PUT", "/x", repeatable=False), outcome_of(502))


def test_delay_grows_exponentially_up_to_the_maximum_with_jitter():
    policy = RetryPolicy(wait=1, back_off=2, max_wait=30, jitter=0.5)
    for attempt, middle in [(1, 1), (2, 2), (3, 4), (6, 30), (1000, 30)]:
        waits = [policy.delay(attempt) for _ in range(50)]
        assert all(0.5 * middle <= wait <= 1.5 * middle for wait in waits)
        assert len(set(waits)) > 1


def test_delay_is_at_least_retry_after():
    assert RetryPolicy(max_wait=2).delay(1, retry_after=45.0) == 45.0


def test_with_overrides_accepts_the_keys_of_synapseclient():
    changed = RetryPolicy().with_overrides(
        {"retries": 3, "wait": 0.5, "back_off": 3, "max_wait": 9}
    )
    assert changed == RetryPolicy(attempts=4, wait=0.5, back_off=3, max_wait=9)


def test_with_overrides_raises_for_an_unknown_key():
    with pytest.raises(ValueError, match="with the keys speed"):
        RetryPolicy().with_overrides({"speed": 3})


def test_get_succeeds_after_a_503(syn, http):
    http.get(f"{REPO}/entity/syn1", status=503, json={"reason": "maintenance"})
    http.get(f"{REPO}/entity/syn1", json={"id": "syn1"})
    assert syn.restGET("/entity/syn1") == {"id": "syn1"}


def test_post_is_retried_after_a_503_with_the_same_body(syn, http):
    http.post(f"{REPO}/entity", status=503)
    http.post(f"{REPO}/entity", json={"id": "syn1"}, status=201)
    assert syn.restPOST("/entity", '{"name": "x"}') == {"id": "syn1"}
    assert {call.request.body for call in http.calls} == {'{"name": "x"}'}


def test_post_is_not_retried_after_a_lost_response(syn, http):
    response = http.post(f"{REPO}/entity", body=requests.ConnectionError("reset by peer"))
    with pytest.raises(SynapseConnectionError, match="the connection was interrupted"):
        syn.restPOST("/entity", "{}")
    assert response.call_count == 1


def test_post_is_not_retried_after_a_500(syn, http):
    response = http.post(f"{REPO}/entity", status=500, json={"reason": "oops"})
    with pytest.raises(SynapseServerError, match="oops"):
        syn.restPOST("/entity", "{}")
    assert response.call_count == 1


def test_post_is_retried_without_connection(make):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    syn = make(repo=f"http://127.0.0.1:{port}/repo/v1")
    messages = []
    syn.logger.addFilter(lambda record: messages.append(record.getMessage()) or True)
    syn.debug = True
    with pytest.raises(SynapseConnectionError, match="no connection") as caught:
        syn.restPOST("/entity", "{}")
    assert sum("retrying in" in line for line in messages) == 3
    assert isinstance(caught.value, requests.ConnectionError)
    assert "Connection(" not in str(caught.value)


def test_call_fails_immediately_if_retry_after_exceeds_the_total_time(make, http):
    syn = make(retry=RetryPolicy(wait=0.001, total=0.5))
    response = http.get(
        f"{REPO}/x", status=429, headers={"Retry-After": "1"}, json={"reason": "x"}
    )
    with pytest.raises(SynapseTooManyRequestsError, match="429 GET /x: x") as caught:
        syn.restGET("/x")
    assert caught.value.retry_after == 1
    assert response.call_count == 1


def test_last_response_is_raised_after_all_attempts(syn, http):
    response = http.get(f"{REPO}/x", status=503, json={"reason": "Synapse is down"})
    with pytest.raises(SynapseServerError, match="503 GET /x: Synapse is down"):
        syn.restGET("/x")
    assert response.call_count == 4


def test_retry_policy_argument_applies_to_one_call(syn, http):
    response = http.get(f"{REPO}/x", status=503)
    with pytest.raises(SynapseServerError):
        syn.restGET("/x", retryPolicy={"retries": 1})
    assert response.call_count == 2


def test_delete_succeeds_if_a_retry_finds_nothing(syn, http):
    http.delete(f"{REPO}/entity/syn1", body=requests.ConnectionError("cut"))
    http.delete(f"{REPO}/entity/syn1", status=404, json={"reason": "in the trash can"})
    assert syn.restDELETE("/entity/syn1") is None


def test_conflict_after_a_lost_response_mentions_the_earlier_attempt(syn, http):
    http.put(f"{REPO}/entity/syn1", body=requests.ConnectionError("cut"))
    http.put(f"{REPO}/entity/syn1", status=412, json={"reason": "was updated"})
    with pytest.raises(SynapseStaleError, match=r"was updated \(an earlier attempt of this call"):
        syn.restPUT("/entity/syn1", "{}")


def test_delete_of_a_missing_object_raises(syn, http):
    http.delete(f"{REPO}/entity/syn1", status=503)
    http.delete(f"{REPO}/entity/syn1", status=404, json={"reason": "no such entity"})
    with pytest.raises(SynapseNotFoundError, match="no such entity"):
        syn.restDELETE("/entity/syn1")


@pytest.mark.parametrize(
    "failed",
    [
        requests.exceptions.SSLError("certificate verify failed"),
        requests.exceptions.InvalidHeader("bad header"),
    ],
)
def test_invalid_requests_are_not_retried(syn, http, failed):
    response = http.get(f"{REPO}/x", body=failed)
    with pytest.raises(SynapseConnectionError, match=f"GET /x: {failed}"):
        syn.restGET("/x")
    assert response.call_count == 1


def test_conflict_is_not_retried(syn, http):
    response = http.post(f"{REPO}/entity", status=409, json={"reason": "exists"})
    with pytest.raises(SynapseConflictError, match="exists"):
        syn.restPOST("/entity", "{}")
    assert response.call_count == 1


def test_long_delays_are_logged_as_warnings(syn, caplog):
    from synapse_workflows.client.core.retry import RetryState

    class State:
        upcoming_sleep = 11.0

        class outcome:  # noqa: N801
            @staticmethod
            def result():
                return outcome_of(429, "Please slow down")

    with caplog.at_level(logging.DEBUG):
        RetryState(GET, RetryPolicy(), syn.logger.log).tenacity_arguments()["before_sleep"](State)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "GET /x: Please slow down; retrying in 11.0 s")
    ]


def send(text: str):
    return lambda connection: connection.sendall(text.replace("\n", "\r\n").encode())


OK = send("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 2\n\n{}")
CUT = send("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 900\n\n{")
CUT_CHUNK = send("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nabcde\n40\nx")


def disconnect(connection):
    connection.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_nothing(connection):
    connection.recv(1)


@pytest.mark.parametrize("fault", [CUT, CUT_CHUNK, disconnect, reset, send_nothing])
def test_get_is_retried_after_connection_faults(fault, make, faulty_server):
    repo, received = faulty_server(fault, fault, OK)
    syn = make(repo=repo, timeout=2 if fault is send_nothing else 30)
    assert syn.restGET("/x") == {}
    assert len(received) == 3


@pytest.mark.parametrize("fault", [CUT, CUT_CHUNK, disconnect, reset])
def test_post_is_sent_once_after_connection_faults(fault, make, faulty_server):
    repo, received = faulty_server(fault, OK)
    syn = make(repo=repo)
    with pytest.raises(SynapseConnectionError, match="the connection was interrupted"):
        syn.restPOST("/entity", json.dumps({"name": "x"}))
    assert len(received) == 1


def test_post_is_sent_once_after_a_timeout(make, faulty_server):
    repo, received = faulty_server(send_nothing, OK)
    syn = make(repo=repo, timeout=1)
    with pytest.raises(SynapseTimeoutError, match="POST /entity: no response within the timeout"):
        syn.restPOST("/entity", "{}")
    assert len(received) == 1


def test_requests_have_a_timeout(syn, http):
    http.get(f"{REPO}/x", json=1)
    http.get(f"{REPO}/x", json=1)
    syn.restGET("/x")
    syn.restGET("/x", timeout=3)
    assert [call.request.req_kwargs["timeout"] for call in http.calls] == [(10.0, 60.0), 3]


@pytest.mark.parametrize(
    ("cause", "failure"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Failure.INTERRUPTED),
        (ssl.SSLZeroReturnError(6, "closed"), Failure.INTERRUPTED),
        (ssl.SSLCertVerificationError("certificate verify failed"), Failure.INVALID),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), Failure.INVALID),
        (OSError("no TLS error"), None),
    ],
)
def test_failure_of_tls_error_finds_the_wrapped_error(cause, failure):
    reason = urllib3.exceptions.SSLError(cause)
    wrapped = urllib3.exceptions.MaxRetryError(None, "/x", reason)
    assert failure_of_tls_error(requests.exceptions.SSLError(wrapped)) is failure
