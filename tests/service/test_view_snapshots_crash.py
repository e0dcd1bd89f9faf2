"""Snapshots of views that a crash of the service interrupts."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import TableClient

from synapse_workflows.constants import ENTITY_VIEW
from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.domain import async_jobs, auth
from synapse_workflows.local.domain.tables import transactions


class CrashingDatabase:
    """A database that simulates a crash right before or right after a commit."""

    def __init__(self, database, *, after):
        self.database = database
        self.after = after

    def read_transaction(self):
        return self.database.read_transaction()

    @contextmanager
    def write_transaction(self):
        with self.database.write_transaction() as session:
            yield session
            if not self.after:
                raise KeyboardInterrupt
        raise KeyboardInterrupt


def crash_snapshot(data_dir, *, after):
    """Start a snapshot that a crash interrupts; return the view, its file entity and the job."""
    with start_service(data_dir) as rest_service:
        service = rest_service.session.get_adapter(asgi_adapter.BASE_URL)._app.state.service
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        file = alice.new_file(tables.project, name="file")["id"]
        column = tables.create_column("name", maximumSize=256)["id"]
        body = {"scopeIds": [tables.project], "viewTypeMask": 1, "columnIds": [column]}
        view = alice.make(ENTITY_VIEW, tables.project, **body)["id"]
        assert tables.query(f"select name from {view}") == [["file"]]
        with service.database.write_transaction() as session:
            token = alice.headers["Authorization"].removeprefix("Bearer ")
            caller = auth.authenticate(session, token, service.now())
            job_type = transactions.TRANSACTION
            job = async_jobs.create_job(session, caller, job_type, {"createSnapshot": True}, view)
        crashing = replace(service, database=CrashingDatabase(service.database, after=after))
        with pytest.raises(KeyboardInterrupt):
            async_jobs.run_job(crashing, caller, job, job_type, service.jobs.get_progress(job))
    return view, file, job


@pytest.mark.parametrize("after", [False, True])
def test_interrupted_snapshot_is_complete_or_absent_after_a_restart(tmp_path, recording, after):
    view, file, job = crash_snapshot(tmp_path, after=after)
    with start_service(tmp_path, recording) as rest_service:
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        files = list((tmp_path / "views").rglob("*.db"))
        response = alice.get(f"{REPO}/entity/{view}/table/transaction/async/get/{job}")
        alice.change(file, name="renamed")
        if after:
            assert ok(response)["snapshotVersionNumber"] == 1
            assert tables.query(f"select name from {view}.1") == [["file"]]
            assert len(files) == 1
        else:
            assert_error(response, 409, "Nothing was applied")
            assert alice.entity(view)["versionNumber"] == 1
            assert files == []
        assert tables.query(f"select name from {view}") == [["renamed"]]
        created = tables.transact(view, createSnapshot=True)["snapshotVersionNumber"]
        assert created == (2 if after else 1)
        assert tables.query(f"select name from {view}.{created}") == [["renamed"]]
