"""User file: a JSON file with the users of a service, saved in its data directory."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from synapse_workflows.local.domain.api_keys import is_valid
from synapse_workflows.local.domain.principal_names import normalize_name
from synapse_workflows.local.settings import DEFAULT_USERS, UserSeed
from synapse_workflows.local.storage.private_file import write_private_file

_SAVED_NAME: Final = "users.json"
#: Key in the file -> field of UserSeed, and type of the value.
_KEYS: Final[Mapping[str, tuple[str, type]]] = {
    "userName": ("user_name", str),
    "token": ("token", str),
    "certified": ("certified", bool),
    "admin": ("admin", bool),
    "firstName": ("first_name", str),
    "lastName": ("last_name", str),
    "email": ("email", str),
    "ownerId": ("owner_id", int),
    "password": ("password", str),
    "apiKey": ("api_key", str),
    "orcid": ("orcid", str),
    "acceptsTermsOfUse": ("accepts_terms_of_use", bool),
}


class UserFileError(ValueError):
    """The user file is missing or invalid."""


def load_users(data_dir: Path, path: Path | None) -> tuple[UserSeed, ...]:
    """Load the users of a service.

    Read the given user file. Without a given file, read the file that is saved in the data
    directory. If there is no saved file either, return the default users.

    Args:
        data_dir: Data directory of the service.
        path: User file, a JSON list of `{"userName", "token"?, "certified"?, "admin"?,
            "firstName"?, "lastName"?, "email"?, "ownerId"?, "password"?, "apiKey"?,
            "orcid"?, "acceptsTermsOfUse"?}`.

    Raises:
        UserFileError: The file is missing or invalid.
    """
    saved = data_dir / _SAVED_NAME
    if path is None and not saved.exists():
        return DEFAULT_USERS
    return read_user_file(path or saved)


def save_user_file(data_dir: Path, path: Path) -> None:
    """Save a user file in the data directory, for later starts without a user file."""
    write_private_file(data_dir / _SAVED_NAME, path.read_text())


def read_user_file(path: Path) -> tuple[UserSeed, ...]:
    """Read a user file. Sort administrators first; without any, add the default administrator.

    Raises:
        UserFileError: The file is missing or invalid.
    """
    try:
        entries = json.loads(path.read_text())
    except OSError as error:
        raise UserFileError(f"Cannot read the user file {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserFileError(f"The user file {path} is not valid JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise UserFileError(
            f'{path} must contain a JSON list of users, for example [{{"userName": "eve"}}]'
        )
    users = [_parse_user(each, f"{path}, user {number}") for number, each in enumerate(entries, 1)]
    for field in ("user_name", "token", "owner_id"):
        values = [getattr(user, field) for user in users if getattr(user, field) is not None]
        if field == "user_name":
            values = [normalize_name(value) for value in values]
        if len(set(values)) < len(values):
            raise UserFileError(f"{path}: two users have the same {field}")
    return _sort_administrators_first(users)


def _parse_user(entry: object, location: str) -> UserSeed:
    if not isinstance(entry, dict):
        raise UserFileError(f"{location}: must be an object with a userName")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in _KEYS:
            raise UserFileError(
                f"{location}: unknown key {key!r}; expected one of: {', '.join(_KEYS)}"
            )
        name, expected_type = _KEYS[key]
        if value is None:
            continue
        if expected_type is int and isinstance(value, str) and value.isdecimal():
            value = int(value)  # noqa: PLW2901 - IDs are strings in the REST API
        if type(value) is not expected_type:
            raise UserFileError(f"{location}: {key} must be of type {expected_type.__name__}")
        values[name] = value
    if not values.get("user_name", "").strip():
        raise UserFileError(f"{location}: userName is missing")
    if "password" in values and not values["password"]:
        raise UserFileError(f"{location}: password is empty")
    if "api_key" in values and not is_valid(values["api_key"]):
        raise UserFileError(f"{location}: apiKey must be Base64")
    return UserSeed(**values)


def _sort_administrators_first(users: list[UserSeed]) -> tuple[UserSeed, ...]:
    default = DEFAULT_USERS[0]
    if not any(user.admin for user in users):
        named = [user for user in users if user.user_name.lower() == default.user_name]
        users = [user for user in users if user not in named]
        first = replace(named[0], admin=True) if named else default
        return (first, *users)
    return tuple(sorted(users, key=lambda user: not user.admin))
