"""`SynapseStsBackend`: connections with STS credentials, and its delegate."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG, BaseHook, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSecretsBackendAccessDenied

from synapse_workflows import SynapseStsBackend
from synapse_workflows.client.core import session
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.secrets import StsConnectionError, StsConnectionScopeError


class LegacyBackend:
    """Backend as before Airflow 3.2, without `team_name`."""

    def __init__(self, values=None):
        self.values = values or {
            "conn": {"host": "a-host"},
            "var": "a value",
            "config": "an option",
        }

    def get_conn_value(self, conn_id):
        return self.values.get(conn_id)

    def get_connection(self, conn_id):
        return self.values.get(conn_id)

    def get_variable(self, key):
        return self.values.get(key)

    def get_config(self, key):
        return self.values.get(key)


class TeamBackend(LegacyBackend):
    """Backend with connections of teams."""

    def get_variable(self, key, team_name=None):
        return f"{key} of {team_name}"


class VariablesOnly:
    """Class that is not a secrets backend. Airflow would ignore its errors."""

    def get_variable(self, key):
        return key


LEGACY, TEAM = f"{__name__}.LegacyBackend", f"{__name__}.TeamBackend"


@pytest.fixture
def environment(sts, monkeypatch):
    """Set the connection in the environment, for code outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", sts.api.connections["synapse_default"])


def test_the_connection_has_credentials_for_the_folder(sts, environment):
    folder = sts.folder()
    connection = SynapseStsBackend().get_connection(f"synapse-sts://{folder.id}/read_write")
    assert connection.conn_type == "aws"
    extra = connection.extra_dejson
    client = boto3.client(
        "s3",
        aws_access_key_id=connection.login,
        aws_secret_access_key=connection.password,
        aws_session_token=extra["aws_session_token"],
        endpoint_url=extra["endpoint_url"],
        region_name=extra["region_name"],
    )
    client.put_object(Bucket=folder.bucket, Key=f"{folder.prefix}/a.txt", Body=b"a")
    assert folder.read("a.txt") == "a"
    assert extra["service_config"] == {"s3": {"bucket_name": folder.bucket}}


@pytest.mark.parametrize(
    ("conn_id", "permission"),
    [
        ("synapse-sts://{}", "read_only"),
        ("synapse-sts://{}/read_only", "read_only"),
        ("synapse-sts://{}/read_write", "read_write"),
        ("synapse-sts.{}", "read_only"),
        ("synapse-sts.{}.read_write", "read_write"),
        ("synapse-sts:{}:read_write", "read_write"),
    ],
)
def test_forms_of_the_connection_id(sts, environment, issued_secrets, conn_id, permission):
    from airflow.models.connection import sanitize_conn_id

    folder = sts.folder()
    conn_id = conn_id.format(folder.id)
    assert sanitize_conn_id(conn_id) == conn_id
    extra = SynapseStsBackend().get_connection(conn_id).extra_dejson
    assert extra["synapse_sts"]["permission"] == permission


def test_credentials_are_requested_once_per_folder_and_permission(
    sts, environment, issued_secrets
):
    folder = sts.folder()
    for permission in ("read_only", "read_write", "read_only", "read_write"):
        SynapseStsBackend().get_connection(f"synapse-sts://{folder.id}/{permission}")
    assert len(issued_secrets) == 2 * 3


def test_a_new_token_of_the_connection_is_used(sts, environment, monkeypatch):
    folder = sts.folder()
    backend, conn_id = SynapseStsBackend(), f"synapse-sts://{folder.id}"
    backend.get_connection(conn_id)
    changed = sts.api.connections["synapse_default"].replace(sts.service.token("alice"), "x")
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", changed)
    with pytest.raises(StsConnectionScopeError):
        backend.get_connection(conn_id)


@pytest.mark.parametrize(
    "conn_id",
    ["synapse-sts://syn1?permission=read_write", "synapse-sts://syn1/write", "synapse-sts://x"],
)
def test_an_invalid_connection_id_is_an_error_that_names_the_valid_forms(conn_id):
    with pytest.raises(StsConnectionScopeError, match="synapse-sts://syn123/read_write"):
        SynapseStsBackend().get_connection(conn_id)


def test_errors_are_not_swallowed_in_a_task(sts, sts_backend, caplog):
    """Airflow would try the credentials of the worker after another error."""
    with DAG("errors", schedule=None) as dag:

        @task(retries=3)
        def work():
            S3Hook(f"synapse-sts://{sts.project}").get_conn()

        work()
    result = sts.start(dag).task("work", max_tries=3)
    assert result.state == "failed"
    assert isinstance(result.error, AirflowFailException)
    assert "not a folder but a Project" in str(result.error)
    assert "Cannot provide the connection" in caplog.text


