"""The file system `syn://`, used by fsspec, pandas and pyarrow outside of Airflow tasks."""

import io
import pickle
import random
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pandas as pd
import pytest
from support.prepared_entities import append_rows

from synapse_workflows import Link
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseMalformedEntityError,
    SynapseNoCredentialsError,
    SynapseUnsupportedStorageError,
)
from synapse_workflows.filesystem.synapse_file_system import SynapseFileSystem


@pytest.fixture
def options(socket_service, tmp_path):
    """Storage options that select the account of alice in the local service."""
    path = tmp_path / "synapseConfig"
    cache = f"[cache]\nlocation = {tmp_path / 'cache'}\n"
    path.write_text(socket_service.synapse_config("alice") + cache)
    return {"config_path": str(path)}


@pytest.fixture
def fs(options):
    return SynapseFileSystem(**options)


def test_a_file_is_written_and_read_by_path(fs, project, alice):
    path = f"syn://{project}/new folder/sub.v1/a (1), it's +1.2.csv"
    with fs.open(path, "wb") as file:
        file.write(b"a,b\n")
        file.write(b"1,2\n")
        assert not fs.exists(path)
    assert fs.cat_file(path) == b"a,b\n1,2\n"
    info = fs.info(path)
    stored = alice.get(info["id"], downloadFile=False)
    assert (stored.name, stored.versionNumber) == ("a (1), it's +1.2.csv", 1)
    assert info["size"] == 8
    assert info["md5"] == stored.md5
    assert (info["version"], info["etag"], info["type"]) == (1, stored.etag, "file")
    assert fs.created(path).isoformat()[:19] == stored.createdOn[:19]
    assert fs.modified(path).tzinfo is not None
    assert fs.checksum(path) == int(stored.md5, 16)
    assert f"{stored.id}.1-" in fs.ukey(path)


def test_versions(fs, put):
    raw = put(text="one")
    entity_id = raw.partition(".")[0]
    fs.pipe_file(f"syn://{entity_id}", b"two")
    fs.pipe_file(f"syn://{entity_id}", b"two")
    assert fs.info(entity_id)["version"] == 2
    assert fs.cat_file(f"syn://{entity_id}") == b"two"
    assert fs.cat_file(f"syn://{entity_id}.1") == b"one"
    with fs.open(f"syn://{entity_id}", version=1) as file:
        assert (file.read(), file.size) == (b"one", 3)
    assert fs.info(f"syn://{entity_id}.1")["size"] == 3
    with pytest.raises(ValueError, match="a version never changes"):
        fs.open(f"syn://{entity_id}.1", "wb")
    with pytest.raises(ValueError, match="version=1: a version never changes"):
        fs.open(f"syn://{entity_id}", "wb", version=1)
    with pytest.raises(FileNotFoundError):
        fs.open(f"syn://{entity_id}.9")


def test_listings(fs, project, alice, table):
    for name in ("a.csv", "b/c.csv", "b/d.txt"):
        fs.pipe_file(f"{project}/{name}", name.encode())
    assert sorted(fs.ls(project, detail=False)) == [
        f"{project}/{name}" for name in ("Results", "a.csv", "b")
    ]
    details = {one["name"].rpartition("/")[2]: one for one in fs.ls(f"syn://{project}")}
    assert details["a.csv"]["size"] == 5
    assert details["a.csv"]["md5"] == fs.info(f"{project}/a.csv")["md5"]
    assert details["b"]["type"] == "directory"
    assert details["Results"]["size"] is None
    assert fs.find(f"{project}/b") == [f"{project}/b/c.csv", f"{project}/b/d.txt"]
    assert fs.find(f"{project}/b", detail=True)[f"{project}/b/c.csv"]["size"] == 7
    assert fs.glob(f"syn://{project}/**/*.csv") == [f"{project}/a.csv", f"{project}/b/c.csv"]
    assert [(top, dirs) for top, dirs, _ in fs.walk(project)] == [
        (project, ["b"]),
        (f"{project}/b", []),
    ]
    assert fs.du(f"{project}/b") == 14
    assert fs.du(project, total=False)[f"{project}/Results"] == 0
    assert fs.isdir(project)
    assert not fs.isfile(project)
    assert fs.isfile(f"{project}/a.csv")
    assert not fs.exists(f"{project}/nothing")
    assert project in fs.ls("syn://", detail=False)
    assert fs.find(f"{project}/nothing") == []
    with pytest.raises(FileNotFoundError, match="no entity named 'nothing'"):
        fs.ls(f"{project}/nothing")


