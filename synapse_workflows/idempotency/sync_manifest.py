"""File of the manifest of a synchronization: a path or an object."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from synapse_workflows.client.core.file_names import PARTIAL_MARK
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.transfer.file_systems import write_file
from synapse_workflows.idempotency.object_storage import (
    ObjectTarget,
    get_file_system,
    parse_target,
)
from synapse_workflows.sync.candidates import relative_path
from synapse_workflows.sync.directory import Directory
from synapse_workflows.sync.download import write_download_manifest
from synapse_workflows.sync.manifest import (
    MANIFEST_NAME,
    ManifestError,
    ManifestRow,
    get_manifest_path,
    is_manifest_of,
    read_manifest,
)
from synapse_workflows.sync.plan import SyncPlan
from synapse_workflows.sync.results import ItemError


class SyncManifest:
    """Manifest of a synchronization.

    Args:
        directory: The directory of the files.
        value: Path or URL, which may be relative to the directory; None for the default.
    """

    def __init__(self, directory: Directory, value: str | None) -> None:
        self._directory = directory
        self._value = MANIFEST_NAME if value is None else value

    @property
    def path(self) -> str | None:
        """Path below the directory; None if it is elsewhere."""
        target = self._find()
        if isinstance(target, ObjectTarget):
            return relative_path(_show(target), self._directory.url)
        resolved = f"{os.path.realpath(target.parent)}/{target.name}"
        return relative_path(resolved, os.path.realpath(self._directory.url))

    def read(self) -> list[ManifestRow]:
        """Read the rows.

        Raises:
            ManifestError: The manifest does not exist, or is invalid.
        """
        target = self._find()
        shown = self._value if isinstance(target, Path) else _show(target)
        try:
            if isinstance(target, Path):
                with target.open(encoding="utf-8-sig", newline="") as file:
                    return read_manifest(file, shown)
            file_system, path = get_file_system(target.url)
            with file_system.open(path, "r", encoding="utf-8-sig", newline="") as file:
                return read_manifest(file, shown)
        except (FileNotFoundError, IsADirectoryError):
            raise ManifestError(
                f"The manifest {shown} does not exist on this worker. Paths are absolute, or "
                "relative to the source"
            ) from None

    def require_writable(self, plan: SyncPlan) -> None:
        """Check that no file or folder has the path, before anything is changed.

        Raises:
            AirflowFailException: A file or folder has the path.
        """
        target = self._find(plan.shard)
        is_taken = any(is_manifest_of(one.path, self.path) for one in plan.items)
        if is_taken or (isinstance(target, Path) and target.is_dir()):
            raise AirflowFailException(
                f"Invalid manifest_path {_show(target)!r}: a file or folder of the "
                "synchronization has this path. Choose another path"
            )

    def write(self, syn: Session, plan: SyncPlan) -> str | None:
        """Write the manifest of a plan that was applied; return its path or URL.

        Raises:
            AirflowException: A file was deleted in Synapse during the run.
        """
        target = self._find(plan.shard)
        with TemporaryDirectory(prefix="synapse-") as folder:
            written = Path(folder) / "manifest.tsv"
            try:
                if not write_download_manifest(syn, self._directory, plan, written):
                    return None
            except ItemError as error:
                raise AirflowException(f"The manifest was not written: {error}") from error
            if isinstance(target, ObjectTarget):
                file_system, path = get_file_system(target.url)
                write_file(file_system, path, written, target.url)
                return _show(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}{PARTIAL_MARK}{Path(folder).name}")
            partial.write_bytes(written.read_bytes())
            partial.replace(target)
        return str(target)

    def _find(self, shard: Sequence[int] | None = None) -> Path | ObjectTarget:
        """Return the path or object of the manifest of a plan, or of a part of a plan."""
        value = get_manifest_path(self._value, shard)
        if "://" not in value and not value.startswith(("/", "~")):
            value = f"{self._directory.location.rstrip('/')}/{value}"
        try:
            return parse_target(value, "manifest_path")
        except (TypeError, ValueError) as error:
            raise ManifestError(str(error)) from error


def _show(target: Path | ObjectTarget) -> str:
    """Return a path, or a URL without credentials."""
    return str(target) if isinstance(target, Path) else redact_url(target.url)
