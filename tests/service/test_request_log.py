"""Tests of the log of requests and of unexpected errors."""

import logging

from fastapi import FastAPI
from support.entity_api import REPO, unique_name

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.routers.request_log import RequestLog

LOG = "synapse_workflows.local"


def test_request_log_has_one_line_without_query(ann, caplog):
    with caplog.at_level(logging.INFO, LOG):
        ann.get(f"{REPO}/userGroupHeaders?prefix=secret{unique_name('')}")
    lines = [each.getMessage() for each in caplog.records if each.name == LOG]
    assert len(lines) == 1
    method, path, status, milliseconds, unit = lines[0].split()
    assert (method, path, status, unit) == ("GET", f"{REPO}/userGroupHeaders", "200", "ms")
    assert float(milliseconds) >= 0


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
