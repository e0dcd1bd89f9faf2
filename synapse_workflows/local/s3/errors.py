"""Errors of the S3 server as errors of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from synapse_workflows.local.errors import ServiceError, ServiceUnavailable


class S3Error(ServiceError):
    """The S3 server refused a request.

    Args:
        code: Error code of S3, for example `NoSuchBucket`.
        reason: Message for the caller.
    """

    status = 400

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Convert the errors of boto3 inside the block.

    Args:
        url: URL of the server, for messages.

    Raises:
        S3Error: The server refused a request.
        ServiceUnavailable: The server does not respond, or reports an internal error.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        reason = f"The S3 server at {url} refused {error.operation_name} with {code}."
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ServiceUnavailable(reason) from None
        raise S3Error(code, reason) from None
    except BotoCoreError as error:
        raise ServiceUnavailable(
            f"The S3 server at {url} does not respond ({type(error).__name__}). "
            "Retry the request; if the error persists, restart the service."
        ) from None
