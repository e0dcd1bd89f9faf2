"""Outbox: after a crash, each change of a table is complete or rolled back."""

import signal
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.service_process import start_service_process
from support.table_api import M, TableClient

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.domain import async_jobs, auth
from synapse_workflows.local.domain.tables import outbox, transactions
from synapse_workflows.local.domain.tables.snapshots import Snapshot


def test_transaction_is_rolled_back_after_sigkill(tmp_path):
    lines = "".join(f"text {each},{each}\n" for each in range(2_000_000))
    with start_service_process(tmp_path) as (process, alice):
        tables = TableClient(alice)
        table = tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]
        tables.append(table, ["first", "1"])
        before = alice.entity(table)
        body = {
            "changes": [
                tables.rows(table, (1, 1, ["changed", "2"])),
                tables.csv(table, "a,n\n" + lines),
            ],
            "createSnapshot": True,
        }
        path = f"{REPO}/entity/{table}/table/transaction/async"
        token = ok(alice.post(f"{path}/start", body))["token"]
        while (job := ok(alice.get(f"{path}/get/{token}"))).get("progressCurrent", 0) == 0:
            assert job.get("jobState") == "PROCESSING", "the job ended before it was killed"
        assert tables.list_rows(table) == [(1, 1, ["first", "1"])]
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with start_service(tmp_path) as rest_service:
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        assert_error(alice.get(f"{path}/get/{token}"), 409, "Nothing was applied")
        assert tables.list_rows(table) == [(1, 1, ["first", "1"])]
        assert alice.entity(table) == before
        assert tables.append(table, (1, 1, ["on", "3"])) == [(1, 2)]
        assert tables.append(table, ["next", "4"]) == [(2, 3)]


class FailingDatabase:
    """Database that fails right before its commit, as in a crash."""

    def __init__(self, database):
        self.database = database
        self.is_failing = True

    def read_transaction(self):
        return self.database.read_transaction()

    @contextmanager
    def write_transaction(self):
        with self.database.write_transaction() as session:
            yield session
            if self.is_failing:
                raise KeyboardInterrupt


@pytest.fixture
def crashed(tmp_path):
    """A service that stopped between the commits of the table's file and of its database."""
    with start_service(tmp_path) as rest_service:
        service = rest_service.session.get_adapter(asgi_adapter.BASE_URL)._app.state.service
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        table = tables.create_table(("a", "STRING"), ("f", "FILEHANDLEID"))["id"]
        handle = alice.handle()
        new = tables.create_column("n", "INTEGER", defaultValue="5")["id"]
        schema = {
            "concreteType": "org.sagebionetworks.repo.model.table.TableSchemaChangeRequest",
            "changes": [{"newColumnId": new}],
        }
        body = {
            "changes": [tables.rows(table, ["x", handle]), schema],
            "createSnapshot": True,
            "snapshotOptions": {"snapshotLabel": "kept", "snapshotComment": "c"},
        }
        with service.database.write_transaction() as session:
            token = alice.headers["Authorization"].removeprefix("Bearer ")
            caller = auth.authenticate(session, token, service.now())
            job_id = async_jobs.create_job(session, caller, transactions.TRANSACTION, body, table)
        failing_service = replace(service, database=FailingDatabase(service.database))
        with pytest.raises(KeyboardInterrupt):
            async_jobs.run_job(
                failing_service,
                caller,
                job_id,
                transactions.TRANSACTION,
                service.jobs.get_progress(job_id),
            )
        assert alice.entity(table)["versionNumber"] == 1
    return tmp_path, table, job_id, handle


def test_outbox_is_applied_at_the_next_start(crashed, recording):
    data_dir, table, job_id, handle = crashed
    for _ in range(2):  # the second start changes nothing
        with start_service(data_dir, recording) as rest_service:
            alice = Author(rest_service, "alice")
            tables = TableClient(alice)
            path = f"{REPO}/entity/{table}/table/transaction/async"
            done = ok(alice.get(f"{path}/get/{job_id}"))
            assert done["snapshotVersionNumber"] == 1
            assert tables.list_rows(table) == [(1, 1, ["x", handle, "5"])]
            assert tables.list_rows(f"{table}.1") == [(1, 1, ["x", handle, "5"])]
            snapshotted = ok(alice.get(f"{REPO}/entity/{table}/version/1"))
            assert (snapshotted["versionLabel"], snapshotted["versionComment"]) == ("kept", "c")
            assert alice.entity(table)["versionNumber"] == 2
            assert len(alice.entity(table)["columnIds"]) == 3
            assert alice.delete(f"/file/v1/fileHandle/{handle}").status_code == 409


def test_outbox_entry_is_parsed_back():
    snapshot = Snapshot(3, "l", None, 4)
    entry = outbox.OutboxEntry(1, 2, 3, 4, {"r": 1}, 5, (6, 7), (8,), snapshot)
    assert outbox.parse(outbox.serialize(entry)) == entry


