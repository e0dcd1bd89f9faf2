"""Call patterns of tables and annotations, as they are found in scripts of users of Synapse.

`python table_patterns.py synapseclient < arguments.json` runs all patterns with a client: the
module named by the argument. Each pattern is a function of the client, its module and the ID of a
folder of its own; its result contains no IDs, so that the results of two clients can be compared.
"""

import json
import sys
import tempfile
import traceback
from datetime import date, datetime, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

FRAME = pd.DataFrame(
    {
        "sample": ["s1", 's"2', "s,3", "s\n4"],
        "reads": [10, 20, 30, 40],
        "score": [0.5, None, 1e-7, -3.25],
        "passed": [True, False, True, False],
    }
)


def read(syn, sql, **options):
    """Return the columns, labels and values of a query, as JSON values."""
    frame = syn.tableQuery(sql, **options).asDataFrame()
    return {
        "columns": [str(name) for name in frame.columns],
        "labels": [str(label) for label in frame.index],
        "rows": json.loads(frame.to_json(orient="values")),
    }


def read_all(syn, table):
    return read(syn, f"select * from {table} order by ROW_ID")


def make_table(syn, api, parent, *columns, rows=()):
    """Store a table; columns are pairs of name and type."""
    described = [api.Column(name=name, columnType=kind) for name, kind in columns]
    schema = syn.store(api.Schema("table", described, parent=parent))
    if rows:
        syn.store(api.Table(schema.id, rows))
    return schema


def make_metrics(syn, api, parent, rows=()):
    columns = (("run", "STRING"), ("epoch", "INTEGER"), ("loss", "DOUBLE"))
    return make_table(syn, api, parent, *columns, rows=rows)


def store_new_frame(syn, api, parent):
    table = syn.store(
        import_module(f"{api.__name__}.table").build_table("t", parent, FRAME)
        if api.__name__ == "synapseclient"
        else api.build_table("t", parent, FRAME)
    )
    types = [[one["name"], one["columnType"]] for one in syn.getTableColumns(table.tableId)]
    return [types, read_all(syn, table.tableId)]


def append_metrics_by_id(syn, api, parent):
    schema = make_metrics(syn, api, parent)
    for epoch in range(3):
        syn.store(api.Table(schema.id, [["first", epoch, 1 / (epoch + 1)]]))
    syn.store(api.Table(schema.id, [["second", None, None], ["third", 7, 3]]))
    return read_all(syn, schema.id)


def append_numpy_metrics(syn, api, parent):
    schema = make_metrics(syn, api, parent)
    losses = np.array([0.5, 0.25])
    syn.store(api.Table(schema.id, [[f"run {n}", n, loss] for n, loss in enumerate(losses)]))
    syn.store(api.Table(schema.id, [[losses[0], np.int64(4), np.float32(0.5)]]))
    return read_all(syn, schema.id)


def append_scalars_as_text(syn, api, parent):
    schema = make_table(syn, api, parent, ("text", "STRING"), ("n", "INTEGER"))
    values = [Decimal("1.10"), Decimal(12345678901234567890), date(2021, 1, 2), np.float64(3.25),
              np.str_("x"), 5]  # fmt: skip
    syn.store(api.Table(schema.id, [[value, 1] for value in values]))
    return read_all(syn, schema.id)


def append_frame_with_some_columns(syn, api, parent):
    schema = make_metrics(syn, api, parent)
    frame = pd.DataFrame({"loss": [0.5, None], "run": ["a", None]})
    syn.store(api.Table(schema.id, frame))
    syn.store(api.Table(syn.get(schema.id), frame))
    syn.store(api.Table(schema, frame))
    return read_all(syn, schema.id)


def append_mapping_of_columns(syn, api, parent):
    schema = make_metrics(syn, api, parent)
    columns = {"epoch": [1, 2], "run": ["a", "b"], "loss": [0.5, float("nan")]}
    syn.store(api.Table(schema.id, columns))
    syn.store(api.Table(schema, columns))
    return read_all(syn, schema.id)


