"""Objects of the local service that the cases of `support.route_case` name.

An object is created when a case names it first, and shared by the cases. One whose name starts
with `new_` belongs to one case, which may change or delete it.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from support.entity_api import OWNER_IDS, REPO, Author
from support.evaluation_api import Submitter
from support.file_api import RestService, ok
from support.table_api import TableClient
from synapse_workflows.local.settings import DEFAULT_USERS, Throttle, UserSeed

#: Users of the service: eve has a password, and erin has not agreed to the terms of use.
USERS = (
    *DEFAULT_USERS,
    UserSeed(user_name="eve", password="pw"),
    UserSeed(user_name="erin", accepts_terms_of_use=False),
)
#: Limits that only the cases of status 429 exceed, and one poll of each job that returns 202.
COLUMN_REQUESTS = 30
SETTINGS: dict[str, Any] = {
    "users": USERS,
    "throttle": Throttle(concurrent=100, requests=1_000_000, columns=COLUMN_REQUESTS),
    "processing_answers": 1,
}
NAME = re.compile(r"\{(\w+)\}")

Maker = Callable[["World"], Any]
MAKERS: dict[str, Maker] = {}


def maker(function: Maker) -> Maker:
    """Register a function that creates the object of its name."""
    MAKERS[function.__name__] = function
    return function


class World:
    """A service and its objects.

    Args:
        rest_service: The service.
        database: Database file of the service.
    """

    def __init__(self, rest_service: RestService, database: Path) -> None:
        self.rest_service, self.database = rest_service, database
        self.alice, self.bob = self.user("alice"), self.user("bob")
        self.organiser, self.tables = Submitter(self.alice), TableClient(self.alice)
        self._shared: dict[str, Any] = {
            f"{name}_id": str(number) for name, number in OWNER_IDS.items()
        }
        self._own: dict[str, Any] = {}

    def user(self, name: str | None) -> Author:
        """Return the requests of a user, or of a token that is an object."""
        token = self.get(name) if name and name.removeprefix("new_") in MAKERS else None
        return Author(self.rest_service, name, token)

    def start_case(self) -> None:
        """Forget the objects of the case before."""
        self._own = {}

    def get(self, name: str) -> Any:
        """Return an object; create it if the world does not have it."""
        objects = self._own if name.startswith("new_") else self._shared
        if name not in objects:
            objects[name] = MAKERS[name.removeprefix("new_")](self)
        return objects[name]

    def fill(self, value: Any) -> Any:
        """Replace `{name}` in texts. A text that is one name becomes the object itself."""
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        if whole := NAME.fullmatch(value):
            return self.get(whole[1])
        return NAME.sub(lambda match: str(self.get(match[1])), value)

    def read(self, user: str | None, path: str) -> Any:
        """Return the JSON of a path, for a user who may read it."""
        response = self.user(user).get(path)
        return ok(response if response.ok else self.alice.get(path))

    @contextmanager
    def stack(self, status: str) -> Iterator[None]:
        """Set the status of the service for the duration of the block."""
        if status:
            self._set_stack(status)
        try:
            yield
        finally:
            if status:
                self._set_stack("READ_WRITE")

    def _set_stack(self, status: str) -> None:
        ok(self.user("admin").put(f"{REPO}/admin/synapse/status", {"status": status}))

    def start_job(self, path: str, body: dict[str, Any]) -> str:
        """Start a job of alice and return its token."""
        path = resolve(self.fill(path))
        return ok(self.alice.post(f"{path}/async/start", self.fill(body)))["token"]

    def copy_row(self, table: str, condition: str, count: int, **changes: str) -> None:
        """Insert copies of a row into the database, where requests would take too long.

        Args:
            table: Name of the table.
            condition: SQL condition of the row.
            count: Number of copies.
            changes: Column -> SQL expression of its value in copy `n`, from 1.
        """
        with closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changes.get(column, column) for column in columns)
            database.execute(
                f"WITH RECURSIVE numbers(n) AS "
                f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
                f"INSERT INTO {table} SELECT {values} FROM {table}, numbers WHERE {condition}"
            )


def resolve(path: str) -> str:
    """Return the path on the server; `auth:` and `file:` name another service than repo."""
    service, colon, rest = path.partition(":")
    return f"/{service}/v1{rest}" if colon and service in {"auth", "file"} else f"/repo/v1{path}"
