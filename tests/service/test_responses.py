"""Tests of JSON responses."""

import json

from synapse_workflows.local.routers.responses import ApiResponse


def test_response_omits_null_properties_and_keeps_nulls_in_arrays():
    body = {"a": None, "b": [None, {"c": None}], "d": {"e": None, "f": 0, "g": ""}}
    assert json.loads(ApiResponse(body).body) == {"b": [None, {}], "d": {"f": 0, "g": ""}}


def test_unicode_text_is_returned_unchanged(ann):
    text = "größer ≥ 3 µm, 数据 🧬, null: \x00, quote: \"'"
    project = ann.new_project(description=text)
    assert ann.entity(project["id"])["description"] == text
