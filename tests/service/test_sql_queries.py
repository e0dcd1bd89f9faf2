"""Results of every clause, operator and function of the supported SQL."""

import statistics

import pytest

COLUMNS = [
    ("s", "STRING"), ("txt", "LARGETEXT"), ("i", "INTEGER"), ("d", "DOUBLE"), ("b", "BOOLEAN"),
    ("dt", "DATE"), ("e", "ENTITYID"), ("u", "USERID"), ("sl", "STRING_LIST"),
    ("il", "INTEGER_LIST"), ("el", "ENTITYID_LIST"), ("bl", "BOOLEAN_LIST"), ("j", "JSON"),
    ('odd "name", with.dots', "STRING"), ("select", "STRING"),
]  # fmt: skip
ROWS = [
    ["Apple", "x", "1", "1.5", "true", "2020-02-29 12:30:45.5", "syn10", "1",
     '["Red","green"]', "[1,2]", '["syn5","syn6"]', "[true]", '{"a": {"b": [1, "two"]}}', "q",
     "k1"],
    ["apple", "%_\\", "2", "NaN", "false", "2021-12-31", "syn9", "3300001",
     '["RED"]', "[3]", '["syn6"]', "[false,true]", '["x", 5]', "Q", "k2"],
    ["Ápple", None, None, "inf", None, None, None, None, None, None, None, None, None, None, "k3"],
    ["it's", "", "-7", "-inf", "true", "1000", "syn100", "2",
     '["blue green"]', "[1]", None, None, '{"a": 1}', "r", "k4"],
    [None, "a\nb", "5", "2.5", "false", "0", "syn10", "1", None, None, None, None, None, "", "k5"],
]  # fmt: skip


@pytest.fixture(scope="module")
def table(tables):
    table_id = tables.create_table(*COLUMNS)["id"]
    tables.append(table_id, *ROWS)
    return table_id


@pytest.fixture
def rows(tables, table):
    """Run a query, in which `T` stands for the table."""

    def run(sql):
        return tables.query(sql.replace(" T", f" {table}"))

    return run


@pytest.fixture
def find_rows(rows):
    """Return the IDs of the rows that a condition selects."""

    def run(condition):
        return [int(row[0]) for row in rows(f"select row_id from T where {condition}")]

    return run


