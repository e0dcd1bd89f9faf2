"""Locks of the cache among threads, processes and other clients."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from synapse_workflows.client.core import cache_lock
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.errors import SynapseFileCacheError

ADDING_SCRIPT = """
import sys
from synapse_workflows.client.core import cache_lock
from synapse_workflows.client.core.cache import Cache
cache = Cache(sys.argv[1])
for path in sys.argv[2:]:
    cache.add(1, path)
"""


def files(directory: Path, count: int) -> list[Path]:
    paths = [directory / f"{number}.txt" for number in range(count)]
    for path in paths:
        path.write_text(path.name)
    return paths


def entries(cache: Cache) -> set[str]:
    return set(json.loads((Path(cache.get_cache_dir(1)) / ".cacheMap").read_text()))


def test_concurrent_processes_add_all_entries(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = [str(path) for path in files(tmp_path, 60)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING_SCRIPT, cache.cache_root_dir, *paths[start::3]]
        )
        for start in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert entries(cache) == set(paths)


def test_concurrent_threads_add_all_entries(tmp_path):
    cache = Cache(tmp_path / "cache")
    paths = files(tmp_path, 24)
    threads = [threading.Thread(target=cache.add, args=(1, path)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entries(cache) == {str(path) for path in paths}


@pytest.fixture
def foreign_lock(tmp_path):
    """Cache with a lock directory of another client for file handle 1."""
    cache = Cache(tmp_path / "cache")
    cache.add(1, files(tmp_path, 1)[0])
    lock = Path(cache.get_cache_dir(1)) / ".cacheMap.lock"
    lock.mkdir()
    return cache, lock


def test_lock_of_another_client_is_respected(foreign_lock, tmp_path):
    cache, lock = foreign_lock
    added = threading.Thread(target=cache.add, args=(1, files(tmp_path, 2)[1]))
    added.start()
    added.join(0.15)
    assert added.is_alive()
    assert len(entries(cache)) == 1
    lock.rmdir()
    added.join(10)
    assert len(entries(cache)) == 2
    assert not lock.exists()


def test_lock_older_than_ten_seconds_is_taken_over(foreign_lock, tmp_path):
    cache, lock = foreign_lock
    old = time.time() - 11
    os.utime(lock, (old, old))
    cache.add(1, files(tmp_path, 2)[1])
    assert len(entries(cache)) == 2
    assert not lock.exists()


def test_abandoned_lock_of_a_file_server_whose_clock_is_ahead_is_taken_over(
    foreign_lock, tmp_path, monkeypatch
):
    monkeypatch.setattr(cache_lock, "STALE_SECONDS", 0.1)
    monkeypatch.setattr(cache_lock, "TIMEOUT_SECONDS", 5)
    cache, lock = foreign_lock
    later = time.time() + 3600
    os.utime(lock, (later, later))
    cache.add(1, files(tmp_path, 2)[1])
    assert len(entries(cache)) == 2
    assert not lock.exists()


def test_complete_map_is_read_while_another_client_holds_the_lock(foreign_lock):
    cache, lock = foreign_lock
    assert cache.get(1) is not None
    assert lock.exists()


def test_incomplete_map_is_read_again_when_its_writer_releases_the_lock(foreign_lock):
    cache, lock = foreign_lock
    path = Path(cache.get_cache_dir(1)) / ".cacheMap"
    text = path.read_text()
    path.write_text(text[:-5])
    found = []
    reader = threading.Thread(target=lambda: found.append(cache.get(1)))
    reader.start()
    reader.join(0.15)
    assert reader.is_alive()
    path.write_text(text)
    lock.rmdir()
    reader.join(10)
    assert found == list(json.loads(text))


def test_new_map_is_merged_into_a_directory_that_was_created_meanwhile(tmp_path, monkeypatch):
    first, second = files(tmp_path, 2)
    cache = Cache(tmp_path / "cache")
    rename = Path.rename

    def rename_after_another_client(self, target):
        monkeypatch.undo()
        cache.add(1, second)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_after_another_client)
    cache.add(1, first)
    assert entries(cache) == {str(first), str(second)}
    assert [each.name for each in Path(cache.get_cache_dir(1)).parent.iterdir()] == ["1"]


def test_lock_that_was_taken_over_is_not_removed_by_its_first_owner(tmp_path):
    directory = tmp_path / "1" / "1"
    with cache_lock.map_lock(tmp_path, directory):
        os.utime(directory / ".cacheMap.lock", (5, 5))
    assert (directory / ".cacheMap.lock").is_dir()


def test_lock_timeout_raises_with_the_path(foreign_lock, monkeypatch):
    cache, lock = foreign_lock
    monkeypatch.setattr(cache_lock, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(SynapseFileCacheError, match="another process has held") as caught:
        cache.remove(1)
    assert str(lock) in str(caught.value)
