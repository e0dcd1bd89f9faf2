"""No secret reaches what lineage records: URLs of any shape, names, descriptions, parameters."""

import string

from hypothesis import given, strategies as st

from synapse_workflows.client.core.text_maskers import register_masker
from synapse_workflows.provenance.activity import (
    build_activity,
    move_uncommon_urls,
    parse_activity,
    redact_activity,
)
from synapse_workflows.provenance.parameters import (
    CONF_PREFIX,
    PARAMETERS_PREFIX,
    format_parameters,
)
from synapse_workflows.provenance.record import Origin, Record, UrlRef

SCHEMES = [
    "http", "https", "ftp", "sftp", "s3", "s3a", "gs", "abfs", "syn", "file", "git+https",
    "git+ssh", "postgresql", "postgresql+psycopg2", "mysql", "snowflake", "bigquery",
    "mongodb+srv", "redis", "amqp", "jdbc:postgresql", "jdbc:sqlserver", "jdbc:db2", "docker",
]  # fmt: skip
#: Starts with text that nothing else contains, so that a match is a leak.
secrets = st.text(string.ascii_letters + string.digits + "-_.~", min_size=10, max_size=30).map(
    lambda text: f"q7Zx{text}"
)
passwords = st.text("!$&'()*+,;=:?#\"<>[]{}|\\^`%.-_~aB3", max_size=10)
words = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=8)
hosts = st.sampled_from(
    ["host", "db.example.org:5432", "bucket", "10.0.0.1", "[::1]:80", "b.s3.amazonaws.com",
     "github.com", "localhost"]
)  # fmt: skip
keys = st.sampled_from(
    ["token", "X-Amz-Signature", "X-Amz-Credential", "sig", "access_token", "password", "key",
     "Signature", "AWSAccessKeyId", "code", "sv", "apikey"]
)  # fmt: skip
parameters = st.sampled_from(["password", "PWD", "accountKey", "token", "user", "sslkey"])


@st.composite
def secret_urls(draw, secret):
    """Draw a URL that contains a secret where URLs may have secrets."""
    scheme, host = draw(st.sampled_from(SCHEMES)), draw(hosts)
    path = "".join(f"/{word}" for word in draw(st.lists(words, max_size=3)))
    before, after = draw(passwords), draw(passwords)
    user_info = f"{draw(words)}:{before}{secret}{after}"
    place = draw(
        st.sampled_from(
            ["password", "user", "query", "fragment", "signature", "host", "version", "nested"]
        )
    )
    if place == "host" and not scheme.startswith("jdbc:"):
        place = "query"
    return {
        "password": f"{scheme}://{user_info}@{host}{path}",
        "user": f"{scheme}://{secret}@{host}{path}",
        "query": f"{scheme}://{host}{path}?a=1&{draw(keys)}={secret}&b=2",
        "fragment": f"{scheme}://{host}{path}#{draw(keys)}={secret}",
        "signature": f"{scheme}://{host}{path}?versionId=1&X-Amz-Signature={secret}",
        "host": f"{scheme}://{host};user=me;{draw(parameters)}={secret};x=1",
        "version": f"{scheme}://{host}{path}?{secret}&versionId=eyJhbGci.{secret}.{secret}",
        "nested": f"{scheme}://{host}{path}/https://me:{secret}@{host}/x",
    }[place]


@st.composite
def secret_texts(draw, secret):
    """Draw a text that contains a secret in a form that can be recognized."""
    text = draw(
        st.sampled_from(
            [
                f"password={secret}",
                f"host=h user=u PASSWORD = '{secret}' dbname=d",
                f"AccountName=a;AccountKey={secret}==;EndpointSuffix=x",
                f"Authorization: Bearer {secret}",
                f'{{"secretKey": "{secret}"}}',
                f"https://me:{secret}@host/x",
                f"(https://host/x?token={secret})",
                f"eyJhbGciOiJIUzI1NiJ9.{secret.replace('~', '')}.c2ln",
                f"ghp_{'a' * 16}{secret.replace('~', '').replace('.', '')}",
            ]
        )
    )
    return f"{draw(words)} {text} {draw(words)}"


drawn = secrets.flatmap(
    lambda secret: st.tuples(st.just(secret), secret_urls(secret), secret_texts(secret))
)


@given(drawn, st.sampled_from(Origin), words)
def test_no_secret_is_recorded(drawn, origin, word):
    secret, url, text = drawn
    fragment = secret.replace("~", "").replace(".", "")
    refs = [UrlRef(url, f"{word} {text}"), UrlRef(url, url), UrlRef(url)]
    record = Record.from_refs(origin, used=refs, ran=refs, gaps=[f"{url} {word}", text])
    record |= Record.from_stored(*refs)
    lines = [
        text,
        url,
        format_parameters(PARAMETERS_PREFIX, {"a": url, "b": [{"c": text}], text: 1}),
        format_parameters(CONF_PREFIX, {"url": url, "nested": {url: text}}),
    ]
    activity = build_activity(record, f"{word} {text}", "\n".join(lines))
    raw = {
        "name": text,
        "description": "\n".join([text, f"{PARAMETERS_PREFIX}{{{text}", url]),
        "used": [{"url": url, "name": url, "wasExecuted": False}],
    }
    recorded = [
        str(record.to_json()),
        str(Record.from_json(record.to_json())),
        str(record.list_gaps()),
        *map(str, (*record.inputs(), *record.executed(), *record.wrote)),
        repr(record),
        str(activity),
        str(move_uncommon_urls(activity)),
        str(redact_activity(raw)),
        str(parse_activity(raw, origin).to_json()),
    ]
    assert [one for one in recorded if secret in one or fragment in one] == []
    assert redact_activity(activity) == activity
    assert Record.from_json(record.to_json()) == record


@given(
    secrets, words, st.sampled_from(["https://{}/x", "https://h/{}", "a {} b", "{}", "s3://b/{}"])
)
def test_secrets_that_the_process_knows_are_masked_anywhere(secret, word, form):
    register_masker(_mask_known)
    _known.append(secret)
    try:
        text = form.format(f"{word}{secret}")
        record = Record.from_refs(Origin.READ, used=[UrlRef(text, text)], gaps=[text])
        line = format_parameters(PARAMETERS_PREFIX, {"a": text, text: "b"})
        assert secret not in str(build_activity(record, text, f"{text}\n{line}"))
        assert secret not in str(record.to_json())
    finally:
        _known.remove(secret)


_known = []


def _mask_known(text):
    for secret in _known:
        text = text.replace(secret, "***")
    return text
