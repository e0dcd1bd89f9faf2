"""Division of a file into parts. Pure functions without I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from synapse_workflows import constants

#: Size of a part in bytes if the caller requests none.
DEFAULT_PART_SIZE: Final = 8 * constants.MiB


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file: the bytes from `start` up to, but not including, `end`.

    Attributes:
        number: Part number as in a multipart upload of Synapse, counted from 1.
        start: Offset of the first byte.
        end: Offset after the last byte.
    """

    number: int
    start: int
    end: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.end - self.start


def choose_part_size(file_size: int, requested: int | None = None) -> int:
    """Choose the part size of an upload within the limits of Synapse.

    Args:
        file_size: Size of the file in bytes.
        requested: Requested part size in bytes; 8 MiB by default.
    """
    minimum = -(-file_size // constants.MAX_PARTS)
    return max(requested or DEFAULT_PART_SIZE, constants.MIN_PART_SIZE, minimum)


def split_into_parts(file_size: int, size: int) -> tuple[Part, ...]:
    """Split `file_size` bytes into consecutive parts of `size` bytes; the last may be shorter."""
    starts = range(0, file_size, size)
    return tuple(
        Part(number, start, min(start + size, file_size)) for number, start in enumerate(starts, 1)
    )


def missing_parts(all_parts: Iterable[Part], parts_state: str) -> tuple[Part, ...]:
    """Return the parts that the service has not received yet.

    Args:
        all_parts: The parts of the upload.
        parts_state: One character per part: "1" if the part was received. A part without a
            character is missing.
    """
    return tuple(part for part in all_parts if parts_state[part.number - 1 : part.number] != "1")


def range_header(start: int, end: int | None) -> str:
    """Return the Range header for bytes `start` up to, but not including, `end`.

    Args:
        start: Offset of the first byte.
        end: Offset after the last byte; None for the end of the file.
    """
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
