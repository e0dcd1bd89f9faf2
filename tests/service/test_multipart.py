"""Tests of multipart uploads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.file_api import (
    PART,
    assert_error,
    bytes_on_disk,
    md5,
    multipart_request,
    ok,
    start_service,
)

MULTIPART = "/file/v1/file/multipart"
#: Three parts, the last one short.
BIG = b"".join(bytes([number]) * PART for number in (1, 2)) + b"the end"
PARTS = [BIG[:PART], BIG[PART : 2 * PART], BIG[2 * PART :]]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("multipart")


@pytest.fixture(scope="module")
def rest_service(data_dir, recording):
    with start_service(data_dir, recording) as opened:
        yield opened


@pytest.fixture
def alice(rest_service):
    return rest_service.user("alice")


@pytest.fixture
def bob(rest_service):
    return rest_service.user("bob")


def start_upload(user, data=b"some bytes", **more):
    """Start an upload with a file name that no other test uses."""
    return ok(user.start(data, restart=True, **more))


def upload_part(user, upload, number, data):
    """Upload and add a part."""
    response = user.put_part(upload, number, data)
    assert response.status_code == 200
    return user.add(upload, number, md5(data))["addPartState"]


def test_parts_in_any_order_become_one_file(alice):
    status = start_upload(alice, BIG, fileName="big.bin")
    upload = status["uploadId"]
    assert status == {
        "uploadId": upload,
        "startedBy": "3300001",
        "startedOn": "2026-03-04T05:06:07.890Z",
        "updatedOn": "2026-03-04T05:06:07.890Z",
        "state": "UPLOADING",
        "partsState": "000",
    }
    states = []
    for number in (3, 1, 2):
        upload_part(alice, upload, number, PARTS[number - 1])
        states.append(ok(alice.start(BIG, fileName="big.bin"))["partsState"])
    assert states == ["001", "101", "111"]
    completed = ok(alice.complete(upload))
    assert (completed["state"], completed["partsState"]) == ("COMPLETED", "111")
    handle = ok(alice.get(f"/file/v1/fileHandle/{completed['resultFileHandleId']}"))
    assert (handle["contentMd5"], handle["contentSize"]) == (md5(BIG), len(BIG))
    assert alice.read(completed["resultFileHandleId"]).content == BIG


def test_upload_of_part_returns_md5_as_etag(alice):
    upload = start_upload(alice)["uploadId"]
    assert alice.put_part(upload, 1, b"some bytes").headers["ETag"] == f'"{md5(b"some bytes")}"'


def test_start_and_complete_return_201(alice):
    response = alice.start(b"status codes")
    assert response.status_code == 201
    upload = response.json()["uploadId"]
    upload_part(alice, upload, 1, b"status codes")
    assert alice.complete(upload).status_code == 201


def test_equal_request_resumes_upload(alice):
    upload = start_upload(alice, BIG, fileName="resumed")["uploadId"]
    upload_part(alice, upload, 2, PARTS[1])
    again = ok(alice.start(BIG, fileName="resumed"))
    assert (again["uploadId"], again["partsState"]) == (upload, "010")


def test_equivalent_request_resumes_upload(alice):
    body = multipart_request(b"writing", fileName="writing")
    first = ok(alice.post(MULTIPART, body))
    other = {key: body[key] for key in reversed(body)} | {
        "fileSizeBytes": str(body["fileSizeBytes"]),
        "contentMD5Hex": body["contentMD5Hex"].upper(),
        "storageLocationId": None,
        "unknown": "ignored",
    }
    del other["concreteType"]
    assert ok(alice.post(MULTIPART, other))["uploadId"] == first["uploadId"]


@pytest.mark.parametrize(
    "change",
    [
        {"fileName": "other"},
        {"partSizeBytes": PART + 1},
        {"contentType": "text/csv"},
        {"generatePreview": True},
        {"contentMD5Hex": "0" * 32},
        {"fileSizeBytes": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_different_field_starts_another_upload(alice, change):
    first = ok(alice.start(b"same same", fileName="fields"))
    other = ok(alice.start(b"same same", **({"fileName": "fields"} | change)))
    assert other["uploadId"] != first["uploadId"]


def test_request_of_another_user_starts_another_upload(alice, bob):
    first = ok(alice.start(b"both"))
    assert ok(bob.start(b"both"))["uploadId"] != first["uploadId"]


def test_equal_request_returns_completed_upload(alice, data_dir):
    handle = alice.upload(b"completed and reused")
    before = bytes_on_disk(data_dir)
    status = ok(alice.start(b"completed and reused"))
    assert (status["state"], status["partsState"]) == ("COMPLETED", "1")
    assert status["resultFileHandleId"] == handle
    assert bytes_on_disk(data_dir) == before


def test_force_restart_deletes_uploaded_parts(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = start_upload(alice, BIG, fileName="restarted")["uploadId"]
    upload_part(alice, upload, 1, PARTS[0])
    restarted = ok(alice.start(BIG, fileName="restarted", restart=True))
    assert restarted["uploadId"] != upload
    assert restarted["partsState"] == "000"
    assert bytes_on_disk(data_dir) == before
    assert_error(alice.complete(upload), 404)


def test_force_restart_of_completed_upload_keeps_file(alice):
    handle = alice.upload(b"completed then restarted")
    restarted = ok(alice.start(b"completed then restarted", restart=True))
    assert restarted["state"] == "UPLOADING"
    assert alice.read(handle).content == b"completed then restarted"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"fileSizeBytes": 0}, 400, "fileSizeBytes"),
        ({"fileSizeBytes": -1}, 400, "fileSizeBytes"),
        ({"fileSizeBytes": 5 * 2**40 + 1}, 400, "fileSizeBytes"),
        ({"fileSizeBytes": None}, 400, "fileSizeBytes"),
        ({"fileSizeBytes": "big"}, 400, "fileSizeBytes"),
        ({"fileSizeBytes": True}, 400, "fileSizeBytes"),
        ({"partSizeBytes": PART - 1}, 400, "partSizeBytes"),
        ({"partSizeBytes": 5 * 2**30 + 1}, 400, "partSizeBytes"),
        ({"fileSizeBytes": PART * 10_000 + 1}, 400, "10000"),
        ({"contentMD5Hex": "no md5"}, 400, "contentMD5Hex"),
        ({"contentMD5Hex": None}, 400, "contentMD5Hex"),
        ({"fileName": None}, 400, "fileName"),
        ({"fileName": ""}, 400, "fileName"),
        ({"storageLocationId": 77}, 404, "77"),
        ({"concreteType": "org.example.Request"}, 400, "org.example.Request"),
    ],
)
def test_invalid_request_is_rejected(alice, changes, status, words):
    assert_error(alice.start(b"wrong", **changes), status, words)


@pytest.mark.parametrize(
    "limits",
    [{"fileSizeBytes": PART * 10_000}, {"partSizeBytes": 5 * 2**30}, {"fileSizeBytes": 1}],
)
def test_limits_are_inclusive(alice, limits):
    assert ok(alice.start(b"bounds", **limits))["state"] == "UPLOADING"


def test_anonymous_caller_cannot_upload(rest_service):
    assert_error(rest_service.user(None).start(b"anonymous"), 403)


def test_part_urls_are_returned_in_request_order(alice):
    upload = start_upload(alice, BIG, fileName="urls")["uploadId"]
    body = {"uploadId": upload, "partNumbers": [3, 1]}
    response = alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", body)
    assert response.status_code == 201
    urls = response.json()["partPresignedUrls"]
    assert [each["partNumber"] for each in urls] == [3, 1]
    assert {str(each["signedHeaders"]) for each in urls} == {"{}"}


@pytest.mark.parametrize("numbers", [[0], [4], [1, 99], [], None, ["x"], [1.5], "1"])
def test_invalid_part_numbers_are_rejected(alice, numbers):
    upload = start_upload(alice, BIG, fileName="numbers")["uploadId"]
    body = {"uploadId": upload, "partNumbers": numbers}
    assert_error(alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", body), 400)


def test_signed_content_type_is_required(alice):
    upload = start_upload(alice)["uploadId"]
    body = {"uploadId": upload, "partNumbers": [1], "contentType": "text/x-part"}
    (signed,) = ok(alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", body))[
        "partPresignedUrls"
    ]
    url, data = signed["uploadPresignedUrl"], b"some bytes"
    assert signed["signedHeaders"] == {"Content-Type": "text/x-part"}
    assert alice.session.put(url, data=data, timeout=30).status_code == 403
    other = alice.session.put(url, data=data, headers={"Content-Type": "text/y"}, timeout=30)
    assert other.status_code == 403
    right = alice.session.put(url, data=data, headers=signed["signedHeaders"], timeout=30)
    assert right.status_code == 200


def test_wrong_md5_or_missing_part_returns_add_failed(alice):
    upload = start_upload(alice)["uploadId"]
    absent = alice.put(f"{MULTIPART}/{upload}/add/1?partMD5Hex={md5(b'some bytes')}")
    assert absent.status_code == 201
    assert absent.json()["addPartState"] == "ADD_FAILED"
    alice.put_part(upload, 1, b"some BYTES")
    rejected = alice.add(upload, 1, md5(b"some bytes"))
    assert rejected["addPartState"] == "ADD_FAILED"
    assert "MD5" in rejected["errorMessage"]
    assert (rejected["uploadId"], rejected["partNumber"]) == (upload, 1)
    assert_error(alice.complete(upload), 400, "Missing 1 part(s)")
    assert upload_part(alice, upload, 1, b"some bytes") == "ADD_SUCCESS"
    assert ok(alice.complete(upload))["state"] == "COMPLETED"


def test_add_part_is_idempotent_and_ignores_case_of_md5(alice):
    upload = start_upload(alice)["uploadId"]
    upload_part(alice, upload, 1, b"some bytes")
    again = alice.add(upload, 1, md5(b"some bytes").upper())
    assert again["addPartState"] == "ADD_SUCCESS"


def test_replaced_part_must_be_added_again(alice, data_dir):
    upload = start_upload(alice, b"same part", fileName="again")["uploadId"]
    upload_part(alice, upload, 1, b"same part")
    before = bytes_on_disk(data_dir)
    alice.put_part(upload, 1, b"same part")
    assert ok(alice.start(b"same part", fileName="again"))["partsState"] == "1"
    alice.put_part(upload, 1, b"SAME PART")
    assert ok(alice.start(b"same part", fileName="again"))["partsState"] == "0"
    assert bytes_on_disk(data_dir) == before


@pytest.mark.parametrize("number", ["0", "4", "x"])
def test_add_part_out_of_range_is_rejected(alice, number):
    upload = start_upload(alice, BIG, fileName="range")["uploadId"]
    assert_error(alice.put(f"{MULTIPART}/{upload}/add/{number}?partMD5Hex={'0' * 32}"), 400)


def test_add_part_requires_md5(alice):
    upload = start_upload(alice)["uploadId"]
    assert_error(alice.put(f"{MULTIPART}/{upload}/add/1"), 400, "partMD5Hex")


def test_oversized_part_is_rejected_and_removed(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = start_upload(alice, BIG, fileName="too large")["uploadId"]
    announced = alice.put_part(upload, 1, bytes(PART + 1))
    assert announced.status_code == 400
    assert "EntityTooLarge" in announced.text
    streamed = alice.put_part(upload, 1, iter([bytes(PART), b"x"]))
    assert streamed.status_code == 400
    assert bytes_on_disk(data_dir) == before


def test_interrupted_part_is_removed(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = start_upload(alice, BIG, fileName="cut")["uploadId"]

    def interrupted():
        yield PARTS[0][:2_000_000]
        raise ConnectionAbortedError("cut")

    with pytest.raises(ConnectionAbortedError):
        alice.put_part(upload, 1, interrupted())
    assert bytes_on_disk(data_dir) == before
    assert alice.add(upload, 1, md5(PARTS[0]))["addPartState"] == "ADD_FAILED"
    assert upload_part(alice, upload, 1, PARTS[0]) == "ADD_SUCCESS"


def test_complete_with_missing_parts_returns_their_number(alice):
    upload = start_upload(alice, BIG, fileName="early")["uploadId"]
    assert_error(
        alice.complete(upload), 400, "Missing 3 part(s). All parts must be successfully added"
    )
    upload_part(alice, upload, 1, PARTS[0])
    alice.put_part(upload, 2, PARTS[1])
    assert_error(alice.complete(upload), 400, "Missing 2 part(s)")


def test_complete_is_idempotent(alice):
    upload = start_upload(alice)["uploadId"]
    upload_part(alice, upload, 1, b"some bytes")
    assert ok(alice.complete(upload)) == ok(alice.complete(upload))


def test_late_equal_parts_are_accepted_and_dropped(alice, data_dir):
    upload = start_upload(alice, BIG, fileName="late")["uploadId"]
    early = alice.part_url(upload, 2)
    for number, piece in enumerate(PARTS, 1):
        upload_part(alice, upload, number, piece)
    completed = ok(alice.complete(upload))
    before = bytes_on_disk(data_dir)
    assert alice.session.put(early, data=PARTS[1], timeout=30).status_code == 200
    for number, piece in enumerate(PARTS, 1):
        assert upload_part(alice, upload, number, piece) == "ADD_SUCCESS"
    assert ok(alice.complete(upload)) == completed
    assert bytes_on_disk(data_dir) == before


def test_completed_upload_rejects_other_bytes(alice, data_dir):
    upload = start_upload(alice)["uploadId"]
    upload_part(alice, upload, 1, b"some bytes")
    completed = ok(alice.complete(upload))
    before = bytes_on_disk(data_dir)
    assert upload_part(alice, upload, 1, b"late bytes") == "ADD_FAILED"
    assert_error(
        alice.put(f"{MULTIPART}/{upload}/add/2?partMD5Hex={'0' * 32}"), 400, "from 1 to 1"
    )
    assert ok(alice.start(b"some bytes")) == completed
    assert bytes_on_disk(data_dir) == before
    assert alice.read(completed["resultFileHandleId"]).content == b"some bytes"


def test_concurrent_completion_creates_one_file(alice):
    upload = start_upload(alice, BIG, fileName="at once")["uploadId"]
    with ThreadPoolExecutor(3) as pool:
        states = pool.map(lambda n: upload_part(alice, upload, n, PARTS[n - 1]), (1, 2, 3))
        assert set(states) == {"ADD_SUCCESS"}
        completed = list(pool.map(lambda _: ok(alice.complete(upload)), range(6)))
    assert {each["resultFileHandleId"] for each in completed} == {
        completed[0]["resultFileHandleId"]
    }


def test_upload_of_another_user_is_forbidden(rest_service, alice, bob):
    upload = start_upload(alice, BIG, fileName="owned")["uploadId"]
    body = {"uploadId": upload, "partNumbers": [1]}
    for user in (bob, rest_service.user("admin"), rest_service.user(None)):
        for response in (
            user.post(f"{MULTIPART}/{upload}/presigned/url/batch", body),
            user.put(f"{MULTIPART}/{upload}/add/1?partMD5Hex={'0' * 32}"),
            user.complete(upload),
        ):
            assert_error(response, 403, "Only the user that started a multi-part upload")


def test_unknown_upload_is_not_found(alice):
    assert_error(alice.complete("999999"), 404)
    assert_error(alice.complete("x"), 400)
    body = {"uploadId": "999999", "partNumbers": [1]}
    assert_error(alice.post(f"{MULTIPART}/999999/presigned/url/batch", body), 404)


def test_status_has_date_of_last_part(rest_service, alice):
    status = start_upload(alice, fileName="time")
    rest_service.clock.advance(60)
    upload_part(alice, status["uploadId"], 1, b"some bytes")
    completed = ok(alice.complete(status["uploadId"]))
    assert completed["startedOn"] == status["startedOn"]
    assert completed["updatedOn"] > status["updatedOn"]


def upload_as(user, data, **claims):
    upload = ok(user.start(data, **claims))["uploadId"]
    assert user.put_part(upload, 1, data).status_code == 200
    user.add(upload, 1, md5(data))
    return ok(user.get(f"/file/v1/fileHandle/{ok(user.complete(upload))['resultFileHandleId']}"))


def test_claimed_md5_and_size_are_trusted_and_logged(alice, caplog):
    handle = upload_as(alice, b"five!", contentMD5Hex="0" * 32, fileSizeBytes=77)
    assert (handle["contentMd5"], handle["contentSize"]) == ("0" * 32, 5)
    assert alice.read(handle["id"]).content == b"five!"
    assert "contentMD5Hex is 000" in caplog.text
    assert "has 5 bytes, but fileSizeBytes is 77" in caplog.text
    caplog.clear()
    upload_as(alice, b"right")
    assert "but" not in caplog.text


@pytest.mark.parametrize(
    "name", ["é.txt", "a/b", "a\\b", "t\tab", "x" * 257, " ", "n\x00ul", "esc\x1b", "日本"]
)
def test_file_name_obeys_the_rules_of_entity_names(alice, name):
    assert_error(alice.start(b"x", fileName=name), 400, "Invalid Name: ")


def test_file_name_of_256_characters_is_accepted(alice):
    assert upload_as(alice, b"long", fileName="x" * 256)["fileName"] == "x" * 256
