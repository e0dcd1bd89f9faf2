"""The example DAGs parse quickly and without I/O, and have a uniform layout."""

import importlib.util
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import synapse_workflows
from synapse_workflows.demo.paths import examples_dir

EXAMPLES = sorted(examples_dir().glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def record_io():
    """Context manager that records connections, child processes and files opened to write."""
    recorded, names = [], ("socket.connect", "subprocess.Popen", "sqlite3.connect", "os.mkdir")
    active = []

    def record(event, arguments):
        is_write = event == "open" and isinstance(arguments[1], str) and arguments[1][0] in "wax"
        if active and (is_write or event in names):
            recorded.append((event, str(arguments[0])))

    sys.addaudithook(record)  # it cannot be removed

    @contextmanager
    def recording():
        recorded.clear()
        active.append(True)
        try:
            yield recorded
        finally:
            active.clear()

    return recording


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_parses_quickly_without_io(path, record_io, monkeypatch):
    """The time for Airflow itself does not count, nor what libraries do at their first import."""
    import airflow.sdk  # noqa: F401

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    began = time.thread_time()
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert time.thread_time() - began < 5
    with record_io() as recorded:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert recorded == []


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


def test_the_guide_names_each_example():
    page = Path(synapse_workflows.__file__).parent / "docs" / "examples.md"
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert {path.name for path in EXAMPLES} <= {Path(link).name for link in links}
