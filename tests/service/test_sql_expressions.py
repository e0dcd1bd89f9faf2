"""Numbers and dates in queries are computed as MySQL 8 computes them.

Each fact here was held against a server of the MySQL family, or stands in MySQL's manual.
"""

import pytest
from support.sql_harness import Memory

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
    memory = Memory(COLUMNS)
    memory.fill(ROWS)
    yield memory
    memory.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # what is divided has four decimals more, and nine in between
        ("1 / 3", "0.3333"),
        ("2 / 3", "0.6667"),
        ("i / 3", "2.3333"),
        ("1 / 3 * 3", "1.0"),
        ("1.00 / 3", "0.333333"),
        ("i / 2 / 2", "1.75"),
        ("case when 1 / 3 = 0.3333 then 'same' else 'not' end", "not"),
        ("d / 3", repr(2.5 / 3)),
        ("concat(1 / 3)", "0.3333"),
        ("json_array(1 / 3)", "[0.3333]"),
        # numbers with a point are exact, those with an exponent are not
        ("0.1 + 0.2", "0.3"),
        ("f + 0.2", repr(0.1 + 0.2)),
        ("0.1e0 + 0.2e0", repr(0.1 + 0.2)),
        ("1.1 * 1.1", "1.21"),
        ("case when 0.1 + 0.2 = 0.3 then 'same' else 'not' end", "same"),
        # DIV and % go towards zero
        ("7 div 2", "3"),
        ("-7 div 2", "-3"),
        ("7 div -2", "-3"),
        ("7.5 div 2", "3"),
        ("0.3e0 div 0.1e0", "3"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7.5 % 2", "1.5"),
        ("0.3 % 0.1", "0.0"),
        ("7 / 0", None),
        ("7 div 0", None),
        ("7 div 1e-31", None),
        ("7 % 0", None),
        ("7.5 / 0.0", None),
        ("d / 0", None),
        # whole numbers have 64 bits
        ("9223372036854775806 + 1", str(LARGEST)),
        ("-9223372036854775808", str(SMALLEST)),
        ("-9223372036854775807 - 1", str(SMALLEST)),
        # halves: away from zero when exact, to what is even when floating
        ("round(2.5)", "3.0"),
        ("round(-2.5)", "-3.0"),
        ("round(d)", "2.0"),
        ("round(2.5e0)", "2.0"),
        ("round(3.5e0)", "4.0"),
        ("round(1.005, 2)", "1.01"),
        ("round(1.005e0, 2)", "1.0"),
        ("round(15, -1)", "20"),
        ("round(-15, -1)", "-20"),
        ("round(14, -1)", "10"),
        ("round(i, 2)", "7"),
        ("round(i, -5)", "0"),
        ("round(2.345, 1)", "2.3"),
        ("round(null)", None),
        ("round(1.5, null)", None),
        # a text is the number it begins with
        ("'12' + 1", "13.0"),
        ("'abc' + 1", "1.0"),
        ("s + 1", "13.0"),
        ("s * 2", "24.0"),
        ("concat(s, 'x') - 2", "10.0"),
        # booleans are 1 and 0
        ("b + 1", "2"),
        ("true + true", "2"),
        ("-b", "-1"),
        ("coalesce(b, 5)", "1"),
        # one type of several
        ("coalesce(i, 0.5)", "7.0"),
        ("coalesce(i, 'none')", "7"),
        ("round(coalesce(5, d), -1)", "0.0"),
        ("round(coalesce(5, 0.5), -1)", "10.0"),
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
        # nothing makes something
        ("i + null", None),
        ("null / 2", None),
        ("-null", None),
    ],
)
def test_numbers(table, value, expected):
    assert table.one(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("i + 1", "BIGINT value is out of range"),
        ("i - 1", "BIGINT value is out of range"),
        ("i * 2", "BIGINT value is out of range"),
        ("-i", "BIGINT value is out of range"),
        ("i div k", "BIGINT value is out of range"),
        ("sum(coalesce(9223372036854775807, 0.5))", "DECIMAL value has more than 15 digits"),
        ("i + 0.5", "DECIMAL value has more than 15 digits"),
        ("i / 3", "DECIMAL value has more than 15 digits"),
        ("f * f", "DOUBLE value is out of range"),
        ("sum(i) + sum(i) + sum(k)", ""),
        ("bit_or(k) + 1", "BIGINT value is out of range"),
    ],
)
def test_numbers_that_are_too_large_have_no_answer(table, value, words):
    if words:
        assert words in table.failure(value)
    else:
        assert table.ask(f"select {value} from syn1")


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
        ("i < 9223372036854775808", [1, 2, 3, 4]),
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
def test_conditions(table, condition, rows):
    assert table.found(condition) == rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sum(i)", "-1"),
        ("sum(9223372036854775807)", "46116860184273879035"),
        ("avg(k)", "1.0"),
        ("avg(i)", "-0.25"),
        ("avg(k / 3)", "0.33333333"),
        ("avg(distinct k)", "1.0"),
        ("sum(distinct b)", "1"),
        ("sum(0.1)", "0.5"),
        ("avg(s)", "-5.75"),
        ("sum(d)", "Infinity"),
        ("count(d)", "4"),
        ("max(d)", "Infinity"),
        ("bit_and(k)", "0"),
        ("bit_or(k)", "18446744073709551615"),
        ("bit_xor(b)", "0"),
        ("max(k / 2)", "1.5"),
    ],
)
def test_set_functions(table, value, expected):
    assert table.ask(f"select {value} from syn1") == [[expected]]


