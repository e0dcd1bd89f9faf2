"""Operator link to an entity, and names of mapped instances."""

from airflow.sdk import DAG
from support.execution_api import Run

from synapse_workflows import (
    SynapseEntityLink,
    SynapseGetOperator,
    SynapseTableQueryOperator,
    SynapseTableStoreOperator,
)
from synapse_workflows.plugin import SynapsePlugin


def test_plugin_registers_entity_link():
    (link,) = SynapsePlugin.operator_extra_links
    assert isinstance(link, SynapseEntityLink)
    assert link.xcom_key == "synapse_entity_link"


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
