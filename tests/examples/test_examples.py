"""The example DAGs parse quickly and without network access, and have a uniform layout."""

import importlib.util
import sys
import time

import pytest
from pytest_socket import disable_socket, enable_socket

from synapse_workflows.demo.paths import examples_dir

EXAMPLES = sorted(examples_dir().glob("0*.py"))


@pytest.fixture
def no_network():
    disable_socket()
    yield
    enable_socket()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_parses_quickly_without_network(path, no_network):
    import airflow.sdk  # noqa: F401 - its import time does not count

    began = time.monotonic()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert time.monotonic() - began < 5
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_has_set_and_see_sections(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 80
    assert "Set:" in text
    assert "See:" in text


def test_the_data_names_its_source_and_license():
    data = examples_dir() / "data"
    source = (data / "SOURCE.md").read_text()
    assert "CC BY 4.0" in source
    assert "10.24432/C5DW2B" in source
    rows = (data / "breast_cancer_wisconsin.csv").read_text().splitlines()
    assert len(rows) == 1 + 569
    assert rows[0].split(",")[-1] == "diagnosis"
