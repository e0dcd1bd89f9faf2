"""The command line: help texts, errors, and the instructions that `serve` prints."""

import json
import re

import pytest
from typer.testing import CliRunner

from synapse_workflows import __version__
from synapse_workflows.cli import app, format_usage

FACTS = {
    "repoEndpoint": "http://127.0.0.1:8610/repo/v1",
    "authEndpoint": "http://127.0.0.1:8610/auth/v1",
    "fileHandleEndpoint": "http://127.0.0.1:8610/file/v1",
    "portalEndpoint": "http://127.0.0.1:8610/",
    "signInUrls": {"alice": "http://127.0.0.1:8610/sign-in?token=3300001.secret"},
    "airflow_connection": json.dumps({"conn_type": "synapse", "password": "token-2"}),
    "users": [
        {"userName": "admin", "ownerId": "1", "token": "token-1", "certified": True},
        {"userName": "alice", "ownerId": "3300001", "token": "token-2", "certified": False},
    ],
    "pid": 1,
}


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_help_lists_every_command():
    output = run("--help").output
    for command in ("serve", "seed", "inbox", "demo", "airflow", "provenance"):
        assert re.search(rf"\b{command}\b", output)


@pytest.mark.parametrize("command", ["serve", "seed", "inbox", "demo", "airflow", "provenance"])
def test_every_command_has_a_help_text(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_joins_the_lines_of_a_paragraph():
    output = " ".join(run("provenance", "tree", "--help").output.split())
    assert "--downstream reads the Activities of all versions in a project" in output


def test_version_is_that_of_the_package():
    assert run("--version").output == f"synapse-workflows {__version__}\n"


def test_usage_has_the_endpoints_and_the_user_of_the_airflow_connection(tmp_path):
    text = format_usage(FACTS, tmp_path)
    assert text.startswith("The local Synapse runs at http://127.0.0.1:8610.")
    assert 'repoEndpoint="http://127.0.0.1:8610/repo/v1"' in text
    assert "    username = alice\n    authtoken = token-2\n" in text
    assert 'syn.login(authToken="token-2")' in text
    assert re.search(r"alice +3300001 +not certified +token-2", text)
    assert "signed in as alice" in text
    assert "\n    http://127.0.0.1:8610/sign-in?token=3300001.secret\n" in text
    assert "Seeded" not in text


def test_usage_lists_the_seeded_ids(tmp_path):
    text = format_usage({**FACTS, "seed": {"project": "syn1"}}, tmp_path)
    assert re.search(r"Created data:\n\n    project +syn1\n", text)


def test_an_unknown_seed_is_an_error(tmp_path):
    result = run("seed", "nonsense", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "nonsense" in result.output


def test_an_invalid_entity_id_is_an_error(monkeypatch, tmp_path):
    """`provenance` reports it without a traceback."""
    monkeypatch.setenv("HOME", str(tmp_path))
    result = run("provenance", "nonsense")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
