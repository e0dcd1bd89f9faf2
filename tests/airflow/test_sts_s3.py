"""`SynapseStsS3Hook`, S3 operators and `ObjectStoragePath` with STS credentials."""

import asyncio
import json
from contextlib import aclosing

import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.s3 import (
    S3CopyObjectOperator,
    S3CreateObjectOperator,
    S3ListOperator,
)
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.sdk.module_loading import import_string
from airflow.sdk.serde import deserialize

from synapse_workflows import SynapseStsS3Hook
from synapse_workflows.hooks.sts_credentials import StsScopeError
from synapse_workflows.operator_arguments import InvalidArgumentError


class StsCreateOperator(S3CreateObjectOperator):
    aws_hook_class = SynapseStsS3Hook


class StsCopyOperator(S3CopyObjectOperator):
    aws_hook_class = SynapseStsS3Hook


class StsKeySensor(S3KeySensor):
    aws_hook_class = SynapseStsS3Hook


@pytest.fixture
def connection(sts, monkeypatch):
    """Set the connection in the environment, for hooks outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", sts.api.connections["synapse_default"])


def test_the_hook_reads_and_writes_in_the_bucket_of_the_storage(sts, connection, tmp_path):
    folder = sts.folder()
    folder.put("in.csv")
    hook = SynapseStsS3Hook(folder.id, "read_write")
    assert hook.read_key(f"{folder.prefix}/in.csv") == "a,b\n1,2\n"
    hook.load_string("x", f"{folder.prefix}/out.txt")
    assert folder.read("out.txt") == "x"
    keys = hook.list_keys(prefix=f"{folder.prefix}/")
    assert f"{folder.prefix}/out.txt" in keys


def test_operators_use_the_hook_and_what_they_read_and_write_is_recorded(sts):
    folder = sts.folder()
    conn_id = f"synapse-sts://{folder.id}/read_write"
    with DAG("operators", schedule=None) as dag:
        create = StsCreateOperator(
            task_id="create", aws_conn_id=conn_id, s3_key=folder.url("a.txt"), data="a"
        )
        copy = StsCopyOperator(
            task_id="copy",
            aws_conn_id=conn_id,
            source_bucket_key=folder.url("a.txt"),
            dest_bucket_key=folder.url("b.txt"),
        )
        wait = StsKeySensor(task_id="wait", aws_conn_id=conn_id, bucket_key=folder.url("b.txt"))
        create >> copy >> wait
    run = sts.run(dag)
    assert folder.read("b.txt") == "a"
    assert run.record("create")["wrote"] == [{"url": folder.recorded_url("a.txt")}]
    record = run.record("copy")
    assert {"url": folder.url("a.txt"), "origin": "read"} in record["used"]
    assert record["wrote"] == [{"url": folder.recorded_url("b.txt")}]


def test_ordinary_operators_work_with_the_secrets_backend(sts, sts_backend):
    folder = sts.folder()
    with DAG("ordinary", schedule=None) as dag:
        create = S3CreateObjectOperator(
            task_id="create",
            aws_conn_id=f"synapse-sts://{folder.id}/read_write",
            s3_key=folder.url("a.txt"),
            data="a",
        )
        keys = S3ListOperator(
            task_id="keys",
            aws_conn_id=f"synapse-sts://{folder.id}",
            bucket=folder.bucket,
            prefix=f"{folder.prefix}/",
        )
        create >> keys
    run = sts.run(dag)
    assert f"{folder.prefix}/a.txt" in run.value("keys")
    assert run.record("create")["wrote"] == [{"url": folder.recorded_url("a.txt")}]


def test_deferred_operators_have_the_credentials_in_the_triggerer(sts, sts_backend, connection):
    folder = sts.folder()
    url = folder.put("in.csv")
    with DAG("deferred", schedule=None) as dag:
        S3KeySensor(
            task_id="wait",
            aws_conn_id=f"synapse-sts://{folder.id}",
            bucket_key=[url, folder.url("late.csv")],
            deferrable=True,
            poke_interval=0.1,
        )
    deferred = sts.start(dag).task("wait")
    assert deferred.state == "deferred"
    folder.put("late.csv")
    trigger_class = import_string(deferred.msg.classpath)
    trigger = trigger_class(**deserialize(deferred.msg.trigger_kwargs))

    async def get_first_event():
        async with aclosing(trigger.run()) as events:
            return await anext(events)

    assert asyncio.run(get_first_event()).payload["status"] == "success"


def test_object_storage_paths_have_the_credentials(sts, sts_backend):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("paths", schedule=None) as dag:

        @task
        def by_url():
            base = ObjectStoragePath(
                f"s3://synapse-sts.{folder.id}.read_write@{folder.bucket}/{folder.prefix}"
            )
            with (base / "in.csv").open() as source, (base / "out.csv").open("w") as target:
                target.write(source.read().upper())

        @task
        def by_conn_id():
            conn_id = f"synapse-sts://{folder.id}"
            return ObjectStoragePath(folder.url("out.csv"), conn_id=conn_id).read_text()

        by_url() >> by_conn_id()
    run = sts.run(dag)
    assert run.value("by_conn_id") == "A,B\n1,2\n"
    record = run.record("by_url")
    assert {"url": folder.recorded_url("in.csv"), "origin": "read"} in record["used"]
    assert {"url": folder.recorded_url("out.csv")} in record["wrote"]


def test_the_hook_gives_paths_without_any_configuration(sts):
    folder = sts.folder()
    with DAG("hook_paths", schedule=None) as dag:

        @task
        def work():
            path = SynapseStsS3Hook(folder.id, "read_write").object_storage_path("a/b.txt")
            path.write_text("b")
            return path.read_text()

        work()
    run = sts.run(dag)
    assert run.value("work") == "b"
    assert folder.read("a/b.txt") == "b"


def test_the_hook_gives_asynchronous_clients(sts, connection):
    folder = sts.folder()
    folder.put("in.csv")

    async def read():
        client = await SynapseStsS3Hook(folder.id).get_async_conn()
        async with client as s3:
            found = await s3.get_object(Bucket=folder.bucket, Key=f"{folder.prefix}/in.csv")
            async with found["Body"] as body:
                return await body.read()

    assert asyncio.run(read()) == b"a,b\n1,2\n"


def test_an_aws_connection_names_a_folder(sts, sts_backend):
    folder = sts.folder()
    extra = {"synapse_sts": {"folder_id": folder.id, "permission": "read_write"}}
    sts.api.connections["my_storage"] = json.dumps({"conn_type": "aws", "extra": extra})
    with DAG("extra", schedule=None) as dag:

        @task
        def work():
            S3Hook("my_storage").load_string("x", f"{folder.prefix}/x.txt", folder.bucket)

        work()
    sts.run(dag)
    assert folder.read("x.txt") == "x"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"aws_conn_id": "aws_default"},
        {"aws_conn_id": "synapse-sts://syn1?permission=read_write"},
        {"aws_conn_id": "synapse-sts://syn1/write"},
        {"folder_id": "my folder"},
        {"folder_id": "syn1", "permission": "write"},
    ],
)
def test_invalid_arguments(arguments):
    with pytest.raises(InvalidArgumentError):
        SynapseStsS3Hook(**arguments)


def test_a_folder_without_sts_is_an_error_of_the_first_use(sts, connection):
    hook = SynapseStsS3Hook(sts.project)
    with pytest.raises(StsScopeError, match="not a folder but a Project"):
        hook.get_conn()
