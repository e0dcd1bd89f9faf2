"""Entities that are written by path."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synapse_workflows.client.api import bundles
from synapse_workflows.client.api.entity_paths import find_deepest
from synapse_workflows.client.errors import SynapseConflictError, SynapseMalformedEntityError
from synapse_workflows.client.model.entity import File, Folder
from synapse_workflows.client.model.entity_names import require_valid_name
from synapse_workflows.client.model.entity_paths import EntityPath
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.filesystem.entity_types import TABULAR


@dataclass(frozen=True)
class WriteTarget:
    """A file that is written: an existing file, or a name in a folder.

    Args:
        path: Path of the file.
        parent_id: The project or folder of the file, or the last existing one above it.
        folders: Names of the missing folders below `parent_id`.
        name: Name of the file.
        existing: The bundle of the existing file; None for a new file.
    """

    path: EntityPath
    parent_id: str
    folders: tuple[str, ...]
    name: str
    existing: dict[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def find(cls, syn: Synapse, path: EntityPath, *, must_be_new: bool = False) -> "WriteTarget":
        """Return the file to write, after checks that need no content.

        Args:
            syn: Sends the requests.
            path: Path of the file. Missing folders are created when the file is stored.
            must_be_new: Whether the file must not exist.

        Raises:
            ValueError: The path names a version, or a name is invalid in Synapse.
            FileNotFoundError: The entity at the start of the path does not exist.
            FileExistsError: The file exists, with `must_be_new`.
            IsADirectoryError: The path is a project or folder.
            NotADirectoryError: An entity on the path is neither a project nor a folder.
            SynapseMalformedEntityError: The path is a table or another entity without a file.
            PermissionError: The caller may not write the file.
        """
        if path.version is not None:
            raise ValueError(
                f"Cannot write {path}: a version never changes. Write 'syn://{path.root_id}' to "
                "create a new version."
            )
        entity_id, missing = find_deepest(syn, path)
        bundle = bundles.get_bundle(syn, entity_id, permissions=True)
        if missing:
            _require_container(bundle, path)
            _require_permission(bundle, path, "canAddChild", "create files in")
            for name in missing:
                require_valid_name(name, f"an entity on the path {path}", "Use a name")
            return cls(path, entity_id, tuple(missing[:-1]), missing[-1])
        _require_file(bundle, path)
        if must_be_new:
            raise FileExistsError(f"{path} exists ({entity_id}). Use mode 'w' to replace it")
        _require_permission(bundle, path, "canEdit", "change")
        entity = bundle["entity"]
        return cls(path, entity["parentId"], (), entity["name"], bundle)

    def store(self, syn: Synapse, file: Path, *, must_be_new: bool = False) -> str:
        """Store a file; return its ID. Unchanged content creates no version.

        Args:
            syn: Uploads the file.
            file: The content.
            must_be_new: Whether a file of the same name is an error.

        Raises:
            ValueError: The file is empty, which Synapse does not support.
            FileExistsError: The file exists, with `must_be_new`.
        """
        if file.stat().st_size == 0:
            raise ValueError(
                f"Cannot write {self.path}: the file is empty, and Synapse stores no empty files."
            )
        entity = File(str(file), **self._get_identity(syn))
        try:
            return id_of(syn.store(entity, forceVersion=False, createOrUpdate=not must_be_new))
        except SynapseConflictError as error:
            if not must_be_new:
                raise
            raise FileExistsError(f"{self.path} exists: {error}") from error

    def store_handle(self, syn: Synapse, handle_id: str) -> str:
        """Store a file whose content is an existing file handle; return its ID."""
        entity = File(dataFileHandleId=handle_id, **self._get_identity(syn))
        return id_of(syn.store(entity, forceVersion=False))

    def _get_identity(self, syn: Synapse) -> dict[str, Any]:
        """Return the properties that identify the file; create the missing folders."""
        if self.existing is not None:
            return {"id": self.existing["entity"]["id"], "name": self.name}
        return {"parent": create_folders(syn, self.parent_id, self.folders), "name": self.name}


def create_folders(syn: Synapse, parent_id: str, names: tuple[str, ...]) -> str:
    """Create folders below each other; return the ID of the last one."""
    for name in names:
        parent_id = id_of(syn.store(Folder(name, parent=parent_id)))
    return parent_id


def _require_container(bundle: dict[str, Any], path: EntityPath) -> None:
    entity = bundle["entity"]
    if entity["concreteType"] not in CONTAINERS:
        kind = entity["concreteType"].rpartition(".")[2]
        raise NotADirectoryError(
            f"Cannot write {path}: {entity['name']!r} ({entity['id']}) is a {kind} and contains "
            "no files. Use a project or folder."
        )


def _require_permission(bundle: dict[str, Any], path: EntityPath, right: str, verb: str) -> None:
    """Check a permission before the content is written, if the permissions are known."""
    if bundle.get("permissions", {}).get(right, True):
        return
    raise PermissionError(
        f"Cannot write {path}: no permission to {verb} {bundle['entity']['id']} ({right} is "
        "false). Ask an administrator of the project for access."
    )


def _require_file(bundle: dict[str, Any], path: EntityPath) -> None:
    entity = bundle["entity"]
    if entity["concreteType"] in CONTAINERS:
        raise IsADirectoryError(
            f"Cannot write {path}: {entity['id']} is a project or folder. Add the name of a file, "
            f"for example '{path}/name.csv'."
        )
    if entity["concreteType"] == FILE:
        return
    kind = entity["concreteType"].rpartition(".")[2]
    advice = (
        "Store rows with SynapseTableStoreOperator, SynapseHook.store_rows or Synapse.store."
        if entity["concreteType"] in TABULAR
        else "Choose another name."
    )
    raise SynapseMalformedEntityError(
        f"Cannot write {path}: {entity['id']} is a {kind}, not a file. {advice}"
    )
