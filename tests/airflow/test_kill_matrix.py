"""A worker that is killed at any request: the next try has the outcome of a run without a kill.

By default, the worker is killed at a sample of the requests that change something. Set
KILL_MATRIX=states to kill it once in each state that it can leave behind, and KILL_MATRIX=requests
to kill it before and after every request (see `kill_matrix.select_kill_points`).
"""

import os
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from support import kill_matrix_tasks as tasks, scoring_functions
from support.kill_matrix import KillMatrix, Scenario, World, select_kill_points

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    Folder,
    SynapseAnnotateOperator,
    SynapseClaimSubmissionsOperator,
    SynapseCopyOperator,
    SynapseDeleteOperator,
    SynapseGetOperator,
    SynapseMoveOperator,
    SynapseReapSubmissionsOperator,
    SynapseScoreSubmissionOperator,
    SynapseSetPermissionsOperator,
    SynapseStoreOperator,
    SynapseSyncOperator,
    SynapseTableQueryOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    SynapseWikiOperator,
    Wiki,
)
from synapse_workflows.testing import over_socket

EXTENT = os.environ.get("KILL_MATRIX", "sample")
NUMBERS = count(1)
MiB = 2**20
ROWS = [["a", 1], ["b", 2], ["c", 3]]
NEW_ROWS = [["d", 4], ["e", 5], ["d", 4], ["f", 6], ["g", 7]]
#: Rows of which the first is in ROWS, the second differs, and the last two are new.
UPSERT_ROWS = [["a", 1], ["b", 20], ["d", 4], ["e", 5]]
UPSERTED = [["a", 1], ["b", 20], ["c", 3], ["d", 4], ["e", 5]]
RAW = {"raw.txt": [None]}
SUBMITTED = {"predictions.csv": [None]}

GETS = [
    Scenario(
        "get a file",
        SynapseGetOperator,
        lambda world: {"entity_id": world.put("raw.txt")},
        used=RAW,
    ),
    Scenario(
        "get a version",
        SynapseGetOperator,
        lambda world: {"entity_id": world.put("raw.txt", "one", "two"), "version": 1},
        used={"raw.txt": [None, None]},
    ),
    Scenario(
        "get a file into a directory",
        SynapseGetOperator,
        lambda world: {"entity_id": world.put("raw.txt"), "download_dir": str(world.targets)},
        used=RAW,
    ),
    Scenario(
        "get a large file",
        SynapseGetOperator,
        lambda world: {
            "entity_id": world.put("raw.bin", size=17 * MiB),
            "download_dir": str(world.targets),
        },
        used={"raw.bin": [None]},
    ),
]


def store(world: World, path, **arguments):
    return {"path": path, "parent_id": world.project, **arguments}


def edit(world: World, old: str, new: str) -> str:
    """Store a.txt outside Airflow, change the local file, and return its path."""
    world.put("a.txt", old)
    return world.file("a.txt", new)


