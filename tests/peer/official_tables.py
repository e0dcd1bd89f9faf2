"""Tables and views with the official client; see official.py."""

import json
from pathlib import Path

import pandas as pd
import synapseclient
from official import main, provenance
from synapseclient import EntityViewSchema, EntityViewType, Evaluation, SubmissionViewSchema
from synapseclient.models import (
    Activity,
    Column,
    ColumnType,
    Dataset,
    DatasetCollection,
    EntityRef,
    EntityView,
    MaterializedView,
    SubmissionView,
    Table,
    ViewTypeMask,
)
from synapseclient.table import PartialRowset


def make_table(syn, a):
    """Create a table from a data frame, create a snapshot, and update rows."""
    table = Table(
        name=a["name"],
        parent_id=a["parent"],
        columns=[
            Column(name="gene name", column_type=ColumnType.STRING, maximum_size=20),
            Column(name="count", column_type=ColumnType.INTEGER),
            Column(name="score", column_type=ColumnType.DOUBLE),
            Column(name="coding", column_type=ColumnType.BOOLEAN),
        ],
    ).store()
    table.store_rows(
        pd.DataFrame(
            {
                "gene name": ["TP53", 'BR"CA,1', "Mgmt"],
                "count": [12, 7, 3],
                "score": [0.5, 1.25, -3.0],
                "coding": [True, False, True],
            }
        )
    )
    snapshot = table.snapshot(comment="as made", label="first")
    rows = table.query(f"select * from {table.id} where \"gene name\" = 'TP53'")
    rows["count"] = 13
    table.store_rows(rows)
    return {"id": table.id, "snapshot": snapshot["snapshotVersionNumber"]}


def read_table(syn, a):
    """Return the result of a query, and the Activity of a version."""
    rows = Table(id=a["id"]).query(a["sql"], include_row_id_and_row_version=False)
    answer = {"columns": list(rows.columns), "rows": json.loads(rows.to_json(orient="values"))}
    if a.get("version"):
        answer["activity"] = provenance(
            Activity.from_parent(Table(id=a["id"]), parent_version_number=a["version"])
        )
    return answer


def plain(frame) -> dict:
    """Convert a DataFrame to JSON values."""
    return {
        "columns": [str(name) for name in frame.columns],
        "labels": [str(label) for label in frame.index],
        "rows": json.loads(frame.to_json(orient="values")),
    }


def flat_table(syn, a):
    """Create, update and snapshot a table with the functions of 2.x."""
    frame = pd.DataFrame(
        {
            "gene name": ["TP53", 'BR"CA,1', "Mgmt", "gone\nsoon"],
            "count": pd.array([12, None, 3, 4], dtype="Int64"),
            "score": [0.5, 1.25, None, -3.0],
            "coding": [True, False, True, False],
            "note": ["", "é😀", "\\", "x"],
        }
    )
    table = syn.store(synapseclient.table.build_table("flat", a["parent"], frame))
    schema = table.schema
    sql = f"select * from {schema.id} order by ROW_ID"
    rows = syn.tableQuery(sql).asDataFrame()
    rows.loc[rows["gene name"] == "TP53", "count"] = 13
    syn.store(synapseclient.Table(schema, rows))
    result = syn.tableQuery(sql, resultsAs="rowset")
    syn.store(PartialRowset.from_mapping({2: {"count": 7}}, result))
    syn.delete(syn.tableQuery(f"select * from {schema.id} where score < 0"))
    made_by = synapseclient.Activity(name="freeze", used=[a["used"]], executed=["https://x.org/c"])
    number = syn.create_snapshot_version(schema.id, "as it is", "flat 1", made_by)
    syn.store(synapseclient.Table(schema, [["late", 1, 0.1, True, "n"]]))
    return {
        "id": schema.id,
        "snapshot": number,
        "now": plain(syn.tableQuery(sql).asDataFrame()),
        "snapshot_rows": plain(
            syn.tableQuery(f"select * from {schema.id}.{number}").asDataFrame()
        ),
        "activity": syn.getProvenance(schema.id, number)["name"],
        "columns": [[c["name"], c["columnType"]] for c in syn.getTableColumns(schema)],
    }


def flat_read(syn, a):
    """Read rows as CSV and as row sets, and the Activity of a version."""
    frame = syn.tableQuery(a["sql"]).asDataFrame()
    pages = syn.tableQuery(a["sql"], resultsAs="rowset")
    answer = {
        **plain(frame),
        "pages": [row["values"] for row in pages],
        "types": [header["columnType"] for header in pages.headers],
    }
    if a.get("version"):
        activity = syn.getProvenance(a["id"], a["version"])
        answer["activity"] = {
            "name": activity["name"],
            "used": sorted(
                u["reference"]["targetId"] if "reference" in u else u["url"]
                for u in activity["used"]
            ),
        }
    return answer


