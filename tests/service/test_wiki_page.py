"""Wiki pages of the portal: text, images, sub-pages, versions, and who may see them."""

from uuid import uuid4

import pytest
from support.portal import Visitor

from synapse_workflows import Evaluation, Project, Wiki

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def syn(socket_service):
    return socket_service.client("alice")


@pytest.fixture(scope="module")
def alice(socket_service):
    return Visitor(socket_service, "alice")


@pytest.fixture(scope="module")
def project(syn):
    return syn.store(Project(f"Wiki pages {uuid4()}"))


@pytest.fixture(scope="module")
def root(syn, project, tmp_path_factory):
    """A root page with an image, and a sub-page."""
    image = tmp_path_factory.mktemp("wiki") / "curve (1).png"
    image.write_bytes(b"\x89PNG\r\n")
    text = f"Welcome *all* {SCRIPT}\n\n${{image?fileName=curve%20%281%29.png}}"
    page = syn.store(Wiki(owner=project, title="Home", markdown=text, attachments=[image]))
    syn.store(Wiki(owner=project, title="Sub & page", markdown="below", parentWikiId=page.id))
    return page


@pytest.fixture(scope="module")
def sub_page(syn, project, root):
    return syn.getWikiHeaders(project)[1]


def test_page_of_an_entity_shows_its_wiki(alice, project, root, sub_page):
    for path in (f"/Synapse:{project.id}", f"/Synapse:{project.id}/wiki/"):
        html = alice.get(path).text
        assert "Welcome <em>all</em> &lt;script&gt;" in html
        assert SCRIPT not in html
        assert f'href="/Wiki:{project.id}/ENTITY/{sub_page.id}">Sub &amp; page<' in html
        assert "has no wiki" not in html


@pytest.mark.parametrize(
    "path",
    ["/Wiki:{}/ENTITY/{}", "//Wiki:{}/ENTITY/{}", "/Synapse:{}/wiki/{}", "//Synapse:{}/wiki/{}",
     "/Wiki:{}/entity/{}/"],
)  # fmt: skip
def test_every_address_of_a_page_shows_it(alice, project, root, sub_page, path):
    text = alice.read(path.format(project.id, sub_page.id))
    assert "below" in text
    assert "Welcome" not in text


def test_address_without_a_page_shows_the_root_page(alice, project, root):
    for path in ("/Wiki:{}", "/Wiki:{}/ENTITY", "//Wiki:{}/ENTITY/"):
        assert "Welcome" in alice.read(path.format(project.id))


def test_image_is_served_from_the_origin_of_the_page(alice, project, root):
    url = f"/Wiki:{project.id}/ENTITY/{root.id}/attachment?fileName=curve%20%281%29.png"
    assert f'<img src="{url}"' in alice.get(f"/Wiki:{project.id}").text
    response = alice.get(url, allow_redirects=False)
    assert response.headers["Location"].startswith("/storage/download/")
    assert alice.get(url).content == b"\x89PNG\r\n"
    assert alice.get(url.replace("curve", "other")).status_code == 404
    csp = alice.get(f"/Wiki:{project.id}").headers["Content-Security-Policy"]
    assert "img-src 'self'" in csp


def test_versions_of_a_page(alice, syn):
    project = syn.store(Project(f"Versions {uuid4()}"))
    page = syn.store(Wiki(owner=project, markdown="first"))
    page.markdown = "second"
    page = syn.store(page)
    url = f"/Wiki:{project.id}/ENTITY/{page.id}"
    assert f'href="{url}?wikiVersion=0"' in alice.get(url).text
    old = alice.read(f"{url}?wikiVersion=0")
    assert "first" in old
    assert "This is a version of the page" in old
    for version in ("7", "x"):
        assert alice.get(f"{url}?wikiVersion={version}").status_code == 404


def test_wiki_of_an_evaluation(alice, syn, project):
    queue = syn.store(Evaluation(name=f"queue {uuid4()}", contentSource=project))
    page = syn.store(Wiki(owner=queue, title="Rules", markdown="be fair"))
    assert "be fair" in alice.read(f"/Evaluation:{queue.id}")
    assert "be fair" in alice.read(f"/Wiki:{queue.id}/EVALUATION/{page.id}")


def test_unreadable_markdown_is_explained(alice, syn, tmp_path):
    project = syn.store(Project(f"Damaged {uuid4()}"))
    path = tmp_path / "damaged.gz"
    path.write_bytes(b"\x1f\x8bdamaged")
    handle = syn.uploadFileHandle(path, project)["id"]
    syn.restPOST(f"/entity/{project.id}/wiki2", body={"markdownFileHandleId": handle})
    text = alice.read(f"/Wiki:{project.id}")
    assert "The text cannot be shown" in text
    assert "is damaged" in text


def test_pages_need_access_and_must_exist(socket_service, alice, project, root):
    path = f"/Wiki:{project.id}/ENTITY/{root.id}"
    for user in ("bob", None):
        visitor = Visitor(socket_service, user)
        for each in (path, f"{path}/attachment?fileName=curve%20%281%29.png"):
            response = visitor.get(each)
            assert response.status_code == 404
            assert "Welcome" not in response.text
    for each in (f"/Wiki:{project.id}/ENTITY/999999", "/Wiki:syn1/ENTITY/x", "/Wiki:x", "/Wiki:",
                 f"/Synapse:{project.id}/wiki/999999", "/Wiki:1/EVALUATION/1"):  # fmt: skip
        assert alice.get(each).status_code == 404, each
