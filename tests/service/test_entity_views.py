"""Entity views: which entities are rows, what stands in them, and who sees them."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET, ENTITY_VIEW, SUBMISSION_VIEW, TABLE

FILE, PROJECT, FOLDER, VIEW = 1, 2, 8, 16


def annotate(author, entity, **values):
    """Set annotations, each as (type, value, ...)."""
    body = ok(author.get(f"{REPO}/entity/{entity}/annotations2"))
    made = {key: {"type": kind, "value": rest} for key, (kind, *rest) in values.items()}
    return ok(author.put(f"{REPO}/entity/{entity}/annotations2", {**body, "annotations": made}))


def defaults(author, mask):
    return ok(author.get(f"{REPO}/column/tableview/defaults?viewTypeMask={mask}"))["list"]


@pytest.fixture
def view(ann, tables):
    """Make a view of a scope; columns as of tables, default columns where none are given."""

    def make(*scope, mask=FILE, columns=None):
        if columns is None:
            ids = [each["id"] for each in defaults(ann, mask)]
        else:
            ids = [tables.create_column(*each)["id"] for each in columns]
        body = {"scopeIds": list(scope), "viewTypeMask": mask, "columnIds": ids}
        return ann.make(ENTITY_VIEW, tables.project, **body)["id"]

    return make


def names(tables, view):
    return [row[0] for row in tables.query(f"select name from {view} order by name")]


def test_a_view_is_an_entity_with_a_scope(ann, tables, view):
    made = ann.entity(view(tables.project, mask=FILE | FOLDER))
    assert made["concreteType"] == ENTITY_VIEW
    assert (made["viewTypeMask"], made["scopeIds"]) == (9, [tables.project])
    assert len(tables.list_columns(made["id"])) == len(made["columnIds"]) == 21
    changed = ann.change(made["id"], viewTypeMask=1, scopeIds=[])
    assert (changed["viewTypeMask"], changed["scopeIds"]) == (1, [])
    old = ann.make(ENTITY_VIEW, tables.project, type="file_and_table")
    assert old["viewTypeMask"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"viewTypeMask": 0},
        {"viewTypeMask": 0x400},
        {"type": "folder"},
        {"viewTypeMask": 1, "scopeIds": ["nonsense"]},
        {"viewTypeMask": 1, "isSearchEnabled": True},
    ],
)
def test_a_view_without_a_meaning_is_refused(ann, tables, body):
    assert_error(ann.try_make(ENTITY_VIEW, tables.project, **body), 400)


def test_default_columns_depend_on_the_mask(ann):
    of_projects = [each["name"] for each in defaults(ann, PROJECT)]
    assert of_projects == [
        "id", "name", "description", "createdOn", "createdBy", "etag", "modifiedOn",
        "modifiedBy", "path",
    ]  # fmt: skip
    of_folders = [each["name"] for each in defaults(ann, FOLDER)]
    assert of_folders[9:] == ["type", "currentVersion", "parentId", "benefactorId", "projectId"]
    of_files = defaults(ann, FILE | FOLDER)
    assert [each["name"] for each in of_files[:14]] == of_folders
    assert [(each["name"], each["columnType"], each.get("maximumSize")) for each in of_files[14:]][
        :4
    ] == [
        ("dataFileHandleId", "FILEHANDLEID", None),
        ("dataFileName", "STRING", 256),
        ("dataFileSizeBytes", "INTEGER", None),
        ("dataFileMD5Hex", "STRING", 100),
    ]
    assert defaults(ann, FILE | FOLDER) == of_files
    assert ok(ann.get(f"{REPO}/column/{of_files[0]['id']}"))["name"] == "id"


@pytest.mark.parametrize("query", ["", "?viewTypeMask=3", "?viewTypeMask=0", "?viewTypeMask=2048"])
def test_default_columns_need_a_mask(ann, query):
    assert_error(ann.get(f"{REPO}/column/tableview/defaults{query}"), 400)


def test_default_columns_of_unknown_views_are_refused(ann):
    query = "?viewEntityType=nonsense&viewTypeMask=1"
    assert_error(ann.get(f"{REPO}/column/tableview/defaults{query}"), 400)


def test_rows_are_what_lies_below_the_scope(ann, tables, view):
    project = ann.new_project()["id"]
    outer = ann.new_folder(project, name="outer")["id"]
    inner = ann.new_folder(outer, name="inner")["id"]
    ann.new_file(project, name="top")
    ann.new_file(inner, name="deep")
    ann.new_link(outer, outer, name="a link")
    assert names(tables, view(project)) == ["deep", "top"]
    assert names(tables, view(outer)) == ["deep"]
    assert names(tables, view(outer, inner)) == ["deep"]
    assert names(tables, view(project, mask=FILE | FOLDER)) == ["deep", "inner", "outer", "top"]
    assert names(tables, view(outer, mask=FOLDER)) == ["inner"]
    assert names(tables, view(project, mask=PROJECT)) == [ann.entity(project)["name"]]
    assert names(tables, view(outer, mask=PROJECT)) == []
    assert names(tables, view()) == []


def test_views_of_tables_and_views_have_rows_of_their_own(ann, tables, view):
    project = ann.new_project()["id"]
    made = {
        word: ann.make(kind, project, name=word, **more)["id"]
        for word, kind, more in (
            ("table", TABLE, {}),
            ("entityview", ENTITY_VIEW, {"viewTypeMask": 1, "scopeIds": [project]}),
            ("submissionview", SUBMISSION_VIEW, {"scopeIds": []}),
            ("dataset", DATASET, {"items": []}),
        )
    }
    for word, bit in (("table", 4), ("entityview", 16), ("submissionview", 64), ("dataset", 128)):
        sql = f"select id, name, type from {view(project, mask=bit)}"
        assert tables.query(sql) == [[made[word], word, word]]
    assert len(names(tables, view(project, mask=4 | 16 | 64 | 128))) == 4


def test_a_row_shows_the_entity_as_it_is_now(ann, tables, view):
    project = ann.new_project(name="the project of paths")["id"]
    folder = ann.new_folder(project, name="in")["id"]
    file = ann.new_file(folder, name="data", description="what it is")
    made = view(project)
    row = tables.row_set(f"select * from {made}", includeEntityEtag=True)["rows"][0]
    cells = dict(zip([c["name"] for c in tables.list_columns(made)], row["values"], strict=True))
    number = int(file["id"].removeprefix("syn"))
    assert (row["rowId"], row["versionNumber"], row["etag"]) == (number, 1, file["etag"])
    handle = file["dataFileHandleId"]
    expected = {
        "id": file["id"], "name": "data", "description": "what it is", "etag": file["etag"],
        "createdBy": str(ann.id), "modifiedBy": str(ann.id), "type": "file",
        "path": "the project of paths/in/data", "currentVersion": "1", "parentId": folder,
        "benefactorId": project, "projectId": project, "dataFileHandleId": handle,
        "dataFileName": "data.csv",
    }  # fmt: skip
    assert {key: cells[key] for key in expected} == expected
    assert cells["createdOn"].isdecimal()
    ann.change(file["id"], "?newVersion=true", name="renamed", versionLabel=None)
    sql = f"select name, currentVersion, ROW_VERSION from {made}"
    assert tables.query(sql) == [["renamed", "2", "2"]]
    ann.delete(f"{REPO}/entity/{file['id']}")
    assert tables.query(sql) == []


def test_etags_come_when_they_are_asked_for(ann, tables, view):
    project = ann.new_project()["id"]
    file = ann.new_file(project)
    made = view(project, columns=[("name",)])
    assert "etag" not in tables.row_set(f"select * from {made}")["rows"][0]
    number = file["id"].removeprefix("syn")
    assert tables.query(f"select ROW_ETAG from {made}") == [[file["etag"]]]
    first = tables.download(f"select * from {made}", includeEntityEtag=True).splitlines()
    assert first == [
        '"ROW_ID","ROW_VERSION","ROW_ETAG","name"',
        f'"{number}","1","{file["etag"]}","{file["name"]}"',
    ]
    assert tables.download(f"select * from {made}").startswith('"ROW_ID","ROW_VERSION","name"\n')
    assert tables.download(f"select count(*) as n from {made}") == '"n"\n"1"\n'


def test_a_csv_is_made_again_when_an_entity_changed(ann, tables, view):
    project = ann.new_project()["id"]
    file = ann.new_file(project, name="before")["id"]
    made = view(project, columns=[("name",)])
    sql = f"select name from {made}"
    handles = [ok(tables.try_download(sql))["resultsFileHandleId"] for _ in range(2)]
    assert handles[0] == handles[1]
    ann.change(file, name="after")
    assert '"after"' in tables.download(sql)


def test_annotations_are_shown_by_name_and_type(ann, tables, view):
    project = ann.new_project()["id"]
    file = ann.new_file(project)["id"]
    columns = [
        ("word",), ("n", "INTEGER"), ("x", "DOUBLE"), ("yes", "BOOLEAN"), ("day", "DATE"),
        ("words", "STRING_LIST"), ("ns", "INTEGER_LIST"), ("flags", "BOOLEAN_LIST"),
        ("none",), ("about", "ENTITYID"), ("single", "STRING_LIST"), ("mismatch", "INTEGER"),
    ]  # fmt: skip
    made = view(project, columns=columns)
    annotate(
        ann,
        file,
        word=("STRING", "ant"),
        n=("LONG", "-3"),
        x=("DOUBLE", "1.50"),
        yes=("BOOLEAN", "true"),
        day=("TIMESTAMP_MS", "1600000000000"),
        words=("STRING", "a", "b"),
        ns=("LONG", "1", "2"),
        flags=("BOOLEAN", "true", "false"),
        about=("STRING", "syn12"),
        single=("STRING", "only"),
        mismatch=("STRING", "many"),
    )
    assert tables.query(f"select * from {made}") == [
        [
            "ant", "-3", "1.5", "true", "1600000000000", '["a", "b"]', "[1, 2]",
            "[true, false]", None, "syn12", '["only"]', None,
        ]
    ]  # fmt: skip
    assert tables.query(f"select word from {made} where n < 0 and words has ('b')") == [["ant"]]


def test_a_column_that_is_too_small_is_told(ann, tables, view):
    project = ann.new_project()["id"]
    annotate(ann, ann.new_file(project)["id"], word=("STRING", "x" * 51))
    made = view(project, columns=[("word",)])
    answer = assert_error(tables.try_query(f"select * from {made}"), 400)
    assert "at least 51 characters" in str(answer)


def test_everyone_sees_what_they_may_read(ann, ben, tables, view):
    shared = ann.new_project()["id"]
    secret = ann.new_folder(shared, name="secret")["id"]
    ann.new_file(shared, name="open")
    ann.new_file(secret, name="hidden")
    made = view(shared)
    acl = ok(ann.get(f"{REPO}/entity/{shared}/acl"))
    ok(ann.post(f"{REPO}/entity/{secret}/acl", {**acl, "id": secret}))
    ann.share(shared, {ben.id: ["READ"]})
    readers = type(tables)(ben)
    assert_error(readers.try_query(f"select name from {made}"), 403)
    ann.share(made, {ben.id: ["READ"]})
    assert names(readers, made) == ["open"]
    assert names(tables, made) == ["hidden", "open"]
    assert "hidden" not in readers.download(f"select name from {made}")
    assert readers.bundle(f"select name from {made}")["queryCount"] == 1


def test_a_view_shows_the_columns_of_its_annotations(ann, tables):
    project = ann.new_project()["id"]
    one, two = (ann.new_file(project)["id"] for _ in range(2))
    annotate(ann, one, word=("STRING", "four"), n=("LONG", "1"), mixed=("STRING", "a"))
    annotate(
        ann,
        two,
        word=("STRING", "sixsix"),
        n=("LONG", "1", "2"),
        mixed=("DOUBLE", "1"),
        day=("TIMESTAMP_MS", "0"),
        yes=("BOOLEAN", "true"),
    )
    found = suggested(tables, [project])
    assert [
        (each["name"], each["columnType"], each.get("maximumSize")) for each in found["results"]
    ] == [
        ("day", "DATE", None),
        ("mixed", "DOUBLE", None),
        ("mixed", "STRING", 1),
        ("n", "INTEGER_LIST", None),
        ("word", "STRING", 6),
        ("yes", "BOOLEAN", None),
    ]
    assert suggested(tables, [])["results"] == []


def suggested(tables, scope, token=None, **more):
    body = {
        "concreteType": f"{M}.ViewColumnModelRequest",
        "viewScope": {
            "scope": scope, "viewEntityType": "entityview", "viewTypeMask": 1, **more,
        },
        "nextPageToken": token,
    }  # fmt: skip
    return ok(tables.run(f"{REPO}/column/view/scope", body))


def test_columns_of_annotations_come_fifty_at_a_time(ann, tables):
    project = ann.new_project()["id"]
    annotate(ann, ann.new_file(project)["id"], **{f"k{n:02}": ("LONG", "1") for n in range(60)})
    first = suggested(tables, [project])
    second = suggested(tables, [project], first["nextPageToken"])
    assert [len(first["results"]), len(second["results"])] == [50, 10]
    assert second.get("nextPageToken") is None
    assert second["results"][0]["name"] == "k50"


def test_a_scope_without_a_meaning_is_refused(tables):
    path, kind = f"{REPO}/column/view/scope", f"{M}.ViewColumnModelRequest"
    for scope in ({"scope": []}, {"scope": [], "viewTypeMask": 3}):
        assert_error(tables.run(path, {"concreteType": kind, "viewScope": scope}), 400)
