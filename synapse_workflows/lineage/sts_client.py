"""Client that masks STS credentials in the logs of Airflow and records their use."""

from datetime import timedelta
from typing import Any

from synapse_workflows.client.api import sts
from synapse_workflows.client.core.flows import Reply
from synapse_workflows.client.core.sts_tokens import StsPermission, get_sts_token
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.lineage.sts_lineage import record_environment
from synapse_workflows.lineage.sts_secrets import mask_credentials

_PATH_END = "/sts"


class StsClient(Synapse):
    """Synapse client whose STS credentials are masked and recorded."""

    synapse_conn_id: str

    def call(self, method: str, path: str, **options: Any) -> Reply:
        """Send a request, as `Synapse.call` does, and mask the credentials of the response."""
        reply = super().call(method, path, **options)
        if method == "GET" and path.partition("?")[0].endswith(_PATH_END):
            mask_credentials(reply.object)
        return reply

    #: Whether a task fails if its Activity cannot be stored.
    lineage_required: bool = False

    def get_sts_storage_token(
        self, entity: Any, permission: StsPermission, **options: Any
    ) -> dict[str, Any] | str:
        """Get STS credentials, as `Synapse.get_sts_storage_token` does.

        Inside a task, the storage is recorded as used: what is read and written with the
        credentials is not known. `SynapseHook.sts_session` records the objects.
        """
        result: dict[str, Any] | str = sts.get_sts_storage_token(
            self, entity, permission, **options
        )
        folder_id = parse_entity_id(entity).id
        body = get_sts_token(self, folder_id, permission, timedelta()).body
        url = f"s3://{body.get('bucket')}/{body.get('baseKey') or ''}".rstrip("/")
        record_environment(self, folder_id, url, is_writable=permission == "read_write")
        return result

    @property
    def lineage_mode(self) -> LineageMode:
        """Sources of the Activities that the client writes."""
        raise NotImplementedError  # abstract: the client of a hook defines it
