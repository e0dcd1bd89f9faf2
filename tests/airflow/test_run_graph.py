"""Graphs of the lineage of runs."""

import time
from dataclasses import replace

import pytest

from synapse_workflows.drawing.page import render_page
from synapse_workflows.lineage.published_record import DataFlow, PublishedRecord
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef
from synapse_workflows.ui.run_graph import MAX_EDGES, MAX_NODES, build_run_graph
from synapse_workflows.ui.run_lineage import RunLineage, TaskRun

SITE = "https://repo.example.org/repo/v1"
URL = "https://airflow.example.org/site/"


def entity(number, version=1, **options):
    return EntityRef(f"syn{number}", version, SITE, **options)


def publish(used=(), stored=(), ran=(), flows=(), inherited=(), **details):
    record = Record.from_refs(Origin.READ, used=used) | Record.from_refs(Origin.CODE, ran=ran)
    return PublishedRecord(
        record | Record.from_stored(*stored),
        upstream=Record.from_refs(Origin.READ, used=inherited),
        flows=tuple(flows),
        portals={SITE: "https://portal.example.org"},
        activities={ref.id: f"9{ref.id[3:]}" for ref in stored if isinstance(ref, EntityRef)},
        **details,
    )


def build(*tasks, focus=()):
    return build_run_graph(RunLineage("dag", "run", "success", tasks), URL, focus)


def list_edges(graph):
    return {(edge.source, edge.target, edge.role) for edge in graph.edges}


def get_node(graph, node_id):
    (node,) = (node for node in graph.nodes if node.id == node_id)
    return node


def task(task_id, published=None, map_index=-1, state="success", **options):
    return TaskRun(task_id, map_index, state, "Operator", published=published, **options)


def test_data_flows_over_tasks_that_store_nothing():
    flows = [DataFlow("clean", None, "store", None), DataFlow("read", None, "clean", None)]
    graph = build(
        task("read", publish(used=[entity(1, 3)])),
        task("clean"),
        task("notify"),
        task("store", publish(stored=[entity(2)], flows=flows, inherited=[entity(1, 3)])),
    )
    assert list_edges(graph) == {
        ("syn1.3", "task:read", "used"),
        ("task:read", "task:clean", "used"),
        ("task:clean", "task:store", "used"),
        ("task:store", "syn2.1", "generated"),
    }
    assert get_node(graph, "task:store").kind == "activity"
    assert get_node(graph, "task:clean").kind == "task"
    assert "92" in get_node(graph, "task:store").detail
    assert get_node(graph, "syn2.1").attributes["Activity"] == "92"


def test_what_was_stored_is_used_downstream():
    flows = [DataFlow("first", None, "second", None)]
    graph = build(
        task("first", publish(stored=[entity(1)])),
        task("second", publish(stored=[entity(2)], flows=flows, inherited=[entity(1)])),
    )
    assert list_edges(graph) == {
        ("task:first", "syn1.1", "generated"),
        ("syn1.1", "task:second", "used"),
        ("task:second", "syn2.1", "generated"),
    }


def test_inherited_inputs_of_tasks_without_a_record_are_not_lost():
    flows = [DataFlow("bash", None, "store", None)]
    inherited = [entity(1, 2), UrlRef("s3://bucket/key")]
    graph = build(
        task("bash"), task("store", publish(stored=[entity(2)], flows=flows, inherited=inherited))
    )
    assert ("syn1.2", "task:store", "used") in list_edges(graph)
    assert ("s3://bucket/key", "task:store", "used") in list_edges(graph)


def test_an_instance_that_read_an_announced_file_inherits_no_other_one():
    files = [EntityRef(f"syn{number}", 1) for number in (1, 2, 3)]
    flows = [DataFlow("list_files", None, "store", 0)]
    published = replace(
        publish(used=[entity(1)], stored=[entity(4)], flows=flows),
        upstream=Record.from_refs(Origin.ANNOUNCED, used=files),
    )
    graph = build(task("list_files"), task("store", published, map_index=0))
    used = {edge for edge in list_edges(graph) if edge[0].startswith("syn")}
    assert used == {("syn1.1", "task:store[0]", "used")}


def test_gaps_are_marked():
    graph = build(task("read", publish(used=[entity(1, None), entity(2, 4, is_open=True)])))
    assert list_edges(graph) == {
        ("syn1", "task:read", "gap"),
        ("syn2.4", "task:read", "gap"),
    }
    assert all(node.gaps for node in graph.nodes)


def test_nodes_link_to_synapse_and_to_the_task_that_stored_them():
    graph = build(
        task("read", publish(used=[entity(5)], names={"syn5": "raw.csv"})),
        task("store", publish(stored=[entity(2, 4)]), map_index=3, name="b.csv"),
    )
    raw, stored = get_node(graph, "syn5.1"), get_node(graph, "syn2.4")
    assert (raw.label, raw.url) == ("raw.csv", "https://portal.example.org/Synapse:syn5.1")
    assert raw.task_url == f"{URL}dags/dag/runs/run/tasks/read"
    assert stored.task_url == f"{URL}dags/dag/runs/run/tasks/store/mapped/3"
    assert get_node(graph, "task:store[3]").label == "store [b.csv]"


