"""Partial files: resume, move and disk space."""

import errno
import os
import threading
from pathlib import Path

import pytest

from synapse_workflows.client.errors import SynapseDownloadError
from synapse_workflows.client.transfer.partial_file import (
    ExpectedContent,
    PartialFile,
    iter_free_names,
    remove_stale_locks,
)

CONTENT = ExpectedContent(size=20, md5="0" * 32, part_size=10)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data.csv"


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def start(target, content=CONTENT):
    partial = PartialFile(target, "7")
    return partial, partial.open(content)


def interrupted(target, *numbers):
    """Create the files of a download that was killed after some parts."""
    partial, _ = start(target)
    for number in numbers:
        partial.write(b"0123456789", 10 * (number - 1))
        partial.mark_complete(number)
    partial.close()


def test_parts_can_be_written_in_any_order(target):
    partial, there = start(target)
    partial.write(b"second", 5)
    partial.write(b"first", 0)
    assert there == frozenset()
    assert partial.move_to_target(overwrite=False) == target
    assert target.read_bytes() == b"firstsecond"
    assert names_in(target.parent) == ["data.csv"]


def test_partial_file_has_another_name(target):
    partial, _ = start(target)
    assert not target.exists()
    assert partial.path.name == "data.csv.synapse_download_7"


def test_download_of_the_same_content_is_resumed(target):
    interrupted(target, 2)
    partial, there = start(target)
    assert there == {2}
    assert partial.is_resumed
    assert partial.path.read_bytes()[10:] == b"0123456789"


@pytest.mark.parametrize(
    "other",
    [
        None,
        ExpectedContent(size=21, md5="0" * 32, part_size=10),
        ExpectedContent(size=20, md5="1" * 32, part_size=10),
        ExpectedContent(size=20, md5="0" * 32, part_size=5),
    ],
)
def test_download_of_other_content_is_not_resumed(target, other):
    interrupted(target, 1)
    partial, there = start(target, other)
    assert there == frozenset()
    assert not partial.is_resumed
    assert partial.path.read_bytes() == b""


@pytest.mark.parametrize("text", ["", "garbage\n", '{"size": 20}\n1\n', "\xff"])
def test_invalid_list_of_parts_is_ignored(target, text):
    interrupted(target, 1)
    PartialFile(target, "7")._parts_path.write_text(text, encoding="latin-1")
    assert start(target)[1] == frozenset()


def test_partial_file_without_list_is_not_resumed(target):
    target.with_name("data.csv.synapse_download_7").write_bytes(b"half")
    partial, there = start(target)
    assert there == frozenset()
    assert partial.path.read_bytes() == b""


def fail_download(target, content, *, is_part_complete=False):
    """Start a download that ends with an error."""
    with PartialFile(target, "7") as partial:
        partial.open(content)
        partial.write(b"x", 0)
        if is_part_complete:
            partial.mark_complete(1)
        raise KeyError


def test_error_keeps_a_resumable_partial_file(target):
    with pytest.raises(KeyError):
        fail_download(target, CONTENT, is_part_complete=True)
    assert names_in(target.parent) == [
        "data.csv.synapse_download_7",
        "data.csv.synapse_download_7.parts",
    ]


@pytest.mark.parametrize(("content", "is_part_complete"), [(None, True), (CONTENT, False)])
def test_error_deletes_a_partial_file_that_cannot_be_resumed(target, content, is_part_complete):
    with pytest.raises(KeyError):
        fail_download(target, content, is_part_complete=is_part_complete)
    assert names_in(target.parent) == []


def test_error_before_open_keeps_an_existing_partial_file(target):
    interrupted(target, 1)
    with pytest.raises(KeyError), PartialFile(target, "7"):
        raise KeyError
    assert len(names_in(target.parent)) == 2


def test_move_to_target_uses_a_free_name(target):
    target.write_text("mine")
    target.with_name("data(1).csv").write_text("mine too")
    partial, _ = start(target)
    partial.write(b"theirs", 0)
    assert partial.move_to_target(overwrite=False).name == "data(2).csv"
    assert target.read_text() == "mine"


def test_move_to_target_overwrites_if_requested(target):
    target.write_text("theirs")
    partial, _ = start(target)
    partial.write(b"mine", 0)
    assert partial.move_to_target(overwrite=True) == target
    assert target.read_text() == "mine"


def test_iter_free_names_keeps_the_suffix(tmp_path):
    names = iter_free_names(tmp_path / "a.tar.gz")
    assert [next(names).name for _ in range(3)] == ["a.tar.gz", "a.tar(1).gz", "a.tar(2).gz"]


def test_second_download_waits_for_the_lock(target):
    first, second = PartialFile(target, "7"), PartialFile(target, "7")
    seen = []

    def other():
        with second.locked() as free:
            seen.append(free)

    with first.locked() as free:
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(10)
    assert (free, seen) == (True, [False])
    assert names_in(target.parent) == []


def test_require_space_raises_with_the_needed_size(target):
    with pytest.raises(SynapseDownloadError) as caught:
        PartialFile(target, "7").require_space(10**16)
    message = str(caught.value)
    assert str(target) in message
    assert "10000000000000000 bytes" in message
    assert "are free in" in message


def test_require_space_subtracts_existing_bytes(target):
    partial, _ = start(target)
    partial.write(os.urandom(100_000), 0)
    os.fsync(partial._file.number)
    allocated = 512 * partial.path.stat().st_blocks
    assert allocated >= 100_000
    with pytest.raises(SynapseDownloadError, match=f"{10**16 - allocated} bytes"):
        partial.require_space(10**16)


def full_disk_file(target):
    """Partial file whose descriptor writes to /dev/full."""
    with PartialFile(target, "7") as partial:
        partial.open(CONTENT)
        partial.mark_complete(1)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, partial._file.number)
        os.close(full)
        partial.write(b"0123456789", 10)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_raises_and_deletes_the_partial_file(target):
    with pytest.raises(SynapseDownloadError, match="Not enough disk space") as caught:
        full_disk_file(target)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert names_in(target.parent) == []


def test_only_locks_of_finished_downloads_are_removed(target):
    finished, resumable, running = (
        PartialFile(target.with_name(name), "7") for name in ("a", "b [1]", "c")
    )
    for partial in (finished, resumable):
        partial.path.with_name(f"{partial.path.name}.lock").touch()
    resumable.path.touch()
    with running.locked():
        remove_stale_locks(target.parent)
        assert names_in(target.parent) == [
            "b [1].synapse_download_7",
            "b [1].synapse_download_7.lock",
            "c.synapse_download_7.lock",
        ]
    remove_stale_locks(target.parent / "missing")
