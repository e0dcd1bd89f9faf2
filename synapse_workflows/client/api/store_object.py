"""Store and delete objects other than entities: evaluations, statuses, teams and profiles."""

from typing import TypeVar

from synapse_workflows.client.api import users
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseNameConflictError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.client.model.evaluations import Evaluation
from synapse_workflows.client.model.ids import id_of, parse_entity_id
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.client.model.submissions import Submission, SubmissionStatus
from synapse_workflows.client.model.users import UserProfile

_Object = TypeVar("_Object", bound=RestObject)
_Evaluation = TypeVar("_Evaluation", bound=Evaluation)


def store_object(syn: Session, obj: _Object, *, create_or_update: bool) -> _Object:
    """Create an object, or update it if it has an ID.

    Args:
        syn: The session that sends the requests.
        obj: An evaluation, a status, a team or a profile.
        create_or_update: Whether to update an existing evaluation with the same name.

    Returns:
        The stored object, of the same class.

    Raises:
        SynapseError: Objects of this class cannot be stored.
        SynapseConflictError: The name is already used.
        SynapseStaleError: The object was changed since its etag was read.
        ValueError: A property is invalid; or the name of a team is already used, and
            `create_or_update` is True.

    Source:
        POST /evaluation, PUT /evaluation/{id}, PUT /evaluation/submission/{id}/status, POST /team,
        PUT /team, PUT /userProfile
    """
    if obj.get("id") is not None or isinstance(obj, UserProfile):
        return _update(syn, obj)
    path = obj.postURI()
    if path is None:
        raise SynapseError(_describe_unsupported(obj))
    try:
        return type(obj)(**syn.call("POST", path, json=obj).object)
    except SynapseStaleError:
        raise
    except SynapseConflictError as conflict:
        if not create_or_update:
            raise
        if isinstance(obj, Evaluation):
            return _update_by_name(syn, obj, conflict)
        advice = f"Get the existing {type(obj).__name__.lower()}, change it, and store it."
        raise SynapseNameConflictError.from_conflict(conflict, advice) from None


def delete_object(syn: Session, obj: RestObject) -> None:
    """Delete an object.

    Args:
        syn: The session that sends the request.
        obj: A stored evaluation, submission, team or wiki page.

    Raises:
        SynapseError: Objects of this class cannot be deleted.
        ValueError: The object has no ID.

    Source:
        DELETE /evaluation/{id}, DELETE /evaluation/submission/{id}, DELETE /team/{id},
        DELETE /entity/{ownerId}/wiki/{wikiId}
    """
    id_of(obj)
    path = obj.deleteURI()
    if path is None:
        raise SynapseError(
            f"Can't delete a {type(obj)}. Please specify a Synapse object or id: Synapse does not "
            f"delete objects of class {type(obj).__name__}."
        )
    syn.call("DELETE", path)


def _update(syn: Session, obj: _Object) -> _Object:
    path = obj.putURI()
    if path is None:
        raise SynapseError(_describe_unsupported(obj))
    body = obj.json() if isinstance(obj, SubmissionStatus) else obj
    stored = type(obj)(**syn.call("PUT", path, json=body).object)
    if isinstance(obj, UserProfile):
        users.clear_profiles(syn)
    return stored


def _update_by_name(syn: Session, obj: _Evaluation, conflict: SynapseConflictError) -> _Evaluation:
    """Update the existing evaluation with the same name.

    Raises:
        SynapseConflictError: The caller may not read that evaluation, or it belongs to another
            project.
    """

    def update() -> _Evaluation:
        try:
            current = syn.call("GET", obj.getByNameURI(obj.name)).object
        except SynapseNotFoundError:
            raise conflict from None
        source = current["contentSource"]
        if parse_entity_id(source) != parse_entity_id(obj.contentSource):
            advice = f"Evaluation {current['id']} of the project {source} has this name."
            raise SynapseNameConflictError.from_conflict(conflict, advice)
        return _update(syn, type(obj)(**{**current, **obj}))

    return update() if obj.get("etag") else retry_stale(update)


def _describe_unsupported(obj: RestObject) -> str:
    if isinstance(obj, Submission):
        return "Cannot store a Submission: submissions do not change. To submit, use submit()."
    return (
        f"Cannot store a {type(obj).__name__} without an id: get it first, for example with "
        "getSubmissionStatus()."
    )
