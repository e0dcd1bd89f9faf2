"""Provenance graphs of the portal: both directions, limits, private entities, secrets."""

import itertools
import json
import re
from html import unescape

import pytest
from support.portal import Visitor

from synapse_workflows import Activity, Folder, Project


@pytest.fixture(scope="module")
def syn(socket_service):
    return socket_service.client("alice")


@pytest.fixture(scope="module")
def project(syn):
    return syn.store(Project("Provenance of the portal"))


@pytest.fixture(scope="module")
def read_graph(socket_service):
    """Return a function that returns the labels and the edges in the page of an entity."""
    visitors = {name: Visitor(socket_service, name) for name in ("alice", "bob")}

    def read(entity, user="alice"):
        html = visitors[user].get(f"/Synapse:{entity.id}").text
        found = re.search(r'id="graph-data">(.*?)</script>', html)
        if found is None:
            return set()
        data = json.loads(found[1])
        labels = [
            unescape(each)
            for each in re.findall(r'<li id="node-.*?<h3>(.*?)</h3>', html, re.DOTALL)
        ]
        labels = [re.sub(r"<[^>]*>", "", each) for each in labels]
        return {
            (labels[source], route["role"], labels[target])
            for route in data["routes"]
            for source in route["sources"]
            for target in route["targets"]
        }

    return read


def test_both_directions_are_followed(syn, project, read_graph):
    raw, clean, model = (
        syn.store(Folder(name, parent=project)) for name in ("raw", "clean", "model")
    )
    syn.setProvenance(
        clean, Activity(name="cleaning", used=[raw], executed=["https://e.org/c.py"])
    )
    syn.setProvenance(model, Activity(name="training", used=[clean]))
    expected = {
        ("raw", "used", "cleaning"),
        ("c.py", "executed", "cleaning"),
        ("cleaning", "generated", "clean"),
        ("clean", "used", "training"),
        ("training", "generated", "model"),
    }
    assert read_graph(clean) == expected
    assert read_graph(raw) == expected - {("c.py", "executed", "cleaning")}
    assert read_graph(model) == expected


def test_a_cycle_ends(syn, project, read_graph):
    first, second = (syn.store(Folder(name, parent=project)) for name in ("first", "second"))
    syn.setProvenance(first, Activity(name="there", used=[second]))
    syn.setProvenance(second, Activity(name="back", used=[first]))
    assert read_graph(first) == {
        ("second", "used", "there"), ("there", "generated", "first"),
        ("first", "used", "back"), ("back", "generated", "second"),
    }  # fmt: skip


def test_private_inputs_and_results_have_no_names(syn, project, read_graph):
    secret, shared, result = (
        syn.store(Folder(name, parent=project)) for name in ("secret", "shared", "secret result")
    )
    syn.setPermissions(shared, "bob", ["READ"])
    syn.setProvenance(shared, Activity(name="made", used=[secret]))
    syn.setProvenance(result, Activity(name="secret use", used=[shared]))
    assert read_graph(shared, "bob") == {
        (secret.id, "used", "made"), ("made", "generated", "shared"),
    }  # fmt: skip
    assert ("shared", "used", "secret use") in read_graph(shared)


def test_secrets_in_urls_are_not_shown(socket_service, syn, project):
    folder = syn.store(Folder("secrets in URLs", parent=project))
    url = "https://user:password@example.org/raw.csv?X-Amz-Signature=abcdef#token"
    activity = {"name": f"from {url}", "description": url}
    used = [{"url": url, "name": url, "wasExecuted": False,
             "concreteType": "org.sagebionetworks.repo.model.provenance.UsedURL"}]  # fmt: skip
    stored = syn.restPOST("/activity", json.dumps({**activity, "used": used}))
    syn.restPUT(f"/entity/{folder.id}/generatedBy?generatedBy={stored['id']}")
    html = Visitor(socket_service, "alice").get(f"/Synapse:{folder.id}").text
    assert "https://example.org/raw.csv" in html
    assert not re.search("user:|password@|abcdef|#token", html)


def test_versions_in_urls_are_shown_and_keep_sources_apart(socket_service, syn, project):
    folder = syn.store(Folder("versions in URLs", parent=project))
    hashes = ["0" * 63 + digit for digit in "12"]
    used = [{"url": f"file:///flow.py#sha256={one}", "name": "flow.py", "wasExecuted": True,
             "concreteType": "org.sagebionetworks.repo.model.provenance.UsedURL"}
            for one in hashes]  # fmt: skip
    objects = [f"s3://bucket/raw.csv?versionId={one}" for one in ("v.1", "v.2")]
    code = "git+https://example.org/flows@0123456789012345678901234567890123456789#dags/flow.py"
    syn.setProvenance(folder, Activity(name="run", used=[*used, *objects, code]))
    html = unescape(Visitor(socket_service, "alice").get(f"/Synapse:{folder.id}").text)
    assert all(text in html for text in (*hashes, *objects, code))


def test_a_long_chain_is_cut_with_a_note(socket_service, syn, project):
    entities = [syn.store(Folder(f"step {number}", parent=project)) for number in range(11)]
    for source, target in itertools.pairwise(entities):
        syn.setProvenance(target, Activity(name=f"to {target.name}", used=[source]))
    text = Visitor(socket_service, "alice").read(f"/Synapse:{entities[-1].id}")
    assert "step 2" in text
    assert "step 0" not in text
    assert "The graph may continue" in text
