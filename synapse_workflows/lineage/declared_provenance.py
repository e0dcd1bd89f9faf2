"""Provenance that the caller of a store operation declares."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from synapse_workflows.provenance.record import Record


@dataclass(frozen=True)
class DeclaredProvenance:
    """Provenance that the caller declares for one store operation.

    Args:
        record: Used and executed references.
        name: Name of the Activity.
        description: Description of the Activity.
        own_url: URL below which outputs of upstream tasks are the stored content, no sources.
    """

    record: Record = field(default_factory=Record)
    name: str | None = None
    description: str | None = None
    own_url: str | None = None


_declared: ContextVar[DeclaredProvenance | None] = ContextVar("declared", default=None)


@contextmanager
def attach_declared(provenance: DeclaredProvenance) -> Iterator[None]:
    """Attach declared provenance to everything stored inside this block."""
    token = _declared.set(provenance)
    try:
        yield
    finally:
        _declared.reset(token)


def current_declared() -> DeclaredProvenance:
    """Return the declared provenance of the enclosing block; empty without a block."""
    return _declared.get() or DeclaredProvenance()
