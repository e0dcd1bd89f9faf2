"""Eviction from a cache with a limit, and pinned files."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synapse_workflows.client.core.cache import Cache

PINNING_SCRIPT = """
import sys
from synapse_workflows.client.core.cache import Cache
Cache(sys.argv[1]).pin(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "cache"
    Cache(tmp_path / "cache").release_pins()


def put(cache: Cache, handle: int, size: int = 100, age: float = 0) -> Path:
    """Add a copy of `size` bytes that was used `age` seconds ago."""
    file = Path(cache.get_cache_dir(handle)) / f"{handle}.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    cache.add(handle, file)
    used = time.time() - age
    os.utime(file, (used, file.stat().st_mtime))
    return file


def exist(*files: Path) -> list[bool]:
    return [file.exists() for file in files]


def test_cache_without_limit_evicts_nothing(root):
    cache = Cache(root)
    file = put(cache, 1, size=1000)
    assert cache.make_room(10**15) == 0
    assert file.exists()


def test_least_recently_used_files_are_evicted_first(root):
    cache = Cache(root, limit=300)
    old, middle, new = put(cache, 1, age=300), put(cache, 2, age=200), put(cache, 3, age=100)
    assert cache.make_room() == 0
    assert exist(old, middle, new) == [True, True, True]
    assert cache.make_room(50) == 0
    assert exist(old, middle, new) == [False, True, True]


def test_eviction_removes_directory_and_entry(root):
    cache = Cache(root, limit=100)
    file = put(cache, 1)
    cache.make_room(100)
    assert not file.parent.exists()
    assert cache.get(1) is None


def test_get_counts_as_use(root):
    cache = Cache(root, limit=200)
    first, second = put(cache, 1, age=300), put(cache, 2, age=200)
    assert cache.get(1) == str(first)
    cache.make_room(100)
    assert exist(first, second) == [True, False]


def test_get_keeps_the_modification_time(root):
    cache = Cache(root)
    file = put(cache, 1)
    os.utime(file, ns=(5, 1_700_000_000_123_456_789))
    cache.add(1, file)
    assert cache.get(1) == str(file)
    assert file.stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_changed_and_foreign_files_are_not_evicted(root):
    cache = Cache(root, limit=0)
    changed, plain = put(cache, 1), put(cache, 2)
    os.utime(changed, (1, 1))
    foreign = plain.with_name("notes.txt")
    foreign.write_text("mine")
    assert cache.make_room() == 104
    assert exist(changed, plain, foreign) == [True, False, True]


def test_eviction_keeps_entries_of_copies_outside_the_cache(root, tmp_path):
    cache = Cache(root, limit=0)
    inside, outside = put(cache, 1), tmp_path / "outside.bin"
    outside.write_bytes(inside.read_bytes())
    cache.add(1, outside)
    assert cache.make_room() == 0
    assert exist(inside, outside) == [False, True]
    assert cache.get(1) == str(outside)


def test_partial_files_are_evicted(root):
    cache = Cache(root, limit=50)
    target = Path(cache.get_cache_dir(9)) / "big.bin"
    target.parent.mkdir(parents=True)
    partial = target.with_name("big.bin.synapse_download_9")
    partial.write_bytes(b"x" * 100)
    partial.with_name("big.bin.synapse_download_9.parts").write_text("{}")
    assert cache.make_room() == 0
    assert not target.parent.exists()


def test_make_room_returns_the_excess_if_files_are_in_use(root):
    cache = Cache(root, limit=150)
    old, new = put(cache, 1, age=100), put(cache, 2)
    cache.pin(old)
    cache.pin(new)
    assert cache.make_room(10) == 60
    assert exist(old, new) == [True, True]


def test_pinned_file_is_kept_until_it_is_released(root):
    cache = Cache(root, limit=100)
    held, free = put(cache, 1, age=500), put(cache, 2)
    cache.pin(held)
    assert cache.make_room() == 0
    assert exist(held, free) == [True, False]
    cache.release_pins()
    assert cache.make_room(100) == 0
    assert exist(held) == [False]


def test_pins_are_shared_by_clients_of_a_process(root):
    mine, other = Cache(root), Cache(root, limit=0)
    file = put(mine, 1)
    mine.pin(file)
    assert other.make_room() == 100
    mine.release_pins()
    assert other.make_room() == 0


def test_pin_outlives_its_client(root):
    file = put(Cache(root), 1)
    Cache(root).pin(file)
    gc.collect()
    assert Cache(root, limit=0).make_room() == 100
    assert file.exists()


def test_pin_resolves_symbolic_links(root, tmp_path):
    cache = Cache(root, limit=0)
    file = put(cache, 1)
    link = tmp_path / "link"
    link.symlink_to(root)
    Cache(link).pin(link / "1" / "1" / "1.bin")
    assert cache.make_room() == 100
    assert file.exists()


def test_pinned_file_is_kept_if_the_cache_is_reached_through_a_link(root, tmp_path):
    file = put(Cache(root), 1)
    link = tmp_path / "link"
    link.symlink_to(root)
    Cache(root).pin(file)
    assert Cache(link, limit=0).make_room() == 100
    assert file.exists()


def test_pins_survive_the_deletion_of_the_cache(root):
    cache = Cache(root)
    cache.pin(put(cache, 1))
    shutil.rmtree(root)
    again = put(cache, 1)
    cache.pin(again)
    assert Cache(root, limit=0).make_room() == 100
    assert again.exists()


def test_pin_raises_for_a_missing_file(root):
    cache = Cache(root)
    file = put(cache, 1)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        cache.pin(file)


def test_pin_ignores_files_outside_the_cache(root, tmp_path):
    cache = Cache(root)
    cache.pin(tmp_path / "elsewhere")
    assert not root.exists()


@pytest.fixture
def pinning_process(root):
    """Function that starts a process that pins a file until its standard input ends."""
    processes = []

    def start(path: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", PINNING_SCRIPT, str(root), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_pins_of_another_process_end_with_the_process(root, pinning_process):
    cache = Cache(root, limit=0)
    file = put(cache, 1)
    process = pinning_process(file)
    assert cache.make_room() == 100
    assert file.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert cache.make_room() == 0
    assert not file.exists()


def test_purge_keeps_files_pinned_by_another_process(root, pinning_process):
    cache = Cache(root)
    held, mine = put(cache, 1), put(cache, 2)
    cache.pin(mine)
    pinning_process(held)
    assert cache.purge(before_date=time.time() + 60) == 1
    assert exist(held, mine) == [True, False]


def test_list_of_pins_is_deleted_at_exit(root, pinning_process):
    cache = Cache(root)
    process = pinning_process(put(cache, 1))
    assert list((root / ".synapse_workflows" / "pins").iterdir())
    process.communicate()
    assert not list((root / ".synapse_workflows" / "pins").iterdir())


def test_forked_process_has_its_own_pins(root):
    cache = Cache(root, limit=0)
    file, other = put(cache, 1), put(cache, 2)
    cache.pin(file)
    script = """
import os, sys
from synapse_workflows.client.core.cache import Cache
cache = Cache(sys.argv[1])
cache.pin(sys.argv[2])
if os.fork() == 0:
    cache.pin(sys.argv[3])
    cache.release_pins()
    os._exit(0)
os.wait()
limited = Cache(sys.argv[1], limit=0)
print(limited.make_room(), os.path.exists(sys.argv[2]), os.path.exists(sys.argv[3]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(root), str(file), str(other)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "100 True False\n"
