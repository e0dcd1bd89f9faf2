"""Tests of drawings of provenance."""

from synapse_workflows.drawing.graph import Edge
from synapse_workflows.provenance.graph_drawing import to_drawing
from synapse_workflows.provenance.provenance_graph import (
    EntityVersion,
    FileContent,
    ProvenanceGraph,
)
from synapse_workflows.provenance.record import EntityRef

RESULT, SOURCE, BARE, GONE = (
    EntityRef("syn9", 2), EntityRef("syn1", 3), EntityRef("syn4"), EntityRef("syn5", 1)
)  # fmt: skip
TASK = "http://airflow/dags/flow/runs/r1/tasks/store"
ACTIVITY = {
    "id": "42",
    "name": "flow.store",
    "description": f"Run r1\n{TASK}\nNot pinned: https://host/b has no version",
    "createdOn": "2026-11-26T00:00:00.000Z",
    "used": [
        {"reference": {"targetId": "syn1", "targetVersionNumber": 3}},
        {"reference": {"targetId": "syn4"}},
        {"reference": {"targetId": "syn5", "targetVersionNumber": 1}},
        {"url": "https://host/a/b", "name": "https://host/a/b"},
        {"url": "https://host/flow.py", "name": "flow.py", "wasExecuted": True},
    ],
}
GRAPH = ProvenanceGraph(
    roots=(RESULT,),
    entities={
        RESULT: EntityVersion(RESULT, name="result", concrete_type="a.Other"),
        SOURCE: EntityVersion(
            SOURCE, name="source", is_open=True, content=FileContent("0f" * 16, 12)
        ),
        BARE: EntityVersion(BARE, name="bare"),
        GONE: EntityVersion(GONE, "trashed"),
    },
    activities={"42": ACTIVITY},
    generated_by={RESULT: "42"},
    bounded=frozenset({SOURCE}),
    notes=("The depth of the walk is 1.",),
    portal_url="http://portal/",
)


def test_nodes_and_edges_of_each_kind():
    drawn = to_drawing(GRAPH)
    nodes = {node.id: node for node in drawn.nodes}
    assert {node_id: node.kind for node_id, node in nodes.items()} == {
        "syn9.2": "entity",
        "syn1.3": "entity",
        "syn4": "entity",
        "syn5.1": "entity",
        "activity:42": "activity",
        "url:https://host/a/b": "url",
        "url:https://host/flow.py": "code",
    }
    assert set(drawn.edges) == {
        Edge("syn1.3", "activity:42", "used"),
        Edge("syn4", "activity:42", "gap", "used, version unknown"),
        Edge("syn5.1", "activity:42", "used"),
        Edge("url:https://host/a/b", "activity:42", "used"),
        Edge("url:https://host/flow.py", "activity:42", "executed"),
        Edge("activity:42", "syn9.2", "generated"),
    }
    assert drawn.notes == GRAPH.notes
    assert [node.id for node in drawn.nodes if node.is_focus] == ["syn9.2"]


def test_nodes_link_to_synapse_and_to_the_task():
    nodes = {node.id: node for node in to_drawing(GRAPH).nodes}
    assert nodes["syn9.2"].url == "http://portal/Synapse:syn9/version/2"
    assert nodes["syn4"].url == "http://portal/Synapse:syn4"
    assert nodes["activity:42"].task_url == TASK
    assert nodes["activity:42"].label == "flow.store"
    assert nodes["url:https://host/a/b"].label == "b"
    assert nodes["url:https://host/flow.py"].label == "flow.py"


def test_gaps_are_marked():
    nodes = {node.id: node for node in to_drawing(GRAPH).nodes}
    assert nodes["syn9.2"].gaps == ()
    assert "open version" in nodes["syn1.3"].gaps[0]
    assert nodes["syn4"].gaps == ("The version is not known.",)
    assert nodes["syn5.1"].gaps == ("The entity is in the trash can.",)
    assert nodes["activity:42"].gaps == ("https://host/b has no version",)
    assert nodes["syn1.3"].attributes == {
        "MD5": "0f" * 16,
        "Size": "12 bytes",
        "Provenance": "continues beyond the depth of this walk",
    }


def test_hash_of_a_file_of_code_is_the_second_line():
    url = f"file:///flow.py#sha256={'0f' * 32}"
    name = "flow.py (sha256 0f0f0f0f0f0f)"
    activity = {"id": "1", "used": [{"url": url, "name": name, "wasExecuted": True}]}
    graph = ProvenanceGraph((RESULT,), {RESULT: EntityVersion(RESULT)}, {"1": activity})
    code = next(node for node in to_drawing(graph).nodes if node.kind == "code")
    assert (code.label, code.detail, code.url) == ("flow.py", "sha256 0f0f0f0f0f0f", url)
