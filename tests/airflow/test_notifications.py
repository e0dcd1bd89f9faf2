"""SynapseNotifier: messages about tasks, DAG runs and missed deadlines."""

import asyncio
import json
import time
from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
import structlog
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback, task
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.log import mask_secret
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.callback import CallbackTrigger
from support import fault_proxy
from support.execution_api import Run

from synapse_workflows import SynapseNotifier, SynapseStoreOperator
from synapse_workflows.local.settings import Throttle
from synapse_workflows.testing import over_socket

_names = count(1)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
DAG_RUN = {
    "dag_id": "nightly",
    "dag_run_id": "manual__1",
    "logical_date": "2026-11-22T00:00:00Z",
    "state": "running",
}
DEADLINE = {"id": "1", "deadline_time": "2026-11-22T01:00:00Z"}


@pytest.fixture
def marker():
    """Text that no message of another test contains."""
    return f"marker-{uuid4()}"


@pytest.fixture
def inbox(socket_service, marker):
    """Function that returns the messages of a user that contain the marker, newest first."""

    def read(user="bob"):
        found = socket_service.inbox(user)
        return [each for each in found if marker in each.subject + each.body]

    return read


@pytest.fixture
def log_lines(capsys):
    """Function that returns the new lines of the log about messages."""
    return lambda: [
        line for line in capsys.readouterr().out.splitlines() if "Synapse message" in line
    ]


@pytest.fixture
def notify(triggerer, log_lines):
    """Function that calls a notifier outside a task; returns the lines of the log."""

    def call(context, **arguments):
        log_lines()
        SynapseNotifier(**({"to": "bob"} | arguments))(context)
        return log_lines()

    return call


def fail(marker):
    raise ValueError(f"no luck {marker}")


def run_task(api, function=fail, *, tries=1, max_tries=0, name="nightly", arguments=(), **options):
    """Run a task with callbacks; return its last result and its run."""
    with DAG(name, schedule=None) as dag:
        task(task_id="code", **options)(function)(*arguments)
    run = Run(api, dag, f"run_{next(_names)}")
    for _ in range(tries):
        result = run.task("code", max_tries=max_tries)
    return result, run


