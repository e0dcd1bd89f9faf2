"""Safe names on disk for files whose names come from Synapse."""

import pytest
from hypothesis import given, strategies as st

from synapse_workflows.client.core.file_names import numbered_name, safe_file_name


@pytest.mark.parametrize(
    "name",
    ["data.txt", "a b (1).tar.gz", ".hidden", "x" * 251 + ".txt", "Größe.csv", "-", "console.log"],
)
def test_ordinary_names_are_unchanged(name):
    assert safe_file_name(name, "7") == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "7"),
        ("", "7"),
        ("..", "7"),
        (" . ", "7"),
        ("a/b/", "7"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("a\0b\x1b[31m\n.txt", "a_b_[31m_.txt"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("\ud800.txt", "_.txt"),
        (".cacheMap", "_.cacheMap"),
        (".CACHEMAP", "_.CACHEMAP"),
        (".cacheMap.lock", "_.cacheMap.lock"),
        (".cacheMap.77.tmp", "_.cacheMap.77.tmp"),
        ("x.synapse_download_7", "x_synapse_download_7"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
    ],
)
def test_unsafe_names_are_made_safe(name, expected):
    assert safe_file_name(name, "7") == expected


def test_long_names_are_shortened_and_stay_different():
    first, second = (safe_file_name("ä" * 200 + f"{end}.csv", "7") for end in "ab")
    assert first != second
    assert first.endswith(".csv")
    assert len(first.encode()) <= 255


@given(st.text(st.characters(), max_size=400))
def test_any_name_can_be_a_file_name(name):
    safe = safe_file_name(name, "7")
    assert 0 < len(safe.encode()) <= 255
    assert not set(safe) & set("/\\\0\n")
    assert safe not in {".", ".."}
    assert not safe.casefold().startswith(".cachemap")
    assert safe_file_name(safe, "7") == safe


@pytest.mark.parametrize(
    ("name", "expected"),
    [("data.txt", "data(2).txt"), (".hidden", ".hidden(2)"), ("a.tar.gz", "a.tar(2).gz")],
)
def test_numbered_names_keep_the_suffix(name, expected):
    assert numbered_name(name, 2) == expected


def test_numbered_names_are_not_too_long():
    assert numbered_name("x" * 251 + ".txt", 12) == "x" * 247 + "(12).txt"
