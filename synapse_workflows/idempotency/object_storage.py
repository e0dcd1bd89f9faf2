"""Object storage as the target of downloads: fsspec URLs, Airflow URLs, `ObjectStoragePath`."""

import hashlib
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.io.fs import has_fs

from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.file_names import numbered_name
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.paths import expand_path, is_url, looks_like_url
from synapse_workflows.client.transfer.file_systems import write_file
from synapse_workflows.constants import MiB

#: Protocols that can only be read.
_READ_ONLY_SCHEMES: Final = frozenset({"http", "https", "data", "zip", "tar", "github"})
_LOCAL_SCHEMES: Final = frozenset({"file", "local"})
#: Provider of the connections in URLs such as `s3://conn@bucket/key`, by protocol.
_CONNECTION_PROVIDERS: Final = {
    "s3": "amazon[s3fs]",
    "s3a": "amazon[s3fs]",
    "gs": "google",
    "gcs": "google",
    "abfs": "microsoft-azure",
    "abfss": "microsoft-azure",
}


@dataclass(frozen=True)
class ObjectTarget:
    """An object, or a directory of objects, to which files are written.

    Args:
        url: The URL, for example `s3://conn@bucket/key`.
    """

    url: str

    @property
    def name(self) -> str:
        """Last component of the URL."""
        return unquote(urlsplit(self.url).path).rstrip("/").rpartition("/")[2]

    def join(self, name: str) -> "ObjectTarget":
        """Return the target of a file in this directory."""
        return ObjectTarget(f"{self.url.rstrip('/')}/{name}")

    def write(self, source: Path, if_collision: CollisionPolicy = "keep.both") -> str | None:
        """Stream a local file to the object.

        Args:
            source: The file.
            if_collision: What to do if the object exists with different content. `keep.both`
                writes to a new name such as `name(1).txt`.

        Returns:
            The URL of the written object, or of an existing one with the same content; None if
            `keep.local` kept an existing object.

        Raises:
            SynapseTransferError: The object storage did not store the whole file.
        """
        target, number = self, 0
        while if_collision != "overwrite.local" and target._exists():
            if if_collision == "keep.local":
                return None
            if target._has_content_of(source):
                return target.url
            number += 1
            target = ObjectTarget(
                f"{self.url[: len(self.url) - len(self.name)]}{numbered_name(self.name, number)}"
            )
        target._stream(source)
        return target.url

    def write_once(self, source: Path, *, overwrite: bool) -> str:
        """Stream a local file to the object, unless the object has its content already.

        Args:
            source: The file.
            overwrite: Whether to replace an existing object.

        Returns:
            The URL of the object.

        Raises:
            FileExistsError: The object exists with other content, and `overwrite` is False.
            SynapseTransferError: The object storage did not store the whole file.
        """
        if self._exists():
            if self._has_content_of(source):
                return self.url
            if not overwrite:
                raise FileExistsError(
                    f"{redact_url(self.url)!r} exists, with other content. Use another path, or "
                    "set overwrite=True"
                )
        self._stream(source)
        return self.url

    def _exists(self) -> bool:
        file_system, path = get_file_system(self.url)
        file_system.invalidate_cache()
        return bool(file_system.exists(path))

    def _has_content_of(self, source: Path) -> bool:
        """Whether the object has the content of a file: an earlier try may have written it."""
        file_system, path = get_file_system(self.url)
        if file_system.isdir(path) or file_system.size(path) != source.stat().st_size:
            return False
        digest = hashlib.md5(usedforsecurity=False)
        with file_system.open(path, "rb") as stream:
            while block := stream.read(MiB):
                digest.update(block)
        return digest.hexdigest() == file_md5(source)

    def _stream(self, source: Path) -> None:
        file_system, path = get_file_system(self.url)
        write_file(file_system, path, source, self.url)


