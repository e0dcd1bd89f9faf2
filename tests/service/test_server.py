"""The service over a socket: started, stopped, killed, and started again."""

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
from support.file_api import PART, RestUser, bytes_on_disk, md5, ok

from synapse_workflows.local.data_dir_lock import DataDirInUseError
from synapse_workflows.local.server import AddressError, LocalService, bind_socket

BIG = bytes(range(256)) * (2 * PART // 256) + b"the end"


def user(service: LocalService) -> RestUser:
    return RestUser(requests.Session(), service.base_url, service.token("alice"))


class Process:
    """`synapse-workflows serve` as a process of its own."""

    def __init__(self, data_dir: Path, *words: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / "serve.log"
        self.words = ["serve", "--data", str(data_dir), "--port", "0", *words]

    def __enter__(self) -> Self:
        before = self.data_dir / "service.json"
        before.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "synapse_workflows", *self.words],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while not before.exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.told = json.loads(before.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def user(self, name: str = "alice") -> RestUser:
        user = next(user for user in self.told["users"] if user["userName"] == name)
        base_url = self.told["repoEndpoint"].removesuffix("/repo/v1")
        return RestUser(requests.Session(), base_url, user["token"])


@contextmanager
def half_a_part(url: str, data: bytes, length: int):
    """Send the beginning of a part and keep the line open."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=10)
    with closing(line):
        line.putrequest("PUT", f"{parts.path}?{parts.query}")
        line.putheader("Content-Length", str(length))
        line.endheaders(data)
        yield line


# In a thread of this process.


def test_a_service_in_a_thread_answers_over_a_socket(tmp_path):
    others = set(threading.enumerate())
    with LocalService(tmp_path) as service:
        assert service.repo_endpoint == f"{service.base_url}/repo/v1"
        assert service.auth_endpoint == f"{service.base_url}/auth/v1"
        assert service.file_endpoint == f"{service.base_url}/file/v1"
        assert service.portal_endpoint == f"{service.base_url}/"
        profile = ok(user(service).get("/repo/v1/userProfile"))
        assert profile["userName"] == "alice"
        assert next(iter(service.users)) == "admin"
        base_url = service.base_url
    with pytest.raises(requests.ConnectionError):
        requests.get(base_url, timeout=5)
    left = set(threading.enumerate()) - others
    assert not [thread for thread in left if thread.name == "local-synapse"]


def test_the_next_service_in_the_same_place_goes_on(tmp_path):
    with LocalService(tmp_path) as first:
        tokens = {name: user.token for name, user in first.users.items()}
        handle = user(first).upload(b"kept")
        project = user(first).project("Kept")
    with LocalService(tmp_path) as second:
        assert {name: user.token for name, user in second.users.items()} == tokens
        assert user(second).read(handle).content == b"kept"
        assert ok(user(second).get(f"/repo/v1/entity/{project}"))["name"] == "Kept"


def test_signed_urls_lead_back_to_the_socket(tmp_path):
    with LocalService(tmp_path) as service:
        alice = user(service)
        handle = alice.upload(BIG)
        assert alice.url(handle).startswith(service.base_url)
        assert alice.read(handle).content == BIG
        assert alice.read(handle, Range=f"bytes={PART - 1}-{PART}").content == BIG[PART - 1 :][:2]


def test_two_services_do_not_share_a_directory(tmp_path):
    with LocalService(tmp_path), pytest.raises(DataDirInUseError, match="another running service"):
        LocalService(tmp_path).__enter__()
    with LocalService(tmp_path) as service:
        assert user(service).get("/repo/v1/userProfile").ok


def test_an_address_that_is_taken_is_a_clear_error():
    with bind_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"port {port}"):
            bind_socket("127.0.0.1", port)
    with pytest.raises(AddressError, match="such"):
        bind_socket("no.such.host.invalid", 0)


def test_a_refusal_reaches_the_one_who_is_still_sending(tmp_path):
    with LocalService(tmp_path, upload_url_seconds=-1) as service:
        alice = user(service)
        upload = ok(alice.start(BIG, part=3 * PART))["uploadId"]
        for _ in range(3):
            answer = alice.put_part(upload, 1, BIG)
            assert answer.status_code == 403
            assert "expired" in answer.text


def test_a_line_cut_in_the_middle_of_a_part_leaves_nothing(tmp_path):
    with LocalService(tmp_path) as service:
        alice = user(service)
        upload = ok(alice.start(BIG, part=3 * PART))["uploadId"]
        with half_a_part(alice.part_url(upload), BIG[:PART], len(BIG)):
            wait_until(lambda: bytes_on_disk(tmp_path))
        wait_until(lambda: not bytes_on_disk(tmp_path))
        assert ok(alice.start(BIG, part=3 * PART))["partsState"] == "0"


def test_neither_tokens_nor_signatures_are_logged(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with LocalService(tmp_path) as service:
        alice = user(service)
        handle = alice.upload(b"secret")
        alice.read(handle)
        requests.get(alice.url(handle) + "0", timeout=5)
        lines = [each.getMessage() for each in caplog.records if each.name.startswith("synapse")]
        assert any(line.startswith(f"GET /storage/download/{handle} 200") for line in lines)
        told = "\n".join(lines)
        assert "X-Amz" not in told
        assert service.token("alice") not in told


def wait_until(fact):
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# As a process of its own.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One process for all the tests that only look."""
    with Process(tmp_path_factory.mktemp("served") / "data") as process:
        yield process


def test_service_json_says_all_that_is_needed(served):
    told = served.told
    base_url = told["repoEndpoint"].removesuffix("/repo/v1")
    assert told["authEndpoint"] == f"{base_url}/auth/v1"
    assert told["fileHandleEndpoint"] == f"{base_url}/file/v1"
    assert told["portalEndpoint"] == f"{base_url}/"
    assert told["pid"] == served.process.pid
    users = told["users"]
    assert [(u["userName"], u["certified"]) for u in users] == [
        ("admin", True), ("alice", True), ("bob", True), ("carol", True), ("dave", False),
    ]  # fmt: skip
    assert {type(u["ownerId"]) for u in users} == {str}
    connection = json.loads(told["airflow_connection"])
    assert connection["conn_type"] == "synapse"
    assert connection["host"] == told["repoEndpoint"]
    assert connection["password"] == users[1]["token"]
    assert connection["extra"]["file_endpoint"] == told["fileHandleEndpoint"]
    assert ok(served.user("bob").get("/repo/v1/userProfile"))["ownerId"] == users[2]["ownerId"]


def test_service_json_is_for_its_owner_only(served):
    for name in ("service.json", "secret"):
        assert stat.S_IMODE((served.data_dir / name).stat().st_mode) == 0o600


def test_the_service_listens_on_the_loopback_only(served):
    port = int(served.told["repoEndpoint"].split(":")[2].partition("/")[0])
    mine = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), port)}
    for address in mine - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):  # noqa: PT011
            pass
    assert socket.create_connection(("127.0.0.1", port), timeout=2).close() is None


