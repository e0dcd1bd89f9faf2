"""Permissions of users and teams on entities, evaluations and teams (access control lists)."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError, SynapseForbiddenError, SynapseStaleError
from synapse_workflows.client.model.argument_types import AccessTypeName
from synapse_workflows.client.model.ids import id_of, parse_entity_id
from synapse_workflows.client.model.rest_object import RestObject
from synapse_workflows.constants import PUBLIC, AccessType

_PUBLIC_NAMES = (None, "PUBLIC")


def getPermissions(syn: Session, entity: Any, principalId: Any = None) -> list[str]:
    """Get the access types that an access control list grants to a user or team.

    Access through membership in a team, or through public access, is not included.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID; or an `Evaluation` or a `Team`.
        principalId: ID or name of a user or team; None or ``"PUBLIC"`` for everyone (273949).

    Returns:
        Access types, for example ``["READ", "DOWNLOAD"]``; empty if nothing is granted.

    Raises:
        SynapseError: No user or team has this name, or several have it.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}/benefactor, GET /entity/{id}/acl, GET /evaluation/{id}/acl,
        GET /team/{id}/acl, GET /userGroupHeaders
        https://rest-docs.synapse.org/rest/GET/entity/id/acl.html
    """
    principal = _resolve_principal(syn, principalId)
    uris = _get_acl_uris(entity)
    if uris is None:
        acl = _get_acl(syn, _get_benefactor_id(syn, parse_entity_id(entity).id))
    else:
        acl = syn.call("GET", uris.get).object
    entry = _find_entry(acl, principal)
    return list(entry["accessType"]) if entry else []


def setPermissions(
    syn: Session,
    entity: Any,
    principalId: Any = None,
    accessType: Sequence[AccessType | AccessTypeName] | str | None = ["READ", "DOWNLOAD"],
    modify_benefactor: bool = False,
    warn_if_inherits: bool = True,
    overwrite: bool = True,
) -> dict[str, Any]:
    """Grant access to a user or team, or revoke it.

    If the entity inherits its permissions, it gets a copy of the inherited access control list,
    and the copy is changed. If another client changes the list at the same time, its changes for
    other users and teams are kept.

    Args:
        syn: The session that sends the requests.
        entity: An entity, or its ID; or an `Evaluation` or a `Team`.
        principalId: ID or name of a user or team; None or ``"PUBLIC"`` for everyone (273949), to
            whom only ``["READ"]`` can be granted; 273948 for all signed-in users.
        accessType: Access types to grant, or one access type as text. None or an empty list
            revokes all access types if `overwrite` is True.
        modify_benefactor: Whether to change the inherited access control list itself, instead of
            a copy.
        warn_if_inherits: Whether to log a warning when the inherited list is copied.
        overwrite: Whether to replace the current access types; False to add to them.

    Returns:
        The stored AccessControlList: ``id``, ``etag``, ``resourceAccess`` (a list of
        ``principalId``, ``accessType``).

    Raises:
        ValueError: `accessType` is not a list of texts.
        SynapseError: No user or team has this name, or several have it.
        SynapseForbiddenError: The caller may not change permissions.
        SynapseBadRequestError: Synapse does not allow these access types for the principal.

    Source:
        PUT /entity/{id}/acl, POST /entity/{id}/acl, PUT /evaluation/acl, PUT /team/acl
        https://rest-docs.synapse.org/rest/PUT/entity/id/acl.html
    """
    access = _parse_access_types(accessType)
    uris = _get_acl_uris(entity)
    if uris is not None:
        return _update_acl(syn, uris, principalId, access, overwrite=overwrite)
    target = parse_entity_id(entity).id
    benefactor = _get_benefactor_id(syn, target)
    if target != benefactor and modify_benefactor:
        target = benefactor
    elif target != benefactor and warn_if_inherits:
        syn.logger.warning(
            "Creating an access control list for %s, which inherited the permissions of %s. "
            "To change the inherited ones, use setPermissions(..., modify_benefactor=True).",
            target,
            benefactor,
        )
    acl = _get_acl(syn, benefactor)
    principal = _resolve_principal(syn, principalId)

    def store(method: str, acl: dict[str, Any]) -> dict[str, Any]:
        _set_access(acl, principal, access, overwrite=overwrite)
        stored: dict[str, Any] = syn.call(method, f"/entity/{target}/acl", json=acl).json
        return stored

    try:
        return store("PUT" if target == benefactor else "POST", acl)
    except SynapseStaleError:
        syn.logger.debug("The access control list of %s was changed meanwhile", target)
    except SynapseForbiddenError:
        # another client may have created the access control list meanwhile
        if target == benefactor or _get_benefactor_id(syn, target) != target:
            raise
    return retry_stale(lambda: store("PUT", _get_acl(syn, target)))


class _AclUris(NamedTuple):
    """Paths that read and update the access control list of an object that is not an entity."""

    get: str
    put: str


def _parse_access_types(given: Any) -> list[str]:
    """Return access types; an empty list, which revokes all of them, only if none was given."""
    if given is None or given == "":
        return []
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    access = list(given) if is_list else [given]
    if not all(isinstance(one, str) and one for one in access):
        raise ValueError(
            f"Invalid accessType {given!r}: expected a list of access types, such as ['READ']; or "
            "[] to revoke all."
        )
    return [str(one) for one in access]


def _get_acl_uris(obj: Any) -> _AclUris | None:
    """Return the paths of the access control list; None for an entity.

    Raises:
        ValueError: The object has no access control list, or was not stored.
    """
    if not isinstance(obj, RestObject):
        return None
    id_of(obj)
    get, put = obj.getACLURI(), obj.putACLURI()
    if get is None or put is None:
        raise ValueError(
            f"A {type(obj).__name__} has no permissions of its own: pass an entity, an Evaluation "
            "or a Team."
        )
    return _AclUris(get, put)


def _update_acl(
    syn: Session, uris: _AclUris, principal: Any, access: list[str], *, overwrite: bool
) -> dict[str, Any]:
    """Set the access types of a principal on an evaluation or a team.

    Changes of other clients for other users and teams are kept.
    """
    acl = syn.call("GET", uris.get).object
    principal_id = _resolve_principal(syn, principal)

    def store(acl: dict[str, Any]) -> dict[str, Any]:
        _set_access(acl, principal_id, access, overwrite=overwrite)
        return syn.call("PUT", uris.put, json=acl).object

    try:
        return store(acl)
    except SynapseStaleError:
        return retry_stale(lambda: store(syn.call("GET", uris.get).object))


def _set_access(
    acl: dict[str, Any], principal: int, access: list[str], *, overwrite: bool
) -> None:
    """Set the access types of a principal in an access control list, or remove its entry."""
    entry = _find_entry(acl, principal)
    if not access:
        if overwrite and entry:
            acl["resourceAccess"].remove(entry)
        return
    if entry is None:
        entry = {"principalId": principal, "accessType": []}
        acl["resourceAccess"].append(entry)
    current = [] if overwrite else entry["accessType"]
    entry["accessType"] = list(dict.fromkeys([*current, *access]))


def _find_entry(acl: dict[str, Any], principal: int) -> dict[str, Any] | None:
    entries: list[dict[str, Any]] = acl["resourceAccess"]
    return next((one for one in entries if int(one["principalId"]) == principal), None)


def _get_benefactor_id(syn: Session, entity: str) -> str:
    """Return the ID of the entity whose access control list applies."""
    return str(syn.call("GET", f"/entity/{entity}/benefactor").object["id"])


def _get_acl(syn: Session, entity: str) -> dict[str, Any]:
    acl: dict[str, Any] = syn.call("GET", f"/entity/{entity}/acl").json
    return acl


def _resolve_principal(syn: Session, principal: Any) -> int:
    """Return the ID of a user or team."""
    if principal in _PUBLIC_NAMES:
        return PUBLIC
    name = id_of(principal)
    if name.isdecimal():
        return int(name)
    call = flows.with_offset(flows.Call("GET", "/userGroupHeaders", params={"prefix": name}))
    found = []
    for one in syn.iter_items(call):
        if str(one.get("userName")).casefold() == name.casefold():
            return int(one["ownerId"])
        found.append(one)
    if len(found) == 1:
        return int(found[0]["ownerId"])
    advice = "Please be more specific." if found else "No matches."
    raise SynapseError(f"Unknown Synapse user ({name}).  {advice}")
