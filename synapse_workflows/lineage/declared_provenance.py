"""Provenance that the caller of a store operation declares."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.client.api.store import build_activity
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.activity import Activity
from synapse_workflows.lineage.hand_written import describe_replaced
from synapse_workflows.provenance.activity import parse_activity, parse_declared, redact_activity
from synapse_workflows.provenance.file_hashes import replace_local_files
from synapse_workflows.provenance.record import Origin, Record


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
def attach_declared(declared: DeclaredProvenance) -> Iterator[None]:
    """Attach declared provenance to everything stored inside this block."""
    token = _declared.set(declared)
    try:
        yield
    finally:
        _declared.reset(token)


def current_declared() -> DeclaredProvenance:
    """Return the declared provenance of the enclosing block; empty without a block."""
    return _declared.get() or DeclaredProvenance()


def create_declared(
    activity: Mapping[str, Any] | None, used: Any, executed: Any, name: Any, description: Any
) -> DeclaredProvenance:
    """Return the provenance that the arguments of `store` declare."""
    if activity is None:
        return DeclaredProvenance(parse_declared(used, executed), name, description)
    record = parse_activity(activity, Origin.DECLARED)
    return DeclaredProvenance(record, activity.get("name"), activity.get("description"))


def build_separate(
    activity: Mapping[str, Any] | None, used: Any, executed: Any, *texts: Any
) -> Mapping[str, Any] | None:
    """Return a declared Activity, without secrets, to store apart from the task's Activity."""
    executed = replace_local_files(executed)
    built: Mapping[str, Any] | None = build_activity(activity, used, executed, *texts)
    if built is None or built.get("id"):
        return built
    return Activity(data=redact_activity(built))


def replace_activity(
    client: Session, table_id: str, activity: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Set the Activity of the open version of a table; log what the earlier one contained.

    Source:
        GET /entity/{id}/generatedBy, PUT /entity/{id}/generatedBy
        https://rest-docs.synapse.org/rest/PUT/entity/id/generatedBy.html
    """
    replaced = provenance.find_activity(client, {"id": table_id, "versionNumber": None})
    saved = provenance.setProvenance(client, table_id, activity)
    if replaced is not None and replaced["id"] != saved["id"]:
        client.logger.warning(
            "Replacing the Activity of %s by the declared one: %s",
            table_id,
            describe_replaced(replaced),
        )
    return saved
