"""Views of entities: what columns they get, what they show, what is written through them."""

import time
from uuid import uuid4

import pytest

from synapse_workflows import Activity, Column, File, Folder, PartialRowset, Project, Table
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseMalformedEntityError,
)
from synapse_workflows.client.model.views import EntityViewSchema, EntityViewType
from synapse_workflows.constants import ENTITY_VIEW

BARE = {"addDefaultViewColumns": False, "addAnnotationColumns": False}
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
    """A view of the two."""
    made = EntityViewSchema("v", COLUMNS, parent=project, scopes=project, **BARE)
    return syn.store(made)


def rows_of(syn, view_id, **options):
    sql = f"select name, colour, legs, tags from {view_id} order by name"
    return [row[3:] for row in syn.tableQuery(sql, **options)]


def test_a_new_view_gets_its_columns(syn, project, files):
    view = syn.store(EntityViewSchema("v", parent=project, scopes=[project]))
    assert (view.concreteType, view.scopeIds) == (ENTITY_VIEW, [project.id])
    columns = {one["name"]: one["columnType"] for one in syn.getTableColumns(view)}
    assert list(columns)[:3] == ["id", "name", "description"]
    assert len(columns) == 21 + 3
    annotated = {name: columns[name] for name in ("colour", "legs", "tags")}
    assert annotated == {"colour": "STRING", "legs": "INTEGER", "tags": "STRING_LIST"}
    frame = [row[3:] for row in syn.tableQuery(f"select id, legs from {view.id} order by name")]
    assert frame == [[files[0].id, 6], [files[1].id, None]]


def test_columns_are_added_once_and_only_those_asked_for(syn, project, files):
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


def test_annotations_of_many_names_all_get_columns(syn, project, make_file):
    """More than Synapse tells at a time."""
    names = [f"key_{n}" for n in range(120)]
    for some in (names[:70], names[50:]):
        syn.store(File(str(make_file(some[0])), parent=project, **dict.fromkeys(some, 1)))
    view = EntityViewSchema("v", parent=project, scopes=project, addDefaultViewColumns=False)
    found = [one["name"] for one in syn.getTableColumns(syn.store(view))]
    assert sorted(found) == sorted(names)


def test_annotations_of_several_types_are_told(syn, project, files):
    """Before anything is made; the one that is wanted can be chosen."""
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


def test_a_view_that_is_stored_again_keeps_its_columns(syn, project, files):
    view = syn.store(EntityViewSchema("v", [COLUMNS[1]], parent=project, scopes=project, **BARE))
    view.description = "changed"
    view.add_scope(files[0].parentId)
    again = syn.store(view)
    assert [one["name"] for one in syn.getTableColumns(again)] == ["colour"]
    assert (again.description, again.scopeIds) == ("changed", [project.id, files[0].parentId])


def test_a_view_of_the_same_name_is_updated(syn, project, files):
    """It then has the columns that a new one would have."""
    first = syn.store(EntityViewSchema("v", [COLUMNS[0]], parent=project, scopes=project, **BARE))
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


def test_a_view_has_no_more_columns_than_a_table(syn, project, make_file):
    names = [f"key_{n}" for n in range(160)]
    for some in (names[:80], names[80:]):
        syn.store(File(str(make_file(some[0])), parent=project, **dict.fromkeys(some, 1)))
    view = EntityViewSchema("v", parent=project, scopes=project)
    with pytest.raises(ValueError, match=r"181.*152.*ignoredAnnotationColumnNames"):
        syn.store(view)


