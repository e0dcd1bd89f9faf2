"""How a file is cut into parts: pure arithmetic, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass

from synapse_workflows import constants


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a file: bytes `start` up to, not including, `end`.

    Attributes:
        number: Counted from 1, as Synapse counts the parts of a multipart upload.
        start: Offset of its first byte.
        end: Offset after its last byte.
    """

    number: int
    start: int
    end: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start


def part_size(file_size: int, asked: int | None = None) -> int:
    """Choose the bytes per part of an upload: as asked, within what Synapse accepts.

    Args:
        file_size: Bytes of the whole file.
        asked: Wanted bytes per part; 8 MiB when not given.
    """
    least = -(-file_size // constants.MAX_PARTS)
    return max(asked or constants.DEFAULT_PART_SIZE, constants.MIN_PART_SIZE, least)


def parts(file_size: int, size: int) -> tuple[Part, ...]:
    """Cut `file_size` bytes into consecutive parts of `size` bytes; the last may be shorter."""
    starts = range(0, file_size, size)
    return tuple(
        Part(number, start, min(start + size, file_size)) for number, start in enumerate(starts, 1)
    )


def outstanding(all_parts: Iterable[Part], parts_state: str) -> tuple[Part, ...]:
    """Keep the parts that the service does not have yet.

    Args:
        all_parts: The parts of the upload.
        parts_state: One character per part, "1" where the service has it; what a shorter text
            does not mention is missing.
    """
    return tuple(part for part in all_parts if parts_state[part.number - 1 : part.number] != "1")


def range_header(start: int, end: int | None) -> str:
    """Write the HTTP range of bytes `start` up to, not including, `end`; None: to the last."""
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