def flat_view(syn, a):
    """Create a view of files, update annotations through it, and create a snapshot."""
    view = syn.store(
        EntityViewSchema(
            "flat view",
            parent=a["parent"],
            scopes=[a["scope"]],
            includeEntityTypes=[EntityViewType.FILE],
        )
    )
    sql = f"select * from {view.id} order by name"
    before = syn.tableQuery(sql).asDataFrame()
    number = syn.create_snapshot_version(view.id, label="before")
    before["legs"] = [8, 10]
    syn.store(synapseclient.Table(view.id, before))
    return {
        "id": view.id,
        "snapshot": number,
        "columns": list(before.columns),
        "legs": [int(n) for n in syn.tableQuery(sql).asDataFrame()["legs"]],
    }


def flat_submission_view(syn, a):
    """Create an evaluation, a submission and a submission view; update, read and snapshot it."""
    evaluation = syn.store(Evaluation(name=a["name"], contentSource=a["project"]))
    submission = syn.submit(evaluation, syn.get(a["file"], downloadFile=False), name="my answer")
    status = syn.getSubmissionStatus(submission)
    status.status = "SCORED"
    status.submissionAnnotations = {"auc": 0.75, "comment": "fine"}
    syn.store(status)
    view = syn.store(
        SubmissionViewSchema("flat submissions", parent=a["project"], scopes=[evaluation["id"]])
    )
    sql = f"select * from {view.id}"
    rows = syn.tableQuery(sql).asDataFrame()
    first = plain(rows[["id", "status", "entityid", "auc", "comment"]].astype({"id": str}))
    number = syn.create_snapshot_version(view.id, label="scored", wait=True)
    rows["comment"] = ["good"]  # the size of the column is that of its first values
    syn.store(synapseclient.Table(view.id, rows))
    after = syn.getSubmissionStatus(submission)
    return {
        "id": view.id,
        "evaluation": evaluation["id"],
        "submission": submission["id"],
        "columns": list(rows.columns),
        "first": first["rows"],
        "snapshot": number,
        "comment": list(after.submissionAnnotations["comment"]),
    }


def model_view(syn, a):
    """Create a view with the models of 4.x, add a column, update rows, create a snapshot."""
    view = EntityView(
        name="model view",
        parent_id=a["parent"],
        scope_ids=[a["scope"]],
        view_type_mask=ViewTypeMask.FILE,
        columns=[Column(name="legs", column_type=ColumnType.INTEGER)],
    ).store()
    sql = f"select name, legs from {view.id} order by name"
    snapshot = view.snapshot(label="before", comment="as made")
    rows = view.query(sql)
    rows["legs"] = [8, 10]
    view.update_rows(values=rows, primary_keys=["name"], wait_for_eventually_consistent_view=True)
    return {
        "id": view.id,
        "columns": list(view.columns),
        "snapshot": snapshot.snapshot_version_number,
        "legs": [int(n) for n in view.query(sql)["legs"]],
    }


def model_submission_view(syn, a):
    """Create a view of the submissions to an existing evaluation."""
    view = SubmissionView(
        name="model submissions", parent_id=a["parent"], scope_ids=[a["evaluation"]]
    ).store()
    found = SubmissionView(id=view.id).get()
    rows = found.query(f"select id, status from {view.id}", include_row_id_and_row_version=False)
    return {
        "id": view.id,
        "columns": list(found.columns),
        "scope": found.scope_ids,
        "rows": plain(rows.astype(str))["rows"],
        "snapshot": found.snapshot(label="one").snapshot_version_number,
    }


def model_dataset(syn, a):
    """Create a dataset of file versions and a snapshot, then remove an item."""
    items = [EntityRef(id=one, version=version) for one, version in a["items"]]
    dataset = Dataset(name="model dataset", parent_id=a["parent"], items=items).store()
    snapshot = dataset.snapshot(label="two")
    dataset = Dataset(id=dataset.id).get()
    dataset.remove_item(EntityRef(id=a["items"][0][0], version=a["items"][0][1]))
    dataset.store()
    number = snapshot.snapshot_version_number

    def names(source):
        rows = dataset.query(f"select name from {source} order by name")
        return list(rows["name"])

    return {
        "id": dataset.id,
        "snapshot": number,
        "now": names(dataset.id),
        "snapshot_rows": names(f"{dataset.id}.{number}"),
    }


