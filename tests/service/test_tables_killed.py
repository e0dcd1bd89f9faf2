"""A service that is killed while it changes a table: all of it is there afterwards, or nothing."""

import signal
from contextlib import contextmanager
from dataclasses import replace

import pytest
from entity_api import REPO, Author
from file_api import ok, open_house, refused
from served_api import serving
from table_api import Tabler

from synapse_workflows.local import inprocess
from synapse_workflows.local.domain import auth, jobs
from synapse_workflows.local.domain.tables import commits, transactions


def test_kill_9_in_the_middle_of_a_transaction_leaves_nothing_of_it(tmp_path):
    lines = "".join(f"text {each},{each}\n" for each in range(400_000))
    with serving(tmp_path) as (process, alice):
        tables = Tabler(alice)
        table = tables.table(("a", "STRING"), ("n", "INTEGER"))["id"]
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
        while ok(alice.get(f"{path}/get/{token}")).get("progressCurrent", 0) == 0:
            pass
        assert tables.everything(table) == [(1, 1, ["first", "1"])]
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with open_house(tmp_path) as house:
        alice = Author(house, "alice")
        tables = Tabler(alice)
        refused(alice.get(f"{path}/get/{token}"), 409, "Nothing of it was applied")
        assert tables.everything(table) == [(1, 1, ["first", "1"])]
        assert alice.entity(table) == before
        assert tables.append(table, (1, 1, ["on", "3"])) == [(1, 2)]
        assert tables.append(table, ["next", "4"]) == [(2, 3)]


class BreaksBeforeCommit:
    """A database that is gone at the moment of the commit, as in a crash."""

    def __init__(self, database):
        self.database = database
        self.armed = True

    def reading(self):
        return self.database.reading()

    @contextmanager
    def transaction(self):
        with self.database.transaction() as session:
            yield session
            if self.armed:
                raise KeyboardInterrupt


@pytest.fixture
def crashed(tmp_path):
    """A service that ended between the commit of the table's file and that of its database."""
    with open_house(tmp_path) as house:
        service = house.session.get_adapter(inprocess.BASE_URL)._app.state.service
        alice = Author(house, "alice")
        tables = Tabler(alice)
        table = tables.table(("a", "STRING"), ("f", "FILEHANDLEID"))["id"]
        handle = alice.handle()
        new = tables.column("n", "INTEGER", defaultValue="5")["id"]
        schema = {
            "concreteType": "org.sagebionetworks.repo.model.table.TableSchemaChangeRequest",
            "changes": [{"newColumnId": new}],
        }
        body = {
            "changes": [tables.rows(table, ["x", handle]), schema],
            "createSnapshot": True,
            "snapshotOptions": {"snapshotLabel": "kept", "snapshotComment": "c"},
        }
        with service.database.transaction() as session:
            token = alice.headers["Authorization"].removeprefix("Bearer ")
            caller = auth.authenticate(session, token, service.now())
            job_id = jobs.begin(session, caller, transactions.TRANSACTION, body, table)
        broken = replace(service, database=BreaksBeforeCommit(service.database))
        with pytest.raises(KeyboardInterrupt):
            jobs._perform(
                broken, caller, job_id, transactions.TRANSACTION, service.jobs.progress(job_id)
            )
        assert alice.entity(table)["versionNumber"] == 1
    return tmp_path, table, job_id, handle


def test_what_was_committed_in_the_file_is_completed_at_the_next_start(crashed, recording):
    data_dir, table, job_id, handle = crashed
    for _ in range(2):  # once more changes nothing
        with open_house(data_dir, recording) as house:
            alice = Author(house, "alice")
            tables = Tabler(alice)
            path = f"{REPO}/entity/{table}/table/transaction/async"
            done = ok(alice.get(f"{path}/get/{job_id}"))
            assert done["snapshotVersionNumber"] == 1
            assert tables.everything(table) == [(1, 1, ["x", handle, "5"])]
            assert tables.everything(f"{table}.1") == [(1, 1, ["x", handle, "5"])]
            frozen = ok(alice.get(f"{REPO}/entity/{table}/version/1"))
            assert (frozen["versionLabel"], frozen["versionComment"]) == ("kept", "c")
            assert alice.entity(table)["versionNumber"] == 2
            assert len(alice.entity(table)["columnIds"]) == 3
            assert alice.delete(f"/file/v1/fileHandle/{handle}").status_code == 409


def test_effects_survive_the_outbox():
    snapshot = commits.Snapshot(3, "l", None, 4)
    effects = commits.Effects(1, 2, 3, 4, {"r": 1}, 5, (6, 7), (8,), snapshot)
    assert commits.from_text(commits.to_text(effects)) == effects


def test_files_of_tables_that_are_no_more_go_at_the_next_start(tmp_path):
    with open_house(tmp_path) as house:
        tables = Tabler(Author(house, "alice"))
        kept, purged = (tables.table(("a", "STRING"))["id"] for _ in range(2))
        for table in (kept, purged):
            tables.append(table, ["x"])
        tables.author.delete(f"{REPO}/entity/{purged}?skipTrashCan=true")
    with open_house(tmp_path) as house:
        assert len(Tabler(Author(house, "alice")).everything(kept)) == 1
        names = {path.name.partition(".")[0] for path in (tmp_path / "tables").iterdir()}
    assert names == {kept.removeprefix("syn")}


def test_a_service_that_ends_in_order_cuts_its_jobs_off(tmp_path):
    lines = "".join(f"text {each},{each}\n" for each in range(200_000))
    with open_house(tmp_path) as house:
        alice = Author(house, "alice")
        tables = Tabler(alice)
        table = tables.table(("a", "STRING"), ("n", "INTEGER"))["id"]
        path = f"{REPO}/entity/{table}/table/transaction/async"
        body = {"changes": [tables.csv(table, "a,n\n" + lines)]}
        token = ok(alice.post(f"{path}/start", body))["token"]
    with open_house(tmp_path) as house:
        alice = Author(house, "alice")
        refused(alice.get(f"{path}/get/{token}"), 409, "Nothing of it was applied")
        assert Tabler(alice).everything(table) == []
