"""Tests of wikis: pages, versions, trees, order hints, attachments, owners and access."""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, insert, select
from support.entity_api import REPO
from support.file_api import assert_error, bytes_on_disk, ok

from synapse_workflows.local import asgi_adapter
from synapse_workflows.local.app import create_app
from synapse_workflows.local.domain.ids import ROOT, TRASH
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.portal import wiki_page
from synapse_workflows.local.domain.principal import create_service_caller
from synapse_workflows.local.domain.wikis import header_tree, markdown, pages
from synapse_workflows.local.domain.wikis.owners import OwnerType, WikiOwner
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.routers.portal_responses import get_environment
from synapse_workflows.local.settings import Settings
from synapse_workflows.local.storage.wiki_models import WikiPage, WikiVersion

MARKDOWN = "# Überschrift 🧬\n\nText.\n"
NO_ROOT = "A root wiki does not exist for ownerId: {} and ownerType: {}"


class WikiUser:
    """Requests of a user for the wiki of one owner."""

    def __init__(self, user, owner, kind="entity"):
        self.user = user
        self.base = f"{REPO}/{kind}/{owner}"

    def create(self, version="wiki", **body):
        return ok(self.try_create(version, **body))

    def try_create(self, version="wiki", **body):
        return self.user.post(f"{self.base}/{version}", body)

    def get(self, path="wiki"):
        return ok(self.user.get(f"{self.base}/{path}"))

    def try_get(self, path="wiki"):
        return self.user.get(f"{self.base}/{path}")

    def update(self, page, version="wiki", **changes):
        return ok(self.try_update(page, version, **changes))

    def try_update(self, page, version="wiki", **changes):
        return self.user.put(f"{self.base}/{version}/{page['id']}", {**page, **changes})

    def try_delete(self, page, version="wiki"):
        return self.user.delete(f"{self.base}/{version}/{page['id']}")

    def list_headers(self, query=""):
        results = self.get(f"wikiheadertree2{query}")["results"]
        return [(each["title"], each.get("parentId")) for each in results]

    def download(self, path):
        return self.user.get(f"{self.base}/{path}", allow_redirects=True)


@pytest.fixture
def project(ann):
    return ann.new_project()


@pytest.fixture
def wiki(ann, project):
    """The wiki of a new project of Alice."""
    return WikiUser(ann, project["id"])


def test_page_has_all_properties(ann, wiki, rules):
    now = rules.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    page = wiki.create(title="Start", markdown=MARKDOWN, id="7", etag="x", createdBy="9")
    assert page == {
        "id": page["id"],
        "etag": page["etag"],
        "createdOn": now,
        "createdBy": str(ann.id),
        "modifiedOn": now,
        "modifiedBy": str(ann.id),
        "title": "Start",
        "markdown": MARKDOWN,
        "attachmentFileHandleIds": [],
    }
    assert page["id"] != "7"
    assert wiki.get() == wiki.get(f"wiki/{page['id']}") == page
    second = wiki.get("wiki2")
    handle = second.pop("markdownFileHandleId")
    assert {**second, "markdown": MARKDOWN} == page
    assert ok(ann.get(f"/file/v1/fileHandle/{handle}"))["fileName"] == (
        f"{page['id']}_markdown.txt.gz"
    )


def test_markdown_is_a_compressed_file(ann, project, wiki):
    page = wiki.create(markdown=MARKDOWN)
    path = f"wiki2/{page['id']}/markdown"
    url = wiki.try_get(f"{path}?redirect=false").text
    response = wiki.user.session.get(url)
    assert response.headers["Content-Type"] == "application/x-gzip; charset=UTF-8"
    assert gzip.decompress(response.content).decode() == MARKDOWN
    assert wiki.try_get(path).headers["Location"].partition("?")[0] == url.partition("?")[0]


@pytest.mark.parametrize("version", ["wiki", "wiki2"])
def test_page_without_title_and_markdown_is_empty(wiki, version):
    page = wiki.create(version)
    assert "title" not in page
    assert wiki.get()["markdown"] == ""
    assert wiki.get("wiki2")["markdownFileHandleId"]


def test_second_root_page_is_a_conflict(project, wiki):
    wiki.create(title="one")
    reason = f"An owner already exists with the ownerId: {project['id'][3:]} and ownerType: ENTITY"
    for version in ("wiki", "wiki2"):
        assert_error(wiki.try_create(version, title="two"), 409, reason)


