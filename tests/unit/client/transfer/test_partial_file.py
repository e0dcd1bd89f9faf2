"""A file on its way to its name."""

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
)

CONTENT = ExpectedContent(size=20, md5="0" * 32, part_size=10)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data.csv"


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def begin(target, content=CONTENT):
    partial = PartialFile(target, "7")
    return partial, partial.open(content)


def interrupted(target, *numbers):
    """Leave what a download leaves that was killed after some parts."""
    partial, _ = begin(target)
    for number in numbers:
        partial.write(b"0123456789", 10 * (number - 1))
        partial.mark_complete(number)
    partial.close()


def test_bytes_come_to_their_place_in_any_order(target):
    partial, there = begin(target)
    partial.write(b"second", 5)
    partial.write(b"first", 0)
    assert there == frozenset()
    assert partial.move_to_target(overwrite=False) == target
    assert target.read_bytes() == b"firstsecond"
    assert names_in(target.parent) == ["data.csv"]


def test_on_its_way_it_has_another_name(target):
    partial, _ = begin(target)
    assert not target.exists()
    assert partial.path.name == "data.csv.synapse_download_7"


def test_what_is_there_of_the_same_content_is_kept(target):
    interrupted(target, 2)
    partial, there = begin(target)
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
def test_what_is_there_of_another_content_is_not(target, other):
    interrupted(target, 1)
    partial, there = begin(target, other)
    assert there == frozenset()
    assert not partial.is_resumed
    assert partial.path.read_bytes() == b""


@pytest.mark.parametrize("text", ["", "garbage\n", '{"size": 20}\n1\n', "\xff"])
def test_a_list_of_parts_that_makes_no_sense_counts_for_nothing(target, text):
    interrupted(target, 1)
    PartialFile(target, "7")._parts_path.write_text(text, encoding="latin-1")
    assert begin(target)[1] == frozenset()


def test_an_interrupted_file_without_its_list_is_begun_anew(target):
    target.with_name("data.csv.synapse_download_7").write_bytes(b"half")
    partial, there = begin(target)
    assert there == frozenset()
    assert partial.path.read_bytes() == b""


def broken_off(target, content, *, finished=False):
    """Begin a download that ends with an error of somebody else's making."""
    with PartialFile(target, "7") as partial:
        partial.open(content)
        partial.write(b"x", 0)
        if finished:
            partial.mark_complete(1)
        raise KeyError


def test_an_error_leaves_what_can_be_gone_on_with(target):
    with pytest.raises(KeyError):
        broken_off(target, CONTENT, finished=True)
    assert names_in(target.parent) == [
        "data.csv.synapse_download_7",
        "data.csv.synapse_download_7.parts",
    ]


@pytest.mark.parametrize(("content", "finished"), [(None, True), (CONTENT, False)])
def test_an_error_leaves_nothing_that_is_of_no_use(target, content, finished):
    with pytest.raises(KeyError):
        broken_off(target, content, finished=finished)
    assert names_in(target.parent) == []


def test_what_somebody_else_left_is_not_deleted_by_one_who_did_not_begin(target):
    interrupted(target, 1)
    with pytest.raises(KeyError), PartialFile(target, "7"):
        raise KeyError
    assert len(names_in(target.parent)) == 2


def test_a_name_that_is_taken_is_evaded(target):
    target.write_text("mine")
    target.with_name("data(1).csv").write_text("mine too")
    partial, _ = begin(target)
    partial.write(b"theirs", 0)
    assert partial.move_to_target(overwrite=False).name == "data(2).csv"
    assert target.read_text() == "mine"


def test_a_name_that_is_taken_is_taken_over_when_asked(target):
    target.write_text("theirs")
    partial, _ = begin(target)
    partial.write(b"mine", 0)
    assert partial.move_to_target(overwrite=True) == target
    assert target.read_text() == "mine"


def test_iter_free_names_keep_the_suffix(tmp_path):
    names = iter_free_names(tmp_path / "a.tar.gz")
    assert [next(names).name for _ in range(3)] == ["a.tar.gz", "a.tar(1).gz", "a.tar(2).gz"]


def test_of_two_at_once_the_second_waits_and_is_told(target):
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


def test_a_disk_that_is_too_small_is_named_with_what_is_needed(target):
    with pytest.raises(SynapseDownloadError) as caught:
        PartialFile(target, "7").require_space(10**16)
    said = str(caught.value)
    assert str(target) in said
    assert "10000000000000000 bytes" in said
    assert "are free in" in said


def test_what_is_there_already_needs_no_room(target):
    partial, _ = begin(target)
    partial.write(os.urandom(100_000), 0)
    free = os.statvfs(target.parent).f_bavail * os.statvfs(target.parent).f_frsize
    partial.require_space(min(free, 10_000))


def filled_up(target):
    """Write to a disk that is full: the file is changed for a device that always is."""
    with PartialFile(target, "7") as partial:
        partial.open(CONTENT)
        partial.mark_complete(1)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, partial._file.number)
        os.close(full)
        partial.write(b"0123456789", 10)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(target):
    with pytest.raises(SynapseDownloadError, match="Not enough disk space") as caught:
        filled_up(target)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert names_in(target.parent) == []
