"""S3 hook with STS credentials of Synapse folders."""

from functools import cached_property
from typing import Any

from airflow.sdk import Connection, ObjectStoragePath
from airflow.sdk.io import attach

try:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
except ModuleNotFoundError as error:
    raise ImportError(
        "S3 hooks with STS credentials require the Amazon provider: "
        "pip install 'synapse-workflows[amazon]'"
    ) from error

from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.hooks.base import SynapseBaseHook
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.sts_conn_ids import is_sts_conn_id
from synapse_workflows.hooks.sts_connections import (
    SOURCES,
    StsReference,
    create_connection_fields,
)
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.hooks.sts_session import create_session
from synapse_workflows.operator_arguments import InvalidArgumentError, check_choice


class SynapseStsS3Hook(S3Hook):
    """S3 hook for the storage of a Synapse folder, with credentials that are renewed.

    The bucket of the storage is the default bucket of all methods. Keys, and the prefixes of
    lists, begin with the prefix of the storage: everything else is denied. Operators of the Amazon
    provider use the hook if their `aws_hook_class` is replaced:

        class StsCopyOperator(S3CopyObjectOperator):
            aws_hook_class = SynapseStsS3Hook

        StsCopyOperator(task_id="copy", aws_conn_id="synapse-sts://syn123/read_write", ...)

    Deferrable operators require `SynapseStsBackend` as well, because triggers create other hooks
    with this `aws_conn_id`.

    Args:
        folder_id: `syn123`, or a reference; None if `aws_conn_id` names the folder.
        permission: `read_only` or `read_write`.
        synapse_conn_id: The connection to Synapse.
        aws_conn_id: `synapse-sts://syn123` or `synapse-sts://syn123/read_write`, instead of
            `folder_id` and `permission`.
        kwargs: Further arguments of `S3Hook`.

    Raises:
        InvalidArgumentError: No folder is named, or an argument is invalid.
    """

    def __init__(
        self,
        folder_id: Any = None,
        permission: StsPermission = "read_only",
        *,
        synapse_conn_id: str = SynapseBaseHook.default_conn_name,
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        if folder_id is not None and is_sts_conn_id(folder_id):
            folder_id, aws_conn_id = None, folder_id
        if folder_id is None:
            reference = StsReference.from_conn_id(aws_conn_id, synapse_conn_id)
        else:
            check_choice(permission, "permission", StsPermission)
            folder = parse_unversioned_id(folder_id, "folder_id")
            reference = StsReference(folder, permission, synapse_conn_id)
        if reference is None:
            raise InvalidArgumentError(
                f"Invalid aws_conn_id {aws_conn_id!r}: pass folder_id, or an aws_conn_id such as "
                "'synapse-sts://syn123'."
            )
        self.reference = reference
        super().__init__(aws_conn_id=reference.conn_id, **kwargs)

    @cached_property
    def source(self) -> StsCredentialSource:
        """Source of the credentials.

        Raises:
            StsScopeError: The folder has no credentials with this permission.
        """
        return SOURCES.get(self.reference)

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """Settings of the storage, without credentials."""
        fields = create_connection_fields(self.reference, self.source, with_credentials=False)
        return AwsConnectionWrapper(
            conn=Connection(conn_id=self.reference.conn_id, **fields),
            region_name=self._region_name,
            botocore_config=self._config,
            verify=self._verify,
        )

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return a session of boto3, or of aiobotocore if `deferrable`."""
        return create_session(self.source, region_name or self.region_name, deferrable=deferrable)

    def object_storage_path(self, path: str = "") -> ObjectStoragePath:
        """Return the path of an object in the storage.

        Args:
            path: Path below the prefix of the storage.

        Raises:
            ImportError: s3fs is not installed.
        """
        conn_id = self.reference.conn_id
        attach("s3", conn_id, fs=self._create_file_system())
        location = self.source.location
        return ObjectStoragePath(f"{location.url}/{path.lstrip('/')}".rstrip("/"), conn_id=conn_id)

    def _create_file_system(self) -> Any:
        from s3fs import S3FileSystem

        return S3FileSystem(
            session=self.get_session(deferrable=True),
            endpoint_url=self.source.location.endpoint_url,
            skip_instance_cache=True,
        )
