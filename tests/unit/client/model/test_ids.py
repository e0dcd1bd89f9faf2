"""Tests of parsing Synapse IDs and version numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from synapse_workflows import Evaluation, Wiki
from synapse_workflows.client.model.entity import File, Folder, Project
from synapse_workflows.client.model.ids import (
    id_of,
    is_synapse_id,
    parse_entity_id,
    parse_numeric_id,
    parse_storage_location_id,
    parse_version_number,
    split_version,
)
from synapse_workflows.client.model.users import UserProfile

NUMBERS = st.integers(min_value=1, max_value=10**12)


@given(NUMBERS, NUMBERS)
def test_split_version_returns_id_and_version(number, version):
    assert split_version(f"syn{number}.{version}") == (f"syn{number}", version)
    assert parse_entity_id(f" SYN{number}.{version} ") == (f"syn{number}", version)
    assert parse_entity_id(number) == parse_entity_id(str(number)) == (f"syn{number}", None)


@given(st.text())
def test_is_synapse_id_rejects_other_text(text):
    shaped = text.strip().lower().removeprefix("syn").replace(".", "", 1)
    if not (shaped.isascii() and shaped.isdecimal()):
        assert not is_synapse_id(text)


@pytest.mark.parametrize("text", ["syn12abc", "syn", "12", "syn1.", "syn1.2.3", "xsyn1", "", 7])
def test_is_synapse_id_matches_whole_text(text):
    assert not is_synapse_id(text)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ("syn1", "syn1"),
        (17, "17"),
        ({"id": "syn2", "ownerId": "3"}, "syn2"),
        ({"id": None, "ownerId": "3"}, "3"),
        ({"tableId": "syn4"}, "syn4"),
        (UserProfile(ownerId="5"), "5"),
        (SimpleNamespace(id=6), "6"),
        (SimpleNamespace(properties={"id": "syn7"}), "syn7"),
        (Folder("x", parent="syn1", id="syn8"), "syn8"),
    ],
)
def test_id_of_reads_id_fields(thing, expected):
    assert id_of(thing) == expected


@pytest.mark.parametrize("thing", [None, {}, [], object(), True, Project("new"), {"id": None}])
def test_id_of_raises_error_without_id(thing):
    with pytest.raises(ValueError, match="couldn't find id of"):
        id_of(thing)


def test_id_of_ignores_annotations():
    with pytest.raises(ValueError, match="couldn't find id"):
        id_of(File("a.txt", parent="syn1", ownerId="3", tableId="syn9"))


@pytest.mark.parametrize("text", ["data.csv", "syn12abc", "-3", "syn-3", "٣"])
def test_invalid_id_raises_error_with_expected_format(text):
    with pytest.raises(
        ValueError, match=r"Invalid Synapse ID .*: expected 'syn' followed by digits"
    ):
        parse_entity_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=SECRET",
        "https://user:SECRET@example.org/syn123",
        f"eyJhbGciOiJIUzI1NiJ9.SECRET.{'x' * 40}",
    ],
)
@pytest.mark.parametrize(
    "parse", [parse_entity_id, parse_version_number, lambda text: parse_numeric_id(text, "team")]
)
def test_error_contains_no_secret(parse, text):
    with pytest.raises(ValueError, match="Invalid") as caught:
        parse(text)
    assert "SECRET" not in str(caught.value)


@given(NUMBERS)
def test_parse_version_number_accepts_positive_integers(number):
    assert parse_version_number(number) == parse_version_number(f" {number} ") == number


@pytest.mark.parametrize("value", [0, -1, "v2", "1.0", True, ""])
def test_parse_version_number_rejects_other_values(value):
    with pytest.raises(ValueError, match="Invalid version number"):
        parse_version_number(value)


@pytest.mark.parametrize("value", [35, "35", " 35 ", np.int64(35), {"storageLocationId": 35}])
def test_storage_location_id_is_parsed(value):
    assert parse_storage_location_id(value) == 35


@pytest.mark.parametrize("value", [None, True, 3.5, -1, "", "x", b"35", [35], {"id": 35}])
def test_invalid_storage_location_id_raises(value):
    with pytest.raises(ValueError, match="Invalid storage location ID"):
        parse_storage_location_id(value)


def test_error_about_a_storage_location_does_not_repeat_its_secret_key():
    with pytest.raises(ValueError, match="without storageLocationId") as caught:
        parse_storage_location_id({"secretKey": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_integers_of_numpy_are_ids():
    assert id_of(np.int64(123)) == "123"
    assert parse_entity_id(np.uint32(123)).id == "syn123"


@pytest.mark.parametrize(
    "value", [Evaluation(name="q", contentSource="syn1", id="960"), Wiki(owner="syn1", id="5")]
)
def test_other_objects_are_not_entities(value):
    with pytest.raises(ValueError, match=rf"{type(value).__name__} {value.id} is not an entity"):
        parse_entity_id(value)
