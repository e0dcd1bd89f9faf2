"""Any table survives write, query, and write again, whatever is in its cells and names."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from synapse_workflows import Column, Project, Schema, Synapse, Table

#: No control characters but tabs and line ends: what people write.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\t\n\r\"\\,'"),
    max_size=20,
)
LONG = st.integers(-(2**63), 2**63 - 1)
IDS = st.integers(1, 10**9)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
NUMBERS = st.floats(allow_nan=False, width=64)
VALUES = {
    "STRING": TEXT,
    "LARGETEXT": TEXT,
    "MEDIUMTEXT": TEXT,
    "LINK": TEXT,
    "INTEGER": LONG,
    "DOUBLE": NUMBERS,
    "BOOLEAN": st.booleans(),
    "DATE": MOMENTS,
    "ENTITYID": IDS.map("syn{}".format),
    "USERID": IDS.map(str),
    "JSON": st.dictionaries(TEXT, TEXT | st.integers(-(2**53), 2**53) | st.booleans() | st.none()),
    "STRING_LIST": st.lists(TEXT, min_size=1, max_size=4),
    "INTEGER_LIST": st.lists(LONG, min_size=1, max_size=4),
    "BOOLEAN_LIST": st.lists(st.booleans(), min_size=1, max_size=4),
    "DATE_LIST": st.lists(MOMENTS, min_size=1, max_size=4),
    "ENTITYID_LIST": st.lists(IDS.map("syn{}".format), min_size=1, max_size=4),
    "USERID_LIST": st.lists(IDS, min_size=1, max_size=4),
}
RESERVED = {
    "ROW_ID", "ROW_VERSION", "ROW_ETAG", "ROW_BENEFACTOR", "ROW_SEARCH_CONTENT", "ROW_HASH_CODE",
}  # fmt: skip
NAMES = (
    st.text(
        st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=15
    )
    .map(str.strip)
    .filter(lambda name: name and name.upper() not in RESERVED)
)


@st.composite
def tables(draw):
    """A schema's columns, and rows of them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold))
    kinds = draw(
        st.lists(st.sampled_from(sorted(VALUES)), min_size=len(names), max_size=len(names))
    )
    columns = [Column(name=n, columnType=kind) for n, kind in zip(names, kinds, strict=True)]
    row = st.tuples(*(st.none() | VALUES[kind] for kind in kinds)).map(list)
    return columns, draw(st.lists(row, min_size=1, max_size=4))


@pytest.fixture(scope="module")
def place(in_process_service, tmp_path_factory):
    """A client and a project for many tables."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with in_process_service.client("alice", cache_root_dir=cache) as syn:
        yield syn, syn.store(Project(f"properties {uuid4()}"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_any_table_survives(place: tuple[Synapse, Project], table):
    syn, project = place
    columns, rows = table
    stored = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows))
    sql = f"select * from {stored.tableId} order by ROW_ID"
    for form in ({}, {"separator": ";", "quoteCharacter": "'", "header": False}):
        assert [row[2:] for row in syn.tableQuery(sql, **form)] == rows
    assert [row["values"] for row in syn.tableQuery(sql, resultsAs="rowset")] == rows
    syn.store(Table(stored.tableId, syn.tableQuery(sql).asRowSet()))
    again = syn.tableQuery(sql)
    assert [row[2:] for row in again] == rows
    quoted = ", ".join('"{}"'.format(column["name"].replace('"', '""')) for column in columns)
    chosen = syn.tableQuery(f"select {quoted} from {stored.tableId} order by ROW_ID")
    assert [row[2:] for row in chosen] == rows


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_any_table_survives_as_a_frame(place: tuple[Synapse, Project], table):
    pytest.importorskip("pandas")
    syn, project = place
    columns, rows = table
    stored = syn.store(Table(Schema(str(uuid4()), columns, parent=project), rows))
    sql = f"select * from {stored.tableId} order by ROW_ID"
    frame = syn.tableQuery(sql).asDataFrame()
    syn.store(Table(stored.tableId, frame))
    assert [row[2:] for row in syn.tableQuery(sql)] == rows
    other = syn.store(Table(Schema(str(uuid4()), columns, parent=project), frame))
    found = syn.tableQuery(f"select * from {other.tableId} order by ROW_ID")
    assert [row[2:] for row in found] == rows
