"""Tests of the version and the status of the service."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service

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
