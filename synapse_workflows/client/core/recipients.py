"""Recipients of messages: users and teams, given by name or principal ID."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call, Flow

PrincipalKind = Literal["user", "team"]
_EXAMPLES: Final = "'alice', 'user:alice', 'team:My Team', 'team:3600443' or 3300001"
_MAX_ID_DIGITS: Final = 18


class RecipientError(ValueError):
    """A recipient is malformed, unknown or ambiguous. The message names the value."""


@dataclass(frozen=True)
class Recipient:
    """A user or team.

    Args:
        value: Name or principal ID.
        kind: `user` or `team`; None for any.
    """

    value: str
    kind: PrincipalKind | None = None

    @property
    def is_id(self) -> bool:
        """Whether `value` is a principal ID."""
        return self.value.isascii() and self.value.isdecimal()

    def __str__(self) -> str:
        return self.value if self.kind is None else f"{self.kind}:{self.value}"


def parse_recipients(to: Any) -> list[Recipient]:
    """Parse recipients, without duplicates.

    Args:
        to: A user name, a team name, a principal ID, or one of these with the prefix ``user:`` or
            ``team:``; an object with ``ownerId`` or ``id``, such as a UserProfile or a Team; or an
            iterable of these. A text may list several, separated by commas or semicolons.

    Raises:
        RecipientError: A recipient is malformed, or there is none.
    """
    recipients = list(dict.fromkeys(_iter_recipients(to)))
    if not recipients:
        raise RecipientError(f"No recipient in {to!r:.100}. Pass for example {_EXAMPLES}.")
    return recipients


def _iter_recipients(to: Any) -> Iterator[Recipient]:
    if isinstance(to, str) and to.strip()[:1] in ("[", "("):  # a list rendered by a template
        with suppress(ValueError, SyntaxError):
            to = ast.literal_eval(to.strip())
    if isinstance(to, str):
        # Names contain neither commas nor semicolons.
        texts = to.replace(";", ",").split(",")
        yield from (_parse_text(text.strip(), to) for text in texts if text.strip())
    elif isinstance(to, int) and not isinstance(to, bool):
        yield _parse_text(str(to), to)
    elif isinstance(to, Mapping):
        yield _parse_text(str(to.get("ownerId") or to.get("id") or ""), to)
    elif isinstance(to, Iterable) and not isinstance(to, bytes):
        for each in to:
            if each is None:
                raise _malformed(to)
            yield from _iter_recipients(each)
    elif to is not None:
        raise _malformed(to)


def _parse_text(text: str, given: Any) -> Recipient:
    prefix, colon, rest = text.partition(":")
    kind: PrincipalKind | None = None
    if colon:
        if prefix.strip().lower() == "user":
            kind = "user"
        elif prefix.strip().lower() == "team":
            kind = "team"
        else:
            raise _malformed(given)
        text = rest.strip()
    recipient = Recipient(text, kind)
    is_too_long = recipient.is_id and len(text) > _MAX_ID_DIGITS
    if not text or text == "None" or is_too_long or text.startswith("-"):
        raise _malformed(given)
    return recipient


def _malformed(given: Any) -> RecipientError:
    return RecipientError(
        f"Malformed recipient {given!r:.100}: expected the name or the principal ID of a user or "
        f"team, for example {_EXAMPLES}."
    )


def resolve_recipients(recipients: Iterable[Recipient]) -> Flow[list[str]]:
    """Return the principal IDs of recipients, without duplicates.

    Raises:
        RecipientError: A recipient is unknown or ambiguous, or is of the other kind.

    Source:
        GET /userGroupHeaders/batch, POST /userGroupHeaders/aliases
    """
    recipients = list(recipients)
    ids = ",".join(dict.fromkeys(each.value for each in recipients if each.is_id))
    by_id: dict[str, Mapping[str, Any]] = {}
    if ids:
        call = Call("GET", "/userGroupHeaders/batch", params={"ids": ids})
        headers = (yield from flows.send(call)).object["children"]
        by_id = {str(header["ownerId"]): header for header in headers}
    resolved: dict[str, None] = {}
    for each in recipients:
        if each.is_id:
            header = by_id.get(str(int(each.value)))
            found = [] if header is None else [header]
        else:
            body = {"list": [each.value]}
            call = Call("POST", "/userGroupHeaders/aliases", body=body, repeatable=True)
            found = (yield from flows.send(call)).object["list"]
        resolved[_select(each, found)] = None
    return list(resolved)


def _select(recipient: Recipient, found: list[Mapping[str, Any]]) -> str:
    """Return the ID of the only principal that was found.

    Args:
        recipient: The recipient.
        found: UserGroupHeaders of the principals with its name or ID.
    """
    property_name = "ID" if recipient.is_id else "name"
    matches = [
        header
        for header in found
        if recipient.kind is None or header["isIndividual"] == (recipient.kind == "user")
    ]
    if len(matches) == 1:
        return str(matches[0]["ownerId"])
    if matches:
        ids = ", ".join(str(header["ownerId"]) for header in matches)
        raise RecipientError(
            f"Ambiguous recipient '{recipient}': several users or teams have this name ({ids}). "
            "Pass the principal ID."
        )
    if found:
        other = "team" if recipient.kind == "user" else "user"
        raise RecipientError(
            f"Unknown recipient '{recipient}': {recipient.value!r} is a {other}. "
            f"Pass '{other}:{recipient.value}'."
        )
    kind = recipient.kind or "user or team"
    raise RecipientError(
        f"Unknown recipient '{recipient}': no {kind} has this {property_name}. Names must match "
        "exactly; e-mail addresses are not names."
    )
