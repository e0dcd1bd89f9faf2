"""Tests of the server on a socket: start, shutdown, crash and restart."""

import hashlib
import http.client
import json
import logging
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
import requests
from support.file_api import (
    PART,
    Clock,
    RestService,
    RestUser,
    assert_error,
    bytes_on_disk,
    md5,
    ok,
)
from support.long_queries import LongQueries
from support.waiting import wait_until

from synapse_workflows.local.data_dir_lock import DataDirInUseError
from synapse_workflows.local.server import (
    AddressError,
    LocalService,
    bind_socket,
    warn_of_network_access,
)

BIG = bytes(range(256)) * (2 * PART // 256) + b"the end"


def log_in(service: LocalService) -> RestUser:
    return RestUser(requests.Session(), service.base_url, service.token("alice"))


class Process:
    """A process that runs `synapse-workflows serve`."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / "serve.log"
        self.arguments = [
            "serve",
            "--s3",
            "off",
            "--data",
            str(data_dir),
            "--port",
            "0",
            *arguments,
        ]

    def __enter__(self) -> Self:
        service_file = self.data_dir / "service.json"
        service_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "synapse_workflows", *self.arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 120
        while not service_file.exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.facts = json.loads(service_file.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)

    def stop(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(30)

    @property
    def rest_service(self) -> RestService:
        base_url = self.facts["repoEndpoint"].removesuffix("/repo/v1")
        tokens = {user["userName"]: user["token"] for user in self.facts["users"]}
        return RestService(requests.Session(), base_url, tokens, Clock())

    def user(self, name: str = "alice") -> RestUser:
        return self.rest_service.user(name)


@contextmanager
def incomplete_part(url: str, data: bytes, length: int):
    """Send the first bytes of a part and keep the connection open."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    with closing(connection):
        connection.putrequest("PUT", f"{parts.path}?{parts.query}")
        connection.putheader("Content-Length", str(length))
        connection.endheaders(data)
        yield connection


# LocalService: a thread of this process.


def test_local_service_serves_requests_until_it_exits(tmp_path):
    before = set(threading.enumerate())
    with LocalService(tmp_path) as service:
        assert service.endpoints == {
            "repoEndpoint": f"{service.base_url}/repo/v1",
            "authEndpoint": f"{service.base_url}/auth/v1",
            "fileHandleEndpoint": f"{service.base_url}/file/v1",
            "portalEndpoint": f"{service.base_url}/",
        }
        profile = ok(log_in(service).get("/repo/v1/userProfile"))
        assert profile["userName"] == "alice"
        assert next(iter(service.users)) == "admin"
        base_url = service.base_url
    with pytest.raises(requests.ConnectionError):
        requests.get(base_url, timeout=30)
    remaining = set(threading.enumerate()) - before
    assert not [thread for thread in remaining if thread.name == "local-synapse"]


@pytest.mark.parametrize("user", [{"userName": "eve", "password": "a-secret"}, "eve", None])
def test_users_of_another_type_are_rejected_at_once(tmp_path, user):
    with pytest.raises(TypeError, match=r"Invalid users\[0\] of type .*UserSeed") as caught:
        LocalService(tmp_path, users=[user])
    assert "a-secret" not in str(caught.value)


def test_next_service_with_the_same_directory_has_the_same_data(tmp_path):
    with LocalService(tmp_path) as first:
        tokens = {name: user.token for name, user in first.users.items()}
        handle = log_in(first).upload(b"kept")
        project = log_in(first).project("Kept")
    with LocalService(tmp_path) as second:
        assert {name: user.token for name, user in second.users.items()} == tokens
        assert log_in(second).read(handle).content == b"kept"
        assert ok(log_in(second).get(f"/repo/v1/entity/{project}"))["name"] == "Kept"


def test_presigned_urls_have_the_base_url_of_the_service(tmp_path):
    with LocalService(tmp_path) as service:
        alice = log_in(service)
        handle = alice.upload(BIG)
        assert alice.url(handle).startswith(service.base_url)
        assert alice.read(handle).content == BIG
        assert alice.read(handle, Range=f"bytes={PART - 1}-{PART}").content == BIG[PART - 1 :][:2]


def test_data_directory_is_locked_while_the_service_runs(tmp_path):
    with LocalService(tmp_path), pytest.raises(DataDirInUseError, match="another running service"):
        LocalService(tmp_path).__enter__()
    with LocalService(tmp_path) as service:
        assert log_in(service).get("/repo/v1/userProfile").ok


def test_bind_socket_raises_address_error_with_host_and_port():
    with bind_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(AddressError, match=f"port {port}"):
            bind_socket("127.0.0.1", port)
    with pytest.raises(AddressError, match="such"):
        bind_socket("no.such.host.invalid", 0)


def test_error_response_is_received_during_an_upload(tmp_path):
    with LocalService(tmp_path, upload_url_seconds=-1) as service:
        alice = log_in(service)
        upload = ok(alice.start(BIG, part=3 * PART))["uploadId"]
        for _ in range(3):
            response = alice.put_part(upload, 1, BIG)
            assert response.status_code == 403
            assert "expired" in response.text


def test_part_of_an_interrupted_upload_is_deleted(tmp_path):
    with LocalService(tmp_path) as service:
        alice = log_in(service)
        upload = ok(alice.start(BIG, part=3 * PART))["uploadId"]
        with incomplete_part(alice.part_url(upload), BIG[:PART], len(BIG)):
            wait_until(lambda: bytes_on_disk(tmp_path))
        wait_until(lambda: not bytes_on_disk(tmp_path))
        assert ok(alice.start(BIG, part=3 * PART))["partsState"] == "0"


def test_log_contains_no_tokens_and_no_signatures(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with LocalService(tmp_path) as service:
        alice = log_in(service)
        handle = alice.upload(b"secret")
        alice.read(handle)
        requests.get(alice.url(handle) + "0", timeout=30)
        lines = [each.getMessage() for each in caplog.records if each.name.startswith("synapse")]
        assert any(line.startswith(f"GET /storage/download/{handle} 200") for line in lines)
        text = "\n".join(lines)
        assert "X-Amz" not in text
        assert service.token("alice") not in text


# serve: a separate process.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A process that is shared by all tests that do not change its data."""
    with Process(tmp_path_factory.mktemp("served") / "data") as process:
        yield process


def test_service_json_has_endpoints_users_and_airflow_connection(served):
    facts = served.facts
    base_url = facts["repoEndpoint"].removesuffix("/repo/v1")
    assert facts["authEndpoint"] == f"{base_url}/auth/v1"
    assert facts["fileHandleEndpoint"] == f"{base_url}/file/v1"
    assert facts["portalEndpoint"] == f"{base_url}/"
    assert facts["pid"] == served.process.pid
    users = facts["users"]
    assert [(u["userName"], u["certified"]) for u in users] == [
        ("admin", True), ("alice", True), ("bob", True), ("carol", True), ("dave", False),
    ]  # fmt: skip
    assert {type(u["ownerId"]) for u in users} == {str}
    connection = json.loads(facts["airflow_connection"])
    assert connection["conn_type"] == "synapse"
    assert connection["host"] == facts["repoEndpoint"]
    assert connection["password"] == users[1]["token"]
    assert connection["extra"]["file_endpoint"] == facts["fileHandleEndpoint"]
    assert ok(served.user("bob").get("/repo/v1/userProfile"))["ownerId"] == users[2]["ownerId"]


def test_service_json_and_secret_are_readable_by_owner_only(served):
    for name in ("service.json", "secret"):
        assert stat.S_IMODE((served.data_dir / name).stat().st_mode) == 0o600


def test_service_listens_on_loopback_only(served):
    port = int(served.facts["repoEndpoint"].split(":")[2].partition("/")[0])
    addresses = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), port)}
    for address in addresses - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):  # noqa: PT011
            pass
    assert socket.create_connection(("127.0.0.1", port), timeout=2).close() is None


