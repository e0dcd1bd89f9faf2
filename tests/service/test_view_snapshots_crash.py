"""A service that ends while it freezes a view: the version is there afterwards, or nothing is."""

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


class Breaking:
    """A database that is gone right before or right after a commit, as in a crash."""

    def __init__(self, database, *, after):
        self.database = database
        self.after = after

    def reading(self):
        return self.database.reading()

    @contextmanager
    def transaction(self):
        with self.database.transaction() as session:
            yield session
            if not self.after:
                raise KeyboardInterrupt
        raise KeyboardInterrupt


def crash(data_dir, *, after):
    """Freeze a view in a service that ends; give the view, the file that it shows, and the job."""
    with start_service(data_dir) as rest_service:
        service = rest_service.session.get_adapter(asgi_adapter.BASE_URL)._app.state.service
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        file = alice.new_file(tables.project, name="file")["id"]
        column = tables.create_column("name", maximumSize=256)["id"]
        body = {"scopeIds": [tables.project], "viewTypeMask": 1, "columnIds": [column]}
        view = alice.make(ENTITY_VIEW, tables.project, **body)["id"]
        assert tables.query(f"select name from {view}") == [["file"]]
        with service.database.transaction() as session:
            token = alice.headers["Authorization"].removeprefix("Bearer ")
            caller = auth.authenticate(session, token, service.now())
            kind = transactions.TRANSACTION
            job = async_jobs.create_job(session, caller, kind, {"createSnapshot": True}, view)
        broken = replace(service, database=Breaking(service.database, after=after))
        with pytest.raises(KeyboardInterrupt):
            async_jobs.run_job(broken, caller, job, kind, service.jobs.get_progress(job))
    return view, file, job


@pytest.mark.parametrize("after", [False, True])
def test_a_version_is_frozen_whole_or_not_at_all(tmp_path, recording, after):
    view, file, job = crash(tmp_path, after=after)
    with start_service(tmp_path, recording) as rest_service:
        alice = Author(rest_service, "alice")
        tables = TableClient(alice)
        copies = list((tmp_path / "views").iterdir())
        answer = alice.get(f"{REPO}/entity/{view}/table/transaction/async/get/{job}")
        alice.change(file, name="renamed")
        if after:
            assert ok(answer)["snapshotVersionNumber"] == 1
            assert tables.query(f"select name from {view}.1") == [["file"]]
            assert len(copies) == 1
        else:
            assert_error(answer, 409, "Nothing was applied")
            assert alice.entity(view)["versionNumber"] == 1
            assert copies == []
        assert tables.query(f"select name from {view}") == [["renamed"]]
        made = tables.transact(view, createSnapshot=True)["snapshotVersionNumber"]
        assert made == (2 if after else 1)
        assert tables.query(f"select name from {view}.{made}") == [["renamed"]]
