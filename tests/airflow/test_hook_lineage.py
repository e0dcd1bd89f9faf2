"""What hooks, `ObjectStoragePath` and botocore report becomes part of the record of a task."""

import hashlib
import re

import boto3
import pytest
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.sdk.lineage import get_hook_lineage_collector
from support.execution_api import Run

from synapse_workflows import File, SynapseHook
from synapse_workflows.lineage import s3_access
from synapse_workflows.lineage.s3_access import S3AccessRecorder
from synapse_workflows.provenance.record import UrlRef


def urls(record, key="used"):
    return [entry["url"] for entry in record[key] if "url" in entry]


def test_hooks_and_paths_are_recorded_once_a_client_is_used(api, put, tmp_path):
    raw = put()
    with DAG("hooks", schedule=None) as dag:

        @task
        def work():
            hook, collector = SynapseHook(), get_hook_lineage_collector()
            collector.add_input_asset(hook, uri="http://example.org/a?key=secret")
            collector.add_output_asset(hook, scheme="s3", asset_kwargs={"bucket": "b", "key": "k"})
            ObjectStoragePath(f"file://{tmp_path}/local.txt").write_text("x")
            hook.client.get(raw)
            with hook.without_lineage():
                collector.add_input_asset(hook, uri="s3://b/suspended")

        work()
    record = Run(api, dag).all().record("work")
    assert "http://example.org/a" in urls(record)
    assert record["wrote"] == [{"url": "s3://b/k"}]
    assert "s3://b/suspended" not in urls(record)
    assert "secret" not in str(record)


def test_a_task_ignores_what_earlier_tasks_of_the_process_have_read(api, put):
    raw = put()
    with DAG("two_tasks", schedule=None) as dag:

        @task
        def other():
            get_hook_lineage_collector().add_input_asset(SynapseHook(), uri="s3://b/other")

        @task
        def work():
            get_hook_lineage_collector().add_input_asset(SynapseHook(), uri="s3://b/own")
            SynapseHook().client.get(raw)

        other() >> work()
    record = Run(api, dag).all().record("work")
    assert [url for url in urls(record) if url.startswith("s3:")] == ["s3://b/own"]


@pytest.mark.parametrize("mode", ["declared", "off"])
def test_hooks_are_not_recorded_without_automatic_lineage(api, put, mode):
    raw = put()
    with DAG("modes", schedule=None) as dag:

        @task
        def work():
            get_hook_lineage_collector().add_input_asset(SynapseHook(), uri="s3://b/k")
            SynapseHook(lineage_mode=mode).client.get(raw)

        work()
    assert Run(api, dag).all().record("work") is None


def test_what_hooks_have_read_is_used_by_what_a_task_stores(api, project, sources_of, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with DAG("stores", schedule=None) as dag:

        @task
        def work():
            get_hook_lineage_collector().add_input_asset(SynapseHook(), uri="s3://b/k")
            return SynapseHook().client.store(File(str(tmp_path / "a.txt"), parent=project)).id

        work()
    used, _ = sources_of(Run(api, dag).all().value("work"))
    assert used == ["s3://b/k"]


@pytest.fixture
def client(s3_service):
    """Client of a bucket with a recorder."""
    s3_service.store.create_bucket("recorded")
    session = boto3.Session(
        s3_service.endpoint.access_key_id,
        s3_service.endpoint.secret_access_key,
        region_name="us-east-1",
    )
    recorder = S3AccessRecorder()
    recorder.register(session.events)
    return session.client("s3", endpoint_url=s3_service.endpoint.url), recorder


def test_operations_of_s3(client, tmp_path):
    s3, recorder = client
    for key in ("a", "b?c#d", "tmp", "kept"):
        s3.put_object(Bucket="recorded", Key=key, Body=b"1")
    s3.get_object(Bucket="recorded", Key="b?c#d")
    s3.head_object(Bucket="recorded", Key="kept")  # reads no content
    s3.list_objects_v2(Bucket="recorded")
    s3.copy({"Bucket": "recorded", "Key": "a"}, "recorded", "copy")
    s3.copy_object(Bucket="recorded", Key="copy2", CopySource="recorded/a")
    s3.delete_objects(Bucket="recorded", Delete={"Objects": [{"Key": "tmp"}]})
    s3.delete_object(Bucket="recorded", Key="copy2")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="recorded", Key="missing")
    record = recorder.to_record()
    assert [str(ref) for ref in record.wrote] == [
        f"s3://recorded/{key}#etag={hashlib.md5(b'1').hexdigest()}"
        for key in ("a", "b%3Fc%23d", "kept", "copy")
    ]
    assert record.used == ()  # the task has written all that it has read


def test_versions_of_objects_are_recorded(client):
    s3, recorder = client
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first, second = (
        s3.put_object(Bucket="versioned", Key="x", Body=body)["VersionId"] for body in (b"1", b"2")
    )
    recorder.clear()
    s3.get_object(Bucket="versioned", Key="x", VersionId=first)
    s3.get_object(Bucket="versioned", Key="x")
    s3.get_object(Bucket="versioned", Key="x", Range="bytes=0-0")
    record = recorder.to_record()
    urls = [f"s3://versioned/x?versionId={version}" for version in (first, second)]
    assert [ref.url for ref in record.inputs()] == urls
    assert record.list_gaps() == ()
    written = s3.put_object(Bucket="versioned", Key="x", Body=b"3")["VersionId"]
    s3.get_object(Bucket="versioned", Key="x")  # what the task has written is no input
    record = recorder.to_record()
    assert [ref.url for ref in record.inputs()] == urls
    assert record.wrote == (UrlRef(f"s3://versioned/x?versionId={written}"),)


def test_an_object_that_is_read_and_then_replaced_is_an_input(client):
    s3, _ = client
    s3.put_object(Bucket="recorded", Key="x", Body=b"1")
    recorder = S3AccessRecorder()
    recorder.add_read("s3://recorded/x")
    recorder.add_written("s3://recorded/x")
    record = recorder.to_record()
    assert record.inputs() == (UrlRef("s3://recorded/x"),)
    assert record.wrote == (UrlRef("s3://recorded/x"),)


def test_multipart_uploads_are_recorded(client, tmp_path):
    s3, recorder = client
    path = tmp_path / "large"
    path.write_bytes(b"x" * 9 * 1024 * 1024)
    s3.upload_file(str(path), "recorded", "large")
    (written,) = recorder.to_record().wrote
    assert re.fullmatch(r"s3://recorded/large#etag=[0-9a-f]{32}-2", written.url)


def test_many_objects_are_recorded_as_their_prefix(caplog):
    recorder = S3AccessRecorder()
    count = s3_access._MAX_OBJECTS + 1
    for number in range(count):
        recorder.add_read(f"s3://b/data/part-{number:04}/x.csv")
        recorder.add_written(f"s3://b/out/{number}")
    record = recorder.to_record()
    assert record.inputs() == (UrlRef("s3://b/data/"),)
    assert record.wrote == (UrlRef("s3://b/out/"),)
    assert record.gaps == (
        f"{count} objects below s3://b/data/ were read, too many to list",
        f"{count} objects below s3://b/out/ were written, too many to list",
    )
