"""What is not in the subset is refused with a sentence; nothing else in SQLite can be reached."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.file_api import assert_error

from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.sql import dialect, sqlite_functions
from synapse_workflows.local.domain.tables.sql.compiler import QueryContext, Relation
from synapse_workflows.local.domain.tables.sql.select_compiler import compile_select
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import (
    QueryCancelledError,
    QueryTimeoutError,
    sandbox,
)


@pytest.fixture(scope="module")
def table(tables):
    made = tables.create_table(
        ("s", "STRING"), ("i", "INTEGER"), ("d", "DOUBLE"), ("sl", "STRING_LIST"), ("j", "JSON")
    )["id"]
    tables.append(made, ["x", "1", "1.5", '["a"]', "{}"])
    return made


@pytest.mark.parametrize(
    ("sql", "words"),
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
        ("select s from T where s = :x", ""),
        ("select @@version from T", ""),
        ("select * except (s) from T", ""),
        ("select distinct on (s) i from T", ""),
        ("select s from T order by s nulls last", ""),
        ("select s from T group by rollup(s)", ""),
        ("select s, count(*) from T", "neither in GROUP BY"),
        ("select i from T group by s", "neither in GROUP BY"),
        ("select s from T group by s order by i", "neither in GROUP BY"),
        ("select * from T group by s", "neither in GROUP BY"),
        ("select s from T where count(*) > 1", "set function in WHERE"),
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
        ("select json_extract(j, 'no path') from T", "Invalid JSON path expression"),
        ("select json_object('k') from T", "pairs"),
        ("select case when s then 1 end from T", "condition"),
        ("select s > 'x' from T", "Not supported"),
        ("select s from T where text_matches('x')", "search is not enabled"),
        ("select 99999999999999999999999999999999999999999999 from T", "too long"),
        ("select sum(9223372036854775807) + sum(9223372036854775807) from T limit 1, 2, 3", ""),
        ("select " + "(" * 3000 + "i" + ")" * 3000 + " from T", "deep"),
        ("select s from T where " + "not " * 3000 + "i = 1", "deep"),
        ("select " + "upper(" * 200 + "s" + ")" * 200 + " from T", "deep"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(tables, table, sql, words):
    answer = tables.try_query(sql.replace(" T", f" {table}"))
    assert_error(answer, 400, words)


def test_quotes_are_explained_only_to_who_wrote_some(tables, table):
    answer = tables.try_query(f"select s from {table}", sort=[{"column": "nope"}])
    assert_error(answer, 400, "Unknown column nope")
    assert "quotes" not in answer.text


def test_long_lists_and_chains_are_fine(tables, table):
    many = ", ".join(str(each) for each in range(5000))
    assert tables.query(f"select s from {table} where i in ({many})") == [["x"]]
    chain = " or ".join(f"i = {each}" for each in range(2000))
    assert tables.query(f"select s from {table} where {chain}") == [["x"]]
    chain = " and ".join(f"i <> {each}" for each in range(2, 2000))
    assert tables.query(f"select s from {table} where {chain}") == [["x"]]


def test_a_query_of_another_table_needs_rights_there(ann, ben, tables, table):
    theirs = ben.make("org.sagebionetworks.repo.model.table.TableEntity", ben.new_project()["id"])
    assert_error(tables.try_query(f"select * from {theirs['id']}"), 403)


# The wall around SQLite, without the walls before it.


@pytest.fixture
def connection(tmp_path):
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as writer:
        writer.execute("create table live (row_id integer primary key, version, c1)")
        writer.execute("create table outbox (id, effects)")
        writer.execute("insert into live values (1, 1, 'x')")
    writer.close()
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    sqlite_functions.install(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from outbox",
        "select * from sqlite_master",
        "select name from pragma_table_info('live')",
        "pragma table_info(live)",
        "pragma query_only = 0",
        "attach database ':memory:' as other",
        "select load_extension('x')",
        "select randomblob(10)",
        "select hex(c1) from live",
        "insert into live values (2, 1, 'y')",
        "update live set c1 = 'y'",
        "delete from live",
        "create table other (a)",
        "create temp table other (a)",
        "drop table live",
        "vacuum",
        "begin",
        "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n",
    ],
)
def test_sqlite_itself_refuses(connection, sql):
    with (
        sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, 5) as safe,
        pytest.raises(sqlite3.DatabaseError),
    ):
        safe.execute(sql).fetchall()


def test_a_query_ends_when_it_is_told_to(connection):
    endless = "select count(*) from live as a" + ", json_each('[1,2,3,4,5,6,7,8,9]')" * 12
    with pytest.raises(QueryCancelledError):
        ask_all(connection, endless, 60, lambda: True)
    with pytest.raises(QueryTimeoutError):
        ask_all(connection, endless, 0.05, lambda: False)


def ask_all(connection, sql, seconds, is_stopped):
    with sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, seconds, is_stopped) as safe:
        safe.execute(sql).fetchall()


def test_the_wall_lets_rows_through(connection):
    with sandbox(connection, sqlite_functions.ALLOWED_FUNCTIONS, 5) as safe:
        assert safe.execute("select c1, count(*) from live").fetchall() == [("x", 1)]
        assert safe.execute("select value from live, json_each('[1, 2]')").fetchall() == [
            (1,),
            (2,),
        ]


# Whatever is asked: an answer or a refusal, and no word of the caller in the statement.

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


def compiled(sql):
    """The statement of a query on a table that is not there."""
    tree = dialect.parse(sql)
    name, alias = dialect.get_table(tree)
    kinds = {"s": "STRING", "i": "INTEGER", "d": "DOUBLE", "sl": "STRING_LIST", "j": "JSON"}
    columns = {
        key: parse_column(number, {"name": key, "columnType": kind})
        for number, (key, kind) in enumerate(kinds.items(), 1)
    }
    cells = {each.id: f"c{each.id}" for each in columns.values()}
    names = frozenset({name.upper(), *([alias.upper()] if alias else [])})
    context = QueryContext(Relation("live", (), cells), columns, names, 1, 0)
    return compile_select(tree, context)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, max_size=14), st.booleans())
def test_any_words_are_answered_or_refused(words, framed):
    sql = " ".join(words)
    if framed:
        sql = f"select s, i from syn1 where {sql}"
    try:
        statement = compiled(sql)
    except BadRequest:
        return
    memory = sqlite3.connect(":memory:")
    memory.execute("create table live (row_id integer primary key, version, c1, c2, c3, c4, c5)")
    sqlite_functions.install(memory)
    with sandbox(memory, sqlite_functions.ALLOWED_FUNCTIONS, 5) as safe:
        safe.execute(*statement.with_limit()).fetchall()
        safe.execute(*statement.count_rows()).fetchall()
    memory.close()


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["'; drop table live; --", '" or 1=1 --', "\\'", "') union select * from outbox --", "\x00"]
)


@settings(max_examples=300, deadline=None)
@given(HOSTILE, HOSTILE)
def test_no_text_of_the_caller_gets_into_the_statement(text, alias):
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
    found = compiled(sql)
    assert found.text == compiled(harmless).text
    assert text in found.bound
    assert found.columns[0].name == (alias or "x")
