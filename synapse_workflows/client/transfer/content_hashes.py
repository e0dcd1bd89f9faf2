"""MD5s of a file and of its parts, computed in one pass over the file."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.transfer.part_plan import Part
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import MiB

if TYPE_CHECKING:
    from concurrent.futures import Future

_BLOCK_SIZE: Final = MiB
#: Maximum number of blocks that were read but are not included in the MD5 of their part yet.
_MAX_PENDING: Final = 4


@dataclass(frozen=True, slots=True)
class ContentHashes:
    """MD5s in hex.

    Attributes:
        md5: MD5 of the whole file.
        part_md5s: MD5 of each part, in order.
    """

    md5: str
    part_md5s: tuple[str, ...]


def compute_hashes(source: UploadSource, parts: Iterable[Part]) -> ContentHashes:
    """Compute the MD5s of a file and of its parts.

    Each block is read once, and therefore the MD5s refer to the same content even if the file is
    changed at the same time. A second thread computes the MD5s of the parts.

    Args:
        source: The file.
        parts: All parts of the file, in order.

    Raises:
        SynapseUploadFailedException: The file is shorter than the parts, or was changed.
        OSError: The file cannot be read.
    """
    parts = tuple(parts)
    whole = hashlib.md5(usedforsecurity=False)
    if len(parts) == 1:
        for block in _iter_blocks(source, parts):
            whole.update(block.data)
        source.require_unchanged()
        return ContentHashes(whole.hexdigest(), (whole.hexdigest(),))
    part_hashes = [hashlib.md5(usedforsecurity=False) for _ in parts]
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="synapse-md5") as pool:
        for block in _iter_blocks(source, parts):
            pending.append(pool.submit(part_hashes[block.index].update, block.data))
            whole.update(block.data)
            if len(pending) > _MAX_PENDING:
                pending.popleft().result()
    source.require_unchanged()
    return ContentHashes(whole.hexdigest(), tuple(each.hexdigest() for each in part_hashes))


@dataclass(frozen=True, slots=True)
class _Block:
    """Bytes of one part.

    Attributes:
        index: Index of the part.
        data: The bytes.
    """

    index: int
    data: bytes


def _iter_blocks(source: UploadSource, parts: Iterable[Part]) -> Iterator[_Block]:
    with source.path.open("rb", buffering=0) as file:
        for index, part in enumerate(parts):
            remaining = part.size
            while remaining:
                data = file.read(min(_BLOCK_SIZE, remaining))
                if not data:
                    raise source.truncated_error()
                yield _Block(index, data)
                remaining -= len(data)
