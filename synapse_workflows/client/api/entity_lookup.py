"""What `get` is asked for: an id, an entity, a name in a container, or a local file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_workflows.client.api import children
from synapse_workflows.client.core.cache_map import file_md5
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseFileNotFoundError
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import entity_id, is_synapse_id, version_number
from synapse_workflows.client.model.paths import expand


@dataclass(frozen=True)
class Found:
    """Which entity is meant.

    Args:
        entity_id: ``syn123``.
        version: A number; None for the current one.
        path: The local file it was found by, when it was.
        local_state: What is known here of the entity already.
    """

    entity_id: str
    version: int | None = None
    path: str | None = None
    local_state: Mapping[str, Any] | None = None


def find(
    syn: Session, entity: Any, version: int | str | None = None, limit_search: Any = None
) -> Found:
    """Find out which entity is meant.

    Args:
        syn: The session that makes the calls; there are none when `entity` carries an id.
        entity: The path of a local file, an id (``syn123.4`` names a version), an entity, a
            mapping with ``id``, or one with ``name`` and ``parentId``.
        version: A number; it wins over one that rides on the id.
        limit_search: A project or folder that a file found by its content must lie in.

    Raises:
        SynapseFileNotFoundError: Text that is neither a file nor an id, or nothing was found.
        ValueError: An entity that was not stored, or something that is no entity.
    """
    if isinstance(entity, (str, Path)):
        path = Path(expand(entity))
        if path.is_file():
            return _by_content(syn, path, limit_search)
        if not is_synapse_id(str(entity)):
            raise SynapseFileNotFoundError(
                f"{entity!s} is neither a local file path  or a valid entity id. "
                "Give an id such as 'syn123', or the path of a file that exists here."
            )
    if isinstance(entity, Mapping) and not entity.get("id"):
        return Found(_by_name(syn, entity), _number(version))
    named = entity_id(entity)
    state = entity.local_state() if isinstance(entity, Entity) else None
    return Found(named.id, _number(version) or named.version, local_state=state)


def _number(version: int | str | None) -> int | None:
    return None if version is None else version_number(version)


def _by_name(syn: Session, entity: Mapping[str, Any]) -> str:
    if isinstance(entity, Entity) or not entity.get("name"):
        raise ValueError(
            "Cannot retrieve entity that has not been saved. "
            "Please use syn.store() to save your entity and try again."
        )
    name, parent = entity["name"], entity.get("parentId")
    found = children.findEntityId(syn, name, parent)
    if found is None:
        where = parent or "the projects you can see"
        raise SynapseFileNotFoundError(f"There is no entity named {name!r} in {where}.")
    return found


def _by_content(syn: Session, path: Path, limit_search: Any) -> Found:
    """Find the file entity that holds the content of a local file.

    Source:
        GET /entity/md5/{md5}, GET /entity/{id}/path
        https://rest-docs.synapse.org/rest/GET/entity/md5/md5.html
    """
    headers = children.md5Query(syn, file_md5(path))
    limit = None if limit_search is None else entity_id(limit_search).id
    if limit is not None:
        headers = [one for one in headers if _lies_in(syn, one["id"], limit)]
    if not headers:
        within = "" if limit is None else f" in {limit}"
        raise SynapseFileNotFoundError(
            f"File {path} not found in Synapse{within}: no file that you may read holds the same."
        )
    found = [f"{one['id']}.{one['versionNumber']}" for one in headers]
    if len(found) > 1:
        syn.logger.warning(
            "The content of %s is in Synapse more than once (%s); using %s",
            path,
            ", ".join(found),
            found[0],
        )
    return Found(headers[0]["id"], headers[0]["versionNumber"], path=str(path.absolute()))


def _lies_in(syn: Session, entity: str, container: str) -> bool:
    steps = syn.call("GET", f"/entity/{entity}/path").json["path"]
    return any(step["id"] == container for step in steps)
