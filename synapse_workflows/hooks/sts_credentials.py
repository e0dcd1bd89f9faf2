"""STS credentials for the storage of Synapse folders: scope checks, masking and renewal."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core.retry import RetryPolicy
from synapse_workflows.client.core.sts_tokens import StsPermission, get_sts_token
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseNotFoundError,
)
from synapse_workflows.constants import FOLDER
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.sts_secrets import list_secret_forms
from synapse_workflows.operator_arguments import InvalidArgumentError, check_choice

_log: Final = logging.getLogger(__name__)

#: A token is renewed when this share of its lifetime, or this time, is left.
_RENEWAL_SHARE: Final = 0.25
_RENEWAL_TIME: Final = timedelta(minutes=15)
#: Wait after a failed renewal, while the token is still valid.
_RENEWAL_WAIT: Final = timedelta(seconds=30)
#: A token with less time left is treated as expired: requests in flight must be able to finish.
_EXPIRY_MARGIN: Final = timedelta(seconds=2)
#: Retry settings of a renewal while the token is still valid: the work must not wait.
_SHORT_RETRY: Final = RetryPolicy(attempts=2, total=5, wait=0.5, max_wait=1)
_SHORT_TIMEOUT: Final = 10
_RIGHTS: Final = {
    "read_only": "Download access",
    "read_write": "the permissions to download, edit, create and delete",
}


class StsScopeError(AirflowFailException):
    """A folder has no STS credentials with the requested permission. A retry cannot succeed."""


@dataclass(frozen=True)
class StsLocation:
    """Storage of a Synapse folder.

    Args:
        folder_id: `syn123`.
        name: Name of the folder.
        bucket: S3 bucket.
        prefix: Prefix of all keys, without a slash at the end; empty for the whole bucket.
        endpoint_url: Endpoint of the S3 service; None for Amazon S3.
    """

    folder_id: str
    name: str
    bucket: str
    prefix: str
    endpoint_url: str | None

    @property
    def url(self) -> str:
        """URL of the storage, such as `s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class StsCredentials:
    """Temporary credentials. Their values are never shown, and a task cannot return them."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime

    @classmethod
    def from_json(cls, body: Mapping[str, Any], expiration: datetime) -> "StsCredentials":
        """Create credentials from a response of Synapse, whose values the client has masked."""
        return cls(body["accessKeyId"], body["secretAccessKey"], body["sessionToken"], expiration)

    def serialize(self) -> NoReturn:
        """Raise an error: credentials must not be stored in an XCom.

        Raises:
            TypeError: Always.
        """
        raise TypeError("A task cannot return STS credentials. Return keys of objects instead.")

    @property
    def remaining(self) -> timedelta:
        """Time until the credentials expire, less a margin; not positive after that."""
        return self.expiration - _EXPIRY_MARGIN - datetime.now(UTC)

    def redact(self, value: Any) -> Any:
        """Return a copy of a JSON value in which the secrets are replaced by `***`.

        Raises:
            TypeError: The value has an object of another type with a secret in its text.
        """
        if isinstance(value, str):
            secrets = (self.session_token, self.secret_access_key, self.access_key_id)
            for form in list_secret_forms(secrets):
                value = value.replace(form, "***")
            return value
        if isinstance(value, dict):
            return {self.redact(key): self.redact(item) for key, item in value.items()}
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(self.redact(item) for item in value)
        text = f"{value!r} {value}"
        if self.redact(text) != text:
            self.serialize()
        return value


class StsCredentialSource:
    """Source of credentials for the storage of a folder, for any number of threads.

    The scope is checked when the source is created. `get` renews the credentials before they
    expire. A failed renewal is not an error while the credentials are still valid.

    Args:
        client: Logged-in client of a hook.
        folder_id: The folder, as the user has written it.
        permission: `read_only` or `read_write`.
        min_remaining_life: Minimum time until the first credentials expire; None for one hour.

    Raises:
        StsScopeError: The folder has no credentials with this permission.
        InvalidEntityIdError: `folder_id` is not the ID of an entity.
        InvalidArgumentError: Unknown permission, or invalid `min_remaining_life`.
        SynapseError: Synapse cannot be reached; a retry may succeed.
    """

    def __init__(
        self,
        client: LineageClient,
        folder_id: Any,
        permission: StsPermission,
        min_remaining_life: timedelta | None = None,
    ) -> None:
        check_choice(permission, "permission", StsPermission)
        self.client = client
        self.permission: StsPermission = permission
        self.folder_id = parse_unversioned_id(folder_id, "folder_id")
        folder = _get_folder(client, self.folder_id)
        try:
            token = get_sts_token(client, self.folder_id, permission, min_remaining_life)
        except SynapseHTTPError as error:
            _explain(error, folder, permission)
        except (TypeError, ValueError) as error:  # an invalid min_remaining_life
            raise InvalidArgumentError(str(error)) from error
        self.location = _locate(client, folder, token.body)
        self._lock = threading.Lock()
        self._issued: list[StsCredentials] = []
        self._renew_at: datetime
        self._set(StsCredentials.from_json(token.body, token.expires_at))
        if min_remaining_life is not None and self._credentials.remaining < min_remaining_life:
            _log.warning(
                "The STS credentials of %s expire at %s, before the requested time of %s is over",
                self.folder_id,
                self._expiration_text,
                min_remaining_life,
            )

    def get(self) -> StsCredentials:
        """Return credentials that have not expired; renew them if they expire soon.

        Raises:
            SynapseError: The credentials have expired, and Synapse gives no new ones.
        """
        with self._lock:
            if datetime.now(UTC) >= self._renew_at:
                self._renew()
            return self._credentials

    def redact(self, value: Any) -> Any:
        """Return a copy of a JSON value without any credentials that the source has issued.

        Raises:
            TypeError: The value has an object of another type with a secret in its text.
        """
        for credentials in self._issued:
            value = credentials.redact(value)
        return value

    def _renew(self) -> None:
        is_valid = self._credentials.remaining > timedelta(0)
        options = {"retry": _SHORT_RETRY, "timeout": _SHORT_TIMEOUT} if is_valid else {}
        life = self._credentials.remaining + _EXPIRY_MARGIN * 2
        try:
            token = get_sts_token(
                self.client, self.folder_id, self.permission, max(life, _EXPIRY_MARGIN), **options
            )
        except Exception as error:
            if self._credentials.remaining <= timedelta(0):
                error.add_note(
                    f"The STS credentials of {self.folder_id} ({self.permission}) have expired at "
                    f"{self._expiration_text} and could not be renewed."
                )
                raise
            _log.warning(
                "Cannot renew the STS credentials of %s, which are valid until %s: %s",
                self.folder_id,
                self._expiration_text,
                error,
            )
            end = self._credentials.expiration - _EXPIRY_MARGIN
            self._renew_at = min(datetime.now(UTC) + _RENEWAL_WAIT, end)
            return
        self._set(StsCredentials.from_json(token.body, token.expires_at))

    def _set(self, credentials: StsCredentials) -> None:
        self._credentials = credentials
        self._issued.append(credentials)
        ahead = min(_RENEWAL_TIME, credentials.remaining * _RENEWAL_SHARE)
        self._renew_at = credentials.expiration - _EXPIRY_MARGIN - ahead

    @property
    def _expiration_text(self) -> str:
        return f"{self._credentials.expiration:%Y-%m-%d %H:%M:%S} UTC"


def _get_folder(client: LineageClient, folder_id: str) -> Mapping[str, Any]:
    """Return the properties of a folder.

    Raises:
        StsScopeError: The entity is not a folder, does not exist, or is not readable, or its ID
            is out of range.
    """
    try:
        entity: Mapping[str, Any] = client.call("GET", f"/entity/{folder_id}").json
    except (SynapseBadRequestError, SynapseNotFoundError) as error:
        raise StsScopeError(
            f"No STS credentials for {folder_id}: {_get_reason(error)} Correct the ID, or restore "
            "the folder from the trash can."
        ) from error
    except SynapseForbiddenError as error:
        raise StsScopeError(
            f"No STS credentials for {folder_id}: {_get_reason(error)} Ask an administrator of "
            f"its project for access to the folder for {client.username}."
        ) from error
    kind = str(entity["concreteType"])
    if kind != FOLDER:
        parent = f" For a file, pass its folder {entity['parentId']}." if "File" in kind else ""
        raise StsScopeError(
            f"No STS credentials for {folder_id} ({entity['name']!r}): it is not a folder but a "
            f"{kind.rpartition('.')[2]}. STS storage locations belong to folders.{parent}"
        )
    return entity


def _explain(
    error: SynapseHTTPError, folder: Mapping[str, Any], permission: StsPermission
) -> NoReturn:
    """Raise the error for a token that Synapse refused, if a retry cannot succeed.

    Raises:
        StsScopeError: The folder has no credentials with this permission.
        SynapseHTTPError: Another error.
    """
    shown = f"{permission} STS credentials for the folder {folder['id']} ({folder['name']!r})"
    if isinstance(error, SynapseForbiddenError):
        raise StsScopeError(
            f"No {shown}: {_get_reason(error)} {permission} requires {_RIGHTS[permission]}. Ask "
            "an administrator of the project for them, or use another connection."
        ) from error
    if isinstance(error, SynapseNotFoundError):
        raise StsScopeError(
            f"No {shown}: {_get_reason(error)} Restore the folder from the trash can, or correct "
            "the ID."
        ) from error
    if not isinstance(error, SynapseBadRequestError):
        raise error
    if permission == "read_write" and "write" in error.reason:
        raise StsScopeError(
            f"No {shown}: {_get_reason(error)} Use permission='read_only', or a folder whose "
            "storage location is an own bucket: create_s3_storage_location(bucket_name=..., "
            "sts_enabled=True)."
        ) from error
    if "STS" not in error.reason:  # for example a local service without an S3 server
        raise StsScopeError(f"No {shown}: {_get_reason(error)}") from error
    raise StsScopeError(
        f"No {shown}: {_get_reason(error)} Create a folder with such a location: "
        "create_s3_storage_location(parent=..., folder_name=..., bucket_name=..., base_key=..., "
        "sts_enabled=True). A folder that has content cannot be changed."
    ) from error


def _get_reason(error: SynapseHTTPError) -> str:
    """Return the reason that Synapse gives, with one full stop at its end."""
    return f"{error.reason.rstrip('. ')}."


def _locate(
    client: LineageClient, folder: Mapping[str, Any], token: Mapping[str, Any]
) -> StsLocation:
    """Return the storage of a folder.

    A local service tells its S3 server with the token. In Synapse, the upload destination has the
    endpoint.

    Source:
        GET /entity/{id}/uploadDestination
        https://rest-docs.synapse.org/rest/GET/entity/id/uploadDestination.html
    """
    known = dict(token)
    if not (token.get("bucket") and token.get("endpointUrl")):
        path = f"/entity/{folder['id']}/uploadDestination"
        known = client.call("GET", path, endpoint="file").json
        known |= {name: value for name, value in token.items() if value}
    if not known.get("bucket"):
        raise StsScopeError(
            f"The storage location of the folder {folder['id']} ({folder['name']!r}) has no S3 "
            "bucket."
        )
    return StsLocation(
        folder_id=folder["id"],
        name=folder["name"],
        bucket=known["bucket"],
        prefix=(known.get("baseKey") or "").strip("/"),
        endpoint_url=_get_own_endpoint(known.get("endpointUrl")),
    )


def _get_own_endpoint(url: str | None) -> str | None:
    """Return an endpoint that is not Amazon S3. Amazon's endpoint depends on the region."""
    host = urlsplit(url or "").hostname or ""
    is_amazon = host == "amazonaws.com" or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return None if is_amazon or not host else url
