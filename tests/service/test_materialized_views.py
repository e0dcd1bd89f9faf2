"""Materialized views: definition, columns, rows, permissions and snapshots."""

import time

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.constants import DATASET, ENTITY_VIEW, MATERIALIZED_VIEW

NAME = {"name": "name", "columnType": "STRING", "maximumSize": 20}


class Views:
    """Tables of patients and samples, and materialized views of them."""

    def __init__(self, ann, tables):
        self.ann, self.tables = ann, tables
        self.patients = tables.create_table(NAME, ("age", "INTEGER"))["id"]
        self.samples = tables.create_table(NAME, ("mass", "DOUBLE"))["id"]
        tables.append(self.patients, ["ann", "40"], ["bob", "50"], ["Eve", None])
        tables.append(self.samples, ["ANN", "0.5"], ["ann", "1.5"], ["zed", "9"])

    def try_create(self, sql, **more):
        return self.ann.try_make(MATERIALIZED_VIEW, self.tables.project, definingSQL=sql, **more)

    def create(self, sql, **more):
        return ok(self.try_create(sql, **more))["id"]

    def join(self, kind="join", select="P.name, age, mass"):
        return (
            f"select {select} from {self.patients} P {kind} {self.samples} S on (P.name = S.name)"
        )

    def query(self, view, select="*"):
        return self.tables.query(f"select {select} from {view}")


@pytest.fixture
def views(ann, tables):
    return Views(ann, tables)


def test_entity_has_the_columns_of_its_sql(views):
    created = views.ann.entity(views.create(views.join(), description="both", columnIds=["1"]))
    assert created["concreteType"] == MATERIALIZED_VIEW
    assert created["definingSQL"] == views.join()
    assert (created["versionNumber"], created["description"]) == (1, "both")
    columns = views.tables.list_columns(created["id"])
    assert [(each["name"], each["columnType"]) for each in columns] == [
        ("name", "STRING"), ("age", "INTEGER"), ("mass", "DOUBLE"),
    ]  # fmt: skip
    assert [each["id"] for each in columns] == created["columnIds"]
    assert columns[0]["maximumSize"] == 20
    changed = views.ann.change(
        created["id"], definingSQL=f"select age as years from {views.patients}"
    )
    assert len(changed["columnIds"]) == 1
    assert views.query(created["id"], "years") == [["40"], ["50"], [None]]
    listed = ok(
        views.ann.post(
            f"{REPO}/entity/children",
            {"parentId": views.tables.project, "includeTypes": ["materializedview"]},
        )
    )["page"]
    assert created["id"] in [each["id"] for each in listed]
    bundle = ok(
        views.ann.post(
            f"{REPO}/entity/{created['id']}/bundle2",
            {"includeEntity": True, "includeTableBundle": True},
        )
    )
    assert bundle["entityType"] == "materializedview"
    assert [each["name"] for each in bundle["tableBundle"]["columnModels"]] == ["years"]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("join", [["ann", "40", "0.5"], ["ann", "40", "1.5"]]),
        ("inner join", [["ann", "40", "0.5"], ["ann", "40", "1.5"]]),
        (
            "left outer join",
            [
                ["ann", "40", "0.5"], ["ann", "40", "1.5"], ["bob", "50", None],
                ["Eve", None, None],
            ],
        ),
        ("right join", [["ann", "40", "0.5"], ["ann", "40", "1.5"], [None, None, "9.0"]]),
    ],
)  # fmt: skip
def test_joins(views, kind, rows):
    found = views.query(views.create(views.join(kind)))
    assert sorted(found, key=str) == sorted(rows, key=str)


def test_time_limit_of_queries_includes_building_the_rows(tmp_path):
    with start_service(tmp_path, query_seconds=0.2) as rest_service:
        ann = Author(rest_service, "alice")
        tables = TableClient(ann)
        table = tables.create_table(("n", "INTEGER"))["id"]
        tables.append(table, *[["1"]] * 3000)
        sql = f"select a.n from {table} a join {table} b on (a.n = b.n)"
        view = ok(ann.try_make(MATERIALIZED_VIEW, tables.project, definingSQL=sql))["id"]
        body = {"query": {"sql": f"select count(*) from {view}"}, "partMask": 1}
        path = f"{REPO}/entity/{view}/table/query/async"
        token = ok(ann.post(f"{path}/start", body))["token"]
        while (answer := ann.get(f"{path}/get/{token}")).status_code == 202:
            time.sleep(0.05)
        assert_error(answer, 400, "raise query_seconds")


