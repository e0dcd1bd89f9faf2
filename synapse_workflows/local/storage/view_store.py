"""Row storage of views: one immutable SQLite file for each materialized state.

    <root>/<name>.db            rows of a snapshot
    <root>/current/<name>.db    current rows of a view, or a copy whose transaction has not ended;
                                deleted at the next start

The table of a file:

    live    row_id, version, etag, benefactor_id, modified_on, file_size, and cells c<column ID>

Each snapshot of a view has its own file. The current rows of the most recently used views are
cached until the data of any view changes.
"""
# ruff: noqa: S608 - column names are generated, not taken from a request

import hashlib
import os
import re
import sqlite3
import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: row_id, version, etag, benefactor_id, modified_on, file_size, and one cell for each column.
ViewRow = tuple[Any, ...]

_FIXED_COLUMNS: Final = (
    "row_id INTEGER PRIMARY KEY", "version", "etag", "benefactor_id", "modified_on", "file_size",
)  # fmt: skip
_BENEFACTOR_INDEX: Final = 3
_NAME: Final = re.compile(r"[0-9a-f]{32}\.db")
#: Maximum number of views whose current rows are cached.
MAX_CACHED: Final = 8
#: Time in seconds between two checks of a caller that waits for the rows of a view.
_WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True)
class ViewFile:
    """A file with all rows of a view.

    Args:
        name: Name of the file.
        column_ids: Columns of the rows.
        benefactor_ids: Benefactors of the rows, see `ViewItem`; text for a materialized view.
        digest: Hash of the rows.
    """

    name: str
    column_ids: tuple[int, ...]
    benefactor_ids: tuple[Any, ...]
    digest: str


@dataclass(frozen=True)
class _CachedFile:
    state: Any
    file: ViewFile


