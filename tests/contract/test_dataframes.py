"""Tests of query results as data frames, and of storing data frames."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from synapse_workflows import Column, RowSet, Schema, Table, as_table_columns, build_table

pd = pytest.importorskip("pandas")

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
NOON_MS = 1577880000000
#: Column name, column type, two values, dtype in a frame, first value in a frame if it differs.
COLUMN_CASES = [
    ("n", "INTEGER", 2**62 + 1, -1, "Int64", None),
    ("x y", "DOUBLE", 0.1, -2.0, "float64", None),
    ("b", "BOOLEAN", True, False, "boolean", None),
    ('s "t", é\\', "STRING", 'a,"b"\r\n;é😀\\', "", "object", None),
    ("large", "LARGETEXT", "line\n" * 3, "", "object", None),
    ("medium", "MEDIUMTEXT", "m" * 2000, " ", "object", None),
    ("link", "LINK", "https://x.org/?a=b,c", "", "object", None),
    ("d", "DATE", NOON, datetime(1931, 1, 1, tzinfo=UTC), "Int64", NOON_MS),
    ("e", "ENTITYID", "syn12", "syn3", "object", None),
    ("u", "USERID", "1", "273948", "object", None),
    ("sub", "SUBMISSIONID", "9700001", "1", "object", None),
    ("ev", "EVALUATIONID", "9600001", "1", "object", None),
    ("sl", "STRING_LIST", ["a,b", '"', ""], ["null"], "object", None),
    ("il", "INTEGER_LIST", [2**62], [1, 2], "object", None),
    ("bl", "BOOLEAN_LIST", [True, False], [False], "object", None),
    ("dl", "DATE_LIST", [NOON], [NOON, NOON], "object", None),
    ("el", "ENTITYID_LIST", ["syn1"], ["syn1", "syn2"], "object", None),
    ("ul", "USERID_LIST", [1], [1, 2], "object", None),
    ("j", "JSON", {"a": [1, None, "é"]}, [None, {"b": {}}], "object", None),
]  # fmt: skip
COLUMNS = [Column(name=name, columnType=column_type) for name, column_type, *_ in COLUMN_CASES]
ROWS = [
    [one[2] for one in COLUMN_CASES],
    [None] * len(COLUMN_CASES),
    [one[3] for one in COLUMN_CASES],
]


@pytest.fixture
def table(syn, project):
    """A table with a column of each type."""
    return syn.store(Table(Schema(f"t {uuid4()}", COLUMNS, parent=project), ROWS))


@pytest.fixture
def small(syn, project):
    """A table with names and numbers."""
    columns = [Column(name="a name", columnType="STRING"), Column(name="n", columnType="INTEGER")]
    rows = [["ant", 6], ["", None], [None, 8]]
    return syn.store(Table(Schema(f"s {uuid4()}", columns, parent=project), rows))


def query(syn, table, **options):
    return syn.tableQuery(f"select * from {table.tableId} order by ROW_ID", **options)


def get_rows(syn, table):
    """Return the IDs and values of all rows, without versions."""
    return [[row[0], *row[2:]] for row in query(syn, table)]


def test_frame_has_values_and_dtypes_of_every_column_type(syn, table):
    for results_as in ("csv", "rowset"):
        frame = query(syn, table, resultsAs=results_as).asDataFrame()
        assert list(frame.columns) == [one[0] for one in COLUMN_CASES]
        assert frame.index.tolist() == ["1_1", "2_1", "3_1"]
        for name, _, first, _, dtype, converted in COLUMN_CASES:
            assert str(frame[name].dtype) == dtype, name
            assert frame[name].tolist()[0] == (first if converted is None else converted), name
            assert type(frame[name].tolist()[0]) is type(
                first if converted is None else converted
            ), name
            missing = frame[name].tolist()[1]
            assert missing is None if dtype == "object" else pd.isna(missing), name


@pytest.mark.parametrize("results_as", ["csv", "rowset"])
@pytest.mark.parametrize("in_index", [True, False])
@pytest.mark.parametrize("dates", [True, False])
def test_storing_a_read_frame_again_changes_nothing(syn, table, results_as, in_index, dates):
    """The table is given by its ID, and by its schema."""
    before = get_rows(syn, table)
    for target in (table.tableId, syn.get(table.tableId), table.schema):
        frame = query(syn, table, resultsAs=results_as).asDataFrame(
            rowIdAndVersionInIndex=in_index, convert_to_datetime=dates
        )
        assert (frame.columns[0] == "ROW_ID") is not in_index
        syn.store(Table(target, frame))
        assert get_rows(syn, table) == before


def test_frame_can_be_stored_in_a_new_table(syn, project, table):
    """Into a table with the same columns, and into one with inferred columns."""
    frame = query(syn, table).asDataFrame(convert_to_datetime=True)
    other = syn.store(Table(Schema(f"o {uuid4()}", COLUMNS, parent=project), frame))
    assert [row[2:] for row in query(syn, other)] == ROWS
    built = syn.store(build_table(f"b {uuid4()}", project, frame.reset_index(drop=True)))
    compared = (0, 1, 2, 3, 12, 13, 18)
    read = [row[2:] for row in query(syn, built)]
    assert [read[0][index] for index in compared] == [ROWS[0][index] for index in compared]
    assert read[1] == ROWS[1]


def test_changed_cells_and_new_rows_are_stored(syn, small):
    frame = query(syn, small).asDataFrame()
    frame.loc["2_1", "n"] = 7
    frame.loc["1_1", "a name"] = None
    frame.loc["new"] = ["cow", 4]
    syn.store(Table(small.tableId, frame))
    assert get_rows(syn, small) == [
        ["1", None, 6], ["2", "", 7], ["3", None, 8], ["4", "cow", 4],
    ]  # fmt: skip


@pytest.mark.parametrize("fetched", [True, False])
def test_new_column_is_stored_with_its_cells(syn, small, fetched):
    """Existing rows are updated, not appended again."""
    frame = query(syn, small).asDataFrame()
    frame["is new"] = pd.array([True, None, False], dtype="boolean")
    schema = syn.get(small.tableId) if fetched else small.schema
    schema.addColumn(Column(name="is new", columnType="BOOLEAN"))
    stored = syn.store(Table(schema, frame))
    assert len(stored.schema.columnIds) == 3
    assert get_rows(syn, small) == [
        ["1", "ant", 6, True], ["2", "", None, None], ["3", None, 8, False],
    ]  # fmt: skip


def test_part_of_a_frame_can_be_stored(syn, small):
    """Other cells are not changed."""
    frame = query(syn, small).asDataFrame()
    some = frame.loc[frame["n"] == 8, ["n"]]
    some["n"] += 1
    for target in (small.tableId, small.schema):
        syn.store(Table(target, some))
        some = query(syn, small).asDataFrame().iloc[2:, 1:]
    assert get_rows(syn, small) == [["1", "ant", 6], ["2", "", None], ["3", None, 9]]


def test_rows_without_row_ids_are_appended(syn, small):
    frame = query(syn, small).asDataFrame()
    syn.store(Table(small.tableId, frame, includeRowIdAndRowVersion=False))
    syn.store(Table(small.tableId, frame.reset_index(drop=True)))
    assert [row[1:] for row in get_rows(syn, small)] == [["ant", 6], ["", None], [None, 8]] * 3


def test_storing_an_empty_frame_changes_nothing(syn, small):
    frame = query(syn, small).asDataFrame()
    syn.store(Table(small.tableId, frame.iloc[:0]))
    assert len(get_rows(syn, small)) == 3
    empty = syn.tableQuery(f"select * from {small.tableId} where n = 100")
    assert empty.asDataFrame().shape == (0, 2)
    assert str(empty.asDataFrame()["n"].dtype) == "Int64"


def test_every_series_dtype_is_stored(syn, project):
    """Dtypes of pandas and numpy, and Python objects."""
    frame = pd.DataFrame({
        "int8": pd.Series([1, 2], dtype="int8"),
        "uint64": pd.Series([1, 2**62], dtype="uint64"),
        "Int64": pd.Series([1, None], dtype="Int64"),
        "float32": pd.Series([0.5, None], dtype="float32"),
        "Float64": pd.Series([0.5, None], dtype="Float64"),
        "bool": [True, False],
        "boolean": pd.Series([True, None], dtype="boolean"),
        "category": pd.Series(["a", None], dtype="category"),
        "string": pd.Series(["a", None], dtype="string"),
        "naive": pd.to_datetime(["2020-01-01 12:00", None]),
        "aware": pd.to_datetime(["2020-01-01 13:00+01:00", None]),
        "date": [date(2020, 1, 1), None],
        "decimal": [Decimal("0.5"), None],
        "tuple": [("a", "b"), None],
        "dict": [{"a": 1}, None],
        5: ["number", "5"],
    })  # fmt: skip
    table = syn.store(build_table(f"k {uuid4()}", project, frame))
    midnight = datetime(2020, 1, 1, tzinfo=UTC)
    assert [row[2:] for row in query(syn, table)] == [
        [1, 1, 1, 0.5, 0.5, True, True, "a", "a", NOON, NOON, midnight, "0.5", ["a", "b"],
         {"a": 1}, "number"],
        [2, 2**62, None, None, None, False, None, None, None, None, None, None, None, None,
         None, "5"],
    ]  # fmt: skip
    assert [one["name"] for one in syn.getTableColumns(table.tableId)][-1] == "5"


def test_column_types_and_sizes_are_inferred(syn, project):
    frame = pd.DataFrame({
        "short": ["x" * 10, ""], "middle": ["x" * 400, ""], "long": ["x" * 800, ""],
        "huge": ["x" * 1001, ""],
    })  # fmt: skip
    found = [(one["columnType"], one.get("maximumSize")) for one in as_table_columns(frame)]
    assert found == [("STRING", 30), ("STRING", 600), ("STRING", 1000), ("LARGETEXT", None)]
    table = syn.store(build_table(f"i {uuid4()}", project, frame))
    assert [len(cell) for cell in next(iter(query(syn, table)))[2:]] == [10, 400, 800, 1001]


@pytest.mark.parametrize("results_as", ["csv", "rowset"])
def test_frame_of_nulls_round_trips(syn, project, results_as):
    schema = Schema(f"n {uuid4()}", COLUMNS, parent=project)
    table = syn.store(Table(schema, [[None] * len(COLUMN_CASES)] * 2))
    frame = query(syn, table, resultsAs=results_as).asDataFrame()
    assert [str(frame[one[0]].dtype) for one in COLUMN_CASES] == [one[4] for one in COLUMN_CASES]
    assert frame.isna().all(axis=None)
    syn.store(Table(table.tableId, frame))
    assert [row[2:] for row in query(syn, table)] == [[None] * len(COLUMN_CASES)] * 2


def test_frame_of_several_pages_has_all_row_ids(syn, project):
    """Row IDs are in the index or in columns."""
    columns = [Column(name=f"c{n}", columnType="LARGETEXT") for n in range(20)]
    rows = ([f"{n}", *[None] * 19] for n in range(120))
    table = syn.store(Table(Schema(f"w {uuid4()}", columns, parent=project), rows))
    frame = query(syn, table, resultsAs="rowset").asDataFrame(rowIdAndVersionInIndex=False)
    assert frame["ROW_ID"].tolist() == list(range(1, 121))
    assert frame["c0"].tolist() == [str(n) for n in range(120)]
    labelled = query(syn, table, resultsAs="rowset").asDataFrame()
    assert labelled.index.tolist()[-1] == "120_1"


def test_frame_of_aggregates_and_duplicate_column_names(syn, small):
    counted = syn.tableQuery(f"select count(*), max(n) as n, n from {small.tableId} group by n")
    frame = counted.asDataFrame()
    assert list(frame.columns)[1:] == ["n", "n"]
    assert frame.index.tolist() == [0, 1, 2]
    assert sorted(frame.iloc[:, 2].dropna().tolist()) == [6, 8]


def test_row_set_and_frame_of_a_result_have_the_same_values(syn, table):
    result = query(syn, table)
    rowset = result.asRowSet()
    assert isinstance(rowset, RowSet)
    frame = result.asDataFrame(convert_to_datetime=True)
    for row, (label, cells) in zip(rowset.rows, frame.iterrows(), strict=True):
        assert label == f"{row['rowId']}_{row['versionNumber']}"
        assert cells["n"] == row["values"][0] or row["values"][0] is None
        assert cells["j"] == row["values"][-1]
