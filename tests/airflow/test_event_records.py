"""Each kind of read is recorded with the version that was read, or is a gap."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.sdk import DAG, task
from support.execution_api import Run
from support.table_types import TABLE_TYPES

from synapse_workflows import DockerRepository, Evaluation, File, SynapseHook

DIGEST = "sha256:" + "0123456789abcdef" * 4
OPEN = r"Not pinned: {}\.1 is an open version, not a snapshot: read at \S+Z, etag \S+"


@pytest.fixture
def store_after(api, project, alice, sources_of, tmp_path):
    """Function that reads in a task that stores a file; it returns used, and the gaps."""
    path = tmp_path / "result.txt"
    path.write_text("result")

    def run(read):
        with DAG("reads", schedule=None) as dag:

            @task
            def work():
                client = SynapseHook().client
                read(client)
                return client.store(File(str(path), parent=project)).id

            work()
        stored = Run(api, dag).all().value("work")
        lines = alice.getProvenance(stored)["description"].splitlines()
        return sources_of(stored)[0], [line for line in lines if line.startswith("Not pinned")]

    return run


@pytest.mark.parametrize(
    "read",
    [
        lambda client, entity: client.get(entity),
        lambda client, entity: client.get(entity, version=1),
        lambda client, entity: client.get(f"{entity}.1"),
        lambda client, entity: client.get(entity, downloadFile=False),
        lambda client, entity: [client.get(entity) for _ in range(3)],
        lambda client, entity: client.get(client.get(entity, downloadFile=False)),
    ],
)
def test_files(store_after, put, read):
    entity = put().split(".")[0]
    assert store_after(lambda client: read(client, entity)) == ([f"{entity}.1"], [])


def test_current_version_is_that_which_was_read(store_after, put):
    first, entity = put(text="a"), put(text="b").split(".")[0]
    assert first == f"{entity}.1"

    def read(client):
        client.get(entity)
        put(text="c")  # while the task runs

    assert store_after(read) == ([f"{entity}.2"], [])


def test_threads(store_after, put):
    entities = [put(f"{name}.txt", name) for name in "abc"]

    def read(client):
        with ThreadPoolExecutor(3) as pool:
            for entity in entities:
                pool.submit(copy_context().run, client.get, entity).result()

    used, gaps = store_after(read)
    assert (sorted(used), gaps) == (sorted(entities), [])


@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_tables_and_views(store_after, table_factory, kind):
    table = table_factory.create(kind)
    used, gaps = store_after(lambda client: client.tableQuery(f"select * from {table}"))
    assert used == [f"{table}.1"]
    assert [bool(re.fullmatch(OPEN.format(table), gap)) for gap in gaps] == [True]


def test_snapshots(store_after, filled, alice):
    version = alice.create_snapshot_version(filled)
    sql = f"select * from {filled}.{version}"
    assert store_after(lambda client: client.tableQuery(sql)) == ([f"{filled}.{version}"], [])


@pytest.fixture
def evaluation(alice, project):
    return alice.store(Evaluation(name=f"reads {project}", contentSource=project))


def test_submitted_files(store_after, alice, evaluation, put):
    entity = put(text="a").split(".")[0]
    submission = alice.submit(evaluation, alice.get(entity)).id
    put(text="b")
    assert store_after(lambda client: client.getSubmission(submission)) == ([f"{entity}.1"], [])


def test_submitted_images(store_after, alice, evaluation, project):
    repository = alice.store(DockerRepository("example.org/team/model", parent=project))
    body = {"tag": "latest", "digest": DIGEST}
    alice.restPOST(f"/entity/{repository.id}/dockerCommit", body)
    submission = alice.submit(evaluation, alice.get(repository)).id
    used, gaps = store_after(lambda client: client.getSubmission(submission))
    assert used == [
        f"{repository.id}.1",
        f"https://example.org/v2/team/model/manifests/{DIGEST}",
    ]
    assert gaps == []


@pytest.fixture
def external_url():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    yield f"http://127.0.0.1:{server.server_port}/data.csv"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("md5", [None, "8d777f385d3dfec8815d20f7496026dc"])
def test_files_on_other_servers(store_after, alice, project, external_url, md5):
    """Without an MD5, the version of the entity does not determine the content."""
    handle = alice.uploadFileHandle(
        f"{external_url}?token=q7Zx", project, synapseStore=False, md5=md5
    )
    stored = alice.store(File(name="external", parent=project, dataFileHandleId=handle["id"]))
    used, gaps = store_after(lambda client: client.get(stored.id))
    if md5 is not None:
        assert (used, gaps) == ([f"{stored.id}.1"], [])
    else:
        assert used == [f"{stored.id}.1", external_url]
        assert gaps == [f"Not pinned: {external_url} has no version"]
