"""Arguments and access of the operator and the hook that index an S3 prefix."""

import ast
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from synapse_workflows.client.errors import SynapseForbiddenError
from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, EXTERNAL_S3_LOCATION
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.idempotency.annotation_writer import AnnotationChange
from synapse_workflows.idempotency.index_targets import S3Location
from synapse_workflows.idempotency.object_paths import PathFilter, describe_invalid_path
from synapse_workflows.idempotency.s3_objects import S3Bucket
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import InvalidArgumentError, invalid_type, optional_text

#: Endpoint of AWS in upload destinations. boto3 selects the endpoint of the region itself.
_AWS_ENDPOINT: Final = "https://s3.amazonaws.com"
_ADVICE: Final = (
    "Pass another folder_id, or the storage_location_id of an ExternalS3StorageLocationSetting "
    "that the user of the connection has created"
)


@dataclass(frozen=True)
class S3Storage:
    """A storage location in a bucket of its owner.

    Args:
        storage_location_id: ID of the storage location.
        bucket: Name of the bucket.
        base_key: Prefix of all keys; empty, or ends with a slash.
        endpoint_url: URL of the S3 service; None for AWS.
        has_sts: Whether the folder gives temporary credentials for it.
    """

    storage_location_id: int
    bucket: str
    base_key: str
    endpoint_url: str | None
    has_sts: bool

    def locate(self, prefix: str | None) -> S3Location:
        """Return the location of a prefix.

        Args:
            prefix: Key below the base key, or a URL `s3://bucket/key`; a missing slash is added.

        Raises:
            AirflowFailException: The prefix is outside the storage location.
        """
        key = self._parse_url(prefix) if prefix and "://" in prefix else self.base_key
        if prefix and "://" not in prefix:
            key += prefix.strip("/")
        key = key.strip("/")
        if any(name in ("", ".", "..") for name in key.split("/")) and key:
            raise AirflowFailException(
                f"Invalid prefix {prefix!r}: it contains an empty name, '.' or '..'"
            )
        return S3Location(
            self.storage_location_id, self.bucket, f"{key}/" if key else "", self.base_key
        )

    def _parse_url(self, url: str) -> str:
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        is_below = f"{key.rstrip('/')}/".startswith(self.base_key)
        if scheme != "s3" or bucket != self.bucket or not is_below:
            raise AirflowFailException(
                f"Invalid prefix {url!r}: it is outside of the storage location "
                f"{self.storage_location_id}, which is s3://{self.bucket}/{self.base_key}"
            )
        return key


def find_storage(
    client: LineageClient, folder_id: str, storage_location_id: int | None
) -> S3Storage:
    """Return the storage location with the objects, after checking that they can be registered.

    Args:
        client: Sends the requests.
        folder_id: ID of the container of the files.
        storage_location_id: The storage location; None for that of the container.

    Raises:
        AirflowFailException: The storage location is not a bucket of its owner, or the user is not
            its creator, or the container has another storage location with STS.

    Source:
        GET /entity/{id}/uploadDestination of the file service, GET /storageLocation/{id}
        https://rest-docs.synapse.org/rest/GET/storageLocation/id.html
    """
    path = f"/entity/{folder_id}/uploadDestination"
    destination = client.call("GET", path, endpoint="file").json
    own_id = destination.get("storageLocationId")
    location_id = own_id if storage_location_id is None else storage_location_id
    if location_id in (None, DEFAULT_STORAGE_LOCATION):
        raise AirflowFailException(
            f"The files of {folder_id} are in the storage of Synapse, not in a bucket of its "
            f"owner. {_ADVICE}"
        )
    has_sts = bool(destination.get("stsEnabled"))
    if has_sts and location_id != own_id:
        raise AirflowFailException(
            f"Invalid storage_location_id {location_id}: {folder_id} has the storage location "
            f"{own_id} with STS, and can only have its files. Omit storage_location_id, or choose "
            "another folder_id"
        )
    try:
        setting = client.call("GET", f"/storageLocation/{location_id}").json
    except SynapseForbiddenError as error:
        other_way = (
            "pass another folder_id, because a folder with STS has only one storage location"
            if has_sts
            else "create a storage location for the same bucket and pass its storage_location_id"
        )
        raise AirflowFailException(
            f"The storage location {location_id} was created by another user. Only its creator "
            f"can register objects: use a connection of that user, or {other_way}"
        ) from error
    if setting["concreteType"] != EXTERNAL_S3_LOCATION:
        kind = setting["concreteType"].rpartition(".")[2]
        raise AirflowFailException(
            f"The storage location {location_id} is a {kind}, not an S3 bucket of its owner. "
            f"{_ADVICE}"
        )
    base_key = (setting.get("baseKey") or "").strip("/")
    endpoint_url = setting.get("endpointUrl") or destination.get("endpointUrl")
    return S3Storage(
        int(location_id),
        setting["bucket"],
        f"{base_key}/" if base_key else "",
        None if endpoint_url == _AWS_ENDPOINT else endpoint_url,
        has_sts,
    )


