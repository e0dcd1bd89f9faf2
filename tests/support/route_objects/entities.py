"""Entities and Activities that cases name."""

from uuid import uuid4

from support.entity_api import OWNER_IDS, REPO, unique_name
from support.file_api import ok
from support.route_world import maker
from synapse_workflows.constants import DOCKER_REPOSITORY

DIGEST = f"sha256:{'a1' * 32}"


@maker
def name(_world):
    return unique_name("name")


@maker
def project(world):
    return world.alice.new_project()["id"]


@maker
def shared_project(world):
    """A project that everybody can read."""
    created = world.alice.new_project()["id"]
    world.alice.share(created, {273949: ["READ"]})
    return created


@maker
def folder(world):
    return world.alice.new_folder(world.get("project"))["id"]


@maker
def child_name(world):
    """Name of a folder in `folder`."""
    return world.alice.new_folder(world.get("folder"))["name"]


@maker
def hidden_name(world):
    """Name of a folder that bob cannot read, in a project that he can read."""
    created = world.alice.new_folder(world.get("shared_project"))
    world.alice.share(created["id"], {})
    return created["name"]


@maker
def open_project(world):
    """A project in which all users may create entities."""
    created = world.alice.new_project()["id"]
    world.alice.share(created, {273948: ["READ", "CREATE", "UPDATE"]})
    return created


@maker
def folder_body(world):
    """The properties of `new_folder`."""
    return world.alice.entity(world.get("new_folder"))


@maker
def comanaged_project(world):
    """A project of alice whose permissions bob may change."""
    created = world.alice.new_project()["id"]
    world.alice.share(created, {OWNER_IDS["bob"]: ["READ", "CHANGE_PERMISSIONS"]})
    return created


@maker
def locked_file(world):
    created = world.alice.new_file(world.get("project"))["id"]
    ok(world.alice.post(f"{REPO}/entity/{created}/lockAccessRequirement"))
    return created


@maker
def trashed(world):
    created = world.alice.new_folder(world.get("project"))["id"]
    world.alice.delete(f"{REPO}/entity/{created}")
    return created


@maker
def acl_folder(world):
    """A folder with an ACL of its own."""
    created = world.alice.new_folder(world.get("project"))["id"]
    world.alice.share(created, {})
    return created


@maker
def handle(world):
    return world.alice.handle()


@maker
def handle_of_bob(world):
    return world.bob.handle()


@maker
def file(world):
    """A file with two versions."""
    created = world.alice.new_file(world.get("project"))["id"]
    world.alice.change(created, "?newVersion=true", versionLabel=None)
    return created


@maker
def own_handle(world):
    """The file handle of `new_file`."""
    return world.alice.entity(world.get("new_file"))["dataFileHandleId"]


@maker
def equal_handle(world):
    """A file handle with the MD5 of `file`."""
    return world.alice.handle("x")


@maker
def other_handle(world):
    """A file handle with another MD5 than `file`."""
    return world.alice.handle("y")


@maker
def file_md5(_world):
    return b"x".hex().ljust(32, "0")


@maker
def stored_handle(world):
    """A file handle with content in the storage of the service."""
    return world.alice.upload(b"content")


@maker
def stored_file(world):
    return world.alice.file(unique_name(), world.get("project"), world.get("stored_handle"))


@maker
def alias(world):
    alias = f"alias{uuid4().hex}"
    world.alice.new_project(alias=alias)
    return alias


@maker
def deep_folder(world):
    """The deepest folder that a project can have."""
    parent = world.alice.new_project()["id"]
    for _ in range(48):
        parent = world.alice.new_folder(parent)["id"]
    return parent


@maker
def full_folder(world):
    """A folder with as many children as a folder can have."""
    created = world.alice.new_folder(world.get("project"))["id"]
    child = world.alice.new_folder(created)["id"].removeprefix("syn")
    world.copy_row("entity", f"id = {child}", 9_999, id="500000000 + n", name="n")
    return created


@maker
def full_file(world):
    """A file with as many versions as a file can have."""
    created = world.alice.new_file(world.get("project"))["id"]
    condition = f"entity_id = {created.removeprefix('syn')}"
    world.copy_row("entity_version", condition, 14_999, number="1 + n", label="'v' || n")
    return created


@maker
def repository(world):
    repository = f"quay.io/ant/{uuid4()}"
    parent = world.get("shared_project")
    created = world.alice.make(DOCKER_REPOSITORY, parent, repositoryName=repository)["id"]
    path = f"{REPO}/entity/{created}/dockerCommit"
    assert world.alice.post(path, {"tag": "v1", "digest": DIGEST}).status_code == 204
    return created


@maker
def repository_name(world):
    return world.alice.entity(world.get("repository"))["repositoryName"]


@maker
def activity(world):
    return ok(world.alice.post(f"{REPO}/activity", {"name": "run"}))["id"]


@maker
def activity_without_entity(world):
    return activity(world)


@maker
def activity_of_hidden(world):
    """The Activity of a file that bob cannot read."""
    created = activity(world)
    file = world.alice.new_file(world.get("project"))["id"]
    ok(world.alice.put(f"{REPO}/entity/{file}/generatedBy?generatedBy={created}"))
    return created


@maker
def digest(_world):
    return DIGEST


@maker
def linked_file(world):
    """A file with an Activity."""
    created = world.alice.new_file(world.get("project"))["id"]
    path = f"{REPO}/entity/{created}/generatedBy?generatedBy={world.get('activity')}"
    ok(world.alice.put(path))
    return created
