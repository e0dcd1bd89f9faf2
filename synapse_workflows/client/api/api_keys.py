"""API keys, and passwords and session tokens, which are exchanged for API keys.

The live Synapse has replaced all of these by personal access tokens. Older services and the local
service still support them.

Source: https://rest-docs.synapse.org (AuthenticationController)
"""

import warnings
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from synapse_workflows.client.core import urls
from synapse_workflows.client.core.credentials import (
    LOGIN_HELP,
    ApiKey,
    Credentials,
    Password,
    SessionToken,
    Token,
    is_jwt,
    retired_credentials_error,
)
from synapse_workflows.client.core.http_request import Endpoints
from synapse_workflows.client.core.redaction import Secret
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseHTTPError,
    SynapseResponseError,
    SynapseUnauthorizedError,
)
from synapse_workflows.constants import ANONYMOUS, PRODUCTION_ENDPOINTS, STAGING_ENDPOINTS

#: Statuses of a service that does not have an endpoint.
_NOT_OFFERED: Final = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
#: Statuses of older services for a wrong password or an unknown user.
_WRONG_PASSWORD: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
)
#: Reasons for which the live service rejects a correct password.
_PASSWORD_ADVICE: Final = {
    "TWO_FA_REQUIRED": "The account uses two-factor authentication, which this client cannot do.",
    "PASSWORD_RESET_VIA_EMAIL_REQUIRED": "The password has to be reset in the web portal first.",
}


def exchange(syn: Session, found: Credentials) -> Token | ApiKey:
    """Return credentials for all requests: exchange a password or a session token for an API key.

    Args:
        syn: The session that sends the requests, without its credentials.
        found: Credentials that the user has.

    Raises:
        SynapseAuthenticationError: The service does not support credentials of this type, or it
            rejected the password.
        SynapseForbiddenError: The user has not agreed to the terms of use.
    """
    if isinstance(found, SessionToken):
        found = parse_session_token(syn, found)
    if isinstance(found, Token):
        return found
    if is_live(syn.endpoints):
        return _replace_retired(found)
    if isinstance(found, Password):
        return _exchange_password(syn, found)
    return found if isinstance(found, ApiKey) else _get_api_key(syn, found, found)


def parse_session_token(syn: Session, found: SessionToken) -> Token | SessionToken:
    """Return a session token as a bearer token if it is a JSON web token.

    Raises:
        SynapseAuthenticationError: It is not a JSON web token, and the live Synapse accepts no
            other session tokens.
    """
    if is_jwt(found.secret):
        return Token(found.secret, origin=found.origin)
    if is_live(syn.endpoints):
        raise retired_credentials_error(found.kind, found.origin)
    return found


def get_own_profile(syn: Session, credentials: Credentials) -> Mapping[str, Any]:
    """Return the profile of the user to whom credentials belong.

    Raises:
        SynapseAuthenticationError: The service ignored the credentials, because it does not
            support this type.
        SynapseHTTPError: The service rejected the credentials.
    """
    try:
        profile: Mapping[str, Any] = syn.call("GET", "/userProfile", auth=credentials).object
    except SynapseHTTPError as error:
        error.add_note(f"The {credentials.noun} comes from {credentials.origin}.")
        raise
    check_accepted(credentials, profile)
    return profile


def check_accepted(credentials: Credentials, profile: Mapping[str, Any]) -> None:
    """Check that a profile of the caller is not that of the anonymous user.

    Services that do not support signatures or session tokens may ignore them. A proxy may remove
    the header of a token.

    Raises:
        SynapseAuthenticationError: The service ignored the credentials.
    """
    if not _is_anonymous(profile):
        return
    if isinstance(credentials, Token):
        raise SynapseAuthenticationError(
            f"The service ignores the token from {credentials.origin}: it responds as to an "
            "anonymous user. Check the endpoints, and that no proxy removes the header "
            "Authorization."
        )
    raise retired_credentials_error(credentials.kind, credentials.origin, "the service ignores it")


def check_supported(credentials: Credentials, endpoints: Endpoints) -> None:
    """Check that a service supports a type of credentials for requests.

    Raises:
        SynapseAuthenticationError: The live Synapse supports only tokens.
    """
    if not isinstance(credentials, Token) and is_live(endpoints):
        raise retired_credentials_error(credentials.kind, credentials.origin)


def is_live(endpoints: Endpoints) -> bool:
    """Return whether requests go to the live Synapse, which must not get passwords."""
    live = (*PRODUCTION_ENDPOINTS.values(), *STAGING_ENDPOINTS.values())
    used = {urls.origin(endpoints.repo), urls.origin(endpoints.auth)}
    return not used.isdisjoint(map(urls.origin, live))


