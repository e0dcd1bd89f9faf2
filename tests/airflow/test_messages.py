"""SynapseMessageOperator and SynapseHook.send_message: messages are sent once."""

import json
from itertools import count
from uuid import uuid4

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException
from support.execution_api import ExecutionApi, Run
from support.fault_injection import FaultInjector
from support.killable_worker import KillPoint, Worker

from synapse_workflows import SynapseHook, SynapseMessageOperator
from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.errors import SynapseError, SynapseForbiddenError
from synapse_workflows.local.settings import UserSeed
from synapse_workflows.testing import over_socket

_names = count(1)
MESSAGE = "POST /repo/v1/message$"


@pytest.fixture
def subject():
    """A subject that no other test uses."""
    return f"subject {uuid4()}"


@pytest.fixture
def send(api):
    """Function that runs a SynapseMessageOperator; returns its last result and its run."""

    def run(*, tries=1, conf=None, **arguments):
        with DAG("send", schedule=None) as dag:
            SynapseMessageOperator(task_id="send", retries=5, **arguments)
        dag_run = Run(api, dag, f"run_{next(_names)}", conf=conf)
        for _ in range(tries):
            result = dag_run.task("send", max_tries=5)
        return result, dag_run

    return run


@pytest.fixture
def inbox(socket_service, subject):
    """Function that returns the messages of a user with the subject."""

    def read(user="bob"):
        return [each for each in socket_service.inbox(user) if each.subject == subject]

    return read


@pytest.fixture
def team(alice):
    """Team of alice with the members alice and bob."""
    return alice.restPOST("/team", json.dumps({"name": f"Team {uuid4()}"}))


