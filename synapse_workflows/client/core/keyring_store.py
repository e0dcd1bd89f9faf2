"""Tokens kept between sessions: in the keyring of this machine, by user name.

Who was here last stands in ~/.synapseSession. Both are shared with older Synapse clients. A
machine without a keyring (most servers) simply holds nothing.
"""

import json
from pathlib import Path
from typing import Final

SERVICE: Final = "SYNAPSE.ORG_CLIENT_AUTH_TOKEN"
SESSION_FILE: Final = "~/.synapseSession"
_MOST_RECENT = "<mostRecent>"


def load_token(username: str) -> str | None:
    """Read the token of a user; None when there is none, or no keyring."""
    import keyring
    from keyring.errors import KeyringError

    try:
        found: str | None = keyring.get_password(SERVICE, username)
    except KeyringError:
        return None
    return found


def store_token(username: str, secret: str) -> bool:
    """Keep the token of a user in place of an older one; False when there is no keyring."""
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
    """Delete the token of a user, if it is there."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(SERVICE, username)
    except KeyringError:
        return


def most_recent_user() -> str | None:
    """Name the user who was remembered last; None when nobody was."""
    try:
        session = json.loads(Path(SESSION_FILE).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = session.get(_MOST_RECENT) if isinstance(session, dict) else None
    return found if isinstance(found, str) else None
