"""Tests of scalars of NumPy, pandas and other libraries in rows, given in every form."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

from synapse_workflows import (
    Column,
    EntityViewSchema,
    File,
    Folder,
    PartialRow,
    PartialRowset,
    RowSet,
    Schema,
    Table,
)
from synapse_workflows.client.errors import SynapseBadRequestError, SynapseMalformedEntityError
from synapse_workflows.client.model.columns import SelectColumn

COLUMNS = [
    Column(name="s", columnType="STRING", maximumSize=50),
    Column(name="i", columnType="INTEGER"),
    Column(name="b", columnType="BOOLEAN"),
    Column(name="x", columnType="DOUBLE"),
    Column(name="d", columnType="DATE"),
    Column(name="l", columnType="INTEGER_LIST"),
    Column(name="j", columnType="JSON"),
]
NEW_YEAR = datetime(2021, 1, 1, tzinfo=UTC)
#: Column -> value, and the value that is read.
VALUES = {
    "s": [
        (np.float64(3.25), "3.25"), (np.float32(0.5), "0.5"), (np.int64(4), "4"),
        (np.bool_(True), "true"), (np.str_("x"), "x"), (date(2021, 1, 2), "2021-01-02"),
        (datetime(2021, 1, 2), "2021-01-02T00:00:00"),  # noqa: DTZ001
        (pd.Timestamp("2021-01-02"), "2021-01-02T00:00:00"),
        (np.datetime64("2021-01-02", "ns"), "2021-01-02T00:00:00"),
        (Decimal("1.10"), "1.10"), (Decimal(12345678901234567890), "12345678901234567890"),
        (Decimal("1E-8"), "0.00000001"), (timedelta(1, 5), "1 days 00:00:05"),
        (np.timedelta64(1, "D"), "1 days 00:00:00"), (pd.NA, None), (pd.NaT, None),
        (np.float32("nan"), None), (np.datetime64("NaT"), None), (Decimal("NaN"), None),
    ],
    "i": [(np.int64(2**62), 2**62), (np.uint8(3), 3), (1.0, 1), (Decimal("3.0"), 3), ("7", 7)],
    "b": [(1, True), (0, False), (np.bool_(False), False), (1.0, True), ("t", True)],
    "x": [(np.float64(0.1), 0.1), (np.int32(2), 2.0), (Decimal("1.10"), 1.1), ("1e3", 1000.0)],
    "d": [
        (date(2021, 1, 1), NEW_YEAR), (NEW_YEAR, NEW_YEAR), (pd.Timestamp(NEW_YEAR), NEW_YEAR),
        (np.datetime64("2021-01-01", "ns"), NEW_YEAR), (np.datetime64("NaT"), None),
        (1609459200000, NEW_YEAR),
    ],
    "l": [([1.0], [1]), (np.array([1, 2]), [1, 2]), ((np.int64(3),), [3]), ("[4]", [4])],
    "j": [
        ({"a": np.int64(1), "b": [np.float64(0.5), pd.NA]}, {"a": 1, "b": [0.5, None]}),
        ({"a": np.array([1.5]), "b": date(2021, 1, 2)}, {"a": [1.5], "b": "2021-01-02"}),
        ([np.bool_(True), Decimal(7)], [True, 7]),
    ],
}  # fmt: skip
FORMS = {
    "list": lambda name, values: [
        [v if c.name == name else None for c in COLUMNS] for v in values
    ],
    "records": lambda name, values: [{name: value} for value in values],
    "mapping": lambda name, values: {name: values},
    "frame": lambda name, values: pd.DataFrame({name: pd.Series(values, dtype=object)}),
}


@pytest.fixture
def schema(syn, project):
    return syn.store(Schema(f"t {uuid4()}", COLUMNS, parent=project))


def read_column(syn, table, name):
    return [row[2] for row in syn.tableQuery(f"select {name} from {table} order by ROW_ID")]


@pytest.mark.parametrize("name", VALUES)
def test_scalars_have_one_form_however_rows_are_given(syn, schema, name):
    values, expected = zip(*VALUES[name], strict=True)
    typed = Schema("t", COLUMNS, parent="syn1", id=schema.id)
    typed.properties["columnIds"], typed.columns_to_store = schema.columnIds, []
    typed.add_known_columns(syn.getTableColumns(schema.id))
    for target in (schema.id, schema, typed):
        for form in FORMS.values():
            syn.store(Table(target, form(name, list(values))))
    rows = 3 * len(FORMS)
    assert read_column(syn, schema.id, name) == list(expected) * rows


@pytest.mark.parametrize("name", VALUES)
def test_row_sets_and_partial_rows_are_serialized_by_column_type(syn, schema, name):
    values, expected = zip(*VALUES[name], strict=True)
    column_id = schema.columnIds[[one.name for one in COLUMNS].index(name)]
    for header in (SelectColumn(id=column_id), SelectColumn(name=name)):
        rows = RowSet(headers=[header], rows=[[one] for one in values], tableId=schema.id)
        if header.get("id"):
            syn.store(rows)
        else:
            syn.store(Table(schema.id, rows))
    changes = [PartialRow({column_id: value}, row_id) for row_id, value in enumerate(values, 1)]
    syn.store(PartialRowset(schema.id, changes))
    assert read_column(syn, schema.id, name) == list(expected) * 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a", "x", None, None, None, None, None]], "Row 1, column 'i': 'x' is not an integer"),
        ([{"j": {"a": float("nan")}}], "Row 1, column 'j': .*not JSON compliant: use None"),
        (pd.DataFrame({"S": ["a"]}), "'S' differs from 's' in upper and lower case"),
        ([{"__index_level_0__": 1, "s": "a"}], "is the index of a DataFrame"),
        ([["a"]], "Row 1 has 1 values for 7 columns"),
        (pd.DataFrame(index=range(2)), "has 2 rows, but no columns"),
        ([{"x": Decimal("1E400")}], "Row 1, column 'x': .*too large for a DOUBLE"),
        ([{"x": "-1e400"}], "Row 1, column 'x': .*too large for a DOUBLE"),
        ([{"j": {"a": Decimal("Infinity")}}], "Row 1, column 'j': .*not JSON compliant"),
        ([{"j": {"a": Decimal("NaN")}}], "Row 1, column 'j': .*not JSON compliant"),
        ([{"s": iter("a")}], "has no text form"),
        ([{"s": bytearray(b"a")}], "is not text|is bytes"),
    ],
)
def test_rows_by_id_that_do_not_match_are_rejected(syn, schema, rows, message):
    with pytest.raises(ValueError, match=message):
        syn.store(Table(schema.id, rows))
    assert read_column(syn, schema.id, "s") == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("S,i", "'S' differs from 's' in upper and lower case"),
        (",s", "'' is the index of a DataFrame"),
        ("__index_level_0__,s", "'__index_level_0__' is the index of a DataFrame"),
        ("other,s", r"The columns of the table are 's', 'i'"),
    ],
)
def test_header_of_a_rejected_file_by_id_is_explained(syn, schema, make_file, header, message):
    file = make_file("rows.csv", f"{header}\n1,2\n")
    with pytest.raises(SynapseBadRequestError, match=message):
        syn.store(Table(schema.id, str(file)))
    assert read_column(syn, schema.id, "s") == []


def test_rows_need_a_table(syn, project, make_file):
    syn.store(File(str(make_file()), parent=project))
    view = syn.store(EntityViewSchema("v", parent=project, scopes=[project]))
    with pytest.raises(ValueError, match=r"Cannot add rows to syn.*of type EntityView"):
        syn.store(Table(view.id, [{"name": "x"}]))
    with pytest.raises(ValueError, match=r"Cannot store rows in syn.*of type Project"):
        syn.store(Table(project.id, [["x"]]))


@pytest.mark.parametrize("in_index", [True, False])
def test_rows_named_by_a_frame_are_deleted(syn, schema, in_index):
    syn.store(Table(schema.id, [{"i": n} for n in range(4)]))
    sql = f"select ROW_ID, ROW_VERSION from {schema.id} where i < 2"
    frame = syn.tableQuery(sql).asDataFrame(rowIdAndVersionInIndex=in_index)
    with pytest.raises(ValueError, match=r"would delete the rows: use syn\.delete"):
        syn.store(Table(schema.id, frame))
    syn.delete(Table(schema.id, frame))
    assert read_column(syn, schema.id, "i") == [2, 3]
    for unnamed in (pd.DataFrame({"i": [2]}), pd.DataFrame(index=[0, 1])):
        with pytest.raises(ValueError, match=r"no row IDs|no columns"):
            syn.delete(Table(schema.id, unnamed))
    assert read_column(syn, schema.id, "i") == [2, 3]


def test_rowset_result_is_read_as_often_as_needed(syn, schema):
    syn.store(Table(schema.id, [{"i": n} for n in range(3)]))
    result = syn.tableQuery(f"select i from {schema.id} order by ROW_ID", resultsAs="rowset")
    for row in result:
        assert row["values"] == [0]
        break
    for _ in range(2):
        assert [row["values"][0] for row in result] == [0, 1, 2]
        assert list(result.asDataFrame()["i"]) == [0, 1, 2]
    syn.delete(result)
    assert read_column(syn, schema.id, "i") == []


def test_quotes_and_backslashes_in_csv_files_are_kept(syn, project, tmp_path):
    columns = [Column(name="b", columnType="STRING", maximumSize=50)]
    schema = syn.store(Schema(f"t {uuid4()}", columns, parent=project))
    path = tmp_path / "pipes.csv"
    path.write_text('b\n5" pipe\n6" pipe\nplain\n')
    syn.store(Table(schema.id, str(path)))
    pd.DataFrame({"b": ["C:\\temp", "\\\\server\\x", 'say "\\"']}).to_csv(path, index=False)
    syn.store(Table(schema.id, str(path)))
    again = syn.tableQuery(f"select b from {schema.id} order by ROW_ID")
    syn.store(Table(schema.id, [[row[2]] for row in again]))
    expected = ['5" pipe', '6" pipe', "plain", "C:\\temp", "\\\\server\\x", 'say "\\"']
    assert read_column(syn, schema.id, "b") == expected * 2


def test_empty_name_is_rejected(syn, project):
    for entity in (Folder("", parent=project), Schema(" ", parent=project)):
        with pytest.raises(SynapseMalformedEntityError, match="Invalid name"):
            syn.store(entity)


def test_timestamps_outside_the_range_of_datetime_are_kept(syn, project):
    folder = syn.store(Folder("f", parent=project))
    other = syn.store(Folder("other", parent=project))
    wire = {"when": {"type": "TIMESTAMP_MS", "value": ["-99999999999999", "0"]}}
    body = {"id": folder.id, "etag": folder.etag, "annotations": wire}
    syn.restPUT(f"/entity/{folder.id}/annotations2", body=json.dumps(body))
    read = syn.get(folder.id)
    read.more = 1
    syn.store(read)
    syn.move(folder, other)
    stored = syn.restGET(f"/entity/{folder.id}/annotations2")["annotations"]
    assert stored["when"] == wire["when"]
    assert stored["more"]["value"] == ["1"]
