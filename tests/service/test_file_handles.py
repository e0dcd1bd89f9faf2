"""Tests of file handles and upload destinations."""

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
def shared_project(rest_service):
    """A project of alice. Bob can READ it; carol can also DOWNLOAD."""
    alice = rest_service.user("alice")
    project = alice.project("Shared")
    acl = ok(alice.get(f"/repo/v1/entity/{project}/acl"))
    acl["resourceAccess"] += [
        {"principalId": 3300002, "accessType": ["READ"]},
        {"principalId": 3300003, "accessType": ["READ", "DOWNLOAD"]},
    ]
    ok(alice.put(f"/repo/v1/entity/{project}/acl", acl))
    return project


def create_external(user, **more):
    body = {"concreteType": EXTERNAL, "externalURL": "https://example.org/a.csv", **more}
    return user.post("/file/v1/externalFileHandle", body)


def test_uploaded_file_has_s3_file_handle(alice):
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


def test_only_creator_and_administrator_can_get_file_handle(rest_service, alice, bob):
    handle = alice.upload(b"mine")
    assert_error(
        bob.get(f"{HANDLE}/{handle}"), 403, "Only the creator of a FileHandle can access it"
    )
    assert_error(rest_service.user(None).get(f"{HANDLE}/{handle}"), 403)
    assert ok(rest_service.user("admin").get(f"{HANDLE}/{handle}"))["id"] == handle
    assert_error(alice.get(f"{HANDLE}/69999999"), 404)
    assert_error(alice.get(f"{HANDLE}/abc"), 400)


def test_external_file_handle_has_defaults(alice):
    created = ok(create_external(alice))
    assert (created["fileName"], created["contentType"]) == ("NOT_SET", "NOT_SET")
    assert created["externalURL"] == "https://example.org/a.csv"
    assert "contentMd5" not in created
    assert ok(alice.get(f"{HANDLE}/{created['id']}")) == created
    assert alice.url(created["id"]) == "https://example.org/a.csv"


def test_external_file_handle_keeps_request_fields(alice):
    md5 = "5D41402ABC4B2A76B9719D911017C592"
    fields = {
        "externalURL": "file:///data/a.csv",
        "fileName": "a.csv",
        "contentType": "text/csv",
        "contentSize": "7",
        "storageLocationId": None,
    }
    created = ok(create_external(alice, contentMd5=md5, **fields))
    assert (created["contentMd5"], created["contentSize"]) == (md5, 7)
    assert created["externalURL"] == "file:///data/a.csv"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"externalURL": "no url"}, 400, "externalURL"),
        ({"externalURL": "http://"}, 400, "externalURL"),
        ({"externalURL": "http://[::1"}, 400, "externalURL"),
        ({"externalURL": None}, 400, "externalURL"),
        ({"contentSize": "many"}, 400, "contentSize"),
        ({"storageLocationId": 77}, 404, "77"),
        ({"concreteType": S3}, 400, "concreteType"),
        ({"concreteType": None}, 400, "concreteType"),
    ],
)
def test_invalid_external_file_handle_is_rejected(alice, changes, status, words):
    assert_error(create_external(alice, **changes), status, words)


def test_anonymous_caller_cannot_create_file_handle(rest_service):
    assert_error(create_external(rest_service.user(None)), 403, "Anonymous")


def test_delete_unused_file_handle_removes_bytes(alice, bob, data_dir):
    before = bytes_on_disk(data_dir)
    handle = alice.upload(b"to be deleted")
    assert len(bytes_on_disk(data_dir)) == len(before) + 1
    assert_error(bob.delete(f"{HANDLE}/{handle}"), 403)
    gone = alice.delete(f"{HANDLE}/{handle}")
    assert (gone.status_code, gone.content) == (200, b"")
    assert_error(alice.get(f"{HANDLE}/{handle}"), 404)
    assert bytes_on_disk(data_dir) == before
    assert alice.delete(f"{HANDLE}/{handle}").status_code == 200
    assert alice.delete(f"{HANDLE}/{ok(create_external(alice))['id']}").status_code == 200


def test_upload_after_deletion_starts_again(alice):
    first = alice.upload(b"again and again")
    alice.delete(f"{HANDLE}/{first}")
    second = alice.upload(b"again and again")
    assert second != first
    assert alice.read(second).content == b"again and again"


