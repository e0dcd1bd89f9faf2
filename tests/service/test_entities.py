"""Tests of creating, reading and updating entities."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings, strategies as st
from support.entity_api import REPO, unique_name
from support.file_api import assert_error, ok

from synapse_workflows.constants import DOCKER_REPOSITORY, FILE, FOLDER, LINK, PROJECT

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture
def date(rules):
    """The time of the service's clock in responses."""
    return f"{rules.clock.now:%Y-%m-%dT%H:%M:%S}.890Z"


def test_create_project_below_root(ann, date):
    entity = ann.new_project(name=(name := unique_name("Project")), description="d")
    assert UUID.fullmatch(entity.pop("etag"))
    assert re.fullmatch(r"syn1\d{7}", entity.pop("id"))
    assert entity == {
        "name": name,
        "description": "d",
        "createdOn": date,
        "modifiedOn": date,
        "createdBy": "3300001",
        "modifiedBy": "3300001",
        "parentId": "syn4489",
        "concreteType": PROJECT,
    }


def test_create_file_with_version_and_file_handle(ann):
    handle = ann.handle()
    entity = ann.make(FILE, ann.new_project()["id"], dataFileHandleId=int(handle))
    assert {key: entity[key] for key in entity.keys() & {
        "versionNumber", "versionLabel", "versionComment", "isLatestVersion", "dataFileHandleId",
    }} == {
        "versionNumber": 1, "versionLabel": "1", "isLatestVersion": True,
        "dataFileHandleId": handle,
    }  # fmt: skip


def test_create_keeps_version_label_and_comment(ann):
    entity = ann.new_file(ann.new_project()["id"], versionLabel="v0", versionComment="first")
    assert (entity["versionLabel"], entity["versionComment"]) == ("v0", "first")


def test_folders_projects_and_links_have_no_versions(ann):
    project = ann.new_project()
    folder = ann.new_folder(project["id"], versionLabel="v0")
    link = ann.new_link(project["id"], folder["id"])
    for each in (project, folder, link):
        assert not each.keys() & {"versionNumber", "versionLabel", "isLatestVersion"}


def test_link_target_does_not_need_to_exist(ann):
    project = ann.new_project()["id"]
    entity = ann.make(
        LINK,
        project,
        linksTo={"targetId": "SYN999", "targetVersionNumber": "2"},
        linksToClassName=FILE,
    )
    assert entity["linksTo"] == {"targetId": "syn999", "targetVersionNumber": 2}
    assert entity["linksToClassName"] == FILE


def test_read_only_fields_in_request_are_ignored(ann, date):
    entity = ann.new_project(
        id="syn1", etag="x", createdOn="1999-01-01T00:00:00.000Z", createdBy="1", modifiedBy="1"
    )
    assert entity["id"] != "syn1"
    assert entity["etag"] != "x"
    assert (entity["createdOn"], entity["createdBy"]) == (date, "3300001")


def test_unknown_and_null_properties_are_ignored(ann):
    entity = ann.new_project(nonsense=1, description=None)
    assert not entity.keys() & {"nonsense", "description"}


def test_name_defaults_to_id(ann):
    entity = ann.new_project(name=None)
    assert entity["name"] == entity["id"]


def test_name_is_trimmed(ann):
    assert ann.new_project(name=f"  {(name := unique_name())}\t")["name"] == name


@pytest.mark.parametrize("name", ["", "  ", "a/b", "é", "a:b", "x" * 257, "a\nb", "[a]"])
def test_invalid_name_error_lists_allowed_characters(ann, name):
    assert_error(
        ann.try_make(PROJECT, name=name),
        400,
        f"Invalid Name: '{name.strip()}'. Names may only contain: letters, numbers, spaces, "
        "underscores, hyphens, periods, plus signs, apostrophes, and parentheses",
    )


@settings(max_examples=30, deadline=None)
@given(st.text("abcXYZ019 _-.,+'()", min_size=1, max_size=256).map(str.strip).filter(bool))
def test_valid_names_are_stored_unchanged(renamable_project, name):
    ann, project, entity = renamable_project
    changed = ann.change(entity, name=name)
    assert changed["name"] == name
    found = ok(ann.post(f"{REPO}/entity/child", {"parentId": project, "entityName": name}))
    assert found == {"id": entity}