def test_serve_prints_usage_of_clients(served):
    wait_until(lambda: "service.json" in served.log.read_text())
    output = served.log.read_text()
    for text in (
        "syn = Synapse(",
        "export AIRFLOW_CONN_SYNAPSE_DEFAULT='{",
        "[endpoints]",
        f"repoEndpoint = {served.facts['repoEndpoint']}",
        "username = alice",
        f"authtoken = {served.facts['users'][1]['token']}",
        served.facts["signInUrls"]["alice"],
    ):
        assert text in output


def test_a_link_of_service_json_signs_in_to_the_portal_and_its_token_is_not_logged(served):
    link = served.facts["signInUrls"]["bob"]
    page = requests.get(link, timeout=30)
    assert page.url == served.facts["portalEndpoint"]
    assert "bob</a> <button>Sign out" in page.text
    wait_until(lambda: "GET /sign-in 303" in served.log.read_text())
    assert link.partition("token=")[2] not in served.log.read_text()


def test_second_service_in_a_directory_fails(served):
    error = fail_to_serve(served.data_dir)
    assert error.startswith("Error: ")
    assert "in use by another running service" in error
    assert (served.data_dir / "service.json").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signal_causes_graceful_shutdown(tmp_path, signal_number):
    with Process(tmp_path / "data") as process:
        project = process.user().project("Before the signal")
        assert process.stop(signal_number) == 0
        assert not (tmp_path / "data" / "service.json").exists()
        assert "Traceback" not in process.log.read_text()
    with LocalService(tmp_path / "data") as service:
        assert log_in(service).get(f"/repo/v1/entity/{project}").ok


