"""Property tests: rows of any type and column names of any text round-trip."""

import math
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows import Column, PartialRowset, Project, Schema, Synapse, Table
from synapse_workflows.constants import ColumnType

#: Any UTF-8 text of at most 50 UTF-16 units, and text with a special meaning in CSV, JSON or SQL.
TEXT = st.text(st.characters(codec="utf-8"), max_size=25) | st.sampled_from(
    ["", " ", '"', '""', "'", "\\", '\\"', '"\\', ",", "\n", "\r", "\r\n", "\t", "\0", "\ufeff",
     "null", "NULL", "NaN", "None", "true", "1", "01", "1.0", "1e5", "[]", '["a"]', "{}", "syn1",
     "ROW_ID", "%", "_", "--", ";", "é", "e\u0301", "😀" * 25, "x" * 50, "\u2028"]
)  # fmt: skip
LARGE = TEXT | st.sampled_from(["line\r\n" * 2_000, '"' * 2_000, "é" * 20_000])
LONG = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 2**53 + 1, -(2**63), 2**63 - 1])
IDS = st.integers(1, 10**12)
SYNAPSE_IDS = IDS.map("syn{}".format)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
#: Dates outside the range of Python's datetime are numbers.
DATES = MOMENTS | st.sampled_from([10**15, -(10**15)])
NUMBERS = st.floats(allow_nan=False) | st.sampled_from(
    [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 1e-7, 123456789.0]
)
SCALARS = (
    TEXT | LONG | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.dictionaries(TEXT, SCALARS | st.lists(SCALARS, max_size=3), max_size=3)


def lists(of):
    """Return a strategy of non-empty lists; Synapse stores an empty list as null."""
    return st.lists(of, min_size=1, max_size=4)


VALUES = {
    "STRING": TEXT,
    "LARGETEXT": LARGE,
    "MEDIUMTEXT": TEXT,
    "LINK": TEXT,
    "INTEGER": LONG,
    "DOUBLE": NUMBERS,
    "BOOLEAN": st.booleans(),
    "DATE": DATES,
    "ENTITYID": SYNAPSE_IDS,
    "USERID": IDS.map(str),
    "SUBMISSIONID": IDS.map(str),
    "EVALUATIONID": IDS.map(str),
    "JSON": DOCUMENTS | lists(SCALARS | DOCUMENTS) | st.just([]),
    "STRING_LIST": lists(TEXT),
    "INTEGER_LIST": lists(LONG),
    "BOOLEAN_LIST": lists(st.booleans()),
    "DATE_LIST": lists(DATES),
    "ENTITYID_LIST": lists(SYNAPSE_IDS),
    "USERID_LIST": lists(IDS),
}
RESERVED = {
    "ROW_ID", "ROW_VERSION", "ROW_ETAG", "ROW_BENEFACTOR", "ROW_SEARCH_CONTENT", "ROW_HASH_CODE",
}  # fmt: skip
NAMES = (
    (
        st.text(
            st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.sampled_from(" \n\t"),
            max_size=15,
        ).map(str.strip)
        | st.sampled_from(
            ["select", "from syn1", 'a "b"', "it's", "a,b", "1", "\\", "null", "x" * 256, "😀 é",
             "ROW", "order by", "count(*)", "a;--", "[x]", "`"]
        )
    )
    .filter(lambda name: name and name.upper() not in RESERVED)
)  # fmt: skip


@st.composite
def tables(draw, column_types=None):
    """Generate columns and rows.

    Args:
        draw: The draw function of hypothesis.
        column_types: Types of the columns; None for up to four random types.
    """
    if column_types is None:
        column_types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    count = len(column_types)
    names = draw(st.lists(NAMES, min_size=count, max_size=count, unique_by=str.casefold))
    columns = [Column(name=n, columnType=t) for n, t in zip(names, column_types, strict=True)]
    row = st.tuples(*(st.none() | VALUES[one] for one in column_types)).map(list)
    return columns, draw(st.lists(row, min_size=1, max_size=6))


EVERY_TYPE = tables(sorted(VALUES))


@pytest.fixture(scope="module")
def syn_and_project(in_process_service, tmp_path_factory):
    """A client, and a project for the tables of this module."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn, syn.store(Project(f"properties {uuid4()}"))


def store_table(syn: Synapse, project: Project, columns, rows):
    """Store a table, and return its ID and a query of all rows."""
    table = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows))
    return table.tableId, f"select * from {table.tableId} order by ROW_ID"


def get_values(syn: Synapse, sql: str):
    return [row[2:] for row in syn.tableQuery(sql)]


def test_values_cover_every_column_type():
    """Except FILEHANDLEID, which needs uploaded files and has its own test."""
    assert set(VALUES) == set(ColumnType) - {ColumnType.FILEHANDLEID}


def assert_round_trips(syn: Synapse, project: Project, columns, rows):
    """Check that rows are read as they were stored, in any format, and after storing again."""
    table, sql = store_table(syn, project, columns, rows)
    for dialect in ({}, {"separator": ";", "quoteCharacter": "'", "header": False}):
        assert [row[2:] for row in syn.tableQuery(sql, **dialect)] == rows
    pages = syn.tableQuery(sql, resultsAs="rowset")
    assert [row["values"] for row in pages] == rows
    syn.store(Table(table, syn.tableQuery(sql).asRowSet()))
    assert get_values(syn, sql) == rows
    quoted = ", ".join('"{}"'.format(column["name"].replace('"', '""')) for column in columns)
    assert get_values(syn, f"select {quoted} from {table} order by ROW_ID") == rows
    result = syn.tableQuery(sql)
    cells = dict(zip((column["name"] for column in columns), rows[-1], strict=True))
    syn.store(PartialRowset.from_mapping({1: cells}, result))
    assert get_values(syn, sql) == [rows[-1], *rows[1:]]


@settings(max_examples=8)
@given(tables())
def test_any_table_round_trips(syn_and_project, table):
    assert_round_trips(*syn_and_project, *table)


@settings(max_examples=4)
@given(EVERY_TYPE)
def test_table_of_all_types_round_trips(syn_and_project, table):
    assert_round_trips(*syn_and_project, *table)


@settings(max_examples=6)
@given(tables() | EVERY_TYPE, st.booleans(), st.booleans())
def test_any_table_round_trips_as_frame(syn_and_project, table, in_index, is_known):
    """The frame is stored in the same table, given by schema or ID, and in a new table."""
    pytest.importorskip("pandas")
    syn, project = syn_and_project
    columns, rows = table
    table_id, sql = store_table(syn, project, columns, rows)
    frame = syn.tableQuery(sql).asDataFrame(rowIdAndVersionInIndex=in_index)
    syn.store(Table(syn.get(table_id) if is_known else table_id, frame))
    assert get_values(syn, sql) == rows
    again = syn.tableQuery(sql, resultsAs="rowset").asDataFrame()
    _, copy_sql = store_table(syn, project, columns, again)
    assert get_values(syn, copy_sql) == rows


def test_nan_round_trips(syn_and_project):
    syn, project = syn_and_project
    _, sql = store_table(
        syn, project, [Column(name="x", columnType="DOUBLE")], [[math.nan], [None]]
    )
    first, second = get_values(syn, sql)
    assert math.isnan(first[0])
    assert second == [None]


def test_file_handle_ids_round_trip(syn_and_project, tmp_path):
    syn, project = syn_and_project
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(str(uuid4()))
    handles = [syn.uploadFileHandle(str(path), project)["id"] for path in paths]
    rows = [[handles[0]], [None], [handles[1]], [handles[0]]]
    assert_round_trips(syn, project, [Column(name="a file", columnType="FILEHANDLEID")], rows)
