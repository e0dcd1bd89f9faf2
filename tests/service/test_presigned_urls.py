"""Tests of pre-signed URLs and range requests."""

import contextlib
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from hypothesis import given, settings, strategies as st
from support.file_api import PART, ok, start_service

from synapse_workflows.local.domain.presigned_urls import PresignedUrlError
from synapse_workflows.local.routers.presigned_urls import parse_byte_range

DATA = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def rest_service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("presign"), recording) as opened:
        yield opened


@pytest.fixture
def alice(rest_service):
    return rest_service.user("alice")


@pytest.fixture(scope="module")
def handle(rest_service):
    return rest_service.user("alice").upload(DATA, fileName="data.bin")


@pytest.fixture(scope="module")
def two_part_file(rest_service):
    """A file of two parts, so that ranges span two files on disk."""
    return rest_service.user("alice").upload(bytes(PART) + DATA, fileName="pieces.bin")


def change_query(url, **fields):
    """Return the URL with changed query parameters; None removes a parameter."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | fields
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


def test_download_url_has_s3_query_parameters(alice, handle):
    query = parse_qs(urlsplit(alice.url(handle)).query)
    assert query["X-Amz-Date"] == ["20260304T050607Z"]
    assert query["X-Amz-Expires"] == ["30"]
    assert set(query) >= {"X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-SignedHeaders"}


def test_upload_url_has_longer_lifetime(alice):
    upload = alice.start(b"upload url").json()["uploadId"]
    assert parse_qs(urlsplit(alice.part_url(upload)).query)["X-Amz-Expires"] == ["900"]


def test_download_returns_bytes_and_headers(alice, handle):
    response = alice.read(handle)
    assert response.status_code == 200
    assert response.content == DATA
    headers = response.headers
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Disposition"] == 'attachment; filename="data.bin"'
    assert headers["Accept-Ranges"] == "bytes"
    assert len(headers["ETag"]) == 34


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b,c.txt", 'attachment; filename="a b,c.txt"'),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_content_disposition_encodes_any_file_name(alice, name, header):
    """A copied file handle can have a name that is invalid for an upload."""
    original = {
        "fileHandleId": alice.upload(b"named"),
        "associateObjectId": "syn1",
        "associateObjectType": "FileEntity",
    }
    requests = [{"originalFile": original, "newFileName": name}]
    copies = ok(alice.post("/file/v1/filehandles/copy", {"copyRequests": requests}))
    response = alice.read(copies["copyResults"][0]["newFileHandle"]["id"])
    assert response.headers["Content-Disposition"] == header


def test_invalid_content_type_is_not_sent_in_header(alice):
    response = alice.read(alice.upload(b"typed", contentType="text/é\r\nX-Evil: 1"))
    assert response.headers["Content-Type"] == "text/___X-Evil: 1"
    assert "X-Evil" not in response.headers


@pytest.mark.parametrize(("seconds", "status"), [(29.0, 200), (30.2, 403), (3600, 403)])
def test_expired_download_url_is_rejected(tmp_path, seconds, status):
    with start_service(tmp_path) as rest_service:
        alice = rest_service.user("alice")
        url = alice.url(alice.upload(b"expires"))
        rest_service.clock.advance(seconds)
        response = alice.session.get(url, timeout=30)
    assert response.status_code == status
    if status == 403:
        assert response.headers["Content-Type"].startswith("application/xml")
        assert "<Message>Request has expired</Message>" in response.text


def test_expired_upload_url_is_rejected(tmp_path):
    with start_service(tmp_path) as rest_service:
        alice = rest_service.user("alice")
        upload = alice.start(b"too late").json()["uploadId"]
        url = alice.part_url(upload)
        rest_service.clock.advance(901)
        assert alice.session.put(url, data=b"too late", timeout=30).status_code == 403
        assert alice.put_part(upload, 1, b"too late").status_code == 200


def test_url_lifetimes_are_configurable(tmp_path):
    with start_service(tmp_path, download_url_seconds=2, upload_url_seconds=3) as rest_service:
        alice = rest_service.user("alice")
        upload = alice.start(b"lives").json()["uploadId"]
        assert "X-Amz-Expires=3&" in alice.part_url(upload)
        assert "X-Amz-Expires=2&" in alice.url(alice.upload(b"lives"))


@pytest.mark.parametrize(
    "change",
    [
        {"X-Amz-Expires": "3000"},
        {"X-Amz-Date": "20270304T050607Z"},
        {"X-Amz-SignedHeaders": "content-type;host"},
        {"X-Amz-Signature": "0" * 64},
        {"X-Amz-Signature": "é"},
        {"X-Amz-Signature": None},
        {"X-Amz-Date": None},
        {"X-Amz-Expires": "soon"},
        {"another": "field"},
    ],
)
def test_changed_query_is_rejected(alice, handle, change):
    response = alice.session.get(change_query(alice.url(handle), **change), timeout=30)
    assert response.status_code == 403
    assert response.text.startswith("<?xml")


def test_repeated_query_parameter_is_rejected(alice, handle):
    response = alice.session.get(alice.url(handle) + "&X-Amz-Expires=3000", timeout=30)
    assert response.status_code == 403


def test_signature_is_valid_for_one_path_and_method(alice, handle):
    other = alice.upload(b"other file")
    url = alice.url(handle)
    assert alice.session.get(url.replace(handle, other), timeout=30).status_code == 403
    upload = alice.start(b"verb").json()["uploadId"]
    put = alice.part_url(upload)
    assert alice.session.put(put.replace("/1?", "/2?"), data=b"x", timeout=30).status_code == 403
    assert alice.session.put(url, data=b"x", timeout=30).status_code == 405
    assert alice.session.get(put, timeout=30).status_code == 405


def test_url_without_signature_is_rejected(alice, handle):
    bare = alice.url(handle).partition("?")[0]
    response = alice.session.get(bare, timeout=30)
    assert response.status_code == 403
    assert "not signed" in response.text


def test_signature_of_another_service_is_rejected(tmp_path, alice, handle):
    with start_service(tmp_path) as other:
        url = other.user("alice").url(other.user("alice").upload(DATA))
    assert alice.session.get(url, timeout=30).status_code == 403


def test_url_of_deleted_file_handle_is_not_found(alice):
    handle = alice.upload(b"deleted")
    url = alice.url(handle)
    alice.delete(f"/file/v1/fileHandle/{handle}")
    response = alice.session.get(url, timeout=30)
    assert response.status_code == 404
    assert "<Code>NoSuchKey</Code>" in response.text


def test_presigned_url_ignores_access_token(alice, handle):
    headers = {"Authorization": "Bearer nonsense"}
    assert alice.session.get(alice.url(handle), headers=headers, timeout=30).status_code == 200


@settings(max_examples=80, deadline=None)
@given(
    first=st.integers(PART - 20, PART + len(DATA) + 5),
    length=st.integers(0, 60),
    form=st.sampled_from(["closed", "open", "suffix"]),
)
def test_range_request_returns_requested_bytes(rest_service, two_part_file, first, length, form):
    whole = memoryview(bytes(PART) + DATA)
    range_header = {
        "closed": f"bytes={first}-{first + length}",
        "open": f"bytes={first}-",
        "suffix": f"bytes=-{length}",
    }[form]
    expected = {
        "closed": whole[first : first + length + 1],
        "open": whole[first:],
        "suffix": whole[len(whole) - length :],
    }[form]
    response = rest_service.user("alice").read(two_part_file, Range=range_header)
    if len(expected) == 0:
        assert response.status_code == 416
        return
    begin = len(whole) - length if form == "suffix" else first
    assert response.status_code == 206
    assert response.content == expected
    assert response.headers["Content-Length"] == str(len(expected))
    end = begin + len(expected) - 1
    assert response.headers["Content-Range"] == f"bytes {begin}-{end}/{len(whole)}"


def test_range_past_end_returns_416_with_size(alice, handle):
    response = alice.read(handle, Range=f"bytes={len(DATA)}-")
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert "<Code>InvalidRange</Code>" in response.text


@pytest.mark.parametrize(
    "invalid_range",
    ["bytes=", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,4-5", "1-2"],
)
def test_invalid_range_returns_whole_file(alice, handle, invalid_range):
    response = alice.read(handle, Range=invalid_range)
    assert (response.status_code, response.content) == (200, DATA)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=40), st.integers(0, 50))
def test_random_range_header_causes_no_internal_error(header, size):
    with contextlib.suppress(PresignedUrlError):
        found = parse_byte_range(header, size)
        assert found is None or 0 <= found[0] <= found[1] < size
