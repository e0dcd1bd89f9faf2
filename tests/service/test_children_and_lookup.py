"""Finding entities: children, by name, by MD5, headers."""

import pytest
from support.entity_api import ALL_RIGHTS, REPO
from support.file_api import assert_error, ok

from synapse_workflows.constants import FOLDER

CHILDREN = f"{REPO}/entity/children"


def children(person, parent, *types, **more):
    body = {"parentId": parent, "includeTypes": list(types) or ["folder", "file", "link"], **more}
    return ok(person.post(CHILDREN, body))


def names(page):
    return [each["name"] for each in page["page"]]


@pytest.fixture(scope="module")
def shelf(ann, rules):
    """A project of alice with children made a minute apart."""
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


def test_children_are_sorted_by_name_whatever_the_case(ann, shelf):
    page = children(ann, shelf)
    assert names(page) == ["A", "b", "c", "d", "E"]
    assert page.keys() == {"page"}
    assert page["page"][0]["type"] == FOLDER
    assert page["page"][0]["versionNumber"] == 1


@pytest.mark.parametrize(
    ("by", "way", "expected"),
    [
        ("NAME", "DESC", "EdcbA"),
        ("CREATED_ON", "ASC", "bAcdE"),
        ("CREATED_ON", "DESC", "EdcAb"),
        ("MODIFIED_ON", "ASC", "bAcEd"),
        ("MODIFIED_ON", None, "bAcEd"),
    ],
)
def test_children_are_sorted_as_asked(ann, shelf, by, way, expected):
    assert names(children(ann, shelf, sortBy=by, sortDirection=way)) == list(expected)


def test_children_are_of_the_types_asked_for(ann, shelf):
    assert names(children(ann, shelf, "file")) == ["d"]
    assert names(children(ann, shelf, "link", "file")) == ["d", "E"]
    assert names(children(ann, shelf, "table", "searchindex")) == []


def test_totals_come_when_asked_for(ann, shelf):
    page = children(ann, shelf, includeTotalChildCount=True, includeSumFileSizes=True)
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
def test_a_bad_request_is_refused(ann, body, words):
    assert_error(ann.post(CHILDREN, body), 400, words)


def test_children_come_in_pages_of_fifty(ann):
    project = ann.new_project()["id"]
    wanted = [ann.new_folder(project, name=f"{number:03}")["name"] for number in range(101)]
    seen, token, sizes = [], None, []
    while True:
        page = children(ann, project, nextPageToken=token)
        sizes.append(len(page["page"]))
        seen += names(page)
        token = page.get("nextPageToken")
        if token is None:
            break
    assert sizes == [50, 50, 1]
    assert seen == wanted


def test_no_token_follows_a_last_page_that_is_full(ann):
    project = ann.new_project()["id"]
    for _ in range(50):
        ann.new_folder(project)
    assert "nextPageToken" not in children(ann, project)


def test_children_one_may_not_read_are_left_out(ann, ben, anonymous):
    project = ann.new_project()["id"]
    shown, hidden = ann.new_folder(project), ann.new_folder(project)
    assert_error(
        ben.post(CHILDREN, {"parentId": project, "includeTypes": ["folder"]}), 403, "READ"
    )
    ann.share(project, {273949: ["READ"]})
    ann.share(hidden["id"], {})
    for person in (ben, anonymous):
        page = children(person, project, includeTotalChildCount=True)
        assert names(page) == [shown["name"]]
        assert page["totalChildCount"] == 1
    assert len(children(ann, project)["page"]) == 2


def test_without_a_parent_the_projects_one_may_read_are_listed(ann, ben):
    hidden, shown = ann.new_project(), ann.new_project()
    ann.share(shown["id"], {ben.id: ["READ"]})
    seen, token = [], None
    while True:
        body = {"includeTypes": ["project"], "nextPageToken": token}
        page = ok(ben.post(CHILDREN, body))
        seen += names(page)
        token = page.get("nextPageToken")
        if token is None:
            break
    assert shown["name"] in seen
    assert hidden["name"] not in seen
    assert "trash" not in seen


def test_a_missing_container_is_not_found(ann):
    assert_error(ann.post(CHILDREN, {"parentId": "syn1", "includeTypes": ["file"]}), 404, "syn1")


def test_a_child_is_found_by_its_exact_name(ann, ben, shelf):
    child = f"{REPO}/entity/child"
    found = ok(ann.post(child, {"parentId": shelf, "entityName": "A"}))
    assert ann.entity(found["id"])["name"] == "A"
    assert_error(ann.post(child, {"parentId": shelf, "entityName": "a"}), 404, "Child not found")
    assert_error(ben.post(child, {"parentId": shelf, "entityName": "A"}), 403, "READ")
    assert_error(ann.post(child, {"parentId": shelf}), 400, "entityName")


def test_a_project_is_found_by_its_name_alone(ann):
    project = ann.new_project()
    found = ok(ann.post(f"{REPO}/entity/child", {"entityName": project["name"]}))
    assert found == {"id": project["id"]}
    assert_error(ann.post(f"{REPO}/entity/child", {"entityName": "trash"}), 404)


def test_md5_finds_every_version_that_has_it(ann, ben):
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


def test_headers_of_many_leave_out_what_is_unknown_or_hidden(ann, ben):
    project = ann.new_project()["id"]
    file = ann.new_file(project, "one")["id"]
    ann.change(file, dataFileHandleId=ann.handle("two"))
    asked = [(file, None), (file, 1), (file, 7), ("syn1", None), (project, None)]
    body = {"references": [{"targetId": e, "targetVersionNumber": v} for e, v in asked]}
    found = ok(ann.post(f"{REPO}/entity/header", body))
    assert [(each["id"], each["versionNumber"]) for each in found["results"]] == [
        (file, 2), (file, 1), (project, 1),
    ]  # fmt: skip
    assert ok(ben.post(f"{REPO}/entity/header", body))["results"] == []
    assert_error(ann.post(f"{REPO}/entity/header", {"references": ["syn1"]}), 400, "references")


def test_a_header_tells_what_an_entity_is(ann):
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


def test_the_benefactor_is_given_as_a_header(ann, ben):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    assert ok(ann.get(f"{REPO}/entity/{folder}/benefactor"))["id"] == project
    ann.share(folder, {ben.id: ALL_RIGHTS})
    assert ok(ben.get(f"{REPO}/entity/{folder}/benefactor"))["id"] == folder
