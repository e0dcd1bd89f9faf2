"""Objects and their paths in Synapse."""

import pytest

from synapse_workflows.idempotency.object_paths import (
    PathFilter,
    S3Object,
    list_parents,
    map_objects,
)


def mapped(*keys, prefix="base/", include=(), exclude=(), size=1):
    objects = [S3Object(key, size, "etag") for key in keys]
    return map_objects(objects, prefix, PathFilter(include, exclude))


def test_paths_are_below_the_prefix():
    found = mapped("base/a.csv", "base/deep/er/b c.csv")
    assert {path: one.key for path, one in found.objects.items()} == {
        "a.csv": "base/a.csv",
        "deep/er/b c.csv": "base/deep/er/b c.csv",
    }
    assert mapped("a", prefix="").objects.keys() == {"a"}


@pytest.mark.parametrize("key", ["base/", "base/folder/", "base/a/b/", "base/a//", "base/é/"])
def test_empty_objects_with_a_slash_at_the_end_are_directories(key):
    found = mapped(key, size=0)
    assert not found.objects
    assert not found.invalid
    assert found.keys == {key}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("folder/", "is empty"),
        ("a//b", "is empty"),
        ("/a", "is empty"),
        ("a/../b", "another directory"),
        ("./a", "another directory"),
        ("..", "another directory"),
        ("é.csv", "invalid characters are 'é'"),
        ("a/b:c/d", "invalid characters are ':'"),
        ("a\nb", r"invalid characters are '\n'"),
        ("a\\b", r"invalid characters are '\\'"),
        ("x" * 257, "257 characters"),
        (" a", "starts or ends with a blank"),
        ("a /b", "starts or ends with a blank"),
        ("a/ ", "must not be empty"),
    ],
)
def test_invalid_names_have_a_reason(path, reason):
    found = mapped(f"base/{path}", "base/good.csv")
    assert found.objects.keys() == {"good.csv"}
    assert found.invalid.keys() == {f"base/{path}"}
    assert reason in found.invalid[f"base/{path}"]


def test_a_file_cannot_have_the_name_of_a_folder():
    found = mapped("base/a", "base/a/b/c", "base/a/b", "base/a.csv")
    assert found.objects.keys() == {"a/b/c", "a.csv"}
    assert found.invalid.keys() == {"base/a", "base/a/b"}
    assert "other objects are below a/b/" in found.invalid["base/a/b"]


@pytest.mark.parametrize(
    ("include", "exclude", "selected"),
    [
        ((), (), {"a.csv", "b.txt", "deep/c.csv", "deep/tmp/d.csv"}),
        (("*.csv",), (), {"a.csv", "deep/c.csv", "deep/tmp/d.csv"}),
        (("*.csv",), ("deep/tmp/*",), {"a.csv", "deep/c.csv"}),
        (("deep/*", "b.txt"), (), {"b.txt", "deep/c.csv", "deep/tmp/d.csv"}),
        (("*.CSV",), (), set()),
        ((), ("*",), set()),
    ],
)
def test_patterns_select_paths(include, exclude, selected):
    keys = ["base/a.csv", "base/b.txt", "base/deep/c.csv", "base/deep/tmp/d.csv"]
    found = mapped(*keys, include=include, exclude=exclude)
    assert found.objects.keys() == selected
    assert found.keys == set(keys)


def test_excluded_objects_may_have_invalid_names():
    assert not mapped("base/é", exclude=("é",)).invalid


def test_parents_begin_with_the_top_folder():
    assert list_parents("a/b") == ["", "a", "a/b"]
    assert list_parents("") == [""]
