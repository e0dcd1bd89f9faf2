"""Deletion of an entity or of a version, made once over all tries of a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.constants import PROJECT
from synapse_workflows.idempotency.task_state import get_call_state
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient

#: What to do if there is no such entity or version: `fail`, or `ignore` it.
IfMissing = Literal["fail", "ignore"]


class SynapseDeletion(TypedDict):
    """Result of a deletion, as JSON.

    `version` is None for an entity with all versions; `name` is None if it is not known.
    `deleted` is False if the entity or version was gone before the task.
    """

    id: str
    version: int | None
    name: str | None
    deleted: bool


@dataclass(frozen=True)
class DeleteOptions:
    """Options of `delete_entity`.

    Args:
        recursive: Whether to delete a container that is not empty.
        allow_project: Whether to delete a project.
        skip_trash: Whether to delete permanently.
        if_missing: `fail` or `ignore`.
    """

    recursive: bool
    allow_project: bool
    skip_trash: bool
    if_missing: IfMissing


def delete_entity(
    client: LineageClient, entity_id: str, version: int | None, options: DeleteOptions
) -> SynapseDeletion:
    """Delete an entity, or one of its versions, unless an earlier try has done so.

    Args:
        client: Sends the requests.
        entity_id: `syn123`.
        version: The version; None for the entity with all versions.
        options: The options.

    Raises:
        AirflowFailException: The entity is a project or a container that is not empty.
        SynapseNotFoundError: There is no such entity or version.
        SynapseForbiddenError: The user may not delete the entity.
        SynapseBadRequestError: The version is the only one.

    Source:
        DELETE /entity/{id}, DELETE /entity/{id}/version/{versionNumber},
        PUT /trashcan/purge/{id}
        https://rest-docs.synapse.org/rest/DELETE/entity/id.html
    """
    signature = f"delete {entity_id} {version} {options.skip_trash}"
    state = get_call_state(client.synapse_conn_id, signature)
    saved = state.load()
    result: SynapseDeletion = {
        "id": entity_id,
        "version": version,
        "name": (saved or {}).get("name"),
        "deleted": saved is not None,
    }
    try:
        bundle = _get(client, entity_id, version)
    except SynapseNotFoundError as error:
        purges = version is None and options.skip_trash and _is_trashed(error)
        if not (purges or saved is not None or _is_trashed(error)):
            if options.if_missing == "fail":
                raise
            client.logger.info("There is nothing to delete: %s", error.reason)
        if purges:
            state.save({"name": result["name"]})
            client.call("PUT", f"/trashcan/purge/{entity_id}")
            result["deleted"] = True
        return result
    _check(bundle, version, options)
    result["name"] = bundle["entity"]["name"]
    state.save({"name": result["name"]})
    _delete(client, entity_id, version, skip_trash=options.skip_trash)
    result["deleted"] = True
    return result


def _get(client: LineageClient, entity_id: str, version: int | None) -> Mapping[str, Any]:
    """Return the entity, and whether it has children, also those that the user may not read."""
    suffix = "" if version is None else f"/version/{version}"
    parts = {"includeEntity": True, "includeHasChildren": True}
    path = f"/entity/{entity_id}{suffix}/bundle2"
    return client.call("POST", path, json=parts, repeatable=True).object


def _is_trashed(error: SynapseNotFoundError) -> bool:
    return "in trash can" in error.reason


def _check(bundle: Mapping[str, Any], version: int | None, options: DeleteOptions) -> None:
    """Refuse to delete more than the arguments say."""
    entity = bundle["entity"]
    entity_id, kind = entity["id"], bundle["entityType"]
    if version is not None:
        return
    if entity["concreteType"] == PROJECT and not options.allow_project:
        raise AirflowFailException(
            f"Refused to delete {entity_id} ({entity['name']!r}): it is a project. Pass "
            "allow_project=True if this is intended; nothing was deleted"
        )
    if bundle.get("hasChildren") and not options.recursive:
        raise AirflowFailException(
            f"Refused to delete {entity_id} ({entity['name']!r}): the {kind} is not empty. Pass "
            "recursive=True to delete it with all that it contains; nothing was deleted"
        )


def _delete(
    client: LineageClient, entity_id: str, version: int | None, *, skip_trash: bool
) -> None:
    suffix = "" if version is None else f"/version/{version}"
    params = {"skipTrashCan": "true"} if skip_trash and version is None else None
    try:
        client.call("DELETE", f"/entity/{entity_id}{suffix}", params=params)
    except SynapseNotFoundError:
        client.logger.info("Another client has deleted %s%s meanwhile", entity_id, suffix)
    collector = current_collector()
    if collector is not None:
        collector.discard_output(entity_id, version, client)
