"""Tests of asynchronous jobs: access, failures, progress, restart of the service."""

import threading

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient
from support.waiting import wait_until

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.domain import async_jobs, auth
from synapse_workflows.local.domain.tables.query_bundle import QUERY
from synapse_workflows.local.settings import Settings


def start_query(person, table, sql="select 1", path="query"):
    body = {"query": {"sql": sql}, "changes": [], "createSnapshot": True}
    return person.post(f"{REPO}/entity/{table}/table/{path}/async/start", body)


def get_job(person, table, token, path="query"):
    return person.get(f"{REPO}/entity/{table}/table/{path}/async/get/{token}")


@pytest.fixture(scope="module")
def table(tables):
    created = tables.create_table(("a", "STRING"))["id"]
    tables.append(created, ["x"])
    return created


def test_result_of_a_short_job_is_returned_by_the_first_poll(ann, table):
    token = ok(start_query(ann, table, f"select a from {table}"))["token"]
    answer = get_job(ann, table, token)
    assert answer.status_code == 201
    assert get_job(ann, table, token).json() == answer.json()


def test_job_of_another_user_is_forbidden(ann, ben, table):
    token = ok(start_query(ann, table, f"select a from {table}"))["token"]
    assert_error(get_job(ben, table, token), 403)
    assert_error(ben.get(f"{REPO}/asynchronous/job/{token}"), 403)


def test_unknown_token_is_404_and_invalid_token_is_400(ann, table):
    assert_error(get_job(ann, table, "999999"), 404)
    assert_error(get_job(ann, table, "nonsense"), 400)


def test_token_is_rejected_at_the_path_of_another_job(ann, tables, table):
    token = ok(start_query(ann, table, f"select a from {table}"))["token"]
    other = tables.create_table(("a", "STRING"))["id"]
    assert_error(get_job(ann, other, token), 400)
    assert_error(get_job(ann, table, token, "transaction"), 400)
    assert get_job(ann, table.upper(), token).status_code == 201


def test_failed_job_returns_status_and_reason_of_its_error(ann, table):
    token = ok(start_query(ann, table, f"select nope from {table}"))["token"]
    assert_error(get_job(ann, table, token), 400, "Unknown column nope")
    assert_error(get_job(ann, table, token), 400, "Unknown column nope")
    status = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert (status["jobState"], status["errorMessage"]) == ("FAILED", "Unknown column nope")
    missing = ok(start_query(ann, table, "select a from syn99999999"))["token"]
    assert_error(get_job(ann, table, missing), 404)


def test_body_of_another_job_type_is_rejected(ann, table):
    body = {"concreteType": f"{M}.DownloadFromTableRequest", "sql": "x"}
    assert_error(
        ann.post(f"{REPO}/entity/{table}/table/query/async/start", body), 400, "concreteType"
    )


def test_generic_route_returns_the_status_of_a_job(ann, table):
    token = ok(start_query(ann, table, f"select a from {table}"))["token"]
    get_job(ann, table, token)
    status = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert status["jobState"] == "COMPLETE"
    assert "queryResult" in status["responseBody"]
    token = ok(start_query(ann, table, "select nonsense"))["token"]
    get_job(ann, table, token)
    failed = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert failed["jobState"] == "FAILED"
    assert failed["errorMessage"] == get_job(ann, table, token).json()["reason"]
    assert failed["etag"] != status["etag"]


def test_processing_answers_delays_the_result(tmp_path, recording):
    with start_service(tmp_path, recording, processing_answers=2) as rest_service:
        alice = Author(rest_service, "alice")
        table = TableClient(alice).create_table(("a", "STRING"))["id"]
        token = ok(start_query(alice, table, f"select a from {table}"))["token"]
        answers = [get_job(alice, table, token) for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 201]
    assert answers[0].json()["jobState"] == "PROCESSING"


