"""Download of files in the cells of views and tables."""

import io
import zipfile

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET, ENTITY_VIEW, FILE

RIGHTS = ["READ", "DOWNLOAD"]


class FileViews:
    """A project of Alice with one file, and a view and a dataset of it in another project."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.project, self.other_project = (ann.new_project()["id"] for _ in range(2))
        self.handle = ann.upload(b"shown in a view", fileName="shown.txt")
        self.file = self.create_file(self.project, self.handle)
        self.column = tables.create_column("dataFileHandleId", "FILEHANDLEID")["id"]
        more = {"columnIds": [self.column]}
        self.view = ann.make(
            ENTITY_VIEW, self.other_project, scopeIds=[self.project], viewTypeMask=1, **more
        )["id"]
        items = [{"entityId": self.file, "versionNumber": 1}]
        self.dataset = ann.make(DATASET, self.other_project, items=items, **more)["id"]

    def create_file(self, parent, handle):
        return self.ann.make(FILE, parent, dataFileHandleId=handle)["id"]

    def build_cell_path(self, view, row=None, version=1, column=None):
        row = row or self.file.removeprefix("syn")
        column = column or self.column
        path = f"table/column/{column}/row/{row}/version/{version}/file"
        return f"{REPO}/entity/{view}/{path}"


@pytest.fixture
def views(ann, tables):
    return FileViews(ann, tables)


def get_failure_code(user, handle, object_id):
    (result,) = ok(user.batch((handle, object_id, "TableEntity")))["requestedFiles"]
    return result.get("failureCode")


@pytest.mark.parametrize("kind", ["view", "dataset"])
def test_download_through_a_view_requires_read_on_the_view_and_download_on_the_entity(
    views, ben, kind
):
    ann, view = views.ann, getattr(views, kind)
    assert get_failure_code(ben, views.handle, view) == "UNAUTHORIZED"
    ann.share(view, {ben.id: RIGHTS})
    assert get_failure_code(ben, views.handle, view) == "UNAUTHORIZED"
    ann.share(views.project, {ben.id: ["READ"]})
    assert get_failure_code(ben, views.handle, view) == "UNAUTHORIZED"
    ann.share(views.project, {ben.id: RIGHTS})
    assert get_failure_code(ben, views.handle, view) is None
    ann.share(view, {ben.id: ["READ"]})
    assert get_failure_code(ben, views.handle, view) is None
    ann.share(view, {})
    assert get_failure_code(ben, views.handle, view) == "UNAUTHORIZED"


def test_view_gives_no_access_to_files_outside_its_scope_or_in_annotations(views, ben):
    ann = views.ann
    for entity in (views.view, views.project, views.other_project):
        ann.share(entity, {ben.id: RIGHTS})
    hidden_handle = ann.upload(b"a secret")
    outside = ann.upload(b"outside")
    views.create_file(views.other_project, outside)
    assert get_failure_code(ben, outside, views.view) == "UNAUTHORIZED"
    assert get_failure_code(ben, hidden_handle, views.view) == "UNAUTHORIZED"
    own_project = ben.new_project()["id"]
    file = ben.new_file(own_project)
    path = f"{REPO}/entity/{file['id']}/annotations2"
    annotations = {"dataFileHandleId2": {"type": "LONG", "value": [hidden_handle]}}
    ok(ben.put(path, {**ok(ben.get(path)), "annotations": annotations}))
    column = views.tables.create_column("dataFileHandleId2", "FILEHANDLEID")["id"]
    view = ben.make(
        ENTITY_VIEW, own_project, scopeIds=[own_project], viewTypeMask=1, columnIds=[column]
    )["id"]
    assert type(views.tables)(ben).query(f"select * from {view}") == [[hidden_handle]]
    assert get_failure_code(ben, hidden_handle, view) == "UNAUTHORIZED"
    row = file["id"].removeprefix("syn")
    assert_error(ben.get(views.build_cell_path(view, row, column=column)), 403)
    ann.delete(f"{REPO}/entity/{views.file}")
    assert get_failure_code(ben, views.handle, views.view) == "UNAUTHORIZED"


def test_bulk_download_of_view_files_includes_permitted_files_only(views, ben):
    ann = views.ann
    hidden = ann.new_project()["id"]
    other = ann.upload(b"hidden", fileName="hidden.txt")
    views.create_file(hidden, other)
    ann.change(views.view, scopeIds=[views.project, hidden])
    for entity in (views.view, views.project):
        ann.share(entity, {ben.id: RIGHTS})
    ann.share(hidden, {ben.id: ["READ"]})
    ben_tables = type(views.tables)(ben)
    rows = ben_tables.query(f"select dataFileHandleId from {views.view}")
    files = [
        {
            "fileHandleId": row[0],
            "associateObjectId": views.view,
            "associateObjectType": "TableEntity",
        }
        for row in rows
    ]
    concrete_type = f"{M.removesuffix('table')}file.BulkFileDownloadRequest"
    response = ok(
        ben_tables.run(
            "/file/v1/file/bulk", {"concreteType": concrete_type, "requestedFiles": files}
        )
    )
    codes = {each["fileHandleId"]: each.get("failureCode") for each in response["fileSummary"]}
    assert codes == {views.handle: None, other: "UNAUTHORIZED"}
    data = ben.read(response["resultZipFileHandleId"]).content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert [archive.read(each) for each in archive.namelist()] == [b"shown in a view"]


def test_file_route_of_a_view_cell_redirects_to_the_file(views, ben):
    response = views.ann.get(views.build_cell_path(views.view))
    assert response.status_code == 307
    session = views.ann.session
    assert session.get(response.headers["Location"], timeout=30).content == b"shown in a view"
    text = views.ann.get(views.build_cell_path(views.view) + "?redirect=false")
    assert session.get(text.text, timeout=30).content == b"shown in a view"
    views.ann.share(views.view, {ben.id: RIGHTS})
    views.ann.share(views.project, {ben.id: ["READ"]})
    assert_error(ben.get(views.build_cell_path(views.view)), 403)
    views.ann.share(views.project, {})
    assert_error(ben.get(views.build_cell_path(views.view)), 404)


def test_file_route_of_a_table_cell_redirects_to_the_file(views, ben):
    ann, tables = views.ann, views.tables
    created = tables.create_table(("f", "FILEHANDLEID"), ("a",))
    table, (column, text) = created["id"], created["columnIds"]
    [(row, version), (empty, _)] = tables.append(table, [views.handle, "x"], [None, "y"])
    path = views.build_cell_path(table, row, version, column)
    response = ann.get(path)
    assert response.status_code == 307
    shown = ann.session.get(response.headers["Location"], timeout=30)
    assert shown.content == b"shown in a view"
    assert_error(ben.get(path), 403)
    assert_error(ann.get(views.build_cell_path(table, row, version, text)), 400)
    for wrong in (
        views.build_cell_path(table, row, version + 7, column),
        views.build_cell_path(table, row + 99, version, column),
        views.build_cell_path(table, row, version, 999_999_999),
        views.build_cell_path(table, empty, version, column),
        views.build_cell_path("syn999999999", row, version, column),
    ):
        assert_error(ann.get(wrong), 404)
    assert_error(ann.get(views.build_cell_path(views.project, row, version, column)), 400)


def test_sum_of_file_sizes_covers_all_rows_of_the_query(views, ben):
    ann, tables = views.ann, views.tables
    hidden = ann.new_folder(views.project)["id"]
    for parent, content in ((views.project, b"four"), (hidden, b"hidden")):
        views.create_file(parent, ann.upload(content))
    ann.new_folder(views.project)

    def get_size(sql, client=tables):
        results = client.bundle(sql, mask=0x40)
        assert results["sumFileSizes"]["greaterThan"] is False
        return results["sumFileSizes"]["sumFileSizesBytes"]

    sql = f"select dataFileHandleId from {views.view}"
    assert get_size(sql) == 15 + 4 + 6
    assert get_size(f"{sql} where dataFileHandleId = {views.handle}") == 15
    assert get_size(f"{sql} order by dataFileHandleId limit 1 offset 1") == 4
    assert get_size(f"select count(*) from {views.view}") == 0
    assert get_size(f"select dataFileHandleId from {views.dataset}") == 15
    ann.share(hidden, {})
    ann.share(views.project, {ben.id: ["READ"]})
    ann.share(views.view, {ben.id: ["READ"]})
    assert get_size(sql, type(tables)(ben)) == 15 + 4


def test_download_of_a_nested_file_follows_scope_mask_and_location(views, ben):
    ann = views.ann
    outer = ann.new_folder(views.project)["id"]
    inner = ann.new_folder(outer)["id"]
    handle = ann.upload(b"deep")
    deep = views.create_file(inner, handle)
    for entity in (views.project, views.other_project):
        ann.share(entity, {ben.id: RIGHTS})
    assert get_failure_code(ben, handle, views.view) is None
    ann.change(views.view, scopeIds=[inner])
    assert get_failure_code(ben, handle, views.view) is None
    assert get_failure_code(ben, views.handle, views.view) == "UNAUTHORIZED"
    ann.change(views.view, viewTypeMask=8)
    assert get_failure_code(ben, handle, views.view) == "UNAUTHORIZED"
    ann.change(views.view, viewTypeMask=9)
    assert get_failure_code(ben, handle, views.view) is None
    ann.change(deep, parentId=outer)
    assert get_failure_code(ben, handle, views.view) == "UNAUTHORIZED"
