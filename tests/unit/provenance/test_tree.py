"""Tests of rendering provenance as a text tree."""

import pytest

from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.provenance.activity import build_activity, parse_declared
from synapse_workflows.provenance.tree import render_tree


class FakeClient:
    """Client with entities and Activities by ID and version."""

    def __init__(self):
        self.entities = {}
        self.activities = {}
        self.unreadable = set()

    def put(self, entity_id, version, name, activity=None):
        self.entities[entity_id, version] = {
            "id": entity_id,
            "name": name,
            "versionNumber": version,
        }
        if activity is not None:
            self.activities[entity_id, version] = activity

    def get(self, entity, *, downloadFile, version=None):  # noqa: N803
        assert downloadFile is False
        if entity in self.unreadable:
            raise SynapseForbiddenError(403, "no", f"GET /entity/{entity}")
        known = [v for (one, v) in self.entities if one == entity]
        if not known:
            raise SynapseNotFoundError(404, "no such entity", f"GET /entity/{entity}")
        return self.entities[entity, version or max(known)]

    def getProvenance(self, entity, version=None):  # noqa: N802
        if (entity, version) not in self.activities:
            raise SynapseNotFoundError(404, "no activity", f"GET /entity/{entity}/generatedBy")
        return self.activities[entity, version]


def activity(name, used=(), executed=(), description=""):
    return build_activity(parse_declared(list(used), list(executed)), name, description)


@pytest.fixture
def client():
    client = FakeClient()
    client.put("syn1", 3, "raw.csv", activity("import", used=["https://host/raw"]))
    code = {"url": "https://host/flow.py", "name": "flow.py"}
    client.put(
        "syn9",
        1,
        "summary.csv",
        activity("flow.store", ["syn1.3"], [code], "Airflow run r1\nhttp://af"),
    )
    return client


def test_tree_contains_sources_of_sources(client):
    assert render_tree(client, "syn9").splitlines() == [
        "summary.csv (syn9.1)",
        "└─ flow.store",
        "   │  Airflow run r1",
        "   │  http://af",
        "   ├─ used      raw.csv (syn1.3)",
        "   │            └─ import",
        "   │               └─ used      https://host/raw",
        "   └─ executed  flow.py <https://host/flow.py>",
    ]


def test_version_is_parsed_from_id(client):
    client.put("syn9", 2, "summary.csv")
    assert render_tree(client, "syn9.1").splitlines()[0] == "summary.csv (syn9.1)"
    assert render_tree(client, "syn9") == "summary.csv (syn9.2)"


def test_cycles_and_repeated_entities_are_rendered_once():
    client = FakeClient()
    client.put("syn1", 1, "a", activity("one", used=["syn2.1", "syn2.1"]))
    client.put("syn2", 1, "b", activity("two", used=["syn1.1"]))
    tree = render_tree(client, "syn1")
    assert tree.count("(shown above)") >= 1
    assert tree.count("└─ two") == 1


def test_depth_limits_levels():
    client = FakeClient()
    for n in range(1, 30):
        client.put(f"syn{n}", 1, f"f{n}", activity(f"step{n}", used=[f"syn{n + 1}.1"]))
    tree = render_tree(client, "syn1", depth=3)
    assert "step3" in tree
    assert "step4" not in tree
    assert tree.endswith("...")


def test_unreadable_source_is_shown_by_id(client):
    client.unreadable.add("syn1")
    assert "syn1.3 (not found or not readable)" in render_tree(client, "syn9")


def test_missing_entity_raises_error(client):
    with pytest.raises(SynapseNotFoundError):
        render_tree(client, "syn404")


def test_file_url_with_content_hash_is_shown_by_name():
    client = FakeClient()
    code = {"url": "file:///flow.py#sha256=0f3a", "name": "flow.py (sha256 0f3a)"}
    client.put("syn1", 1, "a", activity("one", executed=[code]))
    assert render_tree(client, "syn1").endswith("└─ executed  flow.py (sha256 0f3a)")


def test_secrets_of_activities_are_not_shown():
    client = FakeClient()
    url = "https://user:q7Zx@host/a?X-Amz-Signature=q7Zx"
    items = [
        {"url": url, "name": url, "wasExecuted": False},
        {"url": url, "name": f"see {url}", "wasExecuted": True},
    ]
    activity = {"name": f"from {url}", "description": f"read {url}", "used": items}
    client.put("syn1", 1, "a.txt", activity)
    text = render_tree(client, "syn1")
    assert "q7Zx" not in text
    assert "https://host/a" in text
