"""Transactions on entity views: row updates, schema changes and snapshots."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import ENTITY_VIEW


class FileView:
    """A project with one file, and a view of the project."""

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

    def get_row_id(self, entity=None):
        return int((entity or self.file).removeprefix("syn"))

    def get_etag(self, entity=None):
        return self.ann.entity(entity or self.file)["etag"]

    def get_annotations(self, entity=None):
        path = f"{REPO}/entity/{entity or self.file}/annotations2"
        annotations = ok(self.ann.get(path))["annotations"]
        return {key: (each["type"], each["value"]) for key, each in annotations.items()}

    def build_rows(self, *rows):
        """Return an AppendableRowSetRequest for rows of (row ID, etag, cells)."""
        change = self.tables.partial(self.id, *((row[0], row[2]) for row in rows))
        for row, (_, etag, _) in zip(change["toAppend"]["rows"], rows, strict=True):
            row["etag"] = etag
        return change

    def update(self, change):
        results = self.tables.transact(self.id, change)["results"]
        assert [each["concreteType"] for each in results] == [f"{M}.EntityUpdateResults"]
        return results[0]["updateResults"]


@pytest.fixture
def file_view(ann, tables):
    return FileView(ann, tables)


def test_partial_rows_update_annotations(file_view):
    cells = {
        "word": "ant", "n": "3", "words": '["a", "b"]', "day": "1600000000000", "x": "1.5",
        "yes": "true",
    }  # fmt: skip
    results = file_view.update(
        file_view.build_rows((file_view.get_row_id(), file_view.get_etag(), cells))
    )
    assert results == [{"entityId": file_view.file}]
    assert file_view.get_annotations() == {
        "word": ("STRING", ["ant"]),
        "n": ("LONG", ["3"]),
        "words": ("STRING", ["a", "b"]),
        "day": ("TIMESTAMP_MS", ["1600000000000"]),
        "x": ("DOUBLE", ["1.5"]),
        "yes": ("BOOLEAN", ["true"]),
    }
    row = file_view.tables.query(f"select word, n, words, day, x, yes from {file_view.id}")
    assert row == [list(cells.values())]


def test_null_removes_an_annotation_and_default_columns_are_ignored(file_view):
    cells = {"word": "ant", "n": "1"}
    file_view.update(file_view.build_rows((file_view.get_row_id(), file_view.get_etag(), cells)))
    etag = file_view.get_etag()
    cells = {"word": None, "name": "another"}
    file_view.update(file_view.build_rows((file_view.get_row_id(), etag, cells)))
    assert file_view.get_annotations() == {"n": ("LONG", ["1"])}
    assert file_view.ann.entity(file_view.file)["name"] == "file"
    etag = file_view.get_etag()
    file_view.update(
        file_view.build_rows((file_view.get_row_id(), etag, {"name": "another", "n": "1"}))
    )
    assert file_view.get_etag() == etag


def test_complete_rows_update_annotations(file_view):
    rows = file_view.tables.rows(
        file_view.id, (file_view.get_row_id(), 1, ["ant"]), names=["word"]
    )
    rows["toAppend"]["rows"][0]["etag"] = file_view.get_etag()
    assert file_view.update(rows) == [{"entityId": file_view.file}]
    assert file_view.get_annotations() == {"word": ("STRING", ["ant"])}


def test_downloaded_csv_can_be_uploaded(file_view):
    sql = f"select word, n from {file_view.id}"
    text = file_view.tables.download(sql, includeEntityEtag=True)
    header, line = text.splitlines()
    changed = f'{header}\n{line.removesuffix(",,")},"a ""b""",7\n'
    assert file_view.update(file_view.tables.csv(file_view.id, changed)) == [
        {"entityId": file_view.file}
    ]
    assert file_view.get_annotations() == {"word": ("STRING", ['a "b"']), "n": ("LONG", ["7"])}
    assert file_view.tables.query(sql) == [['a "b"', "7"]]