def test_storing_a_view_asks_what_the_reference_asks(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    in_process_client.store(File(str(make_file()), parent=project, legs=6))
    calls()
    in_process_client.store(EntityViewSchema("v", parent=project, scopes=project, colour="red"))
    asked = [call.split("?")[0].rpartition(" ")[0] if "?" not in call else call.split("?")[0]
             for call in calls()]  # fmt: skip
    asked = [one for one in asked if "/get/" not in one]
    assert asked[:4] == [
        "GET /column/tableview/defaults",
        "POST /column/view/scope/async/start",
        "POST /column/batch",
        "POST /entity",
    ]


def test_projects_are_shown_alone(syn, project):
    both = [EntityViewType.PROJECT, EntityViewType.FILE]
    with pytest.raises(SynapseBadRequestError):
        syn.store(EntityViewSchema("v", parent=project, includeEntityTypes=both))


def test_a_view_shows_what_is_there_now(syn, view, files):
    assert rows_of(syn, view.id) == [["ant", "red", 6, None], ["bee", "yellow", None, ["a", "b"]]]
    files[0]["legs"] = 5
    syn.store(files[0])
    syn.delete(files[1])
    assert rows_of(syn, view.id) == [["ant", "red", 5, None]]


def test_rows_carry_their_etags(syn, view, files):
    etags = [syn.get(one.id, downloadFile=False).etag for one in files]
    for kind in ("csv", "rowset"):
        result = syn.tableQuery(f"select * from {view.id} order by name", resultsAs=kind)
        assert [row.row_etag for row in result.iter_row_metadata()] == etags


def test_annotations_are_written_by_a_csv(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id} order by name")
    frame = result.asDataFrame()
    frame["legs"] = [8, 9]
    frame["colour"] = [None, "blue"]
    syn.store(Table(view.id, frame))
    assert rows_of(syn, view.id) == [["ant", None, 8, None], ["bee", "blue", 9, ["a", "b"]]]
    assert syn.get_annotations(files[1].id) == {
        "colour": ["blue"], "legs": [9], "tags": ["a", "b"],
    }  # fmt: skip


def test_annotations_are_written_by_partial_rows(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    number = int(files[0].id.removeprefix("syn"))
    syn.store(PartialRowset.from_mapping({number: {"legs": 7}}, result))
    assert syn.get_annotations(files[0].id) == {"colour": ["red"], "legs": [7]}


def test_rows_that_were_not_updated_are_told(syn, view, files):
    result = syn.tableQuery(f"select * from {view.id} order by name")
    frame = result.asDataFrame()
    frame["legs"] = [8, 9]
    files[0]["colour"] = "green"
    syn.store(files[0])
    with pytest.raises(SynapseError, match="Not all of the entities were updated") as caught:
        syn.store(Table(view.id, frame))
    assert files[0].id in str(caught.value).partition("Failed updates")[2]
    assert [row[2] for row in rows_of(syn, view.id)] == [6, 9]


def test_a_snapshot_of_a_view_stays_as_it_is(syn, view, files, events):
    before = rows_of(syn, view.id)
    first = syn.create_snapshot_version(view, comment="before", label="one")
    syn.delete(files[0])
    second = syn.create_snapshot_version(view.id)
    assert (first, second) == (1, 2)
    assert rows_of(syn, f"{view.id}.1") == before
    assert rows_of(syn, f"{view.id}.2") == before[1:]
    frozen = syn.get(view.id, version=1)
    assert (frozen.versionLabel, frozen.versionComment) == ("one", "before")
    wrote = [event for event in events if isinstance(event, Wrote) and event.entity_id == view.id]
    assert [one.version for one in wrote] == [1, 2]
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(view, label="one")


def test_a_snapshot_of_a_view_has_its_activity(syn, view, project):
    made_by = Activity(name="new", used=project.id)
    number = syn.create_snapshot_version(view, activity=made_by)
    found = syn.getProvenance(view.id, version=number)
    assert (found["name"], found["used"][0]["reference"]["targetId"]) == ("new", project.id)
    for again in (found, dict(found), found["id"]):
        number = syn.create_snapshot_version(view, activity=again)
        assert syn.getProvenance(view.id, version=number)["id"] == found["id"]
    number = syn.create_snapshot_version(view.id, activity={"name": "mapping", "used": []})
    assert syn.getProvenance(view.id, version=number)["name"] == "mapping"


def test_a_snapshot_need_not_be_waited_for(syn, view):
    assert syn.create_snapshot_version(view, wait=False) is None
    deadline = time.monotonic() + 30
    while syn.get(view.id).versionNumber == 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(rows_of(syn, f"{view.id}.1")) == 2
