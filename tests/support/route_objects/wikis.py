"""Owners of wikis and wiki pages that cases name."""

from support.entity_api import REPO
from support.file_api import ok
from support.route_cases.wikis import EDITORS
from support.route_objects import entities, evaluations
from support.route_world import MAKERS, World, maker


@maker
def attachment_name(_world):
    return "attachment.txt"


def create_requirement(world):
    """Return an access requirement of a file that alice has locked."""
    file = world.alice.new_file(world.get("project"))["id"]
    return ok(world.alice.post(f"{REPO}/entity/{file}/lockAccessRequirement"))["id"]


OWNERS = {
    "entity": entities.folder,
    "evaluation": evaluations.evaluation,
    "access_requirement": create_requirement,
}


def create_page(world: World, kind: str, **more: str) -> str:
    """Create a page in the wiki of the owner of a kind and return its ID."""
    user = world.user(EDITORS[kind])
    handle = user.upload(b"attached", fileName=world.get("attachment_name"))
    body = {"title": "t", "markdown": "m", "attachmentFileHandleIds": [handle], **more}
    return ok(user.post(f"{REPO}/{kind}/{world.get(f'{kind}_of_wiki')}/wiki", body))["id"]


for owner_kind, create_owner in OWNERS.items():
    MAKERS[f"{owner_kind}_of_wiki"] = MAKERS[f"{owner_kind}_without_wiki"] = create_owner
    MAKERS[f"{owner_kind}_wiki"] = lambda world, kind=owner_kind: create_page(world, kind)
    MAKERS[f"{owner_kind}_page"] = lambda world, kind=owner_kind: create_page(
        world, kind, parentWikiId=world.get(f"{kind}_wiki")
    )
