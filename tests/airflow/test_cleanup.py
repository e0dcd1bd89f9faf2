"""Tests of `clean_staging`: what is stored, or older than a limit, is removed and nothing else."""

import logging
import os
import threading
import time
from datetime import timedelta

import pytest
from airflow.sdk import DAG, task
from fsspec.implementations.local import LocalFileSystem
from support.execution_api import Run

from synapse_workflows import clean_staging, staged
from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.operator_arguments import InvalidArgumentError

DAY = 86400


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Folder of `[synapse] staging`."""
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.fixture
def stage(api, tmp_path, shared):
    """Function that stages a file in a run, and returns its path in the folder."""

    def run(run_id, days=0):
        path = tmp_path / "a.txt"
        path.write_text(run_id)
        with DAG("cleaned", schedule=None) as dag:

            @task
            def make():
                return staged(path)

            make()
        reference = Run(api, dag, run_id).all().value("make")
        result = shared / "synapse-staged" / reference["staged"]
        os.utime(result, (time.time() - days * DAY,) * 2)
        return result

    return run


@pytest.fixture
def clean_run(api):
    """Function that cleans in a task of a run."""

    def run(run_id, **options):
        with DAG("cleaned", schedule=None) as dag:

            @task
            def clean():
                return clean_staging(**options)

            clean()
        return Run(api, dag, run_id).all().value("clean")

    return run


def test_old_files_of_all_runs_are_removed_with_empty_directories(stage, shared):
    old, new = stage("old", 8), stage("new", 6)
    assert clean_staging(timedelta(days=7)) == {"files": 1, "size": 3, "dry_run": False}
    assert new.exists()
    assert not old.exists()
    assert [path.name for path in (shared / "synapse-staged" / "cleaned").iterdir()] == ["new"]
    assert clean_staging(7 * DAY)["files"] == 0


def test_a_dry_run_lists_the_files_and_removes_nothing(stage, caplog):
    caplog.set_level(logging.INFO)
    old = stage("old", 8)
    result = clean_staging(timedelta(days=7), dry_run=True)
    assert result == {"files": 1, "size": 3, "dry_run": True}
    assert old.exists()
    assert "would remove cleaned/old/make/single/1/" in caplog.text


def test_a_task_removes_the_files_of_its_run_only(stage, clean_run):
    own, other = stage("own", 8), stage("other", 8)
    assert clean_run("own")["files"] == 1
    assert not own.exists()
    assert other.exists()


def test_files_of_others_and_targets_of_links_are_kept(stage, shared, tmp_path):
    staged_path = stage("old", 8)
    outside = tmp_path / "outside" / "make" / "single" / "1" / staged_path.name
    beside = shared / "cleaned" / "old" / "make" / "single" / "1" / staged_path.name
    foreign = [
        outside,
        beside,
        staged_path.with_name("notes.txt"),
        staged_path.with_name(f"{staged_path.name}.part"),
        shared / "synapse-staged" / "a.txt",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of others")
        os.utime(path, (1, 1))
    (shared / "synapse-staged" / "cleaned" / "linked").symlink_to(tmp_path / "outside")
    staged_path.with_name("0" * 32).symlink_to(foreign[2])
    assert clean_staging(DAY)["files"] == 1
    assert [path for path in foreign if not path.exists()] == []


def test_interrupted_uploads_are_removed_when_they_are_old(stage):
    path = stage("old")
    partial = path.with_name(f"{path.name}.{'a' * 32}.part")
    partial.write_text("partial")
    assert clean_staging(DAY)["files"] == 0
    os.utime(partial, (1, 1))
    assert clean_staging(DAY)["files"] == 1
    assert path.exists()


def test_a_file_that_cannot_be_removed_does_not_keep_the_others(stage, monkeypatch):
    kept, removed = stage("a", 8), stage("b", 8)
    remove = LocalFileSystem.rm_file

    def refuse(file_system, path):
        if path == str(kept):
            raise PermissionError(f"Permission denied: {path}")
        remove(file_system, path)

    monkeypatch.setattr(LocalFileSystem, "rm_file", refuse)
    with pytest.raises(SynapseTransferError, match=r"1 of 2 .* Permission denied"):
        clean_staging(DAY)
    assert kept.exists()
    assert not removed.exists()


def test_two_cleanups_at_once_remove_each_file_once(stage):
    for number in range(20):
        stage(f"old{number}", 8)
    counts = []
    threads = [
        threading.Thread(target=lambda: counts.append(clean_staging(DAY)["files"]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 20


def test_an_empty_staging_area_is_no_error(shared):
    assert clean_staging(DAY) == {"files": 0, "size": 0, "dry_run": False}


@pytest.mark.parametrize("limit", [0, -1, "7d", float("nan")])
def test_an_invalid_limit_fails(shared, limit):
    with pytest.raises(InvalidArgumentError, match="older_than"):
        clean_staging(limit)


def test_without_a_limit_and_a_run_nothing_is_removed(shared):
    with pytest.raises(RuntimeError, match="Pass older_than"):
        clean_staging()