def test_etag_may_be_in_a_column(file_view):
    column = file_view.tables.create_column("etag", "STRING", maximumSize=36)["id"]
    ids = [*file_view.ann.entity(file_view.id)["columnIds"], column]
    file_view.ann.change(file_view.id, columnIds=ids)
    text = f"ROW_ID,ROW_VERSION,etag,n\n{file_view.get_row_id()},1,{file_view.get_etag()},5\n"
    assert file_view.update(file_view.tables.csv(file_view.id, text)) == [
        {"entityId": file_view.file}
    ]
    assert file_view.get_annotations() == {"n": ("LONG", ["5"])}


def test_rows_fail_independently(file_view, ben):
    ann = file_view.ann
    stale, bare, wrong, other = (ann.new_file(file_view.project)["id"] for _ in range(4))
    foreign = ben.new_file(ben.new_project()["id"])
    rows = [
        (file_view.get_row_id(), file_view.get_etag(), {"n": "1"}),
        (file_view.get_row_id(stale), "an old one", {"n": "1"}),
        (file_view.get_row_id(bare), None, {"n": "1"}),
        (file_view.get_row_id(wrong), file_view.get_etag(wrong), {"n": "many"}),
        (file_view.get_row_id(foreign["id"]), foreign["etag"], {"n": "1"}),
        (999_999_999, "any", {"n": "1"}),
        (file_view.get_row_id(other), file_view.get_etag(other), {"n": "2"}),
    ]
    results = file_view.update(file_view.build_rows(*rows))
    assert [each.get("failureCode") for each in results] == [
        None, "CONCURRENT_UPDATE", "ILLEGAL_ARGUMENT", "ILLEGAL_ARGUMENT", "UNAUTHORIZED",
        "NOT_FOUND", None,
    ]  # fmt: skip
    assert all(each["failureMessage"] for each in results if "failureCode" in each)
    annotations = [
        file_view.get_annotations(each) for each in (file_view.file, stale, bare, wrong, other)
    ]
    assert annotations == [{"n": ("LONG", ["1"])}, {}, {}, {}, {"n": ("LONG", ["2"])}]


def test_adding_or_deleting_rows_returns_400(file_view):
    tables = file_view.tables
    for change in (
        file_view.build_rows((None, None, {"n": "1"})),
        tables.rows(file_view.id, (file_view.get_row_id(), 1, [])),
        tables.csv(file_view.id, "word\nx\n"),
        tables.csv(file_view.id, f"ROW_ID,ROW_VERSION\n{file_view.get_row_id()},1\n"),
        tables.csv(file_view.id, "nonsense\nx\n"),
    ):
        assert_error(tables.try_transact(file_view.id, change), 400)
    assert file_view.get_annotations() == {}


def test_row_update_requires_update_on_the_view(file_view, ben):
    file_view.ann.share(file_view.id, {ben.id: ["READ"]})
    file_view.ann.share(file_view.project, {ben.id: ["READ", "UPDATE"]})
    change = file_view.build_rows((file_view.get_row_id(), file_view.get_etag(), {"n": "1"}))
    assert_error(type(file_view.tables)(ben).try_transact(file_view.id, change), 403)
    assert file_view.get_annotations() == {}


def test_schema_change_replaces_columns(file_view):
    new = file_view.tables.create_column("other")["id"]
    old = file_view.ann.entity(file_view.id)["columnIds"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": file_view.id,
        "changes": [{"oldColumnId": old[1], "newColumnId": new}],
    }
    result = file_view.tables.transact(file_view.id, change)["results"][0]
    assert [each["id"] for each in result["schema"]] == [old[0], new, *old[2:]]
    assert file_view.ann.entity(file_view.id)["columnIds"] == [old[0], new, *old[2:]]
    file_view.tables.query(f"select other from {file_view.id}")
    assert_error(file_view.tables.try_transact(file_view.id, change), 400)


def test_adding_present_columns_reorders_them(file_view):
    old = file_view.ann.entity(file_view.id)["columnIds"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "entityId": file_view.id,
        "changes": [{"oldColumnId": None, "newColumnId": each} for each in old],
        "orderedColumnIds": old[::-1],
    }
    file_view.tables.transact(file_view.id, change)
    assert file_view.ann.entity(file_view.id)["columnIds"] == old[::-1]


def try_create_snapshot(file_view, **options):
    return file_view.tables.try_transact(
        file_view.id, createSnapshot=True, snapshotOptions=options
    )


