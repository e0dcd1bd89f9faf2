"""Recorded accesses to S3 objects with unusual keys."""

from types import SimpleNamespace

import pytest
from airflow.sdk.lineage import get_hook_lineage_collector
from botocore.hooks import HierarchicalEmitter

from synapse_workflows.lineage.hook_lineage import collect_hook_lineage
from synapse_workflows.lineage.hook_reports import start_hook_lineage
from synapse_workflows.lineage.s3_access import S3AccessRecorder

ETAG = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("tab\tand#.csv", "s3://unusual/tab%09and%23.csv"),
        ("?" * 600, "s3://unusual/" + "%3F" * 600),  # too long for an asset of Airflow
    ],
    ids=["escaped", "long"],
)
def test_unusual_keys_are_recorded_once_and_are_no_errors(key, url):
    start_hook_lineage()
    recorder = S3AccessRecorder(hook=object())
    read_object(recorder, key)
    record = recorder.to_record() | collect_hook_lineage()
    assert [ref.url for ref in record.inputs()] == [url]


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("q?b=1&a=2.csv", "s3://unusual/q%3Fb=1&a=2.csv"),
        ("h#b.csv", "s3://unusual/h%23b.csv"),
        ("tab\tx", "s3://unusual/tab%09x"),
        ("é a+b%20.csv", "s3://unusual/é a+b%20.csv"),
    ],
)
def test_objects_that_s3_hooks_report_as_well_are_recorded_once(key, url):
    """Airflow would name another object: it removes parts of such URLs."""
    start_hook_lineage()
    recorder = S3AccessRecorder()
    read_object(recorder, key)
    get_hook_lineage_collector().add_input_asset(
        object(), scheme="s3", asset_kwargs={"bucket": "unusual", "key": key}
    )
    record = recorder.to_record() | collect_hook_lineage()
    assert [ref.url for ref in record.inputs()] == [url]


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        ({"VersionId": "aB._-1", "ETag": f'"{ETAG}"'}, "?versionId=aB._-1"),
        ({"VersionId": "3/L4kq+0"}, "?versionId=3%2FL4kq%2B0"),
        ({"VersionId": "null", "ETag": f'"{ETAG}-2"'}, f"#etag={ETAG}-2"),
        ({"ETag": f'"{ETAG}"'}, f"#etag={ETAG}"),
        ({"ETag": '"unusual"'}, None),
        ({}, None),
    ],
)
def test_read_version_is_recorded_or_a_gap(reply, end):
    get_hook_lineage_collector.cache_clear()
    recorder = S3AccessRecorder()
    read_object(recorder, "k.csv", reply)
    get_hook_lineage_collector().add_input_asset(object(), uri="s3://unusual/k.csv")
    record = recorder.to_record() | collect_hook_lineage()
    assert [ref.url for ref in record.inputs()] == [f"s3://unusual/k.csv{end or ''}"]
    gap = ("s3://unusual/k.csv has no version",)
    assert record.list_gaps() == (gap if end is None else ())


def read_object(recorder, key, reply=None):
    """Emit the events of botocore for a read object."""
    events, context = HierarchicalEmitter(), {}
    recorder.register(events)
    params = {"Bucket": "unusual", "Key": key}
    events.emit("before-parameter-build.s3.GetObject", params=params, context=context)
    events.emit(
        "after-call.s3.GetObject",
        http_response=SimpleNamespace(status_code=200),
        parsed=reply or {},
        model=SimpleNamespace(name="GetObject"),
        context=context,
    )