@pytest.fixture(scope="module")
def renamable_project(ann):
    project = ann.new_project()["id"]
    return ann, project, ann.new_folder(project)["id"]


def test_description_over_1000_characters_is_rejected(ann):
    ann.new_project(description="d" * 1000)
    assert_error(ann.try_make(PROJECT, description="d" * 1001), 400, "description")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "concreteType is required"),
        ({"concreteType": None}, "concreteType is required"),
        ({"concreteType": "org.sagebionetworks.repo.model.table.VirtualTable"}, "Unknown"),
        ({"concreteType": "nonsense"}, "Unknown concreteType: 'nonsense'"),
        ({"concreteType": {}}, "concreteType must be text"),
        ({"concreteType": PROJECT, "name": ["x"]}, "name must be text"),
        ({"concreteType": PROJECT, "name": True}, "name must be text"),
        (
            {"concreteType": PROJECT, "parentId": "syn4489.1"},
            "syn4489.1 is not a valid Synapse ID.",
        ),
        ({"concreteType": PROJECT, "alias": "no spaces"}, "Invalid alias"),
    ],
)
def test_malformed_entity_is_rejected(ann, body, words):
    assert_error(ann.post(f"{REPO}/entity", body), 400, words)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '"x"', "null", "\xff", '{"name": "\\ud800"}', '{"a": NaN}']
)
def test_body_must_be_a_json_object(ann, body):
    headers = {**ann.headers, "Content-Type": "application/json"}
    response = ann.session.post(
        f"{ann.base_url}{REPO}/entity", data=body.encode("latin-1"), headers=headers, timeout=30
    )
    assert_error(response, 400, "The request body")


def test_create_file_without_file_handle_is_rejected(ann):
    assert_error(ann.try_make(FILE, ann.new_project()["id"]), 400, "dataFileHandleId is required")


def test_create_file_with_file_handle_of_another_user_is_forbidden(ann, ben):
    response = ann.try_make(FILE, ann.new_project()["id"], dataFileHandleId=ben.handle())
    assert_error(response, 403, "FileHandle")


def test_create_file_with_missing_file_handle_is_not_found(ann):
    response = ann.try_make(FILE, ann.new_project()["id"], dataFileHandleId="99999999")
    assert_error(response, 404, "99999999")


def test_file_name_override_cannot_be_set(ann):
    response = ann.try_make(
        FILE, ann.new_project()["id"], dataFileHandleId=ann.handle(), fileNameOverride="x.csv"
    )
    assert_error(response, 400, "fileNameOverride")


def test_names_are_unique_within_a_container(ann):
    project = ann.new_project()["id"]
    ann.new_folder(project, name="data")
    assert_error(
        ann.try_make(FOLDER, project, name="data"),
        409,
        f"An entity with the name: data already exists with a parentId: {project}",
    )
    ann.new_folder(project, name="Data")
    ann.new_folder(ann.new_project()["id"], name="data")


def test_project_names_are_unique_across_users(ann, ben):
    name = ann.new_project()["name"]
    assert_error(
        ben.try_make(PROJECT, name=name),
        409,
        f"An entity with the name: {name} already exists with a parentId: syn4489",
    )


def test_allowed_parent_types(ann):
    project = ann.new_project()["id"]
    folder = ann.new_folder(project)["id"]
    file = ann.new_file(folder)["id"]
    link = ann.new_link(folder, file)["id"]
    assert_error(ann.try_make(FOLDER), 400, "the root")
    assert_error(ann.try_make(FOLDER, "syn4489"), 400, "the root")
    assert_error(ann.try_make(PROJECT, project), 400, "parent")
    assert_error(ann.try_make(PROJECT, folder), 400, "parent")
    assert_error(ann.try_make(FOLDER, file), 400, "parent")
    assert_error(ann.try_make(FOLDER, link), 400, "parent")
    assert_error(
        ann.try_make(FOLDER, "syn98765432"), 404, "Resource: 'syn98765432' does not exist"
    )