def test_completed_writes_survive_sigkill_and_incomplete_parts_are_deleted(tmp_path):
    data_dir = tmp_path / "data"
    with Process(data_dir) as process:
        alice = process.user()
        project = alice.project("Killed")
        handle = alice.upload(BIG, fileName="whole.bin")
        entity = alice.file("whole.bin", project, handle)
        upload = ok(alice.start(BIG, fileName="half.bin"))["uploadId"]
        alice.put_part(upload, 2, BIG[PART : 2 * PART])
        assert alice.add(upload, 2, md5(BIG[PART : 2 * PART]))["addPartState"] == "ADD_SUCCESS"
        alice.put_part(upload, 3, BIG[2 * PART :])
        sizes = bytes_on_disk(data_dir)
        with incomplete_part(alice.part_url(upload, 1), BIG[: PART // 2], PART):
            wait_until(lambda: len(bytes_on_disk(data_dir)) > len(sizes))
            process.stop(signal.SIGKILL)
        users = process.facts["users"]
    with Process(data_dir) as process:
        alice = process.user()
        assert process.facts["users"] == users
        assert bytes_on_disk(data_dir) == sizes
        assert ok(alice.get(f"/repo/v1/entity/{entity}"))["dataFileHandleId"] == handle
        assert hashlib.md5(alice.read(handle).content).hexdigest() == md5(BIG)
        again = ok(alice.start(BIG, fileName="half.bin"))
        assert (again["uploadId"], again["partsState"]) == (upload, "010")
        assert alice.add(upload, 1, md5(BIG[:PART]))["addPartState"] == "ADD_FAILED"
        alice.put_part(upload, 1, BIG[:PART])
        for number, piece in ((1, BIG[:PART]), (3, BIG[2 * PART :])):
            assert alice.add(upload, number, md5(piece))["addPartState"] == "ADD_SUCCESS"
        assert ok(alice.complete(upload))["state"] == "COMPLETED"


# User files.


def fail_to_serve(data_dir: Path, *arguments: str) -> str:
    """Run `serve`, which must fail, and return its error message."""
    completed = subprocess.run(
        [sys.executable, "-m", "synapse_workflows", *Process(data_dir, *arguments).arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 1
    assert "Traceback" not in completed.stderr
    return completed.stderr


def test_users_of_a_user_file_exist_in_later_starts_too(tmp_path):
    users = tmp_path / "users.json"
    users.write_text(
        json.dumps(
            [
                {"userName": "eve", "token": "my-own-token", "firstName": "Eve"},
                {"userName": "mallory", "certified": False},
                {"userName": "root", "admin": True, "ownerId": "77"},
            ]
        )
    )
    data_dir = tmp_path / "data"
    with Process(data_dir, "--users", str(users)) as process:
        expected = process.facts["users"]
        assert [u["userName"] for u in expected] == ["root", "eve", "mallory"]
        assert (expected[0]["ownerId"], expected[1]["token"]) == ("77", "my-own-token")
        assert not expected[2]["certified"]
        assert ok(process.user("eve").get("/repo/v1/userProfile"))["firstName"] == "Eve"
        assert json.loads(process.facts["airflow_connection"])["password"] == "my-own-token"
        process.stop(signal.SIGTERM)
    users.unlink()
    with Process(data_dir) as process:
        assert process.facts["users"] == expected
        assert stat.S_IMODE((data_dir / "users.json").stat().st_mode) == 0o600


def test_missing_user_file_is_an_error(tmp_path):
    error = fail_to_serve(tmp_path / "data", "--users", str(tmp_path / "users.json"))
    assert f"Cannot read the user file {tmp_path / 'users.json'}: No such file" in error
    assert not (tmp_path / "data").exists()


def test_rejected_user_file_is_not_saved(tmp_path):
    users = tmp_path / "users.json"
    users.write_text('[{"userName": "Administrators", "token": "my-token"}]')
    error = fail_to_serve(tmp_path / "data", "--users", str(users))
    assert "Administrators" in error
    assert "my-token" not in error
    assert not (tmp_path / "data" / "users.json").exists()


def test_query_seconds_limits_the_queries_of_the_service(tmp_path):
    with Process(tmp_path / "data", "--query-seconds", "0.3") as process:
        long = LongQueries(process.rest_service, "alice")
        assert_error(long.wait(long.start()), 400, "took longer than 0.3 seconds")


def test_data_directory_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert "data" in fail_to_serve(tmp_path / "data")


@pytest.mark.parametrize(("host", "is_warned"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
def test_network_access_is_warned_of(caplog, host, is_warned):
    with bind_socket(host, 0) as listener:
        warn_of_network_access(listener)
    assert ("other machines can reach it" in caplog.text) is is_warned


def test_serve_on_all_interfaces_warns(tmp_path):
    with Process(tmp_path / "data", "--host", "0.0.0.0") as process:  # noqa: S104
        assert "other machines can reach it" in process.log.read_text()
