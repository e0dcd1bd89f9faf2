"""Queries: as a file and page by page, with every argument; snapshots and what was read."""

import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Activity, Column, Project, Schema, Table
from synapse_workflows.client.core.events import Read, Wrote
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
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
    """A table of three rows and all types."""
    return syn.store(Table(Schema("t", COLUMNS, parent=project), [FULL, EMPTY, OTHER]))


@pytest.fixture
def numbers(syn, project):
    """The id of a table of the numbers 0 to 9."""
    column = Column(name="n", columnType="INTEGER")
    return syn.store(
        Table(Schema("n", [column], parent=project), [[n] for n in range(10)])
    ).tableId


def test_values_come_back_as_they_went_in(syn, table):
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


def test_a_frame_comes_back_as_it_went_in(syn, table):
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
    "form",
    [
        {},
        {"separator": "\t", "quoteCharacter": "'", "escapeCharacter": "^", "lineEnd": "\r\n"},
        {"separator": ";", "escapeCharacter": '"'},
    ],
    ids=["usual", "unusual", "doubled"],
)
def test_a_file_has_the_form_that_was_asked_for(syn, table, header, row_ids, form):
    sql = f"select * from {table.tableId} order by ROW_ID"
    found = syn.tableQuery(sql, header=header, includeRowIdAndRowVersion=row_ids, **form)
    metadata = 2 if row_ids else 0
    assert [row[metadata:] for row in found] == [FULL, EMPTY, OTHER]
    assert len(found) == 3
    assert found.includeRowIdAndRowVersion is row_ids
    raw = Path(found.filepath).read_bytes().decode()
    assert raw.startswith(found.quoteCharacter)
    assert raw.endswith(found.lineEnd)
    assert ("ROW_ID" in raw) == (header and row_ids)


def test_an_empty_result_is_empty(syn, table):
    sql = f"select * from {table.tableId} where n = 5"
    for options in ({}, {"header": False}, {"includeRowIdAndRowVersion": False}):
        found = syn.tableQuery(sql, **options)
        assert (list(found), len(found), found.asRowSet().rows) == ([], 0, [])
    pages = syn.tableQuery(sql, resultsAs="rowset")
    assert (list(pages), pages.count) == ([], 0)
    pytest.importorskip("pandas")
    assert "n" in syn.tableQuery(sql).asDataFrame().columns
    assert "n" in syn.tableQuery(sql, header=False).asDataFrame().columns


def test_an_aggregate_has_no_row_ids(syn, numbers):
    counted = syn.tableQuery(f"select count(*), max(n) as most from {numbers}")
    assert list(counted) == [[10, 9]]
    assert counted.asInteger() == 10
    assert counted.includeRowIdAndRowVersion is False
    assert [column["name"] for column in counted.headers][1] == "most"
    pages = syn.tableQuery(f"select n from {numbers} group by n", resultsAs="rowset")
    assert [row["values"] for row in pages] == [[n] for n in range(10)]


def test_pages_go_on_to_the_end(syn, project):
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


def test_a_query_says_what_it_knows(syn, numbers):
    pages = syn.tableQuery(f"select n from {numbers}", resultsAs="rowset")
    assert (pages.tableId, pages.count, len(pages)) == (numbers, 10, 10)
    assert pages.headers[0]["columnType"] == "INTEGER"
    assert pages.columnModels[0].name == "n"
    assert pages.etag == syn.tableQuery(f"select n from {numbers}").etag


