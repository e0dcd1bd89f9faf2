"""Login and logout.

Source: https://rest-docs.synapse.org (PersonalAccessTokenController, UserProfileController)
"""

import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from synapse_workflows.client.api import api_keys, endpoints, users
from synapse_workflows.client.core import (
    config,
    credential_sources,
    keyring_store,
    log,
    sts_tokens,
)
from synapse_workflows.client.core.credential_sources import LoginRequest
from synapse_workflows.client.core.credentials import TOKEN_VARIABLE, ApiKey, Credentials, Token
from synapse_workflows.client.core.redaction import hide, redact
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseAuthenticationError
from synapse_workflows.client.transfer import s3_clients, upload_destination

#: Logger for warnings about stored secrets, which a silent client does not suppress.
_log: Final = logging.getLogger(log.NAME)


def login(
    syn: Session,
    email: str | None = None,
    password: str | None = None,
    apiKey: str | None = None,
    sessionToken: str | None = None,
    rememberMe: bool = False,
    silent: bool = False,
    forced: bool = False,
    authToken: str | None = None,
    *,
    profile: str | None = None,
) -> None:
    """Find credentials, verify them and use them for all further requests.

    Credentials are searched for in this order: the arguments; the environment variable
    ``SYNAPSE_AUTH_TOKEN``; the configuration file; the keyring; the AWS SSM parameter named by
    ``SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME``. The first credentials found are used. If Synapse
    rejects them, no others are tried.

    Among the credentials of one source, a password with a user name precedes a token, which
    precedes an API key with a user name. The live Synapse accepts personal access tokens only;
    passwords, API keys and session tokens are for older services and the local service. A
    password or session token is exchanged for the API key of the user, which signs all further
    requests.

    Args:
        syn: The session to log in.
        email: User name or e-mail that the credentials must belong to. It also selects the entry
            in the configuration file and the keyring.
        password: Password of the user `email`.
        apiKey: API key of the user `email`, in Base64.
        sessionToken: Deprecated; use `authToken`. It overrides `email`, `password`, `apiKey` and
            `authToken`.
        rememberMe: Whether to store the token or the API key in the keyring. Nothing is stored,
            and a warning is logged, if this machine has no keyring, or only one that stores
            secrets in plain text and that the user has not selected.
        silent: Whether to skip the welcome message.
        forced: Whether to ignore the keyring.
        authToken: A personal access token.
        profile: Section ``[profile <name>]`` of the configuration file, instead of ``[default]``
            or ``[authentication]``; None for the variable ``SYNAPSE_PROFILE``. With a profile,
            only `authToken`, the profile and the keyring entry of its user are considered.

    Raises:
        TypeError: An argument is not text.
        SynapseNoCredentialsError: No credentials were found; the message lists the places
            searched.
        SynapseAuthenticationError: Synapse rejected the credentials; or they belong to another
            user than `email` or the user name in the configuration file; or the token lacks the
            scope ``view``; or the service does not support credentials of this type; or the
            profile does not exist.
        SynapseForbiddenError: The user has not agreed to the terms of use.

    Source:
        GET /userProfile, POST auth/v1/session, GET auth/v1/secretKey
        https://rest-docs.synapse.org/rest/GET/userProfile.html
    """
    logout(syn)
    request = LoginRequest(
        email=None if sessionToken else email,
        password=hide(password),
        api_key=hide(apiKey),
        session_token=hide(sessionToken),
        token=hide(authToken),
        forced=forced,
        profile=profile,
        config=config.parse_config(endpoints.getConfigFile(syn, syn.configPath), syn.configPath),
        environ=os.environ,
    )
    # Tracebacks that show local variables must not show the secrets.
    del password, apiKey, sessionToken, authToken
    if request.session_token:
        _deprecate("sessionToken", "authToken")
    use_credentials(syn, credential_sources.find_credentials(request), request.email)
    if rememberMe and isinstance(syn.credentials, Token | ApiKey):
        _remember(syn.credentials)
    if not silent:
        _welcome(syn, request)


