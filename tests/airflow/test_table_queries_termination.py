"""SynapseTableQueryOperator that is terminated by a signal or by its execution_timeout."""

import os
import signal
import time
from datetime import timedelta
from itertools import count

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowTaskTimeout
from support.execution_api import ExecutionApi, Run
from support.fault_injection import FaultInjector
from support.prepared_entities import append_rows, create_project, create_table

from synapse_workflows import Column, SynapseTableQueryOperator
from synapse_workflows.testing import over_socket

NAMES = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory, recording):
    """Service with injected faults."""
    injector = []

    def wrap(app):
        injector.append(FaultInjector(recording(app)))
        return injector[0]

    with over_socket(tmp_path_factory.mktemp("terminated"), wrap=wrap) as made:
        yield made, injector[0]


@pytest.fixture
def injector(service):
    service[1].clear()
    return service[1]


@pytest.fixture
def run(service, tmp_path):
    """Function that creates the run of a query of three rows."""
    with service[0].client(cache_root_dir=str(tmp_path / "alice")) as syn:
        project = create_project(syn, f"Terminated {next(NAMES)}")
        columns = [Column(name="n", columnType="INTEGER")]
        table = create_table(syn, project, "Numbers", columns)
        append_rows(syn, table, [[1], [2], [3]])

    def make(**arguments):
        with DAG("terminated", schedule=None) as dag:
            SynapseTableQueryOperator(
                task_id="query",
                sql=f"select * from {table}",
                output_path=str(tmp_path / "out" / "rows.csv"),
                retries=3,
                **arguments,
            )
        return Run(ExecutionApi({"synapse_default": service[0].airflow_connection}), dag)

    return make


@pytest.fixture
def restore_signal():
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)  # the response arrives after the signal


@pytest.mark.parametrize(
    "pattern",
    ["download/csv/async/start", "download/csv/async/get", "/file/v1/fileHandle/batch"],
)
def test_terminated_query_ends_and_is_retried(run, injector, tmp_path, restore_signal, pattern):
    one = run()
    injector.at(pattern, terminate)
    result = one.task("query", max_tries=3)
    assert result.state == "up_for_retry", result.error
    assert isinstance(result.error, SystemExit)
    assert list((tmp_path / "out").iterdir()) == []
    assert one.task("query", max_tries=3).state == "success"
    assert one.value("query")["rows"] == 3


def test_execution_timeout_keeps_its_error(run, injector):
    one = run(execution_timeout=timedelta(seconds=1))
    injector.at("download/csv/async/get", lambda: time.sleep(3))
    result = one.task("query", max_tries=3)
    assert result.state == "up_for_retry"
    assert isinstance(result.error, AirflowTaskTimeout)
