"""Upload destinations: the storage for the files of a container."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from synapse_workflows import constants
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseUnsupportedStorageError

#: Destinations of Synapse's multipart upload.
MULTIPART_TYPES: Final = frozenset(
    {
        constants.S3_UPLOAD_DESTINATION,
        constants.EXTERNAL_S3_UPLOAD_DESTINATION,
        constants.GOOGLE_CLOUD_UPLOAD_DESTINATION,
    }
)
_KNOWN_TYPES: Final = MULTIPART_TYPES | {
    constants.EXTERNAL_UPLOAD_DESTINATION,
    constants.EXTERNAL_OBJECT_UPLOAD_DESTINATION,
}
_SFTP: Final = "SFTP"
_OWN_LOCATIONS: Final = "own storage locations"


@dataclass(frozen=True, slots=True)
class UploadDestination:
    """An upload destination.

    Attributes:
        concrete_type: Full type.
        storage_location_id: Storage location in Synapse; None for the default storage of Synapse.
        banner: Message of the storage owner that is shown to users who upload files.
        properties: All properties that Synapse returned.
    """

    concrete_type: str
    storage_location_id: int | None
    banner: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def require(self, name: str) -> str:
        """Return a property of the destination.

        Raises:
            SynapseUnsupportedStorageError: Synapse did not return the property.
        """
        value = self.properties.get(name)
        if not value:
            raise SynapseUnsupportedStorageError(
                f"The storage location {self.storage_location_id} has no {name}. Ask its owner to "
                "create a new storage location."
            )
        return str(value)

    @property
    def is_sts_enabled(self) -> bool:
        """Whether an own S3 bucket allows temporary AWS credentials."""
        is_own_bucket = self.concrete_type == constants.EXTERNAL_S3_UPLOAD_DESTINATION
        return is_own_bucket and bool(self.properties.get("stsEnabled"))


def get_upload_destination(syn: Session, container_id: str) -> UploadDestination:
    """Return the upload destination of a project or folder, and log its banner.

    Raises:
        SynapseUnsupportedStorageError: The client cannot write to this type of storage.

    Source:
        GET /entity/{id}/uploadDestination of the file service
    """
    destination = _parse(request_upload_destination(syn, container_id))
    kind = destination.concrete_type
    if kind not in _KNOWN_TYPES:
        syn.logger.warning(
            "%s has an unknown upload destination (%s). Uploading to the storage of Synapse.",
            container_id,
            kind.rpartition(".")[2] or "no type",
        )
        return UploadDestination(constants.S3_UPLOAD_DESTINATION, None)
    upload_type = destination.properties.get("uploadType")
    if kind == constants.EXTERNAL_UPLOAD_DESTINATION and upload_type != _SFTP:
        raise SynapseUnsupportedStorageError(
            f"Cannot upload to {container_id}: its storage location expects uploads of type "
            f"{upload_type}. Can only handle SFTP upload locations. Choose a container with "
            "another storage location, or store a link with synapseStore=False."
        )
    if destination.banner:
        syn.logger.info("%s", destination.banner)
    return destination


def request_upload_destination(
    syn: Session, entity_id: str, storage_location_id: int | str | None = None
) -> dict[str, Any]:
    """Request an upload destination of a project, folder or file.

    Args:
        syn: The session that sends the request.
        entity_id: ID of the entity.
        storage_location_id: One of the storage locations of the entity; None for the default.

    Source:
        GET /entity/{id}/uploadDestination, GET /entity/{id}/uploadDestination/{storageLocationId}
        of the file service
    """
    suffix = "" if storage_location_id is None else f"/{storage_location_id}"
    path = f"/entity/{entity_id}/uploadDestination{suffix}"
    return syn.call("GET", path, endpoint="file").object


def is_own_location(syn: Session, storage_location_id: int | None) -> bool:
    """Return whether the caller created a storage location.

    Source:
        GET /storageLocation/{id}
    """
    known: dict[tuple[Any, ...], bool] = syn.get_or_create(_OWN_LOCATIONS, dict)
    key = (syn.repoEndpoint, syn.credentials, storage_location_id)
    if key not in known:
        try:
            syn.call("GET", f"/storageLocation/{storage_location_id}")
        except SynapseForbiddenError:
            known[key] = False
        else:
            known[key] = True
    return known[key]


def discard_own_locations(syn: Session) -> None:
    """Remove the results of `is_own_location`, with the credentials, from memory."""
    syn.forget(_OWN_LOCATIONS)


def _parse(body: dict[str, Any]) -> UploadDestination:
    return UploadDestination(
        concrete_type=body.get("concreteType") or "",
        storage_location_id=body.get("storageLocationId"),
        banner=body.get("banner"),
        properties=body,
    )
