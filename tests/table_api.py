"""Tables as the service's own tests speak of them, on top of `entity_api`."""

from typing import Any

from entity_api import REPO, Author
from file_api import ok

from synapse_workflows.vocabulary import MODEL, TABLE

M = f"{MODEL}.table"


class Tabler:
    """An author at work on tables."""

    def __init__(self, author: Author) -> None:
        self.author = author
        self._project: str | None = None

    @property
    def project(self) -> str:
        if self._project is None:
            self._project = self.author.new_project()["id"]
        return self._project

    def column(self, name: str, kind: str = "STRING", **more: Any) -> dict[str, Any]:
        body = {"name": name, "columnType": kind, **more}
        return ok(self.author.post(f"{REPO}/column", body))

    def table(self, *columns: tuple[str, str] | dict[str, Any], **more: Any) -> dict[str, Any]:
        """Create a table of columns: each is (name, type) or a ColumnModel."""
        made = [self.column(*each) if isinstance(each, tuple) else each for each in columns]
        ids = [each["id"] if "id" in each else self.column_of(each)["id"] for each in made]
        return self.author.make(TABLE, self.project, columnIds=ids, **more)

    def column_of(self, body: dict[str, Any]) -> dict[str, Any]:
        return ok(self.author.post(f"{REPO}/column", body))

    def columns(self, table: str) -> list[dict[str, Any]]:
        return ok(self.author.get(f"{REPO}/entity/{table}/column"))["results"]
