"""Tests of temporary credentials: the rights that they need, and their scope."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from support import s3_service as s3_support
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok
from support.storage_api import (
    EXTERNAL_S3,
    EXTERNAL_STS,
    SYNAPSE_STS,
    create_location,
    destination,
    set_locations,
)

from synapse_workflows.constants import StsPermission
from synapse_workflows.local.s3.credentials import TemporaryCredentials

READ = ["READ", "DOWNLOAD"]
WRITE = [*READ, "UPDATE", "CREATE", "DELETE"]


@pytest.fixture(scope="module")
def alice(s3_rest):
    return Author(s3_rest, "alice")


@pytest.fixture(scope="module")
def bob(s3_rest):
    return Author(s3_rest, "bob")


@pytest.fixture(scope="module")
def project(alice):
    return alice.new_project()["id"]


@pytest.fixture(scope="module", autouse=True)
def bucket(s3_service):
    s3_service.store.create_bucket("a-bucket")


def create_client(token):
    """Return an S3 client with the credentials of a response."""
    return s3_support.create_client(
        token["endpointUrl"],
        TemporaryCredentials(
            access_key_id=token["accessKeyId"],
            secret_access_key=token["secretAccessKey"],
            session_token=token["sessionToken"],
            expiration=datetime.fromisoformat(token["expiration"]),
        ),
    )


def assert_denied(call, **arguments):
    with pytest.raises(ClientError, match="AccessDenied"):
        call(**arguments)


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
    alice, external, s3_service, permission
):
    below = alice.new_folder(external)["id"]
    for entity in (external, below, external.removeprefix("syn")):
        token = ok(get_token(alice, entity, permission))
        assert (token["bucket"], token["baseKey"]) == ("a-bucket", "data")
        lifetime = datetime.fromisoformat(token["expiration"]) - datetime.now(tz=UTC)
        assert timedelta(hours=11, minutes=50) < lifetime <= timedelta(hours=12)
    client = create_client(token)
    if permission is StsPermission.READ_WRITE:
        client.put_object(Bucket="a-bucket", Key="data/new", Body=b"new")
        assert s3_service.store.head("a-bucket", "data/new").size == 3
    else:
        assert_denied(client.put_object, Bucket="a-bucket", Key="data/new2", Body=b"new")
    assert "KeyCount" in client.list_objects_v2(Bucket="a-bucket", Prefix="data/")
    assert_denied(client.list_objects_v2, Bucket="a-bucket", Prefix="dat")


def test_destination_of_the_folder_names_the_s3_server(alice, external, s3_service):
    assert destination(alice, external)["endpointUrl"] == s3_service.endpoint.url


def test_location_without_base_key_gives_access_to_its_bucket(alice, project, s3_service):
    folder = new_sts_folder(alice, project, {**EXTERNAL_S3, "stsEnabled": True})
    token = ok(get_token(alice, folder))
    assert "baseKey" not in token
    s3_service.store.put("a-bucket", "anywhere", b"x")
    assert create_client(token).get_object(Bucket="a-bucket", Key="anywhere")


def test_synapse_storage_is_read_only(alice, project):
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


def test_scopes(s3_rest, alice, external):
    for scopes in (["view", "download"], ["view", "modify"], ["download", "modify"]):
        token = alice.create_token(scope=scopes)
        assert_error(get_token(Author(s3_rest, "alice", token), external), 403)


def test_folder_in_the_trash_can_is_rejected(alice, project):
    folder = new_sts_folder(alice, project, EXTERNAL_STS)
    assert alice.delete(f"{REPO}/entity/{folder}").ok
    assert_error(get_token(alice, folder), 404, "trash")


def test_service_without_s3_server_says_how_to_start_one(ann):
    folder = new_sts_folder(ann, ann.new_project()["id"], EXTERNAL_STS)
    assert_error(get_token(ann, folder), 400, "--s3")
