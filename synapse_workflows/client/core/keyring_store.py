"""Tokens in the keyring of this machine, by user name.

The last user is recorded in ~/.synapseSession. The keyring entries and this file are shared with
older Synapse clients. On a machine without a keyring (most servers), no token is stored.
"""

import json
from pathlib import Path
from typing import Final

SERVICE: Final = "SYNAPSE.ORG_CLIENT_AUTH_TOKEN"
SESSION_FILE: Final = "~/.synapseSession"
_MOST_RECENT = "<mostRecent>"


def load_token(username: str) -> str | None:
    """Return the token of a user; None if there is no token or no keyring."""
    import keyring
    from keyring.errors import KeyringError

    try:
        secret: str | None = keyring.get_password(SERVICE, username)
    except KeyringError:
        return None
    return secret


def store_token(username: str, secret: str) -> bool:
    """Store the token of a user; return False if there is no keyring."""
    import keyring
    from keyring.errors import KeyringError

    delete_token(username)
    try:
        keyring.set_password(SERVICE, username, secret)
    except KeyringError:
        return False
    Path(SESSION_FILE).expanduser().write_text(
        json.dumps({_MOST_RECENT: username}), encoding="utf-8"
    )
    return True


def delete_token(username: str) -> None:
    """Delete the token of a user, if any."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(SERVICE, username)
    except KeyringError:
        return


def most_recent_user() -> str | None:
    """Return the user name that was stored last; None if no user name is stored."""
    try:
        session = json.loads(Path(SESSION_FILE).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    username = session.get(_MOST_RECENT) if isinstance(session, dict) else None
    return username if isinstance(username, str) else None
