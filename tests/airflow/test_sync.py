"""Synchronization of a folder with a directory, as a task."""

import json
from itertools import count
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from airflow.sdk import DAG
from airflow.sdk.io import attach
from support.execution_api import Run

from synapse_workflows import File, Folder, SynapseSyncOperator
from synapse_workflows.operator_arguments import InvalidArgumentError

NUMBERS = count(1)


@pytest.fixture
def source(tmp_path):
    """A directory with two files."""
    root = tmp_path / "source"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text(f"a {uuid4()}")
    (root / "sub/b.txt").write_text(f"b {uuid4()}")
    return root


@pytest.fixture
def sync(api):
    """Function that runs the operator; returns its value, or its error."""

    def execute(direction, source, target, tries=1, **arguments):
        run, result = start(api, direction, source, target, tries, **arguments)
        return run.value("sync") if result.error is None else result.error

    return execute


def start(api, direction, source, target, tries=1, **arguments):
    with DAG(f"sync_{next(NUMBERS)}", schedule=None) as dag:
        SynapseSyncOperator(
            task_id="sync",
            direction=direction,
            source=source,
            target=target,
            retries=tries - 1,
            **arguments,
        )
    run = Run(api, dag)
    for _ in range(tries):
        result = run.task("sync", max_tries=tries - 1)
    return run, result


def versions(syn, parent, path=""):
    found = {}
    for child in syn.getChildren(parent):
        if child["type"].endswith("Folder"):
            found |= versions(syn, child["id"], f"{path}{child['name']}/")
        else:
            found[path + child["name"]] = child["versionNumber"]
    return found


COUNTS = ("new", "changed", "same", "extra", "deleted", "skipped")


def counts(value):
    assert isinstance(value, dict), value
    return {name: value[name] for name in COUNTS if value[name]}


def test_upload_stores_what_differs_with_one_activity(sync, alice, project, source, sources_of):
    done = sync("to_synapse", str(source), project, used="https://example.org/raw")
    assert counts(done) == {"new": 2}
    assert [(one["path"], one["outcome"], one["version"]) for one in done["files"]] == [
        ("a.txt", "new", 1), ("sub/b.txt", "new", 1)
    ]  # fmt: skip
    activities = {alice.getProvenance(one["id"])["id"] for one in done["files"]}
    assert len(activities) == 1
    (source / "a.txt").write_text("other")
    assert counts(sync("to_synapse", str(source), project)) == {"changed": 1, "same": 1}
    assert versions(alice, project) == {"a.txt": 2, "sub/b.txt": 1}


def test_download_to_a_directory_writes_a_manifest(sync, project, source, tmp_path):
    sync("to_synapse", str(source), project)
    done = sync("from_synapse", project, str(tmp_path / "target"))
    assert counts(done) == {"new": 2}
    assert done["manifest"] == str(tmp_path / "target/SYNAPSE_METADATA_MANIFEST.tsv")
    assert (tmp_path / "target/sub/b.txt").read_text() == (source / "sub/b.txt").read_text()
    done = sync("from_synapse", project, str(tmp_path / "target"), write_manifest=False)
    assert (counts(done), done["manifest"]) == ({"same": 2}, None)


def test_all_files_of_the_directory_are_sources_of_the_task(api, project, source, tmp_path):
    """Files that were the same count as well: the directory has their content."""
    stored = start(api, "to_synapse", str(source), project)[0].value("sync")["files"]
    for _ in range(2):
        run, result = start(api, "from_synapse", project, str(tmp_path / "target"))
        assert result.error is None
        assert all(one["id"] in str(run.record("sync")) for one in stored)