def test_running_job_returns_202_with_its_status(tmp_path, recording):
    """A writer blocks the next writer of its table, but no readers and no other requests."""
    with start_service(tmp_path, recording, job_wait_seconds=0.05) as rest_service:
        alice = Author(rest_service, "alice")
        tabler = TableClient(alice)
        table = tabler.create_table(("a", "STRING"))["id"]
        service = get_service(rest_service)
        with service.tables.open_writer(int(table.removeprefix("syn"))):
            body = {"changes": [tabler.rows(table, ["x"])]}
            path = f"{REPO}/entity/{table}/table/transaction"
            token = ok(alice.post(f"{path}/async/start", body))["token"]
            waiting = alice.get(f"{path}/async/get/{token}")
            assert waiting.status_code == 202
            assert waiting.json()["jobState"] == "PROCESSING"
            assert tabler.query(f"select count(*) from {table}") == [["0"]]
            ok(alice.post(f"{REPO}/column", {"name": "free", "columnType": "DATE"}))
        assert tabler.run(path, {"changes": [tabler.rows(table, ["y"])]}).status_code == 201
        assert tabler.query(f"select count(*) from {table}") == [["2"]]


def get_service(rest_service):
    """The domain service behind an in-process REST service."""
    adapter = rest_service.session.get_adapter(asgi_adapter.BASE_URL)
    return adapter._app.state.service


def test_number_of_parallel_jobs_is_limited(tmp_path):
    with start_service(tmp_path, job_workers=2) as rest_service:
        service = get_service(rest_service)
        running, highest, lock = [0], [0], threading.Lock()
        release = threading.Event()

        def work(_run):
            with lock:
                running[0] += 1
                highest[0] = max(highest[0], running[0])
            release.wait(60)
            with lock:
                running[0] -= 1
            return {"concreteType": "done"}

        job_type = async_jobs.JobType("test", work)
        alice = Author(rest_service, "alice")
        tokens = []
        for _ in range(4):
            with service.database.write_transaction() as session:
                caller = authenticate(service, session, alice)
                tokens.append(async_jobs.create_job(session, caller, job_type, {}))
            async_jobs.submit_job(service, caller, tokens[-1], job_type)
        wait_until(lambda: running[0] == 2)
        service.jobs.wait(tokens[0], 0.1)  # others would start
        release.set()
        for token in tokens:
            service.jobs.wait(token, 60)
        with service.database.read_transaction() as session:
            states = {async_jobs.get_job(session, caller, str(token)).state for token in tokens}
    assert highest == [2]
    assert states == {"COMPLETE"}


def authenticate(service, session, person):
    token = person.headers["Authorization"].removeprefix("Bearer ")
    return auth.authenticate(session, token, service.now())


def test_unexpected_error_is_logged_and_not_returned(tmp_path, caplog):
    with start_service(tmp_path) as rest_service:
        service = get_service(rest_service)

        def work(_run):
            raise RuntimeError("secret")

        job_type = async_jobs.JobType("test", work)
        alice = Author(rest_service, "alice")
        with service.database.write_transaction() as session:
            caller = authenticate(service, session, alice)
            token = async_jobs.create_job(session, caller, job_type, {})
        async_jobs.submit_job(service, caller, token, job_type)
        service.jobs.wait(token, 60)
        status = ok(alice.get(f"{REPO}/asynchronous/job/{token}"))
    assert status["jobState"] == "FAILED"
    assert "secret" not in status["errorMessage"]
    assert "secret" in caplog.text


def test_job_interrupted_by_a_restart_has_failed(tmp_path, recording):
    """A job that is PROCESSING when the service starts was interrupted."""
    with start_service(tmp_path, recording) as rest_service:
        service = get_service(rest_service)
        alice = Author(rest_service, "alice")
        table = TableClient(alice).create_table(("a", "STRING"))["id"]
        with service.database.write_transaction() as session:
            caller = authenticate(service, session, alice)
            token = async_jobs.create_job(session, caller, QUERY, {"query": {"sql": "x"}}, table)
    with start_service(tmp_path, recording) as rest_service:
        assert_error(
            get_job(Author(rest_service, "alice"), table, str(token)), 409, "start the job again"
        )


def test_service_can_be_closed_twice(tmp_path):
    service = create_app(Settings(data_dir=tmp_path)).state.service
    service.close()
    service.close()
