"""Logging in with a personal access token, and out.

Source: https://rest-docs.synapse.org (PersonalAccessTokenController, UserProfileController)
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synapse_workflows.client.api import endpoints, users
from synapse_workflows.client.core import config, credentials, keyring_store
from synapse_workflows.client.core.credentials import Asked, Token
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseAuthenticationError, SynapseHTTPError


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
    """Find a token, make sure whose it is, and speak in that name from now on.

    Looked for in this order: `authToken`; the variable ``SYNAPSE_AUTH_TOKEN``; ``authtoken`` in
    section ``[authentication]`` of the configuration file; the keyring; the parameter of AWS
    named by ``SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME``. The first that holds a token wins, and if
    Synapse does not take that one, no other is tried.

    Args:
        syn: The session that is to speak.
        email: User name or e-mail that the token must belong to; also whose entry of the
            configuration file and the keyring to take.
        password: Taken no more by Synapse.
        apiKey: Taken no more by Synapse.
        sessionToken: Deprecated; a token may be given here.
        rememberMe: Keep the token in the keyring of this machine.
        silent: Do not say welcome.
        forced: Do not look into the keyring.
        authToken: A personal access token.

    Raises:
        SynapseNoCredentialsError: No token anywhere; says where it was looked for.
        SynapseAuthenticationError: A password, an API key, or a token that is of somebody else,
            may not view, or is not accepted.

    Source:
        GET /userProfile
    """
    if sessionToken:
        _deprecate("sessionToken", "authToken")
    logout(syn)
    settings = config.of(endpoints.getConfigFile(syn, syn.configPath), syn.configPath)
    asked = Asked(
        email=email,
        password=password,
        api_key=apiKey,
        session_token=sessionToken,
        token=authToken,
        forced=forced,
        config=settings,
        environ=os.environ,
    )
    token = _verify_token(syn, credentials.find(asked), email)
    syn.credentials = token
    if rememberMe and not keyring_store.store(str(token.username), token.secret):
        syn.logger.warning("Not remembered: this machine has no keyring.")
    if not silent:
        profile = users.getUserProfile(syn, refresh=True)
        name = profile.get("displayName") or profile["userName"]
        syn.logger.info("Welcome, %s!", name)


def logout(syn: Session, forgetMe: bool = False) -> None:
    """Forget who is asking; the token stays valid.

    Args:
        syn: The session that is to be nobody's.
        forgetMe: Also delete the token of the current user from the keyring.

    Source:
        no call
    """
    if forgetMe and syn.username:
        keyring_store.forget(syn.username)
    syn.credentials = None
    users.clear_profiles(syn)


def _verify_token(syn: Session, token: Token, email: str | None) -> Token:
    """Ask Synapse whose token it is; that must be who was named."""
    try:
        profile = syn.call("GET", "/userProfile", auth=token).json
    except SynapseHTTPError as failed:
        failed.add_note(f"This was the token of {token.origin}.")
        raise
    username = str(profile["userName"])
    if email and email.casefold() not in _profile_names(profile):
        raise SynapseAuthenticationError(
            "username/email and auth_token both provided but username does not match token "
            f"profile\nThe token of {token.origin} is of {username}, not of {email}."
        )
    return replace(token, username=username)


def _profile_names(profile: Mapping[str, Any]) -> set[str]:
    """User name and e-mails, in small letters: Synapse tells none apart by case."""
    emails = [profile.get("email"), *(profile.get("emails") or ())]
    return {str(name).casefold() for name in (profile["userName"], *emails) if name}


def _deprecate(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)
