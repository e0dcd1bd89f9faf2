"""Programs that a task starts report what they read, ran and stored in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import (
    ExternalPythonOperator,
    PythonOperator,
    PythonVirtualenvOperator,
)
from airflow.sdk import DAG, task
from docker.types import Mount
from support.execution_api import Run
from support.guides import blocks

from synapse_workflows import SynapseHook, SynapseStoreOperator
from synapse_workflows.client.core.lineage_variable import LINEAGE_FILE
from synapse_workflows.lineage.lineage_mode import without_lineage
from synapse_workflows.lineage.report_lines import parse_lines
from synapse_workflows.lineage.reported_lineage import ReportedLineage

REPORT = 'echo \'{"used": "https://example.org/data.csv"}\' >> $SYNAPSE_LINEAGE_FILE'
URL = "https://example.org/data.csv"


def report():
    """Report a URL, as a program without this package does."""
    import os
    from pathlib import Path

    with Path(os.environ["SYNAPSE_LINEAGE_FILE"]).open("a") as file:
        file.write('{"used": "https://example.org/data.csv"}\n')


def in_subprocess():
    subprocess.run(["sh", "-c", REPORT], check=True)


OPERATORS = {
    "bash": lambda: BashOperator(task_id="first", bash_command=REPORT),
    "bash with an environment": lambda: BashOperator(
        task_id="first", bash_command=REPORT, env={"A": "1"}
    ),
    "bash with an empty environment": lambda: BashOperator(
        task_id="first", bash_command=REPORT, env={}
    ),
    "external python": lambda: ExternalPythonOperator(
        task_id="first",
        python=sys._base_executable,
        python_callable=report,
        inherit_env=False,
        expect_airflow=False,
    ),
    "virtual environment": lambda: PythonVirtualenvOperator(
        task_id="first", python_callable=report, expect_airflow=False
    ),
    "subprocess": lambda: PythonOperator(task_id="first", python_callable=in_subprocess),
    "result of a pod": lambda: PythonOperator(
        task_id="first", python_callable=lambda: {"synapse_lineage": [{"used": URL}]}
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_what_a_program_reported_is_used_downstream(api, project, sources_of, tmp_path, name):
    (tmp_path / "result.txt").write_text("1")
    with DAG("programs", schedule=None) as dag:
        OPERATORS[name]() >> SynapseStoreOperator(
            task_id="store", path=str(tmp_path / "result.txt"), parent_id=project
        )
    one = Run(api, dag).all()
    used, _ = sources_of(one.value("store")["id"])
    assert used == [URL]
    assert LINEAGE_FILE not in os.environ


def test_a_client_in_a_program_reports_what_it_read(api, put, socket_service, tmp_path, script):
    raw = put()
    program = script(
        "program.py",
        f"""
        from synapse_workflows import Synapse
        syn = Synapse(cache_root_dir={str(tmp_path / "other")!r}, skip_checks=True,
                      **{dict(socket_service.endpoints)!r})
        syn.login(authToken={socket_service.token("alice")!r}, silent=True)
        syn.get({raw!r})
        syn.get({raw.partition(".")[0]!r}, downloadFile=False)
        """,
    )
    with DAG("clients", schedule=None) as dag:
        BashOperator(task_id="first", bash_command=f"{sys.executable} {program}")
    record = Run(api, dag).all().record("first")
    entity_id, _, version = raw.partition(".")
    reads = [entry for entry in record["used"] if entry["origin"] == "read"]
    assert [(entry["id"], entry["version"]) for entry in reads] == [(entity_id, int(version))]
    assert reads[0]["site"] == socket_service.endpoints["repoEndpoint"]


@pytest.fixture
def store_program(socket_service, tmp_path, script):
    """Function that returns a command that stores a file with a client of its own."""

    def create(project, *, used=None, text="1"):
        (tmp_path / "stored.txt").write_text(text)
        return f"{sys.executable} " + script(
            "store.py",
            f"""
            from synapse_workflows import File, Synapse
            syn = Synapse(cache_root_dir={str(tmp_path / "other")!r}, skip_checks=True,
                          **{dict(socket_service.endpoints)!r})
            syn.login(authToken={socket_service.token("alice")!r}, silent=True)
            file = File({str(tmp_path / "stored.txt")!r}, parent={project!r})
            print(syn.store(file, used={used!r}).id)
            """,
        )

    return create


def test_what_a_program_stored_has_the_activity_of_the_task(
    api, alice, project, put, sources_of, store_program
):
    raw = put()
    with DAG("stores", schedule=None) as dag:

        @task
        def read():
            SynapseHook().client.get(raw)

        @task
        def use(entity_id):
            SynapseHook().client.get(entity_id)

        first = BashOperator(task_id="first", bash_command=store_program(project))
        read() >> first
        use(first.output)
    one = Run(api, dag).all()
    stored = one.value("first")
    used, executed = sources_of(stored)
    assert used == [raw]
    assert executed
    assert one.record("first")["wrote"][0]["id"] == stored
    assert "gaps" not in one.record("first")
    assert alice.get(stored, downloadFile=False).versionNumber == 1
    assert alice.getProvenance(stored)["name"].startswith("stores")


def test_the_activity_of_a_program_is_kept(api, project, put, sources_of, store_program):
    raw = put()
    with DAG("keeps", schedule=None) as dag:
        BashOperator(task_id="first", bash_command=store_program(project, used=raw))
    one = Run(api, dag).all()
    assert sources_of(one.value("first")) == ([raw], [])
    assert "gaps" not in one.record("first")


def test_a_version_that_cannot_have_the_activity_is_a_gap(api, project, store_program, script):
    api.connections.clear()
    with DAG("gaps", schedule=None) as dag:
        BashOperator(task_id="first", bash_command=store_program(project))
    record = Run(api, dag).all().record("first")
    assert len(record["wrote"]) == 1
    assert "has no Activity of this task: there is no usable connection" in record["gaps"][0]


def test_a_hook_of_the_task_itself_is_recorded_once(api, put):
    raw = put()
    with DAG("hook", schedule=None) as dag:

        @task
        def work():
            SynapseHook().client.get(raw)
            assert not Path(os.environ[LINEAGE_FILE]).exists()

        work()
    assert len(Run(api, dag).all().record("work")["used"]) == 1


def test_reports_are_ignored_without_lineage(api):
    def work():
        with without_lineage():
            in_subprocess()

    with DAG("suspended", schedule=None) as dag:
        PythonOperator(task_id="work", python_callable=work)
    assert Run(api, dag).all().record("work") is None


def test_lines_of_a_file():
    lines = [
        {"used": "syn1.2", "site": "https://u:pw@example.org/repo/v1"},
        {"used": ["syn2", "https://example.org/x?token=secret"], "name": "x"},
        {"used": "syn3.1", "open": True, "etag": "e", "read_at": "2026-11-26T12:00:00+00:00"},
        {"executed": "https://example.org/run.R"},
        {"stored": "syn4.1"},
        {"used": "syn5", "type": "org.sagebionetworks.repo.model.Folder"},
        {"gap": "the genome https://u:secret@example.org is not known"},
    ]
    record = parse_lines([json.dumps(line).encode() for line in lines])
    assert [str(ref) for ref in record.inputs()] == ["syn1.2", "syn2", "x", "syn3.1"]
    assert [str(ref) for ref in record.executed()] == ["https://example.org/run.R"]
    assert [str(ref) for ref in record.wrote] == ["syn4.1"]
    assert record.gaps == ("the genome https://example.org is not known",)
    assert "secret" not in str(record)
    assert "pw" not in str(record)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"\xff\xfe",
        b"[1]",
        b"{}",
        b'{"used": 5}',
        b'{"used": "/data/local.csv?password=secret"}',
        b'{"used": "syn1", "open": true, "read_at": "yesterday"}',
        b"[" * 100_000,
        b'{"used": {"secret": "secret"}}',
    ],
)
def test_an_invalid_line_is_a_gap(line):
    record = parse_lines([line, b'{"used": "syn1"}'])
    assert [str(ref) for ref in record.inputs()] == ["syn1"]
    assert record.gaps[0].startswith("line 1 of the lineage file of the task is invalid: ")
    assert "secret" not in str(record)


def test_the_lines_in_the_guide():
    (block,) = blocks("json")
    record = parse_lines(block.text.encode().splitlines())
    assert len(record.gaps) == 1
    assert len(record.entries()) == 3
    assert len(record.wrote) == 1


def test_many_invalid_lines_are_counted():
    assert parse_lines([b"{"] * 9).gaps[-1] == "4 further lines of the lineage file are invalid"


def test_a_file_that_the_dag_names_is_read_from_its_size_at_the_start(tmp_path):
    given = tmp_path / "given.jsonl"
    given.write_text('{"used": "syn1"}\n')
    first = DockerOperator(
        task_id="first",
        image="image",
        environment={LINEAGE_FILE: "/lineage/given.jsonl"},
        mounts=[Mount("/lineage", str(tmp_path), type="bind")],
    )
    reported = ReportedLineage()
    reported.start(first)
    try:
        assert not reported.to_record()
        with given.open("a") as file:
            file.write('{"used": "syn2"}\n')
        assert [str(ref) for ref in reported.to_record().inputs()] == ["syn2"]
    finally:
        reported.clear()
    assert not reported.to_record()
