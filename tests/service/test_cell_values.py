"""Cell values of every type: parsing, normalization, and round trips through rows and CSV."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.file_api import assert_error

from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_types import parse_column

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ID = st.integers(1, 10**15)


def json_lists(items):
    return st.lists(items, min_size=1, max_size=4).map(
        lambda each: json.dumps(each, ensure_ascii=False)
    )


def serialize_double(number):
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


#: Type -> strategy for normalized texts.
CELLS = {
    "STRING": TEXT,
    "LINK": TEXT,
    "MEDIUMTEXT": TEXT,
    "LARGETEXT": TEXT,
    "INTEGER": INT64.map(str),
    "DOUBLE": st.floats().map(serialize_double),
    "BOOLEAN": st.sampled_from(["true", "false"]),
    "DATE": INT64.map(str),
    "ENTITYID": ID.map(lambda number: f"syn{number}"),
    "USERID": ID.map(str),
    "SUBMISSIONID": ID.map(str),
    "EVALUATIONID": ID.map(str),
    "STRING_LIST": json_lists(TEXT),
    "INTEGER_LIST": json_lists(INT64),
    "BOOLEAN_LIST": json_lists(st.booleans()),
    "DATE_LIST": json_lists(INT64),
    "ENTITYID_LIST": json_lists(ID.map(lambda number: f"syn{number}")),
    "USERID_LIST": json_lists(ID),
    "JSON": JSON.filter(lambda value: isinstance(value, dict | list)).map(
        lambda value: json.dumps(value, ensure_ascii=False)
    ),
}
NAMES = [f'odd "{kind}", \\ ü' if index % 3 else kind for index, kind in enumerate(CELLS)]


@pytest.fixture(scope="module")
def table_pair(tables):
    """Two tables with a column of every type; the names contain special characters."""
    columns = [tables.create_column(*each) for each in zip(NAMES, CELLS, strict=True)]
    return [tables.create_table(*columns)["id"] for _ in range(2)]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(*(st.none() | cells for cells in CELLS.values())), min_size=1, max_size=4)
)
def test_values_of_every_type_survive_query_and_csv(tables, table_pair, rows):
    first, second = table_pair
    before = tables.query(f"select count(*) from {first}")[0][0]
    tables.append(first, *(list(row) for row in rows))
    expected = [list(row) for row in rows]
    sql = f"select * from {first} limit 10 offset {before}"
    assert tables.query(sql) == expected
    csv = tables.download(sql, includeRowIdAndRowVersion=False)
    tables.transact(second, tables.csv(second, csv))
    assert tables.query(f"select * from {second} limit 10 offset {before}") == expected
    condition = " and ".join(
        f"{quote_identifier(name)} is null"
        if cell is None
        else f"{quote_identifier(name)} = {quote_literal(cell)}"
        for (name, kind), cell in zip(zip(NAMES, CELLS, strict=True), expected[0], strict=True)
        if not kind.endswith(("LIST", "JSON"))
    )
    count = tables.query(f"select count(*) from {first} where {condition}")
    assert int(count[0][0]) >= 1


def quote_identifier(name):
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text):
    return "'" + text.replace("'", "''") + "'"


def parse(kind, text, **more):
    size = {"maximumSize": 5} if kind in {"STRING", "LINK", "STRING_LIST"} else {}
    length = {"maximumListLength": 3} if kind.endswith("_LIST") else {}
    column = parse_column(1, {"name": "c", "columnType": kind, **size, **length, **more})
    stored = cell_values.get_cell_parser(column)(text)
    return None if stored is None else cell_values.get_serializer(column.type)(stored)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("STRING", "", ""),
        ("STRING", "12345", "12345"),
        ("LARGETEXT", "x" * 524288, "x" * 524288),
        ("MEDIUMTEXT", "x" * 2000, "x" * 2000),
        ("INTEGER", "", None),
        ("INTEGER", " +7 ", "7"),
        ("INTEGER", str(2**63 - 1), str(2**63 - 1)),
        ("DOUBLE", "1e3", "1000.0"),
        ("DOUBLE", "-INF", "-Infinity"),
        ("DOUBLE", "nan", "NaN"),
        ("DOUBLE", "0.1", "0.1"),
        ("DOUBLE", ".5", "0.5"),
        ("BOOLEAN", "TRUE", "true"),
        ("BOOLEAN", "False", "false"),
        ("DATE", "2020-01-02", "1577923200000"),
        ("DATE", "20-1-2", "1577923200000"),
        ("DATE", "99-1-2", "915235200000"),
        ("DATE", "2020-1-2 3:4", "1577934240000"),
        ("DATE", "2020-01-02 03:04:05.6", "1577934245600"),
        ("DATE", "2020-01-02T03:04:05.678Z", "1577934245678"),
        ("DATE", "2020-01-02T03:04:05+02:00", "1577927045000"),
        ("DATE", "-5", "-5"),
        ("ENTITYID", "SYN12", "syn12"),
        ("ENTITYID", "12", "syn12"),
        ("USERID", "273948", "273948"),
        ("STRING_LIST", "[]", None),
        ("STRING_LIST", "", None),
        ("STRING_LIST", '["a","ü"]', '["a", "ü"]'),
        ("STRING_LIST", "['a', 'it\\'s']", '["a", "it\'s"]'),
        ("STRING_LIST", '[a b, "c"]', '["a b", "c"]'),
        ("STRING_LIST", "[ ]", None),
        ("BOOLEAN_LIST", "[True, False]", "[true, false]"),
        ("INTEGER_LIST", '[1,"2"]', "[1, 2]"),
        ("BOOLEAN_LIST", '[true,"FALSE"]', "[true, false]"),
        ("DATE_LIST", '["1970-01-02", 5]', "[86400000, 5]"),
        ("ENTITYID_LIST", '["12","syn13",14]', '["syn12", "syn13", "syn14"]'),
        ("USERID_LIST", "[1,2]", "[1, 2]"),
        ("JSON", '{"a" : 1.10}', '{"a" : 1.10}'),
        ("JSON", "", None),
    ],
)
def test_text_is_normalized(kind, text, expected):
    assert parse(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("STRING", "123456"),
        ("LINK", "123456"),
        ("MEDIUMTEXT", "x" * 2001),
        ("LARGETEXT", "x" * 524289),
        ("INTEGER", "1.0"),
        ("INTEGER", "1_000"),
        ("INTEGER", str(2**63)),
        ("INTEGER", "٣"),
        ("DOUBLE", "1,5"),
        ("DOUBLE", "0x10"),
        ("DOUBLE", "1_0.5"),
        ("BOOLEAN", "1"),
        ("BOOLEAN", "yes"),
        ("DATE", "2020-13-01"),
        ("DATE", "yesterday"),
        ("DATE", "2020-01-02T03:04:05+99:00"),
        ("DATE", str(2**63)),
        ("ENTITYID", "syn12.3"),
        ("ENTITYID", "sin12"),
        ("USERID", "ann"),
        ("STRING_LIST", '"a"'),
        ("STRING_LIST", '["123456"]'),
        ("STRING_LIST", "[null]"),
        ("STRING_LIST", "['a', None]"),
        ("STRING_LIST", "['a' 'b']"),
        ("STRING_LIST", "['a"),
        ("STRING_LIST", "a, b"),
        ("STRING_LIST", "[1]"),
        ("STRING_LIST", '["a","b","c","d"]'),
        ("STRING_LIST", '["\\ud800"]'),
        ("STRING_LIST", "[" * 100000),
        ("INTEGER_LIST", "[1.5]"),
        ("INTEGER_LIST", "[[1]]"),
        ("BOOLEAN_LIST", "[1]"),
        ("ENTITYID_LIST", '["x"]'),
        ("USERID_LIST", "[true]"),
        ("JSON", "5"),
        ("JSON", "{"),
        ("JSON", "[NaN]"),
    ],
)
def test_invalid_text_raises_cell_error(kind, text):
    with pytest.raises(cell_values.CellError):
        parse(kind, text)


def test_values_outside_the_enumeration_are_rejected():
    assert parse("STRING", "b", enumValues=["a", "b"]) == "b"
    assert parse("INTEGER", "02", enumValues=["1", "2"]) == "2"
    assert parse("STRING_LIST", '["b","a"]', enumValues=["a", "b"]) == '["b", "a"]'
    for kind, text in (("STRING", "c"), ("STRING_LIST", '["a","c"]')):
        with pytest.raises(cell_values.CellError):
            parse(kind, text, enumValues=["a", "b"])


def test_json_numbers_and_booleans_are_accepted(tables):
    table = tables.create_table(("i", "INTEGER"), ("b", "BOOLEAN"), ("d", "DOUBLE"))
    tables.append(table["id"], [5, True, 0.5])
    assert tables.query(f"select * from {table['id']}") == [["5", "true", "0.5"]]


def test_file_handles_must_be_owned_or_in_the_table(ann, ben, tables):
    table = tables.create_table(("f", "FILEHANDLEID"), ("a", "STRING"))["id"]
    mine, other = ann.handle(), ben.handle()
    tables.append(table, [mine, "x"])
    assert_error(tables.try_transact(table, tables.rows(table, [other, "x"])), 403, other)
    assert_error(tables.try_transact(table, tables.csv(table, f"f\n{other}\n")), 403, other)
    assert_error(tables.try_transact(table, tables.rows(table, ["99999999", "x"])), 404)
    ann.share(table, {ben.id: ["READ", "DOWNLOAD", "UPDATE"]})
    bens_tables = type(tables)(ben)
    bens_tables.append(table, [other, "y"], [mine, "z"])
    assert tables.query(f"select f from {table}") == [[mine], [other], [mine]]
    tables.append(table, [other, "again"])


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("{'a': 1}", '{"a": 1}'),
        ("{a: b, c: 'it is', d: [x, 2, 1.5, true, null]}",
         '{"a": "b", "c": "it is", "d": ["x", 2, 1.5, true, null]}'),
        ("['x', \"it's\"]", '["x", "it\'s"]'),
        ("{'a': {'b': {}}, 'c': [],}", '{"a": {"b": {}}, "c": []}'),
        ('{"strict" : 1.10}', '{"strict" : 1.10}'),
    ],
)  # fmt: skip
def test_json_cells_are_parsed_leniently(tables, text, stored):
    table = tables.create_table(("j", "JSON"))["id"]
    tables.append(table, [text])
    assert tables.query(f"select j from {table}") == [[stored]]


@pytest.mark.parametrize(
    "text",
    [
        "{'a': NaN}", '{"a": NaN}', "[Infinity]", "[-Infinity]", "{a}", "{'a': 1", "[1] x", "[,]",
        "word", "'x'", "5", "{'a' 1}", "[" * 100_000,
    ],
)  # fmt: skip
def test_invalid_json_cells_are_rejected(tables, text):
    table = tables.create_table(("j", "JSON"))["id"]
    assert_error(tables.try_transact(table, tables.rows(table, [text])), 400, "JSON")


@pytest.mark.parametrize(
    ("kind", "cell"), [("STRING", "{}"), ("LINK", "{}"), ("STRING_LIST", '["{}"]')]
)
def test_sizes_of_texts_count_utf16_units(tables, kind, cell):
    table = tables.create_table({"name": "s", "columnType": kind, "maximumSize": 2})["id"]
    tables.append(table, [cell.format("😀")], [cell.format("éé")])
    answer = tables.try_transact(table, tables.rows(table, [cell.format("😀x")]))
    assert_error(answer, 400, "maximum length of 2")