@pytest.fixture
def evaluate(rows):
    """Return the value of an expression in one row."""

    def run(expression, row=1):
        return rows(f"select {expression} from T where row_id = {row}")[0][0]

    return run


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # text: neither case nor accents matter
        ("s = 'apple'", [1, 2, 3]),
        ("s <> 'APPLE'", [4]),
        ("s != 'APPLE'", [4]),
        ("s > 'apple'", [4]),
        ("s in ('APPLE', 'IT''S')", [1, 2, 3, 4]),
        ("s not in ('apple')", [4]),
        ("s between 'a' and 'b'", [1, 2, 3]),
        ("s = 5", []),
        ("txt = ''", [4]),
        # null equals nothing and differs from nothing
        ("s is null", [5]),
        ("s is not null", [1, 2, 3, 4]),
        ("i = null", []),
        ("not s = 'apple'", [4]),
        ("not (s = 'apple' or s is null)", [4]),
        # like
        ("s like 'a%e'", [1, 2, 3]),
        ("s like '_pple'", [1, 2, 3]),
        ("s like 'pp'", []),
        ("s like '%P%L%'", [1, 2, 3]),
        ("s not like '%p%'", [4]),
        ("txt like '%\\%%'", [2]),
        ("txt like '|%|_%' escape '|'", [2]),
        ("txt like 'a%b'", [5]),
        ("txt like ''", [4]),
        ("e like 'syn1%'", [1, 4, 5]),
        # numbers
        ("i > 1", [2, 5]),
        ("i >= '2'", [2, 5]),
        ("i = 2.0", [2]),
        ("i between -10 and 1", [1, 4]),
        ("i in (1, '5', 99)", [1, 5]),
        ("i <= -7", [4]),
        ("i = -7", [4]),
        ("-i = 7", [4]),
        ("i + 1 = 3", [2]),
        ("i * 2 > i + 2", [5]),
        # NaN compares with nothing, infinity with everything
        ("d > 0", [1, 3, 5]),
        ("d < 2", [1, 4]),
        ("d <> 1.5", [3, 4, 5]),
        ("isNaN(d)", [2]),
        ("not isnan(d)", [1, 3, 4, 5]),
        ("isInfinity(d)", [3, 4]),
        ("not isInfinity(d)", [1, 2, 5]),
        ("d = 'NaN'", [2]),
        ("d = 'Infinity'", [3]),
        ("d is null", []),
        ("d in (1.5, '2.5')", [1, 5]),
        ("d = 15e-1", [1]),
        # booleans
        ("b = true", [1, 4]),
        ("b = 'TRUE'", [1, 4]),
        ("b = false", [2, 5]),
        ("b", [1, 4]),
        ("not b", [2, 5]),
        ("b is true", [1, 4]),
        ("b is not true", [2, 3, 5]),
        ("b is false and i = 2", [2]),
        # dates, as numbers or in quotes
        ("dt = 1000", [4]),
        ("dt > '2020-02-29'", [1, 2]),
        ("dt > '2020-2-29 12:30:45.4'", [1, 2]),
        ("dt >= '2020-02-29T12:30:45.500Z'", [1, 2]),
        ("dt < '1970-01-01 00:00:01'", [5]),
        ("dt between '2020-01-01' and '2020-12-31'", [1]),
        ("dt in ('1970-01-01', 1000)", [4, 5]),
        # ids
        ("e = 'syn10'", [1, 5]),
        ("e = 'SYN10'", [1, 5]),
        ("e = 10", [1, 5]),
        ("e = '10'", [1, 5]),
        ("e in ('syn9', 'syn100')", [2, 4]),
        ("u = 1", [1, 5]),
        ("u = '1'", [1, 5]),
        ("u = current_user()", [2]),
        # lists
        ("sl has ('red')", [1, 2]),
        ("sl has ('green', 'BLUE GREEN')", [1, 4]),
        ("sl not has ('red')", [4]),
        ("sl has_like ('%green')", [1, 4]),
        ("sl has_like ('r_d')", [1, 2]),
        ("sl has_like ('r!_d') escape '!'", []),
        ("il has (1)", [1, 4]),
        ("il has ('3', 2)", [1, 2]),
        ("el has ('syn6')", [1, 2]),
        ("el has ('5')", [1]),
        ("bl has (true)", [1, 2]),
        ("bl has ('false')", [2]),
        ("sl is null", [3, 5]),
        # rows
        ("row_id in (2, 4)", [2, 4]),
        ("ROW_VERSION = 1 and Row_Id < 3", [1, 2]),
        ("row_id = 1 or row_id = 3 and s = 'nope'", [1]),
        ("(row_id = 1 or row_id = 3) and s = 'apple'", [1, 3]),
        # names
        ('"odd ""name"", with.dots" = \'q\'', [1, 2]),
        ("`select` = 'K3'", [3]),
        ("\"select\" in ('k1')", [1]),
        ("concat(s, i) = 'apple1'", [1]),
        ("upper(s) = 'APPLE'", [1, 2, 3]),
        ("json_overlaps(j, '[5]')", [2]),
        ("case when i > 1 then s else 'none' end = 'none'", [1, 3, 4]),
        ("coalesce(i, 100) > 50", [3]),
    ],
)
def test_condition_selects(find_rows, condition, expected):
    assert find_rows(condition) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5 + 2", "7"),
        ("7 / 2", "3.5"),
        ("-7 DIV 2", "-3"),
        ("-7 % 3", "-1"),
        ("7 % 0", None),
        ("7 - 10", "-3"),
        ("3 * 4", "12"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-(i)", "-1"),
        ("d + 1", "2.5"),
        ("'text'", "text"),
        ("'it''s'", "it's"),
        ("'a\\b'", "a\\b"),
        ("true", "true"),
        ("null", None),
        ("1e3", "1000.0"),
        ("concat(s, '-', i, '-', d, '-', b, '-', e)", "Apple-1-1.5-true-syn10"),
        ("replace(s, 'p', 'bb')", "Abbbble"),
        ("replace(s, 'P', 'b')", "Apple"),
        ("trim('  x y ')", "x y"),
        ("round(1234, -2)", "1200"),
        ("round(1234.567, 1)", "1234.6"),
        ("crc32('MySQL')", "3259397556"),
        ("coalesce(null, s, 'x')", "Apple"),
        ("nullif(s, 'APPLE')", None),
        ("nullif(i, 2)", "1"),
        ("coalesce(null, null)", None),
        ("coalesce(json_extract(j, '$.no'), json_array(1))", "[1]"),
        ("case when i = 1 then null end + 1", None),
        ("case when i = 1 then 'one' when i = 2 then 'two' else 'many' end", "one"),
        ("case i when 2 then 'two' end", None),
        ("case s when 'APPLE' then 1 else 0.5 end", "1.0"),
        ("from_unixtime(0) + interval 1 month", "1970-02-01 00:00:00"),
        ("dt - interval 2 month", "2019-12-29 12:30:45.500"),
        ("dt + interval 36 hour", "2020-03-02 00:30:45.500"),
        ("dt + interval i week", "2020-03-07 12:30:45.500"),
        ("year(dt)", "2020"),
        ("quarter(dt)", "1"),
        ("month(dt)", "2"),
        ("day(dt)", "29"),
        ("dayofmonth(dt)", "29"),
        ("dayofweek(dt)", "7"),
        ("weekday(dt)", "5"),
        ("dayofyear(dt)", "60"),
        ("hour(dt)", "12"),
        ("minute(dt)", "30"),
        ("second(dt)", "45"),
        ("monthname(dt)", "February"),
        ("dayname(dt)", "Saturday"),
        ("year('1999-05-05')", "1999"),
        ("json_object('k', s, 'n', i, 'l', sl, 'z', null, 'b', b)",
         '{"k":"Apple","n":1,"l":["Red","green"],"z":null,"b":true}'),
        ("json_array(s, i, d, e, j)", '["Apple",1,1.5,"syn10",{"a":{"b":[1,"two"]}}]'),
        ("json_extract(j, '$.\"a\".b[0]')", "1"),
        ("json_unquote(json_extract(j, '$.a.b[1]'))", "two"),
        ("json_quote(s)", '"Apple"'),
        ("json_search(j, 'all', 'no')", None),
        ("current_user()", "3300001"),
        ("row_version", "1"),
    ],
)  # fmt: skip
def test_expression_returns(evaluate, expression, expected):
    assert evaluate(expression) == expected


