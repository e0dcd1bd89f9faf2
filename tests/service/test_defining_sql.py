"""Compiler of the SQL that defines materialized views: names, joins and unions."""

import sqlite3

import pytest

from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.sql import defining_sql, sqlite_functions
from synapse_workflows.local.domain.tables.sql.joined_columns import SourceTable
from synapse_workflows.local.errors import BadRequest

TABLES = {
    "syn1": [("k", "STRING"), ("n", "INTEGER"), ("list", "STRING_LIST")],
    "syn2.3": [("k", "STRING"), ("x", "DOUBLE"), ("join", "INTEGER")],
}
ROWS = {
    "syn1": [("a", 1, '["p", "q"]'), ("B", 2, "[]"), (None, 3, None)],
    "syn2.3": [("A", 0.5, 7), ("b", 1.5, 8)],
}


def create_column(number, name, kind):
    body = {"name": name, "columnType": kind, "maximumSize": 30, "maximumListLength": 5}
    return parse_column(number, body)


@pytest.fixture
def run():
    """Return a function that runs a defining SQL; it returns the column names and the rows."""
    sources = {
        name: SourceTable(
            f"s{position}",
            [create_column(number, *each) for number, each in enumerate(columns)],
            has_etags=False,
        )
        for position, (name, columns) in enumerate(TABLES.items())
    }
    connection = sqlite3.connect(":memory:")
    for name, table in sources.items():
        connection.execute(
            f"CREATE TABLE {table.name} (row_id, version, etag, benefactors, c0, c1, c2)"
        )
        for number, row in enumerate(ROWS[name], 1):
            connection.execute(
                f"INSERT INTO {table.name} VALUES (?, 1, NULL, NULL, ?, ?, ?)", (number, *row)
            )
    sqlite_functions.install(connection)

    def execute(sql):
        statement = defining_sql.compile_sql(defining_sql.parse(sql), sources, 0)
        rows = [row[1:] for row in connection.execute(statement.sql, statement.params)]
        return [each.result.name for each in statement.columns], rows

    yield execute
    connection.close()


@pytest.mark.parametrize(
    ("sql", "names", "rows"),
    [
        ("select * from syn2.3", ["k", "x", "join"], [("A", 0.5, 7), ("b", 1.5, 8)]),
        ('select "join" from syn2.3 where x > 1', ["join"], [(8,)]),
        (
            "select L.k, R.x from syn1 L left join syn2.3 R on L.k = R.k and R.x < 1",
            ["k", "x"],
            [("a", 0.5), ("B", None), (None, None)],
        ),
        (
            "select L.*, R.k as other from syn1 L join syn2.3 R on L.k = R.k",
            ["k", "n", "list", "other"],
            [("a", 1, '["p", "q"]', "A"), ("B", 2, "[]", "b")],
        ),
        (
            "select syn1.k from syn1 join syn2.3 R on syn1.k = R.k order by k desc",
            ["k"],
            [("B",), ("a",)],
        ),
        (
            """select A.n, B.n as m, C.x from syn1 A join syn1 B on A.n = B.n - 1
            join syn2.3 C on C.k = B.k""",
            ["n", "m", "x"],
            [(1, 2, 1.5)],
        ),
        ("select unnest(list) as item, n from syn1 where n = 1", ["item", "n"], None),
        (
            """select L.k as key, sum(n) + 1 total from syn1 L join syn2.3 R on L.k = R.k
            group by L.k having total > 2 order by 2""",
            ["key", "total"],
            [("B", 3)],
        ),
        ('select n from syn1 union all select "join" from syn2.3 where x > 1', ["n"], None),
        ("select n from syn1 where n < 2 union select n from syn1 where n < 3", ["n"], None),
        ("select k from syn1 where n < 3 union select k from syn2.3", ["k"], None),
        ("select n from syn1 order by n desc limit 1 offset 1", ["n"], [(2,)]),
        ("select ROW_ID as r, row_version as v from syn1 where row_id = 2", ["r", "v"], [(2, 1)]),
        ("select distinct n % 2 as odd from syn1 order by odd", ["odd"], [(0,), (1,)]),
    ],
)
def test_queries(run, sql, names, rows):
    found_names, found = run(sql)
    assert found_names == names
    if rows is not None:
        assert found == rows


def test_column_names_that_look_qualified_are_kept_apart():
    schema = [create_column(0, "k", "STRING"), create_column(1, "B.k", "STRING")]
    sources = {name: SourceTable(name, schema, has_etags=False) for name in ("syn1", "syn2")}
    sources["syn2"] = SourceTable("syn2", schema[:1], has_etags=False)
    sql = 'select A.k, "B.k" as other, B.k as third from syn1 A join syn2 B on A.k = B.k'
    statement = defining_sql.compile_sql(defining_sql.parse(sql), sources, 0)
    assert [each.source.name for each in statement.columns] == ["k", "B.k", "k"]
    cells = [each.result.column_id for each in statement.columns]
    assert len(set(cells)) == 3


def test_unions_remove_duplicates_as_text_is_compared(run):
    assert len(run("select k from syn1 where n < 3 union select k from syn2.3")[1]) == 2
    assert len(run("select k from syn1 where n < 3 union all select k from syn2.3")[1]) == 4
    mixed = "select n from syn1 union select n from syn1 union all select n from syn1"
    assert len(run(mixed)[1]) == 6


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select k from syn1 L join syn2.3 R on L.k = R.k", "Column 'k' is ambiguous"),
        ("select n from syn1 L join syn2.3 R on k = R.k", "Column 'k' is ambiguous"),
        ("select ROW_ID as r from syn1 L join syn2.3 R on L.k = R.k", "'ROW_ID' is ambiguous"),
        ("select n from syn1 L join syn2.3 R on L.k = S.k", "Unknown column S.k"),
        ("select syn1.n from syn1 L", "Unknown column syn1.n"),
        ("select n from syn1 L join syn2.3 R on count(*) > 1", "not supported in ON"),
        ("select n from syn1 L join syn2.3 R on unnest(list) = R.k", "UNNEST"),
        ("select n from syn1 L join syn2.3 R on n", "Expected a condition"),
        ("select n from syn1 union select n from syn1 order by n", "ORDER is not supported"),
        ("select n from syn1 except select n from syn1", "UNION"),
        ("(select n from syn1) union select n from syn1", "SELECT"),
        ("select n from (select n from syn1) s", "FROM"),
        ("select ROW_ETAG as e from syn1", "Unknown column ROW_ETAG"),
        ("select n, k from syn1 L join syn2.3 R on L.n = R.x group by n", "ambiguous"),
        ("select n, list from syn1 group by n", "neither in GROUP BY"),
        (" union all ".join(["select n from syn1"] * 21), "at most 20"),
    ],
)
def test_unsupported_sql_returns_400(run, sql, words):
    with pytest.raises(BadRequest, match=words):
        run(sql)
