"""Modules of the Amazon provider import the configured session factory while they are imported."""

import os
import subprocess
import sys

import pytest

FACTORY = "synapse_workflows.hooks.sts_session_factory.SynapseStsSessionFactory"


@pytest.mark.parametrize("module", ["hooks.base_aws", "hooks.s3", "operators.s3"])
def test_amazon_modules_import_with_the_session_factory(module):
    """A module of the Amazon provider may be the first import of a DAG file."""
    code = (
        f"import airflow.providers.amazon.aws.{module}\n"
        "from airflow.providers.amazon.aws.hooks.base_aws import SessionFactory\n"
        "from synapse_workflows import SynapseStsS3Hook\n"
        "print(SessionFactory.__name__, SynapseStsS3Hook.__name__)\n"
    )
    env = {**os.environ, "AIRFLOW__AWS__SESSION_FACTORY": FACTORY}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["SynapseStsSessionFactory", "SynapseStsS3Hook"]
