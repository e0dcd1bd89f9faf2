"""Target paths of downloads: directories, collisions, and the cache with its limit."""

import os
import threading
from pathlib import Path

import pytest

from synapse_workflows import File
from synapse_workflows.client.errors import SynapseFileNotFoundError, SynapseForbiddenError
from synapse_workflows.client.transfer import download


@pytest.fixture
def file(syn, folder, make_file):
    """A stored file that is not in the cache."""
    stored = syn.store(File(str(make_file("data.txt", f"stored {os.urandom(8).hex()}")), folder))
    syn.cache.remove(stored.dataFileHandleId)
    return stored


@pytest.fixture
def content(file):
    return Path(file.path).read_text()


@pytest.fixture
def here(tmp_path):
    """Directory with a file of the same name."""
    directory = tmp_path / "here"
    directory.mkdir()
    (directory / "data.txt").write_text("mine")
    return directory


def texts_in(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(directory.iterdir())}


def fetch(syn, file, **more) -> Path | None:
    arguments = {"associate_type": "FileEntity", "associate_id": file.id} | more
    return download.download_file(
        syn,
        file_handle=more.pop("file_handle", file._file_handle),
        **{key: value for key, value in arguments.items() if key != "file_handle"},
    )


def test_default_directory_is_the_cache(syn, file, content):
    path = fetch(syn, file)
    assert path == Path(syn.cache.get_cache_dir(file.dataFileHandleId), "data.txt")
    assert path.read_text() == content
    assert syn.cache.get(file.dataFileHandleId) == str(path)


def test_cached_file_is_not_downloaded_again(syn, file, monkeypatch):
    first = fetch(syn, file)
    syn.fileHandleEndpoint = "http://127.0.0.1:1/unreachable"
    assert fetch(syn, file) == first


def test_file_that_was_added_to_the_cache_is_not_downloaded(syn, file, content, tmp_path):
    (tmp_path / "own.txt").write_text(content)
    syn.cache.add(file.dataFileHandleId, tmp_path / "own.txt")
    syn.fileHandleEndpoint = "http://127.0.0.1:1/unreachable"
    assert fetch(syn, file).read_text() == content


def test_cached_file_is_copied_to_another_directory(syn, file, content, tmp_path):
    fetch(syn, file)
    syn.fileHandleEndpoint = "http://127.0.0.1:1/unreachable"
    copy = fetch(syn, file, directory=tmp_path / "new" / "place")
    assert copy == tmp_path / "new" / "place" / "data.txt"
    assert texts_in(copy.parent) == {"data.txt": content}
    assert syn.cache.contains(file.dataFileHandleId, copy)


def test_changed_file_in_the_cache_is_downloaded_again(syn, file, content):
    path = fetch(syn, file)
    path.write_text("changed")
    os.utime(path, (1, 1))
    assert fetch(syn, file) == path
    assert path.read_text() == content


def test_default_collision_setting_keeps_both_files(syn, file, content, here):
    assert fetch(syn, file, directory=here) == here / "data(1).txt"
    assert texts_in(here) == {"data.txt": "mine", "data(1).txt": content}


def test_keep_both_uses_an_existing_copy(syn, file, content, here):
    fetch(syn, file, directory=here)
    assert fetch(syn, file, directory=here, if_collision="keep.both") == here / "data(1).txt"
    assert len(texts_in(here)) == 2


def test_keep_local_keeps_the_existing_file(syn, file, here):
    assert fetch(syn, file, directory=here, if_collision="keep.local") is None
    assert texts_in(here) == {"data.txt": "mine"}


def test_overwrite_local_replaces_the_existing_file(syn, file, content, here):
    assert fetch(syn, file, directory=here, if_collision="overwrite.local") == here / "data.txt"
    assert texts_in(here) == {"data.txt": content}


@pytest.mark.parametrize("choice", ["keep.both", "keep.local", "overwrite.local"])
def test_collision_setting_without_collision(syn, file, content, tmp_path, choice):
    path = fetch(syn, file, directory=tmp_path / "empty", if_collision=choice)
    assert texts_in(path.parent) == {"data.txt": content}


