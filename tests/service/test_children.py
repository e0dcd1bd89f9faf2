"""Tests of children, lookup by name and MD5, and headers."""

import pytest
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER

CHILDREN = f"{REPO}/entity/children"


def children(user, parent, *types, **more):
    body = {"parentId": parent, "includeTypes": list(types) or ["folder", "file", "link"], **more}
    return ok(user.post(CHILDREN, body))


def names(page):
    return [each["name"] for each in page["page"]]


@pytest.fixture(scope="module")
def project(ann, rules):
    """A project of alice whose children were created at intervals of one minute."""
    project = ann.new_project()["id"]
    for name in ("b", "A", "c"):
        ann.new_folder(project, name=name)
        rules.clock.advance(60)
    file = ann.new_file(project, name="d")
    rules.clock.advance(60)
    ann.new_link(project, file["id"], name="E")
    rules.clock.advance(60)
    ann.change(file["id"], description="touched")
    return project


def test_children_are_sorted_by_name_ignoring_case(ann, project):
    page = children(ann, project)
    assert names(page) == ["A", "b", "c", "d", "E"]
    assert page.keys() == {"page"}
    assert page["page"][0]["type"] == FOLDER
    assert page["page"][0]["versionNumber"] == 1


@pytest.mark.parametrize(
    ("by", "direction", "expected"),
    [
        ("NAME", "DESC", "EdcbA"),
        ("CREATED_ON", "ASC", "bAcdE"),
        ("CREATED_ON", "DESC", "EdcAb"),
        ("MODIFIED_ON", "ASC", "bAcEd"),
        ("MODIFIED_ON", None, "bAcEd"),
    ],
)
def test_children_are_sorted_by_requested_key(ann, project, by, direction, expected):
    assert names(children(ann, project, sortBy=by, sortDirection=direction)) == list(expected)


def test_children_have_requested_types(ann, project):
    assert names(children(ann, project, "file")) == ["d"]
    assert names(children(ann, project, "link", "file")) == ["d", "E"]
    assert names(children(ann, project, "table", "searchindex")) == []


def test_totals_are_returned_on_request(ann, project):
    page = children(ann, project, includeTotalChildCount=True, includeSumFileSizes=True)
    assert (page["totalChildCount"], page["sumFileSizesBytes"]) == (5, 7)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"includeTypes": []}, "includeTypes"),
        ({}, "includeTypes"),
        ({"includeTypes": ["directory"]}, "directory"),
        ({"includeTypes": ["file"], "sortBy": "SIZE"}, "SIZE"),
        ({"includeTypes": ["file"], "nextPageToken": "x"}, "x"),
        ({"includeTypes": ["file"], "nextPageToken": "50a-1"}, "50a-1"),
        ({"includeTypes": ["file"], "nextPageToken": "5000a0"}, "limit"),
        ({"includeTypes": ["file"], "parentId": "syn1.1"}, "syn1.1"),
    ],
)
def test_invalid_request_is_rejected(ann, body, words):
    assert_error(ann.post(CHILDREN, body), 400, words)


def test_children_are_returned_in_pages_of_50(ann):
    project = ann.new_project()["id"]
    expected = [ann.new_folder(project, name=f"{number:03}")["name"] for number in range(101)]
    names_seen, token, sizes = [], None, []
    while True:
        page = children(ann, project, nextPageToken=token)
        sizes.append(len(page["page"]))
        names_seen += names(page)
        token = page.get("nextPageToken")
        if token is None:
            break
    assert sizes == [50, 50, 1]
    assert names_seen == expected


def test_full_last_page_has_no_next_page_token(ann):
    project = ann.new_project()["id"]
    for _ in range(50):
        ann.new_folder(project)
    assert "nextPageToken" not in children(ann, project)


def test_unreadable_children_are_omitted(ann, ben, anonymous):
    project = ann.new_project()["id"]
    visible, hidden = ann.new_folder(project), ann.new_folder(project)
    assert_error(
        ben.post(CHILDREN, {"parentId": project, "includeTypes": ["folder"]}), 403, "READ"
    )
    ann.share(project, {273949: ["READ"]})
    ann.share(hidden["id"], {})
    for user in (ben, anonymous):
        page = children(user, project, includeTotalChildCount=True)
        assert names(page) == [visible["name"]]
        assert page["totalChildCount"] == 1
    assert len(children(ann, project)["page"]) == 2


