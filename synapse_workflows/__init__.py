"""Apache Airflow 3 provider for Synapse (synapse.org, Sage Bionetworks).

Public names are imported on first use. Importing this package loads no other module, so that
Airflow can discover the provider before its configuration is ready.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_workflows.asset_watchers import (
        synapse_files_asset as synapse_files_asset,
        synapse_submissions_asset as synapse_submissions_asset,
    )
    from synapse_workflows.assets import synapse_asset as synapse_asset
    from synapse_workflows.challenge_dag import create_challenge_dag as create_challenge_dag
    from synapse_workflows.client.errors import (
        SynapseAuthenticationError as SynapseAuthenticationError,
        SynapseError as SynapseError,
        SynapseFileCacheError as SynapseFileCacheError,
        SynapseFileNotFoundError as SynapseFileNotFoundError,
        SynapseHTTPError as SynapseHTTPError,
        SynapseMalformedEntityError as SynapseMalformedEntityError,
        SynapseMd5MismatchError as SynapseMd5MismatchError,
        SynapseNoCredentialsError as SynapseNoCredentialsError,
        SynapseProvenanceError as SynapseProvenanceError,
        SynapseTimeoutError as SynapseTimeoutError,
        SynapseUnmetAccessRestrictions as SynapseUnmetAccessRestrictions,
        SynapseUploadAbortedException as SynapseUploadAbortedException,
        SynapseUploadFailedException as SynapseUploadFailedException,
    )
    from synapse_workflows.client.model.activity import Activity as Activity
    from synapse_workflows.client.model.annotations import Annotations as Annotations
    from synapse_workflows.client.model.column_inference import (
        as_table_columns as as_table_columns,
    )
    from synapse_workflows.client.model.columns import (
        Column as Column,
        SelectColumn as SelectColumn,
    )
    from synapse_workflows.client.model.csv_tables import CsvFileTable as CsvFileTable
    from synapse_workflows.client.model.datasets import (
        Dataset as Dataset,
        DatasetCollection as DatasetCollection,
    )
    from synapse_workflows.client.model.entity import (
        DockerRepository as DockerRepository,
        Entity as Entity,
        File as File,
        Folder as Folder,
        Link as Link,
        Project as Project,
    )
    from synapse_workflows.client.model.evaluations import Evaluation as Evaluation
    from synapse_workflows.client.model.query_result import TableQueryResult as TableQueryResult
    from synapse_workflows.client.model.rows import (
        PartialRow as PartialRow,
        PartialRowset as PartialRowset,
        Row as Row,
        RowSet as RowSet,
    )
    from synapse_workflows.client.model.schemas import (
        MaterializedView as MaterializedView,
        MaterializedViewSchema as MaterializedViewSchema,
        Schema as Schema,
    )
    from synapse_workflows.client.model.status_annotations import (
        from_submission_status_annotations as from_submission_status_annotations,
        set_privacy as set_privacy,
        to_submission_status_annotations as to_submission_status_annotations,
    )
    from synapse_workflows.client.model.submissions import (
        Submission as Submission,
        SubmissionStatus as SubmissionStatus,
    )
    from synapse_workflows.client.model.table_factory import (
        Table as Table,
        build_table as build_table,
    )
    from synapse_workflows.client.model.tables import RowSetTable as RowSetTable
    from synapse_workflows.client.model.teams import (
        Team as Team,
        TeamMember as TeamMember,
    )
    from synapse_workflows.client.model.users import (
        UserGroupHeader as UserGroupHeader,
        UserProfile as UserProfile,
    )
    from synapse_workflows.client.model.views import (
        EntityViewSchema as EntityViewSchema,
        EntityViewType as EntityViewType,
        SubmissionViewSchema as SubmissionViewSchema,
    )
    from synapse_workflows.client.model.wikis import (
        Wiki as Wiki,
        WikiAttachment as WikiAttachment,
    )
    from synapse_workflows.client.synapse import (
        Synapse as Synapse,
        login as login,
    )
    from synapse_workflows.hooks.file_references import local_path as local_path
    from synapse_workflows.hooks.sts_s3 import SynapseStsS3Hook as SynapseStsS3Hook
    from synapse_workflows.hooks.synapse import SynapseHook as SynapseHook
    from synapse_workflows.idempotency.retry_policy import SynapseRetryPolicy as SynapseRetryPolicy
    from synapse_workflows.links import (
        SynapseEntityLink as SynapseEntityLink,
        SynapseLineageLink as SynapseLineageLink,
    )
    from synapse_workflows.notifications import SynapseNotifier as SynapseNotifier
    from synapse_workflows.operators.annotations import (
        SynapseAnnotateOperator as SynapseAnnotateOperator,
    )
    from synapse_workflows.operators.entities import (
        SynapseCopyOperator as SynapseCopyOperator,
        SynapseDeleteOperator as SynapseDeleteOperator,
        SynapseMoveOperator as SynapseMoveOperator,
    )
    from synapse_workflows.operators.files import (
        SynapseGetOperator as SynapseGetOperator,
        SynapseStoreOperator as SynapseStoreOperator,
    )
    from synapse_workflows.operators.leaderboards import (
        SynapseLeaderboardOperator as SynapseLeaderboardOperator,
    )
    from synapse_workflows.operators.messages import (
        SynapseMessageOperator as SynapseMessageOperator,
    )
    from synapse_workflows.operators.permissions import (
        SynapseSetPermissionsOperator as SynapseSetPermissionsOperator,
    )
    from synapse_workflows.operators.provenance import (
        SynapseExportProvenanceOperator as SynapseExportProvenanceOperator,
    )
    from synapse_workflows.operators.scores import (
        SynapseScoreSubmissionOperator as SynapseScoreSubmissionOperator,
    )
    from synapse_workflows.operators.snapshots import (
        SynapseTableSnapshotOperator as SynapseTableSnapshotOperator,
    )
    from synapse_workflows.operators.storage import (
        SynapseIndexS3PrefixOperator as SynapseIndexS3PrefixOperator,
    )
    from synapse_workflows.operators.sts import (
        SynapseStsBashOperator as SynapseStsBashOperator,
        SynapseStsMixin as SynapseStsMixin,
    )
    from synapse_workflows.operators.sts_containers import (
        SynapseStsDockerMixin as SynapseStsDockerMixin,
        SynapseStsKubernetesMixin as SynapseStsKubernetesMixin,
    )
    from synapse_workflows.operators.submissions import (
        SynapseClaimSubmissionsOperator as SynapseClaimSubmissionsOperator,
        SynapseReapSubmissionsOperator as SynapseReapSubmissionsOperator,
    )
    from synapse_workflows.operators.sync import SynapseSyncOperator as SynapseSyncOperator
    from synapse_workflows.operators.table_queries import (
        SynapseTableQueryOperator as SynapseTableQueryOperator,
    )
    from synapse_workflows.operators.tables import (
        SynapseTableStoreOperator as SynapseTableStoreOperator,
    )
    from synapse_workflows.operators.wikis import SynapseWikiOperator as SynapseWikiOperator
    from synapse_workflows.secrets import SynapseStsBackend as SynapseStsBackend
    from synapse_workflows.sensors.entities import (
        SynapseNewFilesSensor as SynapseNewFilesSensor,
    )
    from synapse_workflows.sensors.submissions import (
        SynapseSubmissionSensor as SynapseSubmissionSensor,
    )
    from synapse_workflows.sensors.tables import (
        SynapseTableChangeSensor as SynapseTableChangeSensor,
        SynapseTableRowsSensor as SynapseTableRowsSensor,
    )
    from synapse_workflows.staging.cleanup import clean_staging as clean_staging
    from synapse_workflows.staging.staged_files import staged as staged
    from synapse_workflows.triggers.entities import SynapseFilesTrigger as SynapseFilesTrigger
    from synapse_workflows.triggers.submissions import (
        SynapseSubmissionTrigger as SynapseSubmissionTrigger,
    )

__version__ = "0.1.0"

_MODULES = {
    "Activity": "synapse_workflows.client.model.activity",
    "Annotations": "synapse_workflows.client.model.annotations",
    "Column": "synapse_workflows.client.model.columns",
    "CsvFileTable": "synapse_workflows.client.model.csv_tables",
    "Dataset": "synapse_workflows.client.model.datasets",
    "DatasetCollection": "synapse_workflows.client.model.datasets",
    "DockerRepository": "synapse_workflows.client.model.entity",
    "Entity": "synapse_workflows.client.model.entity",
    "EntityViewSchema": "synapse_workflows.client.model.views",
    "EntityViewType": "synapse_workflows.client.model.views",
    "Evaluation": "synapse_workflows.client.model.evaluations",
    "File": "synapse_workflows.client.model.entity",
    "Folder": "synapse_workflows.client.model.entity",
    "Link": "synapse_workflows.client.model.entity",
    "MaterializedView": "synapse_workflows.client.model.schemas",
    "MaterializedViewSchema": "synapse_workflows.client.model.schemas",
    "PartialRow": "synapse_workflows.client.model.rows",
    "PartialRowset": "synapse_workflows.client.model.rows",
    "Project": "synapse_workflows.client.model.entity",
    "Row": "synapse_workflows.client.model.rows",
    "RowSet": "synapse_workflows.client.model.rows",
    "RowSetTable": "synapse_workflows.client.model.tables",
    "Schema": "synapse_workflows.client.model.schemas",
    "SelectColumn": "synapse_workflows.client.model.columns",
    "Submission": "synapse_workflows.client.model.submissions",
    "SubmissionStatus": "synapse_workflows.client.model.submissions",
    "SubmissionViewSchema": "synapse_workflows.client.model.views",
    "Synapse": "synapse_workflows.client.synapse",
    "SynapseAnnotateOperator": "synapse_workflows.operators.annotations",
    "SynapseCopyOperator": "synapse_workflows.operators.entities",
    "SynapseDeleteOperator": "synapse_workflows.operators.entities",
    "SynapseEntityLink": "synapse_workflows.links",
    "SynapseClaimSubmissionsOperator": "synapse_workflows.operators.submissions",
    "SynapseAuthenticationError": "synapse_workflows.client.errors",
    "SynapseError": "synapse_workflows.client.errors",
    "SynapseFileCacheError": "synapse_workflows.client.errors",
    "SynapseFileNotFoundError": "synapse_workflows.client.errors",
    "SynapseHTTPError": "synapse_workflows.client.errors",
    "SynapseMalformedEntityError": "synapse_workflows.client.errors",
    "SynapseMd5MismatchError": "synapse_workflows.client.errors",
    "SynapseNoCredentialsError": "synapse_workflows.client.errors",
    "SynapseProvenanceError": "synapse_workflows.client.errors",
    "SynapseTimeoutError": "synapse_workflows.client.errors",
    "SynapseUnmetAccessRestrictions": "synapse_workflows.client.errors",
    "SynapseUploadAbortedException": "synapse_workflows.client.errors",
    "SynapseUploadFailedException": "synapse_workflows.client.errors",
    "SynapseExportProvenanceOperator": "synapse_workflows.operators.provenance",
    "SynapseFilesTrigger": "synapse_workflows.triggers.entities",
    "SynapseGetOperator": "synapse_workflows.operators.files",
    "SynapseHook": "synapse_workflows.hooks.synapse",
    "SynapseIndexS3PrefixOperator": "synapse_workflows.operators.storage",
    "SynapseLeaderboardOperator": "synapse_workflows.operators.leaderboards",
    "SynapseLineageLink": "synapse_workflows.links",
    "SynapseMessageOperator": "synapse_workflows.operators.messages",
    "SynapseMoveOperator": "synapse_workflows.operators.entities",
    "SynapseNewFilesSensor": "synapse_workflows.sensors.entities",
    "SynapseNotifier": "synapse_workflows.notifications",
    "SynapseReapSubmissionsOperator": "synapse_workflows.operators.submissions",
    "SynapseRetryPolicy": "synapse_workflows.idempotency.retry_policy",
    "SynapseScoreSubmissionOperator": "synapse_workflows.operators.scores",
    "SynapseSetPermissionsOperator": "synapse_workflows.operators.permissions",
    "SynapseStoreOperator": "synapse_workflows.operators.files",
    "SynapseStsBackend": "synapse_workflows.secrets",
    "SynapseStsBashOperator": "synapse_workflows.operators.sts",
    "SynapseStsDockerMixin": "synapse_workflows.operators.sts_containers",
    "SynapseStsKubernetesMixin": "synapse_workflows.operators.sts_containers",
    "SynapseStsMixin": "synapse_workflows.operators.sts",
    "SynapseStsS3Hook": "synapse_workflows.hooks.sts_s3",
    "SynapseSubmissionSensor": "synapse_workflows.sensors.submissions",
    "SynapseSubmissionTrigger": "synapse_workflows.triggers.submissions",
    "SynapseSyncOperator": "synapse_workflows.operators.sync",
    "SynapseTableChangeSensor": "synapse_workflows.sensors.tables",
    "SynapseTableQueryOperator": "synapse_workflows.operators.table_queries",
    "SynapseTableRowsSensor": "synapse_workflows.sensors.tables",
    "SynapseTableSnapshotOperator": "synapse_workflows.operators.snapshots",
    "SynapseTableStoreOperator": "synapse_workflows.operators.tables",
    "SynapseWikiOperator": "synapse_workflows.operators.wikis",
    "Table": "synapse_workflows.client.model.table_factory",
    "TableQueryResult": "synapse_workflows.client.model.query_result",
    "Team": "synapse_workflows.client.model.teams",
    "TeamMember": "synapse_workflows.client.model.teams",
    "UserGroupHeader": "synapse_workflows.client.model.users",
    "UserProfile": "synapse_workflows.client.model.users",
    "Wiki": "synapse_workflows.client.model.wikis",
    "WikiAttachment": "synapse_workflows.client.model.wikis",
    "as_table_columns": "synapse_workflows.client.model.column_inference",
    "build_table": "synapse_workflows.client.model.table_factory",
    "clean_staging": "synapse_workflows.staging.cleanup",
    "create_challenge_dag": "synapse_workflows.challenge_dag",
    "from_submission_status_annotations": "synapse_workflows.client.model.status_annotations",
    "local_path": "synapse_workflows.hooks.file_references",
    "login": "synapse_workflows.client.synapse",
    "set_privacy": "synapse_workflows.client.model.status_annotations",
    "staged": "synapse_workflows.staging.staged_files",
    "synapse_asset": "synapse_workflows.assets",
    "synapse_files_asset": "synapse_workflows.asset_watchers",
    "synapse_submissions_asset": "synapse_workflows.asset_watchers",
    "to_submission_status_annotations": "synapse_workflows.client.model.status_annotations",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605 - the names are listed once, in _MODULES


if not TYPE_CHECKING:  # type checkers report unknown names

    def __getattr__(name: str) -> Any:
        """Import a public name from its module and cache it."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
