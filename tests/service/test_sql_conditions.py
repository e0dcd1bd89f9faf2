"""Conditions of any shape find the rows that logic with unknowns says they find."""

import sqlite3
from dataclasses import dataclass
from itertools import pairwise
from operator import eq, ge, gt, le, lt, ne

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.sql import dialect, sqlite_functions
from synapse_workflows.local.domain.tables.sql.compiler import QueryContext, Relation
from synapse_workflows.local.domain.tables.sql.select_compiler import compile_select

KINDS = {"i": "INTEGER", "k": "INTEGER", "s": "STRING"}
SIGNS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
NUMBERS = st.integers(-3, 3)
TEXTS = st.sampled_from(["a", "B", "b", "ab", "", "é"])


@dataclass(frozen=True)
class Test:
    """A condition as SQL, and what it says of a row: True, False or None for unknown."""

    __test__ = False
    sql: str
    says: object


def fold(text):
    return {"B": "b", "é": "e"}.get(text, text)


def compare(column, sign, value):
    shown = f"'{value}'" if isinstance(value, str) else str(value)

    def says(row):
        if row[column] is None:
            return None
        left, right = row[column], value
        if isinstance(value, str):
            left, right = fold(left), fold(right)
        return SIGNS[sign](left, right)

    return Test(f"{column} {sign} {shown}", says)


def is_null(column, negated):
    word = "is not null" if negated else "is null"
    return Test(f"{column} {word}", lambda row: (row[column] is None) != negated)


def among(column, values, negated):
    shown = ", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in values)

    def says(row):
        if row[column] is None:
            return None
        return (fold(row[column]) in {fold(each) for each in values}) != negated

    return Test(f"{column} {'not ' if negated else ''}in ({shown})", says)


def between(column, low, high, negated):
    def says(row):
        parts = (compare(column, ">=", low).says(row), compare(column, "<=", high).says(row))
        found = False if False in parts else None if None in parts else True
        return None if found is None else found != negated

    shown = " and ".join(
        f"'{each}'" if isinstance(each, str) else str(each) for each in (low, high)
    )
    return Test(f"{column} {'not ' if negated else ''}between {shown}", says)


def between_columns(negated):
    def says(row):
        i, k = row["i"], row["k"]
        parts = (None if i is None else i >= 0, None if None in {i, k} else i <= k)
        found = False if False in parts else None if None in parts else True
        return None if found is None else found != negated

    return Test(f"i {'not ' if negated else ''}between 0 and k", says)


def among_or_null(column, values, negated):
    shown = ", ".join(str(each) for each in values)

    def says(row):
        if row[column] is None:
            return None
        return (not negated) if row[column] in values else None

    return Test(f"{column} {'not ' if negated else ''}in ({shown}, null)", says)


def in_case(inner, then):
    """A condition of a condition: whether a CASE takes its branch."""
    other = 1 - then
    sql = f"case when {inner.sql} then 1 else 0 end = {then}"
    return Test(sql, lambda row: (inner.says(row) is True) == (then > other))


def starts(text, negated):
    def says(row):
        if row["s"] is None:
            return None
        return fold(row["s"]).startswith(fold(text)) != negated

    return Test(f"s {'not ' if negated else ''}like '{text}%'", says)


def sums(left, right, sign):
    def says(row):
        if row["i"] is None or row["k"] is None:
            return None
        return SIGNS[sign](row["i"] + left, row["k"] * right)

    return Test(f"i + {left} {sign} k * {right}", says)


def both(one, other):
    def says(row):
        found = (one.says(row), other.says(row))
        return False if False in found else None if None in found else True

    return Test(f"({one.sql} and {other.sql})", says)


def either(one, other):
    def says(row):
        found = (one.says(row), other.says(row))
        return True if True in found else None if None in found else False

    return Test(f"({one.sql} or {other.sql})", says)


def opposite(one):
    def says(row):
        found = one.says(row)
        return None if found is None else not found

    return Test(f"not ({one.sql})", says)


