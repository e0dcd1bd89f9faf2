"""Tests of errors, content types, size limits and logging that all routes share."""

import logging

import pytest
from support.entity_api import REPO, unique_name
from support.file_api import assert_error

from synapse_workflows.constants import ERROR_RESPONSE, MiB
from synapse_workflows.local.app import create_app
from synapse_workflows.local.domain.request_fields import drop_nulls
from synapse_workflows.local.routers.dependencies import ApiRequest
from synapse_workflows.local.settings import Settings, UserSeed

LOG = "synapse_workflows.local"


@pytest.mark.parametrize(
    "path",
    ["/", "/repo/v1", "/repo/v1/", "/auth/v1", "/file/v1", f"{REPO}/nothing", "/docker/v1",
     f"{REPO}/entity/syn1/wiki2", f"{REPO}/teams", f"{REPO}/team/1"],
)  # fmt: skip
def test_unknown_route_returns_error_response(ann, path):
    for method in ("GET", "POST"):
        body = assert_error(ann.request(method, path), 404, path)
        assert body["concreteType"] == ERROR_RESPONSE


def test_wrong_method_returns_405(ann):
    answer = ann.request("PATCH", f"{REPO}/entity/syn1")
    assert assert_error(answer, 405, "PATCH")["concreteType"] == ERROR_RESPONSE


@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/png"])
def test_accept_without_json_returns_406(ann, accept):
    answer = ann.session.get(
        f"{ann.base_url}{REPO}/version", headers={"Accept": "*/*"}, timeout=30
    )
    assert answer.ok
    headers = {**ann.headers, "Accept": accept}
    answer = ann.session.get(f"{ann.base_url}{REPO}/userProfile", headers=headers, timeout=30)
    assert_error(answer, 406)


@pytest.mark.parametrize("accept", ["application/json", "application/*", "a/b, */*;q=0.1", ""])
def test_accept_with_json_returns_json(ann, accept):
    headers = {**ann.headers, "Accept": accept}
    answer = ann.session.get(f"{ann.base_url}{REPO}/userProfile", headers=headers, timeout=30)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_body_with_other_content_type_returns_415(ann):
    headers = {**ann.headers, "Content-Type": "text/plain"}
    answer = ann.session.post(f"{ann.base_url}{REPO}/entity", "x", headers=headers, timeout=30)
    assert_error(answer, 415, "text/plain")


def test_content_type_with_charset_is_accepted(ann):
    headers = {**ann.headers, "Content-Type": "application/json; charset=UTF-8"}
    answer = ann.session.post(
        f"{ann.base_url}{REPO}/entity/child", "{}", headers=headers, timeout=30
    )
    assert_error(answer, 400, "entityName")


def test_body_over_2_mib_returns_413(ann):
    assert_error(ann.post(f"{REPO}/entity", {"description": "x" * (2 * MiB)}), 413, "2097152")


def test_drop_nulls_keeps_nulls_in_arrays():
    body = {"a": None, "b": [None, {"c": None}], "d": {"e": None, "f": 0, "g": ""}}
    assert drop_nulls(body) == {"b": [None, {}], "d": {"f": 0, "g": ""}}


def test_unicode_text_is_returned_unchanged(ann):
    text = "größer ≥ 3 µm, 数据 🧬, null: \x00, quote: \"'"
    project = ann.new_project(description=text)
    assert ann.entity(project["id"])["description"] == text


def test_request_log_has_one_line_without_query(ann, caplog):
    with caplog.at_level(logging.INFO, LOG):
        ann.get(f"{REPO}/userGroupHeaders?prefix=secret{unique_name('')}")
    lines = [each.getMessage() for each in caplog.records if each.name == LOG]
    assert len(lines) == 1
    method, path, status, milliseconds, unit = lines[0].split()
    assert (method, path, status, unit) == ("GET", f"{REPO}/userGroupHeaders", "200", "ms")
    assert float(milliseconds) >= 0


def test_repr_of_service_has_no_token(tmp_path):
    users = (UserSeed(user_name="ada", token="open sesame"), UserSeed(user_name="bea"))
    service = create_app(Settings(data_dir=tmp_path, users=users)).state.service
    text = repr(service) + repr(ApiRequest(service, "open sesame", b"{}"))
    assert "ada" in text
    assert not any(user.token in text for user in service.users)
    assert repr((tmp_path / "secret").read_bytes()) not in text
    service.database.close()


def test_secret_file_is_readable_by_owner_only(tmp_path):
    create_app(Settings(data_dir=tmp_path)).state.service.database.close()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
