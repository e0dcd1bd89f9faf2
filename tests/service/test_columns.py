"""Column models: validation, normalization and listing."""

import pytest
from support.entity_api import REPO, unique_name
from support.file_api import assert_error, ok

COLUMNS = "org.sagebionetworks.repo.model.ListWrapper"


def create(ann, name, kind="STRING", **more):
    return ann.post(f"{REPO}/column", {"name": name, "columnType": kind, **more})


def test_equal_columns_share_one_id(tables):
    name = unique_name()
    first = tables.create_column(name, maximumSize=50)
    assert tables.create_column(f"  {name} ")["id"] == first["id"]
    assert tables.create_column(name, id="77")["id"] == first["id"]
    assert tables.create_column(name, maximumSize=51)["id"] != first["id"]


def test_column_has_only_the_properties_of_its_type(ann):
    created = ok(create(ann, unique_name(), "INTEGER", maximumSize=7, maximumListLength=3))
    assert set(created) == {"id", "name", "columnType"}
    assert ok(create(ann, unique_name()))["maximumSize"] == 50
    listed = ok(create(ann, unique_name(), "STRING_LIST"))
    assert (listed["maximumSize"], listed["maximumListLength"]) == (50, 100)


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""},
        {"name": "x" * 257},
        {"name": "row_Id"},
        {"name": "Row_Etag"},
        {"columnType": "FLOAT"},
        {"columnType": None},
        {"maximumSize": 0},
        {"maximumSize": 1001},
        {"columnType": "STRING_LIST", "maximumListLength": 1},
        {"columnType": "STRING_LIST", "maximumListLength": 101},
        {"columnType": "INTEGER", "defaultValue": "one"},
        {"columnType": "STRING", "maximumSize": 2, "defaultValue": "abc"},
        {"columnType": "BOOLEAN", "defaultValue": "yes"},
        {"columnType": "ENTITYID", "defaultValue": "syn1"},
        {"columnType": "LARGETEXT", "defaultValue": "x"},
        {"columnType": "USERID_LIST", "defaultValue": "[1]"},
        {"enumValues": [str(each) for each in range(101)]},
        {"columnType": "INTEGER", "enumValues": ["1", "b"]},
        {"enumValues": ["a"], "defaultValue": "b"},
        {"columnType": "JSON", "facetType": "enumeration"},
        {"columnType": "DOUBLE", "facetType": "enumeration"},
        {"columnType": "STRING", "facetType": "range"},
        {"facetType": "pie"},
        {"jsonSubColumns": [{"name": "a", "columnType": "STRING", "jsonPath": "$.a"}]},
    ],
)
def test_invalid_column_is_rejected(ann, more):
    assert_error(
        ann.post(f"{REPO}/column", {"name": unique_name(), "columnType": "STRING", **more}), 400
    )


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("INTEGER", "+7", "7"),
        ("INTEGER", "", None),
        ("STRING", "", ""),
        ("BOOLEAN", "TRUE", "true"),
        ("DOUBLE", "1e3", "1000.0"),
        ("DATE", "2020-1-2", "1577923200000"),
        ("STRING_LIST", '["b","a"]', '["b", "a"]'),
        ("INTEGER_LIST", "[]", None),
    ],
)
def test_default_value_is_normalized(ann, kind, default, expected):
    assert (
        ok(create(ann, unique_name(), kind, defaultValue=default)).get("defaultValue") == expected
    )


def test_enum_values_are_sorted(ann):
    assert ok(create(ann, unique_name(), enumValues=["b", "a", "b"]))["enumValues"] == ["a", "b"]


def test_facets_and_sub_columns_are_kept(ann):
    assert ok(create(ann, unique_name(), "DATE", facetType="range"))["facetType"] == "range"
    sub = {"name": "a", "columnType": "STRING", "jsonPath": "$.a", "facetType": "enumeration"}
    assert ok(create(ann, unique_name(), "JSON", jsonSubColumns=[sub]))["jsonSubColumns"] == [sub]


def test_batch_returns_columns_in_request_order(ann):
    names = [unique_name("z"), unique_name("a"), unique_name("m")]
    body = {
        "concreteType": COLUMNS,
        "list": [{"name": name, "columnType": "DOUBLE"} for name in names],
    }
    created = ok(ann.post(f"{REPO}/column/batch", body))["list"]
    assert [each["name"] for each in created] == names
    assert [ok(ann.get(f"{REPO}/column/{each['id']}")) for each in created] == created


def test_batch_with_an_invalid_column_creates_none(ann):
    prefix = unique_name("batch")
    bodies = [{"name": prefix, "columnType": kind} for kind in ("DATE", "X")]
    assert_error(ann.post(f"{REPO}/column/batch", {"concreteType": COLUMNS, "list": bodies}), 400)
    assert ok(ann.get(f"{REPO}/column?prefix={prefix}"))["results"] == []


def test_batch_needs_a_concrete_type(ann):
    for body in ({}, {"concreteType": "org.sagebionetworks.repo.model.Team"}):
        error = assert_error(ann.post(f"{REPO}/column/batch", {**body, "list": []}), 400)
        assert "concreteType" in error["reason"]
        assert COLUMNS in error["reason"]
        assert "None" not in error["reason"]


def test_columns_are_listed_by_prefix_in_pages(ann):
    prefix = unique_name("Prefix")
    for each in range(5):
        ok(create(ann, f"{prefix}.{each}"))
    path = f"{REPO}/column?prefix={prefix.lower()}"
    first = ok(ann.get(f"{path}&limit=3"))
    rest = ok(ann.get(f"{path}&limit=3&offset=3"))
    names = [each["name"] for page in (first, rest) for each in page["results"]]
    assert names == [f"{prefix}.{each}" for each in range(5)]
    assert first["totalNumberOfResults"] == rest["totalNumberOfResults"] == 5
    assert_error(ann.get(f"{path}&limit=101"), 400)
    assert_error(ann.get(f"{path}&limit=0"), 400)


def test_unknown_column_is_not_found(ann):
    assert_error(ann.get(f"{REPO}/column/999999"), 404)


def test_anonymous_user_cannot_create_a_column(anonymous):
    assert_error(anonymous.post(f"{REPO}/column", {"name": "a", "columnType": "STRING"}), 403)


@pytest.mark.parametrize("kind", ["STRING", "LINK", "STRING_LIST"])
def test_maximum_size_over_its_limit(ann, kind):
    reason = assert_error(create(ann, unique_name(), kind, maximumSize=1001), 400)["reason"]
    assert reason == f"ColumnModel.maxSize for a {kind} cannot exceed: 1000"
