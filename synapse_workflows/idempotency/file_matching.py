"""The files of S3 objects: by the key in the file handle, or by the path."""

from collections.abc import Mapping

from synapse_workflows.idempotency.folder_tree import FileState
from synapse_workflows.idempotency.index_targets import S3Location, Target
from synapse_workflows.idempotency.object_paths import S3Object, is_service_upload
from synapse_workflows.idempotency.refusals import Refusal, Refusals


def match_files(
    objects: Mapping[str, S3Object],
    files: Mapping[str, FileState],
    keys: set[str],
    location: S3Location,
    refusals: Refusals,
) -> list[Target]:
    """Find the file of each object.

    A file that was moved or renamed in Synapse still is the file of its object. Else, the file
    with the path of the object is used, unless it is the file of another object. Objects that were
    uploaded through Synapse, and are not the content of a current version, are left out, and so is
    the object `owner.txt` that lists the owners of the storage location.

    Args:
        objects: Objects by path.
        files: States of the existing files by path.
        keys: All listed keys, with those of objects that are not selected.
        location: The storage location and prefix.
        refusals: Receives the objects whose path is in use.
    """
    by_key: dict[str, str] = {}
    for path in sorted(files):
        key = _get_key(files[path], location)
        if key is not None and (key not in by_key or _is_at(path, key, objects)):
            by_key[key] = path
    targets = []
    for path, one in objects.items():
        found = by_key.get(one.key, path)
        state = files.get(found)
        other = None if state is None else _get_key(state, location)
        is_own = one.key == f"{location.base_key}owner.txt"
        if state is None and (is_own or is_service_upload(one.key, location.base_key)):
            continue
        if state is not None and other != one.key and other in keys:
            refusals.add(one.key, refuse_other_object(state))
        else:
            targets.append(Target(found, "", one, state))
    return targets


def refuse_other_object(state: FileState) -> Refusal:
    """Return the refusal to register an object as a file that has other content.

    Its content is another existing object of the bucket, or is not in the bucket.
    """
    handle = state.handle or {}
    bucket = handle.get("bucketName")
    content = f"the object s3://{bucket}/{handle.get('key')}" if bucket else "an external URL"
    return Refusal(
        f"{state.entity['name']!r} in {state.entity['parentId']} is {state.id}, the file of "
        f"{content}. Rename or delete this file, or pass another folder"
    )


def find_missing(
    files: Mapping[str, FileState], keys: set[str], location: S3Location
) -> dict[str, FileState]:
    """Return the files below the prefix whose objects are not listed, by path.

    Args:
        files: States of files by path.
        keys: The listed keys.
        location: The storage location and prefix.
    """
    found = {path: _get_key(state, location) for path, state in files.items()}
    return {
        path: files[path] for path, key in found.items() if key is not None and key not in keys
    }


def _get_key(state: FileState, location: S3Location) -> str | None:
    """Return the key of a file below the prefix; None for another file."""
    if state.handle is None or not location.contains(state.handle):
        return None
    return str(state.handle["key"])


def _is_at(path: str, key: str, objects: Mapping[str, S3Object]) -> bool:
    return path in objects and objects[path].key == key
