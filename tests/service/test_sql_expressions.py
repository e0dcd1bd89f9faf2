"""Arithmetic, functions, dates and aggregate functions of queries."""

import pytest
from support.sql_harness import MemoryTable

from synapse_workflows.local.errors import BadRequest

COLUMNS = {
    "i": "INTEGER", "k": "INTEGER", "d": "DOUBLE", "f": "DOUBLE", "b": "BOOLEAN", "s": "STRING",
    "dt": "DATE", "e": "ENTITYID",
}  # fmt: skip
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
ROWS = [
    ["7", "2", "2.5", "0.1", "true", "12abc", "1582979445500", "syn10"],
    ["-7", "0", "-2.5", "1e300", "false", "x", "0", "syn9"],
    [str(LARGEST), "3", "NaN", "1", None, " -3.5e1 z", None, None],
    [str(SMALLEST), "-1", "inf", "0", "true", "", "1000", None],
    [None, None, None, None, None, None, None, None],
]


@pytest.fixture(scope="module")
def table():
    memory = MemoryTable(COLUMNS)
    memory.fill(ROWS)
    yield memory
    memory.close()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # + - * keep integers, / gives a DOUBLE
        ("i + k", "9"),
        ("1 / 3", repr(1 / 3)),
        ("8 / 2", "4.0"),
        ("i / 2 / 2", "1.75"),
        ("d / 3", repr(2.5 / 3)),
        ("f + 0.2", repr(0.1 + 0.2)),
        ("1.5 * 2", "3.0"),
        # DIV and % truncate towards zero
        ("7 div 2", "3"),
        ("-7 div 2", "-3"),
        ("7 div -2", "-3"),
        ("7.5 div 2", "3"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7.5 % 2", "1.5"),
        ("9223372036854775807 % 10", "7"),
        # a division by zero gives null
        ("7 / 0", None),
        ("7 div 0", None),
        ("7 % 0", None),
        ("7.5 / 0.0", None),
        ("d div 0", None),
        ("d % 0", None),
        # integers have 64 bits
        ("9223372036854775806 + 1", str(LARGEST)),
        ("-9223372036854775808", str(SMALLEST)),
        ("-9223372036854775807 - 1", str(SMALLEST)),
        ("9223372036854775807 div 1", str(LARGEST)),
        # ROUND rounds halves away from zero
        ("round(2.5)", "3.0"),
        ("round(-2.5)", "-3.0"),
        ("round(d)", "3.0"),
        ("round(1.005, 2)", "1.01"),
        ("round(1e300, 2)", "1e+300"),
        ("round(15, -1)", "20"),
        ("round(-15, -1)", "-20"),
        ("round(14, -1)", "10"),
        ("round(i, 2)", "7"),
        ("round(i, -5)", "0"),
        ("round(null)", None),
        ("round(1.5, null)", None),
        # text counts as the number it starts with
        ("'12' + 1", "13.0"),
        ("'abc' + 1", "1.0"),
        ("s + 1", "13.0"),
        ("concat(s, 'x') - 2", "10.0"),
        # booleans count as 1 and 0
        ("b + 1", "2"),
        ("true + true", "2"),
        ("-b", "-1"),
        ("coalesce(b, 5)", "1"),
        # results of several types get a common type
        ("coalesce(i, 0.5)", "7.0"),
        ("coalesce(i, 'none')", "7"),
        ("coalesce(i, d) % 2", "1.0"),
        ("coalesce(null, 'none', i)", "none"),
        ("case when i = 1 then i else 'many' end", "many"),
        ("case when i = 7 then i else 'many' end", "7"),
        ("case when i = 7 then b else 3 end", "1"),
        ("case i when 1 then 'a' when 7 then 'b' else 'c' end", "b"),
        ("case s when '12ABC' then 1 end", "1"),
        ("case null when null then 1 else 2 end", "2"),
        ("nullif(i, 7)", None),
        ("nullif(i, 7.0)", None),
        ("nullif(i, '7')", None),
        ("nullif(i, null)", "7"),
        ("nullif(s, '12ABC')", None),
        ("nullif(null, 1)", None),
        # null
        ("i + null", None),
        ("null / 2", None),
        ("-null", None),
        # text
        ("upper('é')", "É"),
        ("lower('ÀB')", "àb"),
        ("trim('  x\t ')", "x\t"),
        ("replace('aAá', 'a', 'x')", "xAá"),
        ("replace('abc', '', 'x')", "abc"),
        ("replace('abc', null, 'x')", None),
        ("crc32('é')", "235179326"),
        ("crc32('')", "0"),
        ("concat('a', null)", None),
        ("concat('a', 1, true, 1.5, i, d)", "a1true1.572.5"),
    ],
)
def test_expression_returns(table, expression, expected):
    assert table.evaluate(expression) == expected


@pytest.mark.parametrize("expression", ["i + 1", "i - 1", "i * 2", "-i", "i div k", "sum(i * 1)"])
def test_integer_overflow_is_an_error(table, expression):
    table.fill(
        [[str(value), "-1", *[None] * 6] for value in (LARGEST, SMALLEST, LARGEST, LARGEST)]
    )
    try:
        assert "integer overflow" in table.get_error(expression).lower()
    finally:
        table.fill(ROWS)