STORES = [
    Scenario(
        "store a new file",
        SynapseStoreOperator,
        lambda world: store(world, world.file("a.txt")),
        used={"a.txt": [[]]},
        uploads=True,
    ),
    Scenario(
        "store a new version",
        SynapseStoreOperator,
        lambda world: store(world, edit(world, "old", "new")),
        used={"a.txt": [None, []]},
    ),
    Scenario(
        "store an unchanged file",
        SynapseStoreOperator,
        lambda world: store(world, edit(world, "old", "old")),
        used={"a.txt": [None]},
    ),
    Scenario(
        "store an unchanged file with other annotations",
        SynapseStoreOperator,
        lambda world: store(world, edit(world, "raw", "raw"), annotations={"n": [1, 2]}),
        used={"a.txt": [None]},
    ),
    Scenario(
        "store an unchanged file as a new version",
        SynapseStoreOperator,
        lambda world: store(
            world,
            edit(world, "old", "old"),
            if_unchanged="new_version",
        ),
        used={"a.txt": [None, []]},
        is_variant=True,
    ),
    Scenario(
        "store without lineage",
        SynapseStoreOperator,
        lambda world: store(
            world,
            edit(world, "old", "old"),
            force_version=True,
            lineage_mode="off",
        ),
        used={"a.txt": [None, None]},
    ),
    Scenario(
        "store a file of several parts",
        SynapseStoreOperator,
        lambda world: store(world, world.file("a.bin", size=17 * MiB)),
        used={"a.bin": [[]]},
        uploads=True,
    ),
    Scenario(
        "store in new folders",
        SynapseStoreOperator,
        lambda world: store(world, world.file("a.txt"), folder="2026/november"),
        used={"2026/november/a.txt": [[]]},
        is_variant=True,
    ),
    Scenario(
        "store with annotations and sources",
        SynapseStoreOperator,
        lambda world: store(
            world,
            edit(world, "old", "new"),
            used=[world.put("raw.txt"), "https://example.org/data"],
            executed="https://example.org/code",
            annotations={"n": [1, 2], "kind": "x"},
            version_label="november",
            version_comment="first",
            activity_name="Summary",
        ),
        used={"a.txt": [None, ["https://example.org/data", "raw.txt.1"]], **RAW},
    ),
    Scenario(
        "store with an Activity of its own",
        SynapseStoreOperator,
        lambda world: store(
            world,
            world.file("a.txt"),
            lineage_mode="off",
            used=[world.put("raw.txt")],
            annotations={"n": 1},
        ),
        used={"a.txt": [["raw.txt.1"]], **RAW},
        is_variant=True,
    ),
    Scenario(
        "store several files",
        SynapseStoreOperator,
        lambda world: store(
            world,
            [world.file(name) for name in ("a.txt", "b.txt", "c.txt")],
            annotations={"n": 1},
            used=[world.put("raw.txt")],
        ),
        used={**{name: [["raw.txt.1"]] for name in ("a.txt", "b.txt", "c.txt")}, **RAW},
    ),
    Scenario(
        "store a reference",
        SynapseStoreOperator,
        lambda world: store(
            world,
            {
                "id": world.put("raw.txt"),
                "version": 1,
                "name": "raw.txt",
                "md5": world.md5("raw.txt"),
                "synapse_conn_id": "synapse_default",
            },
            name="copy.txt",
        ),
        used={"copy.txt": [["raw.txt.1"]], **RAW},
        is_variant=True,
    ),
]

CODE = [
    Scenario(
        "task code stores a new file",
        partial(tasks.create_task, tasks.store_result),
        lambda world: {
            "path": world.file("a.txt"),
            "parent": world.project,
            "source": world.put("raw.txt"),
        },
        used={"a.txt": [["raw.txt.1"]], **RAW},
    ),
    Scenario(
        "task code stores the same content as a new version",
        partial(tasks.create_task, tasks.store_result),
        lambda world: {
            "path": edit(world, "old", "old"),
            "parent": world.project,
            "source": world.put("raw.txt"),
        },
        used={"a.txt": [None, ["raw.txt.1"]], **RAW},
        is_variant=True,
    ),
    Scenario(
        "task code stores a file twice",
        partial(tasks.create_task, tasks.store_twice),
        lambda world: {
            "path": world.file("a.txt"),
            "parent": world.project,
            "lineage_mode": "auto",
        },
        used={"a.txt": [[], []]},
    ),
    Scenario(
        "task code stores a file twice without lineage",
        partial(tasks.create_task, tasks.store_twice),
        lambda world: {
            "path": world.file("a.txt"),
            "parent": world.project,
            "lineage_mode": "off",
        },
        used={"a.txt": [None, None]},
    ),
    Scenario(
        "task code stores a folder, a file and a link",
        partial(tasks.create_task, tasks.store_in_new_folder),
        lambda world: {
            "path": world.file("a.txt"),
            "parent": world.project,
            "source": world.put("raw.txt"),
        },
        used={"results/a.txt": [["raw.txt.1"]], **RAW},
    ),
    Scenario(
        "task code stores a project",
        partial(tasks.create_task, tasks.store_project),
        lambda world: {"name": world.other_project("results")},
    ),
    Scenario(
        "task code stores a table and a view",
        partial(tasks.create_task, tasks.store_schemas),
        lambda world: {"parent": world.project},
        used={"Table": [[]], "View": [[]]},
    ),
    Scenario(
        "task code stores the result of a query",
        partial(tasks.create_task, tasks.store_query_result),
        lambda world: {
            "sql": f"select * from {world.table(ROWS)}",
            "parent": world.project,
        },
        used={"result.csv": [["Table.1"]], "Table": [None]},
        is_variant=True,
    ),
    Scenario(
        "task code appends equal rows twice",
        partial(tasks.create_task, tasks.store_rows_twice),
        lambda world: {"table_id": world.table(ROWS), "rows": world.rows([["g", 7]])},
        used={"Table": [[]]},
        rows={"Table": [*ROWS, ["g", 7], ["g", 7]]},
        is_variant=True,
    ),
]


