"""Current rows of views after changes of entities, permissions and the view itself."""

import threading
import time

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient
from support.team_api import TEAM, add_member, create_team, leave

from synapse_workflows.constants import DATASET, ENTITY_VIEW
from synapse_workflows.local.storage.query_sandbox import (
    QueryCancelledError,
    QueryLimits,
    QueryTimeoutError,
)


class FolderView:
    """A project with a folder and a file in it, and a view of the folder."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project = ann.new_project()["id"]
        self.folder = ann.new_folder(self.project, name="folder")["id"]
        self.file = ann.new_file(self.folder, name="file")["id"]
        columns = (("name", 256), ("path", 1000), ("dataFileMD5Hex", 100))
        self.columns = [
            tables.create_column(name, maximumSize=size)["id"] for name, size in columns
        ]
        self.id = self.create_view(self.folder)

    def create_view(self, *scope):
        body = {"scopeIds": scope, "viewTypeMask": 1, "columnIds": self.columns}
        return self.ann.make(ENTITY_VIEW, self.tables.project, **body)["id"]

    def query_names(self, tables=None, view=None):
        sql = f"select name from {view or self.id} order by name"
        return [row[0] for row in (tables or self.tables).query(sql)]


@pytest.fixture
def folder_view(ann, tables):
    return FolderView(ann, tables)


def test_rows_follow_moved_entities(folder_view):
    ann = folder_view.ann
    other = ann.new_file(folder_view.project, name="other")["id"]
    assert folder_view.query_names() == ["file"]
    ann.change(other, parentId=folder_view.folder)
    assert folder_view.query_names() == ["file", "other"]
    inner = ann.new_folder(folder_view.project, name="inner")["id"]
    deep = ann.new_file(inner, name="deep")["id"]
    ann.change(inner, parentId=folder_view.folder)
    assert folder_view.query_names() == ["deep", "file", "other"]
    ann.change(deep, parentId=folder_view.project)
    ann.change(folder_view.file, parentId=folder_view.project)
    assert folder_view.query_names() == ["other"]


def test_rows_follow_deleted_and_restored_entities(folder_view):
    ann = folder_view.ann
    assert folder_view.query_names() == ["file"]
    for entity in (folder_view.file, folder_view.folder, folder_view.project):
        ann.delete(f"{REPO}/entity/{entity}")
        assert folder_view.query_names() == []
        assert ann.put(f"{REPO}/trashcan/restore/{entity}", None).ok
        assert folder_view.query_names() == ["file"]


def test_path_follows_the_names_of_containers(folder_view):
    ann = folder_view.ann
    sql = f"select path from {folder_view.id}"
    first = folder_view.tables.query(sql)[0][0]
    assert first.endswith("/folder/file")
    ann.change(folder_view.folder, name="renamed")
    assert folder_view.tables.query(sql) == [[first.replace("/folder/", "/renamed/")]]


def test_row_shows_the_current_file_version(folder_view):
    sql = f"select dataFileMD5Hex, ROW_VERSION from {folder_view.id}"
    before = folder_view.tables.query(sql)[0]
    handle = folder_view.ann.handle("another")
    folder_view.ann.change(folder_view.file, dataFileHandleId=handle, versionLabel=None)
    after = folder_view.tables.query(sql)[0]
    assert (before[1], after[1]) == ("1", "2")
    assert before[0] != after[0]
    assert folder_view.ann.delete(f"{REPO}/entity/{folder_view.file}/version/2").ok
    assert folder_view.tables.query(sql) == [before]


def test_rows_follow_changes_of_permissions(folder_view, ben):
    ann, ben_tables = folder_view.ann, type(folder_view.tables)(ben)
    ann.share(folder_view.id, {ben.id: ["READ"]})
    assert folder_view.query_names(ben_tables) == []
    ann.share(folder_view.project, {ben.id: ["READ"]})
    assert folder_view.query_names(ben_tables) == ["file"]
    text = ben_tables.download(f"select name from {folder_view.id}")
    ann.share(folder_view.folder, {})
    assert folder_view.query_names(ben_tables) == []
    assert '"file"' in text
    assert '"file"' not in ben_tables.download(f"select name from {folder_view.id}")
    assert ann.delete(f"{REPO}/entity/{folder_view.folder}/acl").ok
    assert folder_view.query_names(ben_tables) == ["file"]
    ann.share(folder_view.project, {})
    assert folder_view.query_names(ben_tables) == []


def test_rows_follow_the_teams_of_a_user(folder_view, ben):
    ann, ben_tables = folder_view.ann, type(folder_view.tables)(ben)
    team = create_team(ann)["id"]
    ann.share(folder_view.id, {ben.id: ["READ"]})
    ann.share(folder_view.project, {int(team): ["READ"]})
    assert folder_view.query_names(ben_tables) == []
    add_member(ann, team, ben)
    assert folder_view.query_names(ben_tables) == ["file"]
    assert leave(ben, team).status_code == 204
    assert folder_view.query_names(ben_tables) == []
    add_member(ann, team, ben)
    assert folder_view.query_names(ben_tables) == ["file"]
    assert ann.delete(f"{TEAM}/{team}").status_code == 204
    assert folder_view.query_names(ben_tables) == []


def test_snapshot_rows_follow_changes_of_permissions(folder_view, ben):
    ann, ben_tables = folder_view.ann, type(folder_view.tables)(ben)
    ann.share(folder_view.folder, {ben.id: ["READ"]})
    ann.share(folder_view.id, {ben.id: ["READ"]})
    folder_view.tables.transact(folder_view.id, createSnapshot=True)
    snapshot = f"{folder_view.id}.1"
    assert folder_view.query_names(ben_tables, snapshot) == ["file"]
    assert ann.delete(f"{REPO}/entity/{folder_view.folder}/acl").ok
    assert folder_view.query_names(ben_tables, snapshot) == []
    ann.share(folder_view.project, {ben.id: ["READ"]})
    assert folder_view.query_names(ben_tables, snapshot) == ["file"]
    ann.delete(f"{REPO}/entity/{folder_view.folder}")
    assert folder_view.query_names(ben_tables, snapshot) == []


def test_rows_follow_changes_of_columns_and_scope(folder_view):
    ann, tables = folder_view.ann, folder_view.tables
    assert folder_view.query_names() == ["file"]
    before = ann.entity(folder_view.id)
    new = tables.create_column("word")["id"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": folder_view.id,
        "changes": [{"oldColumnId": folder_view.columns[1], "newColumnId": new}],
    }
    tables.transact(folder_view.id, change)
    after = ann.entity(folder_view.id)
    assert after["etag"] != before["etag"]
    assert after["versionNumber"] == before["versionNumber"]
    row = tables.row_set(f"select * from {folder_view.id}")
    assert [each["name"] for each in row["headers"]] == ["name", "word", "dataFileMD5Hex"]
    ann.change(folder_view.id, scopeIds=[])
    assert folder_view.query_names() == []
    ann.change(folder_view.id, scopeIds=[folder_view.project], viewTypeMask=8)
    assert folder_view.query_names() == ["folder"]


def test_row_set_etag_changes_with_the_readable_rows_only(folder_view, ben):
    ann, tables = folder_view.ann, folder_view.tables
    sql = f"select name from {folder_view.id}"

    def get_etag(client=tables):
        return client.row_set(sql)["etag"]

    first = get_etag()
    ann.new_folder(ann.new_project()["id"])
    assert get_etag() == first
    ben_tables = type(tables)(ben)
    ann.share(folder_view.id, {ben.id: ["READ"]})
    assert get_etag(ben_tables) != first
    view = ann.entity(folder_view.id)["etag"]
    ann.change(folder_view.file, description="new")
    assert get_etag() != first
    assert ann.entity(folder_view.id)["etag"] == view


def test_more_views_than_the_cache_holds_return_current_rows(folder_view):
    views = [folder_view.create_view(folder_view.folder) for _ in range(12)]
    for _ in range(2):
        assert {tuple(folder_view.query_names(view=each)) for each in views} == {("file",)}
    folder_view.ann.change(folder_view.file, name="renamed")
    assert {tuple(folder_view.query_names(view=each)) for each in views} == {("renamed",)}


def test_views_and_snapshots_are_readable_after_a_restart(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        ann = Author(rest_service, "alice")
        folder_view = FolderView(ann, TableClient(ann))
        items = [{"entityId": folder_view.file, "versionNumber": 1}]
        body = {"items": items, "columnIds": folder_view.columns}
        dataset = ann.make(DATASET, folder_view.project, **body)["id"]
        for view in (folder_view.id, dataset):
            folder_view.tables.transact(view, createSnapshot=True)
        ann.change(folder_view.file, name="renamed")
        assert folder_view.query_names() == ["renamed"]
    files = tmp_path / "views"
    current = set((files / "current").glob("*.db"))
    assert current
    with start_service(tmp_path, recording) as rest_service:
        folder_view.ann = Author(rest_service, "alice")
        folder_view.tables = TableClient(folder_view.ann)
        assert len(list(files.glob("*.db"))) == 2
        assert not current & set((files / "current").glob("*.db"))
        for view in (folder_view.id, dataset):
            assert folder_view.query_names(view=view) == ["renamed"]
            assert folder_view.query_names(view=f"{view}.1") == ["file"]


def test_files_of_deleted_snapshots_are_deleted(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        ann = Author(rest_service, "alice")
        folder_view = FolderView(ann, TableClient(ann))
        for number in (1, 2, 3):
            folder_view.tables.transact(folder_view.id, createSnapshot=True)
            if number > 1:
                assert ann.delete(f"{REPO}/entity/{folder_view.id}/version/{number - 1}").ok
        folder_view.tables.transact(folder_view.id, createSnapshot=True)
        assert folder_view.query_names(view=f"{folder_view.id}.3") == ["file"]
        assert folder_view.query_names(view=f"{folder_view.id}.4") == ["file"]
        expected_files = 3
        assert len(list((tmp_path / "views").rglob("*.db"))) == expected_files


def test_queries_use_readable_rows_only(folder_view, ben):
    ann, tables = folder_view.ann, folder_view.tables
    columns = [
        tables.create_column("word", facetType="enumeration")["id"],
        tables.create_column("words", "STRING_LIST")["id"],
        tables.create_column("n", "INTEGER")["id"],
    ]
    hidden = ann.new_folder(folder_view.folder)["id"]
    for parent, word, number in ((folder_view.folder, "open", 1), (hidden, "hidden", 100)):
        file = ann.new_file(parent)["id"]
        path = f"{REPO}/entity/{file}/annotations2"
        annotations = {
            "word": {"type": "STRING", "value": [word]},
            "words": {"type": "STRING", "value": [word, "both"]},
            "n": {"type": "LONG", "value": [number]},
        }
        assert ann.put(path, {**ann.get(path).json(), "annotations": annotations}).ok
    ann.share(hidden, {})
    for entity in (folder_view.project, folder_view.id):
        ann.share(entity, {ben.id: ["READ"]})
    ann.change(folder_view.id, columnIds=columns)
    tables.transact(folder_view.id, createSnapshot=True)
    ben_tables = type(tables)(ben)
    for view in (folder_view.id, f"{folder_view.id}.1"):
        for sql, rows in (
            ("select count(*), sum(n) from {}", [["2", "1"]]),
            (
                "select word, count(*) from {} group by word order by word",
                [[None, "1"], ["open", "1"]],
            ),
            ("select unnest(words) as w from {} order by w", [[None], ["both"], ["open"]]),
            ("select word from {} where n > 0 and words has ('both')", [["open"]]),
            ("select distinct word from {} where n in (1, 100) or n = 100", [["open"]]),
            ("select max(ROW_ID) from {} where word = 'hidden'", [[None]]),
        ):
            assert ben_tables.query(sql.format(view)) == rows, sql
        bundle = ben_tables.bundle(f"select * from {view}")
        assert bundle["queryCount"] == 2
        values = bundle["facets"][0]["facetValues"]
        assert "hidden" not in {each.get("value") for each in values}
        assert "hidden" not in ben_tables.download(f"select * from {view}")


def test_time_limit_includes_the_building_of_rows(tmp_path, recording):
    """Building the rows of 300 entities takes longer than the limit, the query itself does not."""
    with start_service(tmp_path, recording, query_seconds=0.01) as rest_service:
        ann = Author(rest_service, "alice")
        tables = TableClient(ann)
        view = FolderView(ann, tables)
        for number in range(300):
            ann.new_folder(view.folder, name=f"f{number}")
        body = {"scopeIds": [view.folder], "viewTypeMask": 8, "columnIds": view.columns[:1]}
        folders = ann.make(ENTITY_VIEW, tables.project, **body)["id"]
        sql = f"select count(*) from {folders}"
        assert_error(tables.try_query(sql), 400, "took longer than 0.01 seconds")
        files = list((tmp_path / "views").rglob("*.db"))
        assert files == []


def test_cancelled_query_builds_no_rows(tmp_path, recording):
    """The job is cancelled while it waits for rows that another query builds."""
    apps = []

    def wrap(app):
        apps.append(app)
        return recording(app)

    with start_service(tmp_path, wrap) as rest_service:
        ann = Author(rest_service, "alice")
        view = FolderView(ann, TableClient(ann))
        views = apps[0].state.service.views
        is_building, is_cancelled = threading.Event(), threading.Event()

        def build():
            is_building.set()
            assert is_cancelled.wait(30)
            raise InterruptedError

        def hold():
            with (
                pytest.raises(InterruptedError),
                views.open_current(int(view.id[3:]), lambda _: False, build),
            ):
                pass

        other = threading.Thread(target=hold)
        other.start()
        assert is_building.wait(30)
        path = f"{REPO}/entity/{view.id}/table/query/async"
        body = {"query": {"sql": f"select name from {view.id}"}, "partMask": 1}
        token = ok(ann.post(f"{path}/start", body))["token"]
        assert ann.get(f"{path}/get/{token}").status_code == 202
        assert ann.get(f"{REPO}/asynchronous/job/{token}/cancel").ok
        deadline = time.monotonic() + 60
        while (answer := ann.get(f"{path}/get/{token}")).status_code == 202:
            assert time.monotonic() < deadline
        is_cancelled.set()
        other.join()
        assert_error(answer, 400, "The job was cancelled")
        assert view.query_names() == ["file"]


def test_cancelled_or_late_query_stops_while_rows_are_built():
    for limits, error in (
        (QueryLimits(is_cancelled=lambda: True), QueryCancelledError),
        (QueryLimits(seconds=-1), QueryTimeoutError),
    ):
        with pytest.raises(error):
            list(limits.iter_checked([1, 2]))
    assert list(QueryLimits().iter_checked([1, 2])) == [1, 2]
