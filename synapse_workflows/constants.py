"""Constants of the Synapse API, shared by client and service: names, numbers, limits.

Source: https://rest-docs.synapse.org (schemas of org.sagebionetworks.repo.model), and the
configuration of the Synapse backend.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

MODEL: Final = "org.sagebionetworks.repo.model"

PROJECT: Final = f"{MODEL}.Project"
FOLDER: Final = f"{MODEL}.Folder"
FILE: Final = f"{MODEL}.FileEntity"
LINK: Final = f"{MODEL}.Link"
DOCKER_REPOSITORY: Final = f"{MODEL}.docker.DockerRepository"
TABLE: Final = f"{MODEL}.table.TableEntity"
ENTITY_VIEW: Final = f"{MODEL}.table.EntityView"
SUBMISSION_VIEW: Final = f"{MODEL}.table.SubmissionView"
DATASET: Final = f"{MODEL}.table.Dataset"
DATASET_COLLECTION: Final = f"{MODEL}.table.DatasetCollection"
MATERIALIZED_VIEW: Final = f"{MODEL}.table.MaterializedView"

#: concreteType of an entity -> its EntityType, as used in bundles and children requests.
ENTITY_TYPES: Final = MappingProxyType(
    {
        PROJECT: "project",
        FOLDER: "folder",
        FILE: "file",
        LINK: "link",
        DOCKER_REPOSITORY: "dockerrepo",
        TABLE: "table",
        ENTITY_VIEW: "entityview",
        SUBMISSION_VIEW: "submissionview",
        DATASET: "dataset",
        DATASET_COLLECTION: "datasetcollection",
        MATERIALIZED_VIEW: "materializedview",
        f"{MODEL}.table.VirtualTable": "virtualtable",
    }
)
#: Types of views: entities whose rows are derived from other objects.
VIEWS: Final = frozenset(
    {ENTITY_VIEW, SUBMISSION_VIEW, DATASET, DATASET_COLLECTION, MATERIALIZED_VIEW}
)
#: Entity types that can contain other entities.
CONTAINERS: Final = frozenset({PROJECT, FOLDER})

USED_ENTITY: Final = f"{MODEL}.provenance.UsedEntity"
USED_URL: Final = f"{MODEL}.provenance.UsedURL"

S3_FILE_HANDLE: Final = f"{MODEL}.file.S3FileHandle"
EXTERNAL_FILE_HANDLE: Final = f"{MODEL}.file.ExternalFileHandle"
EXTERNAL_OBJECT_STORE_FILE_HANDLE: Final = f"{MODEL}.file.ExternalObjectStoreFileHandle"
PROXY_FILE_HANDLE: Final = f"{MODEL}.file.ProxyFileHandle"
MULTIPART_UPLOAD_REQUEST: Final = f"{MODEL}.file.MultipartUploadRequest"
MULTIPART_UPLOAD_COPY_REQUEST: Final = f"{MODEL}.file.MultipartUploadCopyRequest"

#: Types of storage locations.
S3_LOCATION: Final = f"{MODEL}.project.S3StorageLocationSetting"
EXTERNAL_S3_LOCATION: Final = f"{MODEL}.project.ExternalS3StorageLocationSetting"
EXTERNAL_OBJECT_LOCATION: Final = f"{MODEL}.project.ExternalObjectStorageLocationSetting"
EXTERNAL_LOCATION: Final = f"{MODEL}.project.ExternalStorageLocationSetting"
PROXY_LOCATION: Final = f"{MODEL}.project.ProxyStorageLocationSettings"
GOOGLE_CLOUD_LOCATION: Final = f"{MODEL}.project.ExternalGoogleCloudStorageLocationSetting"
UPLOAD_DESTINATION_LIST: Final = f"{MODEL}.project.UploadDestinationListSetting"
#: Types of upload destinations.
S3_UPLOAD_DESTINATION: Final = f"{MODEL}.file.S3UploadDestination"
EXTERNAL_S3_UPLOAD_DESTINATION: Final = f"{MODEL}.file.ExternalS3UploadDestination"
EXTERNAL_OBJECT_UPLOAD_DESTINATION: Final = f"{MODEL}.file.ExternalObjectStoreUploadDestination"
EXTERNAL_UPLOAD_DESTINATION: Final = f"{MODEL}.file.ExternalUploadDestination"
GOOGLE_CLOUD_UPLOAD_DESTINATION: Final = f"{MODEL}.file.ExternalGoogleCloudUploadDestination"
ERROR_RESPONSE: Final = f"{MODEL}.ErrorResponse"
OAUTH_ERROR_RESPONSE: Final = f"{MODEL}.OAuthErrorResponse"


class AccessType(StrEnum):
    """Permissions in access control lists (ACCESS_TYPE)."""

    READ = "READ"
    DOWNLOAD = "DOWNLOAD"
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CHANGE_PERMISSIONS = "CHANGE_PERMISSIONS"
    CHANGE_SETTINGS = "CHANGE_SETTINGS"
    MODERATE = "MODERATE"
    PARTICIPATE = "PARTICIPATE"
    SUBMIT = "SUBMIT"
    READ_PRIVATE_SUBMISSION = "READ_PRIVATE_SUBMISSION"
    UPDATE_SUBMISSION = "UPDATE_SUBMISSION"
    DELETE_SUBMISSION = "DELETE_SUBMISSION"
    TEAM_MEMBERSHIP_UPDATE = "TEAM_MEMBERSHIP_UPDATE"
    SEND_MESSAGE = "SEND_MESSAGE"


class UploadType(StrEnum):
    """Transfer protocols of storage locations (UploadType)."""

    S3 = "S3"
    GOOGLECLOUDSTORAGE = "GOOGLECLOUDSTORAGE"
    SFTP = "SFTP"
    HTTPS = "HTTPS"
    PROXYLOCAL = "PROXYLOCAL"
    NONE = "NONE"


class StsPermission(StrEnum):
    """Permissions of temporary AWS credentials (StsPermission)."""

    READ_ONLY = "read_only"
    READ_WRITE = "read_write"


class AnnotationType(StrEnum):
    """Types of annotation values (AnnotationsValueType)."""

    STRING = "STRING"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    BOOLEAN = "BOOLEAN"
    TIMESTAMP_MS = "TIMESTAMP_MS"


class SubmissionStatusEnum(StrEnum):
    """Statuses of submissions (SubmissionStatusEnum)."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    SCORED = "SCORED"
    INVALID = "INVALID"
    VALIDATED = "VALIDATED"
    EVALUATION_IN_PROGRESS = "EVALUATION_IN_PROGRESS"
    RECEIVED = "RECEIVED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"


