"""Views follow what happens: to entities, to their places, to rights, and to the view itself."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import start_service
from support.table_api import M, TableClient

from synapse_workflows.constants import DATASET, ENTITY_VIEW


class Watched:
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
        self.id = self.view(self.folder)

    def view(self, *scope):
        body = {"scopeIds": scope, "viewTypeMask": 1, "columnIds": self.columns}
        return self.ann.make(ENTITY_VIEW, self.tables.project, **body)["id"]

    def names(self, tables=None, view=None):
        sql = f"select name from {view or self.id} order by name"
        return [row[0] for row in (tables or self.tables).query(sql)]


@pytest.fixture
def watched(ann, tables):
    return Watched(ann, tables)


def test_what_is_moved_comes_and_goes(watched):
    ann = watched.ann
    other = ann.new_file(watched.project, name="other")["id"]
    assert watched.names() == ["file"]
    ann.change(other, parentId=watched.folder)
    assert watched.names() == ["file", "other"]
    inner = ann.new_folder(watched.project, name="inner")["id"]
    deep = ann.new_file(inner, name="deep")["id"]
    ann.change(inner, parentId=watched.folder)
    assert watched.names() == ["deep", "file", "other"]
    ann.change(deep, parentId=watched.project)
    ann.change(watched.file, parentId=watched.project)
    assert watched.names() == ["other"]


def test_what_is_deleted_goes_and_comes_back(watched):
    ann = watched.ann
    assert watched.names() == ["file"]
    for entity in (watched.file, watched.folder, watched.project):
        ann.delete(f"{REPO}/entity/{entity}")
        assert watched.names() == []
        assert ann.put(f"{REPO}/trashcan/restore/{entity}", None).ok
        assert watched.names() == ["file"]


def test_a_path_follows_the_containers(watched):
    ann = watched.ann
    sql = f"select path from {watched.id}"
    first = watched.tables.query(sql)[0][0]
    assert first.endswith("/folder/file")
    ann.change(watched.folder, name="renamed")
    assert watched.tables.query(sql) == [[first.replace("/folder/", "/renamed/")]]


def test_new_content_is_shown(watched):
    sql = f"select dataFileMD5Hex, ROW_VERSION from {watched.id}"
    before = watched.tables.query(sql)[0]
    handle = watched.ann.handle("another")
    watched.ann.change(watched.file, dataFileHandleId=handle, versionLabel=None)
    after = watched.tables.query(sql)[0]
    assert (before[1], after[1]) == ("1", "2")
    assert before[0] != after[0]
    assert watched.ann.delete(f"{REPO}/entity/{watched.file}/version/2").ok
    assert watched.tables.query(sql) == [before]


def test_rights_are_those_of_the_moment(watched, ben):
    ann, readers = watched.ann, type(watched.tables)(ben)
    ann.share(watched.id, {ben.id: ["READ"]})
    assert watched.names(readers) == []
    ann.share(watched.project, {ben.id: ["READ"]})
    assert watched.names(readers) == ["file"]
    text = readers.download(f"select name from {watched.id}")
    ann.share(watched.folder, {})
    assert watched.names(readers) == []
    assert '"file"' in text
    assert '"file"' not in readers.download(f"select name from {watched.id}")
    assert ann.delete(f"{REPO}/entity/{watched.folder}/acl").ok
    assert watched.names(readers) == ["file"]
    ann.share(watched.project, {})
    assert watched.names(readers) == []


def test_frozen_rows_are_seen_with_the_rights_of_the_moment(watched, ben):
    ann, readers = watched.ann, type(watched.tables)(ben)
    ann.share(watched.folder, {ben.id: ["READ"]})
    ann.share(watched.id, {ben.id: ["READ"]})
    watched.tables.transact(watched.id, createSnapshot=True)
    frozen = f"{watched.id}.1"
    assert watched.names(readers, frozen) == ["file"]
    assert ann.delete(f"{REPO}/entity/{watched.folder}/acl").ok
    assert watched.names(readers, frozen) == []
    ann.share(watched.project, {ben.id: ["READ"]})
    assert watched.names(readers, frozen) == ["file"]
    ann.delete(f"{REPO}/entity/{watched.folder}")
    assert watched.names(readers, frozen) == []


def test_other_columns_and_other_scopes_are_shown_at_once(watched):
    ann, tables = watched.ann, watched.tables
    assert watched.names() == ["file"]
    before = ann.entity(watched.id)
    new = tables.create_column("word")["id"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": watched.id,
        "changes": [{"oldColumnId": watched.columns[1], "newColumnId": new}],
    }
    tables.transact(watched.id, change)
    after = ann.entity(watched.id)
    assert after["etag"] != before["etag"]
    assert after["versionNumber"] == before["versionNumber"]
    row = tables.row_set(f"select * from {watched.id}")
    assert [each["name"] for each in row["headers"]] == ["name", "word", "dataFileMD5Hex"]
    ann.change(watched.id, scopeIds=[])
    assert watched.names() == []
    ann.change(watched.id, scopeIds=[watched.project], viewTypeMask=8)
    assert watched.names() == ["folder"]


def test_etags_of_rows_tell_whether_something_changed(watched, ben):
    ann, tables = watched.ann, watched.tables
    sql = f"select name from {watched.id}"

    def etag(who=tables):
        return who.row_set(sql)["etag"]

    first = etag()
    ann.new_folder(ann.new_project()["id"])
    assert etag() == first
    readers = type(tables)(ben)
    ann.share(watched.id, {ben.id: ["READ"]})
    assert etag(readers) != first
    view = ann.entity(watched.id)["etag"]
    ann.change(watched.file, description="new")
    assert etag() != first
    assert ann.entity(watched.id)["etag"] == view


def test_many_views_are_read_in_turn(watched):
    views = [watched.view(watched.folder) for _ in range(12)]
    for _ in range(2):
        assert {tuple(watched.names(view=each)) for each in views} == {("file",)}
    watched.ann.change(watched.file, name="renamed")
    assert {tuple(watched.names(view=each)) for each in views} == {("renamed",)}


def test_views_and_their_versions_are_there_after_a_restart(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        ann = Author(rest_service, "alice")
        watched = Watched(ann, TableClient(ann))
        items = [{"entityId": watched.file, "versionNumber": 1}]
        body = {"items": items, "columnIds": watched.columns}
        dataset = ann.make(DATASET, watched.project, **body)["id"]
        for view in (watched.id, dataset):
            watched.tables.transact(view, createSnapshot=True)
        ann.change(watched.file, name="renamed")
        assert watched.names() == ["renamed"]
    copies = tmp_path / "views"
    (copies / "left by a crash.db").write_bytes(b"x")
    with start_service(tmp_path, recording) as rest_service:
        watched.ann = Author(rest_service, "alice")
        watched.tables = TableClient(watched.ann)
        assert len(list(copies.iterdir())) == 2
        for view in (watched.id, dataset):
            assert watched.names(view=view) == ["renamed"]
            assert watched.names(view=f"{view}.1") == ["file"]


def test_copies_of_versions_that_were_deleted_go(tmp_path, recording):
    with start_service(tmp_path, recording) as rest_service:
        ann = Author(rest_service, "alice")
        watched = Watched(ann, TableClient(ann))
        for number in (1, 2, 3):
            watched.tables.transact(watched.id, createSnapshot=True)
            if number > 1:
                assert ann.delete(f"{REPO}/entity/{watched.id}/version/{number - 1}").ok
        watched.tables.transact(watched.id, createSnapshot=True)
        assert watched.names(view=f"{watched.id}.3") == ["file"]
        assert watched.names(view=f"{watched.id}.4") == ["file"]
        frozen_and_live = 3
        assert len(list((tmp_path / "views").iterdir())) == frozen_and_live


def test_whatever_is_asked_comes_of_visible_rows_alone(watched, ben):
    ann, tables = watched.ann, watched.tables
    columns = [
        tables.create_column("word", facetType="enumeration")["id"],
        tables.create_column("words", "STRING_LIST")["id"],
        tables.create_column("n", "INTEGER")["id"],
    ]
    hidden = ann.new_folder(watched.folder)["id"]
    for parent, word, number in ((watched.folder, "open", 1), (hidden, "hidden", 100)):
        file = ann.new_file(parent)["id"]
        path = f"{REPO}/entity/{file}/annotations2"
        noted = {
            "word": {"type": "STRING", "value": [word]},
            "words": {"type": "STRING", "value": [word, "both"]},
            "n": {"type": "LONG", "value": [number]},
        }
        assert ann.put(path, {**ann.get(path).json(), "annotations": noted}).ok
    ann.share(hidden, {})
    for entity in (watched.project, watched.id):
        ann.share(entity, {ben.id: ["READ"]})
    ann.change(watched.id, columnIds=columns)
    tables.transact(watched.id, createSnapshot=True)
    readers = type(tables)(ben)
    for view in (watched.id, f"{watched.id}.1"):
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
            assert readers.query(sql.format(view)) == rows, sql
        bundle = readers.bundle(f"select * from {view}")
        assert bundle["queryCount"] == 2
        values = bundle["facets"][0]["facetValues"]
        assert "hidden" not in {each.get("value") for each in values}
        assert "hidden" not in readers.download(f"select * from {view}")
