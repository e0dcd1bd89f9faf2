"""Progress display of transfers: a bar in a terminal, log lines elsewhere, or nothing."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from synapse_workflows.client.core.session import Session

#: Minimum seconds between two log lines. After this time, a line is written if at least the share
#: `MIN_SHARE` of the file was transferred since the last line.
MIN_INTERVAL: Final = 10.0
MIN_SHARE: Final = 0.1
#: Maximum seconds between two log lines.
MAX_INTERVAL: Final = 120.0


class Progress(Protocol):
    """Receiver of progress. Thread-safe."""

    def advance(self, size: int) -> None:
        """Add `size` transferred bytes; `size` is negative when a part is restarted."""


@contextmanager
def show_progress(
    syn: Session,
    label: str,
    done_label: str,
    total: int | None,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Progress]:
    """Show the progress of a transfer during the block.

    Args:
        syn: Session whose `silent` setting and logger are used.
        label: Text during the transfer, for example "Uploading raw.csv".
        done_label: Text after the transfer, for example "Uploaded raw.csv".
        total: Size in bytes; None if unknown.
        stream: Stream for the bar, if it is a terminal; standard error by default.
        clock: Returns the time in seconds.
    """
    stream = stream or sys.stderr
    if syn.silent:
        yield NoProgress()
    elif stream is not None and stream.isatty():
        with draw_bar(label, total, stream) as drawn:
            yield drawn
    else:
        lines = ProgressLog(syn.logger.info, label, done_label, total, clock)
        yield lines
        lines.end()


class NoProgress:
    """Progress of a silent client, which displays nothing."""

    def advance(self, size: int) -> None:
        """Ignore the progress."""


class ProgressBar:
    """Progress bar of tqdm, made thread-safe.

    Args:
        update: Adds a number of bytes to the bar.
    """

    def __init__(self, update: Callable[[float], object]) -> None:
        self._lock = threading.Lock()
        self._update = update

    def advance(self, size: int) -> None:
        """Add transferred bytes to the bar."""
        with self._lock:
            self._update(size)


@contextmanager
def draw_bar(label: str, total: int | None, stream: TextIO) -> Generator[ProgressBar]:
    """Draw a bar during the block."""
    from tqdm import tqdm

    with tqdm(total=total, desc=label, unit="B", unit_scale=True, file=stream) as drawn:
        yield ProgressBar(drawn.update)


class ProgressLog:
    """Progress as log lines: a few lines during the transfer, and one line at the end.

    Args:
        write: Writes one line.
        label: See `show_progress`.
        done_label: See `show_progress`.
        total: Size in bytes, if known.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        label: str,
        done_label: str,
        total: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._write, self._label, self._done_label, self._total = write, label, done_label, total
        self._clock = clock
        self._lock = threading.Lock()
        self._count = self._logged = 0
        self._started_at = self._logged_at = clock()

    def advance(self, size: int) -> None:
        """Count transferred bytes, and write a line if one is due."""
        with self._lock:
            self._count += size
            line = self._line() if self._is_due() else None
        if line is not None:
            self._write(line)

    def end(self) -> None:
        """Write the final line."""
        seconds = self._clock() - self._started_at
        self._write(f"{self._done_label}: {format_size(self._count)} in {seconds:.1f} s")

    def _is_due(self) -> bool:
        interval = self._clock() - self._logged_at
        is_enough = self._count - self._logged >= MIN_SHARE * (self._total or 0)
        return interval >= MIN_INTERVAL and (is_enough or interval >= MAX_INTERVAL)

    def _line(self) -> str:
        now = self._clock()
        speed = format_size((self._count - self._logged) / (now - self._logged_at))
        self._logged, self._logged_at = self._count, now
        if not self._total:
            return f"{self._label}: {format_size(self._count)}, {speed}/s"
        share = self._count / self._total
        return f"{self._label}: {share:.0%} of {format_size(self._total)}, {speed}/s"


def format_size(size: float) -> str:
    """Format a number of bytes with a unit and about three digits, for example ``1.25 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.5 or unit == "TB":  # noqa: PLR2004 - 999.9 would be formatted as 1000
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
