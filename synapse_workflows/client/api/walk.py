"""Recursive listing of containers, in the manner of `os.walk`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, get_args

from synapse_workflows import constants
from synapse_workflows.client.api.children import getChildren
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.argument_types import EntityTypeName
from synapse_workflows.client.model.ids import parse_entity_id

#: Types of entities that a container can have as children.
CHILD_TYPES: Final[tuple[EntityTypeName, ...]] = tuple(
    name for name in get_args(EntityTypeName) if name != "project"
)


class WalkedContainer(NamedTuple):
    """A container of a walk: ``path`` (names from the start, separated by ``/``) and ``id``."""

    path: str
    id: str


class WalkedEntity(NamedTuple):
    """An entity in a container: its ``name`` and its ``id``."""

    name: str
    id: str


class WalkStep(NamedTuple):
    """One container of a walk, with its folders and its other entities, each by name."""

    container: WalkedContainer
    folders: list[WalkedEntity]
    entities: list[WalkedEntity]


def walk(
    syn: Session, container: Any, include_types: Sequence[EntityTypeName] = CHILD_TYPES
) -> Iterator[WalkStep]:
    """Iterate over a container and the folders in it, from the top.

    Each step unpacks as in `os.walk`: ``(path, id), [(name, id), ...], [(name, id), ...]``. To
    leave out folders, remove them from the second list before the next step. Links are not
    followed. Entities that the caller may not read are not listed.

    Args:
        syn: The session that sends the requests.
        container: A project or folder, or its ID.
        include_types: Types of the entities to list, as for `getChildren`; folders are always
            listed.

    Yields:
        The container, its folders, and its other entities.

    Raises:
        ValueError: `container` is not a container, or a type is unknown.
        SynapseNotFoundError: A container does not exist, or was deleted during the walk.
        SynapseForbiddenError: The caller may not read the container.

    Source:
        GET /entity/{id}, POST /entity/children
        https://rest-docs.synapse.org/rest/POST/entity/children.html
    """
    types = [*dict.fromkeys((*parse_types(include_types, "include_types"), "folder"))]
    root = syn.call("GET", f"/entity/{parse_entity_id(container).id}").object
    if root["concreteType"] not in constants.CONTAINERS:
        kind = constants.ENTITY_TYPES.get(root["concreteType"], root["concreteType"])
        raise ValueError(
            f"Cannot walk {root['id']}: it is a {kind}. Pass a project or a folder, or its ID."
        )
    pending = [WalkedContainer(root["name"], root["id"])]
    while pending:
        current = pending.pop()
        folders: list[WalkedEntity] = []
        entities: list[WalkedEntity] = []
        for child in getChildren(syn, current.id, types):
            found = folders if child["type"] in constants.CONTAINERS else entities
            found.append(WalkedEntity(child["name"], child["id"]))
        yield WalkStep(current, folders, entities)
        pending += [
            WalkedContainer(f"{current.path}/{name}", folder_id)
            for name, folder_id in reversed(folders)
        ]


def parse_types(types: Sequence[EntityTypeName], argument: str) -> tuple[EntityTypeName, ...]:
    """Validate entity types: a list, or anything that can be iterated over once.

    Returns:
        The types in the order of `CHILD_TYPES`, also of a set.

    Raises:
        ValueError: This is a string or no list, or contains an unknown type.
    """
    given: Any = types
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    given = tuple(given) if is_list else (given,)
    unknown = [one for one in given if one not in CHILD_TYPES] if is_list else given
    if unknown:
        raise ValueError(
            f"Invalid {argument} {unknown[0]!r}: expected a list of {', '.join(CHILD_TYPES)}."
        )
    return tuple(one for one in CHILD_TYPES if one in given)