def test_group_by_having_and_union(views):
    sql = (
        "select P.name as who, count(*) as n, sum(mass) total from "
        f"{views.patients} P join {views.samples} S on P.name = S.name group by P.name "
        "having count(*) > 1"
    )
    assert views.query(views.create(sql)) == [["ann", "2", "2.0"]]
    both = f"select name from {views.patients} union %s select name from {views.samples}"
    assert sorted(views.query(views.create(both % "all"))) == [
        ["ANN"], ["Eve"], ["ann"], ["ann"], ["bob"], ["zed"],
    ]  # fmt: skip
    distinct = sorted(each[0].lower() for each in views.query(views.create(both % "")))
    assert distinct == ["ann", "bob", "eve", "zed"]


def test_order_and_limit_give_the_row_ids(views):
    view = views.create(f"select * from {views.samples} order by mass desc limit 2")
    assert views.tables.list_rows(view) == [(1, 0, ["zed", "9.0"]), (2, 0, ["ann", "1.5"])]
    rows = views.tables.row_set(f"select * from {view} where mass < 5", includeEntityEtag=True)
    assert [(row["rowId"], row.get("etag")) for row in rows["rows"]] == [(2, None)]
    assert views.tables.download(f"select name from {view}").splitlines() == [
        '"ROW_ID","ROW_VERSION","name"', '"1","0","zed"', '"2","0","ann"',
    ]  # fmt: skip


def test_same_table_twice_and_metadata_columns(views):
    sql = (
        f"select A.name, B.name as older, A.ROW_ID as number from {views.patients} A "
        f"join {views.patients} B on A.age < B.age"
    )
    assert views.query(views.create(sql)) == [["ann", "bob", "1"]]


def test_rows_and_columns_follow_the_sources(views):
    tables, view = views.tables, views.create(f"select * from {views.samples}")
    first = tables.row_set(f"select * from {view}")["etag"]
    assert tables.row_set(f"select * from {view}")["etag"] == first
    tables.append(views.samples, ["new", "3"])
    changed = tables.row_set(f"select * from {view}")
    assert (len(changed["rows"]), changed["etag"] == first) == (4, False)
    added = tables.create_column("note", "STRING", defaultValue="x")["id"]
    views.ann.change(
        views.samples, columnIds=[*views.ann.entity(views.samples)["columnIds"], added]
    )
    assert views.query(view)[0] == ["ANN", "0.5", "x"]
    assert [each["name"] for each in tables.list_columns(view)] == ["name", "mass", "note"]
    assert "defaultValue" not in tables.list_columns(view)[2]
    views.ann.change(views.samples, columnIds=[added])
    assert views.query(view, "note")[0] == ["x"]
    named = views.create(f"select note from {views.samples}")
    views.ann.change(views.samples, columnIds=views.ann.entity(views.patients)["columnIds"])
    assert "Unknown column note" in str(
        assert_error(tables.try_query(f"select * from {named}"), 400)
    )


def test_view_of_a_view_and_of_a_snapshot(views):
    tables = views.tables
    tables.transact(views.samples, createSnapshot=True)
    inner = views.create(f"select name from {views.samples}.1")
    outer = views.create(f"select count(*) as n from {inner}")
    tables.append(views.samples, ["new", "3"])
    assert views.query(outer) == [["3"]]
    views.ann.change(inner, definingSQL=f"select name from {views.samples}")
    assert views.query(outer) == [["4"]]
    circular = {**views.ann.entity(inner), "definingSQL": f"select n as name from {outer}"}
    assert "cannot reference itself" in str(assert_error(views.ann.save(circular), 400))


