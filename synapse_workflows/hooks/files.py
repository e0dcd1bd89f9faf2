"""Download and upload of files, for the hook and the operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.store_request import parse_store_request
from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.entity_names import is_valid_name
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.client.model.paths import get_file_name
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import ENTITY_TYPES, FILE
from synapse_workflows.hooks.file_references import SynapseFile, local_path, reference_of
from synapse_workflows.idempotency.folders import get_or_create_folder
from synapse_workflows.idempotency.local_files import (
    LocalFile,
    as_local_file,
    flatten,
    is_list,
    is_remote,
)
from synapse_workflows.idempotency.object_storage import ObjectTarget, parse_target
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.store_provenance import IfUnchanged
from synapse_workflows.operator_arguments import (
    check_choice,
    check_flags,
    is_staged,
    parse_reference_text,
)
from synapse_workflows.provenance.record import Origin, Record, UrlRef


@dataclass(frozen=True)
class DownloadOptions:
    """Options of `download`.

    Args:
        download_file: Whether to download the content.
        download_dir: Directory for the file; None for the cache.
        if_collision: What to do when `download_dir` has a file of the same name.
        follow_link: Whether to download the target of a Link.

    Raises:
        AirflowFailException: An argument is invalid.
    """

    download_file: bool = True
    download_dir: Any = None
    if_collision: CollisionPolicy = "keep.both"
    follow_link: bool = False

    def __post_init__(self) -> None:
        check_flags(download_file=self.download_file, follow_link=self.follow_link)
        check_choice(self.if_collision, "if_collision", CollisionPolicy)

    @property
    def target(self) -> Path | ObjectTarget | None:
        """Directory for the file; None for the cache."""
        if self.download_dir is None:
            return None
        try:
            return parse_target(self.download_dir, "download_dir")
        except (TypeError, ValueError) as error:
            raise AirflowFailException(str(error)) from error


def download(client: LineageClient, entity: VersionedId, options: DownloadOptions) -> SynapseFile:
    """Get an entity, and download its file.

    Args:
        client: Sends the requests.
        entity: The entity, with the version to get.
        options: Where to download the file to.

    Returns:
        The reference of the version. `path` is the path or the URL of the file.

    Raises:
        AirflowFailException: `download_dir` is invalid or the entity has no file for it, or the
            file may not be downloaded.
        SynapseNotFoundError: The version does not exist.
    """
    target = options.target
    is_local = isinstance(target, Path)
    found = client.get(
        entity.id,
        **({} if entity.version is None else {"version": entity.version}),
        downloadFile=options.download_file,
        downloadLocation=str(target) if is_local else None,
        ifcollision=options.if_collision if is_local else "keep.both",
        followLink=options.follow_link,
    )
    reference = reference_of(found, client.synapse_conn_id)
    is_expected = options.download_file and options.if_collision != "keep.local"
    if is_expected and reference["concrete_type"] == FILE and reference["path"] is None:
        raise AirflowFailException(
            f"No permission to download {reference['id']}. Ask its owner for DOWNLOAD access, "
            "or set download_file=False"
        )
    if is_expected and target is not None and reference["path"] is None:
        kind = ENTITY_TYPES.get(reference["concrete_type"], "entity")
        raise AirflowFailException(
            f"{reference['id']} (type {kind}) has no file for download_dir. Pass the ID of a "
            "file; SynapseSyncOperator downloads the files of a folder, and "
            "SynapseTableQueryOperator the rows of a table"
        )
    if isinstance(target, ObjectTarget) and reference["path"]:
        file = Path(reference["path"])
        reference["path"] = target.join(file.name).write(file, options.if_collision)
    return reference


def _find_remote_name(path: Any) -> str | None:
    """Return the name of a file that is not on this worker; None if it is not known.

    Raises:
        ValueError: The file is empty.
    """
    value = parse_reference_text(path)
    if is_staged(value):
        if not value["size"]:
            raise ValueError(
                f"Cannot upload {value['name']}: the staged file is empty. Synapse stores files "
                "of at least one byte."
            )
        return str(value["name"])
    is_url = isinstance(value, str | ObjectStoragePath) and "://" in str(value)
    return get_file_name(str(value)) if is_url else None


@dataclass(frozen=True)
class UploadOptions:
    """Options of `FileUpload`, as the arguments of `SynapseStoreOperator`.

    Args:
        folder: Path of folders below the parent.
        name: Name of the entity, for a single path.
        annotations: Annotations of each entity.
        version_label: Label of the version.
        version_comment: Comment of the version.
        force_version: Whether to create a new version of unchanged content.
        if_unchanged: What to do if another run or a person has already stored the same content.
        provenance: `used`, `executed`, `activity`, `activityName` and `activityDescription`, as
            `Synapse.store` takes them.

    Raises:
        AirflowFailException: `force_version` is not a boolean.
    """

    folder: str | None = None
    name: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    version_label: str | None = None
    version_comment: str | None = None
    force_version: bool = False
    if_unchanged: IfUnchanged = "keep"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_flags(force_version=self.force_version)


class FileUpload:
    """Upload of files to one project or folder.

    Args:
        client: Sends the requests.
        parent_id: The project or folder.
        options: Names and versions.
    """

    def __init__(self, client: LineageClient, parent_id: str, options: UploadOptions) -> None:
        self.client = client
        self.parent_id = parent_id
        self.options = options

    def prepare(self, path: Any) -> str:
        """Check the arguments, then create missing folders.

        Args:
            path: One path, or a list of paths.

        Returns:
            The ID of the folder for the files.

        Raises:
            AirflowFailException: A path, a name or an annotation is invalid, or a file is empty.
            SynapseFileNotFoundError: A local file does not exist.
            SynapseNotFoundError: The parent or a declared source does not exist.
        """
        paths = list(flatten(path))
        if self.options.name and len(paths) > 1:
            raise AirflowFailException(
                f"Invalid name {self.options.name!r}: {len(paths)} files cannot have one name. "
                "Remove name to use the file names"
            )
        try:
            self._check_files(paths)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(str(error)) from error
        self.client.require_sources(**self.options.provenance)
        return get_or_create_folder(self.client, self.parent_id, self.options.folder)

    def upload(self, path: Any, folder_id: str) -> SynapseFile | list[SynapseFile]:
        """Upload a file, or the files of a list, to the folder that `prepare` returned.

        Returns:
            The reference of the file; for a list of paths, a list of references.
        """
        references = []
        for one in flatten(path):
            with as_local_file(one, local_path) as file:
                references.append(self._store(file, folder_id))
        return references if is_list(path) else references[0]

    def _check_files(self, paths: Sequence[Any]) -> None:
        """Check names, annotations and local files before anything is created or downloaded.

        Raises:
            AirflowFailException: The type of a path is invalid.
            SynapseFileNotFoundError: A local file does not exist.
            SynapseMalformedEntityError: A name, or the name of an annotation, is invalid.
            ValueError: A local file is empty.
        """
        for path in paths:
            if is_remote(path):
                name = self.options.name or _find_remote_name(path)
                parse_store_request(self._build_file(None, name, self.parent_id))
                continue
            with as_local_file(path, local_path) as file:
                parse_store_request(self._build_file(file.path, self.options.name, self.parent_id))
                UploadSource.of(file.path)

    def _build_file(self, path: Path | None, name: str | None, parent_id: str) -> File:
        file = File(
            path and str(path),
            parent=parent_id,
            name=name or (path and path.name),
            annotations=dict(self.options.annotations),
        )
        if self.options.version_comment is not None:
            file.versionComment = self.options.version_comment
        return file

    def _store(self, file: LocalFile, folder_id: str) -> SynapseFile:
        client, options = self.client, self.options
        name = options.name or file.stored_name or file.path.name
        if file.is_temporary and not is_valid_name(file.path.name):
            file = replace(file, path=file.path.rename(file.path.with_name(name)))
        entity = self._build_file(file.path, name, folder_id)
        collector = current_collector()
        if collector and file.url and client.lineage_mode.is_automatic:
            collector.add(Record.from_refs(Origin.READ, used=[UrlRef(file.url)]))
        stored = client.store(
            entity,
            forceVersion=options.force_version,
            if_unchanged=options.if_unchanged,
            versionLabel=options.version_label,
            **options.provenance,
        )
        activity_id = collector.activity_ids.get(stored.id) if collector else None
        reference = reference_of(stored, client.synapse_conn_id, activity_id)
        if file.is_temporary:
            reference["path"] = None
        client.logger.info(
            "Stored %s (%s.%s)", reference["name"], reference["id"], reference["version"]
        )
        return reference
