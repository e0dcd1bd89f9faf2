"""Interruption of uploads with boto3, with servers that do not respond."""

import os
import signal
import socket
import threading
import time

import boto3
import pytest
from botocore.config import Config

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.transfer import object_store, s3_interruption
from synapse_workflows.client.transfer.file_handles import FileDescription
from synapse_workflows.client.transfer.object_store import StoredObject
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import MiB


@pytest.fixture
def hanging_server():
    """URL of a server that accepts connections, and an event that follows the first request."""
    listener = socket.create_server(("127.0.0.1", 0))
    received, connections = threading.Event(), []

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            connection.recv(1)
            received.set()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
    for each in (listener, *connections):
        each.close()


@pytest.fixture
def syn(tmp_path):
    with Session(cache_root=str(tmp_path / "cache")) as syn:
        yield syn


@pytest.mark.parametrize("size", [10, 20 * MiB])
def test_interrupted_upload_does_not_wait_for_the_server(
    syn, tmp_path, hanging_server, monkeypatch, size
):
    url, received = hanging_server
    monkeypatch.setattr(s3_interruption, "_CLEANUP_TIMEOUT", 0.2)
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}),
    )
    s3_interruption.make_interruptible(client)
    path = tmp_path / "data.bin"
    path.write_bytes(b"x" * size)
    source = UploadSource.of(path)

    def interrupt():
        received.wait(30)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before, started = set(threading.enumerate()), time.monotonic()
    described = FileDescription("data.bin", None, size, None)
    with pytest.raises(KeyboardInterrupt):
        object_store.upload_object(syn, source, described, StoredObject(client, "bucket", "key"))
    assert time.monotonic() - started < 40
    left = set(threading.enumerate()) - before
    assert not [each for each in left if each.name.startswith("ThreadPoolExecutor")]
