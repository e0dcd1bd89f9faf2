"""Prefixes and patterns of the operator that indexes S3 prefixes."""

import pytest
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.hooks.s3_prefixes import (
    S3Storage,
    parse_filter,
    parse_folder,
    parse_patterns,
    parse_positive,
)

STORAGE = S3Storage(7, "bucket", "base/key/", None, has_sts=True)


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        (None, "base/key/"),
        ("", "base/key/"),
        ("results", "base/key/results/"),
        ("/results/2026/", "base/key/results/2026/"),
        ("a?b#c", "base/key/a?b#c/"),
        ("s3://bucket/base/key", "base/key/"),
        ("s3://bucket/base/key/", "base/key/"),
        ("s3://bucket/base/key/results", "base/key/results/"),
        ("s3://bucket/base/key/a?b#c", "base/key/a?b#c/"),
    ],
)
def test_a_prefix_is_a_directory_below_the_base_key(prefix, key):
    location = STORAGE.locate(prefix)
    assert (location.bucket, location.prefix) == ("bucket", key)


@pytest.mark.parametrize(
    "prefix",
    [
        "s3://other/base/key/results",
        "s3://bucket/base/keys",
        "s3://bucket/",
        "https://bucket/base/key",
        "results/../../other",
        "./results",
        "a//b",
    ],
)
def test_other_prefixes_are_invalid(prefix):
    with pytest.raises(AirflowFailException, match="Invalid prefix"):
        STORAGE.locate(prefix)


def test_a_whole_bucket_has_an_empty_prefix():
    storage = S3Storage(7, "bucket", "", None, has_sts=False)
    assert storage.locate(None).prefix == ""
    assert storage.locate("s3://bucket").prefix == ""
    assert storage.locate("s3://bucket/a/").prefix == "a/"


@pytest.mark.parametrize("value", [1, "", [""], [1], {"a": 1}])
def test_patterns_are_texts(value):
    with pytest.raises(AirflowFailException, match="Invalid include"):
        parse_filter(value, None)


def test_one_pattern_or_several():
    found = parse_filter("*.csv", ["a", "b"])
    assert (found.include, found.exclude) == (["*.csv"], ["a", "b"])


@pytest.mark.parametrize("value", [0, -1, True, "x", 1.5, None])
def test_the_maximum_is_a_positive_integer(value):
    with pytest.raises(AirflowFailException, match="Invalid max_files"):
        parse_positive(value, "max_files")


def test_the_path_of_the_folder():
    assert parse_folder("/a//b/") == "a/b"
    assert parse_folder(None) == ""
    with pytest.raises(AirflowFailException, match="Invalid folder"):
        parse_folder("a/é")


@pytest.mark.parametrize(
    ("value", "patterns"),
    [
        ("*.txt", ["*.txt"]),
        ("[ab]*", ["[ab]*"]),
        ("['*.tmp', \"a'b\"]", ["*.tmp", "a'b"]),
        ("[]", []),
    ],
)
def test_patterns_of_a_rendered_list(value, patterns):
    assert parse_patterns(value, "include") == patterns
