"""Tests of the rights to temporary credentials. A recording issuer stands for the S3 server."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import RestService, assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    SYNAPSE_STS,
    create_location,
    set_locations,
)

from synapse_workflows.constants import StsPermission
from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.settings import Settings

READ = ["READ", "DOWNLOAD"]
WRITE = [*READ, "UPDATE", "CREATE", "DELETE"]


class RecordingIssuer:
    """An issuer of credentials that remembers its requests."""

    def __init__(self):
        self.requests = []

    def issue(self, bucket, base_key, permission, user):
        self.requests.append((bucket, base_key, permission, user))
        return {
            "accessKeyId": "key",
            "secretAccessKey": "secret",
            "sessionToken": "session",
            "expiration": "2026-03-04T17:06:07.890Z",
        }


@pytest.fixture(scope="module")
def issuer():
    return RecordingIssuer()


@pytest.fixture(scope="module")
def sts_service(tmp_path_factory, recording, issuer):
    """A service with an issuer of credentials."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("sts"), base_url=asgi_adapter.BASE_URL)
    app = create_app(settings, issuer)
    tokens = {user.user_name: user.token for user in app.state.service.users}
    with asgi_adapter.create_session(recording(app)) as session:
        yield RestService(session, asgi_adapter.BASE_URL, tokens, settings.clock)
    app.state.service.close()


@pytest.fixture(scope="module")
def alice(sts_service):
    return Author(sts_service, "alice")


@pytest.fixture(scope="module")
def bob(sts_service):
    return Author(sts_service, "bob")


@pytest.fixture(scope="module")
def project(alice):
    return alice.new_project()["id"]


def new_sts_folder(user, project, body):
    folder = user.new_folder(project)["id"]
    set_locations(user, folder, create_location(user, body))
    return folder


@pytest.fixture(scope="module")
def external(alice, project):
    """An STS-enabled folder in an external bucket."""
    return new_sts_folder(alice, project, EXTERNAL_STS)


def get_token(user, entity, permission="read_only"):
    return user.get(f"{REPO}/entity/{entity}/sts?permission={permission}")


@pytest.mark.parametrize("permission", StsPermission)
def test_credentials_are_for_the_bucket_and_base_key_of_the_folder(
    alice, external, issuer, permission
):
    below = alice.new_folder(external)["id"]
    for entity in (external, below, external.removeprefix("syn")):
        assert ok(get_token(alice, entity, permission)) == {
            "bucket": "a-bucket",
            "baseKey": "data",
            "accessKeyId": "key",
            "secretAccessKey": "secret",
            "sessionToken": "session",
            "expiration": "2026-03-04T17:06:07.890Z",
        }
        assert issuer.requests[-1] == ("a-bucket", "data", permission, alice.id)


def test_location_without_base_key_gives_access_to_its_bucket(alice, project, issuer):
    folder = new_sts_folder(alice, project, {**EXTERNAL_S3, "stsEnabled": True})
    assert "baseKey" not in ok(get_token(alice, folder))
    assert issuer.requests[-1] == ("a-bucket", None, "read_only", alice.id)


def test_synapse_storage_is_read_only(alice, project, issuer):
    folder = new_sts_folder(alice, project, SYNAPSE_STS)
    token = ok(get_token(alice, folder))
    assert token["bucket"] == "local.synapse.storage"
    assert token["baseKey"].startswith(f"{alice.id}/")
    words = "STS write access is not allowed in Synapse storage"
    assert_error(get_token(alice, folder, "read_write"), 400, words)


def test_entity_without_sts_location_is_rejected(alice, project):
    words = "Entity must have an STS-enabled storage location"
    assert_error(get_token(alice, project), 400, words)
    folder = alice.new_folder(project)["id"]
    set_locations(alice, folder, create_location(alice, EXTERNAL_S3))
    assert_error(get_token(alice, folder), 400, words)


@pytest.mark.parametrize("permission", ["", "read", "READ_ONLY", "admin"])
def test_unknown_permission_is_rejected(alice, external, permission):
    assert_error(get_token(alice, external, permission), 400, "No enum constant")


def test_permission_is_required(alice, external):
    assert_error(alice.get(f"{REPO}/entity/{external}/sts"), 400, "permission")


@pytest.mark.parametrize(
    ("rights", "missing_read", "missing_write"),
    [
        (["READ"], "DOWNLOAD", "DOWNLOAD"),
        (READ, None, "UPDATE"),
        ([*READ, "UPDATE", "CREATE"], None, "DELETE"),
        ([*READ, "CREATE", "DELETE"], None, "UPDATE"),
        ([*READ, "UPDATE", "DELETE"], None, "CREATE"),
        (WRITE, None, None),
    ],
)
def test_rights(alice, bob, project, external, rights, missing_read, missing_write):
    assert_error(get_token(bob, external), 403, "READ")
    alice.share(project, {bob.id: rights})
    for permission, missing in (("read_only", missing_read), ("read_write", missing_write)):
        response = get_token(bob, external, permission)
        if missing is None:
            assert response.ok
        else:
            assert_error(response, 403, missing)
    alice.share(project, {})


def test_scopes(sts_service, alice, external):
    for scopes in (["view", "download"], ["view", "modify"], ["download", "modify"]):
        token = alice.create_token(scope=scopes)
        assert_error(get_token(Author(sts_service, "alice", token), external), 403)


def test_folder_in_the_trash_can_is_rejected(alice, project):
    folder = new_sts_folder(alice, project, EXTERNAL_STS)
    assert alice.delete(f"{REPO}/entity/{folder}").ok
    assert_error(get_token(alice, folder), 404, "trash")


def test_service_without_s3_server_says_how_to_start_one(ann):
    folder = new_sts_folder(ann, ann.new_project()["id"], EXTERNAL_STS)
    assert_error(get_token(ann, folder), 400, "--s3")