def test_delete_of_used_file_handle_is_a_conflict(alice):
    old, new = alice.upload(b"version 1"), alice.upload(b"version 2")
    entity = alice.file("used", alice.project("In use"), old)
    alice.new_version(entity, new)
    assert_error(alice.delete(f"{HANDLE}/{old}"), 409, "in use")
    alice.delete(f"/repo/v1/entity/{entity}")
    assert_error(alice.delete(f"{HANDLE}/{new}"), 409, "in use")


def test_batch_returns_handles_and_urls_in_request_order(alice, shared_project):
    a, b = alice.upload(b"file a"), alice.upload(b"file b")
    of_a, of_b = alice.file("batch a", shared_project, a), alice.file("batch b", shared_project, b)
    response = alice.batch((b, of_b, "FileEntity"), (a, of_a, "FileEntity"))
    assert response.status_code == 201
    first, second = response.json()["requestedFiles"]
    assert [first["fileHandleId"], second["fileHandleId"]] == [b, a]
    assert first["fileHandle"] == ok(alice.get(f"{HANDLE}/{b}"))
    assert alice.session.get(first["preSignedURL"], timeout=30).content == b"file b"
    assert "failureCode" not in first


def test_batch_accepts_numeric_ids_and_ids_without_prefix(rest_service, alice, shared_project):
    handle = alice.upload(b"numbers")
    entity = alice.file("numbers", shared_project, handle)
    carol = rest_service.user("carol")
    for of in (entity, entity.upper(), f" {entity} ", entity[3:]):
        (found,) = ok(carol.batch((int(handle), of, "FileEntity")))["requestedFiles"]
        assert found["fileHandleId"] == handle
        assert found["preSignedURL"]


def test_batch_includes_only_requested_parts(alice):
    handle = alice.upload(b"flags")
    association = (handle, "syn1", "FileEntity")
    (only_url,) = ok(alice.batch(association, includePreSignedURLs=True))["requestedFiles"]
    assert set(only_url) == {"fileHandleId", "preSignedURL"}
    (only_handle,) = ok(alice.batch(association, includeFileHandles=True))["requestedFiles"]
    assert set(only_handle) == {"fileHandleId", "fileHandle"}
    (previews,) = ok(alice.batch(association, includePreviewPreSignedURLs=True))["requestedFiles"]
    assert set(previews) == {"fileHandleId"}


def test_batch_returns_failure_code_per_file(rest_service, alice, shared_project):
    used, unused = alice.upload(b"used in shared"), alice.upload(b"belongs to nothing")
    entity = alice.file("failing items", shared_project, used)
    trashed = alice.file("trashed", shared_project, alice.upload(b"trashed"))
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


def test_batch_requires_download_on_entity(rest_service, alice, bob, shared_project):
    handle = alice.upload(b"read but not download")
    entity = alice.file("no download", shared_project, handle)
    assert ok(bob.get(f"/repo/v1/entity/{entity}"))
    for user in (bob, rest_service.user("dave"), rest_service.user(None)):
        (result,) = ok(user.batch((handle, entity, "FileEntity")))["requestedFiles"]
        assert result["failureCode"] == "UNAUTHORIZED"


def test_batch_allows_file_handle_of_older_version(rest_service, alice, shared_project):
    old, new = alice.upload(b"old bytes"), alice.upload(b"new bytes")
    entity = alice.file("two versions", shared_project, old)
    alice.new_version(entity, new)
    carol = rest_service.user("carol")
    results = ok(carol.batch((old, entity, "FileEntity"), (new, entity, "FileEntity")))
    urls = [each["preSignedURL"] for each in results["requestedFiles"]]
    assert [carol.session.get(url, timeout=30).content for url in urls] == [
        b"old bytes",
        b"new bytes",
    ]


@pytest.mark.parametrize("kind", ["FileEntity", "TableEntity", "WikiAttachment", "FormData"])
def test_creator_of_file_handle_can_always_download(alice, kind):
    handle = alice.upload(b"my own")
    (result,) = ok(alice.batch((handle, "12", kind)))["requestedFiles"]
    assert result["preSignedURL"]


