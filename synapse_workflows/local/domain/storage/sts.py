"""Temporary AWS credentials for the storage locations of STS-enabled folders."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.constants import S3_LOCATION, AccessType, StsPermission
from synapse_workflows.local.domain import access, request_fields
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import effective_settings, storage_locations
from synapse_workflows.local.errors import BadRequest

_RIGHTS = {
    StsPermission.READ_ONLY: (AccessType.DOWNLOAD,),
    StsPermission.READ_WRITE: (
        AccessType.DOWNLOAD,
        AccessType.UPDATE,
        AccessType.CREATE,
        AccessType.DELETE,
    ),
}


@dataclass(frozen=True)
class CredentialsRequest:
    """What temporary credentials give access to.

    Args:
        bucket: Name of the bucket.
        base_key: Prefix of the keys, without a slash at its end; None for the whole bucket.
        permission: Read access, or read and write access.
        user: Principal ID of the user.
    """

    bucket: str
    base_key: str | None
    permission: StsPermission
    user: int


def authorize(
    session: Session, caller: Caller, entity_id: int, permission: str
) -> CredentialsRequest:
    """Check that the caller may get credentials for the storage location of an entity.

    Raises:
        BadRequest: No such permission, the entity is not in an STS-enabled folder, or write access
            to the storage of the service was requested.
        Forbidden: The caller lacks READ, or an access type that the permission needs.
        NotFound: No such entity, or it is in the trash can.
    """
    wanted = request_fields.parse_enum(StsPermission, permission, "permission")
    entity = access.require(session, caller, entity_id, AccessType.READ)
    folder = effective_settings.find_sts_folder(session, entity)
    if folder is None:
        raise BadRequest("Entity must have an STS-enabled storage location")
    for right in _RIGHTS[wanted]:
        access.require(session, caller, entity_id, right)
    location = folder.location
    if wanted is StsPermission.READ_WRITE and location.concrete_type == S3_LOCATION:
        raise BadRequest("STS write access is not allowed in Synapse storage")
    return CredentialsRequest(
        bucket=storage_locations.get_bucket(location) or "",
        base_key=location.properties.get("baseKey"),
        permission=wanted,
        user=caller.id,
    )


def issue(service: Service, request: CredentialsRequest) -> dict[str, Any]:
    """Return the StsCredentials of an authorized request. Call it outside of a transaction.

    The property `endpointUrl` is an extension: in Synapse, the server is always that of AWS.

    Raises:
        BadRequest: The service has no S3 server.
        ServiceUnavailable: The S3 server does not respond.
    """
    credentials = service.require_credential_issuer().issue(
        request.bucket, request.base_key, request.permission, f"synapse-{request.user}"
    )
    return {
        "accessKeyId": credentials.access_key_id,
        "secretAccessKey": credentials.secret_access_key,
        "sessionToken": credentials.session_token,
        "expiration": credentials.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "bucket": request.bucket,
        "baseKey": request.base_key,
        "endpointUrl": service.require_object_store().endpoint.url,
    }
