"""`SynapseHook.sts_environment` and `SynapseHook.sts_session` in tasks."""

import asyncio
import os
import subprocess
import sys
import threading

import boto3
import fsspec
import pytest
from airflow.sdk import DAG, task
from botocore.exceptions import ClientError

from synapse_workflows import File, SynapseHook

#: Child process that reads one object and writes another.
COPY = """
import boto3, os, sys
s3 = boto3.client("s3")
bucket, _, prefix = os.environ["SYNAPSE_STS_S3_LOCATION"].removeprefix("s3://").partition("/")
body = s3.get_object(Bucket=bucket, Key=f"{prefix}/{sys.argv[1]}")["Body"].read()
s3.put_object(Bucket=bucket, Key=f"{prefix}/{sys.argv[2]}", Body=body.upper())
"""
ACCESS_DENIED = "AccessDenied"


def copy(source, target, **options):
    """Copy an object in a child process."""
    command = [sys.executable, "-W", "ignore", "-c", COPY, source, target]
    subprocess.run(command, check=True, timeout=60, **options)


@pytest.fixture
def hook(sts, monkeypatch):
    """Hook outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", sts.api.connections["synapse_default"])
    return SynapseHook()


def error_code(call, **arguments):
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    return failure.value.response["Error"]["Code"]


def test_a_session_reads_and_writes_objects_that_are_recorded(sts):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("session", schedule=None) as dag:

        @task
        def work():
            session = SynapseHook().sts_session(folder.id, "read_write")
            s3 = session.client("s3")
            body = s3.get_object(Bucket=session.bucket, Key=session.key("in.csv"))["Body"].read()
            s3.put_object(Bucket=session.bucket, Key=session.key("out.csv"), Body=body.upper())
            return session.url

        work()
    run = sts.run(dag)
    assert folder.read("out.csv") == "A,B\n1,2\n"
    assert run.value("work") == f"s3://{folder.bucket}/{folder.prefix}"
    record = run.record("work")
    assert {"url": folder.recorded_url("in.csv"), "origin": "read"} in record["used"]
    assert [entry["id"] for entry in record["used"] if "id" in entry] == [folder.id]
    written = folder.recorded_url("out.csv")
    assert record["wrote"] == [{"url": written}]


def test_what_a_session_reads_is_used_by_what_the_task_stores(sts, tmp_path):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("stores", schedule=None) as dag:

        @task
        def work():
            hook = SynapseHook()
            session = hook.sts_session(folder.id)
            path = tmp_path / "copy.csv"
            session.client("s3").download_file(session.bucket, session.key("in.csv"), str(path))
            return hook.client.store(File(str(path), parent=sts.project)).id

        work()
    stored = sts.run(dag).value("work")
    used = sts.alice.getProvenance(stored)["used"]
    names = {item.get("url") or item["reference"]["targetId"] for item in used}
    assert {folder.recorded_url("in.csv"), folder.id} <= names


def test_written_objects_are_sources_of_downstream_tasks(sts, tmp_path):
    folder = sts.folder()
    url = folder.put("in.csv")
    with DAG("chain", schedule=None) as dag:

        @task
        def transform():
            session = SynapseHook().sts_session(folder.id, "read_write")
            s3, bucket = session.client("s3"), session.bucket
            s3.copy_object(
                Bucket=bucket,
                Key=session.key("out.csv"),
                CopySource={"Bucket": bucket, "Key": session.key("in.csv")},
            )
            s3.put_object(Bucket=bucket, Key=session.key("tmp.csv"), Body=b"x")
            s3.delete_object(Bucket=bucket, Key=session.key("tmp.csv"))
            return "done"

        @task
        def store(_):
            path = tmp_path / "report.txt"
            path.write_text("report")
            return SynapseHook().client.store(File(str(path), parent=sts.project)).id

        store(transform())
    stored = sts.run(dag).value("store")
    used = sts.alice.getProvenance(stored)["used"]
    urls = {item["url"] for item in used if item.get("url") and not item["wasExecuted"]}
    assert urls == {url, folder.recorded_url("out.csv")}


@pytest.mark.parametrize("way", ["env", "merged", "os.environ"])
def test_child_processes_have_the_credentials(sts, way):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("environment", schedule=None) as dag:

        @task
        def work():
            with SynapseHook().sts_environment(folder.id, permission="read_write") as env:
                options = {"env": env, "merged": {**os.environ, **env}, "os.environ": None}
                copy("in.csv", "out.csv", env=options[way])
                return repr(env)

        work()
    run = sts.run(dag)
    assert folder.read("out.csv") == "A,B\n1,2\n"
    assert run.value("work") == f"<StsEnvironment of {folder.id} (read_write)>"
    record = run.record("work")
    assert {"url": folder.url(""), "origin": "read"} in record["used"]
    assert any("not known" in gap for gap in record["gaps"])


def test_the_environment_has_the_documented_variables(sts, hook, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "of-the-worker")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://other.example.org")
    folder = sts.folder()
    with hook.sts_environment(folder.id) as env:
        assert dict(env.variables) == {
            "AWS_ACCESS_KEY_ID": env["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": env["AWS_SECRET_ACCESS_KEY"],
            "AWS_SESSION_TOKEN": env["AWS_SESSION_TOKEN"],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SYNAPSE_STS_S3_LOCATION": f"s3://{folder.bucket}/{folder.prefix}",
            "AWS_ENDPOINT_URL_S3": sts.s3.endpoint.url,
        }
        assert env["PATH"] == os.environ["PATH"]
        assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL"} & (set(env) | set(os.environ))
    assert os.environ["AWS_PROFILE"] == "of-the-worker"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://other.example.org"


def test_blocks_are_nested_and_restored_after_an_error(sts, hook, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the worker")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    before = dict(os.environ)
    one, two = sts.folder(), sts.folder()
    with hook.sts_environment(one.id) as outer:
        inner = hook.sts_environment(two.id)
        token = inner.__enter__()["AWS_SESSION_TOKEN"]
        assert os.environ["AWS_SESSION_TOKEN"] == token != outer["AWS_SESSION_TOKEN"]
        error = RuntimeError()
        assert not inner.__exit__(RuntimeError, error, None)
        assert os.environ["AWS_SESSION_TOKEN"] == outer["AWS_SESSION_TOKEN"]
        with hook.sts_environment(two.id, set_os_environ=False):
            assert os.environ["AWS_SESSION_TOKEN"] == outer["AWS_SESSION_TOKEN"]
    assert dict(os.environ) == before


def test_libraries_in_the_process_use_the_credentials_of_each_block(sts, hook):
    folders = [sts.folder(), sts.folder()]
    outside = boto3.DEFAULT_SESSION
    for folder in folders:
        url = folder.put("in.csv", folder.id)
        with hook.sts_environment(folder.id):
            target = {"Bucket": folder.bucket, "Key": f"{folder.prefix}/in.csv"}
            assert boto3.client("s3").get_object(**target)["Body"].read() == folder.id.encode()
            assert fsspec.filesystem("s3").cat(url) == folder.id.encode()
    assert boto3.DEFAULT_SESSION is outside


def test_threads_and_coroutines_leave_os_environ_alone(sts, hook):
    folders = [sts.folder(), sts.folder()]
    for folder in folders:
        folder.put("in.csv", folder.id)
    before, both_inside, seen = dict(os.environ), threading.Barrier(2), []

    def work(folder):
        with hook.sts_environment(folder.id, "read_write") as env:
            both_inside.wait(30)
            seen.append(dict(os.environ) == before)
            copy("in.csv", "out.csv", env=env)

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True, True]
    assert [folder.read("out.csv") for folder in folders] == [one.id.upper() for one in folders]

    async def coroutine():
        with hook.sts_environment(folders[0].id) as env:
            assert "AWS_SESSION_TOKEN" in env
            return dict(os.environ) == before

    assert asyncio.run(coroutine())


def test_the_s3_server_limits_the_credentials(sts, hook):
    folder, other = sts.folder(), sts.folder()
    folder.put("in.csv")
    other.put("in.csv")
    session = hook.sts_session(folder.id)
    s3, key = session.client("s3"), session.key("in.csv")
    assert s3.get_object(Bucket=folder.bucket, Key=key)["Body"].read() == b"a,b\n1,2\n"
    assert error_code(s3.put_object, Bucket=folder.bucket, Key=key, Body=b"") == ACCESS_DENIED
    assert error_code(s3.delete_object, Bucket=folder.bucket, Key=key) == ACCESS_DENIED
    target = {"Bucket": other.bucket, "Key": f"{other.prefix}/in.csv"}
    assert error_code(s3.get_object, **target) == ACCESS_DENIED


def test_a_session_ignores_the_profile_and_the_endpoint_of_the_worker(sts, hook, monkeypatch):
    folder = sts.folder()
    folder.put("in.csv")
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    session = hook.sts_session(folder.id)
    objects = session.resource("s3").Bucket(session.bucket).objects
    keys = [one.key for one in objects.filter(Prefix=f"{session.prefix}/")]
    assert session.key("in.csv") in keys


@pytest.mark.parametrize("returned", ["session", "environment"])
def test_a_task_cannot_return_credentials(sts, returned):
    folder = sts.folder()
    with DAG("returns", schedule=None) as dag:

        @task
        def work():
            hook = SynapseHook()
            with hook.sts_environment(folder.id) as env:
                return {"session": hook.sts_session(folder.id), "environment": env}[returned]

        work()
    result = sts.start(dag).task("work")
    assert result.state == "failed"
    assert isinstance(result.error, TypeError)
    assert "A task cannot return" in str(result.error)


def test_lineage_can_be_suspended(sts):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("suspended", schedule=None) as dag:

        @task
        def work():
            hook = SynapseHook()
            with hook.without_lineage():
                session = hook.sts_session(folder.id)
                session.client("s3").get_object(Bucket=session.bucket, Key=session.key("in.csv"))
                with hook.sts_environment(folder.id):
                    pass

        @task
        def off():
            session = SynapseHook(lineage_mode="off").sts_session(folder.id)
            session.client("s3").get_object(Bucket=session.bucket, Key=session.key("in.csv"))

        work()
        off()
    run = sts.run(dag)
    assert run.record("work") is None
    assert run.record("off") is None
