"""Inputs of a task as local files: paths, URLs of objects, references of other tasks."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from airflow.sdk import ObjectStoragePath

from synapse_workflows.assets import SCHEME
from synapse_workflows.client.core.file_names import safe_file_name
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import SynapseFileNotFoundError
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.object_storage import get_file_system
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    invalid_type,
    is_file_reference,
    parse_reference_text,
)

#: Returns the local path of a referenced file, and downloads the file if necessary.
ResolveReference = Callable[[Mapping[str, Any]], str]

_LOCAL_SCHEMES: Final = ("file", "local")
_FORMS: Final = (
    "the path of a file, a URL, an ObjectStoragePath, a reference that another task returned, or "
    "a list of these"
)


@dataclass(frozen=True)
class LocalFile:
    """A file on this worker.

    Args:
        path: The file.
        url: Where the file was downloaded from, without credentials; None for a local file, and
            for an entity (`syn://`), whose version the file system records as read.
        is_temporary: Whether the file is deleted at the end of the task.
        stored_name: Name for the stored file; None for the name of `path`.
    """

    path: Path
    url: str | None = None
    is_temporary: bool = False
    stored_name: str | None = None


def is_list(value: Any) -> bool:
    """Return whether a value is a sequence other than text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def flatten(value: Any) -> Iterator[Any]:
    """Yield the items of a list and of the lists in it, such as results of mapped tasks."""
    if is_list(value):
        for item in value:
            yield from flatten(item)
    else:
        yield value


def is_remote(value: Any) -> bool:
    """Return whether `as_local_file` may have to download an input."""
    value = parse_reference_text(value)
    if is_file_reference(value):
        return True
    if not isinstance(value, str | ObjectStoragePath):
        return False
    return "://" in str(value) and urlsplit(str(value)).scheme not in _LOCAL_SCHEMES


@contextmanager
def as_local_file(
    value: Any, resolve_reference: ResolveReference, argument: str = "path"
) -> Iterator[LocalFile]:
    """Provide an input as a local file inside the block.

    Args:
        value: A local path, the URL of an object (`s3://conn@bucket/key`), an
            `ObjectStoragePath`, or a reference that another task returned.
        resolve_reference: Returns the local path of a reference.
        argument: Name of the argument, for error messages.

    Raises:
        SynapseFileNotFoundError: The file does not exist.
        AirflowFailException: The value has another type, the URL is invalid, or a package or
            provider for it is not installed.
    """
    value = parse_reference_text(value)
    if is_file_reference(value):
        # the file of a query result has a different name in each run
        name = value.get("name") if "query" in value or "staged" in value else None
        yield LocalFile(Path(resolve_reference(value)), stored_name=name)
    elif isinstance(value, ObjectStoragePath):
        with _download(str(value)) as file:
            yield file
    elif isinstance(value, PathLike) or (isinstance(value, str) and value.strip()):
        text = fspath(value)
        if urlsplit(text).scheme and "://" in text:
            with _download(text) as file:
                yield file
        else:
            yield LocalFile(_require_file(expand_home(text)))
    else:
        raise invalid_type(value, argument, _FORMS)


@contextmanager
def _download(url: str) -> Iterator[LocalFile]:
    """Download an object to a temporary file."""
    parts = urlsplit(url)
    if parts.scheme in _LOCAL_SCHEMES:
        yield LocalFile(_require_file(Path(unquote(parts.path))))
        return
    with TemporaryDirectory(prefix="synapse-") as folder:
        with _open(url) as (stream, name):
            target = Path(folder) / safe_file_name(name, "content")
            with explain_full_disk(target), target.open("wb") as file:
                shutil.copyfileobj(stream, file, MiB)
        origin = None if parts.scheme == SCHEME else redact_url(url)
        yield LocalFile(target, url=origin, is_temporary=True)


@contextmanager
def _open(url: str) -> Iterator[tuple[Any, str]]:
    """Open an object; yield the stream and the name of the object."""
    file_system, path = _find_file_system(url)
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    try:
        if not name and urlsplit(url).scheme == SCHEME:  # the ID of an entity
            name = file_system.info(path)["entity_name"]
        with file_system.open(path, "rb") as stream:
            yield stream, name
    except FileNotFoundError as error:
        # do not chain: the message may contain the query string, which may hold a signature
        if _is_connection_failure(error.__cause__):
            cause = type(error.__cause__).__name__
            raise ConnectionError(f"Cannot read {redact_url(url)}: {cause}") from None
        raise SynapseFileNotFoundError(f"Object not found: {redact_url(url)}") from None


def _find_file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        InvalidArgumentError: The URL is invalid, or a package for it is missing.
    """
    try:
        return get_file_system(url)
    except (ValueError, ImportError) as error:
        raise InvalidArgumentError(f"Invalid URL {redact_url(url)!r}: {error}") from None


def _is_connection_failure(cause: BaseException | None) -> bool:
    """Return whether fsspec replaced an error of an HTTP server by "file not found"."""
    is_http = type(cause).__module__.partition(".")[0] == "aiohttp"
    status = getattr(cause, "status", None)
    return is_http and (status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def _require_file(path: Path) -> Path:
    if path.is_dir():
        raise SynapseFileNotFoundError(f"{path} is a directory; pass the files in it as a list")
    if not path.is_file():
        if path.exists():
            raise SynapseFileNotFoundError(
                f"{path} is a pipe or a device; write its content to a file, and pass the path of "
                "the file"
            )
        raise SynapseFileNotFoundError(
            f"File not found on this worker: {path}. If another task wrote it, that task may have "
            "run on another machine, or its temporary directory was deleted. Return staged(path) "
            "in the task that writes the file, or write to object storage and return the URL or "
            "an ObjectStoragePath, or write and store in one task (SynapseHook().client.store)."
        )
    return path
