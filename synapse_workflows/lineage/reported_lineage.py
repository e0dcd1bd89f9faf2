"""Lineage that other programs report to the running task in a file.

See `client.core.lineage_file` for the format.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.core.lineage_file import LINEAGE_FILE
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.model.ids import is_synapse_id
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.provenance.record import EntityRef, Origin, Record, Ref, UrlRef

#: Maximum size of a file that is read, in bytes.
_MAX_SIZE: Final = 16 * 1024 * 1024
#: Maximum number of lines that are described one by one as gaps.
_MAX_GAPS: Final = 5
#: Key of the lines in the result of a task.
RESULT_KEY: Final = "synapse_lineage"
_ROLES: Final = ("used", "executed", "stored")


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

    def to_record(self) -> Record:
        """Return what was reported so far. Invalid lines become gaps."""
        sizes = tuple(map(_get_size, self._files))
        if sizes == tuple(self._files.values()) and not self._results:
            return Record()
        if self._known is None or self._known[0] != sizes:
            lines = [line for file in self._files for line in self._iter_lines(file)]
            self._known = sizes, parse_lines(lines + self._results)
        return self._known[1]

    def list_without_activity(self) -> tuple[EntityRef, ...]:
        """Return the entity versions that programs stored without an Activity."""
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
                    refs |= dict.fromkeys(_parse_line(line).stored_entities)
        return tuple(refs)

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


def parse_lines(lines: list[bytes]) -> Record:
    """Return the record that lines of a lineage file describe. Invalid lines become gaps."""
    records, gaps = [], []
    for number, line in enumerate(lines, 1):
        try:
            records.append(_parse_line(line))
        except (ValueError, TypeError, RecursionError) as error:
            gaps.append(f"line {number} of the lineage file of the task is invalid: {error}")
    if len(gaps) > _MAX_GAPS:
        more = f"{len(gaps) - _MAX_GAPS} further lines of the lineage file are invalid"
        gaps = [*gaps[:_MAX_GAPS], more]
    return Record.merge(records) | Record(gaps=tuple(gaps))


def _parse_line(line: bytes) -> Record:
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("expected an object in JSON") from None
    if not isinstance(data, Mapping):
        raise ValueError("expected an object in JSON")  # noqa: TRY004 - a gap, no error of types
    gap = data.get("gap")
    record = Record(gaps=(str(gap),)) if gap else Record()
    roles = [role for role in _ROLES if role in data]
    if not roles and not gap:
        raise ValueError("expected one of the keys 'used', 'executed', 'stored' and 'gap'")
    for role in roles:
        targets = data[role] if isinstance(data[role], list) else [data[role]]
        for target in targets:
            record |= _create_record(role, _parse_target(target, data), data)
    return record


def _create_record(role: str, ref: Ref, data: Mapping[str, Any]) -> Record:
    if role == "executed":
        return Record.from_refs(Origin.CODE, ran=[ref])
    if data.get("type") in CONTAINERS:
        return Record()
    if role == "used":
        return Record.from_refs(Origin.LOOKUP if data.get("lookup") else Origin.READ, used=[ref])
    return Record.from_stored(ref)


def _parse_target(target: Any, data: Mapping[str, Any]) -> Ref:
    if not isinstance(target, str):
        raise ValueError("expected a Synapse ID or a URL as text")  # noqa: TRY004 - as above
    if "://" in target:
        name = data.get("name")
        return UrlRef(target, str(name) if name else None)
    if not is_synapse_id(target):
        raise ValueError("expected a Synapse ID such as 'syn123.4', or a URL")
    site = data.get("site")
    ref = EntityRef.parse(target, redact_url(site) if isinstance(site, str) else None)
    if data.get("open"):
        etag, time = data.get("etag"), data.get("read_at")
        return ref.as_open(etag, datetime.fromisoformat(time) if time else datetime.now(UTC))
    return ref


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