def test_external_docker_repositories(ann):
    project = ann.new_project()["id"]
    made = ann.make(DOCKER_REPOSITORY, project, repositoryName="quay.io:443/lab/image-1")
    read = ann.entity(made["id"])
    assert (read["repositoryName"], read["isManaged"]) == ("quay.io:443/lab/image-1", False)
    assert "versionNumber" not in read
    assert ann.change(made["id"], name="renamed")["name"] == "renamed"
    assert_error(ann.save({**ann.entity(made["id"]), "repositoryName": "other"}), 400, "changed")
    listed = {"parentId": project, "includeTypes": ["dockerrepo"]}
    page = ok(ann.post(f"{REPO}/entity/children", listed))["page"]
    assert [(each["id"], each["type"]) for each in page] == [(made["id"], DOCKER_REPOSITORY)]
    for name in (None, "", "Upper/case", "a//", "docker.synapse.org/syn1/x"):
        response = ann.try_make(DOCKER_REPOSITORY, project, repositoryName=name)
        assert_error(response, 400, "repositor")
    folder = ann.new_folder(project)["id"]
    assert_error(ann.try_make(DOCKER_REPOSITORY, folder, repositoryName="x"), 400, "parent")


def test_root_folder_is_readable_and_unchangeable(ann, anonymous, admin):
    root = anonymous.entity("syn4489")
    assert "parentId" not in root
    assert_error(admin.save(root), 403)
    assert_error(admin.delete(f"{REPO}/entity/syn4489"), 403)
    assert_error(ann.save(root), 403)


def test_paths_deeper_than_50_levels_are_rejected(ann):
    parent = ann.new_project()["id"]  # level 2, below the root
    for _ in range(48):
        parent = ann.new_folder(parent)["id"]
    assert_error(ann.try_make(FOLDER, parent), 400, "50")


@pytest.mark.parametrize("form", ["syn{}", "{}", "SYN{}", "Syn{}", "%20syn{}%20"])
def test_ids_are_accepted_with_and_without_prefix(ann, form):
    project = ann.new_project()["id"]
    written_id = form.format(project.removeprefix("syn"))
    assert ann.entity(written_id)["id"] == project


@pytest.mark.parametrize("text", ["syn1.2", "synX", "x", "syn", "-1", "syn1x", "syn" + "9" * 30])
def test_invalid_id_is_rejected(ann, text):
    assert_error(ann.get(f"{REPO}/entity/{text}"), 400, f"{text} is not a valid Synapse ID.")


def test_unknown_entity_is_not_found(ann):
    assert_error(ann.get(f"{REPO}/entity/syn1"), 404, "Resource: 'syn1' does not exist")


def test_update_without_changes_changes_etag(ann, rules):
    before = ann.new_project()
    rules.clock.advance(2)
    after = ok(ann.save(before))
    assert after["etag"] != before["etag"]
    assert after["modifiedOn"] > before["modifiedOn"]
    assert after["createdOn"] == before["createdOn"]
    assert ann.entity(before["id"]) == after


def test_update_clears_omitted_fields(ann):
    before = ann.new_project(description="d", alias=f"a{unique_name('').strip()}")
    after = ok(ann.save({key: before[key] for key in ("id", "etag", "concreteType", "name")}))
    assert not after.keys() & {"description", "alias"}


@pytest.mark.parametrize("etag", [None, "", "00000000-0000-0000-0000-000000000000", 7])
def test_update_requires_current_etag(ann, etag):
    before = ann.new_project()
    assert_error(
        ann.save({**before, "etag": etag}),
        412,
        f"Object: {before['id']} was updated since you last fetched it, "
        "retrieve it again and re-apply the update",
    )
    assert ann.entity(before["id"]) == before


def test_update_uses_id_in_path(ann):
    one, two = ann.new_project(), ann.new_project()
    changed = ok(ann.put(f"{REPO}/entity/{one['id']}", {**one, "id": two["id"]}))
    assert changed["id"] == one["id"]


def test_concrete_type_cannot_be_changed(ann):
    folder = ann.new_folder(ann.new_project()["id"])
    assert_error(ann.save({**folder, "concreteType": LINK}), 400, "concreteType")


def test_rename_to_name_of_sibling_is_a_conflict(ann):
    project = ann.new_project()["id"]
    one, two = ann.new_folder(project), ann.new_folder(project)
    assert_error(ann.save({**two, "name": one["name"]}), 409, "already exists with a parentId")
    assert ann.entity(two["id"]) == two


