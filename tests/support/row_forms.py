"""One set of rows in every form that can be stored in a table."""

import gzip
import json
import math
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from synapse_workflows import Column
from synapse_workflows.idempotency.local_files import LocalFile
from synapse_workflows.idempotency.row_formats import open_rows
from synapse_workflows.idempotency.row_source import STANDARD_CSV, TSV

KINDS = {
    "word": "STRING",
    "n": "INTEGER",
    "x": "DOUBLE",
    "on": "BOOLEAN",
    "at": "DATE",
    "words": "STRING_LIST",
    "doc": "JSON",
    "money": "LARGETEXT",
}
COLUMNS = [Column(name=name, columnType=kind) for name, kind in KINDS.items()]
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
CELLS = {
    "word": TEXTS,
    "n": st.integers(-(2**63), 2**63 - 1),
    "x": st.floats(allow_nan=False),
    "on": st.booleans(),
    "at": MOMENTS,
    "words": st.lists(TEXTS, min_size=1, max_size=3),
    "doc": st.dictionaries(st.sampled_from("ab"), st.integers(0, 9), min_size=1, max_size=2),
    "money": st.decimals(-(10**12), 10**12, places=8, allow_nan=False),
}
ROWS = st.lists(
    st.tuples(*(st.none() | cells for cells in CELLS.values())).map(
        lambda row: dict(zip(CELLS, row, strict=True))
    ),
    min_size=1,
    max_size=5,
)