def test_now_is_the_time_of_the_service(evaluate, rules):
    now = rules.clock.now.replace(microsecond=0)
    seconds = int(now.timestamp())
    assert evaluate("now()") == f"{now:%Y-%m-%d %H:%M:%S}"
    assert evaluate("unix_timestamp(now()) * 1000") == str(seconds * 1000)
    assert evaluate("unix_timestamp(now() - interval 1 day)") == str(seconds - 86400)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("count(*)", "5"),
        ("count(s)", "4"),
        ("count(d)", "5"),
        ("count(distinct s)", "2"),
        ("count(distinct i)", "4"),
        ("max(s)", "it's"),
        ("min(i)", "-7"),
        ("max(dt)", "1640908800000"),
        ("max(e)", "syn100"),
        ("max(b)", "true"),
        ("sum(i)", "1"),
        ("sum(i) + 1", "2"),
        ("avg(i)", "0.25"),
        ("sum(b)", "2"),
        ("bit_and(i)", "0"),
        ("bit_or(i + 8)", "15"),
        ("bit_xor(i + 8)", "15"),
        ("stddev_pop(i)", repr(statistics.pstdev([1, 2, -7, 5]))),
        ("stddev_samp(i)", repr(statistics.stdev([1, 2, -7, 5]))),
        ("var_pop(i)", repr(statistics.pvariance([1, 2, -7, 5]))),
        ("var_samp(i)", repr(statistics.variance([1, 2, -7, 5]))),
        ("group_concat(i)", "1,2,-7,5"),
        ("group_concat(i order by i desc)", "5,2,1,-7"),
        ("group_concat(distinct s order by s separator ' | ')", "Apple | it's"),
        ("group_concat(s order by b desc, i desc separator ';')", "Apple;it's;apple;Ápple"),
        ("group_concat(dt)", "1582979445500,1640908800000,1000,0"),
        ("json_arrayagg(i)", "[1,2,null,-7,5]"),
        ("json_arrayagg(b)", "[true,false,null,true,false]"),
        ("concat(min(i), '/', max(i))", "-7/5"),
    ],
)
def test_aggregate_function_returns(rows, expression, expected):
    assert rows(f"select {expression} from T") == [[expected]]


