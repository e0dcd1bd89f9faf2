"""Texts in queries are compared, sorted and matched as in MySQL's utf8mb4_0900_ai_ci."""
# ruff: noqa: RUF001 - letters that look alike are what this is about

import unicodedata

import pytest
from hypothesis import example, given, settings, strategies as st
from support.sql_harness import Memory

from synapse_workflows.local.domain.tables.sql.collation import collate, fold, like


@pytest.fixture(scope="module")
def table():
    memory = Memory({"s": "STRING"})
    yield memory
    memory.close()


@pytest.mark.parametrize(
    "texts",
    [
        ["apple", "APPLE", "Äpplé", "a\u0301pple", "ａｐｐｌｅ"],
        ["strasse", "Straße", "STRASSE"],
        ["aether", "Æther", "ǽther"],
        ["oeuvre", "œuvre"],
        ["o", "Ø", "ö", "º", "ⓞ"],
        ["lodz", "Łódź"],
        ["d", "Đ", "ð"],
        ["fi", "ﬁ"],
        ["12", "١٢", "¹²", "①②"],
        ["σοφος", "ΣΟΦΟΣ", "σοφός"],
        ["елка", "ёлка", "ЁЛКА"],
        ["にほん", "ニホン", "ﾆﾎﾝ"],
        ["ab", "a\x00b", "a\u200bb", "a\u00adb"],
        ["a b", "a\u00a0b"],
    ],
)
def test_texts_that_are_equal(table, texts):
    table.fill([[text] for text in texts])
    for text in texts:
        assert len(table.raw(f"select s from syn1 where s = '{text}'")) == len(texts)
    assert len(table.raw("select distinct s from syn1")) == 1
    assert table.ask("select count(distinct s) from syn1") == [["1"]]
    assert table.raw("select count(*) from syn1 group by s") == [(len(texts),)]
    assert len(table.ask("select group_concat(distinct s separator '|') from syn1")[0]) == 1


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "a ", " a", "a\t"],
        ["", " ", "  "],
        ["a", "b", "1", "_"],
        ["i", "ı", "j"],
        ["n", "ŋ", "o"],
        ["и", "й", "к"],
        ["a", "а"],
        ["ا", "أ"],
        ["a-b", "ab", "a b", "a_b"],
        ["😀", "😁"],
        ["日", "月"],
        ["'", '"', "`", "´"],
    ],
)
def test_texts_that_differ(table, texts):
    table.fill([[text] for text in texts])
    assert len(table.raw("select distinct s from syn1")) == len(texts)
    assert table.ask("select count(distinct s) from syn1") == [[str(len(texts))]]
    for text in texts:
        wanted = text.replace("'", "''")
        assert table.raw(f"select s from syn1 where s = '{wanted}'") == [(text,)]


IN_ORDER = (
    "\t", " ", "_", "-", ",", ";", ":", "!", "?", ".", "'", '"', "(", ")", "[", "]", "{", "}", "@",
    "*", "/", "\\", "&", "#", "%", "`", "^", "+", "<", "=", ">", "|", "~", "$", "0", "1", "10",
    "2", "9", "a", "a b", "a-b", "a1", "ab", "äc", "Ad", "b", "D", "e", "ə", "Z", "þ", "α", "я",
    "א", "日",
)  # fmt: skip


def test_signs_come_before_digits_and_these_before_letters(table):
    table.fill([[text] for text in reversed(IN_ORDER)])
    assert [row[0] for row in table.raw("select s from syn1 order by s")] == list(IN_ORDER)
    backwards = [row[0] for row in table.raw("select s from syn1 order by s desc")]
    assert backwards == list(reversed(IN_ORDER))
    assert table.raw("select min(s), max(s) from syn1") == [(IN_ORDER[0], IN_ORDER[-1])]
    joined = table.raw("select group_concat(s order by s separator '\x01') from syn1")[0][0]
    assert joined.split("\x01") == list(IN_ORDER)
    for index, text in enumerate(IN_ORDER):
        wanted = text.replace("'", "''")
        assert table.raw(f"select count(*) from syn1 where s < '{wanted}'") == [(index,)]


