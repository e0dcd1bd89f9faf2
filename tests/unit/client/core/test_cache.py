"""Lookups in the cache, and the layout shared with the official clients."""

import hashlib
import json
import os
import pickle
import time
from datetime import datetime
from pathlib import Path

import pytest

from synapse_workflows.client.core.cache import Cache

HANDLE = "60000123"


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def make(path: Path, text: str = "data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def map_of(cache: Cache, handle: str = HANDLE) -> Path:
    return Path(cache.get_cache_dir(handle)) / ".cacheMap"


def later(path: Path, seconds: float) -> None:
    facts = path.stat()
    os.utime(path, (facts.st_atime, facts.st_mtime + seconds))


def test_cache_directory_layout(cache, tmp_path):
    assert cache.get_cache_dir(HANDLE) == str(tmp_path / "cache" / "123" / HANDLE)
    assert cache.get_cache_dir(7) == str(tmp_path / "cache" / "7" / "7")


def test_get_cache_dir_accepts_handle_and_entity(cache):
    handle = {"id": HANDLE, "concreteType": "org.sagebionetworks.repo.model.file.S3FileHandle"}
    entity = {"id": "syn1", "dataFileHandleId": HANDLE}
    assert (
        cache.get_cache_dir(handle) == cache.get_cache_dir(entity) == cache.get_cache_dir(HANDLE)
    )


def test_root_expands_home_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "deep")
    assert Cache("~/$WHERE/c").cache_root_dir == str(tmp_path / "deep" / "c")


def test_reading_an_empty_cache_creates_no_files(cache):
    assert cache.get(HANDLE) is None
    assert not cache.contains(HANDLE, "x")
    assert cache.remove(HANDLE) == []
    assert cache.purge(before_date=time.time()) == 0
    assert cache.make_room(5) == 0
    assert not Path(cache.cache_root_dir).exists()


def test_map_format_equals_release_4_14(cache, tmp_path):
    file = make(tmp_path / "a file.txt")
    os.utime(file, (0, 1_700_000_000.75))
    written = cache.add(HANDLE, file)
    text = map_of(cache).read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == written
    assert written == {
        str(file): {
            "modified_time": "2023-11-14T22:13:20.000Z",
            "content_md5": hashlib.md5(b"data").hexdigest(),
        }
    }


def test_lock_directory_is_removed(cache, tmp_path):
    file = make(Path(cache.get_cache_dir(HANDLE)) / "f.txt")
    cache.add(HANDLE, file)
    cache.get(HANDLE)
    assert sorted(p.name for p in file.parent.iterdir()) == [".cacheMap", "f.txt"]


