"""Storage locations, STS tokens and buckets: each client uses what the other one made."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from synapse_workflows import File, Project
from synapse_workflows.client.errors import SynapseBadRequestError

STS = "[transfer]\nuse_boto_sts = true\n"
PROFILE = "a-lab"


@pytest.fixture(scope="session")
def peer_boto3(peer_python):
    """Skip the tests if the environment of the official client has no boto3."""
    done = subprocess.run([peer_python, "-c", "import boto3"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the official client has no boto3: run `make install-peer`")


@pytest.fixture
def bucket(s3_service):
    """Name of a new bucket."""
    name = f"lab-{uuid4()}"
    s3_service.store.create_bucket(name)
    return name


@pytest.fixture
def aws_variables(s3_service, tmp_path, monkeypatch):
    """Environment variables that lead boto3 to the S3 server; they are set in this process too."""
    credentials = tmp_path / "aws-credentials"
    endpoint = s3_service.endpoint
    credentials.write_text(
        f"[{PROFILE}]\naws_access_key_id = {endpoint.access_key_id}\n"
        f"aws_secret_access_key = {endpoint.secret_access_key}\n"
    )
    variables = {
        "AWS_ENDPOINT_URL_S3": endpoint.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def config(s3_service, bucket):
    """Sections of the configuration files of both clients."""
    return f"{STS}\n[{s3_service.endpoint.url}/{bucket}]\nprofile_name = {PROFILE}\n"


@pytest.fixture
def syn(s3_service, aws_variables, config, tmp_path):
    """A client of alice."""
    path = tmp_path / "synapseConfig"
    path.write_text(config)
    with s3_service.service.client(
        configPath=str(path), cache_root_dir=str(tmp_path / "c")
    ) as syn:
        yield syn


@pytest.fixture
def project(syn):
    return syn.store(Project(f"project {uuid4()}"))


@pytest.fixture
def official(driven, s3_service, aws_variables, config, peer_boto3):
    """Run a command of official_storage.py as a user."""
    return driven("official_storage.py", s3_service.service, config, aws_variables)


@pytest.fixture
def make_bytes(tmp_path):
    """Return a function that writes a file of random bytes; return it with its MD5."""

    def make(name, size=100):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        return str(path), hashlib.md5(path.read_bytes()).hexdigest()

    return make


@pytest.fixture
def sts_folder(official, project, bucket):
    """An STS-enabled folder that the official client made."""
    return official("create_sts_folder", parent=project.id, bucket=bucket, base_key="base")


def test_location_of_the_official_client_is_the_same(syn, project, sts_folder, bucket):
    assert sts_folder["same"]
    folder, location, setting = syn.create_s3_storage_location(
        parent=project, folder_name="sts", bucket_name=bucket, base_key="base", sts_enabled=True
    )
    assert (folder.id, location) == (sts_folder["id"], sts_folder["location"])
    assert setting["locations"] == sts_folder["locations"]


def test_location_of_our_client_is_read(syn, official, project, bucket):
    folder, location, setting = syn.create_s3_storage_location(
        parent=project, folder_name="ours", bucket_name=bucket, base_key="ours", sts_enabled=True
    )
    found = official("read_settings", id=folder.id, location=location["storageLocationId"])
    assert (found["location"], found["setting"]) == (location, setting)


def test_tokens_have_the_same_formats(syn, official, sts_folder):
    theirs = official("get_tokens", id=sts_folder["id"], permission="read_write")
    token = theirs["json"]
    ours = {
        each: syn.get_sts_storage_token(sts_folder["id"], "read_write", output_format=each)
        for each in theirs
    }
    assert ours["json"].keys() == token.keys()
    own = syn.get_sts_storage_token(sts_folder["id"], "read_write")
    secrets = ("accessKeyId", "secretAccessKey", "sessionToken")
    for each in theirs:
        text, expected = json.dumps(ours[each]), json.dumps(theirs[each])
        for name in secrets:
            text = text.replace(own[name], name)
            expected = expected.replace(token[name], name)
        if each != "json":  # the times of expiration differ
            assert text == expected


def test_tokens_of_the_official_client_work_within_the_prefix(official, sts_folder, bucket):
    found = official("use_token", id=sts_folder["id"], bucket=bucket, base_key="base")
    assert found == {
        "content": "by the official client",
        "keys": ["base/by-token.txt"],
        "outside": 403,
        "read_only": 403,
    }


def test_folder_without_sts_is_refused_alike(syn, official, project):
    error = official("error_of_token", id=project.id, permission="read_only")["error"]
    with pytest.raises(SynapseBadRequestError) as caught:
        syn.get_sts_storage_token(project, "read_only")
    assert caught.value.reason in error


def test_files_in_sts_folders_are_exchanged(syn, official, sts_folder, make_bytes, tmp_path):
    path, digest = make_bytes("theirs.bin", 9_000_000)
    theirs = official("store", path=path, parent=sts_folder["id"])
    found = syn.get(theirs["id"], downloadLocation=str(tmp_path / "ours"))
    assert hashlib.md5(Path(found.path).read_bytes()).hexdigest() == digest
    path, digest = make_bytes("ours.bin", 9_000_000)
    ours = syn.store(File(path, sts_folder["id"]))
    back = official("get", id=ours.id, directory=str(tmp_path / "theirs"))
    assert back["md5"] == digest
    assert back["handle"]["key"].startswith("base/")


def test_files_in_object_stores_are_exchanged(
    syn, official, project, s3_service, bucket, make_bytes, tmp_path
):
    endpoint = s3_service.endpoint.url
    folder = official(
        "create_object_store_folder", parent=project.id, bucket=bucket, endpoint=endpoint
    )["id"]
    path, digest = make_bytes("theirs.bin")
    theirs = official("store", path=path, parent=folder)
    found = syn.get(theirs["id"], downloadLocation=str(tmp_path / "ours"))
    assert hashlib.md5(Path(found.path).read_bytes()).hexdigest() == digest
    path, digest = make_bytes("ours.bin")
    ours = syn.store(File(path, folder))
    back = official("get", id=ours.id, directory=str(tmp_path / "theirs"))
    assert back["md5"] == digest
    mine, other = ours._file_handle, theirs["handle"]
    for name in ("concreteType", "bucket", "endpointUrl", "storageLocationId", "contentSize"):
        assert mine[name] == other[name]


def test_registered_objects_have_the_same_handles(syn, official, sts_folder, bucket, make_bytes):
    path, _ = make_bytes("table.csv")
    token = syn.get_sts_storage_token(sts_folder["id"], "read_write", output_format="boto")
    s3 = boto3.client("s3", **token)
    s3.upload_file(path, bucket, "base/table.csv")
    s3.close()
    theirs = official(
        "register", bucket=bucket, key="base/table.csv", path=path, parent=sts_folder["id"]
    )
    ours = syn.create_external_s3_file_handle(
        bucket, "base/table.csv", path, parent=sts_folder["id"]
    )
    own = ("id", "etag", "createdOn", "modifiedOn")
    assert {k: v for k, v in ours.items() if k not in own} == {
        k: v for k, v in theirs.items() if k not in own
    }
