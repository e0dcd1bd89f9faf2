"""Permissions: read, granted, taken away, inherited and made an entity's own."""

from uuid import uuid4

import pytest

from synapse_workflows import Folder, Project
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
)
from synapse_workflows.constants import AUTHENTICATED_USERS, PUBLIC


def granted(acl, principal):
    return {one["principalId"]: set(one["accessType"]) for one in acl["resourceAccess"]}.get(
        int(principal)
    )


def test_a_grant_opens_an_entity_and_a_withdrawal_closes_it(syn, bob, project):
    owner = bob.getUserProfile().ownerId
    assert syn.getPermissions(project, owner) == []
    acl = syn.setPermissions(project, "bob")
    assert granted(acl, owner) == {"READ", "DOWNLOAD"}
    assert bob.get(project.id).name == project.name
    for who in ("bob", "BOB", int(owner), owner, bob.getUserProfile()):
        assert syn.getPermissions(project, who) == ["READ", "DOWNLOAD"]
    for nothing in ([], None):
        syn.setPermissions(project, "bob", nothing)
        assert syn.getPermissions(project, "bob") == []
    with pytest.raises(SynapseForbiddenError):
        bob.get(project.id)


def test_a_grant_replaces_the_last_one_or_adds_to_it(syn, project):
    syn.setPermissions(project, "bob", ["READ", "UPDATE"])
    assert syn.getPermissions(project, "bob") == ["READ", "UPDATE"]
    syn.setPermissions(project, "bob", ["DOWNLOAD", "READ"], overwrite=False)
    assert set(syn.getPermissions(project, "bob")) == {"READ", "UPDATE", "DOWNLOAD"}
    syn.setPermissions(project, "bob", [], overwrite=False)
    assert set(syn.getPermissions(project, "bob")) == {"READ", "UPDATE", "DOWNLOAD"}
    syn.setPermissions(project, "bob", ["READ"])
    assert syn.getPermissions(project, "bob") == ["READ"]


def test_everyone_may_only_read(syn, client_of, project):
    nobody = client_of(None)
    with pytest.raises(SynapseError, match="not logged in"):
        nobody.get(project.id)
    with pytest.raises(SynapseBadRequestError, match="Only READ permissions"):
        syn.setPermissions(project)
    syn.setPermissions(project, "PUBLIC", ["READ"])
    assert syn.getPermissions(project) == syn.getPermissions(project, PUBLIC) == ["READ"]
    assert nobody.get(project.id).name == project.name
    syn.setPermissions(project, AUTHENTICATED_USERS, ["READ", "DOWNLOAD"])
    assert syn.getPermissions(project, AUTHENTICATED_USERS) == ["READ", "DOWNLOAD"]


def test_an_entity_gets_a_list_of_its_own_and_says_so(
    verbose_client, log_messages, project, folder
):
    acl = verbose_client.setPermissions(folder, "bob")
    assert acl["id"] == folder.id
    assert f"{folder.id}, which inherited the permissions of {project.id}" in log_messages[-1]
    assert verbose_client.getPermissions(folder, "bob") == ["READ", "DOWNLOAD"]
    assert verbose_client.getPermissions(project, "bob") == []
    alice = verbose_client.getUserProfile().ownerId
    assert granted(acl, alice) == set(verbose_client.getPermissions(project, alice))
    already = len(log_messages)
    verbose_client.setPermissions(folder, "bob", ["READ"])
    other = verbose_client.store(Folder("other", parent=project))
    verbose_client.setPermissions(other, "bob", warn_if_inherits=False)
    assert len(log_messages) == already


def test_the_inherited_list_can_be_changed_instead(syn, project, folder):
    acl = syn.setPermissions(folder, "bob", modify_benefactor=True)
    assert acl["id"] == project.id
    assert syn.getPermissions(project, "bob") == syn.getPermissions(folder, "bob")


def test_nobody_locks_the_door_from_inside(syn, client_of, project):
    """The creator keeps the right to change permissions, whatever the list says."""
    syn.setPermissions(project, "bob", ["READ", "CHANGE_PERMISSIONS"])
    bob = client_of("bob")
    with pytest.raises(SynapseBadRequestError, match="revoke their own ACL editing"):
        bob.setPermissions(project.id, "bob", ["READ"])


def test_only_who_may_shares(syn, bob, project):
    syn.setPermissions(project, "bob", ["READ"])
    with pytest.raises(SynapseForbiddenError, match="You lack CHANGE_PERMISSIONS access"):
        bob.setPermissions(project.id, "carol")


def test_names_must_name_one(syn, project):
    with pytest.raises(SynapseError, match=r"Unknown Synapse user \(nobody-here\).  No matches"):
        syn.getPermissions(project, "nobody-here")
    with pytest.raises(SynapseError, match=r"Unknown Synapse user"):
        syn.setPermissions(project, "nobody-here")


def test_one_lookup_of_the_benefactor_is_enough(in_process_client, calls):
    project = in_process_client.store(Project(f"calls {uuid4()}"))
    folder = in_process_client.store(Folder("f", parent=project))
    calls()
    in_process_client.setPermissions(folder, "bob", warn_if_inherits=False)
    assert calls() == [
        f"GET /entity/{folder.id}/benefactor 200",
        f"GET /entity/{project.id}/acl 200",
        "GET /userGroupHeaders 200",
        f"POST /entity/{folder.id}/acl 201",
    ]
    in_process_client.getPermissions(folder, PUBLIC)
    assert calls() == [
        f"GET /entity/{folder.id}/benefactor 200",
        f"GET /entity/{folder.id}/acl 200",
    ]
