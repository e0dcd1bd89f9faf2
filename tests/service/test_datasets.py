"""Datasets: files listed one by one, each in a version; what is summed up, shown and frozen."""

import hashlib

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET


def ref(entity, number=1):
    return {"entityId": entity, "versionNumber": number}


def new_version(author, file, content, **more):
    """Give a file another content, and so another version."""
    return author.change(file, dataFileHandleId=author.handle(content), versionLabel=None, **more)


def md5_of(author, content):
    """The MD5 of a handle of the content, as the author's handles have it."""
    return ok(author.get(f"/file/v1/fileHandle/{author.handle(content)}"))["contentMd5"]


def defaults(author):
    return ok(author.get(f"{REPO}/column/tableview/defaults?viewEntityType=dataset"))["list"]


class Shelf:
    """A project of two files, one of them in two versions, and datasets of them."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project = ann.new_project(name=None)["id"]
        self.one = ann.new_file(self.project, "1", name="one")["id"]
        self.two = ann.new_file(self.project, "2", name="two")["id"]
        new_version(ann, self.two, "22")

    def new(self, *items, columns=(("name", "STRING", {"maximumSize": 256}),), **more):
        made = [
            self.tables.create_column(*each[:2], **(each[2] if len(each) > 2 else {}))
            for each in columns
        ]
        ids = [each["id"] for each in made]
        return self.ann.make(DATASET, self.tables.project, items=items, columnIds=ids, **more)

    def freeze(self, dataset, **options):
        return self.tables.transact(dataset, createSnapshot=True, snapshotOptions=options)


@pytest.fixture
def shelf(ann, tables):
    return Shelf(ann, tables)


def test_a_dataset_is_an_entity_with_items_and_sums(shelf):
    ann = shelf.ann
    made = shelf.new(ref(shelf.one), ref(shelf.two, 2), description="both", size=1, count=9)
    read = ann.entity(made["id"])
    assert read["items"] == [ref(shelf.one), ref(shelf.two, 2)]
    sums = sorted(md5_of(ann, content) for content in ("1", "22"))
    assert (read["count"], read["size"]) == (2, 14)
    assert read["checksum"] == hashlib.md5("".join(sums).encode()).hexdigest()
    assert (read["versionNumber"], read["description"]) == (1, "both")
    changed = ann.change(made["id"], items=[ref(shelf.one)])
    assert (changed["count"], changed["size"]) == (1, 7)
    assert changed["checksum"] == hashlib.md5(md5_of(ann, "1").encode()).hexdigest()
    empty = ann.change(made["id"], items=[])
    assert (empty["count"], empty["size"], "checksum" in empty) == (0, 0, False)
    bundle = ann.post(f"{REPO}/entity/{made['id']}/bundle2", {"includeEntity": True})
    assert ok(bundle)["entityType"] == "dataset"


def test_items_that_can_be_none_are_refused(shelf, ben):
    folder = shelf.ann.new_folder(shelf.project)["id"]
    trashed = shelf.ann.new_file(shelf.project)["id"]
    shelf.ann.delete(f"{REPO}/entity/{trashed}")
    for items, status in (
        ([ref(folder)], 400),
        ([ref(shelf.one), ref(shelf.one)], 400),
        ([{"entityId": shelf.one}], 400),
        ([{"versionNumber": 1}], 400),
        (["syn1"], 400),
        ([ref("syn1.2")], 400),
        ([ref(shelf.one, 2)], 404),
        ([ref("syn999999999")], 404),
        ([ref(trashed)], 404),
        ([ref(f"syn{n}") for n in range(1, 30_002)], 400),
    ):
        assert_error(shelf.ann.try_make(DATASET, shelf.tables.project, items=items), status)


def test_other_collections_are_told_to_be_unknown(ann, tables):
    told = assert_error(ann.try_make(f"{M}.DatasetCollection", tables.project, items=[]), 400)
    assert "Unknown concreteType" in str(told)
    path = f"{REPO}/column/tableview/defaults?viewEntityType=datasetcollection"
    assert "entityview, submissionview, dataset" in str(assert_error(ann.get(path), 400))
    body = {"scope": [], "viewEntityType": "dataset"}
    asked = {"concreteType": f"{M}.ViewColumnModelRequest", "viewScope": body}
    assert_error(tables.run(f"{REPO}/column/view/scope", asked), 400)


def test_default_columns_of_datasets_are_those_of_files(ann):
    of_files = ok(ann.get(f"{REPO}/column/tableview/defaults?viewTypeMask=1"))["list"]
    assert defaults(ann) == of_files
    with_mask = f"{REPO}/column/tableview/defaults?viewEntityType=dataset&viewTypeMask=128"
    assert ok(ann.get(with_mask))["list"] == of_files


def test_rows_are_the_versions_that_are_named(shelf):
    ann, tables = shelf.ann, shelf.tables
    made = shelf.new(ref(shelf.two, 1), columns=())["id"]
    ann.change(made, columnIds=[each["id"] for each in defaults(ann)])
    row = tables.row_set(f"select * from {made}", includeEntityEtag=True)["rows"][0]
    cells = dict(zip([c["name"] for c in tables.list_columns(made)], row["values"], strict=True))
    file = ann.entity(shelf.two)
    assert (row["rowId"], row["versionNumber"]) == (int(shelf.two[3:]), 1)
    assert (row["etag"], cells["etag"]) == (file["etag"], file["etag"])
    assert (cells["id"], cells["currentVersion"]) == (shelf.two, "2")
    assert cells["dataFileMD5Hex"] == md5_of(ann, "2")
    assert cells["path"].endswith("/two")
    new_version(ann, shelf.two, "222")
    assert tables.query(f"select dataFileMD5Hex, ROW_VERSION from {made}") == [
        [md5_of(ann, "2"), "1"]
    ]
    ann.change(made, items=[ref(shelf.two, 3), ref(shelf.one)])
    sql = f"select name, ROW_VERSION from {made} order by name"
    assert tables.query(sql) == [["one", "1"], ["two", "3"]]


def test_what_was_deleted_is_shown_no_more_and_may_stay_listed(shelf):
    ann = shelf.ann
    made = shelf.new(ref(shelf.one), ref(shelf.two, 1))["id"]
    sql = f"select name from {made} order by name"
    ann.delete(f"{REPO}/entity/{shelf.two}/version/1")
    assert shelf.tables.query(sql) == [["one"]]
    ann.delete(f"{REPO}/entity/{shelf.one}")
    assert shelf.tables.query(sql) == []
    assert ann.change(made, description="still there")["count"] == 2
    ann.put(f"{REPO}/trashcan/restore/{shelf.one}", None)
    assert shelf.tables.query(sql) == [["one"]]


def test_annotations_are_those_of_the_version(shelf):
    ann, tables = shelf.ann, shelf.tables
    body = ok(ann.get(f"{REPO}/entity/{shelf.two}/annotations2"))
    made = {**body, "annotations": {"word": {"type": "STRING", "value": ["second"]}}}
    ok(ann.put(f"{REPO}/entity/{shelf.two}/annotations2", made))
    columns = (("word",),)
    old, new = (shelf.new(ref(shelf.two, n), columns=columns)["id"] for n in (1, 2))
    assert tables.query(f"select word from {old}") == [[None]]
    assert tables.query(f"select word from {new}") == [["second"]]


def test_updates_write_to_files_that_are_listed_as_they_are(shelf):
    ann, tables = shelf.ann, shelf.tables
    made = shelf.new(ref(shelf.one), ref(shelf.two, 1), columns=(("word",),))["id"]
    other = ann.new_file(shelf.project)["id"]
    files = (shelf.one, shelf.two, other)
    change = tables.partial(made, *((int(each[3:]), {"word": "ant"}) for each in files))
    for row, file in zip(change["toAppend"]["rows"], files, strict=True):
        row["etag"] = ann.entity(file)["etag"]
    results = tables.transact(made, change)["results"][0]["updateResults"]
    assert [(each["entityId"], each.get("failureCode")) for each in results] == [
        (shelf.one, None), (shelf.two, "ILLEGAL_ARGUMENT"), (other, "NOT_FOUND"),
    ]  # fmt: skip
    sql = f"select word, ROW_ID from {made} order by ROW_ID"
    assert [row[0] for row in tables.query(sql)] == ["ant", None]


def test_everyone_sees_of_a_dataset_what_they_may_read(shelf, ben):
    secret = shelf.ann.new_project()["id"]
    hidden = shelf.ann.new_file(secret, name="hidden")["id"]
    made = shelf.new(ref(shelf.one), ref(hidden))["id"]
    shelf.ann.share(shelf.project, {ben.id: ["READ"]})
    readers = type(shelf.tables)(ben)
    assert_error(readers.try_query(f"select name from {made}"), 403)
    shelf.ann.share(made, {ben.id: ["READ"]})
    assert readers.query(f"select name from {made}") == [["one"]]
    assert len(shelf.tables.query(f"select name from {made}")) == 2


def test_a_snapshot_keeps_items_sums_and_rows(shelf):
    ann, tables = shelf.ann, shelf.tables
    made = shelf.new(ref(shelf.one), ref(shelf.two, 2))["id"]
    sums = ann.entity(made)["checksum"]
    assert shelf.freeze(made, snapshotLabel="first")["snapshotVersionNumber"] == 1
    ann.change(made, items=[ref(shelf.two, 1)])
    ann.change(shelf.one, name="renamed")
    version = ok(ann.get(f"{REPO}/entity/{made}/version/1"))
    assert version["items"] == [ref(shelf.one), ref(shelf.two, 2)]
    assert (version["checksum"], version["versionLabel"]) == (sums, "first")
    assert tables.query(f"select name from {made}.1 order by name") == [["one"], ["two"]]
    assert tables.query(f"select name, ROW_VERSION from {made}") == [["two", "1"]]
    assert shelf.freeze(made)["snapshotVersionNumber"] == 2


def test_annotations_of_a_dataset_are_no_fields_of_it(shelf):
    made = shelf.new()["id"]
    body = ok(shelf.ann.get(f"{REPO}/entity/{made}/annotations2"))
    wrong = {**body, "annotations": {"items": {"type": "STRING", "value": ["x"]}}}
    assert_error(shelf.ann.put(f"{REPO}/entity/{made}/annotations2", wrong), 400)
