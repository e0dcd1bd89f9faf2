"""MD5s of a file and of its parts."""

import hashlib
import os

import pytest

from synapse_workflows.client.errors import SynapseUploadFailedException
from synapse_workflows.client.transfer.content_hashes import compute_hashes
from synapse_workflows.client.transfer.part_plan import split_into_parts
from synapse_workflows.client.transfer.upload_source import UploadSource

MiB = 1 << 20


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize(
    ("size", "part_size"),
    [(1, 100), (100, 100), (101, 100), (3 * MiB, MiB), (7 * MiB + 3, 2 * MiB - 5), (MiB, 1000)],
)
def test_hashes_of_a_file_and_its_parts(tmp_path, size, part_size):
    path = tmp_path / "data.bin"
    data = os.urandom(size)
    path.write_bytes(data)
    hashes = compute_hashes(UploadSource.of(path), split_into_parts(size, part_size))
    assert hashes.md5 == md5(data)
    starts = range(0, size, part_size)
    assert hashes.part_md5s == tuple(md5(data[start : start + part_size]) for start in starts)


@pytest.mark.parametrize("part_size", [50, 100])
@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 99), os.utime, os.unlink])
def test_changed_file_raises(tmp_path, part_size, change):
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(100))
    os.utime(path, (1, 1))
    source = UploadSource.of(path)
    change(path)
    with pytest.raises((SynapseUploadFailedException, FileNotFoundError), match=str(path)):
        compute_hashes(source, split_into_parts(100, part_size))
