"""Lines of parameters in the description of an Activity."""

import json
import string
from pathlib import PurePath

from hypothesis import given, strategies as st

from synapse_workflows.provenance.parameters import (
    CONF_PREFIX,
    PARAMETERS_PREFIX,
    format_parameters,
    parse_parameters,
    redact_description,
)

names = st.text(string.ascii_letters + "_. é", min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


def parse(line):
    return parse_parameters({"description": f"first\n{line}\nlast"})


@given(st.dictionaries(names, values, min_size=1, max_size=5))
def test_line_is_parsed_again_and_stays_the_same_in_a_description(parameters):
    line = format_parameters(PARAMETERS_PREFIX, parameters)
    assert "\n" not in line
    assert redact_description(line) == line
    assert len(parse(line)) == len(parameters)
    reordered = dict(reversed(parameters.items()))
    assert format_parameters(PARAMETERS_PREFIX, reordered) == line


def test_values_are_kept():
    parameters = {"n": 1, "x": [1.5, None, True], "m": {"a": "b"}, "t": 'say "é"'}
    assert parse(format_parameters(CONF_PREFIX, parameters)) == {
        f"conf.{name}": value for name, value in parameters.items()
    }


def test_no_parameters_give_no_line():
    assert format_parameters(PARAMETERS_PREFIX, {}) is None


def test_long_values_and_many_parameters_are_bounded():
    line = format_parameters(PARAMETERS_PREFIX, {"long": "x" * 10_000, "list": [0] * 10_000})
    assert parse(line)["long"] == "x" * 500 + "... (10000 characters)"
    assert parse(line)["list"].endswith("... (30000 characters)")
    line = format_parameters(PARAMETERS_PREFIX, {f"p{n:04}": "y" * 100 for n in range(1000)})
    found = parse(line)
    assert len(line) < 9_000
    assert found["..."] == f"{1001 - len(found)} more are not listed"


def test_values_that_json_lacks_become_text():
    assert json.loads(
        format_parameters(PARAMETERS_PREFIX, {"s": {2, 1}, "p": PurePath("a/b"), "d": {1: "x"}})
        .removeprefix(PARAMETERS_PREFIX)
    ) == {"s": [1, 2], "p": "a/b", "d": {"1": "x"}}  # fmt: skip


def test_line_that_a_user_has_written_is_redacted():
    text = 'Parameters: {"a": "https://me:secret1@h/x?k=secret2"}\nParameters: password=secret3'
    assert redact_description(text) == (
        'Parameters: {"a": "https://h/x"}\nParameters: password=<redacted>'
    )


def test_values_with_the_names_of_secrets_are_redacted():
    secrets = {
        "auth": "q7Zx",
        "synapse_pat": "q7Zx",
        "credentials": {"user": "q7Zx", "pw": "q7Zx"},
        "deep": [{"pw": ["q7Zx"]}],
        "dbPassword": 7219,
    }
    kept = {"max_tokens": 512, "pattern": "a", "author": "me", "auth_token": None, "pwd": "***"}
    line = format_parameters(PARAMETERS_PREFIX, secrets | kept)
    assert "q7Zx" not in line
    assert "7219" not in line
    assert parse(line).items() >= kept.items()
    assert redact_description(line) == line


def test_private_key_in_several_lines_of_a_description_is_redacted():
    key = "-----BEGIN PRIVATE KEY-----\nq7Zx\n-----END PRIVATE KEY-----"
    line = format_parameters(CONF_PREFIX, {"key": key, "n": 1})
    assert redact_description(f"a {key}\n{line}") == f"a <redacted>\n{line}"
    assert parse(line) == {"conf.key": "<redacted>", "conf.n": 1}
