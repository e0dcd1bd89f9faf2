"""Keys of staged files: their paths below the staging root.

A key is `<dag>/<run>/<task>/<index>/<try>/<md5>`: no two task instances, tries or contents share
one. The names are made of characters that are safe on all file systems.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from synapse_workflows.operator_arguments import InvalidArgumentError

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_NAME: Final = 100
_NAME: Final = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
#: Map index of an instance of a task that is not mapped.
_UNMAPPED: Final = "single"
_KEY: Final = re.compile(
    rf"{_NAME}/{_NAME}/{_NAME}/(?:{_UNMAPPED}|[0-9]+)/(?P<try>[0-9]+)/(?P<md5>[0-9a-f]{{32}})"
)
#: Key of a file, or of an upload that is running or was interrupted.
_FILE: Final = re.compile(rf"{_KEY.pattern}(?:\.[0-9a-f]{{32}}\.part)?")


@dataclass(frozen=True)
class StagingTask:
    """A task instance, as the owner of staged files.

    Args:
        dag_id: ID of the DAG.
        run_id: ID of the run.
        task_id: ID of the task.
        map_index: Map index; None for a task that is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int | None = None

    @classmethod
    def of(cls, ti: Any) -> Self:
        """Return the owner for a task instance of Airflow."""
        index = ti.map_index
        is_mapped = index is not None and index >= 0
        return cls(ti.dag_id, ti.run_id, ti.task_id, index if is_mapped else None)

    @classmethod
    def of_reference(cls, reference: Mapping[str, Any]) -> Self:
        """Return the task instance that staged a file."""
        dag_id, run_id, task_id = (
            str(reference.get(name)) for name in ("dag_id", "run_id", "task_id")
        )
        return cls(dag_id, run_id, task_id, reference.get("map_index"))

    @property
    def run_directory(self) -> str:
        """Directory of the files of the run."""
        return f"{_encode(self.dag_id)}/{_encode(self.run_id)}"

    @property
    def directory(self) -> str:
        """Directory of the files of the task instance."""
        index = _UNMAPPED if self.map_index is None else str(self.map_index)
        return f"{self.run_directory}/{_encode(self.task_id)}/{index}"

    def create_key(self, try_number: int, md5: str) -> str:
        """Return the key of a file that a try of the task stages."""
        return f"{self.directory}/{try_number}/{md5}"

    def __str__(self) -> str:
        index = "" if self.map_index is None else f"[{self.map_index}]"
        return f"task {self.task_id}{index} of run {self.run_id!r} of DAG {self.dag_id}"


def require_key(reference: Mapping[str, Any]) -> str:
    """Return the key of a reference.

    Raises:
        InvalidArgumentError: The reference was changed: its values do not belong together. Another
            name is valid.
    """
    key, size = reference.get("staged"), reference.get("size")
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    is_valid = (
        match is not None
        and match["md5"] == reference.get("md5")
        and key == StagingTask.of_reference(reference).create_key(int(match["try"]), match["md5"])
        and isinstance(reference.get("name"), str)
        and isinstance(size, int)
        and size >= 0
    )
    if not is_valid:
        raise InvalidArgumentError(
            f"Invalid reference {dict(reference)!r:.200}: it is not a result of staged(). Pass "
            "the value that staged() returned without changes"
        )
    return str(key)


def is_staged_path(path: str) -> bool:
    """Return whether a path below the staging root is that of a staged file or its upload."""
    return _FILE.fullmatch(path) is not None


def get_try(path: str) -> int:
    """Return the try number of the task that staged a file."""
    match = _FILE.fullmatch(path)
    return int(match["try"]) if match else 0


def _encode(name: str) -> str:
    """Return a name of safe characters. A changed name has a hash that keeps it unique."""
    safe = _UNSAFE.sub("_", name)
    if safe == name and len(name) <= _MAX_NAME and not name.startswith("."):
        return name
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{safe[:_MAX_NAME].lstrip('.')}-{digest[:12]}"