def test_invalid_definitions(views):
    p, s = views.patients, views.samples
    for sql, words in (
        (None, "definingSQL of the materialized view is required"),
        ("  ", "blank"),
        ("update x", "SELECT"),
        (f"select nope from {p}", "Unknown column nope"),
        (f"select name from {p} P join {s} S on P.name = S.name", "ambiguous"),
        (f"select P.name, S.name from {p} P join {s} S on P.name = S.name", "Duplicate column"),
        (f"select age from {p} join {s}", "ON condition"),
        (f"select age from {p}, {s}", "ON condition"),
        (f"select age from {p} full join {s} on 1 = 1", "Not supported"),
        (f"select age from {p} natural join {s}", "Not supported"),
        (f"select age from {p} join {s} using (name)", "Not supported"),
        (f"select A.age from {p} A join {p} a on A.age = a.age", "Not unique table or alias"),
        (f"select X.age from {p} A", "Unknown column"),
        (f"select X.* from {p} A", "Unknown table"),
        (f"select age from {p} union select mass from {s}", "same types"),
        (f"select age, name from {p} union select name from {s}", "same number"),
        (f"select age from {p} intersect select age from {p}", "UNION"),
        (f"select age from {p} where age in (select age from {p})", ""),
        (f"with x as (select 1) select age from {p}", "SELECT"),
        (f"select age from {p} where name = current_user()", "CURRENT_USER"),
        (f"select ROW_ID from {p}", "reserved"),
        (f"select age, from {p}", "Encountered"),
        (f"select age from {p} union", ""),
    ):
        assert words in str(assert_error(views.try_create(sql), 400)), sql
    assert_error(views.try_create("select a from syn999999999"), 404)
    assert_error(views.try_create(f"select age from {p}.7"), 404)
    empty = views.tables.create_table()["id"]
    assert "is empty" in str(assert_error(views.try_create(f"select * from {empty}"), 400))
    folder = views.ann.new_folder(views.tables.project)["id"]
    assert_error(views.try_create(f"select * from {folder}"), 400)
    assert_error(views.try_create(f"select * from {p}", isSearchEnabled=True), 400)


def test_view_is_read_only(views):
    view = views.create(f"select name from {views.samples}")
    for change in (
        views.tables.rows(view, ["x"]),
        {"concreteType": f"{M}.TableSchemaChangeRequest", "changes": []},
    ):
        error = assert_error(views.tables.try_transact(view, change), 400)
        assert "read only" in str(error)


def test_snapshot_keeps_rows_columns_and_sql(views):
    tables, view = views.tables, views.create(f"select name, mass from {views.samples}")
    options = {"snapshotLabel": "one"}
    response = tables.transact(view, createSnapshot=True, snapshotOptions=options)
    assert response["snapshotVersionNumber"] == 1
    rows = views.query(view)
    tables.append(views.samples, ["new", "3"])
    views.ann.change(view, definingSQL=f"select name from {views.samples}")
    assert views.query(f"{view}.1") == rows
    assert views.query(view)[-1] == ["new"]
    version = ok(views.ann.get(f"{REPO}/entity/{view}/version/1"))
    assert (version["versionLabel"], len(version["columnIds"])) == ("one", 2)
    assert views.ann.entity(view)["versionLabel"] == "in progress"


def test_query_needs_access_to_the_sources(views, ben):
    """READ on the view and on views, DOWNLOAD on tables, also for a snapshot."""
    ann = views.ann
    shared = ann.new_project(name=None)["id"]
    ann.share(shared, {ben.id: ["READ", "DOWNLOAD", "UPDATE"]})
    sql = f"select name from {views.samples}"
    view = ok(ann.try_make(MATERIALIZED_VIEW, shared, definingSQL=sql))["id"]
    views.tables.transact(view, createSnapshot=True)
    bobs = TableClient(ben)
    for source in (view, f"{view}.1"):
        assert_error(bobs.try_query(f"select * from {source}"), 403)
    assert_error(ben.try_make(MATERIALIZED_VIEW, bobs.project, definingSQL=sql), 403)
    nested = ok(ann.try_make(MATERIALIZED_VIEW, shared, definingSQL=f"select * from {view}"))["id"]
    assert_error(bobs.try_query(f"select * from {nested}"), 403)
    ann.share(views.samples, {ben.id: ["READ"]})
    assert_error(bobs.try_query(f"select * from {view}"), 403)
    ann.share(views.samples, {ben.id: ["READ", "DOWNLOAD"]})
    for source in (view, f"{view}.1", nested):
        assert len(bobs.query(f"select * from {source}")) == 3
    ann.delete(f"{REPO}/entity/{views.samples}")
    assert_error(views.tables.try_query(f"select * from {view}"), 404)
    assert ann.change(view, description="kept")["definingSQL"] == sql
    changed = {**ann.entity(view), "definingSQL": f"select mass from {views.samples}"}
    assert_error(ann.save(changed), 404)


