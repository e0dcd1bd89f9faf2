"""Tests of `staged`: a file that one task makes and another one takes, on workers without a
common disk."""

import errno
import io
import json
import logging
import os
import runpy
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import fsspec
import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow.sdk._shared.secrets_masker import redact as mask
from airflow.sdk.exceptions import AirflowFailException
from fsspec.implementations.local import LocalFileSystem
from support.execution_api import Run
from support.guides import write_dag

from synapse_workflows import (
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseSyncOperator,
    SynapseTableStoreOperator,
    SynapseWikiOperator,
    local_path,
    staged,
)
from synapse_workflows.client.core.cache import Cache
from synapse_workflows.client.errors import (
    SynapseConfigError,
    SynapseDownloadError,
    SynapseFileNotFoundError,
    SynapseMalformedEntityError,
    SynapseMd5MismatchError,
    SynapseTransferError,
)
from synapse_workflows.client.transfer.progress import ProgressLog
from synapse_workflows.operator_arguments import InvalidArgumentError, is_staged
from synapse_workflows.provider_info import get_provider_info
from synapse_workflows.staging import transfer_retries

RUNS = count(1)
TEXT = "a name,n\nx,1\n"


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Folder of `[synapse] staging`, which all workers share."""
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.fixture(autouse=True)
def cache(worker, monkeypatch):
    """Cache of the worker, whatever the connection."""
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CACHE_DIR", str(worker))
    return worker


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    """Repeat transfers without waiting."""
    monkeypatch.setattr(transfer_retries, "_WAIT_SECONDS", 0)


@pytest.fixture
def disk(tmp_path):
    """Folder of a worker that another worker does not have."""
    path = tmp_path / "disk"
    path.mkdir()
    return path


@pytest.fixture
def stage(api, disk):
    """Function that stages a file in a task; returns the result and the run."""

    def run(path=None, *, text=TEXT, tries=1, run_id=None):
        given = disk / "summary.csv" if path is None else path

        with DAG("stage", schedule=None) as dag:

            @task(retries=5)
            def make():
                if path is None:
                    given.write_text(text)
                return staged(given)

            make()
        one = Run(api, dag, run_id or f"run_{next(RUNS)}")
        for _ in range(tries):
            result = one.task("make", max_tries=5)
        return result, one

    return run


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read(reference):
    return Path(local_path(reference)).read_text()


def test_a_reference_is_small_json_without_a_path_of_the_worker(stage, shared):
    _, run = stage(run_id="manual__2026-11-22T12:00:00+00:00")
    reference = run.value("make")
    assert json.loads(json.dumps(reference)) == reference
    assert reference.keys() == {
        "staged", "name", "size", "md5", "dag_id", "run_id", "task_id", "map_index",
    }  # fmt: skip
    assert (reference["name"], reference["size"]) == ("summary.csv", len(TEXT))
    assert str(shared) not in json.dumps(reference)
    assert files_in(shared) == [f"synapse-staged/{reference['staged']}"]


def test_a_file_is_stored_by_a_worker_with_another_disk(
    api, put, project, table, disk, shared, alice, rows_of, sources_of
):
    """All operators that take a file take the reference; all see what the first task has read."""
    entity = put("raw.csv", TEXT)
    with DAG("across", schedule=None) as dag:

        @task
        def make():
            path = disk / "summary.csv"
            shutil.copy(SynapseHook().client.get(entity).path, path)
            return staged(path)

        made = make()
        SynapseStoreOperator(task_id="store", path=made, parent_id=project)
        SynapseTableStoreOperator(task_id="rows", rows=made, table_id=table)
        SynapseStoreOperator(
            task_id="text", path="{{ ti.xcom_pull('make') }}", parent_id=project, name="text.csv"
        )
        SynapseWikiOperator(
            task_id="wiki", entity_id=project, markdown_path=made, attachments=[made]
        )

        @task
        def use(file):
            return Path(local_path(file)).read_text()

        use(made)
    run = Run(api, dag)
    run.task("make")
    shutil.rmtree(disk)
    for name in ("store", "rows", "text", "wiki", "use"):
        assert run.task(name).state == "success"
    stored = run.value("store")
    assert (stored["name"], stored["size"]) == ("summary.csv", len(TEXT))
    assert Path(alice.get(stored["id"]).path).read_text() == TEXT
    assert rows_of(table) == [["x", 1]]
    assert run.value("use") == TEXT
    for name in ("store", "rows", "text"):
        used, executed = sources_of(run.value(name)["id"])
        assert used == [entity]
        assert len(executed) == 1
    assert "shared" not in json.dumps(run.record("store"))


def test_stage_a_summary(api, put, project, shared, alice, sources_of, tmp_path):
    """The DAG of the guide."""
    raw = put("raw.csv", TEXT)
    ids = {"syn123": raw.partition(".")[0], "syn456": project}
    names = runpy.run_path(str(write_dag(tmp_path, "stage_a_summary", ids)))
    run = Run(api, names["stage_a_summary"]()).all()
    stored = run.value("store")["id"]
    assert Path(alice.get(stored).path).read_text() == "2 lines\n"
    assert sources_of(stored)[0] == [raw]
    assert files_in(shared) == []


def test_a_stored_staged_file_is_pinned_while_a_task_uses_it(api, stage, shared, project, cache):
    staged_file = stage()[1].value("make")
    with DAG("pinned", schedule=None) as dag:
        stored = SynapseStoreOperator(task_id="store", path=staged_file, parent_id=project).output

        @task
        def use(file):
            path = Path(local_path(file))
            Cache(cache / "staged", limit=0).make_room()
            return path.read_text()

        use(stored)
    assert Run(api, dag).all().value("use") == TEXT


def test_a_staged_file_of_another_run_is_a_gap(api, stage, shared, project, caplog):
    reference = stage()[1].value("make")
    with DAG("later", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path="{{ dag_run.conf['file'] }}", parent_id=project)
    run = Run(api, dag, conf={"file": reference}).all()
    (gap,) = run.record("store")["gaps"]
    assert "summary.csv, which task make of run" in gap


def test_lineage_comes_also_through_a_task_that_stored_something(
    api, put, project, disk, shared, sources_of
):
    entity = put("raw.csv", TEXT)
    with DAG("passed", schedule=None) as dag:

        @task
        def make():
            path = disk / "summary.csv"
            path.write_text(SynapseHook().client.get(entity).path)
            return staged(path)

        @task
        def log(file):
            (disk / "log.txt").write_text("log")
            SynapseHook().store_file(disk / "log.txt", project)
            return file

        SynapseStoreOperator(task_id="store", path=log(make()), parent_id=project)
    run = Run(api, dag).all()
    used, _ = sources_of(run.value("store")["id"])
    assert entity in used


def test_a_retry_replaces_what_earlier_tries_have_staged(stage, shared, disk):
    contents = iter(["first\n", "second\n", "third\n"])
    path = disk / "changing.txt"

    class Changing(os.PathLike):
        def __fspath__(self):
            path.write_text(next(contents))
            return str(path)

    _, run = stage(Changing(), tries=3)
    reference = run.value("make")
    assert files_in(shared) == [f"synapse-staged/{reference['staged']}"]
    assert read(reference) == "third\n"


def test_the_reference_of_a_frozen_try_gives_what_its_retry_has_staged(stage, shared, disk):
    """A try that is frozen after `staged` may return its reference after the retry has ended."""
    late = stage(run_id="frozen")[1].value("make")
    _, run = stage(run_id="frozen")
    assert run.value("make")["staged"] != late["staged"]
    assert files_in(shared) == [f"synapse-staged/{run.value('make')['staged']}"]
    assert read(late) == TEXT


def test_the_reference_of_a_frozen_try_with_other_content_fails(stage, shared):
    late = stage(run_id="frozen", text="first\n")[1].value("make")
    stage(run_id="frozen", text="second\n")
    with pytest.raises(SynapseFileNotFoundError, match="Clear task make of run 'frozen'"):
        read(late)


def test_files_of_earlier_tries_that_cannot_be_removed_are_no_error(
    stage, shared, monkeypatch, caplog
):
    def refuse(_file_system, path):
        raise PermissionError(f"Permission denied: {path}")

    monkeypatch.setattr(LocalFileSystem, "rm_file", refuse)
    caplog.set_level(logging.WARNING)
    assert read(stage(tries=2)[1].value("make")) == TEXT
    assert "an earlier try has staged remain" in caplog.text


def test_instances_and_files_of_the_same_name_do_not_clash(api, disk, shared):
    with DAG("names", schedule=None) as dag:

        @task
        def make(number):
            paths = [disk / str(number) / part / "same.txt" for part in "ab"]
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{number}{path.parent.name}")
            return staged(paths)

        make.expand(number=[1, 2])
    run = Run(api, dag).all(make=2)
    values = [read(one) for index in (0, 1) for one in run.value("make", map_index=index)]
    assert values == ["1a", "1b", "2a", "2b"]
    names = {one["name"] for index in (0, 1) for one in run.value("make", map_index=index)}
    assert names == {"same.txt"}


@pytest.mark.parametrize("name", ["empty", "ä ö#?*[x].tar.gz", "x" * 250 + ".csv", ".hidden"])
def test_names_and_empty_files_are_kept(stage, shared, disk, name):
    path = disk / name
    path.write_text("")
    reference = stage(path)[1].value("make")
    assert (reference["name"], reference["size"]) == (name, 0)
    assert Path(local_path(reference)).name == name
    assert read(reference) == ""


@pytest.mark.parametrize("form", [str, Path, lambda path: ObjectStoragePath(f"file://{path}")])
def test_a_path_has_several_forms(stage, shared, disk, form):
    path = disk / "a.txt"
    path.write_text("text")
    assert read(stage(form(path))[1].value("make")) == "text"


def test_a_remote_file_is_copied_and_recorded_as_read(stage, shared, put):
    entity = put("raw.csv", TEXT)
    _, run = stage(f"syn://synapse_default@{entity}")
    assert run.value("make")["name"] == "raw.csv"
    assert read(run.value("make")) == TEXT
    (used,) = run.record("make")["used"]
    assert f"{used['id']}.{used['version']}" == entity


def test_a_bash_task_stages_the_file_that_it_prints(api, shared, disk):
    path = disk / "a.txt"
    with DAG("bash", schedule=None) as dag:
        BashOperator(
            task_id="make",
            bash_command=f"printf text > {path}; echo {path}",
            output_processor=staged,
        )
    assert read(Run(api, dag).all().value("make")) == "text"


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", ".."])
def test_a_remote_file_gets_a_safe_name(stage, shared, name):
    with fsspec.filesystem("memory").open(f"/names/{name}", "w") as file:
        file.write(TEXT)
    reference = stage(f"memory://names/{name}")[1].value("make")
    assert len(reference["name"]) <= 255
    assert read(reference) == TEXT


def test_a_name_that_is_no_text_is_rejected(stage, shared, disk):
    path = disk / os.fsdecode(b"a\xff.txt")
    path.write_text(TEXT)
    result, _ = stage(path)
    assert "the name of the file is not UTF-8" in str(result.error)
    assert isinstance(result.error, AirflowFailException)
    assert files_in(shared) == []


def test_a_reference_is_returned_unchanged(stage, shared):
    reference = stage()[1].value("make")
    assert stage(reference)[1].value("make") == reference


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (io.StringIO("x"), "StringIO: expected the path"),
        (b"bytes", "Invalid path of type bytes"),
        (7, "Invalid path of type int"),
        ("", "Invalid path"),
        ("/no/such/file", "File not found on this worker"),
        ("/dev/null", "/dev/null is a pipe or a device"),
        ("nosuch://x/y", "Invalid URL 'nosuch://x/y': Protocol not known"),
        ("ftp://u:hi#dden@x/y", "Invalid URL 'ftp://x/y': the host or the port is invalid"),
    ],
)
def test_an_invalid_path_fails_at_once(stage, shared, path, words):
    result, _ = stage(path)
    assert words in str(result.error)
    assert isinstance(result.error, AirflowFailException | SynapseFileNotFoundError)
    assert files_in(shared) == []


def test_a_directory_is_rejected_with_the_way_out(stage, shared, disk):
    result, _ = stage(disk)
    assert "is a directory; pass the files in it as a list" in str(result.error)


def test_staged_outside_a_task_fails():
    with pytest.raises(RuntimeError, match="outside a running task"):
        staged("/tmp/file")  # noqa: S108


def test_a_removed_file_fails_with_the_way_out(stage, shared):
    reference = stage()[1].value("make")
    shutil.rmtree(shared)
    with pytest.raises(
        SynapseFileNotFoundError, match=r"clean_staging, .* Clear task make of run"
    ):
        local_path(reference)


def test_a_spoilt_file_fails_and_leaves_nothing_in_the_cache(stage, shared, cache):
    reference = stage()[1].value("make")
    (shared / "synapse-staged" / reference["staged"]).write_text("spoilt")
    with pytest.raises(SynapseMd5MismatchError, match=r"is spoilt.* Clear task make"):
        local_path(reference)
    assert [name for name in files_in(cache / "staged") if "summary" in name] == []


def test_the_cache_is_used_and_mended(stage, shared, cache):
    reference = stage()[1].value("make")
    path = Path(local_path(reference))
    path.write_text("spoilt")
    assert read(reference) == TEXT
    shutil.rmtree(shared)
    assert read(reference) == TEXT
    assert path.is_relative_to(cache)


@pytest.mark.parametrize(
    "change",
    [
        *({"staged": key} for key in ("../../etc/passwd", "a/b", "", None)),
        {"task_id": "other"},
        {"map_index": 1},
        {"size": "x"},
        {"name": None},
    ],
)
def test_a_changed_reference_reads_nothing_else(stage, shared, change):
    reference = stage()[1].value("make") | change
    with pytest.raises(InvalidArgumentError, match="not a result of staged"):
        local_path(reference)


@pytest.mark.parametrize(
    ("variable", "value", "executor"),
    [
        ("AIRFLOW__CORE__EXECUTOR", "LocalExecutor,CeleryExecutor", "CeleryExecutor"),
        ("AIRFLOW__CORE__EXECUTOR", "Local:LocalExecutor,Far:my.module.Farm", "Farm"),
        ("AIRFLOW_IS_K8S_EXECUTOR_POD", "True", "KubernetesExecutor"),
    ],
)
def test_the_default_is_a_folder_of_the_machine_with_a_warning(
    stage, tmp_path, monkeypatch, caplog, variable, value, executor
):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    stage()
    assert len(files_in(tmp_path / "home" / "synapse-staging")) == 1
    assert "may run on other machines" not in caplog.text
    monkeypatch.setenv(variable, value)
    caplog.set_level(logging.WARNING)
    reference = stage()[1].value("make")
    assert f" {executor} may run on other machines" in caplog.text
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "other machine"))
    with pytest.raises(SynapseFileNotFoundError, match=r"\[synapse\] staging is not set"):
        local_path(reference)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("relative/folder", "absolute path"),
        ("file://folder/x", "absolute path"),
        ("syn://syn123", "absolute path"),
        ("https://user:hidden@host/x?sig=hidden", "can only be read"),
        ("nosuch://x/y", "Protocol not known"),
        ("s3://user:hidden@[x/y", "Invalid IPv6 URL"),
        ("s3://", "absolute path"),
        ("sftp://user:hidden#1@host/x", "'sftp://host/x': the host or the port is invalid"),
        ("sftp://user:hidden/1@host/x", "'sftp://host/x': the host or the port is invalid"),
    ],
)
def test_an_invalid_setting_fails_without_secrets(stage, monkeypatch, setting, words):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", setting)
    result, _ = stage()
    assert isinstance(result.error, SynapseConfigError)
    assert words in str(result.error)
    assert "[synapse] staging" in str(result.error)
    assert "hidden" not in str(result.error)


def test_during_an_upload_nothing_is_readable(stage, shared, monkeypatch):
    """A worker that is killed there leaves no file that a task or a retry could take."""
    seen = []

    def look(*_args):
        seen.extend(files_in(shared))
        raise SystemExit(143)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressLog, "advance", look)
        stage(run_id="killed")
    (name,) = seen
    partial = shared / name
    assert partial.suffix == ".part"
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text("part")  # what a killed worker leaves
    _, run = stage(run_id="killed")
    assert read(run.value("make")) == TEXT


def test_an_upload_that_fails_for_good_leaves_nothing(stage, shared, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("the disk failed at ftp://user:hidden@host/x")

    monkeypatch.setattr(LocalFileSystem, "mv", fail)
    result, _ = stage()
    assert isinstance(result.error, SynapseTransferError)
    assert "the disk failed" in str(result.error)
    assert "hidden" not in str(result.error)
    assert files_in(shared) == []


def test_a_storage_that_cannot_be_reached_is_named(stage, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", "ftp://user:hidden@127.0.0.1:1/x")
    result, _ = stage()
    assert isinstance(result.error, SynapseTransferError)
    assert "Cannot connect to the staging area ftp://127.0.0.1:1/x" in str(result.error)
    assert "hidden" not in str(result.error)


def test_a_cache_that_cannot_be_written_is_named(stage, shared, cache):
    reference = stage()[1].value("make")
    cache.write_text("no directory")
    with pytest.raises(SynapseDownloadError, match=rf"'summary.csv' to {cache}.*cache_dir"):
        local_path(reference)


@pytest.mark.parametrize("free", [0, 10**9])
def test_a_full_disk_is_named_and_nothing_remains(stage, shared, cache, monkeypatch, free):
    """It is full before the download, or gets full meanwhile."""
    reference = stage()[1].value("make")

    def fail(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, free))
    monkeypatch.setattr(ProgressLog, "advance", fail)
    with pytest.raises(SynapseDownloadError, match=rf"(?i)no.* space.*{free} b") as error:
        local_path(reference)
    assert "staging area" not in str(error.value)
    assert [name for name in files_in(cache) if "summary" in name] == []


@pytest.mark.parametrize("method", ["mv", "open"])
def test_a_temporary_failure_is_repeated(stage, shared, monkeypatch, method):
    """The upload fails once, or the upload and the download."""
    original, failures = getattr(LocalFileSystem, method), count(1)

    def fail_once(*args, **kwargs):
        if next(failures) in (1, 3):
            raise TimeoutError("slow storage")
        return original(*args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, method, fail_once)
    assert read(stage()[1].value("make")) == TEXT


def test_tasks_of_a_worker_download_a_file_once(stage, shared, monkeypatch):
    reference = stage()[1].value("make")
    original, opened = LocalFileSystem.open, []

    def open_slowly(*args, **kwargs):
        opened.append(args[1])
        time.sleep(0.2)
        return original(*args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "open", open_slowly)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, [reference] * 4)) == [TEXT] * 4
    assert len(opened) == 1


def test_a_file_that_changes_meanwhile_is_not_staged(stage, shared, disk, monkeypatch):
    path, original = disk / "growing.txt", ProgressLog.__init__
    path.write_text("start")

    def grow(*args, **kwargs):
        with path.open("a") as file:
            file.write("more")
        original(*args, **kwargs)

    monkeypatch.setattr(ProgressLog, "__init__", grow)
    result, _ = stage(path)
    assert "changed while it was staged" in str(result.error)
    assert files_in(shared) == []


def test_secrets_of_the_setting_are_in_no_xcom_log_or_error(
    api, stage, cache, monkeypatch, caplog, capsys
):
    """The storage is in the memory of this process; the URL has a password as others may have."""
    caplog.set_level(logging.INFO)
    url = "memory://user:hunter2-secret@host/folder"
    monkeypatch.setenv("AIRFLOW__SYNAPSE__STAGING", url)
    reference = stage()[1].value("make")
    assert read(reference) == TEXT
    fsspec.filesystem("memory").store.clear()
    shutil.rmtree(cache)
    with pytest.raises(SynapseFileNotFoundError) as removed:
        local_path(reference)
    texts = [repr(api.requests), str(removed.value), caplog.text, *capsys.readouterr()]
    assert [text for text in texts if "hunter2" in text] == []
    assert mask("hunter2-secret") == "***"
    option = get_provider_info()["config"]["synapse"]["options"]["staging"]
    assert option["sensitive"]


@pytest.mark.parametrize("text", ["", "text"])
def test_an_invalid_store_of_a_staged_file_fails_before_anything_is_created(
    api, stage, shared, disk, project, alice, text
):
    """An empty file, and a name that Synapse does not accept."""
    path = disk / ("a#b?.txt" if text else "empty.txt")
    path.write_text(text)
    reference = stage(path)[1].value("make")
    with DAG("store", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=reference, parent_id=project, folder="new")
    result = Run(api, dag).task("store")
    assert path.name in str(result.error)
    assert isinstance(result.error, AirflowFailException | SynapseMalformedEntityError)
    assert list(alice.getChildren(project)) == []


def test_a_staged_file_is_no_entity(api, stage, shared):
    reference = stage()[1].value("make")
    with DAG("get", schedule=None) as dag:
        SynapseGetOperator(task_id="get", entity_id=reference)
    result = Run(api, dag).task("get")
    assert "the staged file 'summary.csv' is not an entity" in str(result.error)


def test_a_row_with_similar_columns_is_no_staged_file():
    row = {"staged": True, "name": "a", "size": 1, "md5": "x", "dag_id": "y"}
    assert not is_staged(row)


def test_a_manifest_may_be_staged(api, stage, shared, disk, project, alice):
    (disk / "data").mkdir()
    for name in ("a.txt", "b.txt"):
        (disk / "data" / name).write_text(name)
    manifest = stage(text="path\tparent\na.txt\t" + project + "\n")[1].value("make")
    with DAG("sync", schedule=None) as dag:
        SynapseSyncOperator(
            task_id="sync",
            direction="to_synapse",
            source=str(disk / "data"),
            target=project,
            manifest_path=manifest,
        )
    Run(api, dag).all()
    assert [one["name"] for one in alice.getChildren(project)] == ["a.txt"]
    with DAG("down", schedule=None) as dag:
        SynapseSyncOperator(
            task_id="sync",
            direction="from_synapse",
            source=project,
            target=str(disk / "data"),
            manifest_path=manifest,
        )
    assert "the manifest is written there" in str(Run(api, dag).task("sync").error)