def query(world: World, **arguments):
    return {"sql": f"select * from {world.table(ROWS)} order by n", **arguments}


QUERIES = [
    Scenario(
        "query to CSV",
        SynapseTableQueryOperator,
        query,
        used={"Table": [None]},
    ),
    Scenario(
        "query to Parquet",
        SynapseTableQueryOperator,
        lambda world: query(world, output_path=str(world.targets / "rows.parquet")),
        used={"Table": [None]},
    ),
    Scenario(
        "query a new snapshot",
        SynapseTableQueryOperator,
        lambda world: query(
            world,
            snapshot_first=True,
            version_label="nightly",
            output_path=str(world.targets / "rows.csv"),
        ),
        used={"Table": [[], None]},
    ),
]


def store_rows(world: World, rows, *, table=ROWS, **arguments):
    return {"table_id": world.table(table), "rows": rows, "chunk_rows": 2, **arguments}


TABLES = [
    Scenario(
        "append a list",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(NEW_ROWS)),
        used={"Table": [[]]},
        rows={"Table": [*ROWS, *NEW_ROWS]},
        is_variant=True,
    ),
    Scenario(
        "append a file",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world, world.csv("rows.csv", NEW_ROWS), used=[world.put("raw.txt")]
        ),
        used={"Table": [["raw.txt.1"]], **RAW},
        rows={"Table": [*ROWS, *NEW_ROWS]},
        uploads=True,
    ),
    Scenario(
        "append to an empty table",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(NEW_ROWS), table=()),
        used={"Table": [[]]},
        rows={"Table": NEW_ROWS},
        is_variant=True,
    ),
    Scenario(
        "upsert a list",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(UPSERT_ROWS), mode="upsert", key="name"),
        used={"Table": [[]]},
        rows={"Table": UPSERTED},
        is_variant=True,
    ),
    Scenario(
        "upsert a file",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world, world.csv("rows.csv", UPSERT_ROWS), mode="upsert", key="name", chunk_rows=1
        ),
        used={"Table": [[]]},
        rows={"Table": UPSERTED},
    ),
    Scenario(
        "upsert nothing new",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(ROWS), mode="upsert", key="name"),
        used={"Table": [[]]},
        rows={"Table": ROWS},
        is_variant=True,
    ),
    Scenario(
        "mirror by key",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world,
            world.rows(ROWS[1:]),
            mode="upsert",
            key="name",
            delete_missing=True,
            where="n between 1 and 20",
        ),
        used={"Table": [[]]},
        rows={"Table": ROWS[1:]},
        is_variant=True,
    ),
    Scenario(
        "append with a new column",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world,
            [row | {"real": 0.5} for row in world.rows(NEW_ROWS)],
            new_columns="add",
        ),
        used={"Table": [[]]},
        is_variant=True,
    ),
    Scenario(
        "append to a new table",
        SynapseTableStoreOperator,
        lambda world: {
            "rows": world.csv("rows.csv", NEW_ROWS),
            "create": True,
            "parent_id": world.project,
            "name": "Table",
            "chunk_rows": 2,
        },
        used={"Table": [[]]},
        rows={"Table": NEW_ROWS},
        is_variant=True,
    ),
    Scenario(
        "replace by a list",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(NEW_ROWS), mode="replace"),
        used={"Table": [[]]},
        rows={"Table": NEW_ROWS},
        is_variant=True,
    ),
    Scenario(
        "replace by a file",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world,
            world.csv("rows.csv", NEW_ROWS),
            mode="replace",
            lineage_mode="off",
            used=[world.put("raw.txt")],
        ),
        used={"Table": [["raw.txt.1"]], **RAW},
        rows={"Table": NEW_ROWS},
    ),
]


