"""Options and result of indexing an S3 prefix."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

from synapse_workflows.idempotency.annotation_writer import AnnotationChange
from synapse_workflows.idempotency.object_paths import PathFilter

#: What to do about objects whose names are invalid in Synapse: fail before anything is changed,
#: or skip them.
InvalidNames = Literal["fail", "skip"]
#: What to do about files whose objects do not exist: report or delete them, or do not look for
#: them.
MissingObjects = Literal["report", "delete", "ignore"]


class PlannedFile(TypedDict):
    """A change that `dry_run` reports.

    `action` is `create`, `update`, `annotate`, `compare`, `delete` or `refuse`. `compare` means
    that the content of the object has to be compared first; `refuse` that the object cannot be
    registered, because another entity or object has its path. The log has the reason.
    """

    action: str
    path: str
    key: str


class SynapseIndexedPrefix(TypedDict):
    """Result of indexing a prefix, as JSON. The numbers include all tries of the task.

    `url` is the URL of the prefix, `objects` the number of selected objects. `created`, `updated`
    and `unchanged` are numbers of files, `bytes` the size of the created and updated files.
    `skipped` is the number of objects with invalid names, `missing` the number of files whose
    objects do not exist, `deleted` the number of these that were deleted. `ids` and `missing_ids`
    are the IDs of the first 100 created or updated, and missing files. `activity_id` is None if no
    version was created. `plan` is only present after a `dry_run`.
    """

    id: str
    url: str
    objects: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    missing: int
    deleted: int
    bytes: int
    ids: list[str]
    missing_ids: list[str]
    activity_id: str | None
    dry_run: bool
    plan: NotRequired[list[PlannedFile]]


@dataclass(frozen=True)
class IndexOptions:
    """Options of `PrefixIndex`.

    Args:
        folder: Path of the folder for the prefix below the container; empty for the container.
        selected: Patterns for the paths below the prefix.
        max_files: Maximum number of selected objects.
        annotations: Annotations of each file; None for none.
        invalid_names: What to do about invalid names.
        missing: What to do about files whose objects do not exist.
        allow_empty: Whether it is valid that no object is selected.
        dry_run: Whether only to plan the changes.
        provenance: `used`, `executed`, `activity`, `activityName` and `activityDescription`.
    """

    folder: str = ""
    selected: PathFilter = field(default_factory=PathFilter)
    max_files: int = 100_000
    annotations: AnnotationChange | None = None
    invalid_names: InvalidNames = "fail"
    missing: MissingObjects = "report"
    allow_empty: bool = False
    dry_run: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
