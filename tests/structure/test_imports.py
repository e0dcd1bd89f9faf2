"""Modules that an import loads."""

import importlib
import json
import subprocess
import sys

import pytest

import synapse_workflows

HEAVY = {"airflow", "pandas", "boto3", "fastapi", "sqlalchemy", "uvicorn", "httpx2", "keyring"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_root_loads_no_other_module():
    """Airflow discovers the provider before its configuration is ready."""
    names = loaded_by("import synapse_workflows")
    assert {name for name in names if name.startswith("synapse_workflows")} == {
        "synapse_workflows"
    }
    assert not {name.partition(".")[0] for name in names} & (HEAVY | {"requests", "tenacity"})


@pytest.mark.parametrize("name", ["Synapse", "File", "Activity", "SynapseError"])
def test_the_client_loads_no_airflow_pandas_boto3_fastapi_or_sqlalchemy(name):
    names = loaded_by(f"from synapse_workflows import {name}")
    assert not {name.partition(".")[0] for name in names} & HEAVY


def test_provider_info_loads_no_other_module():
    names = loaded_by("from synapse_workflows.provider_info import get_provider_info")
    assert not {name.partition(".")[0] for name in names} & (HEAVY | {"requests"})


@pytest.mark.parametrize(
    "statement",
    [
        "import fsspec; fsspec.filesystem('syn')",
        "from synapse_workflows.fs import get_fs; get_fs('synapse_default')",
        "from upath import UPath; (UPath('syn://conn@syn123') / 'a.txt').name",
    ],
)
def test_a_path_loads_no_client_when_a_dag_is_parsed(statement):
    names = loaded_by(statement)
    assert "synapse_workflows.filesystem.synapse_file_system" in names
    assert not {name.partition(".")[0] for name in names} & (HEAVY | {"requests", "tenacity"})
    assert not {name for name in names if name.startswith("synapse_workflows.client.api")}


def test_the_local_service_loads_no_module_that_only_some_requests_need():
    names = loaded_by("from synapse_workflows.local import server")
    assert "fastapi" in names
    unneeded = {"airflow", "boto3", "jinja2", "markdown_it", "pandas", "pyarrow", "requests"}
    assert not {name.partition(".")[0] for name in names} & unneeded


@pytest.mark.parametrize("name", synapse_workflows.__all__)
def test_every_public_name_can_be_imported(name):
    value = getattr(synapse_workflows, name)
    assert getattr(importlib.import_module(value.__module__), value.__name__) is value


def test_public_names_are_sorted_and_listed_once():
    assert list(synapse_workflows.__all__) == sorted(set(synapse_workflows.__all__))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = synapse_workflows.Nonsense
