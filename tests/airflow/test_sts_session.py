"""Credentials that expire within seconds are renewed while a task runs."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import DAG, task
from botocore.exceptions import ClientError

from synapse_workflows import SynapseHook
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import SynapseConnectionError
from synapse_workflows.hooks import sts_credentials
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.testing import over_socket

#: Validity of the credentials in seconds.
LIFE = 8
#: Validity for the test of an outage, during which a renewal is tried before the expiry.
LONG_LIFE = 12


@pytest.fixture
def life():
    return LIFE


@pytest.fixture
def brief(s3_service, sts_setup, tmp_path, life):
    """Folders whose credentials are valid for a few seconds."""
    server = s3_service.server
    with over_socket(tmp_path / "brief", s3=server.wait_until_ready, sts_seconds=life) as service:
        yield from sts_setup(service)


@pytest.fixture
def hook(brief, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", brief.api.connections["synapse_default"])
    return SynapseHook(retry=RetryPolicy(attempts=2, total=1, wait=0.1))


def test_a_session_survives_the_expiry_of_its_credentials(brief, hook):
    folder = brief.folder()
    folder.put("in.csv", "1")
    session = hook.sts_session(folder.id)
    s3, key = session.client("s3"), session.key("in.csv")
    first = session.get_credentials().get_frozen_credentials()
    end = time.monotonic() + LIFE + 1
    while time.monotonic() < end:
        assert s3.get_object(Bucket=folder.bucket, Key=key)["Body"].read() == b"1"
        time.sleep(0.5)
    assert session.get_credentials().get_frozen_credentials().token != first.token


def test_credentials_of_a_renewal_are_removed_from_the_result(brief):
    folder = brief.folder()
    with DAG("renewed", schedule=None) as dag:

        @task.synapse_sts(folder_id=folder.id)
        def leak(sts_session):
            first = sts_session.source.get()
            end = time.monotonic() + LIFE + 5
            while sts_session.source.get() is first and time.monotonic() < end:
                time.sleep(0.1)
            return sts_session.get_credentials().get_frozen_credentials().token

        leak()
    assert brief.run(dag).value("leak") == "***"


def test_the_s3_server_rejects_expired_credentials(brief, hook):
    """Credentials that are not renewed, as those of a child process, expire."""
    import boto3

    folder = brief.folder()
    folder.put("in.csv", "1")
    with hook.sts_environment(folder.id, set_os_environ=False) as env:
        client = boto3.client(
            "s3",
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=env["AWS_SESSION_TOKEN"],
            endpoint_url=env["AWS_ENDPOINT_URL_S3"],
            region_name=env["AWS_REGION"],
        )
    target = {"Bucket": folder.bucket, "Key": f"{folder.prefix}/in.csv"}
    client.get_object(**target)
    time.sleep(LIFE + 2)
    with pytest.raises(ClientError, match=r"ExpiredToken|InvalidAccessKeyId"):
        client.get_object(**target)


@pytest.mark.parametrize("life", [LONG_LIFE])
def test_an_outage_of_synapse_is_no_error_before_the_expiry(brief, hook, caplog, monkeypatch):
    monkeypatch.setattr(sts_credentials, "_RENEWAL_SHARE", 0.7)
    folder = brief.folder()
    folder.put("in.csv", "1")
    session = hook.sts_session(folder.id)
    s3, target = session.client("s3"), {"Bucket": folder.bucket, "Key": session.key("in.csv")}
    used = []

    def read_until_an_error():
        while datetime.now(UTC) < expiration + timedelta(seconds=30):
            used.append(datetime.now(UTC))
            s3.get_object(**target)
            time.sleep(0.3)

    with brief.outage():
        expiration = session.source.get().expiration
        with pytest.raises(SynapseConnectionError) as failure:
            read_until_an_error()
    # Credentials count as expired shortly before they are.
    assert datetime.now(UTC) > expiration - timedelta(seconds=3)
    assert len(used) > 2
    assert "could not be renewed" in "".join(failure.value.__notes__)
    assert "Cannot renew the STS credentials" in caplog.text
    s3.get_object(**target)


def test_a_renewal_uses_the_token_of_another_session(brief, hook):
    folder = brief.folder()
    sources = [StsCredentialSource(hook.client, folder.id, "read_only") for _ in range(2)]
    time.sleep(LIFE * 0.6)
    renewed = {source.get().session_token for source in sources}
    assert len(renewed) == 1


def test_a_shorter_life_than_requested_is_reported(brief, hook, caplog):
    folder = brief.folder()
    with hook.sts_environment(folder.id, min_remaining_life=timedelta(hours=2)):
        pass
    assert "before the requested time of 2:00:00 is over" in caplog.text
