"""Uploads to SFTP servers, and downloads from them, with a real sshd."""

import hashlib
import os
import traceback
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from support.sftp_server import HOST, CuttingProxy, password_sftp, sshd

from synapse_workflows import File, Folder, Project
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseConnectionError,
    SynapseDownloadError,
    SynapseMd5MismatchError,
    SynapseUploadFailedException,
)
from synapse_workflows.client.transfer import sftp
from synapse_workflows.client.transfer.sftp_connection import SftpUrl
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE, MiB
from synapse_workflows.free_ports import find_free_port


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory):
    """An sshd, shared by the session."""
    with sshd(tmp_path_factory.mktemp("sshd"), Path.home()) as server:
        yield server


@pytest.fixture
def configure(tmp_path):
    """Return a function that writes a configuration file, and returns its path."""

    def write(server, *ports, **options):
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(server.known_hosts(*ports))
        options = {"username": server.username, "known_hosts": str(known_hosts)} | options
        lines = [f"{key} = {value}" for key, value in options.items() if value is not None]
        path = tmp_path / f"synapseConfig-{uuid4()}"  # a client reads a file once
        path.write_text("\n".join([f"[sftp://{HOST}]", *lines, ""]))
        return str(path)

    return write


@pytest.fixture
def syn(socket_service, tmp_path, sftp_server, configure):
    """A client of alice that may log in to the server."""
    with socket_service.client(
        configPath=configure(sftp_server), cache_root_dir=str(tmp_path / "cache")
    ) as syn:
        yield syn


@pytest.fixture
def cutting_proxy(sftp_server):
    """A proxy in front of the server that cuts the first two connections."""
    proxy = CuttingProxy(sftp_server.port, [3 * MiB, 2 * MiB])
    yield proxy
    proxy.close()


@pytest.fixture
def container(syn, sftp_server):
    """A folder whose files are stored on the server."""
    location = syn.createStorageLocationSetting(
        "ExternalStorage", url=sftp_server.url, supportsSubfolders=True
    )
    project = syn.store(Project(f"project {os.urandom(8).hex()}"))
    folder = syn.store(Folder("raw data", project))
    syn.setStorageLocation(project, location["storageLocationId"])
    return folder


def upload(syn, source, url):
    return sftp.upload_file(syn, source, url, hashlib.md5(source.path.read_bytes()).hexdigest())


def remote_path(handle) -> Path:
    return Path(unquote(urlsplit(handle["externalURL"]).path))


def files_below(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_file_is_stored_on_the_server_and_read_back(syn, container, sftp_server, make_file):
    path = make_file("a b+(1).csv", "a,b\n1,2\n")
    stored = syn.store(File(str(path), container))
    handle = stored._file_handle
    assert handle["concreteType"] == EXTERNAL_FILE_HANDLE
    assert handle["externalURL"].startswith(f"{sftp_server.url}/project%20")
    assert handle["externalURL"].endswith("/a%20b%2B%281%29.csv")
    assert (handle["contentMd5"], handle["contentSize"]) == (
        hashlib.md5(path.read_bytes()).hexdigest(),
        8,
    )
    assert remote_path(handle).read_bytes() == path.read_bytes()
    assert files_below(remote_path(handle).parent) == [path.name]
    assert syn.cache.contains(handle["id"], path)
    syn.cache.remove(handle["id"])
    found = syn.get(stored.id)
    assert Path(found.path).read_bytes() == path.read_bytes()
    assert syn.cache.contains(handle["id"], found.path)
    assert found.synapseStore


def test_banner_is_logged(syn, container, sftp_server, make_file, caplog):
    location = syn.createStorageLocationSetting(
        "ExternalStorage", url=sftp_server.url, banner="Deleted after 30 days."
    )
    syn.setStorageLocation(container, location["storageLocationId"])
    syn.silent = False
    with caplog.at_level("INFO"):
        syn.uploadFileHandle(make_file(), container)
    assert "Deleted after 30 days." in caplog.messages


def test_unchanged_file_is_not_uploaded_again(syn, container, make_file):
    path = make_file()
    stored = syn.store(File(str(path), container))
    again = syn.store(File(str(path), container), forceVersion=False)
    assert (again.dataFileHandleId, again.versionNumber) == (stored.dataFileHandleId, 1)
    path.write_text("changed")
    changed = syn.store(File(str(path), container))
    assert changed.versionNumber == 2
    assert Path(syn.get(changed.id).path).read_text() == "changed"


def test_link_to_another_server_is_uploaded(syn, container, sftp_server, make_file):
    path = make_file()
    url = "sftp://elsewhere.example.org/data.txt"
    link = syn.store(File(url, container, synapseStore=False, name=path.name))
    stored = syn.store(File(str(path), container))
    assert stored.id == link.id
    assert stored._file_handle["externalURL"].startswith(sftp_server.url)


def test_large_file(syn, container, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(20 * MiB + 17))
    handle = syn.uploadFileHandle(path, container)
    assert remote_path(handle).read_bytes() == path.read_bytes()
    stored = syn.store(File(name="large", parent=container, dataFileHandleId=handle["id"]))
    found = syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert Path(found.path).read_bytes() == path.read_bytes()


def test_interrupted_upload_is_resumed(syn, sftp_server, cutting_proxy, configure, tmp_path):
    syn.configPath = configure(sftp_server, cutting_proxy.port)
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(8 * MiB))
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    url = upload(syn, UploadSource.of(path), f"sftp://{HOST}:{cutting_proxy.port}{directory}")
    assert url == f"sftp://{HOST}:{cutting_proxy.port}{directory}/data.bin"
    assert cutting_proxy.connections == 3
    assert (directory / "data.bin").read_bytes() == path.read_bytes()
    assert files_below(directory) == ["data.bin"]


