"""Tests of the checks of all requests: Accept, content type and size."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error

from synapse_workflows.constants import MiB
from synapse_workflows.local.app import create_app
from synapse_workflows.local.routers.dependencies import ApiRequest
from synapse_workflows.local.settings import Settings, UserSeed


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


def test_repr_of_service_has_no_token(tmp_path):
    users = (UserSeed(user_name="ada", token="open sesame"), UserSeed(user_name="bea"))
    service = create_app(Settings(data_dir=tmp_path, users=users)).state.service
    text = repr(service) + repr(ApiRequest(service, "open sesame", b"{}"))
    assert "ada" in text
    assert not any(user.token in text for user in service.users)
    assert repr((tmp_path / "secret").read_bytes()) not in text
    service.database.close()
