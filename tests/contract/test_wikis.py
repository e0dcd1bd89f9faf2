"""Tests of wikis: pages, sub-pages, versions, Markdown files and attachments."""

import gzip
from pathlib import Path
from uuid import uuid4

import pytest

from synapse_workflows import Evaluation, Project, Wiki, WikiAttachment
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseForbiddenError,
    SynapseMalformedEntityError,
    SynapseNotFoundError,
    SynapseStaleError,
)

TEXT = "# Bericht 📈\r\n\r\nZeile *zwei*; $x < y$ & `a|b`\n\ttrailing  \n"


@pytest.fixture
def root(syn, project):
    """The root page of the wiki of the project."""
    return syn.store(Wiki(owner=project, title="Start", markdown=TEXT))


def attach(syn, owner, *paths, **fields):
    fields = {"attachments": [*map(str, paths)], **fields}
    return syn.store(Wiki(owner=owner, title="t", **fields))


def list_names(syn, wiki):
    return [each.fileName for each in syn.getWikiAttachments(wiki)]


def test_stored_page_is_read_back(syn, project, root):
    assert isinstance(root, Wiki)
    assert (root.ownerId, root.title, root.markdown) == (project.id, "Start", TEXT)
    assert "owner" not in root
    for owner, page_id in ((project, None), (project.id, root.id), (root, root), (root, None)):
        found = syn.getWiki(owner, page_id)
        assert (found.id, found.title, found.markdown) == (root.id, "Start", TEXT)
        assert found.etag == root.etag
    path = Path(found.markdown_path)
    assert path.name == f"{found.markdownFileHandleId}.md"
    assert gzip.decompress(path.read_bytes()) == TEXT.encode()


def test_uncompressed_markdown_is_read(syn, project, make_file):
    path = make_file("page.md", "# plain ü\n")
    handle = syn.uploadFileHandle(path, project)
    body = {"title": "v2", "markdownFileHandleId": handle["id"]}
    page = syn.restPOST(f"/entity/{project.id}/wiki2", body=body)
    assert syn.getWiki(project).markdown == "# plain ü\n"
    assert syn.restGET(f"/entity/{project.id}/wiki/{page['id']}")["markdown"] == "# plain ü\n"


def test_getting_a_missing_page_raises(syn, project, root):
    with pytest.raises(SynapseNotFoundError, match="A wiki page with id: 999999"):
        syn.getWiki(project, 999999)
    with pytest.raises(SynapseNotFoundError, match="has no version 7"):
        syn.getWiki(project, version=7)
    for version in (-1, "latest", True):
        with pytest.raises(ValueError, match="Invalid version"):
            syn.getWiki(project, version=version)
    syn.delete(root)
    for read in (syn.getWiki, syn.getWikiHeaders):
        with pytest.raises(SynapseNotFoundError, match="A root wiki does not exist for ownerId"):
            read(project)


def test_update_creates_a_version(syn, project, root):
    root.markdown = ""
    updated = syn.store(root)
    assert updated.markdown == syn.getWiki(project).markdown == ""
    assert updated.etag != root.etag
    assert syn.getWiki(project, version=0).markdown == TEXT
    assert syn.getWiki(project, root.id, version="1").markdown == ""
    with pytest.raises(SynapseStaleError):
        syn.store(root)


def test_second_root_page_updates_the_first(syn, project, root):
    updated = syn.store(Wiki(owner=project, markdown="new"))
    assert (updated.id, updated.title, updated.markdown) == (root.id, "Start", "new")
    updated = syn.store(Wiki(owner=project, title="Renamed"))
    assert (updated.title, updated.markdown) == ("Renamed", "new")
    with pytest.raises(SynapseConflictError, match="An owner already exists with the ownerId"):
        syn.store(Wiki(owner=project, markdown="other"), createOrUpdate=False)


