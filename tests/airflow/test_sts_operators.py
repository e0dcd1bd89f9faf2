"""`SynapseStsBashOperator` and `@task.synapse_sts`."""

import sys
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.serialization.helpers import serialize_template_field
from support.execution_api import Run
from support.sts_folders import find_secrets

from synapse_workflows import SynapseStsBashOperator
from synapse_workflows.decorators.sts import synapse_sts_task
from synapse_workflows.operators.sts import SynapseStsMixin

#: Bash command that copies an object with the credentials of the environment.
COPY = f"""{sys.executable} -W ignore -c '
import boto3, os
bucket, _, prefix = os.environ["SYNAPSE_STS_S3_LOCATION"].removeprefix("s3://").partition("/")
s3 = boto3.client("s3")
body = s3.get_object(Bucket=bucket, Key=prefix + "/in.csv")["Body"].read()
s3.put_object(Bucket=bucket, Key=prefix + "/out.csv", Body=body.upper())
print("copied")
'"""


@dataclass
class Token:
    """A result of a task."""

    value: str


class SecretPair(NamedTuple):
    """Another result of a task."""

    value: str
    number: int = 1


def test_bash_has_the_credentials(sts):
    folder = sts.folder()
    folder.put("in.csv")
    with DAG("bash", schedule=None) as dag:
        SynapseStsBashOperator(
            task_id="copy",
            folder_id="{{ params.folder }}",
            permission="{{ 'read_write' }}",
            bash_command=COPY,
            params={"folder": folder.id},
        )
    run = sts.run(dag)
    assert run.value("copy") == "copied"
    assert folder.read("out.csv") == "A,B\n1,2\n"
    record = run.record("copy")
    assert {"url": folder.url(""), "origin": "read"} in record["used"]


def test_bash_keeps_its_own_environment(sts):
    folder = sts.folder()
    with DAG("bash_env", schedule=None) as dag:
        SynapseStsBashOperator(
            task_id="print",
            folder_id=folder.id,
            env={"A": "{{ 1 + 1 }}"},
            bash_command='echo "$A ${AWS_REGION} ${HOME:-none} $AIRFLOW_CTX_TASK_ID"',
        )
    assert sts.run(dag).value("print") == "2 us-east-1 none print"


def test_bash_fails_before_the_command_without_the_scope(sts, tmp_path):
    with DAG("bash_scope", schedule=None) as dag:
        SynapseStsBashOperator(
            task_id="work", folder_id=sts.project, bash_command=f"touch {tmp_path}/started"
        )
    result = sts.start(dag).task("work", max_tries=3)
    assert result.state == "failed"
    assert "not a folder but a Project" in str(result.error)
    assert not (tmp_path / "started").exists()


def test_an_unknown_permission_fails_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="Invalid permission 'write'"):
        SynapseStsBashOperator(
            task_id="work", folder_id="syn1", permission="write", bash_command="true"
        )


def test_the_decorator_gives_a_session(sts):
    folder = sts.folder()
    for name in ("a.csv", "b.csv"):
        folder.put(name, name)
    with DAG("decorated", schedule=None) as dag:

        @task.synapse_sts(folder_id="{{ params.folder }}", params={"folder": folder.id})
        def read(name, sts_session, ti=None):
            s3 = sts_session.client("s3")
            body = s3.get_object(Bucket=sts_session.bucket, Key=sts_session.key(name))["Body"]
            return f"{ti.task_id} {body.read().decode()}"

        read.expand(name=["a.csv", "b.csv"])
    run = sts.run(dag, read=2)
    assert [run.value("read", map_index=index) for index in (0, 1)] == [
        "read a.csv",
        "read b.csv",
    ]
    urls = [entry.get("url") for entry in run.record("read", 1)["used"]]
    assert folder.recorded_url("b.csv") in urls
    assert not any(one and one.startswith(folder.url("a.csv")) for one in urls)


