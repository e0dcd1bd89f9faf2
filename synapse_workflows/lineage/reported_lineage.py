"""Lineage that other programs report to the running task in a file.

See `client.core.lineage_file` for the format. Every task imports this module, so it imports only
what is needed without reports.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.client.core.lineage_variable import LINEAGE_FILE

if TYPE_CHECKING:
    from synapse_workflows.provenance.record import EntityRef, Record

#: Maximum size of a file that is read, in bytes.
_MAX_SIZE: Final = 16 * 1024 * 1024
#: Key of the lines in the result of a task.
RESULT_KEY: Final = "synapse_lineage"


class ReportedLineage:
    """Recorder of what programs report to the running task.

    The file has a name that cannot be guessed. It does not exist until a program reports
    something, so that a task without reports costs nothing, and is deleted at the end of the task.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._before: str | None = None
        #: Files of the task, and their sizes at its start.
        self._files: dict[Path, int] = {}
        self._results: list[bytes] = []
        self._skipped: list[tuple[int, int]] = []
        self._known: tuple[tuple[int, ...], Record] | None = None

    @property
    def has_reports(self) -> bool:
        """Whether programs have reported anything so far."""
        return bool(self._results) or self._get_sizes() != tuple(self._files.values())

    def start(self, task: Any) -> None:
        """Set the variable for all programs that a task starts, and read their reports.

        Operators that start programs with an environment of their own get the variable in this
        environment, unless it is there already.
        """
        self.clear()
        path = Path(tempfile.gettempdir(), f"synapse-lineage-{secrets.token_hex(16)}.jsonl")
        self._path = path
        self._before = os.environ.get(LINEAGE_FILE)
        os.environ[LINEAGE_FILE] = str(path)
        files = [path, *_set_in_environment(task, path)]
        self._files = {file: _get_size(file) for file in files}

    def clear(self) -> None:
        """Delete the file and restore the variable."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.environ.pop(LINEAGE_FILE, None)
            if self._before is not None:
                os.environ[LINEAGE_FILE] = self._before
        self._path, self._known = None, None
        self._files, self._results, self._skipped = {}, [], []

    def add_result(self, result: Any) -> None:
        """Add the lines that the result of a task contains, for example the result of a pod.

        Args:
            result: Result of the task. A dictionary may have a list of objects under the key
                `synapse_lineage`; other results have no lines.
        """
        lines = result.get(RESULT_KEY) if isinstance(result, Mapping) else None
        if isinstance(lines, list):
            self._results = [json.dumps(line, default=str).encode() for line in lines]
            self._known = None

    def get_size(self) -> int:
        """Return the number of bytes that were reported in the file of the task."""
        return 0 if self._path is None else _get_size(self._path)

    def skip(self, start: int, end: int) -> None:
        """Ignore what was reported between two sizes of the file."""
        if end > start:
            self._skipped.append((start, end))
            self._known = None

    def to_record(self) -> "Record":
        """Return what was reported so far. Invalid lines become gaps."""
        from synapse_workflows.lineage.report_lines import parse_lines
        from synapse_workflows.provenance.record import Record

        if not self.has_reports:
            return Record()
        sizes = self._get_sizes()
        if self._known is None or self._known[0] != sizes:
            lines = [line for file in self._files for line in self._iter_lines(file)]
            self._known = sizes, parse_lines(lines + self._results)
        return self._known[1]

    def list_without_activity(self) -> "tuple[EntityRef, ...]":
        """Return the entity versions that programs stored without an Activity."""
        from synapse_workflows.lineage.report_lines import parse_line

        if not self.to_record().stored_entities:
            return ()
        refs: dict[EntityRef, None] = {}
        for line in (
            *self._results,
            *(one for file in self._files for one in self._iter_lines(file)),
        ):
            with suppress(ValueError, TypeError, RecursionError):
                data = json.loads(line)
                if "stored" in data and not data.get("activity"):
                    refs |= dict.fromkeys(parse_line(line).stored_entities)
        return tuple(refs)

    def _get_sizes(self) -> tuple[int, ...]:
        return tuple(map(_get_size, self._files))

    def _iter_lines(self, file: Path) -> Iterator[bytes]:
        is_own = file == self._path
        with suppress(OSError), file.open("rb") as stream:
            position = stream.seek(self._files[file])
            content = stream.read(_MAX_SIZE + 1)
            if len(content) > _MAX_SIZE:
                yield b'{"gap": "the lineage file is too large, so its end was ignored"}'
                content = content[: content.rfind(b"\n", 0, _MAX_SIZE)]
            for line in content.split(b"\n"):
                is_skipped = is_own and any(a <= position < b for a, b in self._skipped)
                if line.strip() and not is_skipped:
                    yield line
                position += len(line) + 1


def _get_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _set_in_environment(task: Any, path: Path) -> list[Path]:
    """Set the variable in the environment that an operator gives to its program.

    Returns:
        The files that the DAG names in the variable itself.
    """
    given = []
    for name in ("env", "env_vars", "environment"):
        environment = getattr(task, name, None)
        if isinstance(environment, Mapping) and environment.get(LINEAGE_FILE):
            given.append(_find_on_host(Path(str(environment[LINEAGE_FILE])), task))
    names = {cls.__name__ for cls in type(task).__mro__}
    field = None
    if "BashOperator" in names and task.env is not None and not task.append_env:
        field = "env"
    elif "_BasePythonVirtualenvOperator" in names and not task.inherit_env:
        field = "env_vars"
    if field and not given:
        setattr(task, field, {**(getattr(task, field) or {}), LINEAGE_FILE: str(path)})
    return given


def _find_on_host(path: Path, task: Any) -> Path:
    """Return the path on this host of a file in a container, whose folder is mounted."""
    for mount in getattr(task, "mounts", None) or ():
        target, source = mount.get("Target"), mount.get("Source")
        if target and source and path.is_relative_to(target):
            return Path(source) / path.relative_to(target)
    return path


#: Reports to the running task.
REPORTED: Final = ReportedLineage()
