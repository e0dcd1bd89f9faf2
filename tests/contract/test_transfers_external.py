"""External files: on this machine or on another server."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from support.ftp_server import ftp_server

from synapse_workflows.client.errors import (
    SynapseDownloadError,
    SynapseFileNotFoundError,
    SynapseMd5MismatchError,
)
from synapse_workflows.client.transfer import download
from synapse_workflows.constants import FILE

TEXT = b"somewhere,else\n" * 1000


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class ExternalServer(BaseHTTPRequestHandler):
    """HTTP server of external files."""

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers.items())))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/data.csv")
            self.end_headers()
        elif self.path == "/gone":
            self.send_error(404, "gone")
        elif self.path == "/endless.csv":  # HTTP/1.0: the body ends with the connection
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TEXT)
        else:
            data = gzip.compress(TEXT, mtime=0) if self.path == "/data.csv.gz" else TEXT
            self.send_response(200)
            if self.path == "/data.csv.gz":
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def external_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), ExternalServer)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def link(syn, folder):
    """Function that creates a file entity of a link and returns its ID and its handle."""

    def make(location, **properties):
        handle = syn.uploadFileHandle(str(location), folder, synapseStore=False, **properties)
        body = {"concreteType": FILE, "parentId": folder.id, "dataFileHandleId": handle["id"]}
        body |= {"name": f"link {handle['id']}"}
        return syn.call("POST", "/entity", json=body).json["id"], handle

    return make


def fetch(syn, linked, **more):
    entity, handle = linked
    return download.download_file(
        syn, file_handle=handle, associate_type="FileEntity", associate_id=entity, **more
    )


def test_external_url_is_stored_unchanged(syn, folder):
    url = "https://example.org/some/data.csv?x=1"
    handle = syn.uploadFileHandle(url, folder, synapseStore=False, md5=md5(TEXT), file_size=5)
    assert handle["concreteType"].endswith("ExternalFileHandle")
    assert (handle["externalURL"], handle["fileName"]) == (url, "data.csv")
    assert (handle["contentMd5"], handle["contentSize"]) == (md5(TEXT), 5)
    assert handle["contentType"] == "text/csv"


@pytest.mark.parametrize("spell", [str, lambda path: path.as_uri(), lambda path: f"file://{path}"])
def test_local_file_is_described_and_added_to_the_cache(syn, folder, tmp_path, spell):
    path = tmp_path / "local file.csv"
    path.write_bytes(TEXT)
    handle = syn.uploadFileHandle(spell(path), folder, synapseStore=False)
    assert (handle["contentMd5"], handle["contentSize"]) == (md5(TEXT), len(TEXT))
    assert syn.cache.contains(handle["id"], path)


def test_path_becomes_a_file_url(syn, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handle = syn.uploadFileHandle("not/here.csv", folder, synapseStore=False)
    assert handle["externalURL"] == f"file://{tmp_path}/not/here.csv"


def test_wrong_md5_of_a_local_file_raises(syn, folder, tmp_path):
    path = tmp_path / "local.csv"
    path.write_bytes(TEXT)
    with pytest.raises(SynapseMd5MismatchError) as caught:
        syn.uploadFileHandle(path, folder, synapseStore=False, md5="0" * 32)
    assert caught.value.found == md5(TEXT)


@pytest.mark.parametrize(
    ("location", "properties", "message"),
    [
        ("", {}, "path ''"),
        (" ", {}, "path ' '"),
        ("https://example.org/x", {"md5": 5}, "md5 5"),
        ("https://example.org/x", {"file_size": -1}, "file_size -1"),
        ("https://example.org/x", {"file_size": True}, "file_size True"),
        ("https://example.org/x", {"file_size": 1.5}, "file_size 1.5"),
    ],
)
def test_invalid_description_of_an_external_file_raises(
    syn, folder, location, properties, message
):
    with pytest.raises(ValueError, match=f"Invalid {message}"):
        syn.uploadFileHandle(location, folder, synapseStore=False, **properties)


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("path", [5, b"/data.csv", ["data.csv"]])
def test_path_that_is_no_text_raises(syn, folder, path, is_stored):
    with pytest.raises(TypeError, match=r"Invalid path .*: expected text"):
        syn.uploadFileHandle(path, folder, synapseStore=is_stored)


@pytest.mark.parametrize("parent", ["", "nowhere", None])
def test_upload_to_an_invalid_parent_raises(syn, tmp_path, parent):
    path = tmp_path / "data.csv"
    path.write_bytes(TEXT)
    with pytest.raises(ValueError, match=r"Invalid Synapse ID|find id"):
        syn.uploadFileHandle(path, parent)


def test_invalid_external_url_raises(syn, folder):
    with pytest.raises(ValueError, match="not a valid URL"):
        syn.uploadFileHandle("https://", folder, synapseStore=False)


def test_local_file_is_used_in_place(syn, link, tmp_path):
    path = tmp_path / "local file 100%.csv"
    path.write_bytes(TEXT)
    linked = link(path)
    assert fetch(syn, linked) == path
    syn.cache.remove(linked[1]["id"])
    assert fetch(syn, linked, directory=tmp_path / "other") == path
    assert list((tmp_path / "other").iterdir()) == []


def test_changed_local_file_raises_and_is_kept(syn, link, tmp_path):
    path = tmp_path / "local.csv"
    path.write_bytes(TEXT)
    linked = link(path)
    path.write_bytes(b"other")
    syn.cache.remove(linked[1]["id"])
    with pytest.raises(SynapseMd5MismatchError):
        fetch(syn, linked)
    assert path.read_bytes() == b"other"


def test_local_file_of_another_machine_raises(syn, link, tmp_path):
    with pytest.raises(SynapseFileNotFoundError, match="does not exist on this machine"):
        fetch(syn, link(tmp_path / "nowhere.csv"))


@pytest.mark.parametrize("path", ["/data.csv", "/moved", "/endless.csv"])
def test_external_file_is_downloaded_without_credentials(syn, link, external_server, path):
    found = fetch(syn, link(external_server.url + path))
    assert found.read_bytes() == TEXT
    for _, headers in external_server.requests:
        assert not {"authorization", "cookie"} & {name.lower() for name in headers}
        assert headers["Accept-Encoding"] == "identity"


def test_netrc_credentials_are_not_sent(syn, link, external_server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    fetch(syn, link(f"{external_server.url}/data.csv"))
    assert "Authorization" not in external_server.requests[-1][1]


def test_external_file_keeps_its_content_encoding(syn, link, external_server):
    found = fetch(syn, link(f"{external_server.url}/data.csv.gz"))
    assert gzip.decompress(found.read_bytes()) == TEXT


def test_md5_of_an_external_file_is_verified(syn, link, external_server, tmp_path):
    assert fetch(syn, link(f"{external_server.url}/data.csv", md5=md5(TEXT))).read_bytes() == TEXT
    with pytest.raises(SynapseMd5MismatchError):
        fetch(
            syn,
            link(f"{external_server.url}/other.csv", md5="0" * 32),
            directory=tmp_path / "here",
        )
    assert list((tmp_path / "here").iterdir()) == []


def test_missing_external_file_raises(syn, link, external_server, tmp_path):
    with pytest.raises(SynapseDownloadError, match="404"):
        fetch(syn, link(f"{external_server.url}/gone"), directory=tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_unsupported_url_scheme_raises(syn, link):
    with pytest.raises(SynapseDownloadError, match="scheme gopher:"):
        fetch(syn, link("gopher://example.org/data.csv"))


@pytest.mark.parametrize("limits", [[], [5000, 3000]])
def test_ftp_file_is_downloaded_and_resumed(syn, link, tmp_path, limits):
    path = tmp_path / "data 1.csv"
    path.write_bytes(TEXT)
    with ftp_server(limits) as server:
        linked = link(f"{server.url}{quote(str(path))}", md5=md5(TEXT), file_size=len(TEXT))
        found = fetch(syn, linked)
    assert found.read_bytes() == TEXT
    assert server.users == ["anonymous"] * (len(limits) + 1)
    assert syn.cache.contains(linked[1]["id"], found)


def test_ftp_user_of_the_url_logs_in(syn, link, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(TEXT)
    with ftp_server() as server:
        url = server.url.replace("//", "//lab:their-secret@")
        fetch(syn, link(f"{url}{path}"))
    assert server.users == ["lab"]


def test_ftp_errors_name_the_file_without_its_login(syn, link, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(TEXT)
    with ftp_server() as server:
        url = server.url.replace("//", "//lab:their-secret@")
        with pytest.raises(SynapseDownloadError, match="550 no such file") as missing:
            fetch(syn, link(f"{url}{path}.none"), directory=tmp_path / "here")
        with pytest.raises(SynapseMd5MismatchError) as wrong:
            fetch(syn, link(f"{url}{path}", md5="0" * 32), directory=tmp_path / "here")
        with pytest.raises(SynapseDownloadError, match="more than the 9 bytes"):
            fetch(syn, link(f"{url}{path}", md5="0" * 32, file_size=9))
    with pytest.raises(SynapseDownloadError, match="connection failed") as closed:
        fetch(syn, link(f"{url}{path}"), directory=tmp_path / "here")
    for caught in (missing, wrong, closed):
        assert "their-secret" not in str(caught.value)
    assert list((tmp_path / "here").iterdir()) == []
