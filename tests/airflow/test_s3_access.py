"""Recorded accesses to S3 objects with unusual keys."""

from types import SimpleNamespace

import pytest
from airflow.sdk.lineage import get_hook_lineage_collector
from botocore.hooks import HierarchicalEmitter

from synapse_workflows.lineage.hook_lineage import collect_hook_lineage
from synapse_workflows.lineage.s3_access import S3AccessRecorder


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("tab\tand#.csv", "s3://unusual/tab%09and%23.csv"),
        ("?" * 600, "s3://unusual/" + "%3F" * 600),  # too long for an asset of Airflow
    ],
    ids=["escaped", "long"],
)
def test_unusual_keys_are_recorded_once_and_are_no_errors(key, url):
    get_hook_lineage_collector.cache_clear()
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
    get_hook_lineage_collector.cache_clear()
    recorder = S3AccessRecorder()
    read_object(recorder, key)
    get_hook_lineage_collector().add_input_asset(
        object(), scheme="s3", asset_kwargs={"bucket": "unusual", "key": key}
    )
    record = recorder.to_record() | collect_hook_lineage()
    assert [ref.url for ref in record.inputs()] == [url]


def read_object(recorder, key):
    """Emit the events of botocore for a read object."""
    events, context = HierarchicalEmitter(), {}
    recorder.register(events)
    params = {"Bucket": "unusual", "Key": key}
    events.emit("before-parameter-build.s3.GetObject", params=params, context=context)
    events.emit(
        "after-call.s3.GetObject",
        http_response=SimpleNamespace(status_code=200),
        parsed={},
        model=SimpleNamespace(name="GetObject"),
        context=context,
    )
