"""Plans of synchronizations, and their application, with the client alone."""

import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from synapse_workflows import File, Folder, Project
from synapse_workflows.sync.apply import ApplyOptions, apply_plan
from synapse_workflows.sync.download import write_download_manifest
from synapse_workflows.sync.download_plan import plan_download
from synapse_workflows.sync.local_directory import LocalDirectory
from synapse_workflows.sync.manifest import ManifestRow
from synapse_workflows.sync.options import PlanOptions
from synapse_workflows.sync.plan import SyncPlan
from synapse_workflows.sync.results import ItemError
from synapse_workflows.sync.upload_plan import plan_upload


@pytest.fixture(scope="module")
def syn(socket_service, tmp_path_factory):
    with socket_service.client(cache_root_dir=str(tmp_path_factory.mktemp("cache"))) as client:
        yield client


@pytest.fixture
def project(syn):
    return syn.store(Project(f"sync {uuid4()}")).id


@pytest.fixture
def folder(tmp_path):
    """A function that writes files, and returns their directory."""
    root = tmp_path / "source"
    root.mkdir()

    def write(**contents):
        for name, content in contents.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return LocalDirectory(root)

    return write


def tree(syn, parent, path=""):
    """Return name, version and MD5 of each file, and None for each folder, by path."""
    found = {}
    for child in syn.getChildren(parent):
        name = path + child["name"]
        if child["type"].endswith("Folder"):
            found[f"{name}/"] = None
            found |= tree(syn, child["id"], f"{name}/")
        else:
            found[name] = child["versionNumber"]
    return found


def actions(plan):
    return {one.path + "/" * (one.kind == "folder"): one.action for one in plan.items}


def upload(syn, directory, project, **options):
    plan = plan_upload(syn, directory, project, PlanOptions())
    return plan, apply_plan(syn, directory, plan, ApplyOptions(**options))


def download(syn, project, directory, **options):
    plan = plan_download(syn, project, directory, PlanOptions())
    return plan, apply_plan(syn, directory, plan, ApplyOptions(**options))


def test_upload_stores_what_differs_and_reports_what_is_extra(syn, project, folder):
    directory = folder(a="1", b="2", sub__deep__c="3")
    (directory.root / "empty").mkdir()
    plan, results = upload(syn, directory, project)
    assert actions(plan) == {
        "a": "new", "b": "new", "empty/": "new", "sub/": "new", "sub/deep/": "new",
        "sub/deep/c": "new",
    }  # fmt: skip
    assert [one.error for one in results if one.error] == []
    expected = {"a": 1, "b": 1, "empty/": None, "sub/": None, "sub/deep/": None, "sub/deep/c": 1}
    assert tree(syn, project) == expected
    folder(b="two", d="4")
    (directory.root / "a").unlink()
    plan, _ = upload(syn, directory, project)
    assert actions(plan) == {"a": "extra", "b": "changed", "d": "new", "sub/deep/c": "same"}
    assert tree(syn, project) == expected | {"b": 2, "d": 1}
    plan, _ = upload(syn, directory, project, delete_extra=True)
    assert plan.counts["same"] == 3
    assert tree(syn, project).keys() == {"b", "d", "empty/", "sub/", "sub/deep/", "sub/deep/c"}


def test_extra_folders_are_deleted_if_nothing_else_is_in_them(syn, project, folder):
    directory = folder(a="1", old__deep__b="2", kept__c="3")
    upload(syn, directory, project)
    kept = syn.findEntityId("kept", project)
    syn.store(Folder("more", parent=kept))
    for path in ("old/deep/b", "kept/c"):
        (directory.root / path).unlink()
    (directory.root / "old/deep").rmdir()
    (directory.root / "old").rmdir()
    upload(syn, directory, project, delete_extra=True)
    assert tree(syn, project) == {"a": 1, "kept/": None}


