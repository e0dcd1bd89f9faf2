"""Objects to register, and the results of their registration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from synapse_workflows.idempotency.folder_tree import FileState
from synapse_workflows.idempotency.object_paths import S3Object

Action = Literal["created", "updated", "unchanged", "ignored", "gone"]


@dataclass(frozen=True)
class S3Location:
    """A prefix of an S3 storage location.

    Args:
        storage_location_id: ID of the storage location.
        bucket: Name of the bucket.
        prefix: Prefix of the keys; empty, or ends with a slash.
        base_key: Prefix of all keys of the storage location; empty, or ends with a slash.
    """

    storage_location_id: int
    bucket: str
    prefix: str
    base_key: str = ""

    @property
    def url(self) -> str:
        """URL of the prefix."""
        return f"s3://{self.bucket}/{self.prefix}"

    def contains(self, handle: Mapping[str, Any]) -> bool:
        """Return whether a file handle refers to an object below the prefix."""
        is_same = handle.get("bucketName") == self.bucket
        return is_same and str(handle.get("key")).startswith(self.prefix)


@dataclass(frozen=True)
class Target:
    """An object and its file in Synapse.

    Args:
        path: Path of the file below the container.
        parent_id: ID of the folder of the file.
        object: The object.
        state: State of the file; None for a new file.
    """

    path: str
    parent_id: str
    object: S3Object
    state: FileState | None = None


@dataclass(frozen=True)
class Registration:
    """Result of the registration of an object.

    Args:
        target: The object.
        action: `ignored` for the content of an older version of a file, `gone` if the object was
            deleted meanwhile.
        file: State of the file; None if there is none.
        etag: Etag of the registered state of the object.
    """

    target: Target
    action: Action
    file: FileState | None = None
    etag: str | None = None
