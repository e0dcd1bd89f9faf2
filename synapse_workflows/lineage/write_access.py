"""Permission to create a file, checked before its content is uploaded."""

from http import HTTPStatus

from synapse_workflows.client.api import children
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.paths import get_file_name
from synapse_workflows.lineage.collector import current_collector


def require_create_access(client: Session, file: File, conn_id: str) -> None:
    """Check before the upload that the caller may create a file, unless the file exists.

    The client itself checks before the upload that an existing file may be changed. If the
    permissions are not readable, the check passes; Synapse then checks the permissions when the
    file is stored.

    Args:
        client: Sends the requests.
        file: The file to store, with its ID, or with its parent and name.
        conn_id: The Airflow connection. The rights in a parent are read once per task and
            connection.

    Raises:
        SynapseForbiddenError: The caller may not create the file.
        SynapseNotFoundError: The parent does not exist.

    Source:
        GET /entity/{id}/permissions
        https://rest-docs.synapse.org/rest/GET/entity/id/permissions.html
    """
    if file.get("id"):
        return
    parent = str(file["parentId"])
    collector = current_collector()
    can_create = (
        _can_create(client, parent)
        if collector is None
        else collector.get_or_create(
            f"rights {conn_id} {parent}", lambda: _can_create(client, parent)
        )
    )
    if can_create:
        return
    name = file.get("name") or get_file_name(str(file.get("path")))
    if children.findEntityId(client, name, parent) is None:
        raise SynapseForbiddenError(
            HTTPStatus.FORBIDDEN,
            f"No permission to create files in {parent} (canAddChild is false). Nothing was "
            "uploaded",
            f"GET /entity/{parent}/permissions",
            advice="Ask an administrator of the project for access, or choose another parent.",
        )


def _can_create(client: Session, parent: str) -> bool:
    """Return whether the caller may create files in a container; True if that is unknown."""
    try:
        rights = client.call("GET", f"/entity/{parent}/permissions").json
    except SynapseNotFoundError:
        raise
    except SynapseHTTPError:
        return True
    return bool(rights["canAddChild"])