def append_booleans(syn, api, parent):
    schema = make_table(syn, api, parent, ("yes", "BOOLEAN"), ("n", "INTEGER"))
    syn.store(api.Table(schema.id, [[True, 1], [False, 2], [None, 3]]))
    syn.store(api.Table(schema.id, pd.DataFrame({"yes": [True, None], "n": [1.0, None]})))
    return read_all(syn, schema.id)


def append_dates(syn, api, parent):
    schema = make_table(syn, api, parent, ("when", "DATE"), ("n", "INTEGER"))
    syn.store(api.Table(schema.id, [[1609459200000, 1], [None, 2], ["2021-01-01", 3]]))
    moments = [datetime(2021, 1, 1, 12, tzinfo=timezone.utc), None]  # noqa: UP017 - old Python
    columns = [api.Column(name="when", columnType="DATE")]
    new = api.Schema("dates", columns, parent=parent)
    stored = syn.store(api.Table(new, pd.DataFrame({"when": pd.Series(moments)})))
    return [read_all(syn, schema.id), read_all(syn, stored.tableId)["rows"][0]]


def append_csv_file(syn, api, parent):
    schema = make_metrics(syn, api, parent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.csv"
        path.write_text('loss,run,epoch\n0.5,5" pipe,1\n,6" pipe,2\n1,"a, ""b""",\n')
        syn.store(api.Table(schema.id, str(path)))
        path.write_text('run\tepoch\tloss\n"a\tb"\t1\t0.5\nx"\t2\t\n')
        syn.store(api.Table(schema.id, str(path), separator="\t"))
        path.write_text("run,epoch\nonly two,3\n")
        syn.store(api.Table(schema, str(path)))
    return read_all(syn, schema.id)


def update_cells_of_frame(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["a", 1, 0.5], ["b", 2, 0.25], ["c", 3, None]])
    rows = syn.tableQuery(f"select * from {schema.id} order by ROW_ID").asDataFrame()
    rows.loc[rows["run"] == "b", "loss"] = 9.0
    syn.store(api.Table(schema.id, rows))
    some = syn.tableQuery(f"select run from {schema.id} where epoch = 1").asDataFrame()
    some["run"] = "first"
    syn.store(api.Table(schema, some))
    return read_all(syn, schema.id)


def update_and_append_frame(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["a", 1, 0.5], ["b", 2, 0.25]])
    rows = syn.tableQuery(f"select * from {schema.id} order by ROW_ID").asDataFrame()
    rows["epoch"] += 10
    syn.store(api.Table(schema.id, rows))
    syn.store(api.Table(schema.id, pd.DataFrame({"run": ["c"], "epoch": [3], "loss": [0.1]})))
    return read_all(syn, schema.id)


def update_partial_rows(syn, api, parent):
    partial = import_module("synapseclient.table") if api.__name__ == "synapseclient" else api
    schema = make_metrics(syn, api, parent, rows=[["a", 1, 0.5], ["b", 2, 0.25]])
    result = syn.tableQuery(f"select * from {schema.id} order by ROW_ID", resultsAs="rowset")
    changes = {1: {"loss": 7.5}, 2: {"run": "changed", "epoch": 5}}
    syn.store(partial.PartialRowset.from_mapping(changes, result))
    return read_all(syn, schema.id)


def delete_and_reload(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["old", n, 0.5] for n in range(5)])
    syn.delete(syn.tableQuery(f"select * from {schema.id}"))
    empty = read_all(syn, schema.id)["rows"]
    syn.store(api.Table(schema.id, [["new", 1, 0.25]]))
    return [empty, read_all(syn, schema.id)]


def delete_by_frame(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["a", n, 0.5] for n in range(6)])
    rows = syn.tableQuery(f"select ROW_ID, ROW_VERSION from {schema.id} where epoch < 2")
    frame = rows.asDataFrame()
    syn.delete(api.Table(schema.id, frame))
    first = [list(frame.index), read_all(syn, schema.id)]
    rows = syn.tableQuery(f"select * from {schema.id} where epoch > 4").asDataFrame()
    syn.delete(api.Table(schema, rows))
    return [first, read_all(syn, schema.id)]


def delete_by_frame_with_row_ids(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["a", n, 0.5] for n in range(6)])
    result = syn.tableQuery(f"select * from {schema.id} order by ROW_ID")
    rows = result.asDataFrame(rowIdAndVersionInIndex=False)
    syn.delete(api.Table(schema.id, rows[["ROW_ID", "ROW_VERSION"]].head(4)))
    return read_all(syn, schema.id)


