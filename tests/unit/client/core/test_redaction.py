"""Tokens and queries of pre-signed URLs are removed from logs, errors and reprs."""

import base64
import json
import logging
import pickle
import string
import time

import pytest
import requests
import responses
from hypothesis import HealthCheck, given, settings, strategies as st

from synapse_workflows.client.core.credentials import Token
from synapse_workflows.client.core.redaction import (
    REDACTED,
    redact,
    redact_endpoint,
    redact_text,
    redact_url,
)
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseHTTPError

REPO = "https://repo.example.org/repo/v1"
AT = {"repoEndpoint": REPO, "authEndpoint": REPO, "fileHandleEndpoint": REPO}
SIGNED = (
    "https://bucket.s3.amazonaws.com/key%2Fa.csv?X-Amz-Algorithm=AWS4&X-Amz-Expires=30"
    "&X-Amz-Signature=0123abcd&X-Amz-Credential=AKIA%2F2026"
)
#: Starts with text that no message contains, so that a match is a leak.
tokens = st.text(string.ascii_letters + string.digits + "-_.+/=$^*()[]\\", min_size=12).map(
    lambda text: f"q7Zx{text}"
)
surroundings = st.text(min_size=0, max_size=30)
statuses = st.sampled_from([400, 401, 403, 404, 409, 429, 500, 503])


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(0)
        self.lines = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@given(token=tokens, before=surroundings, after=surroundings, status=statuses, html=st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_token_echoed_by_the_server_is_redacted(tmp_path, token, before, after, status, html):
    reason = before + token + after
    lines = Lines()
    above = logging.getLogger("synapse_workflows.client")
    above.addHandler(lines)
    try:
        with (
            responses.RequestsMock() as mock,
            Session(
                endpoints=AT,
                credentials=Token(token, "alice"),
                cache_root=str(tmp_path),
                debug=True,
                retry=RetryPolicy(attempts=2, wait=0, max_wait=0),
            ) as syn,
        ):
            if html:
                mock.get(f"{REPO}/x", status=status, body=reason.encode("utf-8", "replace"))
            else:
                mock.get(f"{REPO}/x", status=status, json={"reason": reason, "errorCode": token})
            with pytest.raises(SynapseHTTPError) as caught:
                syn.call("GET", "/x", params={"q": token})
    finally:
        above.removeHandler(lines)
    error = caught.value
    texts = [str(error), repr(error), error.reason, error.error_code or "", *lines.lines]
    assert not [text for text in texts if token in text]
    assert token.encode() not in pickle.dumps(error)
    assert token not in repr(error.response.request.headers)
    assert len(lines.lines) >= 1


@given(claims=st.dictionaries(st.text(max_size=5), st.integers(), max_size=3), words=surroundings)
def test_redact_recognizes_unknown_tokens(claims, words):
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": "1", **claims}]
    head, body = (
        base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts
    )
    token = f"{head}.{body}.c2lnbmF0dXJl"
    for text in (f"{words} {token} {words}", f"Authorization: Bearer {token}", f"'{token}'"):
        assert body not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        SIGNED,
        f"Max retries exceeded with url: {SIGNED.partition('.com')[2]} (Caused by x)",
        f"<Error>{SIGNED.replace('&', '&amp;')}</Error>",
        "see X-Amz-Signature=0123abcd there",
        "https://s3/key?AWSAccessKeyId=0123abcd&Signature=0123abcd",
    ],
)
def test_redact_removes_presigned_queries(text):
    shown = redact(text)
    assert "0123abcd" not in shown
    assert "X-Amz-Expires" not in shown
    assert REDACTED in shown


def test_redact_keeps_other_queries():
    text = f"GET {REPO}/entity/syn1?limit=20&offset=0 -> 200"
    assert redact(text) == text


def test_redact_removes_user_info():
    assert "hunter2" not in redact("cannot reach http://me:hunter2@proxy.example.org:3128")
    assert redact("no 's3://KEY:se/cr@b/k' a@b") == "no 's3://<redacted>@b/k' a@b"
    assert redact("http://host:80/a@b") == "http://host:80/a@b"


def test_error_of_a_presigned_url_contains_no_query(make, http, caplog):
    failed = requests.ConnectionError(f"HTTPSConnectionPool: Max retries exceeded: {SIGNED}")
    http.put("https://bucket.s3.amazonaws.com/key%2Fa.csv", body=failed)
    with caplog.at_level(logging.DEBUG), pytest.raises(SynapseError) as caught:
        make("some-token-0001", debug=True).call("PUT", SIGNED, auth=None, data=b"x", headers={})
    assert "PUT https://bucket.s3.amazonaws.com/key%2Fa.csv" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "0123abcd" not in str(caught.value) + caplog.text
    assert "bucket.s3.amazonaws.com" in caplog.text


def test_error_of_an_invalid_url_contains_no_query(make):
    with pytest.raises(SynapseError, match="Check the URL") as caught:
        make().call("GET", SIGNED.replace("bucket", "*bucket"), auth=None, headers={})
    assert "0123abcd" not in str(caught.value)