def test_set_functions_of_no_rows(table):
    sql = "select bit_and(i), bit_or(i), bit_xor(i), count(i), sum(i), avg(d) from syn1 where 1=2"
    assert table.ask(sql) == [["18446744073709551615", "0", "0", "0", None, None]]


def test_large_totals_are_sorted_as_numbers(table):
    total = "sum(case when b then 9223372036854775807 else -9223372036854775807 end)"
    sql = f"select b, {total} as t from syn1 group by b order by t"
    assert table.ask(sql) == [
        [None, str(-2 * LARGEST)],
        ["false", str(-LARGEST)],
        ["true", str(2 * LARGEST)],
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("from_unixtime(0)", "1970-01-01 00:00:00"),
        ("from_unixtime(1.5)", "1970-01-01 00:00:01.5"),
        ("from_unixtime(dt / 1000)", "2020-02-29 12:30:45.5000"),
        ("from_unixtime(-1)", None),
        ("from_unixtime(32536771200)", None),
        ("from_unixtime(32536771199)", "3001-01-18 23:59:59"),
        ("unix_timestamp('2020-01-01')", "1577836800"),
        ("unix_timestamp('2020-01-01 00:00:00.5')", "1577836800.5"),
        ("unix_timestamp('1960-01-01')", "0"),
        ("from_unixtime(0) + interval 1.5 day", "1970-01-03 00:00:00"),
        ("from_unixtime(0) + interval 1.5 second", "1970-01-01 00:00:01.5"),
        ("from_unixtime(0) + interval '2' hour", "1970-01-01 02:00:00"),
        ("interval 1 day + from_unixtime(0)", "1970-01-02 00:00:00"),
        ("from_unixtime(0) - interval k month", "1969-11-01 00:00:00"),
        ("dt + interval 1 year", "2021-02-28 12:30:45"),
        ("dt - interval 1 quarter", "2019-11-29 12:30:45"),
        ("now() + interval 99999 year", None),
        ("now() + interval null day", None),
        ("week('2020-01-05')", "1"),
        ("week('2020-01-04')", "0"),
        ("dayofweek('2020-01-05')", "1"),
        ("weekday('2020-01-05')", "6"),
        ("microsecond(dt)", "500000"),
        ("json_array(from_unixtime(0))", '["1970-01-01 00:00:00.000000"]'),
    ],
)
def test_dates(table, value, expected):
    assert table.one(value) == expected


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
def test_conditions_on_dates(table, condition, rows):
    assert table.found(condition) == rows


def test_system_columns_stand_in_all_clauses(table):
    sql = (
        "select row_id, max(row_version) as v, count(row_id) from syn1 where row_id > 1 and"
        " row_version = 1 group by row_id having row_id < 4 and v = 1 order by row_id desc"
    )
    assert table.ask(sql) == [["3", "1", "1"], ["2", "1", "1"]]
    assert table.ask("select row_id, i, b from syn1 group by row_id order by 1 limit 1") == [
        ["1", "7", "true"]
    ]
