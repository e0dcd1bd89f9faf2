"""Stored file content: atomic writes, ranges, clean-up."""

import hashlib
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows.local.storage.blobs import BlobStore


def list_files(root):
    return [path for path in root.rglob("*") if path.is_file()]


def write(blobs, data):
    with blobs.create() as writer:
        writer.write(data)
        return writer.commit()


def test_committed_file_is_readable_by_another_store(tmp_path):
    with BlobStore(tmp_path).create() as writer:
        writer.write(b"hello, ")
        writer.write(b"world")
        file = writer.commit()
    assert (file.size, writer.md5) == (12, hashlib.md5(b"hello, world").hexdigest())
    assert b"".join(BlobStore(tmp_path).read([file])) == b"hello, world"


def test_uncommitted_file_is_discarded(tmp_path):
    with BlobStore(tmp_path).create() as writer:
        writer.write(b"half")
        assert len(list_files(tmp_path)) == 1
    assert list_files(tmp_path) == []


def test_error_while_writing_discards_the_file(tmp_path):
    with pytest.raises(TypeError), BlobStore(tmp_path).create() as writer:
        writer.write("text")
    assert list_files(tmp_path) == []


def test_full_disk_discards_the_file(tmp_path):
    blobs = BlobStore(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write(blobs, bytes(120_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list_files(tmp_path) == []


def test_delete_ignores_missing_files(tmp_path):
    blobs = BlobStore(tmp_path)
    file = write(blobs, b"x")
    blobs.delete([file.name])
    blobs.delete([file.name])
    assert list_files(tmp_path) == []


def test_sweep_deletes_drafts_and_unused_files_only(tmp_path):
    blobs = BlobStore(tmp_path)
    wanted, unused, unknown = (write(blobs, text) for text in (b"wanted", b"unused", b"unknown"))
    with blobs.create() as writer:
        writer.write(b"half")
        assert blobs.sweep({wanted.name}, {unused.name, wanted.name}) == 2
    names = {path.name for path in list_files(tmp_path)}
    assert names == {wanted.name, unknown.name}
    with pytest.raises(FileNotFoundError):
        list(blobs.read([unused]))


@pytest.mark.parametrize("is_referenced", [True, False])
def test_sweep_decides_about_a_file_whose_transaction_did_not_end(tmp_path, is_referenced):
    blobs = BlobStore(tmp_path)
    with blobs.create() as writer:
        writer.write(b"content")
        file = writer.commit()
        blobs.sweep({file.name} if is_referenced else set(), set())
        assert len(list_files(tmp_path)) == is_referenced


def test_read_of_a_truncated_file_raises(tmp_path):
    blobs = BlobStore(tmp_path)
    file = write(blobs, b"0123456789")
    next(path for path in list_files(tmp_path)).write_bytes(b"0123")
    with pytest.raises(EOFError):
        list(blobs.read([file]))


def test_read_returns_chunks_of_bounded_size(tmp_path):
    blobs = BlobStore(tmp_path)
    file = write(blobs, bytes(3_000_000))
    lengths = [len(chunk) for chunk in blobs.read([file])]
    assert sum(lengths) == 3_000_000
    assert max(lengths) <= 1 << 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 110), st.integers(0, 110))
def test_read_of_a_range_over_several_files_returns_the_bytes_of_the_range(parts, first, last):
    with TemporaryDirectory() as root:
        blobs = BlobStore(Path(root))
        files = [write(blobs, part) for part in parts]
        content = b"".join(parts)
        assert b"".join(blobs.read(files, first, last)) == content[first : last + 1]
        assert b"".join(blobs.read(files)) == content
        assert blobs.compute_md5(files) == hashlib.md5(content).hexdigest()
