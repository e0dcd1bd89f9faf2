"""Number of requests that the lineage of a task costs."""

import json
import re
from functools import partial
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run, fire_trigger

from synapse_workflows import (
    Column,
    Project,
    RowSet,
    Schema,
    SynapseHook,
    SynapseStoreOperator,
    SynapseTableSnapshotOperator,
    SynapseTableStoreOperator,
    Table,
)
from synapse_workflows.client.core.events import Read

_numbers = count(1)
_OF_LINEAGE = re.compile(r"/activity|/generatedBy|/entity/header|/entity/syn\d+$|/version/\d+$")
#: Rows that a task stores with `SynapseHook().client.store`.
_STORED = {
    "list": lambda _syn, table: Table(table, [["c", 1]]),
    "schema": lambda syn, table: Table(syn.get(table), [["c", 1]]),
    "row set": lambda syn, table: RowSet(
        schema=syn.get(table),
        rows=[{"values": ["c", 1]}],
        headers=[{"id": one["id"]} for one in syn.getColumns(table)],
    ),
    "query": lambda syn, table: Table(
        table, syn.tableQuery(f"select * from {table}").asDataFrame().assign(n=7)
    ),
}
_ROWS = {
    "append": [["a", 1]],
    "replace": [["x", 1], ["b", 2]],
    "upsert": [["a", 5], ["z", 2]],
}


class Storing:
    """Tasks that store something, in a service that counts the requests."""

    def __init__(self, rejecting, folder):
        self.service, self.app = rejecting
        fields = json.loads(self.service.airflow_connection)
        fields["extra"]["cache_dir"] = str(folder / "worker")
        self.connection = json.dumps(fields)
        self.api = ExecutionApi({"synapse_default": self.connection})
        self.folder = folder
        with self.service.client(cache_root_dir=str(folder / "alice")) as syn:
            self.project = syn.store(Project(f"Requests {next(_numbers)}")).id

    def create_table(self):
        columns = [Column(name="a", columnType="STRING"), Column(name="n", columnType="INTEGER")]
        with self.service.client() as syn:
            table = syn.store(Schema(f"T{next(_numbers)}", columns, parent=self.project)).id
        self.create_rows(table)
        return table

    def create_rows(self, table):
        """Replace the rows, so that each task finds the same rows."""
        with self.service.client() as syn:
            syn.delete(syn.tableQuery(f"select a from {table}", downloadLocation=str(self.folder)))
            syn.store(Table(table, [["a", 1], ["b", 2]]))

    def create_file(self):
        path = self.folder / f"{next(_numbers)}.txt"
        path.write_text(path.name)
        return str(path)

    def create_operator(self, kind, table):
        if kind == "file":
            return SynapseStoreOperator(
                task_id="store", path=self.create_file(), parent_id=self.project
            )
        if kind == "snapshot":
            return SynapseTableSnapshotOperator(task_id="store", table_id=table)
        return SynapseTableStoreOperator(
            task_id="store",
            table_id=table,
            rows=_ROWS[kind],
            columns=["a", "n"],
            mode=kind,
            **({"key": ["a"]} if kind == "upsert" else {}),
        )

    def count_requests(self, kind, table, mode, inputs):
        """Run a task that reads, and return the requests of one that stores afterwards.

        Only requests that lineage may need are returned: the number of others depends on what is
        cached, and on the time that jobs take.
        """
        operator = self.create_operator(kind, table)
        operator.lineage_mode = mode
        run = self.run_reader(operator, inputs)
        result = run.task("store")
        assert result.state == "success", result.error
        return self.list_requests()

    def run_reader(self, operator, inputs=2):
        """Return a run of a task that has read, and of `operator`."""
        with DAG("storing", schedule=None) as dag:

            @task
            def read():
                syn = SynapseHook().client
                for number in range(inputs):
                    syn.emit(Read(f"syn{10**8 + number}", 1, f"{number}.txt"))

            dag.add_task(operator)
            read() >> operator
        run = Run(self.api, dag, f"run_{next(_numbers)}")
        assert run.task("read").state == "success"
        self.app.requests.clear()
        return run

    def list_requests(self):
        return [one for one in self.app.requests if _OF_LINEAGE.search(one)]

    def count_stored(self, build_rows, mode):
        """Return the requests of a task that stores rows with the client of a hook."""

        @task(task_id="store")
        def store():
            syn = SynapseHook(lineage_mode=mode).client
            syn.store(build_rows(syn))

        run = self.run_reader(store().operator)
        result = run.task("store")
        assert result.state == "success", result.error
        return self.list_requests()


