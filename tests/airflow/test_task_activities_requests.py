"""Number of requests that the lineage of a task costs."""

import json
import re
from itertools import count

import pytest
from airflow.sdk import DAG, task
from support.execution_api import ExecutionApi, Run

from synapse_workflows import (
    Column,
    Project,
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
        self.api = ExecutionApi({"synapse_default": json.dumps(fields)})
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
        with DAG("storing", schedule=None) as dag:

            @task
            def read():
                syn = SynapseHook().client
                for number in range(inputs):
                    syn.emit(Read(f"syn{10**8 + number}", 1, f"{number}.txt"))

            operator = self.create_operator(kind, table)
            operator.lineage_mode = mode
            read() >> operator
        run = Run(self.api, dag, f"run_{next(_numbers)}")
        assert run.task("read").state == "success"
        self.app.requests.clear()
        result = run.task("store")
        assert result.state == "success", result.error
        return [one for one in self.app.requests if _OF_LINEAGE.search(one)]


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
