"""File handles: who may see, use, copy and delete them, and where uploads go."""

import pytest
from support.file_api import assert_error, bytes_on_disk, ok, start_service

HANDLE = "/file/v1/fileHandle"
EXTERNAL = "org.sagebionetworks.repo.model.file.ExternalFileHandle"
S3 = "org.sagebionetworks.repo.model.file.S3FileHandle"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("handles")


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


@pytest.fixture(scope="module")
def shared(rest_service):
    """A project of alice in which bob may only read, and carol download too."""
    alice = rest_service.user("alice")
    project = alice.project("Shared")
    acl = ok(alice.get(f"/repo/v1/entity/{project}/acl"))
    acl["resourceAccess"] += [
        {"principalId": 3300002, "accessType": ["READ"]},
        {"principalId": 3300003, "accessType": ["READ", "DOWNLOAD"]},
    ]
    ok(alice.put(f"/repo/v1/entity/{project}/acl", acl))
    return project


def external(person, **more):
    body = {"concreteType": EXTERNAL, "externalURL": "https://example.org/a.csv", **more}
    return person.post("/file/v1/externalFileHandle", body)


def test_a_stored_file_has_all_the_properties_of_an_s3_file_handle(alice):
    handle = ok(alice.get(f"{HANDLE}/{alice.upload(b'hello', fileName='a b.txt')}"))
    bucket, key, etag = handle.pop("bucketName"), handle.pop("key"), handle.pop("etag")
    assert bucket
    assert key.startswith("3300001/")
    assert key.endswith("/a b.txt")
    assert len(etag) == 36
    assert int(handle.pop("id")) > 60_000_000
    assert handle == {
        "concreteType": S3,
        "contentMd5": "5d41402abc4b2a76b9719d911017c592",
        "contentSize": 5,
        "contentType": "text/plain",
        "createdBy": "3300001",
        "createdOn": "2026-03-04T05:06:07.890Z",
        "modifiedOn": "2026-03-04T05:06:07.890Z",
        "fileName": "a b.txt",
        "isPreview": False,
        "status": "AVAILABLE",
        "storageLocationId": 1,
    }


def test_only_the_maker_and_the_administrator_see_a_handle(rest_service, alice, bob):
    handle = alice.upload(b"mine")
    assert_error(
        bob.get(f"{HANDLE}/{handle}"), 403, "Only the creator of a FileHandle can access it"
    )
    assert_error(rest_service.user(None).get(f"{HANDLE}/{handle}"), 403)
    assert ok(rest_service.user("admin").get(f"{HANDLE}/{handle}"))["id"] == handle
    assert_error(alice.get(f"{HANDLE}/69999999"), 404)
    assert_error(alice.get(f"{HANDLE}/abc"), 400)


def test_an_external_handle_is_filled_with_defaults(alice):
    made = ok(external(alice))
    assert (made["fileName"], made["contentType"]) == ("NOT_SET", "NOT_SET")
    assert made["externalURL"] == "https://example.org/a.csv"
    assert "contentMd5" not in made
    assert ok(alice.get(f"{HANDLE}/{made['id']}")) == made
    assert alice.url(made["id"]) == "https://example.org/a.csv"


def test_an_external_handle_keeps_what_it_was_given(alice):
    md5 = "5D41402ABC4B2A76B9719D911017C592"
    given = {
        "externalURL": "file:///data/a.csv",
        "fileName": "a.csv",
        "contentType": "text/csv",
        "contentSize": "7",
        "storageLocationId": None,
    }
    made = ok(external(alice, contentMd5=md5, **given))
    assert (made["contentMd5"], made["contentSize"]) == (md5.lower(), 7)
    assert made["externalURL"] == "file:///data/a.csv"


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"externalURL": "no url"}, 400, "externalURL"),
        ({"externalURL": "http://"}, 400, "externalURL"),
        ({"externalURL": "http://[::1"}, 400, "externalURL"),
        ({"externalURL": None}, 400, "externalURL"),
        ({"contentMd5": "xyz"}, 400, "MD5"),
        ({"contentSize": "many"}, 400, "contentSize"),
        ({"storageLocationId": 77}, 404, "77"),
        ({"concreteType": S3}, 400, "concreteType"),
        ({"concreteType": None}, 400, "concreteType"),
    ],
)
def test_a_wrong_external_handle_is_refused(alice, wrong, status, words):
    assert_error(external(alice, **wrong), status, words)


def test_the_anonymous_caller_makes_no_handle(rest_service):
    assert_error(external(rest_service.user(None)), 403, "Anonymous")