def test_download_mirrors_names_and_verifies_content(syn, project, folder, tmp_path):
    upload(syn, folder(a="1", sub__b="2"), project)
    syn.store(Folder("empty", parent=project))
    target = LocalDirectory(tmp_path / "target")
    plan, results = download(syn, project, target)
    assert actions(plan) == {
        "a": "new", "empty/": "new", "sub/": "new", "sub/b": "new"
    }  # fmt: skip
    assert [one.error for one in results if one.error] == []
    written = {str(one.relative_to(target.root)) for one in target.root.rglob("*")}
    assert written == {"a", "empty", "sub", "sub/b"}
    assert (target.root / "sub/b").read_text() == "2"
    (target.root / "a").write_text("x")
    (target.root / "mine").write_text("x")
    plan, _ = download(syn, project, target)
    assert actions(plan) == {"a": "changed", "mine": "extra", "sub/b": "same"}
    assert ((target.root / "a").read_text(), (target.root / "mine").exists()) == ("1", True)
    download(syn, project, target, delete_extra=True)
    assert not (target.root / "mine").exists()


def test_hostile_names_stay_inside_of_the_directory(syn, project, folder, tmp_path):
    source = folder(a="outside", b="device").root
    hostile = syn.store(Folder("..", parent=project))
    syn.store(File(str(source / "a"), parent=hostile, name="evil"))
    syn.store(File(str(source / "b"), parent=project, name="con"))
    target = LocalDirectory(tmp_path / "target" / "inner")
    _, results = download(syn, project, target)
    assert [one.error for one in results if one.error] == []
    written = {str(one.relative_to(tmp_path)) for one in (tmp_path / "target").rglob("*")}
    inner = {f"target/inner/{hostile.id}", f"target/inner/{hostile.id}/evil", "target/inner/_con"}
    assert written == {"target/inner", *inner}
    assert download(syn, project, target)[0].counts["same"] == 2


def test_a_symbolic_link_in_the_target_does_not_lead_outside(syn, project, folder, tmp_path):
    upload(syn, folder(sub__a="1", b="2"), project)
    target = tmp_path / "target"
    (tmp_path / "outside").mkdir()
    target.mkdir()
    (target / "sub").symlink_to(tmp_path / "outside")
    (tmp_path / "other").write_text("kept")
    (target / "b").symlink_to(tmp_path / "other")
    plan, results = download(syn, project, LocalDirectory(target))
    assert set(plan.refused) == {"sub", "sub/a"}
    assert [one.error for one in results if one.error] == []
    assert list((tmp_path / "outside").iterdir()) == []
    assert ((target / "b").read_text(), (target / "b").is_symlink()) == ("2", False)
    assert (tmp_path / "other").read_text() == "kept"


def test_links_in_the_source_are_followed_without_loops(syn, project, folder, tmp_path):
    directory = folder(a="1", sub__b="2")
    (tmp_path / "elsewhere").write_text("3")
    (directory.root / "link").symlink_to(tmp_path / "elsewhere")
    (directory.root / "sub/loop").symlink_to(directory.root)
    (directory.root / "broken").symlink_to(tmp_path / "nothing")
    plan = plan_upload(syn, directory, project, PlanOptions())
    assert plan.refused.keys() == {"sub/loop", "broken"}
    assert actions(plan).keys() == {"a", "link", "sub/", "sub/b"}
    plan = plan_upload(syn, directory, project, PlanOptions(follow_symlinks=False))
    assert plan.skipped.keys() == {"link", "sub/loop", "broken"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("é.txt", "invalid characters"), ("empty", "it is empty"), (" a", "starts or ends")],
)
def test_files_that_synapse_cannot_have_are_refused(syn, project, folder, name, reason):
    directory = folder(ok="1")
    (directory.root / name).write_text("" if name == "empty" else "x")
    plan = plan_upload(syn, directory, project, PlanOptions())
    assert reason in plan.refused[name]
    assert actions(plan) == {"ok": "new"}