def test_the_same_query_is_not_downloaded_twice(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    column = Column(name="n", columnType="INTEGER")
    table = in_process_client.store(Table(Schema("n", [column], parent=project), [[1]])).tableId
    sql = f"select n from {table}"
    first = in_process_client.tableQuery(sql)
    calls()
    assert in_process_client.tableQuery(sql).filepath == first.filepath
    asked = calls()
    assert asked[0] == f"POST /entity/{table}/table/download/csv/async/start 201"
    assert not [call for call in asked if "fileHandle" in call]
    in_process_client.store(Table(table, [[2]]))
    assert len(in_process_client.tableQuery(sql)) == 2


def test_a_file_goes_where_it_should(syn, numbers, tmp_path):
    place = tmp_path / "place"
    found = syn.tableQuery(f"select n from {numbers}", downloadLocation=str(place))
    assert Path(found.filepath).parent == place
    assert Path(found.filepath).name.startswith("SYNAPSE_TABLE_QUERY_")
    assert len(found) == 10
    Path(found.filepath).write_text("changed")
    again = syn.tableQuery(f"select n from {numbers}", downloadLocation=str(place))
    assert len(again) == 10


def test_bad_queries_are_told(syn, bob, numbers):
    for sql, error in [
        (f"select nothing from {numbers}", SynapseBadRequestError),
        (f"select * frm from {numbers}", SynapseBadRequestError),
        ("select * from syn999999999", SynapseNotFoundError),
    ]:
        for kind in ("csv", "rowset"):
            with pytest.raises(error):
                syn.tableQuery(sql, resultsAs=kind)
    with pytest.raises(SynapseForbiddenError):
        bob.tableQuery(f"select * from {numbers}")


def test_a_table_without_columns_is_empty(syn, project):
    schema = syn.store(Schema("nothing", parent=project))
    assert list(syn.tableQuery(f"select * from {schema.id}", resultsAs="rowset")) == []


def test_what_was_read_is_announced(syn, numbers, events):
    syn.tableQuery(f"select * from {numbers}")
    syn.create_snapshot_version(numbers)
    syn.tableQuery(f"select * from {numbers}", resultsAs="rowset")
    syn.tableQuery(f"SELECT * FROM {numbers}.1")
    read = [event for event in events if isinstance(event, Read)]
    assert read == [
        Read(numbers, 1, "n", TABLE, how="tableQuery"),
        Read(numbers, 2, "n", TABLE, how="tableQuery"),
        Read(numbers, 1, how="tableQuery"),
    ]


def test_a_snapshot_stays_as_it_is(syn, numbers, events):
    schema = syn.get(numbers)
    first = syn.create_snapshot_version(schema, comment="before", label="one")
    syn.store(Table(numbers, [[10]]))
    syn.delete(syn.tableQuery(f"select * from {numbers} where n < 5"))
    second = syn.create_snapshot_version(numbers)
    assert (first, second) == (1, 2)
    assert len(syn.tableQuery(f"select * from {numbers}.1")) == 10
    assert len(syn.tableQuery(f"select * from {numbers}.2")) == 6
    frozen = syn.get(numbers, version=1)
    assert (frozen.versionLabel, frozen.versionComment) == ("one", "before")
    assert syn.get(numbers).versionNumber == 3
    wrote = [event for event in events if isinstance(event, Wrote)]
    assert [one.version for one in wrote if one.name == "n"][-1] == 2
    with pytest.raises(SynapseConflictError):
        syn.create_snapshot_version(numbers, label="one")


def test_a_version_cannot_be_frozen_again(syn, numbers):
    syn.create_snapshot_version(numbers)
    with pytest.raises(ValueError, match=f"pass '{numbers}' to snapshot the current state$"):
        syn.create_snapshot_version(f"{numbers}.1")
    assert syn.create_snapshot_version(syn.get(numbers, version=1)) == 2


def test_a_snapshot_has_its_activity(syn, numbers, project):
    new = syn.create_snapshot_version(numbers, activity=Activity(name="new", used=project.id))
    made_by = syn.getProvenance(numbers, version=new)
    assert (made_by["name"], made_by["used"][0]["reference"]["targetId"]) == ("new", project.id)
    again = syn.create_snapshot_version(numbers, activity=made_by)
    other = syn.create_snapshot_version(numbers, activity=made_by["id"])
    plain = syn.create_snapshot_version(numbers, activity=dict(made_by))
    for version in (again, other, plain):
        assert syn.getProvenance(numbers, version=version)["id"] == made_by["id"]
    unsaved = {"name": "a mapping", "used": []}
    last = syn.create_snapshot_version(numbers, activity=unsaved)
    assert syn.getProvenance(numbers, version=last)["name"] == "a mapping"


def test_a_table_is_frozen_also_by_who_does_not_wait(syn, numbers):
    assert syn.create_snapshot_version(numbers, label="at once", wait=False) is None
    assert syn.get(numbers, version=1).versionLabel == "at once"


def test_an_activity_that_is_not_there_makes_no_snapshot(syn, numbers):
    with pytest.raises(SynapseNotFoundError):
        syn.create_snapshot_version(numbers, activity="999999999")
    assert syn.get(numbers).versionNumber == 1


def test_a_snapshot_can_be_deleted(syn, numbers):
    first = syn.create_snapshot_version(numbers)
    syn.delete(syn.get(numbers), version=first)
    with pytest.raises(SynapseNotFoundError):
        syn.tableQuery(f"select * from {numbers}.{first}")
    second = syn.create_snapshot_version(numbers)
    syn.delete(f"{numbers}.{second}")
    with pytest.raises(SynapseNotFoundError):
        syn.get(numbers, version=second)
    assert len(syn.tableQuery(f"select * from {numbers}")) == 10


def test_only_tables_can_be_frozen(syn, project):
    with pytest.raises(ValueError, match="only accepts Synapse ids of Tables"):
        syn.create_snapshot_version(project)
