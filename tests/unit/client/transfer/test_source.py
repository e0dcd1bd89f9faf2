"""A file that is being uploaded, and its parts as request bodies."""

import hashlib
import os

import pytest
import requests

from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer.executor import Halt, HaltedError
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.upload_source import PartBody, Source

DATA = bytes(range(256)) * 10


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def moved():
    return []


@pytest.fixture
def halt():
    return Halt()


@pytest.fixture
def body(path, moved, halt):
    with PartBody(Source.of(path), Part(2, 100, 1100), halt, moved.append) as body:
        yield body


def prepared(body, **headers):
    request = requests.Request("PUT", "https://s3/x", auth=body, headers=headers)
    return requests.Session().prepare_request(request)


def read_all(request):
    data = b""
    while block := request.body.read(300):
        data += block
    return data


def test_it_is_sent_with_its_length_and_nobodys_name(body):
    request = prepared(body, Authorization="Bearer secret")
    assert request.headers["Content-Length"] == "1000"
    assert "Transfer-Encoding" not in request.headers
    assert "Authorization" not in request.headers


def test_it_gives_its_bytes_and_their_md5(body, moved):
    assert read_all(prepared(body)) == DATA[100:1100]
    assert body.md5 == hashlib.md5(DATA[100:1100]).hexdigest()
    assert sum(moved) == 1000


def test_each_try_begins_at_the_beginning(body, moved):
    prepared(body).body.read(700)
    assert read_all(prepared(body)) == DATA[100:1100]
    assert body.md5 == hashlib.md5(DATA[100:1100]).hexdigest()
    assert sum(moved) == 1000


def test_read_without_a_size_gives_what_is_left(body):
    prepared(body).body.read(10)
    assert body.read() == DATA[110:1100]
    assert body.read() == b""


def test_a_try_that_failed_is_taken_back(body, moved):
    body.read(400)
    body.undo()
    assert sum(moved) == 0


def test_it_stops_when_the_transfer_has_ended(body, halt):
    halt.stop()
    with pytest.raises(HaltedError):
        body.read(10)


def test_a_file_that_became_shorter_is_an_error(path, body):
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
def test_a_change_is_noticed(path, change):
    path.with_name("new").write_bytes(DATA)
    os.utime(path.with_name("new"), ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.utime(path, (1, 1))
    source = Source.of(path)
    source.require_unchanged()
    change(path)
    with pytest.raises(SynapseUploadFailedException, match=str(path)):
        source.require_unchanged()


def test_the_home_directory_is_expanded(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    assert Source.of("~/data.bin").size == len(DATA)
