"""A cache with a limit: who goes, who stays."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synapse_workflows.client.core.cache import Cache

HOLDER = """
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


def there(*files: Path) -> list[bool]:
    return [file.exists() for file in files]


def test_without_a_limit_everything_stays(root):
    cache = Cache(root)
    file = put(cache, 1, size=1000)
    assert cache.make_room(10**15) == 0
    assert file.exists()


def test_the_least_recently_used_goes_first_and_no_more_than_needed(root):
    cache = Cache(root, limit=300)
    old, middle, new = put(cache, 1, age=300), put(cache, 2, age=200), put(cache, 3, age=100)
    assert cache.make_room() == 0
    assert there(old, middle, new) == [True, True, True]
    assert cache.make_room(50) == 0
    assert there(old, middle, new) == [False, True, True]


def test_what_was_evicted_leaves_no_directory_and_no_entry(root):
    cache = Cache(root, limit=100)
    file = put(cache, 1)
    cache.make_room(100)
    assert not file.parent.exists()
    assert cache.get(1) is None


def test_getting_a_copy_is_using_it(root):
    cache = Cache(root, limit=200)
    first, second = put(cache, 1, age=300), put(cache, 2, age=200)
    assert cache.get(1) == str(first)
    cache.make_room(100)
    assert there(first, second) == [True, False]


def test_getting_a_copy_leaves_its_modification_time(root):
    cache = Cache(root)
    file = put(cache, 1)
    os.utime(file, ns=(5, 1_700_000_000_123_456_789))
    cache.add(1, file)
    assert cache.get(1) == str(file)
    assert file.stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_a_changed_file_and_a_file_of_somebody_else_are_never_evicted(root):
    cache = Cache(root, limit=0)
    changed, plain = put(cache, 1), put(cache, 2)
    os.utime(changed, (1, 1))
    foreign = plain.with_name("notes.txt")
    foreign.write_text("mine")
    assert cache.make_room() == 104
    assert there(changed, plain, foreign) == [True, False, True]


def test_a_copy_outside_the_cache_stays_known_when_the_one_inside_goes(root, tmp_path):
    cache = Cache(root, limit=0)
    inside, outside = put(cache, 1), tmp_path / "outside.bin"
    outside.write_bytes(inside.read_bytes())
    cache.add(1, outside)
    assert cache.make_room() == 0
    assert there(inside, outside) == [False, True]
    assert cache.get(1) == str(outside)


def test_what_an_interrupted_download_left_goes_as_well(root):
    cache = Cache(root, limit=50)
    target = Path(cache.get_cache_dir(9)) / "big.bin"
    target.parent.mkdir(parents=True)
    partial = target.with_name("big.bin.synapse_download_9")
    partial.write_bytes(b"x" * 100)
    partial.with_name("big.bin.synapse_download_9.parts").write_text("{}")
    assert cache.make_room() == 0
    assert not target.parent.exists()


def test_the_excess_is_told_when_too_much_is_in_use(root):
    cache = Cache(root, limit=150)
    old, new = put(cache, 1, age=100), put(cache, 2)
    cache.pin(old)
    cache.pin(new)
    assert cache.make_room(10) == 60
    assert there(old, new) == [True, True]


def test_a_held_file_stays_until_it_is_released(root):
    cache = Cache(root, limit=100)
    held, free = put(cache, 1, age=500), put(cache, 2)
    cache.pin(held)
    assert cache.make_room() == 0
    assert there(held, free) == [True, False]
    cache.release_pins()
    assert cache.make_room(100) == 0
    assert there(held) == [False]


def test_another_client_of_the_same_process_respects_the_hold(root):
    mine, other = Cache(root), Cache(root, limit=0)
    file = put(mine, 1)
    mine.pin(file)
    assert other.make_room() == 100
    mine.release_pins()
    assert other.make_room() == 0


def test_a_file_stays_held_when_the_client_that_fetched_it_is_gone(root):
    file = put(Cache(root), 1)
    Cache(root).pin(file)
    gc.collect()
    assert Cache(root, limit=0).make_room() == 100
    assert file.exists()


def test_holding_through_another_spelling_of_the_path_counts(root, tmp_path):
    cache = Cache(root, limit=0)
    file = put(cache, 1)
    link = tmp_path / "link"
    link.symlink_to(root)
    Cache(link).pin(link / "1" / "1" / "1.bin")
    assert cache.make_room() == 100
    assert file.exists()


def test_holding_a_file_that_is_gone_is_an_error(root):
    cache = Cache(root)
    file = put(cache, 1)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        cache.pin(file)


def test_a_file_outside_the_cache_needs_no_hold(root, tmp_path):
    cache = Cache(root)
    cache.pin(tmp_path / "elsewhere")
    assert not root.exists()


@pytest.fixture
def holder(root):
    """Another process that holds a file until its standard input ends."""
    processes = []

    def start(path: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(root), str(path)],
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


def test_what_another_process_holds_stays_until_that_process_dies(root, holder):
    cache = Cache(root, limit=0)
    file = put(cache, 1)
    process = holder(file)
    assert cache.make_room() == 100
    assert file.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert cache.make_room() == 0
    assert not file.exists()


def test_purge_leaves_what_another_process_holds(root, holder):
    cache = Cache(root)
    held, mine = put(cache, 1), put(cache, 2)
    cache.pin(mine)
    holder(held)
    assert cache.purge(before_date=time.time() + 60) == 1
    assert there(held, mine) == [True, False]


def test_a_process_that_ends_leaves_no_list_of_what_it_held(root, holder):
    cache = Cache(root)
    process = holder(put(cache, 1))
    assert list((root / ".synapse_workflows" / "pins").iterdir())
    process.communicate()
    assert not list((root / ".synapse_workflows" / "pins").iterdir())


def test_a_fork_has_holds_of_its_own(root):
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
