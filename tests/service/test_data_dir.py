"""Tests of data directories from which files are missing."""

import shutil
from copy import copy

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import TableClient

from synapse_workflows.constants import ENTITY_VIEW
from synapse_workflows.local.server import LocalService
from synapse_workflows.local.storage.data_dir import DataDirError


def list_files(data_dir):
    return {
        path.relative_to(data_dir): path.read_bytes()
        for path in data_dir.rglob("*")
        if path.is_file()
        and not path.name.startswith("synapse.db")
        and path.name != "service.lock"
    }


class Content:
    """A table, a snapshot of a view and a file of alice."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        with start_service(data_dir) as rest_service:
            alice = Author(rest_service, "alice")
            tables = TableClient(alice)
            self.table = tables.create_table(("a", "STRING"))["id"]
            tables.append(self.table, ["x"])
            self.empty = tables.create_table(("a", "STRING"))["id"]
            column = tables.create_column("name", maximumSize=256)["id"]
            body = {"viewTypeMask": 4, "scopeIds": [tables.project], "columnIds": [column]}
            self.view = alice.make(ENTITY_VIEW, tables.project, **body)["id"]
            tables.transact(self.view, createSnapshot=True)
            self.handle = alice.upload(b"content")

    @property
    def table_file(self):
        return self.data_dir / "tables" / f"{self.table.removeprefix('syn')}.db"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Content from which each test has a copy."""
    return Content(tmp_path_factory.mktemp("original") / "data")


@pytest.fixture
def content(original, tmp_path):
    copied = copy(original)
    copied.data_dir = shutil.copytree(original.data_dir, tmp_path / "data")
    return copied


@pytest.mark.parametrize("replacement", [None, b""], ids=["missing", "empty"])
@pytest.mark.parametrize("kept", ["blobs", "tables", "views"])
def test_start_without_the_database_of_content_is_refused(content, kept, replacement):
    for path in content.data_dir.glob("synapse.db*"):
        path.unlink()
    if replacement is not None:
        (content.data_dir / "synapse.db").write_bytes(replacement)
    for name in {"blobs", "tables", "views"} - {kept}:
        shutil.rmtree(content.data_dir / name)
    before = list_files(content.data_dir)
    with pytest.raises(DataDirError, match=r"synapse\.db is missing or empty"):
        LocalService(content.data_dir).__enter__()
    assert list_files(content.data_dir) == before


def test_damaged_database_is_refused(content):
    for path in content.data_dir.glob("synapse.db-*"):
        path.unlink()
    (content.data_dir / "synapse.db").write_bytes(b"no database" * 1000)
    before = list_files(content.data_dir)
    with pytest.raises(DataDirError, match="is damaged"):
        LocalService(content.data_dir).__enter__()
    assert list_files(content.data_dir) == before


def test_older_database_is_refused_and_keeps_newer_files(tmp_path):
    with start_service(tmp_path):
        pass
    backup = (tmp_path / "synapse.db").read_bytes()
    content = Content(tmp_path)
    for path in tmp_path.glob("synapse.db*"):
        path.unlink()
    (tmp_path / "synapse.db").write_bytes(backup)
    before = list_files(tmp_path)
    with pytest.raises(DataDirError, match=r"synapse\.db is older than tables/"):
        LocalService(tmp_path).__enter__()
    assert list_files(tmp_path) == before
    assert content.table_file.exists()


def test_unknown_files_are_kept(content):
    unknown = [
        content.data_dir / "tables" / "notes.txt",
        content.data_dir / "views" / f"{'a' * 32}.db",
        content.data_dir / "views" / "current" / "notes.txt",
        content.data_dir / "blobs" / "drafts" / "notes.txt",
        content.data_dir / "blobs" / "stored" / "ab" / "abc",
    ]
    for path in unknown:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    with LocalService(content.data_dir):
        pass
    assert [path.read_text() for path in unknown] == ["mine"] * len(unknown)


@pytest.mark.parametrize(
    "damage", [None, b"", b"no database" * 1000], ids=["missing", "empty", "bad"]
)
@pytest.mark.parametrize("is_running", [True, False])
def test_lost_table_file_is_an_error(content, damage, is_running, caplog):
    def lose():
        for path in content.table_file.parent.glob(f"{content.table_file.name}*"):
            path.unlink()
        if damage is not None:
            content.table_file.write_bytes(damage)

    if not is_running:
        lose()
    with start_service(content.data_dir) as rest_service:
        if is_running:
            lose()
        tables = TableClient(Author(rest_service, "alice"))
        sql = f"select * from {content.table}"
        for answer in (
            tables.try_query(sql),
            tables.try_download(sql),
            tables.try_transact(content.table, tables.rows(content.table, ["y"])),
        ):
            assert_error(answer, 410, f"The rows of {content.table} are lost")
        assert tables.query(f"select * from {content.empty}") == []
        tables.append(content.empty, ["still works"])
    assert "Traceback" not in caplog.text


def test_lost_snapshot_of_a_view_is_an_error(content):
    for path in (content.data_dir / "views").glob("*.db"):
        path.unlink()
    with start_service(content.data_dir) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        answer = tables.try_query(f"select * from {content.view}.1")
        assert_error(answer, 410, f"The rows of {content.view}.1 are lost")


@pytest.mark.parametrize("content_left", [None, b"con"], ids=["missing", "truncated"])
def test_lost_content_of_a_file_is_an_error(content, content_left, caplog):
    (path,) = (content.data_dir / "blobs" / "stored").glob("*/*")
    path.unlink()
    if content_left is not None:
        path.write_bytes(content_left)
    with start_service(content.data_dir) as rest_service:
        answer = Author(rest_service, "alice").read(content.handle)
    assert answer.status_code == 410
    assert "is lost" in answer.text
    assert "Traceback" not in caplog.text


def test_files_of_deleted_tables_are_deleted_at_the_next_start(content):
    with start_service(content.data_dir) as rest_service:
        path = f"{REPO}/entity/{content.table}?skipTrashCan=true"
        assert Author(rest_service, "alice").delete(path).ok
    with start_service(content.data_dir):
        assert not content.table_file.exists()


def test_unused_content_is_deleted_at_the_next_start(content):
    with LocalService(content.data_dir) as service:
        with service.service.database.write_transaction() as session:
            session.connection().exec_driver_sql("UPDATE file_handle SET blob_id = NULL")
            session.connection().exec_driver_sql("DELETE FROM segment")
        assert list((content.data_dir / "blobs" / "stored").glob("*/*"))
    with LocalService(content.data_dir):
        assert not list((content.data_dir / "blobs" / "stored").glob("*/*"))


def test_data_dir_of_an_earlier_start_is_accepted(content):
    for _ in range(2):
        with start_service(content.data_dir) as rest_service:
            alice = Author(rest_service, "alice")
            assert TableClient(alice).query(f"select a from {content.table}") == [["x"]]
            assert alice.read(content.handle).content == b"content"
            assert TableClient(alice).query(f"select name from {content.view}.1")


def test_empty_data_dir_is_accepted(tmp_path):
    for name in ("blobs/stored", "tables", "views"):
        (tmp_path / name).mkdir(parents=True)
    with start_service(tmp_path) as rest_service:
        assert ok(Author(rest_service, "alice").get(f"{REPO}/userProfile"))