def test_the_folder_of_the_decorator_can_be_mapped(sts):
    folders = [sts.folder(), sts.folder()]
    with DAG("mapped", schedule=None) as dag:

        @synapse_sts_task(permission="read_write")
        def write(text, folder_id, sts_environment, sts_session):
            target = {"Bucket": sts_session.bucket, "Key": sts_session.key("out.txt")}
            sts_session.client("s3").put_object(**target, Body=text.encode())
            return [folder_id, sts_environment["SYNAPSE_STS_S3_LOCATION"]]

        write.partial(text="x").expand(folder_id=[one.id for one in folders])
    run = sts.run(dag, write=2)
    for index, folder in enumerate(folders):
        assert folder.read("out.txt") == "x"
        location = f"s3://{folder.bucket}/{folder.prefix}"
        assert run.value("write", map_index=index) == [folder.id, location]


def test_credentials_are_removed_from_the_result_of_the_function(sts, issued_secrets):
    folder = sts.folder()
    with DAG("result", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id)
        def leak(sts_environment, sts_session):
            frozen = sts_session.get_credentials().get_frozen_credentials()
            return {"env": dict(sts_environment.variables), "text": [f"key {frozen.secret_key}"]}

        leak()
    value = str(sts.run(dag).value("leak"))
    assert "key ***" in value
    assert find_secrets({"value": value}, issued_secrets) == []


def test_no_credentials_stay_in_the_operator(sts, tmp_path, issued_secrets):
    """Callbacks and `dag.test()` read or serialize the operator after the task."""
    folder, seen = sts.folder(), tmp_path / "seen"

    def save_operator(context):
        seen.write_text(repr(serialize_template_field(context["task"].op_kwargs, "op_kwargs")))

    with DAG("operator", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id, on_success_callback=save_operator)
        def work(name, sts_environment, sts_session):
            return sts_session.url + name

        work(name="a.csv")
    sts.run(dag)
    assert "a.csv" in seen.read_text()
    assert find_secrets({"operator": seen.read_text()}, issued_secrets) == []


def test_a_returned_environment_is_an_error(sts, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "hunter2")
    folder = sts.folder()
    with DAG("environment", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id)
        def leak(sts_environment):
            return {"env": [sts_environment]}

        leak()
    run = sts.start(dag)
    result = run.task("leak")
    assert result.state == "failed"
    assert "A task cannot return STS credentials" in str(result.error)
    assert "hunter2" not in str(dict(sts.api.xcoms))


@pytest.mark.parametrize(
    "create", [Token, ObjectStoragePath, SecretPair], ids=lambda one: one.__name__
)
def test_objects_with_credentials_cannot_be_returned(sts, create, issued_secrets):
    folder = sts.folder()
    with DAG("object", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id)
        def leak(sts_environment):
            return [create(f"s3://{sts_environment['AWS_SESSION_TOKEN']}/key")]

        leak()
    result = sts.start(dag).task("leak")
    assert result.state == "failed"
    assert "A task cannot return STS credentials" in str(result.error)
    assert find_secrets({"xcoms": str(dict(sts.api.xcoms))}, issued_secrets) == []


def test_the_decorator_requires_a_folder(sts):
    with DAG("no_folder", schedule=None) as dag:

        @task.synapse_sts
        def work(sts_session): ...

        work()
    result = sts.start(dag).task("work", max_tries=3)
    assert result.state == "failed"
    assert "Missing folder_id" in str(result.error)


def test_the_decorator_rejects_functions_without_credentials():
    with pytest.raises(ValueError, match="has a parameter 'sts_session' or 'sts_environment'"):
        task.synapse_sts(folder_id="syn1")(lambda day: day)

    async def work(sts_session): ...

    with pytest.raises(ValueError, match="takes no coroutine functions"):
        task.synapse_sts(folder_id="syn1")(work)
    with pytest.raises(ValueError, match="'args' cannot be given by name"):
        task.synapse_sts(folder_id="syn1")(lambda *args, sts_session: (args, sts_session))


def test_an_operator_without_a_way_to_pass_the_credentials_names_the_method(sts):
    class StsEmptyOperator(SynapseStsMixin, EmptyOperator): ...

    with DAG("no_process", schedule=None) as dag:
        StsEmptyOperator(task_id="work", folder_id=sts.folder().id)
    result = Run(sts.api, dag, "run").task("work")
    assert result.state == "failed"
    assert "StsEmptyOperator does not define inject_credentials" in str(result.error)
