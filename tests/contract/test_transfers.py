"""Uploads and downloads: completeness, deduplication and resume."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import fault_proxy
from support.fault_proxy import DOWNLOADS, UPLOADS

from synapse_workflows import File, Project
from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer import upload

MiB = 1024 * 1024

#: Script of a client process. Arguments: endpoints, cache, token, action, entity or file, target.
CLIENT = """
import sys
from synapse_workflows import Synapse, File
*endpoints, cache, token, action, name, target = sys.argv[1:]
syn = Synapse(*endpoints, skip_checks=True, silent=True, configPath="none", cache_root_dir=cache)
syn.login(authToken=token, silent=True)
syn.max_threads = 1
print("ready", flush=True)
if action == "get":
    print(syn.get(name, downloadLocation=target or None).path)
else:
    try:
        syn.uploadFileHandle(name, target)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""


def md5(path) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def make(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def big(tmp_path):
    """File of three parts."""
    return make(tmp_path / "big.bin", 17 * MiB + 3)


@pytest.fixture
def socket_project(socket_client):
    """A project in the service with a socket."""
    return socket_client.store(Project(f"transfers {os.urandom(4).hex()}"))


@pytest.fixture
def process(socket_service, proxy, tmp_path):
    """Function that starts client processes that connect through the proxy."""
    running = []

    def start(action: str, name: str, target: str = "", cache: str = "own") -> subprocess.Popen:
        endpoints = proxy.endpoints(socket_service.endpoints)
        token = socket_service.token("alice")
        arguments = [*endpoints.values(), str(tmp_path / cache), token, action, name, target]
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True
            )
        )
        return running[-1]

    yield start
    for each in running:
        each.kill()
        each.communicate()


@pytest.fixture
def reached():
    """An event, and an action that sets it and never responds."""
    event = threading.Event()

    def hang(exchange):
        event.set()
        exchange.hang()

    return event, hang


def test_upload_and_download_of_thirty_megabytes(client_of, folder, tmp_path):
    here, there = (
        client_of("alice"),
        client_of("alice", cache_root_dir=str(tmp_path / "elsewhere")),
    )
    original = make(tmp_path / "thirty.bin", 30_000_000)
    stored = here.store(File(str(original), parent=folder))
    assert stored.md5 == md5(original)
    found = there.get(stored.id)
    assert md5(found.path) == md5(original)
    assert Path(found.path).is_relative_to(tmp_path / "elsewhere")
    assert names_in(Path(found.cacheDir)) == [".cacheMap", "thirty.bin"]


@pytest.mark.parametrize("size", [1, 8 * MiB, 8 * MiB + 1])
def test_file_sizes_around_one_part(client_of, folder, tmp_path, size):
    here, there = (
        client_of("alice"),
        client_of("alice", cache_root_dir=str(tmp_path / "elsewhere")),
    )
    original = make(tmp_path / "some.bin", size)
    stored = here.store(File(str(original), parent=folder))
    assert Path(there.get(stored.id).path).read_bytes() == original.read_bytes()


def test_upload_file_handle_returns_the_handle_and_adds_it_to_the_cache(syn, folder, tmp_path):
    path = make(tmp_path / "table.csv", 100)
    handle = syn.uploadFileHandle(str(path), folder)
    assert handle["concreteType"].endswith("S3FileHandle")
    assert (handle["fileName"], handle["contentType"]) == ("table.csv", "text/csv")
    assert (handle["contentMd5"], handle["contentSize"]) == (md5(path), 100)
    assert syn.cache.contains(handle["id"], path)


def test_content_type_is_given_or_default(syn, folder, tmp_path):
    path = make(tmp_path / "unknown.qqq", 100)
    assert syn.uploadFileHandle(path, folder)["contentType"] == "application/octet-stream"
    other = make(tmp_path / "other.qqq", 100)
    assert (
        syn.uploadFileHandle(other, folder, mimetype="chemical/x")["contentType"] == "chemical/x"
    )


def test_part_size_can_be_set(syn, folder, big):
    uploaded = upload.upload_file(syn, big, part_size=6 * MiB)
    handle = syn.restGET(f"/fileHandle/{uploaded.file_handle_id}", syn.fileHandleEndpoint)
    assert handle["contentMd5"] == md5(big)


def test_second_upload_of_a_file_sends_no_parts(proxied, proxy, big):
    syn = proxied()
    first = upload.upload_file(syn, big)
    assert proxy.count("PUT", UPLOADS) == 3
    assert upload.upload_file(syn, big) == first
    assert proxy.count("PUT", UPLOADS) == 3


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing.txt", FileNotFoundError, "the file does not exist"),
        ("directory", IsADirectoryError, "is a directory"),
        ("empty.txt", ValueError, "is empty"),
    ],
)
def test_upload_of_an_invalid_path_raises(syn, folder, tmp_path, name, error, message):
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty.txt").touch()
    with pytest.raises(error, match=message) as caught:
        syn.uploadFileHandle(str(tmp_path / name), folder)
    assert str(tmp_path / name) in str(caught.value)


def test_upload_without_path_raises(syn, folder):
    with pytest.raises(ValueError, match="path can not be None"):
        syn.uploadFileHandle(None, folder)


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"x"), Path.unlink, os.utime])
def test_file_changed_during_the_upload_raises(proxied, proxy, big, change):
    syn = proxied()
    syn.max_threads = 1
    proxy.fail("PUT", UPLOADS, fault_proxy.call_first(lambda: change(big)), skip=1)
    with pytest.raises(SynapseUploadFailedException, match="changed or removed while"):
        upload.upload_file(syn, big)
    assert proxy.count("PUT", "/complete") == 0