def test_pandas_and_pyarrow(fs, options, project):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "ü"]})
    frame.to_csv(f"syn://{project}/t.csv", index=False, storage_options=options)
    found = pd.read_csv(f"syn://{fs.info(f'{project}/t.csv')['id']}", storage_options=options)
    assert found.equals(frame)
    frame.to_parquet(f"syn://{project}/t.parquet", storage_options=options)
    found = pd.read_parquet(f"syn://{project}/t.parquet", storage_options=options)
    assert found["b"].tolist() == ["x", "ü"]


def test_text_and_compression(fs, options, project):
    with fsspec.open(
        f"syn://{project}/z.txt.gz", "w", compression="infer", encoding="utf-8", **options
    ) as file:
        file.write("ü\n")
    with fs.open(f"{project}/y.txt.gz", "w", compression="gzip", encoding="utf-8") as file:
        file.write("ü\n")
    for name in ("z", "y"):
        path = f"syn://{project}/{name}.txt.gz"
        with fsspec.open(path, "r", compression="infer", encoding="utf-8", **options) as file:
            assert file.read() == "ü\n"
    with fs.open(f"{project}/y.txt.gz", "w", compression="gzip", encoding="utf-8") as file:
        file.write("ü\n")
    assert fs.info(f"{project}/y.txt.gz")["version"] == 1
    fs.write_text(f"{project}/t.txt", "text")
    assert fs.read_text(f"{project}/t.txt") == "text"


@pytest.fixture
def large(project, fs):
    """Path and content of a file of 64 blocks of 1 KiB."""
    content = random.Random(1).randbytes(64 * 1024)  # noqa: S311 - no secret
    fs.pipe_file(f"{project}/large.bin", content)
    fs.client.cache.purge(time.time() + 60)
    return f"{project}/large.bin", content


def test_ranges_of_a_large_file_are_read(fs, large):
    path, content = large
    handle_id = fs.client.get(fs.info(path)["id"], downloadFile=False).dataFileHandleId
    with fs.open(path, block_size=1024) as file:
        assert file.read(10) == content[:10]
        assert file.seek(-10, 2) == len(content) - 10
        assert file.read() == content[-10:]
        file.seek(30_000)
        assert file.read(2000) == content[30_000:32_000]
        assert file.size == len(content)
        assert not fs.client.cache.has_copies(handle_id)
        fs.pipe_file(path, b"another version")
        file.seek(0)
        assert file.read() == content
    assert fs.client.cache.has_copies(handle_id)
    with fs.open(path, block_size=1024, version=1) as file:
        assert file.read() == content
    with pytest.raises(ValueError, match="Invalid block_size 0"):
        fs.open(path, block_size=0)


def test_a_large_file_is_read_in_lines_and_by_threads(fs, large):
    path, content = large
    with fs.open(path, block_size=1024) as file:
        assert list(file) == io.BytesIO(content).readlines()
    fs.client.cache.purge(time.time() + 60)

    def read(start):
        with fs.open(path, block_size=1024) as file:
            file.seek(start)
            return file.read(3000)

    starts = [0, 60_000, 64_000, 70_000]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, starts)) == [content[one : one + 3000] for one in starts]


def test_a_large_file_is_downloaded_as_a_whole(fs, large, tmp_path):
    path, content = large
    fs.get_file(path, str(tmp_path / "copy"), block_size=1024)
    assert (tmp_path / "copy").read_bytes() == content


