"""Manifests of the official client and of this package are read by the other."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from synapse_workflows import Activity, File, Folder, Project
from synapse_workflows.sync.apply import ApplyOptions, apply_plan
from synapse_workflows.sync.download import write_download_manifest
from synapse_workflows.sync.download_plan import plan_download
from synapse_workflows.sync.local_directory import LocalDirectory
from synapse_workflows.sync.manifest import MANIFEST_NAME, read_manifest
from synapse_workflows.sync.options import PlanOptions
from synapse_workflows.sync.upload_plan import plan_upload

ANNOTATIONS = {
    "text": ["plain"],
    "texts": ["a,b", "c"],
    "digits": ["007"],
    "missing": ["NA"],
    "quoted": ['say "hi"'],
    "number": [3],
    "numbers": [1, 2],
    "share": [0.5],
    "flag": [True],
    "when": [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)],
}


@pytest.fixture
def official(driven):
    """Run a command of official_sync.py as a user."""
    return driven("official_sync.py")


@pytest.fixture
def project(socket_client, tmp_path):
    """A project with two files in folders; one has annotations and an Activity."""
    syn = socket_client
    project = syn.store(Project(f"peer sync {uuid4()}"))
    folder = syn.store(Folder("sub", parent=project))
    for name in ("raw.csv", "clean.csv"):
        (tmp_path / name).write_text(f"{name} {uuid4()}")
    raw = syn.store(File(str(tmp_path / "raw.csv"), parent=project))
    clean = File(str(tmp_path / "clean.csv"), parent=folder, annotations=ANNOTATIONS)
    activity = Activity("Clean", "in one line", used=[raw.id, "https://example.org/reference"])
    activity.executed("https://example.org/clean.py", name="https://example.org/clean.py")
    syn.store(clean, activity=activity)
    return project.id


def describe(syn, project):
    """Return version, annotations and Activity of clean.csv."""
    sub = syn.findEntityId("sub", project)
    file = syn.get(syn.findEntityId("clean.csv", sub), downloadFile=False)
    activity = syn.getProvenance(file)
    used = sorted(str(one.get("reference") or one["url"]) for one in activity["used"])
    return file.annotations, activity["name"], activity["description"], used


def test_official_client_uploads_by_our_manifest(official, socket_client, project, tmp_path):
    syn = socket_client
    before = describe(syn, project)
    target = LocalDirectory(tmp_path / "target")
    plan = plan_download(syn, project, target, PlanOptions())
    apply_plan(syn, target, plan, ApplyOptions())
    manifest = target.root / MANIFEST_NAME
    assert write_download_manifest(syn, target, plan, manifest) == 2
    (target.root / "sub/clean.csv").write_text(f"new {uuid4()}")
    official("sync_to", manifest=str(manifest))
    sub = syn.findEntityId("sub", project)
    assert syn.get(syn.findEntityId("clean.csv", sub), downloadFile=False).versionNumber == 2
    assert describe(syn, project) == before
    plan = plan_download(syn, project, target, PlanOptions())
    assert plan.counts["same"] == 2


def test_our_upload_reads_the_manifest_of_the_official_client(
    official, socket_client, project, tmp_path
):
    syn = socket_client
    root = tmp_path / "official"
    assert len(official("sync_from", entity=project, path=str(root))["files"]) == 2
    directory = LocalDirectory(root)
    with (root / MANIFEST_NAME).open(newline="") as file:
        rows = read_manifest(file, MANIFEST_NAME)
    assert {row.name for row in rows} == {"raw.csv", "clean.csv"}
    before = describe(syn, project)
    (root / "sub/clean.csv").write_text(f"new {uuid4()}")
    plan = plan_upload(syn, directory, project, PlanOptions(), rows)
    assert {one.name: one.action for one in plan.items} == {
        "clean.csv": "changed",
        "raw.csv": "same",
    }
    assert [one.error for one in apply_plan(syn, directory, plan, ApplyOptions())] == [""]
    assert describe(syn, project) == before
