"""File handles, uploads and storage locations that cases name."""

from support import storage_api
from support.entity_api import unique_name
from support.file_api import md5, ok
from support.route_world import maker

#: Content of the part of an upload.
PART = b"part"


@maker
def stored_association(world):
    return {
        "fileHandleId": world.get("stored_handle"),
        "associateObjectId": world.get("stored_file"),
        "associateObjectType": "FileEntity",
    }


@maker
def linked_handle(world):
    """A file handle that a file uses."""
    handle = world.alice.handle()
    world.alice.file(unique_name(), world.get("project"), handle)
    return handle


@maker
def part_md5(_world):
    return md5(PART)


@maker
def upload(world):
    """A multipart upload without parts."""
    return ok(world.alice.start(unique_name().encode()))["uploadId"]


@maker
def stored_upload(world):
    """A multipart upload whose part has been stored, but not added."""
    started = ok(world.alice.start(PART, fileName=unique_name()))["uploadId"]
    assert world.alice.put_part(started, 1, PART).status_code == 200
    return started


@maker
def added_upload(world):
    """A multipart upload whose part has been added."""
    started = stored_upload(world)
    world.alice.add(started, 1, md5(PART))
    return started


@maker
def location(world):
    return storage_api.create_location(world.alice, storage_api.EXTERNAL_S3)


@maker
def location_of_bob(world):
    return storage_api.create_location(world.bob, storage_api.EXTERNAL_S3, bucket="b-bucket")


@maker
def store_of_bob(world):
    return storage_api.create_location(world.bob, storage_api.OBJECT_STORE)


@maker
def sts_location(world):
    return storage_api.create_location(world.alice, storage_api.EXTERNAL_STS)


@maker
def sts_folder(world):
    """A folder with an STS-enabled storage location."""
    created = world.alice.new_folder(world.get("project"))["id"]
    storage_api.set_locations(world.alice, created, world.get("sts_location"))
    return created


@maker
def set_project(world):
    """A project with a project setting."""
    created = world.alice.new_project()["id"]
    storage_api.set_locations(world.alice, created, 1)
    return created


@maker
def setting(world):
    created = world.alice.new_project()["id"]
    return storage_api.set_locations(world.alice, created, 1)["id"]


@maker
def full_sts_setting(world):
    """The setting of an STS-enabled folder that is not empty."""
    folder = sts_folder(world)
    world.alice.new_folder(folder)
    return ok(storage_api.find_setting(world.alice, folder))["id"]
