"""Upload destinations: the storage for the files of a container."""

from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseTransferError

#: Destinations that support Synapse's multipart upload.
_SUPPORTED_TYPES: Final = frozenset(
    {constants.S3_UPLOAD_DESTINATION, constants.EXTERNAL_S3_UPLOAD_DESTINATION}
)
#: Destinations that are not supported, because they need another protocol and other credentials.
_UNSUPPORTED_TYPES: Final = frozenset(
    {
        f"{constants.MODEL}.file.ExternalUploadDestination",
        f"{constants.MODEL}.file.ExternalObjectStoreUploadDestination",
        f"{constants.MODEL}.file.ExternalGoogleCloudUploadDestination",
    }
)


@dataclass(frozen=True, slots=True)
class UploadDestination:
    """An upload destination.

    Attributes:
        concrete_type: Full type.
        storage_location_id: Storage location in Synapse; None for the default storage of Synapse.
        banner: Message of the storage owner that is shown to users who upload files.
    """

    concrete_type: str
    storage_location_id: int | None
    banner: str | None = None


def get_upload_destination(syn: Session, container_id: str) -> UploadDestination:
    """Return the upload destination of a project or folder.

    Raises:
        SynapseTransferError: The client cannot write to this type of storage.

    Source:
        GET /entity/{id}/uploadDestination of the file service
    """
    path = f"/entity/{container_id}/uploadDestination"
    destination = _parse(syn.call("GET", path, endpoint="file").object)
    kind = destination.concrete_type.rpartition(".")[2]
    if destination.concrete_type in _UNSUPPORTED_TYPES:
        raise SynapseTransferError(
            f"Cannot upload to {container_id}: uploads to a storage of type {kind} are not "
            "supported. Choose a container with another storage location, or store a link with "
            "synapseStore=False."
        )
    if destination.concrete_type not in _SUPPORTED_TYPES:
        syn.logger.warning(
            "%s has an unknown upload destination (%s). Uploading to the storage of Synapse.",
            container_id,
            kind or "no type",
        )
        return UploadDestination(constants.S3_UPLOAD_DESTINATION, None)
    if destination.banner:
        syn.logger.info("%s", destination.banner)
    return destination


def _parse(body: dict[str, Any] | None) -> UploadDestination:
    body = body or {}
    return UploadDestination(
        concrete_type=body.get("concreteType") or "",
        storage_location_id=body.get("storageLocationId"),
        banner=body.get("banner"),
    )