def view(world: World, *columns: Column) -> str:
    types = [EntityViewType.FILE]
    world.put("raw.txt")
    schema = EntityViewSchema(
        "View",
        parent=world.project,
        scopes=[world.project],
        includeEntityTypes=types,
        addDefaultViewColumns=False,
        addAnnotationColumns=False,
        columns=[Column(name="name", columnType="STRING", maximumSize=256), *columns],
    )
    return world.syn.store(schema).id


def snapshot_of(world: World, *labels: str) -> str:
    table = world.table(ROWS)
    for label in labels:
        world.syn.create_snapshot_version(table, label=label)
    return table


SNAPSHOTS = [
    Scenario(
        "snapshot of a table",
        SynapseTableSnapshotOperator,
        lambda world: {"table_id": snapshot_of(world)},
        used={"Table": [[], None]},
    ),
    Scenario(
        "snapshot with label and comment, without lineage",
        SynapseTableSnapshotOperator,
        lambda world: {
            "table_id": snapshot_of(world, "first"),
            "version_label": "{{ run_id }}",
            "version_comment": "nightly",
            "lineage_mode": "off",
        },
        used={"Table": [None, None, None]},
    ),
    Scenario(
        "snapshot with retain",
        SynapseTableSnapshotOperator,
        lambda world: {
            "table_id": snapshot_of(world, "n1", "n2", "other", "n3"),
            "label_prefix": "n",
            "version_label": "4",
            "retain": 2,
        },
        used={"Table": [None, None, [], None]},
    ),
    Scenario(
        "snapshot of a view",
        SynapseTableSnapshotOperator,
        lambda world: {"table_id": view(world)},
        used={"View": [[], None], **RAW},
    ),
    Scenario(
        "deferred snapshot of a view",
        SynapseTableSnapshotOperator,
        lambda world: {
            "table_id": view(world),
            "deferrable": True,
            "poll_interval": 0.02,
            "if_unchanged": "skip",
        },
        used={"View": [[], None], **RAW},
    ),
    Scenario(
        "snapshot of an unchanged table",
        SynapseTableSnapshotOperator,
        lambda world: {"table_id": snapshot_of(world, "first"), "if_unchanged": "skip"},
        used={"Table": [None, None]},
        state="skipped",
    ),
]

REUSED = {"version_label": "first", "if_unchanged": "reuse"}
DEFERRED = {"deferrable": True, "poll_interval": 0.02}
DEFERRALS = [
    Scenario(
        "snapshot that is used again",
        SynapseTableSnapshotOperator,
        lambda world: {"table_id": snapshot_of(world, "first", "second"), **REUSED},
        used={"Table": [None, None, None]},
    ),
    Scenario(
        "deferred snapshot with reuse of a new label",
        SynapseTableSnapshotOperator,
        lambda world: {"table_id": snapshot_of(world, "other"), **REUSED, **DEFERRED},
        used={"Table": [None, [], None]},
        is_variant=True,
    ),
    Scenario(
        "deferred query",
        SynapseTableQueryOperator,
        lambda world: query(world, output_path=str(world.targets / "rows.jsonl"), **DEFERRED),
        used={"Table": [None]},
        is_variant=True,
    ),
    Scenario(
        "deferred append",
        SynapseTableStoreOperator,
        lambda world: store_rows(world, world.rows(NEW_ROWS), **DEFERRED),
        used={"Table": [[]]},
        rows={"Table": [*ROWS, *NEW_ROWS]},
        is_variant=True,
    ),
    Scenario(
        "deferred upsert",
        SynapseTableStoreOperator,
        lambda world: store_rows(
            world, world.rows(UPSERT_ROWS), mode="upsert", key="name", **DEFERRED
        ),
        used={"Table": [[]]},
        rows={"Table": UPSERTED},
        is_variant=True,
    ),
]

