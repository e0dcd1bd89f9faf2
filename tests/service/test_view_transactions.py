"""Entity views: annotations written through them, columns changed, versions frozen."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import ENTITY_VIEW


class Views:
    """A project of one file, and a view of it."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project = ann.new_project()["id"]
        self.file = ann.new_file(self.project, name="file")["id"]
        columns = [
            ("name", "STRING", {"maximumSize": 256}), ("word",), ("n", "INTEGER"),
            ("words", "STRING_LIST"), ("day", "DATE"), ("x", "DOUBLE"), ("yes", "BOOLEAN"),
        ]  # fmt: skip
        ids = [
            tables.create_column(*each[:2], **(each[2] if len(each) > 2 else {}))["id"]
            for each in columns
        ]
        self.id = ann.make(
            ENTITY_VIEW, tables.project, scopeIds=[self.project], viewTypeMask=1, columnIds=ids
        )["id"]

    def row_id(self, entity=None):
        return int((entity or self.file).removeprefix("syn"))

    def etag(self, entity=None):
        return self.ann.entity(entity or self.file)["etag"]

    def annotations(self, entity=None):
        path = f"{REPO}/entity/{entity or self.file}/annotations2"
        found = ok(self.ann.get(path))["annotations"]
        return {key: (each["type"], each["value"]) for key, each in found.items()}

    def partial(self, *rows):
        """An AppendableRowSetRequest of (row id, etag, cells)."""
        change = self.tables.partial(self.id, *((row[0], row[2]) for row in rows))
        for made, (_, etag, _) in zip(change["toAppend"]["rows"], rows, strict=True):
            made["etag"] = etag
        return change

    def update(self, change):
        results = self.tables.transact(self.id, change)["results"]
        assert [each["concreteType"] for each in results] == [f"{M}.EntityUpdateResults"]
        return results[0]["updateResults"]


@pytest.fixture
def views(ann, tables):
    return Views(ann, tables)


def test_partial_rows_write_annotations(views):
    cells = {
        "word": "ant", "n": "3", "words": '["a", "b"]', "day": "1600000000000", "x": "1.5",
        "yes": "true",
    }  # fmt: skip
    results = views.update(views.partial((views.row_id(), views.etag(), cells)))
    assert results == [{"entityId": views.file}]
    assert views.annotations() == {
        "word": ("STRING", ["ant"]),
        "n": ("LONG", ["3"]),
        "words": ("STRING", ["a", "b"]),
        "day": ("TIMESTAMP_MS", ["1600000000000"]),
        "x": ("DOUBLE", ["1.5"]),
        "yes": ("BOOLEAN", ["true"]),
    }
    shown = views.tables.query(f"select word, n, words, day, x, yes from {views.id}")
    assert shown == [list(cells.values())]


def test_null_removes_and_default_fields_are_ignored(views):
    cells = {"word": "ant", "n": "1"}
    views.update(views.partial((views.row_id(), views.etag(), cells)))
    etag = views.etag()
    cells = {"word": None, "name": "another"}
    views.update(views.partial((views.row_id(), etag, cells)))
    assert views.annotations() == {"n": ("LONG", ["1"])}
    assert views.ann.entity(views.file)["name"] == "file"
    etag = views.etag()
    views.update(views.partial((views.row_id(), etag, {"name": "another", "n": "1"})))
    assert views.etag() == etag


def test_whole_rows_write_annotations(views):
    rows = views.tables.rows(views.id, (views.row_id(), 1, ["ant"]), names=["word"])
    rows["toAppend"]["rows"][0]["etag"] = views.etag()
    assert views.update(rows) == [{"entityId": views.file}]
    assert views.annotations() == {"word": ("STRING", ["ant"])}


def test_what_was_downloaded_can_be_uploaded(views):
    sql = f"select word, n from {views.id}"
    text = views.tables.download(sql, includeEntityEtag=True)
    header, line = text.splitlines()
    changed = f'{header}\n{line.removesuffix(",,")},"a ""b""",7\n'
    assert views.update(views.tables.csv(views.id, changed)) == [{"entityId": views.file}]
    assert views.annotations() == {"word": ("STRING", ['a "b"']), "n": ("LONG", ["7"])}
    assert views.tables.query(sql) == [['a "b"', "7"]]


def test_an_etag_may_stand_in_a_column(views):
    column = views.tables.create_column("etag", "STRING", maximumSize=36)["id"]
    ids = [*views.ann.entity(views.id)["columnIds"], column]
    views.ann.change(views.id, columnIds=ids)
    text = f"ROW_ID,ROW_VERSION,etag,n\n{views.row_id()},1,{views.etag()},5\n"
    assert views.update(views.tables.csv(views.id, text)) == [{"entityId": views.file}]
    assert views.annotations() == {"n": ("LONG", ["5"])}


