"""RO-Crates of provenance, validated by roc-validator without a network."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.official_client import find_official_python
from support.provenance_story import store_story

from synapse_workflows import Activity, Column, EntityViewSchema, File, Folder, Schema, Table
from synapse_workflows.provenance.export import export_provenance

SCRIPT = Path(__file__).with_name("validate_crates.py")
CONTEXT = Path(__file__).parents[1] / "support" / "ro-crate-1.1-context.jsonld"
#: Findings about what Synapse does not record, or what needs a network.
UNKNOWN = (
    "SHOULD have a url",
    "SHOULD have a version or softwareVersion",
    "SHOULD have a version",
    "SHOULD have a description",
    "SHOULD have an organizational affiliation",
    "organizational `affiliation`",
    "`publisher`",
    "`encodingFormat`",
    "`contentSize`",
    "`sdDatePublished`",
    "is not available",
    "is not natively supported",
    # a check of classes instead of their instances
    "id SHOULD be an absolute URI",
)


@pytest.fixture(scope="session")
def validator_python():
    """The interpreter with roc-validator, installed by `make install-peer`."""
    python = find_official_python()
    command = [python, "-c", "import rocrate_validator"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("roc-validator is not installed: run `make install-peer`")
    return python


def store_mixture(syn, parent, directory):
    """Store a file that was made from an entity of each kind, and from odd URLs."""
    folder = syn.store(Folder("inputs", parent=parent))
    table = syn.store(Schema("Rows", [Column(name="n", columnType="INTEGER")], parent=parent))
    syn.store(Table(table, [[1]]))
    view = syn.store(EntityViewSchema(name="View", parent=parent, scopes=[parent]))
    path = directory / "mixed.txt"
    path.write_text("mixed\n")
    used = [folder, table, view, "ftp://h/a?b#c", "gs://b/ä ö", 'https://h/%zz<>"{}|\\^`']
    activity = Activity(
        "", None, used=used, executed=[folder, "docker://ubuntu", "https://h/x.py"]
    )
    return syn.store(File(str(path), parent=parent), activity=activity)


def remove_instruments(crate):
    path = crate / "ro-crate-metadata.json"
    metadata = json.loads(path.read_text())
    for entity in metadata["@graph"]:
        entity.pop("instrument", None)
    path.write_text(json.dumps(metadata))


@pytest.fixture(scope="module")
def findings(socket_service, validator_python, tmp_path_factory):
    """Findings about some crates, by the name of the crate."""
    directory = tmp_path_factory.mktemp("crates")
    with socket_service.client("alice", cache_root_dir=str(directory / "cache")) as syn:
        story = store_story(syn, directory)
        mixed = store_mixture(syn, story.parent, directory)
        license_url = "https://spdx.org/licenses/MIT"
        crates = {
            "metadata": (story.report, {"depth": 1, "license": license_url}),
            "files": (story.report, {"include_files": True}),
            "mixed.zip": (mixed, {}),
            "wrong": (story.first_report, {}),
        }
        for name, (entity, options) in crates.items():
            export_provenance(syn, entity, "ro-crate", directory / name, **options)
    remove_instruments(directory / "wrong")
    output, paths = directory / "findings.json", [directory / name for name in crates]
    command = [validator_python, SCRIPT, output, directory / "http-cache", CONTEXT, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(crates, json.loads(output.read_text()), strict=True))


@pytest.mark.parametrize("name", ["metadata", "files", "mixed.zip"])
def test_a_crate_satisfies_all_requirements(findings, name):
    assert findings[name]  # about what is not known: the validator has looked at all levels
    assert [one for one in findings[name] if one[0] == "REQUIRED"] == []


@pytest.mark.parametrize("name", ["metadata", "files", "mixed.zip"])
def test_a_crate_follows_the_recommendations_about_known_facts(findings, name):
    assert [one for one in findings[name] if not any(text in one[2] for text in UNKNOWN)] == []


def test_the_validator_finds_errors(findings):
    wrong = findings["wrong"]
    assert any(one[0] == "REQUIRED" and "instrument" in one[2] for one in wrong)