def test_an_outage_can_be_retried(sts, environment, monkeypatch):
    folder = sts.folder()
    monkeypatch.setattr(session, "RetryPolicy", lambda: RetryPolicy(attempts=1))
    with sts.outage(), pytest.raises(StsConnectionError) as failure:
        SynapseStsBackend().get_connection(f"synapse-sts://{folder.id}")
    assert not isinstance(failure.value, AirflowFailException)
    assert isinstance(failure.value, AirflowSecretsBackendAccessDenied)


def test_tasks_get_other_connections_as_before(sts, sts_backend):
    sts.api.connections["other"] = '{"conn_type": "http", "host": "a-host"}'
    with DAG("other", schedule=None) as dag:

        @task
        def work():
            return BaseHook.get_connection("other").host

        work()
    assert sts.run(dag).value("work") == "a-host"


@pytest.mark.parametrize("kwargs", [None, {}, "{}", ""])
def test_everything_else_comes_from_the_delegate(kwargs):
    backend = SynapseStsBackend(delegate=LEGACY, delegate_kwargs=kwargs)
    assert backend.get_connection("conn") == {"host": "a-host"}
    assert backend.get_connection("conn", team_name="a") == {"host": "a-host"}
    assert backend.get_conn_value("conn") == {"host": "a-host"}
    assert backend.get_variable("var") == "a value"
    assert backend.get_config("config") == "an option"
    assert backend.get_variable("unknown") is None


def test_the_delegate_has_arguments_and_teams():
    values = {"var": "1"}
    backend = SynapseStsBackend(delegate=LEGACY, delegate_kwargs={"values": values})
    assert backend.get_variable("var") == "1"
    backend = SynapseStsBackend(delegate=TEAM, delegate_kwargs='{"values": {"var": "1"}}')
    assert backend.get_variable("var", team_name="a") == "var of a"


def test_the_delegate_may_be_a_backend_or_its_class():
    for delegate in (LegacyBackend, LegacyBackend()):
        assert SynapseStsBackend(delegate=delegate).get_variable("var") == "a value"


def test_a_wrong_delegate_is_named():
    with pytest.raises(ImportError, match=r"Cannot import the delegate 'no\.such\.Backend'"):
        SynapseStsBackend(delegate="no.such.Backend")
    with pytest.raises(ValueError, match="Invalid delegate 'json': it has no method get_conn"):
        SynapseStsBackend(delegate="json")


def test_the_delegate_provides_configuration_values_while_airflow_starts(tmp_path):
    """Airflow asks for the URL of its database before most of its modules can be imported."""
    url = f"sqlite:///{tmp_path}/secret.db"
    delegate = (
        "from airflow.sdk.bases.secrets_backend import BaseSecretsBackend\n"
        "class Backend(BaseSecretsBackend):\n"
        f"    def get_config(self, key): return {url!r} if key == 'url' else None\n"
    )
    (tmp_path / "a_delegate.py").write_text(delegate)
    unwanted = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET": "url",
        "AIRFLOW__SECRETS__BACKEND": "synapse_workflows.secrets.SynapseStsBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"delegate": "a_delegate.Backend"}',
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]),
    }
    code = (
        "from airflow.configuration import conf; print(conf.get('database', 'sql_alchemy_conn'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == [url], done.stderr[-2000:]


def test_without_a_delegate_there_is_nothing_else():
    backend = SynapseStsBackend()
    assert backend.get_connection("aws_default") is None
    assert backend.get_conn_value("synapse-stsx") is None
    assert backend.get_variable("var") is None
    assert backend.get_config("config") is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"delegate": "no.such.Backend"}, ImportError),
        ({"delegate": f"{__name__}.NoBackend"}, AttributeError),
        ({"delegate": f"{__name__}.VariablesOnly"}, ValueError),
        ({"delegate": "json"}, ValueError),
        ({"delegate": ""}, ValueError),
        ({"delegate": 5}, ValueError),
        ({"delegate": LEGACY, "delegate_kwargs": "{"}, ValueError),
        ({"delegate": LEGACY, "delegate_kwargs": "[1]"}, ValueError),
        ({"delegate_kwargs": {"values": {}}}, ValueError),
    ],
)
def test_invalid_arguments(arguments, error):
    with pytest.raises(error):
        SynapseStsBackend(**arguments)


def test_the_event_loop_of_the_triggerer_gets_the_connection(sts, environment):
    folder = sts.folder()

    async def get():
        from asgiref.sync import sync_to_async

        return await sync_to_async(SynapseStsBackend().get_connection)(
            f"synapse-sts://{folder.id}"
        )

    assert asyncio.run(get()).conn_type == "aws"


def test_the_log_of_an_error_shows_no_credentials(sts, environment, caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(StsConnectionScopeError):
        SynapseStsBackend().get_connection("synapse-sts://syn999999999")
    assert "syn999999999" in caplog.text
    assert sts.service.token("alice") not in caplog.text
