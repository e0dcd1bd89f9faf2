"""Provenance drawn as a tree."""

import pytest

from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.provenance.activity import build_activity, parse_declared
from synapse_workflows.provenance.tree import render_tree


class Shelf:
    """Entities by id and version, with the activities that made them."""

    def __init__(self):
        self.entities = {}
        self.activities = {}
        self.locked = set()

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
        if entity in self.locked:
            raise SynapseForbiddenError(403, "no", f"GET /entity/{entity}")
        known = [v for (one, v) in self.entities if one == entity]
        if not known:
            raise SynapseNotFoundError(404, "no such entity", f"GET /entity/{entity}")
        return self.entities[entity, version or max(known)]

    def getProvenance(self, entity, version=None):  # noqa: N802
        if (entity, version) not in self.activities:
            raise SynapseNotFoundError(404, "no activity", f"GET /entity/{entity}/generatedBy")
        return self.activities[entity, version]


def made(name, used=(), executed=(), description=""):
    return build_activity(parse_declared(list(used), list(executed)), name, description)


@pytest.fixture
def shelf():
    shelf = Shelf()
    shelf.put("syn1", 3, "raw.csv", made("import", used=["https://host/raw"]))
    code = {"url": "https://host/flow.py", "name": "flow.py"}
    shelf.put(
        "syn9",
        1,
        "summary.csv",
        made("flow.store", ["syn1.3"], [code], "Airflow run r1\nhttp://af"),
    )
    return shelf


def test_a_result_is_drawn_down_to_where_it_came_from(shelf):
    assert render_tree(shelf, "syn9").splitlines() == [
        "summary.csv (syn9.1)",
        "└─ flow.store",
        "   │  Airflow run r1",
        "   │  http://af",
        "   ├─ used      raw.csv (syn1.3)",
        "   │            └─ import",
        "   │               └─ used      https://host/raw",
        "   └─ executed  flow.py <https://host/flow.py>",
    ]


def test_a_version_is_taken_from_the_id(shelf):
    shelf.put("syn9", 2, "summary.csv")
    assert render_tree(shelf, "syn9.1").splitlines()[0] == "summary.csv (syn9.1)"
    assert render_tree(shelf, "syn9") == "summary.csv (syn9.2)"


def test_cycles_and_repeats_are_drawn_once():
    shelf = Shelf()
    shelf.put("syn1", 1, "a", made("one", used=["syn2.1", "syn2.1"]))
    shelf.put("syn2", 1, "b", made("two", used=["syn1.1"]))
    drawn = render_tree(shelf, "syn1")
    assert drawn.count("(shown above)") >= 1
    assert drawn.count("└─ two") == 1


def test_depth_is_bounded():
    shelf = Shelf()
    for n in range(1, 30):
        shelf.put(f"syn{n}", 1, f"f{n}", made(f"step{n}", used=[f"syn{n + 1}.1"]))
    drawn = render_tree(shelf, "syn1", depth=3)
    assert "step3" in drawn
    assert "step4" not in drawn
    assert drawn.endswith("...")


def test_what_the_caller_may_not_see_is_named_and_said(shelf):
    shelf.locked.add("syn1")
    assert "syn1.3 (not found or not readable)" in render_tree(shelf, "syn9")


def test_an_entity_that_is_not_there_is_an_error(shelf):
    with pytest.raises(SynapseNotFoundError):
        render_tree(shelf, "syn404")


def test_code_named_by_its_content_is_shown_by_its_name():
    shelf = Shelf()
    code = {"url": "file:///flow.py#sha256=0f3a", "name": "flow.py (sha256 0f3a)"}
    shelf.put("syn1", 1, "a", made("one", executed=[code]))
    assert render_tree(shelf, "syn1").endswith("└─ executed  flow.py (sha256 0f3a)")