def test_names_that_differ_in_case_are_different_files(syn, project, folder, tmp_path):
    _, results = upload(syn, folder(A="upper", a="lower"), project)
    assert [one.error for one in results if one.error] == []
    target = LocalDirectory(tmp_path / "target")
    download(syn, project, target)
    assert {one.name: one.read_text() for one in target.root.iterdir()} == {
        "A": "upper", "a": "lower"
    }  # fmt: skip


def test_tables_links_and_external_files_are_skipped_and_named(syn, project, folder, tmp_path):
    from synapse_workflows import Column, Link, Schema

    upload(syn, folder(a="1"), project)
    file = syn.findEntityId("a", project)
    table = syn.store(Schema("t", [Column(name="n", columnType="INTEGER")], parent=project))
    sub = syn.store(Folder("sub", parent=project))
    syn.store(Link(file, parent=sub))
    url = "https://user:secret@example.org/x.csv"
    syn.store(File(url, parent=project, name="x.csv", synapseStore=False))
    plan, _ = download(syn, project, LocalDirectory(tmp_path / "target"))
    assert plan.skipped["t"] == f"{table.id} is a Table"
    assert plan.skipped["sub/a"].endswith("is a Link")
    assert "https://example.org/x.csv" in plan.skipped["x.csv"]
    assert "secret" not in str(plan.to_json())
    plan = plan_upload(syn, folder(t="x"), project, PlanOptions())
    assert "is a Table" in plan.refused["t"]
    assert "sub/a" not in actions(plan)


def test_one_failed_file_does_not_stop_the_others(syn, project, folder):
    directory = folder(a="1", b="2", c="3")
    plan = plan_upload(syn, directory, project, PlanOptions())
    folder(b="changed meanwhile")
    (directory.root / "c").unlink()
    results = {one.item.path: one for one in apply_plan(syn, directory, plan, ApplyOptions())}
    assert {path: bool(one.error) for path, one in results.items()} == {
        "a": False, "b": True, "c": True
    }  # fmt: skip
    assert "changed after it was compared" in results["b"].error
    assert tree(syn, project) == {"a": 1}


def test_a_plan_is_applied_to_the_copy_of_another_worker(syn, project, folder, tmp_path):
    """The files of the copy have the same content and other times."""
    upload(syn, folder(a="1"), project)
    directory = folder(a="2", b="3", sub__c="4")
    plan = plan_upload(syn, directory, project, PlanOptions())
    copy = LocalDirectory(shutil.copytree(directory.root, tmp_path / "copy"))
    for path in copy.root.rglob("*"):
        os.utime(path, (1, 1))
    results = apply_plan(syn, copy, plan, ApplyOptions())
    assert [one.error for one in results if one.error] == []
    assert tree(syn, project) == {"a": 2, "b": 1, "sub/": None, "sub/c": 1}


def test_nothing_is_deleted_if_a_file_failed(syn, project, folder):
    directory = folder(a="1", b="2")
    upload(syn, directory, project)
    (directory.root / "a").unlink()
    folder(b="22", c="3")
    plan = plan_upload(syn, directory, project, PlanOptions())
    (directory.root / "c").unlink()
    results = apply_plan(syn, directory, plan, ApplyOptions(delete_extra=True))
    assert [one.item.path for one in results if one.error] == ["c"]
    assert tree(syn, project) == {"a": 1, "b": 2}


def test_a_version_of_another_client_is_not_replaced(syn, project, folder, tmp_path):
    directory = folder(a="1")
    upload(syn, directory, project)
    folder(a="22")
    plan = plan_upload(syn, directory, project, PlanOptions())
    (tmp_path / "a").write_text("of another client")
    syn.store(File(str(tmp_path / "a"), parent=project))
    (result,) = apply_plan(syn, directory, plan, ApplyOptions())
    assert "was stored by another client" in result.error
    assert tree(syn, project) == {"a": 2}


