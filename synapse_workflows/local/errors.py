"""Every way in which the service says no.

    ServiceError(status, reason)
    ├── BadRequest 400           ├── NotAcceptable 406      ├── TooLarge 413
    ├── Unauthorized 401         ├── Conflict 409           ├── UnsupportedMediaType 415
    ├── Forbidden 403            ├── Gone 410               ├── RangeNotSatisfiable 416
    │   ├── CertificationRequired├── Stale 412              ├── TooManyRequests 429
    │   └── InsufficientScope    │                          └── Unavailable 503
    └── NotFound 404
        └── InTrash

The rules raise them; `app` turns them into answers. Nothing here knows HTTP beyond the number.
"""
# ruff: noqa: N818  (named after the HTTP statuses)

from collections.abc import Mapping
from typing import Any, ClassVar

from synapse_workflows.constants import ERROR_RESPONSE, OAUTH_ERROR_RESPONSE


class ServiceError(Exception):
    """A refusal with its HTTP status and the sentence that the caller reads.

    Args:
        reason: one readable sentence.
        status: HTTP status; the subclass knows it.
        error_code: machine-readable code, for the few refusals that have one.
        headers: HTTP headers that go with the answer.
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
        """Give the JSON body, of schema ErrorResponse."""
        body = {"concreteType": ERROR_RESPONSE, "reason": self.reason}
        return body if self.error_code is None else {**body, "errorCode": self.error_code}


class BadRequest(ServiceError):
    """The request makes no sense: a missing or ill-typed field, a broken rule."""

    status = 400


class Unauthorized(ServiceError):
    """Credentials were presented and are not good."""

    status = 401
    challenge: ClassVar = {"WWW-Authenticate": 'Bearer realm="Synapse Repository Services"'}

    def __init__(self, reason: str = "Invalid access token") -> None:
        super().__init__(reason, headers=self.challenge)


class Forbidden(ServiceError):
    """The caller may not do this."""

    status = 403


class CertificationRequired(Forbidden):
    """Only users who passed the certification quiz may do this."""

    def __init__(
        self, reason: str = "Only certified users may create or update content in Synapse."
    ) -> None:
        super().__init__(reason, error_code="USER_CERTIFICATION_REQUIRED")


class InsufficientScope(Forbidden):
    """The caller's token does not hold every scope that the route needs."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        needed = ", ".join(scopes)
        super().__init__(f"Request lacks scope(s) required by this service: {needed}")

    def serialize(self) -> dict[str, Any]:
        """Give the JSON body, of schema OAuthErrorResponse."""
        return {
            "concreteType": OAUTH_ERROR_RESPONSE,
            "error": "insufficient_scope",
            "error_description": self.reason,
            "reason": self.reason,
        }


class NotFound(ServiceError):
    """There is no such thing."""

    status = 404


class EntityInTrash(NotFound):
    """The entity lies in the trash can."""

    def __init__(self, entity: str) -> None:
        super().__init__(f"Entity {entity} is in trash can.")


class NotAcceptable(ServiceError):
    """The route cannot give what the Accept header asks for."""

    status = 406


class Conflict(ServiceError):
    """The name is taken, or the thing is still in use."""

    status = 409


class Gone(ServiceError):
    """The endpoint was withdrawn; the reason says what replaces it."""

    status = 410


class StaleEtag(ServiceError):
    """The object changed since the caller read it."""

    status = 412

    def __init__(self, object_id: str) -> None:
        super().__init__(
            f"Object: {object_id} was updated since you last fetched it, "
            "retrieve it again and re-apply the update"
        )


class ContentTooLarge(ServiceError):
    """The request body is beyond what the route takes."""

    status = 413


class UnsupportedMediaType(ServiceError):
    """The request body is not JSON."""

    status = 415


class RangeNotSatisfiable(ServiceError):
    """The range asked for lies beyond the end."""

    status = 416


class TooManyRequests(ServiceError):
    """The caller is throttled."""

    status = 429


class ServiceUnavailable(ServiceError):
    """The service is read-only or down."""

    status = 503
