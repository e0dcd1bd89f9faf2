"""Errors of the service and their HTTP status codes.

    ServiceError(reason, status=500)
    ├── BadRequest 400           ├── NotAcceptable 406      ├── ContentTooLarge 413
    │   └── InvalidFacetRequest  ├── Conflict 409           ├── UnsupportedMediaType 415
    ├── Unauthorized 401         ├── Gone 410               ├── TooManyRequests 429
    ├── Forbidden 403            │   └── DataLost           ├── ServiceUnavailable 503
    │   ├── CertificationRequired└── PreconditionFailed 412 └── InsufficientStorage 507
    │   ├── InsufficientScope        └── StaleEtag
    │   └── TermsNotAccepted
    └── NotFound 404
        └── EntityInTrash

The domain raises the errors; `app` converts them to HTTP responses.
"""
# ruff: noqa: N818  (named after the HTTP statuses)

from collections.abc import Mapping
from typing import Any, ClassVar

from synapse_workflows.constants import ERROR_RESPONSE, OAUTH_ERROR_RESPONSE


class ServiceError(Exception):
    """An error that is returned to the caller.

    Args:
        reason: Message for the caller.
        status: HTTP status; the default is the status of the class.
        error_code: Machine-readable error code.
        headers: HTTP headers of the response.
    """

    status: int = 500

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = self.status if status is None else status
        self.error_code = error_code
        self.headers = dict(headers or {})

    def serialize(self) -> dict[str, Any]:
        """Return the response body (ErrorResponse)."""
        body = {"concreteType": ERROR_RESPONSE, "reason": self.reason}
        return body if self.error_code is None else {**body, "errorCode": self.error_code}


class BadRequest(ServiceError):
    """The request is invalid."""

    status = 400


class InvalidFacetRequest(BadRequest):
    """A query selects values of a facet that its column does not have."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_code="INVALID_TABLE_QUERY_FACET_COLUMN_REQUEST")


class Unauthorized(ServiceError):
    """The credentials are invalid."""

    status = 401
    challenge: ClassVar = {"WWW-Authenticate": 'Bearer realm="Synapse Repository Services"'}

    def __init__(self, reason: str = "Invalid access token") -> None:
        super().__init__(reason, headers=self.challenge)


class Forbidden(ServiceError):
    """The caller has no permission for the operation."""

    status = 403


class CertificationRequired(Forbidden):
    """The operation is only allowed for certified users."""

    def __init__(
        self, reason: str = "Only certified users may create or update content in Synapse."
    ) -> None:
        super().__init__(reason, error_code="USER_CERTIFICATION_REQUIRED")


class InsufficientScope(Forbidden):
    """The access token lacks a scope that the route requires."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        needed = ", ".join(scopes)
        super().__init__(f"Request lacks scope(s) required by this service: {needed}")

    def serialize(self) -> dict[str, Any]:
        """Return the response body (OAuthErrorResponse)."""
        return {
            "concreteType": OAUTH_ERROR_RESPONSE,
            "error": "insufficient_scope",
            "error_description": self.reason,
            "reason": self.reason,
        }


class TermsNotAccepted(Forbidden):
    """The caller has not agreed to the terms of use."""

    def __init__(self) -> None:
        super().__init__("Terms of use have not been signed.")


class NotFound(ServiceError):
    """The object does not exist."""

    status = 404


class EntityInTrash(NotFound):
    """The entity is in the trash can."""

    def __init__(self, entity: str) -> None:
        super().__init__(f"Entity {entity} is in trash can.")


class NotAcceptable(ServiceError):
    """The route cannot produce the media type of the Accept header."""

    status = 406


class Conflict(ServiceError):
    """The request conflicts with the state of the object, for example a name that is in use."""

    status = 409


class Gone(ServiceError):
    """The endpoint was removed."""

    status = 410


class DataLost(Gone):
    """A file of the data directory is missing or damaged.

    The status is not 500, because clients repeat a request with status 500 for minutes.
    """


class PreconditionFailed(ServiceError):
    """The object is not in the state that the request expects."""

    status = 412


class StaleEtag(PreconditionFailed):
    """The object changed since the caller read it."""

    def __init__(self, object_id: str) -> None:
        super().__init__(
            f"Object: {object_id} was updated since you last fetched it, "
            "retrieve it again and re-apply the update"
        )


class ContentTooLarge(ServiceError):
    """The request body exceeds the size limit."""

    status = 413


class UnsupportedMediaType(ServiceError):
    """The request body is not JSON."""

    status = 415


class TooManyRequests(ServiceError):
    """The caller exceeds a rate limit."""

    status = 429


class ServiceUnavailable(ServiceError):
    """The service is read-only or down."""

    status = 503


class InsufficientStorage(ServiceError):
    """The disk with the data directory is full."""

    status = 507

    def __init__(self) -> None:
        super().__init__(
            "The disk with the data directory of the service is full. Nothing was stored. "
            "Free some space and try again."
        )
