"""Source files of uploads, and their parts as request bodies."""

import hashlib
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests

from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer.executor import CancelToken, TransferCancelledError
from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.upload_source import PartBody, UploadSource

DATA = bytes(range(256)) * 10
MiB = 1 << 20


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


@pytest.fixture(scope="module")
def tls_contexts(tmp_path_factory):
    """Contexts of a server and a client with a certificate for localhost."""
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run(
        ["openssl", "req", *options, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.num_tickets = 0  # a client that closes unread tickets resets the connection
    client = ssl.create_default_context(cafile=certificate)
    return server, client


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


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(5 * MiB))
    return path


@pytest.fixture
def sockets():
    """Two connected sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname(), timeout=30)
        receiver, _ = server.accept()
        with sender, receiver:
            yield sender, receiver


def send(body, sender):
    """Write a body to a socket in another thread, and shut the socket down."""

    def work():
        body.write_to(sender)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def receive(sock, delay=0.0):
    data = b""
    while block := sock.recv(MiB):
        data += block
        time.sleep(delay)
    return data


def big_body(path, cancel_token, progress):
    part = Part(2, MiB + 3, 5 * MiB - 1)
    return PartBody(UploadSource.of(path), part, cancel_token, progress.append)


def test_part_is_written_to_a_socket(big, sockets, cancel_token, progress):
    sender, receiver = sockets
    with big_body(big, cancel_token, progress) as body:
        thread = send(body, sender)
        assert receive(receiver) == big.read_bytes()[MiB + 3 : -1]
        thread.join()
    assert sum(progress) == 4 * MiB - 4


def test_part_is_written_to_a_socket_with_tls(big, sockets, cancel_token, progress, tls_contexts):
    accepted = []

    def accept():
        with tls_contexts[0].wrap_socket(sockets[1], server_side=True) as receiver:
            accepted.append(receive(receiver))

    thread = threading.Thread(target=accept)
    thread.start()
    with (
        big_body(big, cancel_token, progress) as body,
        tls_contexts[1].wrap_socket(sockets[0], server_hostname="localhost") as sender,
    ):
        body.write_to(sender)
    thread.join()
    assert accepted == [big.read_bytes()[MiB + 3 : -1]]
    assert sum(progress) == 4 * MiB - 4


def test_slow_receiver_is_not_interrupted(big, sockets, cancel_token, progress):
    """The timeout applies to the time without progress, not to the whole part."""
    sender, receiver = sockets
    sender.settimeout(3.5)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    with big_body(big, cancel_token, progress) as body:
        started = time.monotonic()
        thread = send(body, sender)
        assert len(receive(receiver, delay=0.2)) == 4 * MiB - 4
        thread.join()
    assert time.monotonic() - started > 3.5


def test_stalled_receiver_is_interrupted(tmp_path, sockets, cancel_token, progress):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(64 * MiB)
    sockets[0].settimeout(0.3)
    part = Part(1, 0, 64 * MiB)
    with (
        PartBody(UploadSource.of(path), part, cancel_token, progress.append) as body,
        pytest.raises(TimeoutError),
    ):
        body.write_to(sockets[0])


def test_cancelled_part_is_not_written(big, sockets, cancel_token, progress):
    cancel_token.cancel()
    with (
        big_body(big, cancel_token, progress) as body,
        pytest.raises(TransferCancelledError),
    ):
        body.write_to(sockets[0])
    assert progress == []


@pytest.mark.parametrize("restore_time", [False, True])
def test_truncated_part_is_not_written(big, sockets, cancel_token, progress, restore_time):
    with big_body(big, cancel_token, progress) as body:
        stat = big.stat()
        os.truncate(big, MiB)
        if restore_time:
            os.utime(big, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with pytest.raises(SynapseUploadFailedException, match="changed or removed"):
            body.write_to(sockets[0])


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


def test_require_content_accepts_other_permissions(path):
    source = UploadSource.of(path)
    path.chmod(0o600)
    source.require_content(hashlib.md5(DATA).hexdigest())


def test_require_content_detects_other_content_of_the_same_time(path):
    source = UploadSource.of(path)
    time.sleep(0.02)  # the clock of some file systems has a resolution of 10 ms
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(source.modified, source.modified))
    source.require_unchanged()
    with pytest.raises(SynapseUploadFailedException, match=str(path)):
        source.require_content(hashlib.md5(DATA).hexdigest())


def test_upload_source_expands_the_home_directory(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    assert UploadSource.of("~/data.bin").size == len(DATA)


def test_pipes_and_devices_are_rejected_without_opening_them(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, "/dev/null"):
        with pytest.raises(ValueError, match="Only regular files can be uploaded"):
            UploadSource.of(path)
