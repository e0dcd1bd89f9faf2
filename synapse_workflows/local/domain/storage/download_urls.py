"""URLs that download files."""

import hashlib
import hmac
from urllib.parse import urlencode, urlsplit

from sqlalchemy.orm import Session

from synapse_workflows.constants import EXTERNAL_FILE_HANDLE, PROXY_FILE_HANDLE
from synapse_workflows.local.domain import presigned_urls
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.storage import buckets, storage_locations
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.file_models import FileHandle


def find_url(service: Service, session: Session, handle: FileHandle) -> str | None:
    """Return the URL of the content of a file handle.

    Returns:
        A pre-signed URL of a stored file, the URL of an external file, or a signed URL of a proxy;
        None for an object of a bucket that the service cannot access.

    Raises:
        ServiceUnavailable: The S3 server of the service does not respond.
    """
    if handle.blob_id is not None:
        return presigned_urls.create_download_url(service, handle.id)
    if handle.concrete_type == EXTERNAL_FILE_HANDLE:
        return str(handle.location["externalURL"])
    if handle.concrete_type == PROXY_FILE_HANDLE:
        return _build_proxy_url(service, session, handle)
    return _find_object_url(service, session, handle)


def _find_object_url(service: Service, session: Session, handle: FileHandle) -> str | None:
    found = buckets.find_object(service, session, handle)
    if found is None:
        return None
    store, bucket, key = found
    return store.presign_get(
        bucket,
        key,
        service.settings.download_url_seconds,
        file_name=handle.file_name,
        content_type=handle.content_type,
    )


def get_url(service: Service, session: Session, handle: FileHandle) -> str:
    """Return the URL of the content of a file handle.

    Raises:
        BadRequest: The content has no URL.
    """
    url = find_url(service, session, handle)
    if url is None:
        location = handle.location
        endpoint_url = buckets.get_endpoint_url(service, location.get("endpointUrl"))
        raise BadRequest(
            f"FileHandle {handle.id} has no URL, because the service has no access to the bucket. "
            f"Read the object {location.get('fileKey') or location.get('key')} of the bucket "
            f"{location.get('bucket') or location.get('bucketName')} at "
            f"{endpoint_url} with your own credentials."
        )
    return url


def _build_proxy_url(service: Service, session: Session, handle: FileHandle) -> str:
    """Return the URL of a file of a proxy, signed with the secret key of the storage location."""
    location = storage_locations.parse_location(session, handle.storage_location_id)
    path = str(handle.location["filePath"]).lstrip("/")
    url = f"{location.properties['proxyUrl'].rstrip('/')}/{location.upload_type.lower()}/{path}"
    query = {
        "contentMD5": handle.content_md5,
        "contentSize": handle.content_size,
        "contentType": handle.content_type,
        "expiration": service.now() + service.settings.download_url_seconds * 1000,
        "fileName": handle.file_name,
    }
    parts = urlsplit(url)
    text = f"GET {parts.hostname} {parts.path}?{urlencode(query)}"
    key = location.properties["secretKey"].encode()
    signature = hmac.new(key, text.encode(), hashlib.sha1).hexdigest()
    return f"{url}?{urlencode(query)}&hmacSignature={signature}"
