"""Shell commands that set environment variables."""

import os
import subprocess

import pytest
from hypothesis import given, settings, strategies as st

from synapse_workflows.client.model.shell_exports import format_exports

#: Characters that are special in some shell.
SPECIAL = "a b\"$`\\!%&|;<>(){}[]*?#~'=^@\u201c\u201d\u00e9/+"


@settings(max_examples=40)
@given(st.text(SPECIAL, max_size=20))
def test_bash_sets_exactly_the_value(value):
    commands = format_exports({"A_VALUE": value, "LAST": "x"}, "bash")
    script = 'set -eu\neval "$COMMANDS"\nprintf "%s" "$A_VALUE"'
    done = subprocess.run(
        ["bash", "-c", script],
        env={"COMMANDS": commands, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == value


def test_ordinary_values_are_written_as_by_synapseclient():
    values = {"NAME": "s3://bucket/base/key", "KEY": "AbC+/="}
    assert format_exports(values, "bash") == (
        'export NAME="s3://bucket/base/key"\nexport KEY="AbC+/="\n'
    )
    assert format_exports(values, "cmd") == 'set NAME="s3://bucket/base/key"\nset KEY="AbC+/="\n'
    assert format_exports(values, "powershell") == (
        '$Env:NAME="s3://bucket/base/key"\n$Env:KEY="AbC+/="\n'
    )


def test_powershell_escapes_with_backticks():
    assert format_exports({"A": 'x$(rm)`"\u201d\\'}, "powershell") == (
        '$Env:A="x`$(rm)```"`\u201d\\"\n'
    )


@pytest.mark.parametrize("value", ['a"b', "%PATH%", "a!b!"])
def test_cmd_rejects_values_that_it_cannot_quote(value):
    with pytest.raises(ValueError, match="Cannot set SECRET in cmd") as caught:
        format_exports({"SECRET": value}, "cmd")
    assert value not in str(caught.value)


@pytest.mark.parametrize("shell", ["bash", "cmd", "powershell"])
@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\u2028"])
def test_control_characters_are_rejected(shell, character):
    with pytest.raises(ValueError, match="Cannot set SECRET in a shell") as caught:
        format_exports({"SECRET": f"hidden{character}echo"}, shell)
    assert "hidden" not in str(caught.value)
