"""Owners of wikis and wiki pages that cases name."""

from functools import partial

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


def create_page(world: World, kind: str, owner: str, **more: str) -> str:
    """Create a page in the wiki of an owner and return its ID."""
    user = world.user(EDITORS[kind])
    handle = user.upload(b"attached", fileName=world.get("attachment_name"))
    body = {"title": "t", "markdown": "m", "attachmentFileHandleIds": [handle], **more}
    return ok(user.post(f"{REPO}/{kind}/{owner}/wiki", body))["id"]


def create_owner_with_wiki(world: World, kind: str) -> str:
    """Create an owner and the root page of its wiki; return the ID of the owner."""
    owner = OWNERS[kind](world)
    create_page(world, kind, owner)
    return owner


def get_root_page(world: World, kind: str) -> str:
    """Return the ID of the root page of the owner of a kind."""
    path = f"{REPO}/{kind}/{world.get(f'{kind}_of_wiki')}/wiki2"
    return ok(world.user(EDITORS[kind]).get(path))["id"]


def create_sub_page(world: World, kind: str) -> str:
    """Create a page below the root page of the owner of a kind."""
    owner, root = world.get(f"{kind}_of_wiki"), world.get(f"{kind}_wiki")
    return create_page(world, kind, owner, parentWikiId=root)


for owner_kind, create_owner in OWNERS.items():
    MAKERS |= {
        f"{owner_kind}_without_wiki": create_owner,
        f"{owner_kind}_of_wiki": partial(create_owner_with_wiki, kind=owner_kind),
        f"{owner_kind}_wiki": partial(get_root_page, kind=owner_kind),
        f"{owner_kind}_page": partial(create_sub_page, kind=owner_kind),
    }
