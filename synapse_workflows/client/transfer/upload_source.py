"""A file that is being uploaded: what it is, that it stays so, and its parts as request bodies."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests
from requests.auth import AuthBase

from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer.executor import Halt
from synapse_workflows.client.transfer.part_plan import Part


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was when its upload began.

    Attributes:
        path: Where it is.
        size: Bytes.
        modified: When it was changed last, in nanoseconds since 1970.
        inode: Which file it is, whatever its name.
    """

    path: Path
    size: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "Source":
        """Look at a file.

        Raises:
            FileNotFoundError: There is none.
            IsADirectoryError: It is a directory.
            ValueError: It is empty.
        """
        whole = Path(path).expanduser().absolute()
        if whole.is_dir():
            raise IsADirectoryError(f"{whole} is a directory; only files can be uploaded")
        if not whole.exists():
            raise FileNotFoundError(f"There is no file {whole} to upload")
        facts = whole.stat()
        if not facts.st_size:
            raise ValueError(f"{whole} is empty; Synapse stores files of at least one byte")
        return cls(whole, facts.st_size, facts.st_mtime_ns, facts.st_ino)

    def require_unchanged(self) -> None:
        """Check that the file is still what it was.

        Raises:
            SynapseUploadFailedException: It is not.
        """
        try:
            facts = self.path.stat()
            same = (self.size, self.modified, self.inode) == (
                facts.st_size,
                facts.st_mtime_ns,
                facts.st_ino,
            )
        except OSError:
            same = False
        if not same:
            raise SynapseUploadFailedException(
                f"{self.path} was changed or removed while it was being uploaded. "
                "Upload it again when nobody writes to it."
            )


class PartBody(AuthBase):
    """One part as the body of a request: read block by block while it is sent.

    It is handed to requests as the request's `auth`, which may change the request before each
    try: so each begins at the beginning, and nobody's name goes to the storage.

    Args:
        source: The file.
        part: Which bytes of it.
        halt: The end of the transfer, which the next block notices.
        moved: Is told of each block.
    """

    def __init__(
        self, source: Source, part: Part, halt: Halt, moved: Callable[[int], None]
    ) -> None:
        self._source = source
        self._part = part
        self._halt = halt
        self._moved = moved
        self._file = source.path.open("rb", buffering=0)
        self._sent = 0
        self._digest = hashlib.md5()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Become the body of a request."""
        self.undo()
        self._file.seek(self._part.start)
        self._digest = hashlib.md5()
        request.headers.pop("Authorization", None)
        request.body = self  # type: ignore[assignment]  # requests takes anything with `read`
        return request

    def __len__(self) -> int:
        return self._part.size

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, at most `size`; all that are left when it is negative.

        Raises:
            SynapseUploadFailedException: The file cannot be read, or is shorter than it was.
            HaltedError: The transfer has ended.
        """
        self._halt.check()
        left = self._part.size - self._sent
        wanted = left if size < 0 else min(size, left)
        try:
            data = self._file.read(wanted)
        except OSError as error:
            raise SynapseUploadFailedException(
                f"{self._source.path} cannot be read: {error}"
            ) from error
        if wanted and not data:
            self._source.require_unchanged()
            raise SynapseUploadFailedException(f"{self._source.path} ended too early")
        self._digest.update(data)
        self._sent += len(data)
        self._moved(len(data))
        return data

    @property
    def md5(self) -> str:
        """MD5 of the bytes that were sent, in hex."""
        return self._digest.hexdigest()

    def undo(self) -> None:
        """Take back what was told of a try that failed."""
        self._moved(-self._sent)
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
