"""Any table survives write, query, and write again, whatever is in its cells and names."""

import math
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows import Column, PartialRowset, Project, Schema, Synapse, Table
from synapse_workflows.constants import ColumnType

#: All that UTF-8 can hold, and what CSV, JSON or SQL might take for something else.
TEXT = st.text(st.characters(codec="utf-8"), max_size=50) | st.sampled_from(
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
#: Dates that lie beyond those of Python stay numbers.
DATES = MOMENTS | st.sampled_from([10**15, -(10**15)])
NUMBERS = st.floats(allow_nan=False) | st.sampled_from(
    [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 1e-7, 123456789.0]
)
SCALARS = (
    TEXT | LONG | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.dictionaries(TEXT, SCALARS | st.lists(SCALARS, max_size=3), max_size=3)


def lists(of):
    """Lists with something in them: an empty one is null for Synapse."""
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
def tables(draw, kinds=None):
    """A schema's columns, and rows of them.

    Args:
        draw: Given by hypothesis.
        kinds: Types of the columns; a few of any type where nothing is said.
    """
    if kinds is None:
        kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    count = len(kinds)
    names = draw(st.lists(NAMES, min_size=count, max_size=count, unique_by=str.casefold))
    columns = [Column(name=n, columnType=kind) for n, kind in zip(names, kinds, strict=True)]
    row = st.tuples(*(st.none() | VALUES[kind] for kind in kinds)).map(list)
    return columns, draw(st.lists(row, min_size=1, max_size=6))


EVERY_TYPE = tables(sorted(VALUES))


@pytest.fixture(scope="module")
def place(in_process_service, tmp_path_factory):
    """A client and a project for many tables."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn, syn.store(Project(f"properties {uuid4()}"))


def stored(syn: Synapse, project: Project, columns, rows):
    """Store a table; return its id and the query for all of it."""
    table = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows))
    return table.tableId, f"select * from {table.tableId} order by ROW_ID"


def values_of(syn: Synapse, sql: str):
    return [row[2:] for row in syn.tableQuery(sql)]


def test_every_type_has_values_here():
    """But that of files, of which only those of the caller can be stored: see below."""
    assert set(VALUES) == set(ColumnType) - {ColumnType.FILEHANDLEID}


def survives(syn: Synapse, project: Project, columns, rows):
    """It comes back as it went in: in any form, and after it was written again."""
    table, sql = stored(syn, project, columns, rows)
    for form in ({}, {"separator": ";", "quoteCharacter": "'", "header": False}):
        assert [row[2:] for row in syn.tableQuery(sql, **form)] == rows
    pages = syn.tableQuery(sql, resultsAs="rowset")
    assert [row["values"] for row in pages] == rows
    syn.store(Table(table, syn.tableQuery(sql).asRowSet()))
    assert values_of(syn, sql) == rows
    quoted = ", ".join('"{}"'.format(column["name"].replace('"', '""')) for column in columns)
    assert values_of(syn, f"select {quoted} from {table} order by ROW_ID") == rows
    result = syn.tableQuery(sql)
    parts = dict(zip((column["name"] for column in columns), rows[-1], strict=True))
    syn.store(PartialRowset.from_mapping({1: parts}, result))
    assert values_of(syn, sql) == [rows[-1], *rows[1:]]


@settings(max_examples=8)
@given(tables())
def test_any_table_survives(place, table):
    survives(*place, *table)


@settings(max_examples=4)
@given(EVERY_TYPE)
def test_any_table_of_all_types_survives(place, table):
    survives(*place, *table)


@settings(max_examples=6)
@given(tables() | EVERY_TYPE, st.booleans(), st.booleans())
def test_any_table_survives_as_a_frame(place, table, in_index, is_known):
    """Stored over itself, and elsewhere; of a table known by its columns or by its id alone."""
    pytest.importorskip("pandas")
    syn, project = place
    columns, rows = table
    table_id, sql = stored(syn, project, columns, rows)
    frame = syn.tableQuery(sql).asDataFrame(rowIdAndVersionInIndex=in_index)
    syn.store(Table(syn.get(table_id) if is_known else table_id, frame))
    assert values_of(syn, sql) == rows
    again = syn.tableQuery(sql, resultsAs="rowset").asDataFrame()
    _, elsewhere = stored(syn, project, columns, again)
    assert values_of(syn, elsewhere) == rows


def test_not_a_number_survives(place):
    syn, project = place
    _, sql = stored(syn, project, [Column(name="x", columnType="DOUBLE")], [[math.nan], [None]])
    first, second = values_of(syn, sql)
    assert math.isnan(first[0])
    assert second == [None]


def test_files_survive(place, tmp_path):
    syn, project = place
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(str(uuid4()))
    handles = [syn.uploadFileHandle(str(path), project)["id"] for path in paths]
    rows = [[handles[0]], [None], [handles[1]], [handles[0]]]
    survives(syn, project, [Column(name="a file", columnType="FILEHANDLEID")], rows)