def test_children_without_parent_are_readable_projects(ann, ben):
    hidden, visible = ann.new_project(), ann.new_project()
    ann.share(visible["id"], {ben.id: ["READ"]})
    names_seen, token = [], None
    while True:
        body = {"includeTypes": ["project"], "nextPageToken": token}
        page = ok(ben.post(CHILDREN, body))
        names_seen += names(page)
        token = page.get("nextPageToken")
        if token is None:
            break
    assert visible["name"] in names_seen
    assert hidden["name"] not in names_seen
    assert "trash" not in names_seen


def test_children_of_missing_container_are_not_found(ann):
    assert_error(ann.post(CHILDREN, {"parentId": "syn1", "includeTypes": ["file"]}), 404, "syn1")


def test_lookup_finds_child_by_exact_name(ann, ben, project):
    child = f"{REPO}/entity/child"
    found = ok(ann.post(child, {"parentId": project, "entityName": "A"}))
    assert ann.entity(found["id"])["name"] == "A"
    assert_error(ann.post(child, {"parentId": project, "entityName": "a"}), 404, "Child not found")
    assert_error(ben.post(child, {"parentId": project, "entityName": "A"}), 403, "READ")
    assert_error(ann.post(child, {"parentId": project}), 400, "entityName")


def test_lookup_without_parent_finds_project(ann):
    project = ann.new_project()
    found = ok(ann.post(f"{REPO}/entity/child", {"entityName": project["name"]}))
    assert found == {"id": project["id"]}
    assert_error(ann.post(f"{REPO}/entity/child", {"entityName": "trash"}), 404)


def test_md5_search_returns_all_versions(ann, ben):
    project = ann.new_project()["id"]
    one = ann.new_file(project, "md5 one")["id"]
    ann.change(one, dataFileHandleId=ann.handle("md5 two"))
    two = ann.new_file(project, "md5 two")["id"]
    path = f"{REPO}/entity/md5/{b'md5 two'.hex().ljust(32, '0')}"
    found = ok(ann.get(path))
    assert [(each["id"], each["versionNumber"]) for each in found["results"]] == [
        (one, 2),
        (two, 1),
    ]
    assert found["totalNumberOfResults"] == 2
    old = ok(ann.get(f"{REPO}/entity/md5/{b'md5 one'.hex().ljust(32, '0').upper()}"))["results"]
    assert [(each["versionNumber"], each["isLatestVersion"]) for each in old] == [(1, False)]
    assert ok(ben.get(path)) == {"totalNumberOfResults": 0, "results": []}
    ann.delete(f"{REPO}/entity/{one}")
    assert [each["id"] for each in ok(ann.get(path))["results"]] == [two]


def test_headers_omit_unknown_and_unreadable_entities(ann, ben):
    project = ann.new_project()["id"]
    file = ann.new_file(project, "one")["id"]
    ann.change(file, dataFileHandleId=ann.handle("two"))
    references = [(file, None), (file, 1), (file, 7), ("syn1", None), (project, None)]
    body = {"references": [{"targetId": e, "targetVersionNumber": v} for e, v in references]}
    found = ok(ann.post(f"{REPO}/entity/header", body))
    assert [(each["id"], each["versionNumber"]) for each in found["results"]] == [
        (file, 2), (file, 1), (project, 1),
    ]  # fmt: skip
    assert ok(ben.post(f"{REPO}/entity/header", body))["results"] == []
    assert_error(ann.post(f"{REPO}/entity/header", {"references": ["syn1"]}), 400, "references")


def test_header_has_type_and_version(ann):
    file = ann.new_file(ann.new_project()["id"])
    assert ok(ann.get(f"{REPO}/entity/{file['id']}/type")) == {
        "id": file["id"],
        "name": file["name"],
        "type": file["concreteType"],
        "versionNumber": 1,
        "versionLabel": "1",
        "benefactorId": int(file["parentId"].removeprefix("syn")),
        "createdOn": file["createdOn"],
        "modifiedOn": file["modifiedOn"],
        "createdBy": "3300001",
        "modifiedBy": "3300001",
        "isLatestVersion": True,
    }


def test_benefactor_is_returned_as_header(ann, ben):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    assert ok(ann.get(f"{REPO}/entity/{folder}/benefactor"))["id"] == project
    ann.share(folder, {ben.id: ALL_RIGHTS})
    assert ok(ben.get(f"{REPO}/entity/{folder}/benefactor"))["id"] == folder
