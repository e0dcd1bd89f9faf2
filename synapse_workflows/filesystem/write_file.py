"""Files opened for writing."""

import io
import logging
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Self

_log: Final = logging.getLogger(__name__)


class SynapseWriteFile(io.BufferedIOBase):
    """A temporary file that is stored in Synapse when it is closed.

    Nothing is stored if the file is closed because of an exception, or if it is never closed.

    Args:
        path: Path of the entity, without protocol.
        name: Name of the temporary file, which becomes the name of the file in Synapse.
        store: Stores the complete temporary file.
        autocommit: Whether `close` stores the file; False to wait for `commit`, in a transaction
            of fsspec.
        compress: Wraps the temporary file to compress its content.
    """

    mode = "wb"

    def __init__(
        self,
        path: str,
        name: str,
        store: Callable[[Path], object],
        *,
        autocommit: bool = True,
        compress: Callable[[IO[bytes]], IO[bytes]] | None = None,
    ) -> None:
        self.path = path
        self.autocommit = autocommit
        self._store = store
        self._folder = Path(tempfile.mkdtemp(prefix="synapse-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._file = self._folder / name
        self._raw = self._file.open("wb")
        self._stream = self._raw if compress is None else compress(self._raw)
        self._outer_exception = sys.exception()
        self._is_closed = False
        self._is_abandoned = False

    @property
    def closed(self) -> bool:
        """Whether the file was closed or discarded."""
        return self._is_closed

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the position can be changed; False for a compressed file."""
        return self._stream.seekable()

    def write(self, data: Any) -> int:
        """Write bytes; return their number."""
        return self._stream.write(data)

    def flush(self) -> None:
        """Write buffered data to the temporary file. Nothing is stored yet."""
        if not self._is_closed:
            self._stream.flush()

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._stream.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position in bytes; return it."""
        return self._stream.seek(offset, whence)

    def close(self) -> None:
        """Store the file, unless an exception has occurred since it was opened.

        Raises:
            SynapseError: Synapse does not accept the file.
        """
        if self._is_closed:
            return
        error = sys.exception()
        if self._is_abandoned or (error is not None and error is not self._outer_exception):
            self.discard()
            reason = "it was not closed" if error is None else f"of {type(error).__name__}"
            _log.warning("syn://%s was not stored because %s", self.path, reason)
            return
        self._close_stream()
        if self.autocommit:
            self.commit()

    def commit(self) -> None:
        """Store the file. Called by `close`, or at the end of a transaction."""
        try:
            self._store(self._file)
        finally:
            self._remove()

    def discard(self) -> None:
        """Delete the temporary file and store nothing."""
        if not self._is_closed:
            self._close_stream()
        self._remove()

    def require_closed(self) -> None:
        """Check that the file was closed, by code and not by the garbage collector.

        Raises:
            ValueError: The file was not closed.
        """
        if self._is_abandoned or not self._is_closed:
            self.discard()
            raise ValueError(
                f"syn://{self.path} was opened for writing and not closed, so nothing was stored. "
                "Open it in a with block, or call close()."
            )

    def _close_stream(self) -> None:
        self._is_closed = True
        self._stream.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, *_details: object) -> None:
        if exc_type is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not getattr(self, "_is_closed", True):
            self.discard()
            _log.warning("syn://%s was not closed, so nothing was stored", self.path)

    def _dealloc_warn(self, _source: object) -> None:
        """Mark the file as not closed: the garbage collector closes a text file around it.

        Python calls this method of the wrapped file before it closes an unreachable text file.
        """
        self._is_abandoned = True


class SynapseTextFile(io.TextIOWrapper):
    """Text file that stores nothing if a with block ends with an exception."""

    def __exit__(self, exc_type: object, *_details: object) -> None:
        if exc_type is not None and isinstance(self.buffer, SynapseWriteFile):
            self.buffer.discard()
        else:
            self.close()
