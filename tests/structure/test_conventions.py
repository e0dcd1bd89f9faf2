"""Conventions of the code base: module size, file names, foreign paths, pinned versions."""

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
MODULES = sorted((REPO / "synapse_workflows").rglob("*.py"))
MAX_LINES = 400
VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
#: Former names of modules that are not terms of their field.
PRIVATE_NAMES = {
    "aio", "announcing", "answers", "any_body", "arrays", "asking", "authoring", "bulk",
    "cachemap", "caller", "changing", "comparing", "complaints", "contents",
    "conversions", "copies", "deps", "drafts", "edges", "edits", "existing", "fetch",
    "finding", "founding", "fragments", "frames", "freezing", "gatherer", "grants",
    "holds", "interposing", "kinds", "known", "landing", "layout", "leases", "letters",
    "listing", "locations", "making", "moments", "mortal", "once", "opening", "partial",
    "people", "reading", "receive", "refinements", "remembered", "saving", "selects",
    "spelling", "stack", "storing", "submitting", "tablefiles", "verbs", "vocabulary",
    "watching", "wire", "writing",
}  # fmt: skip


def tracked_files() -> list[Path]:
    """Return the files that git tracks."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [REPO / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(REPO)))
def test_a_module_is_at_most_400_lines_long(module):
    assert len(module.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("names", [VAGUE_NAMES, PRIVATE_NAMES], ids=["vague", "private"])
def test_module_and_package_names_are_terms_of_their_field(names):
    files = [path.relative_to(REPO) for path in tracked_files() if path.suffix == ".py"]
    bad = [path for path in files if {path.stem, *path.parts[:-1]} & names]
    assert bad == []


def test_files_contain_no_machine_paths_and_no_package_index():
    """There are no lock files with download URLs either."""
    foreign = re.compile(r"/(?:work|farm|root|home/\w+)/|index[-]url|\"resolve[d]\":")
    found = [
        f"{path.relative_to(REPO)}: {line.strip()}"
        for path in tracked_files()
        if path.suffix in {".py", ".md", ".toml", ".txt", ".cfg", ".json", ".yml", ".yaml", ""}
        for line in path.read_text(errors="ignore").splitlines()
        if foreign.search(line)
    ]
    assert not found
    assert not [
        p.name for p in tracked_files() if p.name in {"uv.lock", "poetry.lock", "pdm.lock"}
    ]


def test_text_files_have_no_conflict_markers():
    marker = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    found = [
        str(path.relative_to(REPO))
        for path in tracked_files()
        if marker.search(path.read_text(errors="ignore"))
    ]
    assert found == []


def test_constraints_are_names_and_versions_only():
    for file in (REPO / "constraints.txt", REPO / "tests" / "peer" / "constraints.txt"):
        lines = file.read_text().splitlines()
        assert lines
        assert not [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_in_the_documents_exist(document):
    text = (REPO / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"test", "check"} <= named <= targets
