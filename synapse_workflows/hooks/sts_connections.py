"""Connection IDs such as `synapse-sts://syn123`, and the sources of their credentials."""

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, cast

from synapse_workflows.client.core.sts_tokens import StsPermission
from synapse_workflows.hooks.base import SynapseBaseHook
from synapse_workflows.hooks.connection import ClientSettings
from synapse_workflows.hooks.credentials import find_credentials
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.sts_conn_ids import SCHEME, is_sts_conn_id
from synapse_workflows.hooks.sts_credentials import StsCredentialSource
from synapse_workflows.hooks.sts_environment import DEFAULT_REGION
from synapse_workflows.lineage.s3_access import S3AccessRecorder
from synapse_workflows.lineage.sts_lineage import record_session
from synapse_workflows.operator_arguments import InvalidArgumentError, check_choice

#: Key of the reference in the extra of an AWS connection.
EXTRA_KEY: Final = "synapse_sts"
#: `synapse-sts://syn123/read_write`; or, in URLs of objects, `synapse-sts.syn123.read_write`.
_CONN_ID: Final = re.compile(
    rf"{SCHEME}(?:://|[.:])(?P<folder>syn\d+)(?:[/.:](?P<permission>read_only|read_write))?/?"
)
#: Maximum number of sources that a process keeps.
_MAX_SOURCES: Final = 100


@dataclass(frozen=True)
class StsReference:
    """A folder whose storage is accessed with STS credentials.

    Args:
        folder_id: `syn123`.
        permission: `read_only` or `read_write`.
        synapse_conn_id: Connection of the account that gets the credentials.
    """

    folder_id: str
    permission: StsPermission = "read_only"
    synapse_conn_id: str = SynapseBaseHook.default_conn_name

    @property
    def conn_id(self) -> str:
        """ID of the AWS connection of the folder."""
        return f"{SCHEME}://{self.folder_id}/{self.permission}"

    @classmethod
    def from_conn_id(
        cls, conn_id: Any, synapse_conn_id: str = SynapseBaseHook.default_conn_name
    ) -> Self | None:
        """Parse the ID of an AWS connection; None for the ID of another connection.

        Raises:
            InvalidArgumentError: The ID begins with `synapse-sts`, but has another form.
        """
        if not is_sts_conn_id(conn_id):
            return None
        match = _CONN_ID.fullmatch(conn_id)
        if match is None:
            raise InvalidArgumentError(
                f"Invalid connection ID {conn_id!r}: expected '{SCHEME}://syn123' or "
                f"'{SCHEME}://syn123/read_write'; in the URL of an object, '{SCHEME}.syn123' or "
                f"'{SCHEME}.syn123.read_write'."
            )
        permission = cast("StsPermission", match["permission"] or "read_only")
        return cls(match["folder"], permission, synapse_conn_id)

    @classmethod
    def from_extra(cls, extra: Mapping[str, Any], conn_id: Any) -> Self | None:
        """Return the reference in the extra of an AWS connection; None if it has none.

        Args:
            extra: `{"synapse_sts": {"folder_id": "syn123", "permission": "read_write"}}`, also
                with `synapse_conn_id`.
            conn_id: ID of the connection, for error messages.

        Raises:
            InvalidArgumentError: The reference is invalid.
        """
        value = extra.get(EXTRA_KEY)
        if value is None:
            return None
        allowed = {"folder_id", "permission", "synapse_conn_id"}
        if not isinstance(value, Mapping) or "folder_id" not in value or not allowed >= set(value):
            raise InvalidArgumentError(
                f"Invalid {EXTRA_KEY!r} in the extra of the connection {conn_id!r}: expected an "
                f"object with folder_id, and optionally permission and synapse_conn_id."
            )
        check_choice(value.get("permission", "read_only"), "permission", StsPermission)
        folder_id = parse_unversioned_id(value["folder_id"], "folder_id")
        return cls(**{**value, "folder_id": folder_id})


class StsSources:
    """Sources of credentials of this process, by connection, folder and permission.

    A source is used again while the Synapse connection is unchanged, so that each token is
    requested once. A forked process has sources of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: OrderedDict[Any, StsCredentialSource] = OrderedDict()
        self._process = os.getpid()

    def get(self, reference: StsReference) -> StsCredentialSource:
        """Return the source of a reference; create a missing one.

        Raises:
            AirflowNotFoundException: The Synapse connection is not defined.
            StsScopeError: The folder has no credentials with this permission.
            SynapseError: Synapse cannot be reached, or rejects the account.
        """
        hook = SynapseBaseHook(reference.synapse_conn_id)
        key = (reference, _identify(hook.settings()))
        with self._lock:
            if self._process != os.getpid():
                self._process = os.getpid()
                self._sources.clear()
            source = self._sources.get(key)
        if source is None:
            source = StsCredentialSource(hook.client, reference.folder_id, reference.permission)
        with self._lock:
            self._sources[key] = source
            self._sources.move_to_end(key)
            while len(self._sources) > _MAX_SOURCES:
                self._sources.popitem(last=False)
        return source


SOURCES: Final = StsSources()


def record_access(source: StsCredentialSource) -> S3AccessRecorder | None:
    """Return the recorder of a session for the running task; None outside a task."""
    return record_session(source.client, source.folder_id)


def create_connection_fields(
    reference: StsReference, source: StsCredentialSource, *, with_credentials: bool
) -> dict[str, Any]:
    """Return the fields of an AWS connection for a folder.

    Args:
        reference: The folder.
        source: Source of its credentials.
        with_credentials: Whether the connection has the credentials, which expire after 12 hours.
    """
    location = source.location
    extra: dict[str, Any] = {
        "region_name": DEFAULT_REGION,
        "service_config": {"s3": {"bucket_name": location.bucket}},
        EXTRA_KEY: {
            "folder_id": reference.folder_id,
            "permission": reference.permission,
            "synapse_conn_id": reference.synapse_conn_id,
        },
    }
    if location.endpoint_url is not None:
        extra["endpoint_url"] = location.endpoint_url
        extra["config_kwargs"] = {"s3": {"addressing_style": "path"}}
    fields: dict[str, Any] = {"conn_type": "aws"}
    if with_credentials:
        credentials = source.get()
        fields |= {"login": credentials.access_key_id, "password": credentials.secret_access_key}
        extra["aws_session_token"] = credentials.session_token
    return {**fields, "extra": json.dumps(extra)}


def _identify(settings: ClientSettings) -> tuple[Any, ...]:
    """Return the service and the account of a connection."""
    found = find_credentials(settings)
    return (tuple(sorted(settings.endpoints.items())), found, settings.username)
