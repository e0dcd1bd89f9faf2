"""Names of columns and tables in queries, filters and generated SQL."""

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import Author
from support.file_api import assert_error, ok, start_service
from support.sql_harness import MemoryTable
from support.table_api import TableClient

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain.tables import query_filters
from synapse_workflows.local.domain.tables.sql import dialect

M = f"{MODEL}.table"
NAMES = (
    "with space", 'a "quoted" name', "it's", "back`tick", "select", "from", "order", "count",
    "row id", "c1", "live", "t", "etag", "until", "u0", "d1", "?", "{}", "%s", "é", "日本", "a.b",
    "a,b", "(x)", "--", "/* x */", ";", "1", "0x1", "null", "true", "null'); drop table live; --",
    "Case", "case", "\\", "$", "@x", ":x", "*", "unnest", "now()",
)  # fmt: skip


@pytest.fixture(scope="module")
def memory():
    memory_table = MemoryTable(dict.fromkeys(NAMES, "STRING"))
    memory_table.fill([[f"value of {name}" for name in NAMES], [None for _ in NAMES]])
    yield memory_table
    memory_table.close()


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", NAMES)
def test_column_of_any_name_is_supported_in_all_clauses(memory, name):
    column, value = quoted(name), f"value of {name}"
    literal = value.replace("'", "''")
    assert memory.fetch(f"select {column} from syn1 where {column} = '{literal}'") == [[value]]
    assert memory.fetch(f"select x.{column} from syn1 x order by x.{column} desc limit 1") == [
        [value]
    ]
    sql = f"select {column}, count(*) from syn1 group by {column} having {column} is not null"
    assert memory.fetch(sql) == [[value, "1"]]
    backticked = "`" + name.replace("`", "``") + "`"
    assert memory.fetch(f"select {backticked} as {column} from syn1 where row_id = 1") == [[value]]
    assert memory.compile(f"select {column} from syn1").columns[0].name == name


@pytest.mark.parametrize("name", NAMES)
def test_filters_and_sorting_accept_any_name(memory, name):
    body = {
        "additionalFilters": [
            {
                "concreteType": f"{M}.ColumnSingleValueQueryFilter",
                "columnName": name,
                "operator": "EQUAL",
                "values": [f"value of {name}", "' or 1 = 1 --"],
            }
        ],
        "sort": [{"column": name, "direction": "DESC"}],
    }
    tree = query_filters.apply_filters(dialect.parse("select row_id from syn1"), body)
    sql = dialect.write(tree)
    assert memory.fetch(sql) == [["1"]]
    assert dialect.write(dialect.parse(sql)) == sql


def test_star_selects_all_columns(memory):
    assert [each.name for each in memory.compile("select * from syn1").columns] == list(NAMES)


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["'", '"', "''", '""', "\\'", "`", "' or '1'='1", "x'; drop table live; --", "%", "\x00"]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3), st.sampled_from(["EQUAL", "LIKE", "IN"]))
def test_generated_sql_keeps_the_values_of_filters(memory, values, operator):
    body = {
        "additionalFilters": [
            {
                "concreteType": f"{M}.ColumnSingleValueQueryFilter",
                "columnName": "c1",
                "operator": operator,
                "values": values,
            }
        ]
    }
    tree = query_filters.apply_filters(dialect.parse("select c1 from syn1 where c1 = 'x'"), body)
    sql = dialect.write(tree)
    again = dialect.write(dialect.parse(sql))
    assert memory.compile(again).params == memory.compile(sql).params
    assert set(values) <= set(memory.compile(sql).params)


@pytest.fixture(scope="module")
def table(tables):
    table_id = tables.create_table(("s", "STRING"), ('a "b"', "INTEGER"), ("live", "STRING"))["id"]
    tables.append(table_id, ["x", "1", "y"], ["z", "2", None])
    return table_id


