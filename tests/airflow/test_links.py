"""Operator links to an entity and to lineage, and names of mapped instances."""

import pytest
from airflow.sdk import DAG, BaseOperator
from support.execution_api import Run
from support.submission_queue import SubmissionQueue

import synapse_workflows
from synapse_workflows import (
    SynapseClaimSubmissionsOperator,
    SynapseEntityLink,
    SynapseGetOperator,
    SynapseReapSubmissionsOperator,
    SynapseStoreOperator,
    SynapseSubmissionSensor,
    SynapseTableQueryOperator,
    SynapseTableRowsSensor,
    SynapseTableStoreOperator,
)
from synapse_workflows.plugin import SynapsePlugin


def test_plugin_registers_entity_link():
    (link,) = SynapsePlugin.operator_extra_links
    assert isinstance(link, SynapseEntityLink)
    assert link.xcom_key == "synapse_entity_link"


OPERATORS = [
    name
    for name in synapse_workflows.__all__
    if isinstance(getattr(synapse_workflows, name), type)
    and issubclass(getattr(synapse_workflows, name), BaseOperator)
]


@pytest.mark.parametrize("name", OPERATORS)
def test_all_operators_and_sensors_link_to_an_entity_and_to_their_lineage(name):
    links = getattr(synapse_workflows, name).operator_extra_links
    assert {"Synapse entity", "Provenance"} <= {link.name for link in links}


@pytest.mark.parametrize("base_url", [None, "https://airflow.org/site/"])
def test_successful_and_failed_tasks_link_to_their_lineage(
    api, project, tmp_path, monkeypatch, base_url
):
    if base_url:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    (tmp_path / "a.txt").write_text("a")
    with DAG("links", schedule=None) as dag:
        SynapseStoreOperator(task_id="store", path=str(tmp_path / "a.txt"), parent_id=project)
        SynapseStoreOperator.partial(task_id="fail", parent_id=project).expand(
            path=[str(tmp_path / "missing")]
        )
        SynapseStoreOperator(task_id="refused", path="{{ 1 / 0 }}", parent_id=project)
    run = Run(api, dag, "run 1+00:00")
    assert run.task("store").state == "success"
    assert run.task("fail", 0).state == run.task("refused").state == "failed"
    prefix = f"{base_url or ''}dags/links/runs/run%201%2B00%3A00/tasks"
    suffix = "plugin/synapse_task_lineage"
    assert run.value("store", "synapse_lineage_link") == f"{prefix}/store/{suffix}"
    assert run.value("refused", "synapse_lineage_link") == f"{prefix}/refused/{suffix}"
    assert run.value("fail", "synapse_lineage_link", 0) == f"{prefix}/fail/mapped/0/{suffix}"


def test_a_sensor_links_to_the_polled_table(api, filled):
    with DAG("links", schedule=None) as dag:
        for task_id, table in {"wait": filled, "missing": "syn999999999"}.items():
            SynapseTableRowsSensor(task_id=task_id, sql=f"select * from {table}")
    run = Run(api, dag)
    assert run.task("wait").state == "success"
    assert run.task("missing").state == "failed"
    assert run.value("wait", "synapse_entity_link").endswith(f"/Synapse:{filled}")
    assert run.value("missing", "synapse_entity_link") == ""


def test_tasks_of_a_queue_link_to_the_challenge_page_of_its_project(api, alice, tmp_path):
    queue = SubmissionQueue(alice, tmp_path)
    with DAG("links", schedule=None) as dag:
        SynapseSubmissionSensor(task_id="wait", evaluation_id=queue.id, mode="reschedule")
        SynapseClaimSubmissionsOperator(task_id="claim", evaluation_id=queue.id)
        SynapseReapSubmissionsOperator(task_id="reap", evaluation_id=queue.id)
        SynapseReapSubmissionsOperator(task_id="missing", evaluation_id="1")
    run = Run(api, dag)
    assert run.task("wait").state == "up_for_reschedule"
    project = alice.getEvaluation(queue.id).contentSource
    for task_id in ("claim", "reap"):
        assert run.task(task_id).state == "success"
        link = run.value(task_id, "synapse_entity_link")
        assert link.endswith(f"/Synapse:{project}/challenge/")
    assert run.task("missing").state == "failed"
    assert run.value("missing", "synapse_entity_link") == ""
    queue.submit()
    assert run.task("wait").state == "success"
    assert run.value("wait", "synapse_entity_link") == run.value("reap", "synapse_entity_link")


def test_a_failed_task_links_to_the_entity_that_is_known(api, table, tmp_path):
    with DAG("links", schedule=None) as dag:
        SynapseTableStoreOperator(task_id="rows", table_id=table, rows=str(tmp_path / "missing"))
        SynapseTableQueryOperator(task_id="query", sql=f"select nothing from {table}")
        SynapseGetOperator(task_id="get", entity_id="syn999999999")
    run = Run(api, dag)
    for task_id in ("rows", "query", "get"):
        assert run.task(task_id).state == "failed"
    for task_id in ("rows", "query"):
        assert run.value(task_id, "synapse_entity_link").endswith(f"/Synapse:{table}")
    assert run.value("get", "synapse_entity_link") == "", "this entity does not exist"


def test_mapped_instances_are_shown_by_name(api, put):
    with DAG("mapped", schedule=None) as dag:
        SynapseGetOperator.partial(task_id="get").expand(entity_id=[put("a.csv"), put("b.csv")])
        SynapseGetOperator.partial(
            task_id="own", map_index_template="{{ task.entity_id }}"
        ).expand(entity_id=[put("c.csv")])
    run = Run(api, dag)
    assert [run.task("get", index).msg.rendered_map_index for index in (0, 1)] == [
        "a.csv",
        "b.csv",
    ]
    assert run.task("own", 0).msg.rendered_map_index.startswith("syn")