def test_parallel_creations_make_one_root_page(wiki):
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: wiki.try_create(title="t").status_code, range(4)))
    assert sorted(statuses) == [201, 409, 409, 409]


def test_owner_without_wiki(project, wiki):
    reason = NO_ROOT.format(project["id"][3:], "ENTITY")
    for path in ("wiki", "wiki2", "wikiheadertree", "wikiheadertree2", "wiki2orderhint"):
        assert_error(wiki.try_get(path), 404, reason)
    for path in ("wiki/1", "wiki2/1", "wiki2/1/wikihistory?limit=1&offset=0"):
        assert_error(wiki.try_get(path), 404, "does not exist for ownerId")
    assert_error(wiki.try_get("wiki/x"), 400, "wikiId: 'x' is not a valid id")


def test_page_of_another_owner_is_not_found(ann, wiki):
    page = wiki.create()
    other = WikiUser(ann, ann.new_project()["id"])
    other.create()
    assert_error(other.try_get(f"wiki2/{page['id']}"), 404, "does not exist")
    assert_error(other.try_update(page), 404, "does not exist")
    assert_error(other.try_delete(page), 404, "does not exist")
    assert_error(other.try_create(parentWikiId=page["id"]), 404, "does not exist")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"title": ["x"]}, "title must be text"),
        ({"title": "x" * 257}, "256 characters"),
        ({"markdown": {}}, "markdown must be text"),
        ({"attachmentFileHandleIds": "1"}, "must be an array"),
        ({"attachmentFileHandleIds": ["x"]}, "attachmentFileHandleIds: 'x' is not a valid id"),
        ({"parentWikiId": "x"}, "parentWikiId"),
    ],
)
def test_invalid_properties_are_refused(wiki, body, words):
    assert_error(wiki.try_create(**body), 400, words)
    assert_error(wiki.try_get(), 404)


def test_unknown_file_handles_are_refused(wiki):
    assert_error(wiki.try_create(attachmentFileHandleIds=["1"]), 404, "FileHandle with ID: 1")
    assert_error(wiki.try_create("wiki2", markdownFileHandleId="1"), 404, "FileHandle with ID: 1")


def test_update_needs_the_current_etag(wiki):
    page = wiki.create(title="one", markdown="1")
    changed = wiki.update(page, markdown="2")
    assert (changed["title"], changed["markdown"]) == ("one", "2")
    assert changed["etag"] != page["etag"]
    assert_error(wiki.try_update(page), 412, f"Object: {page['id']} was updated since")
    assert_error(wiki.try_update(page, "wiki2", etag=None), 412)
    response = wiki.user.put(f"{wiki.base}/wiki/{page['id']}", {**changed, "id": "123456"})
    assert_error(response, 400, "The id 123456 of the body")
    assert wiki.get() == changed


def test_versions_and_history(ann, ben, project, wiki, rules):
    page = wiki.create(title="zero", markdown="0")
    ann.share(project["id"], {ben.id: ["READ", "UPDATE"]})
    rules.clock.advance(seconds=1)
    newest = WikiUser(ben, project["id"]).update(page, title="one", markdown="1")
    old = wiki.get("wiki?wikiVersion=0")
    assert (old["title"], old["markdown"], old["etag"]) == ("zero", "0", newest["etag"])
    assert old["modifiedOn"] == page["createdOn"] == newest["createdOn"]
    assert wiki.get(f"wiki2/{page['id']}?wikiVersion=1")["title"] == "one"
    assert wiki.try_get(f"wiki2/{page['id']}/markdown?wikiVersion=0").status_code == 307
    history = wiki.get(f"wiki2/{page['id']}/wikihistory?limit=10&offset=0")
    assert history["results"] == [
        {"version": "1", "modifiedOn": newest["modifiedOn"], "modifiedBy": str(ben.id)},
        {"version": "0", "modifiedOn": page["createdOn"], "modifiedBy": str(ann.id)},
    ]
    one = wiki.get(f"wiki2/{page['id']}/wikihistory?limit=1&offset=1")["results"]
    assert [each["version"] for each in one] == ["0"]
    for query in ("", "?limit=1", "?offset=0", "?limit=-1&offset=0"):
        assert_error(wiki.try_get(f"wiki2/{page['id']}/wikihistory{query}"), 400)
    assert_error(wiki.try_get("wiki2?wikiVersion=2"), 404, "has no version 2")
    assert_error(wiki.try_get("wiki2?wikiVersion=x"), 400, "'x'")


