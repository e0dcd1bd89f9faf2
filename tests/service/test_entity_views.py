"""Entity views: rows, columns, permissions and column suggestions."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M

from synapse_workflows.constants import DATASET, ENTITY_VIEW, SUBMISSION_VIEW, TABLE

FILE, PROJECT, FOLDER, VIEW = 1, 2, 8, 16


def annotate(author, entity, **values):
    """Replace the annotations of an entity by (type, value, ...)."""
    body = ok(author.get(f"{REPO}/entity/{entity}/annotations2"))
    annotations = {key: {"type": kind, "value": rest} for key, (kind, *rest) in values.items()}
    return ok(
        author.put(f"{REPO}/entity/{entity}/annotations2", {**body, "annotations": annotations})
    )


def list_default_columns(author, mask):
    return ok(author.get(f"{REPO}/column/tableview/defaults?viewTypeMask={mask}"))["list"]


@pytest.fixture
def create_view(ann, tables):
    """Return a function that creates a view of a scope, by default with the default columns."""

    def make(*scope, mask=FILE, columns=None):
        if columns is None:
            ids = [each["id"] for each in list_default_columns(ann, mask)]
        else:
            ids = [tables.create_column(*each)["id"] for each in columns]
        body = {"scopeIds": list(scope), "viewTypeMask": mask, "columnIds": ids}
        return ann.make(ENTITY_VIEW, tables.project, **body)["id"]

    return make


def query_names(tables, create_view):
    return [row[0] for row in tables.query(f"select name from {create_view} order by name")]


def test_view_entity_has_mask_scope_and_columns(ann, tables, create_view):
    created = ann.entity(create_view(tables.project, mask=FILE | FOLDER))
    assert created["concreteType"] == ENTITY_VIEW
    assert (created["viewTypeMask"], created["scopeIds"]) == (
        9,
        [tables.project.removeprefix("syn")],
    )
    assert len(tables.list_columns(created["id"])) == len(created["columnIds"]) == 21
    changed = ann.change(created["id"], viewTypeMask=1, scopeIds=[])
    assert (changed["viewTypeMask"], changed["scopeIds"]) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"viewTypeMask": 0},
        {"viewTypeMask": 0x400},
        {"viewTypeMask": 1, "scopeIds": ["nonsense"]},
        {"viewTypeMask": 1, "isSearchEnabled": True},
    ],
)
def test_invalid_view_definition_returns_400(ann, tables, body):
    assert_error(ann.try_make(ENTITY_VIEW, tables.project, **body), 400)


def test_default_columns_depend_on_the_mask(ann):
    project_columns = [each["name"] for each in list_default_columns(ann, PROJECT)]
    assert project_columns == [
        "id", "name", "description", "createdOn", "createdBy", "etag", "modifiedOn",
        "modifiedBy", "path",
    ]  # fmt: skip
    folder_columns = [each["name"] for each in list_default_columns(ann, FOLDER)]
    assert folder_columns[9:] == [
        "type",
        "currentVersion",
        "parentId",
        "benefactorId",
        "projectId",
    ]
    file_columns = list_default_columns(ann, FILE | FOLDER)
    assert [each["name"] for each in file_columns[:14]] == folder_columns
    assert [
        (each["name"], each["columnType"], each.get("maximumSize")) for each in file_columns[14:]
    ][:4] == [
        ("dataFileHandleId", "FILEHANDLEID", None),
        ("dataFileName", "STRING", 256),
        ("dataFileSizeBytes", "INTEGER", None),
        ("dataFileMD5Hex", "STRING", 100),
    ]
    assert list_default_columns(ann, FILE | FOLDER) == file_columns
    assert ok(ann.get(f"{REPO}/column/{file_columns[0]['id']}"))["name"] == "id"


@pytest.mark.parametrize("query", ["", "?viewTypeMask=3", "?viewTypeMask=0", "?viewTypeMask=2048"])
def test_default_columns_require_a_valid_mask(ann, query):
    assert_error(ann.get(f"{REPO}/column/tableview/defaults{query}"), 400)


def test_default_columns_of_unknown_view_type_returns_400(ann):
    query = "?viewEntityType=nonsense&viewTypeMask=1"
    assert_error(ann.get(f"{REPO}/column/tableview/defaults{query}"), 400)


def test_rows_are_the_entities_in_scope_and_mask(ann, tables, create_view):
    project = ann.new_project()["id"]
    outer = ann.new_folder(project, name="outer")["id"]
    inner = ann.new_folder(outer, name="inner")["id"]
    ann.new_file(project, name="top")
    ann.new_file(inner, name="deep")
    ann.new_link(outer, outer, name="a link")
    assert query_names(tables, create_view(project)) == ["deep", "top"]
    assert query_names(tables, create_view(outer)) == ["deep"]
    assert query_names(tables, create_view(outer, inner)) == ["deep"]
    assert query_names(tables, create_view(project, mask=FILE | FOLDER)) == [
        "deep",
        "inner",
        "outer",
        "top",
    ]
    assert query_names(tables, create_view(outer, mask=FOLDER)) == ["inner"]
    assert query_names(tables, create_view(project, mask=PROJECT)) == [ann.entity(project)["name"]]
    assert query_names(tables, create_view(outer, mask=PROJECT)) == []
    assert query_names(tables, create_view()) == []


def test_view_can_show_tables_views_and_datasets(ann, tables, create_view):
    project = ann.new_project()["id"]
    created = {
        word: ann.make(kind, project, name=word, **more)["id"]
        for word, kind, more in (
            ("table", TABLE, {}),
            ("entityview", ENTITY_VIEW, {"viewTypeMask": 1, "scopeIds": [project]}),
            ("submissionview", SUBMISSION_VIEW, {"scopeIds": []}),
            ("dataset", DATASET, {"items": []}),
        )
    }
    for word, bit in (("table", 4), ("entityview", 16), ("submissionview", 64), ("dataset", 128)):
        sql = f"select id, name, type from {create_view(project, mask=bit)}"
        assert tables.query(sql) == [[created[word], word, word]]
    assert len(query_names(tables, create_view(project, mask=4 | 16 | 64 | 128))) == 4


def test_row_shows_the_current_entity(ann, tables, create_view):
    project = ann.new_project(name="the project of paths")["id"]
    folder = ann.new_folder(project, name="in")["id"]
    file = ann.new_file(folder, name="data", description="a description")
    created = create_view(project)
    row = tables.row_set(f"select * from {created}", includeEntityEtag=True)["rows"][0]
    cells = dict(
        zip([c["name"] for c in tables.list_columns(created)], row["values"], strict=True)
    )
    number = int(file["id"].removeprefix("syn"))
    assert (row["rowId"], row["versionNumber"], row["etag"]) == (number, 1, file["etag"])
    handle = file["dataFileHandleId"]
    expected = {
        "id": file["id"], "name": "data", "description": "a description", "etag": file["etag"],
        "createdBy": str(ann.id), "modifiedBy": str(ann.id), "type": "file",
        "path": "the project of paths/in/data", "currentVersion": "1", "parentId": folder,
        "benefactorId": project, "projectId": project, "dataFileHandleId": handle,
        "dataFileName": "data.csv",
    }  # fmt: skip
    assert {key: cells[key] for key in expected} == expected
    assert cells["createdOn"].isdecimal()
    ann.change(file["id"], "?newVersion=true", name="renamed", versionLabel=None)
    sql = f"select name, currentVersion, ROW_VERSION from {created}"
    assert tables.query(sql) == [["renamed", "2", "2"]]
    ann.delete(f"{REPO}/entity/{file['id']}")
    assert tables.query(sql) == []


def test_etags_are_included_on_request(ann, tables, create_view):
    project = ann.new_project()["id"]
    file = ann.new_file(project)
    created = create_view(project, columns=[("name",)])
    assert "etag" not in tables.row_set(f"select * from {created}")["rows"][0]
    number = file["id"].removeprefix("syn")
    assert tables.query(f"select ROW_ETAG from {created}") == [[file["etag"]]]
    first = tables.download(f"select * from {created}", includeEntityEtag=True).splitlines()
    assert first == [
        '"ROW_ID","ROW_VERSION","ROW_ETAG","name"',
        f'"{number}","1","{file["etag"]}","{file["name"]}"',
    ]
    assert tables.download(f"select * from {created}").startswith(
        '"ROW_ID","ROW_VERSION","name"\n'
    )
    assert tables.download(f"select count(*) as n from {created}") == '"n"\n"1"\n'


def test_csv_download_is_cached_until_an_entity_changes(ann, tables, create_view):
    project = ann.new_project()["id"]
    file = ann.new_file(project, name="before")["id"]
    created = create_view(project, columns=[("name",)])
    sql = f"select name from {created}"
    handles = [ok(tables.try_download(sql))["resultsFileHandleId"] for _ in range(2)]
    assert handles[0] == handles[1]
    ann.change(file, name="after")
    assert '"after"' in tables.download(sql)


def test_annotations_appear_in_columns_of_same_name_and_type(ann, tables, create_view):
    project = ann.new_project()["id"]
    file = ann.new_file(project)["id"]
    columns = [
        ("word",), ("n", "INTEGER"), ("x", "DOUBLE"), ("yes", "BOOLEAN"), ("day", "DATE"),
        ("words", "STRING_LIST"), ("ns", "INTEGER_LIST"), ("flags", "BOOLEAN_LIST"),
        ("none",), ("about", "ENTITYID"), ("single", "STRING_LIST"), ("mismatch", "INTEGER"),
    ]  # fmt: skip
    created = create_view(project, columns=columns)
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
    assert tables.query(f"select * from {created}") == [
        [
            "ant", "-3", "1.5", "true", "1600000000000", '["a", "b"]', "[1, 2]",
            "[true, false]", None, "syn12", '["only"]', None,
        ]
    ]  # fmt: skip
    assert tables.query(f"select word from {created} where n < 0 and words has ('b')") == [["ant"]]


def test_query_with_too_small_column_returns_400(ann, tables, create_view):
    project = ann.new_project()["id"]
    annotate(ann, ann.new_file(project)["id"], word=("STRING", "x" * 51))
    created = create_view(project, columns=[("word",)])
    response = assert_error(tables.try_query(f"select * from {created}"), 400)
    assert "at least 51 characters" in str(response)


def test_query_and_download_show_readable_rows_only(ann, ben, tables, create_view):
    shared = ann.new_project()["id"]
    secret = ann.new_folder(shared, name="secret")["id"]
    ann.new_file(shared, name="open")
    ann.new_file(secret, name="hidden")
    created = create_view(shared)
    acl = ok(ann.get(f"{REPO}/entity/{shared}/acl"))
    ok(ann.post(f"{REPO}/entity/{secret}/acl", {**acl, "id": secret}))
    ann.share(shared, {ben.id: ["READ"]})
    ben_tables = type(tables)(ben)
    assert_error(ben_tables.try_query(f"select name from {created}"), 403)
    ann.share(created, {ben.id: ["READ"]})
    assert query_names(ben_tables, created) == ["open"]
    assert query_names(tables, created) == ["hidden", "open"]
    assert "hidden" not in ben_tables.download(f"select name from {created}")
    assert ben_tables.bundle(f"select name from {created}")["queryCount"] == 1


def test_suggested_columns_match_the_annotations_in_scope(ann, tables):
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
    results = suggest_columns(tables, [project])
    assert [
        (each["name"], each["columnType"], each.get("maximumSize")) for each in results["results"]
    ] == [
        ("day", "DATE", None),
        ("mixed", "DOUBLE", None),
        ("mixed", "STRING", 1),
        ("n", "INTEGER_LIST", None),
        ("word", "STRING", 6),
        ("yes", "BOOLEAN", None),
    ]
    assert suggest_columns(tables, [])["results"] == []


def suggest_columns(tables, scope, token=None, **more):
    body = {
        "concreteType": f"{M}.ViewColumnModelRequest",
        "viewScope": {
            "scope": scope, "viewEntityType": "entityview", "viewTypeMask": 1, **more,
        },
        "nextPageToken": token,
    }  # fmt: skip
    return ok(tables.run(f"{REPO}/column/view/scope", body))


def test_suggested_columns_are_paged_by_50(ann, tables):
    project = ann.new_project()["id"]
    annotate(ann, ann.new_file(project)["id"], **{f"k{n:02}": ("LONG", "1") for n in range(60)})
    first = suggest_columns(tables, [project])
    second = suggest_columns(tables, [project], first["nextPageToken"])
    assert [len(first["results"]), len(second["results"])] == [50, 10]
    assert second.get("nextPageToken") is None
    assert second["results"][0]["name"] == "k50"


def test_suggested_columns_of_invalid_scope_return_400(tables):
    path, concrete_type = f"{REPO}/column/view/scope", f"{M}.ViewColumnModelRequest"
    for scope in ({"scope": []}, {"scope": [], "viewTypeMask": 3}):
        assert_error(tables.run(path, {"concreteType": concrete_type, "viewScope": scope}), 400)


@pytest.mark.parametrize("prefix", ["", "syn", "SYN"])
def test_scope_is_returned_without_prefix(ann, tables, prefix):
    number = tables.project.removeprefix("syn")
    body = {"viewTypeMask": 1, "scopeIds": [prefix + number], "columnIds": []}
    created = ann.make(ENTITY_VIEW, tables.project, **body)
    assert created["scopeIds"] == [number]
    assert ann.entity(created["id"])["scopeIds"] == [number]


@pytest.mark.parametrize(
    "kind",
    [(ENTITY_VIEW, {"viewTypeMask": 1}), (SUBMISSION_VIEW, {})],
    ids=["entity", "submission"],
)
def test_snapshot_of_a_view_without_scope_is_rejected(ann, tables, kind):
    column = tables.create_column("name")["id"]
    view = ann.make(kind[0], tables.project, scopeIds=[], columnIds=[column], **kind[1])["id"]
    answer = tables.try_transact(view, createSnapshot=True)
    assert_error(answer, 400, "You cannot create a version of a view that has no scope.")
    assert ann.entity(view)["versionNumber"] == 1
