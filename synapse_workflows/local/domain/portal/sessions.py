"""Sign-in links and sessions of the portal. Both are signed texts; nothing is stored.

A link is valid until the service stops, and a session for 12 hours. Neither can be used for the
REST API, and a session only has scopes for reading.
"""

from typing import Final
from urllib.parse import urlencode

from synapse_workflows.local.domain.auth import HOUR_MS, PortalUser
from synapse_workflows.local.domain.service import Service

#: Path of the route that exchanges the token of a link for a session.
SIGN_IN_PATH: Final = "/sign-in"
#: Validity of a session, in milliseconds.
SESSION_MS: Final = 12 * HOUR_MS
_LINK, _SESSION = "portal link", "portal session"


def create_sign_in_url(service: Service, user_id: int) -> str:
    """Return the link that signs a user in to the portal. It is secret."""
    signature = service.signer.sign(_LINK, f"{service.run_id}.{user_id}")
    query = urlencode({"token": f"{user_id}.{signature}"})
    return f"{service.settings.base_url}{SIGN_IN_PATH}?{query}"


def verify_link_token(service: Service, token: str) -> PortalUser | None:
    """Return the user of the token of a link; None if the token is invalid."""
    user, _, signature = token.partition(".")
    is_valid = service.signer.verify(_LINK, f"{service.run_id}.{user}", signature)
    return PortalUser(int(user)) if is_valid else None


def create_session(service: Service, user: PortalUser) -> str:
    """Return the value of the cookie of a new session."""
    text = f"{user.id}.{service.now() + SESSION_MS}"
    return f"{text}.{service.signer.sign(_SESSION, text)}"


def verify_session(service: Service, cookie: str) -> PortalUser | None:
    """Return the user of the cookie of a session; None if it is invalid or has expired."""
    text, _, signature = cookie.rpartition(".")
    if not service.signer.verify(_SESSION, text, signature):
        return None
    user, _, expires = text.partition(".")
    return PortalUser(int(user)) if service.now() < int(expires) else None
