"""Where Synapse wants the files of a container to go."""

from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseTransferError

#: Destinations whose bytes go through Synapse's multipart upload.
_MULTIPART: Final = frozenset(
    {constants.S3_UPLOAD_DESTINATION, constants.EXTERNAL_S3_UPLOAD_DESTINATION}
)
#: Destinations that need a protocol and credentials of their own.
_FOREIGN: Final = frozenset(
    {
        f"{constants.MODEL}.file.ExternalUploadDestination",
        f"{constants.MODEL}.file.ExternalObjectStoreUploadDestination",
        f"{constants.MODEL}.file.ExternalGoogleCloudUploadDestination",
    }
)


@dataclass(frozen=True, slots=True)
class Destination:
    """An upload destination.

    Attributes:
        concrete_type: Which kind.
        storage_location_id: Where in Synapse's sense; None for its own storage.
        banner: What its owner wants people to read who upload there.
    """

    concrete_type: str
    storage_location_id: int | None
    banner: str | None = None


def of_container(syn: Session, container_id: str) -> Destination:
    """Ask where files below a project or folder go.

    Raises:
        SynapseTransferError: To a place that this client cannot write to.

    Source:
        GET /entity/{id}/uploadDestination of the file service
    """
    path = f"/entity/{container_id}/uploadDestination"
    destination = _read(syn.call("GET", path, endpoint="file").json)
    kind = destination.concrete_type.rpartition(".")[2]
    if destination.concrete_type in _FOREIGN:
        raise SynapseTransferError(
            f"Files of {container_id} go to a storage of type {kind}, which this client cannot "
            "write to. Choose a container with another storage location, or store a link with "
            "synapseStore=False."
        )
    if destination.concrete_type not in _MULTIPART:
        syn.logger.warning(
            "%s has an unknown upload destination, %s: uploading to Synapse's own storage.",
            container_id,
            kind or "of no type",
        )
        return Destination(constants.S3_UPLOAD_DESTINATION, None)
    if destination.banner:
        syn.logger.info("%s", destination.banner)
    return destination


def _read(body: dict[str, Any] | None) -> Destination:
    body = body or {}
    return Destination(
        concrete_type=body.get("concreteType") or "",
        storage_location_id=body.get("storageLocationId"),
        banner=body.get("banner"),
    )
