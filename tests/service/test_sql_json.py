"""JSON functions of queries."""

import pytest
from support.sql_harness import MemoryTable

from synapse_workflows.local.errors import BadRequest

ROWS = [
    ['{"a": {"b": [1, "two", null]}, "n": 10, "t": "Text", "f": true}', '["Red","green"]', "two"],
    ['{"bb": 1, "a": 2, "n": 9, "t": "text"}', '["b"]', "Text"],
    ['["x", 5, [6, 7]]', None, None],
    ['{"n": 10.0, "a b": {"c": 1}, "t": null}', None, ""],
    [None, None, '"q'],
    ['{"n": "10", "f": false}', None, 'a"b'],
]


@pytest.fixture(scope="module")
def table():
    memory = MemoryTable({"j": "JSON", "sl": "STRING_LIST", "s": "STRING"})
    memory.fill(ROWS)
    yield memory
    memory.close()


@pytest.mark.parametrize(
    ("row", "expression", "expected"),
    [
        (1, "json_extract(j, '$.a.b[0]')", "1"),
        (1, "json_extract(j, '$.a.b[1]')", '"two"'),
        (1, "json_extract(j, '$.a.b[2]')", "null"),
        (1, "json_extract(j, '$.a.b[3]')", None),
        (1, "json_extract(j, '$.a.b')", '[1,"two",null]'),
        (1, "json_extract(j, '$.f')", "true"),
        (1, "json_extract(json_extract(j, '$.a'), '$.b[0]')", "1"),
        (4, "json_extract(j, '$.\"a b\".c')", "1"),
        (5, "json_extract(j, '$')", None),
        (1, "json_object()", "{}"),
        (1, "json_array()", "[]"),
        (1, "json_array(1.5, 'x', null, true, sl)", '[1.5,"x",null,true,["Red","green"]]'),
        (1, "json_array(json_extract(j, '$.a'))", '[{"b":[1,"two",null]}]'),
        (1, "json_array(json_object('k', json_array(1)))", '[{"k":[1]}]'),
        (1, "json_array(json_quote(s))", '["\\"two\\""]'),
        (6, "json_quote(s)", '"a\\"b"'),
        (1, "json_quote('null')", '"null"'),
        (1, "json_quote(null)", None),
        (1, "json_unquote(json_extract(j, '$.t'))", "Text"),
        (5, "json_unquote(s)", '"q'),
        (1, "json_unquote('\"a\\u0062\"')", "ab"),
        (1, "json_unquote(null)", None),
        (1, "json_search(j, 'one', 'two')", '"$.a.b[1]"'),
        (1, "json_search(j, 'all', 't%')", '"$.a.b[1]"'),
        (1, "json_search(j, 'ALL', '%t%')", '["$.a.b[1]", "$.t"]'),
        (1, "json_search(j, 'one', 'TWO')", None),
        (3, "json_search(j, 'one', 'x')", '"$[0]"'),
        (3, "json_search(j, 'one', '5')", None),
        (1, "json_overlaps(sl, '[\"green\", 1]')", "true"),
        (1, "json_overlaps(sl, '[\"GREEN\"]')", "false"),
        (3, "json_overlaps(j, '5')", "true"),
        (3, "json_overlaps(j, '[6, 7]')", "false"),
        (3, "json_overlaps(j, '[[6, 7]]')", "true"),
        (3, "json_overlaps('[true]', '[1]')", "false"),
        (2, 'json_overlaps(j, \'{"a": 2, "z": 1}\')', "true"),
        (2, "json_overlaps(j, '{\"a\": 3}')", "false"),
        (2, "json_overlaps(j, '[[\"a\", 2]]')", "false"),
        (5, "json_overlaps(j, '[]')", None),
        (1, "json_extract(j, '$.n') + 1", "11.0"),
        (6, "json_extract(j, '$.n') * 2", "20.0"),
        (1, "coalesce(json_extract(j, '$.none'), 'no')", "no"),
    ],
)
def test_json_function_returns(table, row, expression, expected):
    assert table.evaluate(expression, f"row_id = {row}") == expected


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("json_extract(j, '$.n') = 10", [1, 4]),
        ("json_extract(j, '$.n') = '10'", [6]),
        ("json_extract(j, '$.n') > 9", [1, 4, 6]),
        ("json_extract(j, '$.n') in (9, '10')", [2, 6]),
        ("json_extract(j, '$.n') between 9 and 10", [1, 2, 4]),
        ("json_extract(j, '$.n') <> 10", [2, 6]),
        ("json_extract(j, '$.t') = 'Text'", [1]),
        ("json_extract(j, '$.t') = '\"Text\"'", []),
        ("json_unquote(json_extract(j, '$.t')) = 'TEXT'", [1, 2]),
        ("json_extract(j, '$.t') is null", [3, 5, 6]),
        ("json_extract(j, '$.f') = true", [1]),
        ("json_extract(j, '$.f') = false", [6]),
        ("json_extract(j, '$.a.b[1]') = s", [1]),
        ("json_extract(j, '$.n') like '1%'", [1, 4]),
        ('json_overlaps(sl, \'["b", "green"]\')', [1, 2]),
        ("not json_overlaps(sl, '[\"b\"]')", [1]),
        ("json_search(j, 'one', 'te%') is not null", [2]),
        ("sl = j", []),
    ],
)
def test_json_condition_selects(table, condition, rows):
    assert table.find_rows(condition) == rows


