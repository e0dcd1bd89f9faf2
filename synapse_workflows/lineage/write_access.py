"""Permission to store a file, checked before its content is uploaded."""

from http import HTTPStatus

from synapse_workflows.client.api import children
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.model.paths import get_file_name
from synapse_workflows.lineage.collector import current_collector


def require_write_access(client: Session, file: File, conn_id: str) -> None:
    """Check before the upload that the caller may store a file.

    If the permissions are not readable, the check passes; Synapse then checks the permissions
    when the file is stored.

    Args:
        client: Sends the requests.
        file: The file to store, with its ID, or with its parent and name.
        conn_id: The Airflow connection. The rights in a parent are read once per task and
            connection.

    Raises:
        SynapseForbiddenError: The caller may not create the file, or not change the existing one.
        SynapseNotFoundError: The file or the parent does not exist.

    Source:
        GET /entity/{id}/permissions
        https://rest-docs.synapse.org/rest/GET/entity/id/permissions.html
    """
    if file.get("id"):
        _require(client, id_of(file), "canEdit", "change")
        return
    parent = str(file["parentId"])
    collector = current_collector()
    rights = (
        _get_rights(client, parent)
        if collector is None
        else collector.get_or_create(
            f"rights {conn_id} {parent}", lambda: _get_rights(client, parent)
        )
    )
    if rights is None or (rights["canAddChild"] and rights["canEdit"]):
        return
    name = file.get("name") or get_file_name(str(file.get("path")))
    existing = children.findEntityId(client, name, parent)
    if existing is not None:
        _require(client, existing, "canEdit", "change")
    elif not rights["canAddChild"]:
        raise _forbidden(parent, "canAddChild", "create files in")


def _require(client: Session, entity_id: str, right: str, verb: str) -> None:
    rights = _get_rights(client, entity_id)
    if rights is not None and not rights[right]:
        raise _forbidden(entity_id, right, verb)


def _get_rights(client: Session, entity_id: str) -> dict[str, bool] | None:
    """Return the rights of the caller; None if they are not readable."""
    try:
        rights: dict[str, bool] = client.call("GET", f"/entity/{entity_id}/permissions").json
    except SynapseNotFoundError:
        raise
    except SynapseHTTPError:
        return None
    return rights


def _forbidden(entity_id: str, right: str, verb: str) -> SynapseForbiddenError:
    return SynapseForbiddenError(
        HTTPStatus.FORBIDDEN,
        f"No permission to {verb} {entity_id} ({right} is false). Nothing was uploaded",
        f"GET /entity/{entity_id}/permissions",
        advice="Ask an administrator of the project for access, or choose another parent.",
    )
