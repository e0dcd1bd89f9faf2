"""Tokens and API keys in the keyring of this machine, by user name.

The last user is recorded in ~/.synapseSession. The keyring entries and this file are shared with
older Synapse clients. On a machine without a keyring (most servers), nothing is stored. Nothing is
stored in plain text either, unless the user has selected a keyring that does so.
"""

import json
from typing import TYPE_CHECKING, Final

from synapse_workflows.client.core.redaction import Secret
from synapse_workflows.client.model.paths import expand_home

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

TOKEN_SERVICE: Final = "SYNAPSE.ORG_CLIENT_AUTH_TOKEN"  # noqa: S105 - the name of a service
API_KEY_SERVICE: Final = "SYNAPSE.ORG_CLIENT"
SESSION_FILE: Final = "~/.synapseSession"
_MOST_RECENT = "<mostRecent>"
#: Part of the class names of keyrings that do not encrypt, in lower case.
_PLAIN_TEXT: Final = "plaintext"
_NO_KEYRING: Final = "this machine has no keyring"


class KeyringUnavailableError(Exception):
    """The keyring cannot be used; the message is the reason."""


def load_secret(service: str, username: str) -> Secret | None:
    """Return the secret of a user; None if there is no secret.

    Raises:
        KeyringUnavailableError: There is no keyring, or it is locked, or it failed.
    """
    import keyring

    try:
        secret = keyring.get_password(service, username)
    except Exception as error:  # noqa: BLE001 - backends raise errors of many libraries
        raise KeyringUnavailableError(_describe(error)) from None
    return Secret(secret) if secret else None


def store_secret(service: str, username: str, secret: str) -> str | None:
    """Store the secret of a user, replace earlier secrets, and record the user as the last one.

    Returns:
        A warning, if the user has selected a keyring that stores secrets in plain text.

    Raises:
        KeyringUnavailableError: There is no keyring, or it is not safe; nothing was stored.
    """
    import keyring

    warning = _check_backend()
    try:
        keyring.set_password(service, username, str(secret))
        is_stored = keyring.get_password(service, username) == secret
    except Exception as error:  # noqa: BLE001 - backends raise errors of many libraries
        raise KeyringUnavailableError(_describe(error)) from None
    if not is_stored:
        raise KeyringUnavailableError(f"the keyring {_name(_backend())} has not stored it")
    for other in {TOKEN_SERVICE, API_KEY_SERVICE} - {service}:
        _delete(other, username)
    _record_user(username)
    return warning


def delete_secrets(username: str) -> None:
    """Delete the secrets of a user, if any.

    Raises:
        KeyringUnavailableError: A secret could not be deleted, or there is no keyring.
    """
    for service in (TOKEN_SERVICE, API_KEY_SERVICE):
        _delete(service, username)
        if load_secret(service, username):
            raise KeyringUnavailableError(f"the keyring {_name(_backend())} has not deleted it")


def most_recent_user() -> str | None:
    """Return the user name that was stored last; None if no user name is stored."""
    try:
        session = json.loads(expand_home(SESSION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    username = session.get(_MOST_RECENT) if isinstance(session, dict) else None
    return username if isinstance(username, str) else None


def _record_user(username: str) -> None:
    try:
        path = expand_home(SESSION_FILE)
        path.write_text(json.dumps({_MOST_RECENT: username}), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KeyringUnavailableError(
            f"{SESSION_FILE} cannot be written ({getattr(error, 'strerror', error)}). It is "
            f"stored, but only login({username!r}) finds it"
        ) from None


def _delete(service: str, username: str) -> None:
    import keyring

    try:
        keyring.delete_password(service, username)
    except Exception:  # noqa: BLE001 - usually there is nothing to delete
        return


def _check_backend() -> str | None:
    """Check that the keyring of this machine stores secrets safely.

    Returns:
        A warning, if the user has selected a keyring that stores secrets in plain text.

    Raises:
        KeyringUnavailableError: There is no keyring, or `keyring` has selected an unsafe one.
    """
    from keyring.backend import get_all_keyring
    from keyring.backends import fail, null

    backend = _backend()
    if backend is None or isinstance(backend, fail.Keyring):
        raise KeyringUnavailableError(_NO_KEYRING)
    if isinstance(backend, null.Keyring):
        raise KeyringUnavailableError(f"the keyring is disabled ({_name(backend)})")
    if not any(_PLAIN_TEXT in one.__qualname__.lower() for one in type(backend).__mro__):
        return None
    if any(backend is one for one in get_all_keyring()):  # not selected by the user
        raise KeyringUnavailableError(
            f"the only keyring of this machine, {_name(backend)}, stores secrets in plain text. "
            "To use it nevertheless, set PYTHON_KEYRING_BACKEND to this name"
        )
    return f"the keyring {_name(backend)} stores secrets in plain text"


def _backend() -> "KeyringBackend | None":
    """Return the keyring that stores secrets; None without one."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    try:
        backend = keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - PYTHON_KEYRING_BACKEND may name anything
        raise KeyringUnavailableError(_describe(error)) from None
    if isinstance(backend, ChainerBackend):
        return next(iter(backend.backends), None)
    return backend


def _name(backend: "KeyringBackend | None") -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _describe(error: Exception) -> str:
    from keyring.errors import KeyringLocked, NoKeyringError

    if isinstance(error, NoKeyringError):
        return _NO_KEYRING
    if isinstance(error, KeyringLocked):
        return "the keyring is locked"
    return f"the keyring failed ({type(error).__name__})"
