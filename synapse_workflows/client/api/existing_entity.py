"""Existing entities: what has the id or the name of one to be stored, and what cannot be."""

from typing import Any

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, children
from synapse_workflows.client.api.store_request import BARE, Draft
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseForbiddenError,
    SynapseMalformedEntityError,
)


def find_known(syn: Session, draft: Draft, *, create_or_update: bool) -> dict[str, Any] | None:
    """Fetch the entity that a draft is about, when storing it needs to know.

    Files are looked up by name and parent before their content is uploaded; anything else is
    found when Synapse says that its name is taken.

    Returns:
        Its bundle; None for a new one, and where it is not needed.

    Raises:
        SynapseConflictError: The name is taken by an entity of another type; or by any, without
            `create_or_update`.
        SynapseMalformedEntityError: The entity of that id is of another type.
        SynapseNotFoundError: There is no entity of that id.

    Source:
        POST /entity/child, POST /entity/{id}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    if draft.id:
        needed = draft.content is not None or syn.skip_unchanged or _is_incomplete(draft)
        return _of_same_type(bundles.fetch(syn, draft.id), draft, None) if needed else None
    name, parent = draft.properties.get("name"), draft.properties.get("parentId")
    if draft.content is None or not name:
        return None
    reason = f"An entity with the name: {name} already exists with a parentId: {parent}"
    taken = SynapseConflictError(409, reason, "POST /entity")
    found = find_holder(syn, draft, taken)
    if found is not None and not create_or_update:
        raise _explained(
            taken, f"It is {found['entity']['id']}: choose another name, or createOrUpdate=True."
        )
    return found


def find_holder(syn: Session, draft: Draft, taken: SynapseConflictError) -> dict[str, Any] | None:
    """Fetch the entity that has the name and the parent of a draft.

    Args:
        syn: The session that makes the calls.
        draft: What is to be stored under that name.
        taken: What to raise, with an explanation, when the entity cannot be had.

    Source:
        POST /entity/child, POST /entity/{id}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/child.html
    """
    name, parent = draft.properties.get("name"), draft.properties.get("parentId")
    try:
        found = children.findEntityId(syn, str(name), parent)
        return None if found is None else _of_same_type(bundles.fetch(syn, found), draft, taken)
    except SynapseForbiddenError as refused:
        raise _explained(
            taken, "It belongs to somebody else, and you may not read it: choose another name."
        ) from refused


def check_parent(syn: Session, draft: Draft, refused: SynapseBadRequestError) -> None:
    """Say so when the parent is the reason for which Synapse refused.

    Source:
        GET /entity/{id}/type
        https://rest-docs.synapse.org/rest/GET/entity/id/type.html
    """
    parent = draft.properties.get("parentId")
    kind = syn.call("GET", f"/entity/{parent}/type").json["type"] if parent else None
    if kind is not None and kind not in constants.CONTAINERS:
        raise SynapseMalformedEntityError(
            f"{parent} is a {_word(kind)} and cannot hold other entities. "
            "Give a project or a folder as the parent."
        ) from refused


def _of_same_type(
    bundle: dict[str, Any], draft: Draft, taken: SynapseConflictError | None
) -> dict[str, Any]:
    """Refuse to store an entity over one of another type."""
    there, wanted = bundle["entity"], draft.properties["concreteType"]
    if there["concreteType"] == wanted or (draft.id and wanted == BARE):
        return bundle
    found = f"{there['id']} is a {_word(there['concreteType'])}, not a {_word(wanted)}"
    if taken is None:
        raise SynapseMalformedEntityError(
            f"{found}, and the type of an entity never changes. "
            "Check the id, or store this as a new entity without it."
        )
    raise _explained(taken, f"{found}: choose another name, or delete it first.")


def _is_incomplete(draft: Draft) -> bool:
    """Tell whether a draft lacks what an update must say, as Synapse clears what is not said."""
    said = draft.properties
    no_parent = draft.kind.needs_parent and not said.get("parentId")
    return no_parent or not said.get("etag") or said["concreteType"] == BARE


def _explained(error: SynapseConflictError, advice: str) -> SynapseConflictError:
    """Make a conflict say what to do about it."""
    return SynapseConflictError(
        error.status, error.reason, error.call, error.response, advice=advice
    )


def _word(concrete_type: str) -> str:
    """Name a type in one word: ``file``, ``folder``."""
    return constants.ENTITY_TYPES.get(concrete_type, concrete_type.rpartition(".")[2])
