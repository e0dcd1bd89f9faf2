"""Staging in a bucket of a local S3 server, over a socket."""

import gc
import hashlib
import json
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.s3_service import use_bucket

from synapse_workflows import SynapseStoreOperator, clean_staging, local_path, staged
from synapse_workflows.client.errors import SynapseTransferError

SIZE = 3 * 2**20


@pytest.fixture(scope="module")
def bucket(s3_service):
    """Bucket of the S3 server, and the environment variables for s3fs."""
    with use_bucket(s3_service, "staging") as client:
        yield client


@pytest.fixture
def prefix(bucket, worker, monkeypatch):
    """Prefix of `[synapse] staging` in the bucket."""
    name = str(uuid4())
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(worker))
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", f"s3://staging/{name}")
    return name


@pytest.fixture
def keys(bucket, prefix):
    """Function that returns the keys of the objects below the prefix."""

    def find():
        found = bucket.list_objects_v2(Bucket="staging", Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]

    return find


def stage_dag(path, name="to_s3", project=None):
    with DAG(name, schedule=None) as dag:

        @task
        def make():
            return staged(path)

        made = make()
        if project:
            SynapseStoreOperator(task_id="store", path=made, parent_id=project)
    return dag


def test_a_large_file_crosses_workers_and_is_removed_with_its_run(
    api, project, alice, prefix, keys, bucket, tmp_path, sources_of, s3_service
):
    path = tmp_path / "big file.bin"
    path.write_bytes(bytes(range(256)) * (SIZE // 256) + b"ends")
    dag = stage_dag(path, project=project)
    run = Run(api, dag)
    run.task("make")
    bucket.put_object(Bucket="staging", Key=f"{prefix}/synapse-staged/other.txt", Body=b"x")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    path.unlink()
    run.task("store")
    stored = run.value("store")
    assert (stored["name"], stored["md5"]) == ("big file.bin", md5)
    used, _ = sources_of(stored["id"])
    assert used == []
    assert s3_service.endpoint.secret_access_key not in repr(api.requests)
    bucket.put_object(Bucket="staging", Key=keys()[1].replace("/run_1/", "/run_10/"), Body=b"x")
    assert len(keys()) == 3

    with DAG("to_s3", schedule=None) as cleaner:

        @task
        def clean():
            return clean_staging()

        clean()
    cleaning = Run(api, cleaner).all()
    assert cleaning.value("clean") == {"files": 1, "size": SIZE + 4, "dry_run": False}
    kept, other = keys()
    assert kept == f"{prefix}/synapse-staged/other.txt"
    assert "/run_10/" in other


def test_a_connection_of_airflow_gives_access(
    api, prefix, keys, tmp_path, s3_service, monkeypatch
):
    endpoint = s3_service.endpoint
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    connection = {
        "conn_type": "aws",
        "login": endpoint.access_key_id,
        "password": endpoint.secret_access_key,
        "extra": {"endpoint_url": endpoint.url, "region_name": endpoint.region},
    }
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", f"s3://my_aws@staging/{prefix}")
    api.connections["my_aws"] = json.dumps(connection)
    monkeypatch.setenv("AIRFLOW_CONN_MY_AWS", json.dumps(connection))
    path = tmp_path / "a.txt"
    path.write_text("text")
    run = Run(api, stage_dag(path, "connected")).all()
    reference = run.value("make")
    assert Path(local_path(reference)).read_text() == "text"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_access_key)
        assert keys() == [f"{prefix}/synapse-staged/{reference['staged']}"]


def test_a_missing_bucket_fails_without_credentials(
    api, tmp_path, bucket, monkeypatch, s3_service
):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", "s3://no-such-bucket/x")
    path = tmp_path / "a.txt"
    path.write_text("text")
    result = Run(api, stage_dag(path, "no_bucket")).task("make")
    assert isinstance(result.error, SynapseTransferError)
    assert "s3://no-such-bucket/x" in str(result.error)
    assert s3_service.endpoint.secret_access_key not in str(result.error)


def test_an_interrupted_upload_leaves_no_object(api, prefix, keys, bucket, tmp_path, monkeypatch):
    from synapse_workflows.client.transfer.progress import ProgressLog

    path = tmp_path / "a.bin"
    path.write_bytes(bytes(SIZE))

    def stop(*_args):
        raise SystemExit(143)

    monkeypatch.setattr(ProgressLog, "advance", stop)
    Run(api, stage_dag(path, "stopped")).task("make")
    gc.collect()
    assert keys() == []
    assert bucket.list_multipart_uploads(Bucket="staging").get("Uploads", []) == []
