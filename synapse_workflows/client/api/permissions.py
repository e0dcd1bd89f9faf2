"""Permissions: who may do what with an entity."""

from collections.abc import Sequence
from typing import Any

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.ids import id_of, parse_entity_id
from synapse_workflows.constants import PUBLIC

_PUBLIC_NAMES = (None, "PUBLIC")


def getPermissions(syn: Session, entity: Any, principalId: Any = None) -> list[str]:
    """Read what the effective access control list grants to one user or team.

    What the user gets by being in a team, or as one of the public, is not counted.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.
        principalId: A principal's number or name; None or ``"PUBLIC"`` for everyone (273949).

    Returns:
        Access types, as ``["READ", "DOWNLOAD"]``; empty without an entry.

    Raises:
        SynapseError: No user or team of that name, or several.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        GET /entity/{id}/benefactor, GET /entity/{id}/acl, GET /userGroupHeaders
        https://rest-docs.synapse.org/rest/GET/entity/id/acl.html
    """
    principal = _resolve_principal(syn, principalId)
    acl = _get_acl(syn, _get_benefactor_id(syn, parse_entity_id(entity).id))
    entry = _find_entry(acl, principal)
    return list(entry["accessType"]) if entry else []


def setPermissions(
    syn: Session,
    entity: Any,
    principalId: Any = None,
    accessType: Sequence[str] | None = ["READ", "DOWNLOAD"],
    modify_benefactor: bool = False,
    warn_if_inherits: bool = True,
    overwrite: bool = True,
) -> dict[str, Any]:
    """Grant access to one user or team, or take it away.

    An entity that inherits its permissions gets a list of its own, which starts as a copy.

    Args:
        syn: The session that makes the calls.
        entity: An entity, or its id.
        principalId: A principal's number or name; None or ``"PUBLIC"`` for everyone (273949),
            who can be given ``["READ"]`` only; 273948 stands for all signed-in users.
        accessType: What to grant; None or empty takes everything away (with `overwrite`).
        modify_benefactor: Change the list that the entity inherits instead.
        warn_if_inherits: Warn when a list of its own is made.
        overwrite: Replace what the principal had; False adds to it.

    Returns:
        The stored list: ``id``, ``etag``, ``resourceAccess`` (``principalId``, ``accessType``).

    Raises:
        SynapseError: No user or team of that name, or several.
        SynapseForbiddenError: The caller may not change permissions.
        SynapseBadRequestError: Synapse does not allow such a grant.

    Source:
        PUT /entity/{id}/acl, POST /entity/{id}/acl
        https://rest-docs.synapse.org/rest/PUT/entity/id/acl.html
    """
    target = parse_entity_id(entity).id
    benefactor = _get_benefactor_id(syn, target)
    if target != benefactor and modify_benefactor:
        target = benefactor
    elif target != benefactor and warn_if_inherits:
        syn.logger.warning(
            "%s inherits the permissions of %s; it is given a list of its own now. "
            "To change the inherited one: setPermissions(..., modify_benefactor=True)",
            target,
            benefactor,
        )
    acl = _get_acl(syn, benefactor)
    principal = _resolve_principal(syn, principalId)
    _set_access(acl, principal, list(accessType or []), overwrite=overwrite)
    method = "PUT" if target == benefactor else "POST"
    stored: dict[str, Any] = syn.call(method, f"/entity/{target}/acl", json=acl).json
    return stored


def _set_access(
    acl: dict[str, Any], principal: int, access: list[str], *, overwrite: bool
) -> None:
    """Write one grant into a list, or take the principal's out of it."""
    entry = _find_entry(acl, principal)
    if not access:
        if overwrite and entry:
            acl["resourceAccess"].remove(entry)
        return
    if entry is None:
        entry = {"principalId": principal, "accessType": []}
        acl["resourceAccess"].append(entry)
    held = [] if overwrite else entry["accessType"]
    entry["accessType"] = list(dict.fromkeys([*held, *access]))


def _find_entry(acl: dict[str, Any], principal: int) -> dict[str, Any] | None:
    entries: list[dict[str, Any]] = acl["resourceAccess"]
    return next((one for one in entries if int(one["principalId"]) == principal), None)


def _get_benefactor_id(syn: Session, entity: str) -> str:
    """Find the entity whose list applies."""
    return str(syn.call("GET", f"/entity/{entity}/benefactor").json["id"])


def _get_acl(syn: Session, entity: str) -> dict[str, Any]:
    acl: dict[str, Any] = syn.call("GET", f"/entity/{entity}/acl").json
    return acl


def _resolve_principal(syn: Session, who: Any) -> int:
    """Find the number of a user or team."""
    if who in _PUBLIC_NAMES:
        return PUBLIC
    owner = id_of(who)
    if owner.isdecimal():
        return int(owner)
    reply = syn.call("GET", "/userGroupHeaders", params={"prefix": owner})
    found = reply.json["children"]
    exact = [one for one in found if str(one.get("userName")).lower() == owner.lower()]
    fitting = found if len(found) == 1 else exact
    if len(fitting) == 1:
        return int(fitting[0]["ownerId"])
    missing = "Please be more specific." if found else "No matches."
    raise SynapseError(f"Unknown Synapse user ({owner}).  {missing}")
