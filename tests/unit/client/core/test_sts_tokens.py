"""Cache of STS tokens."""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import responses
import time_machine

from synapse_workflows.client.api import login, sts
from synapse_workflows.client.core import sts_tokens
from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.sts_tokens import StsToken, StsTokenCache, get_sts_token
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseForbiddenError,
    SynapseResponseError,
)

REPO = "https://repo.example.org/repo/v1"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def token_body(number: int = 0, life: timedelta = 12 * HOUR, **more) -> dict:
    return {
        "bucket": "lab",
        "baseKey": "data/key",
        "accessKeyId": f"ASIA-{number}",
        "secretAccessKey": f"a-secret-{number}",
        "sessionToken": f"a-session-{number}",
        "expiration": (NOW + life).isoformat().replace("+00:00", "Z"),
        **more,
    }


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def syn(tmp_path):
    endpoints = {"repoEndpoint": REPO, "fileHandleEndpoint": "https://file.example.org/file/v1"}
    with Session(
        endpoints=endpoints, credentials=Token("alice-token"), cache_root=str(tmp_path / "cache")
    ) as syn:
        yield syn


@pytest.fixture
def service():
    """A service that counts the issued tokens; the user's token is part of each secret."""
    issued = SimpleNamespace(count=0, life=12 * HOUR, more={})

    def respond(request):
        issued.count += 1
        user = request.headers["Authorization"].split()[-1]
        body = token_body(issued.count, issued.life, **issued.more)
        return 200, {}, json.dumps(body | {"sessionToken": f"{user}-{issued.count}"})

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for number in range(1, 10):
            mock.add_callback("GET", f"{REPO}/entity/syn{number}/sts", respond)
        issued.mock = mock
        yield issued


def test_token_is_cached_per_entity_and_permission(syn, service):
    first = get_sts_token(syn, "syn1", "read_only")
    assert get_sts_token(syn, "syn1", "read_only") is first
    assert get_sts_token(syn, "syn1", "read_write") is not first
    assert get_sts_token(syn, "syn2", "read_only") is not first
    assert service.count == 3


def test_token_with_too_little_life_is_replaced(syn, service, clock):
    get_sts_token(syn, "syn1", "read_only")
    clock.shift(11 * HOUR)
    get_sts_token(syn, "syn1", "read_only")
    assert service.count == 1
    clock.shift(timedelta(seconds=1))
    get_sts_token(syn, "syn1", "read_only", timedelta(minutes=30))
    assert service.count == 1
    get_sts_token(syn, "syn1", "read_only")
    assert service.count == 2


@pytest.mark.parametrize(
    ("life", "error"), [(timedelta(seconds=-1), ValueError), (3600, TypeError)]
)
def test_invalid_minimum_life_raises(syn, life, error):
    with pytest.raises(error, match="min_remaining_life"):
        get_sts_token(syn, "syn1", "read_only", life)


def test_unknown_permission_raises(syn):
    with pytest.raises(ValueError, match="Invalid STS permission write"):
        get_sts_token(syn, "syn1", "write")


def test_concurrent_requests_share_a_token(syn, service):
    with ThreadPoolExecutor(16) as pool:
        tokens = list(pool.map(lambda _: get_sts_token(syn, "syn1", "read_only"), range(64)))
    assert len(set(map(id, tokens))) == 1
    assert service.count == 1


def test_another_user_never_gets_a_cached_token(syn, service):
    get_sts_token(syn, "syn1", "read_only")
    syn.credentials = Token("bob-token")  # without logout
    assert get_sts_token(syn, "syn1", "read_only").body["sessionToken"] == "bob-token-2"


def test_logout_discards_tokens(syn, service):
    alice = syn.credentials
    get_sts_token(syn, "syn1", "read_only")
    login.logout(syn)
    syn.credentials = alice
    get_sts_token(syn, "syn1", "read_only")
    assert service.count == 2


def test_login_during_a_request_raises_and_caches_nothing(syn, service):
    def log_in(_):
        syn.credentials = Token("bob-token")
        return 200, {}, json.dumps(token_body())

    service.mock.remove("GET", f"{REPO}/entity/syn1/sts")
    service.mock.add_callback("GET", f"{REPO}/entity/syn1/sts", log_in)
    with pytest.raises(SynapseAuthenticationError, match="login of the client changed"):
        get_sts_token(syn, "syn1", "read_only")


def test_refusal_is_not_cached(syn, service):
    service.mock.remove("GET", f"{REPO}/entity/syn1/sts")
    service.mock.get(f"{REPO}/entity/syn1/sts", status=403, json={"reason": "no DOWNLOAD"})
    for _ in range(2):
        with pytest.raises(SynapseForbiddenError, match="no DOWNLOAD"):
            get_sts_token(syn, "syn1", "read_only")


def parsed(number: int, life: timedelta = HOUR) -> StsToken:
    return StsToken.parse(token_body(number, life))


def test_oldest_tokens_are_removed_first():
    cache = StsTokenCache(max_size=3)
    for number in range(5):
        cache.get("read_only", number, HOUR, lambda number=number: parsed(number))
    cache.get("read_write", 0, HOUR, lambda: parsed(9))
    assert len(cache) == 4
    requested = []
    for number in (4, 3, 2, 0):
        cache.get(
            "read_only", number, HOUR, lambda number=number: requested.append(number) or parsed(0)
        )
    assert requested == [0]