def test_urllib3_log_contains_no_presigned_query(make, faulty_server, caplog):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    address, _ = faulty_server(lambda connection: connection.sendall(answer))
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        make().call("GET", f"{address}/key?X-Amz-Signature=0123abcd", auth=None)
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert "0123abcd" not in caplog.text


def test_repr_contains_no_token(make):
    syn = make("some-token-0001")
    shown = [repr(syn), repr(syn.credentials), repr(syn.restGET), repr(vars(syn))]
    assert not [text for text in shown if "some-token-0001" in text]


url_text = st.text(st.characters(blacklist_characters="/?#@", blacklist_categories=["Cs"]))
secret_text = st.text(string.ascii_letters + string.digits, min_size=8, max_size=20).map(
    lambda text: f"q7Zx{text}"
)
COMMIT = "0123456789abcdef" * 2 + "01234567"
REPOSITORY = "git+https://host/org/repo.git"
ETAG = "#etag=" + "0123456789abcdef" * 2
HASH = "#sha256=" + "0123456789abcdef" * 4


@given(
    scheme=st.sampled_from(["https", "s3", "file", "git+https", "jdbc:postgresql"]),
    user=url_text,
    secret=secret_text,
    host=st.text(string.ascii_lowercase, max_size=8),
    path=st.lists(st.text(string.ascii_letters + "@:.%20-", max_size=8), max_size=3),
    place=st.sampled_from(["user", "query", "fragment", "host parameter", "path parameter"]),
    keeps_hash=st.booleans(),
)
def test_redact_url_removes_user_info_query_and_fragment(
    scheme, user, secret, host, path, place, keeps_hash
):
    location = "/".join(["", *path])
    user_info = f"{user}:{secret}@" if place == "user" else ""
    query = f"?key={secret}" if place == "query" else ""
    fragment = HASH if keeps_hash else ""
    fragment = f"#{secret}" if place == "fragment" else fragment
    host_parameter = f";user=me;password={secret}" if place == "host parameter" else ""
    is_parameter = place == "path parameter" and scheme in {"https", "jdbc:postgresql"}
    path_parameter = f";token={secret}" if is_parameter and path else ""
    location = "" if host_parameter else location + path_parameter
    shown = redact_url(f"{scheme}://{user_info}{host}{host_parameter}{location}{query}{fragment}")
    location = location.removesuffix(path_parameter)
    assert secret not in shown
    assert shown == f"{scheme}://{host}{location}" + (HASH if fragment == HASH else "")
    assert redact_url(shown) == shown


@given(st.text())
def test_redact_url_accepts_any_text(text):
    shown = redact_url(text)
    assert "?" not in shown.partition("?versionId=")[0]
    assert redact_url(shown) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://conn@bucket/key", "s3://bucket/key"),
        ("https://me:pa@ss@host/x?token=1#top", "https://host/x"),
        ("https://host/a@b", "https://host/a@b"),
        ("s3://KEY:se/cr/et@bucket/key", "s3://bucket/key"),
        ("http://host:80/a:b@c", "http://host:80/a:b@c"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("jdbc:hive2://z1:21,z2:21/a@b", "jdbc:hive2://z1:21,z2:21/a@b"),
        ("file:///data/a@b.csv", "file:///data/a@b.csv"),
        (f"file:///dags/flow.py{HASH}", f"file:///dags/flow.py{HASH}"),
        (f"https://host/x?key=1{HASH}", f"https://host/x{HASH}"),
        (f"https://host/x{HASH}0", "https://host/x"),
        ("/data/file.csv", "/data/file.csv"),
        ("http://[bad?x", "http://[bad"),
        ("//me:secret@host/x", "//host/x"),
        ("jdbc:sqlserver://host:1433;user=sa;password=a/b;c", "jdbc:sqlserver://host:1433"),
        ("jdbc:db2://host/db:user=me;password=secret;", "jdbc:db2://host/db:user=me;"),
        ("https://host/a;token=1;v=2/b;c", "https://host/a/b;c"),
        ("s3://bucket//a;day=1.csv", "s3://bucket//a;day=1.csv"),
        ("me:secret@host/org/repo", "host/org/repo"),
        ("git@host:org/repo.git", "git@host:org/repo.git"),
        ("jdbc:oracle:thin:scott/tiger@//host:1521/db", "jdbc:oracle:thin:@//host:1521/db"),
        (f"s3://bucket/a.csv{ETAG}", f"s3://bucket/a.csv{ETAG}"),
        (f"s3://bucket/a.csv{ETAG}-12", f"s3://bucket/a.csv{ETAG}-12"),
        (f"s3://bucket/a.csv{ETAG}0", "s3://bucket/a.csv"),
        (f"{REPOSITORY}@{COMMIT}#scripts/run.sh", f"{REPOSITORY}@{COMMIT}#scripts/run.sh"),
        (f"{REPOSITORY}@{COMMIT}#secret", f"{REPOSITORY}@{COMMIT}"),
        (f"{REPOSITORY}@main#run.sh", f"{REPOSITORY}@main"),
    ],
)
def test_redact_url(url, shown):
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://b/a.csv?versionId=aB._-9", "s3://b/a.csv?versionId=aB._-9"),
        ("s3a://me:pw@b/a?versionId=1&x=secret", "s3a://b/a?versionId=1"),
        (f"s3://b/a?x=secret&versionId=1{ETAG}", "s3://b/a?versionId=1"),
        (f"{SIGNED}&versionId=1", "https://bucket.s3.amazonaws.com/key%2Fa.csv?versionId=1"),
        ("https://s3.eu-west-1.amazonaws.com/b/a?versionId=1", None),
        ("https://b.s3.cn-north-1.amazonaws.com.cn/a?versionId=1", None),
        # the null version may change
        ("s3://b/a?versionId=null", "s3://b/a"),
        ("s3://b/a?versionId=", "s3://b/a"),
        ("s3://b/a?notversionId=1", "s3://b/a"),
        # secrets under the name of a version, and other services
        ("s3://b/a?versionId=eyJhbGciOi.eyJzdWIi.c2ln", "s3://b/a"),
        ("s3://b/a?versionId=ghp_0123456789abcdefghij", "s3://b/a"),
        ("https://host/s3.amazonaws.com/a?versionId=secret", "https://host/s3.amazonaws.com/a"),
        ("https://s3.amazonaws.com.evil.org/a?versionId=secret", "https://s3.amazonaws.com.evil.org/a"),
        ("gs://b/a?versionId=secret", "gs://b/a"),
    ],
)  # fmt: skip
def test_redact_url_keeps_the_version_id_of_an_s3_object(url, shown):
    assert redact_url(url) == (url if shown is None else shown)


