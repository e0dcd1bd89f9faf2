"""Requests for entities, on top of `file_api`."""

import itertools
from typing import Any

from support.file_api import RestService, RestUser, ok
from synapse_workflows.constants import FILE, FOLDER, LINK, PROJECT

REPO = "/repo/v1"
OWNER_IDS = {"admin": 1, "alice": 3300001, "bob": 3300002, "carol": 3300003, "dave": 3300004}
ALL_RIGHTS = [
    "READ", "DOWNLOAD", "CREATE", "UPDATE", "DELETE",
    "CHANGE_PERMISSIONS", "CHANGE_SETTINGS", "MODERATE",
]  # fmt: skip

_numbers = itertools.count(1)


def unique_name(word: str = "thing") -> str:
    """Return a name that no other test uses."""
    return f"{word} {next(_numbers)}"


class Author(RestUser):
    """A user who creates and updates entities."""

    def __init__(
        self, rest_service: RestService, name: str | None, token: str | None = None
    ) -> None:
        known = None if name is None else rest_service.tokens.get(name)
        super().__init__(rest_service.session, rest_service.base_url, token or known)
        self.name = name
        self.id = OWNER_IDS.get(name or "", 273950)

    def make(self, kind: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
        """Create an entity and return the response of the service."""
        return ok(self.try_make(kind, parent, **more))

    def try_make(self, kind: str, parent: str | None = None, **more: Any) -> Any:
        body = {"concreteType": kind, "name": unique_name(), "parentId": parent, **more}
        return self.post(f"{REPO}/entity", body)

    def new_project(self, **more: Any) -> dict[str, Any]:
        return self.make(PROJECT, **more)

    def new_folder(self, parent: str, **more: Any) -> dict[str, Any]:
        return self.make(FOLDER, parent, **more)

    def new_link(self, parent: str, target: str, **more: Any) -> dict[str, Any]:
        return self.make(LINK, parent, linksTo={"targetId": target}, **more)

    def new_file(self, parent: str, content: str = "x", **more: Any) -> dict[str, Any]:
        return self.make(FILE, parent, dataFileHandleId=self.handle(content), **more)

    def handle(self, content: str | None = "x") -> str:
        """Create a file handle with an MD5 derived from `content`; without an MD5 if None."""
        body = {
            "concreteType": "org.sagebionetworks.repo.model.file.ExternalFileHandle",
            "externalURL": "https://example.org/data.csv",
            "fileName": "data.csv",
        }
        if content is not None:
            body |= {"contentMd5": content.encode().hex().ljust(32, "0")[:32], "contentSize": 7}
        return ok(self.post("/file/v1/externalFileHandle", body))["id"]

    def entity(self, entity: str) -> dict[str, Any]:
        return ok(self.get(f"{REPO}/entity/{entity}"))

    def save(self, body: dict[str, Any], query: str = "") -> Any:
        return self.put(f"{REPO}/entity/{body['id']}{query}", body)

    def change(self, entity: str, query: str = "", **more: Any) -> dict[str, Any]:
        """Read and update an entity; return the updated entity."""
        return ok(self.save({**self.entity(entity), **more}, query))

    def create_token(self, **body: Any) -> str:
        """Create an access token with a unique name and return it."""
        body.setdefault("name", unique_name("token"))
        return ok(self.post("/auth/v1/personalAccessToken", body))["token"]

    def acl(self, entity: str) -> dict[str, Any]:
        return ok(self.get(f"{REPO}/entity/{entity}/acl"))

    def share(self, entity: str, rights: dict[int, list[str]]) -> None:
        """Set an ACL: all rights for the author, the given rights for others."""
        wanted = {self.id: ALL_RIGHTS, **rights}
        body = {
            "resourceAccess": [
                {"principalId": who, "accessType": what} for who, what in wanted.items()
            ]
        }
        path = f"{REPO}/entity/{entity}/acl"
        present = self.get(path)
        if present.ok:
            ok(self.put(path, {**body, "etag": present.json()["etag"]}))
        else:
            ok(self.post(path, body))