ANNOTATIONS = [
    Scenario(
        "annotate",
        SynapseAnnotateOperator,
        lambda world: {
            "entities": [world.put("raw.txt"), world.put("b.txt"), world.project],
            "annotations": {"kind": ["raw", "x"], "n": 1},
        },
        used={"raw.txt": [None], "b.txt": [None]},
    ),
    Scenario(
        "annotate through a view",
        SynapseTableStoreOperator,
        lambda world: {
            "table_id": view(world, Column(name="n", columnType="INTEGER")),
            "rows": [{"id": world.put("raw.txt"), "n": 1}, {"id": world.put("b.txt"), "n": 2}],
            "mode": "upsert",
        },
        used={"View": [None], "raw.txt": [None, None], "b.txt": [None]},
    ),
]


def put_report(world: World, markdown: str) -> str:
    """Store a report with an attachment outside Airflow, and return the ID of its owner."""
    root = world.syn.store(Wiki(owner=world.project, title="Home"))
    world.syn.store(
        Wiki(
            owner=world.project,
            title="Report",
            markdown=markdown,
            parentWikiId=root.id,
            attachments=[world.file("curve.png", "old")],
        )
    )
    return world.project


WIKIS = [
    Scenario(
        "write a new root page",
        SynapseWikiOperator,
        lambda world: {"entity_id": world.project, "markdown": "# {{ dag.dag_id }}"},
        is_variant=True,
    ),
    Scenario(
        "write a new sub-page with an image",
        SynapseWikiOperator,
        lambda world: {
            "entity_id": world.project,
            "title": "Report",
            "markdown": "![Curve](curve.png)",
            "attachments": [world.file("curve.png")],
            "used": [world.put("raw.txt")],
        },
        used=RAW,
    ),
    Scenario(
        "write a new version of a page",
        SynapseWikiOperator,
        lambda world: {
            "entity_id": put_report(world, "old"),
            "title": "Report",
            "markdown": "new",
            "attachments": [world.file("curve.png", "new")],
        },
    ),
]


def copy(world: World) -> dict[str, str]:
    """Put a file and a table into a folder; return the arguments that copy it."""
    source = world.container("source")
    for entity in (world.put("raw.txt"), world.table(ROWS)):
        world.syn.move(entity, source)
    return {"entity_id": source, "parent_id": world.project, "name": "copy"}


GRANTS = {"bob": ["READ"], "authenticated": ["READ"]}
ENTITIES = [
    Scenario(
        "set permissions",
        SynapseSetPermissionsOperator,
        lambda world: {"entity_id": world.project, "grants": GRANTS},
    ),
    Scenario(
        "set permissions of a new access control list",
        SynapseSetPermissionsOperator,
        lambda world: {
            "entity_id": world.put("raw.txt"),
            "grants": GRANTS,
            "if_inherited": "create",
        },
        used=RAW,
        is_variant=True,
    ),
    Scenario(
        "copy a folder",
        SynapseCopyOperator,
        copy,
        used={
            "source/raw.txt": [None],
            "source/Table": [None],
            "copy/raw.txt": [["source/raw.txt.1"]],
            "copy/Table": [["source/Table.1"]],
        },
        rows={"copy/Table": ROWS},
        is_variant=True,
    ),
    Scenario(
        "move a file",
        SynapseMoveOperator,
        lambda world: {"entity_id": world.put("raw.txt"), "parent_id": world.container("archive")},
        used={"archive/raw.txt": [None]},
    ),
    Scenario(
        "delete a file",
        SynapseDeleteOperator,
        lambda world: {"entity_id": world.named(world.put("raw.txt"), "deleted file")},
    ),
    Scenario(
        "delete a version",
        SynapseDeleteOperator,
        lambda world: {"entity_id": world.put("raw.txt", "one", "two"), "version": 2},
        used=RAW,
        is_variant=True,
    ),
]


