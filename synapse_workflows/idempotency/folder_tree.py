"""Folders below a container, listed once each, and the state of the files in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from synapse_workflows.client.api import bundles, children
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseForbiddenError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import FILE, FOLDER
from synapse_workflows.idempotency.object_paths import list_parents, split_path
from synapse_workflows.idempotency.refusals import Refusal
from synapse_workflows.lineage.lineage_client import LineageClient

_LISTED: Final = ("folder", "file")


@dataclass(frozen=True)
class FileState:
    """Current version of a file.

    Args:
        entity: Properties as JSON.
        annotations: AnnotationsValue by key.
        handle: The file handle; None if the caller may not download the file.
    """

    entity: Mapping[str, Any]
    annotations: Mapping[str, Any]
    handle: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """ID of the file."""
        return str(self.entity["id"])

    @property
    def version(self) -> int:
        """Number of the current version."""
        return int(self.entity["versionNumber"])

    @property
    def size(self) -> int:
        """Size of the content in bytes; 0 if it is unknown."""
        return int((self.handle or {}).get("contentSize") or 0)

    @classmethod
    def read(cls, client: LineageClient, entity_id: str) -> Self | Refusal:
        """Read the current version of a file.

        Returns:
            The state; a refusal if the entity is not a file.

        Source:
            POST /entity/{id}/bundle2
            https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
        """
        bundle = bundles.get_bundle(client, entity_id)
        entity = bundle["entity"]
        if entity["concreteType"] != FILE:
            return Refusal(_describe_other_type(entity, "file"))
        annotations = bundle["annotations"].get("annotations") or {}
        return cls(entity, annotations, bundles.get_file_handle(bundle))


@dataclass
class FolderTree:
    """Folders and files below a container, by path. The path of the container is empty.

    Args:
        client: Sends the requests.
        folders: IDs of folders.
        files: IDs of files.
    """

    client: LineageClient
    folders: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, client: LineageClient, root_id: str, needed: Iterable[str], whole: str | None
    ) -> Self:
        """List folders, one level after the other.

        Args:
            client: Sends the requests.
            root_id: ID of the container.
            needed: Paths of folders to list, if they exist.
            whole: Path of a folder to list with everything below it; None for none.
        """
        tree = cls(client, {"": root_id})
        listed = {parent for path in (*needed, whole or "") for parent in list_parents(path)}
        level = [""]
        while level:
            found = map_parallel(tree._list, level, client.max_threads)
            level = [path for _, paths in found for path in paths]
            if whole is None:
                level = [path for path in level if path in listed]
            else:
                level = [path for path in level if path in listed or _is_below(path, whole)]
        return tree

    def read_files(self, paths: Iterable[str]) -> dict[str, FileState]:
        """Return the states of files by path, without files that were deleted meanwhile."""
        states = map_parallel(self._read_file, list(paths), self.client.max_threads)
        return {path: one for path, one in states if isinstance(one, FileState)}

    def _read_file(self, path: str) -> FileState | Refusal | None:
        try:
            return FileState.read(self.client, self.files[path])
        except SynapseNotFoundError:
            return None

    def create(self, needed: Iterable[str]) -> dict[str, Refusal]:
        """Create the folders that are missing, with the folders above them.

        Returns:
            Refusals by path of the folders that could not be created.
        """
        paths = {parent for path in needed for parent in list_parents(path)}
        refusals: dict[str, Refusal] = {}
        by_depth: dict[int, list[str]] = {}
        for path in sorted(paths - self.folders.keys()):
            by_depth.setdefault(path.count("/"), []).append(path)
        for depth in sorted(by_depth):
            level = []
            for path in by_depth[depth]:
                above = refusals.get(split_path(path)[0])
                level += [path] if above is None else []
                refusals |= {} if above is None else {path: above}
            for path, result in map_parallel(self._create, level, self.client.max_threads):
                if isinstance(result, Refusal):
                    refusals[path] = result
                else:
                    self.folders[path] = result
        return refusals

    def find_conflict(self, path: str) -> Refusal | None:
        """Return the refusal of a new file, if a listed folder or file is in its way."""
        if path in self.folders:
            return Refusal(f"{path} is a folder ({self.folders[path]}), not a file")
        above = [one for one in list_parents(split_path(path)[0]) if one in self.files]
        return (
            Refusal(f"{above[0]} is a file ({self.files[above[0]]}), not a folder")
            if above
            else None
        )

    def _list(self, path: str) -> list[str]:
        """List a folder; return the paths of the folders in it."""
        found = []
        for child in children.getChildren(self.client, self.folders[path], list(_LISTED)):
            child_path = f"{path}/{child['name']}" if path else child["name"]
            if child["type"] == FOLDER:
                self.folders[child_path] = child["id"]
                found.append(child_path)
            elif child["type"] == FILE:
                self.files[child_path] = child["id"]
        return found

    def _create(self, path: str) -> str | Refusal:
        """Create a folder; return its ID, or the ID of the folder that another client created.

        Source:
            POST /entity, POST /entity/child, GET /entity/{id}
            https://rest-docs.synapse.org/rest/POST/entity.html
        """
        above, name = split_path(path)
        parent = self.folders[above]
        body = {"concreteType": FOLDER, "name": name, "parentId": parent}
        try:
            return str(self.client.call("POST", "/entity", json=body).json["id"])
        except SynapseConflictError:
            found = find_child(self.client, name, parent)
        if isinstance(found, Refusal):
            return found
        entity = self.client.call("GET", f"/entity/{found}").json
        if entity["concreteType"] != FOLDER:
            return Refusal(_describe_other_type(entity, "folder"))
        return found


def find_child(client: LineageClient, name: str, parent_id: str) -> str | Refusal:
    """Return the ID of the child whose name caused a conflict.

    Source:
        POST /entity/child
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    try:
        found = children.findEntityId(client, name, parent_id)
    except SynapseForbiddenError:
        return Refusal(f"{name!r} in {parent_id} belongs to another user, and is not readable")
    if found is None:
        return Refusal(
            f"{name!r} in {parent_id} was in use, and is now deleted", is_permanent=False
        )
    return found


def _describe_other_type(entity: Mapping[str, Any], expected: str) -> str:
    kind = str(entity["concreteType"]).rpartition(".")[2]
    where = f"{entity['name']!r} in {entity['parentId']}"
    return f"{where} is a {kind} ({entity['id']}), not a {expected}"


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