def test_a_changed_target_file_is_not_overwritten(syn, project, folder, tmp_path):
    upload(syn, folder(a="1", b="2"), project)
    target = LocalDirectory(tmp_path / "target")
    plan = plan_download(syn, project, target, PlanOptions())
    target.root.mkdir()
    (target.root / "a").write_text("mine")
    (target.root / "b").write_text("2")
    results = apply_plan(syn, target, plan, ApplyOptions())
    assert {one.item.path: bool(one.error) for one in results} == {"a": True, "b": False}
    assert (target.root / "a").read_text() == "mine"


def test_annotations_are_kept(syn, project, folder, tmp_path):
    directory = folder(a="1")
    path = str(directory.root / "a")
    file = syn.store(File(path, parent=project, annotations={"n": 1}))
    folder(a="22")
    upload(syn, directory, project)
    assert syn.get(file.id, downloadFile=False).annotations == {"n": [1]}
    assert tree(syn, project) == {"a": 2}


def test_a_plan_is_json_that_can_be_split(syn, project, folder):
    directory = folder(**{f"f{number}": f"{number}" for number in range(7)})
    plan = plan_upload(syn, directory, project, PlanOptions())
    parts = [SyncPlan.from_json(one.to_json()) for one in plan.split(3)]
    assert sorted(one.path for part in parts for one in part.items) == sorted(actions(plan))
    assert [part.shard for part in parts] == [(1, 3), (2, 3), (3, 3)]
    for part in (*parts, parts[0]):
        assert not any(one.error for one in apply_plan(syn, directory, part, ApplyOptions()))
    assert set(tree(syn, project).values()) == {1}


def test_concurrent_runs_store_each_file_and_folder_once(socket_service, syn, project, folder):
    directory = folder(**{f"sub__deep__{number}": f"{number}" for number in range(4)})

    def run(_):
        with socket_service.client(cache_root_dir=str(directory.root.parent)) as client:
            return upload(client, directory, project)[1]

    with ThreadPoolExecutor(3) as pool:
        for results in pool.map(run, range(3)):
            assert [one.error for one in results if one.error] == []
    files = {f"sub/deep/{number}": 1 for number in range(4)}
    assert tree(syn, project) == {"sub/": None, "sub/deep/": None} | files


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", "", "a//b", "a\\..\\b"])
def test_a_plan_with_a_path_outside_is_invalid(path):
    item = {"action": "new", "kind": "file", "path": path, "entity_id": "syn1", "version": 1}
    ends = {"direction": "from_synapse", "source": "syn1", "target": "/target"}
    with pytest.raises(ValueError, match="Invalid item"):
        SyncPlan.from_json(ends | {"items": [item], "skipped": {}, "refused": {}})


def test_a_full_disk_is_noticed_before_the_download(syn, project, folder, tmp_path):
    from dataclasses import replace

    from synapse_workflows.client.errors import SynapseDownloadError

    upload(syn, folder(a="1"), project)
    target = LocalDirectory(tmp_path / "target")
    plan = plan_download(syn, project, target, PlanOptions())
    plan = replace(plan, items=[replace(one, size=10**18) for one in plan.items])
    with pytest.raises(SynapseDownloadError, match="Not enough space"):
        apply_plan(syn, target, plan, ApplyOptions())
    assert not target.root.exists()


def test_partial_downloads_and_manifests_are_left_alone(syn, project, folder):
    directory = folder(a="1")
    for name in ("x.synapse_download_1", "SYNAPSE_METADATA_MANIFEST.tsv"):
        (directory.root / name).write_text("x")
    os.mkfifo(directory.root / "pipe")
    plan, _ = upload(syn, directory, project)
    assert actions(plan) == {"a": "new"}
    assert plan.refused == {"pipe": "it is a pipe, a socket or a device"}