def open_bucket(
    client: LineageClient, folder_id: str, storage: S3Storage, aws_conn_id: str | None
) -> S3Bucket:
    """Return the bucket of a storage location, with credentials that may read it.

    Args:
        client: Requests temporary credentials.
        folder_id: ID of the container.
        storage: The storage location.
        aws_conn_id: AWS connection; None for the temporary credentials of the container.

    Raises:
        AirflowFailException: A package is missing, the AWS connection is not defined, or there
            are no credentials.
        StsScopeError: The container gives no credentials to the user.
    """
    if aws_conn_id is not None:
        s3_client = _create_client(aws_conn_id, storage.endpoint_url, client.max_threads)
        return S3Bucket(s3_client, storage.bucket)
    if not storage.has_sts:
        raise AirflowFailException(
            f"{folder_id} has no storage location with STS, so it gives no credentials for "
            f"s3://{storage.bucket}. Pass the aws_conn_id of a connection that may read the bucket"
        )
    config = _create_config(client.max_threads)
    from synapse_workflows.hooks.sts_session import SynapseStsSession

    session = SynapseStsSession(StsCredentialSource(client, folder_id, "read_only"))
    return S3Bucket(session.client("s3", config=config), storage.bucket)


def _create_config(connections: int) -> Any:
    """Return settings of S3 clients: HTTP connections for each thread, and retries.

    Raises:
        AirflowFailException: boto3 is not installed.
    """
    try:
        from botocore.config import Config
    except ImportError as error:
        raise AirflowFailException(
            "boto3 is not installed: pip install 'synapse-workflows[s3]'"
        ) from error
    retries = {"mode": "standard", "total_max_attempts": 5}
    return Config(max_pool_connections=connections, retries=retries)


def _create_client(aws_conn_id: str, endpoint_url: str | None, connections: int) -> Any:
    """Return the S3 client of an AWS connection, with a number of HTTP connections."""
    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    except ImportError as error:
        raise AirflowFailException(
            "aws_conn_id requires apache-airflow-providers-amazon: "
            "pip install 'synapse-workflows[amazon]'"
        ) from error
    hook = S3Hook(aws_conn_id)
    try:
        hook.get_connection(aws_conn_id)  # S3Hook would use the environment of the worker instead
    except AirflowNotFoundException as error:
        raise AirflowFailException(
            f"Invalid aws_conn_id: the connection {aws_conn_id!r} is not defined. Create a "
            "connection of type 'aws', or omit aws_conn_id to use the temporary credentials of "
            "the folder"
        ) from error
    own_url = hook.conn_config.get_service_endpoint_url("s3")
    return hook.get_session().client(
        "s3",
        endpoint_url=own_url or endpoint_url,
        config=_create_config(connections),
        verify=hook.verify,
    )


def _parse_list(text: str) -> list[Any]:
    """Return the patterns of a rendered list; otherwise, the text as the only pattern."""
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = ast.literal_eval(text.strip())
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return found
    return [text]


def parse_patterns(value: Any, argument: str) -> Sequence[str]:
    """Return glob patterns; an empty list for None.

    Args:
        value: One pattern, or a list of patterns, also as the text that a template renders.
        argument: Name of the argument, for the error message.

    Raises:
        InvalidArgumentError: A pattern is empty or is not text.
    """
    patterns = [] if value is None else _parse_list(value) if isinstance(value, str) else value
    if not isinstance(patterns, list | tuple | set):
        raise invalid_type(value, argument, "a glob pattern or a list of them")
    for one in patterns:
        if not isinstance(one, str) or not one.strip():
            raise invalid_type(one, argument, "a glob pattern that is not empty")
    return list(patterns)


def parse_filter(include: Any, exclude: Any) -> PathFilter:
    """Return the filter of the arguments `include` and `exclude`."""
    return PathFilter(parse_patterns(include, "include"), parse_patterns(exclude, "exclude"))


def parse_positive(value: Any, argument: str) -> int:
    """Return a positive integer, or the number of its text.

    Raises:
        InvalidArgumentError: The value is not a positive integer.
    """
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise invalid_type(value, argument, "a positive integer")
    return number


def parse_folder(value: Any) -> str:
    """Return the path of a folder below the container; empty for the container itself.

    Raises:
        InvalidArgumentError: A name on the path is invalid.
    """
    path = "/".join(filter(None, (optional_text(value, "folder") or "").split("/")))
    reason = describe_invalid_path(path) if path else None
    if reason is not None:
        raise InvalidArgumentError(f"Invalid folder {value!r}: {reason}")
    return path


def parse_annotations(value: Mapping[str, Any]) -> AnnotationChange | None:
    """Return the annotations to set on each file; None for none.

    Raises:
        AirflowFailException: A key or a value is invalid.
    """
    if not value:
        return None
    try:
        return AnnotationChange.parse(value, "merge")
    except ValueError as error:
        raise AirflowFailException(f"Invalid annotations: {error}") from error
