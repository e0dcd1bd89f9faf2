"""Tests of entity views: columns, rows, updates of annotations and snapshots."""

import time
from uuid import uuid4

import pytest

from synapse_workflows import (
    Activity,
    Column,
    DockerRepository,
    File,
    Folder,
    PartialRowset,
    Project,
    Schema,
    Table,
)
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseMalformedEntityError,
)
from synapse_workflows.client.model.views import EntityViewSchema, EntityViewType
from synapse_workflows.constants import ENTITY_VIEW

NO_AUTOMATIC_COLUMNS = {"addDefaultViewColumns": False, "addAnnotationColumns": False}
COLUMNS = [
    Column(name="name", columnType="STRING", maximumSize=256),
    Column(name="colour", columnType="STRING", maximumSize=20),
    Column(name="legs", columnType="INTEGER"),
    Column(name="tags", columnType="STRING_LIST", maximumSize=20),
]


@pytest.fixture
def files(syn, project, make_file):
    """Two files with annotations, in a folder."""
    folder = syn.store(Folder("animals", parent=project))
    return [
        syn.store(File(str(make_file(f"{name}.txt")), parent=folder, name=name, **annotations))
        for name, annotations in (
            ("ant", {"colour": "red", "legs": 6}),
            ("bee", {"colour": "yellow", "tags": ["a", "b"]}),
        )
    ]


@pytest.fixture
def view(syn, project, files):
    """A view of the two files."""
    made = EntityViewSchema("v", COLUMNS, parent=project, scopes=project, **NO_AUTOMATIC_COLUMNS)
    return syn.store(made)


def get_rows(syn, view_id, **options):
    sql = f"select name, colour, legs, tags from {view_id} order by name"
    return [row[3:] for row in syn.tableQuery(sql, **options)]


def test_store_adds_default_and_annotation_columns(syn, project, files):
    view = syn.store(EntityViewSchema("v", parent=project, scopes=[project]))
    assert (view.concreteType, view.scopeIds) == (ENTITY_VIEW, [project.id.removeprefix("syn")])
    columns = {one["name"]: one["columnType"] for one in syn.getTableColumns(view)}
    assert list(columns)[:3] == ["id", "name", "description"]
    assert len(columns) == 21 + 3
    annotated = {name: columns[name] for name in ("colour", "legs", "tags")}
    assert annotated == {"colour": "STRING", "legs": "INTEGER", "tags": "STRING_LIST"}
    frame = [row[3:] for row in syn.tableQuery(f"select id, legs from {view.id} order by name")]
    assert frame == [[files[0].id, 6], [files[1].id, None]]


def test_store_adds_requested_columns_once(syn, project, files):
    own = Column(name="colour", columnType="STRING", maximumSize=99)
    view = EntityViewSchema(
        "v",
        [own],
        parent=project,
        scopes=project,
        addDefaultViewColumns=False,
        ignoredAnnotationColumnNames=["legs"],
    )
    stored = syn.store(view)
    assert [one["name"] for one in syn.getTableColumns(stored)] == ["colour", "tags"]
    fetched = syn.get(stored.id)
    assert isinstance(fetched, EntityViewSchema)
    fetched.removeColumn(fetched.columnIds[0])
    assert [one["name"] for one in syn.getTableColumns(syn.store(fetched))] == ["tags"]


def test_store_adds_columns_for_many_annotations(syn, project, make_file):
    """There are more annotations than on one page."""
    names = [f"key_{n}" for n in range(120)]
    for some in (names[:70], names[50:]):
        syn.store(File(str(make_file(some[0])), parent=project, **dict.fromkeys(some, 1)))
    view = EntityViewSchema("v", parent=project, scopes=project, addDefaultViewColumns=False)
    found = [one["name"] for one in syn.getTableColumns(syn.store(view))]
    assert sorted(found) == sorted(names)


