"""Folders by path."""

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.store_request import parse_store_request
from synapse_workflows.client.model.entity import Folder
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.lineage.lineage_client import LineageClient


def get_or_create_folder(client: LineageClient, parent_id: str, path: str | None) -> str:
    """Return the ID of a folder below a container, and create the folders that are missing.

    Args:
        client: Sends the requests.
        parent_id: ID of a project or folder.
        path: Names of folders, as `a/b`; empty or None for the container itself.

    Raises:
        AirflowFailException: An entity on the path is not a folder.
        SynapseMalformedEntityError: A name on the path is invalid; no folder was created.
    """
    container = parent_id
    names = [part.strip() for part in (path or "").split("/") if part.strip()]
    for name in names:
        parse_store_request(Folder(name, parent=parent_id))
    for name in names:
        entity_id = client.findEntityId(name, container)
        if entity_id is None:
            container = id_of(client.store(Folder(name, parent=container)))
            continue
        concrete_type = client.call("GET", f"/entity/{entity_id}").json["concreteType"]
        if concrete_type not in CONTAINERS:
            raise AirflowFailException(
                f"Invalid folder {path!r}: {name!r} in {container} is a "
                f"{concrete_type.rpartition('.')[2]} ({entity_id}), not a folder"
            )
        container = entity_id
    return container
