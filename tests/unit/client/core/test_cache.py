"""The cache: what it knows, and the layout that it shares with the official clients."""

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


def test_the_directory_of_a_handle_is_its_id_below_its_id_modulo_1000(cache, tmp_path):
    assert cache.get_cache_dir(HANDLE) == str(tmp_path / "cache" / "123" / HANDLE)
    assert cache.get_cache_dir(7) == str(tmp_path / "cache" / "7" / "7")


def test_a_handle_may_be_given_as_handle_or_entity(cache):
    handle = {"id": HANDLE, "concreteType": "org.sagebionetworks.repo.model.file.S3FileHandle"}
    entity = {"id": "syn1", "dataFileHandleId": HANDLE}
    assert (
        cache.get_cache_dir(handle) == cache.get_cache_dir(entity) == cache.get_cache_dir(HANDLE)
    )


def test_home_and_variables_in_the_root_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "deep")
    assert Cache("~/$WHERE/c").cache_root_dir == str(tmp_path / "deep" / "c")


def test_nothing_is_written_by_making_a_cache_or_asking_it(cache):
    assert cache.get(HANDLE) is None
    assert not cache.contains(HANDLE, "x")
    assert cache.remove(HANDLE) == []
    assert cache.purge(before_date=time.time()) == 0
    assert cache.make_room(5) == 0
    assert not Path(cache.cache_root_dir).exists()


def test_the_map_is_written_as_release_4_14_writes_it(cache, tmp_path):
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


def test_no_lock_is_left_in_the_directory_of_a_handle(cache, tmp_path):
    file = make(Path(cache.get_cache_dir(HANDLE)) / "f.txt")
    cache.add(HANDLE, file)
    cache.get(HANDLE)
    assert sorted(p.name for p in file.parent.iterdir()) == [".cacheMap", "f.txt"]


def test_an_added_file_is_found_until_it_changes(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    assert cache.get(HANDLE) == str(file)
    assert cache.get(HANDLE, file) == str(file)
    assert cache.contains(HANDLE, file)
    later(file, 2)
    assert cache.get(HANDLE) is None
    assert cache.get(HANDLE, file) is None
    assert not cache.contains(HANDLE, file)


def test_a_change_within_the_same_second_is_noticed_by_the_md5(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    times = file.stat()
    file.write_text("DATA")
    os.utime(file, (times.st_atime, times.st_mtime))
    assert cache.get(HANDLE) is None


def test_another_file_of_the_same_handle_is_not_contained(cache, tmp_path):
    cache.add(HANDLE, make(tmp_path / "f.txt"))
    assert not cache.contains(HANDLE, make(tmp_path / "g.txt"))


def test_both_forms_of_a_value_are_read(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    os.utime(file, (0, 1_700_000_000.4))
    stamp = "2023-11-14T22:13:20.000Z"
    for value in (stamp, {"modified_time": stamp, "content_md5": None}, {"modified_time": stamp}):
        make(map_of(cache), json.dumps({str(file): value}))
        assert cache.get(HANDLE) == str(file)
        assert cache.contains(HANDLE, file)


def test_a_time_with_milliseconds_is_compared_to_the_millisecond(cache, tmp_path):
    file = make(tmp_path / "f.txt")
    os.utime(file, (0, 1_700_000_000.25))
    make(map_of(cache), json.dumps({str(file): "2023-11-14T22:13:20.250Z"}))
    assert cache.contains(HANDLE, file)
    os.utime(file, (0, 1_700_000_000.5))
    assert not cache.contains(HANDLE, file)


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"a": 5}', '{"a": {"content_md5": "x"}}'])
def test_a_map_that_makes_no_sense_counts_as_empty(cache, tmp_path, text):
    make(map_of(cache), text)
    assert cache.get(HANDLE) is None
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    assert cache.get(HANDLE) == str(file)


def test_a_copy_in_the_asked_directory_is_preferred(cache, tmp_path):
    old, new = make(tmp_path / "a" / "f.txt"), make(tmp_path / "b" / "f.txt")
    later(old, -100)
    cache.add(HANDLE, old)
    cache.add(HANDLE, new)
    assert cache.get(HANDLE, old.parent) == str(old)
    assert cache.get(HANDLE) == str(new)


def test_without_a_copy_in_the_asked_directory_the_newest_elsewhere_is_found(cache, tmp_path):
    old, new = make(tmp_path / "a" / "f.txt"), make(tmp_path / "b" / "f.txt")
    later(old, -100)
    cache.add(HANDLE, old)
    cache.add(HANDLE, new)
    (tmp_path / "c").mkdir()
    assert cache.get(HANDLE, tmp_path / "c") == str(new)
    assert cache.get(HANDLE, tmp_path / "c" / "unknown.txt") == str(new)
    new.unlink()
    assert cache.get(HANDLE) == str(old)


def test_entries_of_the_asked_directory_that_are_true_no_more_are_dropped(cache, tmp_path):
    gone, kept = make(tmp_path / "a" / "gone"), make(tmp_path / "b" / "kept")
    cache.add(HANDLE, gone)
    cache.add(HANDLE, kept)
    gone.unlink()
    assert cache.get(HANDLE, gone.parent) == str(kept)
    assert list(json.loads(map_of(cache).read_text())) == [str(kept)]


def test_adding_what_is_not_there_is_an_error(cache, tmp_path):
    with pytest.raises(ValueError, match="Can't find file"):
        cache.add(HANDLE, tmp_path / "nothing")


def test_remove_forgets_one_copy_or_all_and_deletes_only_when_asked(cache, tmp_path):
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


def test_remove_of_an_entity_means_its_path(cache, tmp_path):
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


def test_purge_leaves_files_outside_the_cache(cache, tmp_path):
    file = make(tmp_path / "mine.txt")
    cache.add(HANDLE, file)
    assert cache.purge(before_date=time.time() + 60) == 1
    assert file.exists()
    assert cache.get(HANDLE) is None


def test_purge_wants_a_period_that_makes_sense(cache):
    with pytest.raises(ValueError, match="Either before date or after date"):
        cache.purge()
    with pytest.raises(ValueError, match="larger than after date"):
        cache.purge(before_date=1.0, after_date=2.0)


def test_a_cache_that_cannot_be_written_to_still_answers(cache, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser can write everywhere")
    file = make(tmp_path / "f.txt")
    cache.add(HANDLE, file)
    for directory in (map_of(cache).parent, Path(cache.cache_root_dir) / ".synapse_workflows"):
        directory.chmod(0o500)
    assert cache.get(HANDLE) == str(file)


def test_a_cache_pickles(cache, tmp_path):
    copy = pickle.loads(pickle.dumps(Cache(tmp_path, limit=5)))  # noqa: S301 - our own
    assert (copy.cache_root_dir, copy.limit) == (str(tmp_path), 5)