@pytest.mark.parametrize("url", ["memory", "s3"])
def test_object_storage_on_both_sides(sync, alice, project, source, url, request):
    """Objects are compared by etag, and read only if it may not be the MD5."""
    other = alice.store(Folder(f"other {uuid4()}", parent=project)).id
    sync("to_synapse", str(source), other)
    base = f"memory://bucket-{uuid4()}" if url == "memory" else request.getfixturevalue("bucket")
    target = f"{base}/run 1/files"
    assert counts(sync("from_synapse", other, target)) == {"new": 2}
    assert counts(sync("from_synapse", other, target)) == {"same": 2}
    files = fsspec.filesystem(url)
    assert files.cat_file(f"{target}/sub/b.txt") == (source / "sub/b.txt").read_bytes()
    back = alice.store(Folder(f"back {uuid4()}", parent=project)).id
    assert counts(sync("to_synapse", target, back)) == {"new": 2}
    assert counts(sync("to_synapse", target, back)) == {"same": 2}
    files.pipe_file(f"{target}/a.txt", b"changed")
    files.pipe_file(f"{target}/c.txt", b"new")
    assert counts(sync("to_synapse", target, back)) == {"new": 1, "changed": 1, "same": 1}
    done = sync("from_synapse", other, target, delete_extra=True)
    assert counts(done) == {"changed": 1, "same": 1, "extra": 1, "deleted": 1}
    assert not files.exists(f"{target}/c.txt")


@pytest.fixture
def bucket(s3_service):
    """URL of a new bucket of the S3 server."""
    from support.s3_service import use_bucket

    name = f"sync-{next(NUMBERS)}"
    with use_bucket(s3_service, name):
        fsspec.filesystem("s3").clear_instance_cache()
        yield f"s3://{name}"
        fsspec.filesystem("s3").clear_instance_cache()


def test_an_empty_or_missing_source_deletes_nothing(sync, alice, project, source, tmp_path):
    sync("to_synapse", str(source), project)
    (tmp_path / "empty").mkdir()
    for path in ("empty", "missing"):
        error = sync("to_synapse", str(tmp_path / path), project, delete_extra=True)
        assert "Nothing was changed" in str(error) or "does not exist" in str(error)
        assert type(error).__name__ == "AirflowFailException"
    assert len(versions(alice, project)) == 2
    done = sync(
        "to_synapse", str(tmp_path / "empty"), project, delete_extra=True, allow_empty=True
    )
    assert counts(done) == {"extra": 2, "deleted": 2}
    assert versions(alice, project) == {}


def test_unsupported_files_fail_before_anything_is_changed(sync, alice, project, source):
    (source / "empty").touch()
    error = sync("to_synapse", str(source), project)
    assert "empty: it is empty" in str(error)
    assert versions(alice, project) == {}
    done = sync("to_synapse", str(source), project, unsupported="skip")
    assert counts(done) == {"new": 2, "skipped": 1}


def test_include_and_exclude_apply_to_both_sides(sync, alice, project, source):
    sync("to_synapse", str(source), project)
    (source / "a.txt").unlink()
    done = sync("to_synapse", str(source), project, include="sub/*", delete_extra=True)
    assert counts(done) == {"same": 1}
    assert len(versions(alice, project)) == 2


def test_mapped_tasks_apply_the_parts_of_a_plan(api, alice, project, source):
    for number in range(6):
        (source / f"sub/{number}.txt").write_text(f"{number} {uuid4()}")
    common = {"direction": "to_synapse", "source": str(source), "target": project}
    with DAG(f"sync_{next(NUMBERS)}", schedule=None) as dag:
        plan = SynapseSyncOperator(task_id="plan", mode="plan", shards=3, **common)
        SynapseSyncOperator.partial(task_id="apply", **common).expand(plan=plan.output)
    run = Run(api, dag)
    run.task("plan")
    assert versions(alice, project) == {}
    parts = run.value("plan")
    assert len(parts) == 3
    for index in range(3):
        assert run.task("apply", map_index=index).error is None
    assert len(versions(alice, project)) == 8
    assert set(versions(alice, project).values()) == {1}


def test_parts_of_a_plan_delete_nothing(sync, alice, project, source):
    """Another part may fail to store the new place of a file."""
    sync("to_synapse", str(source), project)
    (source / "a.txt").rename(source / "sub/a.txt")
    parts = sync("to_synapse", str(source), project, mode="plan", shards=2)
    error = sync("to_synapse", str(source), project, plan=parts[0], delete_extra=True)
    assert type(error).__name__ == "AirflowFailException"
    assert "Add a task after all parts" in str(error)
    assert versions(alice, project) == {"a.txt": 1, "sub/b.txt": 1}