def test_json_values_are_sorted_and_grouped_by_value(table):
    sql = "select row_id from syn1 order by json_extract(j, '$.n'), row_id"
    assert [row[0] for row in table.fetch_stored(sql)] == [3, 5, 2, 1, 4, 6]
    sql = "select count(*) from syn1 group by json_extract(j, '$.n') order by 1"
    assert table.fetch_stored(sql) == [(1,), (1,), (2,), (2,)]
    sql = "select max(json_extract(j, '$.n')), min(json_extract(j, '$.n')) from syn1"
    assert table.fetch_stored(sql) == [('"10"', "9")]
    sql = "select count(distinct json_extract(j, '$.n')) from syn1"
    assert table.fetch_stored(sql) == [(3,)]
    sql = "select group_concat(row_id order by json_extract(j, '$.n') desc) from syn1"
    assert table.fetch_stored(sql + " where row_id in (1, 2, 6)") == [("6,1,2",)]


def test_json_arrayagg_returns_the_values_of_a_group(table):
    sql = "select json_arrayagg(json_extract(j, '$.n')) from syn1"
    assert table.fetch_stored(sql) == [('[10,9,null,10.0,null,"10"]',)]
    sql = "select json_arrayagg(s) from syn1 where row_id in (1, 6)"
    assert table.fetch_stored(sql) == [('["two","a\\"b"]',)]


def test_json_has_neither_nan_nor_infinity():
    memory = MemoryTable({"d": "DOUBLE"})
    memory.fill([["NaN"], ["inf"], ["-inf"], ["1.5"]])
    assert memory.fetch_stored("select json_arrayagg(d) from syn1") == [("[null,null,null,1.5]",)]
    memory.close()


@pytest.mark.parametrize(
    "path",
    ["'a'", "'$.'", "'$[x]'", "'$.a.b[*]'", "'$.a.*'", "'$**.b'", "'$[last]'", "'$[0 to 1]'",
     "'$[#-1]'", "s", "null"],
)  # fmt: skip
def test_unsupported_json_path_is_rejected(table, path):
    with pytest.raises(BadRequest, match=r"The JSON path .* is not supported"):
        table.compile(f"select json_extract(j, {path}) from syn1")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("json_extract(s, '$.a')", "malformed JSON"),
        ("json_extract('[NaN]', '$')", "malformed JSON"),
        ("json_overlaps(j, 'x')", "Invalid JSON text"),
        ("json_overlaps(j, '[NaN]')", "Invalid JSON text"),
        ("json_search(j, 'some', 'x')", "'one' or 'all'"),
        ("json_object(null, 1)", "labels must be TEXT"),
        ('json_unquote(\'"a"b"\')', "Invalid JSON text"),
    ],
)
def test_invalid_json_is_an_error(table, expression, message):
    assert message in table.get_error(expression)
