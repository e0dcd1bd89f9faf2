"""Tests of the log of requests and of unexpected errors."""

import logging
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests
from fastapi import FastAPI
from support.entity_api import REPO, unique_name
from support.waiting import wait_until

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.routers.request_log import RequestLog
from synapse_workflows.local.server import LocalService

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


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("a%0A2026-01-01 GET /admin 200", "a\\n2026"),
        ("a%0D%0Ab", "a\\r\\nb"),
        ("a%1B[31mred", "a\\x1b[31mred"),
        ("a%00b", "a\\x00b"),
        ("a%E2%80%A8b%C2%85c", "a\\u2028b\\x85c"),
        ("h%C3%A9", "hé"),
    ],
)
def test_control_characters_of_paths_are_escaped(ann, caplog, path, logged):
    with caplog.at_level(logging.INFO, LOG):
        assert 400 <= ann.get(f"{REPO}/entity/{path}").status_code < 500
    (line,) = [each.getMessage() for each in caplog.records if each.name == LOG]
    assert logged in line
    assert all(each.isprintable() for each in line)


@pytest.mark.parametrize("head", ["POST /repo/v1/entity", "POST /auth/v1/personalAccessToken"])
def test_client_that_closes_the_connection_is_one_line(tmp_path, caplog, head):
    with caplog.at_level(logging.INFO), LocalService(tmp_path) as service:
        address = urlsplit(service.base_url)
        for _ in range(3):
            with socket.create_connection((address.hostname, address.port)) as connection:
                lines = [f"{head} HTTP/1.1", "Host: x", "Content-Length: 1000", "", '{"name": ']
                connection.sendall("\r\n".join(lines).encode())
                time.sleep(0.1)
        requests.get(f"{service.base_url}/repo/v1/version", timeout=10)
        wait_until(lambda: caplog.text.count("closed the connection") >= 3)
    assert "Traceback" not in caplog.text
    assert "exc_info" not in caplog.text
    assert caplog.text.count("closed the connection") == 3
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