def test_restored_version_is_a_new_version(ann, wiki):
    handle = ann.handle("old")
    page = wiki.create(title="zero", markdown="0", attachmentFileHandleIds=[handle])
    page = wiki.update(page, title="one", markdown="1", attachmentFileHandleIds=[])
    restored = ok(ann.put(f"{wiki.base}/wiki2/{page['id']}/0", {}))
    assert (restored["title"], restored["attachmentFileHandleIds"]) == ("zero", [handle])
    assert wiki.get()["markdown"] == "0"
    assert wiki.get("wiki?wikiVersion=1")["markdown"] == "1"
    assert wiki.get("wiki?wikiVersion=2")["markdown"] == "0"
    stale = ann.put(f"{wiki.base}/wiki2/{page['id']}/1", {"etag": page["etag"]})
    assert_error(stale, 412)
    assert_error(ann.put(f"{wiki.base}/wiki2/{page['id']}/9", {}), 404, "has no version 9")


def test_header_tree_is_ordered_by_parent_and_title(wiki):
    root = wiki.create(title="root")["id"]
    b, a = (wiki.create(title=title, parentWikiId=root)["id"] for title in ("B", "a"))
    wiki.create(title="below a", parentWikiId=a)
    wiki.create(title="below b", parentWikiId=b)
    tree = [("root", None), ("a", root), ("B", root), ("below b", b), ("below a", a)]
    assert wiki.list_headers() == tree
    assert wiki.list_headers("?limit=2&offset=1") == tree[1:3]
    assert wiki.list_headers("?offset=5") == []
    assert wiki.get("wikiheadertree?limit=20")["totalNumberOfResults"] == 5
    assert_error(wiki.try_get("wikiheadertree?limit=51"), 400, "between 1 and 50")


def test_pages_stay_a_tree(wiki):
    root = wiki.create(title="root")
    child = wiki.create(title="child", parentWikiId=root["id"])
    grandchild = wiki.create(title="grandchild", parentWikiId=child["id"])
    for page, parent in ((child, grandchild), (child, child), (root, child)):
        assert_error(wiki.try_update(page, parentWikiId=parent["id"]), 400, "cannot be the parent")
    response = wiki.try_update(child, parentWikiId=None)
    assert_error(response, 400, "A root wiki already exists for ownerId")
    moved = wiki.update(grandchild, parentWikiId=root["id"])
    assert moved["parentWikiId"] == root["id"]
    assert wiki.update(child, parentWikiId=grandchild["id"])


@pytest.mark.parametrize("version", ["wiki", "wiki2"])
def test_deletion_includes_sub_pages(wiki, version):
    root = wiki.create(title="root")
    child = wiki.create(title="child", parentWikiId=root["id"])
    wiki.create(title="grandchild", parentWikiId=child["id"])
    response = wiki.try_delete(child, version)
    assert (response.status_code, response.content) == (200, b"")
    assert wiki.list_headers() == [("root", None)]
    assert_error(wiki.try_delete(child, version), 404)
    ok_status = wiki.try_delete(root, version).status_code
    assert ok_status == 200
    assert_error(wiki.try_get(), 404)
    assert wiki.create(title="again")["id"] != root["id"]


def test_order_hint(wiki, project, ann):
    root = wiki.create()["id"]
    child = wiki.create(parentWikiId=root)["id"]
    hint = wiki.get("wiki2orderhint")
    assert hint == {
        "ownerId": project["id"], "ownerObjectType": "ENTITY", "etag": hint["etag"],
    }  # fmt: skip
    path = f"{wiki.base}/wiki2orderhint"
    changed = ok(ann.put(path, {**hint, "idList": [root, int(child)]}))
    assert changed == {**hint, "idList": [root, child], "etag": changed["etag"]}
    assert wiki.get("wiki2orderhint") == changed
    assert_error(ann.put(path, hint), 412)
    assert_error(ann.put(path, {**changed, "idList": "1"}), 400, "must be an array")
    assert_error(ann.put(path, {**changed, "idList": [root, root]}), 400, "more than once")


