"""Access control lists of entities, changed only where they differ."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseHTTPError,
    SynapseStaleError,
)
from synapse_workflows.constants import AUTHENTICATED_USERS, PUBLIC, AccessType
from synapse_workflows.idempotency.permission_grants import Access, Grants, sort_access
from synapse_workflows.idempotency.task_state import get_call_state
from synapse_workflows.lineage.lineage_client import LineageClient

#: What to do with an entity that inherits its permissions: `fail`, `create` an access control list
#: of its own from the inherited one, or change the list of the `benefactor`.
IfInherited = Literal["fail", "create", "benefactor"]
_GROUP_NAMES: Final = {PUBLIC: "public", AUTHENTICATED_USERS: "authenticated"}


class PermissionChange(TypedDict):
    """Change of the access types of one user or team.

    `principal` is `public`, `authenticated`, or a name with the prefix `user:` or `team:`.
    """

    principal_id: str
    principal: str
    before: list[str]
    after: list[str]


class SynapsePermissions(TypedDict):
    """Result of setting permissions, as JSON.

    `acl_id` is the entity whose access control list is changed. `action` is `create` (a list of
    its own), `update` or `none`. `changes` are those of all tries of the task.
    """

    id: str
    acl_id: str
    action: Literal["create", "update", "none"]
    changes: list[PermissionChange]
    dry_run: bool


@dataclass(frozen=True)
class PermissionOptions:
    """Options of `PermissionWriter`.

    Args:
        if_inherited: `fail`, `create` or `benefactor`.
        allow_public: Whether the public, or all signed-in users, may get new access types.
        dry_run: Whether to return the changes without making them.
    """

    if_inherited: IfInherited
    allow_public: bool
    dry_run: bool


@dataclass(frozen=True)
class _Plan:
    """What to change.

    Args:
        acl: The access control list as it was read.
        acl_id: The entity that has the list, or gets it.
        is_new: Whether the entity gets a list of its own.
        before: The access types now.
        after: The access types afterwards.
    """

    acl: Mapping[str, Any]
    acl_id: str
    is_new: bool
    before: Access
    after: Access

    @property
    def is_change(self) -> bool:
        return self.is_new or self.before != self.after

    def changes(self) -> Access:
        """Return the access types before the change, by the principals that the plan changes."""
        principals = dict.fromkeys((*self.before, *self.after))
        before = {one: self.before.get(one, ()) for one in principals}
        return {one: old for one, old in before.items() if old != self.after.get(one, ())}


class PermissionWriter:
    """Writer of the access control list of one entity.

    Args:
        client: Sends the requests.
        entity_id: `syn123`.
        grants: The grants.
        options: The options.
    """

    def __init__(
        self, client: LineageClient, entity_id: str, grants: Grants, options: PermissionOptions
    ) -> None:
        self._client = client
        self._entity_id = entity_id
        self._grants = grants
        self._options = options
        options_text = [entity_id, grants.items, grants.mode, options.if_inherited]
        signature = json.dumps(options_text, default=str)
        self._state = get_call_state(client.synapse_conn_id, f"permissions {signature}")

    def write(self) -> SynapsePermissions:
        """Change the list, unless it has the grants already.

        Raises:
            AirflowFailException: A refused change, or the entity inherits its permissions.
            SynapseForbiddenError: The user may not change the permissions.

        Source:
            GET /entity/{id}/benefactor, GET /entity/{id}/acl, PUT /entity/{id}/acl,
            POST /entity/{id}/acl
            https://rest-docs.synapse.org/rest/PUT/entity/id/acl.html
        """
        resolved = self._grants.resolve(self._client)
        if self._options.dry_run:
            plan = self._create_plan(resolved)
            return self._describe(plan, plan.is_new, plan.changes())
        return retry_stale(lambda: self._apply(resolved))

    def _apply(self, resolved: Access) -> SynapsePermissions:
        plan = self._create_plan(resolved)
        saved = self._state.load() or {}
        earlier = {int(one): tuple(old) for one, old in saved.get("before", {}).items()}
        is_new = plan.is_new or saved.get("created") == plan.acl_id
        changes = plan.changes() | earlier
        if plan.is_change:
            before = {str(one): list(old) for one, old in changes.items()}
            self._state.save({"before": before, "created": plan.acl_id if is_new else None})
            try:
                self._store(plan)
            except SynapseForbiddenError as error:
                self._state.save(saved)
                raise self._classify(error, plan) from error
        return self._describe(plan, is_new, changes)

    def _create_plan(self, resolved: Access) -> _Plan:
        benefactor = self._get_benefactor_id()
        is_inherited = benefactor != self._entity_id
        if is_inherited and self._options.if_inherited == "fail":
            raise AirflowFailException(
                f"{self._entity_id} inherits its permissions from {benefactor}. Pass "
                "if_inherited='create' to give it an access control list of its own, which starts "
                "as a copy of the inherited one, or if_inherited='benefactor' to change the "
                f"permissions of {benefactor} and of all that inherits them"
            )
        acl = self._client.call("GET", f"/entity/{benefactor}/acl").object
        before = {
            int(entry["principalId"]): sort_access(entry["accessType"])
            for entry in acl["resourceAccess"]
        }
        is_new = is_inherited and self._options.if_inherited == "create"
        acl_id = self._entity_id if is_new else benefactor
        plan = _Plan(acl, acl_id, is_new, before, self._grants.apply(before, resolved))
        if plan.is_change:
            self._check_access()
            self._check_public(plan)
            self._check_own_access(plan)
        return plan

    def _check_access(self) -> None:
        """Check that the user may change the permissions, so that a dry run fails as well."""
        found = self._client.call("GET", f"/entity/{self._entity_id}/permissions").object
        if not found["canChangePermissions"]:
            raise AirflowFailException(
                f"The account of the connection {self._client.synapse_conn_id!r} lacks "
                f"CHANGE_PERMISSIONS on {self._entity_id}. Ask its owner for this access type"
            )

    def _check_public(self, plan: _Plan) -> None:
        """Refuse to open an entity for everyone, unless `allow_public` is set."""
        if self._options.allow_public:
            return
        for group, harmless in ((PUBLIC, ()), (AUTHENTICATED_USERS, (AccessType.READ,))):
            new = set(plan.after.get(group, ())) - set(plan.before.get(group, ())) - set(harmless)
            if new:
                who = "everyone" if group == PUBLIC else "all signed-in users"
                raise AirflowFailException(
                    f"Refused to give {who} {', '.join(sort_access(new))} on {plan.acl_id}. "
                    "Pass allow_public=True if this is intended; nothing was changed"
                )

    def _check_own_access(self, plan: _Plan) -> None:
        """Refuse to remove the CHANGE_PERMISSIONS of the user."""
        own = int(self._client.call("GET", "/userProfile").object["ownerId"])
        if self._can_change(plan.after, own) or not self._can_change(plan.before, own):
            return
        raise AirflowFailException(
            f"Refused to remove CHANGE_PERMISSIONS on {plan.acl_id} from the account of the "
            f"connection {self._client.synapse_conn_id!r} (principal ID {own}), which could not "
            "change the permissions any more. Add this account, or one of its teams, with "
            "CHANGE_PERMISSIONS to grants; nothing was changed"
        )

    def _can_change(self, access: Access, own: int) -> bool:
        holders = [one for one, held in access.items() if AccessType.CHANGE_PERMISSIONS in held]
        if own in holders or AUTHENTICATED_USERS in holders:
            return True
        headers = self._get_headers(holders)
        return any(self._is_member(one, own) for one in holders if _is_team(headers.get(one)))

    def _is_member(self, team: int, user: int) -> bool:
        path = f"/team/{team}/member/{user}/membershipStatus"
        return bool(self._client.call("GET", path).object["isMember"])

    def _store(self, plan: _Plan) -> None:
        entries = [
            {"principalId": principal, "accessType": list(access)}
            for principal, access in plan.after.items()
        ]
        body = {**plan.acl, "id": plan.acl_id, "resourceAccess": entries}
        method = "POST" if plan.is_new else "PUT"
        self._client.call(method, f"/entity/{plan.acl_id}/acl", json=body)

    def _classify(self, error: SynapseForbiddenError, plan: _Plan) -> SynapseHTTPError:
        """Return an error to retry if the list was created or deleted meanwhile."""
        if self._get_benefactor_id() == plan.acl["id"]:
            return error
        return SynapseStaleError(error.status, error.reason, error.call)

    def _get_benefactor_id(self) -> str:
        return str(self._client.call("GET", f"/entity/{self._entity_id}/benefactor").object["id"])

    def _get_headers(self, principals: list[int]) -> dict[int, Mapping[str, Any]]:
        """Return the UserGroupHeaders of principals; unknown ones are omitted."""
        if not principals:
            return {}
        ids = ",".join(map(str, principals))
        reply = self._client.call("GET", "/userGroupHeaders/batch", params={"ids": ids})
        return {int(header["ownerId"]): header for header in reply.object["children"]}

    def _describe(self, plan: _Plan, is_new: bool, before: Access) -> SynapsePermissions:
        headers = self._get_headers([one for one in before if one not in _GROUP_NAMES])
        changes: list[PermissionChange] = [
            {
                "principal_id": str(one),
                "principal": _GROUP_NAMES.get(one) or _get_name(one, headers.get(one)),
                "before": list(old),
                "after": list(plan.after.get(one, ())),
            }
            for one, old in sorted(before.items())
            if old != plan.after.get(one, ())
        ]
        return {
            "id": self._entity_id,
            "acl_id": plan.acl_id,
            "action": "create" if is_new else "update" if changes else "none",
            "changes": changes,
            "dry_run": self._options.dry_run,
        }


def _is_team(header: Mapping[str, Any] | None) -> bool:
    return header is not None and not header["isIndividual"]


def _get_name(principal: int, header: Mapping[str, Any] | None) -> str:
    """Return the name of a principal, as `grants` accepts it."""
    if header is None:
        return str(principal)
    return f"{'user' if header['isIndividual'] else 'team'}:{header['userName']}"