def test_concurrent_updates_without_an_etag_all_apply(syn, project, root, in_parallel):
    in_parallel(lambda client, i: client.store(Wiki(owner=project.id, markdown=f"{i}")), 4)
    history = syn.restGET(f"/entity/{project.id}/wiki2/{root.id}/wikihistory?limit=9&offset=0")
    assert [each["version"] for each in history["results"]] == ["4", "3", "2", "1", "0"]
    texts = {syn.getWiki(project, version=number).markdown for number in range(1, 5)}
    assert texts == {"0", "1", "2", "3"}


def test_page_with_an_id_and_no_etag_keeps_other_fields(syn, project, root):
    page = syn.store(Wiki(owner=project, id=root.id, title="Only the title"))
    assert (page.title, page.markdown) == ("Only the title", TEXT)
    page = syn.store(Wiki(owner=project, id=root.id, etag=page.etag, title="With etag"))
    assert (page.title, page.markdown) == ("With etag", TEXT)
    with pytest.raises(SynapseStaleError):
        syn.store(Wiki(owner=project, id=root.id, etag=root.etag, title="Stale"))


def test_sub_pages_and_their_deletion(syn, project, root):
    first = syn.store(Wiki(owner=project, title="A", markdown="a", parentWikiId=root.id))
    twin = syn.store(Wiki(owner=project, title="A", markdown="b", parentWikiId=root.id))
    below = syn.store(Wiki(owner=project, title="C", parentWikiId=first.id))
    headers = syn.getWikiHeaders(project)
    assert [(each.id, each.title, each.get("parentId")) for each in headers] == [
        (root.id, "Start", None),
        (first.id, "A", root.id),
        (twin.id, "A", root.id),
        (below.id, "C", first.id),
    ]
    assert syn.getWiki(project, headers[2]).markdown == "b"
    syn.delete(first)
    assert {each.id for each in syn.getWikiHeaders(project)} == {root.id, twin.id}
    with pytest.raises(ValueError, match="has no id"):
        syn.delete(Wiki(owner=project))


def test_headers_of_many_pages_are_listed(syn, project, root):
    for number in range(21):
        syn.store(Wiki(owner=project, title=f"{number:02}", parentWikiId=root.id))
    assert [each.title for each in syn.getWikiHeaders(project)][1:] == [
        f"{number:02}" for number in range(21)
    ]


def test_attachments_are_uploaded(syn, project, make_file):
    plot, table = make_file("plot.png"), make_file("table.csv")
    page = attach(syn, project, plot, table)
    assert "attachments" not in page
    found = syn.getWikiAttachments(page)
    assert all(isinstance(each, WikiAttachment) for each in found)
    assert [each.fileName for each in found] == ["plot.png", "table.csv"]
    assert [each.id for each in found] == page.attachmentFileHandleIds
    url = f"/entity/{project.id}/wiki/{page.id}/attachment?fileName=plot.png&redirect=false"
    assert syn.call("GET", str(syn.call("GET", url).text)).text == plot.read_text()


def test_attachment_replaces_the_one_of_the_same_name(syn, project, make_file):
    first, other = make_file("plot.png", f"first {uuid4()}"), make_file("table.csv")
    page = attach(syn, project, first, other)
    old = page.attachmentFileHandleIds[0]
    content = first.read_text()
    first.write_text(f"second {uuid4()}")
    page.attachments = [first]
    page = syn.store(page)
    assert list_names(syn, page) == ["table.csv", "plot.png"]
    assert old not in page.attachmentFileHandleIds
    first.write_text(content)  # the upload returns the old file handle again
    page.attachments = first
    page = syn.store(page)
    assert old in page.attachmentFileHandleIds
    assert list_names(syn, page) == ["table.csv", "plot.png"]


