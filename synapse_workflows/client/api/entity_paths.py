"""Look-up of entities by path."""

from collections.abc import Sequence

from synapse_workflows.client.api import children
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.entity_paths import EntityPath


def find_by_path(syn: Session, path: EntityPath) -> str:
    """Return the ID of the entity at a path.

    Raises:
        FileNotFoundError: There is no such entity.

    Source:
        POST /entity/child
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    entity_id, missing = find_deepest(syn, path)
    if missing:
        raise FileNotFoundError(
            f"Not found: there is no entity named {missing[0]!r} in {entity_id} (path {path})"
        )
    return entity_id


def find_deepest(syn: Session, path: EntityPath) -> tuple[str, Sequence[str]]:
    """Return the ID of the last entity of a path that exists, and the names below it.

    Source:
        POST /entity/child
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    entity_id = path.root_id
    for index, name in enumerate(path.names):
        found = children.findEntityId(syn, name, entity_id)
        if found is None:
            return entity_id, path.names[index:]
        entity_id = found
    return entity_id, ()