def test_rows_of_views_are_visible_to_readers_of_the_entities(views, ben):
    ann, tables = views.ann, views.tables
    project = ann.new_project(name=None)["id"]
    hidden = ann.new_folder(project)["id"]
    files = [ann.new_file(project, name="seen"), ann.new_file(hidden, name="unseen")]
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    ann.share(hidden, {})
    ids = [tables.create_column("name", "STRING", maximumSize=256)["id"]]
    file_view = ann.make(ENTITY_VIEW, project, scopeIds=[project], viewTypeMask=1, columnIds=ids)[
        "id"
    ]
    items = [{"entityId": each["id"], "versionNumber": 1} for each in files]
    dataset = ann.make(DATASET, project, items=items, columnIds=ids)["id"]
    sql = (
        f"select V.name, V.ROW_ETAG as tag from {file_view} V left join {dataset} D "
        "on V.name = D.name"
    )
    view = ok(ann.try_make(MATERIALIZED_VIEW, project, definingSQL=sql))["id"]
    nested = ok(ann.try_make(MATERIALIZED_VIEW, project, definingSQL=f"select name from {view}"))[
        "id"
    ]
    tables.transact(nested, createSnapshot=True)
    bobs = TableClient(ben)
    for source in (view, nested, f"{nested}.1"):
        assert bobs.query(f"select name from {source}") == [["seen"]]
        assert len(tables.query(f"select name from {source}")) == 2

    for sql in (
        f"select name, count(*) as n from {file_view} group by name",
        f"select distinct name from {file_view}",
        f"select max(name) as n from {view}",
    ):
        assert "GROUP BY" in str(
            assert_error(ann.try_make(MATERIALIZED_VIEW, project, definingSQL=sql), 400)
        )


def test_files_in_cells_are_readable_by_readers_of_the_source(views, ben):
    ann = views.ann
    tables = TableClient(ann)  # in a project of its own, which is shared
    table = tables.create_table(("file", "FILEHANDLEID"))["id"]
    handle = ann.handle("content of a cell")
    tables.append(table, [handle])
    sql = f"select file from {table}"
    view = ok(ann.try_make(MATERIALIZED_VIEW, tables.project, definingSQL=sql))["id"]
    assert views.query(view) == [[handle]]
    assert read_file(ann, view, handle) is None
    ann.share(tables.project, {ben.id: ["READ", "DOWNLOAD"]})
    assert read_file(ben, view, handle) is None
    ann.share(table, {})
    assert read_file(ben, view, handle) == "UNAUTHORIZED"
    ann.delete(f"{REPO}/entity/{table}")
    assert read_file(ben, view, handle) == "UNAUTHORIZED"


def read_file(author, view, handle):
    """Request the URL of a file in a cell; return the failure code, or None."""
    association = {
        "fileHandleId": handle, "associateObjectType": "TableEntity", "associateObjectId": view,
    }  # fmt: skip
    body = {"requestedFiles": [association], "includePreSignedURLs": True}
    result = ok(author.post("/file/v1/fileHandle/batch", body))["requestedFiles"][0]
    return result.get("failureCode")


def test_facets_and_sizes_of_columns(views):
    tables = views.tables
    color = {"name": "color", "columnType": "STRING", "maximumSize": 7, "facetType": "enumeration"}
    table = tables.create_table(color)["id"]
    tables.append(table, ["red"], ["red"], ["blue"])
    view = views.create(f"select color as shade, concat(color, '!') as loud from {table}")
    shade, loud = tables.list_columns(view)
    assert (shade["maximumSize"], shade["facetType"]) == (7, "enumeration")
    assert (loud["columnType"], loud["maximumSize"]) == ("STRING", 1000)
    bundle = tables.bundle(f"select * from {view}")
    counts = {each["value"]: each["count"] for each in bundle["facets"][0]["facetValues"]}
    assert counts == {"red": 2, "blue": 1}
    assert bundle["queryCount"] == 3
    long = tables.create_table(("text", "LARGETEXT"))["id"]
    tables.append(long, ["x" * 1001])
    assert views.query(views.create(f"select text from {long}")) == [["x" * 1001]]
    upper = views.create(f"select upper(text) as t from {long}")
    error = assert_error(tables.try_query(f"select * from {upper}"), 400)
    assert "at least 1001" in str(error)
