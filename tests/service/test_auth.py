"""Tests of authentication and token scopes."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import PROJECT


def test_insufficient_scope_error_names_missing_scope(ann, author):
    reader = author("alice", ann.create_token(scope=["view"]))
    project = ann.new_project()["id"]
    assert reader.entity(project)["id"] == project
    body = assert_error(reader.try_make(PROJECT), 403, "modify")
    assert body["concreteType"].endswith("OAuthErrorResponse")
    assert body["error"] == "insufficient_scope"
    assert body["error_description"] == body["reason"]
    assert_error(reader.get(f"{REPO}/entity/{project}/file"), 403, "download")
    blind = author("alice", ann.create_token(scope=["download"]))
    assert_error(blind.get(f"{REPO}/userProfile"), 403, "view")


@pytest.mark.parametrize("header", ["Bearer x", "Bearer x.y.z", "Bearer ", "Basic YTpi", "x"])
def test_invalid_credentials_return_401(rules, header):
    for path in (f"{REPO}/userProfile", f"{REPO}/entity/syn4489", "/auth/v1/personalAccessToken"):
        response = rules.session.get(
            rules.base_url + path, headers={"Authorization": header}, timeout=30
        )
        assert_error(response, 401, "Invalid access token")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="Synapse Repository Services"'


def test_forged_token_is_rejected(ann, author):
    token = ann.create_token()
    forged = token[:-6] + ("aaaaaa" if not token.endswith("aaaaaa") else "bbbbbb")
    assert_error(author("alice", forged).get(f"{REPO}/userProfile"), 401)


def test_session_token_header_is_accepted(rules):
    response = rules.session.get(
        f"{rules.base_url}{REPO}/userProfile",
        headers={"sessionToken": rules.tokens["bob"]},
        timeout=30,
    )
    assert ok(response)["userName"] == "bob"