def test_other_file_systems_and_data_sets_build_on_it(fs, options, project, put):
    raw = put(text="a\n1\n")
    with fsspec.open(f"simplecache::syn://{raw}", syn=options) as file:
        assert file.read() == b"a\n1\n"
    with fsspec.open(f"simplecache::syn://{project}/x.txt", "wb", syn=options) as file:
        file.write(b"cached")
    assert fs.cat(f"{project}/x.txt") == b"cached"
    for number in range(2):
        path = f"syn://{project}/data/{number}.parquet"
        pd.DataFrame({"a": [number]}).to_parquet(path, storage_options=options)
    found = pd.read_parquet(f"syn://{project}/data", storage_options=options)
    assert found["a"].tolist() == [0, 1]
    with fs.open(f"{project}/z.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "zipped")
    with fsspec.open(f"zip://a.txt::syn://{project}/z.zip", syn=options) as file:
        assert file.read() == b"zipped"
    mapper = fs.get_mapper(f"{project}/map")
    mapper["key"] = b"value"
    assert dict(mapper) == {"key": b"value"}


def write_and_fail(file, content):
    with file as stream:
        stream.write(content)
        raise KeyError


def test_nothing_is_stored_if_the_writer_fails(fs, options, project, caplog):
    for mode in ("wb", "w"):
        for file in (
            fs.open(f"{project}/a.txt", mode),
            fsspec.open(f"syn://{project}/a.txt", mode, **options),
        ):
            with pytest.raises(KeyError):
                write_and_fail(file, b"half" if "b" in mode else "half")
    assert not fs.exists(f"{project}/a.txt")
    assert "was not stored because of KeyError" in caplog.text


def test_an_unclosed_file_is_not_stored(fs, project, caplog):
    fs.open(f"{project}/a.txt", "wb").write(b"x")
    fs.open(f"{project}/a.txt", "w").write("x")
    assert not fs.exists(f"{project}/a.txt")
    assert "was not closed" in caplog.text


def test_a_file_can_be_closed_in_an_exception_handler(fs, project):
    try:
        {}["key"]
    except KeyError:
        fs.pipe_file(f"{project}/fallback.txt", b"x")
    assert fs.cat_file(f"{project}/fallback.txt") == b"x"


def test_a_transaction_stores_at_its_end_or_nothing(fs, project):
    with fs.transaction:
        fs.pipe_file(f"{project}/a.txt", b"x")
        assert not fs.exists(f"{project}/a.txt")
    assert fs.exists(f"{project}/a.txt")
    with pytest.raises(KeyError), fs.transaction:
        fs.pipe_file(f"{project}/b.txt", {}["content"])
    assert not fs.exists(f"{project}/b.txt")


def test_exclusive_creation(fs, project):
    with fs.open(f"{project}/x.txt", "xb") as file:
        file.write(b"1")
    with pytest.raises(FileExistsError):
        fs.open(f"{project}/x.txt", "xb")
    first = fs.open(f"{project}/y.txt", "xb")
    first.write(b"1")
    fs.pipe_file(f"{project}/y.txt", b"2")
    with pytest.raises(FileExistsError):
        first.close()
    assert fs.cat_file(f"{project}/y.txt") == b"2"


@pytest.mark.parametrize("mode", ["ab", "a", "r+b", "w+"])
def test_append_and_update_are_refused(fs, project, mode):
    with pytest.raises(ValueError, match="cannot be appended to or updated"):
        fs.open(f"{project}/a.txt", mode)


@pytest.mark.parametrize("name", ["a#b.csv", "a?b.csv", "a%20b.csv", "ä.csv", "a[1].csv"])
def test_invalid_names_are_refused_before_the_content_is_written(fs, project, name):
    with pytest.raises(SynapseMalformedEntityError, match="Invalid name"):
        fs.open(f"syn://{project}/{name}", "wb")
    assert not fs.exists(f"syn://{project}/{name}")


def test_invalid_arguments_are_named(fs, options, put):
    raw = put()
    for path in (None, 5, b"syn1", {}):
        for call in (fs.open, fs.info, fs.ls, fs.exists):
            with pytest.raises(TypeError, match="Invalid path"):
                call(path)
    with pytest.raises(ValueError, match="Unsupported mode None"):
        fs.open(raw, None)
    with pytest.raises(ValueError, match="Invalid block_size '1 MB'"):
        fs.open(raw, block_size="1 MB")
    with pytest.raises(TypeError, match="Invalid storage options synapse_conn: expected"):
        pd.read_csv(f"syn://{raw}", storage_options={"synapse_conn": "other", **options})


def test_other_entities_are_refused(fs, project, put, table):
    raw = put()
    with pytest.raises(IsADirectoryError):
        fs.open(project)
    with pytest.raises(IsADirectoryError, match="Add the name of a file"):
        fs.open(project, "wb")
    with pytest.raises(NotADirectoryError, match=r"raw\.csv"):
        fs.open(f"{project}/raw.csv/a.txt", "wb")
    with pytest.raises(SynapseMalformedEntityError, match="SynapseTableStoreOperator"):
        fs.open(table, "wb")
    with pytest.raises(ValueError, match="empty"):
        fs.touch(f"{project}/empty.txt")
    with pytest.raises(ValueError, match=r"Invalid path 'syn://folder/a'"):
        fs.open("syn://folder/a")
    with pytest.raises(ValueError, match="contains no other entity"):
        fs.open(f"syn://{raw}/a")


def test_a_link_has_no_content(fs, project, alice, put):
    fs.mkdir(f"{project}/links")
    folder = fs.info(f"{project}/links")["id"]
    link = alice.store(Link(put().partition(".")[0], parent=folder, name="link"))
    assert fs.info(link.id)["type"] == "other"
    with pytest.raises(SynapseUnsupportedStorageError, match="is a Link"):
        fs.open(link.id)


def test_tables_are_read_as_csv(fs, options, filled, alice):
    frame = pd.read_csv(f"syn://{filled}", storage_options=options)
    assert frame.to_dict("list") == {"a name": ["a", "b", "c"], "n": [1, 2, 3]}
    version = alice.create_snapshot_version(filled)
    frame = pd.read_csv(f"syn://{filled}.{version}", storage_options=options)
    assert len(frame) == 3
    append_rows(alice, filled, [["d", 4]])
    with fs.open(filled, version=version) as file:
        assert len(file.readlines()) == 4
    with fs.open(filled) as file:
        assert len(file.readlines()) == 5


def test_folders(fs, project):
    fs.mkdir(f"{project}/a/b")
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{project}/a/b")
    with pytest.raises(FileExistsError):
        fs.makedirs(f"{project}/a/b")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{project}/c/d", create_parents=False)
    fs.makedirs(f"{project}/a/b/c", exist_ok=True)
    fs.makedirs(f"{project}/a/b/c", exist_ok=True)
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{project}/a/b")
    fs.rmdir(f"{project}/a/b/c")
    fs.pipe_file(f"{project}/a/x.txt", b"x")
    with pytest.raises(IsADirectoryError):
        fs.rm(f"{project}/a")
    fs.rm(f"{project}/a", recursive=True)
    assert fs.ls(project) == []


def test_deletion(fs, project, put):
    entity_id = put(text="1").partition(".")[0]
    fs.pipe_file(entity_id, b"2")
    fs.rm(f"{entity_id}.1")
    assert fs.cat_file(entity_id) == b"2"
    with pytest.raises(FileNotFoundError):
        fs.info(f"{entity_id}.1")
    fs.rm(f"{project}/*.csv")
    assert not fs.exists(entity_id)
    with pytest.raises(FileNotFoundError):
        fs.rm(entity_id)


def test_copies_are_made_by_the_server(fs, project, put, alice, tmp_path):
    raw = put(text="content")
    fs.copy(f"syn://{raw}", f"{project}/copies/a.csv")
    fs.copy(f"syn://{raw}", f"{project}/copies/a.csv")
    copy = alice.get(fs.info(f"{project}/copies/a.csv")["id"], downloadLocation=str(tmp_path))
    assert copy.versionNumber == 1
    assert copy.path == str(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "content"
    fs.copy(f"{project}/copies", f"{project}/more", recursive=True)
    assert fs.cat_file(f"{project}/more/a.csv") == b"content"


def test_an_entity_is_moved_with_its_versions(fs, project, put):
    entity_id = put(text="1").partition(".")[0]
    fs.pipe_file(entity_id, b"2")
    fs.mkdir(f"{project}/to")
    fs.mv(f"{project}/raw.csv", f"{project}/to/new.csv")
    assert fs.info(f"{project}/to/new.csv")["id"] == entity_id
    assert fs.cat_file(f"{entity_id}.1") == b"1"
    fs.mv(f"{project}/to/new.csv", project)
    assert fs.exists(f"{project}/new.csv")
    fs.pipe_file(f"{project}/other.csv", b"x")
    with pytest.raises(FileExistsError):
        fs.mv(f"{project}/other.csv", f"{project}/new.csv")
    with pytest.raises(FileNotFoundError, match="Create it first"):
        fs.mv(f"{project}/other.csv", f"{project}/no/new.csv")


def test_a_file_that_is_moved_while_it_is_written_stays_there(fs, project, put):
    entity_id = put(text="1").partition(".")[0]
    fs.mkdir(f"{project}/to")
    with fs.open(entity_id, "wb") as file:
        file.write(b"2")
        fs.mv(entity_id, f"{project}/to")
    assert fs.cat_file(f"{project}/to/raw.csv") == b"2"
    assert fs.info(f"{project}/to/raw.csv")["id"] == entity_id


def test_local_files(fs, project, tmp_path):
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.txt").write_text("a")
    fs.put(str(tmp_path / "up"), f"{project}/up", recursive=True)
    fs.get(f"{project}/up", str(tmp_path / "down"), recursive=True)
    assert (tmp_path / "down" / "a.txt").read_text() == "a"


def test_signed_urls(fs, put):
    import requests

    assert requests.get(fs.sign(f"syn://{put(text='x')}"), timeout=10).text == "x"


def test_threads_and_pickling(fs, options, project):
    copy = pickle.loads(pickle.dumps(fs))  # noqa: S301
    assert "token" not in repr(fs.__reduce__())

    def write(number):
        system = SynapseFileSystem(**options) if number % 2 else copy
        system.pipe_file(f"{project}/deep/{number}.txt", str(number).encode())
        return system.cat_file(f"{project}/deep/{number}.txt")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(6))) == [str(n).encode() for n in range(6)]
    assert len(fs.find(project)) == 6


def test_missing_permissions_are_errors(socket_service, options, tmp_path, alice, project, put):
    path = tmp_path / "bob"
    path.write_text(socket_service.synapse_config("bob"))
    fs = SynapseFileSystem(config_path=str(path))
    raw = put()
    for call in (fs.exists, fs.isdir, fs.ls, fs.find, fs.open):
        with pytest.raises(SynapseForbiddenError):
            call(raw)
    alice.setPermissions(project, socket_service.owner_id("bob"), ["READ"])
    with pytest.raises(PermissionError, match="DOWNLOAD"):
        fs.open(raw)
    with pytest.raises(PermissionError, match="canAddChild"):
        fs.open(f"{project}/new.txt", "wb")
    with pytest.raises(PermissionError, match="canEdit"):
        fs.open(raw.partition(".")[0], "wb")


def test_no_credentials(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNAPSE_AUTH_TOKEN", raising=False)
    (tmp_path / "empty").write_text("")
    with pytest.raises(SynapseNoCredentialsError):
        SynapseFileSystem(config_path=str(tmp_path / "empty")).info("syn://syn1")
