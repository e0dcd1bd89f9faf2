"""Views and datasets of the official client and of this client read the same in both."""

import json
from uuid import uuid4

import pytest

from synapse_workflows import (
    Activity,
    Column,
    Dataset,
    DatasetCollection,
    EntityViewSchema,
    File,
    MaterializedView,
    PartialRowset,
    Project,
    Schema,
    SubmissionViewSchema,
    Table,
)


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(f"peer views {uuid4()}"))


@pytest.fixture
def files(socket_client, project, tmp_path):
    """Two files with annotations."""
    made = []
    for name, legs in (("ant", 6), ("bee", 7)):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"{name} {uuid4()}")
        file = File(str(path), parent=project, name=name, legs=legs, tags=["a", "b"])
        made.append(socket_client.store(file))
    return made


def legs_of(syn, source):
    found = syn.tableQuery(f"select legs from {source} order by name")
    return [row[-1] for row in found]


@pytest.mark.parametrize("verb", ["flat_view", "model_view"])
def test_view_of_the_official_client_is_read(official_tables, project, files, socket_client, verb):
    """Default and added columns, annotations updated through rows, and an earlier snapshot.

    Its models add no columns for annotations.
    """
    made = official_tables(verb, parent=project.id, scope=project.id)
    view = socket_client.get(made["id"])
    assert isinstance(view, EntityViewSchema)
    assert (view.scopeIds, view.viewTypeMask) == ([project.id.removeprefix("syn")], 1)
    columns = {one["name"]: one["columnType"] for one in socket_client.getTableColumns(view)}
    assert list(columns) == made["columns"]
    assert (columns["id"], columns["legs"]) == ("ENTITYID", "INTEGER")
    assert columns.get("tags") == ("STRING_LIST" if verb == "flat_view" else None)
    assert made["legs"] == legs_of(socket_client, view.id) == [8, 10]
    assert legs_of(socket_client, f"{view.id}.{made['snapshot']}") == [6, 7]
    for file, legs in zip(files, (8, 10), strict=True):
        found = socket_client.get_annotations(file.id)
        assert found == {"legs": [legs], "tags": ["a", "b"]}


def test_official_client_reads_a_view_and_its_snapshot(
    official_tables, project, files, socket_client
):
    """With the Activity of the snapshot."""
    view = socket_client.store(
        EntityViewSchema("ours", parent=project, scopes=project, addDefaultViewColumns=False)
    )
    made_by = Activity("look", used=files[0], executed="https://example.org/look.py")
    number = socket_client.create_snapshot_version(view, label="one", activity=made_by)
    result = socket_client.tableQuery(f"select * from {view.id}", resultsAs="rowset")
    ant = int(files[0].id.removeprefix("syn"))
    socket_client.store(PartialRowset.from_mapping({ant: {"legs": 5}}, result))
    seen = official_tables(
        "flat_read", sql=f"select * from {view.id}.{number}", id=view.id, version=number
    )
    assert seen["columns"] == ["legs", "tags"]
    assert sorted(row[0] for row in seen["rows"]) == [6, 7]
    assert seen["activity"] == {
        "name": "look", "used": ["https://example.org/look.py", files[0].id],
    }  # fmt: skip
    now = official_tables("flat_read", sql=f"select * from {view.id} where legs = 5")
    assert now["labels"][0].startswith(f"{ant}_")


def test_submission_view_of_the_official_client_is_read(
    official_tables, project, files, socket_client
):
    """Created, annotated and snapshotted with the functions of 2.x."""
    made = official_tables(
        "flat_submission_view", name=f"peer {uuid4()}", project=project.id, file=files[0].id
    )
    assert made["first"] == [[made["submission"], "SCORED", files[0].id, 0.75, "fine"]]
    view = socket_client.get(made["id"])
    assert isinstance(view, SubmissionViewSchema)
    assert view.scopeIds == [made["evaluation"]]
    columns = [one["name"] for one in socket_client.getTableColumns(view)]
    assert columns == made["columns"]
    assert {"id", "status", "submitterid", "auc", "comment"} < set(columns)

    def rows(source):
        found = socket_client.tableQuery(f"select id, status, auc, comment from {source}")
        return [row[-4:] for row in found]

    assert made["comment"] == ["good"]
    assert rows(view.id) == [[made["submission"], "SCORED", 0.75, "good"]]
    assert rows(f"{view.id}.{made['snapshot']}") == [[made["submission"], "SCORED", 0.75, "fine"]]


def test_models_of_4_x_read_the_same_submissions(official_tables, project, files, socket_client):
    """A view of each client, of submissions to the same evaluation."""
    evaluation = socket_client.restPOST(
        "/evaluation", json.dumps({"name": f"peer {uuid4()}", "contentSource": project.id})
    )
    submission = {
        "evaluationId": evaluation["id"],
        "entityId": files[0].id,
        "versionNumber": files[0].versionNumber,
        "userId": socket_client.getUserProfile()["ownerId"],
    }
    etag = socket_client.get(files[0].id, downloadFile=False).etag
    number = socket_client.restPOST(f"/evaluation/submission?etag={etag}", json.dumps(submission))[
        "id"
    ]
    made = official_tables("model_submission_view", parent=project.id, evaluation=evaluation["id"])
    assert (made["scope"], made["snapshot"]) == ([evaluation["id"]], 1)
    assert made["rows"] == [[number, "RECEIVED"]]
    ours = socket_client.store(SubmissionViewSchema("ours", parent=project, scopes=evaluation))
    assert [one["name"] for one in socket_client.getTableColumns(ours)] == made["columns"]
    version = socket_client.create_snapshot_version(
        ours, activity=Activity("judge", used=files[0])
    )
    seen = official_tables(
        "flat_read", sql=f"select id, status from {ours.id}.{version}", id=ours.id,
        version=version,
    )  # fmt: skip
    assert [str(cell) for cell in seen["rows"][0]] == [number, "RECEIVED"]
    assert seen["activity"]["name"] == "judge"


