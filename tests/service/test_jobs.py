"""Asynchronous jobs: who may look, what failure looks like, what a restart leaves."""

import threading

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.domain import async_jobs, auth
from synapse_workflows.local.domain.tables.query_bundle import QUERY
from synapse_workflows.local.settings import Settings


def start(person, table, sql="select 1", path="query"):
    body = {"query": {"sql": sql}, "changes": [], "createSnapshot": True}
    return person.post(f"{REPO}/entity/{table}/table/{path}/async/start", body)


def get(person, table, token, path="query"):
    return person.get(f"{REPO}/entity/{table}/table/{path}/async/get/{token}")


@pytest.fixture(scope="module")
def table(tables):
    made = tables.create_table(("a", "STRING"))["id"]
    tables.append(made, ["x"])
    return made


def test_a_quick_job_is_done_at_the_first_answer(ann, table):
    token = ok(start(ann, table, f"select a from {table}"))["token"]
    answer = get(ann, table, token)
    assert answer.status_code == 201
    assert get(ann, table, token).json() == answer.json()


def test_only_the_starter_may_look(ann, ben, table):
    token = ok(start(ann, table, f"select a from {table}"))["token"]
    assert_error(get(ben, table, token), 403)
    assert_error(ben.get(f"{REPO}/asynchronous/job/{token}"), 403)


def test_an_unknown_token_is_not_found(ann, table):
    assert_error(get(ann, table, "999999"), 404)
    assert_error(get(ann, table, "nonsense"), 400)


def test_a_token_belongs_to_its_path(ann, tables, table):
    token = ok(start(ann, table, f"select a from {table}"))["token"]
    other = tables.create_table(("a", "STRING"))["id"]
    assert_error(get(ann, other, token), 400)
    assert_error(get(ann, table, token, "transaction"), 400)
    assert get(ann, table.upper(), token).status_code == 201


def test_a_failed_job_has_status_and_reason_of_its_cause(ann, table):
    token = ok(start(ann, table, f"select nope from {table}"))["token"]
    assert_error(get(ann, table, token), 400, "Unknown column nope")
    assert_error(get(ann, table, token), 400, "Unknown column nope")
    told = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert (told["jobState"], told["errorMessage"]) == ("FAILED", "Unknown column nope")
    missing = ok(start(ann, table, "select a from syn99999999"))["token"]
    assert_error(get(ann, table, missing), 404)


def test_a_job_of_another_class_is_refused(ann, table):
    body = {"concreteType": f"{M}.DownloadFromTableRequest", "sql": "x"}
    assert_error(
        ann.post(f"{REPO}/entity/{table}/table/query/async/start", body), 400, "concreteType"
    )


def test_the_generic_route_tells_of_a_job(ann, table):
    token = ok(start(ann, table, f"select a from {table}"))["token"]
    get(ann, table, token)
    told = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert told["jobState"] == "COMPLETE"
    assert "queryResult" in told["responseBody"]
    token = ok(start(ann, table, "select nonsense"))["token"]
    get(ann, table, token)
    failed = ok(ann.get(f"{REPO}/asynchronous/job/{token}"))
    assert failed["jobState"] == "FAILED"
    assert failed["errorMessage"] == get(ann, table, token).json()["reason"]
    assert failed["etag"] != told["etag"]


def test_polling_can_be_tested(tmp_path, recording):
    with start_service(tmp_path, recording, processing_answers=2) as rest_service:
        alice = Author(rest_service, "alice")
        table = TableClient(alice).create_table(("a", "STRING"))["id"]
        token = ok(start(alice, table, f"select a from {table}"))["token"]
        answers = [get(alice, table, token) for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 201]
    assert answers[0].json()["jobState"] == "PROCESSING"


def test_a_long_job_says_that_it_is_under_way(tmp_path, recording):
    """A writer that holds the table keeps the next one waiting, nobody else."""
    with start_service(tmp_path, recording, job_wait_seconds=0.05) as rest_service:
        alice = Author(rest_service, "alice")
        tabler = TableClient(alice)
        table = tabler.create_table(("a", "STRING"))["id"]
        service = recording_service(rest_service)
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


def recording_service(rest_service):
    """The domain service behind an in-process REST service."""
    adapter = rest_service.session.get_adapter(asgi_adapter.BASE_URL)
    return adapter._app.state.service


def test_jobs_run_beside_each_other_within_bounds(tmp_path):
    with start_service(tmp_path, job_workers=2) as rest_service:
        service = recording_service(rest_service)
        seen, most, guard = [0], [0], threading.Lock()
        gate = threading.Event()

        def work(_run):
            with guard:
                seen[0] += 1
                most[0] = max(most[0], seen[0])
            gate.wait(5)
            with guard:
                seen[0] -= 1
            return {"concreteType": "done"}

        kind = async_jobs.Kind("test", work)
        alice = Author(rest_service, "alice")
        tokens = []
        for _ in range(4):
            with service.database.transaction() as session:
                caller = as_caller(service, session, alice)
                tokens.append(async_jobs.begin(session, caller, kind, {}))
            service.jobs.submit(service, caller, tokens[-1], kind)
        service.jobs.wait(tokens[0], 0.1)
        gate.set()
        for token in tokens:
            service.jobs.wait(token, 5)
        with service.database.reading() as session:
            states = {async_jobs.find(session, caller, str(token)).state for token in tokens}
    assert most == [2]
    assert states == {"COMPLETE"}


def as_caller(service, session, person):
    token = person.headers["Authorization"].removeprefix("Bearer ")
    return auth.authenticate(session, token, service.now())


def test_a_job_that_fails_unforeseen_says_little(tmp_path, caplog):
    with start_service(tmp_path) as rest_service:
        service = recording_service(rest_service)

        def work(_run):
            raise RuntimeError("secret")

        kind = async_jobs.Kind("test", work)
        alice = Author(rest_service, "alice")
        with service.database.transaction() as session:
            caller = as_caller(service, session, alice)
            token = async_jobs.begin(session, caller, kind, {})
        service.jobs.submit(service, caller, token, kind)
        service.jobs.wait(token, 5)
        told = ok(alice.get(f"{REPO}/asynchronous/job/{token}"))
    assert told["jobState"] == "FAILED"
    assert "secret" not in told["errorMessage"]
    assert "secret" in caplog.text


def test_a_job_cut_off_by_the_end_of_the_service_has_failed(tmp_path, recording):
    """What is PROCESSING in the database when the service starts was cut off."""
    with start_service(tmp_path, recording) as rest_service:
        service = recording_service(rest_service)
        alice = Author(rest_service, "alice")
        table = TableClient(alice).create_table(("a", "STRING"))["id"]
        with service.database.transaction() as session:
            caller = as_caller(service, session, alice)
            token = async_jobs.begin(session, caller, QUERY, {"query": {"sql": "x"}}, table)
    with start_service(tmp_path, recording) as rest_service:
        assert_error(
            get(Author(rest_service, "alice"), table, str(token)), 409, "start the job again"
        )


def test_the_service_can_be_opened_and_closed(tmp_path):
    service = create_app(Settings(data_dir=tmp_path)).state.service
    service.close()
    service.close()
