"""Tests of reading, granting and revoking permissions, own and inherited."""

from uuid import uuid4

import pytest

from synapse_workflows import Folder, Project
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseError,
    SynapseForbiddenError,
)
from synapse_workflows.constants import AUTHENTICATED_USERS, PUBLIC, AccessType


def get_access(acl, principal):
    return {one["principalId"]: set(one["accessType"]) for one in acl["resourceAccess"]}.get(
        int(principal)
    )


def test_set_permissions_grants_and_revokes_access(syn, bob, project):
    owner = bob.getUserProfile().ownerId
    assert syn.getPermissions(project, owner) == []
    acl = syn.setPermissions(project, "bob")
    assert get_access(acl, owner) == {"READ", "DOWNLOAD"}
    assert bob.get(project.id).name == project.name
    for principal in ("bob", "BOB", int(owner), owner, bob.getUserProfile()):
        assert syn.getPermissions(project, principal) == ["READ", "DOWNLOAD"]
    for empty in ([], None):
        syn.setPermissions(project, "bob", empty)
        assert syn.getPermissions(project, "bob") == []
    with pytest.raises(SynapseForbiddenError):
        bob.get(project.id)


def test_set_permissions_overwrites_or_extends_access(syn, project):
    syn.setPermissions(project, "bob", ["READ", "UPDATE"])
    assert syn.getPermissions(project, "bob") == ["READ", "UPDATE"]
    syn.setPermissions(project, "bob", ["DOWNLOAD", "READ"], overwrite=False)
    assert set(syn.getPermissions(project, "bob")) == {"READ", "UPDATE", "DOWNLOAD"}
    syn.setPermissions(project, "bob", [], overwrite=False)
    assert set(syn.getPermissions(project, "bob")) == {"READ", "UPDATE", "DOWNLOAD"}
    syn.setPermissions(project, "bob", ["READ"])
    assert syn.getPermissions(project, "bob") == ["READ"]


def test_access_type_can_be_text(syn, project):
    syn.setPermissions(project, "bob", "READ")
    assert syn.getPermissions(project, "bob") == ["READ"]
    syn.setPermissions(project, "bob", AccessType.DOWNLOAD, overwrite=False)
    assert syn.getPermissions(project, "bob") == ["READ", "DOWNLOAD"]
    syn.setPermissions(project, "bob", "")
    assert syn.getPermissions(project, "bob") == []


@pytest.mark.parametrize("given", [5, False, [None], [""]], ids=str)
def test_invalid_access_types_revoke_nothing(syn, project, given):
    syn.setPermissions(project, "bob", ["READ"])
    with pytest.raises(ValueError, match=r"Invalid accessType .*: expected a list of"):
        syn.setPermissions(project, "bob", given)
    assert syn.getPermissions(project, "bob") == ["READ"]


def test_public_access_is_read_only(syn, client_of, project):
    anonymous = client_of(None)
    with pytest.raises(SynapseError, match="not logged in"):
        anonymous.get(project.id)
    with pytest.raises(SynapseBadRequestError, match="Only READ permissions"):
        syn.setPermissions(project)
    syn.setPermissions(project, "PUBLIC", ["READ"])
    assert syn.getPermissions(project) == syn.getPermissions(project, PUBLIC) == ["READ"]
    assert anonymous.get(project.id).name == project.name
    syn.setPermissions(project, AUTHENTICATED_USERS, ["READ", "DOWNLOAD"])
    assert syn.getPermissions(project, AUTHENTICATED_USERS) == ["READ", "DOWNLOAD"]


def test_set_permissions_copies_inherited_acl_and_warns(
    verbose_client, log_messages, project, folder
):
    acl = verbose_client.setPermissions(folder, "bob")
    assert acl["id"] == folder.id
    assert f"{folder.id}, which inherited the permissions of {project.id}" in log_messages[-1]
    assert verbose_client.getPermissions(folder, "bob") == ["READ", "DOWNLOAD"]
    assert verbose_client.getPermissions(project, "bob") == []
    alice = verbose_client.getUserProfile().ownerId
    assert get_access(acl, alice) == set(verbose_client.getPermissions(project, alice))
    count = len(log_messages)
    verbose_client.setPermissions(folder, "bob", ["READ"])
    other = verbose_client.store(Folder("other", parent=project))
    verbose_client.setPermissions(other, "bob", warn_if_inherits=False)
    assert len(log_messages) == count


def test_modify_benefactor_changes_inherited_acl(syn, project, folder):
    acl = syn.setPermissions(folder, "bob", modify_benefactor=True)
    assert acl["id"] == project.id
    assert syn.getPermissions(project, "bob") == syn.getPermissions(folder, "bob")


def test_caller_cannot_revoke_own_change_permissions(syn, client_of, project):
    """A user cannot revoke their own right to change permissions."""
    syn.setPermissions(project, "bob", ["READ", "CHANGE_PERMISSIONS"])
    bob = client_of("bob")
    with pytest.raises(SynapseBadRequestError, match="revoke their own ACL editing"):
        bob.setPermissions(project.id, "bob", ["READ"])


def test_set_permissions_requires_change_permissions_access(syn, bob, project):
    syn.setPermissions(project, "bob", ["READ"])
    with pytest.raises(SynapseForbiddenError, match="You lack CHANGE_PERMISSIONS access"):
        bob.setPermissions(project.id, "carol")


def test_unknown_user_name_is_rejected(syn, project):
    with pytest.raises(SynapseError, match=r"Unknown Synapse user \(unknown-user\).  No matches"):
        syn.getPermissions(project, "unknown-user")
    with pytest.raises(SynapseError, match=r"Unknown Synapse user"):
        syn.setPermissions(project, "unknown-user")


def test_permissions_send_one_benefactor_request(in_process_client, calls):
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