def test_newest_attachment_of_a_name_is_kept(ann, wiki):
    first, second = ann.handle("a"), ann.handle("b")
    page = wiki.create(attachmentFileHandleIds=[second, first, second])
    assert page["attachmentFileHandleIds"] == [second]
    for version in ("wiki", "wiki2"):
        found = wiki.get(f"{version}/{page['id']}/attachmenthandles")["list"]
        assert [each["id"] for each in found] == [second]


def test_attachments_of_versions(ann, wiki):
    handle = ann.handle()
    page = wiki.create(attachmentFileHandleIds=[handle])
    page = wiki.update(page, attachmentFileHandleIds=[])
    base = f"wiki2/{page['id']}"
    assert wiki.get(f"{base}/attachmenthandles") == {"list": []}
    old = wiki.get(f"{base}/attachmenthandles?wikiVersion=0")["list"]
    assert [each["id"] for each in old] == [handle]
    query = "fileName=data.csv"
    assert_error(wiki.try_get(f"{base}/attachment?{query}"), 404, "no attachment with the name")
    response = wiki.try_get(f"{base}/attachment?{query}&wikiVersion=0")
    assert (response.status_code, response.headers["Location"]) == (
        307, "https://example.org/data.csv",
    )  # fmt: skip
    response = wiki.try_get(f"{base}/attachment?{query}&wikiVersion=0&redirect=false")
    assert response.text == "https://example.org/data.csv"
    response = wiki.try_get(f"{base}/attachmentpreview?{query}&wikiVersion=0")
    assert_error(response, 404, "has no preview")
    assert_error(wiki.try_get(f"{base}/attachment"), 400, "fileName")


