"""Bytes on disk: all or nothing, and readable in any range."""

import hashlib
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows.local.storage.blobs import BlobStore


def files_below(root):
    return [path for path in root.rglob("*") if path.is_file()]


def keep(blobs, data):
    with blobs.draft() as draft:
        draft.write(data)
        return draft.keep()


def test_what_was_kept_is_read_again_by_another_instance(tmp_path):
    with BlobStore(tmp_path).draft() as draft:
        draft.write(b"hello, ")
        draft.write(b"world")
        piece = draft.keep()
    assert (piece.size, draft.md5) == (12, hashlib.md5(b"hello, world").hexdigest())
    assert b"".join(BlobStore(tmp_path).read([piece])) == b"hello, world"


def test_what_was_not_kept_leaves_nothing(tmp_path):
    with BlobStore(tmp_path).draft() as draft:
        draft.write(b"half")
        assert len(files_below(tmp_path)) == 1
    assert files_below(tmp_path) == []


def test_an_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(TypeError), BlobStore(tmp_path).draft() as draft:
        draft.write("text")
    assert files_below(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    blobs = BlobStore(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            keep(blobs, bytes(120_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_below(tmp_path) == []


def test_removing_twice_is_fine(tmp_path):
    blobs = BlobStore(tmp_path)
    piece = keep(blobs, b"x")
    blobs.remove([piece.name])
    blobs.remove([piece.name])
    assert files_below(tmp_path) == []


def test_a_sweep_removes_drafts_and_what_nobody_wants(tmp_path):
    blobs = BlobStore(tmp_path)
    wanted, unwanted = keep(blobs, b"wanted"), keep(blobs, b"unwanted")
    with blobs.draft() as draft:
        draft.write(b"half")
        assert blobs.sweep({wanted.name}) == 2
    assert [path.name for path in files_below(tmp_path)] == [wanted.name]
    with pytest.raises(FileNotFoundError):
        list(blobs.read([unwanted]))


def test_a_file_that_lost_its_end_is_not_read_as_if_whole(tmp_path):
    blobs = BlobStore(tmp_path)
    piece = keep(blobs, b"0123456789")
    next(path for path in files_below(tmp_path)).write_bytes(b"0123")
    with pytest.raises(EOFError):
        list(blobs.read([piece]))


def test_what_is_read_comes_in_chunks_of_bounded_size(tmp_path):
    blobs = BlobStore(tmp_path)
    piece = keep(blobs, bytes(3_000_000))
    lengths = [len(chunk) for chunk in blobs.read([piece])]
    assert sum(lengths) == 3_000_000
    assert max(lengths) <= 1 << 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 110), st.integers(0, 110))
def test_any_range_over_any_pieces_is_the_range_of_the_whole(parts, first, last):
    with TemporaryDirectory() as root:
        blobs = BlobStore(Path(root))
        pieces = [keep(blobs, part) for part in parts]
        whole = b"".join(parts)
        assert b"".join(blobs.read(pieces, first, last)) == whole[first : last + 1]
        assert b"".join(blobs.read(pieces)) == whole
        assert blobs.md5(pieces) == hashlib.md5(whole).hexdigest()