def test_batch_size_is_limited(alice):
    handle = alice.upload(b"bounds")
    association = (handle, "syn1", "FileEntity")
    assert_error(alice.batch(), 400, "1 to 100")
    assert_error(alice.batch(*[association] * 101), 400, "1 to 100")
    assert len(ok(alice.batch(*[association] * 100))["requestedFiles"]) == 100
    assert_error(alice.batch(association, includeFileHandles=False), 400, "At least one")
    assert_error(alice.batch((handle, "syn1", "Nonsense")), 400, "associateObjectType")
    assert_error(alice.batch(("x", "syn1", "FileEntity")), 400, "fileHandleId")
    assert_error(alice.batch((handle, "", "FileEntity")), 400, "associateObjectId")
    assert_error(
        alice.post(f"{HANDLE}/batch", {"requestedFiles": [7], "includeFileHandles": True}), 400
    )


def test_batch_with_malformed_entity_id_is_a_bad_request(rest_service, alice):
    handle = alice.upload(b"malformed")
    assert_error(rest_service.user("bob").batch((handle, "syn1.2", "FileEntity")), 400, "syn1.2")


def test_entity_file_route_redirects_to_download(rest_service, alice, bob, shared_project):
    handle = alice.upload(b"redirected")
    entity = alice.file("redirected", shared_project, handle)
    query = f"fileAssociateType=FileEntity&fileAssociateId={entity}"
    carol = rest_service.user("carol")
    response = carol.get(f"/file/v1/file/{handle}?{query}")
    assert response.status_code == 307
    assert carol.session.get(response.headers["Location"], timeout=30).content == b"redirected"
    response = carol.get(f"/file/v1/file/{handle}?{query}&redirect=false")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert carol.session.get(response.text, timeout=30).content == b"redirected"
    assert_error(bob.get(f"/file/v1/file/{handle}?{query}"), 403, "DOWNLOAD")
    assert_error(carol.get(f"/file/v1/file/69999999?{query}"), 404)
    assert_error(carol.get(f"/file/v1/file/{handle}"), 400, "fileAssociateType")


def test_creator_of_file_handle_gets_its_url(alice, bob):
    handle = alice.upload(b"direct")
    response = alice.get(f"{HANDLE}/{handle}/url")
    assert response.status_code == 307
    assert alice.session.get(response.headers["Location"], timeout=30).content == b"direct"
    assert_error(bob.get(f"{HANDLE}/{handle}/url"), 403)


def copy(user, *originals, **more):
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
    return user.post("/file/v1/filehandles/copy", {"copyRequests": requests})


def test_copy_is_owned_by_caller_and_shares_bytes(rest_service, alice, shared_project, data_dir):
    handle = alice.upload(b"copied", fileName="original.txt")
    entity = alice.file("copied", shared_project, handle)
    before = bytes_on_disk(data_dir)
    carol = rest_service.user("carol")
    (result,) = ok(copy(carol, (handle, entity), newFileName="copy.csv"))["copyResults"]
    created = result["newFileHandle"]
    assert result["originalFileHandleId"] == handle
    assert (created["createdBy"], created["fileName"]) == ("3300003", "copy.csv")
    assert created["contentType"] == "text/plain"
    assert carol.read(created["id"]).content == b"copied"
    assert bytes_on_disk(data_dir) == before


def test_bytes_are_kept_until_last_copy_is_deleted(alice, data_dir):
    handle = alice.upload(b"stays while one is left")
    before = bytes_on_disk(data_dir)
    created = ok(copy(alice, (handle, "syn1")))["copyResults"][0]["newFileHandle"]["id"]
    alice.delete(f"{HANDLE}/{handle}")
    assert alice.read(created).content == b"stays while one is left"
    alice.delete(f"{HANDLE}/{created}")
    assert len(bytes_on_disk(data_dir)) == len(before) - 1


def test_copy_requires_download_access(alice, bob, shared_project):
    handle = alice.upload(b"not for bob")
    entity = alice.file("not for bob", shared_project, handle)
    results = ok(copy(bob, (handle, entity), (69999999, entity)))["copyResults"]
    assert [each["failureCode"] for each in results] == ["UNAUTHORIZED", "NOT_FOUND"]
    assert not [each for each in results if "newFileHandle" in each]
    assert_error(copy(bob), 400, "1 to 100")
    assert_error(copy(bob, *[(handle, entity)] * 101), 400, "1 to 100")


def test_copy_of_external_file_handle(alice):
    created = ok(create_external(alice, fileName="a.csv"))
    (result,) = ok(copy(alice, (created["id"], "syn1"), newContentType="text/csv"))["copyResults"]
    assert result["newFileHandle"]["externalURL"] == created["externalURL"]
    assert result["newFileHandle"]["contentType"] == "text/csv"


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
def test_token_without_required_scope_is_rejected(rest_service, alice, scopes, method, path):
    created = ok(alice.post("/auth/v1/personalAccessToken", {"scope": scopes}))
    rest_service.tokens["limited"] = created["token"]
    body = {} if method == "POST" else None
    response = rest_service.user("limited").request(method, path, body)
    assert assert_error(response, 403)["error"] == "insufficient_scope"


