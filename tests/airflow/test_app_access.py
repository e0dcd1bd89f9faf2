"""Access to the pages in Airflow's API server, and their content."""

import pytest
from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
from support.airflow_rows import Instance, add_run, create_tables

from synapse_workflows.lineage.published_record import DataFlow, PublishedRecord
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

SITE, PORTAL = "https://repo.example.org/repo/v1", "https://portal.example.org/"
RUN = "manual__2026-01-01T00:00:00+00:00"


def publish(used=(), stored=(), flows=(), **details):
    """Return the published lineage of a task."""
    record = Record.from_refs(
        Origin.READ, used=[EntityRef(id_, version, SITE) for id_, version in used]
    ) | Record.from_stored(*(EntityRef(id_, version, SITE) for id_, version in stored))
    activities = {id_: f"9{id_.removeprefix('syn')}" for id_, _ in stored}
    return PublishedRecord(
        record, flows=flows, activities=activities, portals={SITE: PORTAL}, **details
    )


def create_pipeline(first):
    """Return the task instances of a run that reads an entity and stores the next one."""
    read, stored = (f"syn{first}", 3), (f"syn{first + 1}", 1)
    return [
        Instance("get", publish(used=[read], names={read[0]: f"raw {first} <b>.csv"})),
        Instance("store", publish(stored=[stored], flows=(DataFlow("get", None, "store", None),))),
        Instance("broken", state="failed"),
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Client of the API server, with runs of three DAGs in its database."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("server")
        passwords = folder / "passwords.json"
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{folder}/airflow.db")
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "support.airflow_rows.DagAuthManager")
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patch.setenv("AIRFLOW__SCHEDULER__ALLOWED_RUN_ID_PATTERN", ".*")
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        create_tables()
        add_run("carol_dag", RUN, create_pipeline(10))
        add_run("carol_dag", "backfill/1", create_pipeline(20), day=1)
        add_run("bob_dag", RUN, create_pipeline(30), day=2)
        add_run("carol_quiet", RUN, [Instance("nothing")])
        purge_cached_app()
        with TestClient(create_app(apps="core")) as client:
            yield client
        purge_cached_app()


@pytest.fixture
def fetch(server):
    """Function that requests a page as a user; None for no session."""

    def get(path, user="carol", headers=None, **parameters):
        headers = dict(headers or {})
        if user is not None:
            role = "ADMIN" if user == "alice" else "VIEWER"
            token = get_auth_manager().generate_jwt(
                SimpleAuthManagerUser(username=user, role=role)
            )
            headers["Authorization"] = f"Bearer {token}"
        return server.get(f"/synapse/{path}", params=parameters, headers=headers)

    return get


@pytest.mark.parametrize(
    "path",
    [
        "runs",
        "dags/carol_dag/run?run_id=x",
        "dags/carol_dag/task?run_id=x&task_id=y",
        "static/graph.js",
    ],
)
def test_without_a_session_every_page_is_refused(fetch, server, path):
    assert fetch(path, user=None).status_code == 401
    invalid = {"Authorization": "Bearer abc"}
    assert server.get(f"/synapse/{path}", headers=invalid).status_code == 403
    as_cookie = fetch(path, user=None, headers={"Cookie": "_token=abc"})
    assert as_cookie.status_code == 403


@pytest.mark.parametrize("path", ["openapi.json", "docs", "redoc", "static/../app.py", "", "x"])
def test_there_is_nothing_else(fetch, path):
    assert fetch(path).status_code in {401, 404}


def test_the_lineage_of_a_dag_is_shown_only_to_its_readers(fetch):
    for path, parameters in {"run": {}, "task": {"task_id": "store"}}.items():
        for user, status in {"carol": 200, "alice": 200, "bob": 403}.items():
            answer = fetch(f"dags/carol_dag/{path}", user, run_id=RUN, **parameters)
            assert answer.status_code == status
            assert ("syn11.1" in answer.text) == (status == 200)