def test_annotation_with_several_types_is_rejected(syn, project, files):
    """The view is not created; the type can be chosen with an explicit column."""
    files[1]["legs"] = "six"
    syn.store(files[1])
    view = EntityViewSchema("v", parent=project, scopes=project)
    with pytest.raises(SynapseMalformedEntityError, match=r"'legs' \(INTEGER, STRING\).*ignored"):
        syn.store(view)
    assert "v" not in [one["name"] for one in syn.getChildren(project)]
    view.ignoredAnnotationColumnNames.add("legs")
    view.addColumn(Column(name="legs", columnType="STRING", maximumSize=10))
    columns = {one["name"]: one["columnType"] for one in syn.getTableColumns(syn.store(view))}
    assert columns["legs"] == "STRING"


def test_storing_view_again_keeps_its_columns(syn, project, files):
    view = syn.store(
        EntityViewSchema("v", [COLUMNS[1]], parent=project, scopes=project, **NO_AUTOMATIC_COLUMNS)
    )
    view.description = "changed"
    view.add_scope(files[0].parentId)
    again = syn.store(view)
    assert [one["name"] for one in syn.getTableColumns(again)] == ["colour"]
    scope = [one.removeprefix("syn") for one in (project.id, files[0].parentId)]
    assert (again.description, again.scopeIds) == ("changed", scope)


def test_store_updates_view_with_same_name(syn, project, files):
    """The view gets the columns of a new view."""
    first = syn.store(
        EntityViewSchema("v", [COLUMNS[0]], parent=project, scopes=project, **NO_AUTOMATIC_COLUMNS)
    )
    types = [EntityViewType.FILE, EntityViewType.FOLDER]
    again = EntityViewSchema("v", parent=project, scopes=project, includeEntityTypes=types)
    second = syn.store(again)
    assert (second.id, second.viewTypeMask) == (first.id, 9)
    assert len(second.columnIds) == 21 + 3
    assert sorted(row[-1] for row in syn.tableQuery(f"select name from {second.id}")) == [
        "animals", "ant", "bee",
    ]  # fmt: skip
    with pytest.raises(SynapseConflictError):
        syn.store(EntityViewSchema("v", parent=project, scopes=project), createOrUpdate=False)


def test_view_with_too_many_columns_is_rejected(syn, project, make_file):
    names = [f"key_{n}" for n in range(160)]
    for some in (names[:80], names[80:]):
        syn.store(File(str(make_file(some[0])), parent=project, **dict.fromkeys(some, 1)))
    view = EntityViewSchema("v", parent=project, scopes=project)
    with pytest.raises(ValueError, match=r"181.*152.*ignoredAnnotationColumnNames"):
        syn.store(view)


