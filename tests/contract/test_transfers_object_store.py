"""Files in S3 buckets that the client reads and writes itself, with a real S3 server."""

import _thread
import hashlib
import os
import time
import traceback
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from synapse_workflows import File, Folder, Project
from synapse_workflows.client.core import sts_tokens
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseMd5MismatchError,
    SynapseNotFoundError,
    SynapseUploadAbortedException,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import (
    object_store,
    progress,
    s3_clients,
    storage_upload,
    upload_destination,
)
from synapse_workflows.client.transfer.file_handles import FileDescription
from synapse_workflows.client.transfer.object_store import StoredObject
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import (
    EXTERNAL_OBJECT_STORE_FILE_HANDLE,
    S3_FILE_HANDLE,
    MiB,
)

PROFILE = "a-lab"
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
)  # fmt: skip


@pytest.fixture(scope="module")
def admin(s3_service):
    """S3 client of the administrator of the server."""
    endpoint = s3_service.endpoint
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3_service):
    """Name of a new bucket."""
    name = f"lab-{uuid4()}"
    s3_service.store.create_bucket(name)
    return name


@pytest.fixture(autouse=True)
def aws_files(s3_service, tmp_path, monkeypatch):
    """Files of AWS with a profile, and no credentials in environment variables."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    endpoint = s3_service.endpoint
    credentials = tmp_path / "aws-credentials"
    credentials.write_text(
        f"[{PROFILE}]\naws_access_key_id = {endpoint.access_key_id}\n"
        f"aws_secret_access_key = {endpoint.secret_access_key}\n"
        "[a-stranger]\naws_access_key_id = AKIDUNKNOWN\naws_secret_access_key = a-wrong-secret\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def client_with(s3_service, tmp_path):
    """Return a function that creates clients of users with a configuration file."""
    made = []

    def make(config="", user="alice"):
        path = tmp_path / f"synapseConfig-{uuid4()}"
        path.write_text(config)
        cache = str(tmp_path / "cache")
        made.append(s3_service.service.client(user, configPath=str(path), cache_root_dir=cache))
        return made[-1]

    yield make
    for syn in made:
        syn.close()


@pytest.fixture
def lab(client_with, s3_service, bucket):
    """A client of alice with the profile of the bucket."""
    section = f"[{s3_service.endpoint.url}/{bucket}]\nprofile_name = {PROFILE}\n"
    return client_with(section)


@pytest.fixture
def container(lab, s3_service, bucket):
    """A folder whose files are stored in the bucket, with the credentials of the client."""
    location = lab.createStorageLocationSetting(
        "ExternalObjectStorage", endpointUrl=s3_service.endpoint.url, bucket=bucket
    )
    return new_folder(lab, location["storageLocationId"])


def new_folder(syn, location):
    folder = syn.store(Folder("data", syn.store(Project(f"project {uuid4()}"))))
    syn.setStorageLocation(folder, location)
    return folder


def keys(admin, bucket):
    found = admin.list_objects_v2(Bucket=bucket).get("Contents") or []
    return sorted(each["Key"] for each in found)


def content(admin, bucket, key):
    return admin.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def make_bytes(tmp_path):
    """Return a function that writes a file of random bytes."""

    def make(size, name="data.bin"):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        return path

    return make


@pytest.mark.parametrize("size", [1, 17 * MiB + 3])
def test_file_is_stored_in_the_object_store_and_read_back(
    lab, container, admin, bucket, make_bytes, tmp_path, size
):
    path = make_bytes(size, "a b+(1).csv")
    stored = lab.store(File(str(path), container))
    handle = stored._file_handle
    assert handle["concreteType"] == EXTERNAL_OBJECT_STORE_FILE_HANDLE
    assert handle["fileKey"].endswith("/a b+(1).csv")
    assert (handle["contentMd5"], handle["contentSize"], handle["contentType"]) == (
        hashlib.md5(path.read_bytes()).hexdigest(),
        size,
        "text/csv",
    )
    assert keys(admin, bucket) == [handle["fileKey"]]
    assert content(admin, bucket, handle["fileKey"]) == path.read_bytes()
    head = admin.head_object(Bucket=bucket, Key=handle["fileKey"])
    assert head["ContentType"] == "text/csv"
    assert lab.cache.contains(handle["id"], path)
    lab.cache.remove(handle["id"])
    found = lab.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert Path(found.path).read_bytes() == path.read_bytes()
    assert lab.cache.contains(handle["id"], found.path)


def test_unchanged_file_is_not_uploaded_again(lab, container, admin, bucket, make_bytes):
    path = make_bytes(10)
    stored = lab.store(File(str(path), container))
    again = lab.store(File(str(path), container), forceVersion=False)
    assert (again.dataFileHandleId, again.versionNumber) == (stored.dataFileHandleId, 1)
    assert len(keys(admin, bucket)) == 1


def test_missing_credentials_are_named(client_with, container, make_bytes):
    syn = client_with()
    with pytest.raises(SynapseConfigError, match="credentials") as caught:
        syn.uploadFileHandle(make_bytes(10), container)
    assert "profile_name" in str(caught.value)


def test_unknown_profile_is_named(client_with, s3_service, bucket, container, make_bytes):
    syn = client_with(f"[{s3_service.endpoint.url}/{bucket}/]\nprofile_name = nobody\n")
    with pytest.raises(SynapseConfigError, match=r"AWS profile 'nobody' for .* does not exist"):
        syn.uploadFileHandle(make_bytes(10), container)


def test_section_without_profile_uses_the_default_profile(
    client_with, s3_service, bucket, container, make_bytes
):
    syn = client_with(f"[{s3_service.endpoint.url}/{bucket}]\n")
    with pytest.raises(SynapseConfigError, match="AWS profile 'default'"):
        syn.uploadFileHandle(make_bytes(10), container)


def test_rejected_credentials_are_in_no_error(
    client_with, s3_service, bucket, container, make_bytes
):
    syn = client_with(f"[{s3_service.endpoint.url}/{bucket}]\nprofile_name = a-stranger\n")
    with pytest.raises(SynapseForbiddenError, match=f"s3://{bucket}") as caught:
        syn.uploadFileHandle(make_bytes(10), container)
    text = "".join(traceback.format_exception(caught.value))
    assert "a-wrong-secret" not in text


def test_missing_bucket_raises(lab, s3_service, make_bytes, client_with):
    location = lab.createStorageLocationSetting(
        "ExternalObjectStorage", endpointUrl=s3_service.endpoint.url, bucket="no-such-bucket"
    )
    folder = new_folder(lab, location["storageLocationId"])
    syn = client_with(f"[{s3_service.endpoint.url}/no-such-bucket]\nprofile_name = {PROFILE}\n")
    with pytest.raises(SynapseNotFoundError, match="NoSuchBucket"):
        syn.uploadFileHandle(make_bytes(10), folder)


def test_unreachable_endpoint_raises(lab, client_with, make_bytes):
    place = "http://127.0.0.1:9"
    location = lab.createStorageLocationSetting(
        "ExternalObjectStorage", endpointUrl=place, bucket="a-bucket"
    )
    folder = new_folder(lab, location["storageLocationId"])
    syn = client_with(f"[{place}/a-bucket]\nprofile_name = {PROFILE}\n")
    with pytest.raises(SynapseConnectionError, match="s3://a-bucket/"):
        syn.uploadFileHandle(make_bytes(10), folder)


def test_changed_and_missing_objects_raise(lab, container, admin, bucket, make_bytes, tmp_path):
    stored = lab.store(File(str(make_bytes(10)), container))
    key = stored._file_handle["fileKey"]
    lab.cache.remove(stored.dataFileHandleId)
    here = str(tmp_path / "here")
    admin.put_object(Bucket=bucket, Key=key, Body=b"x" * 10)
    with pytest.raises(SynapseMd5MismatchError):
        lab.get(stored.id, downloadLocation=here)
    admin.put_object(Bucket=bucket, Key=key, Body=b"x" * 11)
    with pytest.raises(SynapseDownloadError, match="has 11 bytes, but 10"):
        lab.get(stored.id, downloadLocation=here)
    admin.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(SynapseHTTPError, match=f"s3://{bucket}/{key}") as caught:
        lab.get(stored.id, downloadLocation=here)
    assert caught.value.status == 404
    assert "not in its storage" in str(caught.value)
    assert list((tmp_path / "here").iterdir()) == []


def rewrite(path, source):
    """Change the content, but neither the size nor the modification time."""
    time.sleep(0.02)  # the clock of some file systems has a resolution of 10 ms
    path.write_bytes(b"x" * source.size)
    os.utime(path, ns=(source.modified, source.modified))


def shorten(path, _):
    path.write_bytes(b"changed")


@pytest.mark.parametrize("change", [shorten, rewrite])
def test_file_that_changes_during_the_upload_leaves_no_object(
    lab, s3_service, admin, bucket, make_bytes, change
):
    path = make_bytes(10)
    source = UploadSource.of(path)
    described = describe(source)
    change(path, source)
    client = s3_clients.get_profile_client(lab, s3_service.endpoint.url, bucket)
    with pytest.raises(SynapseUploadFailedException, match="was changed or removed"):
        object_store.upload_object(lab, source, described, StoredObject(client, bucket, "k"))
    assert keys(admin, bucket) == []


def describe(source):
    md5 = hashlib.md5(source.path.read_bytes()).hexdigest()
    return FileDescription.of(source, md5, None)


def test_object_whose_file_handle_is_rejected_is_deleted(
    lab, container, admin, bucket, make_bytes
):
    destination = upload_destination.get_upload_destination(lab, container.id)
    unknown = replace(destination, storage_location_id=999_999)
    with pytest.raises(SynapseNotFoundError, match="999999"):
        storage_upload.upload_to_storage(lab, make_bytes(10), container.id, unknown)
    assert keys(admin, bucket) == []


def test_interrupted_upload_leaves_no_parts(
    lab, container, admin, bucket, make_bytes, monkeypatch
):
    def interrupt(*_):
        _thread.interrupt_main()

    monkeypatch.setattr(progress.NoProgress, "advance", interrupt)
    with pytest.raises(SynapseUploadAbortedException):
        lab.uploadFileHandle(make_bytes(20 * MiB), container)
    assert keys(admin, bucket) == []
    assert not admin.list_multipart_uploads(Bucket=bucket).get("Uploads")


# STS tokens


@pytest.fixture
def sts_client(client_with):
    """A client of alice that transfers files with STS tokens."""
    return client_with("[transfer]\nuse_boto_sts = true\n")


@pytest.fixture
def sts_folder(sts_client, bucket):
    """A folder with STS in an own bucket."""
    project = sts_client.store(Project(f"project {uuid4()}"))
    folder, _, _ = sts_client.create_s3_storage_location(
        parent=project, folder_name="sts", bucket_name=bucket, base_key="base", sts_enabled=True
    )
    return folder


@pytest.mark.parametrize("size", [1, 17 * MiB + 3])
def test_file_is_transferred_with_sts_tokens(
    sts_client, sts_folder, admin, bucket, make_bytes, tmp_path, size
):
    path = make_bytes(size, "results.csv")
    stored = sts_client.store(File(str(path), sts_folder))
    handle = stored._file_handle
    assert handle["concreteType"] == S3_FILE_HANDLE
    assert (handle["bucketName"], handle["contentSize"]) == (bucket, size)
    assert handle["key"].startswith("base/")
    assert handle["key"].endswith("/results.csv")
    assert keys(admin, bucket) == [handle["key"]]
    assert content(admin, bucket, handle["key"]) == path.read_bytes()
    sts_client.cache.remove(handle["id"])
    found = sts_client.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert Path(found.path).read_bytes() == path.read_bytes()


def test_other_users_read_with_their_own_tokens(
    sts_client, sts_folder, client_with, make_bytes, s3_service
):
    stored = sts_client.store(File(str(make_bytes(10)), sts_folder))
    bob = client_with("[transfer]\nuse_boto_sts = true\n", user="bob")
    bob.cache.remove(stored.dataFileHandleId)
    with pytest.raises(SynapseHTTPError):
        bob.get(stored.id)
    sts_client.setPermissions(sts_folder.parentId, s3_service.service.owner_id("bob"),
                              accessType=["READ", "DOWNLOAD"], warn_if_inherits=False)  # fmt: skip
    assert bob.get(stored.id).path
    with pytest.raises(SynapseForbiddenError):
        bob.get_sts_storage_token(sts_folder, "read_write")


def test_credentials_are_replaced_in_time_and_end_with_the_login(sts_client, sts_folder, bucket):
    client = s3_clients.get_sts_client(sts_client, sts_folder.id, "read_write", None)
    credentials = client._request_signer._credentials
    first = credentials.get_frozen_credentials().token
    client.put_object(Bucket=bucket, Key="base/x", Body=b"x")
    credentials._expiry_time = credentials._time_fetcher()
    sts_tokens.discard_sts_tokens(sts_client)
    client.put_object(Bucket=bucket, Key="base/x", Body=b"x")
    assert credentials.get_frozen_credentials().token != first
    sts_client.logout()
    credentials._expiry_time = credentials._time_fetcher()
    with pytest.raises(SynapseAuthenticationError, match="login of the client changed"):
        client.put_object(Bucket=bucket, Key="base/x", Body=b"x")


def test_tokens_are_limited_to_the_prefix(sts_client, sts_folder, bucket):
    client = s3_clients.get_sts_client(sts_client, sts_folder.id, "read_write", None)
    target = StoredObject(client, bucket, "elsewhere/x")
    with (
        pytest.raises(SynapseForbiddenError),
        object_store.raising_storage_errors("PUT", target),
    ):
        target.client.put_object(Bucket=bucket, Key=target.key, Body=b"x")


def test_users_who_may_not_create_file_handles_upload_through_synapse(
    sts_client, sts_folder, client_with, s3_service, make_bytes, bucket, monkeypatch
):
    """Only the creator of the storage location may create file handles of its bucket."""
    sts_client.setPermissions(sts_folder.parentId, s3_service.service.owner_id("bob"),
                              accessType=["READ", "DOWNLOAD", "CREATE", "UPDATE", "DELETE"],
                              warn_if_inherits=False)  # fmt: skip
    bob = client_with("[transfer]\nuse_boto_sts = true\n", user="bob")
    monkeypatch.setattr(object_store, "upload_object", pytest.fail)
    stored = bob.store(File(str(make_bytes(10)), sts_folder))
    assert stored._file_handle["bucketName"] == bucket


def test_client_without_sts_transfers_through_synapse(
    sts_client, sts_folder, client_with, make_bytes, bucket
):
    plain, path = client_with(), make_bytes(10)
    stored = plain.store(File(str(path), sts_folder))
    assert stored._file_handle["bucketName"] == bucket
    plain.cache.remove(stored.dataFileHandleId)
    assert Path(plain.get(stored.id).path).read_bytes() == path.read_bytes()


def test_object_that_was_deleted_is_not_in_the_trash_can(
    sts_client, sts_folder, client_with, make_bytes, admin, bucket
):
    stored = sts_client.store(File(str(make_bytes(10)), sts_folder))
    admin.delete_object(Bucket=bucket, Key=stored._file_handle["key"])
    plain = client_with()
    plain.cache.remove(stored.dataFileHandleId)
    for syn in (plain, sts_client):
        with pytest.raises(Exception, match="not in its storage") as caught:
            syn.get(stored.id)
        assert "trash can" not in str(caught.value)