def test_added_file_is_found_until_it_changes(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    assert cache.get(HANDLE) == str(file)
    assert cache.get(HANDLE, file) == str(file)
    assert cache.contains(HANDLE, file)
    later(file, 2)
    assert cache.get(HANDLE) is None
    assert cache.get(HANDLE, file) is None
    assert not cache.contains(HANDLE, file)


def test_change_within_a_second_is_detected_by_md5(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    times = file.stat()
    file.write_text("DATA")
    os.utime(file, (times.st_atime, times.st_mtime))
    assert cache.get(HANDLE) is None


def test_contains_is_false_for_another_path(cache, tmp_path):
    cache.add(HANDLE, make(tmp_path / "f.txt"))
    assert not cache.contains(HANDLE, make(tmp_path / "g.txt"))


def test_entries_of_old_and_new_clients_are_read(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    os.utime(file, (0, 1_700_000_000.4))
    stamp = "2023-11-14T22:13:20.000Z"
    for value in (stamp, {"modified_time": stamp, "content_md5": None}, {"modified_time": stamp}):
        make(map_of(cache), json.dumps({str(file): value}))
        assert cache.get(HANDLE) == str(file)
        assert cache.contains(HANDLE, file)


def test_time_with_milliseconds_is_compared_exactly(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    os.utime(file, (0, 1_700_000_000.25))
    make(map_of(cache), json.dumps({str(file): "2023-11-14T22:13:20.250Z"}))
    assert cache.contains(HANDLE, file)
    os.utime(file, (0, 1_700_000_000.5))
    assert not cache.contains(HANDLE, file)


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"a": 5}', '{"a": {"content_md5": "x"}}'])
def test_invalid_map_counts_as_empty(cache, tmp_path, text):
    make(map_of(cache), text)
    assert cache.get(HANDLE) is None
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    assert cache.get(HANDLE) == str(file)


def test_get_prefers_a_copy_in_the_requested_directory(cache, tmp_path):
    old, new = make(tmp_path / "a" / "f.txt"), make(tmp_path / "b" / "f.txt")
    later(old, -100)
    cache.add(HANDLE, old)
    cache.add(HANDLE, new)
    assert cache.get(HANDLE, old.parent) == str(old)
    assert cache.get(HANDLE) == str(new)


def test_get_returns_the_newest_copy_elsewhere(cache, tmp_path):
    old, new = make(tmp_path / "a" / "f.txt"), make(tmp_path / "b" / "f.txt")
    later(old, -100)
    cache.add(HANDLE, old)
    cache.add(HANDLE, new)
    (tmp_path / "c").mkdir()
    assert cache.get(HANDLE, tmp_path / "c") == str(new)
    assert cache.get(HANDLE, tmp_path / "c" / "unknown.txt") == str(new)
    new.unlink()
    assert cache.get(HANDLE) == str(old)


def test_get_removes_outdated_entries_of_the_directory(cache, tmp_path):
    gone, kept = make(tmp_path / "a" / "gone"), make(tmp_path / "b" / "kept")
    cache.add(HANDLE, gone)
    cache.add(HANDLE, kept)
    gone.unlink()
    assert cache.get(HANDLE, gone.parent) == str(kept)
    assert list(json.loads(map_of(cache).read_text())) == [str(kept)]


def test_add_raises_for_a_missing_file(cache, tmp_path):
    with pytest.raises(ValueError, match="Can't find file"):
        cache.add(HANDLE, tmp_path / "nothing")


def test_remove_with_and_without_deletion(cache, tmp_path):
    one, two = make(tmp_path / "1"), make(tmp_path / "2")
    cache.add(HANDLE, one)
    cache.add(HANDLE, two)
    assert cache.remove(HANDLE, tmp_path / "3") == []
    assert cache.remove(HANDLE, one) == [str(one)]
    assert one.exists()
    assert cache.get(HANDLE) == str(two)
    assert cache.remove(HANDLE, delete=True) == [str(two)]
    assert not two.exists()
    assert cache.get(HANDLE) is None


def test_remove_of_an_entity_uses_its_path(cache, tmp_path):
    one, two = make(tmp_path / "1"), make(tmp_path / "2")
    cache.add(HANDLE, one)
    cache.add(HANDLE, two)
    assert cache.remove({"dataFileHandleId": HANDLE, "path": str(one)}) == [str(one)]
    assert cache.get(HANDLE) == str(two)


def fill(cache: Cache, handle: int, age: float) -> Path:
    file = make(Path(cache.get_cache_dir(handle)) / "f.txt")
    cache.add(handle, file)
    now = time.time()
    os.utime(map_of(cache, str(handle)), (now - age, now - age))
    return file


def test_purge_deletes_by_the_time_of_the_map(cache, capsys):
    old, middle, new = (fill(cache, number, age) for number, age in ((1, 900), (2, 500), (3, 10)))
    now = time.time()
    assert cache.purge(before_date=now - 300, after_date=now - 700, dry_run=True) == 1
    assert capsys.readouterr().out == f"{middle.parent}\n"
    assert middle.exists()
    assert cache.purge(before_date=datetime.fromtimestamp(now - 700)) == 1  # noqa: DTZ006 - naive is local
    assert [file.exists() for file in (old, middle, new)] == [False, True, True]
    assert cache.purge(after_date=now - 300) == 1
    assert [file.exists() for file in (old, middle, new)] == [False, True, False]


def test_purge_keeps_files_outside_the_cache(cache, tmp_path):
    file = make(tmp_path / "mine.txt")
    cache.add(HANDLE, file)
    assert cache.purge(before_date=time.time() + 60) == 1
    assert file.exists()
    assert cache.get(HANDLE) is None


def test_purge_raises_for_an_invalid_period(cache):
    with pytest.raises(ValueError, match="Either before date or after date"):
        cache.purge()
    with pytest.raises(ValueError, match="larger than after date"):
        cache.purge(before_date=1.0, after_date=2.0)


def test_read_only_cache_can_be_read(cache, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser can write everywhere")
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    for directory in (map_of(cache).parent, Path(cache.cache_root_dir) / ".synapse_workflows"):
        directory.chmod(0o500)
    assert cache.get(HANDLE) == str(file)


def test_cache_can_be_pickled(cache, tmp_path):
    copy = pickle.loads(pickle.dumps(Cache(tmp_path, limit=5)))  # noqa: S301
    assert (copy.cache_root_dir, copy.limit) == (str(tmp_path), 5)