def submit(world: World, number: int, *, expired: int = 0, cancelled: int = 0) -> str:
    """Submit; let claims of another task on the first submissions expire; cancel the next ones."""
    queue = world.queue
    submissions = queue.submit(number)
    for submission in submissions[:expired]:
        queue.update(submission, status="EVALUATION_IN_PROGRESS")
        queue.annotate(submission, claim_id=("STRING", "x"), claimed_by=("STRING", "other"))
        queue.expire(submission)
    for submission in submissions[expired : expired + cancelled]:
        queue.cancel(submission)
    return queue.id


CLAIMS = [
    Scenario(
        "claim submissions",
        SynapseClaimSubmissionsOperator,
        lambda world: {"evaluation_id": submit(world, 4), "max_claims": 3},
        used=SUBMITTED,
    ),
    Scenario(
        "claim expired and cancelled submissions",
        SynapseClaimSubmissionsOperator,
        lambda world: {"evaluation_id": submit(world, 4, expired=1, cancelled=1), "max_claims": 2},
        used=SUBMITTED,
    ),
    Scenario(
        "claim submissions within the limit of a submitter",
        SynapseClaimSubmissionsOperator,
        lambda world: {"evaluation_id": submit(world, 4, expired=1), "max_per_submitter": 3},
        used=SUBMITTED,
    ),
    Scenario(
        "reap submissions",
        SynapseReapSubmissionsOperator,
        lambda world: {"evaluation_id": submit(world, 3, expired=2)},
        used=SUBMITTED,
    ),
    Scenario(
        "mark submissions",
        SynapseReapSubmissionsOperator,
        lambda world: {"evaluation_id": submit(world, 3, expired=2), "on_expired": "mark"},
        used=SUBMITTED,
        is_variant=True,
    ),
]

SCORE_SCRIPT = """
import json, sys
predictions = open(sys.argv[2]).read().splitlines()
json.dump({"lines": len(predictions)}, open(sys.argv[6], "w"))
print("SCORED")
"""


def score(world: World, **arguments):
    return {
        "submission": world.submit(),
        "scorer": scoring_functions.count_lines,
        "goldstandard_id": world.put("goldstandard.csv", "right"),
        "results_parent_id": world.project,
        **arguments,
    }


def score_script(world: World) -> str:
    path = Path(world.file("score.py"))
    path.write_text(SCORE_SCRIPT)
    return str(path)


SCORED = ["predictions.csv.1", "goldstandard.csv.1"]
SOURCES = {"predictions.csv": [None], "goldstandard.csv": [None]}
RESULTS = {"{submission}/log.txt": [SCORED], "{submission}/results.json": [SCORED]}
SCORES = [
    Scenario(
        "score by a function",
        SynapseScoreSubmissionOperator,
        lambda world: score(world, validator=scoring_functions.require_header),
        used=SOURCES | RESULTS,
        statuses=["SCORED"],
    ),
    Scenario(
        "score by a command",
        SynapseScoreSubmissionOperator,
        lambda world: score(world, scorer=score_script(world)),
        used=SOURCES | RESULTS,
        statuses=["SCORED"],
    ),
    Scenario(
        "score an invalid submission",
        SynapseScoreSubmissionOperator,
        lambda world: score(world, validator=scoring_functions.reject, store=["results"]),
        used=SOURCES | {"{submission}/results.json": [SCORED]},
        statuses=["INVALID"],
        is_variant=True,
    ),
    Scenario(
        "score with an invalid result",
        SynapseScoreSubmissionOperator,
        lambda world: score(world, scorer=scoring_functions.return_nan),
        used=SOURCES,
        statuses=["RECEIVED"],
        state="failed",
        is_variant=True,
    ),
]


