"""Paths in Synapse for the objects below a prefix of an S3 bucket."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from synapse_workflows.client.model.entity_names import describe_invalid_name

_UPLOAD: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]+")


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as listed by S3.

    Args:
        key: Key in the bucket.
        size: Size in bytes.
        etag: Etag without quotation marks. It changes with the content; it is the MD5 of the
            content only for some objects.
        modified_on: Time of the last change, in UTC.
    """

    key: str
    size: int
    etag: str
    modified_on: datetime | None = None


@dataclass(frozen=True)
class PathFilter:
    """Glob patterns for paths; `*` also matches `/`.

    Args:
        include: A path must match one of these; empty for all paths.
        exclude: A path must match none of these.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def matches(self, path: str) -> bool:
        """Return whether the patterns select a path."""
        is_included = not self.include or any(fnmatchcase(path, one) for one in self.include)
        return is_included and not any(fnmatchcase(path, one) for one in self.exclude)


@dataclass
class ObjectPaths:
    """Listed objects by their paths below the folder for the prefix.

    Args:
        objects: Objects by path, for example `a/b.csv`.
        invalid: Reason by key, of objects whose paths are invalid in Synapse.
        keys: All listed keys.
    """

    objects: dict[str, S3Object] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


def map_objects(objects: Iterable[S3Object], prefix: str, selected: PathFilter) -> ObjectPaths:
    """Map objects to paths. Skip directory markers: empty objects whose keys end with a slash.

    Args:
        objects: The objects; their keys start with the prefix.
        prefix: Empty, or ends with a slash.
        selected: Patterns for the paths below the prefix.
    """
    paths = ObjectPaths()
    for one in objects:
        path = one.key.removeprefix(prefix)
        paths.keys.add(one.key)
        is_directory = not one.size and (not path or path.endswith("/"))
        if is_directory or not selected.matches(path):
            continue
        reason = describe_invalid_path(path)
        if reason is None:
            paths.objects[path] = one
        else:
            paths.invalid[one.key] = reason
    for path in sorted(paths.objects.keys() & _list_folders(paths.objects)):
        reason = f"other objects are below {path}/, and a file cannot have the name of a folder"
        paths.invalid[paths.objects.pop(path).key] = reason
    return paths


def describe_invalid_path(path: str) -> str | None:
    """Return why Synapse cannot have a file with this path; None for a valid path."""
    for name in path.split("/"):
        if not name:
            return "a name between slashes, or at the end, is empty"
        if name in (".", ".."):
            return f"the name {name!r} stands for another directory"
        reason = describe_invalid_name(name)
        if reason is not None:
            return f"the name {name!r:.100} is invalid: {reason}"
        if name != name.strip():
            return f"the name {name!r:.100} starts or ends with a blank, which Synapse removes"
    return None


def is_service_upload(key: str, base_key: str) -> bool:
    """Return whether an object was uploaded through Synapse: `<user ID>/<UUID>/<name>`.

    Args:
        key: Key of the object.
        base_key: Prefix of the storage location; empty, or ends with a slash.
    """
    user, _, rest = key.removeprefix(base_key).partition("/")
    return user.isdecimal() and _UPLOAD.fullmatch(rest) is not None


def is_client_upload(key: str, base_key: str) -> bool:
    """Return whether the key of an object has the form of uploads with STS: `<UUID>/<name>`.

    Args:
        key: Key of the object.
        base_key: Prefix of the storage location; empty, or ends with a slash.
    """
    return _UPLOAD.fullmatch(key.removeprefix(base_key)) is not None


def split_path(path: str) -> tuple[str, str]:
    """Return the path of the folder, empty for the top folder, and the name of the file."""
    folder, _, name = path.rpartition("/")
    return folder, name


def list_parents(folder: str) -> list[str]:
    """Return the paths of a folder and of all folders above it, the top folder (empty) first."""
    names = folder.split("/") if folder else []
    return ["/".join(names[:depth]) for depth in range(len(names) + 1)]


def _list_folders(paths: Iterable[str]) -> set[str]:
    folders = {split_path(path)[0] for path in paths}
    return {parent for folder in folders for parent in list_parents(folder)} - {""}
