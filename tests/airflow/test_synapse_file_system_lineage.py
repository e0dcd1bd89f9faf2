"""What a task reads and writes through `syn://` has exact versions in its Activity."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import md5

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, ObjectStoragePath, task
from airflow.sdk.io import store
from support.execution_api import ExecutionApi, Run

from synapse_workflows import (
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.filesystem.synapse_file_system import SynapseFileSystem


@pytest.fixture(autouse=True)
def no_attached_stores():
    """Forget the file systems that Airflow keeps per process."""
    store._STORE_CACHE.clear()


def run_task(api, function, *, tries=1, **arguments):
    """Run a function as a task; return its last result and its run."""
    with DAG("paths", schedule=None) as dag:
        task(task_id="work", retries=5, **arguments)(function)()
    run = Run(api, dag)
    for _ in range(tries):
        result = run.task("work", max_tries=5)
    return result, run


@pytest.mark.parametrize("conn_id", ["", "synapse_default@"])
def test_a_task_with_paths_alone_has_its_activity(api, put, project, alice, sources_of, conn_id):
    raw = put(text="a\n1\n").partition(".")[0]
    put(text="a\n1\n2\n")

    def work():
        source = ObjectStoragePath(f"syn://{conn_id}{raw}")
        target = ObjectStoragePath(f"syn://{conn_id}{project}/out/copy.csv")
        assert not target.exists()
        with source.open() as read, target.open("w") as written:
            written.write(read.read())
        return str(target)

    result, run = run_task(api, work)
    assert result.state == "success", result.error
    fs = SynapseFileSystem._strip_protocol
    stored = alice.findEntityId("copy.csv", alice.findEntityId("out", project))
    assert fs(run.value("work")) == f"{project}/out/copy.csv"
    used, executed = sources_of(stored)
    assert used == [f"{raw}.2"]
    assert len(executed) == 1
    record = run.record("work")
    assert record["wrote"][0]["id"] == stored
    assert "syn://" not in str(record)


def test_a_retry_creates_neither_a_version_nor_an_activity(api, project, alice):
    def work():
        path = ObjectStoragePath(f"syn://{project}/out.txt")
        path.write_text("result")
        from airflow.sdk import get_current_context

        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError

    result, _ = run_task(api, work, tries=2)
    assert result.state == "success"
    entity = alice.get(alice.findEntityId("out.txt", project), downloadFile=False)
    assert entity.versionNumber == 1
    generated = alice.restGET(f"/activity/{alice.getProvenance(entity)['id']}/generated")
    assert len(generated["results"]) == 1


def test_pandas_reads_and_writes_are_recorded(api, put, project, filled, alice, sources_of):
    raw = put(text="a\n1\n")

    def work():
        import pandas as pd

        frame = pd.read_csv(f"syn://{raw}")
        pd.read_csv(f"syn://synapse_default@{filled}")
        frame.to_csv(f"syn://synapse_default@{project}/out.csv", index=False)
        frame.to_parquet(f"syn://{project}/out.parquet")

    result, _ = run_task(api, work)
    assert result.state == "success", result.error
    for name in ("out.csv", "out.parquet"):
        used, _ = sources_of(alice.findEntityId(name, project))
        assert used == [raw, f"{filled}.1"]


def test_ranges_of_a_file_are_recorded(api, put, project, alice, sources_of):
    raw = put(text="head" * 4096).partition(".")[0]

    def work():
        with ObjectStoragePath(f"syn://{raw}").open("rb", block_size=1024) as file:
            SynapseFileSystem().pipe_file(raw, b"another version")
            ObjectStoragePath(f"syn://{project}/head.txt").write_bytes(file.read(4))

    result, _ = run_task(api, work)
    assert result.state == "success", result.error
    assert sources_of(alice.findEntityId("head.txt", project))[0] == [f"{raw}.1"]


def test_copies_and_probes(api, put, project, alice, sources_of, tmp_path):
    raw, probed = put(), put(name="probed.csv").partition(".")[0]

    def work():
        path = ObjectStoragePath(f"syn://{project}/copy.csv")
        probe = ObjectStoragePath(f"syn://{probed}")
        assert probe.exists()
        assert probe.stat().st_size == 8
        assert probe.samefile(ObjectStoragePath(f"syn://{project}/probed.csv"))
        assert "probed.csv" in [one.name for one in path.parent.iterdir()]
        ObjectStoragePath(f"syn://{raw}").copy(path)
        path.copy(ObjectStoragePath(f"file://{tmp_path}/local.csv"))

    result, _ = run_task(api, work)
    assert result.state == "success", result.error
    used, _ = sources_of(alice.findEntityId("copy.csv", project))
    assert used == [raw]
    assert (tmp_path / "local.csv").exists()


def test_operators_with_paths_record_the_entities(api, put, project, filled, alice, sources_of):
    raw = put(text="a name,n\n1,2\n")
    path = f"syn://synapse_default@{project}/raw.csv"
    with DAG("operators", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=path, parent_id=project, folder="store")
        SynapseGetOperator(task_id="get", entity_id=raw, download_dir=f"syn://{project}/get")
        SynapseTableStoreOperator(task_id="rows", table_id=filled, rows=path)
    Run(api, dag).all()
    for folder in ("store", "get"):
        stored = alice.findEntityId("raw.csv", alice.findEntityId(folder, project))
        assert sources_of(stored)[0] == [raw]
    assert sources_of(filled)[0] == [raw]


def test_methods_of_paths(api, project):
    def work():
        root = ObjectStoragePath(f"syn://synapse_default@{project}")
        (root / "a" / "x.txt").write_text("1")
        (root / "a" / "y.csv").write_bytes(b"22")
        assert [one.name for one in root.rglob("*.csv")] == ["y.csv"]
        (root / "a" / "x.txt").rename(root / "a" / "z.txt")
        (root / "a" / "z.txt").replace(root / "q.txt")
        (root / "b" / "c").mkdir(parents=True)
        (root / "q.txt").copy_into(root / "b")
        (root / "q.txt").move_into(root / "b" / "c")
        (root / "a" / "y.csv").unlink()
        (root / "a").rmdir()
        names = sorted(one.path for one in root.rglob("*"))
        assert names == [f"{project}/{n}" for n in ("b", "b/c", "b/c/q.txt", "b/q.txt")]
        found = root / "b" / "q.txt"
        assert (found.is_file(), found.size(), found.read_block(0, 1)) == (True, 1, b"1")
        assert found.checksum() == int(found.stat()["md5"], 16)
        assert "X-Amz-Signature" in found.sign()

    result, _ = run_task(api, work)
    assert result.state == "success", result.error


def test_an_unclosed_file_fails_the_task(api, project):
    def work():
        ObjectStoragePath(f"syn://{project}/out.txt").open("w").write("x")

    result, _ = run_task(api, work)
    assert result.state != "success"
    assert "was opened for writing and not closed" in str(result.error)


def test_deleted_files_are_no_outputs(api, project, alice):
    def work():
        root = ObjectStoragePath(f"syn://{project}")
        for name in ("temporary.txt", "kept.txt"):
            (root / name).write_text(name)
        (root / "temporary.txt").unlink()

    _, run = run_task(api, work)
    wrote = [one["id"] for one in run.record("work")["wrote"]]
    assert wrote == [alice.findEntityId("kept.txt", project)]


def test_deleted_and_moved_files_have_no_asset_event_of_their_old_path(api, project, alice):
    def work():
        root = ObjectStoragePath(f"syn://{project}")
        for name in ("deleted.txt", "temporary.txt"):
            (root / name).write_text(name)
        (root / "deleted.txt").unlink()
        (root / "temporary.txt").rename(root / "final.txt")

    names = ("deleted.txt", "temporary.txt", "final.txt")
    paths = [Asset(f"syn://{project}/{name}") for name in names]
    run_task(api, work, outlets=[*paths, AssetAlias("all")])
    final = alice.findEntityId("final.txt", project)
    deleted, temporary, moved, by_alias = (event["extra"] for event in api.events)
    assert (deleted, temporary) == ({}, {})
    assert (moved["id"], moved["version"], moved["name"]) == (final, 1, "final.txt")
    assert by_alias["name"] == "final.txt"
    assert api.events[-1]["asset"]["uri"] == f"syn://{final}"


def test_the_content_of_deleted_and_moved_folders(api, project, alice):
    def work():
        root = ObjectStoragePath(f"syn://{project}")
        (root / "deleted" / "a" / "x.txt").write_text("x")
        (root / "old" / "b" / "y.txt").write_text("y")
        root.fs.rm(f"{project}/deleted", recursive=True)
        (root / "old").rename(root / "new")

    path = Asset(f"syn://{project}/new/b/y.txt")
    _, run = run_task(api, work, outlets=[path, AssetAlias("all")])
    kept = alice.findEntityId("y.txt", alice.findEntityId("b", alice.findEntityId("new", project)))
    assert [one["id"] for one in run.record("work")["wrote"]] == [kept]
    assert [event["asset"]["uri"] for event in api.events] == [path.uri, f"syn://{kept}"]
    assert api.events[0]["extra"]["id"] == kept


def test_callbacks_use_the_connection(api, project, alice, monkeypatch):
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "another account")

    def call_back(_context):
        ObjectStoragePath(f"syn://{project}/report.txt").write_text("done")

    result, _ = run_task(api, lambda: None, on_success_callback=call_back)
    assert result.state == "success", result.error
    assert alice.findEntityId("report.txt", project)


def test_a_version_that_a_client_has_deleted_is_no_output(api, project, alice):
    def work():
        path = ObjectStoragePath(f"syn://{project}/a.txt")
        for text in ("1", "2"):
            path.write_text(text)
        client = SynapseHook().client
        client.delete(path.stat()["id"], version=2)
        gone = ObjectStoragePath(f"syn://{project}/gone.txt")
        gone.write_text("3")
        client.delete(client.get(gone.stat()["id"], downloadFile=False))

    _, run = run_task(api, work, outlets=[AssetAlias("all")])
    stored = alice.findEntityId("a.txt", project)
    wrote = [(one["id"], one["version"]) for one in run.record("work")["wrote"]]
    assert wrote == [(stored, 1)]
    assert [event["extra"]["version"] for event in api.events] == [1]


def test_threads_that_write_one_file_create_a_version_each(api, project, alice, tmp_path):
    def work():
        path = ObjectStoragePath(f"syn://{project}/same.txt")
        files = [path.open("w") for _ in range(4)]
        for number, file in enumerate(files):
            file.write(str(number))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda file: file.close(), files))

    result, _ = run_task(api, work)
    assert result.state == "success", result.error
    stored = alice.findEntityId("same.txt", project)
    versions = [
        alice.get(stored, version=one, downloadLocation=str(tmp_path)) for one in (1, 2, 3, 4)
    ]
    assert {one.md5 for one in versions} == {md5(str(n).encode()).hexdigest() for n in range(4)}


def test_without_lineage(api, put, project, alice):
    raw = put()

    def work():
        hook = SynapseHook()
        with hook.without_lineage():
            ObjectStoragePath(f"syn://{raw}").read_text()
            ObjectStoragePath(f"syn://{project}/out.txt").write_text("x")
        hook.client.get(raw)

    _, run = run_task(api, work)
    assert "wrote" not in run.record("work")
    with pytest.raises(FileNotFoundError):
        alice.getProvenance(alice.findEntityId("out.txt", project))


def test_two_connections(api, connection, socket_service, put, project):
    import json

    raw = put(text="secret")
    bob = json.loads(connection) | {"password": socket_service.token("bob")}
    both = ExecutionApi({**api.connections, "bob": json.dumps(bob)})

    def work():
        assert ObjectStoragePath(f"syn://{raw}").read_text() == "secret"
        with pytest.raises(PermissionError):
            ObjectStoragePath(f"syn://bob@{raw}").read_text()
        with pytest.raises(PermissionError):
            ObjectStoragePath(f"syn://{raw}", conn_id="bob").exists()

    result, _ = run_task(both, work)
    assert result.state == "success", result.error


def test_a_path_is_passed_to_another_task(api, put, sources_of, alice, project):
    raw = put(text="x")
    with DAG("passed", schedule=None) as dag:

        @task
        def first():
            path = ObjectStoragePath(f"syn://synapse_default@{project}/middle.txt")
            path.write_text(ObjectStoragePath(f"syn://{raw}").read_text())
            return path

        @task
        def second(path):
            (path.parent / "last.txt").write_text(path.read_text())

        second(first())
    Run(api, dag).all()
    middle = alice.findEntityId("middle.txt", project)
    assert sources_of(middle)[0] == [raw]
    assert sources_of(alice.findEntityId("last.txt", project))[0] == [f"{middle}.1"]


def test_a_path_needs_no_connection_when_the_dag_is_parsed():
    path = ObjectStoragePath("syn://missing@syn123/dir.v1/a b.txt")
    assert (path.name, path.suffix, path.parent.name) == ("a b.txt", ".txt", "dir.v1")
    assert (path.bucket, path.key) == ("syn123", "dir.v1/a b.txt")
    assert str(path / "c") == "syn://missing@syn123/dir.v1/a b.txt/c"


def test_a_task_uses_no_other_account_than_that_of_a_connection(api, tmp_path):
    def work():
        SynapseFileSystem(config_path=str(tmp_path / "config")).info("syn://syn1")

    result, _ = run_task(api, work)
    assert "a task uses a connection" in str(result.error)


def test_a_missing_connection_is_named(api):
    result, _ = run_task(api, lambda: ObjectStoragePath("syn://missing@syn123").read_text())
    assert "connection 'missing' is not defined" in str(result.error)