def test_upload_restarts_if_the_parts_do_not_form_the_file(proxied, proxy, big):
    """All parts are sent again if the service has parts of other content."""
    syn = proxied()
    proxy.fail("PUT", "/complete", fault_proxy.respond(400, "The MD5 is another one"))
    uploaded = upload.upload_file(syn, big)
    assert uploaded.md5 == md5(big)
    assert proxy.count("PUT", UPLOADS) == 6


def test_killed_upload_is_resumed_with_the_missing_parts(
    process, proxied, proxy, socket_project, big, reached
):
    event, hang = reached
    proxy.fail("PUT", UPLOADS, hang, skip=2)
    killed = process("put", str(big), socket_project.id)
    assert event.wait(30)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert proxy.count("PUT", "/add/") == 2
    assert upload.upload_file(proxied(), big).md5 == md5(big)
    assert proxy.count("PUT", "/add/") == 3


def test_ctrl_c_aborts_an_upload_that_can_be_resumed(process, proxy, socket_project, big, reached):
    event, hang = reached
    proxy.fail("PUT", UPLOADS, lambda exchange: (exchange.body(), hang(exchange)), skip=1)
    interrupted = process("put", str(big), socket_project.id)
    assert interrupted.stdout.readline() == "ready\n"
    assert event.wait(30)
    interrupted.send_signal(signal.SIGINT)
    output, _ = interrupted.communicate(timeout=30)
    assert output.startswith("SynapseUploadAbortedException")
    assert "Upload it again to resume" in output


@pytest.fixture
def killed_download(process, proxy, socket_client, socket_project, big, reached, tmp_path):
    """A download that was killed after two of its three parts."""
    file = socket_client.store(File(str(big), parent=socket_project))
    event, hang = reached
    proxy.fail("GET", DOWNLOADS, hang, skip=2)
    killed = process("get", file.id, str(tmp_path / "here"))
    assert event.wait(30)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    names = names_in(tmp_path / "here")
    part = f"big.bin.synapse_download_{file.dataFileHandleId}"
    assert names == [part, f"{part}.lock", f"{part}.parts"]
    return file, tmp_path / "here" / part


def test_killed_download_is_resumed_with_the_missing_parts(
    killed_download, proxied, proxy, big, tmp_path
):
    file, partial = killed_download
    found = proxied(cache_root_dir=str(tmp_path / "other")).get(
        file.id, downloadLocation=str(partial.parent)
    )
    assert md5(found.path) == md5(big)
    assert names_in(partial.parent) == ["big.bin"]
    assert proxy.count("GET", DOWNLOADS) == 4


def test_damaged_partial_file_is_downloaded_again(killed_download, proxied, proxy, big, tmp_path):
    file, partial = killed_download
    with partial.open("r+b") as damaged:
        damaged.seek(1000)
        damaged.write(b"damage")
    found = proxied(cache_root_dir=str(tmp_path / "other")).get(
        file.id, downloadLocation=str(partial.parent)
    )
    assert md5(found.path) == md5(big)
    assert names_in(partial.parent) == ["big.bin"]
    assert proxy.count("GET", DOWNLOADS) == 3 + 1 + 3


def test_ctrl_c_aborts_a_download_that_can_be_resumed(
    process, proxied, proxy, socket_client, socket_project, big, reached, tmp_path
):
    file = socket_client.store(File(str(big), parent=socket_project))
    event, hang = reached
    proxy.fail("GET", DOWNLOADS, hang, skip=2)
    here = tmp_path / "here"
    interrupted = process("get", file.id, str(here))
    assert event.wait(30)
    interrupted.send_signal(signal.SIGINT)
    output, _ = interrupted.communicate(timeout=30)
    assert interrupted.returncode != 0
    assert output == "ready\n"
    assert not (here / "big.bin").exists()
    found = proxied(cache_root_dir=str(tmp_path / "other")).get(
        file.id, downloadLocation=str(here)
    )
    assert md5(found.path) == md5(big)
    assert names_in(here) == ["big.bin"]
    assert proxy.count("GET", DOWNLOADS) == 4


def test_process_that_waits_continues_the_download_of_a_killed_process(
    process, proxy, socket_client, socket_project, big, reached, tmp_path
):
    file = socket_client.store(File(str(big), parent=socket_project))
    event, hang = reached
    proxy.fail("GET", DOWNLOADS, hang, skip=2)
    killed = process("get", file.id, cache="shared")
    assert event.wait(30)
    waiting = process("get", file.id, cache="shared")
    assert waiting.stdout.readline() == "ready\n"
    requested = threading.Event()
    proxy.fail("POST", "/fileHandle/batch", fault_proxy.call_first(requested.set))
    assert not requested.wait(0.5)
    killed.kill()
    output, _ = waiting.communicate(timeout=60)
    assert md5(output.strip()) == md5(big)
    assert proxy.count("GET", DOWNLOADS) == 4


def test_two_processes_share_one_download(process, proxy, socket_client, socket_project, big):
    file = socket_client.store(File(str(big), parent=socket_project))
    slow = fault_proxy.call_first(lambda: threading.Event().wait(0.2))
    proxy.fail("GET", DOWNLOADS, slow, times=3)
    both = [process("get", file.id, cache="shared") for _ in range(2)]
    outputs = [each.communicate(timeout=60)[0].split() for each in both]
    assert outputs[0] == outputs[1]
    assert md5(outputs[0][1]) == md5(big)
    assert proxy.count("GET", DOWNLOADS) == 3
