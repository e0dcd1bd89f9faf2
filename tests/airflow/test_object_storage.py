"""S3 objects as sources and targets, on a local S3 server over a socket."""

import gc
import gzip
import hashlib
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from support.execution_api import Run
from support.s3_service import use_bucket

from synapse_workflows import (
    SynapseGetOperator,
    SynapseStoreOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.idempotency.object_storage import ObjectTarget

SIZE = 12 * 2**20 + 5


@pytest.fixture(scope="module")
def bucket(s3_service):
    """Bucket of a local S3 server, and the environment variables for s3fs."""
    with use_bucket(s3_service, "results") as client:
        yield client


def test_s3_object_is_uploaded_to_synapse(api, project, bucket, alice, sources_of, s3_service):
    content = bytes(range(256)) * (SIZE // 256) + b"ends"
    bucket.put_object(Bucket="results", Key="run 1/reads.bin", Body=content)
    with DAG("s3", schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store", path="s3://results/run 1/reads.bin", parent_id=project
        )
    stored = Run(api, dag).all().value("store")
    assert (stored["name"], stored["size"]) == ("reads.bin", len(content))
    assert Path(alice.get(stored["id"]).path).read_bytes() == content
    etag = hashlib.md5(content).hexdigest()
    assert sources_of(stored["id"])[0] == [f"s3://results/run 1/reads.bin#etag={etag}"]
    assert s3_service.endpoint.secret_access_key not in repr(api.requests)


def test_missing_s3_object_is_reported(api, project, bucket):
    with DAG("s3_missing", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path="s3://results/nothing", parent_id=project)
    failed = Run(api, dag).task("store")
    assert "s3://results/nothing" in str(failed.error)


def read_object(bucket, key):
    return bucket.get_object(Bucket="results", Key=key)["Body"].read()


def keys(bucket, prefix):
    found = bucket.list_objects_v2(Bucket="results", Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


def test_file_is_written_to_s3_in_parts(bucket, tmp_path):
    source = tmp_path / "reads.bin"
    source.write_bytes(bytes(range(256)) * (55 * 2**20 // 256) + b"ends")
    target = ObjectTarget(f"s3://results/{uuid4()}/run 1/reads.bin")
    assert target.write(source) == target.url
    key = target.url.removeprefix("s3://results/")
    assert read_object(bucket, key) == source.read_bytes()
    assert bucket.head_object(Bucket="results", Key=key)["ETag"].endswith('-2"')
    assert target.write(source) == target.url
    assert target.write(source, "keep.local") is None
    source.write_bytes(b"other")
    assert target.write(source).endswith("/run 1/reads(1).bin")
    assert target.write(source, "overwrite.local") == target.url
    assert read_object(bucket, key) == b"other"
    assert bucket.list_multipart_uploads(Bucket="results").get("Uploads", []) == []


class FailingFile(type(Path())):
    """A large file whose content cannot be read to its end."""

    blocks = 1

    def open(self, *_args, **_kwargs):
        return self

    def __enter__(self):
        self.unread = self.blocks
        return self

    def __exit__(self, *_):
        pass

    def read(self, size):
        self.unread -= 1
        if self.unread < 0:
            raise OSError("the disk failed")
        return bytes(size)


@pytest.mark.parametrize("blocks", [0, 1, 60])
def test_failed_write_to_s3_leaves_no_object(bucket, blocks):
    """The write fails before and after the first part was sent."""
    source = FailingFile("reads.bin")
    source.blocks = blocks
    prefix = str(uuid4())
    with pytest.raises(OSError, match="the disk failed"):
        ObjectTarget(f"s3://results/{prefix}/reads.bin").write(source)
    gc.collect()
    assert keys(bucket, prefix) == []
    assert bucket.list_multipart_uploads(Bucket="results").get("Uploads", []) == []


def test_write_to_a_missing_bucket_fails(bucket, tmp_path):
    source = tmp_path / "reads.bin"
    source.write_bytes(b"content")
    with pytest.raises((OSError, SynapseTransferError)):
        ObjectTarget("s3://no-such-bucket/reads.bin").write(source)
    names = [one["Name"] for one in bucket.list_buckets()["Buckets"]]
    assert "no-such-bucket" not in names


def test_synapse_file_and_query_result_are_written_to_s3(api, put, filled, bucket, s3_service):
    url = f"s3://results/{uuid4()}"
    with DAG("to_s3", schedule=None) as dag:
        SynapseGetOperator(task_id="get", entity_id=put(), download_dir=url)
        sql = f"select n from {filled} order by n"
        for suffix in ("csv", "parquet"):
            SynapseTableQueryOperator(task_id=suffix, sql=sql, output_path=f"{url}/rows.{suffix}")
    run = Run(api, dag).all()
    assert run.value("get")["path"] == f"{url}/raw.csv"
    key = url.removeprefix("s3://results/")
    assert read_object(bucket, f"{key}/raw.csv") == b"a,b\n1,2\n"
    assert read_object(bucket, f"{key}/rows.csv").split() == [b'"n"', b'"1"', b'"2"', b'"3"']
    assert read_object(bucket, f"{key}/rows.parquet").startswith(b"PAR1")
    assert s3_service.endpoint.secret_access_key not in repr(api.requests)


def test_rows_of_s3_objects_are_stored_together(api, table, rows_of, sources_of, bucket):
    key = uuid4()
    contents = {
        "1.csv.gz": gzip.compress(b"n,a name\n1,a\n"),
        "2.tsv": b"a name\tn\nb\t2\n",
        "3.ndjson": b'{"n": 3}\n',
    }
    for name, content in contents.items():
        bucket.put_object(Bucket="results", Key=f"{key}/{name}", Body=content)
    urls = [f"s3://results/{key}/{name}" for name in contents]
    with DAG("from_s3", schedule=None) as dag:
        SynapseTableStoreOperator(task_id="store", table_id=table, rows=urls)
    Run(api, dag).all()
    assert rows_of(table) == [["a", 1], ["b", 2], [None, 3]]
    etags = [hashlib.md5(content).hexdigest() for content in contents.values()]
    assert sources_of(table)[0] == [
        f"{url}#etag={etag}" for url, etag in zip(urls, etags, strict=True)
    ]
