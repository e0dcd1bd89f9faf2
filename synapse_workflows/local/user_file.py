"""Whom a service knows: the users of a file, kept with the data for the starts that follow."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from synapse_workflows.local.domain.bootstrap import normalize_name
from synapse_workflows.local.service_file import write_private_file
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed

_SAVED_NAME: Final = "users.json"
#: Key in the file -> field of UserSeed and the type of its value.
_KEYS: Final[Mapping[str, tuple[str, type]]] = {
    "userName": ("user_name", str),
    "token": ("token", str),
    "certified": ("certified", bool),
    "admin": ("admin", bool),
    "firstName": ("first_name", str),
    "lastName": ("last_name", str),
    "email": ("email", str),
    "ownerId": ("owner_id", int),
}


class UserFileError(ValueError):
    """The file of users cannot be used; the message says where and why."""


def load_users(data_dir: Path, given: Path | None) -> tuple[UserSeed, ...]:
    """Give the users of a service: those of a file, or of an earlier start, or the usual ones.

    Args:
        data_dir: of the service.
        given: a JSON list of `{"userName", "token"?, "certified"?, "admin"?, "firstName"?,
            "lastName"?, "email"?, "ownerId"?}`.

    Raises:
        UserFileError: The file cannot be used.
    """
    kept = data_dir / _SAVED_NAME
    if given is None and not kept.exists():
        return DEFAULT_USERS
    return read_user_file(given or kept)


def save_user_file(data_dir: Path, given: Path) -> None:
    """Keep a file of users, for the starts that follow, once a service has taken it."""
    write_private_file(data_dir / _SAVED_NAME, given.read_text())


def read_user_file(path: Path) -> tuple[UserSeed, ...]:
    """Read a file of users; the administrator comes first, and is added where there is none.

    Raises:
        UserFileError: The file cannot be used.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise UserFileError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserFileError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, list) or not found:
        raise UserFileError(f"{path} must hold a JSON list of users, as [{{'userName': 'eve'}}]")
    users = [_parse_user(each, f"{path}, user {number}") for number, each in enumerate(found, 1)]
    for what in ("user_name", "token", "owner_id"):
        values = [getattr(user, what) for user in users if getattr(user, what) is not None]
        if what == "user_name":
            values = [normalize_name(value) for value in values]
        if len(set(values)) < len(values):
            raise UserFileError(f"{path}: two users have the same {what}")
    return _sort_administrators_first(users)


def _parse_user(entry: object, where: str) -> UserSeed:
    if not isinstance(entry, dict):
        raise UserFileError(f"{where}: must be an object with a userName")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in _KEYS:
            raise UserFileError(f"{where}: unknown key {key!r}; known are {', '.join(_KEYS)}")
        name, kind = _KEYS[key]
        if value is None:
            continue
        if kind is int and isinstance(value, str) and value.isdecimal():
            value = int(value)  # noqa: PLW2901 - ids are text on the wire
        if type(value) is not kind:
            raise UserFileError(f"{where}: {key} must be of type {kind.__name__}")
        values[name] = value
    if not values.get("user_name", "").strip():
        raise UserFileError(f"{where}: userName is missing")
    return UserSeed(**values)


def _sort_administrators_first(users: list[UserSeed]) -> tuple[UserSeed, ...]:
    usual = DEFAULT_USERS[0]
    if not any(user.admin for user in users):
        named = [user for user in users if user.user_name.lower() == usual.user_name]
        users = [user for user in users if user not in named]
        first = replace(named[0], admin=True) if named else usual
        return (first, *users)
    return (*(u for u in users if u.admin), *(u for u in users if not u.admin))