def test_a_query_parameter_does_not_replace_the_dag_of_the_path(fetch):
    answer = fetch("dags/carol_dag/run", "bob", run_id=RUN, dag_id="bob_dag")
    assert answer.status_code == 403
    assert fetch("dags/~/run", "bob", run_id=RUN).status_code in {403, 404}


def test_the_list_has_the_runs_of_readable_dags_the_latest_first(fetch):
    text = fetch("runs").text
    assert "bob_dag" not in text
    assert text.index("backfill/1") < text.index(RUN)
    assert "/dags/carol_dag/runs/backfill%2F1/plugin/synapse_run_lineage" in text
    assert "carol_quiet" not in text, "a run without lineage"
    assert "bob_dag" in fetch("runs", "alice").text
    assert "carol_dag" not in fetch("runs", "alice", dag_id="bob_dag").text
    assert "No run of bob_dag has lineage" in fetch("runs", dag_id="bob_dag").text
    assert fetch("runs", page=0).status_code == 422
    assert fetch("runs", page=2).status_code == 200


def test_a_user_who_may_not_read_xcoms_sees_neither_the_list_nor_a_run(fetch):
    for path in ("runs", "runs?dag_id=dave_dag", f"dags/dave_dag/run?run_id={RUN}"):
        answer = fetch(path, "dave", headers={"Accept": "text/html"})
        assert answer.status_code == 403, path
        assert "dave_dag" not in answer.text


def test_a_run_page_links_entities_to_synapse_and_tasks_to_airflow(fetch):
    text = fetch("dags/carol_dag/run", run_id=RUN).text
    assert f'href="{PORTAL}Synapse:syn10.3"' in text
    assert f'href="{PORTAL}Synapse:syn11.1"' in text
    assert "/dags/carol_dag/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00/tasks/store" in text
    assert "raw 10 &lt;b&gt;.csv" in text
    assert "<b>" not in text
    assert "911" in text, "the Activity"


def test_a_page_may_only_be_framed_by_airflow_and_is_not_cached(fetch):
    headers = fetch("dags/carol_dag/run", run_id=RUN).headers
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("map_index", ["{MAP_INDEX}", "-1", "", "99999999999999999999", "1.5"])
def test_a_task_that_is_not_mapped_has_a_page_whatever_the_map_index(fetch, map_index):
    answer = fetch("dags/carol_dag/task", run_id=RUN, task_id="store", map_index=map_index)
    assert answer.status_code == 200
    assert "syn10.3" in answer.text


def test_a_failed_task_without_lineage_has_a_page(fetch):
    answer = fetch("dags/carol_dag/task", run_id=RUN, task_id="broken")
    assert answer.status_code == 200
    assert "failed" in answer.text
    assert "syn10" not in answer.text


def test_a_missing_run_or_task_is_an_error_with_its_name(fetch):
    answer = fetch("dags/carol_dag/run", run_id="<i>", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no run &#39;&lt;i&gt;&#39;" in answer.text
    answer = fetch("dags/carol_dag/task", run_id=RUN, task_id="other")
    assert (answer.status_code, "other" in answer.json()["detail"]) == (404, True)
    assert fetch("dags/carol_dag/run").status_code == 422


def test_a_record_that_cannot_be_read_is_a_note(fetch):
    used = Record.from_refs(Origin.READ, used=[UrlRef("s3://bucket/key")])
    add_run(
        "carol_backend",
        RUN,
        [
            Instance("stored_elsewhere", "s3://bucket/xcom.json"),
            Instance("wrong", '{"used": [{"no": 1}]}'),
            Instance("fine", PublishedRecord(used)),
        ],
    )
    text = fetch("dags/carol_backend/run", run_id=RUN).text
    assert "The lineage of stored_elsewhere cannot be read" in text
    assert "The lineage of wrong cannot be read" in text
    assert "s3://bucket/key" in text
    assert 'href="s3:' not in text