def test_a_handle_that_is_not_used_can_be_deleted_with_its_bytes(alice, bob, data_dir):
    before = bytes_on_disk(data_dir)
    handle = alice.upload(b"to be deleted")
    assert len(bytes_on_disk(data_dir)) == len(before) + 1
    assert_error(bob.delete(f"{HANDLE}/{handle}"), 403)
    gone = alice.delete(f"{HANDLE}/{handle}")
    assert (gone.status_code, gone.content) == (200, b"")
    assert_error(alice.get(f"{HANDLE}/{handle}"), 404)
    assert bytes_on_disk(data_dir) == before
    assert alice.delete(f"{HANDLE}/{handle}").status_code == 200
    assert alice.delete(f"{HANDLE}/{ok(external(alice))['id']}").status_code == 200


def test_the_same_upload_after_a_deletion_begins_anew(alice):
    first = alice.upload(b"again and again")
    alice.delete(f"{HANDLE}/{first}")
    second = alice.upload(b"again and again")
    assert second != first
    assert alice.read(second).content == b"again and again"


def test_a_handle_in_use_is_not_deleted_even_for_an_old_version_or_in_the_trash(alice):
    old, new = alice.upload(b"version 1"), alice.upload(b"version 2")
    entity = alice.file("used", alice.project("In use"), old)
    alice.new_version(entity, new)
    assert_error(alice.delete(f"{HANDLE}/{old}"), 409, "in use")
    alice.delete(f"/repo/v1/entity/{entity}")
    assert_error(alice.delete(f"{HANDLE}/{new}"), 409, "in use")


# Batches.


def test_a_batch_gives_handles_and_urls_in_the_order_asked(alice, shared):
    a, b = alice.upload(b"file a"), alice.upload(b"file b")
    of_a, of_b = alice.file("batch a", shared, a), alice.file("batch b", shared, b)
    answer = alice.batch((b, of_b, "FileEntity"), (a, of_a, "FileEntity"))
    assert answer.status_code == 201
    first, second = answer.json()["requestedFiles"]
    assert [first["fileHandleId"], second["fileHandleId"]] == [b, a]
    assert first["fileHandle"] == ok(alice.get(f"{HANDLE}/{b}"))
    assert alice.session.get(first["preSignedURL"], timeout=5).content == b"file b"
    assert "failureCode" not in first


def test_ids_may_be_numbers_and_any_writing_of_the_entity_id_will_do(rest_service, alice, shared):
    handle = alice.upload(b"numbers")
    entity = alice.file("numbers", shared, handle)
    carol = rest_service.user("carol")
    for of in (entity, entity.upper(), f" {entity} ", entity[3:]):
        (found,) = ok(carol.batch((int(handle), of, "FileEntity")))["requestedFiles"]
        assert found["fileHandleId"] == handle
        assert found["preSignedURL"]


def test_a_batch_includes_only_what_was_asked_for(alice):
    handle = alice.upload(b"flags")
    asked = (handle, "syn1", "FileEntity")
    (only_url,) = ok(alice.batch(asked, includePreSignedURLs=True))["requestedFiles"]
    assert set(only_url) == {"fileHandleId", "preSignedURL"}
    (only_handle,) = ok(alice.batch(asked, includeFileHandles=True))["requestedFiles"]
    assert set(only_handle) == {"fileHandleId", "fileHandle"}
    (previews,) = ok(alice.batch(asked, includePreviewPreSignedURLs=True))["requestedFiles"]
    assert set(previews) == {"fileHandleId"}


def test_each_item_fails_by_itself(rest_service, alice, shared):
    used, unused = alice.upload(b"used in shared"), alice.upload(b"belongs to nothing")
    entity = alice.file("failing items", shared, used)
    trashed = alice.file("trashed", shared, alice.upload(b"trashed"))
    alice.delete(f"/repo/v1/entity/{trashed}")
    carol = rest_service.user("carol")
    results = ok(
        carol.batch(
            (69999999, entity, "FileEntity"),
            (unused, entity, "FileEntity"),
            (used, trashed, "FileEntity"),
            (used, "syn99999999", "FileEntity"),
            (used, entity, "TableEntity"),
            (used, entity, "FileEntity"),
        )
    )["requestedFiles"]
    assert [each.get("failureCode") for each in results] == [
        "NOT_FOUND", "UNAUTHORIZED", "UNAUTHORIZED", "UNAUTHORIZED", "UNAUTHORIZED", None,
    ]  # fmt: skip
    assert "preSignedURL" not in results[0]
    assert "fileHandle" not in results[1]


