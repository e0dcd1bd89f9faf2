"""Port and environment of the command `airflow`."""

import os
import socket

import pytest

from synapse_workflows.demo.airflow_server import choose_port, create_environment
from synapse_workflows.demo.processes import ProcessError
from synapse_workflows.free_ports import find_free_port, is_free_port

SERVICE = {"airflow_connection": "{}"}


@pytest.fixture
def busy():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def no_port(monkeypatch):
    monkeypatch.delenv("AIRFLOW__API__PORT", raising=False)


def test_the_given_port_precedes_the_variable(tmp_path, monkeypatch):
    first, second = find_free_port(), find_free_port()
    monkeypatch.setenv("AIRFLOW__API__PORT", str(second))
    assert choose_port(tmp_path, first) == first
    assert choose_port(tmp_path, None) == second


def test_a_chosen_port_that_is_in_use_is_an_error(tmp_path, busy, monkeypatch):
    with pytest.raises(ProcessError, match=f"Port {busy} is in use"):
        choose_port(tmp_path, busy)
    monkeypatch.setenv("AIRFLOW__API__PORT", "http")
    with pytest.raises(ProcessError, match="AIRFLOW__API__PORT='http'"):
        choose_port(tmp_path, None)


def test_without_a_choice_the_last_port_is_used_if_it_is_free(tmp_path, busy):
    last = find_free_port()
    (tmp_path / "port").write_text(str(last))
    assert choose_port(tmp_path, None) == last
    (tmp_path / "port").write_text(str(busy))
    other = choose_port(tmp_path, None)
    assert other != busy
    assert is_free_port(other)


def test_the_environment_has_few_workers_and_no_hidden_connection(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", "syn://")
    monkeypatch.delenv("AIRFLOW__CORE__PARALLELISM", raising=False)
    environment = create_environment(tmp_path, SERVICE, 8123, None)
    assert environment["AIRFLOW__API__PORT"] == "8123"
    assert environment["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8123"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert int(environment["AIRFLOW__CORE__PARALLELISM"]) <= max(os.cpu_count() or 1, 1)
    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"
    assert "AIRFLOW_CONN_SYNAPSE_DEFAULT" not in environment, "it would hide the stored one"


def test_own_dags_stay_paused_and_own_settings_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "7")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://elsewhere/execution/")
    environment = create_environment(tmp_path, SERVICE, 8123, tmp_path)
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(tmp_path)
    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "7"
    url = environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url.startswith("http://127.0.0.1:"), "tasks must use this Airflow"
