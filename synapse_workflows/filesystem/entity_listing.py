"""Listings and properties of entities, in the interface of fsspec."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from fsspec import AbstractFileSystem

from synapse_workflows.client.model.argument_types import EntityTypeName
from synapse_workflows.client.model.entity_paths import PROTOCOL, EntityPath
from synapse_workflows.client.model.ids import parse_version_number
from synapse_workflows.constants import PROJECT
from synapse_workflows.filesystem.clients import FileSystemClient
from synapse_workflows.filesystem.entity_types import DIRECTORY

if TYPE_CHECKING:
    from synapse_workflows.client.synapse import Synapse

#: All types of entities in a container.
_CHILD_TYPES: Final[tuple[EntityTypeName, ...]] = tuple(
    name for name in get_args(EntityTypeName) if name != "project"
)
#: Options of `AbstractFileSystem`.
_BASE_OPTIONS: Final = frozenset(
    {
        "asynchronous",
        "batch_size",
        "listings_expiry_time",
        "loop",
        "max_paths",
        "skip_instance_cache",
        "use_listings_cache",
    }
)


class EntityListing(AbstractFileSystem):  # type: ignore[misc]
    """Base class of the file system: it lists entities and returns their properties.

    Args:
        synapse_conn_id: As for `SynapseFileSystem`.
        profile: As for `SynapseFileSystem`.
        config_path: As for `SynapseFileSystem`.
        options: Options of `AbstractFileSystem`.

    Raises:
        TypeError: Unknown options.
    """

    protocol = PROTOCOL
    root_marker = ""

    def __init__(
        self,
        synapse_conn_id: str | None = None,
        *,
        profile: str | None = None,
        config_path: str | None = None,
        **options: Any,
    ) -> None:
        unknown = sorted(options.keys() - _BASE_OPTIONS)
        if unknown:
            raise TypeError(
                f"Invalid storage options {', '.join(unknown)}: expected synapse_conn_id, profile "
                "or config_path."
            )
        super().__init__(**options)
        self._client = FileSystemClient(synapse_conn_id, profile, config_path)

    @property
    def client(self) -> "Synapse":
        """The logged-in client."""
        return self._client.get()

    @property
    def fsid(self) -> str:
        """Identity of the file system, for the comparison of object stores."""
        return f"{PROTOCOL}-{self._client.synapse_conn_id or self._client.profile or 'default'}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """Return a path without protocol and connection.

        Raises:
            TypeError: The path is neither text nor a path object, nor a list of these.
        """
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"Invalid path {path!r}: expected text, for example 'syn://syn123'.")
        root, slash, names = super()._strip_protocol(path).lstrip("/").partition("/")
        return root.rpartition("@")[2] + slash + names

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        """Return the connection in a URL, as an argument of the file system."""
        root = path.partition("://")[2].partition("/")[0]
        conn_id = root.rpartition("@")[0]
        return {"synapse_conn_id": conn_id} if conn_id else {}

    def info(self, path: str, version: int | None = None, **_options: Any) -> dict[str, Any]:
        """Return the information about an entity; see `entity_info.fetch_info`.

        Args:
            path: The path.
            version: Version number of the file; None for the version in the path, or else the
                current version.

        Raises:
            FileNotFoundError: There is no such entity or version.
            PermissionError: The caller may not read the entity.
        """
        from synapse_workflows.client.api.entity_paths import find_by_path
        from synapse_workflows.filesystem import entity_info

        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "type": DIRECTORY, "size": 0}
        parsed, client = EntityPath.parse(path), self.client
        number = parsed.version if version is None else parse_version_number(version)
        return entity_info.fetch_info(client, path, find_by_path(client, parsed), number)

    def ls(
        self, path: str, detail: bool = True, *, with_sizes: bool = True, **_options: Any
    ) -> list[Any]:
        """List the children of a container; for another entity, the entity itself.

        Args:
            path: The path; the empty path lists all projects that are visible to the account.
            detail: Whether to return the information about each entity, instead of its path.
            with_sizes: Whether the information includes the size, MD5 and etag of files, which
                takes one request per file.

        Raises:
            FileNotFoundError: There is no such entity.
        """
        from synapse_workflows.client.api import children
        from synapse_workflows.filesystem import entity_info

        path = self._strip_protocol(path)
        own = self.info(path)
        if own["type"] != DIRECTORY:
            return [own] if detail else [path]
        client = self.client
        if path:
            headers = children.getChildren(client, own["id"], _CHILD_TYPES)
            found = [entity_info.build_info(f"{path}/{one['name']}", one) for one in headers]
        else:
            headers = children.getChildren(client, None, ["project"])
            found = [
                entity_info.build_info(one["id"], {**one, "type": PROJECT}) for one in headers
            ]
        if not detail:
            return [one["name"] for one in found]
        return entity_info.add_sizes(client, found) if with_sizes else found

    def exists(self, path: str, **options: Any) -> bool:
        """Return whether there is an entity at a path.

        Raises:
            PermissionError: The caller may not read the entity.
            SynapseError: Synapse is not reachable.
        """
        try:
            self.info(path, **options)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: str) -> bool:
        """Return whether a path is a project or folder. Raises the errors of `exists`."""
        return self._get_type(path) == DIRECTORY

    def isfile(self, path: str) -> bool:
        """Return whether a path is a file, table or view. Raises the errors of `exists`."""
        return self._get_type(path) == "file"

    def _get_type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def walk(
        self, path: str, maxdepth: int | None = None, topdown: bool = True, **options: Any
    ) -> Iterator[Any]:
        """Walk a container, as fsspec does. A container that is not readable is an error."""
        options.setdefault("with_sizes", options.get("detail", False))
        if options.pop("on_error", "omit") == "omit":
            options["on_error"] = _raise_unless_missing
        yield from super().walk(path, maxdepth, topdown, **options)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """List all files below a path, as fsspec does."""
        options.setdefault("with_sizes", detail)
        return super().find(path, maxdepth, withdirs, detail, **options)

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> Any:
        """Find entities whose path matches a pattern, as fsspec does."""
        options.setdefault("with_sizes", options.get("detail", False))
        return super().glob(path, maxdepth, **options)

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **options: Any,
    ) -> Any:
        """Return the size of all files below a path in bytes; without `total`, of each by path.

        An unknown size counts as 0: that of a table, or of a file that is not downloadable.
        """
        found = self.find(path, maxdepth, withdirs, detail=True, **options)
        sizes = {name: info["size"] or 0 for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def checksum(self, path: str) -> int:
        """Return the MD5 of a file as a number.

        Raises:
            ValueError: The MD5 is unknown.
        """
        info = self.info(path)
        if info.get("md5") is None:
            raise ValueError(f"syn://{info['name']} has no MD5: it is no file, or not readable.")
        return int(info["md5"], 16)

    def ukey(self, path: str) -> str:
        """Return a text that changes with the version and the etag of an entity."""
        info = self.info(path)
        return f"{info['id']}.{info['version']}-{info['etag']}"

    def created(self, path: str) -> datetime:
        """Return when an entity was created."""
        return cast("datetime", self.info(path)["created"])

    def modified(self, path: str) -> datetime:
        """Return when the version of an entity was modified."""
        return cast("datetime", self.info(path)["modified"])

    def _parse(self, path: str) -> EntityPath:
        return EntityPath.parse(self._strip_protocol(path))


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