def test_parts_of_a_plan_write_manifests_of_their_own(sync, project, source, tmp_path):
    sync("to_synapse", str(source), project)
    common = {"direction": "from_synapse", "source": project, "target": str(tmp_path / "t")}
    parts = sync(**common, mode="plan", shards=2)
    done = [sync(**common, plan=one, manifest_path="meta/m.tsv")["manifest"] for one in parts]
    assert done == [str(tmp_path / f"t/meta/m.{number}-of-2.tsv") for number in (1, 2)]
    rows = [line for path in done for line in Path(path).read_text().splitlines()[1:]]
    assert sorted(row.split("\t")[2] for row in rows) == ["a.txt", "b.txt"]
    done = sync(**common, manifest_path="meta/m.tsv", delete_extra=True)
    assert counts(done) == {"same": 2}
    assert len(list((tmp_path / "t/meta").iterdir())) == 3


@pytest.mark.parametrize("path", ["a.txt", "sub", "sub/../a.txt"])
def test_a_manifest_does_not_replace_a_file(sync, project, source, tmp_path, path):
    sync("to_synapse", str(source), project)
    for exists in (False, True):
        error = sync("from_synapse", project, str(tmp_path / "t"), manifest_path=path)
        assert "manifest_path" in str(error)
        if not exists:
            sync("from_synapse", project, str(tmp_path / "t"))
    assert (tmp_path / "t/a.txt").read_text() == (source / "a.txt").read_text()


def test_a_manifest_is_written_with_the_connection_of_the_target(sync, project, source):
    attach("memory", "sync_store", fs=fsspec.filesystem("memory"))
    sync("to_synapse", str(source), project)
    name = f"b-{uuid4()}"
    done = sync("from_synapse", project, f"memory://sync_store@{name}/x")
    assert done["manifest"] == f"memory://{name}/x/SYNAPSE_METADATA_MANIFEST.tsv"
    path = f"memory://sync_store@{name}/x"
    done = sync("to_synapse", path, project, manifest_path="SYNAPSE_METADATA_MANIFEST.tsv")
    assert counts(done) == {"same": 2}


def test_a_plan_of_other_arguments_is_refused(sync, project, source, tmp_path):
    plan = sync("to_synapse", str(source), project, mode="plan")
    assert plan["counts"]["new"] == 2
    error = sync("to_synapse", str(tmp_path), project, plan=plan)
    assert "Make the plan with the same arguments" in str(error)
    assert counts(sync("to_synapse", str(source), project, plan=json.dumps(plan))) == {"new": 2}
    plan["items"][0]["path"] = "../../etc/passwd"
    assert "Invalid plan" in str(sync("to_synapse", str(source), project, plan=plan))
    for invalid in ({"a": 1}, "{", {**plan, "items": [{**plan["items"][1], "size": "1"}]}):
        assert "Invalid plan" in str(sync("to_synapse", str(source), project, plan=invalid))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "up"}, "direction"),
        ({"mode": "dry"}, "mode"),
        ({"unsupported": "ignore"}, "unsupported"),
        ({"shards": 2}, "mode='plan'"),
        ({"delete_extra": "no"}, "delete_extra"),
    ],
)
def test_invalid_arguments_fail_at_parse_time(arguments, message):
    valid = {"direction": "to_synapse", "source": "/a", "target": "syn1"}
    with pytest.raises(InvalidArgumentError, match=message):
        SynapseSyncOperator(task_id="sync", **valid | arguments)


def test_a_container_must_be_a_folder(sync, alice, project, source, tmp_path):
    file = alice.store(File(str(source / "a.txt"), parent=project)).id
    assert "Pass a project or a folder" in str(sync("to_synapse", str(source), file))
    assert "target" in str(sync("to_synapse", str(source), "nonsense"))
    (tmp_path / "file").write_text("x")
    assert "not a directory" in str(sync("from_synapse", project, str(tmp_path / "file")))
