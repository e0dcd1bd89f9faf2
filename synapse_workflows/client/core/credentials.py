"""Who is asking: personal access tokens, and the places where one may lie."""

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

TOKEN_VARIABLE: Final = "SYNAPSE_AUTH_TOKEN"  # noqa: S105 - a name, not a token
PARAMETER_VARIABLE: Final = "SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME"
LOGIN_HELP: Final = (
    "Make a personal access token with the scopes view, download and modify "
    "(https://www.synapse.org/#!PersonalAccessTokens:), and give it as login(authToken=...), in "
    f"the variable {TOKEN_VARIABLE}, or as authtoken in section [authentication] of the "
    "configuration file."
)


@dataclass(frozen=True)
class Token:
    """A personal access token of Synapse.

    Args:
        secret: The token itself; in no repr, log or error.
        username: Whose it is, once Synapse said so.
        origin: Where it was found, in words.

    Raises:
        SynapseAuthenticationError: It cannot be a token, or it is one that may read nothing.
    """

    secret: str = field(repr=False)
    username: str | None = None
    origin: str = field(default="the argument authToken", compare=False)

    def __post_init__(self) -> None:
        clean = self.secret.strip()
        if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
            raise SynapseAuthenticationError(
                f"The token of {self.origin} is empty or holds characters that no token has: "
                "copy it again, whole."
            )
        object.__setattr__(self, "secret", clean)
        scopes = _scopes(clean)
        if scopes is not None and "view" not in scopes:
            raise SynapseAuthenticationError(
                "A view scoped token is required\n"
                f"The token of {self.origin} lacks that scope. {LOGIN_HELP}"
            )

    @property
    def authorization(self) -> str:
        """Value of the Authorization header."""
        return f"Bearer {self.secret}"


@dataclass(frozen=True)
class LoginRequest:
    """What a caller of login said, and what lies around.

    Args:
        email: User name or e-mail that the token must belong to.
        password: Retired.
        api_key: Retired.
        session_token: Retired, unless it is a token.
        token: The argument ``authToken``.
        forced: Do not look into the keyring.
        config: The configuration file.
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


#: A place where a token may lie: the token, or what is missing there.
CredentialSource = Callable[[LoginRequest], Token | str]


def find_token(asked: LoginRequest) -> Token:
    """Look for a token in all places, in order; the first that holds one wins.

    Raises:
        SynapseNoCredentialsError: There is none; the message names each place.
        SynapseAuthenticationError: A place holds credentials that Synapse takes no more.
    """
    missing = []
    for place in SOURCES:
        found = place(asked)
        if isinstance(found, Token):
            return found
        missing.append(found)
    looked = "\n".join(f"  {number}. {text}" for number, text in enumerate(missing, 1))
    raise SynapseNoCredentialsError(f"No credentials provided. Looked in:\n{looked}\n{LOGIN_HELP}")


def is_jwt(text: str) -> bool:
    """Whether it has the form of a token, which older kinds of credentials have not."""
    return _claims(text) is not None


def _arguments(asked: LoginRequest) -> Token | str:
    if asked.session_token:
        if not is_jwt(asked.session_token):
            raise retired_credentials_error("a session token", "the argument sessionToken")
        return Token(asked.session_token, origin="the argument sessionToken")
    if asked.password:
        raise retired_credentials_error("a password", "the argument password")
    if asked.token:
        return Token(asked.token)
    if asked.api_key:
        raise retired_credentials_error("an API key", "the argument apiKey")
    return "arguments: no authToken"


def _environment(asked: LoginRequest) -> Token | str:
    found = asked.environ.get(TOKEN_VARIABLE)
    if not found:
        return f"environment: {TOKEN_VARIABLE} is not set"
    return Token(found, origin=f"the variable {TOKEN_VARIABLE}")


def _config_file(asked: LoginRequest) -> Token | str:
    login, where = asked.config.login, asked.config.path
    username = login.get("username")
    if asked.email and username and asked.email != username:
        return f"{where}: its login is for {username}, not for {asked.email}"
    # A token beats what is retired: the official client ignores a password left beside it.
    if login.get("authtoken"):
        return Token(login["authtoken"], origin=where)
    if login.get("password") or login.get("apikey"):
        raise retired_credentials_error(
            "a password" if login.get("password") else "an API key", where
        )
    if not Path(where).exists():
        return f"{where}: there is no such file"
    return f"{where}: no authtoken in section [authentication]"


def _keyring(asked: LoginRequest) -> Token | str:
    if asked.forced:
        return "keyring: not looked into (forced)"
    # A user whom the caller or the file names is never replaced by who was here last.
    username = (
        asked.email or asked.config.login.get("username") or keyring_store.most_recent_user()
    )
    if not username:
        return f"keyring: nobody is remembered in {keyring_store.SESSION_FILE}"
    found = keyring_store.load_token(username)
    if not found:
        return f"keyring: no token of {username}"
    return Token(found, origin=f"the keyring ({username})")


def _parameter_store(asked: LoginRequest) -> Token | str:
    name = asked.environ.get(PARAMETER_VARIABLE)
    if not name:
        return f"AWS parameter store: {PARAMETER_VARIABLE} is not set"
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            ClientError,
        )
    except ImportError:
        raise SynapseConfigError(
            f"{PARAMETER_VARIABLE} is set, but boto3 is not installed: "
            "pip install 'synapse-workflows[s3]'"
        ) from None
    try:
        answer = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as failed:
        raise SynapseConfigError(
            f"The token could not be read from the AWS parameter {name} "
            f"({PARAMETER_VARIABLE}): {failed}"
        ) from None
    return Token(answer["Parameter"]["Value"], origin=f"the AWS parameter {name}")


SOURCES: Final[tuple[CredentialSource, ...]] = (
    _arguments,
    _environment,
    _config_file,
    _keyring,
    _parameter_store,
)


def retired_credentials_error(what: str, where: str) -> SynapseAuthenticationError:
    """Make the error for credentials of a kind that Synapse takes no more."""
    return SynapseAuthenticationError(
        f"Synapse no longer lets clients log in with {what} (found in {where}). {LOGIN_HELP}"
    )


def _scopes(token: str) -> list[Any] | None:
    """Scopes of a token; None when it does not say."""
    claims = _claims(token)
    access = claims.get("access") if claims else None
    scopes = access.get("scope") if isinstance(access, dict) else None
    return scopes if isinstance(scopes, list) else None


def _claims(token: str) -> dict[str, Any] | None:
    """Claims of a JSON web token, unchecked; None when it is none."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    middle = parts[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None