def test_snapshot_preserves_rows_columns_and_etags(file_view):
    tables, ann = file_view.tables, file_view.ann
    file_view.update(
        file_view.build_rows(
            (file_view.get_row_id(), file_view.get_etag(), {"n": "1", "x": "NaN"})
        )
    )
    before = tables.row_set(f"select * from {file_view.id}", includeEntityEtag=True)["rows"]
    created = ok(try_create_snapshot(file_view, snapshotLabel="first", snapshotComment="why"))
    assert created["snapshotVersionNumber"] == 1
    version = ok(ann.get(f"{REPO}/entity/{file_view.id}/version/1"))
    assert (version["versionLabel"], version["versionComment"]) == ("first", "why")
    assert ann.entity(file_view.id)["versionNumber"] == 2
    ann.change(file_view.file, name="renamed")
    ann.new_file(file_view.project, name="new")
    ann.change(file_view.id, columnIds=[tables.create_column("name", maximumSize=256)["id"]])
    snapshot_rows = tables.row_set(f"select * from {file_view.id}.1", includeEntityEtag=True)[
        "rows"
    ]
    assert snapshot_rows == before
    assert len(tables.list_columns(f"{file_view.id}.1")) == 7
    for current in (file_view.id, f"{file_view.id}.2"):
        assert tables.query(f"select * from {current} order by name") == [["new"], ["renamed"]]
    assert ok(try_create_snapshot(file_view))["snapshotVersionNumber"] == 2
    assert_error(tables.try_query(f"select * from {file_view.id}.9"), 404)


def test_snapshot_has_the_requested_activity(file_view):
    activity = ok(file_view.ann.post(f"{REPO}/activity", {"name": "made"}))["id"]
    ok(try_create_snapshot(file_view, snapshotActivityId=activity))
    response = file_view.ann.get(f"{REPO}/entity/{file_view.id}/version/1/generatedBy")
    assert ok(response)["id"] == activity


def test_snapshot_shows_readable_rows_only(file_view, ben):
    ok(try_create_snapshot(file_view))
    file_view.ann.share(file_view.id, {ben.id: ["READ"]})
    ben_tables = type(file_view.tables)(ben)
    assert ben_tables.query(f"select name from {file_view.id}.1") == []
    file_view.ann.share(file_view.project, {ben.id: ["READ"]})
    assert ben_tables.query(f"select name from {file_view.id}.1") == [["file"]]


def test_invalid_snapshot_requests_return_errors(file_view):
    tables = file_view.tables
    ok(try_create_snapshot(file_view, snapshotLabel="taken"))
    assert_error(try_create_snapshot(file_view, snapshotLabel="taken"), 409)
    change = file_view.build_rows((file_view.get_row_id(), file_view.get_etag(), {"n": "1"}))
    assert_error(tables.try_transact(file_view.id, change, createSnapshot=True), 400)
    assert_error(tables.try_transact(file_view.id), 400)
    assert_error(file_view.ann.post(f"{REPO}/entity/{file_view.id}/table/snapshot", {}), 400)
    assert file_view.get_annotations() == {}
    assert file_view.ann.entity(file_view.id)["versionNumber"] == 2


def test_deleting_a_version_deletes_its_rows(file_view):
    ok(try_create_snapshot(file_view))
    assert file_view.ann.delete(f"{REPO}/entity/{file_view.id}/version/1").ok
    assert_error(file_view.tables.try_query(f"select * from {file_view.id}.1"), 404)
    assert file_view.tables.query(f"select name from {file_view.id}") == [["file"]]


def test_snapshot_of_a_reopened_version_replaces_its_rows(file_view):
    tables, ann = file_view.tables, file_view.ann
    ok(try_create_snapshot(file_view))
    assert ann.delete(f"{REPO}/entity/{file_view.id}/version/2").ok
    ann.change(file_view.file, name="renamed")
    assert tables.query(f"select name from {file_view.id}") == [["renamed"]]
    assert ok(try_create_snapshot(file_view, snapshotLabel="again"))["snapshotVersionNumber"] == 1
    ann.change(file_view.file, name="renamed twice")
    assert tables.query(f"select name from {file_view.id}.1") == [["renamed"]]
    assert ann.entity(file_view.id)["versionNumber"] == 3