def test_failure_is_reported_with_defaults(api, inbox, marker, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    result, run = run_task(
        api, arguments=[marker], on_failure_callback=SynapseNotifier(to=["bob", "user:carol"])
    )
    assert result.state == "failed"
    (message,) = inbox()
    assert inbox("carol")[0].id == message.id
    assert message.sender == "alice"
    assert message.subject == "Task nightly.code failed"
    assert message.content_type == "text/plain"
    assert message.body.splitlines() == [
        "Task nightly.code failed.",
        "",
        "DAG: nightly",
        "Task: code",
        f"Run: {run.run_id}",
        "Try: 1 of 1",
        f"Exception: ValueError: no luck {marker}",
        f"Log: https://airflow.example.org/dags/nightly/runs/{run.run_id}/tasks/code?try_number=1",
    ]


def test_retry_success_and_skip_are_reported(api, socket_service, marker):
    def skip():
        raise AirflowSkipException

    def callbacks(kind):
        return {f"on_{kind}_callback": [SynapseNotifier(to="bob")]}

    run_task(api, arguments=[marker], max_tries=2, tries=2, name=marker, **callbacks("retry"))
    run_task(api, lambda: None, name=marker, **callbacks("success"))
    run_task(api, skip, name=marker, **callbacks("skipped"))
    run_task(api, lambda: None, name=marker, **callbacks("execute"))
    found = [each for each in socket_service.inbox("bob") if marker in each.subject]
    outcomes = [each.subject.removeprefix(f"Task {marker}.code ") for each in reversed(found)]
    retried = "failed and will be retried"
    assert outcomes == [retried, retried, "succeeded", "was skipped", "started"]
    assert [each.body.partition("Try: ")[2][:6] for each in reversed(found)][:2] == [
        "1 of 3",
        "2 of 3",
    ]


def test_templates_have_the_context_of_the_task(api, inbox, marker):
    notifier = SynapseNotifier(
        to=["{{ params.owner }}"],
        subject="{{ ti.task_id }} of {{ dag.dag_id }}: try {{ ti.try_number }} " + marker,
        body="<p>{{ exception }}</p><a href='{{ ti.log_url }}'>{{ run_id }}</a>",
        content_type="text/html",
    )
    with DAG("templates", schedule=None, params={"owner": "bob"}) as dag:
        task(task_id="code", on_failure_callback=notifier)(fail)("bad\nluck")
    run = Run(api, dag)
    run.task("code")
    (message,) = inbox()
    assert message.subject == f"code of templates: try 1 {marker}"
    assert message.body.startswith("<p>no luck bad\nluck</p><a href='http")
    assert message.body.endswith("?try_number=1'>run_1</a>")
    assert message.content_type == "text/html"


def test_one_notifier_reports_several_tasks(api, inbox, marker):
    notifier = SynapseNotifier(to="bob", subject="{{ ti.task_id }} " + marker)
    with DAG("several", schedule=None, default_args={"on_failure_callback": notifier}) as dag:
        for name in ("one", "two"):
            task(task_id=name)(fail)(marker)
    run = Run(api, dag)
    run.task("one")
    run.task("two")
    assert [each.subject for each in inbox()] == [f"two {marker}", f"one {marker}"]


def test_stored_entity_is_linked(api, put, project, tmp_path, inbox, marker):
    path = tmp_path / "a.txt"
    path.write_text("a")
    with DAG(marker, schedule=None) as dag:
        SynapseStoreOperator(
            task_id="store",
            path=str(path),
            parent_id=project,
            on_success_callback=SynapseNotifier(to="bob"),
        )
    run = Run(api, dag).all()
    assert f"/Synapse:{run.value('store')['id']}" in inbox()[0].body


def test_notification_records_no_lineage(api, inbox, marker):
    _, run = run_task(
        api, lambda: None, name=marker, on_success_callback=SynapseNotifier(to="bob")
    )
    assert len(inbox()) == 1
    assert run.record("code") is None
    assert api.instances[marker, run.run_id, "code", -1].store == {}


def test_secrets_are_removed(api, inbox, marker, socket_service):
    token = socket_service.token("alice")
    mask_secret("another-secret-value")
    text = (
        f"{marker} token {token} and {JWT}; another-secret-value; "
        "https://user:pass@host.example.org/path?api_key=hidden"
    )
    body = "{{ exception }} | {{ exception.args[0] }} | https://example.org/?tab=logs"
    for arguments in ({}, {"body": body, "subject": "{{ exception }}"}):
        run_task(api, arguments=[text], on_failure_callback=SynapseNotifier(to="bob", **arguments))
        sent = inbox()[0].subject + inbox()[0].body
        for secret in (token, JWT, "another-secret-value", "user:pass", "hidden"):
            assert secret not in sent
    assert len(inbox()) == 2
    assert "https://example.org/?tab=logs" in inbox()[0].body


def test_secret_of_a_cut_exception_is_removed(api, inbox, marker):
    text = f"{marker} " + "x" * 3900 + f" https://user:password@host.example.org/{'y' * 500}"
    run_task(api, arguments=[text], on_failure_callback=SynapseNotifier(to="bob"))
    assert "password" not in inbox()[0].body
    assert len(inbox()[0].body) < 4500


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"to": "nobody at all"}, "Unknown recipient 'nobody at all'"),
        ({"to": []}, "No recipient"),
        ({"to": "3"}, "SEND_MESSAGE"),
        ({"subject": "{{ missing.attribute }}"}, "UndefinedError"),
        ({"body": "{{ unclosed"}, "TemplateSyntaxError"),
        ({"body": " "}, "Invalid body"),
        ({"synapse_conn_id": "missing"}, "'missing' is not defined"),
        ({"synapse_conn_id": "down"}, "SynapseConnectionError"),
        ({"synapse_conn_id": "bad_token"}, "SynapseUnauthorizedError"),
        ({"synapse_conn_id": "no_token"}, "has no token"),
        ({"to": 1.5}, "Malformed recipient 1.5"),
    ],
)
def test_failed_notification_is_one_line_of_the_log(
    api, connection, notify, monkeypatch, arguments, reason
):
    fields = json.loads(connection)
    others = {
        "down": {"conn_type": "synapse", "host": "http://127.0.0.1:9/repo/v1", "password": "t"},
        "bad_token": fields | {"password": JWT},
        "no_token": fields | {"password": None},
    }
    for name, value in others.items():
        api.connections[name] = json.dumps(value)
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(value))
    callbacks = [SynapseNotifier(**({"to": "bob", "timeout": 3} | arguments))]
    started = time.monotonic()
    success, _ = run_task(api, lambda: None, on_success_callback=callbacks)
    failure, _ = run_task(api, arguments=["x"], on_failure_callback=callbacks)
    retry, _ = run_task(api, arguments=["x"], max_tries=1, on_retry_callback=callbacks)
    assert time.monotonic() - started < 40
    assert [success.state, failure.state, retry.state] == ["success", "failed", "up_for_retry"]
    (line,) = notify({}, **({"timeout": 3} | arguments))
    assert "was not sent" in line
    assert reason in line
    assert JWT not in line


