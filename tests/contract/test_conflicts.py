"""Updates by several clients at once: without an etag of the caller, no change is lost."""

from uuid import uuid4

import pytest

from synapse_workflows import File, Folder
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseStaleError

COUNT = 8


@pytest.fixture
def target(syn, folder):
    return syn.store(Folder(f"target {uuid4()}", parent=folder.parentId))


@pytest.mark.filterwarnings("ignore:setAnnotations is deprecated")
def test_parallel_annotations_without_etag_are_stored_one_after_the_other(
    syn, folder, target, in_parallel
):
    """A parallel move keeps the annotations, and the annotations keep the new parent."""

    def change(one, number):
        if number % 2:
            one.move(folder.id, target.id if number == 1 else folder.parentId)
            return None
        return one.setAnnotations(folder.id, {"number": number})["number"]

    written = in_parallel(change, COUNT)
    assert [one for one in written if one] == [[number] for number in range(0, COUNT, 2)]
    stored = syn.get(folder.id)
    assert stored.number in written
    assert stored.parentId in (target.id, folder.parentId)


@pytest.mark.filterwarnings("ignore:setAnnotations is deprecated")
def test_given_etag_has_to_be_current(syn, folder):
    stale = syn.get(folder.id)
    syn.setAnnotations(folder.id, {"number": 1})
    with pytest.raises(SynapseStaleError):
        syn.setAnnotations(stale, {"number": 2})
    with pytest.raises(SynapseStaleError):
        syn.setAnnotations(folder.id, {"number": 2, "etag": stale.etag})
    assert syn.get_annotations(folder.id) == {"number": [1]}


def test_parallel_moves_keep_changes_of_other_clients(syn, folder, target, in_parallel):
    def change(one, number):
        if number % 2:
            return one.move(folder.id, target.id).parentId
        stored = one.get(folder.id)
        stored.pop("etag", None)
        return one.store(Folder(id=folder.id, name="data", parent=stored.parentId, x=number)).id

    done = in_parallel(change, COUNT)
    assert done[1::2] == [target.id] * (COUNT // 2)
    assert syn.get(folder.id).x[0] in range(0, COUNT, 2)


def test_move_of_a_numbered_version_moves_the_entity(syn, project, folder, make_file):
    stored = syn.store(File(str(make_file()), parent=project))
    syn.store(File(str(make_file(content="other")), id=stored.id, parent=project, name="data.txt"))
    moved = syn.move(f"{stored.id}.1", folder)
    assert (moved.parentId, moved.versionNumber) == (folder.id, 2)


@pytest.mark.parametrize("inherits", [True, False])
def test_parallel_permissions_keep_all_entries(syn, folder, in_parallel, inherits):
    """The first client creates the access control list, the others change it."""
    if not inherits:
        syn.setPermissions(folder, 273948, ["READ"], warn_if_inherits=False)
    grants = {
        "bob": ["READ"],
        "carol": ["READ", "DOWNLOAD"],
        "PUBLIC": ["READ"],
        273948: ["READ", "DOWNLOAD"],
    }
    users = list(grants)

    def grant(one, number):
        user = users[number]
        return one.setPermissions(folder, user, grants[user], warn_if_inherits=False)

    in_parallel(grant, len(users))
    for user, rights in grants.items():
        assert set(syn.getPermissions(folder, user)) == set(rights)


def test_missing_right_to_change_permissions_is_reported(syn, bob, folder):
    syn.setPermissions(folder.parentId, "bob", ["READ"])
    with pytest.raises(SynapseForbiddenError):
        bob.setPermissions(folder, "carol", ["READ"], warn_if_inherits=False)
    assert syn.getPermissions(folder, "carol") == []
