"""MD5 of a file while its parts are written."""

import hashlib
import os
import random
import threading

import pytest

from synapse_workflows.client.transfer.part_plan import split_into_parts
from synapse_workflows.client.transfer.prefix_md5 import PrefixMd5

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
