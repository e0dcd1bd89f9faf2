import re

from hypothesis import given
from support.graphs import create_chain, create_fan, graphs

from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.mermaid import render_mermaid


def test_a_chain_is_rendered_as_a_flowchart():
    assert render_mermaid(create_chain(2)).splitlines() == [
        "flowchart LR",
        '    n0[["flow.py<br>Code · commit 0f3a"]]',
        '    n1("table 0<br>Entity · syn0.1")',
        '    n2(["flow.task#95;0<br>Activity · run 2026-11-26"])',
        '    n3("table 1<br>Entity · syn1.1")',
        '    n1 -->|"used"| n2',
        '    n0 -->|"executed"| n2',
        '    n2 -->|"generated"| n3',
        '    click n0 href "https://example.org/flow.py"',
        '    click n1 href "https://example.org/Synapse:syn0"',
        '    click n3 href "https://example.org/Synapse:syn1"',
    ]


def test_gaps_are_marked_and_other_urls_do_not_become_links():
    gap = Node("a", "entity", 'x"]; click', gaps=("No version.",), url="javascript:alert(1)")
    focus = Node("b", "task", "t", is_focus=True)
    text = render_mermaid(Graph((gap, focus), (Edge("a", "b", "gap"),), ("Stopped\nhere.",)))
    assert text.splitlines()[1:] == [
        "    %% Stopped here.",
        '    n0("x#34;#93;; click<br>Entity<br>⚠ No version.")',
        '    n1["t<br>Task"]',
        '    n0 -.->|"not exactly known"| n1',
        "    classDef gap stroke-dasharray: 5 3",
        "    class n0 gap",
        "    classDef focus stroke-width: 3px",
        "    class n1 focus",
    ]


def test_many_inputs_are_a_subgraph_with_one_edge():
    lines = render_mermaid(create_fan(600)).splitlines()
    assert lines[1] == '    subgraph g0["600 nodes"]'
    assert lines[603] == "    end"
    assert [line for line in lines if "-->" in line] == [
        '    g0 -->|"used"| n600', '    n600 -->|"generated"| n601'
    ]  # fmt: skip


@given(graphs())
def test_texts_cannot_leave_their_quotes(graph):
    for line in render_mermaid(graph).splitlines()[1 + len(graph.notes) :]:
        assert line.count('"') in (0, 2)
        quoted = re.sub(r"<br>|#\d+;", "", line.partition('"')[2].rpartition('"')[0])
        assert not set(quoted) & set("<>`[]{}")