def to_text(value):
    """Text of a value in a file without types; None is null."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return value if value is None else format(value, "f" if isinstance(value, Decimal) else "")


def csv_text(rows, dialect=STANDARD_CSV):
    lines = [KINDS, *([to_text(value) for value in row.values()] for row in rows)]
    return "".join(dialect.format_row(list(line)) for line in lines)


def json_text(rows):
    """Rows as JSON lines, without nulls except for one column."""

    def convert(value):
        return to_text(value) if isinstance(value, Decimal | datetime) else value

    return "".join(
        json.dumps({k: convert(v) for k, v in row.items() if v is not None or k == "n"}) + "\n"
        for row in rows
    )


def to_arrow(rows):
    pa = pytest.importorskip("pyarrow")
    types = {
        "word": pa.string(),
        "n": pa.int64(),
        "x": pa.float64(),
        "on": pa.bool_(),
        "at": pa.timestamp("ms"),
        "words": pa.list_(pa.string()),
        "doc": pa.map_(pa.string(), pa.int64()),
        "money": pa.decimal128(30, 8),
    }
    return pa.Table.from_pylist(
        [row | {"doc": None if row["doc"] is None else list(row["doc"].items())} for row in rows],
        pa.schema(list(types.items())),
    )


def to_parquet(rows, path):
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(to_arrow(rows), path)
    return path


def to_polars(rows):
    pl = pytest.importorskip("polars")
    types = {
        "word": pl.String,
        "n": pl.Int64,
        "x": pl.Float64,
        "on": pl.Boolean,
        "at": pl.Datetime("ms"),
        "words": pl.List(pl.String),
        "doc": pl.String,
        "money": pl.Decimal(30, 8),
    }
    rows = [row | {"doc": to_text(row["doc"])} for row in rows]
    return pl.DataFrame(
        {name: pl.Series([row[name] for row in rows], dtype=kind) for name, kind in types.items()}
    )


def to_numpy(value):
    """The NumPy or pandas scalar of a value."""
    if isinstance(value, datetime):
        return np.datetime64(value, "ms")
    if isinstance(value, bool | int | float | str):
        return np.asarray(value)[()] if value != "" else value
    return np.array(value, dtype=object) if isinstance(value, list) else value


def inferred_frame(rows):
    """DataFrame with the types that pandas infers, but integers with nulls stay exact."""
    frame = pd.DataFrame(rows)
    if frame["n"].isna().any():
        frame["n"] = pd.Series([row["n"] for row in rows], dtype=object)
    return frame


def nullable_frame(rows):
    """DataFrame with the nullable types of pandas."""
    frame = pd.DataFrame(rows, columns=list(KINDS), dtype=object)
    return frame.astype({"word": "string", "n": "Int64", "x": "Float64", "on": "boolean"}).assign(
        at=pd.to_datetime(frame["at"])
    )


def write(path, text):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


MISSING = {"n": pd.NA, "at": pd.NaT, "x": math.nan, "on": np.nan, "word": None}
Named = NamedTuple("Named", [(name, Any) for name in KINDS])

#: Form -> (rows as dictionaries, directory) -> the arguments `rows` and `columns`.
FORMS = {
    "dictionaries": lambda rows, _: (rows, None),
    "optional fields": lambda rows, _: (
        [{name: value for name, value in row.items() if value is not None} for row in rows],
        list(KINDS),
    ),
    "other nulls": lambda rows, _: (
        [{k: MISSING.get(k) if v is None else v for k, v in row.items()} for row in rows],
        None,
    ),
    "numpy": lambda rows, _: ([{k: to_numpy(v) for k, v in r.items()} for r in rows], None),
    "aware datetimes": lambda rows, _: (
        [
            row
            | {
                "at": row["at"]
                and row["at"].replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5)))
            }
            for row in rows
        ],
        None,
    ),
    "tuples": lambda rows, _: ([tuple(row.values()) for row in rows], list(KINDS)),
    "lists": lambda rows, _: ([list(row.values()) for row in rows], tuple(KINDS)),
    "named tuples": lambda rows, _: ([Named(**row) for row in rows], None),
    "generator of dictionaries": lambda rows, _: ((row for row in rows), None),
    "generator of tuples": lambda rows, _: (map(tuple, map(dict.values, rows)), list(KINDS)),
    "pandas": lambda rows, _: (inferred_frame(rows), None),
    "pandas objects": lambda rows, _: (pd.DataFrame(rows, dtype=object), None),
    "pandas nullable": lambda rows, _: (nullable_frame(rows), None),
    "polars": lambda rows, _: (to_polars(rows), None),
    "arrow": lambda rows, _: (to_arrow(rows), None),
    "record batch": lambda rows, _: (to_arrow(rows).to_batches()[0], None),
    "parquet": lambda rows, path: (to_parquet(rows, path / "any name"), None),
    "csv": lambda rows, path: (write(path / "rows.csv", csv_text(rows)), None),
    "csv.gz": lambda rows, path: (write(path / "rows.csv.gz", csv_text(rows)), None),
    "tsv": lambda rows, path: (write(path / "rows.TSV", csv_text(rows, TSV)), None),
    "tsv.gz": lambda rows, path: (write(path / "rows.tsv.gz", csv_text(rows, TSV)), None),
    "jsonl": lambda rows, path: (write(path / "rows.jsonl", json_text(rows)), None),
    "ndjson.gz": lambda rows, path: (write(path / "rows.ndjson.gz", json_text(rows)), None),
    "files": lambda rows, path: (
        [
            write(path / f"{index}.csv", csv_text([row]))
            if index % 2
            else write(path / f"{index}.jsonl", json_text([row]))
            for index, row in enumerate(rows)
        ],
        None,
    ),
    "frames": lambda rows, _: ([pd.DataFrame([row]) for row in rows], None),
}


def read_rows(rows, columns=None, table_columns=COLUMNS, *, match_case=True):
    """Read rows as the operator does; return the rows by name, and the hash of the content."""
    with open_rows(rows, columns, lambda path: nullcontext(LocalFile(Path(path)))) as source:
        source.match_case = match_case
        source.bind_columns(table_columns)
        normalize = source.normalizer.normalize
        lines = [[normalize(*cell) for cell in enumerate(line)] for line in source.iter_rows()]
        assert source.content_md5() == source.content_md5()
        return [dict(zip(source.names, line, strict=True)) for line in lines]