def test_files_are_downloaded_through_their_page(ann, ben, anonymous, project, wiki):
    attachment = ann.handle()
    page = wiki.create(markdown="text", attachmentFileHandleIds=[attachment])
    page = wiki.update(page, markdown="new")
    markdown = wiki.get("wiki2")["markdownFileHandleId"]
    other = WikiUser(ann, ann.new_project()["id"]).create()

    def request(user, handle, kind, page_id=page["id"]):
        body = {
            "includeFileHandles": True,
            "requestedFiles": [
                {
                    "fileHandleId": handle,
                    "associateObjectType": kind,
                    "associateObjectId": page_id,
                }
            ],
        }
        (result,) = ok(user.post("/file/v1/fileHandle/batch", body))["requestedFiles"]
        return result.get("failureCode")

    assert request(ben, attachment, "WikiAttachment") == "UNAUTHORIZED"
    ann.share(project["id"], {ben.id: ["READ"], 273949: ["READ"]})
    for user in (ben, anonymous):
        assert request(user, attachment, "WikiAttachment") is None
        assert request(user, markdown, "WikiMarkdown") is None
    for handle, kind, page_id in (
        (attachment, "WikiMarkdown", page["id"]),
        (markdown, "WikiAttachment", page["id"]),
        (attachment, "WikiAttachment", other["id"]),
        (attachment, "WikiAttachment", "999999"),
    ):
        assert request(ben, handle, kind, page_id) == "UNAUTHORIZED"
    for handle in (attachment, markdown):
        assert_error(ann.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")


def test_only_new_file_handles_must_be_own(ann, ben, project, wiki):
    ann.share(project["id"], {ben.id: ["READ", "CREATE", "UPDATE"]})
    other = WikiUser(ben, project["id"])
    mine, his = ann.handle("mine"), ben.handle("his")
    page = wiki.create(attachmentFileHandleIds=[mine])
    words = "Only the creator of a FileHandle"
    assert_error(
        other.try_create(parentWikiId=page["id"], attachmentFileHandleIds=[mine]), 403, words
    )
    page = other.update(page, title="kept")
    assert_error(other.try_update(page, attachmentFileHandleIds=[ann.handle()]), 403, words)
    assert_error(wiki.try_update(page, attachmentFileHandleIds=[his]), 403, words)
    assert_error(
        other.try_create("wiki2", parentWikiId=page["id"], markdownFileHandleId=mine), 403
    )


ACCESS = {"POST": "CREATE", "GET": "READ", "PUT": "UPDATE", "DELETE": "DELETE"}


@pytest.mark.parametrize("method", ACCESS)
def test_access_follows_the_owner(ann, ben, anonymous, project, wiki, method):
    page = wiki.create()
    path = f"{wiki.base}/wiki" + ("" if method == "POST" else f"/{page['id']}")
    body = None if method in {"GET", "DELETE"} else {**page, "parentWikiId": None}
    if method == "POST":
        body = {"parentWikiId": page["id"]}
    others = [each for each in ACCESS.values() if each != ACCESS[method]]
    ann.share(project["id"], {ben.id: others})
    for user in (ben, anonymous):
        assert_error(user.request(method, path, body), 403)
    ann.share(project["id"], {ben.id: [ACCESS[method]]})
    assert ben.request(method, path, body).ok


def test_uncertified_users_create_wikis_of_projects_only(ann, dan, project):
    own = dan.new_project()
    assert WikiUser(dan, own["id"]).create()
    folder = ann.new_folder(project["id"])
    ann.share(project["id"], {dan.id: ["READ", "CREATE", "UPDATE"]})
    assert_error(WikiUser(dan, folder["id"]).try_create(), 403, "certified")


def test_wiki_of_a_trashed_owner(ann, wiki, project):
    page = wiki.create(title="kept")
    handle = wiki.get("wiki2")["markdownFileHandleId"]
    assert ann.delete(f"{REPO}/entity/{project['id']}").ok
    for response in (
        wiki.try_get(),
        wiki.try_create(),
        wiki.try_update(page),
        wiki.try_delete(page),
    ):
        assert_error(response, 404, f"Entity {project['id']} is in trash can.")
    assert ann.put(f"{REPO}/trashcan/restore/{project['id']}").ok
    assert wiki.get()["title"] == "kept"
    assert ann.delete(f"{REPO}/entity/{project['id']}?skipTrashCan=true").ok
    assert_error(wiki.try_get(), 404, "does not exist")
    assert_error(ann.delete(f"/file/v1/fileHandle/{handle}"), 409, "in use")


def test_wiki_of_a_vanished_owner_can_be_deleted(ann, ben, wiki, project):
    page = wiki.create()
    assert ann.delete(f"{REPO}/entity/{project['id']}?skipTrashCan=true").ok
    assert_error(WikiUser(ben, project["id"]).try_delete(page), 403)
    assert wiki.try_delete(page).status_code == 200
    assert_error(wiki.try_delete(page), 404)


def test_wiki_of_an_evaluation(ann, ben, organiser):
    queue = organiser.create_evaluation()["id"]
    wiki = WikiUser(ann, queue, "evaluation")
    assert_error(wiki.try_get(), 404, NO_ROOT.format(queue, "EVALUATION"))
    page = wiki.create(title="Rules", markdown=MARKDOWN)
    assert wiki.get(f"wiki2/{page['id']}")["title"] == "Rules"
    assert_error(wiki.try_create(), 409, "ownerType: EVALUATION")
    hint = wiki.get("wiki2orderhint")
    assert (hint["ownerId"], hint["ownerObjectType"]) == (queue, "EVALUATION")
    other = WikiUser(ben, queue, "evaluation")
    assert_error(other.try_get(), 403, "You lack READ access")
    organiser.share(queue, {ben.id: ["READ"]})
    assert other.get()["markdown"] == MARKDOWN
    assert_error(other.try_update(page), 403, "You lack UPDATE access")
    assert wiki.try_delete(page, "wiki2").ok
    assert_error(WikiUser(ann, "1", "evaluation").try_get(), 404, "Evaluation with id 1")


def test_wiki_of_an_access_requirement(admin, ann, anonymous, project):
    lock = f"{REPO}/entity/{project['id']}/lockAccessRequirement"
    requirement = ok(ann.post(lock))["id"]
    wiki = WikiUser(admin, requirement, "access_requirement")
    page = wiki.create(title="Terms", markdown="Read me.")
    for user in (ann, anonymous):
        reader = WikiUser(user, requirement, "access_requirement")
        assert reader.get()["markdown"] == "Read me."
        assert_error(reader.try_update(page), 403, "ACT")
    assert_error(WikiUser(ann, 999, "access_requirement").try_get(), 404, "id 999")


def test_bundle_has_the_id_of_the_root_page(ann, wiki, project):
    path = f"{REPO}/entity/{project['id']}/bundle2"
    assert ok(ann.post(path, {"includeRootWikiId": True})) == {}
    page = wiki.create()
    assert ok(ann.post(path, {"includeRootWikiId": True})) == {"rootWikiId": page["id"]}


def _bomb() -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(compressor.compress(bytes(2**20)) for _ in range(11)), compressor.flush()])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8bnot gzip", "is damaged"),
        (gzip.compress(b"cut off" * 99, mtime=0)[:-9], "is truncated"),
        (_bomb(), "more than 10485760 bytes"),
    ],
)
def test_unreadable_markdown_is_an_error_of_the_text_alone(ann, rules, wiki, content, words):
    handle = rules.user("alice").upload(content)
    wiki.create("wiki2", markdownFileHandleId=handle)
    assert_error(wiki.try_get(), 400, words)
    assert wiki.get("wiki2")["markdownFileHandleId"] == handle


