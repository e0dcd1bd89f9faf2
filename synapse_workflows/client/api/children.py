"""What lies in a container, and what is called or contains what."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.client.model.ids import parse_entity_id


def getChildren(
    syn: Session,
    parent: Any,
    includeTypes: Sequence[str] = [
        "folder",
        "file",
        "table",
        "link",
        "entityview",
        "dockerrepo",
    ],
    sortBy: str = "NAME",
    sortDirection: str = "ASC",
) -> Iterator[dict[str, Any]]:
    """Iterate over what lies directly in a container.

    Nothing is asked before the first item is; pages of up to 50 follow as the iterator advances.

    Args:
        syn: The session that makes the calls.
        parent: A project or folder, or its id; None for the projects the caller can see.
        includeTypes: Which kinds: ``folder``, ``file``, ``table``, ``link``, ``entityview``,
            ``dockerrepo``, ``submissionview``, ``dataset``, ``datasetcollection``,
            ``materializedview``, ``virtualtable``, ``project``.
        sortBy: ``NAME``, ``CREATED_ON`` or ``MODIFIED_ON``.
        sortDirection: ``ASC`` or ``DESC``.

    Yields:
        Headers: ``id``, ``name``, ``type`` (full type name), ``versionNumber``,
        ``versionLabel``, ``benefactorId``, ``createdOn``, ``createdBy``, ``modifiedOn``,
        ``modifiedBy``, ``isLatestVersion``.

    Raises:
        ValueError: `parent` is no entity, or a kind is not known.
        SynapseForbiddenError: The caller may not read the container.

    Source:
        POST /entity/children
        https://rest-docs.synapse.org/rest/POST/entity/children.html
    """
    body = {
        "parentId": None if parent is None else parse_entity_id(parent).id,
        "includeTypes": list(includeTypes),
        "sortBy": sortBy,
        "sortDirection": sortDirection,
    }
    call = flows.Call("POST", "/entity/children", body=body, repeatable=True)
    yield from syn.each(call, flows.token_page)


def findEntityId(syn: Session, name: str, parent: Any = None) -> str | None:
    """Find the id of the entity of a name in a container.

    Args:
        syn: The session that makes the call.
        name: The exact name, upper and lower case told apart.
        parent: A project or folder, or its id; None looks among projects.

    Returns:
        The id, or None when there is nothing of that name.

    Raises:
        ValueError: `parent` is no entity.
        SynapseForbiddenError: It is there, but the caller may not read it.

    Source:
        POST /entity/child
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    body = {"entityName": name, "parentId": None if parent is None else parse_entity_id(parent).id}
    try:
        reply = syn.call("POST", "/entity/child", json=body, repeatable=True)
    except SynapseNotFoundError:
        return None
    found: str = reply.json["id"]
    return found


def md5Query(syn: Session, md5: str) -> list[dict[str, Any]]:
    """Find the files, in all their versions, whose content has an MD5.

    Args:
        syn: The session that makes the call.
        md5: 32 hexadecimal digits.

    Returns:
        Headers as `getChildren` yields them, at most 200, of what the caller may read.

    Source:
        GET /entity/md5/{md5}
        https://rest-docs.synapse.org/rest/GET/entity/md5/md5.html
    """
    reply = syn.call("GET", f"/entity/md5/{quote(md5, safe='')}")
    found: list[dict[str, Any]] = reply.json["results"]
    return found
