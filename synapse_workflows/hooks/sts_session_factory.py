"""AWS session factory with STS credentials of Synapse folders.

The hooks of the Amazon provider import this module while `base_aws` is being imported, if it is
configured: no other module of the Amazon provider may be imported here.
"""

from typing import Any

try:
    from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory
except ModuleNotFoundError as error:
    raise ImportError(
        "The AWS session factory requires the Amazon provider: "
        "pip install 'synapse-workflows[amazon]'"
    ) from error

from synapse_workflows.hooks.sts_connections import SOURCES, StsReference
from synapse_workflows.hooks.sts_session import create_session


class SynapseStsSessionFactory(BaseSessionFactory):
    """AWS session factory whose sessions renew the STS credentials of Synapse folders.

    Set it in the Airflow configuration, and all hooks and operators of the Amazon provider and
    `ObjectStoragePath` renew the credentials of `SynapseStsBackend`, and those of AWS connections
    with the extra `{"synapse_sts": {"folder_id": "syn123", "permission": "read_write"}}`:

        [aws]
        session_factory = synapse_workflows.hooks.sts_session_factory.SynapseStsSessionFactory

    Other connections work as without it.
    """

    def create_session(self, deferrable: bool = False) -> Any:
        """Return a session of boto3, or of aiobotocore if `deferrable`."""
        reference = StsReference.from_extra(self.extra_config, self.conn.conn_id)
        if reference is None:
            return super().create_session(deferrable)
        return create_session(SOURCES.get(reference), self.region_name, deferrable=deferrable)
