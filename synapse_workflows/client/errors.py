"""Exceptions of the Synapse client.

    SynapseError
    ├─ SynapseConfigError (+ ValueError)         a setting is missing or invalid
    ├─ SynapseAuthenticationError
    │   └─ SynapseNoCredentialsError             lists the places that were searched, in order
    ├─ SynapseConnectionError (+ requests.ConnectionError)   no connection, or it was interrupted
    ├─ SynapseHTTPError (+ requests.HTTPError)   an HTTP error: .status .reason .call .response
    │   ├─ SynapseBadRequestError (+ ValueError)                    400
    │   ├─ SynapseUnauthorizedError (+ SynapseAuthenticationError)  401
    │   ├─ SynapseForbiddenError (+ PermissionError)                403
    │   ├─ SynapseNotFoundError (+ FileNotFoundError)               404, 410
    │   ├─ SynapseConflictError                                     409
    │   │   ├─ SynapseNameConflictError (+ ValueError)              409, a name that is in use
    │   │   └─ SynapseStaleError                                    412, an outdated etag
    │   ├─ SynapseLockedError                                       423
    │   ├─ SynapseTooManyRequestsError                              429: .retry_after
    │   └─ SynapseServerError                                       5xx
    ├─ SynapseResponseError (+ KeyError)         a response has an unexpected form
    ├─ SynapseJobError                           an asynchronous job failed: .job, .details
    ├─ SynapseTimeoutError (+ TimeoutError)
    ├─ SynapseTransferError
    │   ├─ SynapseUploadFailedException
    │   ├─ SynapseUploadAbortedException
    │   ├─ SynapseDownloadError
    │   ├─ SynapseUnsupportedStorageError (+ NotImplementedError)
    │   └─ SynapseMd5MismatchError (+ OSError)   .expected .found .path
    ├─ SynapseFileCacheError
    ├─ SynapseFileNotFoundError (+ FileNotFoundError)
    ├─ SynapseMalformedEntityError (+ ValueError)
    ├─ SynapseProvenanceError
    └─ SynapseUnmetAccessRestrictions

Every error can be pickled. No error contains a token or the query of a pre-signed URL.
`SynapseError.retry_category` is the one definition of which failures may be retried.
"""

from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Self

import requests

#: Attributes that are not pickled: open responses and sent headers.
_NOT_PICKLED = frozenset({"response", "request"})