def test_it_prints_how_to_use_it(served):
    wait_until(lambda: "service.json" in served.log.read_text())
    said = served.log.read_text()
    for words in (
        "syn = Synapse(",
        "export AIRFLOW_CONN_SYNAPSE_DEFAULT='{",
        "[endpoints]",
        f"repoEndpoint = {served.told['repoEndpoint']}",
        "username = alice",
        f"authtoken = {served.told['users'][1]['token']}",
    ):
        assert words in said


def test_a_second_service_in_its_directory_says_so(served):
    said = refuse(served.data_dir)
    assert said.startswith("Error: ")
    assert "in use by another running service" in said
    assert (served.data_dir / "service.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path, number):
    with Process(tmp_path / "data") as process:
        project = process.user().project("Before the signal")
        assert process.end(number) == 0
        assert not (tmp_path / "data" / "service.json").exists()
        assert "Traceback" not in process.log.read_text()
    with LocalService(tmp_path / "data") as service:
        assert user(service).get(f"/repo/v1/entity/{project}").ok


def test_what_was_answered_survives_kill_9_and_nothing_half_written_is_left(tmp_path):
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
        kept = bytes_on_disk(data_dir)
        with half_a_part(alice.part_url(upload, 1), BIG[: PART // 2], PART):
            wait_until(lambda: len(bytes_on_disk(data_dir)) > len(kept))
            process.end(signal.SIGKILL)
        tokens = process.told["users"]
    with Process(data_dir) as process:
        alice = process.user()
        assert process.told["users"] == tokens
        assert bytes_on_disk(data_dir) == kept
        assert ok(alice.get(f"/repo/v1/entity/{entity}"))["dataFileHandleId"] == handle
        assert hashlib.md5(alice.read(handle).content).hexdigest() == md5(BIG)
        again = ok(alice.start(BIG, fileName="half.bin"))
        assert (again["uploadId"], again["partsState"]) == (upload, "010")
        assert alice.add(upload, 1, md5(BIG[:PART]))["addPartState"] == "ADD_FAILED"
        alice.put_part(upload, 1, BIG[:PART])
        for number, piece in ((1, BIG[:PART]), (3, BIG[2 * PART :])):
            assert alice.add(upload, number, md5(piece))["addPartState"] == "ADD_SUCCESS"
        assert ok(alice.complete(upload))["state"] == "COMPLETED"


# Users.


def refuse(data_dir: Path, *words: str) -> str:
    """What `serve` says when it cannot begin."""
    done = subprocess.run(
        [sys.executable, "-m", "synapse_workflows", *Process(data_dir, *words).words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_users_of_ones_own(tmp_path):
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
        told = process.told["users"]
        assert [u["userName"] for u in told] == ["root", "eve", "mallory"]
        assert (told[0]["ownerId"], told[1]["token"]) == ("77", "my-own-token")
        assert not told[2]["certified"]
        assert ok(process.user("eve").get("/repo/v1/userProfile"))["firstName"] == "Eve"
        assert json.loads(process.told["airflow_connection"])["password"] == "my-own-token"
        process.end(signal.SIGTERM)
    users.unlink()
    with Process(data_dir) as process:
        assert process.told["users"] == told
        assert stat.S_IMODE((data_dir / "users.json").stat().st_mode) == 0o600


def test_a_file_of_users_that_is_not_there(tmp_path):
    said = refuse(tmp_path / "data", "--users", str(tmp_path / "users.json"))
    assert "users.json cannot be read: No such file" in said
    assert not (tmp_path / "data").exists()


def test_users_whom_the_service_cannot_have_are_not_kept(tmp_path):
    users = tmp_path / "users.json"
    users.write_text('[{"userName": "Administrators", "token": "not-told"}]')
    said = refuse(tmp_path / "data", "--users", str(users))
    assert "Administrators" in said
    assert "not-told" not in said
    assert not (tmp_path / "data" / "users.json").exists()


def test_a_place_that_is_no_directory(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert "data" in refuse(tmp_path / "data")
