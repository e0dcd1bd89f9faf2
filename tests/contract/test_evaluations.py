"""Tests of evaluations: create, update, delete, look up, and their permissions."""

from uuid import uuid4

import pytest

from synapse_workflows import Evaluation, Project, UserProfile
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseForbiddenError,
    SynapseNotFoundError,
    SynapseStaleError,
)


@pytest.fixture
def name():
    """An unused name of an evaluation."""
    return f"queue {uuid4()}"


@pytest.fixture
def evaluation(syn, project, name):
    """An evaluation of alice."""
    return syn.store(Evaluation(name=name, contentSource=project.id, description="first"))


def test_stored_evaluation_is_found(syn, project, evaluation, name):
    assert isinstance(evaluation, Evaluation)
    for found in (
        syn.getEvaluation(evaluation),
        syn.getEvaluation(evaluation.id),
        syn.getEvaluation(int(evaluation.id)),
        syn.getEvaluation(f"syn{evaluation.id}"),
        syn.getEvaluationByName(name),
        *syn.getEvaluationByContentSource(project),
    ):
        assert found == evaluation
    assert evaluation.contentSource == project.id
    assert evaluation.ownerId == syn.getUserProfile().ownerId


@pytest.mark.parametrize("special", ["100% / 2", "a+b (c)", "A?b#c"])
def test_name_with_special_characters_is_found(syn, project, special):
    name = f"{special} {uuid4()}"
    try:
        evaluation = syn.store(Evaluation(name=name, contentSource=project.id))
    except ValueError:
        with pytest.raises(SynapseNotFoundError):
            syn.getEvaluationByName(name)
    else:
        assert syn.getEvaluationByName(name).id == evaluation.id


def test_evaluations_of_project_are_paged(syn, project):
    expected = {
        syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=project.id)).id
        for _ in range(22)
    }
    assert {one.id for one in syn.getEvaluationByContentSource(project.id)} == expected


def test_store_again_updates_evaluation_of_same_name(syn, project, evaluation, name):
    again = Evaluation(name=name, contentSource=project, submissionReceiptMessage="thanks")
    updated = syn.store(again)
    assert updated.id == evaluation.id
    assert (updated.description, updated.submissionReceiptMessage) == ("first", "thanks")
    with pytest.raises(SynapseConflictError):
        syn.store(again, createOrUpdate=False)


def test_evaluation_of_other_project_is_not_updated(syn, evaluation, name):
    other = syn.store(Project(f"other {uuid4()}"))
    with pytest.raises(SynapseConflictError, match=f"{evaluation.contentSource} has this name"):
        syn.store(Evaluation(name=name, contentSource=other.id))
    assert syn.getEvaluation(evaluation) == evaluation


def test_name_of_invisible_evaluation_is_rejected(bob, evaluation, name):
    project = bob.store(Project(f"bob {uuid4()}"))
    with pytest.raises(SynapseConflictError, match="already exists"):
        bob.store(Evaluation(name=name, contentSource=project.id))


def test_update_requires_current_etag(syn, evaluation):
    stale = Evaluation(**evaluation)
    evaluation.description = "second"
    stored = syn.store(evaluation)
    assert stored.description == "second"
    assert stored.etag != stale.etag
    stale.description = "third"
    with pytest.raises(SynapseStaleError):
        syn.store(stale)


def test_deleted_evaluation_is_gone(syn, evaluation):
    syn.delete(evaluation)
    with pytest.raises(SynapseNotFoundError):
        syn.getEvaluation(evaluation)


@pytest.mark.parametrize("source", [None, "", "9600001", 5])
def test_content_source_must_be_an_entity(source):
    with pytest.raises(ValueError, match="must be specified as a Synapse Entity"):
        Evaluation(name="queue", contentSource=source)


def test_content_source_must_be_a_project(syn, folder):
    with pytest.raises(ValueError, match="must be a project"):
        syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=folder.id))


@pytest.mark.parametrize("invalid", ["queue", "", "syn1.2", None, {"name": "x"}])
def test_invalid_evaluation_id_is_rejected(syn, invalid):
    with pytest.raises(ValueError, match=r"Invalid evaluation ID|couldn't find id"):
        syn.getEvaluation(invalid)