def test_invalid_collision_setting_raises(syn, file):
    with pytest.raises(ValueError, match=r"keep\.everything"):
        fetch(syn, file, if_collision="keep.everything")


def test_download_location_that_is_a_file_raises(syn, file, here):
    with pytest.raises(ValueError, match="should be a directory"):
        fetch(syn, file, directory=here / "data.txt")


def test_concurrent_downloads_of_the_same_name_are_all_kept(syn, folder, tmp_path):
    stored = []
    for number in range(6):
        path = tmp_path / str(number) / "same.txt"
        path.parent.mkdir()
        path.write_text(f"content {number} {os.urandom(4).hex()}")
        stored.append(syn.store(File(str(path), parent=folder, name=f"file {number}")))
        syn.cache.remove(stored[-1].dataFileHandleId)
    wanted = {Path(each.path).read_text() for each in stored}
    place = tmp_path / "together"
    threads = [
        threading.Thread(target=fetch, args=(syn, each), kwargs={"directory": place})
        for each in stored
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(texts_in(place).values()) == wanted
    assert len(texts_in(place)) == 6


@pytest.mark.parametrize("name", ["../../evil.txt", "/evil.txt", "..", "", None, "a/b\0c"])
def test_file_name_cannot_leave_the_directory(syn, file, content, tmp_path, name):
    handle = {**file._file_handle, "fileName": name}
    path = fetch(syn, file, file_handle=handle, directory=tmp_path / "inside")
    assert path.parent == tmp_path / "inside"
    assert texts_in(tmp_path / "inside") == {path.name: content}


def test_file_name_of_maximum_length(syn, file, content, tmp_path):
    name = "x" * 251 + ".txt"
    handle = {**file._file_handle, "fileName": name}
    path = fetch(syn, file, file_handle=handle, directory=tmp_path / "inside")
    assert texts_in(tmp_path / "inside") == {name: content}
    assert path.name == name


def test_missing_file_handle_raises(syn, file):
    with pytest.raises(SynapseFileNotFoundError, match="File handle 99999999 of"):
        fetch(syn, file, file_handle={"id": "99999999"})


def test_file_handle_without_permission_raises(bob, file):
    with pytest.raises(SynapseForbiddenError, match="not authorized to access fileHandleId") as no:
        fetch(bob, file)
    assert no.value.status == 403


def test_downloads_respect_the_cache_limit(client_of, syn, folder, tmp_path):
    stored = []
    for number in range(4):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(os.urandom(1000))
        stored.append(syn.store(File(str(path), parent=folder)))
    small = client_of("alice", cache_root_dir=str(tmp_path / "small"), cache_limit=2500)
    paths = []
    for file in stored:
        paths.append(fetch(small, file))
        small.cache.release_pins()
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_downloaded_files_are_pinned_until_they_are_released(client_of, syn, folder, tmp_path):
    stored = []
    for number in range(3):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(os.urandom(1000))
        stored.append(syn.store(File(str(path), parent=folder)))
    small = client_of("alice", cache_root_dir=str(tmp_path / "small"), cache_limit=1500)
    paths = [fetch(small, file) for file in stored]
    assert all(path.exists() for path in paths)
    small.cache.release_pins()
    assert small.cache.make_room() == 0
    assert [path.exists() for path in paths] == [False, False, True]


def test_files_are_evicted_before_a_download(client_of, syn, folder, tmp_path):
    """The old file is deleted before the new one is downloaded."""
    stored = []
    for number in range(2):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(os.urandom(1000))
        stored.append(syn.store(File(str(path), parent=folder)))
    small = client_of("alice", cache_root_dir=str(tmp_path / "small"), cache_limit=1500)
    old = fetch(small, stored[0])
    small.cache.release_pins()
    with pytest.raises(SynapseFileNotFoundError):
        fetch(small, stored[1], file_handle={"id": "99999999", "fileName": "x"})
    assert old.exists()
    fetch(small, stored[1])
    assert not old.exists()
