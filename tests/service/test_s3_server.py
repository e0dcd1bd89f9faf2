"""The S3 server: start, restart, ports, files, and its end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.s3_service import require_weed, start_s3_server

from synapse_workflows.local.errors import ServiceUnavailable
from synapse_workflows.local.s3 import server as s3_server
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.s3.server import S3Server, S3ServerError

BUCKET = "a-bucket"


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def find_servers(data_dir: Path) -> list[psutil.Process]:
    """Return the running S3 servers of a data directory."""
    option = f"-dir={data_dir / 's3' / 'volumes'}"
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if option in (process.info["cmdline"] or []) and process.info["status"] != "zombie"
    ]


def test_only_the_owner_can_read_the_files(s3_service):
    folder = s3_service.server.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [each for each in folder.iterdir() if each.is_file()]
    assert {"iam.json", "identities.json", "server.json", "server.log"} <= {
        each.name for each in files
    }
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_the_command_line_and_the_log_have_no_secrets(s3_service):
    secret = s3_service.endpoint.secret_access_key
    process = psutil.Process(s3_service.server.pid)
    assert secret not in " ".join(process.cmdline())
    for name in ("server.log", "server.json"):
        assert secret not in (s3_service.server.folder / name).read_text()


def test_listens_on_loopback_only(s3_service):
    process = psutil.Process(s3_service.server.pid)
    listening = [each for each in process.net_connections("tcp") if each.status == "LISTEN"]
    assert len(listening) == 8
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_the_internal_http_ports_refuse_to_show_objects(s3_service):
    import requests

    s3_service.store.create_bucket(BUCKET)
    s3_service.store.put(BUCKET, "base/secret.txt", b"content")
    ports = json.loads((s3_service.server.folder / "server.json").read_text())["ports"]
    url = f"http://127.0.0.1:{ports['filer.port']}/buckets"
    for path in ("", f"/{BUCKET}/", f"/{BUCKET}/base/secret.txt"):
        assert requests.get(url + path, timeout=10).status_code == 401
    assert requests.put(f"{url}/{BUCKET}/x", data=b"x", timeout=10).status_code == 401


def test_restarts_with_the_same_objects_urls_and_credentials(tmp_path):
    with start_s3_server(tmp_path) as first:
        store = ObjectStore(first.wait_until_ready)
        store.create_bucket(BUCKET)
        store.put(BUCKET, "key", b"content")
        endpoint, pid = first.endpoint, first.pid
    assert not psutil.pid_exists(pid)
    with start_s3_server(tmp_path) as second:
        assert second.wait_until_ready() == endpoint
        assert b"".join(store.read(BUCKET, "key")) == b"content"
    assert find_servers(tmp_path) == []


def test_starts_a_server_that_ended_again(tmp_path, caplog):
    with start_s3_server(tmp_path) as server:
        store = ObjectStore(server.wait_until_ready)
        store.create_bucket(BUCKET)
        upload = store.create_upload(BUCKET, "key")
        url = store.presign_part(BUCKET, "key", upload, 1, 60)
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: server.pid not in {None, pid})
        assert "The S3 server ended with status -9; it is started again." in caplog.text

        def put_part():
            import requests

            try:
                return requests.put(url, data=b"x", timeout=10).ok
            except requests.ConnectionError:
                return False

        wait_for(put_part)
        store.complete_upload(BUCKET, "key", upload, store.list_parts(BUCKET, "key", upload))
        assert b"".join(store.read(BUCKET, "key")) == b"x"


def test_a_stopped_server_is_named_in_errors(tmp_path):
    with start_s3_server(tmp_path) as server:
        store = ObjectStore(server.wait_until_ready)
        store.list_buckets()
    with pytest.raises(ServiceUnavailable, match=r"The S3 server at http://127.0.0.1:.* does not"):
        store.list_buckets()


def test_takes_other_ports_if_the_last_ones_are_in_use(tmp_path):
    require_weed()
    folder = tmp_path / "s3"
    folder.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = dict.fromkeys(s3_server.PORTS, taken.getsockname()[1])
        (folder / "server.json").write_text(json.dumps({"pid": None, "ports": ports}))
        with start_s3_server(tmp_path) as server:
            assert server.wait_until_ready().url != f"http://127.0.0.1:{ports['s3.port']}"


def test_takes_other_ports_if_one_is_taken_meanwhile(tmp_path, monkeypatch):
    require_weed()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        find = s3_server.find_free_ports
        found = [[port, *find(7)]]
        monkeypatch.setattr(
            s3_server, "find_free_ports", lambda count: found.pop() if found else find(count)
        )
        with start_s3_server(tmp_path) as server:
            endpoint = server.wait_until_ready()
            assert not found
            assert endpoint.url != f"http://127.0.0.1:{port}"
            assert ObjectStore(lambda: endpoint).list_buckets() == []


def test_a_server_that_does_not_start_is_reported_with_its_output(tmp_path, monkeypatch):
    weed = tmp_path / "weed"
    weed.write_text("#!/bin/sh\necho the reason\nexit 3\n")
    weed.chmod(0o755)
    monkeypatch.setattr(s3_server, "find_weed", lambda: str(weed))
    server = S3Server(tmp_path, bytes(range(32)))
    with pytest.raises(S3ServerError, match=r"ended with status 3(?s:.)*the reason"):
        server.wait_until_ready()


#: A server that answers one request to the port of the master with a text, and ends.
OTHER_SERVER = """
import re, socket, sys

