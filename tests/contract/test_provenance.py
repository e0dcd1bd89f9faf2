"""Provenance: recorded, read by version, shared, changed and forgotten."""

import pytest

from synapse_workflows import Activity, File, Project
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseProvenanceError,
    SynapseStaleError,
)


@pytest.fixture
def file(syn, folder, make_file):
    return syn.store(File(str(make_file()), parent=folder))


@pytest.fixture
def traced(syn, file):
    """The file, made by an activity of alice's."""
    syn.setProvenance(file, Activity("make", "d", executed="https://example.org/make.py"))
    return file


def test_an_activity_comes_back_with_the_versions_filled_in(syn, folder, file):
    activity = Activity("join", used=[file, folder.id, "https://example.org/d"])
    stored = syn.setProvenance(file.id, activity)
    assert type(stored) is Activity
    assert "id" not in activity
    read = syn.getProvenance(file)
    assert read == stored
    assert read["used"][0]["reference"] == {"targetId": file.id, "targetVersionNumber": 1}
    assert read["used"][2]["url"] == "https://example.org/d"


def test_each_version_has_its_own(syn, traced):
    second = syn.store(syn.get(traced.id))
    assert second.versionNumber == 2
    with pytest.raises(SynapseNotFoundError, match=r"version: '2' does not exist"):
        syn.getProvenance(second)
    syn.setProvenance(second, Activity("again"))
    assert syn.getProvenance(second)["name"] == "again"
    assert syn.getProvenance(second.id)["name"] == "again"
    assert [
        syn.getProvenance(traced)["name"],
        syn.getProvenance(second, version="1")["name"],
        syn.getProvenance(f"{second.id}.1")["name"],
    ] == ["make"] * 3


def test_a_stored_activity_is_changed_and_linked(syn, folder, traced, make_file):
    activity = syn.getProvenance(traced)
    other = syn.store(File(str(make_file("b.txt")), parent=folder))
    activity["name"] = "make both"
    syn.setProvenance(other, activity)
    assert syn.getProvenance(traced)["name"] == "make both"
    assert syn.getProvenance(traced)["id"] == syn.getProvenance(other)["id"]


def test_one_activity_is_given_to_many(syn, folder, traced, make_file):
    """Each store gives it a new etag; the old one does for saying the same again."""
    shared = syn.getProvenance(traced)
    for name in ("b.txt", "c.txt", "d.txt"):
        stored = syn.store(File(str(make_file(name)), parent=folder), activity=shared)
        assert syn.getProvenance(stored)["id"] == shared["id"]
    shared["name"] = "something else"
    with pytest.raises(SynapseStaleError):
        syn.setProvenance(traced, shared)


def test_updating_needs_a_stored_and_fresh_activity(syn, traced):
    activity = syn.getProvenance(traced)
    stale = Activity(data=activity)
    activity.used("https://example.org/more")
    stored = syn.updateActivity(activity)
    assert len(stored["used"]) == 2
    assert stored["etag"] != activity["etag"]
    with pytest.raises(SynapseStaleError):
        syn.updateActivity(stale)
    with pytest.raises(ValueError, match="must exist on Synapse"):
        syn.updateActivity(Activity("new"))


def test_what_is_deleted_is_gone(syn, traced):
    activity = syn.getProvenance(traced)
    assert syn.deleteProvenance(traced) is None
    for ask in (lambda: syn.getProvenance(traced), lambda: syn.deleteProvenance(traced)):
        with pytest.raises(SynapseNotFoundError, match="Activity for"):
            ask()
    with pytest.raises(SynapseNotFoundError):
        syn.restGET(f"/activity/{activity['id']}")


def test_an_older_object_of_a_file_does_not_lose_the_older_activity(syn, traced):
    """The link and the Activity that go are those of one version: the current one."""
    second = syn.store(syn.get(traced.id), executed="https://example.org/again.py")
    syn.deleteProvenance(traced)
    assert syn.getProvenance(traced)["name"] == "make"
    with pytest.raises(SynapseNotFoundError):
        syn.getProvenance(second)


def test_only_who_may_writes_it(syn, bob, project, traced):
    owner = bob.getUserProfile().ownerId
    syn.setPermissions(project, owner, ["READ", "DOWNLOAD"])
    activity = bob.getProvenance(traced.id)
    with pytest.raises(SynapseForbiddenError):
        bob.updateActivity(activity)
    with pytest.raises(SynapseForbiddenError):
        bob.setProvenance(traced.id, Activity("mine"))


def test_what_is_no_activity_is_refused_before_anything_is_asked(in_process_client, calls):
    with pytest.raises(SynapseProvenanceError, match="Provenance must be an Activity, not str"):
        in_process_client.setProvenance("syn1", "5")
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.setProvenance("data", Activity())
    with pytest.raises(ValueError, match="not a version number"):
        in_process_client.getProvenance("syn1", version="last")
    assert calls() == []


def test_what_is_used_must_be_there(syn, file):
    with pytest.raises(SynapseNotFoundError):
        syn.setProvenance(file, Activity(used="syn999999999"))


def test_the_calls_of_provenance(in_process_client, calls, make_file):
    project = in_process_client.store(Project(f"calls {make_file().read_text().strip()}"))
    calls()
    activity = in_process_client.setProvenance(project, Activity("a"))
    assert calls() == ["POST /activity 201", f"PUT /entity/{project.id}/generatedBy 200"]
    in_process_client.updateActivity(activity)
    in_process_client.deleteProvenance(project)
    assert calls() == [
        f"PUT /activity/{activity['id']} 200",
        f"GET /entity/{project.id}/generatedBy 200",
        f"DELETE /entity/{project.id}/generatedBy 204",
        f"DELETE /activity/{activity['id']} 204",
    ]