@pytest.fixture
def storing(rejecting, tmp_path):
    return Storing(rejecting, tmp_path)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [("file", 1), ("append", 2), ("replace", 2), ("upsert", 2), ("snapshot", 2)],
)
def test_lineage_costs_at_most_two_requests(storing, kind, extra):
    plain = storing.count_requests(kind, storing.create_table(), "off", 2)
    table = storing.create_table()
    for inputs in (2, 1000):
        requests = storing.count_requests(kind, table, "merge", inputs)
        assert len(requests) - len(plain) == extra, (plain, requests)
        storing.create_rows(table)


@pytest.mark.parametrize("kind", _STORED)
def test_rows_stored_by_the_client_cost_at_most_two_requests(storing, kind):
    requests = {}
    for mode in ("off", "merge"):
        rows = partial(_STORED[kind], table=storing.create_table())
        requests[mode] = storing.count_stored(rows, mode)
    assert len(requests["merge"]) - len(requests["off"]) == 2, requests


def test_a_created_table_costs_at_most_two_requests(storing):
    columns = [Column(name="a", columnType="STRING")]
    requests = {}
    for mode in ("off", "merge"):
        schema = Schema(f"Created {mode}", columns, parent=storing.project)
        requests[mode] = storing.count_stored(lambda _, new=schema: Table(new, [["c"]]), mode)
    assert len(requests["merge"]) - len(requests["off"]) <= 2, requests


def test_further_rows_of_a_task_cost_one_request(storing):
    requests = {}
    for calls in (1, 3):
        table = storing.create_table()

        @task(task_id="store")
        def store(table=table, calls=calls):
            hook = SynapseHook()
            for number in range(calls):
                hook.client.store(Table(table, [["c", number]]))

        run = storing.run_reader(store().operator)
        assert run.task("store").state == "success"
        requests[calls] = storing.list_requests()
    assert len(requests[3]) - len(requests[1]) == 2, requests


@pytest.mark.parametrize("mode", _ROWS)
def test_a_resumed_store_costs_at_most_two_requests(storing, monkeypatch, mode):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", storing.connection)
    requests = {}
    for lineage_mode in ("off", "merge"):
        operator = storing.create_operator(mode, storing.create_table())
        operator.lineage_mode, operator.deferrable = lineage_mode, True
        run = storing.run_reader(operator)
        result = run.task("store")
        while result.state == "deferred":
            result = run.task("store", event=fire_trigger(result))
        assert result.state == "success", result.error
        requests[lineage_mode] = storing.list_requests()
    assert len(requests["merge"]) - len(requests["off"]) == 2, requests


@pytest.mark.parametrize("mode", _ROWS)
def test_a_retry_that_only_links_costs_at_most_two_requests(storing, reject, mode):
    requests = {}
    for lineage_mode in ("off", "merge"):
        operator = storing.create_operator(mode, storing.create_table())
        operator.lineage_mode, operator.lineage_required = lineage_mode, True
        run = storing.run_reader(operator)
        reject("PUT /repo/v1/entity/syn[0-9]+" if lineage_mode == "merge" else "GET .*/syn[0-9]+")
        assert run.task("store", max_tries=1).state != "success"
        reject(None)
        storing.app.requests.clear()
        result = run.task("store", max_tries=1)
        assert result.state == "success", result.error
        requests[lineage_mode] = storing.list_requests()
    assert len(requests["merge"]) - len(requests["off"]) == 2, requests