def test_files_of_deleted_tables_are_removed_at_the_next_start(tmp_path):
    with start_service(tmp_path) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        kept, purged = (tables.create_table(("a", "STRING"))["id"] for _ in range(2))
        for table in (kept, purged):
            tables.append(table, ["x"])
        tables.author.delete(f"{REPO}/entity/{purged}?skipTrashCan=true")
    with start_service(tmp_path) as rest_service:
        assert len(TableClient(Author(rest_service, "alice")).list_rows(kept)) == 1
        names = {path.name.partition(".")[0] for path in (tmp_path / "tables").iterdir()}
    assert names == {kept.removeprefix("syn")}


def test_running_job_fails_when_the_service_stops(tmp_path):
    lines = "".join(f"text {each},{each}\n" for each in range(200_000))
    with start_service(tmp_path) as rest_service:
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        table = tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]
        path = f"{REPO}/entity/{table}/table/transaction/async"
        body = {"changes": [tables.csv(table, "a,n\n" + lines)]}
        token = ok(alice.post(f"{path}/start", body))["token"]
    with start_service(tmp_path) as rest_service:
        alice = Author(rest_service, "alice")
        assert_error(alice.get(f"{path}/get/{token}"), 409, "Nothing was applied")
        assert TableClient(alice).list_rows(table) == []


def create_updates(rows, mark):
    head = "ROW_ID,ROW_VERSION,a,n\n"
    return head + "".join(f"{each},1,{mark},{each}\n" for each in range(1, rows + 1))


@pytest.mark.parametrize("polls", [0, 12])
def test_each_job_is_completed_or_rolled_back_after_sigkill(tmp_path, polls):
    rows = 12_000
    with start_service_process(tmp_path) as (process, alice):
        tables = TableClient(alice)
        columns = [
            tables.create_column("a", "STRING")["id"],
            tables.create_column("n", "INTEGER")["id"],
        ]
        number = tables.create_column("a", "INTEGER")["id"]
        entities = [
            alice.make(f"{M}.TableEntity", tables.project, columnIds=columns) for _ in "1234"
        ]
        converted, uploaded, replaced, snapshotted = (each["id"] for each in entities)
        first = tables.csv(converted, "a,n\n" + "".join(f"{each},0\n" for each in range(rows)))
        for each in (converted, uploaded, replaced, snapshotted):
            tables.transact(each, first)
        convert = {
            "concreteType": f"{M}.TableSchemaChangeRequest",
            "changes": [{"oldColumnId": columns[0], "newColumnId": number}],
        }
        deletes = tables.csv(
            replaced, "ROW_ID,ROW_VERSION\n" + "".join(f"{n},1\n" for n in range(1, rows + 1))
        )
        new = tables.csv(replaced, "a,n\n" + "new,1\n" * rows)
        transaction, upload = "table/transaction", "table/upload/csv"
        sql = {"sql": f"select * from {snapshotted}"}
        requests = [
            (converted, transaction, {"changes": [convert], "createSnapshot": True}),
            (uploaded, upload, tables.csv(uploaded, create_updates(rows, "up"))),
            (replaced, transaction, {"changes": [deletes, new]}),
            (snapshotted, transaction, {"createSnapshot": True}),
            (snapshotted, "table/download/csv", sql),
            (snapshotted, "table/query", {"query": sql}),
        ]
        tokens = [
            ok(alice.post(f"{REPO}/entity/{table}/{path}/async/start", body))["token"]
            for table, path, body in requests
        ]
        for _ in range(polls):
            alice.get(f"{REPO}/asynchronous/job/{tokens[0]}")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with start_service(tmp_path) as rest_service:
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        done = []
        for (table, path, _), token in zip(requests, tokens, strict=True):
            answer = alice.get(f"{REPO}/entity/{table}/{path}/async/get/{token}")
            assert answer.status_code in {201, 409}, answer.text
            assert answer.ok or "Nothing was applied" in answer.json()["reason"]
            done.append(answer.ok)
        groups = [
            tables.query(f"select a, count(*) from {table} group by a order by a limit 2")
            for table in (converted, uploaded, replaced)
        ]
        assert groups[0] == [["0", "1"], ["1", "1"]]
        assert tables.list_columns(converted)[0]["columnType"] == (
            "INTEGER" if done[0] else "STRING"
        )
        assert alice.entity(converted)["columnIds"][0] == (number if done[0] else columns[0])
        assert alice.entity(converted)["versionNumber"] == (2 if done[0] else 1)
        assert groups[1] == ([["up", str(rows)]] if done[1] else groups[0])
        assert groups[2] == ([["new", str(rows)]] if done[2] else groups[0])
        assert alice.entity(snapshotted)["versionNumber"] == (2 if done[3] else 1)
        for table in (converted, uploaded, replaced, snapshotted):
            count = tables.query(f"select count(*) from {table}")
            assert count == [[str(rows)]]
            assert len(tables.append(table, [None, "5"])) == 1