def test_service_that_does_not_respond_delays_a_task_shortly(
    api, socket_service, connection, notify, monkeypatch
):
    with fault_proxy.faulty_proxy(socket_service) as proxy:
        proxy.fail("POST", "/message$", fault_proxy.never_respond, times=99)
        fields = json.loads(connection)
        endpoints = proxy.endpoints(socket_service.endpoints)
        fields["host"] = endpoints["repoEndpoint"]
        fields["extra"] |= {
            "auth_endpoint": endpoints["authEndpoint"],
            "file_endpoint": endpoints["fileHandleEndpoint"],
        }
        monkeypatch.setenv("AIRFLOW_CONN_SLOW", json.dumps(fields))
        started = time.monotonic()
        (line,) = notify({}, synapse_conn_id="slow", timeout=2)
        assert time.monotonic() - started < 25
        assert "no response within 2 s" in line or "SynapseTimeoutError" in line


def test_rate_limit_is_one_line_of_the_log(tmp_path, notify, monkeypatch):
    with over_socket(tmp_path, throttle=Throttle(concurrent=9, messages=1)) as service:
        monkeypatch.setenv("AIRFLOW_CONN_LIMITED", service.airflow_connection)
        for expected in (
            "Sent the Synapse message",
            "limits this account to 1 request in 60 seconds",
        ):
            (line,) = notify({}, synapse_conn_id="limited", timeout=4)
            assert expected in line
        assert len(service.inbox("bob")) == 1


def test_dag_callbacks_have_no_task(notify, inbox, marker):
    dag = DAG(marker, schedule=None)
    notify({"dag": dag, "run_id": "manual__1", "reason": "task_failure"})
    notify({"dag": dag, "run_id": "manual__2", "reason": "success"}, subject=None)
    notify({"dag": dag, "run_id": "manual__3", "reason": "x"}, subject="{{ reason }} {{ run_id }}")
    third, second, first = inbox()
    assert first.subject == f"DAG {marker} failed"
    assert second.subject == f"DAG {marker} succeeded"
    assert third.subject == "x manual__3"
    lines = first.body.splitlines()
    assert lines[2:5] == [f"DAG: {marker}", "Run: manual__1", "Reason: task_failure"]
    assert lines[5].endswith(f"/dags/{marker}/runs/manual__1")


def test_dag_callback_of_a_dag_test_has_a_serialized_dag(notify, inbox, marker):
    dag = DagSerialization.from_dict(DagSerialization.to_dict(DAG(marker, schedule=None)))
    context = {"dag": dag, "run_id": "manual__1", "reason": "success"}
    notify(context, subject="{{ dag.dag_id }} is done")
    assert inbox()[0].subject == f"{marker} is done"


def test_default_text_is_plain(notify, inbox, marker):
    dag = DAG(marker, schedule=None)
    notify({"dag": dag, "run_id": "1", "reason": "success"}, content_type="text/html")
    assert inbox()[0].content_type == "text/plain"