def sync_to(world: World, **arguments):
    """Upload a directory with a changed file, a new file and a new folder."""
    world.put("a.txt", "old")
    world.file("a.txt", "new")
    (world.folder / "files/sub").mkdir()
    for name in ("b.txt", "sub/c.txt"):
        world.file(name, name)
    source = str(world.folder / "files")
    return {"direction": "to_synapse", "source": source, "target": world.project, **arguments}


def sync_manifest(world: World):
    """Upload two files by a manifest; the second file uses the first one."""
    raw = world.put("raw.txt")
    for name in ("a.txt", "b.txt"):
        world.file(name, name)
    rows = [["path", "parent", "used", "n"]]
    rows += [["a.txt", world.project, raw, "1"], ["b.txt", world.project, "a.txt", "1"]]
    manifest = world.folder / "manifest.tsv"
    manifest.write_text("".join("\t".join(row) + "\n" for row in rows))
    source = str(world.folder / "files")
    ends = {"direction": "to_synapse", "source": source, "target": world.project}
    return {**ends, "manifest_path": str(manifest)}


def sync_extra(world: World):
    """Upload a directory, and delete a file and a folder that it does not have."""
    world.put("gone.txt")
    (world.folder / "files/gone.txt").unlink()
    world.syn.store(Folder("gone", parent=world.project))
    world.file("a.txt")
    return {"source": str(world.folder / "files"), "target": world.project}


def sync_from(world: World):
    """Download to a directory with a changed file and an extra file."""
    for name in ("a.txt", "b.txt", "c.txt"):
        world.put(name, name)
    (world.targets / "a.txt").write_text("other")
    (world.targets / "extra.txt").write_text("extra")
    ends = {"direction": "from_synapse", "source": world.project, "target": str(world.targets)}
    return {**ends, "delete_extra": True}


SYNCS = [
    Scenario(
        "sync to Synapse",
        SynapseSyncOperator,
        sync_to,
        used={"a.txt": [None, []], "b.txt": [[]], "sub/c.txt": [[]]},
    ),
    Scenario(
        "sync to Synapse by a manifest",
        SynapseSyncOperator,
        sync_manifest,
        used={"a.txt": [["raw.txt.1"]], "b.txt": [["a.txt.1"]], **RAW},
        is_variant=True,
    ),
    Scenario(
        "sync to Synapse and delete extra files",
        partial(tasks.create_task, tasks.sync_and_delete),
        sync_extra,
        used={"a.txt": [[]]},
        is_variant=True,
    ),
    Scenario(
        "sync from Synapse",
        SynapseSyncOperator,
        sync_from,
        used={"a.txt": [None], "b.txt": [None], "c.txt": [None]},
    ),
]

SCENARIOS = [
    *GETS,
    *STORES,
    *SYNCS,
    *CODE,
    *QUERIES,
    *TABLES,
    *SNAPSHOTS,
    *DEFERRALS,
    *ANNOTATIONS,
    *ENTITIES,
    *WIKIS,
    *CLAIMS,
    *SCORES,
]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Service without a recorder; its requests are validated by other tests."""
    with over_socket(tmp_path_factory.mktemp("kill-matrix")) as service:
        yield service


@pytest.fixture(scope="module")
def client(service, tmp_path_factory):
    cache = tmp_path_factory.mktemp("kill-matrix-cache")
    with service.client(cache_root_dir=str(cache)) as syn:
        yield syn


@pytest.fixture
def worlds(service, client, tmp_path):
    def create():
        for number in NUMBERS:
            folder = tmp_path / str(number)
            folder.mkdir()
            yield World(service, client, folder, number)

    return create()


@pytest.mark.timeout(600 if EXTENT == "sample" else 3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "-"))
def test_retry_of_a_killed_worker_has_the_outcome_of_an_undisturbed_run(
    scenario, worlds, subtests
):
    matrix = KillMatrix(scenario, worlds)
    outcome = matrix.run()
    scenario.check(outcome)
    points = select_kill_points(scenario, matrix.trace, EXTENT)
    for number, point in enumerate(points):
        with subtests.test(kill_point=str(tuple(point))):
            assert matrix.run_killed(point, moved=number % 2 == 1) == outcome