#: Statuses of a request that the server refused without processing it.
_SAFE_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
#: Statuses of a request whose target is locked, or is not in the state that the request expects.
_CONFLICT_STATUSES: Final = frozenset(
    {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.LOCKED}
)
#: Server errors that do not depend on the state of the server: a repeated request fails again.
_UNSUPPORTED_STATUSES: Final = frozenset(
    {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
)
#: Statuses whose retry category does not depend on the reason text.
_UNAMBIGUOUS_STATUSES: Final = frozenset({401, 403, 404, 409, 410, 412})
_SAFE_PHRASES: Final = ("slow down", "slowdown", "try again")
_UNCERTAIN_PHRASES: Final = (
    "proxy error", "timeout", "timed out", "connection reset by peer",
    "unknown ssl protocol error", "couldn't connect to host",
)  # fmt: skip


class RetryCategory(Enum):
    """Categories of failures: whether a failed request may be sent again."""

    SAFE = "safe"
    """The server did not process the request. The same request can be sent again."""
    UNCERTAIN = "uncertain"
    """The server may have processed the request. Only a repeatable request may be sent again."""
    CONFLICT = "conflict"
    """The target is locked or has changed. The same request fails again. A new request that is
    built from the current state can succeed."""
    PERMANENT = "permanent"
    """A retry cannot succeed."""

    @property
    def can_repeat_request(self) -> bool:
        """Whether the same request can succeed when it is sent again."""
        return self in {RetryCategory.SAFE, RetryCategory.UNCERTAIN}

    @classmethod
    def of_status(cls, status: int) -> "RetryCategory":
        """Return the category of an HTTP error status."""
        if status in _SAFE_STATUSES:
            return cls.SAFE
        if status in _CONFLICT_STATUSES:
            return cls.CONFLICT
        if status == HTTPStatus.REQUEST_TIMEOUT:
            return cls.UNCERTAIN
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _UNSUPPORTED_STATUSES:
            return cls.UNCERTAIN
        return cls.PERMANENT

    @classmethod
    def of_response(cls, status: int, reason: str) -> "RetryCategory":
        """Return the category of an HTTP error response, given its status and its reason.

        Synapse and its storage report some temporary failures with an unrelated status, for
        example 400 with "Please slow down". The retry policy of the official client recognizes
        these failures by phrases in the reason. This client has to retry in the same cases.
        """
        category = cls.of_status(status)
        text = "" if status in _UNAMBIGUOUS_STATUSES else reason.lower()
        if category is cls.SAFE or any(phrase in text for phrase in _SAFE_PHRASES):
            return cls.SAFE
        if category is cls.UNCERTAIN or any(phrase in text for phrase in _UNCERTAIN_PHRASES):
            return cls.UNCERTAIN
        return category


class SynapseError(Exception):
    """Base class of all errors of this client."""

    _retry_category = RetryCategory.UNCERTAIN

    @property
    def retry_category(self) -> RetryCategory:
        """Whether the operation that failed may be retried."""
        return self._retry_category

    def __reduce__(self) -> tuple[Any, ...]:
        state = {k: None if k in _NOT_PICKLED else v for k, v in self.__dict__.items()}
        return _rebuild, (type(self), self.args, state)


def _rebuild(
    cls: type[SynapseError], args: tuple[Any, ...], state: dict[str, Any]
) -> SynapseError:
    """Restore a pickled error without calling the constructor: its parameters differ by class."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SynapseConfigError(SynapseError, ValueError):
    """A setting is missing or invalid. The message names the file, key or variable."""

    _retry_category = RetryCategory.PERMANENT


class SynapseAuthenticationError(SynapseError):
    """Synapse did not accept the credentials, or a login is required."""

    _retry_category = RetryCategory.PERMANENT


class SynapseNoCredentialsError(SynapseAuthenticationError):
    """No credentials were found. The message lists the places that were searched, in order."""


class SynapseConnectionError(SynapseError, requests.ConnectionError):
    """The connection could not be established, or it was interrupted.

    Args:
        message: The request, and a description of the failure.
        retry_category: Whether the request may be sent again.
    """

    def __init__(
        self, message: str, *, retry_category: RetryCategory = RetryCategory.UNCERTAIN
    ) -> None:
        super().__init__(message)
        self._retry_category = retry_category


class SynapseJobError(SynapseError):
    """An asynchronous job of Synapse failed.

    Args:
        message: The error message of the job.
        job: The token of the job.
        details: Further details for developers, for example a stack trace of the server.
    """

    def __init__(
        self, message: str, *, job: str | None = None, details: str | None = None
    ) -> None:
        super().__init__(message if not details else f"{message}\n{details}")
        self.job = job
        self.details = details


class SynapseResponseError(SynapseError, KeyError):
    """A response has an unexpected form: it is not JSON, or lacks a property."""

    __str__ = Exception.__str__  # KeyError shows the repr of its message


class SynapseTimeoutError(SynapseError, TimeoutError):
    """No response arrived within the timeout."""


class SynapseHTTPError(SynapseError, requests.HTTPError):
    """Synapse responded with a status other than 2xx.

    Args:
        status: HTTP status, 300 to 599; or the whole message, as in synapseclient.
        reason: The reason given by the server, or the standard phrase of the status.
        call: The request, for example ``GET /entity/syn1``, without the query of a pre-signed URL.
        response: The response object of `requests`, if `requests` sent the request. The response
            is not pickled.
        error_code: Synapse's own error code (``errorCode``), if any.
        retry_after: Seconds to wait before a retry, if the server sent Retry-After.
        advice: One line that describes how to resolve the error.
    """

    def __init__(
        self,
        status: int | str,
        reason: str = "",
        call: str = "",
        response: requests.Response | None = None,
        *,
        error_code: str | None = None,
        retry_after: float | None = None,
        advice: str | None = None,
    ) -> None:
        message = status if isinstance(status, str) else f"{status} {call}: {reason}"
        super().__init__(f"{message}\n{advice}" if advice else message, response=response)
        self.status = status if isinstance(status, int) else getattr(response, "status_code", 0)
        self.reason = reason
        self.call = call
        self.error_code = error_code
        self.retry_after = retry_after

    @property
    def retry_category(self) -> RetryCategory:
        """Whether the request may be sent again, given its status."""
        return RetryCategory.of_status(self.status)

    @classmethod
    def of(
        cls,
        status: int,
        reason: str,
        call: str,
        response: requests.Response | None = None,
        **details: Any,
    ) -> "SynapseHTTPError":
        """Create an error of the class that corresponds to `status`."""
        error_class = STATUS_ERRORS.get(status)
        if error_class is None:
            is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            error_class = SynapseServerError if is_server_error else SynapseHTTPError
        return error_class(status, reason, call, response, **details)


class SynapseBadRequestError(SynapseHTTPError, ValueError):
    """400: the request is invalid."""


class SynapseUnauthorizedError(SynapseHTTPError, SynapseAuthenticationError):
    """401: the token is not accepted, or a token is required."""


class SynapseForbiddenError(SynapseHTTPError, PermissionError):
    """403: the user lacks the permission."""


class SynapseNotFoundError(SynapseHTTPError, FileNotFoundError):
    """404 or 410: the object does not exist or is in the trash can."""


class SynapseConflictError(SynapseHTTPError):
    """409: an object with the same name already exists, or another conflict."""


class SynapseNameConflictError(SynapseConflictError, ValueError):
    """The name of a new object is already used (409), and the existing object is not updated."""

    @classmethod
    def from_conflict(cls, conflict: SynapseConflictError, advice: str) -> Self:
        """Create the error from the response of the server.

        Args:
            conflict: The error of the request.
            advice: One line that describes how to resolve the error.
        """
        return cls(
            conflict.status,
            conflict.reason,
            conflict.call,
            conflict.response,
            error_code=conflict.error_code,
            advice=advice,
        )


class SynapseStaleError(SynapseConflictError):
    """412: the object was changed after it was read (its etag is outdated)."""


class SynapseLockedError(SynapseHTTPError):
    """423: the object is locked by another user or process."""


class SynapseTooManyRequestsError(SynapseHTTPError):
    """429: rate limit exceeded. `retry_after` is the wait in seconds, if the server sent it."""


class SynapseServerError(SynapseHTTPError):
    """5xx: internal error of Synapse, or Synapse is down for maintenance."""


STATUS_ERRORS: Final = MappingProxyType(
    {
        400: SynapseBadRequestError,
        401: SynapseUnauthorizedError,
        403: SynapseForbiddenError,
        404: SynapseNotFoundError,
        409: SynapseConflictError,
        410: SynapseNotFoundError,
        412: SynapseStaleError,
        423: SynapseLockedError,
        429: SynapseTooManyRequestsError,
    }
)


class SynapseTransferError(SynapseError):
    """An upload or download failed."""


class SynapseUploadFailedException(SynapseTransferError):  # noqa: N818 - a name of synapseclient
    """An upload could not be completed."""


class SynapseUploadAbortedException(SynapseTransferError):  # noqa: N818 - a name of synapseclient
    """An upload was interrupted by the user."""


class SynapseDownloadError(SynapseTransferError):
    """A download could not be completed. No file was created under the final name."""


class SynapseUnsupportedStorageError(SynapseTransferError, NotImplementedError):
    """Unsupported storage location; the official client raises `NotImplementedError`."""

    _retry_category = RetryCategory.PERMANENT


class SynapseMd5MismatchError(SynapseTransferError, OSError):
    """The MD5 of a file differs from the expected one.

    Args:
        message: The error message, which names the affected file.
        expected: Expected MD5, 32 hexadecimal digits.
        found: Actual MD5, 32 hexadecimal digits.
        path: Path of the file, if it is on disk.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found
        self.path = path

    def __new__(cls, *args: Any, **_: Any) -> Self:
        """Drop keyword arguments, which OSError does not accept."""
        return super().__new__(cls, *args)


class SynapseFileCacheError(SynapseError):
    """The local file cache cannot be used."""


class SynapseFileNotFoundError(SynapseError, FileNotFoundError):
    """A local file does not exist."""

    _retry_category = RetryCategory.PERMANENT


class SynapseMalformedEntityError(SynapseError, ValueError):
    """The properties of an entity are invalid."""

    _retry_category = RetryCategory.PERMANENT


class SynapseProvenanceError(SynapseError):
    """An Activity cannot be built from the given sources."""

    _retry_category = RetryCategory.PERMANENT


class SynapseUnmetAccessRestrictions(SynapseError):  # noqa: N818 - a name of synapseclient
    """Access requirements, for example terms of use, that the user has not met yet."""

    _retry_category = RetryCategory.PERMANENT