def test_move_keeps_subtree(ann):
    project, other = ann.new_project()["id"], ann.new_project()["id"]
    folder = ann.new_folder(project)
    file = ann.new_file(folder["id"])
    moved = ann.change(folder["id"], parentId=other)
    assert moved["parentId"] == other
    path = ok(ann.get(f"{REPO}/entity/{file['id']}/path"))["path"]
    assert [each["id"] for each in path] == ["syn4489", other, folder["id"], file["id"]]


def test_move_checks_the_rules_of_creation(ann):
    project, other = ann.new_project()["id"], ann.new_project()["id"]
    folder, taken = ann.new_folder(project), ann.new_folder(other)
    inner = ann.new_folder(folder["id"])
    file = ann.new_file(project)
    assert_error(ann.save({**folder, "parentId": inner["id"]}), 400, "itself")
    assert_error(ann.save({**folder, "parentId": folder["id"]}), 400, "itself")
    assert_error(ann.save({**folder, "parentId": file["id"]}), 400, "parent")
    assert_error(ann.save({**folder, "parentId": "syn4489"}), 400, "root")
    assert_error(ann.save({**folder, "parentId": "syn98765432"}), 404)
    assert_error(
        ann.save({**folder, "parentId": other, "name": taken["name"]}), 409, taken["name"]
    )
    assert ann.entity(folder["id"]) == folder


def test_uncertified_user_can_only_create_projects(dan):
    project = dan.new_project()
    dan.change(project["id"], description="mine")
    body = assert_error(
        dan.try_make(FOLDER, project["id"]),
        403,
        "Only certified users may create or update content in Synapse.",
    )
    assert body["errorCode"] == "USER_CERTIFICATION_REQUIRED"


def test_anonymous_caller_cannot_create_entities(anonymous, ann):
    assert_error(
        anonymous.try_make(PROJECT), 403, "Anonymous users have only READ access permission."
    )


def test_alias_is_unique_and_finds_project(ann, ben):
    alias = f"alias{unique_name('').strip()}"
    project = ann.new_project(alias=alias)
    assert ok(ben.get(f"{REPO}/entity/alias/{alias}")) == {"id": project["id"]}
    assert_error(ben.try_make(PROJECT, alias=alias), 409, alias)
    assert ann.change(project["id"])["alias"] == alias
    assert_error(ann.get(f"{REPO}/entity/alias/nobodys"), 404, "nobodys")


def test_create_with_generated_by_links_activity(ann, ben):
    activity = ok(ann.post(f"{REPO}/activity", {"name": "made"}))["id"]
    project = ann.new_project()["id"]
    body = {"concreteType": FOLDER, "parentId": project}
    folder = ok(ann.post(f"{REPO}/entity?generatedBy={activity}", body))
    assert ok(ann.get(f"{REPO}/entity/{folder['id']}/generatedBy"))["id"] == activity
    assert_error(ann.post(f"{REPO}/entity?generatedBy=987654", body), 404, "987654")
    assert_error(ann.post(f"{REPO}/entity?generatedBy=x", body), 400, "generatedBy")
    body = {"concreteType": PROJECT}
    assert_error(ben.post(f"{REPO}/entity?generatedBy={activity}", body), 403, "lacks read access")


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_empty_name_is_rejected(ann, name):
    project = ann.new_project()["id"]
    assert_error(ann.try_make(FOLDER, project, name=name), 400, "Invalid Name")
    created = ok(ann.try_make(FOLDER, project, name=None))
    assert created["name"] == created["id"]


def test_one_of_many_parallel_creations_of_a_name_succeeds(ann):
    project = ann.new_project()["id"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ann.try_make(FOLDER, project, name="same"), range(32)))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 31
    body = {"entityName": "same", "parentId": project}
    created = next(each.json()["id"] for each in answers if each.ok)
    assert ok(ann.post(f"{REPO}/entity/child", body))["id"] == created


def test_one_of_many_parallel_updates_with_one_etag_succeeds(ann):
    folder = ann.new_folder(ann.new_project()["id"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda each: ann.save({**folder, "description": str(each)}), range(16))
        )
    assert sorted(each.status_code for each in answers) == [200] + [412] * 15
