"""Requests for storage locations, project settings and upload destinations."""

from typing import Any

from support.file_api import RestUser, ok

REPO = "/repo/v1"
FILES = "/file/v1"
PROJECT_MODEL = "org.sagebionetworks.repo.model.project"
FILE_MODEL = "org.sagebionetworks.repo.model.file"

S3 = {"concreteType": f"{PROJECT_MODEL}.S3StorageLocationSetting", "uploadType": "S3"}
SYNAPSE_STS = {**S3, "stsEnabled": True}
EXTERNAL_S3 = {
    "concreteType": f"{PROJECT_MODEL}.ExternalS3StorageLocationSetting",
    "uploadType": "S3",
    "bucket": "a-bucket",
}
EXTERNAL_STS = {**EXTERNAL_S3, "baseKey": "data", "stsEnabled": True}
OBJECT_STORE = {
    "concreteType": f"{PROJECT_MODEL}.ExternalObjectStorageLocationSetting",
    "uploadType": "S3",
    "endpointUrl": "https://s3.example.org",
    "bucket": "their-bucket",
}
SFTP = {
    "concreteType": f"{PROJECT_MODEL}.ExternalStorageLocationSetting",
    "uploadType": "SFTP",
    "url": "sftp://sftp.example.org/files",
    "supportsSubfolders": True,
}
PROXY = {
    "concreteType": f"{PROJECT_MODEL}.ProxyStorageLocationSettings",
    "uploadType": "PROXYLOCAL",
    "secretKey": "k" * 36,
    "proxyUrl": "https://proxy.example.org/store",
}
GOOGLE_CLOUD = {
    "concreteType": f"{PROJECT_MODEL}.ExternalGoogleCloudStorageLocationSetting",
    "uploadType": "GOOGLECLOUDSTORAGE",
    "bucket": "gcs-bucket",
    "baseKey": "data",
}
ALL_TYPES = (S3, SYNAPSE_STS, EXTERNAL_S3, EXTERNAL_STS, OBJECT_STORE, SFTP, PROXY, GOOGLE_CLOUD)


def try_create_location(user: RestUser, body: dict[str, Any], **more: Any) -> Any:
    return user.post(f"{REPO}/storageLocation", {**body, **more})


def create_location(user: RestUser, body: dict[str, Any], **more: Any) -> int:
    """Create a storage location and return its ID."""
    return ok(try_create_location(user, body, **more))["storageLocationId"]


def setting_body(container: str, locations: Any, **more: Any) -> dict[str, Any]:
    return {
        "concreteType": f"{PROJECT_MODEL}.UploadDestinationListSetting",
        "settingsType": "upload",
        "projectId": container,
        "locations": locations,
        **more,
    }


def try_set_locations(user: RestUser, container: str, *locations: int) -> Any:
    return user.post(f"{REPO}/projectSettings", setting_body(container, list(locations)))


def set_locations(user: RestUser, container: str, *locations: int) -> dict[str, Any]:
    """Create a project setting and return it."""
    return ok(try_set_locations(user, container, *locations))


def find_setting(user: RestUser, container: str, settings_type: str = "upload") -> Any:
    return user.get(f"{REPO}/projectSettings/{container}/type/{settings_type}")


def destination(user: RestUser, container: str, location: int | None = None) -> dict[str, Any]:
    """Return an upload destination of a container."""
    path = f"{FILES}/entity/{container}/uploadDestination"
    return ok(user.get(path if location is None else f"{path}/{location}"))


def try_create_handle(user: RestUser, kind: str, location: int | None, **more: Any) -> Any:
    """Request an external file handle of a class."""
    body = {
        "concreteType": f"{FILE_MODEL}.{kind}",
        "storageLocationId": location,
        "fileName": "data.csv",
        "contentMd5": "0" * 32,
        "contentSize": 7,
        "contentType": "text/csv",
        **more,
    }
    path = "externalFileHandle/s3" if kind == "S3FileHandle" else "externalFileHandle"
    return user.post(f"{FILES}/{path}", body)


def create_s3_handle(user: RestUser, location: int, key: str, bucket: str = "a-bucket") -> str:
    """Create a file handle for an object of an external bucket and return its ID."""
    response = try_create_handle(user, "S3FileHandle", location, key=key, bucketName=bucket)
    return ok(response)["id"]