def test_entities_that_a_program_reported_link_to_the_only_synapse_of_the_run():
    graph = build(
        task("align", publish(used=[EntityRef("syn1", 2)])),
        task("store", publish(stored=[entity(3)])),
    )
    assert get_node(graph, "syn1.2").url == "https://portal.example.org/Synapse:syn1.2"


def test_entities_of_two_synapses_are_not_confused():
    other = EntityRef("syn1", 1, "https://other.example.org/repo/v1")
    published = publish(used=[entity(1), other])
    portals = {SITE: "https://portal.example.org", other.site: "https://portal.other.org/"}
    published = PublishedRecord(published.record, portals=portals)
    urls = {node.url for node in build(task("read", published)).nodes if node.kind == "entity"}
    assert urls == {
        "https://portal.example.org/Synapse:syn1.1",
        "https://portal.other.org/Synapse:syn1.1",
    }


def test_a_kept_version_is_marked():
    graph = build(task("store", publish(stored=[entity(1)], reused=("syn1",))))
    assert [edge.label for edge in graph.edges] == ["kept an earlier version"]


def create_mapped_run(count):
    """Return the tasks of a run: each instance reads and stores one entity; one report of all."""
    code = [UrlRef("https://example.org/dag.py")]
    tasks = []
    for index in range(count):
        flow = DataFlow("read", index, "store", index)
        tasks += [
            task("read", publish(used=[entity(index + 1)], ran=code), index),
            task(
                "store",
                publish(
                    stored=[entity(100_000 + index)],
                    ran=code,
                    flows=[flow],
                    inherited=[entity(index + 1)],
                ),
                index,
            ),
        ]
    flows = [DataFlow("store", None, "report", None)]
    used = [entity(100_000 + index) for index in range(count)]
    report = publish(stored=[entity(900_000)], ran=code, flows=flows, inherited=used)
    return [*tasks, task("report", report)]


def test_a_page_of_300_nodes_shows_all_of_them():
    graph = build(*create_mapped_run(75))
    assert len(graph.nodes) == 75 * 4 + 3
    assert graph.notes == ()
    assert "syn100074.1" in render_page(graph, title="run")


def test_a_page_of_thousands_of_nodes_is_short_and_says_so():
    tasks = create_mapped_run(2000)
    started = time.thread_time()
    graph = build(*tasks)
    page = render_page(graph, title="run")
    assert time.thread_time() - started < 20
    assert len(graph.nodes) <= MAX_NODES
    assert len(graph.edges) <= MAX_EDGES
    assert "20 of 2000 instances of read are shown" in page
    focused = build(*tasks, focus=[("store", 1234)])
    assert {node.id for node in focused.nodes} == {
        "syn1235.1",
        "task:read[1234]",
        "task:store[1234]",
        "syn101234.1",
        "task:report",
        "syn900000.1",
        "https://example.org/dag.py",
    }


def test_mapped_tasks_that_take_from_all_instances_of_another_are_bounded():
    flows = [DataFlow("a", None, "b", None), DataFlow("b", None, "store", None)]
    many = [task(name, publish(used=[entity(1)]), index) for name in "ab" for index in range(2000)]
    stores = [task("store", publish(stored=[entity(2)], flows=flows), i) for i in range(200)]
    for focus in ([], [("b", 1234)]):
        graph = build(*many, *stores, focus=focus)
        assert len(graph.edges) <= MAX_EDGES
        assert graph.notes


@pytest.mark.parametrize("count", [1, 20, 21, 5000])
def test_a_task_that_stored_thousands_of_files_names_some_and_counts_the_others(count):
    stored = [entity(number + 1) for number in range(count)]
    graph = build(task("store", publish(stored=stored)))
    assert len(graph.nodes) <= MAX_NODES
    hidden = count - sum(node.id.startswith("syn") for node in graph.nodes)
    labels = [node.label for node in graph.nodes]
    assert hidden == 0 or f"{hidden} more outputs" in labels
    focused = build(task("store", publish(stored=stored)), focus=[("store", -1)])
    assert len(graph.nodes) <= len(focused.nodes) <= MAX_NODES


def test_a_run_of_hundreds_of_tasks_with_many_inputs_is_bounded():
    used = [entity(number + 1) for number in range(100)]
    tasks = [task(f"task{i}", publish(used=used, stored=[entity(1000 + i)])) for i in range(200)]
    graph = build(*tasks)
    assert len(graph.nodes) <= 3 * len(tasks) + 1, "the task, an output, a node for other inputs"
    assert "99 more inputs" in {node.label for node in graph.nodes}


def test_equal_ids_of_two_connections_keep_their_names_apart():
    other = "https://other.example.org/repo/v1"
    portals = {SITE: "https://portal.example.org", other: "https://other.example.org/"}
    elsewhere = [EntityRef("syn1", 2, other)]
    graph = build(
        task("here", publish(used=[entity(1, 2)], names={"syn1": "here.csv"})),
        task("there", replace(publish(elsewhere, names={"syn1": "there.csv"}), portals=portals)),
        task("both", publish([entity(3), EntityRef("syn3", 1, other)], names={"syn3": "x"})),
    )
    labels = {(node.label, node.detail) for node in graph.nodes if node.kind == "entity"}
    assert labels == {
        ("here.csv", "syn1.2 (repo.example.org)"),
        ("there.csv", "syn1.2 (other.example.org)"),
        ("syn3", "syn3.1 (repo.example.org)"),
        ("syn3", "syn3.1 (other.example.org)"),
    }
