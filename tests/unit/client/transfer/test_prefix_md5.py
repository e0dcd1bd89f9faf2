"""MD5 of a file while its parts are written."""

import hashlib
import os
import random
import threading
import time
from contextlib import suppress

import pytest

from synapse_workflows.client.transfer.part_plan import split_into_parts
from synapse_workflows.client.transfer.prefix_md5 import MAX_BACKLOG, PrefixMd5

CONTENT = os.urandom(3_000_001)
EXPECTED = hashlib.md5(CONTENT).hexdigest()
PARTS = split_into_parts(len(CONTENT), 100_000)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("present", [0, 1, 7, len(PARTS)])
def test_parts_are_added_in_any_order_by_several_threads(tmp_path, seed, present):
    path = tmp_path / "file"
    path.write_bytes(bytes(len(CONTENT)))
    order = random.Random(seed).sample(PARTS, len(PARTS))  # noqa: S311

    def write(part):
        with path.open("rb+") as file:
            file.seek(part.start)
            file.write(CONTENT[part.start : part.end])

    for part in order[:present]:
        write(part)
    md5 = PrefixMd5(path, order[:present])
    remaining = iter(order[present:])
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                part = next(remaining, None)
            if part is None:
                return
            write(part)
            md5.add(part)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert md5.hexdigest() == EXPECTED


def test_complete_parts_are_read_before_the_last_part_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    md5 = PrefixMd5(path)
    for part in PARTS[:-1]:
        md5.add(part)
    path.write_bytes(bytes(PARTS[-1].start) + CONTENT[PARTS[-1].start :])
    assert md5.hexdigest() == EXPECTED


def test_it_is_behind_while_many_added_parts_are_not_read(tmp_path):
    path = tmp_path / "file"
    os.mkfifo(path)  # opening it blocks until it is also opened for writing
    size = MAX_BACKLOG // 4
    first, *parts, last = split_into_parts(6 * size, size)
    md5 = PrefixMd5(path)

    def add() -> None:
        with suppress(OSError):  # a pipe has no positions
            md5.add(first)

    thread = threading.Thread(target=add)
    thread.start()
    while first.start not in md5._ends:
        time.sleep(0.001)
    for part in (*parts[1:], last):
        md5.add(part)
    assert not md5.is_behind  # the second part is missing
    md5.add(parts[0])
    assert md5.is_behind
    path.open("wb").close()
    thread.join()


def test_parts_of_an_earlier_download_do_not_count_as_a_backlog(tmp_path):
    md5 = PrefixMd5(tmp_path / "file", split_into_parts(2 * MAX_BACKLOG, MAX_BACKLOG // 4))
    assert not md5.is_behind