def test_reading_an_entity_is_not_enough_to_download_it(rest_service, alice, bob, shared):
    handle = alice.upload(b"read but not download")
    entity = alice.file("no download", shared, handle)
    assert ok(bob.get(f"/repo/v1/entity/{entity}"))
    for person in (bob, rest_service.user("dave"), rest_service.user(None)):
        (result,) = ok(person.batch((handle, entity, "FileEntity")))["requestedFiles"]
        assert result["failureCode"] == "UNAUTHORIZED"


def test_the_handle_of_an_older_version_belongs_to_the_entity_too(rest_service, alice, shared):
    old, new = alice.upload(b"old bytes"), alice.upload(b"new bytes")
    entity = alice.file("two versions", shared, old)
    alice.new_version(entity, new)
    carol = rest_service.user("carol")
    results = ok(carol.batch((old, entity, "FileEntity"), (new, entity, "FileEntity")))
    urls = [each["preSignedURL"] for each in results["requestedFiles"]]
    assert [carol.session.get(url, timeout=5).content for url in urls] == [
        b"old bytes",
        b"new bytes",
    ]


@pytest.mark.parametrize("kind", ["FileEntity", "TableEntity", "WikiAttachment", "FormData"])
def test_the_maker_of_a_handle_is_always_allowed(alice, kind):
    handle = alice.upload(b"my own")
    (result,) = ok(alice.batch((handle, "12", kind)))["requestedFiles"]
    assert result["preSignedURL"]


def test_a_batch_has_bounds(alice):
    handle = alice.upload(b"bounds")
    asked = (handle, "syn1", "FileEntity")
    assert_error(alice.batch(), 400, "1 to 100")
    assert_error(alice.batch(*[asked] * 101), 400, "1 to 100")
    assert len(ok(alice.batch(*[asked] * 100))["requestedFiles"]) == 100
    assert_error(alice.batch(asked, includeFileHandles=False), 400, "At least one")
    assert_error(alice.batch((handle, "syn1", "Nonsense")), 400, "associateObjectType")
    assert_error(alice.batch(("x", "syn1", "FileEntity")), 400, "fileHandleId")
    assert_error(alice.batch((handle, "", "FileEntity")), 400, "associateObjectId")
    assert_error(
        alice.post(f"{HANDLE}/batch", {"requestedFiles": [7], "includeFileHandles": True}), 400
    )


def test_a_malformed_entity_id_is_a_mistake_not_a_refusal(rest_service, alice):
    handle = alice.upload(b"malformed")
    assert_error(rest_service.user("bob").batch((handle, "syn1.2", "FileEntity")), 400, "syn1.2")


# Redirects.


def test_a_file_is_found_by_redirect_through_its_entity(rest_service, alice, bob, shared):
    handle = alice.upload(b"redirected")
    entity = alice.file("redirected", shared, handle)
    query = f"fileAssociateType=FileEntity&fileAssociateId={entity}"
    carol = rest_service.user("carol")
    answer = carol.get(f"/file/v1/file/{handle}?{query}")
    assert answer.status_code == 307
    assert carol.session.get(answer.headers["Location"], timeout=5).content == b"redirected"
    told = carol.get(f"/file/v1/file/{handle}?{query}&redirect=false")
    assert told.status_code == 200
    assert told.headers["Content-Type"].startswith("text/plain")
    assert carol.session.get(told.text, timeout=5).content == b"redirected"
    assert_error(bob.get(f"/file/v1/file/{handle}?{query}"), 403, "DOWNLOAD")
    assert_error(carol.get(f"/file/v1/file/69999999?{query}"), 404)
    assert_error(carol.get(f"/file/v1/file/{handle}"), 400, "fileAssociateType")


def test_the_maker_of_a_handle_gets_its_url_directly(alice, bob):
    handle = alice.upload(b"direct")
    answer = alice.get(f"{HANDLE}/{handle}/url")
    assert answer.status_code == 307
    assert alice.session.get(answer.headers["Location"], timeout=5).content == b"direct"
    assert_error(bob.get(f"{HANDLE}/{handle}/url"), 403)


# Copies.


def copy(person, *originals, **more):
    requests = [
        {
            "originalFile": {
                "fileHandleId": handle,
                "associateObjectId": of,
                "associateObjectType": "FileEntity",
            },
            **more,
        }
        for handle, of in originals
    ]
    return person.post("/file/v1/filehandles/copy", {"copyRequests": requests})


