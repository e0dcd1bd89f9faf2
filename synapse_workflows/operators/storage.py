"""Operators for objects in storage locations."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.idempotency.index_options import (
    InvalidNames,
    MissingObjects,
    SynapseIndexedPrefix,
)
from synapse_workflows.operator_arguments import check_choice, check_flags
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseIndexS3PrefixOperator(SynapseOperator):
    """Register the objects below a prefix of an S3 bucket as files, without moving their content.

    The folder corresponds to the prefix: the object `<prefix>/a/b.csv` becomes the file `b.csv` in
    the folder `a`. A file gets a new version if its object has another content: key, size and MD5
    are compared with its file handle. If nothing is new, no version and no Activity are created.
    A file that was moved or renamed below the folder for the prefix stays the file of its object
    (except with `missing="ignore"`). A file whose content is another existing object of the bucket
    is not changed, and neither is a file with other content outside of the bucket; the task fails
    and lists them. Use a different `folder` for each prefix.

    The MD5 of an object is taken from its checksum or its etag, if one of them is the MD5 of the
    content. Else the object is read once to compute the MD5; the etag is saved as version comment,
    so that later runs only read the object if its etag differs.

    All new versions of a run have one Activity. A retry continues the work of a killed task.
    Concurrent runs create each file and version once. Objects that change during the run are
    registered again. If some objects cannot be registered, the others are, and then the task fails
    with the list, which is also the XCom `refused`: `[{"id": "<key>", "reason": "..."}]`, with at
    most 1000 objects; all are logged.

    Empty objects whose keys end with a slash are directory markers and are ignored. In a bucket
    with versions, the current version of each object is registered. Objects that were uploaded
    through Synapse for older versions of files are ignored, and so is the `owner.txt` of the
    storage location.

    Returns numbers of objects and files (`SynapseIndexedPrefix`).

    Args:
        folder_id: The project or folder for the files (templated).
        prefix: Prefix below the base key of the storage location, or a URL `s3://bucket/key`. It
            names a directory: a missing slash at the end is added. Empty for all objects below
            the base key (templated).
        folder: Path of the folder for the prefix below `folder_id`, as `2026/november`; missing
            folders are created (templated).
        storage_location_id: The storage location with the objects, a bucket of its owner; None for
            the storage location of `folder_id`. It must be created by the user of the connection
            (templated).
        aws_conn_id: AWS connection that may list and read the objects; None for the temporary
            credentials of `folder_id`, which then needs a storage location with STS (templated).
        include: Glob pattern, or list of patterns, for the path below the prefix. `*` also matches
            `/`. Only matching objects are registered (templated).
        exclude: Glob pattern, or list of patterns. Matching objects are not registered
            (templated).
        max_files: Maximum number of selected objects; if there are more, the task fails before it
            changes anything.
        annotations: Annotations of each file. Other annotations are kept (templated).
        invalid_names: What to do about objects whose names are invalid in Synapse: `fail` before
            anything is changed, or `skip` them. Each is logged with the reason, and they are the
            XCom `refused`.
        missing: What to do about files whose objects do not exist any more: `report` them in the
            log and the result, `delete` them, or `ignore` them, which also saves the requests for
            files that are not selected.
        allow_empty: Whether it is valid that no object is selected.
        dry_run: Whether to change nothing, and return the planned changes as `plan` (at most 1000;
            all are logged).
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity: Inputs, code, name and description as one `Activity` or its JSON. An Activity
            with an ID is linked unchanged (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "folder_id",
        "prefix",
        "folder",
        "storage_location_id",
        "aws_conn_id",
        "include",
        "exclude",
        "annotations",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("prefix", "used", "executed", "activity")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "annotations": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        folder_id: Any,
        prefix: str | None = None,
        folder: str | None = None,
        storage_location_id: int | str | None = None,
        aws_conn_id: str | None = None,
        include: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        max_files: int = 100_000,
        annotations: dict[str, Any] | None = None,
        invalid_names: InvalidNames = "fail",
        missing: MissingObjects = "report",
        allow_empty: bool = False,
        dry_run: bool = False,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice(invalid_names, "invalid_names", InvalidNames)
        check_choice(missing, "missing", MissingObjects)
        check_flags(allow_empty=allow_empty, dry_run=dry_run)
        super().__init__(**kwargs)
        self.folder_id = folder_id
        self.prefix = prefix
        self.folder = folder
        self.storage_location_id = storage_location_id
        self.aws_conn_id = aws_conn_id
        self.include = include
        self.exclude = exclude
        self.max_files = max_files
        self.annotations = annotations
        self.invalid_names = invalid_names
        self.missing = missing
        self.allow_empty = allow_empty
        self.plan_only = dry_run
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: "Context") -> SynapseIndexedPrefix:
        """Register the new and changed objects, and return the numbers."""
        folder_id = parse_unversioned_id(self.folder_id, "folder_id")
        with self.entity_link(folder_id):
            result = self.hook.index_s3_prefix(
                folder_id,
                self.prefix,
                folder=self.folder,
                storage_location_id=self.storage_location_id,
                aws_conn_id=self.aws_conn_id,
                include=self.include,
                exclude=self.exclude,
                max_files=self.max_files,
                annotations=self.annotations,
                invalid_names=self.invalid_names,
                missing=self.missing,
                allow_empty=self.allow_empty,
                dry_run=self.plan_only,
                used=self.used,
                executed=self.executed,
                activity=self.activity,
                activity_name=self.activity_name,
                activity_description=self.activity_description,
            )
        self.set_map_index_name(context, result["url"])
        self.push_items(context, result)
        return result