def logout(syn: Session, forgetMe: bool = False) -> None:
    """Remove the credentials from a session; they stay valid.

    Args:
        syn: The session to log out.
        forgetMe: Whether to delete the token or API key of the current user from the keyring.

    Source:
        No call.
    """
    if forgetMe and syn.username:
        try:
            keyring_store.delete_secrets(syn.username)
        except keyring_store.KeyringUnavailableError as error:
            _log.warning("Could not delete the credentials of %s: %s.", syn.username, error)
    syn.credentials = None
    users.clear_profiles(syn)
    upload_destination.discard_own_locations(syn)
    s3_clients.discard_s3_clients(syn)
    sts_tokens.discard_sts_tokens(syn)


def use_credentials(syn: Session, found: Credentials, email: str | None = None) -> None:
    """Verify credentials, and use them for all further requests.

    Args:
        syn: The session to log in.
        found: The credentials.
        email: User name or e-mail that the credentials must belong to; None for any user.

    Raises:
        SynapseAuthenticationError: Synapse rejected the credentials, or they belong to another
            user, or the service does not support credentials of this type.
        SynapseForbiddenError: The user has not agreed to the terms of use.

    Source:
        GET /userProfile, POST auth/v1/session, GET auth/v1/secretKey
    """
    syn.credentials = _verify(syn, found, email)


def verify_owner(
    credentials: Credentials, profile: Mapping[str, Any], *expected: str | None
) -> str:
    """Return the name of the user to whom credentials belong.

    Args:
        credentials: The credentials.
        profile: Profile of the caller, read with the credentials.
        expected: User names or e-mails that the user must have; None for any.

    Raises:
        SynapseAuthenticationError: The user has another name, or is the anonymous user.
    """
    api_keys.check_accepted(credentials, profile)
    username = api_keys.get_text(profile, "userName")
    names = _profile_names(profile)
    for name in filter(None, expected):
        if name.strip().casefold() not in names:
            raise SynapseAuthenticationError(
                "username/email and auth_token both provided but username does not match token "
                f"profile\nThe {credentials.noun} from {credentials.origin} belongs to "
                f"{username}, not to {redact(name, [credentials.secret])}.\n"
                f"Correct the user name, or use the {credentials.noun} of this user."
            )
    return username


def _verify(syn: Session, found: Credentials, email: str | None) -> Token | ApiKey:
    """Return credentials for all requests, with the verified name of their user.

    Raises:
        SynapseAuthenticationError: The credentials do not belong to the user `email`, or to the
            user that the configuration file names together with them; or the service does not
            support credentials of this type.
        SynapseHTTPError: Synapse rejected the credentials.
    """
    credentials = api_keys.exchange(syn, found)
    profile = api_keys.get_own_profile(syn, credentials)
    return replace(credentials, username=verify_owner(credentials, profile, email, found.username))


def _remember(credentials: Token | ApiKey) -> None:
    """Store a token or an API key in the keyring, or log a warning."""
    is_token = isinstance(credentials, Token)
    what = "token" if is_token else "API key"
    service = keyring_store.TOKEN_SERVICE if is_token else keyring_store.API_KEY_SERVICE
    try:
        warning = keyring_store.store_secret(
            service, str(credentials.username), credentials.secret
        )
    except keyring_store.KeyringUnavailableError as error:
        _log.warning(
            "Could not store the %s: %s. Set %s or the configuration file instead.",
            what,
            error,
            TOKEN_VARIABLE,
        )
    else:
        if warning:
            _log.warning("Stored the %s, but %s.", what, warning)


def _welcome(syn: Session, request: LoginRequest) -> None:
    """Log a welcome message with the name of the user."""
    profile = users.getUserProfile(syn, refresh=True)
    name = profile.get("displayName") or profile["userName"]
    if request.selected_profile and not request.token:
        selected = request.selected_profile
        syn.logger.info("Welcome, %s! You are using the %r profile.", name, selected)
    else:
        syn.logger.info("Welcome, %s!", name)


def _profile_names(profile: Mapping[str, Any]) -> set[str]:
    """Return the user name and e-mails in lower case, because Synapse ignores their case."""
    emails = [profile.get("email"), *(profile.get("emails") or ())]
    return {str(name).casefold() for name in (profile["userName"], *emails) if name}


def _deprecate(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)
