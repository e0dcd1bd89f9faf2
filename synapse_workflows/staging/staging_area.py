"""The staging area: the object storage or the folder of `[synapse] staging`."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.log import mask_secret

from synapse_workflows.client.core.redaction import redact, redact_text, redact_url
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseError,
    SynapseTransferError,
)
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.paths import expand_home
from synapse_workflows.client.transfer.file_systems import OnBlock, is_flat, write_file
from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.object_storage import get_file_system, parse_target
from synapse_workflows.lineage.lineage_mode import without_lineage
from synapse_workflows.staging.staged_keys import is_staged_path

_log: Final = logging.getLogger(__name__)
_SETTING: Final = "[synapse] staging"
#: Directory below the root that contains staged files only.
_DIRECTORY: Final = "synapse-staged"
_EXPECTED: Final = (
    "expected the URL of an object storage, for example 's3://bucket/prefix', or the absolute "
    "path of a folder that all workers share"
)
_ADVICE: Final = f"Check {_SETTING} and the credentials of this worker."
_READ: Final = "read a file in"
#: Executors whose tasks run on one machine.
_LOCAL_EXECUTORS: Final = frozenset({"LocalExecutor", "SequentialExecutor"})
#: Set in the pods of the Kubernetes executor, whose configuration usually has the LocalExecutor.
_POD_VARIABLE: Final = "AIRFLOW_IS_K8S_EXECUTOR_POD"


@dataclass(frozen=True)
class StoredFile:
    """A file in the staging area.

    Args:
        key: Path below the directory of the staged files.
        size: Size in bytes.
        modified_at: Time of the last change, in seconds since 1970.
    """

    key: str
    size: int
    modified_at: float


@dataclass(frozen=True)
class StagingArea:
    """The staging area of this machine's configuration.

    Args:
        file_system: File system of fsspec.
        root: Path of the root in the file system.
        url: URL or path of the root without credentials.
        is_flat: Whether the storage has no directories.
        is_default: Whether `[synapse] staging` is empty.
        secrets: Credentials in the configured URL.
    """

    file_system: Any
    root: str
    url: str
    is_flat: bool = False
    is_default: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def open(cls) -> Self:
        """Return the configured staging area.

        Raises:
            SynapseConfigError: The setting is invalid, or a package for it is missing.
            SynapseTransferError: The storage cannot be reached.
        """
        setting = str(conf.get("synapse", "staging", fallback="") or "").strip()
        try:
            secrets = _find_secrets(setting)
            for secret in secrets:
                mask_secret(secret)
            if not setting:
                home = expand_home(os.environ.get("AIRFLOW_HOME") or "~/airflow")
                root = str(home / "synapse-staging")
                return cls(_local_files(), root, root, is_default=True)
            _require_absolute(setting)
            target = parse_target(setting, _SETTING)
            if isinstance(target, Path):
                return cls(_local_files(), str(target), str(target))
        except SynapseConfigError:
            raise
        except (TypeError, ValueError, ImportError, AirflowException) as error:
            message = redact_text(str(error)).rstrip(".")
            raise SynapseConfigError(f"{message}. Set {_SETTING} to another value.") from None
        file_system, root = _connect(target.url, secrets)
        flat = is_flat(target.url)
        return cls(file_system, root.rstrip("/"), redact_url(setting), flat, secrets=secrets)

    def get_path(self, key: str) -> str:
        """Return the path of a staged file, or of a directory, in the file system."""
        return f"{self.root}/{_DIRECTORY}/{key}".rstrip("/")

    def upload(self, source: Path, key: str, on_block: OnBlock) -> None:
        """Write a file. It is readable under its key only when it is complete.

        Args:
            source: A local file.
            key: Key of the staged file.
            on_block: Called with each block of the content.

        Raises:
            SynapseTransferError: The storage did not store the whole file.
        """
        path = self.get_path(key)
        with self.reporting_errors("write a file in"):
            if self.is_flat:  # an object appears when its upload is complete
                write_file(self.file_system, path, source, self.url, on_block)
                return
            partial = f"{path}.{uuid4().hex}.part"
            self.file_system.makedirs(partial.rpartition("/")[0], exist_ok=True)
            try:
                write_file(self.file_system, partial, source, self.url, on_block)
                self.file_system.mv(partial, path)
            except BaseException:
                with suppress(Exception):
                    self.file_system.rm_file(partial)
                raise

    def download(self, key: str, target: Path, on_block: OnBlock) -> None:
        """Write the content of a staged file to a local file.

        Args:
            key: Key of the staged file.
            target: The local file.
            on_block: Called with each block of the content.

        Raises:
            FileNotFoundError: The file is not in the staging area.
            SynapseTransferError: The file cannot be read.
            OSError: The local file cannot be written.
        """
        with explain_full_disk(target), target.open("wb") as file:
            for block in self._read_blocks(key):
                file.write(block)
                on_block(block)

    def _read_blocks(self, key: str) -> Iterator[bytes]:
        with self.reporting_errors(_READ):
            self.file_system.invalidate_cache()
            with self.file_system.open(self.get_path(key), "rb") as stream:
                while block := stream.read(MiB):
                    yield block

    def list_files(self, directory: str = "") -> list[StoredFile]:
        """Return the staged files, and the uploads that are running or were interrupted.

        Args:
            directory: Directory below that of all staged files.
        """
        start, prefix = f"{self.get_path('')}/", f"{directory}/" if directory else ""
        with self.reporting_errors("list the files in"):
            self.file_system.invalidate_cache()
            found = [
                StoredFile(key, int(info.get("size") or 0), _get_time(info))
                for info in self._list_entries(self.get_path(directory))
                if is_staged_path(key := str(info["name"]).partition(start)[2])
            ]
            # a listing of objects may have those of `run_10` below `run_1`
            return [file for file in found if file.key.startswith(prefix)]

    def remove(self, key: str) -> bool:
        """Remove a staged file and the directories that are empty then.

        Returns:
            Whether the file existed. Another process may have removed it.
        """
        path = self.get_path(key)
        with self.reporting_errors("remove a file from"):
            try:
                self.file_system.rm_file(path)
            except FileNotFoundError:
                return False
            if not self.is_flat:
                self._remove_empty_directories(key)
            return True

    @contextmanager
    def reporting_errors(self, action: str) -> Iterator[None]:
        """Report errors of the storage without credentials. No lineage is recorded inside.

        Args:
            action: What fails, for the message.

        Raises:
            FileNotFoundError: A file to read does not exist.
            SynapseTransferError: Another error of the storage.
        """
        try:
            with without_lineage():
                yield
        except (SynapseError, AirflowException):
            raise
        except Exception as error:  # noqa: BLE001 - each storage has its own errors
            if action == _READ and isinstance(error, FileNotFoundError):
                raise FileNotFoundError(f"Not found in {self.url}") from None
            reason = f"{type(error).__name__}: {_describe(error, self.secrets)}"
            raise SynapseTransferError(
                f"Cannot {action} the staging area {self.url}: {reason}. {_ADVICE}"
            ) from None

    def _list_entries(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the files below a directory. Symbolic links are not followed."""
        if self.is_flat:
            yield from self.file_system.find(path, detail=True).values()
            return
        try:
            entries = self.file_system.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        for info in entries:
            if info.get("islink") or info["type"] == "link":
                continue
            if info["type"] == "directory":
                yield from self._list_entries(str(info["name"]))
            else:
                yield info

    def _remove_empty_directories(self, key: str) -> None:
        with suppress(Exception):  # not empty, or removed by another process
            while key := key.rpartition("/")[0]:
                self.file_system.rmdir(self.get_path(key))