def test_rows_fail_one_by_one(views, ben):
    ann = views.ann
    stale, bare, wrong, other = (ann.new_file(views.project)["id"] for _ in range(4))
    foreign = ben.new_file(ben.new_project()["id"])
    rows = [
        (views.row_id(), views.etag(), {"n": "1"}),
        (views.row_id(stale), "an old one", {"n": "1"}),
        (views.row_id(bare), None, {"n": "1"}),
        (views.row_id(wrong), views.etag(wrong), {"n": "many"}),
        (views.row_id(foreign["id"]), foreign["etag"], {"n": "1"}),
        (999_999_999, "any", {"n": "1"}),
        (views.row_id(other), views.etag(other), {"n": "2"}),
    ]
    results = views.update(views.partial(*rows))
    assert [each.get("failureCode") for each in results] == [
        None, "CONCURRENT_UPDATE", "ILLEGAL_ARGUMENT", "ILLEGAL_ARGUMENT", "UNAUTHORIZED",
        "NOT_FOUND", None,
    ]  # fmt: skip
    assert all(each["failureMessage"] for each in results if "failureCode" in each)
    written = [views.annotations(each) for each in (views.file, stale, bare, wrong, other)]
    assert written == [{"n": ("LONG", ["1"])}, {}, {}, {}, {"n": ("LONG", ["2"])}]


def test_rows_are_neither_added_nor_deleted(views):
    tables = views.tables
    for change in (
        views.partial((None, None, {"n": "1"})),
        tables.rows(views.id, (views.row_id(), 1, [])),
        tables.csv(views.id, "word\nx\n"),
        tables.csv(views.id, f"ROW_ID,ROW_VERSION\n{views.row_id()},1\n"),
        tables.csv(views.id, "nonsense\nx\n"),
    ):
        assert_error(tables.try_transact(views.id, change), 400)
    assert views.annotations() == {}


def test_whoever_may_not_change_the_view_changes_nothing(views, ben):
    views.ann.share(views.id, {ben.id: ["READ"]})
    views.ann.share(views.project, {ben.id: ["READ", "UPDATE"]})
    change = views.partial((views.row_id(), views.etag(), {"n": "1"}))
    assert_error(type(views.tables)(ben).try_transact(views.id, change), 403)
    assert views.annotations() == {}


def test_columns_are_changed_by_a_transaction(views):
    new = views.tables.create_column("other")["id"]
    old = views.ann.entity(views.id)["columnIds"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": views.id,
        "changes": [{"oldColumnId": old[1], "newColumnId": new}],
    }
    result = views.tables.transact(views.id, change)["results"][0]
    assert [each["id"] for each in result["schema"]] == [old[0], new, *old[2:]]
    assert views.ann.entity(views.id)["columnIds"] == [old[0], new, *old[2:]]
    views.tables.query(f"select other from {views.id}")
    assert_error(views.tables.try_transact(views.id, change), 400)


def test_a_column_that_is_there_may_be_added_again(views):
    old = views.ann.entity(views.id)["columnIds"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": views.id,
        "changes": [{"oldColumnId": None, "newColumnId": each} for each in old],
        "orderedColumnIds": old[::-1],
    }
    views.tables.transact(views.id, change)
    assert views.ann.entity(views.id)["columnIds"] == old[::-1]


def freeze(views, **options):
    return views.tables.try_transact(views.id, createSnapshot=True, snapshotOptions=options)


def test_a_snapshot_keeps_what_the_view_showed(views):
    tables, ann = views.tables, views.ann
    views.update(views.partial((views.row_id(), views.etag(), {"n": "1", "x": "NaN"})))
    before = tables.row_set(f"select * from {views.id}", includeEntityEtag=True)["rows"]
    made = ok(freeze(views, snapshotLabel="first", snapshotComment="why"))
    assert made["snapshotVersionNumber"] == 1
    version = ok(ann.get(f"{REPO}/entity/{views.id}/version/1"))
    assert (version["versionLabel"], version["versionComment"]) == ("first", "why")
    assert ann.entity(views.id)["versionNumber"] == 2
    ann.change(views.file, name="renamed")
    ann.new_file(views.project, name="new")
    ann.change(views.id, columnIds=[tables.create_column("name", maximumSize=256)["id"]])
    frozen = tables.row_set(f"select * from {views.id}.1", includeEntityEtag=True)["rows"]
    assert frozen == before
    assert len(tables.list_columns(f"{views.id}.1")) == 7
    for current in (views.id, f"{views.id}.2"):
        assert tables.query(f"select * from {current} order by name") == [["new"], ["renamed"]]
    assert ok(freeze(views))["snapshotVersionNumber"] == 2
    assert_error(tables.try_query(f"select * from {views.id}.9"), 404)