def test_interrupted_download_is_resumed(
    syn, sftp_server, cutting_proxy, configure, container, tmp_path
):
    syn.configPath = configure(sftp_server, cutting_proxy.port)
    source = sftp_server.folder / "files" / f"{os.urandom(8).hex()}.bin"
    source.write_bytes(os.urandom(8 * MiB))
    url = f"sftp://{HOST}:{cutting_proxy.port}{source}"
    stored = syn.store(
        File(url, container, synapseStore=False, name="data.bin", contentType="x/y")
    )
    found = syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert Path(found.path).read_bytes() == source.read_bytes()
    assert cutting_proxy.connections == 3


def test_unreachable_server_raises_after_retries(syn, sftp_server, configure, make_file):
    port = find_free_port()
    syn.configPath = configure(sftp_server, port)
    with pytest.raises(SynapseConnectionError, match="the connection failed"):
        upload(syn, UploadSource.of(make_file()), f"sftp://{HOST}:{port}/x")


def test_existing_file_is_never_replaced(syn, sftp_server, make_file):
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    directory.mkdir()
    (directory / "data.txt").write_text("theirs")
    with pytest.raises(SynapseUploadFailedException, match="already exists"):
        upload(syn, UploadSource.of(make_file()), f"sftp://{HOST}:{sftp_server.port}{directory}")
    assert (directory / "data.txt").read_text() == "theirs"
    assert files_below(directory) == ["data.txt"]


def test_existing_file_with_the_same_content_is_used(syn, sftp_server, make_file):
    """A task that is retried was killed before it recorded the upload."""
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    source, url = UploadSource.of(make_file()), f"sftp://{HOST}:{sftp_server.port}{directory}"
    assert upload(syn, source, url) == upload(syn, source, url)
    assert (directory / "data.txt").read_bytes() == source.path.read_bytes()
    assert files_below(directory) == ["data.txt"]


def test_file_that_another_process_uploads_at_the_same_time(
    syn, sftp_server, make_file, monkeypatch
):
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    source, url = UploadSource.of(make_file()), f"sftp://{HOST}:{sftp_server.port}{directory}"
    require_unchanged = UploadSource.require_unchanged

    def upload_first(source):
        (directory / "data.txt").write_bytes(source.path.read_bytes())
        require_unchanged(source)

    monkeypatch.setattr(UploadSource, "require_unchanged", upload_first)
    assert upload(syn, source, url) == f"{url}/data.txt"
    assert files_below(directory) == ["data.txt"]


def test_file_that_changes_without_a_trace_leaves_nothing(syn, sftp_server, make_file):
    """The file has the same size and the same modification time."""
    path = make_file(content="before")
    source, md5 = UploadSource.of(path), hashlib.md5(b"before").hexdigest()
    path.write_text("behind")
    os.utime(path, ns=(source.modified, source.modified))
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    with pytest.raises(SynapseUploadFailedException, match="or other content"):
        sftp.upload_file(syn, source, f"sftp://{HOST}:{sftp_server.port}{directory}", md5)
    assert files_below(directory) == []


def test_file_that_changes_during_the_upload_leaves_nothing(syn, sftp_server, make_file):
    path = make_file()
    source = UploadSource.of(path)
    path.write_text("changed in the meantime")
    directory = sftp_server.folder / "files" / os.urandom(8).hex()
    with pytest.raises(SynapseUploadFailedException):
        upload(syn, source, f"sftp://{HOST}:{sftp_server.port}{directory}")
    assert files_below(directory) == []


def test_changed_file_on_the_server_raises(syn, container, make_file, tmp_path):
    stored = syn.store(File(str(make_file()), container))
    syn.cache.remove(stored.dataFileHandleId)
    remote = remote_path(stored._file_handle)
    remote.write_bytes(b"x" * remote.stat().st_size)
    with pytest.raises(SynapseMd5MismatchError):
        syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    remote.write_bytes(b"x" * 9999)
    with pytest.raises(SynapseDownloadError, match="9999 bytes, more than"):
        syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    remote.unlink()
    with pytest.raises(SynapseDownloadError, match="No such file"):
        syn.get(stored.id, downloadLocation=str(tmp_path / "here"))
    assert files_below(tmp_path / "here") == []


