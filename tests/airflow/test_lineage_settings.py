"""Parameters and `conf` of a run in the description of Activities."""

import json

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.log import mask_secret
from support.execution_api import Run

from synapse_workflows import File, SynapseHook, SynapseStoreOperator
from synapse_workflows.client.errors import SynapseConfigError
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.lineage.lineage_settings import LineageSettings
from synapse_workflows.provenance.parameters import parse_parameters

PARAMS = {"threshold": 0.5, "cohort": ["b", "a"], "api_token": "q7Zx-param-token", "note": ""}
CONF = {"cohort": "c", "password": "q7Zx-conf-password", "url": "https://me:q7Zx-url@host/a?x=1"}


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("result")
    return str(path)


@pytest.fixture
def describe(api, project, result, alice):
    """Function that stores a file in a task and returns the Activity."""

    def store(**options):
        with DAG("described", schedule=None, params=PARAMS) as dag:
            SynapseStoreOperator(task_id="store", path=result, parent_id=project, **options)
        stored = Run(api, dag, conf=CONF).all().value("store")
        return alice.getProvenance(stored["id"])

    return store


def set_extra(api, connection, **extra):
    fields = json.loads(connection)
    fields["extra"] |= extra
    api.connections["synapse_default"] = json.dumps(fields)


def test_parameters_are_recorded_without_secrets_where_asked(describe):
    activity = describe(record_params=True)
    assert "q7Zx" not in str(activity)
    lines = activity["description"].splitlines()
    assert lines[0] == "Airflow run run_1 of described.store"
    assert lines[-2:] == [
        # the conf of a run overrides its parameters
        (
            'Parameters: {"api_token": "***", "cohort": "c", "note": "", "password": "***", '
            '"threshold": 0.5, "url": "https://host/a"}'
        ),
        'Run conf: {"cohort": "c", "password": "***", "url": "https://host/a"}',
    ]
    assert parse_parameters(activity)["conf.cohort"] == "c"


@pytest.mark.parametrize("options", [{}, {"record_params": False}, {"record_params": []}])
def test_parameters_are_not_recorded_unasked(describe, options):
    assert parse_parameters(describe(**options)) == {}


def test_listed_parameters_are_recorded_and_absent_ones_are_logged(describe, caplog):
    caplog.set_level("INFO")
    activity = describe(record_params=["cohort", "missing"])
    assert parse_parameters(activity) == {"cohort": "c", "conf.cohort": "c"}
    (line,) = [one for one in caplog.messages if "no such parameter" in one]
    assert "no such parameter: 'missing'. Its parameters: 'api_token', 'cohort'," in line


def test_configuration_and_connection_ask_for_parameters(describe, api, connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__RECORD_PARAMS", "threshold, note")
    assert parse_parameters(describe()) == {"threshold": 0.5, "note": ""}
    set_extra(api, connection, record_params="True")
    assert len(parse_parameters(describe())) == 9
    assert parse_parameters(describe(record_params=False)) == {}


def test_hook_asks_for_parameters(api, project, result, alice):
    with DAG("hooked", schedule=None, params={"n": 1}) as dag:

        @task
        def store():
            client = SynapseHook(record_params=["n"]).client
            return client.store(File(result, parent=project)).id

        store()
    stored = Run(api, dag).all().value("store")
    assert parse_parameters(alice.getProvenance(stored)) == {"n": 1}


def test_secrets_that_airflow_masks_are_masked_in_all_that_is_recorded(
    api, project, result, alice
):
    secret = "q7Zx-secret-of-a-connection"
    with DAG("masked", schedule=None, params={"n": f"a {secret} b"}) as dag:

        @task
        def store():
            mask_secret(secret)
            return SynapseHook(record_params=True).store_file(
                result,
                project,
                used={"url": f"https://hooks.example.org/{secret}/x", "name": f"the {secret}"},
                activity_name=f"name {secret}",
                activity_description=f"text {secret}",
            )

        store()
    run = Run(api, dag).all()
    activity = alice.getProvenance(run.value("store")["id"])
    assert secret not in str(activity)
    assert activity["used"][0]["url"] == "https://hooks.example.org/***/x"
    assert parse_parameters(activity) == {"n": "a *** b"}
    assert secret not in str(run.record("store"))


@pytest.mark.parametrize(
    "options",
    [{"record_params": 3}, {"record_params": [""]}, {"code_parent_id": "x"},
     {"code_parent_id": "syn1.2"}],
)  # fmt: skip
def test_invalid_settings_are_rejected(options, monkeypatch):
    (name,) = options
    with pytest.raises(ValueError, match=f"Invalid {name}"):
        SynapseHook(**options)
    with pytest.raises(ValueError, match=f"Invalid {name}"):
        SynapseStoreOperator(task_id="t", path="p", parent_id="syn1", **options)

    class Connection:
        conn_id, host, port, schema, login, password = "mine", None, None, None, None, "t"
        extra_dejson = options

    with pytest.raises(SynapseConfigError, match=r"Invalid .*'mine'"):
        ClientSettings.from_connection(Connection())
    monkeypatch.setenv("AIRFLOW__SYNAPSE__CODE_PARENT_ID", "syn1.2")
    with pytest.raises(ValueError, match=r"Invalid code_parent_id 'syn1\.2'"):
        LineageSettings.from_config()
