"""Paths of entities: `syn123/folder/name.csv`."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse_workflows.client.model.ids import is_synapse_id, split_version

PROTOCOL = "syn"


@dataclass(frozen=True)
class EntityPath:
    """Path of an entity.

    Args:
        root_id: ID of the first entity.
        version: Version of the first entity; None for the current version.
        names: Names of the entities below it.
    """

    root_id: str
    version: int | None = None
    names: Sequence[str] = ()

    @classmethod
    def parse(cls, path: str) -> "EntityPath":
        """Parse a path without protocol.

        Raises:
            ValueError: The path does not start with a Synapse ID, or names a version of a folder.
        """
        root, *names = path.split("/")
        if not is_synapse_id(root):
            raise ValueError(
                f"Invalid path 'syn://{path}': expected the ID of an entity and names below it, "
                "for example 'syn://syn123' or 'syn://syn123/folder/name.csv'."
            )
        found = split_version(root)
        if found.version is not None and names:
            raise ValueError(
                f"Invalid path 'syn://{path}': {root} is a version of an entity, which contains "
                f"no other entity. Use 'syn://{found.id}/{'/'.join(names)}', or the ID and the "
                "version of the file, for example 'syn://syn456.2'."
            )
        return cls(found.id, found.version, [name for name in names if name])

    def __str__(self) -> str:
        version = "" if self.version is None else f".{self.version}"
        return f"{PROTOCOL}://{'/'.join((self.root_id + version, *self.names))}"