def invalidateAPIKey(syn: Session) -> None:
    """Invalidate the API key of the user, if the service still supports API keys.

    Nothing is done without credentials. A session that has logged in with the API key has to log
    in again. A personal access token is not affected; it cannot invalidate an API key of the live
    Synapse, which has retired API keys.

    Args:
        syn: The session that sends the requests.

    Raises:
        SynapseForbiddenError: The service supports API keys, and the token lacks the scope
            ``authorize``.

    Source:
        GET /userProfile, DELETE auth/v1/secretKey
        https://rest-docs.synapse.org/rest/DELETE/secretKey.html
    """
    warnings.warn(
        "API keys are deprecated: Synapse has replaced them by personal access tokens",
        DeprecationWarning,
        stacklevel=2,
    )
    if syn.credentials is None:
        return
    try:
        profile = syn.call("GET", "/userProfile").object
    except SynapseUnauthorizedError:
        return
    if _is_anonymous(profile):
        return
    try:
        syn.call("DELETE", "/secretKey", endpoint="auth")
    except SynapseHTTPError as error:
        is_retired = error.status == HTTPStatus.FORBIDDEN and is_live(syn.endpoints)
        if error.status not in _NOT_OFFERED and not is_retired:
            raise


def get_text(response: Mapping[str, Any], name: str) -> str:
    """Return a text of a response.

    Raises:
        SynapseResponseError: The property is missing, empty or not text.
    """
    value = response[name]
    if not isinstance(value, str) or not value:
        raise SynapseResponseError(
            f"The response has an invalid {name!r}: expected text, not {type(value).__name__}."
        )
    return value


def _exchange_password(syn: Session, found: Password) -> Token | ApiKey:
    """Create a session with a password, and return the API key of its user."""
    body = {"email": found.username, "password": found.secret}
    try:
        secret = Secret(
            get_text(
                syn.call("POST", "/session", endpoint="auth", json=body, auth=found).object,
                "sessionToken",
            )
        )
    except SynapseHTTPError as error:
        if _is_not_offered(error):
            return _replace_retired(found, f"{error.status} {error.call}")
        if error.status in _WRONG_PASSWORD:
            raise _wrong_password_error(found, error) from None
        raise
    return _get_api_key(syn, SessionToken(secret, found.username, found.origin), found)


def _get_api_key(syn: Session, session: Credentials, found: Credentials) -> Token | ApiKey:
    """Return the API key of the user to whom a session token belongs.

    Args:
        syn: The session that sends the requests.
        session: The session token.
        found: Credentials that the user has: the session token, or the password that created it.

    Raises:
        SynapseAuthenticationError: The service does not have API keys.
    """
    username = get_text(get_own_profile(syn, session), "userName")
    try:
        secret = Secret(
            get_text(
                syn.call("GET", "/secretKey", endpoint="auth", auth=session).object, "secretKey"
            )
        )
    except SynapseHTTPError as error:
        if error.status in _NOT_OFFERED:
            return _replace_retired(found, f"{error.status} {error.call}")
        raise
    return ApiKey(secret, username, session.origin)


def _replace_retired(found: Credentials, response: str = "") -> Token:
    """Return the token that was found together with a password that the service rejects.

    Raises:
        SynapseAuthenticationError: There is no such token.
    """
    if isinstance(found, Password) and found.alternative is not None:
        return found.alternative
    raise retired_credentials_error(found.kind, found.origin, response)


def _wrong_password_error(found: Password, error: SynapseHTTPError) -> SynapseAuthenticationError:
    advice = next(
        (text for word, text in _PASSWORD_ADVICE.items() if word in error.reason),
        "Check the user name and the password. Current services accept access tokens only.",
    )
    return SynapseAuthenticationError(
        f"Invalid username or password.\n{error.status} {error.call}: {error.reason} "
        f"(found in {found.origin})\n{advice} {LOGIN_HELP}"
    )


def _is_not_offered(error: SynapseHTTPError) -> bool:
    """Return whether a service has no login with a password.

    Older services respond with 404 to an unknown user as well. Their reason names the user.
    """
    if error.status != HTTPStatus.NOT_FOUND:
        return error.status in _NOT_OFFERED
    try:
        body = error.response.json() if error.response is not None else None
    except ValueError:
        body = None
    return not (isinstance(body, dict) and body.get("reason")) or "/session" in error.reason


def _is_anonymous(profile: Mapping[str, Any]) -> bool:
    return str(profile.get("ownerId")) == str(ANONYMOUS)
