"""Tests of the bulk download of files in cells of tables and views."""

from pathlib import Path

import pytest

from synapse_workflows import (
    Column,
    EntityViewSchema,
    File,
    Folder,
    Project,
    Schema,
    Table,
)
from synapse_workflows.testing import in_process

COLUMNS = [
    Column(name="f", columnType="FILEHANDLEID"),
    Column(name="a second", columnType="FILEHANDLEID"),
    Column(name="text", columnType="STRING"),
]


@pytest.fixture
def files(syn, project, make_file):
    """Three files of alice."""
    return [syn.store(File(str(make_file(f"{n}.txt")), parent=project)) for n in range(3)]


@pytest.fixture
def handles(files):
    """The file handle IDs of the files."""
    return [file.dataFileHandleId for file in files]


@pytest.fixture
def table(syn, project, handles):
    """A table with the files in its cells, some of them twice."""
    first, second, third = handles
    rows = [[first, None, "12x"], [second, first, ""], [None, None, None], [second, third, first]]
    return syn.store(Table(Schema("files", COLUMNS, parent=project), rows)).tableId


@pytest.fixture
def result(syn, table, handles):
    """A query result with all rows; none of the files is cached."""
    found = syn.tableQuery(f"select * from {table} order by ROW_ID")
    for handle in handles:
        syn.cache.remove(handle, delete=False)
    return found


def read_files(paths):
    return [Path(path).read_bytes() for path in paths.values()]


def test_each_file_is_downloaded_once(syn, result, files, handles):
    assert list(syn.downloadTableColumns(result, "f")) == handles[:2]
    paths = syn.downloadTableColumns(result, ("f", "a second"))
    assert list(paths) == handles
    assert read_files(paths) == [Path(file.path).read_bytes() for file in files]