port = next(found[1] for each in sys.argv if (found := re.fullmatch(r"-master.port=(\\d+)", each)))
with socket.create_server(("127.0.0.1", int(port))) as listener:
    connection, _ = listener.accept()
    with connection:
        connection.recv(10_000)
        connection.sendall({answer!r})
sys.exit(3)
"""


@pytest.mark.parametrize(
    "answer",
    [
        b"no response of HTTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_the_answer_of_another_server_is_no_start(tmp_path, monkeypatch, answer):
    weed = tmp_path / "weed"
    weed.write_text(f"#!{sys.executable}\n{OTHER_SERVER.format(answer=answer)}")
    weed.chmod(0o755)
    monkeypatch.setattr(s3_server, "find_weed", lambda: str(weed))
    server = S3Server(tmp_path, bytes(range(32)))
    with pytest.raises(S3ServerError, match="ended with status 3, 5 times"):
        server.wait_until_ready()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ends_with_the_service(tmp_path, number):
    require_weed()
    command = [sys.executable, "-m", "synapse_workflows", "serve", "--port", "0"]
    process = subprocess.Popen([*command, "--data", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: find_servers(tmp_path) and (tmp_path / "service.json").exists())
        info = json.loads((tmp_path / "service.json").read_text())
        assert info["s3Url"].startswith("http://127.0.0.1:")
    finally:
        process.send_signal(number)
        process.wait(60)
    wait_for(lambda: find_servers(tmp_path) == [])


def test_ends_the_server_of_a_killed_service_at_the_next_start(tmp_path):
    require_weed()
    volumes = tmp_path / "s3" / "volumes"
    volumes.mkdir(parents=True)
    code = "import time; time.sleep(600)"
    orphan = subprocess.Popen([sys.executable, "-c", code, f"-dir={volumes}"])
    state = {"pid": orphan.pid, "ports": {}}
    (tmp_path / "s3" / "server.json").write_text(json.dumps(state))
    server = S3Server(tmp_path, bytes(range(32)))
    server.start()
    server.stop()
    wait_for(lambda: orphan.poll() is not None)
    assert find_servers(tmp_path) == []


def test_does_not_end_an_unrelated_process(tmp_path):
    require_weed()
    (tmp_path / "s3").mkdir()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        state = {"pid": other.pid, "ports": {}}
        (tmp_path / "s3" / "server.json").write_text(json.dumps(state))
        server = S3Server(tmp_path, bytes(range(32)))
        server.start()
        server.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
