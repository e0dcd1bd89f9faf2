"""Walks through real projects with `Synapse.walk`."""

import pytest

from synapse_workflows import File, Folder, Link
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError


@pytest.fixture
def tree(syn, project, make_file):
    """A project with folders ``a`` and ``a/c`` and ``b``, and a file in each container."""
    ids = {}
    for path in ["", "a/", "a/c/", "b/"]:
        parent = ids.get(path, project.id)
        if path:
            *above, name = path.rstrip("/").split("/")
            above_id = ids["".join(f"{one}/" for one in above)] if above else project.id
            parent = ids[path] = syn.store(Folder(name, parent=above_id)).id
        file = syn.store(File(str(make_file(f"{path.replace('/', '')}.txt")), parent=parent))
        ids[f"{path}{file.name}"] = file.id
    return ids


def test_walk_lists_each_container_from_the_top(syn, project, tree):
    ids, name = tree, project.name
    assert list(syn.walk(project)) == [
        ((name, project.id), [("a", ids["a/"]), ("b", ids["b/"])], [(".txt", ids[".txt"])]),
        ((f"{name}/a", ids["a/"]), [("c", ids["a/c/"])], [("a.txt", ids["a/a.txt"])]),
        ((f"{name}/a/c", ids["a/c/"]), [], [("ac.txt", ids["a/c/ac.txt"])]),
        ((f"{name}/b", ids["b/"]), [], [("b.txt", ids["b/b.txt"])]),
    ]


def test_walk_starts_at_a_folder_and_names_its_steps(syn, tree):
    steps = list(syn.walk(tree["a/"]))
    assert [step.container.path for step in steps] == ["a", "a/c"]
    assert [one.name for step in steps for one in step.entities] == ["a.txt", "ac.txt"]


def test_removed_folders_are_left_out(syn, project, tree):
    paths = []
    for (path, _), folders, _ in syn.walk(project):
        paths.append(path.removeprefix(project.name))
        folders[:] = [one for one in folders if one.name != "a"]
    assert paths == ["", "/b"]


def test_walk_lists_the_given_types_and_does_not_follow_links(syn, project, tree):
    link = syn.store(Link(tree["a/"], parent=tree["b/"]))
    found = [
        (path, entities)
        for (path, _), _, entities in syn.walk(project, iter(["link"]))
        if entities
    ]
    assert found == [(f"{project.name}/b", [(link.name, link.id)])]


def test_invalid_walks(syn, dave, project, tree):
    with pytest.raises(ValueError, match=r"it is a file\. Pass a project or a folder"):
        next(syn.walk(tree[".txt"]))
    with pytest.raises(ValueError, match="Invalid include_types 'files': expected a list of fold"):
        next(syn.walk(project, ["files"]))
    with pytest.raises(ValueError, match="Invalid include_types 'file'"):
        next(syn.walk(project, "file"))
    with pytest.raises(ValueError, match="Invalid include_types None"):
        next(syn.walk(project, None))
    with pytest.raises(SynapseForbiddenError):
        next(dave.walk(project))
    with pytest.raises(SynapseNotFoundError):
        next(syn.walk("syn999999999"))
