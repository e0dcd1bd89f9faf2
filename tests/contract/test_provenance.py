"""Tests of setting, reading, sharing, updating and deleting provenance."""

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
def file_with_activity(syn, file):
    """The file, with an Activity created by alice."""
    activity = Activity("make", "d")
    activity.executed("https://example.org/make.py")
    syn.setProvenance(file, activity)
    return file


def test_set_provenance_fills_in_versions(syn, folder, file):
    activity = Activity("join", used=[file, folder.id, "https://example.org/d"])
    stored = syn.setProvenance(file.id, activity)
    assert type(stored) is Activity
    assert "id" not in activity
    read = syn.getProvenance(file)
    assert read == stored
    assert read["used"][0]["reference"] == {"targetId": file.id, "targetVersionNumber": 1}
    assert read["used"][2]["url"] == "https://example.org/d"


def test_activities_of_earlier_versions_are_not_changed(syn, file_with_activity):
    second = syn.store(syn.get(file_with_activity.id))
    activity = syn.setProvenance(f"{second.id}.2", Activity("second"))
    for change in (lambda one: syn.setProvenance(one, Activity("x")), syn.deleteProvenance):
        with pytest.raises(ValueError, match=r"entity .*\.1: .* current version is 2\. Pass"):
            change(f"{second.id}.1")
    assert syn.getProvenance(second) == activity


def test_each_version_has_its_own_activity(syn, file_with_activity):
    second = syn.store(syn.get(file_with_activity.id))
    assert second.versionNumber == 2
    with pytest.raises(SynapseNotFoundError, match=r"version: '2' does not exist"):
        syn.getProvenance(second)
    syn.setProvenance(second, Activity("again"))
    assert syn.getProvenance(second)["name"] == "again"
    assert syn.getProvenance(second.id)["name"] == "again"
    assert [
        syn.getProvenance(file_with_activity)["name"],
        syn.getProvenance(second, version="1")["name"],
        syn.getProvenance(f"{second.id}.1")["name"],
    ] == ["make"] * 3


def test_set_provenance_updates_stored_activity(syn, folder, file_with_activity, make_file):
    activity = syn.getProvenance(file_with_activity)
    other = syn.store(File(str(make_file("b.txt")), parent=folder))
    activity["name"] = "make both"
    syn.setProvenance(other, activity)
    assert syn.getProvenance(file_with_activity)["name"] == "make both"
    assert syn.getProvenance(file_with_activity)["id"] == syn.getProvenance(other)["id"]


def test_one_activity_is_shared_by_several_entities(syn, folder, file_with_activity, make_file):
    """Each store changes the etag; a stale etag is accepted for unchanged content."""
    shared = syn.getProvenance(file_with_activity)
    for name in ("b.txt", "c.txt", "d.txt"):
        stored = syn.store(File(str(make_file(name)), parent=folder), activity=shared)
        assert syn.getProvenance(stored)["id"] == shared["id"]
    shared["name"] = "something else"
    with pytest.raises(SynapseStaleError):
        syn.setProvenance(file_with_activity, shared)


def test_update_activity_requires_stored_activity_and_current_etag(syn, file_with_activity):
    activity = syn.getProvenance(file_with_activity)
    stale = Activity(data=activity)
    activity.used("https://example.org/more")
    stored = syn.updateActivity(activity)
    assert len(stored["used"]) == 2
    assert stored["etag"] != activity["etag"]
    with pytest.raises(SynapseStaleError):
        syn.updateActivity(stale)
    with pytest.raises(ValueError, match="must exist on Synapse"):
        syn.updateActivity(Activity("new"))


def test_delete_provenance_deletes_activity(syn, file_with_activity):
    activity = syn.getProvenance(file_with_activity)
    assert syn.deleteProvenance(file_with_activity) is None
    for call in (
        lambda: syn.getProvenance(file_with_activity),
        lambda: syn.deleteProvenance(file_with_activity),
    ):
        with pytest.raises(SynapseNotFoundError, match="Activity for"):
            call()
    with pytest.raises(SynapseNotFoundError):
        syn.restGET(f"/activity/{activity['id']}")


def test_delete_provenance_affects_current_version_only(syn, file_with_activity):
    """The version of the entity object is ignored: the current version loses its Activity."""
    second = syn.store(syn.get(file_with_activity.id), executed="https://example.org/again.py")
    syn.deleteProvenance(file_with_activity)
    assert syn.getProvenance(file_with_activity)["name"] == "make"
    with pytest.raises(SynapseNotFoundError):
        syn.getProvenance(second)


def test_provenance_requires_update_access(syn, bob, project, file_with_activity):
    owner = bob.getUserProfile().ownerId
    syn.setPermissions(project, owner, ["READ", "DOWNLOAD"])
    activity = bob.getProvenance(file_with_activity.id)
    with pytest.raises(SynapseForbiddenError):
        bob.updateActivity(activity)
    with pytest.raises(SynapseForbiddenError):
        bob.setProvenance(file_with_activity.id, Activity("mine"))


def test_invalid_arguments_are_rejected_before_any_request(in_process_client, calls):
    with pytest.raises(SynapseProvenanceError, match="Provenance must be an Activity, not str"):
        in_process_client.setProvenance("syn1", "5")
    with pytest.raises(SynapseProvenanceError, match="Provenance must be an Activity, not None"):
        in_process_client.updateActivity(None)
    with pytest.raises(ValueError, match="Invalid Synapse ID"):
        in_process_client.setProvenance("data", Activity())
    with pytest.raises(ValueError, match="Invalid version number 'last'"):
        in_process_client.getProvenance("syn1", version="last")
    assert calls() == []


def test_set_provenance_rejects_missing_used_entity(syn, file):
    with pytest.raises(SynapseNotFoundError):
        syn.setProvenance(file, Activity(used="syn999999999"))


def test_provenance_requests(in_process_client, calls, make_file):
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