def test_what_is_compared_within_a_value_does_not_change_how_it_is_sorted(table):
    texts = ["a_b", "a%b", "ab", "!", "~", "b", "ŋ", "n"]
    table.fill([[text] for text in texts])
    value = "case when s <> 'x' then s else 'y' end"
    assert table.ask(f"select count(distinct {value}) from syn1") == [[str(len(texts))]]
    assert len(table.raw(f"select {value}, count(*) from syn1 group by {value}")) == len(texts)
    assert len(table.raw(f"select distinct {value} from syn1")) == len(texts)
    assert [row[0] for row in table.raw(f"select {value} from syn1 order by {value}")] == [
        "!", "~", "a_b", "a%b", "ab", "b", "n", "ŋ",
    ]  # fmt: skip
    quoted = f"json_extract(json_quote({value}), '$')"
    assert table.raw(f"select s from syn1 where {quoted} = 'AB'") == []
    assert table.raw(f"select s from syn1 where {quoted} = 'ab'") == [("ab",)]


def test_null_comes_first(table):
    table.fill([["b"], [None], ["A"], [""]])
    assert table.raw("select s from syn1 order by s") == [(None,), ("",), ("A",), ("b",)]
    assert table.raw("select s from syn1 order by s desc") == [("b",), ("A",), ("",), (None,)]


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("Straße", "stras%", False),
        ("Straße", "STRAß_", True),
        ("Straße", "s_r_ß%", True),
        ("ss", "ß", False),
        ("æ", "_", True),
        ("Æ", "æ", True),
        ("æ", "ae", False),
        ("é", "E", True),
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
def test_patterns_match_letter_by_letter(table, text, pattern, fits):
    table.fill([[text]])
    assert bool(table.raw(f"select s from syn1 where s like '{pattern}'")) is fits
    assert bool(table.raw(f"select s from syn1 where s not like '{pattern}'")) is not fits


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("upper('straße é ŉ')", "STRAßE É ŉ"),
        ("lower('ÀΣİ')", "àσi"),
        ("trim('  x\t ')", "x\t"),
        ("replace('aAá', 'a', 'x')", "xAá"),
        ("replace('abc', '', 'x')", "abc"),
        ("replace('abc', null, 'x')", None),
        ("crc32('é')", "235179326"),
        ("crc32('')", "0"),
        ("concat('a', null)", None),
        ("concat('a', 1, true)", "a1true"),
    ],
)
def test_functions_of_texts(table, value, expected):
    table.fill([["x"]])
    assert table.one(value) == expected


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cn", "Co"))
TEXTS = st.text(LETTERS | st.sampled_from("aAäßæIıİ_-%. 0"), max_size=6)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_the_order_is_an_order(one, two, three):
    assert collate(one, one) == 0
    assert collate(one, two) == -collate(two, one)
    low, middle, high = sorted([one, two, three], key=fold)
    assert collate(low, middle) <= 0
    assert collate(middle, high) <= 0
    assert collate(low, high) <= 0


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=6))
@example("ÿ")
def test_case_and_accents_do_not_matter(text):
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFD", text)
        if not unicodedata.combining(letter)
    )
    assert collate(text, bare) == 0
    assert collate(text, text.lower()) == 0


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_what_is_equal_has_one_key(one, two):
    assert (fold(one) == fold(two)) is (collate(one, two) == 0)


def slowly(text, pattern, escape):
    """LIKE as its definition says it, by trying everything."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == escape and rest:
        return bool(text) and text[0] == rest[0] and slowly(text[1:], rest[1:], escape)
    if first == "%":
        return any(slowly(text[at:], rest, escape) for at in range(len(text) + 1))
    return bool(text) and first in {"_", text[0]} and slowly(text[1:], rest, escape)


@settings(max_examples=250, deadline=None)
@given(st.text("ab%_\\", max_size=8), st.text("ab%_\\", max_size=8))
def test_like_is_what_its_definition_says(text, pattern):
    assert like(text, pattern, "\\") is slowly(text, pattern, "\\")
