"""Operators that download and upload files."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.idempotency.local_files import (
    is_list,
)
from synapse_workflows.lineage.store_provenance import IfUnchanged
from synapse_workflows.operator_arguments import check_choice, check_flags, parse_version
from synapse_workflows.operators.base import SynapseOperator

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
        check_flags(download_file=download_file, follow_link=follow_link)
        check_choice(if_collision, "if_collision", CollisionPolicy)
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
        with self.entity_link(parsed.id, version):
            reference = self.hook.get_file(
                parsed.id,
                version,
                download_file=self.download_file,
                download_dir=self.download_dir,
                if_collision=self.if_collision,
                follow_link=self.follow_link,
            )
        self.set_entity_url(reference["id"], reference["version"])
        self.set_map_index_name(context, reference["name"])
        self.push_items(context, reference)
        self.log.info(
            "Read %s (%s.%s), the %s version",
            reference["name"],
            reference["id"],
            reference["version"],
            "current" if version is None else "requested",
        )
        return reference


class SynapseStoreOperator(SynapseOperator):
    """Upload files to Synapse and record their provenance.

    The Activity of the files lists the inputs of this task, the inputs of the upstream tasks from
    which this task takes data, and the code of the DAG. Returns a reference; if `path` is a list,
    returns a list with one reference per path.

    Args:
        path: A local path, the URL of an object, an `ObjectStoragePath`, a reference, which
            `staged` returns as well, or a list of these (templated).
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
        check_choice(if_unchanged, "if_unchanged", IfUnchanged)
        check_flags(force_version=force_version)
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
        parent_id = parse_entity_id(self.parent_id, "parent_id").id
        with self.entity_link(parent_id):
            stored = self.hook.store_file(
                self.path,
                parent_id,
                folder=self.folder,
                name=self.name,
                annotations=self.annotations,
                version_label=self.version_label,
                version_comment=self.version_comment,
                used=self.used,
                executed=self.executed,
                activity=self.activity,
                activity_name=self.activity_name,
                activity_description=self.activity_description,
                force_version=self.force_version,
                if_unchanged=self.if_unchanged,
            )
        references: list[SynapseFile] = stored if is_list(self.path) else [stored]
        if references:
            last = references[-1]
            self.set_entity_url(last["id"], last["version"])
            self.set_map_index_name(context, ", ".join(one["name"] for one in references))
        if is_list(self.path):
            self.multiple_outputs = False  # multiple outputs require a dictionary
            return references
        self.push_items(context, references[0])
        return references[0]