def test_folders_with_ignored_files_are_kept(syn, project, folder, tmp_path):
    upload(syn, folder(a="1"), project)
    target = LocalDirectory(tmp_path / "target")
    for name in ("old/x.synapse_download_1", "old2/SYNAPSE_METADATA_MANIFEST.tsv"):
        (target.root / name).parent.mkdir(parents=True)
        (target.root / name).write_text("x")
    (target.root / "empty").mkdir()
    plan, results = download(syn, project, target, delete_extra=True)
    assert actions(plan) == {"a": "new", "empty/": "extra"}
    assert [one.error for one in results if one.error] == []


class CaselessDirectory(LocalDirectory):
    """Directory whose file system ignores the case of names, as on other operating systems."""

    def find_case_conflict(self, path, paths):
        """Return another path that is the same file."""
        return paths.get(path.casefold())


def test_a_file_system_that_ignores_case(syn, project, folder, tmp_path):
    upload(syn, folder(A__x="1", a__y="2", B="3", b="4", c__d="5", C="6"), project)
    target = CaselessDirectory(tmp_path / "target")
    plan = plan_download(syn, project, target, PlanOptions())
    assert plan.refused.keys() == {"b", "C"}
    (target.root / "a").mkdir(parents=True)
    for name, content in (("a/X", "1"), ("a/Y", "2"), ("b", "3")):
        (target.root / name).write_text(content)
    (target.root / "a/x").symlink_to("X")
    (target.root / "a/y").symlink_to("Y")
    (target.root / "B").symlink_to("b")
    (target.root / "A").symlink_to("a")
    plan = plan_download(syn, project, target, PlanOptions())
    assert plan.counts["same"] == 3
    assert plan.counts["extra"] == 0


def test_a_file_with_the_name_of_a_folder_is_refused(syn, project, folder):
    rows = [ManifestRow(2, "a", "", "sub", {}), ManifestRow(3, "sub/b", "", "", {})]
    plan = plan_upload(syn, folder(a="1", sub__b="2"), project, PlanOptions(), rows)
    assert "the parent of a folder" in plan.refused["a"]
    assert actions(plan) == {"sub/": "new", "sub/b": "new"}


@pytest.mark.parametrize(
    "form",
    [
        "https://user:{}@example.org/x.bin", "https://example.org/x.bin?X-Amz-Signature={}",
        "https://example.org/x.bin?a=1&token={}", "https://example.org/x.bin?sv=1&sig={}",
    ],
)  # fmt: skip
def test_credentials_in_a_manifest_are_not_in_the_plan(syn, project, folder, form):
    secret = "secret-7f3a9b"
    url = form.format(secret)
    rows = [ManifestRow(2, "a", "", "", {"used": url}), ManifestRow(3, url, "", "", {})]
    plan = plan_upload(syn, folder(a="1"), project, PlanOptions(), rows)
    assert "credentials" in plan.refused["https://example.org/x.bin"]
    assert secret not in str(plan.to_json())
    (result,) = apply_plan(syn, folder(), plan, ApplyOptions())
    assert syn.getProvenance(result.entity_id)["used"][0]["url"] == "https://example.org/x.bin"


def test_a_comparison_logs_its_progress(syn, project, folder, monkeypatch, caplog):
    monkeypatch.setattr("synapse_workflows.sync.results._INTERVAL", 0)
    caplog.set_level("INFO")
    monkeypatch.setattr(syn, "logger", logging.getLogger("sync"))
    directory = folder(a="1", b="2")
    upload(syn, directory, project)
    download(syn, project, directory)
    for end in (directory.url, project):
        assert f"Comparing {end}: 2 of 2 files" in caplog.text


def test_a_manifest_without_a_deleted_file_is_not_written(syn, project, folder, tmp_path):
    directory = folder(a="1", b="2")
    upload(syn, directory, project)
    plan = plan_download(syn, project, directory, PlanOptions())
    syn.delete(syn.findEntityId("a", project))
    with pytest.raises(ItemError, match="a: the file was deleted in Synapse during the run"):
        write_download_manifest(syn, directory, plan, tmp_path / "manifest.tsv")
