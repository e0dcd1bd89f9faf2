"""Everything that has rows: tables, entity views, submission views, datasets."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    File,
    Schema,
    SubmissionViewSchema,
    Table,
)
from synapse_workflows.constants import DATASET

TABLE_TYPES = ["table", "entityview", "submissionview", "dataset"]
#: Those whose rows are something else.
VIEW_TYPES = TABLE_TYPES[1:]
_numbers = count(1)


class TableFactory:
    """Makes one of each kind.

    Args:
        syn: a client of who makes them.
        project: where.
        folder: for files.
    """

    def __init__(self, syn: Any, project: str, folder: Path) -> None:
        self.syn, self.project, self.folder = syn, project, folder
        folder.mkdir(exist_ok=True)

    def make(self, kind: str) -> str:
        """Make one that shows a row, with a column `n` that is 1; its id."""
        return str(getattr(self, f"_{kind}")())

    def add(self, shown: str) -> None:
        """Let it show a row more, whose `n` is 2."""
        entity = self.syn.restGET(f"/entity/{shown}")
        kind = entity["concreteType"].rpartition(".")[2]
        if kind == "TableEntity":
            self.syn.store(Table(shown, [[2]]))
        elif kind == "EntityView":
            self.file(2)
        elif kind == "SubmissionView":
            self.submission(entity["scopeIds"][0], 2)
        else:
            entity["items"].append(self.item(2))
            self.syn.restPUT(f"/entity/{shown}", json.dumps(entity))

    def file(self, n: int) -> Any:
        """Store a file with an annotation."""
        path = self.folder / f"shown {next(_numbers)}.txt"
        path.write_text(str(n))
        return self.syn.store(File(str(path), parent=self.project, annotations={"n": n}))

    def item(self, n: int) -> dict[str, Any]:
        """Store a file, and give what a dataset says of it."""
        stored = self.file(n)
        return {"entityId": stored.id, "versionNumber": stored.versionNumber}

    def submission(self, evaluation: str, n: int) -> str:
        """Submit a file, and annotate that; the id of the submission."""
        file = self.file(n)
        body = {
            "evaluationId": evaluation,
            "entityId": file.id,
            "versionNumber": file.versionNumber,
            "name": f"submission {n}",
        }
        path = f"/evaluation/submission?etag={file.etag}"
        made = self.syn.restPOST(path, json.dumps(body))["id"]
        path = f"/evaluation/submission/{made}/status"
        status = self.syn.restGET(path)
        noted = {"n": {"type": "LONG", "value": [str(n)]}}
        status["submissionAnnotations"] = {
            "id": made,
            "etag": status["etag"],
            "annotations": noted,
        }
        self.syn.restPUT(path, json.dumps(status))
        return str(made)

    def _table(self) -> str:
        schema = self.syn.store(Schema("Table", _columns(), parent=self.project))
        self.syn.store(Table(schema, [[1]]))
        return str(schema.id)

    def _entityview(self) -> str:
        self.file(1)
        schema = EntityViewSchema(
            "View",
            _columns(),
            parent=self.project,
            scopes=[self.project],
            includeEntityTypes=[EntityViewType.FILE],
        )
        return str(self.syn.store(schema).id)

    def _submissionview(self) -> str:
        body = {"name": f"Queue {self.project}", "contentSource": self.project}
        queue = self.syn.restPOST("/evaluation", json.dumps(body))["id"]
        self.submission(queue, 1)
        schema = SubmissionViewSchema(
            "Submissions", _columns(), parent=self.project, scopes=[queue]
        )
        return str(self.syn.store(schema).id)

    def _dataset(self) -> str:
        names = [{"name": "name", "columnType": "STRING", "maximumSize": 256}, *_columns()]
        body = {
            "concreteType": DATASET,
            "name": "Dataset",
            "parentId": self.project,
            "items": [self.item(1)],
            "columnIds": [self.syn.store(Column(**column)).id for column in names],
        }
        return str(self.syn.restPOST("/entity", json.dumps(body))["id"])


def _columns() -> list[Column]:
    return [Column(name="n", columnType="INTEGER")]