def test_upload_destination_is_default_storage(rest_service, alice, shared_project):
    where = ok(alice.get(f"/file/v1/entity/{shared_project}/uploadDestination"))
    assert where["concreteType"] == "org.sagebionetworks.repo.model.file.S3UploadDestination"
    assert (where["storageLocationId"], where["uploadType"]) == (1, "S3")
    path = f"/file/v1/entity/{shared_project}"
    assert ok(alice.get(f"{path}/uploadDestination/1")) == where
    assert ok(alice.get(f"{path}/uploadDestinationLocations"))["list"] == [
        {"storageLocationId": 1, "uploadType": "S3"}
    ]
    assert rest_service.user("dave").get(f"{path}/uploadDestination").ok


def test_upload_destination_of_missing_container_is_not_found(alice):
    project = alice.project("Trashed")
    alice.delete(f"/repo/v1/entity/{project}")
    assert_error(alice.get(f"/file/v1/entity/{project}/uploadDestination"), 404, "trash")
    assert_error(alice.get("/file/v1/entity/syn99999999/uploadDestination"), 404)
    assert_error(alice.get("/file/v1/entity/nonsense/uploadDestination"), 400)
    assert_error(alice.get("/file/v1/entity/syn4489/uploadDestination/77"), 404, "77")


@pytest.mark.parametrize("md5", ["not an MD5", "A" * 32, "é" * 40])
def test_external_handle_keeps_any_md5(alice, md5):
    body = {"concreteType": EXTERNAL, "externalURL": "https://a.example/b", "contentMd5": md5}
    handle = ok(alice.post("/file/v1/externalFileHandle", body))
    assert ok(alice.get(f"/file/v1/fileHandle/{handle['id']}"))["contentMd5"] == md5


@pytest.mark.parametrize("number", [2**63, 10**30])
@pytest.mark.parametrize(
    "path",
    [
        "GET /file/v1/fileHandle/{}",
        "DELETE /file/v1/fileHandle/{}",
        "GET /file/v1/fileHandle/{}/url",
        "GET /file/v1/file/{}?fileAssociateType=FileEntity&fileAssociateId=syn1",
        "PUT /file/v1/file/multipart/{}/complete",
        "PUT /file/v1/file/multipart/{}/add/1?partMD5Hex=x",
        "PUT /file/v1/file/multipart/1/add/{}?partMD5Hex=x",
        "POST /file/v1/file/multipart/{}/presigned/url/batch",
        "GET /repo/v1/entity/syn1/table/column/{}/row/1/version/1/file",
        "GET /repo/v1/entity/syn1/table/column/1/row/{}/version/1/file",
        "GET /repo/v1/entity/syn1/table/column/1/row/1/version/{}/file",
        "GET /repo/v1/entity/{}",
        "GET /repo/v1/entity/syn1/version/{}",
        "GET /repo/v1/evaluation/{}",
        "GET /repo/v1/activity/{}",
        "GET /repo/v1/column/{}",
        "GET /repo/v1/userProfile/{}",
        "GET /repo/v1/asynchronous/job/{}",
        "GET /repo/v1/entity/syn4489/version?offset={}",
        "GET /repo/v1/entity/syn4489/version?limit={}",
    ],
)
def test_ids_above_64_bits_are_rejected(alice, path, number):
    method, path = path.format(number).split(" ", 1)
    answer = alice.request(method, path, {} if method == "POST" else None)
    assert answer.status_code in {400, 404}, answer.text


@pytest.mark.parametrize("name", ["x" * 257, "😀" * 129, "x" * 100_000])
def test_over_long_file_name_is_rejected(alice, name):
    assert_error(create_external(alice, fileName=name), 400, "256 characters or less")
    handle = ok(create_external(alice))["id"]
    body = {
        "copyRequests": [
            {
                "originalFile": {
                    "fileHandleId": handle,
                    "associateObjectId": handle,
                    "associateObjectType": "FileEntity",
                },
                "newFileName": name,
            }
        ]
    }
    assert alice.post("/file/v1/filehandles/copy", body).status_code < 500
