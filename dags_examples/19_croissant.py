"""Describe a dataset in Croissant, a JSON-LD format for metadata, in a file with provenance.

Set: the connection `synapse_default`, and the parameters of the run: a dataset, such as one of
14_catalogue_to_datasets.py, the folder for the file, and what Synapse does not know of a dataset.

See: the file lists the files of a snapshot of the dataset, with sizes, types and MD5, and its
Activity lists the snapshot as used. A second run for an unchanged dataset stores nothing. The
columns inside the files (`recordSet`) are not described, and downloads require a sign-in.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk import Param, dag, task

from synapse_workflows import SynapseHook, SynapseTableSnapshotOperator

SYNAPSE_ID = {"type": "string", "pattern": r"^syn\d+$"}
PORTAL, CROISSANT = "https://www.synapse.org/Synapse:", "http://mlcommons.org/croissant/"
CONTEXT = {"@language": "en", "@vocab": "https://schema.org/", "cr": CROISSANT, "md5": "cr:md5"}
CONTEXT["conformsTo"] = "http://purl.org/dc/terms/conformsTo"


def describe_file(file: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a file; what Synapse does not know is left out."""
    size = file["size"] and f"{file['size']} B"
    found = {"encodingFormat": file["content_type"], "md5": file["md5"], "contentSize": size}
    known = {key: value for key, value in found.items() if value}
    url = f"{PORTAL}{file['id']}.{file['version']}"
    return {"@type": "cr:FileObject", "@id": url, "name": file["name"], "contentUrl": url, **known}


@dag(
    schedule=None,
    tags=["synapse", "example"],
    doc_md=__doc__,
    params={
        "dataset_id": Param(description="Dataset", **SYNAPSE_ID),
        "parent_id": Param("syn10000005", description="Folder for the file", **SYNAPSE_ID),
        "creator": Param("Example organization", type="string", minLength=1),
        "license": Param("https://creativecommons.org/licenses/by/4.0/", type="string"),
    },
)
def synapse_19_croissant() -> None:
    """Dataset -> snapshot -> description."""
    snapshot = SynapseTableSnapshotOperator(
        task_id="snapshot", table_id="{{ params.dataset_id }}", if_unchanged="reuse"
    )

    @task
    def describe(snapshot: dict[str, Any], params: dict[str, Any]) -> Any:
        hook = SynapseHook()
        dataset = hook.client.get(f"{snapshot['id']}.{snapshot['version']}")
        with hook.without_lineage():  # the contents of the files are not read
            ids = [f"{one['entityId']}.{one['versionNumber']}" for one in dataset.datasetItems]
            files = [hook.get_file(one, download_file=False) for one in ids]
        content = {
            "@context": CONTEXT,
            "@type": "Dataset",
            "conformsTo": f"{CROISSANT}1.0",
            "name": dataset.name,
            "description": dataset.get("description") or dataset.name,
            "url": f"{PORTAL}{dataset.id}.{snapshot['version']}",
            "version": f"{snapshot['version']}.0.0",
            "datePublished": dataset.modifiedOn,
            "license": params["license"],
            "creator": {"@type": "Organization", "name": params["creator"]},
            "distribution": [describe_file(file) for file in files],
        }
        with TemporaryDirectory() as folder:
            path = Path(folder, f"{dataset.name}.croissant.json")
            path.write_text(json.dumps(content, indent=2))
            return hook.store_file(path, params["parent_id"])

    describe(snapshot.output)


synapse_19_croissant()