def test_second_update_of_a_row_in_one_request_has_a_stale_etag(file_view):
    number, etag = file_view.get_row_id(), file_view.get_etag()
    results = file_view.update(
        file_view.build_rows((number, etag, {"n": "1"}), (number, etag, {"n": "2"}))
    )
    assert [each.get("failureCode") for each in results] == [None, "CONCURRENT_UPDATE"]
    assert file_view.get_annotations() == {"n": ("LONG", ["1"])}


def test_many_rows_are_updated_by_one_csv(file_view):
    for _ in range(7):
        file_view.ann.new_file(file_view.project)
    inner = file_view.ann.new_folder(file_view.project)["id"]
    deep = file_view.ann.new_file(inner)["id"]
    file_view.ann.share(inner, {})
    text = file_view.tables.download(f"select n from {file_view.id}", includeEntityEtag=True)
    header, *lines = text.splitlines()
    changed = "".join(f'{line}"{number}"\n' for number, line in enumerate(lines))
    results = file_view.update(file_view.tables.csv(file_view.id, f"{header}\n{changed}"))
    assert results == [{"entityId": each["entityId"]} for each in results]
    assert len(results) == 9
    results = file_view.tables.query(f"select n from {file_view.id} order by n")
    assert results == [[str(number)] for number in range(9)]
    assert file_view.get_annotations(deep)


def test_concurrent_snapshots_have_different_versions(file_view):
    def create_snapshot(number):
        return ok(try_create_snapshot(file_view, snapshotLabel=f"label {number}"))[
            "snapshotVersionNumber"
        ]

    with ThreadPoolExecutor(3) as pool:
        numbers = list(pool.map(create_snapshot, range(3)))
    assert sorted(numbers) == [1, 2, 3]
    for number in numbers:
        assert file_view.tables.query(f"select name from {file_view.id}.{number}") == [["file"]]


def test_invalid_csv_line_rolls_back_previous_lines(file_view):
    good = f"ROW_ID,ROW_VERSION,ROW_ETAG,n\n{file_view.get_row_id()},1,{file_view.get_etag()},1\n"
    for bad in (",,,2\n", "x,1,e,2\n", "1,1,e,2,3\n", '1,1,"e\n'):
        change = file_view.tables.csv(file_view.id, good + bad)
        assert_error(file_view.tables.try_transact(file_view.id, change), 400)
        assert file_view.get_annotations() == {}
    assert file_view.update(file_view.tables.csv(file_view.id, good)) == [
        {"entityId": file_view.file}
    ]


def test_row_update_may_be_longer_than_the_column(ann, tables):
    project = ann.new_project()["id"]
    file = ann.new_file(project)
    column = tables.create_column("colour", maximumSize=3)["id"]
    body = {"viewTypeMask": 1, "scopeIds": [project], "columnIds": [column]}
    view = ann.make(ENTITY_VIEW, project, **body)["id"]
    row = {
        "rowId": int(file["id"].removeprefix("syn")),
        "etag": file["etag"],
        "values": [{"key": column, "value": "purple"}],
    }
    change = {
        "concreteType": f"{M}.AppendableRowSetRequest",
        "entityId": view,
        "toAppend": {"concreteType": f"{M}.PartialRowSet", "tableId": view, "rows": [row]},
    }
    assert "failureCode" not in tables.transact(view, change)["results"][0]["updateResults"][0]
    annotations = ok(ann.get(f"{REPO}/entity/{file['id']}/annotations2"))["annotations"]
    assert annotations == {"colour": {"type": "STRING", "value": ["purple"]}}
    assert_error(tables.try_query(f"select * from {view}"), 400, "at least 6 characters")


def test_partial_row_set_of_a_view_without_rows_is_accepted(ann, tables):
    body = {"viewTypeMask": 1, "scopeIds": [tables.project], "columnIds": []}
    view = ann.make(ENTITY_VIEW, tables.project, **body)["id"]
    assert tables.transact(view, tables.partial(view))["results"][0]["updateResults"] == []
