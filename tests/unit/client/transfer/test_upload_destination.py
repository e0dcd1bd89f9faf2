"""Upload destinations of containers."""

import logging

import pytest
import responses

from synapse_workflows.client.api import files
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import RetryCategory, SynapseUnsupportedStorageError
from synapse_workflows.client.transfer import upload_destination
from synapse_workflows.constants import (
    EXTERNAL_OBJECT_UPLOAD_DESTINATION,
    EXTERNAL_UPLOAD_DESTINATION,
    MODEL,
    S3_UPLOAD_DESTINATION,
)

FILE = "https://file.example.org/file/v1"
URL = f"{FILE}/entity/syn1/uploadDestination"


@pytest.fixture
def http():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def syn(tmp_path):
    endpoints = {"fileHandleEndpoint": FILE}
    with Session(endpoints=endpoints, cache_root=str(tmp_path / "cache")) as syn:
        yield syn


@pytest.fixture
def log_records(syn):
    """Level and message of the records of the client's logger."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    syn.logger.addHandler(handler)
    return lines


@pytest.mark.parametrize(
    "kind",
    [
        "S3UploadDestination",
        "ExternalS3UploadDestination",
        "ExternalGoogleCloudUploadDestination",
    ],
)
def test_supported_storage_is_returned(syn, http, log_records, kind):
    concrete = f"{MODEL}.file.{kind}"
    http.get(URL, json={"concreteType": concrete, "storageLocationId": 7, "banner": "be nice"})
    found = upload_destination.get_upload_destination(syn, "syn1")
    assert (found.concrete_type, found.storage_location_id) == (concrete, 7)
    assert log_records == [("INFO", "be nice")]


@pytest.mark.parametrize("upload_type", ["HTTPS", "PROXYLOCAL", None])
def test_external_storage_other_than_sftp_raises(syn, http, tmp_path, upload_type):
    http.get(
        URL,
        json={
            "concreteType": EXTERNAL_UPLOAD_DESTINATION,
            "storageLocationId": 7,
            "uploadType": upload_type,
        },
    )
    path = tmp_path / "data.txt"
    path.write_text("data")
    with pytest.raises(NotImplementedError, match="only handle SFTP upload locations") as caught:
        files.uploadFileHandle(syn, str(path), "syn1")
    assert caught.value.retry_category is RetryCategory.PERMANENT


@pytest.mark.parametrize("kind", [EXTERNAL_UPLOAD_DESTINATION, EXTERNAL_OBJECT_UPLOAD_DESTINATION])
def test_missing_property_of_a_storage_is_named(syn, http, tmp_path, kind):
    http.get(
        URL,
        json={"concreteType": kind, "storageLocationId": 7, "uploadType": "SFTP"},
    )
    path = tmp_path / "data.txt"
    path.write_text("data")
    with pytest.raises(
        SynapseUnsupportedStorageError, match=r"location 7 has no (url|endpointUrl)"
    ):
        files.uploadFileHandle(syn, str(path), "syn1")


@pytest.mark.parametrize(
    "body", [{"concreteType": f"{MODEL}.file.New", "storageLocationId": 7}, {}]
)
def test_unknown_storage_falls_back_with_a_warning(syn, http, log_records, body):
    http.get(URL, json=body)
    found = upload_destination.get_upload_destination(syn, "syn1")
    assert (found.concrete_type, found.storage_location_id) == (S3_UPLOAD_DESTINATION, None)
    assert [level for level, _ in log_records] == ["WARNING"]
