"""Files in the cells of views and tables: who has them, one by one and many at once."""

import io
import zipfile

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET, ENTITY_VIEW, FILE

RIGHTS = ["READ", "DOWNLOAD"]


class Gallery:
    """A project of Alice's with one file, a view of it in another project, and a dataset."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project, self.elsewhere = (ann.new_project()["id"] for _ in range(2))
        self.handle = ann.upload(b"shown in a view", fileName="shown.txt")
        self.file = self.store(self.project, self.handle)
        self.column = tables.create_column("dataFileHandleId", "FILEHANDLEID")["id"]
        more = {"columnIds": [self.column]}
        self.view = ann.make(
            ENTITY_VIEW, self.elsewhere, scopeIds=[self.project], viewTypeMask=1, **more
        )["id"]
        items = [{"entityId": self.file, "versionNumber": 1}]
        self.dataset = ann.make(DATASET, self.elsewhere, items=items, **more)["id"]

    def store(self, parent, handle):
        return self.ann.make(FILE, parent, dataFileHandleId=handle)["id"]

    def cell(self, view, row=None, version=1, column=None):
        row = row or self.file.removeprefix("syn")
        column = column or self.column
        path = f"table/column/{column}/row/{row}/version/{version}/file"
        return f"{REPO}/entity/{view}/{path}"


@pytest.fixture
def gallery(ann, tables):
    return Gallery(ann, tables)


def code(person, handle, of, kind="TableEntity"):
    found = ok(person.batch((handle, of, kind)))["requestedFiles"][0]
    return found.get("failureCode")


@pytest.mark.parametrize("kind", ["view", "dataset"])
def test_a_file_is_had_through_a_view_by_who_may_download_it(gallery, ben, kind):
    ann, view = gallery.ann, getattr(gallery, kind)
    assert code(ben, gallery.handle, view) == "UNAUTHORIZED"
    ann.share(view, {ben.id: RIGHTS})
    assert code(ben, gallery.handle, view) == "UNAUTHORIZED"
    ann.share(gallery.project, {ben.id: ["READ"]})
    assert code(ben, gallery.handle, view) == "UNAUTHORIZED"
    ann.share(gallery.project, {ben.id: RIGHTS})
    assert code(ben, gallery.handle, view) is None
    ann.share(view, {ben.id: ["READ"]})
    assert code(ben, gallery.handle, view) is None
    ann.share(view, {})
    assert code(ben, gallery.handle, view) == "UNAUTHORIZED"


def test_a_view_gives_no_other_files(gallery, ben):
    ann = gallery.ann
    for entity in (gallery.view, gallery.project, gallery.elsewhere):
        ann.share(entity, {ben.id: RIGHTS})
    secret = ann.upload(b"a secret")
    outside = ann.upload(b"outside")
    gallery.store(gallery.elsewhere, outside)
    assert code(ben, outside, gallery.view) == "UNAUTHORIZED"
    assert code(ben, secret, gallery.view) == "UNAUTHORIZED"
    mine = ben.new_project()["id"]
    trap = ben.new_file(mine)
    path = f"{REPO}/entity/{trap['id']}/annotations2"
    noted = {"dataFileHandleId2": {"type": "LONG", "value": [secret]}}
    ok(ben.put(path, {**ok(ben.get(path)), "annotations": noted}))
    column = gallery.tables.create_column("dataFileHandleId2", "FILEHANDLEID")["id"]
    view = ben.make(ENTITY_VIEW, mine, scopeIds=[mine], viewTypeMask=1, columnIds=[column])["id"]
    assert type(gallery.tables)(ben).query(f"select * from {view}") == [[secret]]
    assert code(ben, secret, view) == "UNAUTHORIZED"
    row = trap["id"].removeprefix("syn")
    assert_error(ben.get(gallery.cell(view, row, column=column)), 403)
    ann.delete(f"{REPO}/entity/{gallery.file}")
    assert code(ben, gallery.handle, gallery.view) == "UNAUTHORIZED"


def test_files_of_a_view_come_in_one_archive(gallery, ben):
    ann = gallery.ann
    hidden = ann.new_project()["id"]
    other = ann.upload(b"hidden", fileName="hidden.txt")
    gallery.store(hidden, other)
    ann.change(gallery.view, scopeIds=[gallery.project, hidden])
    for entity in (gallery.view, gallery.project):
        ann.share(entity, {ben.id: RIGHTS})
    ann.share(hidden, {ben.id: ["READ"]})
    readers = type(gallery.tables)(ben)
    rows = readers.query(f"select dataFileHandleId from {gallery.view}")
    files = [
        {
            "fileHandleId": row[0],
            "associateObjectId": gallery.view,
            "associateObjectType": "TableEntity",
        }
        for row in rows
    ]
    kind = f"{M.removesuffix('table')}file.BulkFileDownloadRequest"
    answer = ok(readers.run("/file/v1/file/bulk", {"concreteType": kind, "requestedFiles": files}))
    told = {each["fileHandleId"]: each.get("failureCode") for each in answer["fileSummary"]}
    assert told == {gallery.handle: None, other: "UNAUTHORIZED"}
    data = ben.read(answer["resultZipFileHandleId"]).content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert [archive.read(each) for each in archive.namelist()] == [b"shown in a view"]


def test_a_cell_of_a_view_leads_to_its_file(gallery, ben):
    answer = gallery.ann.get(gallery.cell(gallery.view))
    assert answer.status_code == 307
    session = gallery.ann.session
    assert session.get(answer.headers["Location"], timeout=30).content == b"shown in a view"
    text = gallery.ann.get(gallery.cell(gallery.view) + "?redirect=false")
    assert session.get(text.text, timeout=30).content == b"shown in a view"
    gallery.ann.share(gallery.view, {ben.id: RIGHTS})
    gallery.ann.share(gallery.project, {ben.id: ["READ"]})
    assert_error(ben.get(gallery.cell(gallery.view)), 403)
    gallery.ann.share(gallery.project, {})
    assert_error(ben.get(gallery.cell(gallery.view)), 404)


def test_a_cell_of_a_table_leads_to_its_file(gallery, ben):
    ann, tables = gallery.ann, gallery.tables
    made = tables.create_table(("f", "FILEHANDLEID"), ("a",))
    table, (column, text) = made["id"], made["columnIds"]
    [(row, version), (empty, _)] = tables.append(table, [gallery.handle, "x"], [None, "y"])
    path = gallery.cell(table, row, version, column)
    answer = ann.get(path)
    assert answer.status_code == 307
    shown = ann.session.get(answer.headers["Location"], timeout=30)
    assert shown.content == b"shown in a view"
    assert_error(ben.get(path), 403)
    assert_error(ann.get(gallery.cell(table, row, version, text)), 400)
    for wrong in (
        gallery.cell(table, row, version + 7, column),
        gallery.cell(table, row + 99, version, column),
        gallery.cell(table, row, version, 999_999_999),
        gallery.cell(table, empty, version, column),
        gallery.cell("syn999999999", row, version, column),
    ):
        assert_error(ann.get(wrong), 404)
    assert_error(ann.get(gallery.cell(gallery.project, row, version, column)), 400)


def test_sizes_of_files_are_summed_up_over_all_rows_that_a_query_gives(gallery, ben):
    ann, tables = gallery.ann, gallery.tables
    hidden = ann.new_folder(gallery.project)["id"]
    for parent, content in ((gallery.project, b"four"), (hidden, b"hidden")):
        gallery.store(parent, ann.upload(content))
    ann.new_folder(gallery.project)

    def size(sql, who=tables):
        found = who.bundle(sql, mask=0x40)
        assert found["sumFileSizes"]["greaterThan"] is False
        return found["sumFileSizes"]["sumFileSizesBytes"]

    sql = f"select dataFileHandleId from {gallery.view}"
    assert size(sql) == 15 + 4 + 6
    assert size(f"{sql} where dataFileHandleId = {gallery.handle}") == 15
    assert size(f"{sql} order by dataFileHandleId limit 1 offset 1") == 4
    assert size(f"select count(*) from {gallery.view}") == 0
    assert size(f"select dataFileHandleId from {gallery.dataset}") == 15
    ann.share(hidden, {})
    ann.share(gallery.project, {ben.id: ["READ"]})
    ann.share(gallery.view, {ben.id: ["READ"]})
    assert size(sql, type(tables)(ben)) == 15 + 4


def test_a_file_deep_in_a_scope_belongs_to_the_view_while_it_lies_there(gallery, ben):
    ann = gallery.ann
    outer = ann.new_folder(gallery.project)["id"]
    inner = ann.new_folder(outer)["id"]
    handle = ann.upload(b"deep")
    deep = gallery.store(inner, handle)
    for entity in (gallery.project, gallery.elsewhere):
        ann.share(entity, {ben.id: RIGHTS})
    assert code(ben, handle, gallery.view) is None
    ann.change(gallery.view, scopeIds=[inner])
    assert code(ben, handle, gallery.view) is None
    assert code(ben, gallery.handle, gallery.view) == "UNAUTHORIZED"
    ann.change(gallery.view, viewTypeMask=8)
    assert code(ben, handle, gallery.view) == "UNAUTHORIZED"
    ann.change(gallery.view, viewTypeMask=9)
    assert code(ben, handle, gallery.view) is None
    ann.change(deep, parentId=outer)
    assert code(ben, handle, gallery.view) == "UNAUTHORIZED"