def test_a_snapshot_carries_its_activity(views):
    activity = ok(views.ann.post(f"{REPO}/activity", {"name": "made"}))["id"]
    ok(freeze(views, snapshotActivityId=activity))
    found = ok(views.ann.get(f"{REPO}/entity/{views.id}/version/1/generatedBy"))
    assert found["id"] == activity


def test_a_snapshot_shows_each_what_they_may_read(views, ben):
    ok(freeze(views))
    views.ann.share(views.id, {ben.id: ["READ"]})
    readers = type(views.tables)(ben)
    assert readers.query(f"select name from {views.id}.1") == []
    views.ann.share(views.project, {ben.id: ["READ"]})
    assert readers.query(f"select name from {views.id}.1") == [["file"]]


def test_a_snapshot_that_cannot_be_is_refused(views):
    tables = views.tables
    ok(freeze(views, snapshotLabel="taken"))
    assert_error(freeze(views, snapshotLabel="taken"), 409)
    change = views.partial((views.row_id(), views.etag(), {"n": "1"}))
    assert_error(tables.try_transact(views.id, change, createSnapshot=True), 400)
    assert_error(tables.try_transact(views.id), 400)
    assert_error(views.ann.post(f"{REPO}/entity/{views.id}/table/snapshot", {}), 400)
    assert views.annotations() == {}
    assert views.ann.entity(views.id)["versionNumber"] == 2


def test_a_version_of_a_view_is_deleted_with_its_rows(views):
    ok(freeze(views))
    assert views.ann.delete(f"{REPO}/entity/{views.id}/version/1").ok
    assert_error(views.tables.try_query(f"select * from {views.id}.1"), 404)
    assert views.tables.query(f"select name from {views.id}") == [["file"]]


def test_a_version_that_is_open_again_is_frozen_anew(views):
    tables, ann = views.tables, views.ann
    ok(freeze(views))
    assert ann.delete(f"{REPO}/entity/{views.id}/version/2").ok
    ann.change(views.file, name="renamed")
    assert tables.query(f"select name from {views.id}") == [["renamed"]]
    assert ok(freeze(views, snapshotLabel="again"))["snapshotVersionNumber"] == 1
    ann.change(views.file, name="renamed twice")
    assert tables.query(f"select name from {views.id}.1") == [["renamed"]]
    assert ann.entity(views.id)["versionNumber"] == 3


def test_a_row_that_is_given_twice_is_updated_once(views):
    number, etag = views.row_id(), views.etag()
    results = views.update(views.partial((number, etag, {"n": "1"}), (number, etag, {"n": "2"})))
    assert [each.get("failureCode") for each in results] == [None, "CONCURRENT_UPDATE"]
    assert views.annotations() == {"n": ("LONG", ["1"])}


def test_many_rows_are_updated_together(views):
    for _ in range(7):
        views.ann.new_file(views.project)
    inner = views.ann.new_folder(views.project)["id"]
    deep = views.ann.new_file(inner)["id"]
    views.ann.share(inner, {})
    text = views.tables.download(f"select n from {views.id}", includeEntityEtag=True)
    header, *lines = text.splitlines()
    changed = "".join(f'{line}"{number}"\n' for number, line in enumerate(lines))
    results = views.update(views.tables.csv(views.id, f"{header}\n{changed}"))
    assert results == [{"entityId": each["entityId"]} for each in results]
    assert len(results) == 9
    found = views.tables.query(f"select n from {views.id} order by n")
    assert found == [[str(number)] for number in range(9)]
    assert views.annotations(deep)


def test_snapshots_that_are_asked_for_at_once_have_versions_of_their_own(views):
    def one(number):
        return ok(freeze(views, snapshotLabel=f"label {number}"))["snapshotVersionNumber"]

    with ThreadPoolExecutor(3) as pool:
        numbers = list(pool.map(one, range(3)))
    assert sorted(numbers) == [1, 2, 3]
    for number in numbers:
        assert views.tables.query(f"select name from {views.id}.{number}") == [["file"]]


def test_a_csv_that_turns_bad_at_its_end_changes_nothing(views):
    good = f"ROW_ID,ROW_VERSION,ROW_ETAG,n\n{views.row_id()},1,{views.etag()},1\n"
    for bad in (",,,2\n", "x,1,e,2\n", "1,1,e,2,3\n", '1,1,"e\n'):
        change = views.tables.csv(views.id, good + bad)
        assert_error(views.tables.try_transact(views.id, change), 400)
        assert views.annotations() == {}
    assert views.update(views.tables.csv(views.id, good)) == [{"entityId": views.file}]
