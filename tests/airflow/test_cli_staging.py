"""Tests of `synapse-workflows staging clean`."""

import os

import pytest
from typer.testing import CliRunner

from synapse_workflows.cli import app

KEY = "a_dag/a_run/make/single/1/0123456789abcdef0123456789abcdef"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Staged file of 1970."""
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", str(tmp_path))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    path = tmp_path / "synapse-staged" / KEY
    path.parent.mkdir(parents=True)
    path.write_text("old")
    os.utime(path, (1, 1))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["staging", "clean", *arguments])


def test_old_files_are_removed(old, tmp_path):
    assert run("--older-than", "5000w").exit_code == 0
    assert old.exists()
    result = run("--older-than", "7d")
    assert result.exit_code == 0
    assert f"Removed 1 staged files (3 B) in {tmp_path}" in result.output
    assert not old.exists()


def test_a_dry_run_lists_old_files_once(old, caplog):
    result = run("--older-than", "7d", "--dry-run")
    assert f"would remove {KEY} (3 B)" in result.output
    assert caplog.messages == []  # the handler of Airflow prints to standard output, too
    assert old.exists()


@pytest.mark.parametrize("age", ["7", "0d", "-1d", "soon", "7 years"])
def test_an_invalid_age_is_an_error_of_usage(old, age):
    result = run("--older-than", age)
    assert result.exit_code == 2
    assert "Invalid age" in result.output
    assert old.exists()


def test_the_age_is_required(old):
    assert run().exit_code == 2
    assert old.exists()


def test_an_invalid_setting_is_reported(old, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", "relative")
    result = run("--older-than", "7d")
    assert result.exit_code == 1
    assert "Error: Invalid [synapse] staging 'relative'" in result.output
