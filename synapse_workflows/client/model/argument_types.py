"""Literal types of the arguments of the client's methods, for type checkers and completion."""

from typing import Literal, TypedDict

#: Action if a file of the same name exists in the download directory.
CollisionPolicy = Literal["keep.both", "keep.local", "overwrite.local"]

#: Result formats of `tableQuery`.
ResultFormat = Literal["csv", "rowset"]

#: Types of storage locations that `createStorageLocationSetting` creates.
StorageType = Literal[
    "ExternalObjectStorage", "ExternalS3Storage", "ExternalStorage", "ProxyStorage"
]

#: Types of project settings. Only `upload` still exists in Synapse.
ProjectSettingType = Literal["upload", "external_sync", "requester_pays"]

#: Output formats of `get_sts_storage_token`.
StsOutputFormat = Literal["json", "boto", "shell", "bash", "cmd", "powershell"]

#: EntityType: short names of entity types.
EntityTypeName = Literal[
    "project",
    "folder",
    "file",
    "table",
    "link",
    "entityview",
    "dockerrepo",
    "submissionview",
    "dataset",
    "datasetcollection",
    "materializedview",
    "virtualtable",
]

#: SortBy of a listing of children.
SortBy = Literal["NAME", "CREATED_ON", "MODIFIED_ON"]

#: Direction of a listing of children.
SortDirection = Literal["ASC", "DESC"]

#: Activity of a copy: one that has used the source, the Activity of the source, or none.
CopyProvenance = Literal["source", "existing", "none"]

#: Where `copy` stores the content of files: as the destination requires, or where it is.
CopyStorage = Literal["destination", "source"]

#: ACCESS_TYPE: permissions that an access control list can grant.
AccessTypeName = Literal[
    "READ",
    "DOWNLOAD",
    "CREATE",
    "UPDATE",
    "DELETE",
    "CHANGE_PERMISSIONS",
    "CHANGE_SETTINGS",
    "MODERATE",
    "PARTICIPATE",
    "SUBMIT",
    "READ_PRIVATE_SUBMISSION",
    "UPDATE_SUBMISSION",
    "DELETE_SUBMISSION",
    "TEAM_MEMBERSHIP_UPDATE",
    "SEND_MESSAGE",
]

#: SubmissionStatusEnum: statuses of submissions.
SubmissionStatusName = Literal[
    "OPEN",
    "CLOSED",
    "SCORED",
    "INVALID",
    "VALIDATED",
    "EVALUATION_IN_PROGRESS",
    "RECEIVED",
    "REJECTED",
    "ACCEPTED",
]

#: ColumnType: types of table columns.
ColumnTypeName = Literal[
    "STRING",
    "LINK",
    "MEDIUMTEXT",
    "LARGETEXT",
    "INTEGER",
    "DOUBLE",
    "BOOLEAN",
    "DATE",
    "ENTITYID",
    "FILEHANDLEID",
    "USERID",
    "SUBMISSIONID",
    "EVALUATIONID",
    "JSON",
    "STRING_LIST",
    "INTEGER_LIST",
    "BOOLEAN_LIST",
    "DATE_LIST",
    "ENTITYID_LIST",
    "USERID_LIST",
]

#: Values of the deprecated argument `type` of entity views.
LegacyViewType = Literal["file", "project", "file_and_table"]


class CsvOptions(TypedDict, total=False):
    """Optional arguments of `CsvFileTable` that the factory methods of the class accept."""

    etag: str | None
    quoteCharacter: str
    escapeCharacter: str
    lineEnd: str
    separator: str
    header: bool
    linesToSkip: int
