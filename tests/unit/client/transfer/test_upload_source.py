"""Source files of uploads, and their parts as request bodies."""

import os

import pytest
import requests

from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer.executor import CancelToken, TransferCancelledError
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.upload_source import PartBody, UploadSource

DATA = bytes(range(256)) * 10


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def progress():
    return []


@pytest.fixture
def cancel_token():
    return CancelToken()


@pytest.fixture
def body(path, progress, cancel_token):
    with PartBody(
        UploadSource.of(path), Part(2, 100, 1100), cancel_token, progress.append
    ) as body:
        yield body


def prepared(body, **headers):
    request = requests.Request("PUT", "https://s3/x", auth=body, headers=headers)
    return requests.Session().prepare_request(request)


def read_all(request):
    data = b""
    while block := request.body.read(300):
        data += block
    return data


def test_part_body_is_sent_with_length_and_without_credentials(body):
    request = prepared(body, Authorization="Bearer secret")
    assert request.headers["Content-Length"] == "1000"
    assert "Transfer-Encoding" not in request.headers
    assert "Authorization" not in request.headers


def test_part_body_streams_its_bytes(body, progress):
    assert read_all(prepared(body)) == DATA[100:1100]
    assert sum(progress) == 1000


def test_each_attempt_starts_at_the_beginning_of_the_part(body, progress):
    prepared(body).body.read(700)
    assert read_all(prepared(body)) == DATA[100:1100]
    assert sum(progress) == 1000


def test_read_without_size_returns_the_remaining_bytes(body):
    prepared(body).body.read(10)
    assert body.read() == DATA[110:1100]
    assert body.read() == b""


def test_rewind_progress_subtracts_a_failed_attempt(body, progress):
    body.read(400)
    body.rewind_progress()
    assert sum(progress) == 0


def test_read_raises_after_cancellation(body, cancel_token):
    cancel_token.cancel()
    with pytest.raises(TransferCancelledError):
        body.read(10)


def test_read_of_a_truncated_file_raises(path, body):
    prepared(body)
    os.truncate(path, 500)
    body.read(1000)
    with pytest.raises(SynapseUploadFailedException, match="changed or removed"):
        body.read(1000)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(DATA),
        lambda path: os.truncate(path, 5),
        lambda path: path.unlink(),
        lambda path: path.with_name("new").rename(path),
    ],
)
def test_require_unchanged_detects_changes(path, change):
    path.with_name("new").write_bytes(DATA)
    os.utime(path.with_name("new"), ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.utime(path, (1, 1))
    source = UploadSource.of(path)
    source.require_unchanged()
    change(path)
    with pytest.raises(SynapseUploadFailedException, match=str(path)):
        source.require_unchanged()


def test_upload_source_expands_the_home_directory(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    assert UploadSource.of("~/data.bin").size == len(DATA)