class ColumnType(StrEnum):
    """Types of table columns (ColumnType)."""

    STRING = "STRING"
    LINK = "LINK"
    MEDIUMTEXT = "MEDIUMTEXT"
    LARGETEXT = "LARGETEXT"
    INTEGER = "INTEGER"
    DOUBLE = "DOUBLE"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    ENTITYID = "ENTITYID"
    FILEHANDLEID = "FILEHANDLEID"
    USERID = "USERID"
    SUBMISSIONID = "SUBMISSIONID"
    EVALUATIONID = "EVALUATIONID"
    JSON = "JSON"
    STRING_LIST = "STRING_LIST"
    INTEGER_LIST = "INTEGER_LIST"
    BOOLEAN_LIST = "BOOLEAN_LIST"
    DATE_LIST = "DATE_LIST"
    ENTITYID_LIST = "ENTITYID_LIST"
    USERID_LIST = "USERID_LIST"


#: Maximum number of columns of a table.
MAX_COLUMNS: Final = 152
#: Maximum characters of a cell by column type; STRING and LINK columns define their own limit.
MAX_CELL_SIZES: Final = MappingProxyType(
    {ColumnType.MEDIUMTEXT: 2000, ColumnType.LARGETEXT: 524_288, ColumnType.JSON: 524_288}
)
#: Maximum characters of STRING, LINK and STRING_LIST cells if the column has no maximumSize.
DEFAULT_CELL_SIZE: Final = 50
#: Maximum items of a list cell if the column has no maximumListLength.
DEFAULT_LIST_LENGTH: Final = 100
#: Columns of CSV files that identify the rows of a table.
ROW_ID: Final = "ROW_ID"
ROW_VERSION: Final = "ROW_VERSION"
ROW_ETAG: Final = "ROW_ETAG"
ROW_METADATA: Final = (ROW_ID, ROW_VERSION, ROW_ETAG)

#: Scopes of personal access tokens; the scope `authorize` is never granted.
TOKEN_SCOPES: Final = (
    "openid", "email", "profile", "view", "download", "modify", "offline_access",
)  # fmt: skip

ROOT_ENTITY: Final = "syn4489"
TRASH_ENTITY: Final = "syn1681355"
ADMIN: Final = 1
ADMINISTRATORS: Final = 2
CERTIFIED_USERS: Final = 3
TRUSTED_MESSAGE_SENDERS: Final = 4
ACCESS_AND_COMPLIANCE: Final = 464532
AUTHENTICATED_USERS: Final = 273948
PUBLIC: Final = 273949
ANONYMOUS: Final = 273950
DEFAULT_STORAGE_LOCATION: Final = 1

#: Etag of entities that are read by version number; it cannot be used for updates.
ZERO_ETAG: Final = "00000000-0000-0000-0000-000000000000"

KiB: Final = 1024
MiB: Final = 1024 * KiB
GiB: Final = 1024 * MiB
#: Multipart uploads: minimum size of a part in bytes, maximum number of parts.
MIN_PART_SIZE: Final = 5 * MiB
MAX_PARTS: Final = 10_000

PRODUCTION_ENDPOINTS: Final = MappingProxyType(
    {
        "repoEndpoint": "https://repo-prod.prod.sagebase.org/repo/v1",
        "authEndpoint": "https://auth-prod.prod.sagebase.org/auth/v1",
        "fileHandleEndpoint": "https://file-prod.prod.sagebase.org/file/v1",
        "portalEndpoint": "https://www.synapse.org/",
    }
)
STAGING_ENDPOINTS: Final = MappingProxyType(
    {
        "repoEndpoint": "https://repo-staging.prod.sagebase.org/repo/v1",
        "authEndpoint": "https://auth-staging.prod.sagebase.org/auth/v1",
        "fileHandleEndpoint": "https://file-staging.prod.sagebase.org/file/v1",
        "portalEndpoint": "https://staging.synapse.org/",
    }
)
