"""Replacement of all rows of an empty table, with concurrent writers."""

import threading

import pytest
from support.fault_injection import FaultInjector
from support.killable_worker import Worker
from support.prepared_entities import append_rows

from synapse_workflows.testing import over_socket

ROWS = [["x", 8], ["y", 9]]
START = "POST .*/table/transaction/async/start$"
#: First request of a query of the table.
QUERY = "POST .*/table/download/csv/async/start$"

#: Requests of a task that links its sources to the table.
GENERATED_BY = "GET .*/generatedBy$"
LINK = "PUT .*/entity/syn[0-9]+$"


@pytest.fixture(scope="module")
def service_and_injector(tmp_path_factory, recording):
    """Service of this module, and its fault injector."""
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(recording(app)))
        return injectors[0]

    with over_socket(tmp_path_factory.mktemp("crowded"), wrap=wrap) as service:
        yield service, injectors[0]


class TestConcurrentReplacement:
    """Tests with an empty table: no row is deleted, so writers do not conflict."""

    @pytest.fixture
    def socket_service(self, service_and_injector):
        service_and_injector[1].clear()
        return service_and_injector[0]

    @pytest.fixture
    def add_concurrently(self, alice, table, service_and_injector):
        def add(*rows, at):
            """Add rows at a request of the operator."""

            def add_rows():
                service_and_injector[1].clear()  # not at requests of the other writer
                append_rows(alice, table, [list(row) for row in rows])

            service_and_injector[1].at(at, add_rows)

        return add

    @pytest.mark.parametrize("other_rows", [[["p", 1], ["q", 2], ["r", 3]], ROWS, ROWS[:1]])
    def test_rows_added_before_the_new_ones_are_deleted(
        self, store_rows, table, rows_of, write_csv, add_concurrently, other_rows
    ):
        add_concurrently(*other_rows, at=START)
        result, run = store_rows(table_id=table, rows=write_csv(*ROWS), mode="replace")
        assert result.state == "success", result.error
        assert rows_of(table) == ROWS
        result = run.value("store")
        assert (result["added"], result["deleted"]) == (4, 2 + len(other_rows))

    def test_rows_added_after_the_new_ones_stay(
        self, store_rows, table, rows_of, write_csv, add_concurrently, service_and_injector
    ):
        service_and_injector[1].at(START, lambda: add_concurrently(["p", 1], at=QUERY))
        result, run = store_rows(table_id=table, rows=write_csv(*ROWS), mode="replace")
        assert result.state == "success", result.error
        assert rows_of(table) == [*ROWS, ["p", 1]]
        assert (run.value("store")["added"], run.value("store")["deleted"]) == (2, 0)

    def test_retry_deletes_rows_added_before_the_new_ones(
        self, connection, table, rows_of, write_csv, tmp_path, alice, service_and_injector
    ):
        worker = Worker(
            connection, tmp_path, table_id=table, rows=write_csv(*ROWS), mode="replace"
        )

        def add():
            service_and_injector[1].clear()
            append_rows(alice, table, [["p", 1]])
            service_and_injector[1].at(QUERY, worker.kill, respond=False)

        service_and_injector[1].at(START, add)
        worker.begin()
        assert worker.end() is None
        assert rows_of(table) == [["p", 1], *ROWS]
        worker.begin()
        result = worker.end()
        assert result["state"] == "success", result["error"]
        assert rows_of(table) == ROWS

    @pytest.mark.parametrize("other_rows", [[["p", 1], ["q", 2], ["r", 3]], ROWS])
    def test_two_concurrent_replacements_leave_one_set_of_rows(
        self, connection, table, rows_of, write_csv, tmp_path, service_and_injector, other_rows
    ):
        """Both tasks read the empty table before either starts its job."""
        barrier = threading.Barrier(2, timeout=30)
        service_and_injector[1].at(START, barrier.wait, nth=1)
        service_and_injector[1].at(START, barrier.wait, nth=1)
        workers = []
        for number, rows in enumerate((ROWS, other_rows)):
            folder = tmp_path / str(number)
            folder.mkdir()
            file = write_csv(*rows, name=f"rows-{number}.csv")
            arguments = {"table_id": table, "rows": file, "mode": "replace"}
            workers.append(Worker(connection, folder, **arguments))
            workers[-1].begin()
        results = [worker.end() for worker in workers]
        assert [one["state"] for one in results] == ["success", "success"], results
        assert rows_of(table) in (ROWS, other_rows)
        # each task stored its rows at least once, and one task stored its rows twice
        assert sum(one["value"]["added"] for one in results) > len(ROWS) + len(other_rows)

    @pytest.mark.parametrize("mode", ["append", "replace"])
    @pytest.mark.parametrize("source", ["https://x.org/earlier", "https://x.org/other"])
    @pytest.mark.parametrize("at", [GENERATED_BY, LINK])
    def test_sources_of_rows_stored_after_the_replacement_stay(
        self, store_rows, connection, table, tmp_path, service_and_injector, sources_of,
        mode, source, at,
    ):  # fmt: skip
        """Another task stores rows and links their source before the replacing task links its own.

        The source of the other task may already be a source of the replaced rows.
        """
        injector = service_and_injector[1]
        store_rows(table_id=table, rows=[{"a name": "a", "n": 1}], used="https://x.org/earlier")
        other = Worker(
            connection, tmp_path, table_id=table, rows=[{"a name": "b", "n": 2}], mode=mode,
            used=source,
        )  # fmt: skip
        ends = []

        def store_others():
            injector.clear()
            other.begin()
            ends.append(other.end())

        injector.at(at, store_others)
        result, _ = store_rows(
            table_id=table,
            rows=[{"a name": "c", "n": 3}],
            mode="replace",
            used="https://x.org/replacing",
        )
        assert result.state == "success", result.error
        assert [one["state"] for one in ends] == ["success"]
        assert {source, "https://x.org/replacing"} <= set(sources_of(table)[0])
        store_rows(table_id=table, rows=[{"a name": "d", "n": 4}], mode="replace")
        assert not [one for one in sources_of(table)[0] if "x.org" in one]

    def test_sources_that_are_linked_already_stay_for_rows_stored_after_the_replacement(
        self, store_rows, connection, table, tmp_path, service_and_injector, sources_of
    ):
        """The other task has the sources of the replaced rows, so that its Activity is linked."""
        workers = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            rows = [{"a name": "a", "n": number}]
            arguments = {"table_id": table, "rows": rows, "used": "https://x.org/same"}
            workers.append(Worker(connection, folder, **arguments))
        workers[0].begin()
        assert workers[0].end()["state"] == "success"
        ends = []

        def store_others():
            service_and_injector[1].clear()
            workers[1].begin()
            ends.append(workers[1].end())

        service_and_injector[1].at(LINK, store_others)
        result, _ = store_rows(
            table_id=table, rows=[{"a name": "c", "n": 3}], mode="replace", used="https://x.org/c"
        )
        assert result.state == "success", result.error
        assert [one["state"] for one in ends] == ["success"]
        assert {"https://x.org/same", "https://x.org/c"} <= set(sources_of(table)[0])

    def test_retry_of_a_replacement_removes_the_sources_of_replaced_rows(
        self, store_rows, connection, table, tmp_path, service_and_injector, sources_of
    ):
        """The worker stops after the rows are replaced, before the sources are linked."""
        store_rows(table_id=table, rows=[{"a name": "a", "n": 1}], used="https://x.org/earlier")
        worker = Worker(
            connection, tmp_path, table_id=table, rows=[{"a name": "c", "n": 3}], mode="replace",
            used="https://x.org/replacing",
        )  # fmt: skip
        service_and_injector[1].at(GENERATED_BY, worker.kill, respond=False)
        worker.begin()
        assert worker.end() is None
        worker.begin()
        assert worker.end()["state"] == "success"
        assert [one for one in sources_of(table)[0] if "x.org" in one] == [
            "https://x.org/replacing"
        ]


@pytest.mark.parametrize("kind", ["list", "file"])
def test_replace_by_no_rows_requires_allow_empty(store_rows, filled, rows_of, write_csv, kind):
    no_rows = [] if kind == "list" else write_csv()
    result, _ = store_rows(table_id=filled, rows=no_rows, mode="replace")
    assert result.state == "failed"
    assert "allow_empty=True" in str(result.error)
    assert len(rows_of(filled)) == 3
    _, run = store_rows(table_id=filled, rows=no_rows, mode="replace", allow_empty=True)
    assert run.value("store")["deleted"] == 3
    assert rows_of(filled) == []
    store_rows(table_id=filled, rows=write_csv(["x", 8]), mode="replace")
    assert rows_of(filled) == [["x", 8]]
