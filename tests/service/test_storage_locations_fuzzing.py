"""Random requests for storage locations and files of them never cause an internal error (500)."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO, Author
from support.file_api import PART, ok, start_service
from support.fuzz_bodies import request_bodies
from support.storage_api import (
    ALL_TYPES,
    FILE_MODEL,
    FILES,
    create_location,
    destination,
    find_setting,
    set_locations,
    setting_body,
)

from synapse_workflows.constants import MULTIPART_UPLOAD_COPY_REQUEST, UploadType

FIELDS = [
    "concreteType", "uploadType", "banner", "description", "bucket", "baseKey", "endpointUrl",
    "stsEnabled", "url", "supportsSubfolders", "secretKey", "proxyUrl", "benefactorId", "id",
    "projectId", "settingsType", "locations", "etag", "storageLocationId", "fileKey", "filePath",
    "fileName", "contentMd5", "contentSize", "contentType", "externalURL", "bucketName", "key",
    "partSizeBytes", "fileSizeBytes", "contentMD5Hex", "generatePreview", "previewId",
    "sourceFileHandleAssociation", "fileHandleId", "associateObjectId", "associateObjectType",
]  # fmt: skip
WORDS = [
    *(each["concreteType"] for each in ALL_TYPES),
    *(each.value for each in UploadType),
    *(
        f"{FILE_MODEL}.{name}FileHandle"
        for name in ("S3", "External", "ExternalObjectStore", "Proxy")
    ),
    MULTIPART_UPLOAD_COPY_REQUEST, "https://e.org:99999/", "sftp://[::1", "0" * 32, "k" * 36,
    "upload", "a-bucket", "1", "2", "syn4489", "FileEntity", "\ud800", "\x00", "data/../x",
]  # fmt: skip
LOCATION, SETTING = f"{REPO}/storageLocation", f"{REPO}/projectSettings"
EXTERNAL, MULTIPART = f"{FILES}/externalFileHandle", f"{FILES}/file/multipart"
ROUTES = [
    ("POST", LOCATION),
    ("POST", SETTING),
    ("PUT", SETTING),
    ("POST", EXTERNAL),
    ("POST", f"{EXTERNAL}/s3"),
    ("POST", MULTIPART),
    ("POST", f"{MULTIPART}/copy"),
]
PATHS = [
    f"{LOCATION}/{{}}",
    f"{SETTING}/{{}}",
    f"{SETTING}/{{}}/type/upload",
    f"{SETTING}/syn4489/type/{{}}",
    f"{REPO}/entity/{{}}/sts?permission=read_only",
    f"{REPO}/entity/syn4489/sts?permission={{}}",
    f"{FILES}/entity/{{}}/uploadDestination",
    f"{FILES}/entity/syn4489/uploadDestination/{{}}",
    f"{FILES}/entity/{{}}/uploadDestinations",
    f"{FILES}/entity/{{}}/uploadDestinationLocations",
]


@pytest.fixture(scope="module")
def ann(tmp_path_factory):  # not recorded: what is sent here is meant to break the contract
    with start_service(tmp_path_factory.mktemp("fuzzing")) as opened:
        yield Author(opened, "alice")


@pytest.fixture(scope="module")
def folder(ann):
    """A folder whose setting has a location of each type that a project may have."""
    folder = ann.new_folder(ann.new_project()["id"])["id"]
    numbers = [create_location(ann, each) for each in ALL_TYPES if not each.get("stsEnabled")]
    set_locations(ann, folder, *numbers)
    return folder


@pytest.fixture(scope="module")
def valid_bodies(ann, folder):
    """Valid bodies by route; the strategy replaces some of their properties."""
    locations = ok(find_setting(ann, folder))["locations"]
    association = {"fileHandleId": ann.handle(), "associateObjectType": "FileEntity"}
    handle = {"fileName": "f", "contentMd5": "0" * 32, "contentSize": 1, "fileKey": "k"}
    return {
        LOCATION: ALL_TYPES[-1],
        SETTING: {**setting_body(folder, locations), **ok(find_setting(ann, folder))},
        EXTERNAL: {**handle, "filePath": "p", "externalURL": "https://e.org"},
        f"{EXTERNAL}/s3": {**handle, "key": "k", "bucketName": "a-bucket"},
        MULTIPART: {
            "fileName": "f", "partSizeBytes": PART, "fileSizeBytes": 1, "contentMD5Hex": "0" * 32
        },
        f"{MULTIPART}/copy": {
            "partSizeBytes": PART,
            "sourceFileHandleAssociation": {**association, "associateObjectId": folder},
        },
    }  # fmt: skip


@settings(max_examples=83, deadline=None)
@given(
    route=st.sampled_from(ROUTES), body=request_bodies(FIELDS, WORDS), is_complete=st.booleans()
)
def test_random_bodies_cause_no_internal_error(
    ann, folder, valid_bodies, route, body, is_complete
):
    method, path = route
    if is_complete:
        body = {**valid_bodies[path], **body}
    response = ann.request(method, path, body)
    assert response.status_code < 500, f"{method} {path} {body} {response.text}"
    if path == LOCATION and response.ok:
        assert destination(ann, folder, response.json()["storageLocationId"])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(PATHS),
    st.text(max_size=12).filter(lambda text: not set(text) & set("/?#%"))
    | st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["GET", "DELETE"]),
)
def test_random_paths_cause_no_internal_error(ann, path, text, method):
    assert ann.request(method, path.format(text)).status_code < 500


def test_setting_is_readable_after_random_requests(ann, folder):
    numbers = ok(find_setting(ann, folder))["locations"]
    assert numbers
    assert all(destination(ann, folder, each) for each in numbers)