@pytest.fixture
def hook(connection, monkeypatch):
    """Hook outside a task."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNAPSE_DEFAULT", connection)
    return SynapseHook()


@pytest.fixture
def faulty_service(tmp_path):
    """A service with injected faults, its injector and its Execution API."""
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(app))
        return injectors[0]

    with over_socket(tmp_path / "faulty", wrap=wrap) as service:
        yield service, injectors[0], ExecutionApi({"synapse_default": service.airflow_connection})


def test_operator_sends_a_message_and_returns_it(send, inbox, socket_service, subject):
    result, run = send(to=["bob", "user:carol", "bob"], subject=subject, body="<p>Hi</p>",
                       content_type="text/html")  # fmt: skip
    assert result.state == "success"
    value = run.value("send")
    ids = [socket_service.owner_id(name) for name in ("bob", "carol")]
    assert (value["recipients"], value["subject"]) == (ids, subject)
    assert run.value("send", "id") == value["id"]
    assert run.value("send", "synapse_entity_link").endswith(f"/Profile:{ids[0]}")
    for user in ("bob", "carol"):
        (message,) = inbox(user)
        assert (message.id, message.sender, message.body) == (value["id"], "alice", "<p>Hi</p>")
        assert message.content_type == "text/html"
    assert run.record("send") is None or not run.record("send").get("wrote")


def test_templates_are_rendered(send, inbox, subject):
    result, _ = send(
        to="{{ dag_run.conf.people }}",
        subject="{{ dag_run.conf.subject }}",
        body="Run {{ run_id }} of {{ dag.dag_id }}",
        conf={"people": ["bob", "carol"], "subject": subject},
    )
    assert result.state == "success"
    assert inbox()[0].body.startswith("Run run_")
    assert inbox("carol")[0].id == inbox()[0].id


def test_body_of_a_reference_is_its_text(send, inbox, subject):
    reference = "{'id': 'syn1', 'version': 2}"
    send(to="bob", subject=subject, body="{{ " + reference + " }}")
    assert inbox()[0].body == reference


def test_retry_sends_no_second_message(send, inbox, subject):
    result, run = send(to="bob", subject=subject, body="Try {{ ti.try_number }}", tries=3)
    assert result.state == "success"
    (message,) = inbox()
    assert message.body == "Try 1"
    assert run.value("send")["id"] == message.id


def test_cleared_task_sends_the_message_again(api, inbox, subject):
    with DAG("cleared", schedule=None) as dag:
        SynapseMessageOperator(task_id="send", to="bob", subject=subject, body="text")
    run = Run(api, dag)
    run.task("send", max_tries=0)
    run.task("send", max_tries=1)
    assert len(inbox()) == 2


def test_lost_response_sends_no_second_message(faulty_service, subject):
    service, injector, api = faulty_service
    with DAG("lost", schedule=None) as dag:
        SynapseMessageOperator(task_id="send", retries=5, to="bob", subject=subject, body="text")
    run = Run(api, dag)
    injector.at(MESSAGE, lambda: None, after=True, respond=False)
    assert run.task("send", max_tries=5).state == "success"
    (message,) = service.inbox("bob")
    assert run.value("send")["id"] == message.id


def test_worker_killed_at_any_change_sends_one_message(connection, socket_service, tmp_path):
    def run(name, *kill_points):
        folder = tmp_path / name
        folder.mkdir()
        arguments = {"to": "bob", "subject": f"{tmp_path} {name}"}
        worker = Worker(
            connection, folder, SynapseMessageOperator, body="Try {{ ti.try_number }}", **arguments
        )
        for kill_point in (*kill_points, None):
            worker.begin(kill_point)
            result = worker.end()
            assert (result is None) == (kill_point is not None)
        inbox = socket_service.inbox("bob")
        (message,) = [each for each in inbox if each.subject == arguments["subject"]]
        assert (result["state"], result["value"]["id"]) == ("success", message.id)
        return result["trace"]

    events = [each for each in run("complete") if not each.startswith("GET")]
    assert "POST /repo/v1/message 201" in events
    for number, event in enumerate(dict.fromkeys(events)):
        run(str(number), KillPoint(event))


def test_retry_sends_a_message_that_did_not_arrive(faulty_service, subject):
    service, injector, api = faulty_service
    with DAG("missing", schedule=None) as dag:
        SynapseMessageOperator(
            task_id="send", retries=5, to="bob", subject=subject, body="Try {{ ti.try_number }}"
        )
    run = Run(api, dag)
    injector.at(MESSAGE, lambda: None, respond=False)
    assert run.task("send", max_tries=5).state == "up_for_retry"
    assert run.task("send", max_tries=5).state == "success"
    assert [each.body for each in service.inbox("bob")] == ["Try 2"]


def test_members_of_a_team_receive_a_message(alice, hook, team, inbox, subject, socket_service):
    bob = socket_service.owner_id("bob")
    alice.restPOST("/membershipInvitation", json.dumps({"teamId": team["id"], "inviteeId": bob}))
    with socket_service.client("bob") as syn:
        syn.restPUT(f"/team/{team['id']}/member/{bob}")
    for to in (f"team:{team['id']}", f"team:{team['name']}", team["name"], int(team["id"])):
        assert hook.send_message([to], subject, f"to {to}")["recipients"] == [team["id"]]
    assert len(inbox("bob")) == len(inbox("alice")) == 4
    assert inbox("carol") == []


def test_message_to_a_team_needs_permission(socket_service, team, connection, monkeypatch):
    fields = json.loads(connection) | {"password": socket_service.token("bob")}
    monkeypatch.setenv("AIRFLOW_CONN_BOB", json.dumps(fields))
    with socket_service.client("alice") as syn:
        acl = syn.restGET(f"/team/{team['id']}/acl")
        acl["resourceAccess"] = [
            entry for entry in acl["resourceAccess"] if entry["principalId"] != 273948
        ]
        syn.restPUT("/team/acl", json.dumps(acl))
    with pytest.raises(SynapseForbiddenError, match="SEND_MESSAGE"):
        SynapseHook("bob").send_message(team["name"], "subject", "text")


def test_code_of_a_task_sends_each_message_once(api, inbox, subject):
    @task(retries=5)
    def notify(people):
        hook = SynapseHook()
        for person in people:
            hook.send_message(person, subject, "the same text")
        hook.send_message("bob", subject, "the same text")
        raise RuntimeError("the task fails after the messages")

    with DAG("code", schedule=None) as dag:
        notify(["bob", "carol"])
    run = Run(api, dag)
    for _ in range(3):
        assert run.task("notify", max_tries=5).state == "up_for_retry"
    assert len(inbox("bob")) == 2
    assert len(inbox("carol")) == 1


def test_code_that_repeats_a_failed_call_sends_one_message(faulty_service, subject):
    service, injector, api = faulty_service

    @task
    def notify():
        hook = SynapseHook()
        hook.client.retry = RetryPolicy(attempts=1)
        try:
            hook.send_message("bob", subject, "text")
        except SynapseError:
            injector.clear()
            return hook.send_message("bob", subject, "text")["id"]
        return None

    with DAG("repeated", schedule=None) as dag:
        notify()
    run = Run(api, dag)
    injector.at(MESSAGE, lambda: None, after=True, respond=False)
    injector.at("GET /file/v1/fileHandle", lambda: None, respond=False)
    assert run.task("notify").state == "success"
    (message,) = service.inbox("bob")
    assert run.value("notify") == message.id


def test_retry_sends_messages_in_another_order_once(api, inbox, subject):
    orders = iter([["bob", "carol"], ["carol", "dave", "bob"]])

    @task(retries=5)
    def notify():
        for person in next(orders):
            SynapseHook().send_message(person, subject, "text")
        raise RuntimeError("the task fails after the messages")

    with DAG("order", schedule=None) as dag:
        notify()
    run = Run(api, dag)
    for _ in range(2):
        run.task("notify", max_tries=5)
    assert [len(inbox(name)) for name in ("bob", "carol", "dave")] == [1, 1, 1]


def test_hook_outside_a_task_sends_each_call(hook, inbox, subject):
    for _ in range(2):
        sent = hook.send_message("bob", subject, "text")
    newest, oldest = inbox()
    assert newest.id == sent["id"] != oldest.id


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("nobody at all", "Invalid to: Unknown recipient 'nobody at all'"),
        (["bob", 12345], "Invalid to: Unknown recipient '12345'"),
        ("team:bob", "'bob' is a user. Pass 'user:bob'"),
        ([], "Invalid to: No recipient"),
        (["bob", None], "Invalid to: Malformed recipient"),
        ("mail:bob", "Invalid to: Malformed recipient 'mail:bob'"),
    ],
)
def test_invalid_recipients_fail_at_once(send, hook, inbox, subject, to, reason):
    result, _ = send(to=to, subject=subject, body="text")
    assert result.state == "failed"
    assert reason in str(result.error)
    with pytest.raises(AirflowFailException, match="Invalid to"):
        hook.send_message(to, subject, "text")
    assert inbox() == []


@pytest.mark.parametrize("body", ["", "  ", None, "{{ none }}"])
def test_empty_body_fails_at_once(send, body):
    result, _ = send(to="bob", subject="s", body=body)
    assert result.state == "failed"
    assert "Invalid body" in str(result.error)


@pytest.mark.parametrize("argument", ["to", "subject", "body"])
def test_text_that_is_not_unicode_fails_at_once(hook, argument):
    arguments = {"to": "bob", "subject": "s", "body": "b", argument: "a\ud800b"}
    with pytest.raises(AirflowFailException, match=rf"Invalid {argument}: 'a\\ud800b' contains"):
        hook.send_message(**arguments)


def test_too_many_recipients_fail_at_once(monkeypatch, tmp_path):
    users = tuple(UserSeed(user_name=f"member{number}") for number in range(52))
    admin = UserSeed(user_name="admin", admin=True, owner_id=1)
    with over_socket(tmp_path / "crowd", users=(admin, *users)) as service:
        fields = json.loads(service.airflow_connection)
        fields["password"] = service.token("member0")
        monkeypatch.setenv("AIRFLOW_CONN_CROWD", json.dumps(fields))
        names = [f"member{number}" for number in range(51)]
        crowd = SynapseHook("crowd")
        with pytest.raises(AirflowFailException, match=r"51 recipients, but .* at most 50"):
            crowd.send_message(names, "subject", "text")
        assert service.inbox("member1") == []
        assert len(crowd.send_message(names[:50] * 2, "s", "text")["recipients"]) == 50


def test_unknown_content_type_is_an_error(hook):
    for content_type in ("text/markdown", None):
        with pytest.raises(ValueError, match="Invalid content_type"):
            SynapseMessageOperator(task_id="send", to="bob", body="b", content_type=content_type)
        with pytest.raises(ValueError, match="Invalid content_type"):
            hook.send_message("bob", "subject", "text", content_type=content_type)
