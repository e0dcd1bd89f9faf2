"""Pre-signed URLs: good for one thing, for a while, and in any range."""

import contextlib
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from hypothesis import given, settings, strategies as st
from support.file_api import PART, start_service

from synapse_workflows.local.domain.presigned_urls import PresignedUrlError
from synapse_workflows.local.routers.storage_bytes import parse_byte_range

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
def pieces(rest_service):
    """A file of two parts, so that ranges cross from one file on disk into the next."""
    return rest_service.user("alice").upload(bytes(PART) + DATA, fileName="pieces.bin")


def changed(url, **fields):
    """The URL with other fields in its query; None takes one away."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | fields
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


def test_a_download_url_has_what_clients_read_from_it(alice, handle):
    query = parse_qs(urlsplit(alice.url(handle)).query)
    assert query["X-Amz-Date"] == ["20260304T050607Z"]
    assert query["X-Amz-Expires"] == ["30"]
    assert set(query) >= {"X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-SignedHeaders"}


def test_an_upload_url_lives_longer(alice):
    upload = alice.start(b"upload url").json()["uploadId"]
    assert parse_qs(urlsplit(alice.part_url(upload)).query)["X-Amz-Expires"] == ["900"]


def test_the_whole_file_comes_with_its_headers(alice, handle):
    answer = alice.read(handle)
    assert answer.status_code == 200
    assert answer.content == DATA
    headers = answer.headers
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Disposition"] == 'attachment; filename="data.bin"'
    assert headers["Accept-Ranges"] == "bytes"
    assert len(headers["ETag"]) == 34


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a b,c.txt", 'attachment; filename="a b,c.txt"'),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_any_file_name_can_be_told(alice, name, told):
    answer = alice.read(alice.upload(b"named", fileName=name))
    assert answer.headers["Content-Disposition"] == told


def test_a_content_type_cannot_break_the_headers(alice):
    answer = alice.read(alice.upload(b"typed", contentType="text/é\r\nX-Evil: 1"))
    assert answer.headers["Content-Type"] == "text/___X-Evil: 1"
    assert "X-Evil" not in answer.headers


# Time.


@pytest.mark.parametrize(("seconds", "status"), [(29.0, 200), (30.2, 403), (3600, 403)])
def test_a_download_url_expires(tmp_path, seconds, status):
    with start_service(tmp_path) as rest_service:
        alice = rest_service.user("alice")
        url = alice.url(alice.upload(b"expires"))
        rest_service.clock.advance(seconds)
        answer = alice.session.get(url, timeout=5)
    assert answer.status_code == status
    if status == 403:
        assert answer.headers["Content-Type"].startswith("application/xml")
        assert "<Message>Request has expired</Message>" in answer.text


def test_an_expired_upload_url_takes_nothing_and_a_new_one_does(tmp_path):
    with start_service(tmp_path) as rest_service:
        alice = rest_service.user("alice")
        upload = alice.start(b"too late").json()["uploadId"]
        url = alice.part_url(upload)
        rest_service.clock.advance(901)
        assert alice.session.put(url, data=b"too late", timeout=5).status_code == 403
        assert alice.put_part(upload, 1, b"too late").status_code == 200


def test_the_lives_of_urls_can_be_set(tmp_path):
    with start_service(tmp_path, download_url_seconds=2, upload_url_seconds=3) as rest_service:
        alice = rest_service.user("alice")
        upload = alice.start(b"lives").json()["uploadId"]
        assert "X-Amz-Expires=3&" in alice.part_url(upload)
        assert "X-Amz-Expires=2&" in alice.url(alice.upload(b"lives"))


# Signature.


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
def test_whoever_changes_the_query_gets_nothing(alice, handle, change):
    answer = alice.session.get(changed(alice.url(handle), **change), timeout=5)
    assert answer.status_code == 403
    assert answer.text.startswith("<?xml")


def test_a_field_given_twice_breaks_the_signature(alice, handle):
    answer = alice.session.get(alice.url(handle) + "&X-Amz-Expires=3000", timeout=5)
    assert answer.status_code == 403


def test_a_signature_is_good_for_one_path_and_one_verb(alice, handle):
    other = alice.upload(b"other file")
    url = alice.url(handle)
    assert alice.session.get(url.replace(handle, other), timeout=5).status_code == 403
    upload = alice.start(b"verb").json()["uploadId"]
    put = alice.part_url(upload)
    assert alice.session.put(put.replace("/1?", "/2?"), data=b"x", timeout=5).status_code == 403
    assert alice.session.put(url, data=b"x", timeout=5).status_code == 405
    assert alice.session.get(put, timeout=5).status_code == 405


def test_without_a_signature_there_is_nothing(alice, handle):
    bare = alice.url(handle).partition("?")[0]
    answer = alice.session.get(bare, timeout=5)
    assert answer.status_code == 403
    assert "not signed" in answer.text


def test_another_service_signs_otherwise(tmp_path, alice, handle):
    with start_service(tmp_path) as other:
        url = other.user("alice").url(other.user("alice").upload(DATA))
    assert alice.session.get(url, timeout=5).status_code == 403


def test_the_url_of_a_deleted_handle_is_not_found(alice):
    handle = alice.upload(b"deleted")
    url = alice.url(handle)
    alice.delete(f"/file/v1/fileHandle/{handle}")
    answer = alice.session.get(url, timeout=5)
    assert answer.status_code == 404
    assert "<Code>NoSuchKey</Code>" in answer.text


def test_no_synapse_token_is_needed_nor_looked_at(alice, handle):
    headers = {"Authorization": "Bearer nonsense"}
    assert alice.session.get(alice.url(handle), headers=headers, timeout=5).status_code == 200


# Ranges.


@settings(max_examples=80, deadline=None)
@given(
    first=st.integers(PART - 20, PART + len(DATA) + 5),
    length=st.integers(0, 60),
    form=st.sampled_from(["closed", "open", "suffix"]),
)
def test_any_range_is_that_range_of_the_bytes(rest_service, pieces, first, length, form):
    whole = memoryview(bytes(PART) + DATA)
    asked = {
        "closed": f"bytes={first}-{first + length}",
        "open": f"bytes={first}-",
        "suffix": f"bytes=-{length}",
    }[form]
    wanted = {
        "closed": whole[first : first + length + 1],
        "open": whole[first:],
        "suffix": whole[len(whole) - length :],
    }[form]
    answer = rest_service.user("alice").read(pieces, Range=asked)
    if len(wanted) == 0:
        assert answer.status_code == 416
        return
    begin = len(whole) - length if form == "suffix" else first
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["Content-Length"] == str(len(wanted))
    end = begin + len(wanted) - 1
    assert answer.headers["Content-Range"] == f"bytes {begin}-{end}/{len(whole)}"


def test_a_range_past_the_end_is_416_with_the_size(alice, handle):
    answer = alice.read(handle, Range=f"bytes={len(DATA)}-")
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert "<Code>InvalidRange</Code>" in answer.text


@pytest.mark.parametrize(
    "nonsense",
    ["bytes=", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,4-5", "1-2"],
)
def test_a_range_that_makes_no_sense_is_the_whole_file(alice, handle, nonsense):
    answer = alice.read(handle, Range=nonsense)
    assert (answer.status_code, answer.content) == (200, DATA)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=40), st.integers(0, 50))
def test_no_header_breaks_the_reading_of_ranges(header, size):
    with contextlib.suppress(PresignedUrlError):
        found = parse_byte_range(header, size)
        assert found is None or 0 <= found[0] <= found[1] < size
