"""Login with a personal access token, and logout.

Source: https://rest-docs.synapse.org (PersonalAccessTokenController, UserProfileController)
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synapse_workflows.client.api import endpoints, users
from synapse_workflows.client.core import config, credentials, keyring_store, sts_tokens
from synapse_workflows.client.core.credentials import LoginRequest, Token
from synapse_workflows.client.core.redaction import redact
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseHTTPError
from synapse_workflows.client.transfer import s3_clients


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
) -> None:
    """Find a personal access token, verify it and use it for all further requests.

    The token is searched for in this order: `authToken`; the environment variable
    ``SYNAPSE_AUTH_TOKEN``; ``authtoken`` in section ``[authentication]`` of the configuration
    file; the keyring; the AWS SSM parameter named by ``SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME``.
    The first token found is used. If Synapse rejects it, no other token is tried.

    Args:
        syn: The session to log in.
        email: User name or e-mail that the token must belong to. It also selects the entry in
            the configuration file and the keyring.
        password: No longer supported by Synapse.
        apiKey: No longer supported by Synapse.
        sessionToken: Deprecated; use `authToken`.
        rememberMe: Whether to store the token in the keyring.
        silent: Whether to skip the welcome message.
        forced: Whether to ignore the keyring.
        authToken: A personal access token.

    Raises:
        SynapseNoCredentialsError: No token was found; the message lists the places searched.
        SynapseAuthenticationError: Synapse rejected the token; or the token belongs to another
            user than `email` or the user name in the configuration file; or the token lacks the
            scope ``view``; or a password or an API key was given.

    Source:
        GET /userProfile
        https://rest-docs.synapse.org/rest/GET/userProfile.html
    """
    if sessionToken:
        _deprecate("sessionToken", "authToken")
    logout(syn)
    settings = config.parse_config(endpoints.getConfigFile(syn, syn.configPath), syn.configPath)
    request = LoginRequest(
        email=email,
        password=password,
        api_key=apiKey,
        session_token=sessionToken,
        token=authToken,
        forced=forced,
        config=settings,
        environ=os.environ,
    )
    token = _verify_token(syn, credentials.find_token(request), email)
    syn.credentials = token
    if rememberMe and not keyring_store.store_token(str(token.username), token.secret):
        syn.logger.warning("Could not store the token: this machine has no keyring.")
    if not silent:
        profile = users.getUserProfile(syn, refresh=True)
        name = profile.get("displayName") or profile["userName"]
        syn.logger.info("Welcome, %s!", name)


def logout(syn: Session, forgetMe: bool = False) -> None:
    """Remove the credentials from a session; the token stays valid.

    Args:
        syn: The session to log out.
        forgetMe: Whether to delete the token of the current user from the keyring.

    Source:
        No call.
    """
    if forgetMe and syn.username:
        keyring_store.delete_token(syn.username)
    syn.credentials = None
    users.clear_profiles(syn)
    s3_clients.discard_s3_clients(syn)
    sts_tokens.discard_sts_tokens(syn)


def _verify_token(syn: Session, token: Token, email: str | None) -> Token:
    """Return the token with its user name, after verifying it with Synapse.

    Raises:
        SynapseAuthenticationError: The token does not belong to the user `email`, or to the user
            that the configuration file names together with the token.
        SynapseHTTPError: Synapse rejected the token.
    """
    try:
        profile = syn.call("GET", "/userProfile", auth=token).object
    except SynapseHTTPError as error:
        error.add_note(f"The token comes from {token.origin}.")
        raise
    username = str(profile["userName"])
    names = _profile_names(profile)
    for expected in filter(None, (email, token.username)):
        if expected.strip().casefold() not in names:
            raise SynapseAuthenticationError(
                "username/email and auth_token both provided but username does not match token "
                f"profile\nThe token from {token.origin} belongs to {username}, not to "
                f"{redact(expected, [token.secret])}.\n"
                "Correct the user name, or use a token of this user."
            )
    return replace(token, username=username)


def _profile_names(profile: Mapping[str, Any]) -> set[str]:
    """Return the user name and e-mails in lower case, because Synapse ignores their case."""
    emails = [profile.get("email"), *(profile.get("emails") or ())]
    return {str(name).casefold() for name in (profile["userName"], *emails) if name}


def _deprecate(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)