def warn_if_not_shared(area: StagingArea) -> None:
    """Log a warning if tasks on other machines cannot read the staging area."""
    executors = re.split(r"[,;=:]", conf.get("core", "executor", fallback="LocalExecutor"))
    # without aliases and names of teams
    classes = [one.strip() for one in executors if "." in one or one.strip().endswith("Executor")]
    names = {one.rpartition(".")[2] for one in classes}
    if _POD_VARIABLE in os.environ:
        names.add("KubernetesExecutor")
    others = sorted(names - _LOCAL_EXECUTORS)
    if area.is_default and others:
        _log.warning(
            "Staged files are in %s on this machine, and tasks of %s may run on other machines, "
            "which cannot read them. Set %s to an object storage or a shared folder",
            area.root,
            ", ".join(others),
            _SETTING,
        )


def _local_files() -> Any:
    import fsspec

    return fsspec.filesystem("file")


def _connect(url: str, secrets: tuple[str, ...]) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it. Some connect to a server for that."""
    shown = redact_url(url)
    try:
        return get_file_system(url)
    except (ValueError, ImportError, AirflowException) as error:
        message = _describe(error, secrets).rstrip(".")
        raise SynapseConfigError(f"Invalid {_SETTING} {shown!r}: {message}.") from None
    except Exception as error:  # noqa: BLE001 - each storage has its own errors
        reason = f"{type(error).__name__}: {_describe(error, secrets)}"
        raise SynapseTransferError(
            f"Cannot connect to the staging area {shown}: {reason}. {_ADVICE}"
        ) from None


def _describe(error: Exception, secrets: tuple[str, ...]) -> str:
    """Return the message of an error without credentials."""
    return redact_text(redact(str(error), secrets))


def _require_absolute(setting: str) -> None:
    """Check that a setting means the same on all machines, and can be a staging area.

    Raises:
        SynapseConfigError: The path is relative, or the URL has no bucket or is that of a Synapse
            entity.
    """
    parts = urlsplit(setting)
    is_url = "://" in setting
    is_relative = not is_url and not expand_home(setting).is_absolute()
    has_host = is_url and parts.scheme in ("file", "local") and parts.netloc
    has_no_bucket = is_flat(setting) and not parts.netloc
    if is_relative or has_host or has_no_bucket or parts.scheme == "syn":
        raise SynapseConfigError(f"Invalid {_SETTING} {redact_url(setting)!r}: {_EXPECTED}.")


def _find_secrets(setting: str) -> tuple[str, ...]:
    """Return the password and the query of a URL, which may be a signature."""
    parts = urlsplit(setting)
    user_info = setting.partition("://")[2].rpartition("@")[0]  # a password may contain / and #
    passwords = (user_info.partition(":")[2], parts.password or "")
    found = (*passwords, *map(unquote, passwords), parts.query)
    return tuple(dict.fromkeys(one for one in found if one))


def _get_time(info: dict[str, Any]) -> float:
    """Return the time of the last change; the current time if the storage does not tell it."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "modified", "created"):
        value = info.get(name)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            value = value if value.tzinfo else value.replace(tzinfo=UTC)
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return datetime.now(UTC).timestamp()