def test_aggregate_functions_of_no_rows(rows):
    sql = "select count(*), sum(i), max(s), group_concat(s), json_arrayagg(i), avg(d) from T"
    assert rows(f"{sql} where 1 = 2") == [["0", None, None, None, None, None]]


def test_group_by(rows):
    assert rows("select s, count(*) from T group by s order by count(*) desc, s") == [
        ["Apple", "3"], [None, "1"], ["it's", "1"],
    ]  # fmt: skip
    assert rows("select b, sum(i) as total from T group by b having total > 2 order by b") == [
        ["false", "7"]
    ]
    assert rows("select upper(s) as up, count(*) from T group by up order by up desc") == [
        ["IT'S", "1"], ["APPLE", "3"], [None, "1"],
    ]  # fmt: skip
    assert rows("select year(dt), count(*) from T group by 1 order by 2 desc, 1") == [
        ["1970", "2"], [None, "1"], ["2020", "1"], ["2021", "1"],
    ]  # fmt: skip
    assert rows("select max(i) from T group by b having count(*) = 1") == [[None]]


def test_distinct(rows):
    assert rows("select distinct s from T order by s") == [[None], ["Apple"], ["it's"]]
    assert rows("select distinct e from T order by e desc") == [
        ["syn100"], ["syn10"], ["syn9"], [None],
    ]  # fmt: skip


def test_order_by(rows):
    assert rows("select i from T order by i") == [[None], ["-7"], ["1"], ["2"], ["5"]]
    assert rows("select i from T order by b desc, i asc") == [["-7"], ["1"], ["2"], ["5"], [None]]
    assert rows("select i as s from T order by s desc limit 1") == [["5"]]
    assert rows("select s, i from T where i > 0 order by 2 desc") == [
        [None, "5"], ["apple", "2"], ["Apple", "1"],
    ]  # fmt: skip
    assert rows("select i from T order by i * -1 limit 2") == [[None], ["5"]]
    assert rows("select row_id from T order by s, row_id desc") == [
        ["5"],
        ["3"],
        ["2"],
        ["1"],
        ["4"],
    ]


def test_unnest(rows):
    assert rows("select unnest(il) from T where row_id < 4") == [["1"], ["2"], ["3"], [None]]
    sql = "select unnest(sl) as item, count(*) from T group by unnest(sl) order by item"
    assert rows(sql) == [
        [None, "2"], ["blue green", "1"], ["green", "1"], ["Red", "2"],
    ]  # fmt: skip
    assert rows("select unnest(el), i from T where i = 1") == [["syn5", "1"], ["syn6", "1"]]
    assert rows("select unnest(bl) from T where i = 2") == [["false"], ["true"]]


def test_qualified_names_and_table_alias(rows, tables, table):
    assert rows("select t.s from T t where t.i = 1") == [["Apple"]]
    assert rows("select x.* from T as x where x.i = 1")[0][0] == "Apple"
    assert tables.query(f"SELECT {table}.s FROM {table.upper()} WHERE i = 1") == [["Apple"]]


def test_select_columns(tables, table):
    sql = f"select s as \"a b\", `select`, i + 1 next, row_id, concat(s, 'x'), 1 from {table}"
    headers = tables.row_set(sql)["headers"]
    assert [each["name"] for each in headers] == [
        "a b", "select", "next", "ROW_ID", "CONCAT(s, 'x')", "1",
    ]  # fmt: skip
    assert [each["columnType"] for each in headers] == [
        "STRING", "STRING", "INTEGER", "INTEGER", "STRING", "INTEGER",
    ]  # fmt: skip
    assert ["id" in each for each in headers] == [True, True, False, False, False, False]


def test_column_types_of_functions(tables, table):
    sql = (
        f"select avg(i), sum(d), sum(i), max(dt), max(e), count(*), min(b), group_concat(s), "
        f"json_arrayagg(i), from_unixtime(max(i)), max(i) / 2 from {table}"
    )
    assert [each["columnType"] for each in tables.row_set(sql)["headers"]] == [
        "DOUBLE", "DOUBLE", "INTEGER", "DATE", "ENTITYID", "INTEGER", "BOOLEAN", "STRING",
        "JSON", "STRING", "DOUBLE",
    ]  # fmt: skip
