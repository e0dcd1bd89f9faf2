"""What can go wrong with Synapse, as one tree.

    SynapseError
    ├─ SynapseConfigError (+ ValueError)         a setting is missing or wrong
    ├─ SynapseAuthenticationError
    │   └─ SynapseNoCredentialsError             lists the places looked in, in order
    ├─ SynapseConnectionError (+ requests.ConnectionError)   Synapse could not be asked
    ├─ SynapseHTTPError (+ requests.HTTPError)   Synapse said no: .status .reason .call .response
    │   ├─ SynapseBadRequestError (+ ValueError)                    400
    │   ├─ SynapseUnauthorizedError (+ SynapseAuthenticationError)  401
    │   ├─ SynapseForbiddenError (+ PermissionError)                403
    │   ├─ SynapseNotFoundError (+ FileNotFoundError)               404, 410
    │   ├─ SynapseConflictError                                     409
    │   │   └─ SynapseStaleError                                    412, an old etag
    │   ├─ SynapseLockedError                                       423
    │   ├─ SynapseTooManyRequestsError                              429: .retry_after
    │   └─ SynapseServerError                                       5xx
    ├─ SynapseJobError                           an asynchronous job failed: .job, .details
    ├─ SynapseTimeoutError (+ TimeoutError)
    ├─ SynapseTransferError
    │   ├─ SynapseUploadFailedException
    │   ├─ SynapseUploadAbortedException
    │   ├─ SynapseDownloadError
    │   └─ SynapseMd5MismatchError (+ OSError)   .expected .found .path
    ├─ SynapseFileCacheError
    ├─ SynapseFileNotFoundError (+ FileNotFoundError)
    ├─ SynapseMalformedEntityError (+ ValueError)
    ├─ SynapseProvenanceError
    └─ SynapseUnmetAccessRestrictions

All of them pickle. None of them holds a token or the query of a pre-signed URL.
"""

from types import MappingProxyType
from typing import Any, Final, Self

import requests

#: Attributes that stay behind when an error crosses processes: open responses, sent headers.
_NOT_PICKLED = frozenset({"response", "request"})


class SynapseError(Exception):
    """Anything that went wrong with Synapse."""

    def __reduce__(self) -> tuple[Any, ...]:
        state = {k: None if k in _NOT_PICKLED else v for k, v in self.__dict__.items()}
        return _rebuild, (type(self), self.args, state)


def _rebuild(
    cls: type[SynapseError], args: tuple[Any, ...], state: dict[str, Any]
) -> SynapseError:
    """Make an error again without its constructor, whose arguments differ from class to class."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SynapseConfigError(SynapseError, ValueError):
    """A setting is missing or wrong; the message says which file, key or variable."""


class SynapseAuthenticationError(SynapseError):
    """Synapse does not know who is asking, or does not believe it."""


class SynapseNoCredentialsError(SynapseAuthenticationError):
    """No credentials anywhere; the message lists the places looked in, in order."""


class SynapseConnectionError(SynapseError, requests.ConnectionError):
    """Synapse could not be asked, or its answer did not arrive whole."""


class SynapseJobError(SynapseError):
    """An asynchronous job of Synapse failed.

    Args:
        message: What Synapse said of it.
        job: The token of the job.
        details: More of what Synapse said, meant for its developers.
    """

    def __init__(
        self, message: str, *, job: str | None = None, details: str | None = None
    ) -> None:
        super().__init__(message if not details else f"{message}\n{details}")
        self.job = job
        self.details = details


class SynapseTimeoutError(SynapseError, TimeoutError):
    """An answer did not come in time."""


class SynapseHTTPError(SynapseError, requests.HTTPError):
    """Synapse answered with a status that is not success.

    Args:
        status: HTTP status, 300 to 599.
        reason: What the server said, or the phrase of the status.
        call: What was asked, as ``GET /entity/syn1``; never with the query of a pre-signed URL.
        response: The answer, where one of `requests` is at hand; left behind by pickling.
        error_code: Synapse's own code (``errorCode``), when it gave one.
        retry_after: Seconds the server asked to wait, when it did.
        advice: One line that says what to do.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        call: str,
        response: requests.Response | None = None,
        *,
        error_code: str | None = None,
        retry_after: float | None = None,
        advice: str | None = None,
    ) -> None:
        message = f"{status} {call}: {reason}"
        super().__init__(f"{message}\n{advice}" if advice else message, response=response)
        self.status = status
        self.reason = reason
        self.call = call
        self.error_code = error_code
        self.retry_after = retry_after

    @classmethod
    def of(
        cls,
        status: int,
        reason: str,
        call: str,
        response: requests.Response | None = None,
        **details: Any,
    ) -> "SynapseHTTPError":
        """Make the error of the class that belongs to `status`."""
        found = STATUS_ERRORS.get(status)
        if found is None:
            found = SynapseServerError if status >= 500 else SynapseHTTPError  # noqa: PLR2004
        return found(status, reason, call, response, **details)


class SynapseBadRequestError(SynapseHTTPError, ValueError):
    """400: the request makes no sense to Synapse."""


class SynapseUnauthorizedError(SynapseHTTPError, SynapseAuthenticationError):
    """401: the token is not accepted, or there is none where one is needed."""


class SynapseForbiddenError(SynapseHTTPError, PermissionError):
    """403: the caller may not do this."""


class SynapseNotFoundError(SynapseHTTPError, FileNotFoundError):
    """404 or 410: no such thing, or it lies in the trash can."""


class SynapseConflictError(SynapseHTTPError):
    """409: something of that name is there already."""


class SynapseStaleError(SynapseConflictError):
    """412: the thing was changed since it was read (its etag is old)."""


class SynapseLockedError(SynapseHTTPError):
    """423: locked by somebody else for now."""


class SynapseTooManyRequestsError(SynapseHTTPError):
    """429: too many requests; `.retry_after` seconds, when the server says."""


class SynapseServerError(SynapseHTTPError):
    """5xx: Synapse itself failed, or is down for maintenance."""


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
    """Bytes could not be moved, or arrived wrong."""


class SynapseUploadFailedException(SynapseTransferError):  # noqa: N818 - a name of synapseclient
    """An upload could not be completed."""


class SynapseUploadAbortedException(SynapseTransferError):  # noqa: N818 - a name of synapseclient
    """An upload was stopped by the user."""


class SynapseDownloadError(SynapseTransferError):
    """A download could not be completed; nothing lies under the final name."""


class SynapseMd5MismatchError(SynapseTransferError, OSError):
    """Bytes are not the ones that were promised.

    Args:
        message: What was being moved.
        expected: MD5 promised, 32 hexadecimal digits.
        found: MD5 of the bytes that are there.
        path: Where they lie, when they lie anywhere.
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
        """Keep keyword arguments from OSError, which takes none."""
        return super().__new__(cls, *args)


class SynapseFileCacheError(SynapseError):
    """The local cache cannot be used."""


class SynapseFileNotFoundError(SynapseError, FileNotFoundError):
    """A local file is not there."""


class SynapseMalformedEntityError(SynapseError, ValueError):
    """An entity cannot be what it says it is."""


class SynapseProvenanceError(SynapseError):
    """An Activity cannot be made of what was given."""


class SynapseUnmetAccessRestrictions(SynapseError):  # noqa: N818 - a name of synapseclient
    """Data is behind terms of use or other conditions that were not met yet."""
