"""Rows that replace all others, while somebody else puts rows into the same empty table."""

import threading

import pytest
from support.fault_injection import FaultInjector
from support.killable_worker import Worker

from synapse_workflows import Table
from synapse_workflows.testing import over_socket

OURS = [["x", 8], ["y", 9]]
START = "POST .*/table/transaction/async/start$"
#: With this the operator begins to look at the table.
LOOK = "POST .*/table/download/csv/async/start$"


@pytest.fixture(scope="module")
def service_and_injector(tmp_path_factory, recording):
    """A service of this module's, and what stands in front of it."""
    way = []

    def wrap(app):
        way.append(FaultInjector(recording(app)))
        return way[0]

    with over_socket(tmp_path_factory.mktemp("crowded"), wrap=wrap) as service:
        yield service, way[0]


class TestConcurrentReplacement:
    """Nobody names rows to delete there, so no two writers conflict."""

    @pytest.fixture
    def socket_service(self, service_and_injector):
        service_and_injector[1].clear()
        return service_and_injector[0]

    @pytest.fixture
    def others_add(self, alice, table, service_and_injector):
        def add(*rows, at):
            """Add rows when the operator asks something."""

            def act():
                service_and_injector[1].clear()  # what follows are the requests of the others
                alice.store(Table(table, [list(row) for row in rows]))

            service_and_injector[1].at(at, act)

        return add

    @pytest.mark.parametrize("theirs", [[["p", 1], ["q", 2], ["r", 3]], OURS, OURS[:1]])
    def test_rows_added_before_the_new_ones_are_deleted(
        self, store_rows, table, rows_of, write_csv, others_add, theirs
    ):
        others_add(*theirs, at=START)
        result, run = store_rows(table_id=table, rows=write_csv(*OURS), mode="replace")
        assert result.state == "success", result.error
        assert rows_of(table) == OURS
        done = run.value("store")
        assert (done["added"], done["deleted"]) == (4, 2 + len(theirs))

    def test_rows_added_after_the_new_ones_stay(
        self, store_rows, table, rows_of, write_csv, others_add, service_and_injector
    ):
        service_and_injector[1].at(START, lambda: others_add(["p", 1], at=LOOK))
        result, run = store_rows(table_id=table, rows=write_csv(*OURS), mode="replace")
        assert result.state == "success", result.error
        assert rows_of(table) == [*OURS, ["p", 1]]
        assert (run.value("store")["added"], run.value("store")["deleted"]) == (2, 0)

    def test_retry_deletes_rows_added_before_the_new_ones(
        self, connection, table, rows_of, write_csv, tmp_path, alice, service_and_injector
    ):
        worker = Worker(
            connection, tmp_path, table_id=table, rows=write_csv(*OURS), mode="replace"
        )

        def add():
            service_and_injector[1].clear()
            alice.store(Table(table, [["p", 1]]))
            service_and_injector[1].at(LOOK, worker.kill, respond=False)

        service_and_injector[1].at(START, add)
        worker.begin()
        assert worker.end() is None
        assert rows_of(table) == [["p", 1], *OURS]
        worker.begin()
        done = worker.end()
        assert done["state"] == "success", done["error"]
        assert rows_of(table) == OURS

    @pytest.mark.parametrize("theirs", [[["p", 1], ["q", 2], ["r", 3]], OURS])
    def test_two_concurrent_replacements_leave_one_set_of_rows(
        self, connection, table, rows_of, write_csv, tmp_path, service_and_injector, theirs
    ):
        """Both have seen the empty table before either begins its job."""
        together = threading.Barrier(2, timeout=30)
        service_and_injector[1].at(START, together.wait, nth=1)
        service_and_injector[1].at(START, together.wait, nth=1)
        workers = []
        for number, rows in enumerate((OURS, theirs)):
            folder = tmp_path / str(number)
            folder.mkdir()
            file = write_csv(*rows, name=f"rows-{number}.csv")
            arguments = {"table_id": table, "rows": file, "mode": "replace"}
            workers.append(Worker(connection, folder, **arguments))
            workers[-1].begin()
        ended = [worker.end() for worker in workers]
        assert [one["state"] for one in ended] == ["success", "success"], ended
        assert rows_of(table) in (OURS, theirs)
        # each has stored its rows once, and one of them all of it again
        assert sum(one["value"]["added"] for one in ended) > len(OURS) + len(theirs)


@pytest.mark.parametrize("kind", ["list", "file"])
def test_replace_by_no_rows_requires_allow_empty(store_rows, filled, rows_of, write_csv, kind):
    nothing = [] if kind == "list" else write_csv()
    result, _ = store_rows(table_id=filled, rows=nothing, mode="replace")
    assert result.state == "failed"
    assert "allow_empty=True" in str(result.error)
    assert len(rows_of(filled)) == 3
    _, run = store_rows(table_id=filled, rows=nothing, mode="replace", allow_empty=True)
    assert run.value("store")["deleted"] == 3
    assert rows_of(filled) == []
    store_rows(table_id=filled, rows=write_csv(["x", 8]), mode="replace")
    assert rows_of(filled) == [["x", 8]]
