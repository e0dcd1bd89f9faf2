"""Tests of unknown routes and of the files that the application creates."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error

from synapse_workflows.constants import ERROR_RESPONSE
from synapse_workflows.local.app import create_app
from synapse_workflows.local.settings import Settings


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/repo/v1", "/repo/v1/", "/auth/v1", "/file/v1", f"{REPO}/nothing", "/docker/v1",
     f"{REPO}/entity/syn1/doi", f"{REPO}/team/1/icon"],
)  # fmt: skip
def test_unknown_route_returns_error_response(ann, path):
    for method in ("GET", "POST"):
        body = assert_error(ann.request(method, path), 404, path)
        assert body["concreteType"] == ERROR_RESPONSE


def test_wrong_method_returns_405(ann):
    answer = ann.request("PATCH", f"{REPO}/entity/syn1")
    assert assert_error(answer, 405, "PATCH")["concreteType"] == ERROR_RESPONSE


def test_secret_file_is_readable_by_owner_only(tmp_path):
    create_app(Settings(data_dir=tmp_path)).state.service.database.close()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
