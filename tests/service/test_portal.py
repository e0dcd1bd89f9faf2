"""The portal over a socket: pages, and who may see them."""

import json
from urllib.parse import urlsplit

import pytest
import requests
from support.file_api import Clock
from support.portal import Visitor

from synapse_workflows import (
    Activity,
    Column,
    EntityViewSchema,
    Evaluation,
    File,
    Folder,
    Link,
    Project,
    Schema,
    Table,
)
from synapse_workflows.constants import FOLDER, PROJECT
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed
from synapse_workflows.testing import over_socket

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def syn(socket_service):
    return socket_service.client("alice")


@pytest.fixture(scope="session")
def project(syn):
    return syn.store(Project("Portal tests"))


@pytest.fixture(scope="session")
def alice(socket_service):
    return Visitor(socket_service, "alice")


@pytest.fixture(scope="session")
def bob(socket_service):
    return Visitor(socket_service, "bob")


@pytest.fixture(scope="session")
def file(syn, project, tmp_path_factory):
    """A file with two versions."""
    path = tmp_path_factory.mktemp("portal") / "data.csv"
    for number in (1, 2):
        path.write_text(f"version {number}\n")
        stored = syn.store(
            File(str(path), parent=project, annotations={"tissue": ["lung", SCRIPT]})
        )
    return stored


