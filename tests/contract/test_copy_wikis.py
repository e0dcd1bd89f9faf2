"""Copies of real wikis with `Synapse.copy_wiki` and `Synapse.copy`."""

import pytest

from synapse_workflows import Folder, Project, Wiki
from synapse_workflows.client.errors import SynapseNameConflictError, SynapseNotFoundError


@pytest.fixture
def syn(in_process_client):
    """A client of alice."""
    return in_process_client


@pytest.fixture
def target(syn, project):
    """An empty project."""
    return syn.store(Project(f"{project.name} copy"))


@pytest.fixture
def pages(syn, project, make_file):
    """A root page with an attachment, and two sub-pages, of which one has a sub-page."""
    path = str(make_file("plot.txt"))
    root = syn.store(Wiki(owner=project, title="root", markdown="x", attachments=[path]))
    first = Wiki(owner=project, title="first", markdown="1", parentWikiId=root.id)
    first = syn.store(first)
    text = f"[up](#!Synapse:{project.id}/wiki/{root.id}) {project.id} {project.id}.2 syn1"
    syn.store(Wiki(owner=project, title="below", markdown=text, parentWikiId=first.id))
    syn.store(Wiki(owner=project, title="last", markdown="", parentWikiId=root.id))
    return root, first


def titles(headers):
    names = {one.id: one.title for one in headers}
    return [(one.title, names.get(one.get("parentId"))) for one in headers]


def test_copy_of_a_wiki(syn, project, target, pages):
    (root, _) = pages
    headers = syn.copy_wiki(project, target, entity_ids={project.id: target.id})
    assert titles(headers) == titles(syn.getWikiHeaders(project))
    copied = syn.getWiki(target)
    (attachment,) = syn.getWikiAttachments(copied)
    (original,) = syn.getWikiAttachments(syn.getWiki(project))
    assert (attachment.fileName, attachment.contentMd5) == ("plot.txt", original.contentMd5)
    assert attachment.id != original.id
    below = syn.getWiki(target, next(one.id for one in headers if one.title == "below"))
    link = f"[up](#!Synapse:{target.id}/wiki/{copied.id})"
    assert below.markdown == f"{link} {target.id} {project.id}.2 syn1"
    assert copied.id != root.id
    etag = copied.etag
    assert syn.copy_wiki(project, target, entity_ids={project.id: target.id}) == headers
    assert syn.getWiki(target).etag == etag


def test_copy_of_a_page_below_another_page(syn, project, target, pages):
    top = syn.store(Wiki(owner=target, title="own", markdown="own"))
    headers = syn.copy_wiki(
        project, target, page_id=pages[1].id, parent_page_id=top.id, update_links=False
    )
    assert titles(headers) == [("own", None), ("first", "own"), ("below", "first")]
    below = syn.getWiki(target, headers[2].id)
    assert f"{project.id}/wiki/{pages[0].id}" in below.markdown


def test_pages_with_other_content_are_replaced_on_request(syn, project, target, pages):
    own = syn.store(Wiki(owner=target, title="own", markdown="own"))
    with pytest.raises(SynapseNameConflictError, match=f"already has the wiki page {own.id}"):
        syn.copy_wiki(project, target)
    assert titles(syn.getWikiHeaders(target)) == [("own", None)]
    assert syn.getWiki(target).markdown == "own"
    headers = syn.copy_wiki(project, target, update_existing=True)
    assert titles(headers) == titles(syn.getWikiHeaders(project))
    replaced = syn.getWiki(target)
    assert (replaced.id, replaced.title, replaced.markdown) == (own.id, "root", "x")
    assert len(replaced.attachmentFileHandleIds) == 1


def test_missing_wikis_and_invalid_ids(syn, project, target, pages):
    with pytest.raises(SynapseNotFoundError):
        syn.copy_wiki(target, project)
    with pytest.raises(SynapseNotFoundError, match=f"The wiki of {project.id} has no page 999"):
        syn.copy_wiki(project, target, page_id=999)
    with pytest.raises(ValueError, match="Invalid wiki page ID 'x'"):
        syn.copy_wiki(project, target, parent_page_id="x")


def test_copy_of_entities_copies_their_wikis(syn, project, folder, target, pages):
    text = f"see {project.id}/wiki/{pages[0].id} and {folder.id}"
    syn.store(Wiki(owner=folder, title="folder", markdown=text))
    copied = syn.copy(project, target)
    page = syn.getWiki(copied[folder.id])
    root = syn.getWiki(target)
    assert page.markdown == f"see {target.id}/wiki/{root.id} and {copied[folder.id]}"
    inner = syn.store(Folder("without", parent=target))
    without = syn.copy(folder, inner, copy_wikis=False)
    with pytest.raises(SynapseNotFoundError):
        syn.getWiki(without[folder.id])