def test_store_sends_expected_requests(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    in_process_client.store(File(str(make_file()), parent=project, legs=6))
    calls()
    in_process_client.store(EntityViewSchema("v", parent=project, scopes=project, colour="red"))
    requests = [call.split("?")[0].rpartition(" ")[0] if "?" not in call else call.split("?")[0]
             for call in calls()]  # fmt: skip
    requests = [one for one in requests if "/get/" not in one]
    assert requests[:4] == [
        "GET /column/tableview/defaults",
        "POST /column/view/scope/async/start",
        "POST /column/batch",
        "POST /entity",
    ]


def test_view_of_projects_and_files_is_rejected(syn, project):
    both = [EntityViewType.PROJECT, EntityViewType.FILE]
    with pytest.raises(SynapseBadRequestError):
        syn.store(EntityViewSchema("v", parent=project, includeEntityTypes=both))


def test_view_shows_current_entities(syn, view, files):
    assert get_rows(syn, view.id) == [["ant", "red", 6, None], ["bee", "yellow", None, ["a", "b"]]]
    files[0]["legs"] = 5
    syn.store(files[0])
    syn.delete(files[1])
    assert get_rows(syn, view.id) == [["ant", "red", 5, None]]


def test_rows_have_etags(syn, view, files):
    etags = [syn.get(one.id, downloadFile=False).etag for one in files]
    for results_as in ("csv", "rowset"):
        result = syn.tableQuery(f"select * from {view.id} order by name", resultsAs=results_as)
        assert [row.row_etag for row in result.iter_row_metadata()] == etags


def test_storing_csv_result_updates_annotations(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id} order by name")
    frame = result.asDataFrame()
    frame["legs"] = [8, 9]
    frame["colour"] = [None, "blue"]
    syn.store(Table(view.id, frame))
    assert get_rows(syn, view.id) == [["ant", None, 8, None], ["bee", "blue", 9, ["a", "b"]]]
    assert syn.get_annotations(files[1].id) == {
        "colour": ["blue"], "legs": [9], "tags": ["a", "b"],
    }  # fmt: skip


def test_storing_partial_rows_updates_annotations(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    number = int(files[0].id.removeprefix("syn"))
    syn.store(PartialRowset.from_mapping({number: {"legs": 7}}, result))
    assert syn.get_annotations(files[0].id) == {"colour": ["red"], "legs": [7]}


def test_stale_rows_are_reported(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id} order by name")
    frame = result.asDataFrame()
    frame["legs"] = [8, 9]
    files[0]["colour"] = "green"
    syn.store(files[0])
    with pytest.raises(SynapseError, match="Not all of the entities were updated") as caught:
        syn.store(Table(view.id, frame))
    assert files[0].id in str(caught.value).partition("Failed updates")[2]
    assert [row[2] for row in get_rows(syn, view.id)] == [6, 9]


def test_snapshot_is_immutable(syn, view, files, events):
    before = get_rows(syn, view.id)
    first = syn.create_snapshot_version(view, comment="before", label="one")
    syn.delete(files[0])
    second = syn.create_snapshot_version(view.id)
    assert (first, second) == (1, 2)
    assert get_rows(syn, f"{view.id}.1") == before
    assert get_rows(syn, f"{view.id}.2") == before[1:]
    snapshot = syn.get(view.id, version=1)
    assert (snapshot.versionLabel, snapshot.versionComment) == ("one", "before")
    wrote = [event for event in events if isinstance(event, Wrote) and event.entity_id == view.id]
    assert [one.version for one in wrote] == [1, 2]
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(view, label="one")


def test_snapshot_has_activity(syn, view, project):
    made_by = Activity(name="new", used=project.id)
    number = syn.create_snapshot_version(view, activity=made_by)
    found = syn.getProvenance(view.id, version=number)
    assert (found["name"], found["used"][0]["reference"]["targetId"]) == ("new", project.id)
    for again in (found, dict(found), found["id"]):
        number = syn.create_snapshot_version(view, activity=again)
        assert syn.getProvenance(view.id, version=number)["id"] == found["id"]
    number = syn.create_snapshot_version(view.id, activity={"name": "mapping", "used": []})
    assert syn.getProvenance(view.id, version=number)["name"] == "mapping"


def test_snapshot_without_wait(syn, view):
    assert syn.create_snapshot_version(view, wait=False) is None
    deadline = time.monotonic() + 30
    while syn.get(view.id).versionNumber == 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(get_rows(syn, f"{view.id}.1")) == 2


def test_entity_types_can_be_replaced(syn, project, files):
    """A view of tables and views, and then of Docker repositories."""
    view = EntityViewSchema(
        "v", [COLUMNS[0]], parent=project, scopes=project, **NO_AUTOMATIC_COLUMNS
    )
    view.set_entity_types([EntityViewType.TABLE, EntityViewType.VIEW])
    view = syn.store(view)
    syn.store(Schema("t", parent=project))
    assert get_names(syn, view) == ["t", "v"]
    syn.store(DockerRepository(f"example.org/{uuid4()}", parent=project))
    view.set_entity_types([EntityViewType.DOCKER])
    view = syn.store(view)
    assert len(get_names(syn, view)) == 1


def test_type_is_deprecated(syn, project, files):
    with pytest.warns(DeprecationWarning, match="use includeEntityTypes"):
        view = EntityViewSchema("old", parent=project, type="file_and_table")
    assert syn.store(view).viewTypeMask == 5


def get_names(syn, view):
    return sorted(row[-1] for row in syn.tableQuery(f"select name from {view.id}"))
