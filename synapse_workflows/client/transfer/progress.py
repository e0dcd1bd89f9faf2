"""What a person sees of a transfer: a bar in a terminal, a few lines in a log, or nothing."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from synapse_workflows.client.core.session import Session

#: A log line comes when this much time (s) has passed and this share of the file has moved...
SECONDS: Final = 10.0
SHARE: Final = 0.1
#: ... or when the log was silent for so long (s).
SILENCE: Final = 120.0


class Progress(Protocol):
    """Is told of each block. Safe among threads."""

    def moved(self, size: int) -> None:
        """Count `size` bytes more; fewer when it is negative, as a part is begun anew."""


@contextmanager
def shown(
    syn: Session,
    doing: str,
    done: str,
    total: int | None,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Progress]:
    """Show a transfer while the block runs.

    Args:
        syn: Whose it is: says whether to be silent, and has the logger.
        doing: What goes on, as "Uploading raw.csv".
        done: What has happened at the end, as "Uploaded raw.csv".
        total: Bytes to move; None when that is not known.
        stream: Where a bar is drawn, if it is a terminal; standard error when not given.
        clock: Seconds.
    """
    stream = stream or sys.stderr
    if syn.silent:
        yield Nothing()
    elif stream is not None and stream.isatty():
        with bar(doing, total, stream) as drawn:
            yield drawn
    else:
        lines = LogLines(syn.logger.info, doing, done, total, clock)
        yield lines
        lines.end()


class Nothing:
    """The progress of a silent client."""

    def moved(self, size: int) -> None:
        """Take no notice."""


class Bar:
    """A bar of tqdm, one thread at a time.

    Args:
        update: Adds bytes to the bar.
    """

    def __init__(self, update: Callable[[float], object]) -> None:
        self._guard = threading.Lock()
        self._update = update

    def moved(self, size: int) -> None:
        """Draw what has moved."""
        with self._guard:
            self._update(size)


@contextmanager
def bar(doing: str, total: int | None, stream: TextIO) -> Generator[Bar]:
    """Draw a bar while the block runs."""
    from tqdm import tqdm

    with tqdm(total=total, desc=doing, unit="B", unit_scale=True, file=stream) as drawn:
        yield Bar(drawn.update)


class LogLines:
    """Lines in a log: sparse, and one at the end.

    Args:
        write: Writes one line.
        doing: As for `shown`.
        done: As for `shown`.
        total: Bytes to move, if known.
        clock: Seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        doing: str,
        done: str,
        total: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._write, self._doing, self._done, self._total = write, doing, done, total
        self._clock = clock
        self._guard = threading.Lock()
        self._count = self._told = 0
        self._began = self._told_at = clock()

    def moved(self, size: int) -> None:
        """Count, and write a line if it is time."""
        with self._guard:
            self._count += size
            line = self._line() if self._due() else None
        if line is not None:
            self._write(line)

    def end(self) -> None:
        """Write the last line."""
        seconds = self._clock() - self._began
        self._write(f"{self._done}: {human(self._count)} in {seconds:.1f} s")

    def _due(self) -> bool:
        quiet = self._clock() - self._told_at
        enough = self._count - self._told >= SHARE * (self._total or 0)
        return quiet >= SECONDS and (enough or quiet >= SILENCE)

    def _line(self) -> str:
        now = self._clock()
        speed = human((self._count - self._told) / (now - self._told_at))
        self._told, self._told_at = self._count, now
        if not self._total:
            return f"{self._doing}: {human(self._count)}, {speed}/s"
        share = self._count / self._total
        return f"{self._doing}: {share:.0%} of {human(self._total)}, {speed}/s"


def human(size: float) -> str:
    """Write a number of bytes for people: three digits or so, and a unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.5 or unit == "TB":  # noqa: PLR2004 - 999.9 would be written as 1000
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
