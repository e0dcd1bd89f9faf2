"""Selection of the S3 server: auto, off, or the URL of a running one."""

import pytest
from support.s3_service import S3Service

from synapse_workflows.local.s3 import configuration
from synapse_workflows.local.s3.configuration import open_s3, read_endpoint
from synapse_workflows.local.s3.endpoint import S3ConfigurationError
from synapse_workflows.local.s3.object_store import ObjectStore

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-test"}


def set_variables(monkeypatch, **variables):
    for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", *KEYS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_off_provides_no_server(tmp_path):
    with open_s3("off", tmp_path) as get_endpoint:
        assert get_endpoint is None
    assert list(tmp_path.iterdir()) == []


def test_a_lazy_server_starts_at_the_first_use(tmp_path):
    with open_s3("auto", tmp_path, is_lazy=True):
        assert not (tmp_path / "s3").exists()


def test_a_server_that_is_not_installed_is_reported(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(configuration, "find_weed", lambda: None)
    caplog.set_level("INFO")
    with open_s3("auto", tmp_path) as get_endpoint:
        assert get_endpoint is None
    assert "pip install 'synapse-workflows[s3-server]'" in caplog.text


def test_an_external_server_has_the_credentials_of_the_environment():
    variables = {
        "AWS_SESSION_TOKEN": "a-token-of-the-test",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_STS": "https://sts.example.org",
        "SYNAPSE_S3_ROLE_ARN": "arn:aws:iam::1:role/lab",
    }
    endpoint = read_endpoint("https://s3.example.org/", KEYS | variables)
    assert endpoint.url == "https://s3.example.org"
    assert (endpoint.access_key_id, endpoint.region) == ("key", "eu-west-1")
    assert endpoint.session_token == variables["AWS_SESSION_TOKEN"]
    assert endpoint.sts_url == "https://sts.example.org"
    assert endpoint.role_arn == "arn:aws:iam::1:role/lab"
    assert "a-secret-of-the-test" not in repr(endpoint)
    assert "a-token-of-the-test" not in repr(endpoint)


@pytest.mark.parametrize("url", ["on", "127.0.0.1:9000", "ftp://host", "http://", ""])
def test_an_invalid_url_is_refused(url):
    with pytest.raises(S3ConfigurationError, match="expected auto, off or a URL"):
        read_endpoint(url, KEYS)


def test_credentials_in_the_url_are_refused_and_not_shown():
    with pytest.raises(S3ConfigurationError, match="AWS_ACCESS_KEY_ID") as failure:
        read_endpoint("http://key:hidden@127.0.0.1:9000", KEYS)
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize("name", KEYS)
def test_a_missing_variable_is_named(name):
    variables = {key: value for key, value in KEYS.items() if key != name}
    with pytest.raises(S3ConfigurationError, match=f"{name} is not set"):
        read_endpoint("http://127.0.0.1:9000", variables)


def test_an_external_server_is_used(s3_service: S3Service, tmp_path, monkeypatch):
    endpoint = s3_service.endpoint
    set_variables(
        monkeypatch,
        AWS_ACCESS_KEY_ID=endpoint.access_key_id,
        AWS_SECRET_ACCESS_KEY=endpoint.secret_access_key,
    )
    with open_s3(endpoint.url, tmp_path) as get_endpoint:
        store = ObjectStore(get_endpoint)
        assert isinstance(store.list_buckets(), list)
        assert not store.endpoint.can_create_buckets


def test_wrong_credentials_of_an_external_server_are_reported(
    s3_service: S3Service, tmp_path, monkeypatch
):
    set_variables(monkeypatch, **KEYS)
    with (
        pytest.raises(S3ConfigurationError, match="InvalidAccessKeyId") as failure,
        open_s3(s3_service.endpoint.url, tmp_path),
    ):
        pass
    assert "a-secret-of-the-test" not in str(failure.value)


def test_an_external_server_that_does_not_respond_is_reported(tmp_path, monkeypatch):
    set_variables(monkeypatch, **KEYS)
    with (
        pytest.raises(S3ConfigurationError, match=r"127\.0\.0\.1:9 does not respond"),
        open_s3("http://127.0.0.1:9", tmp_path),
    ):
        pass
