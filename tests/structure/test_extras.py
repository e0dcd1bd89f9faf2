"""A missing optional dependency is named, with the extra that installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from synapse_workflows.__main__ import EXTRAS

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
#: Distributions whose module has another name.
MODULES = {"markdown-it-py": "markdown_it", "pyjwt": "jwt"}
#: Distributions whose absence is explained where they are imported: by fsspec, by the S3 hook. The
#: methods for OpenLineage are called by its provider only.
OWN_MESSAGES = {
    "s3fs", "apache-airflow-providers-amazon", "apache-airflow-providers-openlineage"
}  # fmt: skip
#: Optional modules that Airflow does not need either.
NOT_OF_AIRFLOW = ["boto3", "pandas", "pyarrow", "s3fs", "sqlglot", "typer"]


def run_without(modules: list[str], code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a new interpreter in which some modules cannot be imported."""
    blocked = f"import sys\nfor name in {modules}: sys.modules[name] = None\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + code], capture_output=True, text=True, check=False
    )


def run_command(modules: list[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = f"sys.argv = ['synapse-workflows', *{list(arguments)}]\n"
    return run_without(modules, code + "from synapse_workflows.__main__ import main\nmain()")


@pytest.mark.parametrize("module", ["typer", "fastapi", "uvicorn", "sqlalchemy", "sqlglot", "jwt"])
def test_serve_names_the_extra_of_a_missing_module(module, tmp_path):
    done = run_command([module], "serve", "--data", str(tmp_path), "--port", "0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: this command needs {module}, which is not installed. Install "
        "synapse-workflows[local]: pip install 'synapse-workflows[local]'\n"
    )


def test_demo_names_the_extra_of_a_missing_module(tmp_path):
    done = run_command(["psutil"], "demo", "--folder", str(tmp_path))
    assert (done.returncode, "synapse-workflows[local]" in done.stderr) == (1, True)


def test_a_missing_module_of_no_extra_is_an_ordinary_error(tmp_path):
    done = run_command(["requests"], "provenance", "syn1")
    assert done.returncode == 1
    assert "ModuleNotFoundError: import of requests halted" in done.stderr


def test_as_data_frame_names_the_pandas_extra():
    code = (
        "from synapse_workflows import Column, Schema, Table\n"
        "schema = Schema('t', [Column(name='a', columnType='STRING')], parent='syn1')\n"
        "schema.id = 'syn2'\n"
        "Table(schema, [['x']]).asDataFrame()\n"
    )
    done = run_without(["pandas"], code)
    assert done.returncode == 1
    assert re.search(r"ImportError: .*'synapse-workflows\[pandas\]'", done.stderr), done.stderr


def test_parquet_names_the_parquet_extra():
    code = "from synapse_workflows.client.model import parquet\nparquet.require_pyarrow()"
    done = run_without(["pyarrow"], code)
    assert done.returncode == 1
    assert re.search(r"ImportError: .*'synapse-workflows\[parquet\]'", done.stderr), done.stderr


def test_the_parameter_store_names_the_s3_extra():
    code = (
        "import os\nfrom synapse_workflows import Synapse\n"
        "os.environ['SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME'] = 'token'\n"
        "Synapse(skip_checks=True, silent=True, configPath='none').login()\n"
    )
    done = run_without(["boto3"], code)
    assert done.returncode == 1
    assert re.search(r"boto3 .*'synapse-workflows\[s3\]'", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "name"),
    [("paramiko", "sftp", "sftp_connection"), ("boto3", "s3", "s3_clients")],
)
def test_storage_names_the_extra_of_a_missing_module(module, extra, name):
    code = f"from synapse_workflows.client.transfer import {name}\n{name}.require_{module}()"
    done = run_without([module], code)
    assert done.returncode == 1
    assert re.search(rf"{module}, .*'synapse-workflows\[{extra}\]'", done.stderr), done.stderr


def test_the_client_works_without_any_extra():
    code = "import synapse_workflows\nfrom synapse_workflows import Synapse, File, Table\n"
    code += "Synapse(skip_checks=True, silent=True, configPath='none')"
    done = run_without(sorted(EXTRAS), code)
    assert done.returncode == 0, done.stderr


def test_all_public_names_load_without_the_extras_that_airflow_does_not_bring():
    code = (
        "import synapse_workflows as s\n"
        "for name in {*s.__all__} - {'SynapseStsS3Hook'}: getattr(s, name)\n"
    )
    code += "from synapse_workflows.triggers import jobs, tables"
    done = run_without(NOT_OF_AIRFLOW, code)
    assert done.returncode == 0, done.stderr


def test_the_s3_hook_names_the_amazon_extra():
    code = "from synapse_workflows import SynapseStsS3Hook"
    done = run_without(["airflow.providers.amazon.aws.hooks.s3"], code)
    assert done.returncode == 1
    assert re.search(r"ImportError: .*'synapse-workflows\[amazon\]'", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("module", "name"),
    [("prov", "prov_document.build_document"), ("rocrate", "run_crate.build_crate")],
)
def test_exports_name_the_provenance_extra(module, name):
    file, function = name.split(".")
    code = (
        f"from synapse_workflows.provenance.{file} import {function}\n"
        "from synapse_workflows.provenance.exported_provenance import ExportedProvenance\n"
        "from synapse_workflows.provenance.provenance_graph import ProvenanceGraph\n"
        "graph = ProvenanceGraph((), {}, activities={'1': {'id': '1', 'used': []}})\n"
        f"{function}(ExportedProvenance(graph, {{}}, '', ''))"
    )
    done = run_without([module], code)
    assert done.returncode == 1
    assert re.search(rf"{module}, .*'synapse-workflows\[provenance\]'", done.stderr), done.stderr


def test_the_extras_are_those_of_pyproject():
    declared = PROJECT["optional-dependencies"]
    (everything,) = declared.pop("all")
    for extra in (
        "s3-server",
        "celery",
    ):  # `all` does not install servers and drivers of databases
        del declared[extra]
    assert everything == f"{PROJECT['name']}[{','.join(declared)}]"
    for extra, requirements in declared.items():
        for requirement in requirements:
            name = re.match(r"[\w-]+", requirement)[0]
            if name not in OWN_MESSAGES:
                assert EXTRAS[MODULES.get(name, name)] == extra
    assert set(EXTRAS.values()) == set(declared) - {"amazon", "openlineage"}