def test_the_sign_in_link_gives_a_cookie_that_scripts_and_other_sites_cannot_use(socket_service):
    url = socket_service.service_info["signInUrls"]["alice"]
    response = requests.get(url, timeout=30, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = url.partition("token=")[2]
    assert token not in cookie
    assert socket_service.token("alice") not in cookie + url


def test_signing_out_ends_the_session(socket_service, project):
    visitor = Visitor(socket_service, "alice")
    assert visitor.get(f"/Synapse:{project.id}").status_code == 200
    visitor.session.post(f"{visitor.base_url}/sign-out", timeout=30)
    assert visitor.get(f"/Synapse:{project.id}").status_code == 404


@pytest.mark.parametrize("token", ["", "1", "1.", ".", "x.y", "3300001." + "0" * 64, "1.é"])
def test_an_invalid_link_gives_no_cookie(socket_service, token):
    url = f"{socket_service.service_info['portalEndpoint']}sign-in"
    response = requests.get(url, params={"token": token}, timeout=30)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers


def test_a_link_is_for_one_user_and_a_cookie_cannot_be_changed(socket_service, project):
    visitor = Visitor(socket_service, "bob")
    link = socket_service.service_info["signInUrls"]["bob"].replace(
        socket_service.owner_id("bob"), socket_service.owner_id("alice")
    )
    assert visitor.get(link).status_code == 403
    (cookie,) = visitor.session.cookies
    cookie.value = cookie.value.replace(
        socket_service.owner_id("bob"), socket_service.owner_id("alice")
    )
    assert visitor.get(f"/Synapse:{project.id}").status_code == 404


def test_a_session_expires_and_a_link_ends_with_the_service(tmp_path):
    clock = Clock()
    with over_socket(tmp_path, clock=clock) as service:
        project = service.client("alice").store(Project("Expiry"))
        visitor = Visitor(service, "alice")
        link = service.service_info["signInUrls"]["alice"]
        assert visitor.get(f"/Synapse:{project.id}").status_code == 200
        clock.advance(12 * 3600 + 1)
        assert visitor.get(f"/Synapse:{project.id}").status_code == 404
    with over_socket(tmp_path, clock=clock) as service:
        path = urlsplit(link)._replace(scheme="", netloc="").geturl()
        assert Visitor(service, None).get(path).status_code == 403


def test_the_rest_api_ignores_the_cookie(alice, project):
    url = f"{alice.base_url}/repo/v1/entity"
    assert alice.session.get(f"{url}/{project.id}", timeout=30).status_code == 403
    body = {"concreteType": PROJECT, "name": "By cookie"}
    assert alice.session.post(url, json=body, timeout=30).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_cannot_be_written(alice, project, method):
    for path in (f"/Synapse:{project.id}", "/", "/Evaluation:1"):
        response = alice.session.request(method, alice.base_url + path, timeout=30)
        assert response.status_code == 405


def test_private_and_missing_pages_are_equal(socket_service, bob, syn, project, file):
    queue = syn.store(Evaluation(name="Private queue", contentSource=project.id))
    trashed = syn.store(Folder("Trashed", parent=project))
    syn.delete(trashed)
    for visitor in (bob, Visitor(socket_service, None)):
        missing = visitor.get("/Synapse:syn999999999")
        assert missing.status_code == 404
        for path in (
            f"/Synapse:{project.id}", f"/Synapse:{file.id}", f"/Synapse:{file.id}/version/1",
            f"/Synapse:{file.id}/version/9", f"/Synapse:{file.id}/download",
            f"/Synapse:{trashed.id}", f"/Evaluation:{queue.id}", "/Evaluation:1",
            "/Synapse:nonsense", "/Synapse:syn1/nonsense", f"/Synapse:{project.id}/wiki/5",
            "/Synapse:", "/Synapse:syn1/version/x", "/Synapse:syn1.0", "/Evaluation:x",
        ):  # fmt: skip
            response = visitor.get(path)
            assert (response.status_code, response.text) == (404, missing.text), path
        assert project.name not in visitor.read("/")


def is_listed(user, name, text):
    """Return whether a page of a list on the home page has a text; other tests fill the list."""
    offsets = range(0, 100 * PAGE_SIZE, PAGE_SIZE)
    pages = (" ".join(user.read(f"/?{name}={offset}").split()) for offset in offsets)
    return any(text in page for page in pages)


def test_the_home_page_lists_projects_and_evaluations(alice, syn, project):
    queue = syn.store(Evaluation(name="Listed queue", contentSource=project.id))
    assert is_listed(alice, "children", f"{project.name} {project.id}")
    assert is_listed(alice, "evaluations", f"Listed queue {queue.id}")


def test_every_form_of_the_address_of_an_entity_leads_to_its_page(alice, file):
    for path in (
        "/Synapse:{}", "/Synapse:{}/", "//Synapse:{}", "/Synapse%3A{}", "/Synapse:{}.2",
        "/Synapse:{}/version/2", "/Synapse:{}/version/2/files/", "/Synapse:{}/wiki/", "//Wiki:{}",
        "/Wiki:{}/ENTITY", "//Wiki:{}/ENTITY/", "/Synapse:{}/tables",
    ):  # fmt: skip
        text = alice.read(path.format(file.id))
        assert "data.csv" in text, path
        assert ("has no wiki" in text) == ("iki" in path), path


def test_a_version_shows_its_own_content(alice, file):
    old, new = (alice.read(f"/Synapse:{file.id}/version/{number}") for number in (1, 2))
    assert "This is not the latest version" in old
    assert "This is not the latest version" not in new
    assert f"lung, {SCRIPT}" in new
    for number in (1, 2):
        content = alice.get(f"/Synapse:{file.id}/version/{number}/download")
        assert content.text == f"version {number}\n"
        assert content.headers["Content-Disposition"] == 'attachment; filename="data.csv"'
    assert alice.get(f"/Synapse:{file.id}/download").text == "version 2\n"


def test_properties_of_links_and_views_are_shown(alice, syn, project, file):
    folder = syn.store(Folder("with a link", parent=project))
    link = syn.store(Link(file.id, targetVersion=1, parent=folder))
    assert f'href="/Synapse:{file.id}/version/1"' in alice.get(f"/Synapse:{link.id}").text
    view = syn.store(EntityViewSchema("files of the portal", parent=project, scopes=project))
    text = alice.read(f"/Synapse:{view.id}")
    assert f"scopeIds {project.id.removeprefix('syn')}" in " ".join(text.split())
    assert "data.csv" in text


def test_a_file_that_may_only_be_read_cannot_be_downloaded(alice, bob, syn, project, file):
    readable = syn.store(File(path=file.path, name="readable.csv", parent=project))
    syn.setPermissions(readable, "bob", ["READ"])
    assert "you have no permission to download it" in bob.read(f"/Synapse:{readable.id}")
    assert bob.get(f"/Synapse:{readable.id}/download").status_code == 404
    assert alice.get(f"/Synapse:{readable.id}/download").status_code == 200
    # names of the ancestors stay private
    assert project.name not in bob.read(f"/Synapse:{readable.id}")


def test_rows_are_shown_to_those_who_may_query_them(bob, syn, project):
    table = syn.store(Schema("shared rows", [Column(name="n", columnType="STRING")], project))
    syn.store(Table(table, [["private cell"]]))
    syn.setPermissions(table, "bob", ["READ"])
    assert "You lack DOWNLOAD access" in bob.read(f"/Synapse:{table.id}")
    assert "private cell" not in bob.read(f"/Synapse:{table.id}")
    syn.setPermissions(table, "bob", ["READ", "DOWNLOAD"])
    assert "private cell" in bob.read(f"/Synapse:{table.id}")


def test_texts_of_users_are_escaped(alice, syn, project):
    folder = syn.store(
        Folder(
            "Escaped 'quoted'", parent=project, description=SCRIPT, annotations={"a": [SCRIPT]}
        ),
        activity=Activity(name=SCRIPT, used=[f"https://example.org/{SCRIPT}"]),
    )
    table = Schema("escaped", [Column(name=SCRIPT, columnType="STRING"),
                               Column(name="l", columnType="LINK")], parent=project)  # fmt: skip
    table = syn.store(table)
    syn.store(Table(table, [[SCRIPT, "javascript:alert(1)"], ["", "https://example.org/"]]))
    for entity in (folder, table):
        html = alice.get(f"/Synapse:{entity.id}").text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html
        assert 'href="javascript:' not in html
    assert 'href="https://example.org/"' in alice.get(f"/Synapse:{table.id}").text


def test_children_and_rows_are_shown_in_pages(alice, syn, project):
    folder = syn.store(Folder("Many children", parent=project))
    for number in range(51):
        body = {"concreteType": FOLDER, "name": f"child {number:02}", "parentId": folder.id}
        syn.restPOST("/entity", json.dumps(body))
    columns = [Column(name="n", columnType="INTEGER"), Column(name="d", columnType="DATE"),
               Column(name="e", columnType="ENTITYID")]  # fmt: skip
    table = syn.store(Schema("rows", columns, parent=project))
    syn.store(Table(table, [[number, 0, folder.id] for number in range(7000, 7060)]))
    for entity, name, first, second in (
        (folder, "children", "child 00", "child 50"),
        (table, "rows", "7000", "7059"),
    ):
        page = f"/Synapse:{entity.id}"
        start, end = alice.read(page), alice.read(f"{page}?{name}=50")
        assert (first in start, second in start) == (True, False)
        assert (first in end, second in end) == (False, True)
        assert f'href="?{name}=50#{name}"' in alice.get(page).text
        assert f'href="?{name}=0#{name}"' in alice.get(f"{page}?{name}=50").text
    text = alice.read(f"/Synapse:{table.id}")
    assert "Rows 1 to 50 of 60" in text
    assert "1970-01-01T00:00:00.000Z" in text
    assert f'href="/Synapse:{folder.id}"' in alice.get(f"/Synapse:{table.id}").text


def test_a_table_without_columns_and_an_offset_that_is_too_large_are_pages(alice, syn, project):
    table = syn.store(Schema("empty", [], parent=project))
    assert "No rows." in alice.read(f"/Synapse:{table.id}")
    assert "No rows." in alice.read(f"/Synapse:{table.id}?rows=2147483647")
    assert alice.get(f"/Synapse:{table.id}?rows=-1").status_code == 400


def test_an_evaluation_shows_submissions_to_those_who_may_read_them(
    alice, bob, socket_service, syn, project, file
):
    queue = syn.store(Evaluation(name="Open queue", contentSource=project.id, description=SCRIPT))
    syn.setPermissions(queue, "bob", ["READ", "SUBMIT"])
    syn.submit(queue, file, name="of alice")
    bob_client = socket_service.client("bob")
    own = bob_client.store(Project("Of bob"))
    bob_client.submit(queue, bob_client.store(Folder("of bob", parent=own)), name="of bob")
    page = f"/Evaluation:{queue.id}"
    assert all(name in alice.read(page) for name in ("Open queue", "of alice", "of bob"))
    assert "of bob" in bob.read(page)
    assert "of alice" not in bob.read(page)
    assert "<script>alert" not in alice.get(f"/{page}").text


def test_a_project_lists_its_evaluations_at_the_address_that_tasks_link_to(
    alice, bob, syn, project
):
    """synapse.org shows the evaluations of a project at this address, too."""
    other = syn.store(Project("Other challenge"))
    own, foreign = (
        syn.store(Evaluation(name=f"Queue of {each.name}", contentSource=each.id))
        for each in (project, other)
    )
    syn.setPermissions(project, "bob", ["READ"])
    page = alice.read(f"/Synapse:{project.id}/challenge/")
    assert own.name in page
    assert foreign.name not in page
    assert own.name not in bob.read(f"/Synapse:{project.id}/challenge/")


def test_texts_cannot_change_the_direction_of_the_page(alice, syn, project):
    annotations = {"note": ["\u202egpj.exe", "a\x07b"]}
    page = alice.read(
        f"/Synapse:{syn.store(Folder('order', project, annotations=annotations)).id}"
    )
    assert "\ufffdgpj.exe, a\ufffdb" in page


def test_a_user_who_has_not_agreed_to_the_terms_of_use_is_told_what_to_do(tmp_path):
    eve = UserSeed(user_name="eve", accepts_terms_of_use=False)
    with over_socket(tmp_path, users=(*DEFAULT_USERS, eve)) as service:
        visitor = Visitor(service, None)
        response = visitor.get(service.service_info["signInUrls"]["eve"])
        assert response.status_code == 403
        assert "The user eve has not agreed to the terms of use" in response.text
        body = {"accessToken": service.token("eve")}
        url = f"{visitor.base_url}/auth/v1/termsOfUse2"
        assert f"POST {urlsplit(url).path}" in response.text
        assert requests.post(url, json=body, timeout=30).status_code == 204
        assert visitor.get("/").status_code == 200


def test_responses_have_a_strict_policy_and_are_not_stored(alice, project):
    headers = alice.get(f"/Synapse:{project.id}").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_static_files_have_their_types_and_nothing_else_is_served(alice):
    for name, content_type in (
        ("cytoscape.min.js", "text/javascript"), ("portal.js", "text/javascript"),
        ("graph.css", "text/css"), ("portal.css", "text/css"),
    ):  # fmt: skip
        response = alice.get(f"/portal/static/{name}")
        assert response.headers["Content-Type"].partition(";")[0] == content_type
    for path in ("/portal/static/../portal.py", "/portal/static/%2e%2e/portal.py"):
        assert alice.get(path).status_code == 404


def test_the_log_contains_no_secrets(tmp_path, caplog):
    with caplog.at_level("INFO"), over_socket(tmp_path) as service:
        visitor = Visitor(service, "alice")
        visitor.read("/")
        secrets = [cookie.value for cookie in visitor.session.cookies]
    secrets.append(urlsplit(service.service_info["signInUrls"]["alice"]).query)
    assert "GET /sign-in 303" in caplog.text
    assert not [secret for secret in secrets if secret in caplog.text]
