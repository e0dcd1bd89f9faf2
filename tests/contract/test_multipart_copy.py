"""Copies of files to another storage location, without a transfer through the client."""

import os
import time
from pathlib import Path

import pytest
import requests
from support import fault_proxy
from support.fault_proxy import UPLOADS

from synapse_workflows import File, Project
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer.multipart_copy import copy_file_handle

MiB = 1024 * 1024
ERROR = "<Error><Code>InternalError</Code><Message>Try again.</Message></Error>"


@pytest.fixture
def syn(proxied):
    syn = proxied(retry=RetryPolicy(attempts=4, total=10.0, wait=0.01))
    syn.max_threads = 1
    return syn


@pytest.fixture
def stored(socket_client, tmp_path):
    """File of three parts of 5 MiB."""
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(11 * MiB))
    project = socket_client.store(Project(f"copies {time.time_ns()}"))
    return socket_client.store(File(str(path), parent=project))


@pytest.fixture
def location(socket_client):
    """ID of a storage location of alice."""
    bucket = f"copies-{time.time_ns()}"
    setting = socket_client.createStorageLocationSetting("ExternalS3Storage", bucket=bucket)
    return setting["storageLocationId"]


@pytest.fixture
def copy(syn, stored, location):
    """Return a function that copies the file, and returns the ID of the new file handle."""

    def make(**options):
        settings = {
            "storage_location_id": location,
            "associate_type": "FileEntity",
            "associate_id": stored.id,
            "part_size": 5 * MiB,
        }
        return copy_file_handle(syn, stored.dataFileHandleId, **(settings | options))

    return make


def assert_copied(syn, stored, location, handle_id, name="data.bin"):
    handle = syn.restGET(f"/fileHandle/{handle_id}", syn.fileHandleEndpoint)
    assert handle_id != stored.dataFileHandleId
    assert (handle["fileName"], handle["storageLocationId"]) == (name, location)
    assert (handle["contentMd5"], handle["contentSize"]) == (stored.md5, 11 * MiB)
    url = f"/fileHandle/{handle_id}/url?redirect=false"
    signed = syn.call("GET", url, endpoint="file").content.decode()
    assert requests.get(signed, timeout=10).content == Path(stored.path).read_bytes()


def test_copy_has_the_content_of_the_file(syn, proxy, stored, location, copy):
    sent = []

    def record(exchange):
        sent.append(exchange.headers)
        fault_proxy.forward(exchange)

    proxy.fail("PUT", UPLOADS, record, times=3)
    assert_copied(syn, stored, location, copy())
    assert [each["Content-Length"] for each in sent] == ["0"] * 3
    assert not any("Authorization" in each for each in sent)


def test_second_copy_returns_the_same_file_handle(proxy, copy):
    assert copy() == copy()
    assert proxy.count("PUT", UPLOADS) == 3


def test_copy_can_have_another_name(syn, stored, location, copy):
    assert_copied(syn, stored, location, copy(file_name="other.bin"), "other.bin")


def test_interrupted_copy_is_resumed_with_the_missing_parts(syn, proxy, stored, location, copy):
    policy, syn.retry = syn.retry, RetryPolicy(attempts=1, wait=0.001)
    proxy.fail("PUT", UPLOADS, lambda exchange: exchange.disconnect(), times=7, skip=1)
    with pytest.raises(SynapseUploadFailedException, match="The copy of the file handle"):
        copy()
    syn.retry = policy
    assert_copied(syn, stored, location, copy())
    assert proxy.count("PUT", "/add/") == 3


@pytest.mark.parametrize(
    "fault",
    [
        fault_proxy.respond(200, ERROR),
        fault_proxy.respond(503, ERROR, Retry_After="0"),
        fault_proxy.respond(403, "Request has expired"),
        fault_proxy.lose_response,
    ],
)
def test_failed_parts_are_copied_again(syn, proxy, stored, location, copy, fault):
    proxy.fail("PUT", UPLOADS, fault, skip=1)
    assert_copied(syn, stored, location, copy())
    assert proxy.count("PUT", UPLOADS) == 4


def test_copy_needs_the_ownership_of_the_target(copy):
    with pytest.raises(SynapseForbiddenError, match="creator of the storage location"):
        copy(storage_location_id=1)


def test_part_size_is_limited(copy):
    with pytest.raises(SynapseBadRequestError, match="partSizeBytes"):
        copy(part_size=1)