@pytest.mark.parametrize(
    "text",
    [
        "host=h user=me password=a-s3cret dbname=d",
        "AccountName=me;AccountKey=a-s3cret==;EndpointSuffix=x",
        "API_KEY = 'a-s3cret', MY_TOKEN=a-s3cret&x=1",
        "https://host/ghp_0123456789abcdefghij/x AKIA0123456789ABCDEF",
        "run --password a-s3cret --db-token='a-s3cret x' --n 3",
        '{"secret_token": "a-s3cret\\"a-s3cret", "n": 1}',
        "user: me\npassword: a-s3cret a-s3cret\n- DB_TOKEN: a-s3cret",
        "Authorization: Basic a-s3cret==",
        "{'Authorization': 'token a-s3cret'}",
        "SharedAccessSignature=sv=2026&sig=a-s3cret-0123456789abcdef%3D",
        "-----BEGIN RSA PRIVATE KEY-----\na-s3cret+/=\n-----END RSA PRIVATE KEY-----",
        '{"key": "-----BEGIN PRIVATE KEY-----\\\na-s3cret"}',
    ],
)  # fmt: skip
def test_redact_text_removes_secret_parameters_and_tokens(text):
    shown = redact_text(text)
    assert "a-s3cret" not in shown
    assert "ghp_" not in shown
    assert "AKIA" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    "text",
    [
        "Invalid token: expected x",
        "The password is wrong",
        "sig=0.05 pattern: x",
        "-----BEGIN CERTIFICATE-----\nabc",
        "password=<redacted>",
        "token: <redacted>",
    ],
)
def test_redact_text_keeps_other_text(text):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a.b-" * 50_000, "-----BEGIN PRIVATE KEY-----" * 3000]
)
def test_redact_text_of_long_text_is_fast(text):
    before = time.thread_time()
    redact_text(text)
    assert time.thread_time() - before < 5


@pytest.mark.parametrize(
    "text",
    [
        '{"secretKey": "a-s3cret", "proxyUrl": "https://x"}',
        '{"secretAccessKey":"a-s3cret\\"a-s3cret","bucket":"b"}',
        "{'sessionToken': 'a-s3cret', 'accessKeyId': 'a-s3cret'}",
    ],
)
def test_secret_properties_are_removed(text):
    shown = redact(text)
    assert "a-s3cret" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://u:p@host/v1/search?key=secret#x", "https://host/v1/search"),
        ("https://hooks.slack.com/services/T0/B0/aB3dE6gH9jK2mN5pQ", "/services/T0/B0/redacted"),
        ("https://api.telegram.org/bot123456:AAH-secret_token/send", "/redacted/send"),
        ("https://host/files/a-long-name-of-a-file-2026.csv", "/a-long-name-of-a-file-2026.csv"),
        ("https://host", "https://host"),
        ("no url", "no url"),
    ],
)
def test_tokens_in_the_path_of_a_webhook_are_removed(url, kept):
    assert redact_endpoint(url).endswith(kept)
    assert "secret" not in redact_endpoint(url)
