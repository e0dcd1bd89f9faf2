"""Upload of S3 objects with SynapseStoreOperator."""

import warnings
from pathlib import Path

import boto3
import pytest
from airflow.sdk import DAG
from support.execution_api import Run

from synapse_workflows import SynapseStoreOperator

SIZE = 12 * 2**20 + 5


@pytest.fixture(scope="module")
def bucket():
    """Bucket of a local S3 server, and the environment variables for s3fs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a-key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket="results")
        yield client
        client.close()
    server.stop()


def test_s3_object_is_uploaded_to_synapse(api, project, bucket, alice, sources_of):
    content = bytes(range(256)) * (SIZE // 256) + b"ends"
    bucket.put_object(Bucket="results", Key="run 1/reads.bin", Body=content)
    with DAG("s3", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path="s3://results/run 1/reads.bin", parent_id=project
        )
    stored = Run(api, dag).all().value("store")
    assert (stored["name"], stored["size"]) == ("reads.bin", len(content))
    assert Path(alice.get(stored["id"]).path).read_bytes() == content
    assert sources_of(stored["id"])[0] == ["s3://results/run 1/reads.bin"]
    assert "a-secret-of-the-test" not in repr(api.requests)


def test_missing_s3_object_is_reported(api, project, bucket):
    with DAG("s3_missing", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path="s3://results/nothing", parent_id=project)
    failed = Run(api, dag).task("store")
    assert "s3://results/nothing" in str(failed.error)
