"""Runs call patterns of the field with the official client and with ours."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.official_client import find_official_python

REPO = Path(__file__).parents[2]
CLIENTS = {"synapseclient": None, "synapse_workflows": sys.executable}


@pytest.fixture(scope="session")
def run_patterns(socket_service, tmp_path_factory) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return a function that runs a file of patterns: results by client and pattern."""

    def run(driver: str) -> dict[str, dict[str, Any]]:
        interpreters = {**CLIENTS, "synapseclient": find_official_python()}
        return {module: call(driver, module, python) for module, python in interpreters.items()}

    def call(driver: str, module: str, python: str) -> dict[str, Any]:
        home = tmp_path_factory.mktemp(module)
        config = home / "synapseConfig"
        config.write_text(socket_service.synapse_config("alice"))
        arguments = {
            "config": str(config), "cache": str(home / "cache"), "project": f"field {uuid4()}",
        }  # fmt: skip
        environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        if module == "synapse_workflows":
            environment["PYTHONPATH"] = str(REPO)
        done = subprocess.run(
            [python, str(Path(__file__).parent / driver), module],
            input=json.dumps(arguments), capture_output=True, text=True, timeout=300, check=False,
            env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return results

    return run