def test_invalid_attachments_are_refused_before_the_upload(syn, project, make_file, tmp_path):
    good, empty = make_file("good.png"), make_file("empty.png", "")
    twin = tmp_path / "sub" / "good.png"
    twin.parent.mkdir()
    twin.write_text("twin")
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        attach(syn, project, good, tmp_path / "missing.png")
    with pytest.raises(ValueError, match=r"empty\.png"):
        attach(syn, project, good, empty)
    with pytest.raises(ValueError, match=r"Several attachments have the name 'good\.png'"):
        attach(syn, project, good, twin)
    with pytest.raises(SynapseMalformedEntityError):
        attach(syn, project, make_file("ü.png"))
    for attachments in (3, [good, None], {"plot": good}):
        with pytest.raises(TypeError, match="Invalid attachments"):
            attach(syn, project, attachments=attachments)
    with pytest.raises(SynapseNotFoundError):
        syn.getWiki(project)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"fileHandles": "x"}, ValueError, "Invalid file handle ID 'x'"),
        ({"fileHandles": [None]}, ValueError, "None"),
        ({"parentWikiId": "x"}, ValueError, "Invalid wiki page ID 'x'"),
        ({"parentWikiId": False}, ValueError, "False"),
        ({"markdown": b"x"}, TypeError, "Invalid markdown b'x'"),
        ({"markdownFile": 3}, TypeError, "Invalid markdownFile 3"),
    ],
)
def test_invalid_fields_are_refused(fields, error, words):
    with pytest.raises(error, match=words):
        Wiki(owner="syn1", **fields)


def test_objects_are_accepted_as_ids(syn, project, root, make_file):
    handle = syn.uploadFileHandle(make_file("plot.png"), project)
    for one in (handle, handle["id"], int(handle["id"])):
        page = syn.store(Wiki(owner=project, parentWikiId=root, fileHandles=one))
        assert (page.parentWikiId, page.attachmentFileHandleIds) == (root.id, [handle["id"]])
    assert [each.title for each in syn.getWikiHeaders(project)] == ["Start", None, None, None]
    with pytest.raises(TypeError, match="Invalid wiki '7': expected a Wiki"):
        syn.getWikiAttachments("7")


def test_file_handles_of_others_are_refused(syn, client_of, project, root, make_file):
    bob = client_of("bob")
    others = bob.store(Project(f"project {uuid4()}"))
    handle = bob.uploadFileHandle(make_file(), others)["id"]
    with pytest.raises(SynapseForbiddenError, match="Only the creator of a FileHandle"):
        syn.store(Wiki(owner=project, fileHandles=[handle]))
    syn.setPermissions(project, bob.getUserProfile().ownerId, ["READ", "DOWNLOAD", "UPDATE"])
    page = bob.getWiki(project.id)
    page.attachmentFileHandleIds = [handle]
    bob.store(page)
    page = syn.getWiki(project)
    page.title = "Alice keeps the attachment of Bob"
    assert syn.store(page).attachmentFileHandleIds == [handle]


def test_wiki_of_an_evaluation(syn, project):
    queue = syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))
    page = syn.store(Wiki(owner=queue, title="Rules", markdown="be fair"))
    assert page.ownerId == queue.id
    assert syn.getWiki(queue).markdown == "be fair"
    assert syn.getWiki(queue, page).title == "Rules"
    page.markdown = "be quick"
    assert syn.store(page).markdown == "be quick"
    assert [each.id for each in syn.getWikiHeaders(queue)] == [page.id]
    assert syn.getWikiAttachments(page) == []
    syn.delete(page)
    with pytest.raises(SynapseNotFoundError):
        syn.getWiki(queue)


def test_other_users_need_access(syn, client_of, project, root):
    bob = client_of("bob")
    with pytest.raises(SynapseForbiddenError):
        bob.getWiki(project.id)
    with pytest.raises(SynapseForbiddenError):
        bob.store(Wiki(owner=project.id, markdown="mine"))
    syn.setPermissions(project, bob.getUserProfile().ownerId, ["READ"])
    assert bob.getWiki(project.id).markdown == TEXT
    with pytest.raises(SynapseForbiddenError):
        bob.store(Wiki(owner=project.id, markdown="mine"))


def test_markdown_is_replaced(syn, project, root, make_file):
    page = syn.getWiki(project)
    page.update_markdown("other")
    assert syn.store(page).markdown == "other"
    page = syn.getWiki(project)
    page.update_markdown(markdown_file=make_file("page.md", "from a file"))
    syn.store(page)
    assert syn.getWiki(project).markdown == "from a file"
