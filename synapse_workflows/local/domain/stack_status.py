"""The state of the service as a whole."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Forbidden, NotFound, ServiceUnavailable
from synapse_workflows.local.storage.models import StackStatus


class Status(StrEnum):
    """READ_ONLY and DOWN both refuse every request, reads too."""

    READ_WRITE = "READ_WRITE"
    READ_ONLY = "READ_ONLY"
    DOWN = "DOWN"


def _get_row(session: Session) -> StackStatus:
    row = session.get(StackStatus, 0)
    if row is None:
        raise NotFound("The service has no status.")
    return row


def check_available(session: Session) -> None:
    """Check that the service takes requests.

    Raises:
        Unavailable: it was switched off.
    """
    row = _get_row(session)
    if row.status != Status.READ_WRITE:
        raise ServiceUnavailable(row.message or "Synapse is down for maintenance.")


def get(session: Session) -> dict[str, Any]:
    """Tell whether the service takes requests (StackStatus)."""
    row = _get_row(session)
    return {"status": row.status, "currentMessage": row.message}


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Switch the service on or off (StackStatus).

    Raises:
        BadRequest: the status is none of the three.
        Forbidden: the caller is no administrator.
    """
    if not caller.is_admin:
        raise Forbidden("Only an administrator may change the status of the stack.")
    row = _get_row(session)
    row.status = request_fields.parse_enum(Status, body.get("status"), "status").value
    row.message = request_fields.get_text(body, "currentMessage")
    return get(session)
