"""Personal access tokens, and the sources that are searched for a token."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.core import keyring_store
from synapse_workflows.client.core.config import Config
from synapse_workflows.client.errors import (
    SynapseAuthenticationError,
    SynapseConfigError,
    SynapseNoCredentialsError,
)

TOKEN_VARIABLE: Final = "SYNAPSE_AUTH_TOKEN"  # noqa: S105 - the name of a variable
PARAMETER_VARIABLE: Final = "SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME"
LOGIN_HELP: Final = (
    "Create a personal access token with the scopes view, download and modify "
    "(https://www.synapse.org/#!PersonalAccessTokens:), and pass it to login(authToken=...), set "
    f"the environment variable {TOKEN_VARIABLE}, or set authtoken in section [authentication] of "
    "the configuration file."
)


@dataclass(frozen=True)
class Token:
    """A personal access token of Synapse.

    Args:
        secret: The token itself, which never appears in a repr, log or error.
        username: User name of the owner. Before the login has verified the name, this is the name
            that is configured together with the token, or None.
        origin: Description of the source in which the token was found.

    Raises:
        SynapseAuthenticationError: The token is malformed, or lacks the scope ``view``.
    """

    secret: str = field(repr=False)
    username: str | None = None
    origin: str = field(default="the argument authToken", compare=False)

    def __post_init__(self) -> None:
        clean = self.secret.strip()
        if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
            raise SynapseAuthenticationError(
                f"Invalid token from {self.origin}: it is empty or contains characters that are "
                "not allowed in a token. Copy the complete token again."
            )
        object.__setattr__(self, "secret", clean)
        scopes = _scopes(clean)
        if scopes is not None and "view" not in scopes:
            raise SynapseAuthenticationError(
                "A view scoped token is required\n"
                f"The token from {self.origin} lacks this scope. {LOGIN_HELP}"
            )

    @property
    def authorization(self) -> str:
        """Value of the Authorization header."""
        return f"Bearer {self.secret}"


@dataclass(frozen=True)
class LoginRequest:
    """Arguments of a login, and the settings in which a token is searched.

    Args:
        email: User name or e-mail address of the owner of the token.
        password: Not supported any more.
        api_key: Not supported any more.
        session_token: Not supported any more, unless it is a personal access token.
        token: The argument ``authToken``.
        forced: Whether to skip the keyring.
        config: Settings of the configuration file.
        environ: Environment variables.
    """

    email: str | None = None
    password: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    forced: bool = False
    config: Config = field(default_factory=lambda: Config("~/.synapseConfig"))
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


#: Function that searches one source and returns a token, or a description of what is missing.
CredentialSource = Callable[[LoginRequest], Token | str]


def find_token(request: LoginRequest) -> Token:
    """Return the token of the first source that has one.

    Raises:
        SynapseNoCredentialsError: No source has a token; the message lists all sources.
        SynapseAuthenticationError: A source has credentials that Synapse does not support any
            more.
    """
    missing = []
    for source in SOURCES:
        result = source(request)
        if isinstance(result, Token):
            return result
        missing.append(result)
    searched = "\n".join(f"  {number}. {text}" for number, text in enumerate(missing, 1))
    raise SynapseNoCredentialsError(
        f"No credentials provided. Looked in:\n{searched}\n{LOGIN_HELP}"
    )


def is_jwt(text: str) -> bool:
    """Return whether a text has the form of a personal access token (a JSON web token)."""
    return _claims(text) is not None


def _arguments(request: LoginRequest) -> Token | str:
    if request.session_token:
        if not is_jwt(request.session_token):
            raise retired_credentials_error("a session token", "the argument sessionToken")
        return Token(request.session_token, origin="the argument sessionToken")
    if request.password:
        raise retired_credentials_error("a password", "the argument password")
    if request.token:
        return Token(request.token)
    if request.api_key:
        raise retired_credentials_error("an API key", "the argument apiKey")
    return "arguments: no authToken"


def _environment(request: LoginRequest) -> Token | str:
    secret = request.environ.get(TOKEN_VARIABLE)
    if not secret:
        return f"environment: {TOKEN_VARIABLE} is not set"
    return Token(secret, origin=f"the variable {TOKEN_VARIABLE}")


def _config_file(request: LoginRequest) -> Token | str:
    login, path = request.config.login, request.config.path
    username = login.get("username")
    if request.email and username and request.email != username:
        return f"{path}: the login is for {username}, not for {request.email}"
    # A token takes precedence over a password, as in the official client.
    if login.get("authtoken"):
        return Token(login["authtoken"], username or None, origin=path)
    if login.get("password") or login.get("apikey"):
        raise retired_credentials_error(
            "a password" if login.get("password") else "an API key", path
        )
    if not Path(path).exists():
        return f"{path}: the file does not exist"
    return f"{path}: no authtoken in section [authentication]"


def _keyring(request: LoginRequest) -> Token | str:
    if request.forced:
        return "keyring: skipped (forced)"
    # Fall back to the last user only if neither the caller nor the configuration names a user.
    username = (
        request.email or request.config.login.get("username") or keyring_store.most_recent_user()
    )
    if not username:
        return f"keyring: no user is recorded in {keyring_store.SESSION_FILE}"
    secret = keyring_store.load_token(username)
    if not secret:
        return f"keyring: no token for {username}"
    configured = request.config.login.get("username") or None
    return Token(secret, configured, origin=f"the keyring ({username})")


def _parameter_store(request: LoginRequest) -> Token | str:
    name = request.environ.get(PARAMETER_VARIABLE)
    if not name:
        return f"AWS parameter store: {PARAMETER_VARIABLE} is not set"
    try:
        import boto3
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
        )
    except ImportError:
        raise SynapseConfigError(
            f"{PARAMETER_VARIABLE} is set, but boto3 is not installed: "
            "pip install 'synapse-workflows[s3]'"
        ) from None
    try:
        response = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise SynapseConfigError(
            f"Cannot read the token from the AWS parameter {name} ({PARAMETER_VARIABLE}): {error}"
        ) from None
    return Token(response["Parameter"]["Value"], origin=f"the AWS parameter {name}")


SOURCES: Final[tuple[CredentialSource, ...]] = (
    _arguments,
    _environment,
    _config_file,
    _keyring,
    _parameter_store,
)


def retired_credentials_error(what: str, where: str) -> SynapseAuthenticationError:
    """Create the error for credentials of a type that Synapse does not support any more."""
    return SynapseAuthenticationError(
        f"Synapse does not support the login with {what} any more (found in {where}). {LOGIN_HELP}"
    )


def _scopes(token: str) -> list[Any] | None:
    """Return the scopes of a token; None if the token does not contain its scopes."""
    claims = _claims(token)
    access = claims.get("access") if claims else None
    scopes = access.get("scope") if isinstance(access, dict) else None
    return scopes if isinstance(scopes, list) else None


def _claims(token: str) -> dict[str, Any] | None:
    """Return the unverified claims of a JSON web token; None if the text is not such a token."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    payload = parts[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None
