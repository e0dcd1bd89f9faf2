"""Status of the service."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Forbidden, ServiceUnavailable
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import StackStatus

_STATUS = select(StackStatus.status, StackStatus.message)


class Status(StrEnum):
    """Status of the service. READ_ONLY and DOWN both reject every request."""

    READ_WRITE = "READ_WRITE"
    READ_ONLY = "READ_ONLY"
    DOWN = "DOWN"


def _get_row(session: Session) -> StackStatus:
    return session.get_one(StackStatus, 0)


def check_available(session: Session) -> None:
    """Check that the service accepts requests.

    Raises:
        ServiceUnavailable: The status is READ_ONLY or DOWN.
    """
    [(status, message)] = fetch_rows(session, _STATUS)
    if status != Status.READ_WRITE:
        raise ServiceUnavailable(message or "Synapse is down for maintenance.")


def get(session: Session) -> dict[str, Any]:
    """Return the StackStatus."""
    row = _get_row(session)
    return {"status": row.status, "currentMessage": row.message}


def update(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set the StackStatus.

    Raises:
        BadRequest: The status is unknown.
        Forbidden: The caller is not an administrator.
    """
    if not caller.is_admin:
        raise Forbidden("Only an administrator may change the status of the stack.")
    row = _get_row(session)
    row.status = request_fields.parse_enum(Status, body.get("status"), "status").value
    row.message = request_fields.get_text(body, "currentMessage")
    return get(session)
