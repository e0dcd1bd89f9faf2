"""Multipart uploads: started, resumed, restarted, completed once, and never half there."""

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
PIECES = [BIG[:PART], BIG[PART : 2 * PART], BIG[2 * PART :]]


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


def begin(person, data=b"some bytes", **more):
    """Start an upload that nobody else has: its name is the test's own."""
    return ok(person.start(data, restart=True, **more))


def bring(person, upload, number, data):
    """Upload and confirm a part."""
    answer = person.put_part(upload, number, data)
    assert answer.status_code == 200
    return person.add(upload, number, md5(data))["addPartState"]


def test_the_parts_become_one_file_whatever_their_order(alice):
    status = begin(alice, BIG, fileName="big.bin")
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
        bring(alice, upload, number, PIECES[number - 1])
        states.append(ok(alice.start(BIG, fileName="big.bin"))["partsState"])
    assert states == ["001", "101", "111"]
    done = ok(alice.complete(upload))
    assert (done["state"], done["partsState"]) == ("COMPLETED", "111")
    handle = ok(alice.get(f"/file/v1/fileHandle/{done['resultFileHandleId']}"))
    assert (handle["contentMd5"], handle["contentSize"]) == (md5(BIG), len(BIG))
    assert alice.read(done["resultFileHandleId"]).content == BIG


def test_a_part_answers_with_its_md5_as_etag(alice):
    upload = begin(alice)["uploadId"]
    assert alice.put_part(upload, 1, b"some bytes").headers["ETag"] == f'"{md5(b"some bytes")}"'


def test_starting_and_completing_answer_201(alice):
    answer = alice.start(b"status codes")
    assert answer.status_code == 201
    upload = answer.json()["uploadId"]
    bring(alice, upload, 1, b"status codes")
    assert alice.complete(upload).status_code == 201


# Identity.


def test_the_same_request_finds_the_upload_as_it_is(alice):
    upload = begin(alice, BIG, fileName="resumed")["uploadId"]
    bring(alice, upload, 2, PIECES[1])
    again = ok(alice.start(BIG, fileName="resumed"))
    assert (again["uploadId"], again["partsState"]) == (upload, "010")


def test_the_same_request_in_another_writing_is_the_same(alice):
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
def test_a_change_of_any_field_is_another_upload(alice, change):
    first = ok(alice.start(b"same same", fileName="fields"))
    other = ok(alice.start(b"same same", **({"fileName": "fields"} | change)))
    assert other["uploadId"] != first["uploadId"]


def test_another_user_has_another_upload(alice, bob):
    first = ok(alice.start(b"both"))
    assert ok(bob.start(b"both"))["uploadId"] != first["uploadId"]


def test_a_completed_upload_is_reused(alice, data_dir):
    handle = alice.upload(b"completed and reused")
    before = bytes_on_disk(data_dir)
    status = ok(alice.start(b"completed and reused"))
    assert (status["state"], status["partsState"]) == ("COMPLETED", "1")
    assert status["resultFileHandleId"] == handle
    assert bytes_on_disk(data_dir) == before


def test_a_restart_forgets_what_had_arrived(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = begin(alice, BIG, fileName="restarted")["uploadId"]
    bring(alice, upload, 1, PIECES[0])
    restarted = ok(alice.start(BIG, fileName="restarted", restart=True))
    assert restarted["uploadId"] != upload
    assert restarted["partsState"] == "000"
    assert bytes_on_disk(data_dir) == before
    assert_error(alice.complete(upload), 404)


def test_a_restart_of_a_completed_upload_leaves_its_file_alone(alice):
    handle = alice.upload(b"completed then restarted")
    restarted = ok(alice.start(b"completed then restarted", restart=True))
    assert restarted["state"] == "UPLOADING"
    assert alice.read(handle).content == b"completed then restarted"


# What is refused at the start.


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
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
        (
            {"concreteType": "org.sagebionetworks.repo.model.file.MultipartUploadCopyRequest"},
            400,
            "MultipartUploadCopyRequest",
        ),
    ],
)
def test_a_wrong_request_is_refused(alice, wrong, status, words):
    assert_error(alice.start(b"wrong", **wrong), status, words)


@pytest.mark.parametrize(
    "most", [{"fileSizeBytes": PART * 10_000}, {"partSizeBytes": 5 * 2**30}, {"fileSizeBytes": 1}]
)
def test_the_bounds_themselves_are_allowed(alice, most):
    assert ok(alice.start(b"bounds", **most))["state"] == "UPLOADING"


def test_the_anonymous_caller_uploads_nothing(rest_service):
    assert_error(rest_service.user(None).start(b"anonymous"), 403)


# Signed URLs.


