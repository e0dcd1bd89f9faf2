"""Datasets: items, summary, rows, row updates and snapshots."""

import hashlib

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET, DATASET_COLLECTION


def build_item(entity, number=1):
    return {"entityId": entity, "versionNumber": number}


def create_version(author, file, content, **more):
    """Create a version of a file with new content."""
    return author.change(file, dataFileHandleId=author.handle(content), versionLabel=None, **more)


def get_md5(author, content):
    """Return the MD5 of the author's file handle with the content."""
    return ok(author.get(f"/file/v1/fileHandle/{author.handle(content)}"))["contentMd5"]


def annotate(author, entity, **texts):
    """Replace the annotations of an entity."""
    body = ok(author.get(f"{REPO}/entity/{entity}/annotations2"))
    values = {key: {"type": "STRING", "value": [text]} for key, text in texts.items()}
    ok(author.put(f"{REPO}/entity/{entity}/annotations2", {**body, "annotations": values}))


def list_default_columns(author):
    return ok(author.get(f"{REPO}/column/tableview/defaults?viewEntityType=dataset"))["list"]


class Datasets:
    """A project with two files, one of them with two versions, and datasets of the files."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project = ann.new_project(name=None)["id"]
        self.one = ann.new_file(self.project, "1", name="one")["id"]
        self.two = ann.new_file(self.project, "2", name="two")["id"]
        create_version(ann, self.two, "22")

    def create(self, *items, columns=(("name", "STRING", {"maximumSize": 256}),), **more):
        created = [
            self.tables.create_column(*each[:2], **(each[2] if len(each) > 2 else {}))
            for each in columns
        ]
        ids = [each["id"] for each in created]
        return self.ann.make(DATASET, self.tables.project, items=items, columnIds=ids, **more)

    def create_snapshot(self, dataset, **options):
        return self.tables.transact(dataset, createSnapshot=True, snapshotOptions=options)


@pytest.fixture
def datasets(ann, tables):
    return Datasets(ann, tables)


def test_dataset_entity_has_items_count_size_and_checksum(datasets):
    ann = datasets.ann
    created = datasets.create(
        build_item(datasets.one), build_item(datasets.two, 2), description="both", size=1, count=9
    )
    read = ann.entity(created["id"])
    assert read["items"] == [build_item(datasets.one), build_item(datasets.two, 2)]
    checksums = sorted(get_md5(ann, content) for content in ("1", "22"))
    assert (read["count"], read["size"]) == (2, 14)
    assert read["checksum"] == hashlib.md5("".join(checksums).encode()).hexdigest()
    assert (read["versionNumber"], read["description"]) == (1, "both")
    changed = ann.change(created["id"], items=[build_item(datasets.one)])
    assert (changed["count"], changed["size"]) == (1, 7)
    assert changed["checksum"] == hashlib.md5(get_md5(ann, "1").encode()).hexdigest()
    empty = ann.change(created["id"], items=[])
    assert (empty["count"], empty["size"], "checksum" in empty) == (0, 0, False)
    bundle = ann.post(f"{REPO}/entity/{created['id']}/bundle2", {"includeEntity": True})
    assert ok(bundle)["entityType"] == "dataset"


def test_invalid_items_return_errors(datasets, ben):
    folder = datasets.ann.new_folder(datasets.project)["id"]
    trashed = datasets.ann.new_file(datasets.project)["id"]
    datasets.ann.delete(f"{REPO}/entity/{trashed}")
    for items, status in (
        ([build_item(folder)], 400),
        ([build_item(datasets.one), build_item(datasets.one)], 400),
        ([{"entityId": datasets.one}], 400),
        ([{"versionNumber": 1}], 400),
        (["syn1"], 400),
        ([build_item("syn1.2")], 400),
        ([build_item(datasets.one, 2)], 404),
        ([build_item("syn999999999")], 404),
        ([build_item(trashed)], 404),
        ([build_item(f"syn{n}") for n in range(1, 30_002)], 400),
    ):
        assert_error(datasets.ann.try_make(DATASET, datasets.tables.project, items=items), status)


def suggest_columns(tables, *scope, **more):
    """Return the names of the columns that are suggested for the annotations of entities."""
    request = {
        "concreteType": f"{M}.ViewColumnModelRequest",
        "viewScope": {"scope": scope, "viewEntityType": "dataset", **more},
    }
    results = ok(tables.run(f"{REPO}/column/view/scope", request))["results"]
    return [each["name"] for each in results]


def test_columns_are_suggested_for_the_annotations_of_listed_files(datasets):
    ann = datasets.ann
    annotate(ann, datasets.one, color="red")
    annotate(ann, datasets.two, size="5")
    assert suggest_columns(datasets.tables, datasets.one, datasets.two) == ["color", "size"]
    assert suggest_columns(datasets.tables, datasets.one, viewTypeMask=128) == ["color"]
    assert (
        suggest_columns(datasets.tables, "syn999999999") == suggest_columns(datasets.tables) == []
    )


def test_dataset_collection_shows_versions_of_datasets(datasets):
    ann, tables = datasets.ann, datasets.tables
    first = datasets.create(build_item(datasets.one), name="first")["id"]
    second = datasets.create(build_item(datasets.two), name="second")["id"]
    datasets.create_snapshot(first)
    annotate(ann, first, status="draft")
    path = f"{REPO}/column/tableview/defaults?viewEntityType=datasetcollection"
    defaults = [each["name"] for each in ok(ann.get(f"{path}&viewTypeMask=256"))["list"]]
    assert defaults[-1] == "projectId"
    ids = [
        tables.create_column("name", maximumSize=256)["id"],
        tables.create_column("status")["id"],
    ]
    items = [build_item(first, 1), build_item(second)]
    created = ann.make(DATASET_COLLECTION, tables.project, items=items, columnIds=ids)
    assert (created["items"], "count" in created) == (items, False)
    sql = f"select name, status, ROW_VERSION from {created['id']} order by name"
    assert tables.query(sql) == [["first", None, "1"], ["second", None, "1"]]
    assert datasets.create_snapshot(created["id"])["snapshotVersionNumber"] == 1
    ann.change(created["id"], items=[build_item(first, 2)])
    assert tables.query(sql) == [["first", "draft", "2"]]
    assert len(tables.query(f"select name from {created['id']}.1")) == 2
    rows = tables.partial(created["id"], (int(first[3:]), {"status": "final"}))
    rows["toAppend"]["rows"][0]["etag"] = ann.entity(first)["etag"]
    tables.transact(created["id"], rows)
    assert tables.query(sql) == [["first", "final", "2"]]
    for item, status in (
        (build_item(datasets.one), 400),
        (build_item(created["id"]), 400),
        (build_item(first, 9), 404),
    ):
        response = ann.try_make(DATASET_COLLECTION, tables.project, items=[item])
        assert_error(response, status)


def test_default_columns_equal_those_of_file_views(ann):
    file_columns = ok(ann.get(f"{REPO}/column/tableview/defaults?viewTypeMask=1"))["list"]
    assert list_default_columns(ann) == file_columns
    with_mask = f"{REPO}/column/tableview/defaults?viewEntityType=dataset&viewTypeMask=128"
    assert ok(ann.get(with_mask))["list"] == file_columns


def test_rows_show_the_listed_versions(datasets):
    ann, tables = datasets.ann, datasets.tables
    created = datasets.create(build_item(datasets.two, 1), columns=())["id"]
    ann.change(created, columnIds=[each["id"] for each in list_default_columns(ann)])
    row = tables.row_set(f"select * from {created}", includeEntityEtag=True)["rows"][0]
    cells = dict(
        zip([c["name"] for c in tables.list_columns(created)], row["values"], strict=True)
    )
    file = ann.entity(datasets.two)
    assert (row["rowId"], row["versionNumber"]) == (int(datasets.two[3:]), 1)
    assert (row["etag"], cells["etag"]) == (file["etag"], file["etag"])
    assert (cells["id"], cells["currentVersion"]) == (datasets.two, "2")
    assert cells["dataFileMD5Hex"] == get_md5(ann, "2")
    assert cells["path"].endswith("/two")
    create_version(ann, datasets.two, "222")
    assert tables.query(f"select dataFileMD5Hex, ROW_VERSION from {created}") == [
        [get_md5(ann, "2"), "1"]
    ]
    ann.change(created, items=[build_item(datasets.two, 3), build_item(datasets.one)])
    sql = f"select name, ROW_VERSION from {created} order by name"
    assert tables.query(sql) == [["one", "1"], ["two", "3"]]


def test_deleted_items_have_no_rows_but_stay_in_the_dataset(datasets):
    ann = datasets.ann
    created = datasets.create(build_item(datasets.one), build_item(datasets.two, 1))["id"]
    sql = f"select name from {created} order by name"
    ann.delete(f"{REPO}/entity/{datasets.two}/version/1")
    assert datasets.tables.query(sql) == [["one"]]
    ann.delete(f"{REPO}/entity/{datasets.one}")
    assert datasets.tables.query(sql) == []
    assert ann.change(created, description="changed")["count"] == 2
    ann.put(f"{REPO}/trashcan/restore/{datasets.one}", None)
    assert datasets.tables.query(sql) == [["one"]]


def test_row_shows_annotations_of_the_listed_version(datasets):
    ann, tables = datasets.ann, datasets.tables
    body = ok(ann.get(f"{REPO}/entity/{datasets.two}/annotations2"))
    changed = {**body, "annotations": {"word": {"type": "STRING", "value": ["second"]}}}
    ok(ann.put(f"{REPO}/entity/{datasets.two}/annotations2", changed))
    columns = (("word",),)
    old, new = (
        datasets.create(build_item(datasets.two, n), columns=columns)["id"] for n in (1, 2)
    )
    assert tables.query(f"select word from {old}") == [[None]]
    assert tables.query(f"select word from {new}") == [["second"]]


def test_row_update_changes_listed_current_versions_only(datasets):
    ann, tables = datasets.ann, datasets.tables
    created = datasets.create(
        build_item(datasets.one), build_item(datasets.two, 1), columns=(("word",),)
    )["id"]
    other = ann.new_file(datasets.project)["id"]
    files = (datasets.one, datasets.two, other)
    change = tables.partial(created, *((int(each[3:]), {"word": "ant"}) for each in files))
    for row, file in zip(change["toAppend"]["rows"], files, strict=True):
        row["etag"] = ann.entity(file)["etag"]
    results = tables.transact(created, change)["results"][0]["updateResults"]
    assert [(each["entityId"], each.get("failureCode")) for each in results] == [
        (datasets.one, None), (datasets.two, "ILLEGAL_ARGUMENT"), (other, "NOT_FOUND"),
    ]  # fmt: skip
    sql = f"select word, ROW_ID from {created} order by ROW_ID"
    assert [row[0] for row in tables.query(sql)] == ["ant", None]


def test_query_shows_readable_items_only(datasets, ben):
    secret = datasets.ann.new_project()["id"]
    hidden = datasets.ann.new_file(secret, name="hidden")["id"]
    created = datasets.create(build_item(datasets.one), build_item(hidden))["id"]
    datasets.ann.share(datasets.project, {ben.id: ["READ"]})
    ben_tables = type(datasets.tables)(ben)
    assert_error(ben_tables.try_query(f"select name from {created}"), 403)
    datasets.ann.share(created, {ben.id: ["READ"]})
    assert ben_tables.query(f"select name from {created}") == [["one"]]
    assert len(datasets.tables.query(f"select name from {created}")) == 2


def test_snapshot_preserves_items_summary_and_rows(datasets):
    ann, tables = datasets.ann, datasets.tables
    created = datasets.create(build_item(datasets.one), build_item(datasets.two, 2))["id"]
    checksums = ann.entity(created)["checksum"]
    assert datasets.create_snapshot(created, snapshotLabel="first")["snapshotVersionNumber"] == 1
    ann.change(created, items=[build_item(datasets.two, 1)])
    ann.change(datasets.one, name="renamed")
    version = ok(ann.get(f"{REPO}/entity/{created}/version/1"))
    assert version["items"] == [build_item(datasets.one), build_item(datasets.two, 2)]
    assert (version["checksum"], version["versionLabel"]) == (checksums, "first")
    assert tables.query(f"select name from {created}.1 order by name") == [["one"], ["two"]]
    assert tables.query(f"select name, ROW_VERSION from {created}") == [["two", "1"]]
    assert datasets.create_snapshot(created)["snapshotVersionNumber"] == 2


def test_dataset_properties_are_reserved_as_annotation_keys(datasets):
    created = datasets.create()["id"]
    body = ok(datasets.ann.get(f"{REPO}/entity/{created}/annotations2"))
    wrong = {**body, "annotations": {"items": {"type": "STRING", "value": ["x"]}}}
    assert_error(datasets.ann.put(f"{REPO}/entity/{created}/annotations2", wrong), 400)
