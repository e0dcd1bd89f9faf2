"""Operators that download and upload files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api.store_request import parse_store_request
from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.entity_names import is_valid_name
from synapse_workflows.client.model.paths import get_file_name
from synapse_workflows.client.transfer.upload_source import UploadSource
from synapse_workflows.constants import FILE
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.hooks.file_references import SynapseFile, local_path, reference_of
from synapse_workflows.idempotency.folders import get_or_create_folder
from synapse_workflows.idempotency.object_storage import ObjectTarget, parse_target
from synapse_workflows.idempotency.staging import (
    LocalFile,
    as_local_file,
    flatten,
    is_list,
    is_remote,
)
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.store_provenance import IfUnchanged, check_if_unchanged
from synapse_workflows.operator_arguments import (
    check_provenance,
    optional_mapping,
    optional_text,
    parse_version,
)
from synapse_workflows.operators.base import SynapseOperator
from synapse_workflows.provenance.record import Origin, Record, UrlRef

if TYPE_CHECKING:
    from airflow.sdk import Context


_TEXTS: Final = (
    "folder",
    "name",
    "version_label",
    "version_comment",
    "activity_name",
    "activity_description",
)


class SynapseGetOperator(SynapseOperator):
    """Download an entity from Synapse.

    Returns a reference (`SynapseFile`) for other tasks. `local_path(reference)` returns the file
    on any worker. The file is in the cache of the worker, or in `download_dir`.

    Args:
        entity_id: `syn123` for the current version, `syn123.4` for version 4, or a reference
            (templated).
        version: Version number; overrides the version in `entity_id` (templated).
        download_file: Whether to download the content.
        download_dir: Directory for the file, instead of the cache: a local path, the URL of a
            directory in object storage (`s3://conn@bucket/key`), or an `ObjectStoragePath`. The
            content is streamed there (templated).
        if_collision: What to do when `download_dir` has a file of the same name: `keep.both`,
            `overwrite.local` or `keep.local`.
        follow_link: Whether to download the target of a Link.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "entity_id",
        "version",
        "download_dir",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id", "version")

    def __init__(
        self,
        *,
        entity_id: Any,
        version: int | str | None = None,
        download_file: bool = True,
        download_dir: Any = None,
        if_collision: CollisionPolicy = "keep.both",
        follow_link: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entity_id = entity_id
        self.version = version
        self.download_file = download_file
        self.download_dir = download_dir
        self.if_collision = if_collision
        self.follow_link = follow_link

    def execute(self, context: "Context") -> SynapseFile:
        """Download the entity and return its reference."""
        parsed = parse_entity_id(self.entity_id, "entity_id")
        version = parse_version(self.version, "version") or parsed.version
        target = self._target()
        is_local = isinstance(target, Path)
        with self.entity_link(parsed.id, version):
            entity = self.hook.client.get(
                parsed.id,
                **({} if version is None else {"version": version}),
                downloadFile=self.download_file,
                downloadLocation=str(target) if is_local else None,
                ifcollision=self.if_collision if is_local else "keep.both",
                followLink=self.follow_link,
            )
        reference = reference_of(entity, self.synapse_conn_id)
        self.set_entity_url(reference["id"], reference["version"])
        self.set_map_index_name(context, reference["name"])
        self._require_content(reference)
        if isinstance(target, ObjectTarget) and reference["path"]:
            file = Path(reference["path"])
            reference["path"] = target.join(file.name).write(file, self.if_collision)
        self.push_items(context, reference)
        self.log.info(
            "Read %s (%s.%s), the %s version",
            reference["name"],
            reference["id"],
            reference["version"],
            "current" if version is None else "requested",
        )
        return reference

    def _target(self) -> Path | ObjectTarget | None:
        """Return the directory for the file; None for the cache."""
        if self.download_dir is None:
            return None
        try:
            return parse_target(self.download_dir, "download_dir")
        except (TypeError, ValueError) as error:
            raise AirflowFailException(str(error)) from error

    def _require_content(self, reference: SynapseFile) -> None:
        expected = self.download_file and self.if_collision != "keep.local"
        if expected and reference["concrete_type"] == FILE and reference["path"] is None:
            raise AirflowFailException(
                f"No permission to download {reference['id']}. Ask its owner for DOWNLOAD access, "
                "or set download_file=False"
            )


class SynapseStoreOperator(SynapseOperator):
    """Upload files to Synapse and record their provenance.

    The Activity of the files lists the inputs of this task, the inputs of the upstream tasks from
    which this task takes data, and the code of the DAG. Returns a reference; if `path` is a list,
    returns a list with one reference per path.

    Args:
        path: A local path, the URL of an object, an `ObjectStoragePath`, a reference, or a list of
            these (templated).
        parent_id: The project or folder (templated).
        folder: Path of folders below the parent, as `2026/november`; missing folders are created
            (templated).
        name: Name of the entity, for a single path; the default is the file name, or the `name` in
            the reference of a query (templated).
        annotations: Annotations of each entity (templated).
        version_label: Label of the version; a new label creates a new version (templated).
        version_comment: Comment of the version (templated).
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity: Inputs, code, name and description as one `Activity` or its JSON. An Activity
            with an ID is linked unchanged (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        force_version: Whether to create a new version of unchanged content.
        if_unchanged: What to do if another run or a person has already stored the same content.
            `keep` keeps the existing version and its Activity, and logs their origin; different
            `annotations` are set on the existing version, and a different label or comment
            creates a version. `new_version` creates a version with the Activity of this task. A
            retry of the task never creates a second version.
        kwargs: `synapse_conn_id`, `lineage_mode` (`declared`: record only `used` and `executed`)
            and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "path",
        "parent_id",
        "folder",
        "name",
        "annotations",
        "version_label",
        "version_comment",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("path", "used", "executed", "activity")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "path": "json",
        "annotations": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        path: Any,
        parent_id: Any,
        folder: str | None = None,
        name: str | None = None,
        annotations: dict[str, Any] | None = None,
        version_label: str | None = None,
        version_comment: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        force_version: bool = False,
        if_unchanged: IfUnchanged = "keep",
        **kwargs: Any,
    ) -> None:
        check_if_unchanged(if_unchanged)
        super().__init__(**kwargs)
        self.path = path
        self.parent_id = parent_id
        self.folder = folder
        self.name = name
        self.annotations = annotations
        self.version_label = version_label
        self.version_comment = version_comment
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description
        self.force_version = force_version
        self.if_unchanged = if_unchanged

    def execute(self, context: "Context") -> SynapseFile | list[SynapseFile]:
        """Upload the files and return their references."""
        paths = list(flatten(self.path))
        self._normalize_arguments()
        if self.name and len(paths) > 1:
            raise AirflowFailException(
                f"Invalid name {self.name!r}: {len(paths)} files cannot have one name. Remove "
                "name to use the file names"
            )
        parent_id = parse_entity_id(self.parent_id, "parent_id").id
        client = self.hook.client
        with self.entity_link(parent_id):
            try:
                self._check_files(paths, parent_id)
            except (TypeError, ValueError) as error:
                raise AirflowFailException(str(error)) from error
            client.require_sources(**self._provenance)
            container = get_or_create_folder(client, parent_id, self.folder)
        references = []
        for path in paths:
            with as_local_file(path, local_path) as file:
                references.append(self._store(client, file, container))
        if references:
            last = references[-1]
            self.set_entity_url(last["id"], last["version"])
            self.set_map_index_name(context, ", ".join(one["name"] for one in references))
        if is_list(self.path):
            self.multiple_outputs = False  # multiple outputs require a dictionary
            return references
        self.push_items(context, references[0])
        return references[0]

    def _normalize_arguments(self) -> None:
        """Check and normalize the arguments before sending any request."""
        for argument in _TEXTS:
            setattr(self, argument, optional_text(getattr(self, argument), argument))
        self.annotations = optional_mapping(self.annotations, "annotations")
        self.activity = check_provenance(self.used, self.executed, self.activity)

    @property
    def _provenance(self) -> dict[str, Any]:
        """Declared provenance, as arguments of `Synapse.store`."""
        return {
            "used": self.used,
            "executed": self.executed,
            "activity": self.activity,
            "activityName": self.activity_name,
            "activityDescription": self.activity_description,
        }

    def _check_files(self, paths: Sequence[Any], parent_id: str) -> None:
        """Check names, annotations and local files before anything is created or downloaded.

        Raises:
            AirflowFailException: The type of a path is invalid.
            SynapseFileNotFoundError: A local file does not exist.
            SynapseMalformedEntityError: A name, or the name of an annotation, is invalid.
            ValueError: A local file is empty.
        """
        for path in paths:
            if is_remote(path):
                is_url = isinstance(path, str | ObjectStoragePath) and "://" in str(path)
                name = self.name or (get_file_name(str(path)) if is_url else None)
                parse_store_request(self._build_file(None, name, parent_id))
                continue
            with as_local_file(path, local_path) as file:
                parse_store_request(self._build_file(file.path, self.name, parent_id))
                UploadSource.of(file.path)

    def _build_file(self, path: Path | None, name: str | None, parent_id: str) -> File:
        file = File(
            path and str(path),
            parent=parent_id,
            name=name or (path and path.name),
            annotations=dict(self.annotations or {}),
        )
        if self.version_comment is not None:
            file.versionComment = self.version_comment
        return file

    def _store(self, client: LineageClient, file: LocalFile, parent_id: str) -> SynapseFile:
        name = self.name or file.stored_name or file.path.name
        if file.is_temporary and not is_valid_name(file.path.name):
            file = replace(file, path=file.path.rename(file.path.with_name(name)))
        entity = self._build_file(file.path, name, parent_id)
        collector = current_collector()
        if collector and file.url and client.lineage_mode is LineageMode.AUTO:
            collector.add(Record.from_refs(Origin.READ, used=[UrlRef(file.url)]))
        stored = client.store(
            entity,
            forceVersion=self.force_version,
            if_unchanged=self.if_unchanged,
            versionLabel=self.version_label,
            **self._provenance,
        )
        activity_id = collector.activity_ids.get(stored.id) if collector else None
        reference = reference_of(stored, self.synapse_conn_id, activity_id)
        if file.is_temporary:
            reference["path"] = None
        self.log.info(
            "Stored %s (%s.%s)", reference["name"], reference["id"], reference["version"]
        )
        return reference