def test_dag_callback_with_the_last_task_reports_the_run(api, notify, inbox, marker):
    contexts = []
    run_task(api, lambda: None, name=marker, on_success_callback=contexts.append)
    notify(dict(contexts[0]) | {"reason": "task_failure"})
    assert inbox()[0].subject == f"DAG {marker} failed"
    assert "Task:" not in inbox()[0].body


def test_callback_of_a_lost_worker_reports_a_failure(notify, inbox, marker):
    """The DAG processor calls it with a task instance that lacks the state and the exception."""
    with DAG(marker, schedule=None):
        code = task(task_id="code")(fail)(marker).operator
    ti = RuntimeTaskInstance.model_construct(
        id=uuid4(), task_id="code", dag_id=marker, run_id="run", try_number=2, map_index=3,
        max_tries=4, task=code, dag_version_id=uuid4(),
    )  # fmt: skip
    assert "Sent" in notify(dict(ti.get_template_context()))[0]
    (message,) = inbox()
    assert message.subject == f"Task {marker}.code[3] failed"
    assert "\nMap index: 3\nRun: run\nTry: 2 of 5\n" in message.body
    assert "/tasks/code/mapped/3?try_number=2" in message.body


def test_notifier_works_in_a_running_event_loop(notify, inbox, marker):
    async def call():
        notify({"dag": DAG(marker, schedule=None), "run_id": "1", "reason": "success"})

    asyncio.run(call())
    assert len(inbox()) == 1


def test_deadline_callback_runs_in_a_trigger(triggerer, inbox, marker):
    callback = AsyncCallback(SynapseNotifier, kwargs={"to": ["bob"], "subject": marker})
    alert = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=1),
        callback=callback,
    )
    assert DagSerialization.to_dict(DAG("nightly", schedule=None, deadline=alert))
    context = {"dag_run": DAG_RUN, "deadline": DEADLINE}
    trigger = CallbackTrigger(callback.path, {**callback.kwargs, "context": context})

    async def collect():
        return [event.payload["state"] async for event in trigger.run()]

    assert asyncio.run(collect()) == ["running", "success"]
    (message,) = inbox()
    assert message.body.splitlines()[:6] == [
        "DAG nightly missed its deadline.",
        "",
        "DAG: nightly",
        "Run: manual__1",
        "Logical date: 2026-11-22T00:00:00Z",
        "Deadline: 2026-11-22T01:00:00Z",
    ]


def test_deadline_callback_runs_on_an_executor(triggerer, inbox, marker):
    callback = SyncCallback(SynapseNotifier, kwargs={"to": "bob", "subject": marker})
    arguments = {**callback.kwargs, "context": {"dag_run": DAG_RUN, "deadline": DEADLINE}}
    log = structlog.get_logger()
    assert execute_callback(callback.path, arguments, "", None, log) == (True, None)
    assert inbox()[0].body.startswith("DAG nightly missed its deadline.")


def test_deadline_template_has_the_run(triggerer, inbox, marker):
    notifier = SynapseNotifier(
        to="bob",
        subject="{{ dag_run.dag_id }} " + marker,
        body="{{ deadline.deadline_time }}",
        context={"dag_run": DAG_RUN, "deadline": DEADLINE},
    )

    async def run():
        await notifier

    asyncio.run(run())
    assert (inbox()[0].subject, inbox()[0].body) == (f"nightly {marker}", "2026-11-22T01:00:00Z")


def test_failed_async_notification_is_one_line_of_the_log(monkeypatch, log_lines):
    down = {"conn_type": "synapse", "host": "http://127.0.0.1:9/repo/v1", "password": "token"}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(down))
    notifier = SynapseNotifier(to="bob", synapse_conn_id="down", timeout=2)
    asyncio.run(notifier.async_notify({"dag_run": DAG_RUN, "deadline": DEADLINE}))
    (line,) = log_lines()
    assert "was not sent: SynapseConnectionError" in line


def test_invalid_arguments_are_errors_of_the_dag():
    with pytest.raises(ValueError, match="Invalid content_type"):
        SynapseNotifier(to="bob", content_type="text/markdown")
    with pytest.raises(ValueError, match="Invalid timeout"):
        SynapseNotifier(to="bob", timeout=0)
