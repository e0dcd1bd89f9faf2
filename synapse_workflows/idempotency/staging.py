"""What a task gives to be stored: a local file, an object elsewhere, a reference."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.fs import has_fs

from synapse_workflows.client.errors import SynapseFileNotFoundError
from synapse_workflows.constants import MiB
from synapse_workflows.file_references import local_path


@dataclass(frozen=True)
class LocalFile:
    """A file on this worker.

    Args:
        path: where it is.
        url: where it came from, without credentials, if that is elsewhere.
        lasting: whether it is still there when the task has ended.
    """

    path: Path
    url: str | None = None
    lasting: bool = True


def is_list(value: Any) -> bool:
    """Tell a list of things to store from a single one."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def flatten(value: Any) -> Iterator[Any]:
    """Go through a list, and the lists in it: mapped tasks may return lists each."""
    if is_list(value):
        for item in value:
            yield from flatten(item)
    else:
        yield value


@contextmanager
def as_local_file(value: Any, what: str = "path") -> Iterator[LocalFile]:
    """Make what is to be stored a file on this worker, while inside.

    Args:
        value: the path of a local file, the URL of an object (`s3://conn@bucket/key`), an
            `ObjectStoragePath`, or a reference that another task returned.
        what: the argument it was given for.

    Raises:
        SynapseFileNotFoundError: There is no such file.
        TypeError: Nothing that can be stored.
    """
    if isinstance(value, Mapping):
        yield LocalFile(Path(local_path(value)))
    elif isinstance(value, ObjectStoragePath):
        with _fetched(str(value)) as source:
            yield source
    elif isinstance(value, str | PathLike):
        text = fspath(value)
        if urlsplit(text).scheme and "://" in text:
            with _fetched(text) as source:
                yield source
        else:
            yield LocalFile(_checked(Path(text).expanduser()))
    else:
        raise TypeError(
            f"{what} is {value!r:.200}: give the path of a file, a URL, an ObjectStoragePath, a "
            "reference that another task returned, or a list of these"
        )


@contextmanager
def _fetched(url: str) -> Iterator[LocalFile]:
    """Stream an object into a temporary file, which goes at the end."""
    parts = urlsplit(url)
    if parts.scheme in ("file", "local"):
        yield LocalFile(_checked(Path(unquote(parts.path))))
        return
    with TemporaryDirectory(prefix="synapse-") as folder:
        target = Path(folder) / (unquote(parts.path).rstrip("/").rpartition("/")[2] or "content")
        with _opened(url) as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, MiB)
        yield LocalFile(target, url=_shown(url), lasting=False)


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    """Open an object through Airflow's own file systems, or those of fsspec."""
    try:
        if has_fs(urlsplit(url).scheme):
            with ObjectStoragePath(url).open("rb") as stream:
                yield stream
        else:
            import fsspec

            with fsspec.open(url, "rb") as stream:
                yield stream
    except FileNotFoundError:
        # not `from` it: its words may hold the query, and that may be a signature
        raise SynapseFileNotFoundError(f"There is nothing at {_shown(url)}") from None


def _shown(url: str) -> str:
    """Leave out of an address what may be secret: who asks, and the query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, query="", fragment="").geturl()


def _checked(path: Path) -> Path:
    if path.is_dir():
        raise SynapseFileNotFoundError(f"{path} is a directory; give the files in it, as a list")
    if not path.is_file():
        raise SynapseFileNotFoundError(
            f"{path} is not on this worker. If another task wrote it, that task may have run on "
            "another machine, or its temporary directory is gone: write to object storage and "
            "return the URL or an ObjectStoragePath, or write and store in one task "
            "(SynapseHook().client.store), or let both tasks run where they share a disk."
        )
    return path
