"""Move of an entity, made once over all tries of a task."""

from typing import Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.errors import SynapseConflictError, SynapseStaleError
from synapse_workflows.constants import PROJECT
from synapse_workflows.idempotency.task_state import get_call_state
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient


class SynapseMove(TypedDict):
    """Reference to a moved entity, as JSON.

    `version` is None for an entity without versions. `moved` is False if the entity was in the
    container before; `previous_parent_id` is then equal to `parent_id`.
    """

    id: str
    version: int | None
    name: str
    parent_id: str
    previous_parent_id: str
    moved: bool


def move_entity(client: LineageClient, entity_id: str, parent_id: str) -> SynapseMove:
    """Move an entity into a container, unless it is there already.

    Args:
        client: Sends the requests.
        entity_id: `syn123`.
        parent_id: The project or folder.

    Raises:
        AirflowFailException: The entity is a project, or the container has another entity of this
            name.
        SynapseForbiddenError: The user may not move the entity, or add to the container.

    Source:
        GET /entity/{id}, PUT /entity/{id}
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    state = get_call_state(client.synapse_conn_id, f"move {entity_id} {parent_id}")
    entity = _get(client, entity_id)
    if entity["concreteType"] == PROJECT:
        raise AirflowFailException(
            f"Invalid entity_id: {entity_id} is a project, which cannot move"
        )
    previous = (state.load() or {}).get("previous_parent_id", entity["parentId"])
    if entity["parentId"] != parent_id:
        state.save({"previous_parent_id": previous})
        was_public = _is_public(client, entity_id)
        _move(client, entity, parent_id)
        entity = _get(client, entity_id)
        if _is_public(client, entity_id) and not was_public:
            client.logger.warning(
                "%s is public now, because it inherits the permissions of its new container %s",
                entity_id,
                parent_id,
            )
    collector = current_collector()
    if collector is not None:
        collector.rename_output(entity_id, entity["name"], client)
    return {
        "id": entity_id,
        "version": entity.get("versionNumber"),
        "name": entity["name"],
        "parent_id": parent_id,
        "previous_parent_id": previous,
        "moved": previous != parent_id,
    }


def _get(client: LineageClient, entity_id: str) -> dict[str, Any]:
    return client.call("GET", f"/entity/{entity_id}").object


def _move(client: LineageClient, entity: dict[str, Any], parent_id: str) -> None:
    try:
        client.move(entity["id"], parent_id)
    except SynapseStaleError:
        raise
    except SynapseConflictError as error:
        raise AirflowFailException(
            f"{entity['id']} was not moved: {parent_id} has another entity with the name "
            f"{entity['name']!r}. Rename or delete one of them ({error.reason})"
        ) from error


def _is_public(client: LineageClient, entity_id: str) -> bool:
    found = client.call("GET", f"/entity/{entity_id}/permissions").object
    return bool(found.get("canPublicRead"))