def test_cached_files_are_not_requested(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {make_file().read_text()}"[:50].strip()))
    file = in_process_client.store(File(str(make_file()), parent=project))
    schema = Schema("files", COLUMNS[:1], parent=project)
    table = in_process_client.store(Table(schema, [[file.dataFileHandleId]])).tableId
    found = in_process_client.tableQuery(f"select * from {table}")
    in_process_client.cache.remove(file.dataFileHandleId, delete=False)
    calls()
    first = in_process_client.downloadTableColumns(found, "f")
    requests = [call.split()[1] for call in calls()]
    assert requests[0] == "file:/file/bulk/async/start"
    assert in_process_client.downloadTableColumns(found, "f") == first
    assert calls() == []


def test_files_are_downloaded_to_directory(syn, result, handles, tmp_path):
    directory = tmp_path / "downloads"
    paths = syn.downloadTableColumns(result, ["a second", "f"], downloadLocation=str(directory))
    assert sorted(paths) == sorted(handles)
    assert sorted(path.name for path in directory.iterdir()) == ["0.txt", "1.txt", "2.txt"]


@pytest.mark.parametrize("request_size", [1, 10])
def test_files_of_one_name_have_paths_of_their_own(syn, project, tmp_path, request_size):
    contents = {}
    for number in range(4):
        path = tmp_path / f"site {number}" / "data.csv.gz"
        path.parent.mkdir()
        path.write_text(f"of site {number}")
        folder = syn.store(Folder(path.parent.name, parent=project))
        stored = syn.store(File(str(path), parent=folder))
        contents[stored.dataFileHandleId] = path.read_text()
        syn.cache.remove(stored.dataFileHandleId, delete=False)
    rows = [[handle] for handle in contents]
    table = syn.store(Table(Schema("sites", COLUMNS[:1], parent=project), rows))
    found = syn.tableQuery(f"select * from {table.tableId} order by ROW_ID")
    target = tmp_path / "downloads"
    target.mkdir()
    (target / "data.csv.gz").write_text("mine")
    options = {"downloadLocation": target, "max_files_per_request": request_size}
    paths = syn.downloadTableColumns(found, "f", **options)
    assert {handle: Path(path).read_text() for handle, path in paths.items()} == contents
    assert (target / "data.csv.gz").read_text() == "mine"
    assert len(list(target.iterdir())) == 5
    assert syn.downloadTableColumns(found, "f", **options) == paths


def test_download_accepts_every_csv_dialect(syn, table, handles):
    for options in (
        {"header": False},
        {"includeRowIdAndRowVersion": False},
        {"separator": "\t", "quoteCharacter": "'"},
    ):
        found = syn.tableQuery(f"select * from {table}", **options)
        assert set(syn.downloadTableColumns(found, ["f", "a second"])) == set(handles)


def test_invalid_file_handle_ids_are_logged(verbose_client, log_messages, table, handles):
    """A number in a text column is used as a file handle ID."""
    found = verbose_client.tableQuery(f"select * from {table} order by ROW_ID")
    log_messages.clear()
    paths = verbose_client.downloadTableColumns(found, "text")
    assert list(paths) == handles[:1]
    assert "Ignored invalid file handle ID: 12x" in log_messages


def test_files_of_other_users_are_not_downloaded(client_of, syn, project, table, handles):
    """File handle IDs in text cells give no access to the files of another user."""
    column = Column(name="text", columnType="STRING")
    bob = client_of("bob", silent=False)
    own = bob.store(Project(f"project of bob {table}"))
    copied = bob.store(
        Table(Schema("copied", [column], parent=own), [[h] for h in handles])
    ).tableId
    found = bob.tableQuery(f"select * from {copied}")
    for handle in handles:
        bob.cache.remove(handle, delete=False)
    assert bob.downloadTableColumns(found, "text") == {}
    assert set(syn.downloadTableColumns(syn.tableQuery(f"select * from {table}"), "f"))


def test_files_of_a_view_are_downloaded(syn, bob, project, files, handles):
    view = syn.store(EntityViewSchema("v", parent=project, scopes=project))
    user_id = bob.getUserProfile()["ownerId"]
    syn.setPermissions(project, user_id, ["READ", "DOWNLOAD"])
    found = bob.tableQuery(f"select dataFileHandleId from {view.id} order by name")
    for handle in handles:
        bob.cache.remove(handle, delete=False)
    paths = bob.downloadTableColumns(found, "dataFileHandleId")
    assert list(paths) == handles
    assert read_files(paths) == [Path(file.path).read_bytes() for file in files]


def test_invalid_arguments_are_rejected(syn, table, result):
    with pytest.raises(ValueError, match="Columns not found: g, h"):
        syn.downloadTableColumns(result, ["f", "g", "h"])
    pages = syn.tableQuery(f"select * from {table}", resultsAs="rowset")
    with pytest.raises(ValueError, match="resultsAs='csv'"):
        syn.downloadTableColumns(pages, "f")
    with pytest.raises(TypeError, match="a name or a list of names"):
        syn.downloadTableColumns(result, None)


def test_files_are_split_into_several_archives(tmp_path, recording):
    """A file that is too large for an archive is downloaded separately."""
    with in_process(tmp_path / "s", wrap=recording, archive_bytes=50) as service:
        syn = service.client("alice", cache_root_dir=str(tmp_path / "cache"))
        project = syn.store(Project("archives"))
        files = []
        for number, size in enumerate((40, 45, 5, 200)):
            path = tmp_path / f"{number}.txt"
            path.write_bytes(bytes([65 + number]) * size)
            files.append(syn.store(File(str(path), parent=project)))
        handles = [file.dataFileHandleId for file in files]
        schema = Schema("files", COLUMNS[:1], parent=project)
        table = syn.store(Table(schema, [[handle] for handle in handles])).tableId
        found = syn.tableQuery(f"select * from {table} order by ROW_ID")
        for handle in handles:
            syn.cache.remove(handle, delete=False)
        paths = syn.downloadTableColumns(found, "f")
        assert read_files(paths) == [Path(file.path).read_bytes() for file in files]
        syn.close()
