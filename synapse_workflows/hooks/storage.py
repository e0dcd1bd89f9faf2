"""Storage locations, for the Synapse hook."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.s3_prefixes import (
    find_storage,
    open_bucket,
    parse_annotations,
    parse_filter,
    parse_folder,
    parse_positive,
)
from synapse_workflows.hooks.sts import SynapseStsHook
from synapse_workflows.idempotency.index_options import (
    IndexOptions,
    InvalidNames,
    MissingObjects,
    SynapseIndexedPrefix,
)
from synapse_workflows.idempotency.prefix_index import PrefixIndex
from synapse_workflows.operator_arguments import (
    check_choice,
    check_flags,
    optional_mapping,
    optional_text,
    parse_provenance,
)


class StorageHook(SynapseStsHook):
    """Synapse hook for storage locations."""

    def index_s3_prefix(
        self,
        folder_id: Any,
        prefix: str | None = None,
        *,
        folder: str | None = None,
        storage_location_id: int | str | None = None,
        aws_conn_id: str | None = None,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        max_files: int = 100_000,
        annotations: Mapping[str, Any] | None = None,
        invalid_names: InvalidNames = "fail",
        missing: MissingObjects = "report",
        allow_empty: bool = False,
        dry_run: bool = False,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | str | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
    ) -> SynapseIndexedPrefix:
        """Register the objects below a prefix, as `SynapseIndexS3PrefixOperator` does.

        Args:
            folder_id: The project or folder for the files.
            prefix: Prefix below the base key of the storage location, or a URL `s3://bucket/key`;
                None for all objects below the base key.
            folder: Path of the folder for the prefix below `folder_id`.
            storage_location_id: The storage location; None for that of `folder_id`.
            aws_conn_id: AWS connection for the objects; None for the temporary credentials of
                `folder_id`.
            include: Glob pattern, or list of patterns, for the path below the prefix.
            exclude: Glob pattern, or list of patterns, of objects that are not registered.
            max_files: Maximum number of selected objects.
            annotations: Annotations of each file.
            invalid_names: `fail` or `skip`: what to do about names that are invalid in Synapse.
            missing: `report`, `delete` or `ignore`: what to do about files without an object.
            allow_empty: Whether it is valid that no object is selected.
            dry_run: Whether to change nothing, and return the planned changes as `plan`.
            used: Additional inputs, in any form that the client's Activity accepts.
            executed: Additional code that was executed.
            activity: Inputs, code, name and description as one `Activity` or its JSON. An
                Activity with an ID is linked unchanged.
            activity_name: Name of the Activity; the default is the name of the task.
            activity_description: Text before the description of the task.

        Returns:
            The numbers of objects and files, as JSON.

        Raises:
            AirflowFailException: An argument, the storage location or the name of an object is
                invalid; or some objects were not registered and a retry cannot succeed.
            AirflowException: Some objects were not registered; a retry may succeed.
            SynapseNotFoundError: The container does not exist.
        """
        check_choice(invalid_names, "invalid_names", InvalidNames)
        check_choice(missing, "missing", MissingObjects)
        check_flags(allow_empty=allow_empty, dry_run=dry_run)
        root_id = parse_unversioned_id(folder_id, "folder_id")
        options = IndexOptions(
            folder=parse_folder(folder),
            selected=parse_filter(include, exclude),
            max_files=parse_positive(max_files, "max_files"),
            annotations=parse_annotations(optional_mapping(annotations, "annotations")),
            invalid_names=invalid_names,
            missing=missing,
            allow_empty=allow_empty,
            dry_run=dry_run,
            provenance=parse_provenance(
                used, executed, activity, activity_name, activity_description
            ),
        )
        location_id = (
            None
            if storage_location_id is None
            else parse_positive(storage_location_id, "storage_location_id")
        )
        storage = find_storage(self.client, root_id, location_id)
        location = storage.locate(optional_text(prefix, "prefix"))
        self.client.require_sources(**options.provenance)
        connection = optional_text(aws_conn_id, "aws_conn_id")
        bucket = open_bucket(self.client, root_id, storage, connection)
        result = PrefixIndex(self.client, root_id, bucket, location, options).update()
        self.log.info(
            "%s: %d files created, %d updated, %d unchanged, %d missing",
            *(result[key] for key in ("url", "created", "updated", "unchanged", "missing")),
        )
        return result
