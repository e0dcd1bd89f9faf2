"""Hooks that do not report to Airflow themselves are recorded."""

import json

import fsspec
import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.http.hooks.http import HttpAsyncHook, HttpHook
from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.sdk.io import attach
from support.execution_api import Run

from synapse_workflows.provenance.record import Record

SECRET = "hunter2-secret"


class ChatHook(HttpHook):
    """Hook of a provider of a service."""

    __module__ = "airflow.providers.chat.hooks"


@pytest.fixture
def api(api, web, s3_service):
    """Execution API with connections to an HTTP server and to an S3 server."""
    endpoint = s3_service.endpoint
    extra = {"endpoint_url": endpoint.url, "region_name": "us-east-1"}
    api.connections |= {
        "http_default": json.dumps(
            {"conn_type": "http", "host": f"http://user:{SECRET}@127.0.0.1:{web}"}
        ),
        "aws_default": json.dumps(
            {
                "conn_type": "aws",
                "login": endpoint.access_key_id,
                "password": endpoint.secret_access_key,
                "extra": extra,
            }
        ),
    }
    return api


def run(api, function):
    """Run a task; return the URLs that it read and wrote."""
    with DAG("instrumented", schedule=None) as dag:
        task(function).override(task_id="work")()
    record = Run(api, dag).all().record("work") or {}
    assert SECRET not in json.dumps(record)
    inputs = Record.from_json(record).inputs()
    return [ref.url for ref in inputs], [entry["url"] for entry in record.get("wrote", ())]


def test_requests_of_hooks(api, web):
    def work():
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            HttpHook(method).run(f"{method}?key={SECRET}")
        HttpHook("POST").run("services/T0123/B0123/aB3dE6gH9jK2mN5pQ8sT1vW4")
        HttpHook("GET").run("moved")
        ChatHook("POST").run("messages")
        HttpHook("GET").run("missing", extra_options={"check_response": False})

    root = f"http://127.0.0.1:{web}"
    read = [f"{root}/GET", f"{root}/moved", f"{root}/services/T0123/B0123/redacted"]
    assert run(api, work) == (read, [f"{root}/PUT"])


def test_requests_of_asynchronous_hooks(api, web, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", api.connections["http_default"])

    async def work():
        await HttpAsyncHook("GET").run(endpoint=f"async?key={SECRET}")

    assert run(api, work) == ([f"http://127.0.0.1:{web}/async"], [])


def test_objects_that_s3_hooks_read_without_reporting(api, s3_service, tmp_path):
    s3_service.store.create_bucket("instrumented")

    def work():
        hook = S3Hook()
        for key in ("raw", "kept", "deleted"):
            hook.load_string("1", key, "instrumented")
        hook.delete_objects("instrumented", "deleted")
        ObjectStoragePath("s3://aws_default@instrumented/path").write_bytes(b"1")
        S3Hook().read_key("other", "instrumented")
        S3Hook().download_file("other", "instrumented", str(tmp_path))

    s3_service.store._client.put_object(Bucket="instrumented", Key="other", Body=b"1")
    used, written = run(api, work)
    assert [url.partition("#etag=")[0] for url in used] == ["s3://instrumented/other"]
    assert sorted(url.partition("#etag=")[0] for url in written) == [
        "s3://instrumented/kept",
        "s3://instrumented/path",
        "s3://instrumented/raw",
    ]


def test_a_failed_response_is_not_recorded(api):
    with DAG("fails", schedule=None) as dag:
        HttpOperator(task_id="first", method="GET", endpoint="missing")
    one = Run(api, dag)
    assert one.task("first").state == "failed"
    assert one.record("first") is None


def test_files_of_object_storage_are_recorded_however_they_are_read(api):
    for conn_id in (None, "store"):
        attach("memory", conn_id, fs=fsspec.filesystem("memory"))

    def path(name):
        return ObjectStoragePath(f"memory://store@bucket/{name}")

    with DAG("paths", schedule=None) as dag:

        @task
        def work():
            for name in ("a", "b"):
                path(name).write_bytes(b"1\n2\n")
            with path("c").open("w") as file:
                file.writelines(["1"])
            path("b").unlink()

        @task
        def use():
            path("c").read_text()
            with path("a").open() as file:
                assert len(list(file)) == 2

        work() >> use()
    one = Run(api, dag).all()
    assert one.record("work")["wrote"] == [{"url": f"memory:///bucket/{name}"} for name in "ac"]
    used = [entry["url"] for entry in one.record("use")["used"]]
    assert used == ["memory:///bucket/a", "memory:///bucket/c"]
