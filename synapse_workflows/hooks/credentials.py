"""Credentials of an Airflow connection: one account, and no silent fallback to another one."""

import os

from synapse_workflows.client.core import config
from synapse_workflows.client.core.credential_sources import (
    LoginRequest,
    find_credentials as search,
    search_config_file,
    search_environment,
)
from synapse_workflows.client.core.credentials import (
    ApiKey,
    Credentials,
    Password,
    Token,
    is_jwt,
)
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseNoCredentialsError,
    SynapseUnauthorizedError,
)
from synapse_workflows.hooks.connection import ClientSettings


def find_credentials(settings: ClientSettings) -> Token | ApiKey:
    """Return the credentials of a connection.

    A connection without token and API key has those of the environment of this process, but only
    with `env_fallback`: the token in ``SYNAPSE_AUTH_TOKEN`` or in ~/.synapseConfig.

    Args:
        settings: Settings of the connection.

    Raises:
        SynapseNoCredentialsError: There are no credentials.
        SynapseAuthenticationError: The credentials are malformed.
    """
    if settings.token is not None:
        return _parse_token(settings.token, settings.origin)
    if settings.api_key is not None:
        if settings.username is None:
            raise SynapseAuthenticationError(
                f"The API key of {settings.origin} needs the name of its user: set the "
                "login of the connection to the user name."
            )
        return ApiKey(settings.api_key, settings.username, settings.origin)
    if not settings.env_fallback:
        raise SynapseNoCredentialsError(
            f"{_capitalize(settings.origin)} has no token. Set its password to a personal access "
            "token, created on synapse.org under Account Settings. The environment of the worker "
            'is used only if the extra of the connection has {"env_fallback": true}.'
        )
    return _find_in_environment(settings)


def describe_fallback(origin: str, username: str, found: Credentials) -> str:
    """Return the log message that names the account of a connection without credentials."""
    return (
        f"{_capitalize(origin)} has no token: acting as {username} with the {found.noun} "
        f"from {found.origin} (env_fallback)"
    )


def explain_rejection(
    error: SynapseUnauthorizedError, settings: ClientSettings
) -> SynapseUnauthorizedError:
    """Return an error that explains why Synapse rejects the credentials of a connection."""
    if settings.token is None or is_jwt(settings.token):
        return error
    return SynapseUnauthorizedError(
        error.status,
        error.reason,
        error.call,
        error.response,
        advice=_advise_token(settings.origin),
    )


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _parse_token(text: str, origin: str) -> Token:
    try:
        return Token(text, origin=origin)
    except SynapseAuthenticationError as error:
        if is_jwt(text):
            raise
        raise SynapseAuthenticationError(f"{error}\n{_advise_token(origin)}") from None


def _advise_token(origin: str) -> str:
    """Return advice on a password that does not have the form of a personal access token."""
    return (
        f"The password of {origin} is not a personal access token. Synapse does "
        "not accept the password of an account. Create a personal access token with the scopes "
        "view, download and modify on synapse.org under Account Settings, and set it as the "
        "password of the connection. The login may be empty or the user name."
    )


def _find_in_environment(settings: ClientSettings) -> Token | ApiKey:
    request = LoginRequest(
        email=settings.username,
        config=config.parse_config(config.read_file(config.DEFAULT_PATH)),
        environ=os.environ,
    )
    # A selected profile precedes the variable, as in `login`.
    sources = () if request.selected_profile else (search_environment,)
    try:
        found = search(request, (*sources, search_config_file))
    except SynapseNoCredentialsError as error:
        raise SynapseNoCredentialsError(
            f"{_capitalize(settings.origin)} has no token, and env_fallback found none.\n{error}"
        ) from None
    if isinstance(found, Password):
        found = found.alternative or found
    if not isinstance(found, Token | ApiKey):
        raise SynapseNoCredentialsError(
            f"{_capitalize(settings.origin)} has no token, and env_fallback accepts no password "
            f"(found in {found.origin}). Set SYNAPSE_AUTH_TOKEN to a personal access token."
        )
    return found
