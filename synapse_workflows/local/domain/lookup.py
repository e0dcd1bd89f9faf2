"""Lookup of database rows by primary key."""

from typing import Any, TypeVar

from sqlalchemy.orm import Session

from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.storage.database import Base

Model = TypeVar("Model", bound=Base)


def get_or_404(session: Session, model: type[Model], key: Any, message: str) -> Model:
    """Return a row by its primary key.

    Args:
        session: Database session.
        model: Mapped class.
        key: Primary key; a tuple for a composite key.
        message: Reason of the error.

    Raises:
        NotFound: No such row.
    """
    row = session.get(model, key)
    if row is None:
        raise NotFound(message)
    return row
