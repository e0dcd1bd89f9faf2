"""fsspec file system of Synapse."""

from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

from fsspec.compression import compr
from fsspec.core import get_compression

from synapse_workflows.client.model.entity_paths import EntityPath
from synapse_workflows.filesystem.clients import current_collector, mask_in_task
from synapse_workflows.filesystem.entity_listing import EntityListing
from synapse_workflows.filesystem.entity_types import DIRECTORY
from synapse_workflows.filesystem.write_file import SynapseTextFile, SynapseWriteFile

if TYPE_CHECKING:
    from synapse_workflows.filesystem.write_target import WriteTarget

_TEXT_OPTIONS: Final = ("encoding", "errors", "newline")


class SynapseFileSystem(EntityListing):
    """Entities of Synapse as files and directories, for fsspec, pandas and `ObjectStoragePath`.

    A path starts with the ID of an entity: `syn://syn123` is the file syn123, `syn://syn123.4` its
    version 4, and `syn://syn123/folder/name.csv` a file in the project or folder syn123. With an
    Airflow connection: `syn://conn_id@syn123`. Names are not percent-encoded.

    A file that is opened for reading is downloaded to the cache of the client, with verified MD5;
    of a file of at least 64 MiB, ranges are read until more than an eighth of it is read. Tables
    and views are read as CSV. A written file is stored when it is closed: as a new version,
    or unchanged if the content is the same. Missing folders are created. Inside an Airflow task,
    both are recorded in the lineage of the task, and a stored file has its Activity.

    Args:
        synapse_conn_id: Airflow connection; None for `synapse_default` in a process of Airflow,
            and for the account of the user of this machine elsewhere.
        profile: Profile of `~/.synapseConfig`, without a connection.
        config_path: Configuration file instead of `~/.synapseConfig`, without a connection.
        options: Options of `AbstractFileSystem`.
    """

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file for reading (`r`), writing (`w`) or creating (`x`).

        Args:
            path: The path.
            mode: `rb`, `wb`, `xb`, or a text mode `r`, `w`, `x`.
            block_size: Size of the ranges of a large file in bytes; 4 MiB by default.
            cache_options: Ignored.
            compression: Compression of the content, or `infer`.
            options: `version` for reading; `encoding`, `errors` and `newline` for text.

        Raises:
            FileNotFoundError: There is no such entity or version.
            ValueError: Unsupported mode; files in Synapse cannot be appended to or updated.
        """
        if str(mode).replace("b", "").replace("t", "") not in {
            "r",
            "w",
            "x",
        }:
            raise ValueError(
                f"Unsupported mode {mode!r} for {path}: files in Synapse cannot be appended to or "
                "updated. Read the file, and write the whole new content with mode 'w'."
            )
        if "b" not in mode:
            text = {key: options.pop(key) for key in _TEXT_OPTIONS if key in options}
            mode = mode.replace("t", "") + "b"
            file = self.open(path, mode, block_size, cache_options, compression, **options)
            return SynapseTextFile(file, **text)
        if mode != "rb" and compression is not None:
            name = get_compression(self._strip_protocol(path), compression)
            options["compress"] = None if name is None else _get_compressor(name)
            compression = None
        return super().open(path, mode, block_size, cache_options, compression, **options)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,  # noqa: ARG002
        version: int | None = None,
        compress: Callable[[IO[bytes]], IO[bytes]] | None = None,
        with_ranges: bool = True,
        **_options: Any,
    ) -> Any:
        """Open a file in binary mode."""
        from synapse_workflows.filesystem.read_file import open_read
        from synapse_workflows.filesystem.write_target import WriteTarget

        if mode == "rb":
            is_current = version is None and EntityPath.parse(path).version is None
            return open_read(
                self.client,
                self.info(path, version),
                is_current=is_current,
                block_size=block_size,
                with_ranges=with_ranges,
            )
        if version is not None:
            raise ValueError(
                f"Cannot write syn://{path} with version={version}: a version never changes. Omit "
                "version to create a new one."
            )
        must_be_new = mode == "xb"
        target = WriteTarget.find(self.client, EntityPath.parse(path), must_be_new=must_be_new)
        store = partial(self._store, target, must_be_new=must_be_new)
        file = SynapseWriteFile(path, target.name, store, autocommit=autocommit, compress=compress)
        collector = current_collector()
        if collector is not None:
            collector.add_finish_callback(file.require_closed)
        return file

    def _store(self, target: "WriteTarget", file: Any, *, must_be_new: bool) -> None:
        target.store(self.client, file, must_be_new=must_be_new)

    def mkdir(self, path: str, create_parents: bool = True, **_options: Any) -> None:
        """Create a folder.

        Raises:
            FileExistsError: There is an entity at this path.
            FileNotFoundError: A parent is missing, and `create_parents` is False.
        """
        from synapse_workflows.filesystem import entity_changes

        entity_changes.create_directory(
            self.client, self._parse(path), create_parents=create_parents, exist_ok=False
        )

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a folder and its missing parents.

        Raises:
            FileExistsError: There is a folder at this path, unless `exist_ok`; or an entity that
                is not a folder.
        """
        from synapse_workflows.filesystem import entity_changes

        if self._strip_protocol(path):
            entity_changes.create_directory(
                self.client, self._parse(path), create_parents=True, exist_ok=exist_ok
            )

    def rmdir(self, path: str) -> None:
        """Delete an empty container.

        Raises:
            OSError: The container is not empty.
        """
        from synapse_workflows.filesystem import entity_changes

        entity_changes.delete_directory(self.client, self._parse(path))

    def _rm(self, path: str) -> None:
        """Delete a file or one of its versions."""
        self._delete(self._parse(path), recursive=False)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete entities, which Synapse moves to the trash can.

        Args:
            path: A path or pattern, or a list of these.
            recursive: Whether to delete containers with everything in them.
            maxdepth: Maximum depth of `**` in a pattern.

        Raises:
            FileNotFoundError: There is no such entity.
            IsADirectoryError: A path is a container, and `recursive` is False.
        """
        for one in self.expand_path(path, recursive=False, maxdepth=maxdepth):
            self._delete(self._parse(one), recursive=recursive)

    def _delete(self, path: EntityPath, *, recursive: bool) -> None:
        from synapse_workflows.filesystem import entity_changes

        entity_changes.delete_entity(self.client, path, recursive=recursive)

    def get_file(self, rpath: str, lpath: Any = None, *args: Any, **options: Any) -> None:
        """Download a file, as fsspec does. The whole file is downloaded, with verified MD5."""
        super().get_file(rpath, lpath, *args, with_ranges=False, **options)

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        """Copy a file in Synapse without a download. Its source is recorded as read.

        Raises:
            SynapseUnsupportedStorageError: The source is not a file.
            PermissionError: The caller may not download the source.
        """
        from synapse_workflows.filesystem import entity_changes
        from synapse_workflows.filesystem.write_target import WriteTarget

        info = self.info(path1)
        if info["type"] == DIRECTORY:
            self.makedirs(path2, exist_ok=True)
            return
        target = WriteTarget.find(self.client, self._parse(path2))
        entity_changes.copy_file(self.client, info, target)

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        **options: Any,
    ) -> None:
        """Copy files, as fsspec does, but a missing file is an error in recursive copies, too."""
        super().copy(path1, path2, recursive, maxdepth, on_error or "raise", **options)

    def mv(
        self,
        path1: str,
        path2: str,
        recursive: bool = False,  # noqa: ARG002 - an entity is moved with everything in it
        maxdepth: int | None = None,
        **_options: Any,
    ) -> None:
        """Move or rename an entity, with its versions, annotations and everything in it.

        Raises:
            ValueError: `maxdepth` is given.
            FileExistsError: There is an entity at the new path.
            FileNotFoundError: There is no entity at the old path, or no container for the new one.
        """
        from synapse_workflows.filesystem import entity_changes

        if maxdepth is not None:
            raise ValueError(f"Unsupported maxdepth={maxdepth}: an entity is moved as a whole.")
        client: Any = self.client
        moved = entity_changes.move_entity(client, self._parse(path1), self._parse(path2))
        collector = current_collector()
        if collector is not None:
            collector.rename_output(moved["id"], moved["name"], client)

    def sign(
        self,
        path: str,
        expiration: int = 100,  # noqa: ARG002 - Synapse determines the lifetime
        **_options: Any,
    ) -> str:
        """Return a pre-signed URL of a file. The file is recorded as read.

        Args:
            path: The path.
            expiration: Ignored: Synapse determines the lifetime of the URL, usually 15 minutes.

        Raises:
            PermissionError: The caller may not download the file.
        """
        from synapse_workflows.filesystem import entity_changes

        url = entity_changes.sign_url(self.client, self.info(path))
        mask_in_task(url)
        return url


def _get_compressor(name: str) -> Callable[[IO[bytes]], IO[bytes]]:
    # without the time, equal content has equal bytes: a retry creates no version
    options = {"mtime": 0} if name == "gzip" else {}
    return partial(compr[name], mode="wb", **options)