def test_expired_tokens_are_removed_on_insert(clock):
    cache = StsTokenCache()
    cache.get("read_only", "long", HOUR, lambda: parsed(1, 5 * HOUR))
    for number in range(4):
        cache.get("read_only", number, HOUR, lambda number=number: parsed(number))
    clock.shift(2 * HOUR)
    cache.get("read_only", "new", HOUR, lambda: parsed(9, 5 * HOUR))
    assert len(cache) == 2


def test_default_limit_is_5000():
    assert StsTokenCache()._max_size == 5000


def test_slow_request_does_not_block_other_folders():
    cache, waiting, release = StsTokenCache(), threading.Event(), threading.Event()

    def slow():
        waiting.set()
        assert release.wait(60)
        return parsed(1)

    keys = [key for key in range(16) if hash(key) % 16 != 0]
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(cache.get, "read_only", 0, HOUR, slow)
        assert waiting.wait(60)
        cache.get("read_only", keys[0], HOUR, lambda: parsed(2))
        release.set()
        pending.result(10)


@pytest.mark.parametrize("key", ["accessKeyId", "secretAccessKey", "sessionToken", "expiration"])
def test_incomplete_token_raises_without_secrets(key):
    body = token_body()
    del body[key]
    with pytest.raises(SynapseResponseError) as caught:
        StsToken.parse(body)
    assert "a-se" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2026-05-01T13:00:00.000Z", "2026-05-01T13:00:00", "2026-05-01T15:00:00+02:00"]
)
def test_expiration_is_parsed(text):
    assert StsToken.parse(token_body(expiration=text)).remaining_life == HOUR


def test_secrets_are_in_no_repr_and_no_log(syn, service, caplog):
    syn.debug = True
    with caplog.at_level(logging.DEBUG):
        token = get_sts_token(syn, "syn1", "read_only")
        sts.get_sts_storage_token(syn, "syn1", "read_only")
    cache = sts_tokens._get_cache(syn)
    shown = f"{token!r} {token} {cache!r} {vars(cache)!r} {syn!r} {caplog.text}"
    for secret in (token.body["secretAccessKey"], token.body["sessionToken"], "alice-token"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("output_format", "start"),
    [
        ("bash", "export SYNAPSE_STS_S3_LOCATION="),
        ("cmd", "set SYNAPSE_STS_S3_LOCATION="),
        ("powershell", "$Env:SYNAPSE_STS_S3_LOCATION="),
        ("shell", "export SYNAPSE_STS_S3_LOCATION="),
    ],
)
def test_commands(syn, service, output_format, start):
    text = sts.get_sts_storage_token(syn, "syn1", "read_only", output_format=output_format)
    lines = text.splitlines()
    assert lines[0] == f'{start}"s3://lab/data/key"'
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    values = ["ASIA-1", "a-secret-1", "alice-token-1"]
    assert [line.split('"')[1] for line in lines[1:]] == values
    assert [name in line for name, line in zip(names, lines[1:], strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("variables", "start"),
    [
        ({"SHELL": "/usr/bin/bash"}, "export"),
        ({"PSModulePath": "a:b:c"}, "$Env:"),
        ({"PSModulePath": "a:b"}, "set "),
        ({}, "set "),
    ],
)
def test_shell_of_windows(syn, service, monkeypatch, variables, start):
    monkeypatch.setattr("platform.system", lambda: "Windows")
    for name in ("SHELL", "PSModulePath"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    text = sts.get_sts_storage_token(syn, "syn1", "read_only", output_format="shell")
    assert text.startswith(start)


def test_boto_and_json(syn, service):
    assert sts.get_sts_storage_token(syn, "syn1", "read_only", output_format="boto") == {
        "aws_access_key_id": "ASIA-1",
        "aws_secret_access_key": "a-secret-1",
        "aws_session_token": "alice-token-1",
    }
    body = sts.get_sts_storage_token(syn, "syn1", "read_only")
    assert body == token_body(1) | {"sessionToken": "alice-token-1"}
    body["bucket"] = "changed"
    assert sts.get_sts_storage_token(syn, "syn1", "read_only")["bucket"] == "lab"


@pytest.mark.parametrize(
    ("destination", "first"),
    [
        ({"bucket": "own", "baseKey": "b"}, 'export SYNAPSE_STS_S3_LOCATION="s3://own/b"'),
        ({}, 'export AWS_ACCESS_KEY_ID="ASIA-1"'),
    ],
)
def test_missing_bucket_is_requested(syn, service, destination, first):
    service.more = {"bucket": None, "baseKey": None}
    url = "https://file.example.org/file/v1/entity/syn1/uploadDestination"
    service.mock.get(url, json={"storageLocationId": 1, **destination})
    text = sts.get_sts_storage_token(syn, "syn1", "read_only", output_format="bash")
    assert text.splitlines()[0] == first


def test_unknown_format_raises_before_any_request(syn):
    with pytest.raises(ValueError, match="Unrecognized output_format xml"):
        sts.get_sts_storage_token(syn, "syn1", "read_only", output_format="xml")
