"""Files and folders below a container in Synapse, listed once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, get_args

from synapse_workflows.client.api import bundles, children
from synapse_workflows.client.core.file_names import append_to_stem, safe_file_name
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.argument_types import EntityTypeName
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.constants import CONTAINERS, FILE, FOLDER
from synapse_workflows.sync.results import ItemError

#: All types of entities in a container.
ALL_TYPES: Final = [one for one in get_args(EntityTypeName) if one != "project"]


@dataclass(frozen=True, slots=True)
class Child:
    """An entity that was listed.

    Args:
        id: `syn123`.
        name: Name.
        concrete_type: Full type.
        version: Version, if the type has versions.
        parent_id: ID of its container.
        folder: Path of its container, with the names in Synapse; empty for the top.
    """

    id: str
    name: str
    concrete_type: str
    version: int | None
    parent_id: str
    folder: str

    @property
    def path(self) -> str:
        """Path with the names in Synapse."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def type_name(self) -> str:
        """Type for messages: `Table`."""
        return self.concrete_type.rpartition(".")[2].removesuffix("Entity")


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Current version of a file.

    Args:
        entity: Properties as JSON.
        annotations: AnnotationsValue by key.
        handle: The file handle; None if the caller may not download the file.
    """

    entity: Mapping[str, Any]
    annotations: Mapping[str, Any]
    handle: Mapping[str, Any] | None

    @classmethod
    def read(cls, syn: Session, entity_id: str, version: int | None = None) -> Self:
        """Read a version of an entity.

        Raises:
            SynapseNotFoundError: The version does not exist.

        Source:
            POST /entity/{id}/bundle2
            https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
        """
        bundle = bundles.get_bundle(syn, entity_id, version)
        annotations = bundle["annotations"].get("annotations") or {}
        return cls(bundle["entity"], annotations, bundles.get_file_handle(bundle))

    @property
    def version(self) -> int:
        """Number of the version."""
        return int(self.entity["versionNumber"])

    @property
    def md5(self) -> str | None:
        """MD5 of the content in hex, if it is known."""
        found = (self.handle or {}).get("contentMd5")
        return str(found).lower() if found else None

    @property
    def size(self) -> int | None:
        """Size of the content in bytes, if it is known."""
        found = (self.handle or {}).get("contentSize")
        return None if found is None else int(found)

    @property
    def url(self) -> str | None:
        """URL of an external file, without credentials."""
        url = (self.handle or {}).get("externalURL")
        return None if url is None else redact_url(str(url))


@dataclass
class EntityTree:
    """Entities below a container.

    Args:
        syn: Sends the requests.
        root_id: ID of the container.
        folders: The folders by path, with the names in Synapse.
        others: All other entities by path.
    """

    syn: Session
    root_id: str
    folders: dict[str, Child] = field(default_factory=dict)
    others: dict[str, Child] = field(default_factory=dict)

    @classmethod
    def read(cls, syn: Session, root_id: str) -> Self:
        """List a container with everything below it, one level after the other.

        Raises:
            ItemError: The entity is no project or folder.
            SynapseNotFoundError: The container does not exist.
            SynapseForbiddenError: A folder cannot be read.
        """
        root = syn.call("GET", f"/entity/{root_id}").json
        if root["concreteType"] not in CONTAINERS:
            kind = root["concreteType"].rpartition(".")[2]
            raise ItemError(
                f"{root_id} ({root['name']}) is a {kind}. Pass a project or a folder",
                is_permanent=True,
            )
        tree = cls(syn, root_id)
        level = [("", root_id)]
        while level:
            listed = map_parallel(tree._list, level, syn.max_threads)
            level = [(one.path, one.id) for _, found in listed for one in found]
        return tree

    def _list(self, folder: tuple[str, str]) -> list[Child]:
        """List a folder, and add its children; return the folders in it."""
        found = list(list_children(self.syn, *folder))
        for one in found:
            (self.folders if one.concrete_type == FOLDER else self.others)[one.path] = one
        return [one for one in found if one.concrete_type == FOLDER]

    @property
    def files(self) -> dict[str, Child]:
        """The files by path, with the names in Synapse."""
        return {path: one for path, one in self.others.items() if one.concrete_type == FILE}

    def map_to_local(self) -> dict[str, str]:
        """Return the path in a directory by the path in Synapse, of all entities.

        Names that are no file names, such as `..`, are replaced. The result depends only on the
        names and IDs, so that it is the same each time.
        """
        local: dict[str, str] = {"": ""}
        by_folder: dict[str, list[Child]] = {}
        for one in (*self.folders.values(), *self.others.values()):
            by_folder.setdefault(one.folder, []).append(one)
        for folder in sorted(by_folder, key=lambda path: path.count("/") + bool(path)):
            start = f"{local[folder]}/" if folder else ""
            for path, name in _name_children(by_folder[folder]).items():
                local[path] = start + name
        del local[""]
        return local


def find_version(syn: Session, entity_id: str) -> FileVersion | None:
    """Return the current version of a file; None if the entity does not exist any more."""
    try:
        return FileVersion.read(syn, entity_id)
    except SynapseNotFoundError:
        return None


def list_children(syn: Session, folder: str, folder_id: str) -> Iterator[Child]:
    """Yield the children of a folder, of all types.

    Args:
        syn: Sends the requests.
        folder: Path of the folder.
        folder_id: ID of the folder.
    """
    for one in children.getChildren(syn, folder_id, ALL_TYPES):
        yield Child(
            one["id"], one["name"], one["type"], one.get("versionNumber"), folder_id, folder
        )


def _name_children(entities: Iterable[Child]) -> dict[str, str]:
    """Return a file name for each child of one folder; no two are the same."""
    by_name: dict[str, Child] = {}
    replaced = []
    for one in sorted(entities, key=lambda child: child.name):
        if safe_file_name(one.name, one.id) == one.name:
            by_name[one.name] = one
        else:
            replaced.append(one)
    for one in replaced:
        name = safe_file_name(one.name, one.id)
        while name in by_name:
            name = append_to_stem(name, f"-{one.id}")
        by_name[name] = one
    return {one.path: name for name, one in by_name.items()}


def create_folders(
    syn: Session, known: dict[str, str], needed: Iterable[str]
) -> dict[str, Exception]:
    """Create missing folders, with the folders above them; each is created once.

    Args:
        syn: Sends the requests.
        known: IDs of folders by path, with the container as empty path. New folders are added.
        needed: Paths of the folders.

    Returns:
        Errors by path, of folders that could not be created.
    """
    failed: dict[str, Exception] = {}
    missing = {above for path in needed for above in _list_parents(path)} - known.keys()
    by_depth: dict[int, list[str]] = {}
    for path in sorted(missing):
        by_depth.setdefault(path.count("/"), []).append(path)

    def create(path: str) -> str | Exception:
        folder, _, name = path.rpartition("/")
        try:
            return failed[folder] if folder in failed else _create(syn, known[folder], name)
        except (SynapseError, ItemError) as error:
            return error

    for depth in sorted(by_depth):
        for path, result in map_parallel(create, by_depth[depth], syn.max_threads):
            if isinstance(result, Exception):
                failed[path] = result
            else:
                known[path] = result
    return failed


def _create(syn: Session, parent_id: str, name: str) -> str:
    """Create a folder; return its ID, or the ID of the folder that another client created.

    Source:
        POST /entity, POST /entity/child, GET /entity/{id}
        https://rest-docs.synapse.org/rest/POST/entity.html
    """
    body = {"concreteType": FOLDER, "name": name, "parentId": parent_id}
    try:
        return str(syn.call("POST", "/entity", json=body).json["id"])
    except SynapseConflictError:
        found = children.findEntityId(syn, name, parent_id)
    if found is None:
        raise ItemError(f"The folder {name!r} in {parent_id} was deleted during the run")
    entity = syn.call("GET", f"/entity/{parse_entity_id(found).id}").json
    if entity["concreteType"] != FOLDER:
        kind = entity["concreteType"].rpartition(".")[2]
        raise ItemError(f"{name!r} in {parent_id} is a {kind} ({found}), not a folder")
    return found


def _list_parents(folder: str) -> list[str]:
    """Return the paths of a folder and of all folders above it, without the top."""
    names = folder.split("/") if folder else []
    return ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
