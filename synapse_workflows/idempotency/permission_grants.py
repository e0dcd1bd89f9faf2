"""Grants of permissions: who gets which access types on an entity."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from synapse_workflows.client.core.recipients import (
    RecipientError,
    parse_recipients,
    resolve_recipients,
)
from synapse_workflows.constants import ANONYMOUS, AUTHENTICATED_USERS, PUBLIC, AccessType
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.operator_arguments import InvalidArgumentError, invalid_type, is_template

#: What happens to the access types that a user or team has: `set` replaces them, `add` keeps
#: them, `replace` also removes all other users and teams.
GrantMode = Literal["set", "add", "replace"]
#: Access types that an access control list of an entity can grant.
ACCESS_TYPES: Final = tuple(
    str(one)
    for one in (
        AccessType.READ,
        AccessType.DOWNLOAD,
        AccessType.CREATE,
        AccessType.UPDATE,
        AccessType.DELETE,
        AccessType.CHANGE_PERMISSIONS,
        AccessType.CHANGE_SETTINGS,
        AccessType.MODERATE,
    )
)
#: Groups that have a name in `grants`; the names ignore case.
_GROUPS: Final = {
    "public": PUBLIC,
    "authenticated": AUTHENTICATED_USERS,
    "authenticated users": AUTHENTICATED_USERS,
    "authenticated_users": AUTHENTICATED_USERS,
}
#: Access types by principal ID.
Access = dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class Grants:
    """Access types by user or team, as text or ID.

    Args:
        items: Principal and access types; no access types to revoke all.
        mode: `set`, `add` or `replace`.
    """

    items: tuple[tuple[Any, tuple[str, ...]], ...]
    mode: GrantMode

    @classmethod
    def parse(cls, grants: Any, mode: GrantMode) -> "Grants":
        """Check grants before any request.

        Args:
            grants: Access types by principal, or a list of dictionaries with `principal` and
                `access`, or the text of one of these.
            mode: `set`, `add` or `replace`.

        Raises:
            InvalidArgumentError: There are no grants, or an access type is unknown.
        """
        items = [(who, _parse_access(who, access)) for who, access in _iter_items(grants)]
        if not items:
            raise InvalidArgumentError(
                "Invalid grants: there are none. Pass for example {'team:My Team': ['READ']}"
            )
        revoked = [who for who, access in items if not access]
        if revoked and mode == "add":
            raise InvalidArgumentError(
                f"Invalid grants[{revoked[0]!r}]: with mode='add' there must be access types to "
                "add. Use mode='set' to revoke them"
            )
        return cls(tuple(items), mode)

    def resolve(self, client: LineageClient) -> Access:
        """Return the access types by principal ID.

        Raises:
            InvalidArgumentError: A principal is unknown, is given twice, or cannot have these
                access types.

        Source:
            GET /userGroupHeaders/batch, POST /userGroupHeaders/aliases
        """
        resolved: Access = {}
        for who, access in self.items:
            principal = _resolve_principal(client, who)
            if principal in resolved:
                raise InvalidArgumentError(
                    f"Invalid grants: {who!r} is given more than once (principal ID {principal}). "
                    "Give each user or team once"
                )
            if principal == PUBLIC and set(access) - {AccessType.READ}:
                raise InvalidArgumentError(
                    f"Invalid grants[{who!r}]: the public can have READ only, not "
                    f"{', '.join(access)}. Use 'authenticated' for all signed-in users"
                )
            resolved[principal] = access
        return resolved

    def apply(self, current: Access, resolved: Access) -> Access:
        """Return the changed access control list.

        Args:
            current: The access types that the list grants now.
            resolved: The result of `resolve`.
        """
        changed = {} if self.mode == "replace" else dict(current)
        for principal, access in resolved.items():
            before = current.get(principal, ()) if self.mode == "add" else ()
            changed[principal] = sort_access({*before, *access})
        return {principal: access for principal, access in changed.items() if access}


def sort_access(access: Iterable[str]) -> tuple[str, ...]:
    """Return access types in the order of `ACCESS_TYPES`, and unknown ones after them."""
    found = set(access)
    return (*(one for one in ACCESS_TYPES if one in found), *sorted(found - set(ACCESS_TYPES)))


def _iter_items(grants: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each principal with its access types, as given."""
    if isinstance(grants, str):
        with suppress(ValueError, SyntaxError):
            grants = ast.literal_eval(grants.strip())
    if isinstance(grants, Mapping):
        yield from grants.items()
        return
    if not isinstance(grants, list | tuple):
        raise invalid_type(grants, "grants", "a dictionary of access types by user or team")
    for item in grants:
        if not isinstance(item, Mapping) or set(item) != {"principal", "access"}:
            raise InvalidArgumentError(
                f"Invalid grants: {item!r:.100} is not a dictionary with 'principal' and 'access'"
            )
        yield item["principal"], item["access"]


def _parse_access(who: Any, access: Any) -> tuple[str, ...]:
    if isinstance(access, str):
        access = [one.strip() for one in access.split(",")]
    if not isinstance(access, Collection) or isinstance(access, bytes | Mapping):
        raise InvalidArgumentError(
            f"Invalid grants[{who!r}] {access!r:.100}: expected a list of access types, for "
            "example ['READ', 'DOWNLOAD'], or [] to revoke all"
        )
    names = [str(one) for one in access]
    unknown = [one for one in names if one not in ACCESS_TYPES]
    if unknown:
        raise InvalidArgumentError(
            f"Invalid grants[{who!r}]: unknown access type {unknown[0]!r}; expected some of "
            f"{', '.join(ACCESS_TYPES)}, or [] to revoke all"
        )
    return sort_access(names)


def _resolve_principal(client: LineageClient, who: Any) -> int:
    if is_template(who):
        raise InvalidArgumentError(f"Invalid grants: the template {who!r} was not rendered")
    name = " ".join(who.split()).lower() if isinstance(who, str) else who
    if isinstance(name, str) and name in _GROUPS:
        return _GROUPS[name]
    try:
        found = parse_recipients(who)
        if len(found) > 1:
            raise InvalidArgumentError(
                f"Invalid grants: {who!r} names several users or teams. Give one per item"
            )
        if found[0].is_id and int(found[0].value) in (PUBLIC, AUTHENTICATED_USERS):
            return int(found[0].value)
        principal = int(client.run(resolve_recipients(found))[0])
    except RecipientError as error:
        # the messages start with the kind of error and "recipient"
        reason = str(error).replace("recipient", "principal", 1)
        raise InvalidArgumentError(f"Invalid grants: {reason}") from error
    if principal == ANONYMOUS:
        raise InvalidArgumentError(
            f"Invalid grants: {who!r} is the anonymous user. Use 'public' for everyone"
        )
    return principal
