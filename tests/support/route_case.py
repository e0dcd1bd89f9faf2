"""One request to the local service that provokes a documented status of a route.

A case is data. Its path and its body may name objects in braces, which `support.route_world`
creates when a case needs them:

    Case("PUT /entity/{folder}", 412, "a stale etag", read="/entity/{folder}", body={"etag": "x"})

`read` is the path of an object that is read first; the body of the request is this object with the
properties of `body`. Paths belong to the repository service, or start with `auth:` or `file:`.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import requests

from support.route_world import World, resolve
from support.wire_facts import WireFacts

ACCEPTED = 202
FACTS = WireFacts()
#: Parts of documented texts that stand for any value, as in "the names: X" or "version: '1'".
PLACEHOLDER = re.compile(r"\bsyn(?:N|\d+)\b|\b(?:N|X|Y|ID|\d+)\b|\.\.\.")


@dataclass(frozen=True)
class Case:
    """A request, the status that it must have, and what provokes this status.

    Args:
        line: Method and path.
        status: HTTP status of the response.
        cause: What provokes the status; part of the ID of the test.
        body: JSON of the request.
        reason: Text in `reason` of an error, or its `errorCode`, as documented: N, X, Y, ID,
            numbers and entity IDs stand for any value.
        user: User name; None for an anonymous request.
        read: Path of the object that the body changes.
        headers: Further headers of the request.
        data: Body of the request instead of JSON.
        stack: Status of the service during the request.
    """

    line: str
    status: int
    cause: str = ""
    body: Any = None
    reason: str = ""
    user: str | None = "alice"
    read: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    stack: str = ""

    @cached_property
    def route(self) -> str:
        """The route in the table of facts, as `METHOD /path/{parameter}`; empty if unknown."""
        method, path = self.line.split(" ", 1)
        found = FACTS.route(method, resolve(path.partition("?")[0]))
        return found.name if found else ""

    def __str__(self) -> str:
        """Return the ID of the test."""
        return f"{self.line} {self.status} {self.cause}".strip()

    def send(self, world: World) -> requests.Response:
        """Send the request. Poll a job until it has ended, unless its status is tested."""
        method, path = self.line.split(" ", 1)
        path, body = resolve(world.fill(path)), world.fill(self.body)
        user = world.user(self.user)
        if self.read:
            body = {**world.read(self.user, resolve(world.fill(self.read))), **(body or {})}
        request = requests.Request(method, user.base_url + path, user.headers | self.headers)
        request.json, request.data = body, self.data
        prepared = user.session.prepare_request(request)
        with world.stack(self.stack):
            response = user.session.send(prepared, allow_redirects=False, timeout=30)
            while response.status_code == ACCEPTED != self.status:
                response = user.session.send(prepared, allow_redirects=False, timeout=30)
        return response

    def check(self, response: requests.Response) -> None:
        """Assert the status and the reason of the response."""
        assert response.status_code == self.status, response.text
        if self.reason:
            error = response.json()
            text = f"{error.get('errorCode')} {error.get('error')} {error['reason']}"
            assert re.search(_to_pattern(self.reason), text), text


def _to_pattern(reason: str) -> str:
    """Return the pattern of a documented text."""
    parts = PLACEHOLDER.split(reason)
    return ".*".join(re.escape(part) for part in parts)