def get_file_system(url: str) -> tuple[Any, str]:
    """Return the Airflow file system of a URL, else the fsspec file system, and the path in it.

    Raises:
        AirflowFailException: The URL has a connection whose provider is not installed.
        ValueError: The URL is invalid, or its protocol is unknown.
        ImportError: A package for the protocol is not installed.
    """
    _check_authority(url)
    scheme = urlsplit(url).scheme  # in lower case, as fsspec requires it
    url = scheme + url[len(scheme) :]
    if has_fs(scheme):
        path = ObjectStoragePath(url)
        return path.fs, path.path
    if problem := _find_missing_provider(url):
        raise AirflowFailException(f"Invalid URL {redact_url(url)!r}: {problem}")
    import fsspec

    file_system, found = fsspec.core.url_to_fs(url)
    return file_system, found


def _check_authority(url: str) -> None:
    """Check the host and the port of a URL, whose errors may contain a part of a password.

    Raises:
        ValueError: The host or the port is invalid.
    """
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(
            "the host or the port is invalid. Encode /, ?, #, [ and @ in a password as %2F, %3F, "
            "%23, %5B and %40"
        ) from None


def parse_target(value: Any, argument: str) -> Path | ObjectTarget:
    """Return the local path or the object that an operator writes to.

    Args:
        value: A local path, a `file:` URL, the URL of an object, or an `ObjectStoragePath`.
        argument: Name of the argument, for error messages.

    Raises:
        TypeError: The value has another type.
        ValueError: The path is empty, or the URL has a protocol that cannot be written.
    """
    if not isinstance(value, str | PathLike | ObjectStoragePath):
        raise TypeError(
            f"Invalid {argument} {value!r:.200}: expected a path, a URL or an ObjectStoragePath"
        )
    text = str(value) if isinstance(value, ObjectStoragePath) else fspath(value)
    if not text.strip():
        raise ValueError(f"Invalid {argument}: the path is empty")
    if looks_like_url(text) and "://" not in text:  # pathlib has removed a slash
        text = text.replace(":/", "://", 1)
    if urlsplit(text).scheme in _LOCAL_SCHEMES and "://" in text:
        return Path(unquote(urlsplit(text).path))
    if "://" in text or is_url(text):
        _require_writable(text, argument)
        return ObjectTarget(text)
    return Path(expand_path(text)).absolute()


def require_file(target: Path | ObjectTarget, argument: str) -> None:
    """Check that a target is not a directory.

    Raises:
        ValueError: The target is a directory or a bucket.
    """
    is_directory = target.is_dir() if isinstance(target, Path) else not target.name
    if is_directory:
        shown = target if isinstance(target, Path) else redact_url(target.url)
        raise ValueError(
            f"Invalid {argument} {str(shown)!r}: it is a directory. Add the name of a file, or "
            "use download_dir"
        )


def _require_writable(url: str, argument: str) -> None:
    """Check that a file system for the URL is installed, and that it can be written."""
    if problem := _find_missing_provider(url):
        raise ValueError(f"Invalid {argument} {redact_url(url)!r}: {problem}")
    scheme = urlsplit(url).scheme
    reason = "this protocol can only be read" if scheme in _READ_ONLY_SCHEMES else None
    if reason is None and not has_fs(scheme):
        import fsspec

        try:
            fsspec.get_filesystem_class(scheme)
        except (ValueError, ImportError) as error:
            reason = str(error)
    if reason is not None:
        raise ValueError(
            f"Invalid {argument} {redact_url(url)!r}: {reason}. Pass a local path or the URL of "
            "an object storage, for example 's3://bucket/key'."
        )


def _find_missing_provider(url: str) -> str | None:
    """Return why the connection in a URL cannot be used; None if there is no such reason."""
    parts = urlsplit(url)
    provider = _CONNECTION_PROVIDERS.get(parts.scheme)
    if provider is None or "@" not in parts.netloc or has_fs(parts.scheme):
        return None
    return (
        f"{parts.scheme}://connection@bucket requires apache-airflow-providers-{provider}, which "
        f"is not installed. Install it, or use {parts.scheme}://bucket, which takes the "
        "credentials from the environment of the worker"
    )
