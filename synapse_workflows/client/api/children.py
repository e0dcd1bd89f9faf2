"""Children of containers, and look-up of entities by name or MD5."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.argument_types import (
    EntityTypeName,
    SortBy,
    SortDirection,
)
from synapse_workflows.client.model.ids import parse_entity_id


def getChildren(
    syn: Session,
    parent: Any,
    includeTypes: Sequence[EntityTypeName] = [
        "folder",
        "file",
        "table",
        "link",
        "entityview",
        "dockerrepo",
    ],
    sortBy: SortBy = "NAME",
    sortDirection: SortDirection = "ASC",
) -> Iterator[dict[str, Any]]:
    """Iterate over the direct children of a container.

    The iterator sends its first request when the first item is read, and one request for each
    page of up to 50 items.

    Args:
        syn: The session that sends the requests.
        parent: A project or folder, or its ID; None for the projects visible to the caller.
        includeTypes: Entity types to include: ``folder``, ``file``, ``table``, ``link``,
            ``entityview``, ``dockerrepo``, ``submissionview``, ``dataset``,
            ``datasetcollection``, ``materializedview``, ``virtualtable``, ``project``.
        sortBy: ``NAME``, ``CREATED_ON`` or ``MODIFIED_ON``.
        sortDirection: ``ASC`` or ``DESC``.

    Yields:
        EntityHeaders: ``id``, ``name``, ``type`` (full type name), ``versionNumber``,
        ``versionLabel``, ``benefactorId``, ``createdOn``, ``createdBy``, ``modifiedOn``,
        ``modifiedBy``, ``isLatestVersion``.

    Raises:
        ValueError: `parent` is not an entity, or `includeTypes` is not a list.
        SynapseBadRequestError: An entity type or a sort order is unknown.
        SynapseForbiddenError: The caller may not read the container.

    Source:
        POST /entity/children
        https://rest-docs.synapse.org/rest/POST/entity/children.html
    """
    given: Any = includeTypes
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    if not is_list:
        raise ValueError(
            f"Invalid includeTypes {includeTypes!r}: expected a list of types, such as ['file']."
        )
    body = {
        "parentId": None if parent is None else parse_entity_id(parent).id,
        "includeTypes": list(given),
        "sortBy": sortBy,
        "sortDirection": sortDirection,
    }
    call = flows.Call("POST", "/entity/children", body=body, repeatable=True)
    yield from syn.iter_items(call, flows.fetch_token_page)


def findEntityId(syn: Session, name: str, parent: Any = None) -> str | None:
    """Find the ID of an entity by its name and parent.

    Args:
        syn: The session that sends the request.
        name: The exact, case-sensitive name.
        parent: A project or folder, or its ID; None to find a project.

    Returns:
        The ID; None if there is no such entity.

    Raises:
        ValueError: `parent` is not an entity.
        SynapseForbiddenError: The entity exists, but the caller may not read it.

    Source:
        POST /entity/child
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    body = {"entityName": name, "parentId": None if parent is None else parse_entity_id(parent).id}
    try:
        reply = syn.call("POST", "/entity/child", json=body, repeatable=True)
    except SynapseNotFoundError:
        return None
    found: str = reply.object["id"]
    return found


def md5Query(syn: Session, md5: str) -> list[dict[str, Any]]:
    """Find the versions of files whose content has a given MD5.

    Args:
        syn: The session that sends the request.
        md5: 32 hexadecimal digits.

    Returns:
        EntityHeaders, as in `getChildren`, of the versions that the caller may read; at most 200.

    Raises:
        ValueError: `md5` is empty, or no text.
        SynapseHTTPError: The request failed.

    Source:
        GET /entity/md5/{md5}
        https://rest-docs.synapse.org/rest/GET/entity/md5/md5.html
    """
    given: Any = md5
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"Invalid md5 {md5!r}: expected 32 hexadecimal digits.")
    reply = syn.call("GET", f"/entity/md5/{quote(md5.strip(), safe='')}")
    found: list[dict[str, Any]] = reply.object["results"]
    return found
