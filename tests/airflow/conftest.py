"""Fixtures for tests with Airflow: a temporary Airflow home, set before Airflow is imported."""
# ruff: noqa: E402

import csv
import gc
import json
import os
import sys
import tempfile
import warnings
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from textwrap import dedent

_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
if "airflow" not in sys.modules:
    os.environ.update(
        AIRFLOW_HOME=_HOME.name,
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="1",
        AIRFLOW__CORE__DAGS_FOLDER=str(Path(_HOME.name, "dags")),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
    )
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import airflow.sdk
    import airflow.sdk.execution_time.supervisor  # noqa: F401

import pytest
from airflow.sdk import DAG
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from support.activity_sources import list_sources
from support.airflow_scheduler import Scheduler, run_scheduler
from support.challenge import Challenge
from support.execution_api import ExecutionApi, Run
from support.prepared_entities import (
    append_rows,
    create_file,
    create_project,
    create_table,
    read_rows,
)
from support.rejecting_app import RejectingApp
from support.status_server import serve_statuses
from support.sts_folders import StsSetup
from support.table_types import TableFactory

from synapse_workflows import (
    Column,
    File,
    Project,
    SynapseScoreSubmissionOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.client.errors import SynapseConflictError
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.testing import over_socket

_names = count(1)


_SCHEDULER = pytest.StashKey[tuple[Scheduler, ExitStack]]()


@pytest.fixture
def scheduler(request, socket_service, tmp_path_factory):
    """Airflow with a scheduler, which successive tests share."""
    stash = request.session.stash
    if _SCHEDULER not in stash:
        folder, stack = tmp_path_factory.mktemp("scheduler"), ExitStack()
        running = stack.enter_context(run_scheduler(folder, socket_service.airflow_connection))
        stash[_SCHEDULER] = running, stack
    return stash[_SCHEDULER][0]


def pytest_runtest_teardown(item, nextitem):
    """Stop Airflow unless the next test uses it."""
    stash = item.session.stash
    if _SCHEDULER in stash and "scheduler" not in getattr(nextitem, "fixturenames", ()):
        stash[_SCHEDULER][1].close()
        del stash[_SCHEDULER]


@pytest.fixture(autouse=True)
def masked_values():
    """Forget the masked values after the test: Airflow compiles all of them again at each one."""
    yield
    reset_secrets_masker()


@pytest.fixture(scope="module")
def rejecting(tmp_path_factory):
    """A service, and its middleware."""
    apps = []

    def wrap(app):
        apps.append(RejectingApp(app))
        return apps[0]

    with over_socket(tmp_path_factory.mktemp("rejecting"), wrap=wrap) as service:
        yield service, apps[0]


@pytest.fixture
def reject(rejecting):
    """Function that lets the service of `rejecting` reject requests for Activities."""

    def start(pattern="POST /repo/v1/activity"):
        rejecting[1].pattern = pattern

    return start


@pytest.fixture
def alice(socket_service, tmp_path):
    """Client of the user alice for use outside Airflow."""
    with socket_service.client(cache_root_dir=str(tmp_path / "alice")) as syn:
        yield syn


@pytest.fixture
def project(alice):
    """Id of a project that alice owns."""
    return create_project(alice, f"Airflow test {next(_names)}")


@pytest.fixture
def worker(tmp_path):
    """Cache directory of the worker."""
    return tmp_path / "worker"


@pytest.fixture
def connection(socket_service, worker):
    """Airflow connection of alice as JSON text."""
    fields = json.loads(socket_service.airflow_connection)
    fields["extra"]["cache_dir"] = str(worker)
    return json.dumps(fields)


@pytest.fixture
def api(connection):
    """Execution API with the connection `synapse_default`."""
    return ExecutionApi({"synapse_default": connection})


@pytest.fixture(scope="session")
def web():
    """Port of an HTTP server."""
    with serve_statuses() as port:
        yield port


@pytest.fixture(scope="session")
def file_handles():
    """Ids of the file handles of alice, by folder of the service and name and text of the file."""
    return {}


@pytest.fixture
def put(alice, socket_service, project, tmp_path, file_handles):
    """Function that stores a small file outside Airflow and returns its versioned id."""

    def store(name="raw.csv", text="a,b\n1,2\n", parent=project):
        path = tmp_path / "uploads" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        key = socket_service.folder, name, text
        if key not in file_handles:
            file_handles[key] = alice.uploadFileHandle(path, parent)["id"]
        try:
            return f"{create_file(alice, parent, name, file_handles[key])}.1"
        except SynapseConflictError:
            stored = alice.store(File(str(path), parent=parent))
            return f"{stored.id}.{stored.versionNumber}"

    return store


@pytest.fixture
def table_factory(alice, project, tmp_path):
    """Factory of tables, views, submission views and datasets of alice."""
    return TableFactory(alice, project, tmp_path / "files")


@pytest.fixture
def triggerer(connection, monkeypatch):
    """Set the connection in the environment, where the triggerer reads it."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)


@pytest.fixture
def docker_sockets():
    """Collect the sockets that the client of Docker leaves open, so that no other test does."""
    gc.freeze()  # collect only what is created from here on
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def sources_of(alice):
    """Function that returns the used and the executed references of an entity's Activity."""
    return partial(list_sources, alice)


@pytest.fixture
def table(alice, project):
    """Id of a table of alice with two columns and no rows."""
    columns = [
        Column(name="a name", columnType="STRING"),
        Column(name="n", columnType="INTEGER"),
    ]
    return create_table(alice, project, "Results", columns)


@pytest.fixture
def filled(alice, table):
    """Id of `table` with three rows."""
    append_rows(alice, table, [["a", 1], ["b", 2], ["c", 3]])
    return table


@pytest.fixture
def write_csv(tmp_path):
    """Function that writes a CSV file and returns its path."""

    def write(*rows, names=("a name", "n"), name="rows.csv", **dialect):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            csv.writer(file, **dialect).writerows([names, *rows])
        return str(path)

    return write


@pytest.fixture
def store_rows(api):
    """Function that runs a SynapseTableStoreOperator and returns its last result and its run."""

    def run(tries=1, **arguments):
        with DAG("store_rows", schedule=None) as dag:
            SynapseTableStoreOperator(task_id="store", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}")
        for _ in range(tries):
            result = dag_run.task("store", max_tries=5)
        return result, dag_run

    return run


@pytest.fixture
def rows_of(alice):
    """Function that returns the cells of a table, optionally with row ids and versions."""
    return partial(read_rows, alice)


@pytest.fixture
def challenge(alice, project, tmp_path):
    """Queue of alice with a gold standard."""
    return Challenge(alice, project, tmp_path / "challenge")


@pytest.fixture
def script(tmp_path):
    """Function that writes a script and returns its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(dedent(text))
        return str(path)

    return write


@pytest.fixture
def score(api, challenge):
    """Function that runs a SynapseScoreSubmissionOperator; returns its last result and its run."""

    def run(submission, *, tries=1, max_tries=0, **arguments):
        places = {
            "goldstandard_id": challenge.goldstandard,
            "results_parent_id": challenge.project,
        }
        with DAG("score", schedule=None) as dag:
            SynapseScoreSubmissionOperator(
                task_id="score",
                retries=max_tries,
                submission=submission,
                **(places | arguments),
            )
        one = Run(api, dag, f"run_{next(_names)}")
        for _ in range(tries):
            result = one.task("score", max_tries=max_tries)
        return result, one

    return run


@pytest.fixture
def sts_setup(s3_service, tmp_path):
    """Generator of the folders of alice on a service that uses the S3 server."""

    def set_up(service):
        connection = json.loads(service.airflow_connection)
        connection["extra"]["cache_dir"] = str(tmp_path / "worker")
        with service.client(cache_root_dir=str(tmp_path / "alice")) as alice:
            project = alice.store(Project(f"STS test {next(_names)}")).id
            api = ExecutionApi({"synapse_default": json.dumps(connection)})
            yield StsSetup(s3_service, service, alice, api, project)

    return set_up


@pytest.fixture
def sts(s3_service, sts_setup):
    """Folders of alice with STS storage locations on a real S3 server."""
    yield from sts_setup(s3_service.service)


@pytest.fixture
def sts_backend(monkeypatch):
    """Use `SynapseStsBackend` and `SynapseStsSessionFactory`, as the configuration does."""
    from airflow.providers.amazon.aws.hooks import base_aws
    from airflow.sdk.configuration import clear_secrets_backends_cache

    backend = "synapse_workflows.secrets.SynapseStsBackend"
    factory = "synapse_workflows.hooks.sts_session_factory.SynapseStsSessionFactory"
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", backend)
    monkeypatch.setenv("AIRFLOW__AWS__SESSION_FACTORY", factory)
    monkeypatch.setattr(base_aws, "SessionFactory", base_aws.resolve_session_factory())
    clear_secrets_backends_cache()
    yield
    monkeypatch.undo()
    clear_secrets_backends_cache()


@pytest.fixture
def issued_secrets(monkeypatch):
    """Values of all credentials that the service issues during the test."""
    from synapse_workflows.local.s3.credentials import CredentialIssuer

    values, issue = [], CredentialIssuer.issue

    def issue_and_record(*args, **kwargs):
        issued = issue(*args, **kwargs)
        values.extend((issued.access_key_id, issued.secret_access_key, issued.session_token))
        return issued

    monkeypatch.setattr(CredentialIssuer, "issue", issue_and_record)
    return values


@pytest.fixture
def lineage_client(s3_service, tmp_path):
    """Client of alice in the service with the S3 server, as hooks have it."""
    with LineageClient(
        synapse_conn_id="synapse_default",
        lineage_mode=LineageMode.MERGE,
        skip_checks=True,
        cache_root_dir=str(tmp_path / "cache"),
        **s3_service.service.endpoints,
    ) as client:
        client.login(authToken=s3_service.service.token("alice"), silent=True)
        yield client