def test_dataset_of_the_official_client_is_read(official_tables, project, files, socket_client):
    made = official_tables(
        "model_dataset", parent=project.id,
        items=[[file.id, file.versionNumber] for file in files],
    )  # fmt: skip

    def names(source):
        found = socket_client.tableQuery(f"select name from {source} order by name")
        return [row[-1] for row in found]

    assert names(made["id"]) == made["now"] == ["bee"]
    snapshot = f"{made['id']}.{made['snapshot']}"
    assert names(snapshot) == made["snapshot_rows"] == ["ant", "bee"]
    number = socket_client.create_snapshot_version(made["id"], label="ours")
    seen = official_tables("flat_read", sql=f"select name from {made['id']}.{number}")
    assert [row[0] for row in seen["rows"]] == ["bee"]


def test_dataset_of_a_folder_of_the_official_client_is_read(
    official_tables, project, files, socket_client
):
    """With default columns and columns for annotations."""
    made = official_tables("flat_dataset", parent=project.id, folder=project.id, gone=files[0].id)
    dataset = socket_client.get(made["id"])
    assert isinstance(dataset, Dataset)
    assert (len(dataset), made["size"], dataset.has_item(files[1])) == (1, 1, True)
    columns = [one["name"] for one in socket_client.getTableColumns(dataset)]
    assert columns == made["columns"]
    assert {"id", "dataFileMD5Hex", "legs", "tags"} < set(columns)
    assert legs_of(socket_client, made["id"]) == [row[1] for row in made["now"]] == [7]
    snapshot = f"{made['id']}.{made['snapshot']}"
    assert made["snapshot_rows"] == [["ant", 6], ["bee", 7]]
    assert legs_of(socket_client, snapshot) == [6, 7]
    ours = socket_client.store(Dataset("ours", parent=project, folders=[project]))
    assert {one["name"] for one in socket_client.getTableColumns(ours)} == set(columns)


def test_dataset_collection_of_the_official_client_is_read(
    official_tables, project, files, socket_client
):
    datasets = [
        socket_client.store(Dataset(f"set {file.name}", parent=project, dataset_items=[file]))
        for file in files
    ]
    made = official_tables(
        "model_collection", parent=project.id, items=[[each.id, 1] for each in datasets]
    )
    collection = socket_client.get(made["id"])
    assert isinstance(collection, DatasetCollection)
    assert collection.datasetItems == [{"entityId": datasets[1].id, "versionNumber": 1}]
    columns = [one["name"] for one in socket_client.getTableColumns(collection)]
    assert columns == made["columns"]
    assert made["now"] == ["set bee"]
    rows = socket_client.tableQuery(
        f"select name from {made['id']}.{made['snapshot']} order by name"
    )
    assert [row[-1] for row in rows] == made["snapshot_rows"] == ["set ant", "set bee"]
    collection.empty()
    socket_client.store(collection)
    number = socket_client.create_snapshot_version(collection, label="ours")
    seen = official_tables("flat_read", sql=f"select name from {made['id']}.{number}")
    assert (number, seen["rows"]) == (2, [])


def test_materialized_view_of_the_official_client_is_read(
    official_tables, project, files, socket_client
):
    """A join of a view and a table. The official client creates no snapshot of it."""
    view = socket_client.store(EntityViewSchema("files", parent=project, scopes=project))
    columns = [
        Column(name="name", columnType="STRING"),
        Column(name="wings", columnType="INTEGER"),
    ]
    table = Table(Schema("wings", columns, parent=project), [["bee", 4], ["ant", 0]])
    table_id = socket_client.store(table).schema.id
    sql = (
        f"SELECT V.name as name, legs, wings FROM {view.id} V JOIN {table_id} T "
        "ON (V.name = T.name) ORDER BY legs"
    )
    other = f"select wings, count(*) as n from {table_id} group by wings order by wings"
    made = official_tables("model_materialized_view", parent=project.id, sql=sql, other=other)
    assert made["first"]["rows"] == [["ant", 6, 0], ["bee", 7, 4]]
    assert (made["count"], made["columns"]) == (2, ["name", "legs", "wings"])
    assert made["second"]["rows"] == [[0, 1], [4, 1]]
    ours = socket_client.get(made["id"])
    assert isinstance(ours, MaterializedView)
    assert ours.definingSQL == made["sql"] == other
    flat = official_tables("flat_materialized_view", parent=project.id, sql=sql)
    assert (flat["rows"], flat["sql"]) == (made["first"]["rows"], sql)
    number = socket_client.create_snapshot_version(flat["id"], label="ours")
    socket_client.store(Table(table_id, [["bee", 5]]))
    seen = official_tables("flat_read", sql=f"select wings from {flat['id']}.{number}")
    assert seen["rows"] == [[0], [4]]
    now = official_tables("flat_read", sql=f"select wings from {flat['id']} order by wings")
    assert now["rows"] == [[0], [4], [5]]
