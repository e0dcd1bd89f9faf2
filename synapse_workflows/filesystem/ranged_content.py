"""Content of a large file, of which only the requested ranges are read."""

import io
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import IO, Any, Final

from synapse_workflows.client.transfer.download_parts import RangesNotSupportedError
from synapse_workflows.client.transfer.range_reader import RangeReader

#: Share of a file that is read by ranges; after this, the whole file is downloaded.
_MAX_SHARE: Final = 1 / 8


class RangedContent(io.RawIOBase):
    """Unbuffered content of a file: read by ranges at first, and then from the downloaded file.

    As soon as more than an eighth of the file is requested, the whole file is downloaded and its
    MD5 verified. A file that is read to its end costs little more than its download.

    Args:
        ranges: Reads ranges of the file.
        size: Size of the file in bytes.
        open_whole: Downloads the file with a verified MD5, and opens it.
    """

    def __init__(
        self, ranges: RangeReader, size: int, open_whole: Callable[[], IO[bytes]]
    ) -> None:
        self._ranges = ranges
        self._size = size
        self._open_whole = open_whole
        self._whole: IO[bytes] | None = None
        self._position = 0
        self._requested = 0
        self._lock = Lock()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position in bytes; return it."""
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in origins:
            raise ValueError(f"Invalid whence {whence!r}: expected 0, 1 or 2.")
        position = origins[whence] + offset
        if position < 0:
            raise ValueError(f"Invalid offset {offset}: the position {position} is negative.")
        self._position = position
        return position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return their number.

        Raises:
            SynapseDownloadError: The file could not be read.
            SynapseMd5MismatchError: The whole file was downloaded, and has another MD5.
        """
        with memoryview(buffer).cast("B") as view:
            data = self._read(len(view))
            view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Read all bytes after the position. Raises the errors of `readinto`."""
        return self._read(self._size)

    def close(self) -> None:
        """Close the file."""
        if self._whole is not None:
            self._whole.close()
        super().close()

    def _read(self, size: int) -> bytes:
        with self._lock:
            start = self._position
            end = min(start + size, self._size)
            if end <= start:
                return b""
            data = self._read_range(start, end)
            self._position = start + len(data)
            return data

    def _read_range(self, start: int, end: int) -> bytes:
        self._requested += end - start
        if self._whole is None and self._requested <= self._size * _MAX_SHARE:
            with suppress(RangesNotSupportedError):
                return self._ranges.read(start, end)
        if self._whole is None:
            self._whole = self._open_whole()
        self._whole.seek(start)
        return self._whole.read(end - start)