def test_directory_that_cannot_be_created_raises(syn, make_file):
    with pytest.raises(Exception, match=r"sftp://127.0.0.1:\d+/proc/none/data.txt") as caught:
        upload(syn, UploadSource.of(make_file()), url_of(syn, "/proc/none"))
    assert not isinstance(caught.value, SynapseConnectionError)


def url_of(syn, path):
    known_hosts = (Path(syn.configPath).parent / "known_hosts").read_text()
    return f"sftp://{HOST}:{known_hosts.split(']:')[1].split()[0]}{path}"


def test_unknown_server_is_rejected_with_its_fingerprint(syn, sftp_server, configure, make_file):
    syn.configPath = configure(sftp_server, known_hosts=None)
    with pytest.raises(
        SynapseConfigError, match=r"not in known_hosts: ssh-ed25519\s+SHA256:"
    ) as e:
        upload(syn, UploadSource.of(make_file()), sftp_server.url)
    assert f"ssh-keyscan -p {sftp_server.port} {HOST}" in str(e.value)


def test_server_with_another_key_is_rejected(syn, sftp_server, configure, make_file, tmp_path):
    with password_sftp(tmp_path, "x") as (other, _):
        text = f"[{HOST}]:{sftp_server.port} {other.host_key}\n"
    syn.configPath = configure(sftp_server)
    (tmp_path / "known_hosts").write_text(text)
    with pytest.raises(SynapseConfigError, match="connection is being intercepted"):
        upload(syn, UploadSource.of(make_file()), sftp_server.url)


def test_missing_login_names_the_section(socket_client, sftp_server, make_file):
    with pytest.raises(SynapseConfigError, match=rf"\[sftp://{HOST}:{sftp_server.port}\]"):
        upload(socket_client, UploadSource.of(make_file()), sftp_server.url)


def test_section_without_user_name_raises(syn, sftp_server, configure, make_file):
    syn.configPath = configure(sftp_server, username=None)
    with pytest.raises(SynapseConfigError, match="has no username"):
        upload(syn, UploadSource.of(make_file()), sftp_server.url)


def test_password_of_the_section_is_used(syn, configure, tmp_path):
    with password_sftp(tmp_path, "a-secret") as (server, rules):
        syn.configPath = configure(server, password="a-secret")
        url = SftpUrl(HOST, server.port, "/nowhere")
        with pytest.raises(Exception, match="nowhere"):
            next(sftp.read_blocks(syn, url, 0, None))
    assert rules.attempts == [("alice", "a-secret")]


def test_wrong_password_is_in_no_traceback(syn, configure, tmp_path):
    with password_sftp(tmp_path, "a-secret") as (server, rules):
        syn.configPath = configure(server, password="a-wrong-secret")
        with pytest.raises(SynapseConfigError, match="rejected the login of alice") as caught:
            next(sftp.read_blocks(syn, SftpUrl(HOST, server.port, "/x"), 0, None))
    text = "".join(traceback.format_exception(caught.value))
    assert "a-wrong-secret" not in text
    assert ("alice", "a key") not in rules.attempts


def test_password_is_not_sent_to_an_unknown_server(syn, configure, tmp_path):
    with password_sftp(tmp_path, "a-secret") as (server, rules):
        syn.configPath = configure(server, password="a-secret", known_hosts=None)
        with pytest.raises(SynapseConfigError, match="not in known_hosts"):
            next(sftp.read_blocks(syn, SftpUrl(HOST, server.port, "/x"), 0, None))
    assert rules.attempts == []


def test_login_in_a_url_is_ignored(syn, container, sftp_server, make_file):
    source = sftp_server.folder / "files" / os.urandom(8).hex()
    source.write_text("shared")
    url = f"sftp://mallory:their-secret@{HOST}:{sftp_server.port}{source}"
    stored = syn.store(File(url, container, synapseStore=False, name="shared.txt"))
    assert Path(syn.get(stored.id).path).read_text() == "shared"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("sftp://Example.org:22/a%20b/c", "sftp://example.org/a%20b/c"),
        ("sftp://u:p@example.org:2222", "sftp://example.org:2222/"),
        ("sftp://[::1]:2222/%C3%A9", "sftp://[::1]:2222/%C3%A9"),
    ],
)
def test_url_is_parsed_and_quoted(url, normal):
    assert str(SftpUrl.parse(url)) == normal


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "sftp:///x", "sftp://h:99999/x", "sftp://h/%ff"]
)
def test_invalid_url_raises(url):
    with pytest.raises(SynapseConfigError, match="Invalid"):
        SftpUrl.parse(url)