def flat_dataset(syn, a):
    """Create a dataset of a folder with the functions of 2.x, and a snapshot."""
    dataset = synapseclient.table.Dataset(
        "flat dataset", parent=a["parent"], folders=[a["folder"]]
    )
    dataset = syn.store(dataset)
    number = syn.create_snapshot_version(dataset.id, label="two")
    dataset = syn.get(dataset.id)
    dataset.remove_item(a["gone"])
    dataset = syn.store(dataset)
    sql = "select name, legs from {} order by name"
    return {
        "id": dataset.id,
        "snapshot": number,
        "size": len(dataset),
        "columns": [column["name"] for column in syn.getTableColumns(dataset)],
        "now": plain(syn.tableQuery(sql.format(dataset.id)).asDataFrame())["rows"],
        "snapshot_rows": plain(syn.tableQuery(sql.format(f"{dataset.id}.{number}")).asDataFrame())[
            "rows"
        ],
    }


def model_collection(syn, a):
    """Create a collection of versions of datasets and a snapshot, then remove a dataset."""
    items = [EntityRef(id=one, version=version) for one, version in a["items"]]
    collection = DatasetCollection(name="collection", parent_id=a["parent"], items=items)
    collection = collection.store()
    snapshot = collection.snapshot(label="two", comment="both")
    collection = DatasetCollection(id=collection.id).get()
    collection.remove_item(items[0])
    collection.store()
    sql = "select name from {} order by name"
    number = snapshot.snapshot_version_number
    return {
        "id": collection.id,
        "snapshot": number,
        "columns": list(collection.columns),
        "now": list(collection.query(sql.format(collection.id))["name"]),
        "snapshot_rows": list(collection.query(sql.format(f"{collection.id}.{number}"))["name"]),
    }


def model_materialized_view(syn, a):
    """Create a materialized view, query it, and change its SQL."""
    view = MaterializedView(
        name="materialized", parent_id=a["parent"], defining_sql=a["sql"], description="both"
    ).store()
    found = MaterializedView(id=view.id).get()
    first = found.query(f"select * from {view.id}", include_row_id_and_row_version=False)
    parts = found.query_part_mask(query=f"select * from {view.id}", part_mask=0x1 | 0x2 | 0x10)
    found.defining_sql = a["other"]
    found.store()
    second = found.query(f"select * from {view.id}", include_row_id_and_row_version=False)
    return {
        "id": view.id,
        "sql": found.defining_sql,
        "first": plain(first),
        "count": parts.count,
        "columns": list(found.columns),
        "second": plain(second),
    }


def flat_materialized_view(syn, a):
    """Create a materialized view with the functions of 2.x."""
    schema = synapseclient.table.MaterializedViewSchema(
        name="flat materialized", parent=a["parent"], definingSQL=a["sql"]
    )
    schema = syn.store(schema)
    return {
        "id": schema.id,
        "sql": syn.get(schema.id).definingSQL,
        "rows": plain(syn.tableQuery(f"select * from {schema.id}").asDataFrame())["rows"],
    }


def upsert(syn, a):
    """Upsert rows by key: one existing, one new."""
    table = Table(id=a["id"]).get()
    table.upsert_rows(values=pd.DataFrame(a["values"]), primary_keys=[a["key"]])
    table.delete_rows(query=a["gone"])
    return {"columns": list(table.columns)}


def change_columns(syn, a):
    """Add, rename and delete a column; return all parts of a query result."""
    table = Table(id=a["id"]).get(include_columns=True)
    table.add_column(Column(name="new", column_type=ColumnType.BOOLEAN))
    table.columns["n"].name = "renamed"
    table.delete_column("gone")
    table.store()
    answer = table.query_part_mask(
        query=f"select * from {table.id}", part_mask=0x1 | 0x2 | 0x10 | 0x80
    )
    return {
        "count": answer.count,
        "columns": list(Table(id=table.id).get(include_columns=True).columns),
        "rows": plain(answer.result.drop(columns=["ROW_ID", "ROW_VERSION"], errors="ignore")),
        "updated": bool(answer.last_updated_on),
    }


def download_files(syn, a):
    """Download the files of cells; return their contents."""
    result = syn.tableQuery(a["sql"])
    paths = syn.downloadTableColumns(result, a["columns"])
    return {"contents": {handle: Path(path).read_text() for handle, path in paths.items()}}


if __name__ == "__main__":
    main(globals())
