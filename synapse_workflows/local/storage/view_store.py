"""Copies of what views show: one SQLite file each, written once and then only read.

<root>/<name>.db

    live    row_id, version and etag of a row; `guard`, whose readers may see it; modified_on and
            file_size of what it shows; and its cells, c<column id>

A frozen version of a view has a copy for good. What a view shows now has one as long as nothing
changed: the views that were asked for last keep theirs.
"""
# ruff: noqa: S608 - names of columns are our own, never a caller's

import hashlib
import os
import sqlite3
import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: row_id, version, etag, guard, modified_on, file_size, and a cell per column.
ViewRow = tuple[Any, ...]

_FIXED_COLUMNS: Final = (
    "row_id INTEGER PRIMARY KEY", "version", "etag", "guard", "modified_on", "file_size",
)  # fmt: skip
_BENEFACTOR_INDEX: Final = 3
#: Views that keep the copy of what they show now.
MAX_CACHED: Final = 8


@dataclass(frozen=True)
class ViewFile:
    """All that a view shows, whoever may see it.

    Args:
        file: name of the copy.
        column_ids: the columns of its rows.
        guards: whose readers may see one of the rows.
        digest: the same for the same rows alone.
    """

    file: str
    column_ids: tuple[int, ...]
    guards: tuple[int, ...]
    digest: str


@dataclass(frozen=True)
class _CachedFile:
    revision: int
    copy: ViewFile


class ViewStore:
    """The copies of all views of a service.

    Args:
        root: directory that holds them; created when missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._kept: OrderedDict[int, _CachedFile] = OrderedDict()

    def _path(self, file: str) -> Path:
        return self._root / f"{file}.db"

    def write(
        self, column_ids: Sequence[int], lines: Iterable[ViewRow], texts: Sequence[int]
    ) -> tuple[ViewFile, list[int]]:
        """Write a copy, row by row; nothing is left of one that could not be ended.

        Args:
            column_ids: the columns of the rows.
            lines: the rows.
            texts: columns of which to tell how long their longest text is, in characters.
        """
        file = uuid.uuid4().hex
        digest = hashlib.sha256()
        guards: set[int] = set()

        def noted() -> Iterator[ViewRow]:
            for line in lines:
                digest.update(repr(line).encode())
                guards.add(line[_BENEFACTOR_INDEX])
                yield line

        names = [*_FIXED_COLUMNS, *(f"c{each}" for each in column_ids)]
        marks = ", ".join("?" * len(names))
        try:
            with closing(_connect(self._path(file), "rwc")) as connection:
                connection.execute("PRAGMA journal_mode=OFF")
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute(f"CREATE TABLE live ({', '.join(names)})")
                connection.execute("BEGIN")
                connection.executemany(f"INSERT INTO live VALUES ({marks})", noted())
                connection.execute("COMMIT")
                longest = _get_longest_texts(connection, texts)
        except BaseException:
            self.remove(file)
            raise
        return ViewFile(
            file, tuple(column_ids), tuple(sorted(guards)), digest.hexdigest()
        ), longest

    def has(self, file: str) -> bool:
        """Tell whether a copy is there."""
        return self._path(file).exists()

    @contextmanager
    def reading(self, file: str) -> Iterator[sqlite3.Connection]:
        """Open a copy to read."""
        with closing(_connect(self._path(file), "ro&immutable=1")) as connection:
            yield connection

    @contextmanager
    def live(
        self, view: int, revision: int, make: Callable[[], tuple[int, ViewFile]]
    ) -> Iterator[tuple[ViewFile, sqlite3.Connection]]:
        """Open a copy of what a view shows; it is made where there is none that is new enough.

        Queries of one view wait for the copy together, those of other views do not.

        Args:
            view: entity id.
            revision: what the copy must show at least.
            make: makes a copy, and tells which revision it shows.
        """
        with self._guard:
            turn = self._turns[view]
        with turn:
            found = self._open_kept(view, revision)
            if found is None:
                found = self._keep(view, _CachedFile(*make()))
        copy, connection = found
        with closing(connection):
            yield copy, connection

    def _open_kept(self, view: int, revision: int) -> tuple[ViewFile, sqlite3.Connection] | None:
        with self._guard:
            kept = self._kept.get(view)
            if kept is None or kept.revision < revision:
                return None
            self._kept.move_to_end(view)
            return kept.copy, _connect(self._path(kept.copy.file), "ro&immutable=1")

    def _keep(self, view: int, made: _CachedFile) -> tuple[ViewFile, sqlite3.Connection]:
        """Keep a new copy; open ones can be read on after they were removed."""
        with self._guard:
            old = self._kept.pop(view, None)
            waste = [] if old is None else [old]
            self._kept[view] = made
            while len(self._kept) > MAX_CACHED:
                waste.append(self._kept.popitem(last=False)[1])
            for each in waste:
                self.remove(each.copy.file)
            return made.copy, _connect(self._path(made.copy.file), "ro&immutable=1")

    def freeze(self, source: sqlite3.Connection) -> str:
        """Copy a copy that is open, for good; give the name of the new one."""
        file = uuid.uuid4().hex
        path = self._path(file)
        try:
            with closing(_connect(path, "rwc")) as target:
                target.execute("PRAGMA journal_mode=OFF")
                source.backup(target, pages=1000)
            _sync(path, os.O_RDWR)
            _sync(self._root, os.O_RDONLY)
        except BaseException:
            self.remove(file)
            raise
        return file

    def remove(self, file: str) -> None:
        """Remove a copy; one that cannot be removed is swept away by the next start."""
        with suppress(OSError):
            self._path(file).unlink(missing_ok=True)

    def sweep(self, wanted: Collection[str]) -> int:
        """Remove the copies that no frozen version has; only before the service answers."""
        waste = [path for path in self._root.iterdir() if path.stem not in wanted]
        for path in waste:
            path.unlink()
        return len(waste)


def _get_longest_texts(connection: sqlite3.Connection, texts: Sequence[int]) -> list[int]:
    if not texts:
        return []
    wanted = ", ".join(f"max(length(c{each}))" for each in texts)
    return [each or 0 for each in connection.execute(f"SELECT {wanted} FROM live").fetchone()]


def _sync(path: Path, flags: int) -> None:
    file = os.open(path, flags)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in ("cache_size=-8000", "temp_store=FILE"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
