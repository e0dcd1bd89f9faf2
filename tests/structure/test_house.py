"""The rules of the house that a machine can see."""

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
MODULES = sorted((REPO / "synapse_workflows").rglob("*.py"))


def tracked() -> list[Path]:
    """The files of the project, as git knows them; else as they lie there."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [REPO / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(REPO)))
def test_no_module_outgrows_its_room(module):
    """A module that grows past 400 lines wants to be two rooms."""
    assert len(module.read_text().splitlines()) <= 400


def test_every_file_has_a_name_that_says_something():
    nameless = re.compile(r"(^|/)(utils?|helpers?|common|misc)\.py$")
    assert not [str(path) for path in tracked() if nameless.search(str(path))]


def test_the_project_speaks_only_of_the_project():
    """No path of a machine, no package index, no lock file that records addresses."""
    foreign = re.compile(r"/(?:work|farm|root|home/\w+)/|index[-]url|\"resolve[d]\":")
    found = [
        f"{path.relative_to(REPO)}: {line.strip()}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".txt", ".cfg", ".json", ""}
        for line in path.read_text(errors="ignore").splitlines()
        if foreign.search(line)
    ]
    assert not found
    assert not [p.name for p in tracked() if p.name in {"uv.lock", "poetry.lock", "pdm.lock"}]


def test_constraints_are_names_and_versions_alone():
    for file in (REPO / "constraints.txt", REPO / "tests" / "peer" / "constraints.txt"):
        lines = file.read_text().splitlines()
        assert lines
        assert not [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)]


def test_every_make_target_that_the_readme_names_is_there():
    readme = (REPO / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", readme))
    assert {"demo", "test", "check", "serve", "airflow"} <= named
    assert named <= targets