@pytest.mark.parametrize(
    "sql",
    [
        "select s from {0} where s = 'x'",
        "SELECT s FROM {0} WHERE s = 'X'",
        "Select s From {1} Where s = 'x'",
        "select s from `{0}` where s = 'x'",
        "select s from \"{0}\" where s = 'x'",
        "select s from {0};",
        "select {0}.s from {0} limit 1",
        "select x.s from {0} x where x.s = 'x'",
        "select x.s from {0} as x where s = 'x'",
        'select "the table".s from {0} "the table" where "the table".s = \'x\'',
        "select s from {0}.1 limit 1",
        "select\n\ts\nfrom\r\n{0}\nlimit\n1",
        "  select s from {0} limit 1  ",
        'select s from {0} where "a ""b""" = 1',
        'select s from {0} where `a "b"` = 1',
        "select s as live from {0} order by live limit 1",
        "select s as row_id from {0} order by row_id limit 1",
    ],
)
def test_table_names_and_aliases(tables, table, sql):
    assert tables.query(sql.format(table, table.upper()))[0] == ["x"]


@pytest.mark.parametrize(
    ("sql", "status", "message"),
    [
        ("select s from syn1234567890123", 404, "does not exist"),
        ("select s from {0}.99", 404, ""),
        ("select s from 12345678901", 404, ""),
        ("select s from live", 400, "live is not a valid Synapse ID."),
        ("select s from {0}.live", 400, "is not a valid Synapse ID."),
        ("select s from {0}.1.2", 400, "is not a valid Synapse ID."),
        ("select s from {0}.0", 400, "is not a valid Synapse ID."),
        ("select s from syn", 400, "is not a valid Synapse ID."),
        ("select s from sуn1", 400, "is not a valid Synapse ID."),  # noqa: RUF001 - Cyrillic
        ("select s from {0}\x00", 400, "is not a valid Synapse ID."),
        ("select s", 400, "FROM with exactly one table"),
        ("select x.s from {0} y", 400, "Unknown column x.s"),
        ("select t.s from {0}", 400, "Unknown column t.s"),
        ("select live.s from {0}", 400, "Unknown column live.s"),
        ("select t.c1 from {0} t", 400, "Unknown column c1"),
        ("select row_id.s from {0}", 400, "Unknown column row_id.s"),
        ("select version from {0}", 400, "Unknown column version"),
        ("select rowid from {0}", 400, "Unknown column rowid"),
        ("select ѕ from {0}", 400, "Unknown column ѕ"),  # noqa: RUF001 - Cyrillic
        ("select s from {0} where nope = 1", 400, "Unknown column nope"),
        ("select 's' as 'x' from {0} x where x.nope = 1", 400, "Unknown column nope"),
    ],
)
def test_unknown_name_is_an_error(tables, table, sql, status, message):
    assert_error(tables.try_query(sql.format(table)), status, message)


def test_order_by_prefers_an_alias_to_a_column(tables, table):
    sql = f'select "a ""b""" as s, s as other from {table} order by s desc'
    assert tables.query(sql) == [["2", "z"], ["1", "x"]]
    sql = f"select count(*) as live from {table} group by live order by live"
    assert tables.query(sql) == [["1"], ["1"]]


def test_invalid_query_request_is_rejected(tmp_path):
    with start_service(tmp_path) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        sql = f"select s from {tables.create_table(('s', 'STRING'))['id']}"
        facet = {"concreteType": f"{M}.FacetColumnValuesRequest", "columnName": "s' or 1=1 --"}
        for message, body in [
            ("objects", {"additionalFilters": [1]}),
            ("array", {"additionalFilters": "x"}),
            ("Unknown column s desc", {"sort": [{"column": "s desc"}]}),
            ("Unknown column 1", {"sort": [{"column": "1"}]}),
            ("direction", {"sort": [{"column": "s", "direction": "up"}]}),
            ("Unknown column", {"sort": [{"column": "(select 1)"}]}),
            ("negative", {"limit": -1}),
            ("whole number", {"offset": "x"}),
            ("facet", {"selectedFacets": [{**facet, "facetValues": ["x"]}]}),
            ("surrogate", {"sql": sql + " where s = '\ud800'"}),
        ]:
            assert_error(tables.try_query(**{"sql": sql, **body}), 400, message)
        ok(tables.try_query(sql, offset=2**63 - 1, limit=2**63 - 1))
