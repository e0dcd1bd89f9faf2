"""Conditions, sorting and groups, compared with a model in Python (property-based)."""

from dataclasses import dataclass
from itertools import pairwise
from operator import eq, ge, gt, le, lt, ne

import pytest
from hypothesis import given, settings, strategies as st
from support.sql_harness import MemoryTable

from synapse_workflows.local.domain.tables.sql import dialect

COLUMNS = {"i": "INTEGER", "k": "INTEGER", "s": "STRING"}
OPERATORS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
NUMBERS = st.integers(-3, 3)
TEXTS = st.sampled_from(["a", "B", "b", "ab", "", "é"])


@dataclass(frozen=True)
class Condition:
    """A condition as SQL, and as a function of a row that returns True, False or None."""

    sql: str
    evaluate: object


def fold(text):
    return {"B": "b", "é": "e"}.get(text, text)


def compare(column, operator, value):
    sql = f"'{value}'" if isinstance(value, str) else str(value)

    def evaluate(row):
        if row[column] is None:
            return None
        left, right = row[column], value
        if isinstance(value, str):
            left, right = fold(left), fold(right)
        return OPERATORS[operator](left, right)

    return Condition(f"{column} {operator} {sql}", evaluate)


def is_null(column, negated):
    word = "is not null" if negated else "is null"
    return Condition(f"{column} {word}", lambda row: (row[column] is None) != negated)


def in_list(column, values, negated):
    sql = ", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in values)

    def evaluate(row):
        if row[column] is None:
            return None
        return (fold(row[column]) in {fold(each) for each in values}) != negated

    return Condition(f"{column} {'not ' if negated else ''}in ({sql})", evaluate)


def between(column, low, high, negated):
    def evaluate(row):
        parts = (
            compare(column, ">=", low).evaluate(row),
            compare(column, "<=", high).evaluate(row),
        )
        result = False if False in parts else None if None in parts else True
        return None if result is None else result != negated

    sql = " and ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in (low, high))
    return Condition(f"{column} {'not ' if negated else ''}between {sql}", evaluate)


def between_zero_and_column(negated):
    def evaluate(row):
        i, k = row["i"], row["k"]
        parts = (None if i is None else i >= 0, None if None in {i, k} else i <= k)
        result = False if False in parts else None if None in parts else True
        return None if result is None else result != negated

    return Condition(f"i {'not ' if negated else ''}between 0 and k", evaluate)


def in_list_or_null(column, values, negated):
    sql = ", ".join(str(each) for each in values)

    def evaluate(row):
        if row[column] is None:
            return None
        return (not negated) if row[column] in values else None

    return Condition(f"{column} {'not ' if negated else ''}in ({sql}, null)", evaluate)


def in_case(inner, then):
    """Return a condition on the branch of a CASE."""
    other = 1 - then
    sql = f"case when {inner.sql} then 1 else 0 end = {then}"
    return Condition(sql, lambda row: (inner.evaluate(row) is True) == (then > other))


def starts_with(text, negated):
    def evaluate(row):
        if row["s"] is None:
            return None
        return fold(row["s"]).startswith(fold(text)) != negated

    return Condition(f"s {'not ' if negated else ''}like '{text}%'", evaluate)


def sums(left, right, operator):
    def evaluate(row):
        if row["i"] is None or row["k"] is None:
            return None
        return OPERATORS[operator](row["i"] + left, row["k"] * right)

    return Condition(f"i + {left} {operator} k * {right}", evaluate)


def and_(one, other):
    def evaluate(row):
        result = (one.evaluate(row), other.evaluate(row))
        return False if False in result else None if None in result else True

    return Condition(f"({one.sql} and {other.sql})", evaluate)


def or_(one, other):
    def evaluate(row):
        result = (one.evaluate(row), other.evaluate(row))
        return True if True in result else None if None in result else False

    return Condition(f"({one.sql} or {other.sql})", evaluate)


