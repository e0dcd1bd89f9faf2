"""Factory of the entities with rows: tables and all types of views."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from support.prepared_entities import append_rows, create_table
from synapse_workflows import (
    Column,
    Dataset,
    DatasetCollection,
    EntityViewSchema,
    EntityViewType,
    File,
    MaterializedView,
    SubmissionViewSchema,
)

TABLE_TYPES = [
    "table", "entityview", "submissionview", "dataset", "datasetcollection", "materializedview",
]  # fmt: skip
#: Types whose rows are derived from other objects.
VIEW_TYPES = TABLE_TYPES[1:]
_numbers = count(1)


class TableFactory:
    """Creates tables and views of each type, and adds rows to them.

    Args:
        syn: the client that creates the tables.
        project: ID of the project of the tables.
        folder: folder for local files.
    """

    def __init__(self, syn: Any, project: str, folder: Path) -> None:
        self.syn, self.project, self.folder = syn, project, folder
        folder.mkdir(exist_ok=True)

    def create(self, kind: str) -> str:
        """Create a table or view with one row, in which column `n` is 1; return the table ID."""
        return str(getattr(self, f"_{kind}")())

    def add_row(self, table_id: str) -> None:
        """Add a row in which column `n` is 2."""
        entity = self.syn.restGET(f"/entity/{table_id}")
        kind = entity["concreteType"].rpartition(".")[2]
        if kind == "TableEntity":
            append_rows(self.syn, table_id, [[2]])
        elif kind == "EntityView":
            self.create_file(2)
        elif kind == "SubmissionView":
            self.create_submission(entity["scopeIds"][0], 2)
        elif kind == "MaterializedView":
            append_rows(self.syn, entity["definingSQL"].split()[-1], [[2]])
        else:
            view = self.syn.get(table_id)
            view.add_item(self.create_file(2) if kind == "Dataset" else self.create_dataset(2))
            self.syn.store(view)

    def create_file(self, n: int) -> Any:
        """Store a file with an annotation."""
        path = self.folder / f"file {next(_numbers)}.txt"
        path.write_text(str(n))
        return self.syn.store(File(str(path), parent=self.project, annotations={"n": n}))

    def create_dataset(self, n: int) -> Any:
        """Store a dataset with an annotation."""
        dataset = Dataset(f"Dataset {next(_numbers)}", parent=self.project, n=n)
        return self.syn.store(dataset)

    def create_submission(self, evaluation: str, n: int) -> str:
        """Submit a file and annotate the submission; return its ID."""
        file = self.create_file(n)
        body = {
            "evaluationId": evaluation,
            "entityId": file.id,
            "versionNumber": file.versionNumber,
            "name": f"submission {n}",
        }
        path = f"/evaluation/submission?etag={file.etag}"
        submission_id = self.syn.restPOST(path, json.dumps(body))["id"]
        path = f"/evaluation/submission/{submission_id}/status"
        status = self.syn.restGET(path)
        annotations = {"n": {"type": "LONG", "value": [str(n)]}}
        status["submissionAnnotations"] = {
            "id": submission_id,
            "etag": status["etag"],
            "annotations": annotations,
        }
        self.syn.restPUT(path, json.dumps(status))
        return str(submission_id)

    def _entityview(self) -> str:
        self.create_file(1)
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
        self.create_submission(queue, 1)
        schema = SubmissionViewSchema(
            "Submissions", _columns(), parent=self.project, scopes=[queue]
        )
        return str(self.syn.store(schema).id)

    def _dataset(self) -> str:
        return self._store_collection(Dataset, "Dataset", self.create_file(1))

    def _datasetcollection(self) -> str:
        return self._store_collection(DatasetCollection, "Collection", self.create_dataset(1))

    def _store_collection(self, view_type: type[Any], name: str, item: Any) -> str:
        columns = [Column(name="name", columnType="STRING", maximumSize=256), *_columns()]
        view = view_type(
            name, columns, parent=self.project, dataset_items=[item], addDefaultViewColumns=False
        )
        return str(self.syn.store(view).id)

    def _materializedview(self) -> str:
        sql = f"select * from {self._table()}"
        view = MaterializedView("Materialized", parent=self.project, definingSQL=sql)
        return str(self.syn.store(view).id)

    def _table(self) -> str:
        table = create_table(self.syn, self.project, f"Table {next(_numbers)}", _columns())
        append_rows(self.syn, table, [[1]])
        return table


def _columns() -> list[Column]:
    return [Column(name="n", columnType="INTEGER")]