@pytest.mark.parametrize(
    "expression", ["9223372036854775808", "-9223372036854775809", "round(9223372036854775807, -1)"]
)
def test_number_of_more_than_64_bits_is_an_error(table, expression):
    with pytest.raises(BadRequest, match="more than 64 bits"):
        raise BadRequest(table.get_error(expression))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("s = i", []),
        ("s > i", [1, 2, 4]),
        ("s = -35", []),
        ("s + 0 = -35", [3]),
        ("s < k", [3]),
        ("concat(i) = 7.0", [1]),
        ("i = 9223372036854775807", [3]),
        ("i = 7.0", [1]),
        ("i in (7.0, -7)", [1, 2]),
        ("i not in (7, null)", []),
        ("i in (99, null) or i = 7", [1]),
        ("i between null and 9", []),
        ("not i between 8 and null", [1, 2, 4]),
        ("7 between k and i", [1, 3]),
        ("d > -99", [1, 2, 4]),
        ("d <> 2.5", [2, 4]),
        ("coalesce(d, 0) > 1", [1, 4]),
        ("null", []),
        ("null or i = 7", [1]),
        ("not null", []),
        ("b is not true and b is not false", [3, 5]),
        ("b = 1", [1, 4]),
        ("b in (true, null)", [1, 4]),
        ("b > false", [1, 4]),
        ("d = true or f = true", [3]),
        ("d in (2.5, 'NaN')", [1, 3]),
        ("d not in (2.5, 'NaN')", [2, 4]),
        ("d not in (2.5)", [2, 4]),
        ("d = 'NaN' or d = '-Infinity'", [3]),
        ("isNaN(d) or isInfinity(d)", [3, 4]),
    ],
)
def test_condition_selects(table, condition, rows):
    assert table.find_rows(condition) == rows


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(k)", "4"),
        ("avg(k)", "1.0"),
        ("avg(distinct k)", "1.0"),
        ("sum(distinct b)", "1"),
        ("sum(0.5)", "2.5"),
        ("avg(s)", "-5.75"),
        ("sum(d)", "Infinity"),
        ("count(d)", "4"),
        ("max(d)", "Infinity"),
        ("max(k / 2)", "1.5"),
        ("bit_and(k)", "0"),
        ("bit_or(k)", "-1"),
        ("bit_xor(b)", "0"),
    ],
)
def test_aggregate_function_returns(table, expression, expected):
    assert table.fetch(f"select {expression} from syn1") == [[expected]]


def test_aggregate_functions_of_no_rows(table):
    sql = "select bit_and(i), bit_or(i), bit_xor(i), count(i), sum(i), avg(d), max(s) from syn1"
    assert table.fetch(f"{sql} where 1 = 2") == [["-1", "0", "0", "0", None, None, None]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("from_unixtime(0)", "1970-01-01 00:00:00"),
        ("from_unixtime(1.5)", "1970-01-01 00:00:01.500"),
        ("from_unixtime(dt / 1000)", "2020-02-29 12:30:45.500"),
        ("from_unixtime(1e300)", None),
        ("unix_timestamp('2020-01-01')", "1577836800"),
        ("unix_timestamp(dt)", "1582979445"),
        ("from_unixtime(0) + interval 1.5 second", "1970-01-01 00:00:01.500"),
        ("from_unixtime(0) + interval '2' hour", "1970-01-01 02:00:00"),
        ("from_unixtime(0) + interval -2 day", "1969-12-30 00:00:00"),
        ("interval 1 day + from_unixtime(0)", "1970-01-02 00:00:00"),
        ("from_unixtime(0) - interval k month", "1969-11-01 00:00:00"),
        ("dt + interval 1 year", "2021-02-28 12:30:45.500"),
        ("dt - interval 1 quarter", "2019-11-29 12:30:45.500"),
        ("now() + interval 99999 year", None),
        ("now() + interval 1e300 day", None),
        ("now() + interval null day", None),
        ("week('2020-01-05')", "1"),
        ("week('2020-01-04')", "0"),
        ("dayofweek('2020-01-05')", "1"),
        ("weekday('2020-01-05')", "6"),
        ("microsecond(dt)", "500000"),
        ("json_array(from_unixtime(0))", '["1970-01-01 00:00:00"]'),
    ],
)
def test_date_expression_returns(table, expression, expected):
    assert table.evaluate(expression) == expected


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("from_unixtime(dt / 1000) > '2020-01-01'", [1]),
        ("dt < now() - interval 1 week", [1, 2, 4]),
        ("dt > unix_timestamp(now() - interval 1 year) * 1000", [1]),
        ("'2020-02-29' < dt", [1]),
        ("dt = '1970-01-01T00:00:01Z'", [4]),
        ("year(dt) = 2020", [1]),
    ],
)
def test_date_condition_selects(table, condition, rows):
    assert table.find_rows(condition) == rows


def test_system_columns_are_supported_in_all_clauses(table):
    sql = (
        "select row_id, max(row_version) as v, count(row_id) from syn1 where row_id > 1 and"
        " row_version = 1 group by row_id having row_id < 4 and v = 1 order by row_id desc"
    )
    assert table.fetch(sql) == [["3", "1", "1"], ["2", "1", "1"]]
