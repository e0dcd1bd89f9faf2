"""File handles of files that Synapse did not receive, and of completed uploads."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.transfer.upload_source import UploadSource

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FileDescription:
    """Properties of a file that are recorded in its file handle.

    Attributes:
        name: Name of the file.
        md5: MD5 of the content in hex; None if unknown.
        size: Size in bytes; None if unknown.
        content_type: MIME type; None if unknown.
    """

    name: str
    md5: str | None
    size: int | None
    content_type: str | None

    @classmethod
    def of(cls, source: UploadSource, md5: str, content_type: str | None) -> "FileDescription":
        """Describe a local file.

        Args:
            source: The file.
            md5: MD5 of its content in hex.
            content_type: MIME type; None to guess it from the name.
        """
        name = source.path.name
        guessed = content_type or mimetypes.guess_type(name)[0] or DEFAULT_CONTENT_TYPE
        return cls(name, md5, source.size, guessed)

    @property
    def properties(self) -> dict[str, Any]:
        """The properties of the file handle."""
        return {
            "fileName": self.name,
            "contentMd5": self.md5,
            "contentSize": self.size,
            "contentType": self.content_type,
        }


def get_file_handle(syn: Session, file_handle_id: str) -> dict[str, Any]:
    """Get a file handle; the caller must be its creator.

    Source:
        GET /fileHandle/{id} of the file service
    """
    return syn.call("GET", f"/fileHandle/{file_handle_id}", endpoint="file").object


def create_external_file_handle(
    syn: Session, url: str, content: FileDescription
) -> dict[str, Any]:
    """Create the file handle of a URL.

    Source:
        POST /externalFileHandle of the file service
    """
    body = {
        "concreteType": constants.EXTERNAL_FILE_HANDLE,
        "externalURL": url,
        **content.properties,
    }
    return _create(syn, "/externalFileHandle", body)


def create_object_store_file_handle(
    syn: Session, key: str, storage_location_id: int | None, content: FileDescription
) -> dict[str, Any]:
    """Create the file handle of an object in an external object store.

    Source:
        POST /externalFileHandle of the file service
    """
    body = {
        "concreteType": constants.EXTERNAL_OBJECT_STORE_FILE_HANDLE,
        "fileKey": key,
        "storageLocationId": storage_location_id,
        **content.properties,
    }
    return _create(syn, "/externalFileHandle", body)


def create_s3_file_handle(
    syn: Session,
    *,
    bucket: str,
    key: str,
    storage_location_id: int | None,
    content: FileDescription,
) -> dict[str, Any]:
    """Create the file handle of an object in an own S3 bucket.

    Source:
        POST /externalFileHandle/s3 of the file service
    """
    body = {
        "concreteType": constants.S3_FILE_HANDLE,
        "bucketName": bucket,
        "key": key,
        "storageLocationId": storage_location_id,
        **content.properties,
    }
    return _create(syn, "/externalFileHandle/s3", body)


def _create(syn: Session, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    # A repeated request only creates another file handle, which nothing refers to.
    known = {key: value for key, value in body.items() if value is not None}
    return syn.call("POST", path, endpoint="file", json=known, repeatable=True).object