SIGN = st.sampled_from(list(SIGNS))
NUMBER_COLUMN = st.sampled_from(["i", "k"])
SIMPLE = st.one_of(
    st.builds(compare, NUMBER_COLUMN, SIGN, NUMBERS),
    st.builds(compare, st.just("s"), SIGN, TEXTS),
    st.builds(is_null, st.sampled_from(list(KINDS)), st.booleans()),
    st.builds(among, NUMBER_COLUMN, st.lists(NUMBERS, min_size=1, max_size=3), st.booleans()),
    st.builds(among, st.just("s"), st.lists(TEXTS, min_size=1, max_size=3), st.booleans()),
    st.builds(between, NUMBER_COLUMN, NUMBERS, NUMBERS, st.booleans()),
    st.builds(between, st.just("s"), TEXTS, TEXTS, st.booleans()),
    st.builds(between_columns, st.booleans()),
    st.builds(
        among_or_null, NUMBER_COLUMN, st.lists(NUMBERS, min_size=1, max_size=2), st.booleans()
    ),
    st.builds(starts, TEXTS, st.booleans()),
    st.builds(sums, NUMBERS.filter(lambda n: n >= 0), NUMBERS.filter(lambda n: n >= 0), SIGN),
)
CONDITIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(both, inner, inner),
        st.builds(either, inner, inner),
        st.builds(opposite, inner),
        st.builds(in_case, inner, st.sampled_from([0, 1])),
    ),
    max_leaves=8,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"i": st.none() | NUMBERS, "k": st.none() | NUMBERS, "s": st.none() | TEXTS}
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def memory():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("create table live (row_id integer primary key, version, c1, c2, c3)")
    sqlite_functions.install(connection)
    yield connection
    connection.close()


def ask(connection, sql, rows):
    connection.execute("delete from live")
    for number, row in enumerate(rows):
        connection.execute(
            "insert into live values (?, 1, ?, ?, ?)", (number, row["i"], row["k"], row["s"])
        )
    columns = {
        name: parse_column(number, {"name": name, "columnType": kind})
        for number, (name, kind) in enumerate(KINDS.items(), 1)
    }
    cells = {each.id: f"c{each.id}" for each in columns.values()}
    context = QueryContext(Relation("live", (), cells), columns, frozenset({"SYN1"}), 1, 0)
    statement = compile_select(dialect.parse(sql), context)
    return connection.execute(*statement.with_limit()).fetchall()


@settings(max_examples=300, deadline=None)
@given(condition=CONDITIONS, rows=ROWS)
def test_a_condition_finds_what_logic_says(memory, condition, rows):
    found = ask(memory, f"select row_id from syn1 where {condition.sql}", rows)
    assert [row[-1] for row in found] == [
        number for number, row in enumerate(rows) if condition.says(row) is True
    ]


@settings(max_examples=150, deadline=None)
@given(condition=CONDITIONS, rows=ROWS)
def test_a_query_written_again_means_the_same(memory, condition, rows):
    sql = f"select row_id, s from syn1 where {condition.sql} order by s desc, i limit 5"
    again = dialect.write(dialect.parse(sql))
    assert ask(memory, again, rows) == ask(memory, sql, rows)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, limit=st.integers(0, 9), offset=st.integers(0, 9), descends=st.booleans())
def test_pages_are_parts_of_what_is_sorted(memory, rows, limit, offset, descends):
    order = f"order by s{' desc' if descends else ''}, i"
    numbers = [row[-1] for row in ask(memory, f"select row_id from syn1 {order}", rows)]
    keys = [(rows[number]["s"], rows[number]["i"]) for number in numbers]
    texts = [(text is not None, fold(text or "")) for text, _ in keys]
    assert texts == sorted(texts, reverse=descends)
    for (one, low), (two, high) in pairwise(keys):
        if (one is None) == (two is None) and fold(one or "") == fold(two or ""):
            assert low is None or (high is not None and low <= high)
    page = ask(memory, f"select row_id from syn1 {order} limit {limit} offset {offset}", rows)
    assert [row[-1] for row in page] == numbers[offset : offset + limit]
    apart = ask(memory, "select distinct s from syn1", rows)
    assert len(apart) == len({None if row["s"] is None else fold(row["s"]) for row in rows})


@settings(max_examples=150, deadline=None)
@given(rows=ROWS)
def test_groups_add_up(memory, rows):
    sql = "select s, count(*), count(i), sum(i), min(k), max(k) from syn1 group by s order by s"
    groups = {}
    for row in rows:
        groups.setdefault(None if row["s"] is None else fold(row["s"]), []).append(row)
    keys = sorted(groups, key=lambda key: (key is not None, key or ""))
    expected = []
    for key in keys:
        numbers = [row["i"] for row in groups[key] if row["i"] is not None]
        others = [row["k"] for row in groups[key] if row["k"] is not None]
        expected.append(
            (
                len(groups[key]),
                len(numbers),
                sum(numbers) if numbers else None,
                min(others, default=None),
                max(others, default=None),
            )
        )
    assert [row[1:] for row in ask(memory, sql, rows)] == expected
