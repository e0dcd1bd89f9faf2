"""Text in queries is compared without regard to case and accents."""

import time
import unicodedata

import pytest
from hypothesis import example, given, settings, strategies as st
from support.sql_harness import MemoryTable

from synapse_workflows.local.domain.tables.sql.collation import collate, fold, like


@pytest.fixture(scope="module")
def table():
    memory = MemoryTable({"s": "STRING"})
    yield memory
    memory.close()


@pytest.mark.parametrize(
    "texts",
    [
        ["apple", "APPLE", "Äpplé", "a\u0301pple"],
        ["strasse", "Straße", "STRASSE"],
        ["σοφος", "ΣΟΦΟΣ", "σοφός"],
        ["елка", "ёлка", "ЁЛКА"],
    ],
)
def test_texts_that_differ_in_case_and_accents_are_equal(table, texts):
    table.fill([[text] for text in texts])
    listed = ", ".join(f"'{text}'" for text in texts)
    for text in texts:
        assert len(table.fetch_stored(f"select s from syn1 where s = '{text}'")) == len(texts)
        assert table.find_rows(f"s like '{text}'") == list(range(1, len(texts) + 1))
    assert table.find_rows(f"s not in ({listed})") == []
    assert table.find_rows(f"'{texts[0]}' in (s, 'x')") == list(range(1, len(texts) + 1))
    assert table.find_rows(f"'{texts[0]}' between s and s") == list(range(1, len(texts) + 1))
    assert len(table.fetch_stored("select distinct s from syn1")) == 1
    assert table.fetch("select count(distinct s) from syn1") == [["1"]]
    assert table.fetch_stored("select count(*) from syn1 group by s") == [(len(texts),)]
    assert table.fetch("select group_concat(distinct s) from syn1") == [[texts[0]]]
    assert table.evaluate(f"nullif(s, '{texts[-1]}')") is None
    assert table.evaluate(f"case s when '{texts[-1]}' then 'same' end") == "same"


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "a ", " a", "a\t"],
        ["", " ", "  "],
        ["a", "b", "1", "_"],
        ["a-b", "ab", "a b", "a_b"],
        ["😀", "😁"],
        ["日", "月"],
        ["'", '"', "`"],
    ],
)
def test_other_texts_differ(table, texts):
    table.fill([[text] for text in texts])
    assert len(table.fetch_stored("select distinct s from syn1")) == len(texts)
    assert table.fetch("select count(distinct s) from syn1") == [[str(len(texts))]]
    for text in texts:
        wanted = text.replace("'", "''")
        assert table.fetch_stored(f"select s from syn1 where s = '{wanted}'") == [(text,)]


def test_text_is_sorted_without_regard_to_case_and_accents(table):
    texts = ["1", "a", "äc", "Ad", "b", "D", "é", "F", "Z"]
    table.fill([[text] for text in reversed(texts)])
    assert [row[0] for row in table.fetch_stored("select s from syn1 order by s")] == texts
    descending = table.fetch_stored("select s from syn1 order by s desc")
    assert [row[0] for row in descending] == texts[::-1]
    assert table.fetch_stored("select min(s), max(s) from syn1") == [("1", "Z")]
    assert table.fetch("select group_concat(s order by s) from syn1") == [[",".join(texts)]]
    for index, text in enumerate(texts):
        assert table.fetch_stored(f"select count(*) from syn1 where s < '{text}'") == [(index,)]


def test_nested_comparison_does_not_change_the_comparison_of_a_value(table):
    texts = ["!", "a_b", "ab", "b", "~"]
    table.fill([[text] for text in texts])
    value = "case when s <> 'x' then s else 'y' end"
    assert table.fetch(f"select count(distinct {value}) from syn1") == [[str(len(texts))]]
    assert len(table.fetch_stored(f"select distinct {value} from syn1")) == len(texts)
    rows = table.fetch_stored(f"select {value} from syn1 order by {value}")
    assert [row[0] for row in rows] == texts
    json_value = f"json_extract(json_quote({value}), '$')"
    assert table.find_rows(f"{json_value} = 'AB'") == []
    assert table.find_rows(f"{json_value} = 'ab'") == [3]
    nested = f"case when {json_value} = 'ab' then s else 'x' end"
    assert table.find_rows(f"{nested} = 'AB'") == [3]
    assert table.find_rows(f"{nested} in ('AB')") == [3]
    assert table.find_rows(f"{nested} between 'AA' and 'AC'") == [3]


def test_null_is_sorted_first(table):
    table.fill([["b"], [None], ["A"], [""]])
    assert table.fetch_stored("select s from syn1 order by s") == [(None,), ("",), ("A",), ("b",)]
    descending = table.fetch_stored("select s from syn1 order by s desc")
    assert descending == [("b",), ("A",), ("",), (None,)]


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("Straße", "stras%", True),
        ("Straße", "s_r%ß_", True),
        ("é", "E", True),
        ("e\u0301", "_", True),
        ("a ", "a", False),
        ("a ", "a%", True),
        ("a\nb", "a_b", True),
        ("10%", "10\\%", True),
        ("10x", "10\\%", False),
        ("a\\b", "a\\\\b", True),
        ("a\\", "a\\", True),
        ("", "", True),
        ("", "%", True),
        ("", "_", False),
        ("😀", "_", True),
        ("[a]", "[a]", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
    ],
)
def test_like_matches_folded_text(table, text, pattern, expected):
    table.fill([[text]])
    assert bool(table.find_rows(f"s like '{pattern}'")) is expected
    assert bool(table.find_rows(f"s not like '{pattern}'")) is not expected


def test_like_time_is_linear_in_the_length_of_the_text():
    pattern = "%a" * 400 + "%b"
    begin = time.thread_time()
    assert like("a" * 200_000, pattern, "\\") is False
    assert time.thread_time() - begin < 10


CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cn", "Co"))
TEXTS = st.text(CHARACTERS | st.sampled_from("aAäßæIİ_-%. 0"), max_size=6)


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS)
def test_collate_is_the_order_of_the_folded_texts(one, two):
    assert collate(one, two) == (fold(one) > fold(two)) - (fold(one) < fold(two))
    assert fold(one + two) == fold(one) + fold(two)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=6))
@example("ÿ")
def test_case_and_accents_are_ignored(text):
    bare = "".join(
        character
        for character in unicodedata.normalize("NFD", text)
        if not unicodedata.combining(character)
    )
    assert collate(text, bare) == 0
    assert collate(text, text.lower()) == 0


def match_recursively(text, pattern, escape):
    """Match LIKE by its definition, in exponential time."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == escape and rest:
        return bool(text) and text[0] == rest[0] and match_recursively(text[1:], rest[1:], escape)
    if first == "%":
        return any(match_recursively(text[at:], rest, escape) for at in range(len(text) + 1))
    return bool(text) and first in {"_", text[0]} and match_recursively(text[1:], rest, escape)


@settings(max_examples=83, deadline=None)
@given(st.text("ab%_\\", max_size=8), st.text("ab%_\\", max_size=8))
def test_like_equals_its_definition(text, pattern):
    assert like(text, pattern, "\\") is match_recursively(text, pattern, "\\")
