"""What all answers have in common: errors in one shape, content types, sizes, the log."""

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
def test_an_unknown_route_is_not_found_in_the_shape_of_errors(ann, path):
    for method in ("GET", "POST"):
        body = assert_error(ann.request(method, path), 404, path)
        assert body["concreteType"] == ERROR_RESPONSE


def test_a_wrong_verb_is_405(ann):
    answer = ann.request("PATCH", f"{REPO}/entity/syn1")
    assert assert_error(answer, 405, "PATCH")["concreteType"] == ERROR_RESPONSE


@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/png"])
def test_what_wants_no_json_is_406(ann, accept):
    answer = ann.session.get(
        f"{ann.base_url}{REPO}/version", headers={"Accept": "*/*"}, timeout=30
    )
    assert answer.ok
    headers = {**ann.headers, "Accept": accept}
    answer = ann.session.get(f"{ann.base_url}{REPO}/userProfile", headers=headers, timeout=30)
    assert_error(answer, 406)


@pytest.mark.parametrize("accept", ["application/json", "application/*", "a/b, */*;q=0.1", ""])
def test_what_takes_json_gets_it(ann, accept):
    headers = {**ann.headers, "Accept": accept}
    answer = ann.session.get(f"{ann.base_url}{REPO}/userProfile", headers=headers, timeout=30)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_body_that_is_not_json_is_415(ann):
    headers = {**ann.headers, "Content-Type": "text/plain"}
    answer = ann.session.post(f"{ann.base_url}{REPO}/entity", "x", headers=headers, timeout=30)
    assert_error(answer, 415, "text/plain")


def test_a_charset_beside_the_content_type_is_fine(ann):
    headers = {**ann.headers, "Content-Type": "application/json; charset=UTF-8"}
    answer = ann.session.post(
        f"{ann.base_url}{REPO}/entity/child", "{}", headers=headers, timeout=30
    )
    assert_error(answer, 400, "entityName")


def test_a_body_above_two_megabytes_is_413(ann):
    assert_error(ann.post(f"{REPO}/entity", {"description": "x" * (2 * MiB)}), 413, "2097152")


def test_nulls_are_left_out_of_objects_and_stay_in_arrays():
    body = {"a": None, "b": [None, {"c": None}], "d": {"e": None, "f": 0, "g": ""}}
    assert drop_nulls(body) == {"b": [None, {}], "d": {"f": 0, "g": ""}}


def test_text_of_all_languages_comes_back(ann):
    text = "größer ≥ 3 µm, 数据 🧬, null: \x00, quote: \"'"
    project = ann.new_project(description=text)
    assert ann.entity(project["id"])["description"] == text


def test_each_request_leaves_one_line_without_its_query(ann, caplog):
    with caplog.at_level(logging.INFO, LOG):
        ann.get(f"{REPO}/userGroupHeaders?prefix=secret{unique_name('')}")
    lines = [each.getMessage() for each in caplog.records if each.name == LOG]
    assert len(lines) == 1
    method, path, status, milliseconds, unit = lines[0].split()
    assert (method, path, status, unit) == ("GET", f"{REPO}/userGroupHeaders", "200", "ms")
    assert float(milliseconds) >= 0


def test_no_token_is_shown_by_the_parts_of_the_service(tmp_path):
    users = (UserSeed(user_name="ada", token="open sesame"), UserSeed(user_name="bea"))
    service = create_app(Settings(data_dir=tmp_path, users=users)).state.service
    shown = repr(service) + repr(ApiRequest(service, "open sesame", b"{}"))
    assert "ada" in shown
    assert not any(user.token in shown for user in service.users)
    assert repr((tmp_path / "secret").read_bytes()) not in shown
    service.database.close()


def test_what_the_service_signs_with_is_for_its_owner_alone(tmp_path):
    create_app(Settings(data_dir=tmp_path)).state.service.database.close()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
