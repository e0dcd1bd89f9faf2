"""Rejection of SQL that is not supported."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.file_api import assert_error
from support.sql_harness import MemoryTable

from synapse_workflows.local.domain.tables.sql import sqlite_functions
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import sandbox


@pytest.fixture(scope="module")
def table(tables):
    table_id = tables.create_table(
        ("s", "STRING"), ("i", "INTEGER"), ("d", "DOUBLE"), ("sl", "STRING_LIST"), ("j", "JSON")
    )["id"]
    tables.append(table_id, ["x", "1", "1.5", '["a"]', "{}"])
    return table_id


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select nope from T", "Unknown column nope"),
        ("select s from T where nope = 1", "Unknown column nope"),
        ("select s from T group by nope", "Unknown column nope"),
        ("select s from T order by nope", "Unknown column nope"),
        ("select S from T", "Unknown column S"),
        ("select x.s from T", "Unknown column x.s"),
        ("select s as a from T where a = 'x'", "Unknown column a"),
        ("select row_etag from T", "Unknown column row_etag"),
        ("select a.b.c from T", ""),
        ("", "sql is required"),
        ("   ", "Only one SELECT"),
        ("nonsense", "Only one SELECT"),
        ("selec s from T", "has to begin with SELECT"),
        ('select s from T where s = "Ab"', "Unknown column Ab: double quotes stand around names"),
        ('select s from T where "Ab" = s', "single quotes around text"),
        ("select", "FROM"),
        ("select 1", "FROM"),
        ("select s from", ""),
        ("select from T", "no columns"),
        ("select s frm T", ""),
        ("select s from T where", ""),
        ("select s from T where s =", ""),
        ("select 'open from T", ""),
        ("select (s from T", ""),
        ("select s from T limit x", ""),
        ("select s from T limit -1", ""),
        ("select s from T limit 1 + 1", ""),
        ("select s from T; drop table live", ""),
        ("select s from T; select s from T", "one SELECT"),
        ("insert into T values (1)", ""),
        ("update T set s = 1", ""),
        ("delete from T", ""),
        ("drop table T", ""),
        ("pragma table_info(live)", ""),
        ("attach database 'x' as y", ""),
        ("with a as (select 1) select * from a", ""),
        ("explain select s from T", ""),
        ("select s from T join syn2", ""),
        ("select s from T, syn2", ""),
        ("select s from T union select s from T", ""),
        ("select s from (select s from T)", "FROM"),
        ("select s from T where i = (select 1)", ""),
        ("select s from T where i in (select 1)", ""),
        ("select s from T where exists (select 1)", ""),
        ("select sum(i) over () from T", ""),
        ("select s -- comment\nfrom T", ""),
        ("select s /* comment */ from T", ""),
        ("select sqlite_version() from T", "SQLITE_VERSION is not supported"),
        ("select load_extension('x') from T", "LOAD_EXTENSION is not supported"),
        ("select readfile('/etc/passwd') from T", "READFILE is not supported"),
        ("select like_text('a', 'b', 'c') from T", "LIKE_TEXT is not supported"),
        ("select random() from T", "RANDOM is not supported"),
        ("select upper(s, s) from T", "does not take 2 arguments"),
        ("select cast(s as char) from T", ""),
        ("select s::int from T", ""),
        ("select s[0] from T", ""),
        ("select s || s from T", ""),
        ("select s from T where s regexp 'x'", ""),
        ("select s from T where s glob 'x'", ""),
        ("select s from T where s = ?", ""),
        ("select s from T where s = :x", 'Encountered ":"'),
        ("select s from T where {:}", 'Encountered "{"'),
        ("select @@version from T", ""),
        ("select * except (s) from T", ""),
        ("select distinct on (s) i from T", ""),
        ("select s from T order by s nulls last", ""),
        ("select s from T group by rollup(s)", ""),
        ("select s, count(*) from T", "neither in GROUP BY"),
        ("select i from T group by s", "neither in GROUP BY"),
        ("select s from T group by s order by i", "neither in GROUP BY"),
        ("select * from T group by s", "neither in GROUP BY"),
        ("select s from T where count(*) > 1", "not supported in WHERE"),
        ("select sum(max(i)) from T", "nested"),
        ("select max(sl) from T", "list"),
        ("select s from T where i = 'abc'", "'abc'"),
        ("select s from T where d = 'abc'", "'abc'"),
        ("select sum(sl) from T", "number"),
        ("select j + 1 from T", "number"),
        ("select now() + 1 from T", "number"),
        ("select s from T where now() > 5", "cannot be compared"),
        ("select s from T where s", "condition"),
        ("select s from T where 1", "condition"),
        ("select s from T where s has ('x')", "list column"),
        ("select s from T where sl has (s)", "literals"),
        ("select s from T where sl has ()", ""),
        ("select s from T where s in ()", ""),
        ("select s from T where s like 'x' escape 'xy'", "one character"),
        ("select unnest(s) from T", "list column"),
        ("select unnest(sl, sl) from T", ""),
        ("select s from T where isnan(i)", "DOUBLE"),
        ("select year(s) from T", "date"),
        ("select interval 1 day from T", "INTERVAL"),
        ("select now() + interval 1 aeon from T", "INTERVAL"),
        ("select i + interval 1 day from T", "date"),
        ("select json_extract(j, 'no path') from T", "'no path' is not supported"),
        ("select json_extract(j, '$.a', '$.b') from T", "does not take 3 arguments"),
        ("select json_object('k') from T", "pairs"),
        ("select case when s then 1 end from T", "condition"),
        ("select s > 'x' from T", "Not supported"),
        ("select s from T where text_matches('x')", "search is not enabled"),
        ("select 99999999999999999999999999999999999999999999 from T", "too long"),
        ("select 9223372036854775807 + 1 from T", "Integer overflow: 9223372036854775808 has"),
        ("select sum(i * 9223372036854775807) + 1 from T", "Integer overflow"),
        ("select " + "(" * 3000 + "i" + ")" * 3000 + " from T", "deep"),
        ("select s from T where " + "not " * 3000 + "i = 1", "deep"),
        ("select " + "upper(" * 200 + "s" + ")" * 200 + " from T", "deep"),
    ],
)  # fmt: skip
def test_unsupported_sql_is_rejected(tables, table, sql, message):
    response = tables.try_query(sql.replace(" T", f" {table}"))
    assert_error(response, 400, message)


def test_quotes_are_explained_only_after_use(tables, table):
    answer = tables.try_query(f"select s from {table}", sort=[{"column": "nope"}])
    assert_error(answer, 400, "Unknown column nope")
    assert "quotes" not in answer.text


def test_long_lists_and_chains_are_supported(tables, table):
    many = ", ".join(str(each) for each in range(5000))
    assert tables.query(f"select s from {table} where i in ({many})") == [["x"]]
    chain = " or ".join(f"i = {each}" for each in range(2000))
    assert tables.query(f"select s from {table} where {chain}") == [["x"]]
    chain = " and ".join(f"i <> {each}" for each in range(2, 2000))
    assert tables.query(f"select s from {table} where {chain}") == [["x"]]


def test_query_of_a_table_without_permission_is_forbidden(ann, ben, tables, table):
    theirs = ben.make("org.sagebionetworks.repo.model.table.TableEntity", ben.new_project()["id"])
    assert_error(tables.try_query(f"select * from {theirs['id']}"), 403)


WORDS = st.sampled_from(
    [
        "select", "from", "where", "syn1", "syn1.2", "s", "i", "d", "sl", "j", "*", ",", "(", ")",
        "and", "or", "not", "=", "<>", "<", "like", "in", "between", "is", "null", "true", "1",
        "2.5", "'x'", "'syn1'", '"s"', "count(*)", "sum(i)", "max(s)", "group by", "order by",
        "limit", "offset", "having", "as", "distinct", "case", "when", "then", "else", "end", "+",
        "-", "/", "div", "%", "has", "has_like", "unnest(sl)", "interval", "day", "now()", ";",
        "join", "union", "--", "/*", "*/", "''", '"', "'", "escape", "concat(s, i)", "row_id", "t",
        "isnan(d)", "live", "sqlite_master", "pragma", ".", "syn99", "json_extract(j, '$.a')",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def memory():
    types = {"s": "STRING", "i": "INTEGER", "d": "DOUBLE", "sl": "STRING_LIST", "j": "JSON"}
    memory_table = MemoryTable(types)
    yield memory_table
    memory_table.close()


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, max_size=14), st.booleans())
def test_random_tokens_are_compiled_or_rejected(memory, words, framed):
    sql = " ".join(words)
    if framed:
        sql = f"select s, i from syn1 where {sql}"
    try:
        statement = memory.compile(sql)
    except BadRequest:
        return
    with sandbox(memory.connection, sqlite_functions.ALLOWED_FUNCTIONS, 5) as connection:
        connection.execute(*statement.with_limit()).fetchall()
        connection.execute(*statement.count_rows()).fetchall()


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["'; drop table live; --", '" or 1=1 --', "\\'", "') union select * from outbox --", "\x00"]
)


@settings(max_examples=100, deadline=None)
@given(HOSTILE, HOSTILE)
def test_text_of_the_caller_becomes_a_parameter(memory, text, alias):
    quoted = text.replace("'", "''")
    named = alias.replace('"', '""') or "x"
    sql = (
        f"select s as \"{named}\", concat(s, '{quoted}') from syn1 where s = '{quoted}' "
        f"or s like '{quoted}' or sl has ('{quoted}') order by \"{named}\""
    )
    harmless = (
        "select s as x, concat(s, 'y') from syn1 where s = 'y' "
        "or s like 'y' or sl has ('y') order by x"
    )
    statement = memory.compile(sql)
    assert statement.sql == memory.compile(harmless).sql
    assert text in statement.params
    assert statement.columns[0].name == (alias or "x")
