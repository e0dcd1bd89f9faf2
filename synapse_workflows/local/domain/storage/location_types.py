"""Types of storage locations, and validation of storage locations in requests."""

import re
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    CONTAINERS,
    EXTERNAL_LOCATION,
    EXTERNAL_OBJECT_LOCATION,
    EXTERNAL_S3_LOCATION,
    GOOGLE_CLOUD_LOCATION,
    PROXY_LOCATION,
    S3_LOCATION,
)
from synapse_workflows.local.domain import access, request_fields
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest

#: Bucket of the storage of the service (S3StorageLocationSetting).
BUCKET: Final = "local.synapse.storage"
MAX_BANNER: Final = 5000
#: Minimum length of the secret key of a proxy.
MIN_SECRET_KEY: Final = 36
_BUCKET: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
#: Characters with a special meaning in the resource names of AWS policies, and control characters.
_UNSAFE_KEY: Final = re.compile(r"[*?$\x00-\x1f\x7f]")

Body = Mapping[str, Any]


def parse_url(value: str, name: str, schemes: tuple[str, ...]) -> str:
    """Return an absolute URL without a password.

    Args:
        value: The URL.
        name: Name of the property, for the error message.
        schemes: Allowed schemes.

    Raises:
        BadRequest: The URL is invalid, or it has another scheme or a password.
    """
    try:
        parts = urlsplit(value)
        is_valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        has_password = parts.password is not None
    except ValueError:
        is_valid = has_password = False
    if not is_valid or any(each.isspace() for each in value):
        raise BadRequest(
            f"{name}: '{value}' is not a valid URL with the scheme {' or '.join(schemes)}."
        )
    if has_password:
        raise BadRequest(
            f"{name} must not contain a password: every user of the location could read it."
        )
    return value


def _parse_bucket(body: Body) -> str:
    bucket = request_fields.get_required_text(body, "bucket").strip()
    if _BUCKET.fullmatch(bucket) is None:
        raise BadRequest(f"bucket: '{bucket}' is not a valid bucket name.")
    return bucket


def _parse_base_key(body: Body) -> str | None:
    """Return the base key without surrounding slashes; None if nothing remains."""
    base_key = (request_fields.get_text(body, "baseKey", limit=1000) or "").strip().strip("/")
    if base_key and not {"", ".", ".."}.isdisjoint(base_key.split("/")):
        raise BadRequest(
            f"baseKey: {base_key!r} has an empty part or one of the parts '.' and '..', which S3 "
            "servers may treat as other prefixes."
        )
    if _UNSAFE_KEY.search(base_key):
        raise BadRequest(
            f"baseKey: {base_key!r} has a control character or one of *, ? and $, which have a "
            "special meaning in the policies of temporary credentials."
        )
    return base_key or None


def _parse_synapse_s3(_session: Session, caller: Caller, body: Body) -> dict[str, Any]:
    if body.get("baseKey") is not None:
        raise BadRequest(
            "Cannot specify baseKey when creating an S3StorageLocationSetting: the service "
            "generates the baseKey of locations with stsEnabled."
        )
    if not request_fields.get_boolean(body, "stsEnabled"):
        return {"stsEnabled": False}
    # A base key per location: credentials of one folder never reach the files of another one.
    return {"stsEnabled": True, "baseKey": f"{caller.id}/{uuid.uuid4()}"}


def parse_external_s3(body: Body) -> dict[str, Any]:
    """Parse the properties of an ExternalS3StorageLocationSetting, without banner and description.

    Raises:
        BadRequest: A property is missing or invalid.
    """
    endpoint_url = request_fields.get_text(body, "endpointUrl")
    bucket = _parse_bucket(body)
    if bucket == BUCKET:
        raise BadRequest(f"bucket: '{bucket}' is the storage of Synapse, not an external bucket.")
    return {
        "bucket": bucket,
        "baseKey": _parse_base_key(body),
        "endpointUrl": endpoint_url and parse_url(endpoint_url, "endpointUrl", ("https", "http")),
        "stsEnabled": request_fields.get_boolean(body, "stsEnabled"),
    }


def _parse_external_object(_session: Session, _caller: Caller, body: Body) -> dict[str, Any]:
    endpoint_url = request_fields.get_required_text(body, "endpointUrl")
    return {
        "endpointUrl": parse_url(endpoint_url, "endpointUrl", ("https", "http")),
        "bucket": _parse_bucket(body),
    }


def _parse_external(_session: Session, _caller: Caller, body: Body) -> dict[str, Any]:
    url = parse_url(request_fields.get_required_text(body, "url"), "url", ("sftp", "https"))
    supports_subfolders = request_fields.get_boolean(body, "supportsSubfolders")
    return {"url": url, "supportsSubfolders": supports_subfolders}


def _parse_proxy(session: Session, _caller: Caller, body: Body) -> dict[str, Any]:
    secret_key = request_fields.get_required_text(body, "secretKey")
    if len(secret_key) < MIN_SECRET_KEY:
        raise BadRequest(f"secretKey must have at least {MIN_SECRET_KEY} characters.")
    proxy_url = request_fields.get_required_text(body, "proxyUrl")
    benefactor = body.get("benefactorId")
    if benefactor is not None:
        entity = access.get_not_trashed(session, parse_entity_id(benefactor))
        if entity.concrete_type not in CONTAINERS:
            raise BadRequest(
                f"benefactorId: {format_entity_id(entity.id)} is not a project or folder."
            )
        benefactor = format_entity_id(entity.id)
    return {
        "secretKey": secret_key,
        "proxyUrl": parse_url(proxy_url, "proxyUrl", ("https",)),
        "benefactorId": benefactor,
    }


def _parse_google_cloud(_session: Session, _caller: Caller, body: Body) -> dict[str, Any]:
    return {"bucket": _parse_bucket(body), "baseKey": _parse_base_key(body)}


#: Concrete type -> parser of its properties.
_PARSERS: Final[Mapping[str, Callable[[Session, Caller, Body], dict[str, Any]]]] = (
    MappingProxyType(
        {
            S3_LOCATION: _parse_synapse_s3,
            EXTERNAL_S3_LOCATION: lambda _session, _caller, body: parse_external_s3(body),
            EXTERNAL_OBJECT_LOCATION: _parse_external_object,
            EXTERNAL_LOCATION: _parse_external,
            PROXY_LOCATION: _parse_proxy,
            GOOGLE_CLOUD_LOCATION: _parse_google_cloud,
        }
    )
)


def parse_concrete_type(body: Body) -> str:
    """Return the concrete type of a StorageLocationSetting.

    Raises:
        BadRequest: The type is missing or unknown.
    """
    name = request_fields.get_required_text(body, "concreteType")
    return request_fields.parse_choice(tuple(_PARSERS), name, "concreteType")


def parse_properties(session: Session, caller: Caller, body: Body) -> dict[str, Any]:
    """Parse the properties of a StorageLocationSetting, without those of all types of objects.

    Returns:
        The properties that are set: those of the concrete type, banner and description.

    Raises:
        BadRequest: A property is missing or invalid.
        NotFound: The benefactorId is not the ID of an entity.
    """
    properties = {
        "banner": request_fields.get_text(body, "banner", limit=MAX_BANNER),
        "description": request_fields.get_text(body, "description"),
        **_PARSERS[parse_concrete_type(body)](session, caller, body),
    }
    return {key: value for key, value in properties.items() if value is not None}
