"""Mirror an external catalogue as datasets, and keep a table of their links in step.

Set: the connections `synapse_default` and `catalogue` (HTTP; its host has the catalogue), and the
parameters of the run: the path of a JSON list with `id` (the name of the dataset), `title`, `url`
and `keywords`, and the project for the datasets.

See: one dataset for each entry, found again by its ID and never by its position. Entries with
missing fields fail the task before anything is stored. The table `Catalogue` has one row for each
entry; rows of entries that the catalogue no longer has are deleted. The datasets stay, for people
to decide about, and keep their files and other annotations. A second run stores nothing.
"""

from typing import Any

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows import Dataset, SynapseHook, SynapseTableStoreOperator

FIELDS = {"id": str, "title": str, "url": str, "keywords": list}
ANNOTATIONS = {"title": "title", "sameAs": "url", "keywords": "keywords"}


@dag(
    schedule="@monthly",
    catchup=False,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "path": "catalogue.json",
        "project_id": Param("syn10000001", description="Project", pattern=r"^syn\d+$"),
    },
)
def synapse_14_catalogue() -> None:
    """Entries of a catalogue -> datasets -> a table of links."""

    @task
    def entries(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of the catalogue, all of them valid."""
        found = HttpHook("GET", http_conn_id="catalogue").run(params["path"]).json()
        for entry in found:
            wrong = [key for key, kind in FIELDS.items() if not isinstance(entry.get(key), kind)]
            if wrong:
                raise AirflowFailException(f"Invalid {', '.join(wrong)} of the entry {entry}")
        if len({entry["id"] for entry in found}) < len(found):
            raise AirflowFailException("Two entries have the same ID")
        return found

    @task
    def store(entries: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
        """Create or annotate the dataset of each entry; return the rows of the table."""
        hook = SynapseHook()
        with hook.without_lineage():
            children = hook.client.getChildren(params["project_id"], includeTypes=["dataset"])
            ids = {child["name"]: child["id"] for child in children}
        annotations = {}
        for entry in entries:
            name = entry["id"]
            if name not in ids:
                ids[name] = hook.client.store(Dataset(name, parent=params["project_id"])).id
            annotations[ids[name]] = {key: entry[field] for key, field in ANNOTATIONS.items()}
        hook.annotate(None, annotations)
        links = [{field: entry[field] for field in FIELDS} for entry in entries]
        return [{**link, "dataset": ids[link["id"]]} for link in links]

    SynapseTableStoreOperator(
        task_id="links",
        rows=store(entries()),
        columns=[*FIELDS, "dataset"],
        mode="upsert",
        key="id",
        delete_missing=True,
        create=True,
        parent_id="{{ params.project_id }}",
        name="Catalogue",
    )


synapse_14_catalogue()