def test_external_markdown_cannot_be_read_inline(ann, wiki):
    wiki.create("wiki2", markdownFileHandleId=ann.handle())
    assert_error(wiki.try_get(), 400, "is not stored in Synapse")


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """A service, and the directory of its data."""
    folder = tmp_path_factory.mktemp("storage")
    service = create_app(Settings(data_dir=folder, base_url=asgi_adapter.BASE_URL)).state.service
    yield service, folder
    service.close()


def test_markdown_of_a_failed_request_is_not_stored(storage):
    service, tmp_path = storage
    caller = create_service_caller(service.now())

    def store_and_fail():
        with service.database.write_transaction() as session:
            markdown.store(service, session, caller, 1, MARKDOWN)
            assert len(bytes_on_disk(tmp_path)) == 2  # the file and its draft
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store_and_fail()
    assert bytes_on_disk(tmp_path) == []
    with service.database.write_transaction() as session:
        handle = markdown.store(service, session, caller, 1, MARKDOWN)
    with service.database.read_transaction() as session:
        assert markdown.read(service, session, handle.id) == MARKDOWN
    assert bytes_on_disk(tmp_path) == [handle.content_size]


def test_only_the_newest_100_versions_are_kept(storage):
    service, _ = storage
    caller = create_service_caller(service.now())
    owner = WikiOwner(OwnerType.ENTITY, TRASH)
    with service.database.write_transaction() as session:
        page = pages.create(service, session, caller, owner, {"title": "0"})
        page_id = int(page["id"])
        for number in range(1, 103):
            body = page | {"title": f"{number}"}
            page = pages.update(service, session, caller, owner, page_id, body)
    with service.database.read_transaction() as session:
        history = header_tree.list_history(session, caller, owner, page_id, Page(200, 0))
        assert [int(each["version"]) for each in history] == list(range(102, 2, -1))
        with pytest.raises(NotFound, match="has no version 2"):
            pages.get(session, caller, owner, page_id, 2)
        assert pages.get(session, caller, owner, page_id, 3)["title"] == "3"


def test_deep_tree_is_shown_and_deleted(storage):
    service, _ = storage
    caller = create_service_caller(service.now())
    owner = WikiOwner(OwnerType.ENTITY, ROOT)
    number = 1100  # more than the limits of recursion of Python, Jinja and SQLite
    with service.database.write_transaction() as session:
        root = pages.create(service, session, caller, owner, {"title": "0"})
        first, handle = int(root["id"]), int(root["markdownFileHandleId"])
        fields = {"owner_type": owner.type, "owner_id": owner.id, "etag": "x", "version": 0,
                  "created_on": 0, "created_by": 1}  # fmt: skip
        version = {"number": 0, "markdown_handle_id": handle, "modified_on": 0, "modified_by": 1}
        ids = range(first + 1, first + number)
        rows = [{"id": each, "parent_id": each - 1} | fields for each in ids]
        session.execute(insert(WikiPage), rows)
        versions = [{"page_id": each, "title": f"{each - first}"} | version for each in ids]
        session.execute(insert(WikiVersion), versions)
    with service.database.read_transaction() as session:
        content = wiki_page.read_wiki_page(service, session, caller, owner)
    assert [(each.title, each.depth) for each in content.tree[:2]] == [("0", 0), ("1", 1)]
    assert content.tree[-1].depth == 999  # of the 1000 pages that are shown
    macro = get_environment().get_template("wiki_section.html").module.wiki_section
    html = macro(content)
    assert html.count("<ul>") == html.count("</ul>") == 1000
    with service.database.write_transaction() as session:
        pages.delete(session, caller, owner, first)
        below = select(func.count()).select_from(WikiPage).where(WikiPage.owner_id == ROOT)
        assert session.scalar(below) == 0
