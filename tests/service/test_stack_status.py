"""Tests of the service status, rate limits and internal errors."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.routers.request_log import RequestLog
from synapse_workflows.local.settings import Throttle

STATUS = f"{REPO}/admin/synapse/status"


@pytest.fixture
def rest_service(tmp_path, recording):
    with start_service(tmp_path, recording) as opened:
        yield opened


def test_version_and_status_are_public(anonymous):
    assert ok(anonymous.get(f"{REPO}/version")).keys() == {"version", "stackInstance"}
    assert ok(anonymous.get(f"{REPO}/status")) == {"status": "READ_WRITE"}
    assert anonymous.request("HEAD", f"{REPO}/healthcheck").status_code == 200


@pytest.mark.parametrize("status", ["READ_ONLY", "DOWN"])
def test_unavailable_service_rejects_all_but_status(rest_service, status):
    admin, ann = Author(rest_service, "admin"), Author(rest_service, "alice")
    ok(admin.put(STATUS, {"status": status, "currentMessage": "Back at noon."}))
    assert_error(ann.get(f"{REPO}/userProfile"), 503, "Back at noon.")
    assert_error(ann.get("/auth/v1/personalAccessToken"), 503)
    assert ok(ann.get(f"{REPO}/status"))["status"] == status
    assert ann.get(f"{REPO}/version").ok
    ok(admin.put(STATUS, {"status": status}))
    assert_error(ann.get(f"{REPO}/userProfile"), 503, "Synapse is down for maintenance.")
    ok(admin.put(STATUS, {"status": "READ_WRITE"}))
    assert ann.get(f"{REPO}/userProfile").ok


def test_only_administrators_can_change_status(ann, admin):
    assert_error(ann.put(STATUS, {"status": "DOWN"}), 403)
    assert_error(admin.put(STATUS, {"status": "OFF"}), 400, "OFF")


def test_default_has_no_rate_limit(ann):
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: ann.get(f"{REPO}/userProfile"), range(80))
        assert {each.status_code for each in answers} == {200}


def test_too_many_requests_return_429(tmp_path):
    bounds = Throttle(requests=3, seconds=10)
    with start_service(tmp_path, throttle=bounds) as rest_service:
        ann, ben, anonymous = (
            Author(rest_service, "alice"),
            Author(rest_service, "bob"),
            Author(rest_service, None),
        )
        for _ in range(3):
            assert ann.get(f"{REPO}/userProfile").ok
        answer = ann.get(f"{REPO}/userProfile")
        assert_error(answer, 429, "3")
        assert "Retry-After" not in answer.headers
        assert ann.get("/auth/v1/personalAccessToken").ok
        for person in (ben, anonymous):
            assert person.get(f"{REPO}/userProfile").ok
        rest_service.clock.advance(10)
        assert ann.get(f"{REPO}/userProfile").ok


def test_too_many_concurrent_requests_return_429(tmp_path):
    with start_service(tmp_path, throttle=Throttle(concurrent=0)) as rest_service:
        assert_error(Author(rest_service, "alice").get(f"{REPO}/userProfile"), 429, "concurrent")
        assert Author(rest_service, None).get(f"{REPO}/userProfile").ok


def test_internal_error_is_returned_as_json_and_logged(caplog):
    app = FastAPI()

    @app.get("/fail")
    def fail():
        raise ZeroDivisionError

    app.add_middleware(RequestLog)
    with asgi_adapter.create_session(app) as session, caplog.at_level(logging.INFO):
        answer = session.get(f"{asgi_adapter.BASE_URL}/fail?X-Amz-Signature=secret", timeout=30)
    assert answer.status_code == 500
    assert answer.json()["reason"]
    assert "ZeroDivisionError" in caplog.text
    assert "GET /fail 500" in caplog.text
    assert "secret" not in caplog.text