class ViewStore:
    """The files of all views of a service.

    Args:
        root: Directory of the files; created if missing.
        durable: Whether the files of snapshots survive a power failure.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._current = root / "current"
        self._current.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._cache: OrderedDict[int, _CachedFile] = OrderedDict()

    def _get_path(self, name: str) -> Path:
        """Return the path of the file of a snapshot."""
        return self._root / f"{name}.db"

    def _get_current_path(self, name: str) -> Path:
        return self._current / f"{name}.db"

    def write(
        self, column_ids: Sequence[int], rows: Iterable[ViewRow], text_columns: Sequence[int]
    ) -> tuple[ViewFile, list[int]]:
        """Write rows to a new file. Delete the file if writing fails.

        Args:
            column_ids: Columns of the rows.
            rows: The rows. They are read one at a time.
            text_columns: IDs of columns with text.

        Returns:
            The file, and the length of the longest text of each text column in UTF-16 units.
        """
        name = uuid.uuid4().hex
        digest = hashlib.sha256()
        benefactor_ids: set[Any] = set()

        def iter_rows() -> Iterator[ViewRow]:
            for row in rows:
                digest.update(repr(row).encode())
                benefactor_ids.add(row[_BENEFACTOR_INDEX])
                yield row

        columns = [*_FIXED_COLUMNS, *(f"c{each}" for each in column_ids)]
        marks = ", ".join("?" * len(columns))
        try:
            with closing(_connect(self._get_current_path(name), "rwc")) as connection:
                connection.execute("PRAGMA journal_mode=OFF")
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute(f"CREATE TABLE live ({', '.join(columns)})")
                connection.execute("BEGIN")
                connection.executemany(f"INSERT INTO live VALUES ({marks})", iter_rows())
                connection.execute("COMMIT")
                lengths = _get_text_lengths(connection, text_columns)
        except BaseException:
            self.delete(name)
            raise
        file = ViewFile(name, tuple(column_ids), tuple(sorted(benefactor_ids)), digest.hexdigest())
        return file, lengths

    def exists(self, name: str) -> bool:
        """Return whether a file exists."""
        return self._get_path(name).exists()

    @contextmanager
    def open(self, name: str) -> Iterator[sqlite3.Connection]:
        """Open a file for reading."""
        with closing(_connect(self._get_path(name), "ro&immutable=1")) as connection:
            yield connection

    @contextmanager
    def open_current(
        self,
        view_id: int,
        is_current: Callable[[Any], bool],
        create: Callable[[], tuple[Any, ViewFile]],
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[ViewFile, sqlite3.Connection]]:
        """Open the current rows of a view. Create the file if the cache has no up-to-date file.

        Concurrent callers for the same view share the new file. Callers for other views do not
        wait.

        Args:
            view_id: Entity ID of the view.
            is_current: Returns whether a state that `create` returned is still up to date.
            create: Function that creates a file. It returns the state of the rows and the file.
            check: Called regularly while another caller creates the file; raises an exception to
                stop waiting.
        """
        with self._guard:
            lock = self._locks[view_id]
        with _acquired(lock, check):
            opened = self._open_cached(view_id, is_current)
            if opened is None:
                opened = self._add_to_cache(view_id, _CachedFile(*create()))
        file, connection = opened
        with closing(connection):
            yield file, connection

    def _open_cached(
        self, view_id: int, is_current: Callable[[Any], bool]
    ) -> tuple[ViewFile, sqlite3.Connection] | None:
        with self._guard:
            cached = self._cache.get(view_id)
            if cached is None or not is_current(cached.state):
                return None
            self._cache.move_to_end(view_id)
            path = self._get_current_path(cached.file.name)
            return cached.file, _connect(path, "ro&immutable=1")

    def _add_to_cache(
        self, view_id: int, cached: _CachedFile
    ) -> tuple[ViewFile, sqlite3.Connection]:
        """Cache a file and delete evicted files. Open connections can still read deleted files."""
        with self._guard:
            replaced = self._cache.pop(view_id, None)
            evicted = [] if replaced is None else [replaced]
            self._cache[view_id] = cached
            while len(self._cache) > MAX_CACHED:
                evicted.append(self._cache.popitem(last=False)[1])
            for each in evicted:
                self.delete(each.file.name)
            path = self._get_current_path(cached.file.name)
            return cached.file, _connect(path, "ro&immutable=1")

    def copy(self, connection: sqlite3.Connection) -> str:
        """Copy an open file, flush the copy to disk, and return the name of the copy.

        Call `confirm` after the transaction that refers to the copy.
        """
        name = uuid.uuid4().hex
        path = self._get_current_path(name)
        try:
            with closing(_connect(path, "rwc")) as target:
                target.execute("PRAGMA journal_mode=OFF")
                target.execute("PRAGMA synchronous=OFF")  # `_sync` flushes the file
                connection.backup(target, pages=1000)
            self._sync(path, os.O_RDWR)
            self._get_path(name).hardlink_to(path)
            self._sync(self._root, os.O_RDONLY)
        except BaseException:
            self.delete(name)
            raise
        return name

    def _sync(self, path: Path, flags: int) -> None:
        if self._durable:
            _sync(path, flags)

    def delete(self, name: str) -> None:
        """Delete a file. If the deletion fails, the next start of the service deletes the file."""
        with suppress(OSError):
            self._get_path(name).unlink(missing_ok=True)
            self._get_current_path(name).unlink(missing_ok=True)

    def confirm(self, name: str) -> None:
        """Mark the file of a snapshot as committed, so that the next start does not delete it."""
        with suppress(OSError):
            self._get_current_path(name).unlink(missing_ok=True)

    def sweep(self, wanted: set[str], unused: set[str]) -> int:
        """Delete current rows and unused files.

        Call this method before the service accepts requests. All other files are kept, because
        the database may be older than these files.

        Args:
            wanted: Names of the files to keep.
            unused: Names of files that became unused.

        Returns:
            The number of deleted files.
        """
        current = [path for path in self._current.iterdir() if _NAME.match(path.name)]
        names = (unused | {path.stem for path in current}) - wanted
        deleted = [path for path in map(self._get_path, names) if path.is_file()]
        for path in (*current, *deleted):
            path.unlink()
        return len(current) + len(deleted)


def _get_text_lengths(connection: sqlite3.Connection, text_columns: Sequence[int]) -> list[int]:
    if not text_columns:
        return []
    connection.create_function("utf16_length", 1, _get_length, deterministic=True)
    lengths = ", ".join(f"max(utf16_length(c{each}))" for each in text_columns)
    return [each or 0 for each in connection.execute(f"SELECT {lengths} FROM live").fetchone()]


def _get_length(cell: Any) -> int | None:
    """Return the length of a text in UTF-16 units; None for null."""
    return None if cell is None else len(str(cell).encode("utf-16-le", "surrogatepass")) // 2


@contextmanager
def _acquired(lock: threading.Lock, check: Callable[[], None]) -> Iterator[None]:
    """Acquire a lock, and call a function regularly while waiting for the lock."""
    while not lock.acquire(timeout=_WAIT_SECONDS):
        check()
    try:
        yield
    finally:
        lock.release()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
