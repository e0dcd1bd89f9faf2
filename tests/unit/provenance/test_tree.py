"""Tests of text trees of provenance."""

import pytest

from synapse_workflows.provenance.activity import build_activity, parse_declared, redact_activity
from synapse_workflows.provenance.provenance_graph import EntityVersion, ProvenanceGraph
from synapse_workflows.provenance.record import EntityRef
from synapse_workflows.provenance.tree import format_results, format_sources


class GraphBuilder:
    """Builder of a provenance graph."""

    def __init__(self):
        self.entities = {}
        self.activities = {}
        self.generated_by = {}

    def put(self, entity, name, used=(), executed=(), title=None, text="", **fields):
        ref = EntityRef.parse(entity)
        self.entities[ref] = EntityVersion(ref, name=name, **fields)
        if title is not None:
            activity = build_activity(parse_declared(list(used), list(executed)), title, text)
            self.put_activity(entity, activity)

    def put_activity(self, entity, activity):
        activity_id = str(len(self.activities) + 1)
        self.activities[activity_id] = {**redact_activity(activity), "id": activity_id}
        self.generated_by[EntityRef.parse(entity)] = activity_id

    def graph(self, root, bounded=()):
        return ProvenanceGraph(
            roots=(EntityRef.parse(root),),
            entities=self.entities,
            activities=self.activities,
            generated_by=self.generated_by,
            bounded=frozenset(map(EntityRef.parse, bounded)),
        )


@pytest.fixture
def builder():
    builder = GraphBuilder()
    builder.put("syn1.3", "raw.csv", ["https://host/raw"], title="import")
    code = {"url": "https://host/flow.py", "name": "flow.py"}
    text = "Airflow run r1\nhttp://af"
    builder.put("syn9.1", "summary.csv", ["syn1.3"], [code], title="flow.store", text=text)
    return builder


def test_tree_contains_sources_of_sources(builder):
    assert format_sources(builder.graph("syn9.1")).splitlines() == [
        "summary.csv (syn9.1)",
        "└─ flow.store",
        "   │  Airflow run r1",
        "   │  http://af",
        "   ├─ used      raw.csv (syn1.3)",
        "   │            └─ import",
        "   │               └─ used      https://host/raw",
        "   └─ executed  flow.py <https://host/flow.py>",
    ]


def test_tree_contains_results_of_results(builder):
    builder.put("syn10.2", "report.html", ["syn9.1"], title="flow.report")
    builder.put("syn11.1", "log.txt", [], ["syn1.3"], title="flow.log")
    assert format_results(builder.graph("syn1.3", bounded=["syn10.2"])).splitlines() == [
        "raw.csv (syn1.3)",
        "├─ used by      flow.store",
        "│               └─ generated  summary.csv (syn9.1)",
        "│                             └─ used by      flow.report",
        "│                                             └─ generated  report.html (syn10.2)",
        "│                                                           └─ ...",
        "└─ executed by  flow.log",
        "                └─ generated  log.txt (syn11.1)",
    ]


def test_root_without_provenance(builder):
    builder.put("syn5.1", "alone")
    assert format_sources(builder.graph("syn5.1")) == "alone (syn5.1)\n└─ (no Activity)"
    assert format_results(builder.graph("syn5.1")) == "alone (syn5.1)"


def test_cycles_and_repeated_entities_are_rendered_once():
    builder = GraphBuilder()
    builder.put("syn1.1", "a", ["syn2.1", "syn3.1"], title="one")
    builder.put("syn2.1", "b", ["syn1.1"], title="two")
    builder.put("syn3.1", "c", ["syn2.1"], title="three")
    tree = format_sources(builder.graph("syn1.1"))
    assert tree.count("(shown above)") == 2
    assert tree.count("└─ two") == 1
    results = format_results(builder.graph("syn1.1"))
    assert results.count("(shown above)") == 2


def test_long_chain_is_rendered():
    builder = GraphBuilder()
    for number in range(1, 1500):
        builder.put(f"syn{number}.1", "f", [f"syn{number + 1}.1"], title=f"step{number}")
    builder.put("syn1500.1", "f")
    graph = builder.graph("syn1.1", bounded=["syn1500.1"])
    tree = format_sources(graph)
    assert "step1499" in tree
    assert tree.endswith("└─ ...")


@pytest.mark.parametrize(
    ("availability", "text"),
    [
        ("unreadable", "syn1.3 (not readable)"),
        ("trashed", "syn1.3 (in the trash can)"),
        ("deleted", "syn1.3 (deleted)"),
        ("version_deleted", "syn1.3 (this version is deleted)"),
    ],
)
def test_missing_source_is_shown_by_id_and_reason(builder, availability, text):
    builder.put("syn1.3", None, availability=availability)
    assert f"used      {text}\n" in format_sources(builder.graph("syn9.1"))


def test_file_url_with_content_hash_is_shown_by_name():
    builder = GraphBuilder()
    code = {"url": "file:///flow.py#sha256=0f3a", "name": "flow.py (sha256 0f3a)"}
    builder.put("syn1.1", "a", [], [code], title="one")
    assert format_sources(builder.graph("syn1.1")).endswith("└─ executed  flow.py (sha256 0f3a)")


def test_activity_without_a_name_is_shown_by_id():
    builder = GraphBuilder()
    builder.put("syn1.1", "a", title="")
    assert format_sources(builder.graph("syn1.1")) == "a (syn1.1)\n└─ activity 1"
