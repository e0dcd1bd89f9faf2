"""Operators that copy, move and delete entities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.client.api.walk import parse_types
from synapse_workflows.client.model.argument_types import (
    CopyProvenance,
    CopyStorage,
    EntityTypeName,
)
from synapse_workflows.hooks.entity_ids import parse_entity_id, parse_unversioned_id
from synapse_workflows.idempotency.entity_copier import (
    CopyActivity,
    CopyArguments,
    SynapseCopy,
    copy_entity,
)
from synapse_workflows.idempotency.entity_deletion import (
    DeleteOptions,
    IfMissing,
    SynapseDeletion,
    delete_entity,
)
from synapse_workflows.idempotency.entity_mover import SynapseMove, move_entity
from synapse_workflows.operator_arguments import (
    InvalidArgumentError,
    check_choice,
    check_flags,
    check_provenance,
    optional_text,
    parse_version,
)
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseCopyOperator(SynapseOperator):
    """Copy an entity, with all that it contains, into another container.

    The contents of files are not downloaded. A copy has one version, the permissions of its
    container, and by default an Activity with its source, the code of the task and a link to the
    run. Links, views and datasets that refer to something copied refer to its copy. Everything is
    checked before the first entity is created. A retry completes what an earlier try has begun,
    and copies nothing twice; what the destination has already counts as copied.

    Returns a reference (`SynapseCopy`): `id`, `version`, `name` and `parent_id` of the copy, and
    `copies`, the IDs of all copies by the IDs of their sources. For a project, whose contents are
    copied, it is the reference of the destination.

    Args:
        entity_id: The project, folder, file, link, table or view: `syn123`, `syn123.4` for a
            version of a file or table, or a reference, which stands for its version (templated).
        parent_id: The project or folder to copy it into, or a reference (templated).
        version: Version of a file or table; overrides the version in `entity_id` (templated).
        name: Name of the copy; the default is the name of the entity (templated).
        update_existing: Whether a file that differs in the destination gets a new version, and
            annotations that differ are replaced; by default, the task fails.
        exclude_types: Types of entities in a container that are not copied, such as
            `["table", "link"]`.
        provenance: Activity of the copies of files and tables: `source` for a new one that has
            used the source, `existing` for the Activity of the source, or `none`.
        storage: `destination` to copy the bytes of files to the storage location of the
            destination, if it is another one; `source` to leave them where they are.
        copy_annotations: Whether to copy annotations.
        copy_wikis: Whether to copy wikis.
        used: Further inputs for `provenance="source"` (templated).
        executed: Further code for `provenance="source"` (templated).
        activity_name: Name of the Activities; the default is `Copy of syn123.4` (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Invalid `update_existing`, `exclude_types`, `provenance`, `storage`,
            `copy_annotations` or `copy_wikis`; or `used`, `executed`, `activity_name` or
            `activity_description` without `provenance="source"`.
    """

    template_fields: Sequence[str] = (
        "entity_id",
        "parent_id",
        "version",
        "name",
        "used",
        "executed",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id", "version", "used", "executed")

    def __init__(
        self,
        *,
        entity_id: Any,
        parent_id: Any,
        version: int | str | None = None,
        name: str | None = None,
        update_existing: bool = False,
        exclude_types: Sequence[EntityTypeName] = (),
        provenance: CopyProvenance = "source",
        storage: CopyStorage = "destination",
        copy_annotations: bool = True,
        copy_wikis: bool = True,
        used: Any = None,
        executed: Any = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_flags(
            update_existing=update_existing,
            copy_annotations=copy_annotations,
            copy_wikis=copy_wikis,
        )
        check_choice(provenance, "provenance", CopyProvenance)
        check_choice(storage, "storage", CopyStorage)
        for argument, value in (
            ("used", used),
            ("executed", executed),
            ("activity_name", activity_name),
            ("activity_description", activity_description),
        ):
            if value is not None and provenance != "source":
                raise InvalidArgumentError(
                    f"Invalid {argument} with provenance={provenance!r}, which creates no "
                    f"Activity. Omit {argument}, or pass provenance='source'"
                )
        self.entity_id = entity_id
        self.parent_id = parent_id
        self.version = version
        self.name = name
        self.update_existing = update_existing
        self.exclude_types = parse_types(exclude_types, "exclude_types")
        self.provenance: CopyProvenance = provenance
        self.storage: CopyStorage = storage
        self.copy_annotations = copy_annotations
        self.copy_wikis = copy_wikis
        self.used = used
        self.executed = executed
        self.activity_name = activity_name
        self.activity_description = activity_description
        self._has_version = version is not None

    def execute(self, context: "Context") -> SynapseCopy:
        """Copy the entity and return the reference of the copy."""
        found = parse_entity_id(self.entity_id, "entity_id")
        parent_id = parse_unversioned_id(self.parent_id, "parent_id")
        version = _parse_given_version(self.version, is_given=self._has_version)
        arguments = CopyArguments(
            parse_version(found.version, "entity_id") if version is None else version,
            optional_text(self.name, "name", allow_empty=False),
            self.update_existing,
            self.exclude_types,
            self.provenance,
            self.storage,
            self.copy_annotations,
            self.copy_wikis,
        )
        with self.entity_link(parent_id):
            result = copy_entity(
                self.hook.client, found.id, parent_id, arguments, self._create_activity()
            )
        self.set_entity_url(result["id"], result["version"])
        self.set_map_index_name(context, result["name"])
        self.push_items(context, result)
        return result

    def _create_activity(self) -> CopyActivity:
        check_provenance(self.used, self.executed, None)
        return CopyActivity(
            self.used,
            self.executed,
            optional_text(self.activity_name, "activity_name"),
            optional_text(self.activity_description, "activity_description"),
        )


class SynapseMoveOperator(SynapseOperator):
    """Move an entity into another container, with its versions, annotations and Activities.

    An entity that is in the container already is not changed. If another client changes the
    entity at the same time, its change is kept. An entity without an access control list of its
    own inherits the permissions of the new container; the log warns if it becomes public.

    Returns a reference (`SynapseMove`): `id`, `version`, `name`, `parent_id`,
    `previous_parent_id` and `moved`.

    Args:
        entity_id: The entity, without a version, or a reference (templated).
        parent_id: The project or folder to move it into, or a reference (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = ("entity_id", "parent_id", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id",)

    def __init__(self, *, entity_id: Any, parent_id: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity_id = entity_id
        self.parent_id = parent_id

    def execute(self, context: "Context") -> SynapseMove:
        """Move the entity and return its reference."""
        entity_id = parse_unversioned_id(self.entity_id, "entity_id")
        parent_id = parse_unversioned_id(self.parent_id, "parent_id")
        with self.entity_link(entity_id):
            result = move_entity(self.hook.client, entity_id, parent_id)
        self.set_map_index_name(context, result["name"])
        self.push_items(context, result)
        return result


class SynapseDeleteOperator(SynapseOperator):
    """Delete an entity, or one of its versions.

    An entity goes to the trash can of Synapse, with all that it contains, from which it can be
    restored. A deleted version cannot be restored. What is in the trash can already, or what an
    earlier try of the task has deleted, counts as done.

    Returns `SynapseDeletion`: `id`, `version`, `name` and `deleted`, which is False if the entity
    or version was gone before the task.

    Args:
        entity_id: `syn123` for the entity with all versions, `syn123.4` for version 4, or a
            reference, which stands for its version (templated).
        version: Number of the version to delete (templated).
        recursive: Whether to delete a project or folder that is not empty.
        allow_project: Whether to delete a project.
        skip_trash: Whether to delete the entity permanently, also from the trash can.
        if_missing: What to do if there is no such entity or version: `fail` or `ignore`.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: Invalid `recursive`, `allow_project`, `skip_trash` or `if_missing`.
    """

    template_fields: Sequence[str] = ("entity_id", "version", *SynapseOperator.template_fields)
    data_fields: ClassVar[Sequence[str] | None] = ("entity_id", "version")

    def __init__(
        self,
        *,
        entity_id: Any,
        version: int | str | None = None,
        recursive: bool = False,
        allow_project: bool = False,
        skip_trash: bool = False,
        if_missing: IfMissing = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_flags(recursive=recursive, allow_project=allow_project, skip_trash=skip_trash)
        check_choice(if_missing, "if_missing", IfMissing)
        self.entity_id = entity_id
        self.version = version
        self.recursive = recursive
        self.allow_project = allow_project
        self.skip_trash = skip_trash
        self.if_missing: IfMissing = if_missing
        self._has_version = version is not None

    def execute(self, context: "Context") -> SynapseDeletion:
        """Delete the entity or version, and return what was deleted."""
        found = parse_entity_id(self.entity_id, "entity_id")
        version = self._parse_version(found.version)
        options = DeleteOptions(
            self.recursive, self.allow_project, self.skip_trash, self.if_missing
        )
        self.set_entity_url(found.id)
        result = delete_entity(self.hook.client, found.id, version, options)
        if version is None:
            self.entity_url = None
        self.set_map_index_name(context, result["name"] or found.id)
        self.push_items(context, result)
        return result

    def _parse_version(self, version: int | str | None) -> int | None:
        """Return the version to delete; None for the entity.

        Args:
            version: The version in `entity_id`, if any.
        """
        own = _parse_given_version(self.version, is_given=self._has_version)
        in_id = parse_version(version, "entity_id")
        if None not in (own, in_id) and own != in_id:
            raise InvalidArgumentError(
                f"Invalid version {own}: entity_id {self.entity_id!r:.80} has version {in_id}"
            )
        version = in_id if own is None else own
        if version is not None and self.skip_trash:
            raise InvalidArgumentError(
                "Invalid skip_trash=True with a version: a version is always deleted permanently. "
                "Omit skip_trash"
            )
        return version


def _parse_given_version(version: Any, *, is_given: bool) -> int | None:
    """Return a version number; None if the argument `version` was omitted.

    Raises:
        InvalidArgumentError: The argument was given, and rendered to nothing.
    """
    number = parse_version(version, "version")
    if is_given and number is None:
        raise InvalidArgumentError(
            f"Invalid version {version!r}: it is empty. Check its template, or omit version"
        )
    return number