def not_(one):
    def evaluate(row):
        result = one.evaluate(row)
        return None if result is None else not result

    return Condition(f"not ({one.sql})", evaluate)


OPERATOR = st.sampled_from(list(OPERATORS))
NUMBER_COLUMN = st.sampled_from(["i", "k"])
SIMPLE = st.one_of(
    st.builds(compare, NUMBER_COLUMN, OPERATOR, NUMBERS),
    st.builds(compare, st.just("s"), OPERATOR, TEXTS),
    st.builds(is_null, st.sampled_from(list(COLUMNS)), st.booleans()),
    st.builds(in_list, NUMBER_COLUMN, st.lists(NUMBERS, min_size=1, max_size=3), st.booleans()),
    st.builds(in_list, st.just("s"), st.lists(TEXTS, min_size=1, max_size=3), st.booleans()),
    st.builds(between, NUMBER_COLUMN, NUMBERS, NUMBERS, st.booleans()),
    st.builds(between, st.just("s"), TEXTS, TEXTS, st.booleans()),
    st.builds(between_zero_and_column, st.booleans()),
    st.builds(
        in_list_or_null, NUMBER_COLUMN, st.lists(NUMBERS, min_size=1, max_size=2), st.booleans()
    ),
    st.builds(starts_with, TEXTS, st.booleans()),
    st.builds(sums, NUMBERS.filter(lambda n: n >= 0), NUMBERS.filter(lambda n: n >= 0), OPERATOR),
)
CONDITIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(and_, inner, inner),
        st.builds(or_, inner, inner),
        st.builds(not_, inner),
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
def table():
    memory = MemoryTable(COLUMNS)
    yield memory
    memory.close()


def fetch(table, sql, rows):
    """Run a query on rows. The IDs of the rows start at 1."""
    table.fill_stored([[row[name] for name in COLUMNS] for row in rows])
    return table.fetch_stored(sql)


@settings(max_examples=100, deadline=None)
@given(condition=CONDITIONS, rows=ROWS)
def test_condition_selects_the_rows_of_the_model(table, condition, rows):
    selected = fetch(table, f"select row_id from syn1 where {condition.sql}", rows)
    assert [row[0] for row in selected] == [
        number for number, row in enumerate(rows, 1) if condition.evaluate(row) is True
    ]


@settings(max_examples=50, deadline=None)
@given(condition=CONDITIONS, rows=ROWS)
def test_generated_sql_returns_the_same_rows(table, condition, rows):
    sql = f"select row_id, s from syn1 where {condition.sql} order by s desc, i limit 5"
    again = dialect.write(dialect.parse(sql))
    assert fetch(table, again, rows) == fetch(table, sql, rows)


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, limit=st.integers(0, 9), offset=st.integers(0, 9), descends=st.booleans())
def test_pages_are_parts_of_the_sorted_rows(table, rows, limit, offset, descends):
    order = f"order by s{' desc' if descends else ''}, i"
    numbers = [row[-1] for row in fetch(table, f"select row_id from syn1 {order}", rows)]
    keys = [(rows[number - 1]["s"], rows[number - 1]["i"]) for number in numbers]
    texts = [(text is not None, fold(text or "")) for text, _ in keys]
    assert texts == sorted(texts, reverse=descends)
    for (one, low), (two, high) in pairwise(keys):
        if (one is None) == (two is None) and fold(one or "") == fold(two or ""):
            assert low is None or (high is not None and low <= high)
    page = fetch(table, f"select row_id from syn1 {order} limit {limit} offset {offset}", rows)
    assert [row[-1] for row in page] == numbers[offset : offset + limit]
    distinct = fetch(table, "select distinct s from syn1", rows)
    assert len(distinct) == len({None if row["s"] is None else fold(row["s"]) for row in rows})


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_groups_have_the_aggregates_of_the_model(table, rows):
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
    assert [row[1:] for row in fetch(table, sql, rows)] == expected
