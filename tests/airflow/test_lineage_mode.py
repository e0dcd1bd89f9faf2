"""Lineage modes of hooks, and what they record."""

import json
import re
from functools import partial

import pytest
from airflow.sdk import DAG
from support.execution_api import Run

from synapse_workflows import (
    SynapseGetOperator,
    SynapseHook,
    SynapseStoreOperator,
    SynapseStsBashOperator,
)
from synapse_workflows.client.errors import SynapseConfigError
from synapse_workflows.decorators.sts import synapse_sts_task
from synapse_workflows.hooks.connection import ClientSettings


def test_invalid_lineage_mode_is_rejected():
    with pytest.raises(ValueError, match="'merge', 'replace', 'declared', 'off'"):
        SynapseHook(lineage_mode="sometimes")


@pytest.mark.parametrize("value", ["false", "True", 1, []])
@pytest.mark.parametrize(
    "create",
    [
        SynapseHook,
        partial(SynapseGetOperator, task_id="get", entity_id="syn1"),
        partial(
            SynapseStsBashOperator, task_id="sync", folder_id="syn1", bash_command="aws s3 ls"
        ),
        lambda **options: synapse_sts_task(folder_id="syn1", **options)(
            lambda sts_session: sts_session
        )(),
    ],
)
def test_invalid_lineage_required_is_rejected(create, value):
    with pytest.raises(ValueError, match=rf"lineage_required {re.escape(repr(value))}"):
        create(lineage_required=value)


def test_lineage_mode_defaults_to_configuration(monkeypatch):
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LINEAGE_MODE", "off")
    assert SynapseHook().lineage_mode == "off"
    assert SynapseHook(lineage_mode="replace").lineage_mode == "replace"


def test_auto_is_the_former_name_of_merge(monkeypatch):
    assert SynapseHook(lineage_mode="auto").lineage_mode == "merge"
    monkeypatch.setenv("AIRFLOW__SYNAPSE__LINEAGE_MODE", "auto")
    assert SynapseHook().lineage_mode == "merge"


@pytest.mark.parametrize("argument", [None, "merge"])
def test_connection_sets_the_mode_of_hooks_without_one(
    api, connection, project, put, alice, tmp_path, argument
):
    fields = json.loads(connection)
    fields["extra"]["lineage_mode"] = "off"
    api.connections["synapse_default"] = json.dumps(fields)
    path = tmp_path / "out.txt"
    path.write_text("out")
    with DAG("connection_mode", schedule=None) as dag:
        raw = SynapseGetOperator(task_id="raw", entity_id=put())
        store = SynapseStoreOperator(
            task_id="store", path=str(path), parent_id=project, lineage_mode=argument
        )
        raw >> store
    stored = Run(api, dag).all().value("store")
    assert ("activity_id" in stored) is (argument == "merge")


@pytest.mark.parametrize("extra", [{"lineage_mode": "full"}, {"lineage_required": "maybe"}])
def test_invalid_settings_of_a_connection_are_rejected(extra):
    class Connection:
        conn_id, host, port, schema, login, password = "mine", None, None, None, None, "t"
        extra_dejson = extra

    with pytest.raises(SynapseConfigError, match=r"'mine'"):
        ClientSettings.from_connection(Connection())