def test_a_copy_belongs_to_the_copier_and_shares_the_bytes(rest_service, alice, shared, data_dir):
    handle = alice.upload(b"copied", fileName="original.txt")
    entity = alice.file("copied", shared, handle)
    before = bytes_on_disk(data_dir)
    carol = rest_service.user("carol")
    (result,) = ok(copy(carol, (handle, entity), newFileName="copy.csv"))["copyResults"]
    made = result["newFileHandle"]
    assert result["originalFileHandleId"] == handle
    assert (made["createdBy"], made["fileName"]) == ("3300003", "copy.csv")
    assert made["contentType"] == "text/plain"
    assert carol.read(made["id"]).content == b"copied"
    assert bytes_on_disk(data_dir) == before


def test_bytes_stay_as_long_as_one_copy_is_there(alice, data_dir):
    handle = alice.upload(b"stays while one is left")
    before = bytes_on_disk(data_dir)
    made = ok(copy(alice, (handle, "syn1")))["copyResults"][0]["newFileHandle"]["id"]
    alice.delete(f"{HANDLE}/{handle}")
    assert alice.read(made).content == b"stays while one is left"
    alice.delete(f"{HANDLE}/{made}")
    assert len(bytes_on_disk(data_dir)) == len(before) - 1


def test_what_may_not_be_downloaded_is_not_copied(alice, bob, shared):
    handle = alice.upload(b"not for bob")
    entity = alice.file("not for bob", shared, handle)
    results = ok(copy(bob, (handle, entity), (69999999, entity)))["copyResults"]
    assert [each["failureCode"] for each in results] == ["UNAUTHORIZED", "NOT_FOUND"]
    assert not [each for each in results if "newFileHandle" in each]
    assert_error(copy(bob), 400, "1 to 100")
    assert_error(copy(bob, *[(handle, entity)] * 101), 400, "1 to 100")


def test_an_external_handle_is_copied_as_it_is(alice):
    made = ok(external(alice, fileName="a.csv"))
    (result,) = ok(copy(alice, (made["id"], "syn1"), newContentType="text/csv"))["copyResults"]
    assert result["newFileHandle"]["externalURL"] == made["externalURL"]
    assert result["newFileHandle"]["contentType"] == "text/csv"


# Scopes.


@pytest.mark.parametrize(
    ("scopes", "method", "path"),
    [
        (["modify", "download"], "GET", f"{HANDLE}/1"),
        (["view"], "POST", f"{HANDLE}/batch"),
        (["view", "modify"], "GET", f"{HANDLE}/1/url"),
        (["view", "download"], "POST", "/file/v1/file/multipart"),
        (["view", "download"], "DELETE", f"{HANDLE}/1"),
        (["view", "download"], "POST", "/file/v1/externalFileHandle"),
        (["view", "download"], "POST", "/file/v1/filehandles/copy"),
    ],
)
def test_a_token_without_the_scope_is_refused(rest_service, alice, scopes, method, path):
    made = ok(alice.post("/auth/v1/personalAccessToken", {"scope": scopes}))
    rest_service.tokens["limited"] = made["token"]
    body = {} if method == "POST" else None
    answer = rest_service.user("limited").request(method, path, body)
    assert assert_error(answer, 403)["error"] == "insufficient_scope"


# Where uploads go.


def test_uploads_go_to_the_services_own_storage(rest_service, alice, shared):
    where = ok(alice.get(f"/file/v1/entity/{shared}/uploadDestination"))
    assert where["concreteType"] == "org.sagebionetworks.repo.model.file.S3UploadDestination"
    assert (where["storageLocationId"], where["uploadType"]) == (1, "S3")
    path = f"/file/v1/entity/{shared}"
    assert ok(alice.get(f"{path}/uploadDestination/1")) == where
    assert ok(alice.get(f"{path}/uploadDestinationLocations"))["list"] == [
        {"storageLocationId": 1, "uploadType": "S3"}
    ]
    assert rest_service.user("dave").get(f"{path}/uploadDestination").ok


def test_there_is_no_destination_below_what_is_not_there(alice):
    project = alice.project("Trashed")
    alice.delete(f"/repo/v1/entity/{project}")
    assert_error(alice.get(f"/file/v1/entity/{project}/uploadDestination"), 404, "trash")
    assert_error(alice.get("/file/v1/entity/syn99999999/uploadDestination"), 404)
    assert_error(alice.get("/file/v1/entity/nonsense/uploadDestination"), 400)
    assert_error(alice.get("/file/v1/entity/syn4489/uploadDestination/77"), 404, "77")