def test_urls_of_several_parts_come_in_the_order_asked(alice):
    upload = begin(alice, BIG, fileName="urls")["uploadId"]
    asked = {"uploadId": upload, "partNumbers": [3, 1]}
    answer = alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", asked)
    assert answer.status_code == 201
    urls = answer.json()["partPresignedUrls"]
    assert [each["partNumber"] for each in urls] == [3, 1]
    assert {str(each["signedHeaders"]) for each in urls} == {"{}"}


@pytest.mark.parametrize("numbers", [[0], [4], [1, 99], [], None, ["x"], [1.5], "1"])
def test_part_numbers_are_checked(alice, numbers):
    upload = begin(alice, BIG, fileName="numbers")["uploadId"]
    body = {"uploadId": upload, "partNumbers": numbers}
    assert_error(alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", body), 400)


def test_a_content_type_that_was_signed_must_be_sent(alice):
    upload = begin(alice)["uploadId"]
    body = {"uploadId": upload, "partNumbers": [1], "contentType": "text/x-part"}
    (signed,) = ok(alice.post(f"{MULTIPART}/{upload}/presigned/url/batch", body))[
        "partPresignedUrls"
    ]
    url, data = signed["uploadPresignedUrl"], b"some bytes"
    assert signed["signedHeaders"] == {"Content-Type": "text/x-part"}
    assert alice.session.put(url, data=data, timeout=5).status_code == 403
    other = alice.session.put(url, data=data, headers={"Content-Type": "text/y"}, timeout=5)
    assert other.status_code == 403
    right = alice.session.put(url, data=data, headers=signed["signedHeaders"], timeout=5)
    assert right.status_code == 200


# Parts.


def test_a_wrong_md5_and_an_absent_part_are_add_failed_not_errors(alice):
    upload = begin(alice)["uploadId"]
    absent = alice.put(f"{MULTIPART}/{upload}/add/1?partMD5Hex={md5(b'some bytes')}")
    assert absent.status_code == 201
    assert absent.json()["addPartState"] == "ADD_FAILED"
    alice.put_part(upload, 1, b"some BYTES")
    wrong = alice.add(upload, 1, md5(b"some bytes"))
    assert wrong["addPartState"] == "ADD_FAILED"
    assert "MD5" in wrong["errorMessage"]
    assert (wrong["uploadId"], wrong["partNumber"]) == (upload, 1)
    assert_error(alice.complete(upload), 400, "Missing 1 part(s)")
    assert bring(alice, upload, 1, b"some bytes") == "ADD_SUCCESS"
    assert ok(alice.complete(upload))["state"] == "COMPLETED"


def test_confirming_twice_and_in_capitals_is_fine(alice):
    upload = begin(alice)["uploadId"]
    bring(alice, upload, 1, b"some bytes")
    again = alice.add(upload, 1, md5(b"some bytes").upper())
    assert again["addPartState"] == "ADD_SUCCESS"


def test_the_same_part_again_stays_confirmed_and_another_one_does_not(alice, data_dir):
    upload = begin(alice, b"same part", fileName="again")["uploadId"]
    bring(alice, upload, 1, b"same part")
    before = bytes_on_disk(data_dir)
    alice.put_part(upload, 1, b"same part")
    assert ok(alice.start(b"same part", fileName="again"))["partsState"] == "1"
    alice.put_part(upload, 1, b"SAME PART")
    assert ok(alice.start(b"same part", fileName="again"))["partsState"] == "0"
    assert bytes_on_disk(data_dir) == before


@pytest.mark.parametrize("number", ["0", "4", "x"])
def test_a_part_out_of_range_is_refused(alice, number):
    upload = begin(alice, BIG, fileName="range")["uploadId"]
    assert_error(alice.put(f"{MULTIPART}/{upload}/add/{number}?partMD5Hex={'0' * 32}"), 400)


def test_the_md5_of_a_part_is_required(alice):
    upload = begin(alice)["uploadId"]
    assert_error(alice.put(f"{MULTIPART}/{upload}/add/1"), 400, "partMD5Hex")


def test_a_part_beyond_the_part_size_is_refused_and_leaves_nothing(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = begin(alice, BIG, fileName="too large")["uploadId"]
    announced = alice.put_part(upload, 1, bytes(PART + 1))
    assert announced.status_code == 400
    assert "EntityTooLarge" in announced.text
    streamed = alice.put_part(upload, 1, iter([bytes(PART), b"x"]))
    assert streamed.status_code == 400
    assert bytes_on_disk(data_dir) == before


def test_an_upload_cut_in_the_middle_of_a_part_leaves_nothing(alice, data_dir):
    before = bytes_on_disk(data_dir)
    upload = begin(alice, BIG, fileName="cut")["uploadId"]

    def cut():
        yield PIECES[0][:2_000_000]
        raise ConnectionAbortedError("cut")

    with pytest.raises(ConnectionAbortedError):
        alice.put_part(upload, 1, cut())
    assert bytes_on_disk(data_dir) == before
    assert alice.add(upload, 1, md5(PIECES[0]))["addPartState"] == "ADD_FAILED"
    assert bring(alice, upload, 1, PIECES[0]) == "ADD_SUCCESS"


# Completion.


def test_completing_early_says_how_many_parts_are_missing(alice):
    upload = begin(alice, BIG, fileName="early")["uploadId"]
    assert_error(
        alice.complete(upload), 400, "Missing 3 part(s). All parts must be successfully added"
    )
    bring(alice, upload, 1, PIECES[0])
    alice.put_part(upload, 2, PIECES[1])
    assert_error(alice.complete(upload), 400, "Missing 2 part(s)")


def test_completing_again_gives_the_same_file(alice):
    upload = begin(alice)["uploadId"]
    bring(alice, upload, 1, b"some bytes")
    assert ok(alice.complete(upload)) == ok(alice.complete(upload))


def test_a_file_of_another_size_than_announced_is_refused(alice):
    upload = begin(alice, fileSizeBytes=11)["uploadId"]
    bring(alice, upload, 1, b"some bytes")
    assert_error(alice.complete(upload), 400, "fileSizeBytes")


def test_a_file_with_another_md5_than_announced_is_refused_and_a_restart_mends_it(alice):
    upload = begin(alice, b"announced!", fileName="other")["uploadId"]
    bring(alice, upload, 1, b"some bytes")
    assert_error(alice.complete(upload), 400, "forceRestart")
    assert ok(alice.start(b"announced!", fileName="other"))["state"] == "UPLOADING"
    again = begin(alice, b"announced!", fileName="other")["uploadId"]
    bring(alice, again, 1, b"announced!")
    assert ok(alice.complete(again))["state"] == "COMPLETED"


def test_who_sends_the_same_parts_late_is_thanked_and_changes_nothing(alice, data_dir):
    upload = begin(alice, BIG, fileName="late")["uploadId"]
    early = alice.part_url(upload, 2)
    for number, piece in enumerate(PIECES, 1):
        bring(alice, upload, number, piece)
    done = ok(alice.complete(upload))
    before = bytes_on_disk(data_dir)
    assert alice.session.put(early, data=PIECES[1], timeout=5).status_code == 200
    for number, piece in enumerate(PIECES, 1):
        assert bring(alice, upload, number, piece) == "ADD_SUCCESS"
    assert ok(alice.complete(upload)) == done
    assert bytes_on_disk(data_dir) == before


def test_a_completed_upload_takes_no_other_bytes(alice, data_dir):
    upload = begin(alice)["uploadId"]
    bring(alice, upload, 1, b"some bytes")
    done = ok(alice.complete(upload))
    before = bytes_on_disk(data_dir)
    assert bring(alice, upload, 1, b"late bytes") == "ADD_FAILED"
    assert_error(
        alice.put(f"{MULTIPART}/{upload}/add/2?partMD5Hex={'0' * 32}"), 400, "from 1 to 1"
    )
    assert ok(alice.start(b"some bytes")) == done
    assert bytes_on_disk(data_dir) == before
    assert alice.read(done["resultFileHandleId"]).content == b"some bytes"


def test_many_who_complete_at_once_make_one_file(alice):
    upload = begin(alice, BIG, fileName="at once")["uploadId"]
    with ThreadPoolExecutor(3) as pool:
        states = pool.map(lambda n: bring(alice, upload, n, PIECES[n - 1]), (1, 2, 3))
        assert set(states) == {"ADD_SUCCESS"}
        done = list(pool.map(lambda _: ok(alice.complete(upload)), range(6)))
    assert {each["resultFileHandleId"] for each in done} == {done[0]["resultFileHandleId"]}


def test_an_upload_belongs_to_its_starter(rest_service, alice, bob):
    upload = begin(alice, BIG, fileName="owned")["uploadId"]
    body = {"uploadId": upload, "partNumbers": [1]}
    for person in (bob, rest_service.user("admin"), rest_service.user(None)):
        for answer in (
            person.post(f"{MULTIPART}/{upload}/presigned/url/batch", body),
            person.put(f"{MULTIPART}/{upload}/add/1?partMD5Hex={'0' * 32}"),
            person.complete(upload),
        ):
            assert_error(answer, 403, "Only the user that started a multi-part upload")


def test_an_unknown_upload_is_not_found(alice):
    assert_error(alice.complete("999999"), 404)
    assert_error(alice.complete("x"), 400)
    body = {"uploadId": "999999", "partNumbers": [1]}
    assert_error(alice.post(f"{MULTIPART}/999999/presigned/url/batch", body), 404)


def test_the_time_of_the_last_part_is_told(rest_service, alice):
    status = begin(alice, fileName="time")
    rest_service.clock.advance(60)
    bring(alice, status["uploadId"], 1, b"some bytes")
    done = ok(alice.complete(status["uploadId"]))
    assert done["startedOn"] == status["startedOn"]
    assert done["updatedOn"] > status["updatedOn"]