@pytest.mark.parametrize("invalid", [None, "", "  ", 9600001, b"queue", True])
def test_invalid_evaluation_name_is_rejected(syn, invalid):
    with pytest.raises(ValueError, match="Invalid name of an evaluation"):
        syn.getEvaluationByName(invalid)


def test_unknown_evaluation_is_not_found(syn):
    with pytest.raises(SynapseNotFoundError):
        syn.getEvaluation(987654321)
    with pytest.raises(SynapseNotFoundError):
        syn.getEvaluationByName(f"unknown {uuid4()}")


def test_set_permissions_of_evaluation(syn, bob, evaluation):
    owner = bob.getUserProfile().ownerId
    with pytest.raises(SynapseForbiddenError):
        bob.getEvaluation(evaluation)
    assert syn.getPermissions(evaluation, "bob") == []
    acl = syn.setPermissions(evaluation, "bob", ["READ", "SUBMIT"])
    assert acl["id"] == evaluation.id
    assert bob.getEvaluation(evaluation).id == evaluation.id
    syn.setPermissions(evaluation, owner, "UPDATE_SUBMISSION", overwrite=False)
    assert set(syn.getPermissions(evaluation, "bob")) == {"READ", "SUBMIT", "UPDATE_SUBMISSION"}
    with pytest.raises(SynapseForbiddenError):
        bob.setPermissions(evaluation, "carol", ["READ"])
    syn.setPermissions(evaluation, "bob", None)
    assert syn.getPermissions(evaluation, "bob") == []


def test_concurrent_changes_of_permissions_are_kept(syn, client_of, evaluation, in_parallel):
    users = ["bob", "carol", "dave"]
    in_parallel(
        lambda client, index: client.setPermissions(evaluation, users[index], ["READ"]), count=3
    )
    assert [syn.getPermissions(evaluation, user) for user in users] == [["READ"]] * 3


def test_object_without_permissions_is_rejected(syn):
    with pytest.raises(ValueError, match="UserProfile has no permissions of its own"):
        syn.getPermissions(syn.getUserProfile())
    with pytest.raises(ValueError, match="couldn't find id"):
        syn.setPermissions(Evaluation(name="queue", contentSource="syn1"), "bob")


def test_calls_of_evaluations(in_process_client, calls):
    """Source: traces.md; recorded paths have no query."""
    syn = in_process_client
    project = syn.store(Project(f"calls {uuid4()}"))
    name = f"E {uuid4()}"
    calls()
    evaluation = syn.store(Evaluation(name=name, contentSource=project.id))
    assert calls() == ["POST /evaluation 201"]
    syn.store(Evaluation(name=name, contentSource=project.id))
    path = f"/evaluation/{evaluation.id}"
    assert calls() == [
        "POST /evaluation 409",
        f"GET /evaluation/name/{name} 200",
        f"PUT {path} 200",
    ]
    syn.getEvaluation(evaluation.id)
    syn.getEvaluationByName(name)
    assert calls() == [f"GET {path} 200", f"GET /evaluation/name/{name} 200"]
    list(syn.getEvaluationByContentSource(project))
    assert calls() == [
        f"GET /entity/{project.id}/evaluation 200",
        f"GET /entity/{project.id}/evaluation 200",
    ]
    syn.setPermissions(evaluation, "alice", ["READ", "CHANGE_PERMISSIONS"])
    assert calls() == [
        f"GET {path}/acl 200",
        "GET /userGroupHeaders 200",
        "PUT /evaluation/acl 200",
    ]


def test_profile_of_caller_is_stored(client_of):
    """A profile is updated under PUT /userProfile; profiles of other users cannot be updated."""
    dave = client_of("dave")
    profile = dave.getUserProfile()
    assert isinstance(profile, UserProfile)
    profile.company = f"company {uuid4()}"
    assert dave.store(profile).company == profile.company
    assert dave.getUserProfile().company == profile.company
    other = dave.getUserProfile("bob")
    with pytest.raises(SynapseError):
        dave.store(other)