def filter_and_aggregate(syn, api, parent):
    rows = [["a", 1, 0.5], ["a", 2, 0.25], ["b", 1, None], ["b", 2, 4]]
    table = make_metrics(syn, api, parent, rows=rows).id
    best = read(syn, f"select run, min(loss) as best from {table} group by run order by run")
    page = syn.tableQuery(f"select * from {table} where loss > 0.3", resultsAs="rowset")
    return [
        best["columns"], best["rows"],
        read(syn, f"select run, epoch from {table} where loss is null"),
        read(syn, f"select * from {table} where run in ('a') order by epoch desc limit 1"),
        [row["values"] for row in page],
        read(syn, f"select * from {table} where run = 'none'")["rows"],
    ]  # fmt: skip


def iterate_csv_rows(syn, api, parent):
    table = make_metrics(syn, api, parent, rows=[["a", 1, 0.5], ["b", None, 0.25]]).id
    result = syn.tableQuery(f"select * from {table} order by ROW_ID")
    pairs = [[row[2], row[3], row[4]] for row in result]
    return [pairs, [one.row_id for one in result.iter_row_metadata()]]


def snapshot_and_continue(syn, api, parent):
    schema = make_metrics(syn, api, parent, rows=[["a", 1, 0.5]])
    number = syn.create_snapshot_version(schema.id, comment="first", label="v1")
    syn.store(api.Table(schema.id, [["b", 2, 0.25]]))
    return [number, read_all(syn, f"{schema.id}.{number}"), read_all(syn, schema.id)]


def list_cells(syn, api, parent):
    schema = make_table(syn, api, parent, ("tags", "STRING_LIST"), ("n", "INTEGER_LIST"))
    syn.store(api.Table(schema.id, [['["a", "b"]', "[1, 2]"], [None, "[3]"]]))
    # Frames of the official client have empty lists instead of nulls.
    rows = syn.tableQuery(f"select * from {schema.id} order by ROW_ID", resultsAs="rowset")
    return [row["values"] for row in rows]


def annotate_folder(syn, api, parent):
    values = {"assay": "rnaSeq", "reads": [1, 2], "score": 0.5, "passed": True,
              "day": datetime(2021, 1, 2, tzinfo=timezone.utc)}  # noqa: UP017 # fmt: skip
    folder = syn.store(api.Folder("annotated", parent=parent, annotations=values))
    current = syn.get_annotations(folder.id)
    current["more"] = ["x", "y"]
    del current["reads"]
    stored = syn.set_annotations(current)
    again = syn.get(folder.id)
    again["score"] = [np.float64(0.75).item()]
    syn.store(again)
    return [json.loads(json.dumps(one, default=str, sort_keys=True))
            for one in (dict(stored), dict(syn.get_annotations(folder.id)))]  # fmt: skip


PATTERNS = (
    store_new_frame, append_metrics_by_id, append_numpy_metrics, append_scalars_as_text,
    append_frame_with_some_columns, append_mapping_of_columns, append_booleans, append_dates,
    append_csv_file, update_cells_of_frame, update_and_append_frame, update_partial_rows,
    delete_and_reload, delete_by_frame, delete_by_frame_with_row_ids, filter_and_aggregate,
    iterate_csv_rows, snapshot_and_continue, list_cells, annotate_folder,
)  # fmt: skip


def main(module):
    arguments = json.load(sys.stdin)
    api = import_module(module)
    syn = api.Synapse(
        configPath=arguments["config"], cache_root_dir=arguments["cache"], silent=True
    )
    syn.login(silent=True)
    project = syn.store(api.Project(arguments["project"]))
    results = {}
    for pattern in PATTERNS:
        folder = syn.store(api.Folder(pattern.__name__, parent=project))
        try:
            results[pattern.__name__] = pattern(syn, api, folder.id)
        except Exception:  # noqa: BLE001 - reported by the test of the pattern
            results[pattern.__name__] = {"error": traceback.format_exc()}
    sys.stdout.write("\n" + json.dumps(results) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
