"""Files in the cells of tables and views, downloaded many at a time."""

from pathlib import Path

import pytest

from synapse_workflows import (
    Column,
    EntityViewSchema,
    File,
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
    """The ids of their file handles."""
    return [file.dataFileHandleId for file in files]


@pytest.fixture
def table(syn, project, handles):
    """A table with the files in its cells, some twice."""
    first, second, third = handles
    rows = [[first, None, "12x"], [second, first, ""], [None, None, None], [second, third, first]]
    return syn.store(Table(Schema("files", COLUMNS, parent=project), rows)).tableId


@pytest.fixture
def result(syn, table, handles):
    """All of the table; none of its files is in the cache."""
    found = syn.tableQuery(f"select * from {table} order by ROW_ID")
    for handle in handles:
        syn.cache.remove(handle, delete=False)
    return found


def contents(paths):
    return [Path(path).read_bytes() for path in paths.values()]


def test_files_in_cells_are_downloaded_each_once(syn, result, files, handles):
    assert list(syn.downloadTableColumns(result, "f")) == handles[:2]
    paths = syn.downloadTableColumns(result, ("f", "a second"))
    assert list(paths) == handles
    assert contents(paths) == [Path(file.path).read_bytes() for file in files]


def test_what_is_in_the_cache_is_not_asked_for(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {make_file().read_text()}"[:50].strip()))
    file = in_process_client.store(File(str(make_file()), parent=project))
    schema = Schema("files", COLUMNS[:1], parent=project)
    table = in_process_client.store(Table(schema, [[file.dataFileHandleId]])).tableId
    found = in_process_client.tableQuery(f"select * from {table}")
    in_process_client.cache.remove(file.dataFileHandleId, delete=False)
    calls()
    first = in_process_client.downloadTableColumns(found, "f")
    asked = [call.split()[1] for call in calls()]
    assert asked[0] == "file:/file/bulk/async/start"
    assert in_process_client.downloadTableColumns(found, "f") == first
    assert calls() == []


def test_files_go_where_they_should(syn, result, handles, tmp_path):
    place = tmp_path / "place"
    paths = syn.downloadTableColumns(result, ["a second", "f"], downloadLocation=str(place))
    assert sorted(paths) == sorted(handles)
    assert sorted(path.name for path in place.iterdir()) == ["0.txt", "1.txt", "2.txt"]


def test_the_form_of_the_result_does_not_matter(syn, table, handles):
    for options in (
        {"header": False},
        {"includeRowIdAndRowVersion": False},
        {"separator": "\t", "quoteCharacter": "'"},
    ):
        found = syn.tableQuery(f"select * from {table}", **options)
        assert set(syn.downloadTableColumns(found, ["f", "a second"])) == set(handles)


def test_cells_that_are_no_file_handles_are_told(verbose_client, log_messages, table, handles):
    """A number in a column of text may be one."""
    found = verbose_client.tableQuery(f"select * from {table} order by ROW_ID")
    log_messages.clear()
    paths = verbose_client.downloadTableColumns(found, "text")
    assert list(paths) == handles[:1]
    assert "Ignored invalid file handle ID: 12x" in log_messages


def test_who_may_not_download_gets_nothing_and_is_told(client_of, syn, project, table, handles):
    """Handles that are in no cell of the table are not given out through it."""
    text = Column(name="stolen", columnType="STRING")
    bob = client_of("bob", silent=False)
    own = bob.store(Project(f"of bob {table}"))
    theft = bob.store(Table(Schema("theft", [text], parent=own), [[h] for h in handles])).tableId
    found = bob.tableQuery(f"select * from {theft}")
    for handle in handles:
        bob.cache.remove(handle, delete=False)
    assert bob.downloadTableColumns(found, "stolen") == {}
    assert set(syn.downloadTableColumns(syn.tableQuery(f"select * from {table}"), "f"))


def test_files_shown_by_a_view_are_downloaded(syn, bob, project, files, handles):
    view = syn.store(EntityViewSchema("v", parent=project, scopes=project))
    me = bob.getUserProfile()["ownerId"]
    syn.setPermissions(project, me, ["READ", "DOWNLOAD"])
    found = bob.tableQuery(f"select dataFileHandleId from {view.id} order by name")
    for handle in handles:
        bob.cache.remove(handle, delete=False)
    paths = bob.downloadTableColumns(found, "dataFileHandleId")
    assert list(paths) == handles
    assert contents(paths) == [Path(file.path).read_bytes() for file in files]


def test_columns_and_kinds_of_results_are_checked(syn, table, result):
    with pytest.raises(ValueError, match="Columns not found: g, h"):
        syn.downloadTableColumns(result, ["f", "g", "h"])
    pages = syn.tableQuery(f"select * from {table}", resultsAs="rowset")
    with pytest.raises(ValueError, match="resultsAs='csv'"):
        syn.downloadTableColumns(pages, "f")
    with pytest.raises(TypeError, match="a name or a list of names"):
        syn.downloadTableColumns(result, None)


def test_files_that_do_not_go_into_one_archive_come_in_several(tmp_path, recording):
    """Or alone, where one is too large for any."""
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
        assert contents(paths) == [Path(file.path).read_bytes() for file in files]
        syn.close()
