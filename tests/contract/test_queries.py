"""Tests of queries as CSV files and pages, with every argument, and of their events."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Column, Project, Schema, Table
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import TABLE

NOON = datetime(2020, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
STRANGE = 'größe "in" cm, \\ é'
COLUMNS = [
    Column(name="n", columnType="INTEGER"),
    Column(name=STRANGE, columnType="STRING", maximumSize=60),
    Column(name="large", columnType="LARGETEXT"),
    Column(name="x", columnType="DOUBLE"),
    Column(name="b", columnType="BOOLEAN"),
    Column(name="d", columnType="DATE"),
    Column(name="e", columnType="ENTITYID"),
    Column(name="u", columnType="USERID"),
    Column(name="link", columnType="LINK", maximumSize=100),
    Column(name="j", columnType="JSON"),
    Column(name="sl", columnType="STRING_LIST", maximumSize=20, maximumListLength=5),
    Column(name="il", columnType="INTEGER_LIST", maximumListLength=5),
    Column(name="bl", columnType="BOOLEAN_LIST", maximumListLength=5),
    Column(name="dl", columnType="DATE_LIST", maximumListLength=5),
    Column(name="el", columnType="ENTITYID_LIST", maximumListLength=5),
    Column(name="ul", columnType="USERID_LIST", maximumListLength=5),
]
FULL = [
    2**63 - 1, 'say "hi"\\\n,; \t\u2028é😀', "line\r\n" * 2000, 0.1, True, NOON, "syn123", "1",
    "https://example.org/?q=a,b", {"a": [1, None, "é"]}, ["a,b", '"'], [-1, 2**62],
    [True, False], [NOON], ["syn1", "syn2"], [1],
]  # fmt: skip
EMPTY = [None] * 16
OTHER = [
    -(2**63), "", "", -math.inf, False, datetime(1969, 12, 31, tzinfo=UTC), "syn4", "2", "",
    [1, {}], ["é"], [0], [False], [NOON, NOON], ["syn9"], [2, 3],
]  # fmt: skip


@pytest.fixture
def table(syn, project):
    """A table with three rows and columns of most types."""
    return syn.store(Table(Schema("t", COLUMNS, parent=project), [FULL, EMPTY, OTHER]))


@pytest.fixture
def numbers(syn, project):
    """The ID of a table with the numbers 0 to 9."""
    column = Column(name="n", columnType="INTEGER")
    return syn.store(
        Table(Schema("n", [column], parent=project), [[n] for n in range(10)])
    ).tableId


def test_values_round_trip(syn, table):
    sql = f"select * from {table.tableId} order by ROW_ID"
    found = syn.tableQuery(sql)
    assert [row[2:] for row in found] == [FULL, EMPTY, OTHER]
    assert [row[:2] for row in found] == [["1", "1"], ["2", "1"], ["3", "1"]]
    assert [column["name"] for column in found.headers[2:]] == [one["name"] for one in COLUMNS]
    pages = syn.tableQuery(sql, resultsAs="rowset")
    assert [row["values"] for row in pages] == [FULL, EMPTY, OTHER]
    again = syn.store(Table(table.tableId, syn.tableQuery(sql).asRowSet()))
    assert len(again) == 3
    assert [row[2:] for row in syn.tableQuery(sql)] == [FULL, EMPTY, OTHER]


def test_frame_round_trips(syn, table):
    pytest.importorskip("pandas")
    sql = f"select * from {table.tableId} order by ROW_ID"
    frame = syn.tableQuery(sql).asDataFrame()
    syn.store(Table(table.tableId, frame))
    assert [row[2:] for row in syn.tableQuery(sql)] == [FULL, EMPTY, OTHER]
    assert frame["n"].tolist()[0] == 2**63 - 1
    assert frame[STRANGE].tolist() == [FULL[1], None, ""]
    pages = syn.tableQuery(sql, resultsAs="rowset").asDataFrame()
    assert pages["j"].tolist() == frame["j"].tolist()
    dates = syn.tableQuery(sql).asDataFrame(convert_to_datetime=True)
    assert dates["d"].tolist()[0] == NOON


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("row_ids", [True, False])
@pytest.mark.parametrize(
    "dialect",
    [
        {},
        {"separator": "\t", "quoteCharacter": "'", "escapeCharacter": "^", "lineEnd": "\r\n"},
        {"separator": ";", "escapeCharacter": '"'},
    ],
    ids=["default", "custom", "doubled quotes"],
)
def test_csv_file_has_requested_dialect(syn, table, header, row_ids, dialect):
    sql = f"select * from {table.tableId} order by ROW_ID"
    found = syn.tableQuery(sql, header=header, includeRowIdAndRowVersion=row_ids, **dialect)
    metadata = 2 if row_ids else 0
    assert [row[metadata:] for row in found] == [FULL, EMPTY, OTHER]
    assert len(found) == 3
    assert found.includeRowIdAndRowVersion is row_ids
    raw = Path(found.filepath).read_bytes().decode()
    assert raw.startswith(found.quoteCharacter)
    assert raw.endswith(found.lineEnd)
    assert ("ROW_ID" in raw) == (header and row_ids)


def test_empty_result(syn, table):
    sql = f"select * from {table.tableId} where n = 5"
    for options in ({}, {"header": False}, {"includeRowIdAndRowVersion": False}):
        found = syn.tableQuery(sql, **options)
        assert (list(found), len(found), found.asRowSet().rows) == ([], 0, [])
    pages = syn.tableQuery(sql, resultsAs="rowset")
    assert (list(pages), pages.count) == ([], 0)
    pytest.importorskip("pandas")
    assert "n" in syn.tableQuery(sql).asDataFrame().columns
    assert "n" in syn.tableQuery(sql, header=False).asDataFrame().columns


def test_aggregate_result_has_no_row_ids(syn, numbers):
    sql = f"select count(*), max(n) as most from {numbers}"
    counted = syn.tableQuery(sql)
    assert list(counted) == [[10, 9]]
    with pytest.warns(DeprecationWarning, match="asInteger is deprecated"):
        assert counted.asInteger() == 10
    with pytest.warns(DeprecationWarning, match="asInteger is deprecated"):
        assert syn.tableQuery(sql, resultsAs="rowset").asInteger() == 10
    assert counted.includeRowIdAndRowVersion is False
    assert [column["name"] for column in counted.headers][1] == "most"
    pages = syn.tableQuery(f"select n from {numbers} group by n", resultsAs="rowset")
    assert [row["values"] for row in pages] == [[n] for n in range(10)]


def test_rowset_iterates_over_all_pages(syn, project):
    columns = [Column(name=f"large {n}", columnType="LARGETEXT") for n in range(20)]
    rows = ([f"{n}", *[None] * 19] for n in range(120))
    table = syn.store(Table(Schema("wide", columns, parent=project), rows))
    sql = f'select "large 0" from {table.tableId} order by ROW_ID'
    wide = syn.tableQuery(f"select * from {table.tableId}", resultsAs="rowset")
    assert wide.maxRowsPerPage < 120
    assert wide.count == 120
    assert len(list(wide)) == 120
    some = syn.tableQuery(sql, resultsAs="rowset", limit=3, offset=2)
    assert [row["values"] for row in some] == [["2"], ["3"], ["4"]]


def test_rowset_has_count_headers_and_etag(syn, numbers):
    pages = syn.tableQuery(f"select n from {numbers}", resultsAs="rowset")
    assert (pages.tableId, pages.count, len(pages)) == (numbers, 10, 10)
    assert pages.headers[0]["columnType"] == "INTEGER"
    assert pages.columnModels[0].name == "n"
    assert pages.etag == syn.tableQuery(f"select n from {numbers}").etag


def test_unchanged_result_is_read_from_cache(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    column = Column(name="n", columnType="INTEGER")
    table = in_process_client.store(Table(Schema("n", [column], parent=project), [[1]])).tableId
    sql = f"select n from {table}"
    first = in_process_client.tableQuery(sql)
    calls()
    assert in_process_client.tableQuery(sql).filepath == first.filepath
    requests = calls()
    assert requests[0] == f"POST /entity/{table}/table/download/csv/async/start 201"
    assert not [call for call in requests if "fileHandle" in call]
    in_process_client.store(Table(table, [[2]]))
    assert len(in_process_client.tableQuery(sql)) == 2


def test_csv_file_is_downloaded_to_directory(syn, numbers, tmp_path):
    directory = tmp_path / "downloads"
    found = syn.tableQuery(f"select n from {numbers}", downloadLocation=str(directory))
    assert Path(found.filepath).parent == directory
    assert Path(found.filepath).name.startswith("SYNAPSE_TABLE_QUERY_")
    assert len(found) == 10
    Path(found.filepath).write_text("changed")
    again = syn.tableQuery(f"select n from {numbers}", downloadLocation=str(directory))
    assert len(again) == 10


def test_invalid_query_raises(syn, bob, numbers):
    for sql, error in [
        (f"select nothing from {numbers}", SynapseBadRequestError),
        (f"select * frm from {numbers}", SynapseBadRequestError),
        ("select * from syn999999999", SynapseNotFoundError),
    ]:
        for results_as in ("csv", "rowset"):
            with pytest.raises(error):
                syn.tableQuery(sql, resultsAs=results_as)
    with pytest.raises(SynapseForbiddenError):
        bob.tableQuery(f"select * from {numbers}")


def test_invalid_argument_is_named(syn, numbers):
    for query in (None, 5, ["select * from syn1"]):
        with pytest.raises(TypeError, match="Invalid query"):
            syn.tableQuery(query)
    sql = f"select * from {numbers}"
    with pytest.raises(TypeError, match=r"tableQuery takes no foo with resultsAs='csv': .*header"):
        syn.tableQuery(sql, foo=1)
    with pytest.raises(TypeError, match=r"takes no header with resultsAs='rowset': .*limit"):
        syn.tableQuery(sql, resultsAs="rowset", header=False)
    with pytest.raises(ValueError, match="Invalid quoteCharacter None"):
        syn.tableQuery(sql, quoteCharacter=None)


def test_query_of_table_without_columns_is_empty(syn, project):
    schema = syn.store(Schema("nothing", parent=project))
    assert list(syn.tableQuery(f"select * from {schema.id}", resultsAs="rowset")) == []


def test_query_emits_read_event_with_version(syn, numbers, events):
    syn.tableQuery(f"select * from {numbers}")
    syn.create_snapshot_version(numbers)
    syn.tableQuery(f"select * from {numbers}", resultsAs="rowset")
    syn.tableQuery(f"SELECT * FROM {numbers}.1")
    read = [event for event in events if isinstance(event, Read)]
    columns = (("n", "INTEGER"),)
    assert [replace(event, etag=None) for event in read] == [
        Read(numbers, 1, "n", TABLE, how="tableQuery", is_open=True, columns=columns),
        Read(numbers, 2, "n", TABLE, how="tableQuery", is_open=True, columns=columns),
        Read(numbers, 1, how="tableQuery", columns=columns),
    ]


def test_consistency_cannot_be_chosen(verbose_client, log_messages, numbers):
    sql = f"select n from {numbers}"
    found = verbose_client.tableQuery(sql, resultsAs="rowset", isConsistent=False)
    assert len(list(found)) == 10
    assert log_messages == ["isConsistent=False has no effect: Synapse ignores it."]
